"""Fresh devices of the fitted kind under the measured pulses, against the devices that were measured."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanoneurons.core.random import generator_for
from nanoneurons.fitting import Fit, simulate
from nanoneurons.measurements import Measurements, Pulses

from .fit_calibration import BAND, share_inside
from .fit_steps import compared_steps

__all__ = ["population"]

COPIES = 400
TRAINS = 12  # different pulse trains that are simulated
LONGEST = 4000
SHOWN = 160  # points of a curve in the report
LEAST_DEVICES = 6
PLACES = (0.02, 0.23, 0.41, 0.67, 1.0)  # along the train, uneven so that they meet different parts of its cycles
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def population(fit: Fit, data: Measurements, seed: int) -> dict[str, Any] | None:
    """Simulate fresh devices through the pulses that the measured ones got, and compare the distributions.

    The runs of a device follow each other without a new start. Dead devices are left out on both sides. Where
    fewer than six devices were measured the simulated ones have no device-to-device spread.

    Returns:
        None for other kinds of measurement, for readings without a conductance scale of this device, or where no
        device is alive. Else the quantiles of both populations along the commonest train, ``positions`` with sorted
        measured readings beside the quantiles predicted for them, and the share of measured readings in the simulated
        90 % band with its interval over devices and a ``verdict``: agrees, differs, or shown only.
    """
    if not isinstance(data, Pulses):
        return None
    device = fit.device
    scale = _scale(fit, data)
    if scale is None:
        return None
    trains = _trains(data, fit.dead)
    if not trains:
        return None
    alive = sum(len(members) for _, members in trains)
    missing = ["stuck_devices"] + (["device_to_device"] if alive < LEAST_DEVICES else [])
    have = {p.imperfection for p in device.parameters()}
    for name in missing:
        device = device.without(name) if name in have else device
    inside, unit, first = [], [], {}
    for k, (pulses, members) in enumerate(trains[:TRAINS]):
        copies = COPIES if k == 0 else max(100, COPIES // 4)
        found = scale[0] + scale[1] * simulate(device, pulses, copies, generator_for(seed, "population", k))
        low, high = np.quantile(found, [0.05, 0.95], axis=0)
        for number, values in members:
            known = np.isfinite(values)
            inside.append(((values >= low) & (values <= high))[known])
            unit.append(np.full(known.sum(), number))
        if k == 0:
            measured = np.stack([values for _, values in members])
            first = {**_curves(found, measured), "steps": compared_steps(pulses, measured, found)}
    shares = share_inside(np.concatenate(inside), np.concatenate(unit))
    agrees = shares["high"] >= BAND[0] and shares["low"] <= BAND[1]
    verdict = "shown only" if alive < LEAST_DEVICES else "agrees" if agrees else "differs"
    return {**first, **shares, "devices": alive, "copies": COPIES, "without": missing, "verdict": verdict}


def _scale(fit: Fit, data: Measurements) -> tuple[float, float] | None:
    """Offset and slope that turn a simulated conductance in S into a reading."""
    if data.unit == "S":
        return 0.0, 1.0
    if fit.scale is not None:
        return fit.scale
    linear = fit.device.linear(fit.device.init((1,), generator_for(0)))
    if linear is None:
        return None
    _, zero, unit = linear  # the readings are the device's own weights
    return -zero / unit, 1 / unit


def _trains(data: Pulses, dead: np.ndarray | None) -> list[tuple[np.ndarray, list[tuple[int, np.ndarray]]]]:
    """Distinct trains, the commonest first, each with the devices that got it and their readings."""
    groups: dict[bytes, tuple[np.ndarray, list[tuple[int, np.ndarray]]]] = {}
    for number in np.unique(data.device):
        if dead is not None and dead[number]:
            continue
        rows = np.flatnonzero(data.device == number)
        rows = rows[np.argsort(data.cycle[rows], kind="stable")]
        pulses, values = [], []
        for row in rows:
            known = np.isfinite(data.pulses[row]) & (np.isfinite(data.reading[row]) | (data.pulses[row] != 0))
            last = int(np.flatnonzero(known).max(initial=-1)) + 1
            pulses.append(np.nan_to_num(data.pulses[row, :last]).astype(np.int64))
            values.append(data.reading[row, :last])
        train, reading = np.concatenate(pulses)[:LONGEST], np.concatenate(values)[:LONGEST]
        if len(train) and np.isfinite(reading).any():
            groups.setdefault(train.tobytes(), (train, []))[1].append((int(number), reading))
    return sorted(groups.values(), key=lambda group: -len(group[1]))


def _curves(found: np.ndarray, measured: np.ndarray) -> dict[str, Any]:
    length = found.shape[1]
    at = np.unique(np.linspace(0, length - 1, min(length, SHOWN)).round().astype(int))
    enough = len(measured) >= LEAST_DEVICES
    spread = np.isfinite(measured).sum(0) >= LEAST_DEVICES
    positions = []
    places = np.quantile(np.flatnonzero(spread), PLACES).astype(int) if spread.any() else np.array([], int)
    for place in np.unique(places):
        values = np.sort(measured[:, place][np.isfinite(measured[:, place])])
        shares = (np.arange(len(values)) + 0.5) / len(values)
        if len(values) > SHOWN:
            shares = np.linspace(0.5 / len(values), 1 - 0.5 / len(values), SHOWN)
            values = np.quantile(values, shares)
        predicted = np.quantile(found[:, place], shares)
        positions.append({"reading": int(place), "measured": values.tolist(), "predicted": predicted.tolist()})
    curves = measured[:: max(1, len(measured) // 5)][:6, at]
    return {
        "at": at.tolist(),
        "levels": list(LEVELS),
        "predicted": np.quantile(found[:, at], LEVELS, axis=0).tolist(),
        "measured": _quantiles(measured[:, at]) if enough else None,
        "curves": [[None if np.isnan(v) else float(v) for v in curve] for curve in curves],
        "positions": positions,
    }


def _quantiles(values: np.ndarray) -> list[list[float | None]]:
    found = np.full((len(LEVELS), values.shape[1]), np.nan)
    known = np.isfinite(values).any(0)
    found[:, known] = np.nanquantile(values[:, known], LEVELS, axis=0)
    return [[None if np.isnan(v) else float(v) for v in row] for row in found]
