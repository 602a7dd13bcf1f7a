r"""Programmed levels: what is dead, what lies far off, and what the next reading will be.

A device that reads nothing at every programming counts as dead. Readings beyond ten robust standard deviations (1.4826
times the median distance from the median) of their level are set aside and counted.

The next reading of a run is predicted from the mean of its level, the device's own part as far as it is known, and the
reads of the same run before it (a Kalman filter of one constant), with the law of `_level_laws` that suits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting import _intervals as intervals
from nanoneurons.fitting._fitter import Estimate, Prediction, Scale
from nanoneurons.fitting._level_laws import Law, forecast, law_prediction
from nanoneurons.fitting._variance import Components, Runs
from nanoneurons.measurements import Levels

__all__ = [
    "Clean",
    "LevelModel",
    "clean",
    "count_words",
    "estimate_of",
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
