"""A table of a file as columns, with the way back from a cell to where an editor shows it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from nanoneurons.core.errors import DataError

__all__ = ["Column", "Table"]


@dataclass(frozen=True, eq=False)
class Column:
    """One column: numbers, or words as codes into `labels`.

    Attributes:
        name: its header, or ``column 3`` where the file has none.
        unit: unit of a row of units below the header, or None.
        values: numbers, NaN where missing; for words the codes, -1 where missing.
        labels: the words, in the order of their first appearance; None for numbers.
    """

    name: str
    values: np.ndarray
    unit: str | None = None
    labels: tuple[str, ...] | None = None

    @property
    def numeric(self) -> bool:
        """Whether the cells are numbers."""
        return self.labels is None

    def names(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Codes ``(rows,)`` and names in the order of their first appearance; -1 where the cell is empty."""
        if self.labels is not None:
            return self.values.astype(np.int64), self.labels
        found, first, codes = np.unique(self.values, return_index=True, return_inverse=True)
        keep = ~np.isnan(found)
        order = np.argsort(np.where(keep, first, len(self.values)), kind="stable")
        rank = np.empty(len(found), dtype=np.int64)
        rank[order] = np.arange(len(found))
        rank[~keep] = -1
        return rank[codes.reshape(-1)], tuple(_plain(v) for v in found[order[: keep.sum()]])


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of equal length.

    Attributes:
        file: name of the file for messages.
        columns: all columns that hold something.
        first: 1-based row of the first data row in the file.
        kept: index of each row among the file's rows from `first` on; None where no row was left out.
        header: whether the file names its columns.
        notes: statements about how the file was read.
        dialect: how the file separates cells, for the user.
        word: what a row of the table is in the file: ``row`` of a text, ``column`` of a text laid on its side,
            ``index`` of an array.
    """

    file: str
    columns: tuple[Column, ...]
    first: int = 1
    kept: np.ndarray | None = None
    header: bool = True
    notes: tuple[str, ...] = ()
    dialect: str = ""
    word: str = field(default="row")

    def __len__(self) -> int:
        return len(self.columns[0].values) if self.columns else 0

    def row(self, index: int) -> int:
        """Row of the file, as an editor counts them."""
        return self.first + int(index if self.kept is None else self.kept[index])

    def where(self, index: int | None, column: Column | None) -> str:
        """``data.csv, row 7, column 'G'``."""
        parts = [self.file]
        if self.word == "column":
            parts += [column.name] if column is not None else []
            return ", ".join([*parts, f"column {self.row(index)}"] if index is not None else parts)
        if index is not None:
            parts.append(f"{self.word} {self.row(index)}")
        if column is not None:
            parts.append(f"column {column.name!r}")
        return ", ".join(parts)

    def refuse(self, index: int | None, column: Column | None, reason: str) -> NoReturn:
        """Raise an error that names the place."""
        raise DataError(f"{self.where(index, column)}: {reason}")

    def turned(self) -> Table:
        """The table with its rows as columns, each named after its row."""
        values = np.stack([c.values for c in self.columns])
        columns = tuple(Column(f"row {self.row(k)}", values[:, k].copy()) for k in range(values.shape[1]))
        notes = (
            *self.notes,
            f"each of the {len(columns):,} rows was taken as one run" if len(columns) > 1 else "one row",
        )
        return Table(self.file, columns, 1, None, False, notes, self.dialect, "column")

    def shown(self) -> str:
        """The names of the columns, for messages."""
        names = [repr(c.name) for c in self.columns]
        return ", ".join(names if len(names) <= 12 else [*names[:10], f"... ({len(names)} in all)"])


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
