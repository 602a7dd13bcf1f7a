"""Energy of a decision on gestures in each mode, by cause, and of the same inference in a microcontroller."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nanoneurons import devices
from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.circuits.bayesian_array import BayesianArray
from nanoneurons.core.energy import bill
from nanoneurons.networks.bayesian_machine import BayesianMachine

from ._takes import Model, Takes, registers

__all__ = ["comparison", "joule"]


def joule(config: Any, model: Model, held: Takes, generator: torch.Generator) -> dict[str, dict[str, float]]:
    """Joule per decision in each mode by cause, a mean over takes and over sets of registers."""
    circuit = _circuit(config)
    x, columns, bins = torch.from_numpy(held.x), len(model.tables.chosen), model.tables.tables.shape[2]
    parts: dict[str, list[dict[str, float]]] = {}
    for seeds in registers(columns, config.curve_draws, generator):
        machine = BayesianMachine(
            x.shape[1], held.classes, columns, bins, logic=BayesianLogic(columns, "full", seeds=seeds), circuit=circuit
        )  # fmt: skip
        machine.store(model.tables.chosen, model.tables.edges, model.words())
        for mode, counts in machine.counts_by_mode(x).items():
            parts.setdefault(mode, []).append(bill(counts, circuit.prices()).split(circuit.causes))
    return {m: {cause: float(np.mean([run[cause] for run in runs])) for cause in runs[0]} for m, runs in parts.items()}


def comparison(config: Any, rows: int, columns: int) -> list[dict[str, Any]]:
    """The same inference by other means."""
    found = _circuit(config).comparisons([(rows, columns)])
    return [{"title": o.title, "joule": o.joule, "source": o.source, "verified": o.verified} for o in found]


def _circuit(config: Any) -> BayesianArray:
    return BayesianArray(devices.get(config.devices[0]))  # type: ignore[arg-type]
