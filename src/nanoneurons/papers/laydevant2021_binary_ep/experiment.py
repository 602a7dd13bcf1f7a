"""Equilibrium propagation with binary weights, and with binary weights and neurons (Laydevant et al. 2021).

1. Binary weights that flip when their momentum asks for it, 784-4096-10 on MNIST, with fixed and with learnt scaling,
   beside the same network with full-precision weights, trained in the same run.
2. Binary weights and binary neurons, 784-8192-100 (ten output neurons per class), beside a full-precision network with
   as many hidden neurons.
3. Convolutional networks on MNIST and CIFAR-10, where asked for (they want an accelerator).

Sizes, phases and settings of the flips are those of the authors' commands. They give no full-precision twin: ours has
the same phases, plain gradient steps in the proportions of the bias rates, and the rate that serves best on training
images held out from a short training.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from nanoneurons import learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.files import write_atomic
from nanoneurons.learning.binary_equilibrium_propagation import BinaryEquilibriumPropagation
from nanoneurons.papers._paper import Figure, Quantity, at_least
from nanoneurons.papers._shifts import Shifts

from . import _figures
from ._images import Images
from ._rows import ROWS, Row, network_of, prepare, rule_of, side_by_side

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Dynamical binary neural networks trained with equilibrium propagation"
CITATION = BinaryEquilibriumPropagation.citation
SIZES = ("none", "small", "paper")


@dataclass(frozen=True)
class Config:
    """Settings. The default is a matter of hours on an accelerator, or of days on one CPU core.

    Attributes:
        rows: dense networks to train, of ``binary``, ``learnt``, ``twin``, ``neurons``, ``neurons-learnt`` and
            ``wide-twin``.
        conv: adds the convolutional networks on MNIST, with their twin.
        cifar: adds CIFAR-10: ``"paper"``, or ``"small"`` (two convolutions, few images and epochs), or ``"none"``.
        hidden, wide: hidden neurons of networks with full-precision and with binary neurons.
        epochs: of networks with full-precision neurons; `neuron_epochs` of those with binary ones; `cifar_epochs`.
        rates: learning rates of the twins that are compared after `rate_epochs` on the last `held_out` training images.
        seeds_together: dense networks of so many seeds are trained side by side as one batch; each gives the same row
            as alone, up to rounding (which a flip can make visible).
        train_samples, test_samples: images used; 0 for all.
        torch_device: ``"auto"`` is an accelerator if there is one.
    """

    seeds: int = 3
    first_seed: int = 0
    rows: tuple[str, ...] = ("binary", "learnt", "twin", "neurons", "wide-twin")
    conv: bool = False
    cifar: str = "none"
    hidden: int = 4096
    wide: int = 8192
    epochs: int = 50
    neuron_epochs: int = 100
    cifar_epochs: int = 500
    batch: int = 64
    rates: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8)
    rate_epochs: int = 5
    held_out: int = 10_000
    seeds_together: int = 1
    train_samples: int = 0
    test_samples: int = 0
    torch_device: str = "auto"

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, hidden=1, wide=1, epochs=1, neuron_epochs=1, cifar_epochs=1, batch=2, rate_epochs=1,
            held_out=1, seeds_together=1, train_samples=0, test_samples=0,
        )  # fmt: skip
        dense = [name for name in ROWS if "{" in ROWS[name].layers]
        for name in self.rows:
            if name not in dense:
                raise ParameterError(f"setting rows = {name!r} must be of {', '.join(dense)}")
        if self.cifar not in SIZES:
            raise ParameterError(f"setting cifar = {self.cifar!r} must be one of {', '.join(SIZES)}")
        if not self.rates or min(self.rates) <= 0:
            raise ParameterError(f"setting rates = {self.rates!r} must be positive learning rates")


QUICK = Config(
    seeds=2, rows=("binary", "twin", "neurons", "wide-twin"), hidden=512, wide=640, epochs=3, neuron_epochs=8,
    rates=(0.2, 0.4), rate_epochs=1, held_out=500, seeds_together=2, train_samples=2000, test_samples=500, batch=32,
    torch_device="cpu",
)  # fmt: skip
SMALL, SMALL_EPOCHS = 5000, 10  # images to train and to test with, and epochs, of a small CIFAR-10

Progress = Callable[[float, str], None]


def rows_of(config: Config) -> list[str]:
    """Names of the networks to train."""
    found = list(config.rows)
    found += [name for name in ROWS if config.conv and name.startswith("conv")]
    cifar = ("cifar", "cifar-twin") if config.cifar == "small" else ("cifar", "cifar-learnt", "cifar-twin")
    return found + [name for name in cifar if config.cifar != "none"]


def groups_of(config: Config, name: str) -> list[list[int]]:
    """Seeds that are trained side by side."""
    seeds = list(range(config.first_seed, config.first_seed + config.seeds))
    size = config.seeds_together if "{" in ROWS[name].layers else 1
    return [seeds[k : k + size] for k in range(0, len(seeds), size)]


def _job(name: str, seeds: list[int]) -> str:
    return f"{name}/seed{seeds[0]}" if len(seeds) == 1 else f"{name}/seeds{seeds[0]}-{seeds[-1]}"


def jobs(config: Config) -> list[list[str]]:
    """Learning rates of the twins on held-out images; then every network."""
    names = rows_of(config)
    chosen = {ROWS[name].rate_of for name in names if ROWS[name].rate_of}
    first = [f"rate/{name}/{rate:g}" for name in ROWS if name in chosen for rate in config.rates]
    second = [_job(name, seeds) for name in names for seeds in groups_of(config, name)]
    return [first, second] if first else [second]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, *rest = job.split("/")
    if kind == "rate":
        return _try_rate(config, rest[0], float(rest[1]), folder, progress)
    first, _, last = rest[0].removeprefix("seeds").removeprefix("seed").partition("-")
    return _train(config, kind, list(range(int(first), int(last or first) + 1)), folder, progress)


def place_of(config: Config) -> torch.device:
    """Where to train."""
    name = config.torch_device
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def _layers(config: Config, row: Row) -> str:
    return row.layers.format(hidden=config.hidden, wide=config.wide)


def row_of(config: Config, name: str) -> Row:
    """A network as the configuration wants it: a small CIFAR-10 has two convolutions, with the settings of the last."""
    row = ROWS[name]
    if not _is_small(config, row):
        return row
    cut = {key: getattr(row, key)[:3] for key in ("gammas", "taus", "bias_rates", "scale_rates")}
    return replace(row, layers="3x32x32-16c5-mp2-32c5-mp2-10", **cut)


def _is_small(config: Config, row: Row) -> bool:
    return row.data == "cifar10" and config.cifar == "small"


def _images(config: Config, row: Row, held_out: int) -> Images:
    small = _is_small(config, row)
    flat = "{" in row.layers
    train = SMALL if small else config.train_samples
    return Images.of(row.data, flat, train, SMALL if small else config.test_samples, held_out, place_of(config))


def _try_rate(config: Config, name: str, rate: float, folder: Path, progress: Progress) -> dict[str, Any]:
    """Error on held-out images after a short training at one rate; a rate that diverges has an error of 100 %."""
    row = row_of(config, name)
    images = _images(config, row, min(config.held_out, SMALL // 5) if _is_small(config, row) else config.held_out)
    network = network_of(row, _layers(config, row), tuple(images.x.shape[1:]), config.first_seed).to(place_of(config))
    try:
        learning.fit(
            network, rule_of(row), images.x, images.y, epochs=config.rate_epochs, batch=config.batch,
            seed=config.first_seed, prepare=lambda state: prepare(row, state, rate), progress=progress,
        )  # fmt: skip
        error = images.errors(network)[0]
    except learning.DivergedError:
        error = 100.0
    write_atomic(folder / "rates" / f"{name}-{rate:g}.json", json.dumps({"rate": rate, "error": error}) + "\n")
    return {"rate": rate, "error": error, "train_samples": len(images.x), "held_out": len(images.x_test)}


def _best_rate(config: Config, name: str, folder: Path) -> float:
    tried = [json.loads((folder / "rates" / f"{name}-{r:g}.json").read_text()) for r in config.rates]
    return min(tried, key=lambda t: t["error"])["rate"]


def _epochs(config: Config, row: Row) -> int:
    if row.data == "cifar10":
        return min(config.cifar_epochs, SMALL_EPOCHS) if config.cifar == "small" else config.cifar_epochs
    return config.neuron_epochs if row.neurons else config.epochs


def _train(config: Config, name: str, seeds: list[int], folder: Path, progress: Progress) -> dict[str, Any]:
    """Train one network, or those of several seeds side by side; what every epoch gave is written to the folder."""
    row, place = row_of(config, name), place_of(config)
    images = _images(config, row, 0)
    rate = _best_rate(config, row.rate_of, folder) if row.rate_of else 0.0
    shape, layers = tuple(images.x.shape[1:]), _layers(config, row)
    alone = len(seeds) == 1
    network = network_of(row, layers, shape, seeds[0]) if alone else side_by_side(row, layers, shape, seeds)
    network.to(place)
    epochs, states = _epochs(config, row), []
    rows: list[dict[str, Any]] = []
    clock = [time.perf_counter()]

    def begin(state: learning.RuleState) -> None:
        prepare(row, state, rate)
        states.append(state)

    def after(epoch: int, record: dict) -> None:
        seconds = time.perf_counter() - clock[0]
        rows.append({"epoch": epoch, "loss": record["loss"], "seconds": seconds, "error": images.errors(network)})
        if row.binary:
            flips = [
                float(f) / e.coupling.weight.numel() for f, e in zip(states[0].flipped, network.edges, strict=True)
            ]
            rows[-1]["flips"] = flips  # mean number per weight so far
            if row.scale_rates and row.scale_decay != 1 and epoch % 10 == 0:
                states[0].scale_rates = [r / row.scale_decay for r in states[0].scale_rates]
        write_atomic(folder / "epochs" / f"{_job(name, seeds).replace('/', '-')}.json", json.dumps(rows) + "\n")
        progress(epoch / epochs, f"{name}, epoch {epoch}/{epochs}: test error {np.mean(rows[-1]['error']):.2f} %")
        clock[0] = time.perf_counter()

    learning.fit(
        network, rule_of(row), images.x, images.y, epochs=epochs, batch=config.batch,
        seed=seeds[0] if alone else seeds, after_epoch=after, prepare=begin,
        transform=Shifts(4, True, seeds[0]) if row.data == "cifar10" else None,
    )  # fmt: skip
    scales = [e.coupling.scale.detach().reshape(-1).tolist() for e in network.edges if e.coupling.scale is not None]
    return {
        "seeds": seeds, "epochs": rows, "rate": rate, "scales": scales, "train_samples": len(images.x),
        "test_samples": len(images.x_test), "notice": images.notice,
        "machine": torch.cuda.get_device_name(place) if place.type == "cuda" else "CPU",
    }  # fmt: skip


# -- what came out -----------------------------------------------------------------------------------


def curves(config: Config, results: dict[str, dict], name: str) -> np.ndarray:
    """Test errors in percent, ``(seeds, epochs)``."""
    found = [results[_job(name, seeds)] for seeds in groups_of(config, name)]
    return np.concatenate([np.array([e["error"] for e in r["epochs"]]).T for r in found])


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Errors of all networks, what binary weights and neurons cost, rates of flips, and times."""
    rows: list[Quantity] = []
    last = {name: curves(config, results, name)[:, -1] for name in rows_of(config)}
    for name, errors in last.items():
        rows.append(_row(f"{name}-error", errors, "%", _note(config, results, name)))
    for name, row in ROWS.items():
        if not row.twin:
            continue
        twin = "twin" if row.twin == "wide-twin" and row.twin not in last else row.twin
        if name in last and twin in last:
            note = f"seed by seed, against {ROWS[twin].title}, {_layers(config, row_of(config, twin))}"
            rows.append(_row(f"{name}-gap", last[name] - last[twin], "points", note))
        elif name in ("binary", "neurons"):
            rows.append(Quantity(f"{name}-gap", None, None, 0, "points", f"needs the rows {name} and {twin}"))
    for name in last:
        first = results[_job(name, groups_of(config, name)[0])]
        seconds = [float(np.median([e["seconds"] for e in first["epochs"]]))]
        together = len(first["seeds"])
        note = f"median, without testing; {together} seed{'s side by side' if together > 1 else ''}; {first['machine']}"
        rows.append(_row(f"{name}-time-per-epoch", seconds, "s", note))
    return rows


def _note(config: Config, results: dict[str, dict], name: str) -> str:
    first = results[_job(name, groups_of(config, name)[0])]
    text = "SMALL VERSION: " if _is_small(config, ROWS[name]) else ""
    text += f"last of {len(first['epochs'])} epochs; {first['train_samples']} training, "
    text += f"{first['test_samples']} test images"
    if ROWS[name].rate_of:
        text += f"; rate {first['rate']:g}, the best of {', '.join(f'{r:g}' for r in config.rates)} on held-out images"
    if ROWS[name].binary:
        flips = ", ".join(f"{f:.2g}" for f in first["epochs"][-1]["flips"])
        text += f"; flips per weight, from the input: {flips}"
    return text + (f"; {first['notice']}" if first["notice"] else "")


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Learning curves, and flips per weight and epoch."""
    names = rows_of(config)
    found = {name: results[_job(name, groups_of(config, name)[0])] for name in names if ROWS[name].binary}
    errors = {name: curves(config, results, name) for name in names}
    drawn = [_figures.learning_curves(errors)]
    return [*drawn, _figures.flips(found)] if found else drawn
