"""Readings after pulses: runs in order, the pulses between readings, and their direction."""

from __future__ import annotations

import numpy as np

from ._long import Long, pad, reading_columns, stack
from ._numbering import Steps, steps_of
from ._quantities import Quantities
from ._ramps import from_trend, trend
from ._records import Pulses
from ._roles import Roles

__all__ = ["build_pulses", "pulses_of"]


def build_pulses(roles: Roles, quantities: Quantities) -> Pulses:
    """Pulses from a table.

    Raises:
        DataError: names row and column.
    """
    if not roles.table.header and not roles.said:
        _by_content(roles, quantities)
    columns, quantity = reading_columns(roles, "pulses")
    free = quantity != "current" or "read_voltage" in quantities.units
    if free and roles.has("voltage") and not roles.has("amplitude"):
        roles.found["amplitude"] = roles.found.pop("voltage")
        quantities.notes.append(f"column {roles.found['amplitude'][0].name!r} taken for the voltage of the pulses")
    long = stack(roles, quantities, columns, quantity)
    return pulses_of(long, quantities.notes)


def _by_content(roles: Roles, quantities: Quantities) -> None:
    """A table without header: an index in front is the pulse number; a rising and a falling column are up and down."""
    columns = [c for c in roles.unknown if c.numeric]
    if len(columns) > 1:
        first = columns[0].values
        if np.isfinite(first).all() and (first == np.round(first)).all() and len(first) > 1:
            step = np.diff(first)
            if (step > 0).all() or ((step >= 0).mean() > 0.9 and first.min() in (0, 1)):
                roles.found["pulse"] = [columns[0]]
                roles.unknown = [c for c in roles.unknown if c is not columns[0]]
                quantities.notes.append(f"no header: {columns[0].name} counts, so it was taken as the pulse number")
                columns = columns[1:]
    if len(columns) == 2:
        trends = [trend(c.values) for c in columns]
        if trends[0] * trends[1] < 0:
            up, down = columns if trends[0] > 0 else columns[::-1]
            roles.found["up"], roles.found["down"] = [up], [down]
            roles.unknown = [c for c in roles.unknown if c not in (up, down)]
            quantities.notes.append(
                f"no header: {up.name} rises, so it was taken as up, and {down.name} falls, as down"
            )
            return
    if len(columns) > 1:
        quantities.notes.append(f"no header: each of the {len(columns)} columns was taken as one device")


def pulses_of(long: Long, notes: list[str]) -> Pulses:
    """Pulses from readings in a list.

    Raises:
        DataError: pulse numbers that repeat or jump back; a single reading; readings that never change.
    """
    if len(long) < 2:
        long.table.refuse(0, long.columns[0], "the only reading; pulses need at least two")
    refuse_constant(long)
    steps = steps_of(long, notes)
    long = steps.long
    applied = _directed(steps, notes).astype(np.int64)
    applied[steps.starts] = 0
    sorted_run = steps.run
    first = np.flatnonzero(steps.starts)
    _suspect_units(long, steps.starts, notes)
    amplitude = long.more.get("amplitude")
    return Pulses(
        device=long.device[first],
        devices=long.names,
        unit=long.unit,  # type: ignore[arg-type]
        reading=pad(sorted_run, long.reading),
        pulses=pad(sorted_run, applied, 0),
        cycle=steps.cycle[first],
        amplitude=None if amplitude is None else pad(sorted_run, amplitude),
    )


def _suspect_units(long: Long, starts: np.ndarray, notes: list[str]) -> None:
    """Say where readings jump by just a prefix, a thousand or a million."""
    if long.unit != "S" or not (long.reading > 0).any():
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        jump = np.abs(np.r_[0.0, np.diff(np.log10(long.reading))])
    near = np.flatnonzero(((np.abs(jump - 3) < 0.15) | (np.abs(jump - 6) < 0.15)) & ~starts)
    if len(near):
        where = long.table.where(int(long.row[near[0]]), long.columns[long.column[near[0]]])
        size = "thousand" if jump[near[0]] < 4 else "million"
        notes.append(f"{where}: the reading jumps by about a {size} here: are two units mixed in the column?")


def refuse_constant(long: Long) -> None:
    """Refuse readings that are missing or never change."""
    known = np.flatnonzero(np.isfinite(long.reading))
    if not len(known):
        long.table.refuse(0, long.columns[0], "no reading in the whole file; check units and separators")
    value = long.reading[known[0]]
    if len(known) == 1:
        long.refuse(int(known[0]), None, "the only reading of the file; there is nothing to learn from it")
    if (long.reading[known] == value).all():
        unit = "" if long.unit == "1" else " S"
        long.refuse(
            int(known[-1]),
            None,
            f"all {len(known):,} readings are {value:.6g}{unit}; nothing can be learned from a constant, "
            "check the column",
        )


def _directed(steps: Steps, notes: list[str]) -> np.ndarray:
    """Signed pulses before each reading: from the file, else from the amplitudes, else from the readings."""
    long = steps.long
    if steps.signed:
        return steps.count
    direction = long.more.get("direction")
    if direction is not None:
        if not _contrary(long, direction, steps.starts):
            return steps.count * direction
        if long.quantity == "resistance":
            notes.append("the directions of the file are those of the resistance: turned round")
            return -steps.count * direction
        notes.append("readings fall where pulses go up and rise where they go down: check the directions of the file")
        return steps.count * direction
    amplitude = long.more.get("amplitude")
    if amplitude is not None and np.nanmin(amplitude) < 0 < np.nanmax(amplitude):
        sign = np.sign(np.nan_to_num(amplitude)).astype(np.int64)
        turned = _contrary(long, sign, steps.starts)
        word = "negative" if turned else "positive"
        notes.append(f"direction from the sign of the amplitude: {word} pulses raise the conductance")
        return steps.count * (-sign if turned else sign)
    return steps.count * from_trend(long, steps.starts, notes)


def _contrary(long: Long, sign: np.ndarray, starts: np.ndarray) -> bool:
    """Whether readings fall on the mean after pulses of sign +1, and rise after those of sign -1."""
    change = np.r_[0.0, np.diff(long.reading)]
    means = []
    for way in (1, -1):
        some = change[(sign == way) & ~starts & np.isfinite(change)]
        means.append(float(some.mean()) if len(some) else 0.0)
    return means[0] < 0 < means[1]
