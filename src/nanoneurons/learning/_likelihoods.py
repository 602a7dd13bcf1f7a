r"""From samples to tables of likelihoods, and from these to the eight-bit words of a Bayesian machine.

.. math::
    w = \mathrm{round}\left(255 \left(\frac{p(o \mid y)}{\max p}\right)^{\beta}\right), \qquad
    n = \mathrm{round}\left(-255\, \frac{\log_{10}\left(p(o \mid y)/\max p\right)}{D}\right)

The largest likelihood of a column (or of each observed value) becomes 1: a factor common to all hypotheses
decides nothing, nor does a common power :math:`\beta` (1 as published). Logarithms cover *D* decades.

Source: Harabi et al., Nature Electronics 6, 52 (2023); Turck et al., Communications Engineering 4, 35 (2025).
"""

# pyright: basic
from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError, nearest

from ._densities import Density, gaussians, kernels, masses
from ._feature_choice import MOST_SAMPLES, SELECTIONS, by_accuracy, by_information, thinned

__all__ = [
    "BLOCK_WORDS",
    "ESTIMATES",
    "SELECTIONS",
    "LikelihoodTables",
    "encode",
    "estimate",
    "summed",
    "words_of",
]

ESTIMATES = ("gaussian", "kernel", "histogram")
BLOCK_WORDS = 512  # words of eight bits in the 64 x 64 bits of a block
_RESOLUTION = 12**-0.5  # standard deviation of what a bin of width 1 cannot tell apart
_LEAST_DECADES, _MOST_POWER = 4.0, 4.0
_DEPTH = {"full": 1.5, "first": 4.0}  # decades
_MISSING = -1


@dataclass(frozen=True, eq=False)
class LikelihoodTables:
    """Likelihoods of binned features.

    Attributes:
        chosen: feature behind each column, int64, ``(columns,)``.
        edges: ascending limits between bins, float64, ``(columns, bins - 1)``; a value on a limit belongs above it.
        tables: p(o | y), summing to 1 over the bins, float64, ``(rows, columns, bins)``.
        prior: share of each class in the samples, float64, ``(rows,)``.
        densities: what the tables were made of, by row and column; empty for histograms.
    """

    chosen: np.ndarray
    edges: np.ndarray
    tables: np.ndarray
    prior: np.ndarray
    densities: tuple[tuple[Density, ...], ...] = field(default=(), repr=False)

    def observe(self, x: np.ndarray) -> np.ndarray:
        """Bins of samples ``(samples, features)``, int64, ``(samples, columns)``; -1 where NaN."""
        values = np.asarray(x, float)[:, self.chosen]
        seen = [np.searchsorted(e, v, side="right") for e, v in zip(self.edges, values.T, strict=True)]
        return np.where(np.isnan(values), _MISSING, np.stack(seen, 1))


@dataclass(frozen=True, eq=False)
class Encoded:
    """Words, uint8, ``(rows, columns, bins)``, and the decades (of logarithms) or the power they were made with."""

    words: np.ndarray
    decades: float
    power: float


def estimate(
    x: np.ndarray, y: np.ndarray, *, classes: int, columns: int, bins: int, method: str = "gaussian",
    select: str = "accuracy", smoothing: float = 0.3, outside: float = 0.01,
) -> LikelihoodTables:  # fmt: skip
    """Choose features and estimate their likelihoods, class by class.

    Bins are equally wide between two quantiles of the training values; what lies outside falls into the first or the
    last bin. Missing values (NaN) are left out; a class without any value of a feature gets equal likelihoods.

    Args:
        x: float64, ``(samples, features)``; NaN where a feature is missing.
        y: class numbers, ``(samples,)``.
        classes: hypotheses.
        columns: features to use, at most those there are.
        bins: values that an observation can take, 2 to 512.
        method: ``"gaussian"`` (one per class), ``"kernel"`` (a Gaussian at every sample) or ``"histogram"``.
        select: ``"first"`` features, by ``"information"`` or by cross-validated ``"accuracy"`` (see `_feature_choice`;
            both look at 2,000 samples at most).
        smoothing: samples spread evenly over the bins of every class, so that nothing is impossible.
        outside: share of the training values outside the bins' range, half on each side.

    Raises:
        DataError: a class has no examples, or a value is infinite.
        ParameterError: an unknown method, or a number out of its range.
    """
    x, y = np.asarray(x, float), np.asarray(y)
    _check(x, y, classes, columns, bins, method, select, smoothing, outside)
    made = (classes, bins, method, smoothing, outside)
    chosen = np.arange(x.shape[1])
    if select != "first" and columns < x.shape[1]:
        few = thinned(y)
        if select == "information":
            chosen = by_information(x[few], y[few], columns)
        else:
            chosen = by_accuracy(x[few], y[few], columns, lambda *parts: _log_tables(*parts, *made))
    return _tables(x, y, chosen[:columns], *made)


