"""Tables as long lists of readings: one device, one cycle, one run per row; wide tables are stacked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from nanoneurons.core.errors import DataError

from ._cells import number_with_unit
from ._direction import signs
from ._quantities import Quantities
from ._roles import Roles, names_level, whole
from ._table import Column, Table
from ._units import base_of, split_name

__all__ = ["Long", "pad", "ranks", "reading_columns", "stack"]

_LARGEST = 300_000_000  # numbers in a padded array, 2.4 GB


@dataclass
class Long:
    """Readings in a list; every array is ``(readings,)``.

    Attributes:
        reading: S or 1.
        quantity: what the file holds, such as ``resistance``.
        row: index of the row of the table behind each.
        column: index into `columns` of the column behind each.
        device, cycle, run, level: codes, 0 where the file has no such column.
        names: names of the devices.
        levels: names of the levels.
        given: roles that the file has a column for.
        more: what else the file has: ``pulse``, ``applied``, ``direction``, ``amplitude``, ``read``, ``time``,
            ``spread``, ``target``.
    """

    table: Table
    columns: list[Column]
    reading: np.ndarray
    unit: str
    quantity: str
    row: np.ndarray
    column: np.ndarray
    device: np.ndarray
    cycle: np.ndarray
    run: np.ndarray
    level: np.ndarray
    names: tuple[str, ...]
    levels: tuple[str, ...]
    given: frozenset[str]
    more: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.reading)

    def take(self, order: np.ndarray) -> Long:
        """The readings in another order, or some of them."""
        arrays = {k: v[order] for k, v in vars(self).items() if isinstance(v, np.ndarray)}
        return Long(**{**vars(self), **arrays, "more": {k: v[order] for k, v in self.more.items()}})

    def group(self) -> np.ndarray:
        """Number of the device, cycle and run of each reading, in the order of the runs where the file counts them."""
        wide = self.cycle.max() + 1, self.run.max() + 1
        group = (self.device * wide[0] + self.cycle) * wide[1] + self.run
        if "run" in self.given:
            pairs = np.unique(np.stack([self.run, group]), axis=1)
            if len(np.unique(pairs[0])) == pairs.shape[1]:
                return self.run
        return group

    def refuse(self, index: int, column: Column | None, reason: str) -> NoReturn:
        """Raise an error at the row behind a reading; `column` None is the reading's own."""
        self.table.refuse(int(self.row[index]), column or self.columns[self.column[index]], reason)


def reading_columns(roles: Roles, kind: str) -> tuple[list[Column], str]:
    """Columns that hold readings, and their quantity; conductance before resistance before current.

    Raises:
        DataError: none; lists the columns and gives the option to write.
    """
    for quantity in ("conductance", "resistance", "current"):
        found = roles.found.get(quantity)
        if found:
            if kind != "pulses" and len(found) > 1 and all(names_level(c.name) for c in found):
                roles.wide = "level"
            return found, quantity
    columns = [*roles.found.get("up", []), *roles.found.get("down", [])] or _named_wide(roles, kind)
    if columns:
        return columns, _quantity(columns)
    numeric = [c for c in roles.unknown if c.numeric or _with_units(c)]
    several = bool(roles.found.get("pulse")) or not roles.table.header or kind in ("pulses", "levels", "noise")
    if len(numeric) == 1 or (numeric and several):
        roles.unknown = [c for c in roles.unknown if not any(c is n for n in numeric)]
        if roles.table.header:
            named = ", ".join(repr(c.name) for c in numeric[:6]) + ", ..." * (len(numeric) > 6)
            roles.notes.append(f"no column is named as a reading: {named} taken for the {_quantity(numeric)}")
        return numeric, _quantity(numeric)
    example = numeric[0].name if numeric else roles.table.columns[-1].name
    raise DataError(
        f"{roles.table.file}: none of the columns {roles.table.shown()} says that it is a reading; "
        f'say it, for example --columns "conductance={example}"'
    )


def _quantity(columns: list[Column]) -> str:
    """What columns without a name for it hold, by the unit in their header."""
    bases = {
        base_of(c.unit or split_name(c.name, "resistance")[1] or split_name(c.name, "current")[1]) for c in columns
    }
    return "resistance" if "ohm" in bases else "current" if "A" in bases else "conductance"


def _with_unit(column: Column) -> bool:
    """Whether the header gives a unit of readings."""
    return base_of(column.unit or split_name(column.name)[1]) in ("S", "ohm", "A")


def _with_units(column: Column) -> bool:
    """Whether cells are numbers with units."""
    return column.labels is not None and all(number_with_unit(label, ".") for label in column.labels[:20])


def _named_wide(roles: Roles, kind: str) -> list[Column]:
    """Columns that hold the readings of one device, one level or one cycle each, and are named after it."""
    for role in ("level", "device", "cycle"):
        columns = [c for c in roles.found.get(role, []) if c.numeric and (not whole(c) or _with_unit(c))]
        if len(columns) > 1 or (columns and (kind == "levels" or len(roles.table.columns) == 1)):
            roles.found[role] = [c for c in roles.found[role] if c not in columns]
            roles.wide = role
            return columns
    return []


