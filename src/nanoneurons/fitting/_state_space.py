r"""Assumed-density filter of a pulsed conductance: likelihood of readings, one device's pulses after the other.

The persistent weight *w* is carried as a normal part between the bounds and an atom at each of them
(`_bounded_weight`). A reading of it is

.. math:: y = w + e + n, \qquad e \sim N(0, W^2), \quad n \sim N(0, R^2 / K)

(write noise *e* stays until the next pulse, read noise *n* is averaged over *K* re-reads).
"""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numba
import numpy as np

from nanoneurons.fitting._bounded_weight import CONSTANT, EXPONENTIAL, LINEAR, POWER, advanced, cdf, far_out, near, phi

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

# columns of a law: step, slope p, offset q and exponent or amplitude e of each direction, bounds, noise
CONSTANTS = (
    "up", "up_p", "up_q", "up_e", "down", "down_p", "down_q", "down_e",
    "low", "high", "sigma", "additive", "floor", "slope", "write2", "read2",
)  # fmt: skip
_MANY = 40_000  # events from which on the devices are shared among threads
START = 2  # `first` of a run that does not start with a fresh device; 1 where it does, 0 within a run

_compiled = numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, inline="never")
_inlined = numba.njit(cache=True, error_model="numpy", fastmath={"contract"})


@_inlined
def _begin(y, count, first, low, high, write2, read2):  # pragma: no cover - compiled
    """State at the start of a run: flat between the bounds, then read."""
    if count == 0:
        return 0.5 * (low + high), (high - low) ** 2 / 12.0
    v = max(read2 / count + (write2 if first == START else 0.0), 1e-12 * (high - low) ** 2)
    if not near(y, v, low, high):
        return y, v
    s = math.sqrt(v)
    a, b = (low - y) / s, (high - y) / s
    if a > 4.0:
        return low + s / a, v / (a * a)
    if b < -4.0:
        return high + s / b, v / (b * b)
    inside, pa, pb = cdf(b) - cdf(a), phi(a), phi(b)
    shift = (pa - pb) / inside
    return y + s * shift, max(v * (1.0 + (a * pa - b * pb) / inside - shift * shift), 1e-18)


@_inlined
def _device(kind, c, first, pulses, y, count, jump, miss, spread):  # pragma: no cover - compiled
    """Log-likelihood of one device; writes the error of each prediction and its variance (0: nothing predicted)."""
    low, high, write2, read2 = c[8], c[9], c[14], c[15]
    m, v, pl, ph, total = 0.0, 1.0, 0.0, 0.0, 0.0
    for t in range(pulses.size):
        spread[t] = 0.0
        miss[t] = 0.0
        if first[t] != 0:
            m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
            pl = ph = 0.0
            continue
        n = pulses[t]
        rising = n > 0
        for _ in range(abs(n) - 1):
            _, m, v, pl, ph, _, _, _, _ = advanced(kind, m, v, pl, ph, rising, c, False, 0.0, 1.0)
        if count[t] == 0 or jump[t] > 0.0:
            if n != 0:
                _, m, v, pl, ph, _, _, _, _ = advanced(kind, m, v, pl, ph, rising, c, False, 0.0, 1.0)
            if jump[t] > 0.0:
                m, v = far_out(m, v, pl, ph, low, high)
                v, pl, ph = v + jump[t], 0.0, 0.0
            continue
        s2 = write2 + read2 / count[t]
        density, m, v, pl, ph, mean, var, _, _ = advanced(kind, m, v, pl, ph, rising, c, True, y[t], s2)
        miss[t], spread[t] = y[t] - mean, var + s2
        total += density
    return total


def likelihoods(kind, laws, steps, start, first, pulses, y, count, jump, informed):
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
    devices = len(laws)
    data = (first, pulses, y, count, jump, informed)
    if len(y) < _MANY or devices < 2:
        return _likelihoods(kind, laws, steps, start, *data)
    parts = np.linspace(0, devices, min(_threads(), devices) + 1).round().astype(int)
    with ThreadPoolExecutor(len(parts) - 1) as pool:
        jobs = [pool.submit(_likelihoods, kind, laws[i:j], steps, start[i : j + 1], *data) for i, j in pairwise(parts)]
        return tuple(np.concatenate(found) for found in zip(*(job.result() for job in jobs), strict=True))


