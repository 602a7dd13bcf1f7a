"""How readings become weights of a graded device: from the levels at the ends of its range, or from one state."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._fitter import Estimate
from nanoneurons.fitting._levels import estimate_of

__all__ = ["Range", "Row", "middle", "range_of", "scaled", "to_conductance"]

Row = tuple[float, float, float]


@dataclass(frozen=True)
class Range:
    """How readings become weights of a device: ``reading = offset + factor * weight``.

    Attributes:
        factor: reading per weight.
        error: relative error of `factor`.
        offset: reading at weight 0.
        values: parameters that follow, by name.
        rows: of these, the ones with an interval.
        fixed, kept: reasons.
        cross: correlation of the errors of the two rows.
    """

    factor: float
    error: float
    offset: float
    values: Mapping[str, float]
    rows: tuple[tuple[str, Row], ...]
    fixed: Mapping[str, str]
    kept: Mapping[str, str]
    cross: float = 0.0


def range_of(base: Any, low: Row, high: Row, unit: str) -> Range:
    """Range of the device from the means of the lowest and the highest level, with their intervals."""
    span = high[0] - low[0]
    if span <= 0:
        raise DataError("levels: the lowest and the highest level have the same mean; there is no range")
    half_low, half_high = low[2] - low[0], high[2] - high[0]
    wide = math.hypot(half_low, half_high)
    error = wide / 1.96 / span
    bottom, top = _bounds(base)
    factor = span / (top - bottom)
    word = "the lowest and the highest level are taken as the bounds of the device"
    if unit == "1":
        if hasattr(base, "w_min") and low[0] < 0 < high[0]:
            return Range(
                1.0,
                0.0,
                0.0,
                {},
                (("w_min", low), ("w_max", high)),
                {},
                _unscaled("readings without a unit are weights"),
            )
        return Range(
            factor,
            error,
            low[0] - bottom * factor,
            {},
            (),
            {},
            _unscaled(f"{word}; readings without a unit tell no conductance"),
        )
    if hasattr(base, "unit_conductance"):
        zero = low[0] - bottom * factor
        lean = -bottom / (top - bottom)
        half = math.hypot(half_low * (1 - lean), half_high * lean)
        rows = (
            ("zero_conductance", (zero, zero - half, zero + half)),
            ("unit_conductance", (factor, factor - wide / (top - bottom), factor + wide / (top - bottom))),
        )
        fixed = {"w_min": word, "w_max": word} if hasattr(base, "w_min") else {}
        cross = (lean * half_high**2 - (1 - lean) * half_low**2) / (half * wide) if half else 0.0
        return Range(factor, error, zero, {}, rows, fixed, {}, cross)
    if low[1] <= 0:
        raise DataError("levels: the lowest level is not clearly above zero; there is no ratio of conductances")
    wide = math.hypot(half_low / low[0], half_high / high[0])
    ratio = high[0] / low[0]
    rows = (("conductance_high", high), ("on_off_ratio", (ratio, ratio * math.exp(-wide), ratio * math.exp(wide))))
    return Range(factor, error, low[0], {}, rows, {}, {}, half_high / high[0] / wide if wide else 0.0)


def middle(base: Any, mean: float, unit: str) -> Range:
    """Scale of readings of one state: that of the device if it fits, else one with the reading in mid-range."""
    low, high = base.conductance_range()
    bottom, top = _bounds(base)
    if unit == "S" and 0.5 * low <= mean <= 2 * high:
        return Range((high - low) / (top - bottom), 0.0, 0.0, {}, (), {}, {})
    if unit == "1" and abs(mean) <= 2 * max(abs(bottom), abs(top)):
        return Range(1.0, 0.0, 0.0, {}, (), {}, {})
    ratio = abs(mean) / (0.5 * (low + high))
    if ratio == 0:
        raise DataError("noise: the mean reading is zero; there is no scale for the noise")
    factor = ratio * (high - low) / (top - bottom)
    word = "one state tells no range; it is scaled so that the mean reading lies in the middle"
    if unit == "1":
        return Range(factor, 0.0, ratio * low - factor * bottom, {}, (), {}, _unscaled(word))
    names = ("zero_conductance", "unit_conductance") if hasattr(base, "unit_conductance") else ("conductance_high",)
    return Range(factor, 0.0, 0.0, {n: getattr(base, n) * ratio for n in names}, (), dict.fromkeys(names, word), {})


def to_conductance(scale: Range, device: Any, unit: str) -> tuple[float, float] | None:
    """Offset and slope of readings without unit over the conductance of the fitted device."""
    if unit == "S":
        return None
    low, high = device.conductance_range()
    bottom, top = _bounds(device)
    slope = scale.factor * (top - bottom) / (high - low)
    return scale.offset + scale.factor * bottom - slope * low, slope


def _bounds(base: Any) -> tuple[float, float]:
    """Weights at the ends of the device's range."""
    if not hasattr(base, "unit_conductance"):
        return 0.0, 1.0
    low, high = base.conductance_range()
    return (low - base.zero_conductance) / base.unit_conductance, (high - base.zero_conductance) / base.unit_conductance


def _unscaled(word: str) -> dict[str, str]:
    names = ("zero_conductance", "unit_conductance", "conductance_high", "on_off_ratio")
    return {name: f"{word}; the default is kept" for name in names}


def scaled(name: str, row: tuple[float, ...], scale: Range, per: float = 1.0) -> Estimate:
    """Estimate of a standard deviation in weights, the error of the range included."""
    value, low, high = (v / scale.factor / per for v in row)
    if low > 0 and scale.error:
        down, up = (
            math.hypot(math.log(value / low), 1.96 * scale.error),
            math.hypot(math.log(high / value), 1.96 * scale.error),
        )
        low, high = value * math.exp(-down), value * math.exp(up)
    return estimate_of(name, (value, low, high))
