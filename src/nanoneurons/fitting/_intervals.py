"""Intervals of estimates: Student t on a scale where the error is normal, chi-square for spreads, shares."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats

from nanoneurons.fitting._fitter import Estimate, Scale

__all__ = ["differences", "freedom_of", "share", "spread_limits", "wald"]


def wald(name: str, value: float, error: float, scale: Scale, freedom: float = np.inf) -> Estimate:
    """Estimate with a symmetric interval on its scale; `log` is the logarithm of the absolute value."""
    reach = float(stats.t.ppf(0.975, min(freedom, 1e6))) * error
    if scale == "log":
        ends = sorted(value * float(np.exp(np.clip(d, -700, 700))) for d in (-reach, reach))
    elif scale == "logit":
        at = np.log(value / (1 - value))
        ends = [float(1 / (1 + np.exp(-(at + d)))) for d in (-reach, reach)]
    else:
        ends = [value - reach, value + reach]
    return Estimate(name, float(value), float(ends[0]), float(ends[1]), scale, float(error))


def spread_limits(error: float) -> tuple[float, float]:
    """Distances on the log scale from a standard deviation to the ends of its 95 % interval, by chi-square.

    `error` is the standard error of its logarithm; the degrees of freedom are 1 / (2 error^2).
    """
    freedom = max(0.5 / error**2, 0.5)
    low, high = stats.chi2.ppf([0.025, 0.975], freedom)
    return 0.5 * float(np.log(high / freedom)), 0.5 * float(np.log(freedom / low))


def share(name: str, found: int, of: int) -> Estimate:
    """Share of a population from `found` in `of`, with Jeffreys's interval; an end of 0 or 1 has the exact other end.

    It holds the truth in 95 % on average over shares; Clopper and Pearson's, never below, held it in 98 to 99 %.
    Source: Brown, Cai and DasGupta, Statistical Science 16, 101 (2001).
    """
    exact = 0.025 ** (1 / of)
    low = float(stats.beta.ppf(0.025, found + 0.5, of - found + 0.5)) if 0 < found < of else exact * (found == of)
    high = float(stats.beta.ppf(0.975, found + 0.5, of - found + 0.5)) if 0 < found < of else 1 - exact * (found == 0)
    value = found / of
    if 0 < found < of:
        return Estimate(name, value, low, high, "logit", 1 / np.sqrt(of * value * (1 - value)))
    return Estimate(name, value, low, high, "linear", (high - low) / 2)


def differences(function: Callable[[np.ndarray], np.ndarray], at: np.ndarray, steps: Sequence[float]) -> np.ndarray:
    """Jacobian ``(outputs, inputs)`` by central differences."""
    columns = []
    for k, step in enumerate(steps):
        move = np.zeros(len(at))
        move[k] = step
        columns.append((function(at + move) - function(at - move)) / (2 * step))
    return np.stack(columns, axis=1)


def freedom_of(jacobian: np.ndarray, variances: np.ndarray, freedoms: np.ndarray) -> np.ndarray:
    """Satterthwaite's degrees of freedom of linear combinations of errors with these variances."""
    parts = jacobian**2 * variances
    total = parts.sum(1)
    spent = (parts**2 / freedoms).sum(1)
    return np.where(spent > 0, total**2 / np.maximum(spent, 1e-300), np.inf)