def _tables(
    x: np.ndarray, y: np.ndarray, chosen: np.ndarray, classes: int, bins: int, method: str, smoothing: float,
    outside: float,
) -> LikelihoodTables:  # fmt: skip
    edges = np.empty((len(chosen), bins - 1))
    tables = np.empty((classes, len(chosen), bins))
    densities: list[list[Density]] = []
    for column, feature in enumerate(chosen):
        there = ~np.isnan(x[:, feature])
        values, own = x[there, feature], y[there]
        low, high = _range(values, outside)
        edges[column] = np.linspace(low, high, bins + 1)[1:-1]
        n = np.bincount(own, minlength=classes)[:, None]
        if method == "histogram":
            place = np.searchsorted(edges[column], values, side="right")
            counts = np.bincount(own * bins + place, minlength=classes * bins).reshape(classes, bins)
        else:
            floor = _RESOLUTION * (high - low) / bins
            if method == "gaussian":
                densities.append(gaussians(values, own, classes, floor))
            else:
                densities.append([kernels(values[own == row], floor) for row in range(classes)])
            counts = n * masses(densities[-1], edges[column])
        tables[:, column] = (counts + smoothing / bins) / (n + smoothing)
    prior = np.bincount(y, minlength=classes) / len(y)
    made = () if method == "histogram" else tuple(zip(*densities, strict=True))
    return LikelihoodTables(np.asarray(chosen, np.int64), edges, tables, prior, made)


def _range(values: np.ndarray, outside: float) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = (float(v) for v in np.quantile(values, [outside / 2, 1 - outside / 2]))
    if low == high:
        low, high = float(values.min()), float(values.max())
    margin = max(abs(low), 1.0) if low == high else 0.0
    return low - margin, high + margin


def _log_tables(x: np.ndarray, y: np.ndarray, test: np.ndarray, *made: Any) -> np.ndarray:
    """Log likelihoods of every feature for other samples, ``(features, test, rows)``; 0 where missing."""
    found = _tables(x, y, np.arange(x.shape[1]), *made)
    seen = found.observe(test)
    logs = np.log(found.tables)
    picked = np.stack([logs[:, f, seen[:, f]].T for f in range(x.shape[1])])
    return np.where((seen.T == _MISSING)[..., None], 0.0, picked)


def _check(
    x: np.ndarray, y: np.ndarray, classes: int, columns: int, bins: int, method: str, select: str, smoothing: float,
    outside: float,
) -> None:  # fmt: skip
    for what, given, known in (("estimate", method, ESTIMATES), ("feature choice", select, SELECTIONS)):
        if given not in known:
            raise ParameterError(f"{what} must be one of {', '.join(known)}, not {given!r}{nearest(str(given), known)}")
    if not 1 <= columns <= x.shape[1]:
        raise ParameterError(f"columns must be 1 to the {x.shape[1]} features there are, not {columns}")
    if bins > BLOCK_WORDS:
        raise ParameterError(f"{bins} bins, but a block of the memory holds {BLOCK_WORDS} words; take fewer bins")
    if bins < 2:
        raise ParameterError(f"an observation needs at least 2 bins, not {bins}")
    if not 0 < smoothing < np.inf:
        raise ParameterError(f"smoothing must be a positive number of samples, not {smoothing}")
    if not 0 <= outside < 1:
        raise ParameterError(f"the share of values outside the bins must be from 0 to below 1, not {outside}")
    if np.isinf(x).any():
        sample, feature = (int(i) for i in np.argwhere(np.isinf(x))[0])
        raise DataError(f"feature {feature} of sample {sample} is infinite; remove or replace it")
    empty = np.flatnonzero(np.bincount(y, minlength=classes) == 0)
    if len(empty):
        raise DataError(f"class {empty[0]} has no examples, so its likelihoods are unknown; give some or leave it out")


