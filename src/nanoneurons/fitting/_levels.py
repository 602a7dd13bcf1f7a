r"""Programmed levels: what is dead, what lies far off, and what the next reading will be.

A device that reads nothing at every programming counts as dead. Readings beyond six robust standard deviations (1.4826
times the median distance from the median) of their level are set aside and counted.

The next reading of a run is predicted from the mean of its level, the device's own part as far as it is known, and the
reads of the same run before it (a Kalman filter of one constant); the law is normal or Student's t, of the reading or
of its logarithm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._fitter import Estimate, Prediction, Scale
from nanoneurons.fitting._variance import Components, Runs
from nanoneurons.measurements import Levels

__all__ = [
    "Clean",
    "Law",
    "LevelModel",
    "best_law",
    "clean",
    "count_words",
    "estimate_of",
    "forecast",
    "plural",
    "predict_levels",
    "share",
]

_FAR = 6.0


@dataclass(frozen=True)
class Clean:
    """Levels without what is dead or far off.

    Attributes:
        reading: NaN where a reading was left out.
        dead: ``(devices,)``, devices that read nothing at any programming.
        outliers: bool of the readings' shape.
        devices: indices of the devices with data, dead ones among them.
        notes: what was left out and why.
    """

    reading: np.ndarray
    dead: np.ndarray
    outliers: np.ndarray
    devices: np.ndarray
    notes: tuple[str, ...]


def plural(count: int, word: str) -> str:
    """``1 device``, ``3 devices``."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def clean(data: Levels, log: bool, stuck: np.ndarray | None = None) -> Clean:
    """Leave out dead devices and outliers.

    Args:
        log: whether distances are those of logarithms.
        stuck: devices found stuck, ``(devices,)``; their readings are left out before outliers are looked for.

    Raises:
        DataError: no reading is left.
    """
    reading = np.where(np.isfinite(data.reading), data.reading, np.nan)
    seen = np.isfinite(reading)
    nothing = seen & (reading <= 0 if data.unit == "S" or log else reading == 0)
    if data.unit == "1" and not log:  # a weight of 0 is a level like any other, unless its level lies far off 0
        for level in np.unique(data.level):
            ours = data.level == level
            if not _far(reading[ours], nothing[ours]):
                nothing[ours] = False
    devices = len(data.devices)
    total = np.bincount(data.device, seen.sum(1), devices)
    empty = np.bincount(data.device, nothing.sum(1), devices)
    dead = (total > 0) & (empty == total)
    outliers = nothing & ~dead[data.device][:, None]
    kept = np.where(nothing, np.nan, reading)
    if stuck is not None:
        kept[stuck[data.device]] = np.nan
    for level in np.unique(data.level):
        ours = data.level == level
        values = np.log(kept[ours]) if log else kept[ours]
        centre = np.nanmedian(values) if np.isfinite(values).any() else math.nan
        width = 1.4826 * np.nanmedian(np.abs(values - centre)) if np.isfinite(centre) else 0.0
        if width > 0:
            outliers[ours] |= np.abs(values - centre) > _FAR * width
    kept[outliers] = np.nan
    if not np.isfinite(kept).any():
        raise DataError("levels: every reading is zero, negative or missing; nothing can be fitted")
    notes = []
    if dead.any():
        notes.append(
            f"{plural(int(dead.sum()), 'device')} of {int((total > 0).sum()):,} read nothing at any level: dead"
        )
    if outliers.any():
        notes.append(
            f"{plural(int(outliers.sum()), 'reading')} of {int(seen.sum()):,} set aside: zero in a living device, or "
            f"beyond {_FAR:g} robust standard deviations of the level"
        )
    return Clean(kept, dead, outliers, np.flatnonzero(total > 0), tuple(notes))


def _far(values: np.ndarray, nothing: np.ndarray) -> bool:
    rest = values[np.isfinite(values) & ~nothing]
    if len(rest) < 3:
        return False
    centre = np.median(rest)
    return abs(centre) > _FAR * max(1.4826 * np.median(np.abs(rest - centre)), 1e-9 * abs(centre))


def share(count: int, total: int) -> tuple[float, float, float]:
    """A share with its 95 % Clopper-Pearson interval."""
    low = float(stats.beta.ppf(0.025, count, total - count + 1)) if count else 0.0
    high = float(stats.beta.ppf(0.975, count + 1, total - count)) if count < total else 1.0
    return count / total, low, high


def count_words(count: int, total: int, what: str) -> str:
    """``3 of 40 devices (7.5 %)``."""
    return f"{count:,} of {total:,} {what} ({100 * count / max(total, 1):.3g} %)"


def estimate_of(name: str, row: np.ndarray | tuple[float, float, float], scale: Scale = "log") -> Estimate:
    """Estimate with the error that its interval implies; a scale that its value or low end does not bear is dropped."""
    value, low, high = (float(v) for v in row)
    low, high = min(low, value), max(high, value)
    if scale == "log" and low > 0:
        return Estimate(name, value, low, high, "log", math.log(high / low) / 3.92)
    if scale == "logit" and low > 0 and high < 1:
        width = math.log(high / (1 - high)) - math.log(low / (1 - low))
        return Estimate(name, value, low, high, "logit", width / 3.92)
    return Estimate(name, value, low, high, "linear", max(high - value, value - low) / 1.96)


