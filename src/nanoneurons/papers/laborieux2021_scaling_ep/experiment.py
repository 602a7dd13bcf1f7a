"""Equilibrium propagation of deep convolutional networks (Laborieux et al. 2021).

1. Bias of the one-sided, random-sign and centred estimates against backpropagation through time, over the strength of
   nudging, on two small networks in double precision.
2. CIFAR-10: four convolutions of 3 x 3, each with max-pooling, and a softmax read-out outside the dynamics, trained
   with the centred and with the one-sided estimate. For an accelerator: on a CPU an epoch takes hours.

Sizes, rates, decay, nudging and augmentation are those of the authors' code; `PUBLISHED` has their phases and epochs
too. By default groups move in alternating order, in which far fewer steps settle, and training is shorter.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.files import write_atomic
from nanoneurons.learning.equilibrium_propagation import Descent, EquilibriumPropagation
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import EnergyNetwork
from nanoneurons.papers._paper import Figure, Quantity, at_least
from nanoneurons.papers._shifts import Shifts

from . import _figures
from ._bias import NETWORKS, biases
from ._images import Images, classes_of

__all__ = ["CITATION", "PUBLISHED", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Scaling equilibrium propagation to deep convolutional networks by reducing its gradient estimator bias"
CITATION = """@article{laborieux2021scaling,
  author = {Laborieux, Axel and Ernoult, Maxence and Scellier, Benjamin and Bengio, Yoshua and Grollier, Julie and
            Querlioz, Damien},
  title = {Scaling Equilibrium Propagation to Deep ConvNets by Drastically Reducing Its Gradient Estimator Bias},
  journal = {Frontiers in Neuroscience},
  volume = {15},
  pages = {633674},
  year = {2021},
  doi = {10.3389/fnins.2021.633674}
}"""

ESTIMATORS = ("centred", "one-sided", "random-sign")
PRECISIONS = ("mixed", "half", "single")
_TESTED = 1000  # images tested at once


@dataclass(frozen=True)
class Config:
    """Settings.

    Attributes:
        betas: nudgings of the bias; `bias_steps` of its phases (all settle), `bias_batch` images.
        data: ``"cifar10"``, or another set of images of at most 32 pixels.
        network_seeds: seeds of the trained network.
        estimators: estimates it is trained with.
        channels: of the convolutions; `gains`, factors of their initial weights (uniform within one over the root of
            the fan-in; 1 in the paper). At 1.5 the last group tells images apart seven times as much before training,
            at 2 the network no longer settles. One gain, or rate, serves all layers.
        order, step, free_steps, nudged_steps: of the phases; a step above 1 over-relaxes, which helps narrow networks
            and harms this one (after 200 updates the cosine with long phases was above 0.99 at 1, down to 0.74 at 1.4).
        rates: learning rates of the convolutions and of the read-out; they fall to zero along half a cosine.
        warm_up: mini-batches over which rates rise at the start; 0 in the paper.
        one_sided_epochs: of every estimate but the centred one; 0 for the same.
        precision: of products on an accelerator, ``"mixed"`` (half precision, states in single), ``"half"`` (states
            too) or ``"single"``; on a CPU always single.
        torch_device: ``"auto"`` is an accelerator if there is one.
        shift, flip: augmentation.
        train_samples, test_samples: images used; 0 for all.
        held_out: training images, the last ones, set aside and tested on instead of the test images.
        test_every: epochs between two tests.
    """

    seeds: int = 3
    first_seed: int = 0
    betas: tuple[float, ...] = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
    bias_steps: int = 60
    bias_batch: int = 20
    data: str = "cifar10"
    network_seeds: int = 1
    estimators: tuple[str, ...] = ("centred", "one-sided")
    channels: tuple[int, ...] = (128, 256, 512, 512)
    gains: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)
    order: str = "alternating"
    step: float = 1.0
    free_steps: int = 20
    nudged_steps: int = 10
    beta: float = 1.0
    epochs: int = 54
    one_sided_epochs: int = 8
    batch: int = 128
    rates: tuple[float, ...] = (0.25, 0.15, 0.1, 0.08, 0.05)
    warm_up: int = 0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    shift: int = 4
    flip: bool = True
    precision: str = "mixed"
    torch_device: str = "auto"
    train_samples: int = 0
    test_samples: int = 0
    held_out: int = 0
    test_every: int = 5

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, network_seeds=1, bias_steps=1, bias_batch=1, free_steps=1, nudged_steps=1, epochs=1, batch=2,
            shift=0, train_samples=0, test_samples=0, held_out=0, test_every=1, channels=1, one_sided_epochs=0,
        )  # fmt: skip
        for name, known in (("estimators", ESTIMATORS), ("precision", PRECISIONS)):
            value = getattr(self, name)
            for item in value if isinstance(value, tuple) else (value,):
                if item not in known:
                    raise ParameterError(f"setting {name} = {item!r} must be one of {', '.join(known)}")
        if 0 in self.betas or self.beta == 0:
            raise ParameterError("a beta of 0 nudges nothing; give for example 0.5")


PUBLISHED = Config(
    order="synchronous",
    step=1.0,
    gains=(1.0,) * 4,
    warm_up=0,
    free_steps=250,
    nudged_steps=25,
    epochs=120,
    one_sided_epochs=0,
    precision="single",
)

QUICK = Config(
    seeds=1, betas=(1.0, 0.2, 0.02), bias_steps=25, bias_batch=5, data="mnist", channels=(8, 16, 32), gains=(2.0,) * 3,
    warm_up=0, step=1.4, free_steps=12, nudged_steps=6, epochs=2, one_sided_epochs=0, test_every=1, batch=32,
    rates=(0.25, 0.15, 0.1, 0.05), train_samples=1000, test_samples=500, shift=0, flip=False,
)  # fmt: skip

Progress = Callable[[float, str], None]


def jobs(config: Config) -> list[list[str]]:
    """Bias of every seed, and a network for every estimate; all independent of each other.

    Raises:
        ParameterError: gains or rates that are too few or too many.
    """
    layers = len(config.channels)
    for name, values, wanted in (("gains", config.gains, layers), ("rates", config.rates, layers + 1)):
        if len(values) not in (1, wanted):
            raise ParameterError(f"{layers} channels need {wanted} {name} or one, not {len(values)}")
    trained = range(config.first_seed, config.first_seed + config.network_seeds)
    networks = [f"{estimator}/seed{s}" for estimator in config.estimators for s in trained]
    return [networks, [f"bias/seed{s}" for s in range(config.first_seed, config.first_seed + config.seeds)]]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "bias":
        return biases(seed, config.betas, config.bias_steps, config.bias_batch, progress)
    return _train(config, kind, seed, folder, progress)


def place_of(config: Config) -> torch.device:
    """Where to train."""
    name = config.torch_device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def network_of(config: Config, shape: tuple[int, ...], classes: int, seed: int, place: torch.device) -> EnergyNetwork:
    """The network of the paper: convolutions of 3 x 3 with max-pooling of 2 x 2, the last one without a border."""
    layers = "-".join(f"{c}c3-mp2" for c in config.channels)
    network = build_energy(
        f"{'x'.join(map(str, shape))}-{layers}-{classes}", shape=shape, classes=classes, cost="cross-entropy",
        padding=(*(1,) * (len(config.channels) - 1), 0), bias_start="uniform", input_range=None, seed=seed,
        dynamics=Dynamics(activation="half-hard-sigmoid", step=config.step),
        relaxation=Relaxation(config.free_steps, config.nudged_steps, config.order),  # type: ignore[arg-type]
    )  # fmt: skip
    with torch.no_grad():
        for edge, gain in zip(network.edges, _each(config.gains, len(network.edges)), strict=True):
            edge.coupling.weight.mul_(gain)
    network.to(place)
    if place.type == "cuda":
        torch.backends.cudnn.benchmark = True  # images keep their size: let the library choose by trying
        network.products = torch.float16 if config.precision != "single" else None
        network.dtype = torch.float16 if config.precision == "half" else torch.float32
    return network


def rule_of(config: Config, estimator: str) -> EquilibriumPropagation:
    """The rule of the paper."""
    return EquilibriumPropagation(
        estimator=estimator, beta=config.beta, momentum=config.momentum, weight_decay=config.weight_decay, final=0.0,
        free_steps=config.free_steps, nudged_steps=config.nudged_steps, order=config.order, warm_up=config.warm_up,
    )  # fmt: skip


def set_rates(config: Config, state: Any) -> None:
    """Rates of single layers; biases have those of their weights."""
    assert isinstance(state, Descent)
    *rates, state.readout_rate = _each(config.rates, len(config.channels) + 1)
    state.rates, state.bias_rates = list(rates), list(rates)


def _each(values: tuple[float, ...], count: int) -> tuple[float, ...]:
    """One value for all, or one each."""
    return values * count if len(values) == 1 else values


def _train(config: Config, estimator: str, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Train one network; what is known after every epoch is written to the folder."""
    place = place_of(config)
    images = Images.of(config.data, config.train_samples, config.test_samples, config.held_out, place)
    network = network_of(config, tuple(images.x.shape[1:]), classes_of(images.y), seed, place)
    epochs = config.epochs if estimator == "centred" else config.one_sided_epochs or config.epochs
    file = folder / "epochs" / f"{estimator}-seed{seed}.json"
    rows: list[dict[str, float]] = []
    clock = [time.perf_counter()]

    def after(epoch: int, record: dict) -> None:
        row = {"epoch": epoch, "loss": record["loss"], "seconds": time.perf_counter() - clock[0]}
        if epoch % config.test_every == 0 or epoch == epochs:
            row["test_error"] = error_of(network, images.x_test, images.y_test)
        if epoch == epochs:
            count = min(len(images.x), 10 * _TESTED)
            row["train_error"] = error_of(network, images.x[:count], images.y[:count])
            row["residual"] = residual_of(network, images.x_test[: config.batch])
        rows.append(row)
        write_atomic(file, json.dumps(rows, indent=1) + "\n")
        text = f"{estimator}, seed {seed}, epoch {epoch}/{epochs}: loss {row['loss']:.3f}"
        progress(epoch / epochs, text + (f", test error {row['test_error']:.2f} %" if "test_error" in row else ""))
        clock[0] = time.perf_counter()

    learning.fit(
        network, rule_of(config, estimator), images.x, images.y, epochs=epochs, batch=config.batch, seed=seed,
        after_epoch=after, prepare=lambda state: set_rates(config, state),
        transform=Shifts(config.shift, config.flip, seed) if config.shift or config.flip else None,
    )  # fmt: skip
    return {
        "epochs": rows, "train_samples": len(images.x), "test_samples": len(images.x_test), "notice": images.notice,
        "machine": torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU",
        "precision": config.precision if place.type == "cuda" else "single",
    }  # fmt: skip


