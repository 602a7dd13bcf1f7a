r"""One pulse and one reading of a conductance between hard bounds, as arithmetic of compiled kernels.

The weight is known as an atom of mass :math:`p_-` at the lower bound, one of :math:`p_+` at the upper bound, and a
part between them with mean *m* and variance *v*, taken as normal. A pulse turns each of the three into a normal
variable, by the moments of its step, and the bounds cut each of them: what lies beyond becomes an atom. A reading
*y* with noise variance :math:`s^2` weighs atoms and parts between by their densities.

Not modelled: what the collapse of the part between to two moments loses; tests compare it with integration on a grid.
"""

from __future__ import annotations

import math

import numba

__all__ = [
    "CONSTANT",
    "EXPONENTIAL",
    "LINEAR",
    "POWER",
    "advanced",
    "cdf",
    "far_out",
    "near",
    "normal_reading",
    "phi",
    "pulsed",
]

CONSTANT, LINEAR, EXPONENTIAL, POWER = range(4)

_FAR = 5.0  # standard deviations from a bound beyond which it is not felt (a mass of 3e-7)
_LITTLE = 1e-6  # mass of a part below which it is left out
_ROOT3 = math.sqrt(3.0)
_LOG_2PI = math.log(2 * math.pi)

_inlined = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


@_inlined
def phi(x):  # pragma: no cover - compiled
    return 0.3989422804014327 * math.exp(-0.5 * x * x)


@_inlined
def cdf(x):  # pragma: no cover - compiled
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
def pulsed(kind, m, v, rising, c):  # pragma: no cover - compiled
    """Mean and variance after one pulse, before the bounds."""
    k = 0 if rising else 4
    d, step = (1.0 if rising else -1.0), c[k]
    h, square, cov = _height(kind, m, v, c[k + 1], c[k + 2], c[k + 3])
    rest = c[12] + c[13] * abs(m)
    noise = (step + rest) * (step + rest) if c[11] != 0.0 else step * step * square + rest * (2.0 * step * h + rest)
    spread = v + 2.0 * d * step * cov + step * step * max(square - h * h, 0.0) + c[10] * c[10] * noise
    return m + d * step * h, max(spread, 1e-18)


@_inlined
def near(m, v, low, high):  # pragma: no cover - compiled
    """Whether a normal variable feels a bound."""
    reach = _FAR * math.sqrt(v)
    return (m + reach > high) or (m - reach < low)


@_inlined
def _cut(m, v, low, high):  # pragma: no cover - compiled
    """Mass of a normal variable below, above and between the bounds, mean and variance of the part between."""
    s = math.sqrt(v)
    a, b = (low - m) / s, (high - m) / s
    if a > _FAR:
        return 1.0, 0.0, 0.0, low, 1e-18
    if b < -_FAR:
        return 0.0, 1.0, 0.0, high, 1e-18
    below = above = pa = pb = 0.0  # a bound that is far is not worth its functions
    if a > -_FAR:
        below, pa = cdf(a), phi(a)
    if b < _FAR:
        above, pb = cdf(-b), phi(b)
    inside = 1.0 - below - above
    if b < 0.0:  # far out, where 1 less a tail would be all rounding
        inside = cdf(b) - (cdf(a) if a > -_FAR else 0.0)
    elif a > 0.0:
        inside = cdf(-a) - (cdf(-b) if b < _FAR else 0.0)
    if not inside > 1e-280:
        return below, above, 0.0, min(max(m, low), high), 1e-18
    shift = (pa - pb) / inside
    rest = 1.0 - shift * shift
    if a > -_FAR:
        rest += a * pa / inside
    if b < _FAR:
        rest -= b * pb / inside
    return below, above, inside, min(max(m + s * shift, low), high), max(v * rest, 1e-18)


@_inlined
def _weighed(m, v, y, s2, low, high):  # pragma: no cover - compiled
    """Log density of reading y without bounds; mass, mean and variance between the bounds after it."""
    total = v + s2
    miss = y - m
    plain = -0.5 * (miss * miss / total + math.log(total) + _LOG_2PI)
    mean, var = m + v / total * miss, max(v * s2 / total, 1e-18)
    if not near(mean, var, low, high):
        return plain, 1.0, mean, var
    root = math.sqrt(var)
    if low - mean > _FAR * root or mean - high > _FAR * root:  # seldom; a tail of the part between is all there is
        a, b = (low - mean) / root, (high - mean) / root
        inside = cdf(b) - cdf(a) if b < 0.0 else cdf(-a) - cdf(-b)
        return plain, inside, (high - root / -b if b < 0.0 else low + root / a), var / min(a * a, b * b)
    _, _, inside, mean, var = _cut(mean, var, low, high)
    return plain, inside, mean, var


@_inlined
def normal_reading(m, v, y, s2):  # pragma: no cover - compiled
    """Log density of reading y of a normal variable, and its mean and variance after it."""
    total = v + s2
    miss = y - m
    plain = -0.5 * (miss * miss / total + math.log(total) + _LOG_2PI)
    return plain, m + v / total * miss, max(v * s2 / total, 1e-18)


