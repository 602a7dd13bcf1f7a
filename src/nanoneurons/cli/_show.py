"""Printing: one JSON object, or tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

__all__ = ["number", "print_json", "print_table", "print_text"]


def print_json(content: dict[str, Any]) -> None:
    """Print exactly one JSON object to stdout; NaN and infinity, which JSON lacks, are refused."""
    json.dump(content, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_text(text: str) -> None:
    """Print a paragraph as it is."""
    print(text)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table that folds long cells; without a terminal it takes the width it needs, up to 160."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else _escape(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else 160, highlight=False).print(table)


def _escape(cell: object) -> str:
    from rich.markup import escape

    return escape(str(cell))


def number(value: Any) -> str:
    """A parameter value in at most six significant digits."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.6g}"
