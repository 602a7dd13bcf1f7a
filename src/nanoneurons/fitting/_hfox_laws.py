r"""Laws of a population of weak-RESET devices, drawn given the devices' own constants.

Every law is drawn from its posterior by Metropolis steps under a prior that matches coverage: for a truncated normal
law ``p(mu, sd) = sqrt(det cov(x, x^2)) / sd^4`` for mu within the limits, Fisher's information times sd, which is the
usual 1 / sd where the truncation does not bind and falls off where the law fills its limits; for a truncated
exponential law ``sqrt(var x) / scale^2``; 1 / A for the upper end of a uniform law; ``(up down)^(-1/2)`` for the
telegraph; 1 / alpha.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.fitting._hfox_device import LAW, amplitude_law

__all__ = ["flicker_change", "renew_amplitudes", "renew_exponential", "renew_normal", "renew_telegraph"]

_R, _R_SD, _R_LOW, _R_HIGH = (LAW[f"resistance{end}"] for end in ("", "_sd", "_low", "_high"))
_A, _ALPHA, _MEAN = LAW["telegraph_amplitude"], LAW["flicker_amplitude"], LAW["flicker_mean"]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_MOST_AMPLITUDE = 5.0  # declared range of the device's parameter


@numba.njit(cache=True)
def _normal_law(mean, sd, low, high, n, total, squares, floor):  # pragma: no cover - compiled
    """Logarithm of likelihood and prior of a normal law cut to [low, high], per d mean d ln sd.

    `total` and `squares` are sums of x - c and (x - c)^2 with c = the middle of the draws, so is `mean`.
    """
    if not low < mean < high:
        return -math.inf
    left, right = max(low, mean - 9 * sd), min(high, mean + 9 * sd)
    middle, half = 0.5 * (left + right), 0.5 * (right - left)
    mass = one = two = three = four = 0.0
    for i in range(40):
        x = middle + half * _NODES[i]
        w = _WEIGHTS[i] * math.exp(-0.5 * ((x - mean) / sd) ** 2)
        u = (x - middle) / half
        mass += w
        one += w * u
        two += w * u * u
        three += w * u**3
        four += w * u**4
    one, two, three, four = one / mass, two / mass, three / mass, four / mass
    spread = (two - one * one) * (four - two * two) - (three - one * two) ** 2  # det cov(u, u^2), shift-invariant
    likelihood = -0.5 * (squares - 2 * mean * total + n * mean * mean) / sd**2 - n * math.log(half * mass)
    # the last term keeps the prior proper where all devices are alike
    return likelihood + 0.5 * math.log(max(spread, 1e-300)) + 3 * math.log(half) - 3 * math.log(sd) - floor / sd


@numba.njit(cache=True)
def renew_normal(x, mean, sd, low, high, floor, fixed, tries, rng):  # pragma: no cover - compiled
    """Draw mean and standard deviation of a normal law cut to [low, high]; the latter stays where `fixed`."""
    n = x.shape[0]
    c = x.mean()
    squares = ((x - c) ** 2).sum()
    now = _normal_law(mean - c, sd, low - c, high - c, n, 0.0, squares, floor)
    for k in range(tries):
        scale = (0.6, 1.5, 4.0)[k % 3]
        other = mean + scale * sd / math.sqrt(n) * rng.standard_normal()
        step = 0.0 if fixed else scale / math.sqrt(2.0 * n) * rng.standard_normal()
        wide = sd * math.exp(step)
        # q of the mean step scales with sd
        back = -0.5 * ((other - mean) * math.sqrt(n) / scale) ** 2 * (1 / wide**2 - 1 / sd**2) - step
        new = _normal_law(other - c, wide, low - c, high - c, n, 0.0, squares, floor)
        if math.log(rng.random() + 1e-300) < new - now + back:
            mean, sd, now = other, wide, new
    return mean, sd


@numba.njit(cache=True)
def _exponential_law(scale, width, n, total, error):  # pragma: no cover - compiled
    """Logarithm of likelihood and prior of an exponential law cut to [0, width], per d ln scale."""
    ratio = width / scale
    if ratio < 1e-2:
        variance, mass = width**2 / 12, ratio * scale
    elif ratio > 500:
        variance, mass = scale**2, scale
    else:
        variance = scale**2 * (1 - ratio**2 * math.exp(-ratio) / math.expm1(-ratio) ** 2)
        mass = -scale * math.expm1(-ratio)
    prior = 0.5 * math.log(variance) - 0.5 * math.log(scale**2 + error**2)
    return -total / scale - n * math.log(mass) + prior


@numba.njit(cache=True)
def renew_exponential(x, scale, width, error, tries, rng):  # pragma: no cover - compiled
    """Draw the scale of an exponential law cut to [0, width]; `error` of a single x keeps the prior proper at 0."""
    n, total = x.shape[0], x.sum()
    now = _exponential_law(scale, width, n, total, error)
    for k in range(tries):
        other = scale * math.exp((1.0 if k % 2 else 3.0) / math.sqrt(n) * rng.standard_normal())
        if not 1e-12 < other < 1.0:
            continue
        new = _exponential_law(other, width, n, total, error)
        if math.log(rng.random() + 1e-300) < new - now:
            scale, now = other, new
    return scale


@numba.njit(cache=True)
def _telegraph_law(up, down, gaps, counts, starts):  # pragma: no cover - compiled
    share = up / (up + down)
    total = starts[1] * math.log(share) + starts[0] * math.log(1 - share) + 0.5 * math.log(up * down)
    for i in range(gaps.shape[0]):
        moved = -math.expm1(gaps[i] * math.log1p(-min(up + down, 1 - 1e-12)))
        rise, fall = share * moved, (1 - share) * moved
        total += counts[i, 0, 1] * math.log(rise) + counts[i, 0, 0] * math.log1p(-min(rise, 1 - 1e-12))
        total += counts[i, 1, 0] * math.log(fall) + counts[i, 1, 1] * math.log1p(-min(fall, 1 - 1e-12))
    return total


@numba.njit(cache=True)
def renew_telegraph(up, down, gaps, counts, starts, tries, rng):  # pragma: no cover - compiled
    """Draw the probabilities of switching, given counts of the states before and after each gap."""
    now = _telegraph_law(up, down, gaps, counts, starts)
    jumps = 4.0 + min(counts[:, 0, 1].sum(), counts[:, 1, 0].sum())
    for k in range(tries):
        size = (0.7, 1.6)[k % 2] / math.sqrt(jumps)
        rise, fall = up * math.exp(size * rng.standard_normal()), down * math.exp(size * rng.standard_normal())
        if rise + fall >= 1 or min(rise, fall) < 1e-12:
            continue
        new = _telegraph_law(rise, fall, gaps, counts, starts)
        if math.log(rng.random() + 1e-300) < new - now:
            up, down, now = rise, fall, new
    return up, down


@numba.njit(cache=True)
def flicker_change(law, alpha, device, together):  # pragma: no cover - compiled
    """Change of the logarithm of the density when the 1/f amplitude becomes `alpha`, beside that of the whitened rests.

    A device's ``a = ln R0 + alpha mean(F)`` stays, so its fresh resistance moves; where `together`, the law of the
    fresh resistances moves with it.
    """
    ratio = math.exp((law[_ALPHA] - alpha) * law[_MEAN])
    n = device.shape[0]
    shift, c = law[_ALPHA] * law[_MEAN], law[_R]
    total = squares = 0.0
    for d in range(n):
        x = math.exp(device[d, 0] - shift)
        if not law[_R_LOW] < x * ratio < law[_R_HIGH]:
            return -math.inf
        total += x - c
        squares += (x - c) ** 2
    now = _normal_law(law[_R] - c, law[_R_SD], law[_R_LOW] - c, law[_R_HIGH] - c, n, total, squares, 0.0)
    total, squares, c = total * ratio, squares * ratio**2, c * ratio
    mean, sd = (c, law[_R_SD] * ratio) if together else (law[_R], law[_R_SD])
    new = _normal_law(mean - c, sd, law[_R_LOW] - c, law[_R_HIGH] - c, n, total, squares, 0.0)
    return new - now + (n + (1 if together else 0)) * math.log(ratio)


@numba.njit(cache=True)
def renew_amplitudes(law, device, path, excess, n, rng):  # pragma: no cover - compiled
    """Draw the upper end A of the law of amplitudes: above the largest one, and together with those next to it."""
    seen, most = 0, 0.0
    for d in range(device.shape[0]):
        if path[d, : n[d]].any():
            seen += 1
            most = max(most, device[d, 4])
    if seen == 0 or most >= _MOST_AMPLITUDE:
        return
    for near in (0.9, 0.97, 0.0):  # amplitudes near the end move with it, or the chain would stick
        factor = math.exp((0.02 if rng.random() < 0.5 else 0.005) * rng.standard_normal())
        moved, change = 0, 0.0
        for d in range(device.shape[0]):
            if not path[d, : n[d]].any():
                continue
            if device[d, 4] > near * law[_A]:
                moved += 1
                change += amplitude_law(factor * device[d, 4], path[d], excess[d], n[d])
                change -= amplitude_law(device[d, 4], path[d], excess[d], n[d])
            elif device[d, 4] > near * law[_A] * factor:
                change = -math.inf
            if change == -math.inf:
                break
        change += (moved - seen) * math.log(factor)
        if law[_A] * factor < _MOST_AMPLITUDE and math.log(rng.random() + 1e-300) < change:
            for d in range(device.shape[0]):
                if path[d, : n[d]].any() and device[d, 4] > near * law[_A]:
                    device[d, 4] *= factor
            law[_A] *= factor
            most = 0.0
            for d in range(device.shape[0]):
                if path[d, : n[d]].any():
                    most = max(most, device[d, 4])
    # density A^-(seen + 1) above the largest amplitude, up to the end of the declared range
    rest = (most / _MOST_AMPLITUDE) ** seen
    law[_A] = most * (rest + (1 - rest) * (1 - rng.random())) ** (-1.0 / seen)
    for d in range(device.shape[0]):
        if not path[d, : n[d]].any():  # never on: its amplitude is known by the law alone
            device[d, 4] = law[_A] * rng.random()
