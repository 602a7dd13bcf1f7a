"""Error bars: means over chips and test images, paired costs, yield bands, requirements."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import stats

__all__ = [
    "Estimate",
    "FitEstimate",
    "Requirement",
    "bootstrap",
    "clopper_pearson",
    "crossed_mean",
    "crossing",
    "increasing",
    "mean_ci",
    "paired_cost",
    "requirement",
    "with_fit",
]


@dataclass(frozen=True)
class Estimate:
    """A mean with its interval; `low` and `high` are None where one sample says nothing of the spread.

    Attributes:
        se_chips: standard error from the spread over chips, or None for one chip.
        se_test: standard error from the finite test set, or None where it was not observed.
    """

    mean: float
    low: float | None
    high: float | None
    se_chips: float | None
    se_test: float | None = None

    @property
    def half(self) -> float | None:
        """Half the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


def mean_ci(values: Sequence[float], level: float = 0.95) -> Estimate:
    r"""Mean with Student's interval, $\bar x \pm t_{n-1} s / \sqrt n$.

    >>> mean_ci([1.0, 2.0, 3.0]).mean
    2.0
    """
    data = np.asarray(values, np.float64)
    if data.size == 0:
        raise ValueError("a mean needs at least one value")
    mean = float(data.mean())
    if data.size < 2:
        return Estimate(mean, None, None, None)
    error = float(data.std(ddof=1) / math.sqrt(data.size))
    half = float(stats.t.ppf(0.5 + level / 2, data.size - 1)) * error
    return Estimate(mean, mean - half, mean + half, error)


def crossed_mean(table: np.ndarray, level: float = 0.95) -> Estimate:
    r"""Mean of a ``(chips, images)`` table, with the interval for new chips *and* new test images.

    Chips and images are crossed random factors. With $v_c$ the variance of the chip means over their
    number, $v_t$ the same for image means and $v_r$ the residual mean square over the number of
    cells, the variance of the grand mean is $v_c + v_t - v_r$ (never taken below the larger of the
    two). Degrees of freedom by Satterthwaite. One chip leaves the test set as the only known source.
    """
    data = np.asarray(table, np.float64)
    mean = float(data.mean())
    variance, dof, v_c, v_t = _crossed(data)
    se_c, se_t = (None if v is None else math.sqrt(v) for v in (v_c, v_t))
    if variance is None:
        return Estimate(mean, None, None, None)
    half = float(stats.t.ppf(0.5 + level / 2, dof)) * math.sqrt(variance)
    return Estimate(mean, mean - half, mean + half, se_c, se_t)


def _crossed(data: np.ndarray) -> tuple[float | None, float, float | None, float | None]:
    """Variance of the mean of a ``(chips, images)`` table, degrees of freedom, and the parts of chips and images."""
    chips, images = data.shape
    over_chips, over_images = data.mean(1), data.mean(0)
    v_t = float(over_images.var(ddof=1) / images) if images > 1 else None
    v_c = float(over_chips.var(ddof=1) / chips) if chips > 1 else None
    if v_t is None and v_c is None:
        return None, 1.0, None, None
    if v_t is None or v_c is None:
        variance, dof = (v_c or 0.0, chips - 1.0) if v_t is None else (v_t, images - 1.0)
        return variance, dof, v_c, v_t
    residual = data - over_chips[:, None] - over_images[None, :] + data.mean()
    v_r = float((residual**2).sum() / ((chips - 1) * (images - 1)) / (chips * images))
    parts = v_c**2 / (chips - 1) + v_t**2 / (images - 1)
    dof = (v_c + v_t) ** 2 / parts if parts > 0 else chips - 1.0
    return max(v_c + v_t - v_r, v_c, v_t), dof, v_c, v_t


@dataclass(frozen=True)
class FitEstimate:
    """A mean over draws of a fitted device, with the interval for the true device, new chips and new images.

    Attributes:
        se_chips, se_test, se_fit: standard errors from the number of chips, the number of images and the
            uncertainty of the fit; None where one chip or image says nothing.
    """

    mean: float
    low: float
    high: float
    se_chips: float | None
    se_test: float | None
    se_fit: float


def with_fit(tables: np.ndarray, level: float = 0.95) -> FitEstimate:
    r"""Mean of ``(draws, chips, images)`` answers, whose draws are devices as the uncertainty of a fit allows them.

    Draws, chips and images are crossed random factors. The variance $\sigma_f^2$ between draws is that of their
    means less what chips and images make of it (mean squares of the interactions; never taken below 0, and not told
    apart on one chip). The true
    device lies among the draws as any of them, so that the mean of *n* draws misses it by $\sigma_f^2 (1 + 1/n)$,
    besides the error from chips and images (`crossed_mean` of the mean table). The half widths of both, each with
    its own Student quantile, add in quadrature.
    """
    data = np.asarray(tables, np.float64)
    draws, chips, images = data.shape
    if draws < 2:
        raise ValueError("the spread between draws needs at least two")
    mean = float(data.mean())
    variance, dof, v_c, v_t = _crossed(data.mean(0))
    own = float(data.mean((1, 2)).var(ddof=1))
    by_others = 0.0
    if chips > 1 and images > 1:
        by_others = _interaction(data.mean(2)) / chips + _interaction(data.mean(1)) / images - _of_all(data)
    v_f = max(own - by_others, 0.0) * (1 + 1 / draws)
    quantiles = stats.t.ppf(0.5 + level / 2, (dof, draws - 1))
    half = math.sqrt(quantiles[0] ** 2 * (variance or 0.0) + quantiles[1] ** 2 * v_f)
    se_c, se_t = (None if v is None else math.sqrt(v) for v in (v_c, v_t))
    return FitEstimate(mean, mean - half, mean + half, se_c, se_t, math.sqrt(v_f))


