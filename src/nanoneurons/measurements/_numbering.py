"""Pulse numbers to pulses between readings: restarts, re-reads, rows out of order, duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from ._long import Long
from ._ramps import apart, changes, cycles_of, directions_of_segments
from ._table import Column

__all__ = ["Steps", "steps_of"]

_LARGEST = 1e12  # pulses; beyond it a number is a mistake
_LEAST_REPEATED = 0.05  # share of readings; fewer repeated pulse numbers are taken as mistakes


@dataclass
class Steps:
    """Readings in the order of their runs.

    Attributes:
        long: the readings, sorted.
        count: pulses before each reading, ``(readings,)``; signed where `signed`.
        starts: whether a reading is the first of its run.
        run: number of the run of each reading.
        cycle: index of the cycle of each reading.
    """

    long: Long
    count: np.ndarray
    signed: bool
    starts: np.ndarray
    run: np.ndarray
    cycle: np.ndarray


def steps_of(long: Long, notes: list[str]) -> Steps:
    """Sort readings into runs and count the pulses between them.

    Raises:
        DataError: a pulse number twice, or one that jumps back, without a column that explains it.
    """
    group = long.group()
    order = np.argsort(group, kind="stable")
    if "applied" in long.more:
        if "read" in long.more:
            order = np.lexsort((long.more["read"], group))
        long, group = long.take(order), group[order]
        count = long.more["applied"]
        wrong = (count != np.round(count)) | (np.abs(count) > _LARGEST)
        if wrong.any():
            index = int(wrong.argmax())
            long.refuse(index, None, f"{count[index]:g} pulses applied; pulses are counted in whole numbers")
        starts = changes(group)
        return Steps(long, count.astype(np.int64), True, starts, np.cumsum(starts) - 1, long.cycle)
    long, group = long.take(order), group[order]
    if "pulse" not in long.more:
        return _without_numbers(long, group, notes)
    return _numbered(long, group, notes)


def _without_numbers(long: Long, group: np.ndarray, notes: list[str]) -> Steps:
    notes.append("no pulse number in the file: one pulse before every reading")
    groups = changes(group)
    direction = long.more.get("direction")
    starts, cycle = groups, long.cycle
    if direction is not None:
        if "cycle" not in long.given:
            starts, cycle = cycles_of(groups, direction)
        starts = starts | apart(long, groups, notes)
    return Steps(long, np.ones(len(long), dtype=np.int64), False, starts, np.cumsum(starts) - 1, cycle)


def _numbered(long: Long, group: np.ndarray, notes: list[str], tried: bool = False) -> Steps:
    groups = changes(group)
    number = long.more["pulse"]
    odd = (number != np.round(number)) | (np.abs(number) > _LARGEST)
    if odd.any():
        index = int(odd.argmax())
        long.refuse(
            index, _column(long), f"pulse number {number[index]:g} is no whole count; say which column counts pulses"
        )
    direction = long.more.get("direction")
    turned = ~groups & (np.r_[False, direction[1:] != direction[:-1]] if direction is not None else False)
    change = np.r_[0, np.diff(number)].astype(np.int64)
    inside = ~groups & ~turned
    if direction is None and _positions(change, inside):
        notes.append("the pulse number counts up and down: taken as the direction of the pulses")
        return Steps(long, change, True, groups, np.cumsum(groups) - 1, long.cycle)
    ramp = np.cumsum(groups | turned) - 1
    descending = _descending(change, inside, ramp, groups)
    forward = np.where(descending[ramp], -change, change)
    back = inside & (forward < 0)
    if back.any() and not (_restarts(long, groups | turned, ramp, back, number)):
        if tried:
            _twice(long, int(back.argmax()), number)
        ordered = _sorted(long, group, direction, notes)
        return _numbered(ordered, ordered.group(), notes, tried=True)
    if back.any() and direction is None:
        found = directions_of_segments(long, groups, back)
        if found is not None:
            notes.append("no direction in the file: ramps of pulse numbers rise and fall in turn, taken as up and down")
            return _numbered(replace(long, more=long.more | {"direction": found}), group, notes)
    _check_repeats(long, forward, inside & ~back, notes)
    count = np.where(inside & ~back, forward, 0)
    typical = _typical(count, inside & ~back & (forward > 0), ramp)[ramp]
    count = np.where(turned, typical, count)
    count[turned & (number == 0) & ~descending[ramp]] = 0
    continued = turned & (change > 0) & (change <= typical)
    count[continued] = change[continued]
    return _started(long, groups, back, count, direction, notes)


def _started(
    long: Long, groups: np.ndarray, back: np.ndarray, count: np.ndarray, direction: np.ndarray | None, notes: list[str]
) -> Steps:
    """Steps with the first readings of runs, and cycles where the file has no column for them."""
    starts, cycle = groups | back, long.cycle
    if "cycle" not in long.given:
        if direction is not None and not back.any():
            starts, cycle = cycles_of(groups, direction)
        elif back.any():
            cycle = np.cumsum(starts) - 1
            cycle = cycle - cycle[np.flatnonzero(groups)][np.cumsum(groups) - 1]
            notes.append("the pulse number starts again: taken as a new cycle each time")
    starts = starts | apart(long, groups, notes)
    return Steps(long, count, False, starts, np.cumsum(starts) - 1, cycle)


def _column(long: Long) -> Column | None:
    """Column of the pulse numbers."""
    values = long.more["pulse"]
    return next((c for c in long.table.columns if c.numeric and np.array_equal(c.values[long.row], values)), None)


def _positions(change: np.ndarray, inside: np.ndarray) -> bool:
    """Whether numbers go up and down in equal steps, as 0 ... 100 ... 0."""
    moves = change[inside & (change != 0)]
    if not len(moves) or not 0.1 < (moves < 0).mean() < 0.9:
        return False
    return bool((np.abs(moves) == np.abs(moves[0])).mean() > 0.98)


def _descending(change: np.ndarray, inside: np.ndarray, ramp: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Whether a ramp counts down, ``(ramps,)``; a device that only counts down has its rows in the wrong order."""
    size = ramp[-1] + 1
    down = np.bincount(ramp[inside & (change < 0)], minlength=size)
    up = np.bincount(ramp[inside & (change > 0)], minlength=size)
    group = np.zeros(size, dtype=np.int64)
    group[ramp] = np.cumsum(groups) - 1
    falls = down > 2 * up
    rises = np.bincount(group[up > 2 * down], minlength=group[-1] + 1) > 0
    return falls & rises[group]


