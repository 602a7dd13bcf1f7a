"""Two layers of spin diodes and spin-torque oscillators that talk in radio frequency (Ross et al. 2023).

1. The network 256-128-10 on power spectra of drones with the constants of the authors' program, and the software
   perceptron beside it.
2. The paper's three non-idealities, alone and together: plain training written to chips, the paper's training with the
   ideal twin, virtual chips in training, and training with a twin of the chip as measured.
3. A simulation of a network of nine junctions, the size of the experiment. Nothing but its number of junctions and its
   accuracy could be read, so wiring, tones, regions and sample counts are ours.
4. Power by cause, and a digital receiver for the same spectra.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _drone, _figures, _junctions, _quantities

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Multilayer spintronic neural network with radio-frequency connections"
CITATION = SpinDiode.citation


@dataclass(frozen=True)
class Config:
    """Settings, in SI units. The first block is that of the authors' program; the rest is ours.

    Settings of ours were chosen on parts of the drones' training set and on other seeds of the plane (100 and up).

    Attributes:
        lr, bias_lr: Adam steps of resonances in Hz and of biases in V, constant; `software_lr` that of the perceptron.
        averaged: epochs that an accuracy is the mean of, at the end and at `early`.
        spread_seeds: networks whose chips are made with non-idealities, `chips` of each.
        levels: spreads of all three together; `single_levels` of each alone; `shared_levels` of all three with the
            program's convention, one deviation of the resonance per position for all chains of a layer. Ours is one per
            junction.
        tuning: largest shift of a resonance over its nominal value, in effect none as in the program; at
            `limited_levels` it is also `limited_tuning`, that of the device `spin-diode`.
        lr_factor, lr_final: of the calibrated and of the injected training, larger steps that fall along half a cosine.
        plane_half_width: class 1 is where two powers differ by less, over the full power.
        plane_noise: relative noise of the powers that arrive.
        plane_starts: random starts of the software training, the best on the training points is kept.
        settling: reading time in units of 1/(2 pi half linewidth) of the slowest resonator.
    """

    seeds: int = 10
    epochs: int = 100
    batch: int = 256
    lr: float = 6.6093213492233285e3
    bias_lr: float = 6.6093213492233285e-6
    software_lr: float = 0.03571156131891213
    averaged: int = 5
    early: int = 20
    spread_seeds: int = 5
    chips: int = 2
    levels: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03, 0.05)
    single_levels: tuple[float, ...] = (0.003, 0.01, 0.03)
    shared_levels: tuple[float, ...] = (0.01, 0.03)
    limited_levels: tuple[float, ...] = (0.03,)
    tuning: float = 0.5
    limited_tuning: float = 0.05
    lr_factor: float = 3.0
    lr_final: float = 0.1
    plane_tones: tuple[float, ...] = (150e6, 300e6)
    plane_half_width: float = 0.3
    plane_noise: float = 0.01
    plane_samples: int = 400
    plane_test_samples: int = 2000
    plane_starts: int = 64
    plane_chips: int = 8
    plane_lr: float = 0.06
    plane_bias_lr: float = 0.2
    plane_epochs: int = 60
    plane_grid: int = 61
    amplifier_efficiency: float = 0.3
    settling: float = 5.0

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, batch=2, averaged=1, spread_seeds=1, chips=1, plane_samples=2, plane_test_samples=2,
            plane_starts=1, plane_chips=1, plane_epochs=1, plane_grid=2, levels=1e-6, single_levels=1e-6,
            shared_levels=1e-6, limited_levels=1e-6,
        )  # fmt: skip
        at_least(self, early=self.averaged)
        at_least(self, epochs=self.early)


QUICK = Config(
    seeds=1, epochs=10, early=5, averaged=2, spread_seeds=1, chips=1, levels=(0.003, 0.03), single_levels=(0.03,),
    shared_levels=(), limited_levels=(), plane_starts=48, plane_chips=2, plane_test_samples=500, plane_grid=25,
)  # fmt: skip


def jobs(config: Config) -> list[list[str]]:
    """One stage: per seed the chips with spread, the two networks on drones, and the two networks in the plane."""
    return [_quantities.jobs(config)]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    part, kind, *rest, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if part == "spread":
        return _drone.spread(config, kind, float(rest[0]), seed, progress)
    if part == "plane":
        return _junctions.run(config, kind == "two-layers", seed, progress)
    return _drone.software(config, seed) if kind == "software" else _drone.ideal(config, seed, progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracies on drones and in the plane, what the non-idealities cost by training, power and energy."""
    return _quantities.quantities(config, results)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Learning curves, accuracy against spread, the map of the nine junctions, energy."""
    return _figures.figures(config, results)