@dataclass(frozen=True)
class Law:
    """How a reading lies about its mean.

    Attributes:
        log: whether the law is that of the logarithm.
        freedom: of Student's t; infinite for the normal law.
    """

    log: bool = False
    freedom: float = math.inf

    @property
    def words(self) -> str:
        """Name for people."""
        name = "normal" if math.isinf(self.freedom) else f"Student t with {self.freedom:.3g} degrees of freedom"
        return {"normal": "log-normal"}.get(name, f"{name}, of the logarithm") if self.log else name


def best_law(
    residuals: Callable[[bool], tuple[np.ndarray, np.ndarray]], positive: bool
) -> tuple[Law, dict[str, float]]:
    """Law with the lowest AIC.

    Args:
        residuals: from "of the logarithm?" to readings on that scale less their means, over their expected standard
            deviations, and the log Jacobian of each.
        positive: whether logarithms exist.

    Returns:
        The law, and AIC by words.
    """
    found: dict[str, float] = {}
    best, lowest = Law(), math.inf
    for log in (False, True) if positive else (False,):
        z, jacobian = residuals(log)
        plain = -2 * (stats.norm.logpdf(z) + jacobian).sum()

        def heavy(x: float, z=z, jacobian=jacobian) -> float:
            nu = math.exp(x) + 2.1
            scale = math.sqrt((nu - 2) / nu)
            return -2 * float((stats.t.logpdf(z / scale, nu) - math.log(scale) + jacobian).sum())

        tail: Any = optimize.minimize_scalar(heavy, bounds=(-3.0, 5.0), method="bounded")
        for law, aic in (
            (Law(log), float(plain)),
            (Law(log, math.exp(float(tail.x)) + 2.1), float(tail.fun) + 2),
        ):
            found[law.words] = aic
            if aic < lowest - 1e-9:
                best, lowest = law, aic
    return best, found


@dataclass(frozen=True)
class LevelModel:
    """What `predict_levels` needs.

    Attributes:
        parts: means and scatter on the scale of `law`.
        effect, variance: own part of each device and its posterior variance, ``(levels, devices)``.
        law: of the readings.
        levels: index of level of each group of `parts`.
        known: whether a device was in the fit, ``(devices,)``.
    """

    parts: Components
    effect: np.ndarray
    variance: np.ndarray
    law: Law
    levels: tuple[int, ...]

    @classmethod
    def of(cls, parts: Components, runs: Runs, devices: int, law: Law, levels: tuple[int, ...]) -> LevelModel:
        """Model after a fit."""
        effect, variance = parts.device_effects(runs, devices)
        return cls(parts, effect, variance, law, levels)


def predict_levels(model: LevelModel, data: Levels) -> Prediction:
    """Every reading from the level, the device and the reads of the same run before it."""
    group = np.full(len(data.level), -1)
    for g, level in enumerate(model.levels):
        group[data.level == level] = g
    device = np.minimum(data.device, model.effect.shape[1] - 1)
    unseen = data.device >= model.effect.shape[1]
    parts = model.parts
    mean = parts.mean[group, 0] + np.where(unseen, 0.0, model.effect[group, device])
    spread = parts.device[group, 0] ** 2
    spread = np.where(unseen, spread, model.variance[group, device]) + parts.cycle[group, 0] ** 2
    error = ((parts.mean[:, 2] - parts.mean[:, 0]) / stats.t.ppf(0.975, parts.freedom)) ** 2
    freedom = np.maximum(parts.freedom, 1.0)[group]
    read = max(float(parts.read[0]), 1e-9 * float(np.abs(parts.mean[:, 0]).max()))
    missing = (group < 0)[:, None] | ~np.isfinite(data.reading) | (model.law.log & (data.reading <= 0))
    reading = np.where(missing, np.nan, data.reading)
    y = np.log(reading) if model.law.log else reading
    expected, variance = forecast(y, mean, spread + error[group], read**2)
    return law_prediction(reading, expected, np.sqrt(variance), model.law, freedom[:, None])


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
    reading: np.ndarray, expected: np.ndarray, sd: np.ndarray, law: Law, freedom: np.ndarray | float = math.inf
) -> Prediction:
    """Bands, ranks and densities of readings.

    Args:
        expected, sd: on the scale of the law.
        freedom: of the fitted standard deviation; it widens a normal law to Student's t.
    """
    nu = np.minimum(np.broadcast_to(freedom, expected.shape), law.freedom)
    nu = np.where(np.isinf(nu), 1e9, nu)
    scale = sd * (math.sqrt((law.freedom - 2) / law.freedom) if math.isfinite(law.freedom) else 1.0)
    y = np.log(reading) if law.log else reading
    half = stats.t.ppf(0.95, nu) * scale
    back = np.exp if law.log else np.asarray
    gone = ~np.isfinite(reading)
    z = (y - expected) / scale
    density = stats.t.logpdf(z, nu) - np.log(scale) - (y if law.log else 0.0)
    made = [back(expected), back(expected - half), back(expected + half), stats.t.cdf(z, nu), density]
    return Prediction(*(np.where(gone, np.nan, values) for values in made))
