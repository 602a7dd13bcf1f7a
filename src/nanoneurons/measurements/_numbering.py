"""Pulse numbers to pulses between readings: restarts, re-reads, rows out of order, duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._long import Long

__all__ = ["Steps", "steps_of"]

_LEAST_REPEATED = 0.05  # share of readings; fewer repeated pulse numbers are taken as mistakes
_SHORTEST_RAMP = 3


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
        wrong = count != np.round(count)
        if wrong.any():
            index = int(wrong.argmax())
            long.refuse(index, None, f"{count[index]:g} pulses applied; pulses are counted in whole numbers")
        starts = _changes(group)
        return Steps(long, count.astype(np.int64), True, starts, np.cumsum(starts) - 1, long.cycle)
    long, group = long.take(order), group[order]
    if "pulse" not in long.more:
        return _without_numbers(long, group, notes)
    return _numbered(long, group, notes)


def _changes(group: np.ndarray) -> np.ndarray:
    return np.r_[True, group[1:] != group[:-1]]


def _without_numbers(long: Long, group: np.ndarray, notes: list[str]) -> Steps:
    notes.append("no pulse number in the file: one pulse before every reading")
    starts = _changes(group)
    direction = long.more.get("direction")
    cycle = long.cycle
    if direction is not None:
        starts = starts | _apart(long, starts, direction, notes)
        if "cycle" not in long.given:
            starts, cycle = _cycles(starts, _changes(group), direction)
    return Steps(long, np.ones(len(long), dtype=np.int64), False, starts, np.cumsum(starts) - 1, cycle)


def _apart(long: Long, starts: np.ndarray, direction: np.ndarray, notes: list[str]) -> np.ndarray:
    """Where a ramp of another column begins far from where the one before ended: a run of its own."""
    turn = np.flatnonzero((long.column[1:] != long.column[:-1]) & ~starts[1:]) + 1
    apart = np.zeros(len(long), dtype=bool)
    for index in turn:
        before, after = long.reading[max(0, index - 5) : index], long.reading[index : index + 5]
        if not (np.isfinite(before).any() and np.isfinite(after).any()):
            continue
        steps = np.diff(long.reading[max(0, index - 200) : index + 200])
        span = np.nanmax(long.reading[max(0, index - 5000) : index + 5000]) - np.nanmin(
            long.reading[max(0, index - 5000) : index + 5000]
        )
        gap = abs(np.nanmean(before) - np.nanmean(after))
        apart[index] = gap > max(3 * np.nanstd(steps), 0.1 * span)
    if len(turn):
        joined = int(len(turn) - apart.sum())
        if joined:
            notes.append("the ends of the up and the down ramp agree: taken as one unbroken run")
        if apart.any():
            notes.append("the ends of the up and the down ramp differ: taken as separate runs")
    return apart


def _cycles(starts: np.ndarray, groups: np.ndarray, direction: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Split where the first direction comes back, if ramps are long; and the index of the cycle of each reading."""
    flips = np.r_[True, direction[1:] != direction[:-1]] | groups
    begins = np.flatnonzero(flips)
    lengths = np.diff(np.r_[begins, len(direction)])
    group = np.cumsum(groups) - 1
    if np.median(lengths) < _SHORTEST_RAMP or (direction == 0).any():
        return starts, np.zeros(len(direction), dtype=np.int64)
    first = np.flatnonzero(groups)
    leading = direction[first][group]
    back = flips & (direction == leading)
    cycle = np.cumsum(back)
    cycle = cycle - cycle[first][group]
    return starts | back, cycle


def _numbered(long: Long, group: np.ndarray, notes: list[str]) -> Steps:
    groups = _changes(group)
    number = long.more["pulse"]
    fraction = number != np.round(number)
    if fraction.any():
        index = int(fraction.argmax())
        column = _column(long)
        long.refuse(index, column, f"pulse number {number[index]:g} is not whole; say which column counts the pulses")
    direction = long.more.get("direction")
    turned = ~groups & (np.r_[False, direction[1:] != direction[:-1]] if direction is not None else False)
    change = np.r_[0, np.diff(number)]
    inside = ~groups & ~turned
    falling = inside & (change < 0)
    if direction is None and _positions(change, inside):
        notes.append("the pulse number counts up and down: taken as the direction of the pulses")
        starts = groups
        return Steps(long, change.astype(np.int64), True, starts, np.cumsum(starts) - 1, long.cycle)
    ramp = np.cumsum(groups | turned) - 1
    descending = _descending(change, inside, ramp)
    forward = np.where(descending[ramp], -change, change)
    back = inside & (forward < 0)
    if back.any() and not _restarts(long, groups | turned, ramp, back, number):
        sorted_steps = _sorted(long, group, direction, notes)
        if sorted_steps is not None:
            return _numbered(sorted_steps, sorted_steps.group(), notes)
    if back.any() and "cycle" in long.given:
        index = int(back.argmax())
        _twice(long, index, number)
    _check_repeats(long, ramp, forward, inside, groups | turned | back)
    count = np.where(inside & ~back, forward, 0)
    typical = _typical(count, inside & ~back & (forward > 0), ramp)
    first_of_turn = np.flatnonzero(turned)
    count[first_of_turn] = np.where(
        (number[first_of_turn] == 0) & ~descending[ramp[first_of_turn]], 0, typical[ramp[first_of_turn]]
    )
    continued = turned & (change > 0) & (change <= typical[ramp])
    count[continued] = change[continued]
    starts = groups | back
    cycle = long.cycle
    if "cycle" not in long.given:
        if direction is not None and not back.any():
            starts, cycle = _cycles(starts, groups, direction)
        else:
            cycle = np.cumsum(starts) - 1
            cycle = cycle - cycle[np.flatnonzero(groups)][np.cumsum(groups) - 1]
            if back.any():
                notes.append("the pulse number starts again: taken as a new cycle each time")
    if falling.any() and not back.any():
        notes.append("pulse numbers count down in some ramps")
    return Steps(long, count.astype(np.int64), False, starts, np.cumsum(starts) - 1, cycle)