def stack(roles: Roles, quantities: Quantities, columns: list[Column], quantity: str) -> Long:
    """Readings of all columns below each other.

    Several columns of readings are devices; pairs of up and down columns are devices that go up and down.

    Raises:
        DataError: an empty cell where a name or a number is needed, or a unit that cannot be told.
    """
    table = roles.table
    values, unit = quantities.readings(columns, quantity)
    count, rows = len(columns), len(table)
    used = [_last(v) for v in values] if count > 1 else [rows]
    row = np.concatenate([np.arange(n) for n in used])
    column = np.repeat(np.arange(count), used)
    reading = np.concatenate([v[:n] for v, n in zip(values, used, strict=True)])
    given = set()
    device, names = _devices(roles, row)
    if roles.found.get("device"):
        given.add("device")
    direction, of_column, labels = _wide(roles, columns)
    if len(labels) > 1 and roles.wide not in ("level", "cycle"):
        device = device * len(labels) + of_column[column]
        names = tuple(f"{a} {b}".strip() for a in (names or ("",)) for b in labels) if names != ("1",) else labels
        given.add("device")
    codes = {}
    for role in ("cycle", "run", "level"):
        found = roles.one(role)
        if found is None:
            codes[role] = np.zeros(len(row), dtype=np.int64)
            continue
        codes[role] = ranks(table, found, role)[row]
        given.add(role)
    if roles.wide in ("level", "cycle"):
        codes[roles.wide] = of_column[column]
        given.add(roles.wide)
        roles.notes.append(f"each of the {count} columns was taken as one {roles.wide}: {', '.join(labels)}")
    level = roles.one("level")
    long = Long(
        table, columns, reading, unit, quantity, row, column,
        device, codes["cycle"], codes["run"], codes["level"], names,
        level.labels or () if level is not None else (), frozenset(given),
    )  # fmt: skip
    _more(roles, quantities, long, direction)
    return long


def ranks(table: Table, column: Column, role: str) -> np.ndarray:
    """Indices from 0: numbers in their order, words in the order of their first appearance.

    Raises:
        DataError: an empty cell; names its row.
    """
    empty = (column.values < 0) if column.labels is not None else ~np.isfinite(column.values)
    if empty.any():
        table.refuse(int(empty.argmax()), column, f"empty; every reading needs its {role}")
    if column.labels is not None:
        return column.values.astype(np.int64)
    return np.unique(column.values, return_inverse=True)[1].reshape(-1)


def _last(values: np.ndarray) -> int:
    known = np.flatnonzero(np.isfinite(values))
    return int(known[-1]) + 1 if len(known) else 0


def _devices(roles: Roles, row: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Code of the device of each reading and the names; several columns, such as row and column, name one device."""
    columns = roles.found.get("device", [])
    if not columns:
        return np.zeros(len(row), dtype=np.int64), ("1",)
    codes, names = columns[0].names()
    for column in columns[1:]:
        more, other = column.names()
        codes = np.where((codes < 0) | (more < 0), -1, codes * len(other) + more)
        names = tuple(f"{a},{b}" for a in names for b in other)
    if (codes < 0).any():
        roles.table.refuse(int((codes < 0).argmax()), columns[0], "empty; every reading needs its device")
    found, first, back = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return rank[back.reshape(-1)][row], tuple(names[found[k]] for k in order)


def _wide(roles: Roles, columns: list[Column]) -> tuple[np.ndarray | None, np.ndarray, tuple[str, ...]]:
    """Direction of each column or None, its device, and the names of these."""
    up, down = roles.found.get("up", []), roles.found.get("down", [])
    if columns and all(any(c is k for k in (*up, *down)) for c in columns):
        direction = np.array([1] * len(up) + [-1] * len(down))
        of_column = np.array([*range(len(up)), *range(len(down))])
        devices = max(len(up), len(down))
        if up and down and len(up) != len(down):
            raise DataError(
                f"{roles.table.file}: {len(up)} columns go up and {len(down)} go down; "
                "give as many of both with --columns"
            )
        if devices > 1:
            roles.notes.append(f"{devices} columns go each way: each pair was taken as one device")
        return direction, of_column, tuple(str(k + 1) for k in range(devices))
    return None, np.arange(len(columns)), tuple(split_name(c.name)[0] for c in columns)


def _more(roles: Roles, quantities: Quantities, long: Long, direction: np.ndarray | None) -> None:
    table, row = roles.table, long.row
    for role in ("pulse", "applied", "read"):
        column = roles.one(role)
        if column is None:
            continue
        if not column.numeric:
            table.refuse(0, column, f"{column.labels[0]!r} is not a number" if column.labels else "no number")
        missing = ~np.isfinite(column.values[row])
        if missing.any():
            table.refuse(int(row[missing.argmax()]), column, "empty; every reading needs its number")
        long.more[role] = column.values[row]
    for role in ("amplitude", "time"):
        column = roles.one(role)
        if column is not None:
            long.more[role] = quantities.si(column, role)[0][row]
    for role in ("spread", "target"):
        column = roles.one(role)
        if column is not None:
            long.more[role] = quantities.beside(column, role, long.columns[0], long.reading, row, long.unit)
    column = roles.one("direction")
    if column is not None:
        long.more["direction"] = signs(table, column)[row]
    elif direction is not None:
        long.more["direction"] = direction[long.column]


def pad(run: np.ndarray, values: np.ndarray, fill: float = np.nan) -> np.ndarray:
    """Values of sorted runs ``(readings,)`` as ``(runs, most readings)``, padded at the end."""
    starts = np.flatnonzero(np.r_[True, run[1:] != run[:-1]])
    lengths = np.diff(np.r_[starts, len(run)])
    if len(starts) * int(lengths.max()) > _LARGEST:
        raise DataError(
            f"{len(starts):,} runs of up to {int(lengths.max()):,} readings do not fit in memory together; "
            "split the file"
        )
    found = np.full((len(starts), int(lengths.max())), fill, dtype=values.dtype)
    found[np.repeat(np.arange(len(starts)), lengths), np.arange(len(run)) - np.repeat(starts, lengths)] = values
    return found
