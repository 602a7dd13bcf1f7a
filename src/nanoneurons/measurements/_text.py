"""Text files to columns: numpy's parser on blocks of lines, and a careful second look where it stumbles."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from nanoneurons.core.errors import DataError

from ._cells import commented, is_missing, is_number, split, to_number
from ._dialect import Dialect, dialect_of
from ._table import Column, Table
from ._units import split_name

__all__ = ["Progress", "finite", "read_table"]

Progress = Callable[[float, str], None]
_BLOCK = 100_000
_WIDEST = 48
_NOT_A_READING = 9e36  # instruments write 9.9e37 for overflow and 9.91e37 for no reading


def read_table(text: str, file: str, progress: Progress | None = None) -> Table:
    """Read the text of a file.

    Raises:
        DataError: no table in it, or a cell that cannot be read; names row and column, counted from 1.
    """
    lines = text.rstrip("\n").split("\n")
    dialect = dialect_of(lines, file)
    notes = []
    if dialect.skipped:
        notes.append(f"{dialect.skipped} title line{'s' * (dialect.skipped > 1)} above the header left out")
    body = lines[dialect.first :]
    kept = _filled(body)
    if kept is not None:
        body = [body[k] for k in kept]
    words: list[dict[str, int]] = [{} for _ in range(dialect.width)]
    parts: list[list[np.ndarray]] = [[] for _ in range(dialect.width)]
    for begin in range(0, len(body), _BLOCK):
        block = body[begin : begin + _BLOCK]
        found = _fast(block, dialect, words)
        if found is None:
            rows = np.arange(begin, begin + len(block)) if kept is None else kept[begin : begin + len(block)]
            found = _careful(block, rows + dialect.first + 1, dialect, words, file)
        for part, values in zip(parts, found, strict=True):
            part.append(values)
        if progress is not None:
            progress((begin + len(block)) / len(body), f"{begin + len(block):,} of {len(body):,} rows read")
    columns = []
    for j, part in enumerate(parts):
        column = Column(
            _name(dialect, j),
            np.concatenate(part),
            dialect.units[j] or None if j < len(dialect.units) else None,
            tuple(words[j]) if dialect.words[j] else None,
        )
        columns.append(column)
    first = dialect.first + 1
    table = Table(file, tuple(columns), first, kept, bool(dialect.names), tuple(notes), str(dialect))
    return _without_empty(finite(table))


def _name(dialect: Dialect, j: int) -> str:
    """Header of a column; a name that is there before gets a number."""
    name = dialect.names[j] if j < len(dialect.names) else ""
    before = dialect.names[:j].count(name) if name else 0
    if not before:
        return name or f"column {j + 1}"
    bare, unit = split_name(name)
    return f"{bare} {before + 1}" + (f" ({unit})" if unit else "")


def _filled(body: list[str]) -> np.ndarray | None:
    """Indices of the lines that hold something, or None when all do."""
    kept = [k for k, line in enumerate(body) if line and line[0] not in " \t;,|#%!"]
    if len(kept) == len(body):
        return None
    kept = [k for k, line in enumerate(body) if line.strip(' \t;,|"') and not commented(line)]
    return None if len(kept) == len(body) else np.array(kept, dtype=np.int64)


def _fast(block: list[str], dialect: Dialect, words: list[dict[str, int]]) -> list[np.ndarray] | None:
    """Columns of a block, or None when anything in it is unusual."""
    width, delimiter = dialect.width, dialect.delimiter
    if delimiter and any(line.count(delimiter) != width - 1 for line in block):
        return None
    joined = "\n".join(block)
    if '"' in joined or "#" in joined or (dialect.decimal == "," and "." in joined):
        return None
    if dialect.decimal == ",":
        block = joined.replace(",", ".").split("\n")
    kind = f"U{_WIDEST}"
    dtype = np.dtype([(f"c{j}", kind if word else "f8") for j, word in enumerate(dialect.words)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = np.loadtxt(block, dtype=dtype, delimiter=delimiter or None, comments=None, ndmin=1)
    except (ValueError, UserWarning, DeprecationWarning):
        return None
    if len(table) != len(block):
        return None
    found = []
    for j, word in enumerate(dialect.words):
        values = table[f"c{j}"]
        if word:
            cells = [c.strip() for c in values.tolist()]
            if any(is_missing(c) or len(c) >= _WIDEST for c in set(cells)):
                return None
            codes = words[j]
            values = np.array([codes.setdefault(c, len(codes)) for c in cells], dtype=np.float64)
        found.append(np.ascontiguousarray(values))
    return found


def _careful(
    block: list[str], rows: np.ndarray, dialect: Dialect, words: list[dict[str, int]], file: str
) -> list[np.ndarray]:
    """Columns of a block, cell by cell.

    Raises:
        DataError: names the first cell or row that cannot be read.
    """
    width, decimal = dialect.width, dialect.decimal
    table = [np.full(len(block), np.nan) for _ in range(width)]
    for i, line in enumerate(block):
        cells = split(line, dialect.delimiter)
        if len(cells) != width:
            cells = _fitted(cells, width, int(rows[i]), dialect, file)
        for j, cell in enumerate(cells):
            if dialect.words[j]:
                cell = cell.strip()
                codes = words[j]
                missing = is_missing(cell) and cell not in ("-", "x")
                table[j][i] = -1 if missing else codes.setdefault(cell, len(codes))
                continue
            try:
                table[j][i] = to_number(cell, decimal)
            except ValueError:
                if not is_missing(cell):
                    _refuse(cell, int(rows[i]), j, dialect, file)
    return table


def _fitted(cells: list[str], width: int, row: int, dialect: Dialect, file: str) -> list[str]:
    """Cells without blank ones beyond the table."""
    while len(cells) > width and not cells[-1].strip():
        cells = cells[:-1]
    if len(cells) != width:
        reason = f"{len(cells)} cell{'s' * (len(cells) != 1)}, but the table has {width} columns"
        hint = (
            "a decimal comma between commas needs quotes, or save with semicolons" if dialect.delimiter == "," else ""
        )
        hint = hint if len(cells) > width and hint else "check its separators, or add the cells that are missing"
        raise DataError(
            f"{file}, row {row}, column {min(len(cells), width) + (len(cells) > width)}: {reason} ({dialect}); {hint}"
        )
    return cells


def _refuse(cell: str, row: int, j: int, dialect: Dialect, file: str) -> None:
    cell = cell.strip()
    where = f"{file}, row {row}, column {_name(dialect, j)!r}"
    other = "." if dialect.decimal == "," else ","
    if is_number(cell, other):
        marks = {",": "comma", ".": "point"}
        reason = f"{cell!r} has a decimal {marks[other]}, other rows a decimal {marks[dialect.decimal]}"
        raise DataError(f"{where}: {reason}; write all numbers alike")
    raise DataError(f"{where}: {cell!r} is not a number; correct it or leave the cell empty")


def finite(table: Table) -> Table:
    """Overflow marks of instruments are missing values; infinities are refused."""
    notes = list(table.notes)
    for column in table.columns:
        if not column.numeric:
            continue
        large = np.abs(column.values) >= _NOT_A_READING
        if not large.any():
            continue
        infinite = np.isinf(column.values)
        if infinite.any():
            table.refuse(int(infinite.argmax()), column, "infinite; correct it or leave the cell empty")
        column.values[large] = np.nan
        notes.append(f"{int(large.sum())} overflow marks (above 9e36) in column {column.name!r} taken as missing")
    return Table(**{**vars(table), "notes": tuple(notes)})


def _without_empty(table: Table) -> Table:
    """Leave out columns without a single value."""
    full = [c for c in table.columns if (np.isfinite(c.values).any() if c.numeric else (c.values >= 0).any())]
    named = [c.name for c in table.columns if c not in full and not c.name.startswith("column ")]
    notes = (*table.notes, f"empty columns left out: {', '.join(named)}") if named else table.notes
    return Table(**{**vars(table), "columns": tuple(full), "notes": notes})
