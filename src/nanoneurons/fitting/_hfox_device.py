r"""One device of the weak-RESET law: draws of its own constants, its telegraph path and its 1/f noise.

Given the laws of the population, a device's unknowns are drawn in two blocks:

1. ``(t*, a, m1, m2)`` by Metropolis steps, the 1/f noise integrated out (generalised least squares by the banded
   Cholesky factor), ``a = ln R0 + alpha mean(F)``;
2. the smooth part of the 1/f noise, exactly; then the telegraph amplitude with the path integrated out (forward
   filter), the path (backward sampling) and the sizes of the excess.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from scipy import special

from nanoneurons.fitting._hfox_noise import draw_excess, excess_density_at, normal_cdf

__all__ = ["LAW", "amplitude_law", "dot", "draw_curve", "draw_path", "whiten"]

# places of the laws' numbers in the vector that the kernels take
LAW = {
    name: i
    for i, name in enumerate(
        (
            "resistance", "resistance_sd", "resistance_low", "resistance_high",
            "fast_slope_start", "fast_slope_scale", "fast_slope_low", "fast_slope_high",
            "knee", "knee_log_sd", "knee_low", "knee_high",
            "slow_slope_scale", "slow_slope_high",
            "telegraph_amplitude", "telegraph_up", "telegraph_down", "flicker_amplitude", "flicker_mean",
        )
    )
}  # fmt: skip
_R, _R_SD, _R_LOW, _R_HIGH, _M1_START, _M1, _M1_LOW, _M1_HIGH, _KNEE, _KNEE_SD, _KNEE_LOW, _KNEE_HIGH = range(12)
_M2, _M2_HIGH, _A, _UP, _DOWN, _ALPHA, _MEAN = range(12, 19)
_TINY = 1e-300
_DECADES = math.log(1e3)
_QUANTILES = special.ndtri((np.arange(4096) + 0.5) / 4096)


@numba.njit(cache=True, fastmath=True)
def whiten(r, n, factor, out):  # pragma: no cover - compiled
    """Solve L out = r for the banded factor; `out` has `band` zeros in front of its n numbers."""
    band = factor.shape[1] - 1
    for k in range(n):
        total = r[k]
        for j in range(band):
            total -= factor[k, j] * out[k + j]
        out[band + k] = total / factor[k, band]


@numba.njit(cache=True, fastmath=True)
def dot(x, y):  # pragma: no cover - compiled
    """Sum of products, in vector registers."""
    total = 0.0
    for i in range(x.shape[0]):
        total += x[i] * y[i]
    return total


@numba.njit(cache=True)
def _probit(p):  # pragma: no cover - compiled
    """Quantile of the standard normal law: a table and two Newton steps on the distribution function."""
    p = min(max(p, 1e-15), 1 - 1e-15)
    z = _QUANTILES[min(int(p * 4096), 4095)]
    for _ in range(3):
        density = 0.3989422804014327 * math.exp(-0.5 * z * z)
        step = (normal_cdf(z) - p) / max(density, 1e-18)
        z -= step / (1 + 0.5 * z * step)  # Halley's correction
    return z


@numba.njit(cache=True)
def _line(p, h, low, high, value, rng):  # pragma: no cover - compiled
    """Draw from about exp(-p m^2 / 2 + h m) on [low, high]; returns the draw and the logarithm of its density.

    With `rng` unused (``value`` not NaN) it returns the density at `value`.
    """
    width = high - low
    centre = h / p if p > 0 else 0.0
    sd = 1 / math.sqrt(p) if p > 0 else math.inf
    if p * width * width > 1e-2 and low - centre < 4 * sd and centre - high < 4 * sd:
        a, b = normal_cdf((low - centre) / sd), normal_cdf((high - centre) / sd)
        if math.isnan(value):
            value = min(max(centre + sd * _probit(a + (b - a) * rng.random()), low), high)
        z = (value - centre) / sd
        return value, -0.5 * z * z - 0.9189385332046727 - math.log(sd * max(b - a, _TINY))
    anchor = high if centre > high else low
    rate = p * anchor - h  # density about exp(-rate m)
    if abs(rate) * width < 1e-9:
        if math.isnan(value):
            value = low + width * rng.random()
        return value, -math.log(width)
    if rate > 0:
        mass = -math.expm1(-rate * width)
        if math.isnan(value):
            value = min(low - math.log1p(-mass * rng.random()) / rate, high)
        return value, math.log(rate / mass) - rate * (value - low)
    mass = -math.expm1(rate * width)
    if math.isnan(value):
        value = max(high - math.log1p(-mass * rng.random()) / rate, low)
    return value, math.log(-rate / mass) + rate * (high - value)


@numba.njit(cache=True)
def _curve(moments, knee, law, given, rng):  # pragma: no cover - compiled
    """Draw (a, m1, m2) at a knee; returns them and ln(target / proposal density).

    `moments`: dots of the whitened columns 1, t, h = max(t - knee, 0) and y with each other:
    11, 1t, 1h, tt, th, hh, 1y, ty, hy, yy. `given`: values to weigh instead of a draw, or NaN.
    """
    s11, s1t, s1h, stt, sth, shh, s1y, sty, shy, _ = moments
    precision = 1 / law[_ALPHA] ** 2
    q00, q01, q02 = s11 * precision, (s1t - s1h) * precision, s1h * precision
    q11, q12, q22 = (stt - 2 * sth + shh) * precision, (sth - shh) * precision, shh * precision
    b0, b1, b2 = s1y * precision, (sty - shy) * precision, shy * precision
    shift = law[_ALPHA] * law[_MEAN]
    sd = min(law[_R_SD] / law[_R], 0.5)
    p00, g0 = q00 + 1 / sd**2, b0 + (math.log(law[_R]) + shift) / sd**2
    g1, g2 = b1 - 1 / law[_M1], b2 - 1 / law[_M2]
    # m2 with a and m1 eliminated, then m1 given m2 with a eliminated, then a
    k11, k12, k22 = q11 - q01 * q01 / p00, q12 - q01 * q02 / p00, q22 - q02 * q02 / p00
    f1, f2 = g1 - q01 / p00 * g0, g2 - q02 / p00 * g0
    if k11 > 1e-12 * q11:
        m2, log_2 = _line(max(k22 - k12 * k12 / k11, 0.0), f2 - k12 / k11 * f1, 0.0, law[_M2_HIGH], given[2], rng)
    else:
        m2, log_2 = _line(max(k22, 0.0), f2, 0.0, law[_M2_HIGH], given[2], rng)
    m1, log_1 = _line(max(k11, 0.0), f1 - k12 * m2, law[_M1_LOW], law[_M1_HIGH], given[1], rng)
    centre = (g0 - q01 * m1 - q02 * m2) / p00
    a = centre + rng.standard_normal() / math.sqrt(p00) if math.isnan(given[0]) else given[0]
    log_0 = -0.5 * (a - centre) ** 2 * p00 + 0.5 * math.log(p00)
    start = math.exp(a - shift)
    if start < law[_R_LOW] or start > law[_R_HIGH]:
        return a, m1, m2, -math.inf
    quadratic = a * a * q00 + m1 * m1 * q11 + m2 * m2 * q22 + 2 * (a * m1 * q01 + a * m2 * q02 + m1 * m2 * q12)
    fit = -0.5 * quadratic + a * b0 + m1 * b1 + m2 * b2
    prior = -m1 / law[_M1] - m2 / law[_M2] - 0.5 * ((start - law[_R]) / law[_R_SD]) ** 2 + a
    z = (math.log(knee) - math.log(law[_KNEE])) / law[_KNEE_SD]
    return a, m1, m2, fit + prior - 0.5 * z * z - log_0 - log_1 - log_2


@numba.njit(cache=True)
def _hinge(t, n, knee, factor, first, line, y, moments, r, out):  # pragma: no cover - compiled
    """Fill the moments that hold h = max(t - knee, 0)."""
    band = factor.shape[1] - 1
    begin = 0
    while begin < n and t[begin] <= knee:
        begin += 1
    for k in range(begin, n):
        r[k - begin] = t[k] - knee
    out[:band] = 0.0  # h is 0 up to the knee, and so is its whitened column
    whiten(r, n - begin, factor[begin:], out)
    h = out[band : band + n - begin]
    moments[2], moments[4], moments[5] = dot(first[begin:n], h), dot(line[begin:n], h), dot(h, h)
    moments[8] = dot(h, y[band + begin : band + n])


@numba.njit(cache=True)
def draw_curve(device, residual, n, t, factor, first, line, law, tries, rng, work):  # pragma: no cover - compiled
    """Renew (a, m1, knee, m2) in `device`; `residual` is the reading less the telegraph excess, ln ohm.

    Returns the squared length of the whitened rest, in units of alpha = 1.
    """
    r, y, h = work[0], work[1], work[2]
    band = factor.shape[1] - 1
    whiten(residual, n, factor, y)
    wy = y[band : band + n]
    moments = np.zeros(10)
    moments[0], moments[1], moments[3] = (
        dot(first[:n], first[:n]), dot(first[:n], line[:n]), dot(line[:n], line[:n]),
    )  # fmt: skip
    moments[6], moments[7], moments[9] = dot(first[:n], wy), dot(line[:n], wy), dot(wy, wy)
    a, m1, knee, m2 = device[0], device[1], device[2], device[3]
    nothing = np.full(3, np.nan)
    here = np.array([a, m1, m2])
    _hinge(t, n, knee, factor, first, line, y, moments, r, h)
    weight = _curve(moments, knee, law, here, rng)[3]
    for k in range(tries):
        jump = 0.0
        if k == 0:
            other = knee
        elif k % 3 == 0:  # from the knee's own law
            z = rng.standard_normal()
            other = law[_KNEE] * math.exp(law[_KNEE_SD] * z)
            now = (math.log(knee) - math.log(law[_KNEE])) / law[_KNEE_SD]
            jump = 0.5 * z * z - 0.5 * now * now
        else:
            other = knee * math.exp((0.03 if k % 3 == 1 else 0.2) * rng.standard_normal())
        if other < law[_KNEE_LOW] or other > law[_KNEE_HIGH]:
            continue
        if k:
            _hinge(t, n, other, factor, first, line, y, moments, r, h)
        new_a, new_1, new_2, new = _curve(moments, other, law, nothing, rng)
        if math.log(rng.random() + _TINY) < new - weight + jump:
            a, m1, m2, knee, weight = new_a, new_1, new_2, other, new
    device[0], device[1], device[2], device[3] = a, m1, knee, m2
    total = 0.0
    for k in range(n):
        r[k] = residual[k] - a - m1 * min(t[k], knee) - m2 * max(t[k] - knee, 0.0)
    whiten(r, n, factor, y)
    for k in range(n):
        total += y[band + k] ** 2
    return total


@numba.njit(cache=True)
def _forward(x, n, sigma, amplitude, up, down, off, line, flat, filtered):  # pragma: no cover - compiled
    """Logarithm of the density of x over all telegraph paths; `filtered` becomes P(on | x so far).

    `off` holds the densities of the readings where the telegraph is off.
    """
    total, product = 0.0, 1.0
    on, per_sigma = up[0], 1 / sigma
    rho = amplitude * per_sigma
    log_rho = math.log(rho)
    for k in range(n):
        if k:
            on = on * (1 - down[k]) + (1 - on) * up[k]
        high = on * per_sigma * excess_density_at(x[k] * per_sigma, rho, log_rho, line, flat)
        both = high + (1 - on) * off[k]
        if both < 1e-200:  # far from either: neither state is favoured
            product *= 1e-200
        else:
            on = high / both
            product *= both
        filtered[k] = on
        if product < 1e-60 or product > 1e60:
            total += math.log(max(product, _TINY))
            product = 1.0
    return total + math.log(product)


@numba.njit(cache=True)
def draw_path(
    device, y, n, t, factor, smooth, white, up, down, law, path, excess, rng, work, line, flat
):  # pragma: no cover - compiled
    """Renew the 1/f noise, the amplitude (device[4]), the path and the excess, given the mean curve.

    `up`, `down`: probabilities of switching before each reading; `up[0]` is the share that is on at the start.
    """
    band = factor.shape[1] - 1
    r, z, g, x, filtered, off = work[0], work[1], work[2], work[3], work[4], work[5]
    a, m1, knee, m2 = device[0], device[1], device[2], device[3]
    alpha, root = law[_ALPHA], math.sqrt(white)
    for k in range(n):
        x[k] = y[k] - a - m1 * min(t[k], knee) - m2 * max(t[k] - knee, 0.0)  # 1/f noise, and the excess if on
    # white part W given W + G = F: a draw of both, moved by the regression of W on the sum
    for k in range(n):
        g[band + k] = rng.standard_normal()
        filtered[k] = root * rng.standard_normal()
    for k in range(n):
        total = dot(smooth[k], g[k : k + band + 1])
        rest = x[k] - (excess[k] if path[k] else 0.0)
        r[k] = rest / alpha - total - filtered[k]
    whiten(r, n, factor, z)
    for k in range(n - 1, -1, -1):
        back = z[band + k] / factor[k, band]
        for j in range(band):
            z[k + j] -= factor[k, j] * back
        part = filtered[k] + white * back  # the white part of this reading
        x[k] = (excess[k] if path[k] else 0.0) + alpha * part
    sigma = alpha * root
    if law[_A] <= 0:
        return
    height = 0.3989422804014327 / sigma
    for k in range(n):
        off[k] = height * math.exp(-0.5 * (x[k] / sigma) ** 2)
    now = _forward(x, n, sigma, device[4], up, down, off, line, flat, filtered)
    _move_amplitude(device, x, n, sigma, up, down, off, now, law[_A], filtered, g[:n], rng, line, flat)
    state = rng.random() < filtered[n - 1]
    for k in range(n - 1, -1, -1):
        if k < n - 1:
            on = filtered[k] * ((1 - down[k + 1]) if state else down[k + 1])
            out = (1 - filtered[k]) * (up[k + 1] if state else (1 - up[k + 1]))
            state = rng.random() * (on + out) < on
        path[k] = state
        if state:
            excess[k] = draw_excess(x[k], sigma, device[4], rng)
    _renew_amplitude(device, path, excess, n, law[_A], rng)


@numba.njit(inline="always")
def _anywhere(share):  # pragma: no cover - compiled
    """Density of half a uniform and half a log-uniform law, the latter down to 1e-3."""
    return 0.5 + (0.5 / (_DECADES * share) if share > 1e-3 else 0.0)


@numba.njit(cache=True)
def _move_amplitude(
    device, x, n, sigma, up, down, off, now, most, filtered, trial, rng, line, flat
):  # pragma: no cover - compiled  # fmt: skip
    """A Metropolis step of the amplitude over all paths; `now` is ln density under the present one."""
    pick = rng.random()
    jump = 0.0
    if pick < 0.6:
        jump = (0.1 if pick < 0.3 else 0.5) * rng.standard_normal()
        other = device[4] * math.exp(jump)
    else:  # anywhere: an amplitude below the noise and a telegraph that was never on look alike, and lie far apart
        other = most * (rng.random() if pick < 0.8 else math.exp(-_DECADES * rng.random()))
        jump = math.log(_anywhere(device[4] / most) / _anywhere(other / most))
    if 1e-9 < other < most:
        new = _forward(x, n, sigma, other, up, down, off, line, flat, trial)
        if math.log(rng.random() + _TINY) < new - now + jump:
            device[4] = other
            filtered[:n] = trial


@numba.njit(cache=True)
def _renew_amplitude(device, path, excess, n, most, rng):  # pragma: no cover - compiled
    """Metropolis steps of the amplitude A given the sizes e of the excess, whose density is ln(A / e) / A."""
    now = amplitude_law(device[4], path, excess, n)
    for _ in range(3):
        step = 0.06 * rng.standard_normal()
        other = device[4] * math.exp(step)
        if other >= most:
            continue
        new = amplitude_law(other, path, excess, n)
        if math.log(rng.random() + _TINY) < new - now + step:
            device[4], now = other, new


@numba.njit(cache=True)
def amplitude_law(amplitude, path, excess, n):  # pragma: no cover - compiled
    """Logarithm of the density of the sizes of the excess, given a device's amplitude."""
    total, product = 0.0, 1.0
    for k in range(n):
        if path[k]:
            if excess[k] >= amplitude:
                return -math.inf
            product *= math.log(amplitude / excess[k]) / amplitude
            if product < 1e-60 or product > 1e60:
                total += math.log(product)
                product = 1.0
    return total + math.log(product)