@_inlined
def _merged(w0, m0, v0, w1, m1, v1):  # pragma: no cover - compiled
    """Mass, mean and variance of two parts together."""
    w = w0 + w1
    if not w > 0.0:
        return 0.0, m0, v0
    share = w1 / w
    gap = m1 - m0
    return w, m0 + share * gap, (1.0 - share) * v0 + share * v1 + share * (1.0 - share) * gap * gap


@_inlined
def far_out(m, v, pl, ph, low, high):  # pragma: no cover - compiled
    """Mean and variance of the whole weight, atoms included."""
    if pl > 0.0 or ph > 0.0:
        w, m, v = _merged(max(1.0 - pl - ph, 0.0), m, v, pl, low, 0.0)
        _, m, v = _merged(w, m, v, ph, high, 0.0)
    return m, max(v, 1e-18)


@_inlined
def advanced(kind, m, v, pl, ph, rising, c, read, y, s2):  # pragma: no cover - compiled
    """The weight after one pulse and, where `read`, one reading.

    Returns:
        log density of the reading; m, v, pl, ph; mean and variance of the weight before the reading; the same before
        the bounds act.
    """
    low, high = c[8], c[9]
    if pl < _LITTLE and ph < _LITTLE:  # one part only
        m, v = pulsed(kind, m, v, rising, c)
        if not near(m, v, low, high):
            if not read:
                return 0.0, m, v, 0.0, 0.0, m, v, m, v
            plain, mean, var = normal_reading(m, v, y, s2)
            return plain, mean, var, 0.0, 0.0, m, v, m, v
        w0, w1, w2 = 1.0, 0.0, 0.0
        m0, v0 = m, v
        m1 = v1 = m2 = v2 = 0.0
    else:
        w0, w1, w2 = max(1.0 - pl - ph, 0.0), pl, ph
        m0, v0 = m, v
        m1 = v1 = m2 = v2 = 0.0
        if w0 >= _LITTLE:
            m0, v0 = pulsed(kind, m, v, rising, c)
        else:
            w0 = 0.0
        if w1 >= _LITTLE:
            m1, v1 = pulsed(kind, low, 0.0, rising, c)
        else:
            w1 = 0.0
        if w2 >= _LITTLE:
            m2, v2 = pulsed(kind, high, 0.0, rising, c)
        else:
            w2 = 0.0
    pl = ph = w = 0.0
    m, v = m0, v0
    wf, mf, vf = w0, m0, v0  # before the bounds act
    if w0 > 0.0:
        below, above, inside, m, v = _cut(m0, v0, low, high)
        pl, ph, w = w0 * below, w0 * above, w0 * inside
    if w1 > 0.0:
        below, above, inside, mean, var = _cut(m1, v1, low, high)
        pl, ph = pl + w1 * below, ph + w1 * above
        w, m, v = _merged(w, m, v, w1 * inside, mean, var)
        wf, mf, vf = _merged(wf, mf, vf, w1, m1, v1)
    if w2 > 0.0:
        below, above, inside, mean, var = _cut(m2, v2, low, high)
        pl, ph = pl + w2 * below, ph + w2 * above
        w, m, v = _merged(w, m, v, w2 * inside, mean, var)
        wf, mf, vf = _merged(wf, mf, vf, w2, m2, v2)
    whole = w + pl + ph
    pl, ph = pl / whole, ph / whole
    before, spread = far_out(m, v, pl, ph, low, high)
    if not read:
        return 0.0, m, v, pl, ph, before, spread, mf, vf
    top = -1e300
    d0 = i0 = 0.0
    n0, u0 = m, v
    if w0 > 0.0:
        d0, i0, n0, u0 = _weighed(m0, v0, y, s2, low, high)
        top = d0
    d1 = i1 = n1 = u1 = d2 = i2 = n2 = u2 = 0.0
    if w1 > 0.0:
        d1, i1, n1, u1 = _weighed(m1, v1, y, s2, low, high)
        top = max(top, d1)
    if w2 > 0.0:
        d2, i2, n2, u2 = _weighed(m2, v2, y, s2, low, high)
        top = max(top, d2)
    norm = -0.5 * (math.log(s2) + _LOG_2PI)
    e_low, e_high = norm - 0.5 * (y - low) ** 2 / s2, norm - 0.5 * (y - high) ** 2 / s2
    if pl > 0.0:
        top = max(top, e_low)
    if ph > 0.0:
        top = max(top, e_high)
    a_low = pl * math.exp(e_low - top) if pl > 0.0 else 0.0
    a_high = ph * math.exp(e_high - top) if ph > 0.0 else 0.0
    w, m, v = (w0 * i0 * math.exp(d0 - top) if w0 > 0.0 else 0.0), n0, u0
    if w1 > 0.0:
        w, m, v = _merged(w, m, v, w1 * i1 * math.exp(d1 - top), n1, u1)
    if w2 > 0.0:
        w, m, v = _merged(w, m, v, w2 * i2 * math.exp(d2 - top), n2, u2)
    whole = w + a_low + a_high
    if not whole > 0.0:  # no part can have been read so: a normal one follows it
        density, m, v = normal_reading(before, spread, y, s2)
        return min(density, -1e3), min(max(m, low), high), v, 0.0, 0.0, before, spread, mf, vf
    return top + math.log(whole), m, max(v, 1e-18), a_low / whole, a_high / whole, before, spread, mf, vf
