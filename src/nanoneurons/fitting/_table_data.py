"""Pulse measurements made ready for the table device: levels, single pulses, dead devices, clusters of readings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import Pulses

from ._table_smoothing import Sequences

__all__ = ["Prepared", "dead_devices", "prepare", "single_pulses"]

_MOST = 40_000_000  # readings and pulses together
_WHITE = 3.5  # central 90 % over the spread of differences: 2.33 for a device that does not move
_STILL = 0.25  # and its share of the median device's
_FEW = 10  # devices from which on they are the clusters
_BLOCKS = 20  # clusters that fewer devices are cut into


@dataclass(frozen=True)
class Prepared:
    """Readings in levels with one pulse between two at most, and what belongs to them.

    Attributes:
        place: column of each original reading among the single pulses, ``(runs, readings)``.
        owner: device of each cluster.
    """

    data: Sequences
    place: np.ndarray
    owner: np.ndarray


def single_pulses(data: Pulses, unit: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Readings in levels and pulses, a train of n pulses written as n pulses without readings between; places."""
    pulses = np.nan_to_num(np.asarray(data.pulses, dtype=np.float64)).round().astype(np.int64)
    pulses[:, 0] = 0
    reading = np.asarray(data.reading, dtype=np.float64) / unit
    if np.abs(pulses).max(initial=0) <= 1:
        return reading, pulses.astype(np.int8), np.broadcast_to(np.arange(reading.shape[1]), reading.shape)
    place = np.cumsum(np.maximum(np.abs(pulses), 1), axis=1) - 1
    length = int(place.max()) + 1
    if length * len(reading) > _MOST:
        raise DataError(
            f"{length * len(reading):,} single pulses are too many for the table device; leave out long pulse trains"
        )
    wide = np.full((len(reading), length), np.nan)
    np.put_along_axis(wide, place, reading, axis=1)
    steps = np.zeros((len(reading), length), np.int8)
    for r, (ends, counts) in enumerate(zip(place, pulses, strict=True)):
        moved = counts != 0
        at = np.repeat(ends[moved], np.abs(counts[moved]))
        back = np.concatenate([np.arange(n) for n in np.abs(counts[moved])]) if moved.any() else at
        steps[r, at - back] = np.repeat(np.sign(counts[moved]), np.abs(counts[moved]))
    return wide, steps, place


def dead_devices(data: Pulses) -> np.ndarray:
    """Devices that no pulse moves, bool ``(devices,)``.

    Their readings spread no more than single differences do, as those of a constant with noise (the central 90 %
    less than 3.5 times the spread of the differences; 2.33 for white noise), and less than a quarter of the median
    device's. A device without readings is not counted.
    """
    found = np.zeros(len(data.devices), dtype=bool)
    width, fine = np.full(len(found), np.nan), np.full(len(found), np.nan)
    order = np.argsort(data.device, kind="stable")
    for i, runs in zip(*_grouped(data.device[order], order), strict=True):
        y = data.reading[runs]
        steps = np.diff(y, axis=1)
        steps = steps[np.isfinite(steps)]
        if len(steps) < 5:
            continue
        low, high = np.nanquantile(y, [0.05, 0.95])
        width[i], fine[i] = high - low, np.sqrt(np.mean(steps**2))
    if np.isfinite(width).any():
        with np.errstate(invalid="ignore"):
            found = (width <= _WHITE * fine) & (width < _STILL * np.nanmedian(width))
            found |= (width == 0) & (fine == 0)
    return found


def prepare(data: Pulses, unit: float, live: np.ndarray) -> Prepared:
    """Sequences of the live devices, with clusters for the intervals: devices, or blocks of few devices' readings."""
    runs = np.flatnonzero(live[data.device])
    reading, pulse, place = single_pulses(data.runs(runs), unit)
    device = data.device[runs].astype(np.int64)
    devices = np.unique(device)
    cluster = np.zeros(reading.shape, np.int64)
    if len(devices) >= _FEW:
        cluster[:] = np.searchsorted(devices, device)[:, None]
        owner = np.arange(len(devices))
    else:
        blocks = -(-_BLOCKS // len(devices))
        for k, i in enumerate(devices):
            rows = np.flatnonzero(device == i)
            total = len(rows) * reading.shape[1]
            spread = (np.arange(total) * blocks // total).reshape(len(rows), -1)
            cluster[rows] = k * blocks + spread
        owner = np.repeat(np.arange(len(devices)), blocks)
    compact = np.searchsorted(devices, device)
    return Prepared(Sequences(reading, pulse, compact, cluster), place, owner)


def _grouped(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    found, starts = np.unique(keys, return_index=True)
    return found, np.split(values, starts[1:])
