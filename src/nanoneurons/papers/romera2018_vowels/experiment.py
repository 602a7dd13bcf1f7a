"""Four coupled spin-torque oscillators recognise spoken vowels by their synchronisation (Romera et al. 2018).

Twelve formant frequencies of a vowel become two microwave frequencies by a linear map that is fitted off-line (26
numbers). Both are injected into four oscillators; which oscillators follow which of them is the answer. Four dc
currents are then learned online, from untuned ones. Every number is measured on held-out vowels in stratified
cross-validation.

The published numbers, and most parameters of the experiment, could not be read in a source: the oscillators here are a
vortex junction whose parameters are marked below as sourced or chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons.learning.synchronisation import Synchronisation
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures, _protocol, _quantities

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Vowel recognition with four coupled spin-torque nano-oscillators"
CITATION = Synchronisation.citation


@dataclass(frozen=True)
class Config:
    """Settings, in SI units.

    Sourced: four oscillators, 12 formants, 37 tokens of 7 vowels, about 50 steps, frequencies of 320 to 380 MHz (all
    unverified), threshold 3.5 mA (survey of vortex junctions), damping 1.6e7/s (rigid vortex core of 187.5 nm radius),
    locking ranges ten times those of phase oscillators (`shift`). Chosen: `frequency_zero` and `tuning_slope`, so that
    5.5 to 8.5 mA cover these frequencies; `half_range` of locking; `mutual` locking of the size of the linewidth, with
    the phase at which it acts most; spreads of a few per cent. The linewidth follows from the device at 300 K: 0.9 MHz.

    Attributes:
        chips: sets of four oscillators made for each fold of the condition ``full``; the sweeps make one.
        half_range, mutual, tuning: see `_network.Condition`; `tolerance` is the largest distance in Hz between an
            oscillator and the tone that it is said to follow, after `transient`, over `window` (s).
        sweeps: values of each swept quantity; all others stay as in ``full``.
        curve: steps after which the learning curve is measured.
        grid: points along each frequency of the map that is drawn.
    """

    seeds: int = 5
    first_seed: int = 0
    folds: int = 5
    chips: int = 4
    frequency_zero: float = 222.7e6
    threshold: float = 3.5e-3
    linear_damping: float = 1.6e7
    nonlinear_damping: float = 2.0
    shift: float = 6.4e8
    tuning_slope: float = 14.5e9
    operating_current: float = 7e-3
    lowest_current: float = 5.5e-3
    highest_current: float = 8.5e-3
    injection_spread: float = 0.05
    coupling_phase: float = 1.5707963267948966
    centre: float = 350e6
    tuning: float = 60e6
    half_range: float = 8e6
    mutual: float = 1e6
    tolerance: float = 1e6
    time_step: float = 1e-9
    transient: float = 1e-6
    window: float = 2e-6
    steps: int = 50
    restarts: int = 6
    map_steps: int = 200
    curve: tuple[int, ...] = (0, 1, 2, 5, 10, 20, 30, 40, 50)
    grid: int = 97
    sweep_mutual: tuple[float, ...] = (0.0, 0.5e6, 1e6, 2e6, 4e6, 8e6, 16e6)
    sweep_half_range: tuple[float, ...] = (1e6, 2e6, 4e6, 6e6, 8e6, 10e6, 14e6)
    sweep_noise: tuple[float, ...] = (0.0, 0.3, 1.0, 3.0, 10.0, 30.0)
    sweep_mismatch: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0, 8.0)
    sweep_tuning: tuple[float, ...] = (10e6, 20e6, 30e6, 40e6, 60e6, 80e6)

    def __post_init__(self) -> None:
        at_least(self, seeds=1, folds=2, chips=1, steps=1, restarts=1, map_steps=1, grid=2)


QUICK = Config(
    seeds=2, folds=3, chips=1, restarts=2, map_steps=60, steps=20, curve=(0, 5, 20), grid=25, sweep_mutual=(0.0, 4e6),
    sweep_half_range=(), sweep_noise=(), sweep_mismatch=(), sweep_tuning=(),
)  # fmt: skip


def jobs(config: Config) -> list[list[str]]:
    """First the linear maps of every seed, then networks, software references and sweeps."""
    return _protocol.jobs(config)


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    return _protocol.run(config, job, folder, progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Held-out accuracies, what they are compared with, and the sweeps."""
    return _quantities.quantities(config, results)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """The synchronisation map before and after learning, the learning curve, the sweeps."""
    return _figures.figures(config, results)