def error_of(network: EnergyNetwork, x: torch.Tensor, y: torch.Tensor) -> float:
    """Error in percent."""
    return 100 - 100 * float(learning.accuracy(network, x, y, _TESTED))


@torch.no_grad()
def residual_of(network: EnergyNetwork, x: torch.Tensor) -> float | None:
    """Largest movement of any state in the last step of a free phase."""
    return network.relax(x, measure=True).residual


# -- what came out -----------------------------------------------------------------------------------


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def _trained(config: Config, results: dict[str, dict], estimator: str) -> list[dict]:
    seeds = range(config.first_seed, config.first_seed + config.network_seeds)
    return [results[f"{estimator}/seed{s}"] for s in seeds]


def slopes(config: Config, found: list[dict], network: str, estimator: str) -> list[float]:
    """Order in beta at which the error of an estimate falls, between the two smallest nudgings, of every seed."""
    order = np.argsort(np.abs(config.betas))[:2]
    step = np.log(abs(config.betas[order[1]] / config.betas[order[0]]))
    return [
        float(np.log(r[network][estimator]["error"][order[1]] / r[network][estimator]["error"][order[0]]) / step)
        for r in found
    ]


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Errors and times of the trained networks, and the bias of the estimates."""
    name = config.data.replace("cifar10", "cifar")
    rows = []
    last: dict[str, np.ndarray] = {}
    for estimator in config.estimators:
        found = _trained(config, results, estimator)
        first, epochs = found[0], len(found[0]["epochs"])
        note = f"last of {epochs} epochs; {first['train_samples']} training images, {first['test_samples']} "
        note += "held-out training images" if config.held_out else "test images"
        note += f"; {first['notice']}" if first["notice"] else ""
        last[estimator] = np.array([r["epochs"][-1]["test_error"] for r in found])
        rows.append(_row(f"{name}-{estimator}-error", last[estimator], "%", note))
        train = [r["epochs"][-1]["train_error"] for r in found]
        rows.append(_row(f"{name}-{estimator}-train-error", train, "%", "images without shifts, at most 10,000"))
        seconds = [np.median([e["seconds"] for e in r["epochs"]]) for r in found]
        note = f"median, without testing; {first['machine']}, products in {first['precision']} precision"
        rows.append(_row(f"{name}-{estimator}-time-per-epoch", seconds, "s", note))
    if "centred" in last:
        for estimator in (e for e in config.estimators if e != "centred"):
            difference = last[estimator] - last["centred"]
            note = "seed by seed, each after its own number of epochs"
            rows.append(_row(f"{name}-{estimator}-minus-centred", difference, "points", note))
    found = [results[f"bias/seed{s}"] for s in range(config.first_seed, config.first_seed + config.seeds)]
    strongest = int(np.argmax(np.abs(config.betas)))
    for network in NETWORKS:
        for estimator in ("one-sided", "centred"):
            cosines = [r[network][estimator]["cosine"][strongest] for r in found]
            note = f"{network} network, beta {config.betas[strongest]:g}, against backpropagation through time"
            rows.append(_row(f"{network}-{estimator}-cosine", cosines, "1", note))
    for estimator in ("one-sided", "centred"):
        if len(config.betas) > 1:
            note = "dense network, between the two smallest nudgings"
            rows.append(_row(f"dense-{estimator}-order", slopes(config, found, "dense", estimator), "1", note))
    return rows


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Bias over the strength of nudging, and learning curves."""
    found = [results[f"bias/seed{s}"] for s in range(config.first_seed, config.first_seed + config.seeds)]
    curves = {e: [r["epochs"] for r in _trained(config, results, e)] for e in config.estimators}
    return [_figures.bias(config.betas, found), _figures.curves(curves)]
