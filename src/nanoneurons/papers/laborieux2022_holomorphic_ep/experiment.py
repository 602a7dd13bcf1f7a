r"""Holomorphic equilibrium propagation in noisy neurons (Laborieux and Zenke, NeurIPS 2022).

A network 784-256-256 with a softmax read-out learns the digits by equilibrium propagation, with and without noise in
its neurons, by four estimates of the same gradient: one-sided with a weak and with a strong nudging, centred, and
holomorphic from points on a circle in the complex plane. A small beta makes the one-sided estimate exact, but divides
the noise of the states by beta; an estimate that is exact at a large beta does not have to.

How noise enters was read in the authors' program: real Gaussian numbers of standard deviation 0.04 are added to the
field of every neuron, inside of its state function, at every step, also to complex states. There all samples of a
mini-batch meet the same numbers. A network that sees its samples one by one has noise of its own for each; this is our
setting, and the common noise is shown beside it for one seed.

Departures from that program: fewer epochs and steps, groups that move in turn (which settles in fewer steps), a
learning rate that falls; noise in the free phase too; one state per nudging, where the program averages five for the
one-sided estimate; of two conjugate nudgings one is run and counted twice, which is exact only without noise.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.networks import build_energy
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_network import EnergyNetwork
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Holomorphic equilibrium propagation in noisy neurons"
CITATION = """@inproceedings{laborieux2022holomorphic,
  author = {Laborieux, Axel and Zenke, Friedemann},
  title = {Holomorphic Equilibrium Propagation Computes Exact Gradients Through Finite Size Oscillations},
  booktitle = {Advances in Neural Information Processing Systems},
  volume = {35},
  year = {2022},
  note = {arXiv:2209.00530}
}"""

ESTIMATES = ("one-sided-small", "one-sided-large", "centred", "holomorphic")
NOISES = ("none", "own", "common")
_BATCH = 1000  # images tested at once


@dataclass(frozen=True)
class Config:
    """Settings; sizes, activation, nudgings, noise and batch are those of the authors' program, the others ours.

    That program takes 50 epochs at a learning rate of 0.05, and 200 free and 50 nudged steps of all groups at once (350
    and 350 for the one-sided estimates), 10 points. Learning rate and steps were compared by accuracy on the last
    10,000 training images (``held_out=10000``), seed 0; the test images were not used for that.

    Attributes:
        hidden: neurons of the hidden groups.
        noise: standard deviation of the noise in the field of a neuron.
        small, large: strengths of nudging.
        points: on the circle of the holomorphic estimate.
        free_steps, nudged_steps: of a phase.
        order: ``"alternating"``: groups move in turn; ``"synchronous"``: at once.
        lr: learning rate of all weights and biases; it falls to `final` of it along half a cosine.
        common_seeds: seeds of the trainings with noise common to a mini-batch.
        train_samples: training images used; 0 for all.
        test_samples: test images used; 0 for all.
        held_out: training images, the last ones, set aside and tested on instead of the test images.
    """

    seeds: int = 3
    first_seed: int = 0
    hidden: tuple[int, ...] = (256, 256)
    noise: float = 0.04
    small: float = 0.1
    large: float = 0.4
    points: int = 4
    free_steps: int = 20
    nudged_steps: int = 10
    order: str = "alternating"
    epochs: int = 5
    batch: int = 20
    lr: float = 0.1
    final: float = 0.05
    common_seeds: int = 1
    train_samples: int = 0
    test_samples: int = 0
    held_out: int = 0

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, hidden=1, noise=0, points=2, free_steps=1, nudged_steps=1, epochs=1, batch=2, lr=0, final=0,
            common_seeds=0, train_samples=0, test_samples=0, held_out=0,
        )  # fmt: skip
        for name in ("small", "large"):
            if getattr(self, name) <= 0:
                raise ParameterError(f"setting {name} = {getattr(self, name)} must be above 0")
        if self.common_seeds > self.seeds:
            raise ParameterError(
                f"setting common_seeds = {self.common_seeds} is more than seeds = {self.seeds}; give as many or fewer"
            )


QUICK = Config(
    seeds=2, hidden=(32, 32), free_steps=12, nudged_steps=6, points=3, epochs=2, train_samples=2000, test_samples=500,
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """One stage, seed after seed; the common noise last."""
    seeds = seeds_of(config)
    work = [f"{noise}/{kind}/seed{s}" for s in seeds for noise in NOISES[:2] for kind in ESTIMATES]
    return [work + [f"common/{kind}/seed{s}" for s in seeds[: config.common_seeds] for kind in ESTIMATES]]


def network_of(config: Config, noise: str, seed: int) -> EnergyNetwork:
    """The network; initial weights have the variance of the authors' program, one over the fan-in."""
    dynamics = Dynamics(
        activation="sigmoid", noise=0.0 if noise == "none" else config.noise, common_noise=noise == "common"
    )
    relaxation = Relaxation(config.free_steps, config.nudged_steps, config.order)  # type: ignore[arg-type]
    spec = "-".join(map(str, (784, *config.hidden, 10)))
    return build_energy(
        spec, shape=(784,), classes=10, seed=seed, cost="cross-entropy", gain=3**0.5, dynamics=dynamics,
        relaxation=relaxation,
    )  # fmt: skip


