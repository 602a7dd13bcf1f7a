r"""Assumed-density filter of a pulsed conductance: likelihood of readings, one device's pulses after the other.

The persistent weight *w* is carried as a normal distribution. A pulse moves its mean and variance by the exact
moments of :math:`w + d\,\Delta\,h_d(w)` and its noise; the hard bounds censor it. A reading of the weight,

.. math:: y = \mathrm{clip}(w) + e + n, \qquad e \sim N(0, W^2), \quad n \sim N(0, R^2 / K)

(write noise *e* stays until the next pulse, read noise *n* is averaged over *K* re-reads), has near a bound the exact
density of a censored normal variable plus noise; the posterior is taken back to a normal one by its two moments.

Not modelled: what the collapse to two moments loses; tests compare it with integration on a grid.
"""

from __future__ import annotations

import math

import numba
import numpy as np

__all__ = [
    "CONSTANTS",
    "CONSTANT",
    "EXPONENTIAL",
    "LINEAR",
    "POWER",
    "START",
    "learned",
    "likelihoods",
    "predictions",
    "standardised",
]

CONSTANT, LINEAR, EXPONENTIAL, POWER = range(4)

# columns of a law: step, slope p, offset q and exponent or amplitude e of each direction, bounds, noise
CONSTANTS = (
    "up", "up_p", "up_q", "up_e", "down", "down_p", "down_q", "down_e",
    "low", "high", "sigma", "additive", "floor", "slope", "write2", "read2",
)  # fmt: skip
START = 2  # `first` of a run that does not start with a fresh device; 1 where it does, 0 within a run

_FAR = 6.5  # standard deviations from a bound beyond which it is not felt (the error is below 1e-10)
_ROOT3 = math.sqrt(3.0)
_LOG_2PI = math.log(2 * math.pi)

_compiled = numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, inline="never")
_inlined = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


@_inlined
def _phi(x):  # pragma: no cover - compiled
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@_inlined
def _cdf(x):  # pragma: no cover - compiled
    return 0.5 * math.erfc(-0.7071067811865476 * x)


@_inlined
def _height(kind, m, v, p, q, e):  # pragma: no cover - compiled
    """Mean of the step's height, of its square, and its covariance with w, for w normal with mean m and variance v."""
    if kind == CONSTANT:
        return 1.0, 1.0, 0.0
    if kind == LINEAR:
        h = 1.0 + p * m
        if h <= 0.0:
            return 0.0, 0.0, 0.0
        return h, h * h + p * p * v, p * v
    if kind == EXPONENTIAL:
        pv = p * p * v
        part = e * math.exp(min(p * m + 0.5 * pv, 50.0))
        h = 1.0 - part
        if h <= 0.0:
            return 0.0, 0.0, 0.0
        return h, h * h + part * part * (pv + 0.5 * pv * pv), -part * p * v
    s = math.sqrt(v) * abs(p) * _ROOT3
    x = q + p * m
    a, b, c = max(x - s, 0.0), max(x, 1e-12), max(x + s, 1e-12)
    fa = math.exp(e * math.log(a)) if a > 1e-12 else (0.0 if e > 0 else math.exp(e * math.log(1e-12)))
    fb, fc = math.exp(e * math.log(b)), math.exp(e * math.log(c))
    h = (fa + fc) / 6.0 + fb * (2.0 / 3.0)
    square = (fa * fa + fc * fc) / 6.0 + fb * fb * (2.0 / 3.0)
    cov = (fc - fa) / 6.0 * _ROOT3 * math.sqrt(v)
    return h, square, cov if p > 0 else -cov


@_inlined
def _pulse(kind, m, v, rising, c):  # pragma: no cover - compiled
    """Mean and variance after one pulse, before the bounds."""
    k = 0 if rising else 4
    d, step = (1.0 if rising else -1.0), c[k]
    h, square, cov = _height(kind, m, v, c[k + 1], c[k + 2], c[k + 3])
    rest = c[12] + c[13] * abs(m)
    noise = (step + rest) * (step + rest) if c[11] != 0.0 else step * step * square + rest * (2.0 * step * h + rest)
    spread = v + 2.0 * d * step * cov + step * step * max(square - h * h, 0.0) + c[10] * c[10] * noise
    return m + d * step * h, max(spread, 1e-18)


@_inlined
def _near(m, v, low, high):  # pragma: no cover - compiled
    reach = _FAR * math.sqrt(v)
    return (m + reach > high) or (m - reach < low)


