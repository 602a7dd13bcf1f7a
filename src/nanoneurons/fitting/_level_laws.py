r"""Law of a reading about its mean, and the prediction that follows from it.

The law is normal or Student's t, of the reading or of its logarithm, or the own distribution of the readings, smoothed,
whichever has the lowest AIC (for the smoothed one, twice the cross-validated loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from nanoneurons.fitting._fitter import Prediction

__all__ = ["Law", "best_law", "forecast", "law_prediction"]


@dataclass(frozen=True)
class Law:
    """How a reading lies about its mean.

    Attributes:
        log: whether the law is that of the logarithm.
        freedom: of Student's t; infinite for the normal law.
        stretch: width of Student's t over that of standardised readings.
        sample: standardised readings whose smoothed distribution is the law, or None.
        width: of the kernel.
    """

    log: bool = False
    freedom: float = math.inf
    stretch: float = 1.0
    sample: np.ndarray | None = None
    width: float = 0.0

    @property
    def words(self) -> str:
        """Name for people."""
        if self.sample is not None:
            return "smoothed own distribution"
        if math.isinf(self.freedom):
            return "log-normal" if self.log else "normal"
        return f"Student t, {self.freedom:.3g} degrees of freedom{', of the logarithm' if self.log else ''}"

    def quantile(self, p: float) -> float:
        """Of a standardised reading."""
        if self.sample is not None:
            found: Any = optimize.brentq(lambda z: float(self.below(np.array([z]))[0]) - p, -60.0, 60.0)
            return float(found)
        if math.isinf(self.freedom):
            return float(stats.norm.ppf(p))
        return float(stats.t.ppf(p, self.freedom)) * self.stretch

    def below(self, z: np.ndarray) -> np.ndarray:
        """Probability of a smaller standardised reading."""
        if self.sample is not None:
            return stats.norm.cdf((z[..., None] - self.sample) / self.width).mean(-1)
        return stats.norm.cdf(z) if math.isinf(self.freedom) else stats.t.cdf(z / self.stretch, self.freedom)

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Logarithm of the density of standardised readings."""
        if self.sample is not None:
            return np.log(stats.norm.pdf((z[..., None] - self.sample) / self.width).mean(-1) / self.width + 1e-300)
        if math.isinf(self.freedom):
            return stats.norm.logpdf(z)
        return stats.t.logpdf(z / self.stretch, self.freedom) - math.log(self.stretch)


def best_law(
    residuals: Callable[[bool], tuple[np.ndarray, np.ndarray]], positive: bool, own: bool = False
) -> tuple[Law, float]:
    """Law with the lowest AIC, and half of its AIC, negative.

    Args:
        residuals: from "of the logarithm?" to readings on that scale less their means, over their expected standard
            deviations, and the log Jacobian of each.
        positive: whether logarithms exist.
        own: whether the readings' own smoothed distribution may be taken; it needs 40 of them.
    """
    best, lowest = Law(), math.inf
    for log in (False, True) if positive else (False,):
        z, jacobian = residuals(log)
        part = -2 * float(jacobian.sum())

        def heavy(x: np.ndarray, z=z, log=log) -> float:
            return -2 * float(Law(log, *_tail(x)).log_density(z).sum())

        tail: Any = optimize.minimize(heavy, np.array([1.0, -0.1]), method="Nelder-Mead", options={"maxiter": 200})
        plain = -2 * float(stats.norm.logpdf(z).sum())
        tried = [(Law(log), plain), (Law(log, *_tail(tail.x)), float(tail.fun) + 2)]
        if own and not log and len(z) >= 40:
            tried.append(_kernel(z))
        for law, aic in tried:
            if aic + part < lowest - 1e-9:
                best, lowest = law, aic + part
    return best, -0.5 * lowest


def _tail(x: np.ndarray) -> tuple[float, float]:
    return math.exp(min(max(x[0], -3.0), 5.0)) + 2.1, math.exp(min(max(x[1], -4.0), 1.0))


def _kernel(z: np.ndarray) -> tuple[Law, float]:
    """Smoothed distribution with the width that predicts each reading from the others best, and -2 of that score."""
    squares = (z[:, None] - z) ** 2
    np.fill_diagonal(squares, np.inf)

    def loss(log_width: float) -> float:
        width = math.exp(log_width)
        density = np.exp(-0.5 * squares / width**2).sum(1) / ((len(z) - 1) * width * math.sqrt(2 * math.pi))
        return -2 * float(np.log(density + 1e-300).sum())

    found: Any = optimize.minimize_scalar(loss, bounds=(math.log(0.1), math.log(1.5)), method="bounded")
    width = math.exp(float(found.x))
    shrink = 1 / math.sqrt(1 + width**2)  # a kernel widens the sample
    return Law(False, math.inf, 1.0, shrink * np.sort(z), shrink * width), float(found.fun) + 2


def forecast(y: np.ndarray, mean: np.ndarray, variance: np.ndarray, read: float) -> tuple[np.ndarray, np.ndarray]:
    """Expected value and variance of each read of a run, ``(runs, reads)``, given those before it."""
    expected, spread = np.full((2, *y.shape), np.nan)
    mean, variance = mean.copy(), variance.copy()
    for k in range(y.shape[1]):
        expected[:, k], spread[:, k] = mean, variance + read
        seen = np.isfinite(y[:, k])
        gain = np.where(seen, variance / (variance + read), 0.0)
        mean = mean + gain * np.where(seen, y[:, k] - mean, 0.0)
        variance = variance * (1 - gain)
    return expected, spread


def law_prediction(
    reading: np.ndarray, expected: np.ndarray, sd: np.ndarray, law: Law, freedom: float = math.inf
) -> Prediction:
    """Bands, ranks and densities of readings.

    Args:
        expected, sd: on the scale of the law.
        freedom: of the fitted standard deviation; it widens a normal law to Student's t.
    """
    y = np.log(reading) if law.log else reading
    z = (y - expected) / sd
    if law.sample is None and math.isinf(law.freedom) and 2.5 < freedom < 1e6:
        law = Law(law.log, freedom)
    back = np.exp if law.log else np.asarray
    shown = np.isfinite(z)
    rank, density = np.full((2, *z.shape), np.nan)
    rank[shown] = law.below(z[shown])
    density[shown] = law.log_density(z[shown]) - np.log(sd[shown]) - (y[shown] if law.log else 0.0)
    ends = [np.where(shown, back(expected + law.quantile(p) * sd), np.nan) for p in (0.5, 0.05, 0.95)]
    return Prediction(*ends, rank, density)