def rule_of(config: Config, kind: str) -> EquilibriumPropagation:
    """The rule with one of the estimates."""
    estimator = "one-sided" if kind.startswith("one-sided") else kind
    beta = config.small if kind == "one-sided-small" else config.large
    return EquilibriumPropagation(
        estimator=estimator, beta=beta, points=config.points, lr=config.lr, digital_lr=config.lr, final=config.final,
        settled=10.0,
    )  # fmt: skip


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train one network; test it with its noise, and without as the authors do."""
    noise, kind, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    images = _images(config)
    network = network_of(config, noise, seed)
    curve: list[float] = []

    def tested() -> float:
        noisy, network.dynamics = network.dynamics, replace(network.dynamics, noise=0.0)
        accuracy = learning.accuracy(network, images["x_test"], images["y_test"], _BATCH)
        network.dynamics = noisy
        return float(accuracy[0])

    def test_epoch(epoch: int, record: dict) -> None:
        curve.append(tested())
        progress(epoch / config.epochs, f"{job}: {100 * curve[-1]:.2f} %")

    started = time.process_time()
    history = learning.fit(
        network, rule_of(config, kind), images["x"], images["y"], epochs=config.epochs, batch=config.batch, seed=seed,
        progress=progress, after_epoch=test_epoch,
    )  # fmt: skip
    seconds = time.process_time() - started
    noisy = curve[-1]
    if noise != "none":
        noisy = float(learning.accuracy(network, images["x_test"], images["y_test"], _BATCH)[0])
    with torch.no_grad():
        network.dynamics = replace(network.dynamics, noise=0.0)
        residual = network.relax(images["x_test"][:200], measure=True).residual
    return {
        "accuracy": curve[-1], "noisy": noisy, "curve": curve, "loss": [h["loss"] for h in history],
        "residual": residual, "seconds": seconds, "train_samples": len(images["x"]),
        "test_samples": len(images["x_test"]), "notice": images["notice"],
    }  # fmt: skip


def _images(config: Config) -> dict[str, Any]:
    found = data.load("mnist")
    x, y, x_test, y_test = (found.x_train, found.y_train, found.x_test, found.y_test)
    if config.held_out:
        if config.held_out >= len(x):
            raise ParameterError(f"setting held_out = {config.held_out} leaves no image of {len(x)} to train on")
        x_test, y_test = x[-config.held_out :], y[-config.held_out :]
        x, y = x[: -config.held_out], y[: -config.held_out]
    if config.train_samples:
        chosen = torch.randperm(len(x), generator=generator_for(0, "images"))[: config.train_samples]
        x, y = x[chosen], y[chosen]
    if config.test_samples:
        chosen = torch.randperm(len(x_test), generator=generator_for(0, "images"))[: config.test_samples]
        x_test, y_test = x_test[chosen], y_test[chosen]
    return {
        "x": x.flatten(1), "y": y, "x_test": x_test.flatten(1), "y_test": y_test, "notice": found.notice,
    }  # fmt: skip


# -- what came out -----------------------------------------------------------------------------------


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracy of every estimate without noise and with it."""
    found = by_noise(config, results)
    first = results[f"none/{ESTIMATES[0]}/seed{config.first_seed}"]
    split = f"{first['train_samples']} training images, {first['test_samples']} " + (
        "held-out training images" if config.held_out else "test images"
    )
    split += f"; {first['notice']}" if first["notice"] else ""
    rows: list[Quantity] = []
    for noise, kinds in found.items():
        for kind, entries in kinds.items():
            values = 100 * np.array([r["accuracy"] for r in entries])
            if noise == "none":
                note = f"last of {config.epochs} epochs; {split}"
            else:
                tested = 100 * float(np.mean([r["noisy"] for r in entries]))
                note = f"tested without noise, as the authors do; with the noise {tested:.2f} %"
            spread = float(values.std(ddof=1)) if len(values) > 1 else None
            rows.append(Quantity(f"{kind}-noise-{noise}", float(values.mean()), spread, len(values), "%", note))
    return rows


def by_noise(config: Config, results: dict[str, dict]) -> dict[str, dict[str, list[dict]]]:
    """Results by noise and estimate, one entry per seed; no common noise where no seed has it."""
    found: dict[str, dict[str, list[dict]]] = {}
    for noise in NOISES:
        seeds = seeds_of(config) if noise != "common" else seeds_of(config)[: config.common_seeds]
        if seeds:
            found[noise] = {kind: [results[f"{noise}/{kind}/seed{s}"] for s in seeds] for kind in ESTIMATES}
    return found


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Accuracy by estimate and noise, and learning curves."""
    found = by_noise(config, results)
    return [_figures.accuracies(found, config.small, config.large), _figures.curves(found, config.small, config.large)]