@_inlined
def _censored(m, v, low, high):  # pragma: no cover - compiled
    """Mean and variance of a normal variable clipped to [low, high]."""
    s = math.sqrt(v)
    a, b = (low - m) / s, (high - m) / s
    below = above = pa = pb = 0.0  # a bound that is far is not worth its functions
    if a > -_FAR:
        below, pa = _cdf(a), _phi(a)
    else:
        a = -_FAR
    if b < _FAR:
        above, pb = _cdf(-b), _phi(b)
    else:
        b = _FAR
    inside = max(1.0 - below - above, 0.0)
    first = a * below + b * above + (pa - pb)
    second = a * a * below + b * b * above + inside + a * pa - b * pb
    return m + s * first, max(v * (second - first * first), 1e-18)


@_inlined
def _update(m, v, y, s2, low, high):  # pragma: no cover - compiled
    """Log density of reading y with noise variance s2, and mean and variance of the clipped w after it."""
    total = v + s2
    miss = y - m
    plain = -0.5 * (miss * miss / total + math.log(total) + _LOG_2PI)
    mean, var = m + v / total * miss, v * s2 / total
    if not _near(m, v, low, high):
        return plain, mean, max(var, 1e-18)
    s, post = math.sqrt(v), math.sqrt(max(var, 1e-18))
    a, b = max((low - mean) / post, -_FAR - 1.0), min((high - mean) / post, _FAR + 1.0)
    pa = pb = at_low = at_high = 0.0
    inside = 1.0
    if a > -_FAR:
        pa = _phi(a)
        inside -= _cdf(a)
    if b < _FAR:
        pb = _phi(b)
        inside -= _cdf(-b)
    if b < 0.0:  # far out, where 1 less a tail would be all rounding
        inside = _cdf(b) - (_cdf(a) if a > -_FAR else 0.0)
    elif a > 0.0:
        inside = _cdf(-a) - (_cdf(-b) if b < _FAR else 0.0)
    inside = max(inside, 0.0)
    if low - m > -_FAR * s:
        at_low = _cdf((low - m) / s)
    if m - high > -_FAR * s:
        at_high = _cdf((m - high) / s)
    norm = -0.5 * (math.log(s2) + _LOG_2PI)
    e_low, e_high = norm - 0.5 * (y - low) ** 2 / s2, norm - 0.5 * (y - high) ** 2 / s2
    top = max(plain if inside > 0 else -1e300, max(e_low if at_low > 0 else -1e300, e_high if at_high > 0 else -1e300))
    w_in = inside * math.exp(plain - top) if inside > 0 else 0.0
    w_low = at_low * math.exp(e_low - top) if at_low > 0 else 0.0
    w_high = at_high * math.exp(e_high - top) if at_high > 0 else 0.0
    weight = w_in + w_low + w_high
    if not weight > 0.0:
        m, v = _censored(m, v, low, high)
        return plain, m + v / total * (y - m), max(v * s2 / total, 1e-18)
    scale = w_in / inside if inside > 0 else 0.0
    # moments about `mean` of the part inside, then of the mixture
    first = scale * post * (pa - pb) + w_low * (low - mean) + w_high * (high - mean)
    second = scale * var * (inside + a * pa - b * pb) + w_low * (low - mean) ** 2 + w_high * (high - mean) ** 2
    first, second = first / weight, second / weight
    return top + math.log(weight), mean + first, max(second - first * first, 1e-18)


@_inlined
def _begin(y, count, first, low, high, write2, read2):  # pragma: no cover - compiled
    """State at the start of a run: flat between the bounds, then read."""
    if count == 0:
        return 0.5 * (low + high), (high - low) ** 2 / 12.0
    v = max(read2 / count + (write2 if first == START else 0.0), 1e-12 * (high - low) ** 2)
    if not _near(y, v, low, high):
        return y, v
    s = math.sqrt(v)
    a, b = (low - y) / s, (high - y) / s
    if a > 4.0:
        return low + s / a, v / (a * a)
    if b < -4.0:
        return high + s / b, v / (b * b)
    inside, pa, pb = _cdf(b) - _cdf(a), _phi(a), _phi(b)
    shift = (pa - pb) / inside
    return y + s * shift, max(v * (1.0 + (a * pa - b * pb) / inside - shift * shift), 1e-18)


