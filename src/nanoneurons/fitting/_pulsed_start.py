"""Where the search for a pulsed device starts: dead devices, bounds, step profile and noise by moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from nanoneurons.fitting import _state_space as filters
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_readings import Events

__all__ = ["Summary", "dead_devices", "starting_point", "summary"]

_BINS = 10
_UNMOVED = 2.0
_DEAD_SHARE, _FAINT_SHARE, _SIGNIFICANT = 0.05, 0.2, 3.3


@dataclass(frozen=True)
class Summary:
    """Increments of the readings and the range of each device; arrays per increment but for `low` and `high`."""

    event: np.ndarray
    owner: np.ndarray
    pulses: np.ndarray
    change: np.ndarray
    middle: np.ndarray
    low: np.ndarray
    high: np.ndarray


def summary(events: Events) -> Summary:
    """Increments between successive readings of a run, and the ends of each device's range.

    An end is the highest mean of eight successive readings (the lowest), which averages the noise of one reading.
    """
    owner, devices = events.device, len(events.start) - 1
    seen = events.count > 0
    t = np.flatnonzero(seen[1:] & seen[:-1] & (events.first[1:] == 0)) + 1
    low, high = np.full(devices, np.nan), np.full(devices, np.nan)
    for i in range(devices):
        y = events.y[events.start[i] : events.start[i + 1]][seen[events.start[i] : events.start[i + 1]]]
        if len(y):
            width = max(min(8, len(y) // 8), 1)
            mean = np.convolve(y, np.ones(width) / width, mode="valid")
            low[i], high[i] = mean.min(), mean.max()
    return Summary(
        t, owner[t], events.pulses[t], events.y[t] - events.y[t - 1], 0.5 * (events.y[t] + events.y[t - 1]), low, high
    )


def dead_devices(events: Events) -> np.ndarray:
    """Devices that no pulse moves.

    The readings are regressed on a ramp that rises with every up pulse and falls with every down pulse within
    limits. A device is dead where the ramp explains less than 5 % of what it does for the median device, or less
    than 20 % and not significantly (|t| < 3.3); all are where the median device's |t| is below 2.
    """
    devices = len(events.start) - 1
    swing, t_value = np.full(devices, np.nan), np.full(devices, np.nan)
    for i in range(devices):
        part = slice(events.start[i], events.start[i + 1])
        seen = events.count[part] > 0
        if seen.sum() < 4:
            continue
        first, pulses = events.first[part] != 0, events.pulses[part]
        run = np.cumsum(first)
        limit = max(int(np.abs(pulses).sum() // (2 * max(run[-1], 1))), 1)
        ramp = _ramp(first, pulses, min(limit, _longest(pulses)))[seen]
        y = events.y[part][seen]
        ramp, y = ramp - ramp.mean(), y - y.mean()
        power = ramp @ ramp
        if power <= 0:
            continue
        slope = (ramp @ y) / power
        rest = y - slope * ramp
        swing[i] = slope * np.sqrt(power / len(y))
        error = np.sqrt((rest @ rest) / max(len(y) - 2, 1) / power)
        t_value[i] = slope / error if error > 0 else np.copysign(np.inf, slope) if slope else 0.0
    known = np.isfinite(swing)
    if not known.any():
        return np.zeros(devices, bool)
    if np.median(np.abs(t_value[known])) < _UNMOVED:
        return known
    share = np.abs(swing) / max(float(np.median(np.abs(swing[known]))), 1e-300)
    with np.errstate(invalid="ignore"):
        return known & ((share < _DEAD_SHARE) | ((share < _FAINT_SHARE) & (np.abs(t_value) < _SIGNIFICANT)))


def _longest(pulses: np.ndarray) -> int:
    """Pulses in the longest train of one sign."""
    sign = np.sign(pulses)
    blocks = np.cumsum(np.r_[True, sign[1:] != sign[:-1]])
    return max(int(np.bincount(blocks, weights=np.abs(pulses)).max()), 1)


def _ramp(first: np.ndarray, pulses: np.ndarray, limit: int) -> np.ndarray:
    at, out = 0.0, np.empty(len(pulses))
    for t, (begins, n) in enumerate(zip(first, pulses, strict=True)):
        at = 0.0 if begins else min(max(at + n, -limit), limit)
        out[t] = at
    return out


def _profile(s: Summary, up: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Place between the bounds, mean change per pulse in units of the range, and number of pulses, by bin."""
    span = np.maximum(s.high - s.low, 1e-12)[s.owner]
    chosen = (s.pulses > 0) if up else (s.pulses < 0)
    place = (s.middle - s.low[s.owner])[chosen] / span[chosen]
    bins = np.clip((place * _BINS).astype(int), 0, _BINS - 1)
    number = np.bincount(bins, weights=np.abs(s.pulses[chosen]), minlength=_BINS)
    change = np.bincount(bins, weights=(s.change / span)[chosen], minlength=_BINS)
    where = np.bincount(bins, weights=place * np.abs(s.pulses[chosen]), minlength=_BINS)
    used = number > 0
    return where[used] / number[used], change[used] / number[used] * (1 if up else -1), number[used]


