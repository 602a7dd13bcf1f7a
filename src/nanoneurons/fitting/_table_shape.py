r"""Shape of the scatter of a step, freed from read noise as far as its first moments go.

What is observed one step ahead is scatter plus normal noise, with a known share f of the scatter in the variance. Away
from the normal law, skewness grows by :math:`f^{-3/2}` when the noise is taken away, and so do, to first order, the
distances of the quantiles from normal ones. Where f is below `_FAINT` the scatter is taken as normal.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from nanoneurons.devices.table import StepQuantiles

from ._table_prediction import Ahead

__all__ = ["PROBABILITIES", "law_of", "shapes"]

PROBABILITIES = np.array([0.0, 0.01, 0.025, *(k / 20 for k in range(1, 20)), 0.975, 0.99, 1.0])
_FAINT = 0.3
_MANY = 400  # steps for each set of quantiles
_MOST = 5  # sets of quantiles along the levels


def shapes(reading: np.ndarray, known: Ahead, levels: np.ndarray, way: int) -> tuple[np.ndarray, bool]:
    """Quantiles of mean 0 and variance 1 at each level, ``(levels, quantiles)``, and whether the steps tell them."""
    chosen = (known.way == way) & np.isfinite(reading) & np.isfinite(known.level)
    level, rest = known.level[chosen], (reading - known.expected)[chosen]
    own, noise = known.scatter[chosen] ** 2, known.variance[chosen]
    sets = int(np.clip(len(level) // _MANY, 1, _MOST))
    edges = np.quantile(level, np.linspace(0, 1, sets + 1)) if len(level) else np.zeros(2)
    middles, found, told = [], [], False
    for k in range(sets):
        here = (level >= edges[k]) & (level <= edges[k + 1])
        row, clear = _one(rest[here] / np.sqrt(own + noise)[here], own[here].sum() / (own + noise)[here].sum())
        told |= clear
        middles.append(np.median(level[here]) if here.any() else 0.0)
        found.append(row)
    rows = np.stack(found)
    at = np.array([[np.interp(x, middles, column) for column in rows.T] for x in levels])
    return np.stack([_standard(row) for row in at]), told


def law_of(levels: np.ndarray, rows: np.ndarray, ways: tuple[int, ...]) -> StepQuantiles:
    """Data of a device from ``(2, levels, quantiles)``, rounded to the digits that a reader can use."""
    own = [[_rounded(row) for row in rows[d]] if d in ways else () for d in (0, 1)]
    return StepQuantiles(_rounded(levels), tuple(PROBABILITIES.tolist()), tuple(own[0]), tuple(own[1]))


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(float(f"{x:.7g}") for x in values)


def _one(z: np.ndarray, share: float) -> tuple[np.ndarray, bool]:
    normal = ndtri(np.clip(PROBABILITIES, 1e-9, 1 - 1e-9))
    normal[0], normal[-1] = -_end(), _end()
    if len(z) < 50 or not share > _FAINT:
        return _standard(normal), False
    z = np.sort((z - z.mean()) / z.std())
    row = np.quantile(z, PROBABILITIES)
    tail = max(1, round(0.01 * len(z)))
    row[-1] = max(2 * z[-tail:].mean() - row[-2], row[-2])
    row[0] = min(2 * z[:tail].mean() - row[1], row[1])
    row = normal + (row - normal) * share**-1.5
    return _standard(np.maximum.accumulate(row)), True


def _end() -> float:
    """Where the outermost piece must end to have the mean of a normal law's outermost percent."""
    edge = float(ndtri(0.99))
    return 2 * float(np.exp(-0.5 * edge**2) / np.sqrt(2 * np.pi) / 0.01) - edge


def _standard(row: np.ndarray) -> np.ndarray:
    gaps = np.diff(PROBABILITIES)
    row = row - (0.5 * (row[1:] + row[:-1])) @ gaps
    variance = ((row[1:] ** 2 + row[1:] * row[:-1] + row[:-1] ** 2) / 3) @ gaps
    return row / np.sqrt(variance) if variance > 0 else row