def _interaction(table: np.ndarray) -> float:
    """Mean square of what rows and columns of a table do not explain."""
    rows, columns = table.shape
    rest = table - table.mean(1, keepdims=True) - table.mean(0, keepdims=True) + table.mean()
    return float((rest**2).sum() / ((rows - 1) * (columns - 1)))


def _of_all(data: np.ndarray) -> float:
    """Mean square of what is left of a three-way table, over the number of its chips and images."""
    draws, chips, images = data.shape
    rest = (
        data
        - data.mean(0, keepdims=True) - data.mean(1, keepdims=True) - data.mean(2, keepdims=True)
        + data.mean((0, 1), keepdims=True) + data.mean((0, 2), keepdims=True) + data.mean((1, 2), keepdims=True)
        - data.mean()
    )  # fmt: skip
    return float((rest**2).sum() / ((draws - 1) * (chips - 1) * (images - 1)) / (chips * images))


def paired_cost(better: np.ndarray, worse: np.ndarray, level: float = 0.95) -> Estimate:
    """What `worse` costs against `better`, in points, on the same chips and the same test images.

    Both are ``(chips, images)`` tables of right (1) and wrong (0) answers. Pairing removes what the
    conditions share: a bad chip is bad in both, a hard image hard in both.
    """
    if better.shape != worse.shape:
        raise ValueError(f"paired tables must have one shape, not {better.shape} and {worse.shape}")
    return crossed_mean(100.0 * (better.astype(np.float64) - worse.astype(np.float64)), level)


def bootstrap(
    values: np.ndarray,
    statistic: Callable[[np.ndarray], float],
    *,
    seed: int,
    draws: int = 2000,
    level: float = 0.95,
) -> tuple[float, float] | None:
    """Percentile interval of `statistic` over resamples of the last axis; None for one sample."""
    n = values.shape[-1]
    if n < 2:
        return None
    picks = np.random.default_rng(seed).integers(0, n, (draws, n))
    found = np.array([statistic(values[..., pick]) for pick in picks])
    low, high = np.quantile(found, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)


def clopper_pearson(successes: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Exact binomial interval of a share: it covers the true share at least `level` of the time."""
    if not 0 <= successes <= trials or trials == 0:
        raise ValueError(f"{successes} successes of {trials} trials are not a share")
    tail = (1 - level) / 2
    low = 0.0 if successes == 0 else float(stats.beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(stats.beta.ppf(1 - tail, successes + 1, trials - successes))
    return low, high


def increasing(y: Sequence[float] | np.ndarray) -> np.ndarray:
    """Closest non-decreasing curve in least squares (pool adjacent violators)."""
    blocks: list[tuple[float, int]] = []
    for value in np.asarray(y, np.float64).tolist():
        blocks.append((value, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, n), (b, m) = blocks[-2:]
            blocks[-2:] = [((a * n + b * m) / (n + m), n + m)]
    return np.concatenate([np.full(n, value) for value, n in blocks])


def crossing(x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, limit: float) -> float | None:
    """Largest x up to which the monotone curve through the points stays below `limit`.

    The curve is the non-decreasing fit, linear between the points. None when it starts at or above
    `limit`; the last x when it never gets there.
    """
    at, curve = np.asarray(x, np.float64), increasing(y)
    above = np.flatnonzero(curve >= limit)
    if above.size == 0:
        return float(at[-1])
    k = int(above[0])
    if k == 0:
        return None
    share = (limit - curve[k - 1]) / (curve[k] - curve[k - 1])
    return float(at[k - 1] + share * (at[k] - at[k - 1]))


@dataclass(frozen=True)
class Requirement:
    """How far an imperfection must shrink for its cost to fall below a limit.

    Attributes:
        status: ``"must fall"`` to `factor` of its present size; ``"already below"`` the limit (then
            `factor` says how far it may grow); ``"not reached"`` even at the first point.
        factor: scale factor where the cost meets the limit; None when not reached.
        low, high: bootstrap interval over chips, None for one chip.
        open_ended: the curve ended before the limit was met, so `factor` is a lower bound.
    """

    status: Literal["must fall", "already below", "not reached"]
    factor: float | None
    low: float | None
    high: float | None
    open_ended: bool


def requirement(factors: Sequence[float], costs: np.ndarray, *, limit: float = 1.0, seed: int = 0) -> Requirement:
    """Find where the cost, in points, meets `limit`.

    Args:
        factors: scale factors, increasing, 1 (as the imperfection stands) among them.
        costs: cost per factor and chip, shape ``(factors, chips)``.
    """
    at = np.asarray(factors, np.float64)
    mean = costs.mean(1)
    found = crossing(at, mean, limit)
    if found is None:
        return Requirement("not reached", None, None, None, False)
    present = float(increasing(mean)[int(np.flatnonzero(at == 1.0)[0])])
    interval = bootstrap(costs, lambda c: _or_start(crossing(at, c.mean(1), limit), at), seed=seed)
    low, high = interval or (None, None)
    never = bool(increasing(mean)[-1] < limit)
    return Requirement("already below" if present < limit else "must fall", found, low, high, never)


def _or_start(found: float | None, at: np.ndarray) -> float:
    return float(at[0]) if found is None else found
