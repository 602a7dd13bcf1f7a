"""Which readings a fit is judged by: held out by devices, by cycles or by blocks, and never seen by its estimates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from nanoneurons.measurements import Measurements

__all__ = ["LEAST_DEVICES", "Fold", "Split", "readings", "split", "subset"]

LEAST_DEVICES = 6  # fewer cannot be divided without losing the spread between them
LEAST_CYCLES = 4
FOLDS = 5
BLOCKS = 20  # pieces of a long run; each is held out once
LEAST_READINGS = 10
MOST_READINGS = 30_000


@dataclass(frozen=True)
class Fold:
    """One division of the data.

    Attributes:
        seen: what the fit may learn from.
        predicted: what it has to predict, one reading after the other.
        rows: runs of the whole data that `predicted` holds.
        scored: which of its readings count, bool of their shape.
    """

    seen: Measurements
    predicted: Measurements
    rows: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class Split:
    """How the data are divided.

    Attributes:
        by: what is held out together.
        folds: every reading is scored in exactly one of them.
        unit: number of the piece, of those that err independently, that a reading belongs to; the readings' shape.
    """

    by: Literal["devices", "cycles", "blocks"]
    folds: tuple[Fold, ...]
    unit: np.ndarray

    @property
    def units(self) -> int:
        """Number of pieces that err independently."""
        return len(np.unique(self.unit))


def readings(data: Measurements) -> np.ndarray:
    """What was measured and is to be predicted: readings, or the currents of sweeps."""
    return getattr(data, "current" if data.kind == "iv" else "reading")


def _without(data: Measurements, masked: np.ndarray) -> Measurements:
    name = "current" if data.kind == "iv" else "reading"
    changes: dict[str, Any] = {name: np.where(masked, np.nan, readings(data))}
    return replace(data, **changes)


def split(data: Measurements, seed: int = 0) -> Split | None:
    """Divide the data in up to five folds: by devices where there are six or more, else by cycles, else by blocks.

    A block is a twentieth of a run. Its pulses stay when its readings are masked, so that the state goes on through
    it; it is predicted with the readings before it, by estimates that never saw it. Cycles are
    held out only where every level, and both directions of pulses, remain in what is seen.

    Returns:
        None where there are fewer than ten readings, or none at all as in tables of steps.
    """
    if data.kind == "tables":
        return None
    measured = np.isfinite(readings(data))
    if measured.sum() < LEAST_READINGS:
        return None
    used = np.unique(data.device[measured.any(1)])
    order = np.random.default_rng([seed, len(used)])
    if len(used) >= LEAST_DEVICES:
        fold = np.full(len(data.devices), -1)
        fold[order.permutation(used)] = np.arange(len(used)) % FOLDS
        unit = np.broadcast_to(data.device[:, None], measured.shape)
        return Split("devices", _by_runs(data, fold[data.device]), unit)
    blocks = _blocks(measured)
    cycles = getattr(data, "cycle", None)
    if cycles is not None and len(np.unique(cycles)) >= LEAST_CYCLES:
        known = np.unique(cycles)
        fold = order.permutation(len(known))[np.searchsorted(known, cycles)] % FOLDS
        folds = _by_runs(data, fold)
        if all(_complete(data, found) for found in folds):
            return Split("cycles", folds, np.broadcast_to(np.searchsorted(known, cycles)[:, None], measured.shape))
    fold = (blocks + int(order.integers(FOLDS))) % FOLDS
    every = np.arange(len(data.device))
    folds = tuple(Fold(_without(data, fold == k), data, every, fold == k) for k in range(FOLDS) if (fold == k).any())
    return Split("blocks", folds, blocks)


def _by_runs(data: Measurements, fold: np.ndarray) -> tuple[Fold, ...]:
    found = []
    for k in range(FOLDS):
        rows = np.flatnonzero(fold == k)
        if len(rows):
            predicted = data.runs(rows)
            found.append(Fold(data.runs(fold != k), predicted, rows, np.isfinite(readings(predicted))))
    return tuple(found)


def _complete(data: Measurements, fold: Fold) -> bool:
    """Whether every level, and every direction of pulses, is left in what is seen."""
    whole: Any = data
    seen: Any = fold.seen
    if data.kind == "pulses":
        every, left = (set(np.unique(np.sign(np.nan_to_num(d.pulses)))) for d in (whole, seen))
        return every == left
    return not hasattr(whole, "level") or set(whole.level.tolist()) == set(seen.level.tolist())


def _blocks(measured: np.ndarray) -> np.ndarray:
    """Number of the block of each reading, counted through all runs; padding goes with its neighbours."""
    found = np.zeros(measured.shape, int)
    first = 0
    for row, known in enumerate(measured):
        length = max(1, -(-int(known.sum()) // BLOCKS))
        within = np.maximum(known.cumsum() - 1, 0) // length
        found[row] = first + within
        first += int(within[-1]) + 1 if known.any() else 0
    return found


def subset(data: Measurements, seed: int = 0) -> Measurements:
    """The data, or where they hold more than 30,000 readings those of devices chosen at random, to compare models on.

    At least six devices remain where there are as many; a long run is not shortened.
    """
    if data.kind == "tables":
        return data
    counts = np.bincount(data.device, np.isfinite(readings(data)).sum(1), len(data.devices))
    used = np.flatnonzero(counts)
    if counts.sum() <= MOST_READINGS or len(used) <= LEAST_DEVICES:
        return data
    order = np.random.default_rng([seed, len(used), 1]).permutation(used)
    enough = int(np.searchsorted(counts[order].cumsum(), MOST_READINGS)) + 1
    return data.of_devices(order[: max(enough, 4 * LEAST_DEVICES)])