def _shape_start(law: Law, s: Summary, low: float, high: float, bent: dict[str, bool]) -> dict[str, float]:
    """Step and shape constants of the mean device, by least squares on the profiles, in the working frame."""
    found: dict[str, float] = {}
    for up in (True,) * law.up + (False,) * law.down:
        place, size, number = _profile(s, up)
        number = (
            np.where((place > 0.85) if up else (place < 0.15), 1e-3, 1.0) * number
        )  # the bound's part, not the step's
        w, weight = low + (high - low) * place, np.sqrt(number / number.sum())
        size = size * (high - low)
        level = max(float(np.sum(size * number) / number.sum()), 1e-3 * (high - low) / max(number.sum(), 1))
        way, best = "up" if up else "down", None
        reach = _reach(law.shape, bent.get(way, True))
        for start in _guesses(law.shape, bent.get(way, True)):

            def cost(p, w=w, size=size, weight=weight, up=up, level=level):
                height = np.exp(np.clip(p[0], -5, 5)) * _height(law.shape, up, w, low, high, p[1:])
                tame = 0.02 * p[-1] if len(p) > 1 else 0.0  # no extreme exponent on the word of a few readings
                return np.append(weight * (height - size / level), tame)

            bounds = ([-5.0, *(a for a, _ in reach)], [5.0, *(b for _, b in reach)])
            at = least_squares(cost, [0.0, *start], bounds=bounds, max_nfev=100)
            if best is None or at.cost < best.cost:
                best = at
        assert best is not None
        found[f"step_{way}"] = level * float(np.exp(np.clip(best.x[0], -5, 5)))
        for name, value in zip(_names(law.shape), best.x[1:], strict=True):
            found[f"{name}_{way}"] = float(value)
    return found


def _names(shape: str) -> tuple[str, ...]:
    return {"linear": ("bend",), "exponential": ("amp", "rate"), "power": ("power",)}.get(shape, ())


def _guesses(shape: str, bent: bool) -> list[tuple[float, ...]]:
    if shape == "exponential":
        return [(-0.2, -1.8), (-1.0, -1.8)] if bent else [(0.2, 1.8), (0.05, 1.8)]
    return [{"linear": (0.3,), "power": (1.0,)}.get(shape, ())]


def _reach(shape: str, bent: bool) -> list[tuple[float, float]]:
    if shape == "exponential":  # a step that falls fast at first, or one that falls fast at the end
        return [(-3.0, -0.03), (-1.9, -1.7)] if bent else [(0.02, 0.6), (1.7, 1.9)]
    return {"linear": [(0.0, 5.0)], "power": [(0.02, 6.0)]}.get(shape, [])


def _height(shape: str, up: bool, w: np.ndarray, low: float, high: float, p: np.ndarray) -> np.ndarray:
    d = 1.0 if up else -1.0
    if shape == "linear":
        return np.maximum(1 - d * p[0] * w, 0)
    if shape == "soft-bounds":
        return np.maximum(1 - w / (high if up else low), 0)
    if shape == "exponential":
        return np.maximum(1 - p[0] * np.exp(np.clip(d * p[1] * 2 * w / (high - low), -20, 20)), 0)
    if shape == "power":
        rest = (high - w if up else w - low) / (high - low)
        return np.maximum(rest, 1e-6) ** np.clip(p[0], 0, 10)
    return np.ones_like(w)


