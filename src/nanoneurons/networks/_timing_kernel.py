"""Compiled laws of spike timing: traces, and what spikes make of them; see `nanoneurons.physics.spike_timing`."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

__all__ = [
    "NO_TIMING",
    "SIMPLIFIED",
    "TRACES",
    "Timing",
    "Traces",
    "age",
    "forget",
    "normalise",
    "strengthen",
    "weaken",
]

NO_TIMING, TRACES, SIMPLIFIED = 0, 1, 2


class Timing(NamedTuple):
    """Numbers of a law of spike timing, float32; `keep_...` are the factors by which traces decay in a step.

    The simplified law has its window, in steps, as `offset` and its exponents as bounds; x1 is then the age, in steps,
    of the last spike.
    """

    up: np.float32
    down: np.float32
    triplet_up: np.float32
    triplet_down: np.float32
    bound_up: np.float32
    bound_down: np.float32
    offset: np.float32
    keep_x1: np.float32
    keep_x2: np.float32
    keep_y1: np.float32
    keep_y2: np.float32
    nearest: np.float32


class Traces(NamedTuple):
    """Traces ``(chips, lanes, in or out)`` and depression not yet carried out, ``(chips, in, out)``, float32."""

    x1: np.ndarray
    x2: np.ndarray
    y1: np.ndarray
    y2: np.ndarray
    pending: np.ndarray


@numba.njit(inline="always")
def _bounded(w, bound):  # pragma: no cover - compiled
    """``w ** bound``, quick for additive and multiplicative laws."""
    if bound == np.float32(0.0):
        return np.float32(1.0)
    if bound == np.float32(1.0):
        return w
    return np.float32(math.pow(w, bound))


@numba.njit(inline="always")
def _clipped(w):  # pragma: no cover - compiled
    return min(max(w, np.float32(0.0)), np.float32(1.0))


@numba.njit
def age(kind, x1, x2, y1, y2, t):  # pragma: no cover - compiled
    """Let the traces of one step pass; returns how many traces of the neurons still count."""
    alive = 0
    if kind == SIMPLIFIED:
        for i in range(x1.size):
            x1[i] += np.float32(1.0)
        return alive
    for i in range(x1.size):
        x1[i] *= t.keep_x1
    for j in range(y1.size):
        y1[j] *= t.keep_y1
        alive += y1[j] > np.float32(1e-7)
    if t.triplet_down != 0:
        for i in range(x2.size):
            x2[i] *= t.keep_x2
    if t.triplet_up != 0:
        for j in range(y2.size):
            y2[j] *= t.keep_y2
    return alive


@numba.njit
def forget(kind, x1, x2, y1, y2, t, steps):  # pragma: no cover - compiled
    """Let the traces of many steps pass."""
    if kind == SIMPLIFIED:
        x1 += np.float32(steps)
        return
    x1 *= np.float32(t.keep_x1**steps)
    x2 *= np.float32(t.keep_x2**steps)
    y1 *= np.float32(t.keep_y1**steps)
    y2 *= np.float32(t.keep_y2**steps)


@numba.njit
def weaken(w, y1, amount, bound, sums):  # pragma: no cover - compiled
    """An input spike weakens its synapses; what they pass on is added to `sums` in the same pass."""
    if bound == np.float32(0.0):
        for j in range(w.size):
            w[j] = _clipped(w[j] - amount * y1[j])
            sums[j] += w[j]
    elif bound == np.float32(1.0):
        for j in range(w.size):
            w[j] = _clipped(w[j] - amount * y1[j] * w[j])
            sums[j] += w[j]
    else:
        for j in range(w.size):
            w[j] = _clipped(w[j] - amount * y1[j] * _bounded(w[j], bound))
            sums[j] += w[j]


@numba.njit
def strengthen(kind, w, j, x1, strength, t):  # pragma: no cover - compiled
    """A spike of neuron j changes all its synapses."""
    if kind == SIMPLIFIED:
        for i in range(x1.size):
            u = w[i, j]
            if x1[i] <= t.offset:
                u += t.up * math.exp(-t.bound_up * u)
            else:
                u -= t.down * math.exp(-t.bound_down * (np.float32(1.0) - u))
            w[i, j] = _clipped(u)
        return
    for i in range(x1.size):
        if x1[i] == t.offset:  # nothing to change; true of every input that has been silent since the start of a sample
            continue
        u = w[i, j]
        w[i, j] = _clipped(u + _bounded(np.float32(1.0) - u, t.bound_up) * (x1[i] - t.offset) * strength)


@numba.njit
def normalise(w, target):  # pragma: no cover - compiled
    """Scale the synapses of every neuron to a sum, as far as no weight passes 1."""
    sums = np.zeros(w.shape[1], w.dtype)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            sums[j] += w[i, j]
    for j in range(w.shape[1]):
        sums[j] = target / sums[j] if sums[j] > 0 else np.float32(1.0)
    for i in range(w.shape[0]):
        for j in range(w.shape[1]):
            w[i, j] = min(w[i, j] * sums[j], np.float32(1.0))
