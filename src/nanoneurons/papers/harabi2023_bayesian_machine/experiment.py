"""A Bayesian machine with memristors, and its logarithmic successor (Harabi et al. 2023, Turck et al. 2025).

Likelihoods stand as eight-bit words in pairs of memristors beside the gates that multiply them: as random bits through
AND gates, or as logarithms through adders. The machine is tested as fabricated (4 x 4 blocks, 2,048 memristors) and as
scaled up to gestures (4 x 6 blocks).

The authors' own recordings (ten people) are not public. In their place: digits drawn in the air by one person with a
phone, and gestures of four people with a watch, whose one axis alone is published. Accuracies are therefore of other
data than the paper's; what can be compared is what the machine loses against floating point. Takes recorded one after
another stay together (blocks of five); a seed is another division of the blocks into parts, each of which is held out
once, and other seeds of the registers. Bins, choice of features and rescaling are chosen anew in every part, on its
training takes alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons.learning.naive_bayes import NaiveBayes
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _chip, _figures, _gestures, _quantities, _robustness, _stops

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "A memristor-based Bayesian machine, and its logarithmic successor"
CITATION = (
    NaiveBayes.citation
    + "\n@article{turck2025logarithmic, title={The logarithmic memristor-based Bayesian machine}, author={Turck, "
    "Cl{\\'e}ment and others}, journal={Communications Engineering}, volume={4}, pages={35}, year={2025}, "
    "eprint={2406.03492}, archiveprefix={arXiv}}"
)


@dataclass(frozen=True)
class Config:
    """Settings.

    Sourced: 2,048 memristors; eight-bit words, registers and adders (published RTL). From memory: 4 gestures, 6
    features, Gaussian likelihoods, 512 bins, largest likelihood of a column scaled to 1.

    Attributes:
        task: the four gestures; ``gestures`` has all ten digits.
        folds: parts of the ten blocks; `inner_folds` those of the training takes when settings are chosen.
        estimates, bins, selections, rescales: settings to choose from, the published ones first.
        decades: what 255 steps of logarithms cover.
        register_draws: random sets of register seeds each machine is tested with; `curve_draws` of them for curves.
        cycles: lengths of a run. bit_errors, upsets: probabilities per stored bit, and per register bit and cycle.
        error_draws, upset_draws: random patterns of each part.
        devices, chips: memories of the fabricated machine and how many chips of each.
        powers: powers of the likelihoods that are stored, on machines with `power_columns` features.
        small_products: largest product of a constructed machine; the next hypothesis is `small_margin` times less
            likely or worse; `small_machines` of them.
    """

    seeds: int = 10
    first_seed: int = 0
    task: str = "gestures:4"
    columns: int = 6
    folds: int = 5
    inner_folds: int = 4
    estimates: tuple[str, ...] = ("gaussian",)
    bins: tuple[int, ...] = (512, 64)
    selections: tuple[str, ...] = ("accuracy", "information")
    rescales: tuple[str, ...] = ("column", "value")
    decades: float = 8.0
    register_draws: int = 20
    curve_draws: int = 5
    cycles: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 100, 128, 160, 200, 255)
    bit_errors: tuple[float, ...] = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    upsets: tuple[float, ...] = (1e-6, 1e-5, 5e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    error_draws: int = 200
    upset_draws: int = 10
    devices: tuple[str, ...] = ("hfox-binary", "hfox-binary:weak")
    chips: int = 50
    powers: tuple[float, ...] = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
    power_columns: tuple[int, ...] = (6, 12)
    small_products: tuple[float, ...] = (
        1.0, 0.3, 0.1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7,
    )  # fmt: skip
    small_margin: float = 3.0
    small_machines: int = 2000

    def __post_init__(self) -> None:
        least = {"seeds": 1, "columns": 1, "folds": 2, "inner_folds": 2, "register_draws": 1, "curve_draws": 1}
        at_least(self, **least, error_draws=1, upset_draws=1, chips=1, small_machines=1)


QUICK = Config(
    seeds=2, folds=3, inner_folds=2, bins=(64,), selections=("information",), register_draws=4, curve_draws=2,
    cycles=(1, 4, 16, 50, 255), bit_errors=(1e-5, 1e-3, 1e-1), upsets=(1e-5, 1e-3, 1e-1), error_draws=20, upset_draws=1,
    chips=5, powers=(1.0, 0.5), power_columns=(6,), small_products=(1.0, 1e-2, 1e-4), small_machines=200,
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


KINDS = ("fabricated", "small", "four", "stops", "robustness", "people", "ten", "powers")


def jobs(config: Config) -> list[list[str]]:
    """One stage of independent jobs, ``KIND/seedN``."""
    return [[f"{kind}/seed{seed}" for kind in KINDS for seed in seeds_of(config)]]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Do one job."""
    kind, _, text = job.partition("/seed")
    seed = int(text)
    if kind in ("four", "ten"):
        return _gestures.cross_validate(config, config.task if kind == "four" else "gestures", seed, progress)
    work = {
        "fabricated": _chip.fabricated, "small": _chip.small, "people": _gestures.people,
        "robustness": _robustness.robustness, "powers": _gestures.powers, "stops": _stops.stops,
    }[kind]  # fmt: skip
    return work(config, seed, progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """The fabricated machine, gestures, robustness, energy, small probabilities."""
    return _quantities.quantities(config, results)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Layout, accuracy against cycles, bit errors and upsets, one decision, confusion, small probabilities."""
    return _figures.figures(config, results)