@_inlined
def _device(kind, c, first, pulses, y, count, jump, miss, spread):  # pragma: no cover - compiled
    """Log-likelihood of one device; writes the error of each prediction and its variance (0: nothing predicted)."""
    low, high, write2, read2 = c[8], c[9], c[14], c[15]
    m, v, total = 0.0, 1.0, 0.0
    for t in range(pulses.size):
        spread[t] = 0.0
        miss[t] = 0.0
        if first[t] != 0:
            m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
            continue
        n = pulses[t]
        rising = n > 0
        for k in range(abs(n)):
            if k > 0 and _near(m, v, low, high):
                m, v = _censored(m, v, low, high)
            m, v = _pulse(kind, m, v, rising, c)
        if count[t] == 0 or jump[t] > 0.0:
            if _near(m, v, low, high):
                m, v = _censored(m, v, low, high)
            v += jump[t]
            continue
        s2 = write2 + read2 / count[t]
        mean, var = m, v
        if _near(m, v, low, high):
            mean, var = _censored(m, v, low, high)
        miss[t], spread[t] = y[t] - mean, var + s2
        density, m, v = _update(m, v, y[t], s2, low, high)
        total += density
    return total


@_compiled
def likelihoods(kind, laws, steps, start, first, pulses, y, count, jump, informed):  # pragma: no cover - compiled
    """Log-likelihood, score and expected information of every device.

    Args:
        kind: step shape.
        laws: ``(devices, 1 + n, constants)``: the law at the point, then with each of the n coordinates moved.
        steps: how far each coordinate was moved, ``(n,)``.
        start: index of the first event of each device, and of the end, ``(devices + 1,)``.
        first, pulses, y, count, jump: one number per event: whether a run starts (see `START`), signed pulses before
            it, mean reading, number of reads, variance added where a reading is set aside.
        informed: whether score and information are wanted.

    Returns:
        log-likelihood ``(devices,)``, score ``(devices, n)``, information ``(devices, n, n)``.
    """
    devices, n = laws.shape[0], steps.size
    found = np.zeros(devices)
    score, information = np.zeros((devices, n)), np.zeros((devices, n, n))
    longest = 0
    for i in range(devices):
        longest = max(longest, start[i + 1] - start[i])
    miss, spread = np.empty((n + 1, longest)), np.empty((n + 1, longest))
    a, b = np.empty(n), np.empty(n)
    for i in range(devices):
        i0, i1 = start[i], start[i + 1]
        f, p, r, k, j = first[i0:i1], pulses[i0:i1], y[i0:i1], count[i0:i1], jump[i0:i1]
        found[i] = _device(kind, laws[i, 0], f, p, r, k, j, miss[0], spread[0])
        if not informed:
            continue
        for q in range(n):
            moved = _device(kind, laws[i, 1 + q], f, p, r, k, j, miss[1 + q], spread[1 + q])
            score[i, q] = (moved - found[i]) / steps[q]
        for t in range(i1 - i0):
            s = spread[0, t]
            if s <= 0.0:
                continue
            root = 1.0 / math.sqrt(s)
            for q in range(n):
                a[q] = (miss[1 + q, t] - miss[0, t]) / steps[q] * root
                b[q] = (spread[1 + q, t] - s) / steps[q] * 0.7071067811865476 / s
            for q in range(n):
                for o in range(q + 1):
                    information[i, q, o] += a[q] * a[o] + b[q] * b[o]
        for q in range(n):
            for o in range(q):
                information[i, o, q] = information[i, q, o]
    return found, score, information


@_compiled
def standardised(kind, laws, start, first, pulses, y, count, jump, limit):  # pragma: no cover - compiled
    """Variance to add at each reading whose prediction failed by more than `limit` standard deviations, 0 elsewhere.

    Readings that were set aside before (`jump` above 0) are judged again; such a reading and every new one only widens
    the state, to about the limit, so that a lasting jump is followed after a few readings.
    """
    found = np.zeros(y.size)
    for i in range(laws.shape[0]):
        c = laws[i]
        low, high, write2, read2 = c[8], c[9], c[14], c[15]
        m, v = 0.0, 1.0
        for t in range(start[i], start[i + 1]):
            if first[t] != 0:
                m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
                continue
            n = pulses[t]
            for k in range(abs(n)):
                if k > 0 and _near(m, v, low, high):
                    m, v = _censored(m, v, low, high)
                m, v = _pulse(kind, m, v, n > 0, c)
            mean, var = m, v
            if _near(m, v, low, high):
                mean, var = _censored(m, v, low, high)
            if count[t] == 0:
                m, v = mean, var
                continue
            s2 = write2 + read2 / count[t]
            miss = y[t] - mean
            if miss * miss > limit * limit * (var + s2):
                found[t] = min(miss * miss, 25.0 * (var + s2))
                m, v = mean, var + found[t]
            else:
                _, m, v = _update(m, v, y[t], s2, low, high)
    return found


