r"""From samples to tables of likelihoods, and from these to the eight-bit words of a Bayesian machine.

.. math::
    w = \mathrm{round}\left(255\, \frac{p(o \mid y)}{\max p}\right), \qquad
    n = \mathrm{round}\left(-255\, \frac{\log_{10}\left(p(o \mid y)/\max p\right)}{D}\right)

The largest likelihood of a column (or of each observed value) becomes 1: a factor common to all hypotheses
decides nothing. Logarithms cover *D* decades.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError

__all__ = ["LikelihoodTables", "estimate", "words_of"]


@dataclass(frozen=True, eq=False)
class LikelihoodTables:
    """Likelihoods of binned features.

    Attributes:
        chosen: feature behind each column, int64, ``(columns,)``.
        edges: limits between bins, float64, ``(columns, bins - 1)``.
        tables: p(o | y), summing to 1 over the bins, float64, ``(rows, columns, bins)``.
        prior: p(y), float64, ``(rows,)``.
    """

    chosen: np.ndarray
    edges: np.ndarray
    tables: np.ndarray
    prior: np.ndarray


def estimate(
    x: np.ndarray, y: np.ndarray, *, classes: int, columns: int, bins: int, smoothing: float = 1.0
) -> LikelihoodTables:
    """Histograms of the first `columns` features.

    Args:
        x: float64, ``(samples, features)``; NaN where a feature is missing.
        y: class numbers, ``(samples,)``.
        smoothing: samples added to every bin.

    Raises:
        DataError: a class has no examples, or a value is infinite.
    """
    if np.isinf(x).any():
        sample, feature = (int(i) for i in np.argwhere(np.isinf(x))[0])
        raise DataError(f"feature {feature} of sample {sample} is infinite; remove or replace it")
    missing = sorted(set(range(classes)) - set(np.unique(y).tolist()))
    if missing:
        raise DataError(
            f"class {missing[0]} has no examples, so its likelihoods are unknown; give some or leave it out"
        )
    chosen = np.arange(columns)
    edges = np.empty((columns, bins - 1))
    tables = np.empty((classes, columns, bins))
    for column, feature in enumerate(chosen):
        values = x[:, feature]
        low, high = np.nanmin(values), np.nanmax(values)
        edges[column] = np.linspace(low, high, bins + 1)[1:-1]
        place = np.searchsorted(edges[column], values, side="right")
        for row in range(classes):
            own = place[(y == row) & ~np.isnan(values)]
            counts = np.bincount(own, minlength=bins) + smoothing
            tables[row, column] = counts / counts.sum()
    return LikelihoodTables(chosen, edges, tables, np.bincount(y, minlength=classes) / len(y))


def words_of(
    tables: np.ndarray, prior: np.ndarray | None, *, logarithmic: bool, decades: float = 8.0, per_value: bool = False
) -> np.ndarray:
    """Eight-bit words, uint8, ``(rows, columns, bins)``, with the prior (when given) as column 0.

    Args:
        tables: likelihoods ``(rows, columns, bins)``, finite, not negative, somewhere above 0 in every column.
        logarithmic: logarithms instead of likelihoods.
        decades: what the 255 steps of logarithms cover.
        per_value: the largest likelihood of every observed value becomes 1, not only of the column.

    Raises:
        ParameterError: a likelihood that is not finite or negative, or a column of nothing but zeros.
    """
    values = np.asarray(tables, float)
    if prior is not None:
        first = np.broadcast_to(np.asarray(prior, float)[:, None, None], (len(values), 1, values.shape[2]))
        values = np.concatenate([first, values], 1)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        row, column, at = (int(i) for i in np.argwhere(wrong)[0])
        raise ParameterError(
            f"likelihood {values[row, column, at]} of hypothesis {row}, column {column}, bin {at}: give finite numbers "
            "from 0 up"
        )
    most = values.max((0, 2), keepdims=True)
    if (most == 0).any():
        column = int(np.argmin(most))
        raise ParameterError(f"all likelihoods of column {column} are zero; it says nothing can be observed there")
    if per_value:
        own = values.max(0, keepdims=True)
        most = np.where(own > 0, own, most)
    share = values / most
    if not logarithmic:
        return np.rint(255 * share).astype(np.uint8)
    with np.errstate(divide="ignore"):
        return np.rint(np.minimum(-255 / decades * np.log10(share), 255)).astype(np.uint8)