def _threads() -> int:
    """Processors this process may use, up to eight."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, 8)


@numba.njit(cache=True, error_model="numpy", fastmath={"contract"}, inline="never", nogil=True)
def _likelihoods(kind, laws, steps, start, first, pulses, y, count, jump, informed):  # pragma: no cover - compiled
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
        m, v, pl, ph = 0.0, 1.0, 0.0, 0.0
        for t in range(start[i], start[i + 1]):
            if first[t] != 0:
                m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
                pl = ph = 0.0
                continue
            n = pulses[t]
            for _ in range(abs(n) - 1):
                _, m, v, pl, ph, _, _, _, _ = advanced(kind, m, v, pl, ph, n > 0, c, False, 0.0, 1.0)
            read = count[t] > 0
            s2 = write2 + read2 / max(count[t], 1)
            _, m1, v1, pl1, ph1, mean, var, _, _ = advanced(kind, m, v, pl, ph, n > 0, c, read, y[t], s2)
            miss = y[t] - mean
            if read and miss * miss > limit * limit * (var + s2):
                found[t] = min(miss * miss, 25.0 * (var + s2))
                m, v, pl, ph = mean, var + found[t], 0.0, 0.0
            else:
                m, v, pl, ph = m1, v1, pl1, ph1
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
        m, v, pl, ph = 0.0, 1.0, 0.0, 0.0
        for t in range(start[i], start[i + 1]):
            fresh, n = first[t] != 0, pulses[t]
            written = 0.0 if first[t] == 1 else write2
            before, spread = m, v
            if not fresh:
                for _ in range(abs(n) - 1):
                    _, m, v, pl, ph, _, _, _, _ = advanced(kind, m, v, pl, ph, n > 0, c, False, 0.0, 1.0)
                _, m1, v1, pl1, ph1, _, _, before, spread = advanced(kind, m, v, pl, ph, n > 0, c, False, 0.0, 1.0)
            total = 0.0
            for k in range(number[t]):
                if k == 0:
                    found[at, 0], found[at, 1], found[at, 2] = before, spread, written + read2
                    found[at, 3] = -1.0 if fresh else 1.0
                else:
                    s2 = written + read2 / k
                    if fresh:
                        m2, v2 = _begin(total / k, k, first[t], low, high, write2, read2)
                    else:
                        _, m2, v2, pl2, ph2, _, _, _, _ = advanced(kind, m, v, pl, ph, n > 0, c, True, total / k, s2)
                        m2, v2 = far_out(m2, v2, pl2, ph2, low, high)
                    share = written / s2 if s2 > 0.0 else 0.0
                    found[at, 0] = (1.0 - share) * m2 + share * total / k
                    found[at, 1] = (1.0 - share) ** 2 * v2 + share * read2 / k
                    found[at, 2] = read2
                total += reading[at]
                at += 1
            if fresh:
                m, v = _begin(y[t], count[t], first[t], low, high, write2, read2)
                pl = ph = 0.0
            elif count[t] == 0 or jump[t] > 0.0:
                m, v, pl, ph = m1, v1, pl1, ph1
                if jump[t] > 0.0:
                    m, v = far_out(m, v, pl, ph, low, high)
                    v, pl, ph = v + jump[t], 0.0, 0.0
            else:
                s2 = write2 + read2 / count[t]
                _, m, v, pl, ph, _, _, _, _ = advanced(kind, m, v, pl, ph, n > 0, c, True, y[t], s2)
    return found


@_compiled
def learned(kind, laws, apart, place, prior, first, pulses, y, count, jump, known, end):  # pragma: no cover - compiled
    """A new device's constants, learned reading by reading from what the population leaves open.

    The errors of the predictions are taken for linear in the constants about a point. It goes on from reading `known`
    until the constants are a standard deviation away from the point, where a linear model is to be made anew.

    Args:
        laws: ``(1 + 2 n, constants)``: the law at the point, then with each constant above it, then with each below.
        apart: distance between the two, ``(n,)``.
        place: distance of the prior mean from the point, ``(n,)``.
        prior: covariance, ``(n, n)``.
        known: number of readings that the point was learned from.
        end: number of readings to go to at most.

    Returns:
        shift of the mean and added variance for every reading it went to, distance of the learned constants from the
        point, and their covariance.
    """
    n = apart.size
    miss, spread = np.empty((2 * n + 1, end)), np.empty((2 * n + 1, end))
    for q in range(2 * n + 1):
        _device(kind, laws[q], first[:end], pulses[:end], y[:end], count[:end], jump[:end], miss[q], spread[q])
    at, covariance = place.copy(), prior.copy()
    shift, more = np.zeros(end), np.zeros(end)
    g, gain = np.empty(n), np.empty(n)
    for t in range(end):
        s = spread[0, t]
        if s > 0.0:
            error, extra = miss[0, t], 0.0
            for q in range(n):
                g[q] = (miss[1 + q, t] - miss[1 + n + q, t]) / apart[q]
                error += g[q] * at[q]
            for q in range(n):
                gain[q] = 0.0
                for o in range(n):
                    gain[q] += covariance[q, o] * g[o]
                extra += g[q] * gain[q]
            shift[t], more[t] = miss[0, t] - error, extra
            total = s + extra
            for q in range(n):
                at[q] -= gain[q] * error / total
                for o in range(n):
                    covariance[q, o] -= gain[q] * gain[o] / total
        if t >= known:
            for q in range(n):
                if at[q] * at[q] > covariance[q, q]:
                    return shift[: t + 1], more[: t + 1], at, covariance
    return shift, more, at, covariance
