"""Equilibrium propagation on MNIST (Scellier and Bengio 2017): networks of one, two and three hidden layers.

Leaky neurons with the hard sigmoid, states of training digits kept from epoch to epoch, nudging of either sign.

1. One hidden layer in the published way, and with three changes of ours, one at a time and together: phases that go to
   the stationary state block by block, the centred estimator, and learning rates that fall to zero.
2. Two and three hidden layers with all three changes, which make them affordable on one processor core (published: 150
   and 500 Euler steps of every free phase, for 60 and 500 epochs).
3. What stopping free phases early costs: the same training with and without a tolerance.

The last 10,000 training digits are held out; they choose the epoch whose test error counts. Constants of the networks
are those of the authors' program; error rates of the paper could not be read in a source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures, _networks

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Equilibrium propagation on MNIST with one, two and three hidden layers"
CITATION = """@article{scellier2017,
  author = {Scellier, Benjamin and Bengio, Yoshua},
  title = {Equilibrium Propagation: Bridging the Gap between Energy-Based Models and Backpropagation},
  journal = {Frontiers in Computational Neuroscience},
  volume = {11},
  pages = {24},
  year = {2017}
}"""

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Config:
    """Settings; sizes, rates, nudgings and steps of the published networks stand in `_networks.LAYOUTS`.

    Attributes:
        epochs: passes over the training digits with one hidden layer, as published.
        deep_epochs: with two hidden layers, ours (published: 60).
        deepest_epochs: with three hidden layers, ours (published: 500).
        deepest_seeds: seeds with three hidden layers.
        batch: digits per mini-batch, as published.
        deep_factor, deepest_factor: of the published learning rates of two and three hidden layers, ours.
        deep_warm_up: mini-batches over which the rates of two and three hidden layers rise at the start, ours: without,
            an output may fall silent for good (seed 0 of two hidden layers stayed at 12 % error).
        tolerance: of free phases that go to the stationary state, movement per step.
        ways: ways of training one hidden layer.
        train_samples, test_samples: of training digits; of test and validation digits; 0 for all.
        check_samples: training digits of the check of the tolerance.
        torch_device: ``"cpu"``, ``"cuda"``, or ``"auto"``: a GPU, if there is one, for three hidden layers; the smaller
            networks are as fast without.
    """

    seeds: int = 3
    first_seed: int = 0
    epochs: int = 25
    deep_epochs: int = 15
    deepest_epochs: int = 12
    deepest_seeds: int = 1
    batch: int = 20
    deep_factor: float = 1.0
    deepest_factor: float = 1.0
    deep_warm_up: int = 1000
    tolerance: float = 0.01
    ways: tuple[str, ...] = tuple(_networks.WAYS)
    train_samples: int = 0
    test_samples: int = 0
    check_samples: int = 2000
    torch_device: str = "auto"

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, epochs=1, deep_epochs=1, deepest_epochs=1, deepest_seeds=0, batch=2, train_samples=0,
            test_samples=0, check_samples=2, deep_warm_up=0,
        )  # fmt: skip
        for way in self.ways:
            if way not in _networks.WAYS:
                raise ParameterError(f"setting ways = {way!r} must be among {', '.join(_networks.WAYS)}")
        if not 0 <= self.tolerance < 1:
            raise ParameterError(f"setting tolerance = {self.tolerance!r} must be 0 or a number below 1")
        if self.deep_factor <= 0 or self.deepest_factor <= 0:
            raise ParameterError("settings deep_factor and deepest_factor must be above 0")
        if self.torch_device not in ("auto", "cpu", "cuda"):
            raise ParameterError(f"setting torch_device = {self.torch_device!r} must be 'auto', 'cpu' or 'cuda'")

    def place(self, hidden: int) -> torch.device:
        """Where a network of so many hidden layers is trained."""
        there = torch.cuda.is_available()
        if self.torch_device == "cuda" and not there:
            raise ParameterError("setting torch_device = 'cuda', but PyTorch finds no GPU here; use 'cpu'")
        wanted = self.torch_device == "cuda" or (self.torch_device == "auto" and hidden > 2)
        return torch.device("cuda" if wanted and there else "cpu")


QUICK = Config(
    seeds=2, epochs=2, deep_epochs=2, deepest_epochs=1, train_samples=1000, test_samples=500, check_samples=100,
    deep_warm_up=20, ways=("published", "ours"),
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """One stage of independent trainings, the longest first."""
    first = config.first_seed
    work = [f"net3-ours/seed{s}" for s in range(first, first + config.deepest_seeds)]
    work += [f"net2-ours/seed{s}" for s in seeds_of(config)]
    work += [f"net1-{way}/seed{s}" for s in seeds_of(config) for way in config.ways]
    return [[*work, f"tolerance/seed{first}"]]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "tolerance":
        return _tolerance(config, seed, progress)
    net, way_name = kind.split("-")
    number = int(net.removeprefix("net"))
    way = _networks.WAYS[way_name]
    epochs = {1: config.epochs, 2: config.deep_epochs, 3: config.deepest_epochs}[number]
    factor = {1: 1.0, 2: config.deep_factor, 3: config.deepest_factor}[number]
    return _networks.train(
        _networks.LAYOUTS[number], way, _digits(config, number), seed=seed, epochs=epochs, batch=config.batch,
        factor=factor, tolerance=config.tolerance if way.settled else 0.0,
        warm_up=config.deep_warm_up if number > 1 else 0, progress=progress,
    )  # fmt: skip


def _digits(config: Config, hidden: int, train_samples: int | None = None) -> _networks.Digits:
    count = config.train_samples if train_samples is None else train_samples
    return _networks.Digits.of(count, config.test_samples, config.place(hidden))


def _tolerance(config: Config, seed: int, progress: Progress) -> dict[str, Any]:
    """Two hidden layers trained on a few digits with all steps and with a tolerance, from the same start."""
    digits, found = _digits(config, 2, config.check_samples), {}
    for place, (name, tolerance) in enumerate((("all", 0.0), ("stopped", config.tolerance))):
        found[name] = _networks.train(
            _networks.LAYOUTS[2], _networks.WAYS["ours"], digits, seed=seed, epochs=3, batch=config.batch,
            factor=config.deep_factor, tolerance=tolerance,
            progress=lambda share, text, at=place: progress(0.5 * (at + share), text),
        )  # fmt: skip
    return found


# -- what came out -----------------------------------------------------------------------------------


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Error rates of all networks, and what a tolerance changes."""
    rows: list[Quantity] = []
    for kind, found in by_kind(results).items():
        train, valid, test = found[0]["samples"]
        epochs = ", ".join(str(r["best"]) for r in found)
        note = f"{train} training digits; epoch {epochs} of {len(found[0]['valid'])}, chosen on {valid} others"
        note += f"; {test} test digits from zero states, which move by at most "
        note += f"{max(r['residual'] for r in found):.1g} a step at the end"
        note += f"; {found[0]['notice']}" if found[0]["notice"] else ""
        rows.append(_row(f"{kind}-test-error", [100 * r["test"] for r in found], "%", note))
        last = [100 * r["last"] for r in found]
        rows.append(_row(f"{kind}-last-epoch", last, "%", "test error after the last epoch"))
        trained = [100 * r["train"] for r in found]
        rows.append(
            _row(
                f"{kind}-training-error",
                trained,
                "%",
                "of the network whose test error counts; 10,000 training digits, from zero states",
            )
        )
        seconds = [r["seconds"] / len(r["valid"]) for r in found]
        where = "on a GPU" if found[0]["device"] == "cuda" else "on one core"
        rows.append(_row(f"{kind}-time-per-epoch", seconds, "s", f"processor time {where}, validation included"))
    check = results[f"tolerance/seed{config.first_seed}"]
    one, two = check["all"], check["stopped"]
    note = f"{one['samples'][0]} training digits, 3 epochs: {100 * two['valid'][-1]:.2f} % with a tolerance of "
    note += f"{config.tolerance:g}, {100 * one['valid'][-1]:.2f} % with all {_networks.SETTLED_STEPS} steps"
    difference = 100 * (two["valid"][-1] - one["valid"][-1])
    rows.append(Quantity("tolerance-changes-validation-error", difference, None, 1, "points", note))
    speed = one["seconds"] / two["seconds"]
    rows.append(Quantity("tolerance-saves", speed, None, 1, "1", "time of training without over with tolerance"))
    return rows


def by_kind(results: dict[str, dict]) -> dict[str, list[dict]]:
    """Results of all trainings by network and way, seed after seed."""
    found: dict[str, list[dict]] = {}
    for job, result in results.items():
        kind = job.split("/")[0]
        if kind != "tolerance":
            found.setdefault(kind, []).append(result)
    return dict(sorted(found.items()))


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Errors by way of training, learning curves, and what hidden neurons look at."""
    found = by_kind(results)
    return [
        _figures.errors(found),
        _figures.curves(found),
        _figures.depths(found),
        _figures.kernels(found[next(iter(found))][0]["kernels"]),
    ]
