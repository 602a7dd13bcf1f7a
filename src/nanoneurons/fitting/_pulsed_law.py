"""Coordinates of a fitted pulsed device, and the way from them to the filter's law.

Everything is in a working frame, weight = (reading - centre) / scale. Own constants of a device: half the sum
(``step``) and half the difference (``tilt``) of its up and down step at shape 1 (of the exponential shape times
`Law.lift`), its bounds, and the loss of step at the bounds of the linear shape. Shared: the other shapes' constants
and the logarithms of the noises.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nanoneurons.fitting import _state_space as filters

__all__ = ["KINDS", "Law"]

KINDS = {
    "constant": filters.CONSTANT,
    "linear": filters.LINEAR,
    "soft-bounds": filters.LINEAR,
    "exponential": filters.EXPONENTIAL,
    "power": filters.POWER,
}
_SHARED = {"exponential": ("rise", "rate"), "power": ("power",)}


@dataclass(frozen=True)
class Law:
    """Which coordinates a fit has and what they mean.

    Attributes:
        shape: step shape.
        additive: whether the noise of a pulse is relative to the step at shape 1 (``noise = "pulse"``).
        log_normal: whether the step's spread is log-normal; ``step`` is then the logarithm of the gain.
        up, down: whether the data have pulses of that direction.
        high, low: fixed bounds where the data do not tell them, else None.
        write, read, cycle: value of a noise that is not estimated, else None.
        rise_up, rise_down: rise of an exponential step that is not estimated, else None.
        floor, slope: `noise_floor` and `noise_slope`, kept.
        end_high, end_low: distances from weight 0 at which the loss of a linear step is stated.
    """

    shape: str
    additive: bool
    log_normal: bool
    up: bool
    down: bool
    high: float | None = None
    low: float | None = None
    write: float | None = None
    read: float | None = None
    cycle: float | None = None
    rise_up: float | None = None
    rise_down: float | None = None
    floor: float = 0.0
    slope: float = 0.0
    end_high: float = 1.0
    end_low: float = 1.0

    @property
    def kind(self) -> int:
        """Shape as the filter numbers it."""
        return KINDS[self.shape]

    @property
    def both(self) -> bool:
        """Whether there are pulses of both directions."""
        return self.up and self.down

    @cached_property
    def own(self) -> tuple[str, ...]:
        """Names of a device's own constants."""
        names = ["step"] + ["tilt"] * self.both
        names += ["high"] * (self.high is None) + ["low"] * (self.low is None)
        if self.shape == "linear":
            names += ["bend_up"] * self.up + ["bend_down"] * self.down
        return tuple(names)

    @cached_property
    def shared(self) -> tuple[str, ...]:
        """Names of the shared coordinates."""
        names = ["less"] * (self.log_normal and self.both)
        for way in ("up",) * self.up + ("down",) * self.down:
            of_shape = [f"{name}_{way}" for name in _SHARED.get(self.shape, ())]
            names += [name for name in of_shape if getattr(self, name, None) is None]
        return tuple(names + [name for name in ("cycle", "write", "read") if getattr(self, name) is None])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All coordinates, own constants first."""
        return self.own + self.shared

    @cached_property
    def group(self) -> np.ndarray:
        """Number of the spread of each own constant; both losses of a linear step share one."""
        return np.array([self.spread_names.index("bend" if n.startswith("bend") else n) for n in self.own])

    @cached_property
    def spread_names(self) -> tuple[str, ...]:
        """Names of the spreads."""
        return tuple(dict.fromkeys("bend" if n.startswith("bend") else n for n in self.own))

    @property
    def free(self) -> np.ndarray:
        """Means that are estimated: the tilt of a log-normal law has mean 0, its shared part is ``less``."""
        return np.array([not (n == "tilt" and self.log_normal) for n in self.names])

    def index(self, name: str) -> int:
        """Column of a coordinate."""
        return self.names.index(name)

    def rise(self, x: np.ndarray, way: str) -> np.ndarray | float:
        """Logarithm of an exponential step at weight 0 over its size at shape 1, ``log(1 - A)``, estimated or held."""
        held = getattr(self, f"rise_{way}")
        return x[..., self.index(f"rise_{way}")] if held is None else held

    def lift(self, x: np.ndarray) -> np.ndarray | float:
        """Factor between ``step`` and ``tilt`` and the steps at shape 1; 1 but for the exponential shape.

        There readings show the steps at weight 0; the step at shape 1 goes to 0 where a step levels off nowhere.
        """
        if self.shape != "exponential":
            return 1.0
        ways = ["up"] * self.up + ["down"] * self.down
        return np.exp(sum(self.rise(x, way) for way in ways) / len(ways))

    def steps(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Up and down step at shape 1, from coordinates ``(..., n)``."""
        base, tilt, lift = x[..., 0], x[..., 1] if self.both else 0.0, self.lift(x)
        if not self.log_normal:
            return (base + tilt) / lift, (base - tilt) / lift
        gain, less = np.exp(base), x[..., self.index("less")] if self.both else 0.0
        return (gain + tilt - np.maximum(-less, 0)) / lift, (gain - tilt - np.maximum(less, 0)) / lift

    def constants(self, x: np.ndarray) -> np.ndarray:
        """Laws ``(..., constants)`` of the filter for coordinates ``(..., n)``."""
        out = np.zeros((*x.shape[:-1], len(filters.CONSTANTS)))
        at = {name: x[..., k] for k, name in enumerate(self.names)}
        up, down = self.steps(x)
        high, low = at.get("high", self.high), at.get("low", self.low)
        out[..., 0], out[..., 4] = np.maximum(up, 1e-12), np.maximum(down, 1e-12)
        out[..., 8], out[..., 9] = low, high
        span = out[..., 9] - out[..., 8]
        if self.shape == "soft-bounds":
            out[..., 1], out[..., 5] = -1 / out[..., 9], -1 / out[..., 8]
        elif self.shape == "linear":
            out[..., 1] = -at["bend_up"] / self.end_high if self.up else 0.0
            out[..., 5] = at["bend_down"] / self.end_low if self.down else 0.0
        elif self.shape == "exponential":
            if self.up:
                out[..., 1], out[..., 3] = 2 * at["rate_up"] / span, 1 - np.exp(self.rise(x, "up"))
            if self.down:
                out[..., 5], out[..., 7] = -2 * at["rate_down"] / span, 1 - np.exp(self.rise(x, "down"))
        elif self.shape == "power":
            out[..., 1], out[..., 2], out[..., 3] = -1 / span, out[..., 9] / span, at.get("power_up", 1.0)
            out[..., 5], out[..., 6], out[..., 7] = 1 / span, -out[..., 8] / span, at.get("power_down", 1.0)
        out[..., 10] = np.exp(at["cycle"]) if self.cycle is None else self.cycle
        out[..., 11], out[..., 12], out[..., 13] = float(self.additive), self.floor, self.slope
        out[..., 14] = np.exp(2 * at["write"]) if self.write is None else self.write**2
        out[..., 15] = np.exp(2 * at["read"]) if self.read is None else self.read**2
        return out

    def path(self, x: np.ndarray) -> np.ndarray:
        """Coordinates along which a search moves straight; the law's own but for the exponential shape.

        In their place come there the logarithm of each step at weight 0, and its relative slope there.
        """
        if self.shape != "exponential":
            return x
        out, k = x.copy(), 0
        for step, way in zip(self.steps(x), ("up", "down"), strict=True):
            if f"rate_{way}" in self.names:
                rise, rate = self.rise(x, way), x[..., self.index(f"rate_{way}")]
                out[..., k] = np.log(np.maximum(step, 1e-12)) + rise
                if f"rise_{way}" in self.names:
                    out[..., self.index(f"rise_{way}")] = (np.exp(-rise) - 1) * rate
                k += 1
        return out

    def from_path(self, p: np.ndarray) -> np.ndarray:
        """The inverse of `path`."""
        if self.shape != "exponential":
            return p
        out, found = p.copy(), []
        for way in ("up", "down"):
            if f"rate_{way}" in self.names:
                if f"rise_{way}" in self.names:
                    out[..., self.index(f"rise_{way}")] = -np.log(self._rest(p, way))
                found.append(np.exp(p[..., len(found)] - self.rise(out, way)))
        lift = self.lift(out)
        if self.both:
            up, down = (step * lift for step in found)
            less = p[..., self.index("less")] if self.log_normal else 0.0
            base = 0.5 * (up + down + np.abs(less))
            out[..., 1] = 0.5 * (up - down - less)
        else:
            base = found[0] * lift
        out[..., 0] = np.log(base) if self.log_normal else base
        return out

    def _rest(self, p: np.ndarray, way: str) -> np.ndarray:
        """Step at shape 1 relative to that at weight 0; must stay above 0."""
        rate = p[..., self.index(f"rate_{way}")]
        rate = np.where(np.abs(rate) < 1e-6, 1e-6, rate)
        return np.maximum(1 + p[..., self.index(f"rise_{way}")] / rate, 1e-3)

    def passable(self, old: np.ndarray, new: np.ndarray) -> bool:
        """Whether a move along the path keeps each exponential step's constant part positive and on its side of 1."""
        if self.shape != "exponential":
            return True
        for way in ("up", "down"):
            if f"rise_{way}" not in self.names:
                continue
            k = self.index(f"rate_{way}")
            a, b = self._rest(old, way), self._rest(new, way)
            if old[k] * new[k] <= 0 or b < 0.02 or not 0.3 * a <= b <= 3.3 * a or not 0.3 <= (b - 1) / (a - 1) <= 3.3:
                return False
        return True

    def units(self, x: np.ndarray) -> np.ndarray:
        """Natural size of each coordinate, for differences, steps and spreads, ``(n,)``, from typical coordinates."""
        typical = np.exp(x[0]) if self.log_normal else abs(x[0])
        size = {"step": 1.0 if self.log_normal else typical, "tilt": typical, "less": typical}
        size |= {"high": 1.0, "low": 1.0}
        return np.array([size.get(name, 1.0) for name in self.names])

    def bounded(self, x: np.ndarray) -> np.ndarray:
        """Coordinates with steps above 0, bounds apart, and exponents and noises in a range that can be computed."""
        x = x.copy()
        at = {name: k for k, name in enumerate(self.names)}
        if not self.log_normal:
            x[..., 0] = np.maximum(x[..., 0], 1e-9)
            if self.both:
                x[..., 1] = np.clip(x[..., 1], -0.98 * x[..., 0], 0.98 * x[..., 0])
        elif self.both:
            gain = np.exp(x[..., 0])
            less = x[..., at["less"]]
            x[..., 1] = np.clip(x[..., 1], 0.02 * gain - gain + np.maximum(-less, 0), 0.98 * gain - np.maximum(less, 0))
        for name, low, high in (
            ("rate", -8.0, 8.0),
            ("rise", -3.0, 3.9),
            ("power", 1e-3, 12.0),
            ("bend", -1.0, 20.0),
        ):
            for way in ("up", "down"):
                if f"{name}_{way}" in at:
                    k = at[f"{name}_{way}"]
                    x[..., k] = np.clip(x[..., k], low, high)
        for name in ("cycle", "write", "read"):
            if name in at:
                x[..., at[name]] = np.clip(x[..., at[name]], -16.0, 6.0)
        high = x[..., at["high"]] if "high" in at else np.float64(self.high or 0.0)
        if "low" in at:
            x[..., at["low"]] = np.minimum(x[..., at["low"]], high - 1e-3)
        if self.shape == "soft-bounds":
            if "high" in at:
                x[..., at["high"]] = np.maximum(x[..., at["high"]], 1e-3)
            if "low" in at:
                x[..., at["low"]] = np.minimum(x[..., at["low"]], -1e-3)
        return x

    def reframed(self, x: np.ndarray, centre: float, scale: float) -> tuple[Law, np.ndarray]:
        """The same law and coordinates ``(devices, n)`` in the frame ``(weight - centre) / scale``."""
        out, at = x.copy(), {name: k for k, name in enumerate(self.names)}
        c = self.constants(x)
        up, down = c[..., 0], c[..., 4]
        ways = [(up, 1), (down, 5)]
        if self.kind == filters.LINEAR:
            up, down = (step * np.maximum(1 + c[..., k] * centre, 1e-3) for step, k in ways)
            for name, k, end, sign in (("bend_up", 1, self.end_high, -1), ("bend_down", 5, self.end_low, 1)):
                if name in at:
                    out[..., at[name]] = sign * c[..., k] * scale / np.maximum(1 + c[..., k] * centre, 1e-3) * end
        held = {}
        if self.shape == "exponential":
            for way, k, e in (("up", 1, 3), ("down", 5, 7)):
                if f"rate_{way}" in at:
                    amplitude = np.mean(c[..., e] * np.exp(np.clip(c[..., k] * centre, -20, 20)))
                    rise = float(np.log1p(-min(float(amplitude), 0.95)))
                    if f"rise_{way}" in at:
                        out[..., at[f"rise_{way}"]] = rise
                    else:
                        held[f"rise_{way}"] = rise
        law = replace(self, **held)
        before, after = self.lift(x), law.lift(out)
        up, down = up / scale * after, down / scale * after
        if self.log_normal and self.both:
            less = x[..., at["less"]] / scale * after / before
            out[..., at["less"]] = less
            half = 0.5 * (up + down + np.abs(less))
            out[..., 0] = np.log(np.maximum(half, 1e-9))
            out[..., 1] = 0.5 * (up - down - less)
        elif self.both:
            out[..., 0], out[..., 1] = 0.5 * (up + down), 0.5 * (up - down)
        else:
            step = up if self.up else down
            out[..., 0] = np.log(np.maximum(step, 1e-9)) if self.log_normal else step
        for name in ("high", "low"):
            if name in at:
                out[..., at[name]] = (x[..., at[name]] - centre) / scale
        for name in ("write", "read"):
            if name in at:
                out[..., at[name]] = x[..., at[name]] - np.log(scale)
        fixed = {
            "high": None if self.high is None else (self.high - centre) / scale,
            "low": None if self.low is None else (self.low - centre) / scale,
            "write": None if self.write is None else self.write / scale,
            "read": None if self.read is None else self.read / scale,
        }
        return replace(law, **fixed), out
