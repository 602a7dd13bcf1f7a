"""Convolutional networks of spin diodes and spin-torque oscillators on MNIST (Leroux et al. 2022).

Kernels are chains of spin diodes, neurons are oscillators. The same network is trained and tested

1. in the sequential layout, one chain per output channel that meets one patch after the other;
2. in the parallel layout with one line, where every pixel has a tone and every chain hears all of them;
3. in the parallel layout with field lines, where a chain hears the tones of its own field only;
4. in software, with free weights and rectified linear units, and with free weights and the same oscillators.

The parallel networks take the kernels of the sequential one, are tested as they are, and are then trained on with the
crosstalk of their own. Beside that: accuracy against damping without training, and chips with spread.

No table of the paper could be read: sizes, damping, frequencies and settings are ours. Its abstract has a sequential
scheme and a parallel one in two spatial arrangements; that these are our second and third network is our reading.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.files import write_atomic
from nanoneurons.core.random import generator_for
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.learning.backpropagation import Backpropagation
from nanoneurons.learning.physics_aware import PhysicsAware
from nanoneurons.networks import FeedForward
from nanoneurons.papers._paper import Figure, Quantity, at_least

from . import _figures
from ._network import LAYOUTS, Design, assemble, counts, free_weights, scales_of, software

__all__ = ["CITATION", "QUICK", "TITLE", "Config", "figures", "jobs", "quantities", "run"]

TITLE = "Convolutional neural networks of radio-frequency spintronic devices"
CITATION = """@article{leroux2022convolutional,
  author = {Leroux, Nathan and De Riz, Arnaud and Sanz-Hern{\\'a}ndez, D{\\'e}dalo and Markovi{\\'c}, Danijela and
            Mizrahi, Alice and Grollier, Julie},
  title = {Convolutional neural networks with radio-frequency spintronic nano-devices},
  journal = {Neuromorphic Computing and Engineering},
  volume = {2},
  pages = {034002},
  year = {2022},
  doi = {10.1088/2634-4386/ac77b2}
}"""

PARALLEL = ("parallel-line", "parallel-field")
SOFTWARE = ("software", "free-weights")
_SAMPLE = 1000  # training images that set the oscillators' operating points
_BATCH = 2000  # images tested at once


@dataclass(frozen=True)
class Config:
    """Settings, all ours.

    Sizes, learning rates and the clamp of the oscillators were compared by accuracy on the last 10,000 training images,
    with ``held_out=10000``, seed 0, sequential layout and software; the test images were not used for that.

    Attributes:
        channels: channels of the convolutions.
        damping: half linewidth over resonance of all diodes.
        band_low, band_high: lowest and highest tone in Hz, of every layer.
        span: voltage, in standard deviations before training, from which an oscillator stays at its clamp.
        gain: gain of power behind an oscillator, ten times that of Ross et al. 2023: with a wide span most oscillators
            work near threshold, where they emit little.
        shift: pixels that training images are moved by at most, anew in every epoch.
        pool: ``"largest"`` of 2 by 2 voltages (how a circuit finds it is left open) or their ``"mean"`` (chains in
            series give it), before the oscillators.
        lr: step of resonances in half linewidths; `digital_lr` of biases in mV, `software_lr` of free weights.
        parallel_epochs: epochs of training a parallel network on, from the kernels of the sequential one; 4, since 2
            had left the single line at 98.95 % of the test images.
        train_samples: training images used; 0 for all.
        test_samples: test images used; 0 for all.
        held_out: training images, the last ones, set aside and tested on instead of the test images.
        dampings: damping at which trained detunings (in half linewidths) are tested without training.
        chips: chips of every seed; `chip_epochs` of physics-aware training at the spread `chip_spread`.
        spreads: standard deviation of resonances and tones, in half linewidths.
    """

    seeds: int = 3
    first_seed: int = 0
    channels: tuple[int, ...] = (8, 48)
    kernel: int = 5
    damping: float = 1e-3
    band_low: float = 1e9
    band_high: float = 10e9
    span: float = 16.0
    gain: float = 12.5
    shift: int = 1
    pool: str = "mean"
    epochs: int = 8
    batch: int = 100
    lr: float = 0.01
    digital_lr: float = 0.05
    software_lr: float = 0.1
    parallel_epochs: int = 4
    train_samples: int = 0
    test_samples: int = 0
    held_out: int = 0
    dampings: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3)
    chips: int = 4
    spreads: tuple[float, ...] = (0.03, 0.1, 0.3, 1.0)
    chip_spread: float = 0.3
    chip_epochs: int = 1

    def __post_init__(self) -> None:
        at_least(
            self, seeds=1, channels=1, kernel=1, epochs=1, batch=2, parallel_epochs=1, train_samples=0, test_samples=0,
            held_out=0, shift=0, chips=1, chip_epochs=1, spreads=0, chip_spread=0,
        )  # fmt: skip
        if self.pool not in ("largest", "mean"):
            raise ParameterError(f"setting pool = {self.pool!r} must be 'largest' or 'mean'")

    @property
    def design(self) -> Design:
        """What all networks share."""
        band = (self.band_low, self.band_high)
        return Design(
            self.channels, self.kernel, self.damping, band, self.span, self.shift, self.pool, self.gain
        )  # fmt: skip


QUICK = Config(
    seeds=2, channels=(4, 8), epochs=2, parallel_epochs=1, train_samples=2000, test_samples=500, batch=50,
    dampings=(1e-4, 1e-3), spreads=(0.1, 1.0), chips=2,
)  # fmt: skip


def seeds_of(config: Config) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def jobs(config: Config) -> list[list[str]]:
    """The sequential network and software; then what starts from its kernels; then what starts from both layouts."""
    seeds = seeds_of(config)
    return [
        [f"{kind}/seed{s}" for s in seeds for kind in ("sequential", *SOFTWARE)],
        [f"{kind}/seed{s}" for s in seeds for kind in PARALLEL],
        [f"{kind}/seed{s}" for s in seeds for kind in ("chips", "damping")],
    ]


Progress = Callable[[float, str], None]


def run(config: Config, job: str, folder: Path, progress: Progress) -> dict[str, Any]:
    """Do one job."""
    kind, seed_text = job.split("/")
    seed = int(seed_text.removeprefix("seed"))
    if kind == "chips":
        return _chips(config, seed, folder, progress)
    if kind == "damping":
        return _dampings(config, seed, folder, progress)
    return _train(config, kind, seed, folder, progress)


@dataclass(frozen=True)
class _Images:
    """Images and labels to train and to test with."""

    x: torch.Tensor
    y: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    notice: str

    @classmethod
    def of(cls, config: Config) -> _Images:
        found = data.load("mnist")
        x, y, x_test, y_test = found.x_train, found.y_train, found.x_test, found.y_test
        if config.held_out:
            if config.held_out >= len(x):
                raise ParameterError(f"setting held_out = {config.held_out} leaves no image of {len(x)} to train on")
            x_test, y_test = x[-config.held_out :], y[-config.held_out :]
            x, y = x[: -config.held_out], y[: -config.held_out]
        if config.train_samples:
            x, y = _some(x, y, config.train_samples)
        if config.test_samples:
            x_test, y_test = _some(x_test, y_test, config.test_samples)
        return cls(x, y, x_test, y_test, found.notice)

    def accuracy(self, network: FeedForward) -> list[float]:
        """Share of the test images recognised, by chip."""
        return learning.accuracy(network, self.x_test, self.y_test, _BATCH).tolist()


def _some(x: torch.Tensor, y: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same `count` images every time, of all classes even where a set is sorted."""
    chosen = torch.randperm(len(x), generator=generator_for(0, "images"))[:count]
    return x[chosen], y[chosen]


def _train(config: Config, kind: str, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Train one network, and keep it for other jobs."""
    images, result = _Images.of(config), {}
    lr, digital_lr, epochs = config.lr, config.digital_lr, config.epochs
    design = config.design
    if kind == "software":
        network = software(design, seed)
        lr, digital_lr = config.software_lr, 0.1 * config.software_lr
    elif kind == "free-weights":
        scales = scales_of(design, lambda known: free_weights(design, known, seed), images.x[:_SAMPLE])
        network = free_weights(design, scales, seed)
        lr, digital_lr = config.software_lr, 1e-3 * config.digital_lr  # biases of free weights step in V
    elif kind == "sequential":
        scales = scales_of(design, lambda known: assemble(design, kind, known, seed), images.x[:_SAMPLE])
        network = assemble(design, kind, scales, seed)
        result = {"scales": scales, "counts": counts(network, kind)}
    else:
        network = _trained(config, "sequential", seed, folder, kind)
        epochs = config.parallel_epochs
        result = {"before": images.accuracy(network)[0], "counts": counts(network, kind)}
    curve: list[float] = []
    started = time.process_time()

    def test_epoch(epoch: int, record: dict) -> None:
        curve.append(images.accuracy(network)[0])
        progress(epoch / epochs, f"{kind}, seed {seed}: {100 * curve[-1]:.2f} %")

    rule = Backpropagation(lr=lr, digital_lr=digital_lr, final=0.02)
    history = learning.fit(
        network, rule, images.x, images.y, epochs=epochs, batch=config.batch, seed=seed, progress=progress,
        after_epoch=test_epoch,
    )  # fmt: skip
    seconds = time.process_time() - started
    result |= {
        "accuracy": curve[-1], "curve": curve, "loss": [r["loss"] for r in history], "seconds": seconds,
        "test_samples": len(images.x_test), "train_samples": len(images.x), "notice": images.notice,
    }  # fmt: skip
    if kind not in SOFTWARE:
        held = {name: t.contiguous() for name, t in network.state_dict().items()}
        text = {"scales": ",".join(f"{v:.9e}" for v in _scales(network))}
        write_atomic(_file(folder, kind, seed), safetensors.torch.save(held, text))
        result |= _pictures(network)
    return result


def _scales(network: FeedForward) -> list[float]:
    """The scales a network was assembled with, from the read-out scale of its circuits."""
    return [1 / layer.chain.readout_scale for layer in network.device_layers]  # type: ignore[attr-defined]


def _file(folder: Path, kind: str, seed: int) -> Path:
    return folder / "networks" / f"{kind}-seed{seed}.safetensors"


def _trained(
    config: Config, kind: str, seed: int, folder: Path, layout: str, damping: float | None = None
) -> FeedForward:
    """The trained network `kind`, in any layout, with the detunings (in half linewidths) it has.

    It is trained anew where its file is not at hand.
    """
    file = _file(folder, kind, seed)
    if not file.is_file():
        _train(config, kind, seed, folder, lambda share, text: None)
    with safetensors.safe_open(file, "pt") as held:
        scales = [float(v) for v in held.metadata()["scales"].split(",")]
        state = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118 - no mapping
    design = config.design
    network = assemble(design, layout, scales, seed)
    network.load_state_dict(state)
    if damping is None or damping == design.damping:
        return network
    other = assemble(replace(design, damping=damping), layout, scales, seed)
    with torch.no_grad():
        for mine, theirs in zip(other.device_layers, network.device_layers, strict=True):
            shift = theirs.weight - theirs.centres  # type: ignore[operator]
            mine.weight.copy_(theirs.centres + shift * (damping / design.damping))  # type: ignore[operator]
            if mine.bias is not None:
                mine.bias.copy_(theirs.bias)  # type: ignore[arg-type]
    return other


def _pictures(network: FeedForward) -> dict[str, Any]:
    """Kernels of the first layer, and what a chain in the middle of the image answers to every tone, in V/W."""
    layer = next(m for m in network if isinstance(m, SpinDiodeConv2d))
    with torch.no_grad():
        weights = layer.ideal_matrix()
    if layer.fields is None:
        return {"kernels": weights.tolist()}
    height, width = layer.fields.size
    middle = (height // 2) * width + width // 2
    return {"chain": weights[middle].tolist(), "field": layer.fields.pixels[middle].tolist()}


def _dampings(config: Config, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Accuracy of the sequential kernels in every layout at other dampings, not trained."""
    images = _Images.of(config)
    table: dict[str, list[float]] = {layout: [] for layout in LAYOUTS}
    for place, layout in enumerate(LAYOUTS):
        for damping in config.dampings:
            network = _trained(config, "sequential", seed, folder, layout, damping)
            table[layout].append(images.accuracy(network)[0])
        progress((place + 1) / len(LAYOUTS), f"{layout}, seed {seed}")
    return table


def _chips(config: Config, seed: int, folder: Path, progress: Progress) -> dict[str, Any]:
    """Chips with spread: the trained networks written to them, and physics-aware training of the sequential ones."""
    images = _Images.of(config)
    result: dict[str, Any] = {}
    kinds = ("sequential", "parallel-line")
    for place, kind in enumerate(kinds):
        trained = _trained(config, kind, seed, folder, kind)
        rows = []
        for spread in config.spreads:
            chips = _written(config, trained, kind, seed, spread)
            rows.append(images.accuracy(chips))
        result[kind] = rows
        progress(0.5 * (place + 1) / len(kinds), f"chips, {kind}, seed {seed}")
    trained = _trained(config, "sequential", seed, folder, "sequential")
    chips = _written(config, trained, "sequential", seed, config.chip_spread)
    result["before"] = images.accuracy(chips)
    rule = PhysicsAware(lr=config.lr, digital_lr=config.digital_lr, final=0.02, twin="calibrated")
    learning.fit(
        chips, rule, images.x, images.y, epochs=config.chip_epochs, batch=config.batch, seed=seed,
        progress=lambda share, text: progress(0.5 + 0.5 * share, text),
    )  # fmt: skip
    result["after"] = images.accuracy(chips)
    return result


def _written(config: Config, trained: FeedForward, layout: str, seed: int, spread: float) -> FeedForward:
    network = assemble(config.design, layout, _scales(trained), seed, config.chips, spread)
    network.fabricate(generator_for(seed, "chips", layout))
    network.program(trained, generator_for(seed, "tuning", layout))
    return network


# -- what came out -----------------------------------------------------------------------------------


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def quantities(config: Config, results: dict[str, dict]) -> list[Quantity]:
    """Accuracies of all networks, what the layouts need, and chips with spread."""
    seeds = seeds_of(config)

    def of(kind: str, key: str) -> np.ndarray:
        return np.array([results[f"{kind}/seed{s}"][key] for s in seeds], float)

    first = results[f"sequential/seed{config.first_seed}"]
    split = f"{first['train_samples']} training images, {first['test_samples']} " + (
        "held-out training images" if config.held_out else "test images"
    )
    split += f"; {first['notice']}" if first["notice"] else ""
    sequential, free = of("sequential", "accuracy"), of("software", "accuracy")
    rows = [
        _row("sequential-accuracy", 100 * sequential, "%", f"last of {config.epochs} epochs; {split}"),
        _row("software-accuracy", 100 * free, "%", "the same sizes, free weights, rectified linear units"),
        _row("free-weights-accuracy", 100 * of("free-weights", "accuracy"), "%", "free weights, the same oscillators"),
        _row("sequential-minus-software", 100 * (sequential - free), "points", "seed by seed"),
    ]
    for kind in PARALLEL:
        note = f"trained on for {config.parallel_epochs} epochs from the sequential kernels"
        rows.append(_row(f"{kind}-accuracy", 100 * of(kind, "accuracy"), "%", note))
        rows.append(_row(f"{kind}-before-training", 100 * of(kind, "before"), "%", "sequential kernels as they are"))
    for kind in LAYOUTS:
        found = results[f"{kind}/seed{config.first_seed}"]["counts"]
        note = f"{found['oscillators']:.0f} oscillators, at most {found['most tones']:.0f} tones on a line"
        rows.append(Quantity(f"{kind}-resonators", found["resonators"], None, 1, "1", note))
        note = f"{found['turns']:.0f} readings one after the other"
        rows.append(Quantity(f"{kind}-time-per-image", 1e6 * found["time"], None, 1, "us", note))
    for kind in ("sequential", "parallel-line"):
        table = chips_table(config, results, kind).mean(1)  # (spreads, seeds)
        for spread, values in zip(config.spreads, table, strict=True):
            note = f"{config.chips} chips per seed, written once; the default spreads of everything else"
            rows.append(_row(f"{kind}-chips-at-spread-{spread:g}", values, "%", note))
    note = f"spread {config.chip_spread:g} half linewidths; {config.chip_epochs} epoch, twin calibrated"
    for key, name in (("before", "chips-before-physics-aware"), ("after", "chips-after-physics-aware")):
        rows.append(_row(name, 100 * of("chips", key).mean(1), "%", note))
    return rows


def chips_table(config: Config, results: dict[str, dict], kind: str) -> np.ndarray:
    """Accuracies in percent of all chips, ``(spreads, chips, seeds)``."""
    found = np.array([results[f"chips/seed{s}"][kind] for s in seeds_of(config)], float)
    return 100 * np.moveaxis(found, 0, -1)


def figures(config: Config, results: dict[str, dict]) -> list[Figure]:
    """Learning curves, accuracies by layout, kernels, crosstalk, damping and spread."""
    seeds = seeds_of(config)
    found = {kind: [results[f"{kind}/seed{s}"] for s in seeds] for kind in ("sequential", *PARALLEL, *SOFTWARE)}
    chips = {kind: chips_table(config, results, kind) for kind in ("sequential", "parallel-line")}
    after = 100 * np.array([results[f"chips/seed{s}"]["after"] for s in seeds])
    dampings = [results[f"damping/seed{s}"] for s in seeds]
    return [
        _figures.accuracies(found),
        _figures.curves(found),
        _figures.kernels(found["sequential"][0]["kernels"], config.kernel),
        _figures.crosstalk({kind: found[kind][0] for kind in PARALLEL}),
        _figures.damping(config.dampings, config.damping, dampings),
        _figures.spread(config.spreads, chips, config.chip_spread, after),
    ]
