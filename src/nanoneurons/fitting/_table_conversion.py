"""Quantiles of steps from tables of cumulative probabilities, and how well they tell the rows left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import StepTables

from ._table_shape import PROBABILITIES

__all__ = ["Converted", "convert"]

_LEVELS = 33
_FINE = 200


@dataclass(frozen=True)
class Converted:
    """Tables as quantiles.

    Attributes:
        levels: conductances before the pulse, ``(levels,)``.
        rows: quantiles of the step, ``(2, levels, quantiles)``, up and down; zero for a direction not given.
        ways: directions given, 0 up, 1 down.
        held: probability that each row held out gives to the 90 % band foretold by its neighbours, ``(rows,)``.
    """

    levels: np.ndarray
    rows: np.ndarray
    ways: tuple[int, ...]
    held: np.ndarray


def convert(data: StepTables) -> Converted:
    """Take quantiles at up to 33 rows; the rows between these, or every second one of fewer rows, are held out.

    Raises:
        DataError: two tables of one direction, or none.
    """
    tables: dict[int, int] = {}
    for run, direction in enumerate(data.direction):
        way = 0 if direction > 0 else 1
        if way in tables:
            word = "down" if way else "up"
            raise DataError(f"several tables of steps {word}: a device has one of each direction; pick one by its name")
        tables[way] = run
    if not tables:
        raise DataError("no table of steps: the table device needs one up, one down, or both")
    axes = {way: _axes(data, run) for way, run in tables.items()}
    first = next(iter(axes.values())).before
    ends = [min(a.before[0] for a in axes.values()), max(a.before[-1] for a in axes.values())]
    levels = _some(first, ends, _LEVELS)
    judged = levels if len(first) > _LEVELS else _some(first, ends, max(2, (len(first) + 1) // 2))
    rows, held = np.zeros((2, len(levels), len(PROBABILITIES))), []
    for way, table in axes.items():
        rows[way] = table.quantiles_at(levels)
        held += table.held_out(judged)
    return Converted(levels, rows, tuple(sorted(tables)), np.array(held))


def _some(places: np.ndarray, ends: list[float], count: int) -> np.ndarray:
    picked = places[np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int))]
    return np.unique(np.concatenate([picked, ends]))


@dataclass(frozen=True)
class _Axes:
    """One table without padding."""

    before: np.ndarray
    step: np.ndarray
    cumulative: np.ndarray

    def quantiles_at(self, levels: np.ndarray) -> np.ndarray:
        """Quantiles between rows, linear in the conductance, ``(levels, quantiles)``."""
        table = np.stack([_inverse(row, self.step) for row in self.cumulative])
        return np.stack([np.interp(levels, self.before, column) for column in table.T], axis=1)

    def held_out(self, levels: np.ndarray) -> list[float]:
        """Probability, row by row between the levels, of the 90 % band that the rows at the levels foretell."""
        own = self.quantiles_at(levels)
        low, high = (int(np.argmin(np.abs(PROBABILITIES - p))) for p in (0.05, 0.95))
        found = []
        for place, row in zip(self.before, self.cumulative, strict=True):
            if np.abs(levels - place).min() > 1e-9 * abs(levels[-1] - levels[0]):
                ends = [np.interp(place, levels, own[:, end]) for end in (low, high)]
                found.append(float(np.diff(np.interp(ends, self.step, row, left=0.0, right=1.0))[0]))
        return found


def _axes(data: StepTables, run: int) -> _Axes:
    rows, columns = np.isfinite(data.before[run]), np.isfinite(data.step[run])
    return _Axes(data.before[run][rows], data.step[run][columns], data.cumulative[run][np.ix_(rows, columns)])


def _inverse(row: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Quantiles of a law that is even between the numbers of a table; the outermost keep the means of the tails."""
    row = np.clip(np.maximum.accumulate(row), 0.0, 1.0)
    first, last = int(np.searchsorted(row, 0.0, side="right")) - 1, int(np.searchsorted(row, 1.0, side="left"))
    first, last = max(first, 0), min(last, len(row) - 1)
    rising = np.concatenate([[True], np.diff(row[first : last + 1]) > 0])
    p, x = row[first : last + 1][rising], step[first : last + 1][rising]
    found = np.interp(PROBABILITIES, p, x)
    u = (np.arange(_FINE) + 0.5) / _FINE
    found[0] = 2 * np.interp(PROBABILITIES[1] * u, p, x).mean() - found[1]
    found[-1] = 2 * np.interp(1 - (1 - PROBABILITIES[-2]) * u, p, x).mean() - found[-2]
    return np.maximum.accumulate(found)
