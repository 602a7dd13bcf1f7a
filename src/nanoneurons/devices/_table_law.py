"""Conditional distributions of a conductance step as quantiles on a grid of levels: the data a table device carries."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Any, Self

import numpy as np

from nanoneurons.core.errors import ParameterError, nearest

__all__ = ["StepQuantiles", "soft_bounded"]

_NAMES = ("levels", "probabilities", "up", "down")


@dataclass(frozen=True)
class StepQuantiles:
    """Quantiles of a step given the level it starts from, for each direction; linear between the numbers.

    Attributes:
        levels: rising, ``(levels,)``; the first and the last are the bounds of the device.
        probabilities: rising from 0 to 1, ``(quantiles,)``.
        up, down: quantiles of the signed change by one pulse, one row per level; empty for a direction that the
            device does not take.
    """

    levels: tuple[float, ...]
    probabilities: tuple[float, ...]
    up: tuple[tuple[float, ...], ...] = ()
    down: tuple[tuple[float, ...], ...] = ()

    def __post_init__(self) -> None:
        for name in ("levels", "probabilities"):
            values = getattr(self, name)
            _finite(values, name)
            if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
                raise ParameterError(f"tables: {name} must be at least two rising numbers")
        if (self.probabilities[0], self.probabilities[-1]) != (0.0, 1.0):
            raise ParameterError("tables: probabilities must begin with 0 and end with 1")
        if not self.up and not self.down:
            raise ParameterError("tables: give the quantiles of the steps up, of those down, or both")
        for name in ("up", "down"):
            self._check_rows(name)

    def _check_rows(self, name: str) -> None:
        rows = getattr(self, name)
        if rows and len(rows) != len(self.levels):
            raise ParameterError(f"tables: {name} has {len(rows)} rows for {len(self.levels)} levels; give one a level")
        for k, row in enumerate(rows):
            where = f"{name}, row {k + 1} (level {self.levels[k]:g})"
            if len(row) != len(self.probabilities):
                raise ParameterError(
                    f"tables: {where} has {len(row)} numbers for {len(self.probabilities)} probabilities"
                )
            _finite(row, where)
            if any(a > b for a, b in pairwise(row)):
                raise ParameterError(f"tables: {where} falls: quantiles cannot be lower at a higher probability")

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> Self:
        """From nested lists by name, as a device file holds them.

        Raises:
            ParameterError: a missing or unknown name, or numbers that are no quantiles; names the row.
        """
        for name in tables:
            if name not in _NAMES:
                raise ParameterError(
                    f"tables: unknown entry {name!r}{nearest(name, _NAMES)}; it has {', '.join(_NAMES)}"
                )
        for name in _NAMES[:2]:
            if name not in tables:
                raise ParameterError(f"tables: {name} is missing")
        plain: dict[str, Any] = {name: _numbers(tables[name], name) for name in _NAMES[:2]}
        for name in _NAMES[2:]:
            rows = tables.get(name, ())
            if isinstance(rows, str) or not hasattr(rows, "__len__"):
                raise ParameterError(f"tables: {name} must be rows of numbers, not {rows!r}")
            plain[name] = tuple(_numbers(row, f"{name}, row {k + 1}") for k, row in enumerate(rows))
        return cls(**plain)

    def lists(self) -> dict[str, list[Any]]:
        """Nested lists by name, exact; a direction that the device does not take is left out."""
        found: dict[str, list[Any]] = {name: list(getattr(self, name)) for name in _NAMES[:2]}
        return found | {name: [list(row) for row in rows] for name in _NAMES[2:] if (rows := getattr(self, name))}

    def digest(self) -> str:
        """Checksum of the numbers."""
        return "sha256:" + hashlib.sha256(json.dumps(self.lists()).encode()).hexdigest()

    def quantiles(self, up: bool) -> np.ndarray:
        """Quantiles of one direction, float64 ``(levels, quantiles)``; no rows for a direction not taken."""
        return np.array(self.up if up else self.down, dtype=np.float64).reshape(-1, len(self.probabilities))

    def means(self, up: bool) -> np.ndarray:
        """Mean step at each level, ``(levels,)``."""
        return self.quantiles(up) @ self.weights

    @cached_property
    def weights(self) -> np.ndarray:
        """Weight of each quantile in the mean of the distribution that is linear between them, ``(quantiles,)``."""
        gaps = np.diff(np.array(self.probabilities))
        return 0.5 * (np.append(gaps, 0.0) + np.append(0.0, gaps))

    @property
    def middle(self) -> float:
        """Level half-way between the bounds."""
        return 0.5 * (self.levels[0] + self.levels[-1])

    @cached_property
    def reference(self) -> float:
        """The middle, or the nearest level to it from which both directions go their own way on average.

        Raises:
            ParameterError: there is none.
        """
        ways = [up for up in (True, False) if (self.up if up else self.down)]
        for level in (self.middle, *sorted(self.levels, key=lambda x: abs(x - self.middle))):
            if all((self.mean_at(level, up) > 0) == up and self.mean_at(level, up) != 0 for up in ways):
                return level
        raise ParameterError(
            "tables: from no level do the mean steps go up with pulses up and down with pulses down; check their signs"
        )

    def mean_at(self, level: float, up: bool) -> float:
        """Mean step at any level within the bounds."""
        return float(np.interp(level, self.levels, self.means(up)))


def soft_bounded(levels: int = 17, slope: float = 0.9, scatter: float = 0.3, floor: float = 0.2) -> StepQuantiles:
    r"""Steps that shrink towards the bounds -1 and 1, with normal scatter cut at three standard deviations.

    .. math:: \pm(1 \mp s\,x) + \sigma(x)\,\xi, \qquad \sigma(x) = a\,(1 \mp s\,x) + b

    with s = `slope`, a = `scatter`, b = `floor`; the mean step in the middle is 1 and -1.
    """
    probabilities = (0.0, 0.01, 0.025, *(k / 20 for k in range(1, 20)), 0.975, 0.99, 1.0)
    normal = [-3.0, *(NormalDist().inv_cdf(p) for p in probabilities[1:-1]), 3.0]
    places = tuple(round(-1 + 2 * k / (levels - 1), 6) for k in range(levels))

    def row(x: float, sign: int) -> tuple[float, ...]:
        mean = 1 - sign * slope * x
        return tuple(round(sign * mean + (scatter * mean + floor) * z, 6) for z in normal)

    return StepQuantiles(
        places, probabilities, tuple(row(x, 1) for x in places), tuple(row(x, -1) for x in places)
    )  # fmt: skip


def _numbers(values: Sequence[Any], where: str) -> tuple[float, ...]:
    if isinstance(values, str) or not hasattr(values, "__len__"):
        raise ParameterError(f"tables: {where} must be numbers, not {values!r}")
    for k, value in enumerate(values):
        if isinstance(value, bool | str) or not hasattr(value, "__float__"):
            raise ParameterError(f"tables: {where}, column {k + 1} must be a number, not {value!r}")
    return tuple(float(value) for value in values)


def _finite(values: Sequence[float], where: str) -> None:
    for k, value in enumerate(values):
        if not math.isfinite(value):
            raise ParameterError(f"tables: {where}, column {k + 1} is {value}; give a finite number")