@_compiled
def predictions(kind, law, start, first, pulses, y, count, jump, number, reading):  # pragma: no cover - compiled
    """What is expected of every single reading, given those before it.

    Args:
        law: ``(devices, constants)``.
        number: number of readings of each event, in the order of `reading`; `count` may be 0 where they are set aside.

    Returns:
        ``(readings, 4)``: mean and variance of the weight before the bounds act, variance of the noise, and 1 where
        the bounds act (0: a re-read; -1: nothing is predicted).
    """
    found = np.zeros((reading.size, 4))
    at = 0
    for i in range(law.shape[0]):
        c = law[i]
        low, high, write2, read2 = c[8], c[9], c[14], c[15]
        m, v = 0.0, 1.0
        for t in range(start[i], start[i + 1]):
            fresh = first[t] != 0
            written = 0.0 if first[t] == 1 else write2
            if not fresh:
                n = pulses[t]
                for k in range(abs(n)):
                    if k > 0 and _near(m, v, low, high):
                        m, v = _censored(m, v, low, high)
                    m, v = _pulse(kind, m, v, n > 0, c)
            total = 0.0
            for k in range(number[t]):
                if k == 0:
                    found[at, 0], found[at, 1], found[at, 2] = m, v, written + read2
                    found[at, 3] = -1.0 if fresh else 1.0
                else:
                    s2 = written + read2 / k
                    if fresh:
                        m1, v1 = _begin(total / k, k, first[t], low, high, write2, read2)
                    else:
                        _, m1, v1 = _update(m, v, total / k, s2, low, high)
                    share = written / s2 if s2 > 0.0 else 0.0
                    found[at, 0] = (1.0 - share) * m1 + share * total / k
                    found[at, 1] = (1.0 - share) ** 2 * v1 + share * read2 / k
                    found[at, 2] = read2
                total += reading[at]
                at += 1
            if fresh:
                m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
            elif count[t] == 0 or jump[t] > 0.0:
                if _near(m, v, low, high):
                    m, v = _censored(m, v, low, high)
                v += jump[t]
            else:
                _, m, v = _update(m, v, y[t], write2 + read2 / count[t], low, high)
    return found


@_compiled
def learned(kind, laws, steps, place, spread_of, first, pulses, y, count, jump):  # pragma: no cover - compiled
    """A new device's constants, learned reading by reading from what the population leaves open.

    The errors of the predictions are linear in the constants about the point where `laws` were taken.

    Args:
        laws: ``(1 + n, constants)``: the law at the point, then with each constant moved by `steps`.
        place: distance of the prior mean from the point, ``(n,)``.
        spread_of: prior covariance, ``(n, n)``.

    Returns:
        shift of the mean and added variance for every event, distance of the learned constants from the point.
    """
    n, events = steps.size, pulses.size
    miss, spread = np.empty((n + 1, events)), np.empty((n + 1, events))
    for q in range(n + 1):
        _device(kind, laws[q], first, pulses, y, count, jump, miss[q], spread[q])
    at, cov = place.copy(), spread_of.copy()
    shift, more = np.zeros(events), np.zeros(events)
    g, gain = np.empty(n), np.empty(n)
    for t in range(events):
        s = spread[0, t]
        if s <= 0.0:
            continue
        error, extra = miss[0, t], 0.0
        for q in range(n):
            g[q] = (miss[1 + q, t] - miss[0, t]) / steps[q]
            error += g[q] * at[q]
        for q in range(n):
            gain[q] = 0.0
            for o in range(n):
                gain[q] += cov[q, o] * g[o]
            extra += g[q] * gain[q]
        shift[t], more[t] = miss[0, t] - error, extra
        total = s + extra
        for q in range(n):
            at[q] -= gain[q] * error / total
            for o in range(n):
                cov[q, o] -= gain[q] * gain[o] / total
    return shift, more, at