def _typical(count: np.ndarray, used: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Most frequent step of each ramp, about: its mean rounded."""
    total = np.bincount(ramp[used], weights=count[used], minlength=ramp[-1] + 1)
    number = np.bincount(ramp[used], minlength=ramp[-1] + 1)
    return np.maximum(1, np.round(total / np.maximum(number, 1)))


def _restarts(long: Long, begins: np.ndarray, ramp: np.ndarray, back: np.ndarray, number: np.ndarray) -> bool:
    """Whether every step back lands where its ramp began."""
    first = number[np.flatnonzero(begins)][ramp]
    return "cycle" not in long.given and bool((number[back] == first[back]).all())


def _sorted(long: Long, group: np.ndarray, direction: np.ndarray | None, notes: list[str]) -> Long:
    """Rows out of order, sorted by pulse number.

    Raises:
        DataError: a pulse number twice.
    """
    number = long.more["pulse"]
    read = long.more.get("read", np.zeros(len(number)))
    keys, both = [read, number, group], False
    if direction is not None:
        plain = np.lexsort(keys)
        both = bool((np.diff(np.stack(keys)[:, plain], axis=1) == 0).all(axis=0).any())
        keys = [read, number, -direction, group] if both else keys
    order = np.lexsort(keys)
    same = np.r_[False, (np.diff(np.stack(keys)[:, order], axis=1) == 0).all(axis=0)]
    if same.any():
        found = order[same]
        _twice(long, int(found[long.row[found].argmin()]), number)
    notes.append(f"rows were not in the order of the pulses: sorted by pulse number{', up before down' * both}")
    return long.take(order)


def _twice(long: Long, index: int, number: np.ndarray) -> NoReturn:
    who = f" of device {long.names[long.device[index]]}" if len(long.names) > 1 else ""
    long.refuse(
        index,
        _column(long),
        f"pulse number {number[index]:g}{who} is there before; remove the row, or add a column 'cycle', "
        "or 'read' where the device was read again",
    )


def _check_repeats(long: Long, forward: np.ndarray, inside: np.ndarray, notes: list[str]) -> None:
    """The same pulse number in rows that follow each other is read again, if it happens regularly.

    Regularly is in a twentieth of all readings, or three times or more at one number.

    Raises:
        DataError: a few pulse numbers are there twice.
    """
    again = inside & (forward == 0)
    if not again.any() or "read" in long.more:
        return
    longest = np.diff(np.flatnonzero(np.r_[True, ~again, True])).max()
    if again.mean() < _LEAST_REPEATED and longest < 3:
        _twice(long, int(again.argmax()), long.more["pulse"])
    change = np.r_[0.0, np.diff(long.reading)]
    note = f"{int(again.sum()):,} readings at the pulse number before them: taken as read again without a pulse"
    if _shifted(change[again], change[inside & ~again]):
        note += "; they differ on the mean by more than a pulse does: are there two devices or cycles without a column?"
    notes.append(note)


def _shifted(again: np.ndarray, pulsed: np.ndarray) -> bool:
    """Whether readings without a pulse change on the mean, and more than readings with one."""
    again, pulsed = again[np.isfinite(again)], pulsed[np.isfinite(pulsed)]
    if len(again) < 5 or not len(pulsed):
        return False
    mean = abs(float(again.mean()))
    return mean > 5 * float(again.std()) / np.sqrt(len(again)) and mean > float(np.median(np.abs(pulsed)))
