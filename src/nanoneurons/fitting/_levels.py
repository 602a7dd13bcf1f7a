r"""Programmed levels: what is dead, what lies far off, and what the next reading will be.

A device that reads nothing at every programming counts as dead. Readings beyond ten robust standard deviations (1.4826
times the median distance from the median) of their level are set aside and counted.

The next reading of a run is predicted from the mean of its level, the device's own part as far as it is known, and the
reads of the same run before it (a Kalman filter of one constant). The law is normal or Student's t, of the reading or
of its logarithm, or the own distribution of the readings, smoothed, whichever has the lowest AIC (for the smoothed one,
twice the cross-validated loss).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, stats

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting import _intervals as intervals
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
    "stuck_devices",
    "within",
]

_FAR = 10.0
_WINDOW = 0.25  # of the usual distance of two levels; a device that moves less is stuck


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


def stuck_devices(y: np.ndarray, data: Levels, upper: int, lower: int) -> tuple[np.ndarray, np.ndarray]:
    """Devices whose two levels differ by less than a quarter of the usual, and which of them lie nearer the upper one.

    Args:
        y: readings on the scale to compare them on.
        upper, lower: the level of the larger and of the smaller readings.

    Returns:
        Both ``(devices,)``; no device counts as stuck that lacks one of the levels.
    """
    devices = len(data.devices)
    centre = np.full((2, devices), np.nan)
    for k, level in enumerate((upper, lower)):
        for d in np.unique(data.device[data.level == level]):
            values = y[(data.level == level) & (data.device == d)]
            if np.isfinite(values).any():
                centre[k, d] = np.nanmedian(values)
    difference = centre[0] - centre[1]
    both = np.isfinite(difference)
    if not both.any():
        return np.zeros(devices, bool), np.zeros(devices, bool)
    stuck = both & (np.nan_to_num(difference) < _WINDOW * np.median(difference[both]))
    if not (both & ~stuck).any():
        return stuck, np.zeros(devices, bool)
    middle = 0.5 * (np.median(centre[0, both & ~stuck]) + np.median(centre[1, both & ~stuck]))
    return stuck, stuck & (np.nan_to_num(0.5 * (centre[0] + centre[1])) > middle)


def share(count: int, total: int) -> tuple[float, float, float]:
    """A share with its 95 % interval, see `_intervals.share`."""
    found = intervals.share("", count, total)
    return found.value, found.low, found.high


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


def within(device: MemoryDevice, estimate: Estimate) -> Estimate:
    """Estimate with its value and its interval kept in the declared range of the parameter."""
    declared = device.parameter(estimate.name)
    low = -math.inf if declared.low is None else declared.low
    high = math.inf if declared.high is None else declared.high
    value, bottom, top = (min(max(v, low), high) for v in (estimate.value, estimate.low, estimate.high))
    return replace(estimate, value=value, low=bottom, high=top)


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


@dataclass(frozen=True)
class LevelModel:
    """What `predict_levels` needs.

    Attributes:
        levels: index of level of each group.
        laws: of the readings of each group.
        parts: means and scatter by "of the logarithm?".
        effects: own part of each device and its posterior variance, ``(groups, devices)`` each, likewise.
        dead: devices that are not predicted, ``(devices,)``.
    """

    levels: tuple[int, ...]
    laws: tuple[Law, ...]
    parts: dict[bool, Components]
    effects: dict[bool, tuple[np.ndarray, np.ndarray]]
    dead: np.ndarray

    @classmethod
    def of(
        cls, levels: tuple[int, ...], laws: tuple[Law, ...], fits: dict[bool, tuple[Components, Runs]], dead: np.ndarray
    ) -> LevelModel:
        """Model after fits of the readings, of their logarithms or of both."""
        parts = {log: one for log, (one, _) in fits.items()}
        return cls(
            levels, laws, parts, {log: one.device_effects(runs, len(dead)) for log, (one, runs) in fits.items()}, dead
        )


def predict_levels(model: LevelModel, data: Levels) -> Prediction:
    """Every reading from the level, the device and the reads of the same run before it.

    Dead devices, and readings of nothing, are not predicted: the share of stuck devices speaks of them.
    """
    devices = len(model.dead)
    seen = data.device < devices
    device = np.minimum(data.device, devices - 1)
    shown = np.where(np.isfinite(data.reading) & ~(seen & model.dead[device])[:, None], data.reading, np.nan)
    if data.unit == "S":
        shown = np.where(shown > 0, shown, np.nan)
    out = [np.full(data.reading.shape, np.nan) for _ in range(5)]
    for g, (level, law) in enumerate(zip(model.levels, model.laws, strict=True)):
        ours = np.flatnonzero(data.level == level)
        parts, (effect, posterior) = model.parts[law.log], model.effects[law.log]
        mean = parts.mean[g, 0] + np.where(seen[ours], effect[g, device[ours]], 0.0)
        own = np.where(seen[ours], posterior[g, device[ours]], parts.device[g, 0] ** 2)
        error = ((parts.mean[g, 2] - parts.mean[g, 0]) / stats.t.ppf(0.975, parts.freedom[g])) ** 2
        read = max(float(parts.read[0]), 1e-9 * float(np.abs(parts.mean[:, 0]).max()))
        reading = np.where(shown[ours] > 0, shown[ours], np.nan) if law.log else shown[ours]
        y = np.log(reading) if law.log else reading
        expected, variance = forecast(y, mean, own + parts.cycle[g, 0] ** 2 + error, read**2)
        sd = np.sqrt(variance)
        again = np.cumsum(np.isfinite(y), axis=1) - np.isfinite(y) > 0  # known but for read noise
        for chosen, whose in ((~again, law), (again, Law(law.log))):
            made = law_prediction(np.where(chosen, reading, np.nan), expected, sd, whose, float(parts.freedom[g]))
            for whole, part in zip(out, vars(made).values(), strict=True):
                whole[ours] = np.where(chosen, part, whole[ours])
    return Prediction(*out)


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
