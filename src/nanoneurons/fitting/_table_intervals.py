"""Intervals on means, spreads and shares over devices, with the small numbers of devices that laboratories have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from ._fitter import Estimate

__all__ = ["Spread", "log_estimate", "log_mean", "spread_of"]


@dataclass(frozen=True)
class Spread:
    """A standard deviation between devices, with its 95 % interval."""

    value: float
    low: float
    high: float

    def estimate(self, name: str) -> Estimate:
        """As an estimate; on a log scale unless the interval reaches 0."""
        if self.low > 0:
            error = float(np.log(self.high / self.low)) / (2 * 1.96)
            return Estimate(name, self.value, self.low, self.high, "log", error)
        return Estimate(name, self.value, self.low, self.high, "linear", (self.high - self.low) / (2 * 1.96))


def spread_of(values: np.ndarray, variances: np.ndarray) -> Spread:
    r"""Standard deviation of normal effects that are known with given error variances.

    .. math:: Q(\tau) = \sum_i \frac{(b_i - \bar b_w)^2}{\tau^2 + v_i} \sim \chi^2_{n-1}

    The estimate solves Q = n - 1, the interval Q = its 97.5 and 2.5 % points: exact for normal effects, known errors.

    Source: Viechtbauer, Statist. Med. 26, 37 (2007); Paule and Mandel, J. Res. NBS 87, 377 (1982).
    """
    keep = np.isfinite(values) & np.isfinite(variances)
    b, v = values[keep], np.maximum(variances[keep], 0)
    n = len(b)
    if n < 2:
        return Spread(np.nan, np.nan, np.nan)
    v = np.maximum(v, 1e-12 * max(float(b.var()), 1e-30))

    def q(tau: float) -> float:
        w = 1 / (tau**2 + v)
        return float(np.sum(w * (b - np.sum(w * b) / w.sum()) ** 2))

    top = 10.0 * float(b.std()) + 1e-30
    while q(top) > stats.chi2.ppf(0.025, n - 1):
        top *= 4

    def solve(target: float) -> float:
        return 0.0 if q(0.0) <= target else _root(lambda t: q(t) - target, top)

    points = float(stats.chi2.ppf(0.975, n - 1)), float(n - 1), float(stats.chi2.ppf(0.025, n - 1))
    low, value, high = (solve(x) for x in points)
    return Spread(value, low, high)


def _root(function: Callable[[float], float], top: float) -> float:
    found: Any = optimize.brentq(function, 0.0, top, xtol=1e-12 * top)
    return float(found)


def log_mean(name: str, logs: np.ndarray, shared: float, spreads: Sequence[float]) -> Estimate:
    """Mean over devices of something log-normal, from its logarithms; Student's t by Satterthwaite's rule.

    Args:
        logs: one per device, each with its own error.
        shared: variance of the error that all have in common.
        spreads: standard deviations that make up the spread of the logarithms.
    """
    n = len(logs)
    centre = float(logs.mean()) + 0.5 * sum(s**2 for s in spreads)
    own = float(logs.var(ddof=1)) / n + 0.5 * sum(s**4 for s in spreads) / (n - 1)
    freedom = (n - 1) * ((own + shared) / own) ** 2
    return log_estimate(name, centre, own + shared, freedom)


def log_estimate(name: str, centre: float, variance: float, freedom: float = np.inf) -> Estimate:
    """An estimate whose logarithm has an error of this variance and these degrees of freedom."""
    error = float(np.sqrt(variance))
    wide = float(stats.t.ppf(0.975, freedom)) * error
    value, low, high = (float(x) for x in np.exp([centre, centre - wide, centre + wide]))
    return Estimate(name, value, low, high, "log", error)
