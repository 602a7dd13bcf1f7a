"""Levels, retention and noise from a table."""

from __future__ import annotations

import numpy as np

from nanoneurons.core.errors import DataError

from ._long import Long, pad, reading_columns, stack
from ._pulses import refuse_constant
from ._quantities import Quantities
from ._records import Levels, NoiseSeries, Retention
from ._roles import Roles

__all__ = ["build_levels", "build_noise", "build_retention"]

_UNTIMED = "no time in the file: readings are counted, not timed"


def _sorted_runs(long: Long) -> tuple[Long, np.ndarray, np.ndarray]:
    """Readings sorted by device, cycle, run and level; the run of each, and the first reading of every run."""
    _, run = np.unique(np.stack([long.group(), long.level]), axis=1, return_inverse=True)
    run = run.reshape(-1)
    order = np.argsort(run, kind="stable")
    long, run = long.take(order), run[order]
    return long, run, np.flatnonzero(np.r_[True, run[1:] != run[:-1]])


def build_levels(roles: Roles, quantities: Quantities) -> Levels:
    """Levels from a table: a column of levels or targets, or one column per level."""
    columns, quantity = reading_columns(roles, "levels")
    wide = roles.wide == "level" or (len(columns) > 1 and not roles.has("level") and not roles.has("target"))
    long = stack(roles, quantities, columns, quantity)
    refuse_constant(long)
    target = None
    if "target" in long.more:
        empty = ~np.isfinite(long.more["target"])
        if empty.any():
            long.refuse(int(empty.argmax()), roles.one("target"), "empty; every reading needs its target")
        found, level = np.unique(long.more["target"], return_inverse=True)
        target, level = tuple(float(v) for v in found), level.reshape(-1)
    elif wide:
        level = long.column
        long.device, long.names = np.zeros(len(long), dtype=np.int64), ("1",)
        long.given = long.given - {"device"}
        quantities.notes.append(
            f"each of the {len(columns)} columns was taken as one level: {', '.join(c.name for c in columns)}"
        )
    else:
        level = _ranked(long)
        if "level" not in long.given:
            quantities.notes.append("no column of levels or targets: all readings were taken as one level")
    return levels_of(long, level, target, roles.rows_are, quantities.notes)


def _ranked(long: Long) -> np.ndarray:
    """Codes of levels; words in the order of their mean readings."""
    if not long.levels:
        return long.level
    values = np.array([np.nanmean(long.reading[long.level == k]) for k in range(len(long.levels))])
    rank = np.empty(len(values), dtype=np.int64)
    rank[np.argsort(values, kind="stable")] = np.arange(len(values))
    return rank[long.level]


def levels_of(
    long: Long, level: np.ndarray, target: tuple[float, ...] | None, rows_are: str | None, notes: list[str]
) -> Levels:
    """Levels from readings in a list; without device and cycle every reading is a device of its own."""
    zeros = int((long.reading == 0).sum())
    known = long.reading[np.isfinite(long.reading) & (long.reading != 0)]
    if zeros and len(known) and known.min() > 0:
        notes.append(
            f"{zeros} of {len(long)} readings are exactly 0 while the smallest other is {known.min():.4g}: "
            "cells without a state; they stay in as 0"
        )
    if "device" not in long.given and "cycle" not in long.given and "run" not in long.given:
        count = np.bincount(level, minlength=int(level.max()) + 1)
        if rows_are == "cycle":
            first = np.r_[0, np.cumsum(count)[:-1]]
            order = np.argsort(level, kind="stable")
            long.cycle[order] = np.arange(len(level)) - np.repeat(first, count)
        elif rows_are is None and "read" not in long.more:
            long.device, long.names = np.arange(len(long)), tuple(str(k + 1) for k in range(len(long)))
            notes.append(
                f"no column names devices or cycles: each of the {len(long)} readings was taken as a device of its own "
                '(--columns "cycle=rows" takes them as cycles of one device)'
            )
    long.level = level
    long, run, first = _sorted_runs(long)
    return Levels(
        device=long.device[first],
        devices=long.names,
        unit=long.unit,  # type: ignore[arg-type]
        reading=pad(run, long.reading),
        level=long.level[first],
        cycle=long.cycle[first],
        target=target,
    )


