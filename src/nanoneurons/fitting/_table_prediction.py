"""One step ahead of a table device: where a reading is expected, as quantiles of a step plus normal noise."""

# pyright: basic, reportCallIssue=false
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ._table_smoothing import Curves, Sequences, place

__all__ = ["Ahead", "ahead", "distribution"]

_STRAY = 0.002  # weight of a wide normal that keeps the density of a surprise finite
_WIDE = 5.0  # its standard deviations
_LEAST = 1e-12  # least variance, in units of the range squared
_FAR = 12.0


class Ahead(NamedTuple):
    """What is known before each reading, ``(runs, readings)``; NaN where nothing is predicted.

    Attributes:
        level: expected level before the last pulse.
        way: direction of that pulse, 0 up, 1 down, -1 for none.
        gain: the device's gain in that direction.
        variance: of all but the scatter of the last step: read noise, the level's and the gain's uncertainty.
        expected: mean of the reading.
        scatter: standard deviation of the last step.
    """

    level: np.ndarray
    way: np.ndarray
    gain: np.ndarray
    variance: np.ndarray
    expected: np.ndarray
    scatter: np.ndarray


@numba.njit(cache=True, error_model="numpy")
def _ahead(y, pulse, device, low, high, mean, scatter, noise, centre, unsure, out):  # pragma: no cover - compiled
    level, way, gain, variance, expected, scattered = out
    runs, n = y.shape
    nodes, coarse = mean.shape[1], scatter.shape[1]
    h, hs = (high - low) / (nodes - 1), (high - low) / (coarse - 1)
    read = math.exp(2 * noise)
    own = np.zeros(centre.shape[0]) - 1.0  # run that a device's gains were last learned in
    gamma, cov = centre.copy(), unsure.copy()
    z = np.empty(3)
    big = np.empty((3, 3))
    for r in range(runs):
        i = device[r]
        own[i] = r
        x, started = 0.0, False
        big[:, :] = 0.0
        z[1], z[2] = gamma[i, 0], gamma[i, 1]
        for a in range(2):
            for b in range(2):
                big[1 + a, 1 + b] = cov[i, a, b]
        for t in range(n):
            d = -1
            before, g, sd, rest = x, 1.0, 0.0, 0.0
            if started and pulse[r, t] != 0:
                d = 0 if pulse[r, t] > 0 else 1
                g = math.exp(z[1 + d])
                k, f, per = place(x, low, h, nodes)
                j, e, _ = place(x, low, hs, coarse)
                sd = g * math.exp(scatter[d, j] + e * (scatter[d, j + 1] - scatter[d, j]))
                rise = mean[d, k + 1] - mean[d, k]
                m = g * (mean[d, k] + f * rise)
                a, c = 1.0 + g * rise * per, m  # derivatives of the next level in the level and in ln gain
                w = 1 + d
                p00 = a * a * big[0, 0] + 2 * a * c * big[0, w] + c * c * big[w, w]
                p01 = a * big[0, 1] + c * big[w, 1]
                p02 = a * big[0, 2] + c * big[w, 2]
                big[0, 0], big[0, 1], big[1, 0], big[0, 2], big[2, 0] = p00, p01, p01, p02, p02
                x += m
            rest = big[0, 0] + read
            if not math.isnan(y[r, t]):
                if not started:
                    x, started = y[r, t], True
                    big[0, 0], big[0, 1], big[1, 0], big[0, 2], big[2, 0] = read, 0.0, 0.0, 0.0, 0.0
                    continue
                level[r, t], way[r, t], gain[r, t] = before, d, g
                variance[r, t], expected[r, t], scattered[r, t] = rest, x, sd
                s = rest + sd * sd
                v = y[r, t] - x
                limit = 4.0 * math.sqrt(s)
                v = min(max(v, -limit), limit)  # one stray reading must not move what is known of a device
                big[0, 0] += sd * sd
                k0, k1, k2 = big[0, 0] / s, big[1, 0] / s, big[2, 0] / s
                x += k0 * v
                z[1] += k1 * v
                z[2] += k2 * v
                b0, b1, b2 = big[0, 0], big[0, 1], big[0, 2]
                big[0, 0] -= k0 * b0
                big[0, 1] -= k0 * b1
                big[0, 2] -= k0 * b2
                big[1, 1] -= k1 * b1
                big[1, 2] -= k1 * b2
                big[2, 2] -= k2 * b2
                big[1, 0], big[2, 0], big[2, 1] = big[0, 1], big[0, 2], big[1, 2]
            else:
                big[0, 0] += sd * sd
        for a in range(2):
            gamma[i, a] = z[1 + a]
            for b in range(2):
                cov[i, a, b] = big[1 + a, 1 + b]


