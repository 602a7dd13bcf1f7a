"""The numbers of the reproduction: means over folds and chips, spread over seeds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.papers._paper import Quantity

from . import _network
from ._protocol import REFERENCES, SWEEPS, condition_of

__all__ = ["axis_of", "by_seed", "quantities", "seeds_of"]

_FOLDS = "held-out vowels, stratified cross-validation"


def seeds_of(config: Any) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def by_seed(config: Any, results: dict[str, dict], job: str, part: str = "test") -> np.ndarray:
    """Accuracy in percent of each seed, mean over folds and chips."""
    return np.array([100 * np.mean(results[f"{job}/seed{s}"][part]) for s in seeds_of(config)])


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """Held-out accuracies, what they are compared with, and the sweeps."""
    rows = []
    accuracy = {}
    for name in ("ideal", "full"):
        chips = "one set of oscillators" if name == "ideal" else f"{config.chips} chips"
        note = f"{_FOLDS}, {config.folds} folds, {chips} for each fold"
        job = f"network/{name}"
        accuracy[name] = by_seed(config, results, job)
        rows.append(_row(f"{name}-accuracy", accuracy[name], "%", note + _spread_note(config, results, job)))
        rows.append(_row(f"{name}-training-accuracy", by_seed(config, results, job, "train"), "%", "training vowels"))
        start = by_seed(config, results, job, "start")
        rows.append(_row(f"{name}-accuracy-before-learning", start, "%", "random currents, held-out vowels"))
    full = condition_of(config, "full")
    design = by_seed(config, results, f"map/{full.half_range:g}-{full.tuning:g}")
    rows.append(_row("surrogate-accuracy", design, "%", "Adler's ranges at the currents the map was designed for"))
    titles = (
        "one hidden neuron, 27 parameters",
        "two hidden neurons, 47 parameters",
        "two discriminants, then logistic",
    )
    for name, title in zip(REFERENCES, titles, strict=True):
        accuracy[name] = by_seed(config, results, f"software/{name}")
        rows.append(_row(f"{name}-accuracy", accuracy[name], "%", f"{title}; same folds"))
    for name in ("ideal", "full"):
        rows.append(_row(f"{name}-over-mlp-27", accuracy[name] - accuracy["mlp-27"], "points", "same folds"))
    note = "26 coefficients and 4 currents; the assignment of patterns to vowels is not counted"
    rows.append(Quantity("trained-parameters", float(2 * 13 + _network.COUNT), None, config.seeds, "1", note))
    for quantity in SWEEPS:
        values = getattr(config, f"sweep_{quantity}")
        label, at = axis_of(config, quantity)
        for value, place in zip(values, at, strict=True):
            note = f"{label} {place:.3g}, all else as in full; one chip for each fold"
            found = by_seed(config, results, f"sweep/{quantity}/{value:g}")
            rows.append(_row(f"sweep-{quantity.replace('_', '-')}-{value:g}", found, "%", note))
    return rows


def axis_of(config: Any, quantity: str) -> tuple[str, np.ndarray]:
    """What is drawn along a sweep: label with unit, and the values in it."""
    values = np.array(getattr(config, f"sweep_{quantity}"), float)
    if quantity == "noise":
        return "noise power (1: at 300 K)", values
    if quantity == "mismatch":
        return "spread of free frequencies (MHz)", np.array([_frequency_spread(config, v) for v in values])
    names = {
        "mutual": "mutual locking, half range (MHz)",
        "half_range": "locking to a tone, half range (MHz)",
        "tuning": "tuning range (MHz)",
    }
    return names[quantity], values / 1e6


def _frequency_spread(config: Any, mismatch: float) -> float:
    """Standard deviation in MHz of the free frequencies at the operating current, 500 chips."""
    condition = condition_of(config, "full", None)
    made = _network.build(config, _with(condition, mismatch), 500, generator_for(0, "frequency spread"))
    currents = torch.full((1, _network.COUNT), config.operating_current, dtype=torch.float64)
    return float(made.natural_frequency(currents).std()) / 1e6


def _with(condition: _network.Condition, mismatch: float) -> _network.Condition:
    return replace(condition, mismatch=mismatch, mutual=0.0)


def _row(name: str, values: np.ndarray, unit: str, note: str) -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def _spread_note(config: Any, results: dict[str, dict], job: str) -> str:
    """Worst and best single network."""
    every = 100 * np.concatenate([np.ravel(results[f"{job}/seed{s}"]["test"]) for s in seeds_of(config)])
    return f"; {len(every)} trained networks from {every.min():.0f} to {every.max():.0f} %"