def _times(long: Long, run: np.ndarray, notes: list[str]) -> tuple[np.ndarray, bool]:
    """Time of each reading, or its index within the run where the file has no time."""
    if "time" in long.more:
        return long.more["time"], True
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    lengths = np.diff(np.r_[starts, len(run)])
    if not any(note.startswith(_UNTIMED) for note in notes):
        notes.append(_UNTIMED)
    return (np.arange(len(run)) - np.repeat(starts, lengths)).astype(np.float64), False


def _after_programming(long: Long, first: np.ndarray, time: np.ndarray, notes: list[str]) -> np.ndarray:
    """Times of runs that follow each other on one clock, counted from the first reading of each."""
    last = np.r_[first[1:], len(time)] - 1
    order = np.lexsort((time[first], long.device[first]))
    same = np.diff(long.device[first][order]) == 0
    if not same.any() or (time[first][order][1:] <= time[last][order][:-1])[same].any():
        return time
    notes.append("the runs of a device follow each other on one clock: times counted from the first reading of each")
    return time - np.repeat(time[first], last - first + 1)


def _ordered(roles: Roles, long: Long) -> Long:
    if "time" not in long.more:
        return long
    time = long.more["time"]
    if not np.isfinite(time).all():
        long.refuse(int((~np.isfinite(time)).argmax()), roles.one("time"), "empty; every reading needs its time")
    return long.take(np.argsort(time, kind="stable"))


def _indexed(roles: Roles, quantities: Quantities) -> None:
    """A running number counts the readings, unless a unit of time is stated for it."""
    for role in ("pulse", "read"):
        found = roles.found.pop(role, None)
        if found and "time" in quantities.units and not roles.has("time"):
            roles.found["time"] = found
        elif found:
            quantities.shown[found[0].name] = "number of the reading"
            quantities.notes.append(f"{_UNTIMED}; --units time=s would take {found[0].name!r} for the time")


def build_retention(roles: Roles, quantities: Quantities) -> Retention:
    """Retention from a table: time and reading, per device and level; several columns are devices or levels."""
    _indexed(roles, quantities)
    columns, quantity = reading_columns(roles, "retention")
    long = _ordered(roles, stack(roles, quantities, columns, quantity))
    refuse_constant(long)
    long.level = _ranked(long)
    long, run, first = _sorted_runs(long)
    time, timed = _times(long, run, quantities.notes)
    time = _after_programming(long, first, time, quantities.notes)
    spread = long.more.get("spread")
    return Retention(
        device=long.device[first],
        devices=long.names,
        unit=long.unit,  # type: ignore[arg-type]
        reading=pad(run, long.reading),
        time=pad(run, time),
        level=long.level[first],
        spread=None if spread is None else pad(run, spread),
        timed=timed,
    )


def build_noise(roles: Roles, quantities: Quantities) -> NoiseSeries:
    """Series of reads from a table: reading, with or without time, per device and level."""
    _indexed(roles, quantities)
    columns, quantity = reading_columns(roles, "noise")
    long = _ordered(roles, stack(roles, quantities, columns, quantity))
    refuse_constant(long)
    if long.more.get("time") is not None and len(np.unique(long.more["time"])) < 2:
        raise DataError(f"{roles.table.file}: all times are equal; check the column of time")
    long, run, first = _sorted_runs(long)
    time, timed = _times(long, run, quantities.notes)
    return NoiseSeries(
        device=long.device[first],
        devices=long.names,
        unit=long.unit,  # type: ignore[arg-type]
        reading=pad(run, long.reading),
        time=pad(run, time),
        timed=timed,
    )