def _column(long: Long):
    roles = long.table
    return next((c for c in roles.columns if c.numeric and _same(c.values[long.row], long.more["pulse"])), None)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return len(a) == len(b) and bool((a == b).all())


def _positions(change: np.ndarray, inside: np.ndarray) -> bool:
    """Whether numbers go up and down in equal steps, as 0 ... 100 ... 0."""
    moves = change[inside & (change != 0)]
    if not len(moves) or not (moves < 0).any():
        return False
    return bool((np.abs(moves) == np.abs(moves[0])).mean() > 0.98) and (moves < 0).mean() > 0.1


def _descending(change: np.ndarray, inside: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    down = np.bincount(ramp[inside & (change < 0)], minlength=ramp[-1] + 1)
    up = np.bincount(ramp[inside & (change > 0)], minlength=ramp[-1] + 1)
    return down > 2 * up


def _typical(count: np.ndarray, used: np.ndarray, ramp: np.ndarray) -> np.ndarray:
    """Most frequent step of each ramp, about: its mean rounded."""
    total = np.bincount(ramp[used], weights=count[used], minlength=ramp[-1] + 1)
    number = np.bincount(ramp[used], minlength=ramp[-1] + 1)
    return np.maximum(1, np.round(total / np.maximum(number, 1)))


def _restarts(long: Long, begins: np.ndarray, ramp: np.ndarray, back: np.ndarray, number: np.ndarray) -> bool:
    """Whether every step back lands where its ramp began."""
    first = number[np.flatnonzero(begins)][ramp]
    return "cycle" not in long.given and bool((number[back] == first[back]).all())


def _sorted(long: Long, group: np.ndarray, direction: np.ndarray | None, notes: list[str]) -> Long | None:
    """Rows out of order, sorted by pulse number; None where sorting would not help.

    Raises:
        DataError: a pulse number twice.
    """
    number = long.more["pulse"]
    read = long.more.get("read", np.zeros(len(number)))
    keys = [read, number, group]
    overlap = False
    if direction is not None:
        plain = np.lexsort((read, number, group))
        same = (np.diff(number[plain]) == 0) & (np.diff(group[plain]) == 0) & (np.diff(read[plain]) == 0)
        overlap = bool(same.any())
        if overlap:
            keys = [read, number, -direction, group]
    order = np.lexsort(keys)
    stacked = np.stack([k[order] for k in keys])
    same = np.r_[False, (np.diff(stacked, axis=1) == 0).all(axis=0)]
    if same.any():
        rows = long.row[order[same]]
        index = int(order[same][rows.argmin()])
        _twice(long, index, number)
    up = ", up before down" if overlap else ""
    notes.append(f"rows were not in the order of the pulses: sorted by pulse number{up}")
    return long.take(order)


def _twice(long: Long, index: int, number: np.ndarray) -> None:
    who = f" of device {long.names[long.device[index]]}" if len(long.names) > 1 else ""
    long.refuse(
        index,
        _column(long),
        f"pulse number {number[index]:g}{who} is there before; remove the row, or add a column 'cycle', "
        "or 'read' where the device was read again",
    )


def _check_repeats(long: Long, ramp: np.ndarray, forward: np.ndarray, inside: np.ndarray, begins: np.ndarray) -> None:
    """The same pulse number in rows that follow each other is read again, if it happens regularly."""
    again = inside & (forward == 0) & ~begins
    if not again.any() or "read" in long.given or "read" in long.more:
        return
    share = again.mean()
    longest = np.diff(np.flatnonzero(np.r_[True, ~again, True])).max()
    if share < _LEAST_REPEATED and longest < 3:
        _twice(long, int(again.argmax()), long.more["pulse"])
    del ramp