def ahead(data: Sequences, curves: Curves, unsure: np.ndarray) -> Ahead:
    """Filter level and gains together; `unsure`: first covariance of each device's ln gains, ``(devices, 2, 2)``."""
    shape = data.reading.shape
    out = (np.full(shape, np.nan), np.full(shape, -1, np.int8), *(np.full(shape, np.nan) for _ in range(4)))
    _ahead(
        data.reading, data.pulse, data.device, curves.low, curves.high, curves.mean, curves.scatter, curves.noise,
        curves.gain, unsure, out,
    )  # fmt: skip
    return Ahead(*out)


@numba.njit(inline="always")
def _phi(z):  # pragma: no cover - compiled
    return math.exp(-0.5 * z * z) * 0.3989422804014327


@numba.njit(inline="always")
def _cdf(z):  # pragma: no cover - compiled
    return 0.5 * math.erfc(-z * 0.7071067811865476)


@numba.njit(error_model="numpy")
def _below(value, nodes, p, sd, centre, wide):  # pragma: no cover - compiled
    """Probability below a value and density there: pieces of even density, each blurred by a normal law."""
    below, density = 0.0, 0.0
    for j in range(nodes.size - 1):
        w, length = p[j + 1] - p[j], nodes[j + 1] - nodes[j]
        a, b = (value - nodes[j]) / sd, (value - nodes[j + 1]) / sd
        if b > _FAR:
            below += w
        elif a > -_FAR:
            if length < 1e-3 * sd:
                mid = 0.5 * (a + b)
                below += w * _cdf(mid)
                density += w * _phi(mid) / sd
            else:
                ca, cb = _cdf(a), _cdf(b)
                below += w * (a * ca + _phi(a) - b * cb - _phi(b)) * sd / length
                density += w * (ca - cb) / length
    z = (value - centre) / wide
    below = (1 - _STRAY) * below + _STRAY * _cdf(z)
    return min(max(below, 0.0), 1.0), (1 - _STRAY) * density + _STRAY * _phi(z) / wide


@numba.njit(cache=True, error_model="numpy")
def _distribution(y, level, way, gain, variance, expected, scatter, levels, p, rows, least, out):
    # pragma: no cover - compiled
    median, low, high, rank, density = out
    wanted = (0.5, 0.05, 0.95)
    found = np.empty(3)
    nodes = np.empty(p.size)
    for t in range(y.size):
        if math.isnan(level[t]):
            continue
        sd = math.sqrt(max(variance[t], least))
        if way[t] >= 0:
            x = min(max(level[t], levels[0]), levels[levels.size - 1])
            at = (x - levels[0]) / (levels[levels.size - 1] - levels[0]) * (levels.size - 1)
            k = min(int(at), levels.size - 2)
            f = at - k
            d = way[t]
            for j in range(p.size):
                nodes[j] = level[t] + gain[t] * ((1 - f) * rows[d, k, j] + f * rows[d, k + 1, j])
        else:
            nodes[:] = level[t]
        total = math.sqrt(sd * sd + scatter[t] * scatter[t])
        wide = _WIDE * total
        for q in range(3):
            value = expected[t] + total * (0.0 if q == 0 else (-1.645 if q == 1 else 1.645))
            left, right = expected[t] - 60.0 * total, expected[t] + 60.0 * total
            for _ in range(40):
                below, slope = _below(value, nodes, p, sd, expected[t], wide)
                miss = below - wanted[q]
                if abs(miss) < 1e-5:
                    break
                if miss > 0:
                    right = value
                else:
                    left = value
                value -= miss / max(slope, 1e-12 / total)
                if not left < value < right:
                    value = 0.5 * (left + right)
            found[q] = value
        median[t], low[t], high[t] = found[0], found[1], found[2]
        if not math.isnan(y[t]):
            below, slope = _below(y[t], nodes, p, sd, expected[t], wide)
            rank[t], density[t] = below, math.log(slope)


def distribution(
    reading: np.ndarray, known: Ahead, levels: np.ndarray, p: np.ndarray, rows: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Median, 5 and 95 %, rank, log density of each reading; `rows` are steps at gain 1, ``(2, levels, quantiles)``."""
    out = tuple(np.full(reading.size, np.nan) for _ in range(5))
    least = _LEAST * (levels[-1] - levels[0]) ** 2
    _distribution(reading.ravel(), *(a.ravel() for a in known), levels, p, rows, least, out)
    return tuple(a.reshape(reading.shape) for a in out)
