"""Steps of one pulse against the reading before it: measured, and of simulated fresh devices of the fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanoneurons.core.random import generator_for
from nanoneurons.fitting import Fit, simulate
from nanoneurons.measurements import Measurements, StepTables

__all__ = ["QUANTILES", "compared_steps", "table_steps"]

QUANTILES = (0.05, 0.5, 0.95)
BINS = 14
LEAST = 30  # steps in a bin
TABLES = 6
COPIES, SWEEPS, LENGTH = 300, 3, 80


def compared_steps(pulses: np.ndarray, measured: np.ndarray, simulated: np.ndarray) -> dict[str, Any] | None:
    """Quantiles of single steps in bins of the reading before, of measured and simulated devices under one train.

    Args:
        pulses: signed pulses before each reading, ``(readings,)``.
        measured, simulated: readings, ``(devices, readings)``.

    Returns:
        By direction, ``up`` and ``down``: for both populations ``at`` and ``quantiles`` (5, 50 and 95 %). None where
        no bin has thirty measured steps.
    """
    found = {}
    for name, sign in (("up", 1), ("down", -1)):
        places = np.flatnonzero(pulses[1:] == sign)
        before, change = measured[:, :-1][:, places], np.diff(measured, axis=1)[:, places]
        known = np.isfinite(before) & np.isfinite(change)
        bins = min(BINS, int(known.sum()) // LEAST)
        if bins < 1:
            continue
        edges = np.unique(np.quantile(before[known], np.linspace(0, 1, bins + 1)))
        drawn = simulated[:, :-1][:, places], np.diff(simulated, axis=1)[:, places]
        found[name] = {
            "measured": [_binned(before[known], change[known], edges)],
            "simulated": _binned(drawn[0].ravel(), drawn[1].ravel(), edges),
        }
    return found or None


def table_steps(fit: Fit, data: Measurements, seed: int) -> dict[str, Any] | None:
    """The same for a file of tables: their quantiles, and the steps of simulated devices that share no spread."""
    scale = (0.0, 1.0) if data.unit == "S" else fit.scale
    if not isinstance(data, StepTables) or scale is None:
        return None
    device = fit.device
    have = {p.imperfection for p in device.parameters()}
    for name in ("device_to_device", "stuck_devices", "read_noise"):
        device = device.without(name) if name in have else device
    train = np.tile(np.repeat([1, -1], LENGTH), SWEEPS)
    values = scale[0] + scale[1] * simulate(device, train, COPIES, generator_for(seed, "steps"))
    found = {}
    for name, sign in (("up", 1), ("down", -1)):
        tables = np.flatnonzero(data.direction == sign)[:TABLES]
        if not len(tables):
            continue
        places = np.flatnonzero(train[1:] == sign)
        before, change = values[:, :-1][:, places].ravel(), np.diff(values, axis=1)[:, places].ravel()
        edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)))
        found[name] = {"measured": [_of_table(data, k) for k in tables], "simulated": _binned(before, change, edges)}
    return found or None


def _of_table(data: StepTables, k: int) -> dict[str, Any]:
    rows, columns = np.isfinite(data.before[k]), np.isfinite(data.step[k])
    step = data.step[k][columns]
    quantiles = [np.interp(QUANTILES, row[columns], step) for row in data.cumulative[k][rows]]
    return {"at": data.before[k][rows].tolist(), "quantiles": np.array(quantiles).T.tolist()}


def _binned(before: np.ndarray, change: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    place = np.clip(np.searchsorted(edges, before, side="right") - 1, 0, max(len(edges) - 2, 0))
    inside = (before >= edges[0]) & (before <= edges[-1])
    at, quantiles = [], []
    for k in range(max(len(edges) - 1, 1)):
        own = inside & (place == k)
        if own.sum() >= LEAST:
            at.append(float(np.median(before[own])))
            quantiles.append(np.quantile(change[own], QUANTILES))
    return {"at": at, "quantiles": np.array(quantiles).T.tolist() if quantiles else []}
