"""Ramps of pulses within the readings of a device: where they join, where cycles begin, which way they go."""

from __future__ import annotations

import itertools

import numpy as np

from ._direction import turning_points
from ._long import Long

__all__ = ["apart", "changes", "cycles_of", "directions_of_segments", "from_trend", "trend"]

_SHORTEST_RAMP = 3
_NEAR = 5  # readings on either side of a joint that are compared
_WINDOW = 200  # readings on either side that tell the usual step


def changes(group: np.ndarray) -> np.ndarray:
    """Whether a reading is the first of its group, ``(readings,)``."""
    return np.r_[True, group[1:] != group[:-1]]


def trend(values: np.ndarray) -> int:
    """+1 where readings rise on the whole, -1 where they fall, 0 where neither is clear."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return 0
    part = max(1, len(known) // 5)
    change = known[-part:].mean() - known[:part].mean()
    noise = np.std(np.diff(known)) / np.sqrt(part) if len(known) > 4 else 0.0
    return int(np.sign(change)) if abs(change) > 2 * noise else 0


def apart(long: Long, groups: np.ndarray, notes: list[str]) -> np.ndarray:
    """Where a ramp of another column begins far from where the one before ended: a run of its own.

    Far is more than three standard deviations of a step and more than a tenth of the range of both ramps.
    """
    turns = np.flatnonzero((long.column[1:] != long.column[:-1]) & ~groups[1:]) + 1
    far = np.zeros(len(long), dtype=bool)
    for index, ramp in zip(turns, _spans(long, groups, turns), strict=True):
        before, after = long.reading[max(0, index - _NEAR) : index], long.reading[index : index + _NEAR]
        if not (np.isfinite(before).any() and np.isfinite(after).any()):
            continue
        steps = np.diff(long.reading[max(0, index - _WINDOW) : index + _WINDOW])
        known = ramp[np.isfinite(ramp)]
        gap = abs(np.nanmean(before) - np.nanmean(after))
        far[index] = gap > max(3 * np.nanstd(steps), 0.1 * np.ptp(known))
    if len(turns) > far.sum():
        notes.append("the ends of the up and the down ramp agree: taken as one unbroken run")
    if far.any():
        notes.append("the ends of the up and the down ramp differ: taken as separate runs")
    return far


def _spans(long: Long, groups: np.ndarray, turns: np.ndarray) -> list[np.ndarray]:
    """Readings of the group around each turn."""
    begins = np.flatnonzero(groups)
    ends = np.r_[begins[1:], len(long)]
    place = np.searchsorted(begins, turns, side="right") - 1
    return [long.reading[begins[p] : ends[p]] for p in place]


def cycles_of(groups: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First readings of the cycles, and the index of the cycle of each reading.

    A cycle begins where the first direction of the device comes back, if ramps are long and no read stands between.
    """
    flips = groups | np.r_[True, direction[1:] != direction[:-1]]
    begins = np.flatnonzero(flips)
    lengths = np.diff(np.r_[begins, len(direction)])
    if np.median(lengths) < _SHORTEST_RAMP or (direction == 0).any():
        return groups, np.zeros(len(direction), dtype=np.int64)
    group = np.cumsum(groups) - 1
    first = np.flatnonzero(groups)
    back = flips & (direction == direction[first][group])
    cycle = np.cumsum(back)
    return back | groups, cycle - cycle[first][group]


def directions_of_segments(long: Long, groups: np.ndarray, back: np.ndarray) -> np.ndarray | None:
    """Direction of each reading where pulse numbers start again and ramps go up and down in turn; else None.

    The first ramps of all devices vote, then the second ones, and so on.
    """
    starts = np.flatnonzero(groups | back)
    ends = np.r_[starts[1:], len(long)]
    group = (np.cumsum(groups) - 1)[starts]
    ordinal = np.arange(len(starts)) - np.searchsorted(group, group)
    votes = np.zeros(int(ordinal.max()) + 1)
    for a, b, k in zip(starts, ends, ordinal, strict=True):
        votes[k] += trend(long.reading[a:b])
    signs = np.sign(votes).astype(np.int64)
    if not ((signs > 0).any() and (signs < 0).any()) or (signs == 0).any():
        return None
    return np.repeat(signs[ordinal], ends - starts)


def from_trend(long: Long, starts: np.ndarray, notes: list[str]) -> np.ndarray:
    """Directions inferred from how the readings move, the same for runs of one length."""
    begins = np.flatnonzero(starts)
    lengths = np.diff(np.r_[begins, len(long)])
    direction = np.zeros(len(long), dtype=np.int64)
    said: list[str] = []
    for length in np.unique(lengths):
        group = begins[lengths == length][:, None] + np.arange(length)
        signs, turns = _ways(_mean(long.reading[group]))
        direction[group] = signs
        words = ["up" if signs[a] > 0 else "down" for a in (0, *(t + 1 for t in turns))]
        where = f" (turning after reading {', '.join(str(t + 1) for t in turns)})" if turns else ""
        said.append(", ".join(words) + where)
    shown = "; ".join(list(dict.fromkeys(said))[:4])
    notes.append(f"no direction in the file: inferred from how the readings move: {shown}")
    return direction


def _mean(readings: np.ndarray) -> np.ndarray:
    """Mean over runs of equal weight, ``(runs, readings)`` -> ``(readings,)``; NaN where no run has a reading."""
    known = np.isfinite(readings)
    scale = np.where(known, np.abs(readings), 0).max(axis=1, keepdims=True)
    scaled = np.where(known, readings, 0) / np.where(scale > 0, scale, 1)
    count = known.sum(axis=0)
    return np.where(count > 0, scaled.sum(axis=0) / np.maximum(count, 1), np.nan)


def _ways(mean: np.ndarray) -> tuple[np.ndarray, list[int]]:
    """Direction at each reading, and the readings after which it turns."""
    turns = turning_points(mean)
    signs = np.zeros(len(mean), dtype=np.int64)
    for a, b in itertools.pairwise([0, *(t + 1 for t in turns), len(mean)]):
        piece = mean[max(0, a - 1) : b]
        signs[a:b] = trend(piece) or (1 if np.nansum(np.diff(piece)) >= 0 else -1)
    return signs, turns