def encode(
    found: LikelihoodTables, prior: np.ndarray | None, x: np.ndarray, mode: str, *, decades: float | None = None,
    power: float | None = None, per_value: bool = False,
) -> Encoded:  # fmt: skip
    """Words for a machine of some mode, with decades or a power that suit samples.

    The best product of 999 of 1,000 samples is called the depth. Logarithms cover 1.5 times the depth and a decade
    more, so that few sums of other samples stop at 255, and at least 4 decades. The power of stochastic modes makes the
    depth 1.5 decades (``full``) or 4 (``first``, where more contrast is worth more cycles). These figures were chosen
    on held-out training data.

    Args:
        prior: p(y), or None where it has no column.
        x: samples ``(samples, features)``, of which 2,000 at most are looked at.
        decades: given ones.
        power: a given one.
        per_value: as for `words_of`.
    """
    seen = found.observe(x[:: -(-len(x) // MOST_SAMPLES)])
    below = np.log10(found.tables.max(0 if per_value else (0, 2), keepdims=True)) - np.log10(found.tables)
    total = summed(below, seen)
    if prior is not None:
        total = total + np.log10(prior.max() / prior)
    depth = float(np.quantile(total.min(1), 0.999))
    decades = max(_LEAST_DECADES, 1.5 * depth + 1) if decades is None else decades
    power = min(_DEPTH.get(mode, 1.0) / max(depth, 1e-9), _MOST_POWER) if power is None else power
    words = words_of(
        found.tables, prior, logarithmic=mode == "logarithmic", decades=decades, power=power, per_value=per_value
    )
    return Encoded(words, decades, power)


def summed(entries: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Sums over columns, ``(samples, rows)``, of entries ``(rows, columns, bins)`` at observations; 0 where missing."""
    absent = seen == _MISSING
    picked = entries[:, np.arange(seen.shape[1]), np.where(absent, 0, seen)]
    return np.where(absent, 0.0, picked).sum(-1).T


def words_of(
    tables: np.ndarray, prior: np.ndarray | None, *, logarithmic: bool, decades: float = 8.0, power: float = 1.0,
    per_value: bool = False,
) -> np.ndarray:  # fmt: skip
    """Eight-bit words, uint8, ``(rows, columns, bins)``, with the prior (when given) as column 0.

    Args:
        tables: likelihoods ``(rows, columns, bins)``, finite, not negative, somewhere above 0 in every column.
        prior: p(y), ``(rows,)``, or None for equal ones, which need no column.
        logarithmic: logarithms instead of likelihoods.
        decades: what the 255 steps of logarithms cover.
        power: exponent of likelihoods before they are rounded (not of logarithms). It leaves the order of products as
            it is; below 1 they are nearer to 1, so that more of them give ones.
        per_value: the largest likelihood of every observed value becomes 1, not only of the column.

    Raises:
        ParameterError: a likelihood that is not finite or negative, or a column of nothing but zeros.

    Warns:
        UserWarning: a likelihood is exactly zero. It is kept, since a zero may be meant and has a word (0, or 255
            logarithmic steps), but it silences its hypothesis whatever else is seen, and is mostly an empty bin.
    """
    values = np.asarray(tables, float)
    for name, given in (("decades", decades), ("power", power)):
        if not 0 < given < np.inf:
            raise ParameterError(f"{name} must be a positive number, not {given}")
    if prior is not None:
        first = np.broadcast_to(np.asarray(prior, float)[:, None, None], (len(values), 1, values.shape[2]))
        values = np.concatenate([first, values], 1)
    wrong = ~np.isfinite(values) | (values < 0)
    if wrong.any():
        where = np.argwhere(wrong)[0]
        raise ParameterError(f"{_entry(values, where, prior)}: give finite numbers from 0 up")
    most = values.max((0, 2), keepdims=True)
    if (most == 0).any():
        column = int(np.argmin(most))
        raise ParameterError(f"all likelihoods of column {column} are zero; it says nothing can be observed there")
    if (values == 0).any():
        where = np.argwhere(values == 0)[0]
        warnings.warn(
            f"{_entry(values, where, prior)}: that observation rules the hypothesis out whatever else is seen; add a "
            "little to every likelihood unless this is meant",
            stacklevel=2,
        )
    if per_value:
        own = values.max(0, keepdims=True)
        most = np.where(own > 0, own, most)
    share = values / most
    if not logarithmic:
        return np.rint(255 * share**power).astype(np.uint8)
    with np.errstate(divide="ignore"):
        return np.rint(np.minimum(-255 / decades * np.log10(share), 255)).astype(np.uint8)


def _entry(values: np.ndarray, where: np.ndarray, prior: np.ndarray | None) -> str:
    row, column, at = (int(i) for i in where)
    if prior is not None and column == 0:
        return f"prior {values[row, column, at]:g} of hypothesis {row}"
    return f"likelihood {values[row, column, at]:g} of hypothesis {row}, column {column}, bin {at}"
