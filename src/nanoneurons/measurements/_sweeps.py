"""I-V sweeps from a table: one run per sweep, found by a column or by the voltage coming back."""

from __future__ import annotations

import numpy as np

from nanoneurons.core.errors import DataError

from ._long import pad, ranks
from ._quantities import Quantities
from ._records import IVSweeps
from ._roles import Roles

__all__ = ["build_iv", "loops"]


def build_iv(roles: Roles, quantities: Quantities) -> IVSweeps:
    """Sweeps from a table.

    Raises:
        DataError: no column of voltages or of currents; gives the option to write.
    """
    table = roles.table
    if not table.header and not roles.said:
        columns = [c for c in roles.unknown if c.numeric]
        if len(columns) == 2:
            roles.found["voltage"], roles.found["current"] = [columns[0]], [columns[1]]
            quantities.notes.append("no header: the first column was taken as the voltage, the second as the current")
    if not roles.has("voltage") and roles.has("amplitude"):
        roles.found["voltage"] = roles.found.pop("amplitude")
    for role in ("voltage", "current"):
        if not roles.has(role):
            raise DataError(
                f"{table.file}: none of the columns {table.shown()} says that it is the {role}; "
                f'say it, for example --columns "voltage={table.columns[0].name},current={table.columns[-1].name}"'
            )
    voltage = roles.one("voltage")
    assert voltage is not None
    volts, _ = quantities.si(voltage, "voltage")
    found = [quantities.si(c, "current") for c in roles.found["current"]]
    if len(table) < 2:
        table.refuse(0, roles.found["current"][0], "the only point; a sweep needs at least two")
    if not np.nanmax(volts) > np.nanmin(volts):
        table.refuse(len(table) - 1, voltage, "the voltage never changes; this is not a sweep")
    rows = len(table)
    keys, names, split = [], ("1",), False
    for role in ("device", "cycle", "run"):
        column = roles.one(role)
        codes = np.zeros(rows, dtype=np.int64)
        if column is not None:
            codes = ranks(table, column, role)
            if role == "device":
                codes, names = column.names()
            split = split or role != "device"
        keys.append(codes)
    count = len(found)
    if count > 1:
        names = tuple(c.name for c in roles.found["current"])
    group = (keys[0] * (keys[1].max() + 1) + keys[1]) * (keys[2].max() + 1) + keys[2]
    if len(np.unique(keys[2])) == len(np.unique(group)):
        group = keys[2]
    order = np.argsort(group, kind="stable")
    starts = np.r_[True, np.diff(group[order]) != 0]
    cycle = keys[1][order]
    if not split:
        for begin, end in _spans(starts):
            where = loops(volts[order][begin:end])
            starts[begin + np.array(where, dtype=np.int64)] = True
            if len(where) > 1:
                quantities.notes.append(f"the voltage comes back to its start: taken as {len(where)} sweeps")
        cycle = np.cumsum(starts) - 1
        cycle = cycle - cycle[np.flatnonzero(np.r_[True, np.diff(keys[0][order]) != 0])][_ranks(keys[0][order])]
    run = np.cumsum(starts) - 1
    first = np.flatnonzero(starts)
    voltage = pad(run, volts[order])
    current = [pad(run, values[order]) for values, _ in found]
    return IVSweeps(
        device=np.concatenate([keys[0][order][first] if count == 1 else np.full(len(first), k) for k in range(count)]),
        devices=names,
        unit="S" if found[0][1] == "A" else "1",
        voltage=np.concatenate([voltage] * count),
        current=np.concatenate(current),
        cycle=np.concatenate([cycle[first]] * count),
    )


def _ranks(codes: np.ndarray) -> np.ndarray:
    return np.cumsum(np.r_[True, np.diff(codes) != 0]) - 1


def _spans(starts: np.ndarray) -> list[tuple[int, int]]:
    begins = np.flatnonzero(starts)
    return list(zip(begins.tolist(), [*begins[1:].tolist(), len(starts)], strict=True))


def loops(volts: np.ndarray) -> list[int]:
    """Indices where a sweep begins: the voltage is back at its start and leaves it the same way."""
    known = np.flatnonzero(np.isfinite(volts))
    if len(known) < 8:
        return [0]
    values = volts[known] - volts[known[0]]
    span = np.ptp(values)
    away = np.abs(values) > 0.1 * span
    if not away.any():
        return [0]
    sign = np.sign(values)
    leaving = np.flatnonzero(away & ~np.r_[False, away[:-1]])  # first points beyond a tenth of the span
    if not len(leaving):
        return [0]
    same = [k for k in leaving if sign[k] == sign[leaving[0]]]
    begins = [0]
    for k in same[1:]:
        near = np.flatnonzero(~away[:k])[-1] if (~away[:k]).any() else 0
        back = near
        while back > 0 and abs(values[back - 1]) < abs(values[back]):
            back -= 1
        if back - begins[-1] >= 4:
            begins.append(int(back))
    return [int(known[b]) for b in begins]
