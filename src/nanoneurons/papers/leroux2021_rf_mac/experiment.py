"""Spin diodes as weights of radio-frequency signals (Leroux et al. 2021): multiply-and-accumulate and classification.

Three parts, with the device equations that the group published with later work (Ross et al. 2023): two diodes that
multiply and add two tones; a perceptron of 64 tones and ten chains on the 8x8 digits; and, from the same group (Leroux
et al. 2023), extreme learning of noisy images with a hidden layer of diodes and oscillators as fabricated. The
papers' own frequencies, powers and sizes could not be read, so those here are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _extreme, _figures, _mac, _perceptron, _quantities

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Multiply-and-accumulate and classification of radio-frequency signals by spin diodes"
CITATION = """@article{leroux2021rf,
  author = {Leroux, Nathan and Markovi{\\'c}, Danijela and Martin, Erwann and Petrisor, Teodora and Querlioz, Damien and
            Mizrahi, Alice and Grollier, Julie},
  title = {Radio-frequency multiply-and-accumulate operations with spintronic synapses},
  journal = {Physical Review Applied},
  volume = {15},
  pages = {034067},
  year = {2021},
  doi = {10.1103/PhysRevApplied.15.034067}
}"""


@dataclass(frozen=True)
class Config:
    """Settings, in SI units.

    Multiply-and-accumulate: tones `mac_tone` and one `mac_distance` full linewidths above it (50 at a damping of 0.01:
    an octave); weights up to `largest_weight` of what a diode can do. `compression` and `exponent` are those of the
    imperfect detectors: full power over saturation power, and the power law. `passive_sensitivity` is that of a
    measured diode without bias in V/W (El Valli et al. 2022).

    Perceptron: `learning_rate` in half linewidths per step; `initial_shift` is that of the circuit, a tenth of its
    usual value, since pixels that are never lit keep the weights they start with. Both were chosen on images held back
    from the training images of other splits. `sweep_spacing` and `sweep_band` are distances of neighbouring tones in
    full linewidths, by the damping at the band given and by the band at the damping given; `sweep_symmetric` is the
    symmetric over the dispersive line; `sweep_spread` the relative spread of resonances, `chips` chips each. Sweeps
    take the first `sweep_seeds` seeds.

    Extreme learning: `image_noise` is the standard deviation on every pixel of 0 to 1; `full_powers` and `gains` are
    scales that the networks choose from; `neuron_bias` sets the oscillators into the middle of their range.
    """

    seeds: int = 10
    first_seed: int = 0
    damping: float = 0.01
    full_power: float = 1e-6
    mac_tone: float = 100e6
    mac_distance: float = 50.0
    mac_distances: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
    near_distance: float = 3.0
    mac_weights: int = 9
    mac_powers: int = 11
    mac_chips: int = 100
    largest_weight: float = 0.9
    compression: float = 0.1
    exponent: float = 0.9
    passive_sensitivity: float = 300.0
    resonance_spread: float = 0.01
    band_low: float = 20e6
    band_high: float = 120e6
    epochs: int = 150
    batch: int = 256
    learning_rate: float = 0.03
    initial_shift: float = 0.0014
    sweep_seeds: int = 5
    chips: int = 4
    sweep_spacing: tuple[float, ...] = (0.15, 0.25, 0.35, 0.5, 0.7, 1.0, 2.0, 4.0)
    sweep_band: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    sweep_symmetric: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0)
    sweep_spread: tuple[float, ...] = (0.001, 0.003, 0.01, 0.03)
    image_noise: float = 0.2
    hidden: int = 200
    sweep_hidden: tuple[int, ...] = (50, 100, 200, 400)
    sweep_noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3)
    full_powers: tuple[float, ...] = (0.03e-6, 0.05e-6, 0.1e-6)
    gains: tuple[float, ...] = (0.3, 1.0)
    neuron_bias: float = 7.4e-3

    def __post_init__(self) -> None:
        at_least(self, seeds=1, sweep_seeds=1, mac_weights=2, mac_powers=2, mac_chips=1, chips=1, epochs=1, batch=1)
        at_least(self, hidden=1, sweep_hidden=1, full_powers=1e-12, gains=1e-6, sweep_spacing=0.01, sweep_band=0.01)
        at_least(self, mac_distance=0.1, mac_distances=0.1, near_distance=0.1)


QUICK = Config(
    seeds=2, mac_weights=5, mac_powers=5, mac_chips=20, mac_distances=(2.0, 10.0, 50.0), epochs=30, sweep_seeds=1,
    chips=2, sweep_spacing=(0.25, 1.0), sweep_band=(), sweep_symmetric=(1.0,), sweep_spread=(0.01,), hidden=100,
    sweep_hidden=(50, 100), sweep_noise=(0.0, 0.2), full_powers=(0.1e-6,), gains=(1.0,),
)  # fmt: skip


def jobs(config: Config) -> list[list[str]]:
    """One job per condition and seed, all independent."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    first = seeds[: config.sweep_seeds]
    work = [f"mac/seed{s}" for s in first]
    work += [f"perceptron/{name}/seed{s}" for name in ("with", "without", "shuffled") for s in seeds]
    work += [f"perceptron/{name}/seed{s}" for name in _perceptron.conditions(config) for s in first]
    work += [f"software/seed{s}" for s in seeds]
    main, *swept = _extreme.cases(config)
    work += [f"extreme/{main}/seed{s}" for s in seeds] + [f"extreme/{case}/seed{s}" for case in swept for s in first]
    return [work]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job; see `jobs`."""
    kind, *rest, last = job.split("/")
    seed = int(last.removeprefix("seed"))
    if kind == "mac":
        return _mac.experiment(config, seed)
    if kind == "software":
        return dict(_perceptron.software(seed))
    if kind == "extreme":
        return _extreme.classify(config, "/".join(rest), seed, progress)
    return _perceptron.perceptron(config, "/".join(rest), seed, progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Errors of the multiply-and-accumulate, accuracies, differences with their intervals, and sweeps."""
    return _quantities.quantities(config, results)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Voltages against sums, error against distance, cancellation, sweeps of the perceptron, extreme learning."""
    return _figures.figures(config, results)
