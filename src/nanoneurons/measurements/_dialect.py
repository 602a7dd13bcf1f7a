"""How a text file separates cells, marks decimals and names its columns, judged from a sample of its lines."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from nanoneurons.core.errors import DataError

from ._cells import commented, is_missing, is_number, number_with_unit, split
from ._units import is_unit

__all__ = ["Dialect", "dialect_of"]

_DELIMITERS = ("\t", ";", "|", ",", "")
_SAMPLE = 100_000  # characters that are looked at, about
_SETTINGS = 100  # rows above the names that an instrument may fill
_WORDS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas", "": "blanks"}


@dataclass(frozen=True)
class Dialect:
    """How to read a text file.

    Attributes:
        delimiter: between cells; empty for blanks.
        decimal: ``.`` or ``,``.
        names: headers, or ``()``.
        units: row of units below the headers, or ``()``.
        first: index of the first line of data.
        words: for each column whether it holds words.
        skipped: title lines above the header.
    """

    delimiter: str
    decimal: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    first: int
    words: tuple[bool, ...]
    skipped: int

    @property
    def width(self) -> int:
        """Number of columns."""
        return len(self.words)

    def __str__(self) -> str:
        comma = ", decimal commas" if self.decimal == "," else ""
        if self.width == 1:
            return f"one column{comma}"
        return f"columns separated by {_WORDS[self.delimiter]}{comma}"


def dialect_of(lines: list[str], file: str) -> Dialect:
    """Judge the dialect from the first 300 lines and 300 more across the file.

    Raises:
        DataError: no column of numbers under any separator; quotes the first line.
    """
    start, forced = 0, None
    found = re.fullmatch(r'"?sep=(.)"?', lines[0].strip("\ufeff \n"), re.IGNORECASE)
    if found:
        start, forced = 1, found[1]
    length = max(1, max(len(line) for line in lines[start : start + 300]))
    some = max(30, min(300, _SAMPLE // length))
    places = list(range(start, min(len(lines), some)))
    if len(lines) > some:
        places += list(range(some, len(lines), max(1, (len(lines) - some) // some)))
    sample = [(k, lines[k]) for k in places if lines[k].strip(" \t;,|") and not commented(lines[k])]
    if not sample:
        raise DataError(f"{file} holds comments and blank lines only; it should hold a table of measurements")
    delimiter, decimal = _best(sample, [forced] if forced else _DELIMITERS, file)
    cells = [(k, _trimmed(split(line, delimiter))) for k, line in sample]
    width = _width(cells, decimal)
    body = [row for _, row in cells[len(cells) // 3 :]] if len(cells) > 2 else [row for _, row in cells[-1:]]
    words = [_is_word_column([row[j] for row in body if j < len(row)], decimal) for j in range(width)]
    if all(words):
        _no_numbers(cells, lines, file)
    first = _first_data(cells, words, decimal)
    names, units, used = _header(lines, start, cells[first][0], delimiter, words, decimal, file)
    if len(names) > width:
        words += [False] * (len(names) - width)
    above = cells[:first]
    _no_data_above(above, words, decimal, file)
    return Dialect(delimiter, decimal, names, units, cells[first][0], tuple(words), max(0, len(above) - used))


def _best(sample: list[tuple[int, str]], delimiters: list[str] | tuple[str, ...], file: str) -> tuple[str, str]:
    scored = []
    quoted = any('"' in line for _, line in sample)
    for preference, delimiter in enumerate(delimiters):
        rows = [_trimmed(split(line, delimiter)) for _, line in sample]
        others = set(";\t|,") - {delimiter}
        for decimal in ".," if delimiter != "," or quoted else ".":
            values = [sum(_score(c, decimal, others) for c in row) / max(1, len(row)) for row in rows]
            common, count = Counter(len(row) for row in rows).most_common(1)[0]
            score = sum(values) / len(rows) * (0.5 + 0.5 * count / len(rows)) * (1 if common > 1 else 0.95)
            scored.append((round(score, 6), min(common, 2), decimal == ".", -preference, delimiter, decimal))
    best = max(scored)
    if best[4] == "," and _comma_is_decimal(sample):
        return "", ","
    return best[4], best[5]


def _score(cell: str, decimal: str, dirty: set[str]) -> float:
    if is_number(cell, decimal):
        return 1.0
    if is_missing(cell):
        return 0.8
    if dirty & set(cell):
        return -1.0
    return 0.9 if number_with_unit(cell, decimal) else 0.6


def _comma_is_decimal(sample: list[tuple[int, str]]) -> bool:
    """One column of decimal commas looks like two columns of whole numbers; a header or leading zeros tell."""
    rows = [line.strip().split(",") for _, line in sample]
    body = [row for row in rows if all(re.fullmatch(r"\s*[+-]?\d+([eE][+-]?\d+)?\s*", c) for c in row)]
    if not body or any(len(row) != 2 for row in body) or len(body) < 0.5 * len(rows):
        return False
    others = [row for row in rows if row not in body]
    if others:
        return all(len(row) == 1 for row in others)
    return any(len(row[1]) > 1 and row[1].startswith("0") for row in body)


def _trimmed(row: list[str]) -> list[str]:
    last = len(row)
    while last and not row[last - 1].strip():
        last -= 1
    return row[:last]


def _width(cells: list[tuple[int, list[str]]], decimal: str) -> int:
    """Widest row that is common; a single row too long or too short is an error that the parser finds later."""
    counts = Counter(len(row) for _, row in cells if any(is_number(c, decimal) for c in row))
    if not counts:
        return max(len(row) for _, row in cells)
    enough = max(1.0, 0.05 * sum(counts.values()))
    usual = [w for w, n in counts.items() if n >= enough and (n > 1 or len(counts) == 1 or len(cells) < 4)]
    return max(usual) if usual else counts.most_common(1)[0][0]


def _is_word_column(column: list[str], decimal: str) -> bool:
    found = [c for c in column if not is_missing(c)]
    if not found:
        return any(c.strip() in ("-", "+") for c in column)
    return sum(is_number(c, decimal) for c in found) < 0.5 * len(found)


def _no_numbers(cells: list[tuple[int, list[str]]], lines: list[str], file: str) -> None:
    if any(number_with_unit(cell, mark) for _, row in cells for cell in row for mark in ".,"):
        return  # numbers with their unit in the cell; the reader of columns takes the unit off
    shown = lines[cells[0][0]].strip()
    shown = shown if len(shown) <= 50 else shown[:47] + "..."
    raise DataError(
        f"{file}, row {cells[-1][0] + 1}, column 1: no column holds numbers when cells are separated by tabs, "
        f"semicolons, bars, commas or blanks (row {cells[0][0] + 1} is {shown!r}); "
        "save the table as CSV with commas or semicolons"
    )


def _first_data(cells: list[tuple[int, list[str]]], words: list[bool], decimal: str) -> int:
    """Index of the first row of data among the sampled rows.

    Instruments write settings above the names, and some look like data: after two rows or more that are none, the names
    that a row of data follows count.
    """
    data = [_is_data(row, words, decimal) for _, row in cells]
    first = data.index(True) if True in data else len(cells) - 1
    if first == 0:
        return 0
    for index in range(first + 1, min(len(cells) - 1, _SETTINGS)):
        row = cells[index][1]
        named = len(row) == len(words) and not any(is_number(c, decimal) or is_missing(c) for c in row)
        if named and all(data[index + 1 :]) and data[:index].count(False) > 1 and data[:index].count(True) < 4:
            return index + 1
    return first


def _is_data(row: list[str], words: list[bool], decimal: str) -> bool:
    if all(words):
        return any(number_with_unit(c, decimal) for c in row)
    numbers = [c for c, word in zip(row, words, strict=False) if not word and not is_missing(c)]
    return bool(numbers) and len(row) * 2 >= len(words) and all(is_number(c, decimal) for c in numbers)


def _header(
    lines: list[str], start: int, first: int, delimiter: str, words: list[bool], decimal: str, file: str
) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Names, units, and how many lines above the data they take."""
    above = [lines[k] for k in range(start, first) if lines[k].strip(" \t;,|") and not commented(lines[k])]
    if not above:
        comments = [lines[k].lstrip(" #%!\t") for k in range(start, first) if commented(lines[k])]
        fits = [row for row in (_names(c, delimiter, len(words)) for c in comments[-1:]) if row]
        usable = fits and not any(is_number(c, decimal) for c in fits[0])
        return (tuple(fits[0]) if usable else ()), (), 0
    last = _names(above[-1], delimiter, len(words))
    if last is None:
        few = _trimmed(split(above[-1], delimiter))
        if delimiter and len(few) > 1 and not any(is_number(c, decimal) for c in few):
            row = max(k for k in range(start, first) if lines[k] == above[-1]) + 1
            raise DataError(
                f"{file}, row {row}: {len(few)} names for {len(words)} columns; name every column"
                + (", and save with semicolons where commas mark decimals" if delimiter == "," else "")
            )
        return (), (), 0
    if len(above) > 1 and sum(bool(c) for c in last) and all(not c or is_unit(c) for c in last):
        names = _names(above[-2], delimiter, len(words))
        if names is not None:
            return tuple(names), tuple(last), 2
    return tuple(last), (), 1


