"""Read measurements from a file of a laboratory: text tables and ``.npz`` archives."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from nanoneurons.core.errors import DataError, nearest

from ._arrays import read_arrays
from ._bytes import read_bytes, to_text
from ._pulses import build_pulses
from ._quantities import Quantities, checked_units
from ._ramps import trend
from ._records import KINDS, IVSweeps, Measurements, Origin, StepTables
from ._roles import Roles, roles_of, stated
from ._states import build_levels, build_noise, build_retention
from ._sweeps import build_iv
from ._table import Table
from ._text import Progress, finite, read_table

__all__ = ["read"]

_BUILD: dict[str, Callable[[Roles, Quantities], Measurements]] = {
    "pulses": build_pulses,
    "levels": build_levels,
    "retention": build_retention,
    "noise": build_noise,
    "iv": build_iv,
}
_MANY = 20  # columns from which a table without header may be one of rows


def read(
    path: str | Path,
    kind: str | None = None,
    *,
    columns: str | Mapping[str, str] | None = None,
    units: str | Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Measurements:
    """Read a file of measurements.

    Text may be separated by commas, semicolons, tabs, bars or blanks, with decimal points or commas, with or without a
    header, title lines, comments (``#``, ``%``, ``!``) and missing values. Of an ``.npz`` the arrays are chosen by name
    and shape. What was guessed stands in ``origin.notes``.

    Args:
        path: the file.
        kind: ``pulses``, ``levels``, ``retention``, ``noise``, ``iv`` or ``tables``; guessed when None.
        columns: what columns are, for example ``"conductance=G_mean,pulse=N"`` or a dictionary; for an ``.npz`` also
            the name of an array.
        units: units of quantities or columns, for example ``"conductance=uS,read_voltage=0.1V"`` or a dictionary;
            ``conductance=1`` for normalised readings.
        progress: called with the share of the file that is read and a line of text.

    Raises:
        DataError: what cannot be read or told; one line with file, row and column (counted from 1) and the remedy.
    """
    path = Path(path).expanduser()
    if kind is not None and kind not in KINDS:
        raise DataError(f"kind {kind!r} does not exist{nearest(kind, KINDS)}; choose from {', '.join(KINDS)}")
    wanted = stated(columns)
    raw = read_bytes(path)
    checksum = hashlib.sha256(raw).hexdigest()
    if raw.startswith(b"\x93NUMPY") or (raw.startswith(b"PK\x03\x04") and b".npy" in raw):
        checked_units(units)
        found = read_arrays(raw, path.name, kind, wanted)
        if isinstance(found, StepTables):
            return replace(found, origin=replace(found.origin, sha256=checksum))
        picked, table = found[0], finite(found[1])
        wanted = {} if isinstance(wanted, str) else wanted
        wanted = {role: name for role, name in wanted.items() if all(c.name != role for c in table.columns)}
    else:
        if isinstance(wanted, str):
            raise DataError(
                f'columns: {wanted!r} gives no role; write for example --columns "conductance={wanted}" '
                "(a bare name picks an array of an .npz)"
            )
        table = read_table(to_text(raw, path.name), path.name, progress)
        if kind == "tables":
            raise DataError(
                f"{path.name}: tables of steps are read from .npz files only; give --as pulses for readings"
            )
        picked = kind
    del raw
    table = _upright(table, picked)
    roles = roles_of(table, wanted)
    if len(table) < 2:
        table.refuse(0, None, "the only row of data; a fit needs at least two")
    quantities = Quantities(roles, checked_units(units, table), lenient=table.word == "index" or not table.header)
    chosen = picked or _guessed(roles)
    measured = _BUILD[chosen](roles, quantities)
    shown = roles.shown() | quantities.shown
    values = measured.current if isinstance(measured, IVSweeps) else measured.reading  # type: ignore[attr-defined]
    used = int(np.isfinite(values).sum())
    notes = [table.dialect] if table.dialect else []
    notes += [*table.notes, *roles.notes, *quantities.notes]
    if kind is None:
        notes.insert(0, f"kind of measurement guessed: {chosen}")
    origin = Origin(path.name, checksum, len(table), used, shown, tuple(dict.fromkeys(notes)))
    return replace(measured, origin=origin)


def _upright(table: Table, kind: str | None) -> Table:
    """Turn a table of numbers without header whose runs lie in rows: one long row, or rows smoother than columns."""
    if table.header or table.word != "row" or len(table.columns) < _MANY or not all(c.numeric for c in table.columns):
        return table
    if len(table) == 1:
        return table.turned()
    values = np.stack([c.values for c in table.columns], axis=1)
    down, across = (steps[np.isfinite(steps)] for steps in (np.abs(np.diff(values, axis=axis)) for axis in (0, 1)))
    smooth = kind == "pulses" and len(down) and len(across) and np.median(across) < 0.5 * np.median(down)
    return table.turned() if smooth else table


def _guessed(roles: Roles) -> str:
    """Kind of measurement that the columns can only be.

    Raises:
        DataError: several are possible, or none; names the choices.
    """
    table = roles.table
    reading = any(roles.has(role) for role in ("conductance", "resistance", "current"))
    pulsed = any(roles.has(role) for role in ("pulse", "applied", "direction", "up", "down", "amplitude"))
    levelled = roles.has("level") or roles.has("target")
    timed = roles.has("time")
    choices: list[str] = []
    if roles.has("voltage", "current") and not (roles.has("conductance") or roles.has("resistance")) and _moves(roles):
        counted = roles.one("pulse")
        named = counted is not None and "pulse" in counted.name.lower()
        choices = ["iv", "pulses"] if named or (pulsed and counted is None) else ["iv"]
    elif pulsed and not levelled:
        only_counts = roles.has("pulse") and not any(roles.has(r) for r in ("applied", "direction", "up", "down"))
        series = timed and only_counts and not roles.has("amplitude")
        choices = ["retention", "noise", "pulses"] if series else ["pulses"]
    elif levelled and not pulsed and not timed:
        choices = ["levels"]
    elif timed and reading:
        choices = ["retention"] if levelled or roles.has("spread") or _widening(roles) else ["retention", "noise"]
    elif levelled:
        choices = ["levels", "retention" if timed else "pulses"]
    elif not table.header and len(roles.unknown) == 2:
        return _headerless(roles)
    if len(choices) == 1:
        return choices[0]
    options = choices or ["pulses", "levels", "retention", "noise", "iv"]
    raise DataError(
        f"{table.file}: what was measured? Columns {table.shown()} could be {' or '.join(options)}; "
        f"say it with --as {' or --as '.join(options)}"
    )


def _moves(roles: Roles) -> bool:
    """Whether the voltage is swept and not the constant one of reads."""
    volts = roles.one("voltage")
    if volts is None or not volts.numeric:
        return False
    return float(np.nanmax(volts.values) - np.nanmin(volts.values)) > 0.2 * float(np.nanmax(np.abs(volts.values)))


def _widening(roles: Roles) -> bool:
    """Whether times are spaced ever wider, as in a retention test."""
    time = roles.one("time")
    if time is None or not time.numeric:
        return False
    steps = np.diff(np.unique(time.values[np.isfinite(time.values)]))
    return len(steps) > 3 and bool(np.median(steps[-3:]) > 5 * np.median(steps[:3]))


def _headerless(roles: Roles) -> str:
    table: Table = roles.table
    a, b = roles.unknown[0].values, roles.unknown[1].values
    if trend(a) * trend(b) < 0 and roles.unknown[0].numeric and roles.unknown[1].numeric:
        return "pulses"
    raise DataError(
        f"{table.file}: two columns without names could be pulses, iv, retention or noise; "
        "say it with --as pulses, --as iv, --as retention or --as noise"
    )
