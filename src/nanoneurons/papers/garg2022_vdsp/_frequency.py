"""Two rules when the frequency of the inputs changes: potentials against fixed windows of time.

The time constants of the inputs set their frequency and nothing else: their potentials take the same course, faster or
slower. The amplitude of their spikes is set so that the mean current stays the same: otherwise a low frequency would
leave the competitors silent, whatever the rule.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from nanoneurons import data, learning
from nanoneurons.learning.stdp import STDP
from nanoneurons.learning.vdsp import VDSP
from nanoneurons.networks.competition import Inputs, Presentation
from nanoneurons.papers._paper import Figure, Quantity

from . import _figures

__all__ = ["figures", "frequency", "jobs", "quantities", "run"]

_RULES = ("vdsp", "stdp")
_TITLES = {"vdsp": "VDSP", "stdp": "STDP"}
_BATCH = 500


def frequency(scale: float) -> float:
    """Frequency in Hz at which a full pixel fires, from what the published inputs are multiplied by."""
    cells = inputs(scale)
    drive = cells.gain + cells.bias
    rise = cells.time_constant * math.log((drive - cells.reset) / (drive - cells.threshold))
    return 1 / (cells.refractory + rise)


def inputs(scale: float) -> Inputs:
    """The published inputs, so many times faster."""
    usual = Inputs()
    return replace(usual, time_constant=usual.time_constant / scale, refractory=usual.refractory / scale)


def jobs(config: Any) -> list[str]:
    """One per rule and frequency."""
    return [f"{rule}/{scale:g}" for rule in _RULES for scale in config.frequency_scales]


def rule_of(config: Any, name: str) -> learning.LayerRule:
    """The rule of the comparison."""
    if name == "vdsp":
        return VDSP(rate=config.vdsp_rate, decoder="sum")
    up, down, window = config.stdp_up, config.stdp_down, config.stdp_window
    return STDP(form="simplified", up=up, down=down, window=window, decoder="sum")


def run(config: Any, what: list[str], seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Train and test one rule at one frequency."""
    name, scale = what[0], float(what[1])
    mnist = data.load("mnist")
    count = min(config.frequency_samples, len(mnist.x_train))
    tests = config.test_samples or len(mnist.x_test)
    x, y = mnist.x_train[:count], mnist.y_train[:count]
    return {
        "accuracy": trial(config, name, scale, seed, (x, y), (mnist.x_test[:tests], mnist.y_test[:tests]), progress)
    }


def trial(
    config: Any, name: str, scale: float, seed: int, train: tuple, test: tuple, progress: Callable | None = None
) -> float:
    """Accuracy on `test` after learning `train` once with inputs so many times faster than published."""
    rule = rule_of(config, name)
    x, y = train
    spec = f"{x[0].numel()}-{config.frequency_neurons}"
    usual = Presentation()
    network = rule.build_network(
        spec, shape=tuple(x.shape[1:]), classes=10, seed=seed, cells=inputs(scale),
        presentation=replace(usual, amplitude=usual.amplitude / scale, read_gain=config.released_gain),
    )  # fmt: skip
    learning.fit(network, rule, x, y, epochs=1, batch=_BATCH, seed=seed, progress=progress)
    return float(learning.accuracy(network, *test)[0])


def _accuracies(config: Any, results: dict[str, dict], rule: str) -> np.ndarray:
    """Test accuracy in percent, ``(gains, seeds)``."""
    seeds = range(config.first_seed, config.first_seed + config.seeds)
    return np.array(
        [
            [100 * results[f"frequency/{rule}/{scale:g}/seed{s}"]["accuracy"] for s in seeds]
            for scale in config.frequency_scales
        ]
    )


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """Accuracy of each rule at each frequency, and the loss at the worst of them."""
    rows = []
    losses: dict[str, np.ndarray] = {}
    above: dict[str, np.ndarray] = {}
    for rule in _RULES:
        found = _accuracies(config, results, rule)
        for scale, values in zip(config.frequency_scales, found, strict=True):
            note = f"{config.frequency_neurons} neurons, {config.frequency_samples} digits once; full pixels fire at "
            note += f"{frequency(scale):.3g} Hz"
            rows.append(_row(f"{rule}-at-{frequency(scale):.0f}-hz", values, "%", note))
        losses[rule] = np.ptp(found, 0)
        above[rule] = np.ptp(found[1:], 0)
        note = "accuracy at the best frequency less that at the worst"
        rows.append(_row(f"{rule}-loss-over-frequencies", losses[rule], "points", note))
    note = "loss of STDP less loss of VDSP, same seeds"
    rows.append(_row("advantage-over-frequencies", losses["stdp"] - losses["vdsp"], "points", note))
    note = "the same without the lowest frequency, at which few spikes fall into a digit"
    rows.append(_row("advantage-above-the-lowest-frequency", above["stdp"] - above["vdsp"], "points", note))
    return rows


def _row(name: str, values: np.ndarray, unit: str, note: str) -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """Accuracy against the frequency of the inputs."""
    hertz = [frequency(scale) for scale in config.frequency_scales]
    return [_figures.by_frequency(hertz, {_TITLES[r]: _accuracies(config, results, r) for r in _RULES})]