def _names(line: str, delimiter: str, width: int) -> list[str] | None:
    """Cells of a header line, or None where they do not match the columns."""
    row = [c.strip().strip('"').strip() for c in _trimmed(split(line, delimiter))]
    if delimiter == "" and len(row) != width:
        if len(row) == width - 1:
            return ["", *row]  # as R writes it: the first column, of row names, has no header
        for pattern in (r"\s{2,}|\t", r"\s+(?![(\[{])"):
            row = [c.strip() for c in re.split(pattern, line.strip())]
            if len(row) == width:
                break
        else:
            return None
    return row if len(row) >= width else None


def _no_data_above(above: list[tuple[int, list[str]]], words: list[bool], decimal: str, file: str) -> None:
    """A row of data with a word in it must not pass for a header."""
    named = False  # whether a row of names stands above
    for k, row in above:
        numbers = [(j, c) for j, (c, word) in enumerate(zip(row, words, strict=False)) if not word]
        wrong = [(j, c) for j, c in numbers if not is_number(c, decimal) and not is_missing(c)]
        good = [c for _, c in numbers if is_number(c, decimal)]
        full = len(row) == len(words)
        units = all(is_unit(c) for _, c in wrong)
        if full and good and wrong and not units and (named or (len(wrong) < len(good) and wrong[0][0] > 0)):
            j, cell = wrong[0]
            raise DataError(
                f"{file}, row {k + 1}, column {j + 1}: {cell.strip()!r} is not a number; "
                "correct it or leave the cell empty"
            )
        named = named or (full and not good)
