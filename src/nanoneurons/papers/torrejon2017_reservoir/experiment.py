"""One magnetic oscillator as a reservoir: sine or square, and spoken digits (Torrejon et al. 2017).

A vortex junction whose amplitude follows its current over some hundred nanoseconds is used as 24, 400 or 1000 neurons
in turn; a linear read-out names the class. Everything is also done without the oscillator, the read-out then seeing the
frames of the front end themselves, because a nonlinear front end alone already carries much of the recognition
(Abreu Araujo et al. 2020).

TI-46, the paper's set, is licensed. The free spoken digits stand in for it, so published recognition rates are quoted
for orientation only; ``ti46`` names the folder of a user who has the set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nanoneurons import data
from nanoneurons.core.errors import StudyError
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _digits, _figures, _frontends, _quantities, _sine_square

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "One spin-torque oscillator as a reservoir: waveforms and spoken digits"
CITATION = """@article{torrejon2017neuromorphic,
  author = {Torrejon, J. and Riou, M. and Abreu Araujo, F. and Tsunegi, S. and Khalsa, G. and Querlioz, D. and
            Bortolotti, P. and Cros, V. and Yakushiji, K. and Fukushima, A. and Kubota, H. and Yuasa, S. and
            Stiles, M. D. and Grollier, J.},
  title = {Neuromorphic computing with nanoscale spintronic oscillators},
  journal = {Nature},
  volume = {547},
  pages = {428--431},
  year = {2017},
  doi = {10.1038/nature23011}
}"""


@dataclass(frozen=True)
class Config:
    """Settings, in SI units.

    The oscillator is the preset ``relaxation-fit`` of spin-torque-oscillator (law ``fit``: one time constant, fitted to
    measured vortex junctions) or that device's own amplitude equation (law ``auto-oscillator``). Noise, where it is on,
    is the thermal noise that they declare, a choice of ours for the fit, since no published level could be read.

    `takes` and `test_takes` limit the utterances per digit and speaker (0: all). `operating_points` of the sweep of
    noise are a law, a direct current and a swing. `digits` is ``"on"``, ``"off"`` or ``"if-there"``: only when the data
    folder holds them.
    """

    seeds: int = 5
    first_seed: int = 0
    direct_current: float = 7e-3
    swing: float = 3e-3
    node_time: float = 100e-9
    periods: int = 2560
    sine_nodes: int = 24
    digits: str = "on"
    fronts: tuple[str, ...] = (
        "mfcc",
        "spectrogram",
        "magnitude-spectrogram",
        "cochleagram",
        "cochleagram-context",
    )
    sizes: tuple[int, ...] = (400, 1000)
    validation_takes: int = 5
    takes: int = 0
    test_takes: int = 0
    small_fronts: tuple[str, ...] = ("spectrogram", "cochleagram")
    splits: int = 10
    ridge: float = 1e-9
    noise_front: str = "cochleagram"
    noise_levels: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    operating_points: tuple[tuple[str, float, float], ...] = (
        ("fit", 7e-3, 3e-3),
        ("fit", 5e-3, 5e-3),
        ("auto-oscillator", 7e-3, 3e-3),
        ("auto-oscillator", 5e-3, 5e-3),
    )
    ti46: str = ""

    def __post_init__(self) -> None:
        at_least(self, seeds=1, periods=2, sine_nodes=1, sizes=1, splits=1)


QUICK = Config(
    seeds=2, periods=640, digits="if-there", fronts=("mfcc",), sizes=(100,), takes=4, validation_takes=2, test_takes=2,
    small_fronts=(), noise_levels=(), operating_points=(),
)  # fmt: skip

CONDITIONS = ("without", "quiet", "noisy")
SOURCE = "spoken-digits"


def jobs(config: Config) -> list[list[str]]:
    """First the frames of every front end, once; then one job per condition and seed."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    waves = [f"waves/seed{s}" for s in seeds]
    if not _has_digits(config):
        return [waves]
    used = (*config.fronts, *config.small_fronts, *([config.noise_front] if config.noise_levels else []))
    bare = dict.fromkeys(front.removesuffix(_frontends.CONTEXT) for front in used)
    first = [f"frames/{SOURCE}/{front}" for front in bare]
    work = waves + [
        f"digits/{front}/{n}/seed{s}"
        for n in sorted(config.sizes, reverse=True)
        for front in config.fronts
        for s in seeds
    ]
    work += [f"digits/{front}/0/seed{config.first_seed}" for front in config.fronts]
    sources = [SOURCE]
    if config.ti46:
        sources.append("ti46")
        first += [f"frames/ti46/{front}" for front in config.small_fronts]
    work += [
        f"small/{source}/{front}/{condition}/seed{s}"
        for source in sources
        for front in config.small_fronts
        for condition in CONDITIONS
        for s in (seeds if condition != "without" else seeds[:1])
    ]
    if config.noise_levels:
        work += [f"noise/{config.noise_front}/seed{s}" for s in seeds]
    return [first, work]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """One job; see `jobs`."""
    kind, *rest = job.split("/")
    if kind == "waves":
        return _sine_square.discriminate(config, int(rest[0].removeprefix("seed")))
    if kind == "frames":
        progress(0.0, f"{rest[1]} of {rest[0]}")
        return dict(_frontends.prepare(config, _source(config, rest[0]), rest[1], folder))
    seed = int(rest[-1].removeprefix("seed"))
    if kind == "small":
        corpus = _frontends.load(config, _source(config, rest[0]), rest[1], folder)
        return dict(_digits.small_sets(config, corpus, rest[2], seed, progress))
    corpus = _frontends.load(config, SOURCE, rest[0], folder)
    if kind == "noise":
        return dict(_digits.noise_sweep(config, corpus, seed, progress))
    return _digits.classify(config, corpus, int(rest[1]), seed, progress)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Waveforms, recognition with and without the oscillator, gains with intervals, and the paper's protocol."""
    return _quantities.rows(config, results)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Amplitude response, waveform trace, recognition by front end, against training utterances, against noise."""
    return _figures.figures(config, results)


def _has_digits(config: Config) -> bool:
    if config.digits not in ("on", "off", "if-there"):
        raise StudyError(f"digits = {config.digits!r} is unknown; use on, off or if-there")
    return config.digits == "on" or (config.digits == "if-there" and not data.missing(SOURCE))


def _source(config: Config, name: str) -> str:
    return f"ti46:{config.ti46}" if name == "ti46" else name
