"""Binarized networks whose hidden weights are HfOx devices under weak RESET (Majumdar et al. 2021).

Every weight is a pair of devices, ``W = sign(R_BL - R_BLb)``; Adam's step, in pulses, is applied to one of them.
The same network is trained in software (digital hidden weights), on ideal devices, on devices with every
imperfection, and with each imperfection removed in turn; all with the same chips, initial values and order of
the digits, seed by seed.

The paper's accuracies could not be read in a source, so none is quoted; what is sourced is the device model,
the learning rule, the network and the order: device-to-device variability is the most detrimental.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons import data, learning, networks
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.learning.pulsed_adam import PulsedAdam
from nanoneurons.learning.straight_through import StraightThrough
from nanoneurons.papers._paper import Figure, Quantity, at_least

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Weak RESET in HfOx resistive memory as the hidden weight of binarized networks"
CITATION = HfOxWeakReset.citation

IMPERFECTIONS = ("device_to_device", "telegraph_noise", "flicker_noise")
CONDITIONS = ("software", "ideal", "full", *(f"without-{name}" for name in IMPERFECTIONS))


@dataclass(frozen=True)
class Config:
    """Settings; the defaults are those of the authors' MNIST program.

    An accuracy is the mean over the last `averaged` epochs, because single epochs swing by up to half a point.
    `cifar` adds CIFAR-10: ``"paper"`` (the paper's convolutional network, 700 epochs: for a GPU) or ``"small"``
    (a small network on 5,000 images, labelled as such).
    """

    seeds: int = 3
    first_seed: int = 0
    task: str = "mnist"
    network: str = "784-3000-10"
    epochs: int = 20
    batch: int = 1000
    lr: float = 100.0
    halving: int = 7
    register: int = 15
    averaged: int = 5
    train_samples: int = 0
    test_samples: int = 0
    cifar: str = "off"

    def __post_init__(self) -> None:
        at_least(self, seeds=1, epochs=1, batch=1, halving=1, register=1, averaged=1)


QUICK = Config(seeds=2, task="digits", network="64-256-10", epochs=4, batch=100)

_CIFAR = {
    "paper": Config(
        task="cifar10",
        network="3x32x32-384c3-384c3-mp2-768c3-768c3-mp2-1536c3-512c3-mp2-1024-1024-10",
        epochs=700,
        batch=500,
        halving=15,
    ),
    "small": Config(
        task="cifar10",
        network="3x32x32-32c3-32c3-mp2-64c3-64c3-mp2-256-10",
        epochs=10,
        batch=100,
        train_samples=5000,
        test_samples=2000,
    ),
}


def jobs(config: Config) -> list[list[str]]:
    """One job per task, condition and seed; all independent."""
    tasks = ["main", *(["cifar"] if config.cifar != "off" else [])]
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    return [[f"{task}/{condition}/seed{seed}" for task in tasks for seed in seeds for condition in CONDITIONS]]


def run(config: Config, job: str, folder: Path, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train one network on one set of devices; the result has the test accuracy after each epoch."""
    task, condition, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    setting = config if task == "main" else _CIFAR[config.cifar]
    dataset = data.load(setting.task)
    x, y = dataset.x_train, dataset.y_train
    if setting.train_samples:
        x, y = x[: setting.train_samples], y[: setting.train_samples]
    test = setting.test_samples or len(dataset.x_test)
    x_test, y_test = dataset.x_test[:test], dataset.y_test[:test]

    circuit = None if condition == "software" else DifferentialPair(device_for(condition, setting.register))
    network = networks.build(
        setting.network,
        kind="binary",
        circuit=circuit,
        chips=None,
        shape=dataset.shape,
        classes=dataset.classes,
        seed=seed,
    )
    if circuit is not None:
        network.fabricate(generator_for(seed, "chips"))
    curve: list[float] = []

    def test_epoch(epoch: int, record: dict) -> None:
        curve.append(float(learning.accuracy(network, x_test, y_test)[0]))
        progress(epoch / setting.epochs, f"{condition}, seed {seed}: {100 * curve[-1]:.2f} %")

    rule: learning.LayerRule = PulsedAdam(lr=setting.lr, halving=setting.halving, max_pulses=14)
    batch = setting.batch
    if circuit is None:  # digital hidden weights take small steps, so they want more of them
        rule, batch = StraightThrough(), min(batch, StraightThrough.default_batch)
    learning.fit(
        network, rule, x, y, epochs=setting.epochs, batch=batch, seed=seed, progress=progress, after_epoch=test_epoch
    )
    return {
        "accuracy": float(np.mean(curve[-setting.averaged :])),
        "curve": curve,
        "pulses": sum(layer.pulses_applied for layer in network.device_layers),
        "test_samples": test,
        "notice": dataset.notice,
    }


def device_for(condition: str, register: int) -> HfOxWeakReset:
    """Device of one condition: ideal, full, or without one imperfection."""
    device = HfOxWeakReset(flicker_register=register)
    if condition == "ideal":
        return device.ideal()
    return device if condition == "full" else device.without(condition.removeprefix("without-"))


def _table(config: Config, results: dict[str, dict], task: str) -> dict[str, np.ndarray]:
    """Accuracy in percent by condition, one entry per seed."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    return {c: np.array([100 * results[f"{task}/{c}/seed{s}"]["accuracy"] for s in seeds]) for c in CONDITIONS}


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracies, the cost of each imperfection (gain when it is removed), and the order of the costs."""
    rows = _rows(config, results, "main", "mnist" if config.task == "mnist" else config.task)
    if config.cifar != "off":
        rows += _rows(config, results, "cifar", f"cifar10-{config.cifar}")
    return rows


def _rows(config: Config, results: dict[str, dict], task: str, name: str) -> list[Quantity]:
    table = _table(config, results, task)
    seeds = config.seeds
    setting = config if task == "main" else _CIFAR[config.cifar]
    note = f"accuracies are means of the last {setting.averaged} epochs"
    note += "" if task == "main" else f"; network and images: {setting.network}, {config.cifar}"

    def row(quantity: str, values: np.ndarray, unit: str) -> Quantity:
        spread = float(values.std(ddof=1)) if len(values) > 1 else None
        return Quantity(f"{name}-{quantity}", float(values.mean()), spread, seeds, unit, note)

    rows = [row("software-accuracy", table["software"], "%")]
    rows += [row("ideal-accuracy", table["ideal"], "%"), row("full-accuracy", table["full"], "%")]
    rows.append(row("cost-of-all", table["ideal"] - table["full"], "points"))
    costs = {i: table[f"without-{i}"] - table["full"] for i in IMPERFECTIONS}
    for imperfection in IMPERFECTIONS:
        rows.append(row(f"without-{imperfection}-accuracy", table[f"without-{imperfection}"], "%"))
        rows.append(row(f"cost-of-{imperfection}", costs[imperfection], "points"))
    others = np.max([costs[i] for i in IMPERFECTIONS if i != "device_to_device"], axis=0)
    costliest = costs["device_to_device"] > others
    rows.append(row("device-to-device-costliest", costliest.astype(float), "share of seeds"))
    # a ratio to a cost that is nil or negative would say nothing, so it is compared without dividing
    ratio = np.where(others > 0, costs["device_to_device"] / np.maximum(others, 1e-9), np.inf)
    finite = np.minimum(ratio, 99.0)
    rows.append(Quantity(f"{name}-device-to-device-cost-ratio-worst-seed", float(finite.min()), None, seeds, "1", note))
    return rows


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Cost of each imperfection, and the learning curves."""
    table = _table(config, results, "main")

    def costs(canvas: Canvas) -> None:
        ax = canvas.subplots()
        names = [*IMPERFECTIONS, "all"]
        values = [table[f"without-{i}"] - table["full"] for i in IMPERFECTIONS] + [table["ideal"] - table["full"]]
        means = [v.mean() for v in values]
        errors = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in values]
        ax.barh(range(len(names)), means, xerr=errors, color="#4477aa", ecolor="#222222", capsize=4, height=0.6)
        for position, v in enumerate(values):
            ax.plot(v, [position] * len(v), "o", color="#ee6677", ms=5, zorder=3)
        ax.set_yticks(range(len(names)), [n.replace("_", " ") for n in names])
        ax.invert_yaxis()
        ax.axvline(0, color="#222222", lw=0.8)
        ax.set_xlabel("test accuracy gained when removed (percentage points)")

    def curves(canvas: Canvas) -> None:
        ax = canvas.subplots()
        seeds = range(config.first_seed, config.first_seed + config.seeds)
        for condition, colour in zip(
            CONDITIONS, ("#bbbbbb", "#222222", "#ee6677", "#4477aa", "#228833", "#ccbb44"), strict=True
        ):
            runs = 100 * np.array([results[f"main/{condition}/seed{s}"]["curve"] for s in seeds])
            epoch = np.arange(1, runs.shape[1] + 1)
            ax.plot(epoch, runs.mean(0), color=colour, label=condition.replace("_", " ").replace("-", " ", 1))
            ax.fill_between(epoch, runs.min(0), runs.max(0), color=colour, alpha=0.15, lw=0)
        ax.set_xlabel("epoch")
        ax.set_ylabel("test accuracy (%)")
        ax.legend(frameon=False)

    removed = (
        "Accuracy gained on the test set when one imperfection is removed from the full device. Bars: mean over seeds; "
        "whiskers: standard deviation; dots: seeds."
    )
    learned = "Test accuracy during training. Lines: mean over seeds; bands: lowest to highest seed."
    return [Figure("costs", removed, costs), Figure("curves", learned, curves)]
