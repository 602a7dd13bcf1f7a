"""From a finished search to a device's parameters, their intervals and what the data do not tell."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import minimize
from scipy.special import chdtri, log_ndtr, logsumexp, ndtr, ndtri, stdtrit

from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting._fitter import Estimate, Scale
from nanoneurons.fitting._intervals import differences, freedom_of, spread_limits, wald
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point

__all__ = ["Outcome", "even", "frame_of", "fresh_weights", "outcome", "scales_of", "told_of", "values_of"]

_LINEAR = {"up_down", "initial_mean", "zero_conductance", "gamma_up", "gamma_down"}
_FAINT = 0.35  # standard error of a log spread above which its interval is read off the profile


def frame_of(law: Law, at: dict[str, float], one_sided: bool) -> tuple[float, float]:
    """Centre and scale of the frame in which the mean bounds are -1 and +1, or 0 and 1 for one-sided devices."""
    high = at["high"] if law.high is None else law.high
    low = at["low"] if law.low is None else law.low
    return (low, high - low) if one_sided else (0.5 * (high + low), 0.5 * (high - low))


@dataclass
class Outcome:
    """Parameters of the device, estimates among them and their correlation."""

    values: dict[str, float]
    beta: np.ndarray
    spread: np.ndarray
    log_normal: bool
    estimates: list[Estimate] = field(default_factory=list)
    correlation: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))


@dataclass(frozen=True)
class _Start:
    """Weights of fresh devices: mean and log spread with covariance, in the working frame."""

    mean: float
    log_spread: float
    errors: tuple[float, float]
    number: int


def values_of(
    law: Law, raw: dict[str, float], base: Pulsed, free: bool, frame: tuple[float, float]
) -> dict[str, float]:
    """Parameters of the device from means, log spreads (``s_``) and fresh weights (``first``) of the working frame."""
    high = raw["high"] if law.high is None else law.high
    low = raw["low"] if law.low is None else law.low
    one_sided = base.sided == "one-sided"
    held = {"up": law.rise_up, "down": law.rise_down}
    rises = {way: float(raw.get(f"rise_{way}", held[way] or 0.0)) for way in held if f"rate_{way}" in raw}
    if rises:  # steps of this shape are lifted, see `Law.lift`
        log_lift = sum(rises.values()) / len(rises)
        raw = dict(raw)
        raw["step"] = raw["step"] - log_lift if law.log_normal else raw["step"] * np.exp(-log_lift)
        raw |= {name: raw[name] * np.exp(-log_lift) for name in ("tilt", "less") if name in raw}
        lifted = ["s_tilt"] if law.log_normal else ["s_tilt", "s_step"]
        raw |= {name: raw[name] - log_lift for name in lifted if name in raw}
    c, e = frame_of(law, raw, one_sided) if free else (0.0, 1.0)
    out: dict[str, float] = {"w_max": (high - c) / e, "w_min": (low - c) / e}
    bend = {way: 0.0 for way in ("up", "down")}
    if law.shape == "linear":
        if law.up:
            bend["up"] = -raw["bend_up"] / law.end_high
        if law.down:
            bend["down"] = raw["bend_down"] / law.end_low
    elif law.shape == "soft-bounds":
        bend = {"up": -1 / high, "down": -1 / low if low else 0.0}
    factor = {way: (1 + slope * c) / e for way, slope in bend.items()}
    if law.log_normal:
        gain, less = np.exp(raw["step"]), raw["less"] if law.both else 0.0
        up, down = (gain - max(-less, 0)) * factor["up"], (gain - max(less, 0)) * factor["down"]
    else:
        tilt = raw["tilt"] if law.both else 0.0
        up, down = (raw["step"] + tilt) * factor["up"], (raw["step"] - tilt) * factor["down"]
    if law.both:
        step = max(up, down)
        out["up_down"] = (up - down) / step
        spread_of = step * e
    else:
        less = max(-base.up_down, 0.0) if law.up else max(base.up_down, 0.0)
        step = (up if law.up else down) / (1 - less)
        spread_of = step * e
    out["pulse_step"] = step
    if law.shape == "linear":
        for way, end, sign in (("up", out["w_max"], -1), ("down", out["w_min"], -1)):
            if bend[way]:
                out[f"gamma_{way}"] = sign * bend[way] / factor[way] * end
    elif law.shape == "exponential":
        for way, sign in (("up", 1.0), ("down", -1.0)):
            if f"rate_{way}" in raw:
                rate = raw[f"rate_{way}"]
                amplitude = 1 - np.exp(rises[way])
                gamma = rate / base.exp_a
                shift = np.exp(sign * (rate * 2 * c / (high - low) - gamma * base.exp_b))
                out[f"gamma_{way}"], out[f"exp_{way}"] = gamma, amplitude * shift
    elif law.shape == "power":
        out |= {f"gamma_{way}": raw[f"power_{way}"] for way in ("up", "down") if f"power_{way}" in raw}
    if "cycle" in raw:
        out["cycle_spread"] = np.exp(raw["cycle"])
    if "write" in raw:
        out["write_noise"] = np.exp(raw["write"]) / spread_of
    if "read" in raw:
        out["read_noise"] = np.exp(raw["read"]) / e
    if "s_step" in raw:
        relative = np.exp(raw["s_step"]) / (1.0 if law.log_normal else spread_of)
        rest = 0.0 if law.both else base.up_down_spread
        out["step_spread"] = np.sqrt(max(relative**2 - rest**2, 1e-12))
    if "s_tilt" in raw:
        out["up_down_spread"] = np.exp(raw["s_tilt"]) / spread_of
    if "s_high" in raw:
        out["w_max_spread"] = np.exp(raw["s_high"]) / e / abs(out["w_max"])
    if "s_low" in raw:
        out["w_min_spread"] = np.exp(raw["s_low"]) / e / abs(out["w_min"])
    if "s_bend" in raw:
        out["gamma_spread"] = np.exp(raw["s_bend"]) * e
    if "first" in raw:
        out["initial_mean"] = (raw["first"] - c) / e
    if "s_first" in raw:
        out["initial_spread"] = np.exp(raw["s_first"]) / e
    if free:
        out["zero_conductance"], out["unit_conductance"] = frame[0] + frame[1] * c, frame[1] * e
    return out


def _fresh(point: Point) -> _Start | None:
    """Mean and spread of the weight of fresh devices, from first readings that pulses have not touched."""
    events, law = point.events, point.law
    fresh = np.flatnonzero((events.first == 1) & (events.count > 0))
    if not len(fresh):
        return None
    owner = events.device[fresh]
    constants = law.constants(point.x)[owner]
    y, noise2 = events.y[fresh], constants[:, 15] / events.count[fresh] + 1e-10
    low, high = constants[:, 8], constants[:, 9]
    if len(fresh) == 1:
        return _Start(float(y[0]), np.nan, (float(np.sqrt(noise2[0])), np.nan), 1)

    def cost(p: np.ndarray) -> float:
        m, v = p[0], np.exp(2 * p[1])
        total, s, n = v + noise2, np.exp(p[1]), np.sqrt(noise2)
        post, mean = np.sqrt(v * noise2 / total), m + v / total * (y - m)
        inside = np.maximum(ndtr((high - mean) / post) - ndtr((low - mean) / post), 1e-300)
        parts = [
            -0.5 * (y - m) ** 2 / total - 0.5 * np.log(total) + np.log(inside),
            log_ndtr((low - m) / s) - 0.5 * ((y - low) / n) ** 2 - np.log(n),
            log_ndtr((m - high) / s) - 0.5 * ((y - high) / n) ** 2 - np.log(n),
        ]
        return -float(np.sum(logsumexp(parts, axis=0)))

    start = np.array([y.mean(), np.log(max(np.sqrt(max(y.var() - noise2.mean(), 0.0)), 1e-4))])
    best = minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-7, "maxiter": 2000})
    p, number = best.x, len(fresh)
    steps = np.array([0.02 * np.exp(p[1]), 0.02])
    hessian = np.empty((2, 2))
    for a in range(2):
        for b in range(2):
            da, db = np.eye(2)[a] * steps[a], np.eye(2)[b] * steps[b]
            corner = cost(p + da + db) - cost(p + da - db) - cost(p - da + db) + cost(p - da - db)
            hessian[a, b] = corner / (4 * steps[a] * steps[b])
    factor = number / (number - 1)  # the mean is estimated too
    errors = np.sqrt(np.diag(np.linalg.pinv(hessian)).clip(min=1e-300) * factor)
    return _Start(float(p[0]), float(p[1] + 0.5 * np.log(factor)), (float(errors[0]), float(errors[1])), number)


def outcome(point: Point, base: Pulsed, free: bool) -> Outcome:
    """Values, estimates with intervals and their correlation; nothing is said of what the law holds fixed."""
    law, mixed, own = point.law, point.mixed, len(point.law.own)
    single = len(point.x) == 1
    names = [n for n, f in zip(law.names, law.free, strict=True) if f]
    keep = [law.index(n) for n in names]
    at, covariance = mixed.beta[keep], mixed.covariance[np.ix_(keep, keep)]
    freedoms = [mixed.freedom(k) if k < own and not single else np.inf for k in keep]
    at, names, blocks = list(at), list(names), [covariance]
    limits: dict[str, tuple[float, float]] = {}
    if not single:
        for k, name in enumerate(law.spread_names):
            unit = mixed.quadratics.unit[list(law.group).index(k)]
            error = float(mixed.spread_errors[k])
            value = float(mixed.log_s[k])
            if error > _FAINT or value < -8:
                low, high = mixed.profile(k)
                limits["s_" + name] = (value - low, high - value)
                error = (high - value) / 1.96 if np.isfinite(high) else 5.0
            else:
                limits["s_" + name] = spread_limits(error)
            names.append("s_" + name)
            at.append(value + np.log(unit))
            blocks.append(np.array([[min(error, 5.0) ** 2]]))
            freedoms.append(np.inf)
    fresh = _fresh(point)
    if fresh is not None:
        names.append("first")
        at.append(fresh.mean)
        blocks.append(np.array([[fresh.errors[0] ** 2]]))
        freedoms.append(max(fresh.number - 1, 1) if fresh.number > 1 else np.inf)
        if fresh.number > 1:
            names.append("s_first")
            at.append(fresh.log_spread)
            blocks.append(np.array([[min(fresh.errors[1], 5.0) ** 2]]))
            limits["s_first"] = spread_limits(min(fresh.errors[1], 1.0))
            freedoms.append(np.inf)
    return _propagate(law, np.array(at), names, _diagonal(blocks), np.array(freedoms), limits, base, free, point)


def _diagonal(blocks: list[np.ndarray]) -> np.ndarray:
    size = sum(len(b) for b in blocks)
    out, k = np.zeros((size, size)), 0
    for b in blocks:
        out[k : k + len(b), k : k + len(b)] = b
        k += len(b)
    return out


def told_of(law: Law, values: dict[str, float], free: bool) -> list[str]:
    """Which of the parameters are estimates; the others are conventions or held."""
    fixed = {"w_max", "w_min"} if free else set()
    fixed |= {name for name, held in (("w_max", law.high), ("w_min", law.low)) if held is not None}
    return [n for n in values if n not in fixed]


def scales_of(law: Law, told: list[str]) -> dict[str, Scale]:
    """Scale on which the error of each parameter is near normal."""
    scales: dict[str, Scale] = {n: "linear" if n in _LINEAR else "log" for n in told}
    if law.shape == "power":
        scales |= {n: "log" for n in told if n.startswith("gamma_") and n != "gamma_spread"}
    return scales


def even(draw: np.random.Generator, number: int, columns: int) -> np.ndarray:
    """Probabilities ``(columns, number)``: the middles of `number` equal parts, each column in an order of its own.

    Draws at random would not do: the mean of 200 of them is off by 0.07 standard deviations and their quantiles by 0.2,
    and by the same in every fit, since all fits begin with the same seed.
    """
    return (draw.permuted(np.tile(np.arange(number), (columns, 1)), axis=1) + 0.5) / number


def fresh_weights(point: Point, number: int, draw: np.random.Generator) -> np.ndarray | None:
    """Draws of mean and log spread of the weight of fresh devices, ``(number, 2)``, or of the one weight measured."""
    fresh = _fresh(point)
    if fresh is None:
        return None
    below, spread_below = even(draw, number, 2)
    if fresh.number < 2:
        return (fresh.mean + fresh.errors[0] * ndtri(below))[:, None]
    mean = fresh.mean + fresh.errors[0] * stdtrit(fresh.number - 1, below)
    freedom = max(0.5 / min(fresh.errors[1], 1.0) ** 2, 1.0)
    log_spread = fresh.log_spread + 0.5 * np.log(freedom / chdtri(freedom, spread_below))
    return np.stack([mean, log_spread], axis=1)


def _propagate(law, at, names, covariance, freedoms, limits, base, free, point) -> Outcome:
    frame = (point.centre, point.scale)
    values = values_of(law, dict(zip(names, at, strict=True)), base, free, frame)
    told = told_of(law, values, free)
    scales = scales_of(law, told)

    def scaled(x: np.ndarray) -> np.ndarray:
        found = values_of(law, dict(zip(names, x, strict=True)), base, free, frame)
        return np.array([np.log(abs(found[n]) + 1e-300) if scales[n] == "log" else found[n] for n in told])

    steps = 1e-4 * np.minimum(np.sqrt(np.diag(covariance)), 1.0) + 1e-12
    jacobian = differences(scaled, at, list(steps))
    spread = np.array([n.startswith("s_") for n in names])
    total = jacobian @ covariance @ jacobian.T
    errors = np.sqrt(np.diag(total).clip(min=1e-300))
    quiet = np.where(np.outer(~spread, ~spread), covariance, 0.0)
    rest = np.sqrt(np.diag(jacobian @ quiet @ jacobian.T).clip(min=0.0))
    freedom = freedom_of(jacobian[:, ~spread], np.diag(covariance)[~spread], freedoms[~spread])
    out = Outcome(values, point.mixed.beta, point.mixed.spread, law.log_normal)
    for k, name in enumerate(told):
        source = _spread_source(name)
        if source in limits:
            out.estimates.append(_spread(name, values[name], errors[k], limits[source], 1.96 * rest[k]))
        else:
            out.estimates.append(wald(name, values[name], errors[k], scales[name], freedom[k]))
    out.correlation = total / np.outer(errors, errors)
    np.fill_diagonal(out.correlation, 1.0)
    return out


def _spread_source(name: str) -> str:
    return {
        "step_spread": "s_step", "up_down_spread": "s_tilt", "w_max_spread": "s_high", "w_min_spread": "s_low",
        "gamma_spread": "s_bend", "initial_spread": "s_first",
    }.get(name, "")  # fmt: skip


def _spread(name: str, value: float, error: float, limits: tuple[float, float], rest: float) -> Estimate:
    down, up = np.hypot(limits[0], rest), np.hypot(limits[1], rest)
    low, high = value * np.exp(-down), value * np.exp(min(up, 700))
    if not np.isfinite(down) or low < 1e-3 * high:
        return Estimate(name, float(value), 0.0, float(high), "linear", float(max(high - value, value) / 1.96))
    return Estimate(name, float(value), float(low), float(high), "log", float(error))
