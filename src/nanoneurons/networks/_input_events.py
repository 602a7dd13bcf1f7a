"""Compiled sources of input spikes: a list of the inputs that fire, step by step."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import start_of, word_at

__all__ = ["charge", "current_events", "poisson_events", "waits"]

_LOW = np.uint64(0xFFFFFFFF)
_CERTAIN = 24.0  # spikes expected in a step beyond which an input is as good as sure (1 - 4e-11) to fire


@numba.njit(inline="always")
def charge(v, drive, rf, dt, tau):  # pragma: no cover - compiled
    """Potential after the part of a step that the refractory time leaves."""
    free = min(max(dt - rf, 0.0), dt)
    return v + (drive - v) * -math.expm1(-free / tau)


@numba.njit(inline="always")
def waits(v, drive, threshold, dt, tau, refractory):  # pragma: no cover - compiled
    """Refractory time left at the end of the step in which the threshold was crossed."""
    over = drive - threshold
    if over <= 0.0:
        return refractory
    return refractory + dt + tau * math.log1p(-(v - threshold) / over)


@numba.njit
def _counts(mean, below):  # pragma: no cover - compiled
    """Fill `below` with the probabilities of at most 0, 1, 2, ... events where `mean` are expected."""
    mode = int(mean)
    below[mode] = math.exp(mode * math.log(mean) - mean - math.lgamma(mode + 1.0))
    for k in range(mode + 1, below.size):
        below[k] = below[k - 1] * (mean / k)
    for k in range(mode, 0, -1):
        below[k - 1] = below[k] * (k / mean)
    for k in range(1, below.size):
        below[k] += below[k - 1]


@numba.njit
def _starts(below, starts):  # pragma: no cover - compiled
    """Where to begin to look for a random number in `below`, for equal parts of the range 0 to 1."""
    k = 0
    for part in range(starts.size):
        while below[k] * starts.size <= part and k < below.size - 1:
            k += 1
        starts[part] = k


@numba.njit
def _aliases(rates, n, total, limits, either, poor, rich):  # pragma: no cover - compiled
    """Tables to draw one of n inputs in proportion to its rate in constant time.

    A random place on n equal boxes falls on the first input of a box up to its limit (32 bits), else on its second.
    Source: Walker, ACM Trans. Math. Softw. 3, 253 (1977), filled as by Vose, IEEE Trans. Softw. Eng. 17, 972 (1991).
    """
    few, many = 0, 0
    for a in range(n):
        rates[a] *= n / total
        limits[a] = 0xFFFFFFFF
        if rates[a] < 1.0:
            poor[few] = a
            few += 1
        else:
            rich[many] = a
            many += 1
    while few > 0 and many > 0:
        few -= 1
        a, b = poor[few], rich[many - 1]
        limits[a] = np.uint64(rates[a] * 4294967296.0)
        either[2 * a + 1] = either[2 * b]
        rates[b] -= 1.0 - rates[a]
        if rates[b] < 1.0:
            many -= 1
            poor[few] = b
            few += 1


@numba.njit(cache=True, nogil=True)
def poisson_events(rates, steps, key, shown, offsets):  # pragma: no cover - compiled
    """Spikes of Poisson inputs; several of one input in one step count as one.

    All inputs together are one Poisson process: it says how many spikes a step has, and each of them belongs to an
    input with a probability in proportion to its rate.

    Args:
        rates: expected spikes per step, ``(samples, in)``.
        key, shown: of the random numbers; `shown` samples came before.
        offsets: ``(chips, samples, steps + 1)``, filled with where the spikes of every step begin in the result.

    Returns:
        inputs that fire, in order of chip, sample and step; without order within a step.
    """
    chips, samples = offsets.shape[:2]
    m = rates.shape[1]
    which = np.empty(1024, np.int32)
    active, limits, either = np.empty(m), np.empty(m, np.uint64), np.empty(2 * m, np.int32)
    poor, rich, starts = np.empty(m, np.int32), np.empty(m, np.int32), np.empty(256, np.int64)
    seen = np.full(m, -1)
    filled = 0
    for chip in range(chips):
        for s in range(samples):
            n, mean = 0, 0.0
            for i in range(m):
                if rates[s, i] > 0:
                    active[n] = min(rates[s, i], _CERTAIN)
                    either[2 * n], either[2 * n + 1] = i, i
                    mean += active[n]
                    n += 1
            offsets[chip, s, :] = filled
            if n == 0:
                continue
            below = np.empty(int(mean + 10 * math.sqrt(mean)) + 30)  # more have a probability below 1e-20
            _counts(mean, below)
            _starts(below, starts)
            _aliases(active, n, mean, limits, either, poor, rich)
            start, drawn = start_of(key, chip, shown + s), 0
            for k in range(steps):
                now = (chip * samples + s) * steps + k
                word = word_at(start, drawn)
                drawn += 1
                u = np.float64(word >> np.uint64(11)) * 2.0**-53
                events = starts[word >> np.uint64(56)]
                while below[events] <= u and events < below.size - 1:
                    events += 1
                if filled + events > which.size:
                    which = np.concatenate((which, np.empty(max(which.size, events), np.int32)))
                for e in range(events):
                    if e % 2 == 0:  # a word serves two spikes
                        word = word_at(start, drawn)
                        drawn += 1
                    place = (word & _LOW) * np.uint64(n)
                    word >>= np.uint64(32)
                    box = place >> np.uint64(32)
                    i = either[2 * box + ((place & _LOW) >= limits[box])]
                    which[filled] = i
                    filled += seen[i] != now
                    seen[i] = now
                offsets[chip, s, k + 1] = filled
    return which[:filled]


@numba.njit(cache=True, nogil=True)
def current_events(
    drives, v_in, rf_in, dt, tau, threshold, reset, refractory, rest, fresh, offsets
):  # pragma: no cover - compiled
    """Spikes of leaky integrate-and-fire inputs under constant currents ``(samples, in)``; see `poisson_events`.

    Potentials and refractory times ``(chips, in)`` go on from sample to sample, with a pause of `rest` s without
    current, or start anew from 0 (`fresh`).
    """
    chips, samples, steps = offsets.shape[0], offsets.shape[1], offsets.shape[2] - 1
    which = np.empty(1024, np.int32)
    filled = 0
    whole = -math.expm1(-dt / tau)  # as `charge` has it where no refractory time is left
    for chip in range(chips):
        v, rf = v_in[chip], rf_in[chip]
        for s in range(samples):
            if fresh:
                v[:] = 0.0
                rf[:] = 0.0
            for k in range(steps):
                offsets[chip, s, k] = filled
                for i in range(drives.shape[1]):
                    rf[i] -= dt
                    if rf[i] > 0.0:
                        v[i] = charge(v[i], drives[s, i], rf[i], dt, tau)
                    else:
                        v[i] += (drives[s, i] - v[i]) * whole
                    if v[i] > threshold:
                        rf[i] = waits(v[i], drives[s, i], threshold, dt, tau, refractory)
                        v[i] = reset
                        if filled == which.size:
                            which = np.concatenate((which, np.empty_like(which)))
                        which[filled] = i
                        filled += 1
            offsets[chip, s, steps] = filled
            if rest > 0:
                v *= math.exp(-rest / tau)
                rf -= rest
    return which[:filled]
