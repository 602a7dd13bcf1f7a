"""What a cell may hold: a number, a number with a unit, a word, or nothing."""

from __future__ import annotations

import csv
import re

from ._units import is_unit

__all__ = ["MISSING", "commented", "is_missing", "is_number", "number_with_unit", "split", "to_number"]

MISSING = frozenset(
    {"nan", "na", "n/a", "n.a.", "#n/a", "#na", "#num!", "#div/0!", "#value!", "#ref!", "none", "null", "nil"}
    | {"missing", "-", "--", "---", ".", "?", "x", "overflow", "ovld", "ol"}
    | {"-nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#ind", "1.#ind"}
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_WITH_UNIT = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*([A-Za-zµμΩΩ%]{1,7})")
_REMARK = re.compile(r"\s#(?!n/a|na|num|div|value|ref).*$", re.IGNORECASE)
_ERRORS = ("#n/a", "#na", "#num", "#div", "#value", "#ref")


def is_missing(cell: str) -> bool:
    """Whether a cell stands for no value."""
    return not cell or cell.isspace() or cell.strip().lower() in MISSING


def is_number(cell: str, decimal: str) -> bool:
    """Whether a cell is a number with this decimal mark."""
    cell = cell.strip()
    if decimal == ",":
        if "." in cell:
            return False
        cell = cell.replace(",", ".")
    return _NUMBER.fullmatch(cell) is not None or cell.lower() in ("inf", "+inf", "-inf")


def to_number(cell: str, decimal: str) -> float:
    """The number in a cell.

    Raises:
        ValueError: not a number with this decimal mark.
    """
    if decimal == ",":
        if "." in cell:
            raise ValueError(cell)
        cell = cell.replace(",", ".")
    return float(cell)


def number_with_unit(cell: str, decimal: str) -> tuple[float, str] | None:
    """``25 uS`` as number and unit, or None where the unit is not known."""
    found = _WITH_UNIT.fullmatch(cell.strip().replace(",", ".") if decimal == "," else cell.strip())
    return (float(found[1]), found[2]) if found and is_unit(found[2]) else None


def commented(line: str) -> bool:
    """Whether a line is a comment: it begins with ``#``, ``%`` or ``!``."""
    line = line.lstrip()
    return line[:1] in ("#", "%", "!") and not line.lower().startswith(_ERRORS)


def split(line: str, delimiter: str) -> list[str]:
    """The cells of a line; an empty delimiter stands for any run of blanks."""
    if " #" in line or "\t#" in line:
        line = _uncommented(line, delimiter)
    if not delimiter:
        return line.split()
    if '"' in line:
        return next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
    return line.split(delimiter)


def _uncommented(line: str, delimiter: str) -> str:
    """A line of data without the remark at its end; a header may hold the sign itself, as in ``Pulse #``."""
    short = _REMARK.sub("", line)
    cells = short.split(delimiter or None)
    return short if any(is_number(c, mark) for c in cells for mark in ".,") else line