def starting_point(
    law: Law, events: Events, bent: tuple[bool, bool] = (True, True), pad: float | None = None, quiet: float = 1.0
) -> np.ndarray:
    """Coordinates ``(devices, n)`` to start from, in the working frame of the events.

    Args:
        bent: an exponential step has two forms, of which it chooses one for each direction: it falls fast at first, or
            fast at the end.
        pad: how far the bounds lie beyond the range seen, as a share of it; None is the shape's usual one.
        quiet: factor of the cycle-to-cycle noise.
    """
    s = summary(events)
    width = np.maximum(s.high - s.low, 1e-6)
    if pad is None:
        pad = 0.05 if law.shape in ("power", "soft-bounds") else 0.0
    lows, highs = s.low - pad * width, s.high + pad * width
    low, high = float(np.median(lows)), float(np.median(highs))
    if law.shape == "soft-bounds":
        low, high = min(low, -0.05 * float(np.median(width))), max(high, 0.05 * float(np.median(width)))
        lows, highs = np.minimum(lows, 0.3 * low), np.maximum(highs, 0.3 * high)
    shape = _shape_start(law, s, low, high, {"up": bent[0], "down": bent[1]})
    mean = _mean_changes(law, s, shape, lows, highs)
    devices = len(events.start) - 1
    gain = np.ones((2, devices))
    for k, chosen in enumerate((s.pulses > 0, s.pulses < 0)):
        inside = chosen & (np.abs(s.middle - 0.5 * (lows + highs)[s.owner]) < 0.35 * width[s.owner])
        moved = np.bincount(s.owner[inside], weights=s.change[inside], minlength=devices)
        wanted = np.bincount(s.owner[inside], weights=mean[inside], minlength=devices)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = moved / wanted
        gain[k] = np.clip(np.where(np.isfinite(ratio), ratio, 1.0), 0.25, 4.0)
    rest = (
        s.change - mean * np.where(s.pulses > 0, gain[0], gain[1])[s.owner]
        if devices == 1
        else (s.change - mean * np.where(s.pulses > 0, gain[0][s.owner], gain[1][s.owner]))
    )
    cycle, visible = _noise(law, s, rest, mean, shape)
    up, down = shape.get("step_up", 0.0) * gain[0], shape.get("step_down", 0.0) * gain[1]
    if law.both:
        base, tilt = 0.5 * (up + down), 0.5 * (up - down)
    else:
        base, tilt = (up if law.up else down), np.zeros(devices)
    less = 2 * float(np.median(tilt))
    at = {"high": highs, "low": lows, "cycle": np.log(quiet * cycle), "less": less}
    at["step"] = np.log(np.maximum(base + abs(less) / 2 * law.both, 1e-9)) if law.log_normal else base
    at["tilt"] = tilt - less / 2 if law.log_normal else tilt
    again, scatter = events.again.sum(), events.scatter.sum()
    read = np.sqrt(scatter / again) if again > 0 and scatter > 0 else 0.0
    at["read"] = np.log(max(read, 1e-6))
    at["write"] = 0.5 * np.log(max(visible**2 - read**2, 0.05 * visible**2, 1e-12))
    for name in law.names:
        if name.startswith("bend"):
            end = law.end_high if name.endswith("up") else law.end_low
            at[name] = max(shape[name] * end, 0.01)
        elif name in shape:
            at[name] = shape[name]
    if law.shape == "exponential":
        rises = [float(np.log1p(-min(shape[f"amp_{way}"], 0.95))) for way in ("up",) * law.up + ("down",) * law.down]
        lift = float(np.exp(np.mean(rises)))
        at |= dict(zip([f"rise_{way}" for way in ("up",) * law.up + ("down",) * law.down], rises, strict=True))
        at["step"] = at["step"] + np.log(lift) if law.log_normal else at["step"] * lift
        at["tilt"], at["less"] = at["tilt"] * lift, at["less"] * lift
    x = np.stack([np.broadcast_to(np.asarray(at[name], dtype=float), (devices,)) for name in law.names], axis=1)
    return law.bounded(x)


def _mean_changes(law: Law, s: Summary, shape: dict[str, float], lows: np.ndarray, highs: np.ndarray) -> np.ndarray:
    """Change that the mean device would show in place of each increment, scaled to the device's range."""
    low, high = float(np.median(lows)), float(np.median(highs))
    place = (s.middle - lows[s.owner]) / (highs - lows)[s.owner]
    w = low + (high - low) * np.clip(place, 0, 1)
    out = np.zeros(len(w))
    for up in (True,) * law.up + (False,) * law.down:
        way, chosen = ("up", s.pulses > 0) if up else ("down", s.pulses < 0)
        p = np.array([shape[f"{name}_{way}"] for name in _names(law.shape)])
        out[chosen] = (shape[f"step_{way}"] * s.pulses * _height(law.shape, up, w, low, high, p))[chosen]
    return out


def _noise(law: Law, s: Summary, rest: np.ndarray, mean: np.ndarray, shape: dict[str, float]) -> tuple[float, float]:
    """Cycle-to-cycle noise relative to the step, and noise of the visible weight, by moments of the increments."""
    follows = np.flatnonzero(s.event[1:] == s.event[:-1] + 1)
    products = -rest[follows] * rest[follows + 1]
    squares = rest**2
    devices = len(s.low)
    number = np.maximum(np.bincount(s.owner, minlength=devices), 1)
    total = np.bincount(s.owner, weights=squares, minlength=devices) / number
    pairs = np.maximum(np.bincount(s.owner[follows], minlength=devices), 1)
    shared = np.bincount(s.owner[follows], weights=products, minlength=devices) / pairs
    some = np.bincount(s.owner, minlength=devices) > 3
    visible2 = float(np.median(np.clip(shared, 0.01 * total, 0.49 * total)[some])) if some.any() else 1e-6
    if law.kind == filters.CONSTANT or law.additive:
        size2 = np.abs(s.pulses) * np.where(s.pulses > 0, shape.get("step_up", 0), shape.get("step_down", 0)) ** 2
    else:
        size2 = mean**2 / np.maximum(np.abs(s.pulses), 1)
    per = np.bincount(s.owner, weights=size2, minlength=devices) / number
    rest2 = float(np.median(total[some])) - 2 * visible2 if some.any() else 1e-6
    rest2 = max(rest2, 0.05 * float(np.median(total[some])) if some.any() else 1e-6)
    cycle = np.sqrt(rest2 / max(float(np.median(per[some])) if some.any() else 1.0, 1e-18))
    return float(np.clip(cycle, 0.02, 30.0)), float(np.sqrt(max(visible2, 1e-14)))
