"""Compiled laws of spike timing: traces, and what spikes make of them; see `nanoneurons.physics.spike_timing`."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

__all__ = [
    "NEVER",
    "NO_TIMING",
    "SIMPLIFIED",
    "TRACES",
    "Timing",
    "Traces",
    "age",
    "forget",
    "heard",
    "highest_weights",
    "input_spikes",
    "normalise",
    "output_spikes",
    "postpone",
    "restart",
    "strengthen",
    "weaken",
]

NO_TIMING, TRACES, SIMPLIFIED = 0, 1, 2
NEVER = 1e9  # age of a spike that has not been
_FAINT = 1e-7  # traces below that change no weight
_SMALL = 1e-12  # factors below that are put back into the traces, before these leave the range of float32
_OLD = 1e6  # ages beyond that too
_FAST = {"contract", "nsz", "nnan"}


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
    """Traces ``(chips * lanes, in or out)``, float32, relative to factors that decay in their place.

    Attributes:
        x1, x2, y1, y2: traces divided by their factors; of the simplified law, x1 is the age less the first factor.
        factors: of x1, x2, y1, y2, ``(chips * lanes, 4)``, float64.
        pending: depression not yet carried out, ``(chips, in, out)``, float32.
    """

    x1: np.ndarray
    x2: np.ndarray
    y1: np.ndarray
    y2: np.ndarray
    factors: np.ndarray
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


@numba.njit(cache=True, nogil=True)
def restart(kind, x1, x2, y1, y2, f, row):  # pragma: no cover - compiled
    """No spike has been seen; of all arrays here and below, one row counts."""
    x1[row, :] = np.float32(NEVER if kind == SIMPLIFIED else 0.0)
    x2[row, :] = np.float32(0.0)
    y1[row, :] = np.float32(0.0)
    y2[row, :] = np.float32(0.0)
    f[row, :] = 0.0 if kind == SIMPLIFIED else 1.0


@numba.njit(cache=True, nogil=True)
def _put_back(kind, x1, x2, y1, y2, f, row):  # pragma: no cover - compiled
    if kind == SIMPLIFIED:
        x1[row] += np.float32(f[row, 0])
        f[row, 0] = 0.0
        return
    x1[row] *= np.float32(f[row, 0])
    x2[row] *= np.float32(f[row, 1])
    y1[row] *= np.float32(f[row, 2])
    y2[row] *= np.float32(f[row, 3])
    f[row, :] = 1.0


@numba.njit(inline="always")
def age(kind, x1, x2, y1, y2, f, row, t):  # pragma: no cover - compiled
    """Let a step pass."""
    if kind == SIMPLIFIED:
        f[row, 0] += 1.0
        far = f[row, 0] > _OLD
    else:
        f[row, 0] *= t.keep_x1
        f[row, 1] *= t.keep_x2
        f[row, 2] *= t.keep_y1
        f[row, 3] *= t.keep_y2
        far = min(min(f[row, 0], f[row, 1]), min(f[row, 2], f[row, 3])) < _SMALL
    if far:
        _put_back(kind, x1, x2, y1, y2, f, row)


@numba.njit(cache=True, nogil=True)
def forget(kind, x1, x2, y1, y2, f, row, t, steps):  # pragma: no cover - compiled
    """Let the traces of many steps pass."""
    if kind == SIMPLIFIED:
        f[row, 0] += steps
    else:
        f[row, 0] *= t.keep_x1**steps
        f[row, 1] *= t.keep_x2**steps
        f[row, 2] *= t.keep_y1**steps
        f[row, 3] *= t.keep_y2**steps
    _put_back(kind, x1, x2, y1, y2, f, row)


@numba.njit(inline="always")
def _counted(trace, factor, t):  # pragma: no cover - compiled
    """A trace, divided by its factor, after one more spike."""
    one = np.float32(1.0 / factor)
    return one if t.nearest != 0 else trace + one


@numba.njit(inline="always")
def input_spikes(kind, x1, x2, f, row, which, first, last, t):  # pragma: no cover - compiled
    """The inputs listed in `which` from `first` to `last` have fired."""
    for e in range(first, last):
        i = which[e]
        if kind == SIMPLIFIED:
            x1[row, i] = np.float32(-f[row, 0])
        else:
            x1[row, i] = _counted(x1[row, i], f[row, 0], t)
            if t.triplet_down != 0:
                x2[row, i] = _counted(x2[row, i], f[row, 1], t)


@numba.njit(cache=True, nogil=True)
def output_spikes(kind, y1, y2, f, row, events, chip, t):  # pragma: no cover - compiled
    """Some neurons have fired (`events`)."""
    if kind == TRACES:
        for j in range(y1.shape[1]):
            if events[chip, j]:
                y1[row, j] = _counted(y1[row, j], f[row, 2], t)
                y2[row, j] = _counted(y2[row, j], f[row, 3], t)


@numba.njit(cache=True, nogil=True)
def heard(kind, y1, f, row, recent):  # pragma: no cover - compiled
    """List neurons whose traces still change a weight; returns how many, or all of them where the list is too short."""
    number = 0
    if kind != TRACES:
        return number
    for j in range(y1.shape[1]):
        if y1[row, j] * f[row, 2] > _FAINT:
            if number == recent.shape[1]:
                return y1.shape[1]
            recent[row, number] = j
            number += 1
    return number


@numba.njit(cache=True, nogil=True)
def weaken(w, which, first, last, x2, y1, f, row, recent, number, t):  # pragma: no cover - compiled
    """Spikes of inputs weaken their synapses with the neurons in `recent`, see `heard`."""
    if number <= recent.shape[1] and t.triplet_down == 0:
        for a in range(number):
            j = recent[row, a]
            amount = np.float32(t.down * f[row, 2]) * y1[row, j]
            for e in range(first, last):
                i = which[e]
                w[i, j] = _clipped(w[i, j] - amount * _bounded(w[i, j], t.bound_down))
        return
    for e in range(first, last):
        i = which[e]
        amount = np.float32((t.down + t.triplet_down * x2[row, i] * f[row, 1]) * f[row, 2])
        for j in range(w.shape[1]):
            w[i, j] = _clipped(w[i, j] - amount * y1[row, j] * _bounded(w[i, j], t.bound_down))


@numba.njit(cache=True, nogil=True)
def postpone(pending, chip, which, first, last, x2, y1, f, row, t):  # pragma: no cover - compiled
    """What `weaken` would take away is kept for later."""
    for e in range(first, last):
        i = which[e]
        amount = np.float32((t.down + t.triplet_down * x2[row, i] * f[row, 1]) * f[row, 2])
        for j in range(y1.shape[1]):
            pending[chip, i, j] += amount * y1[row, j]


@numba.njit(cache=True, nogil=True)
def strengthen(kind, w, j, x1, f, row, strength, t, highest):  # pragma: no cover - compiled
    """A spike of neuron j changes all its synapses; `highest` are bounds of every input's weights, kept above them."""
    factor = np.float32(f[row, 0])
    for i in range(w.shape[0]):
        if kind == SIMPLIFIED:
            u = w[i, j]
            if x1[row, i] + factor <= t.offset:
                u += t.up * math.exp(-t.bound_up * u)
            else:
                u -= t.down * math.exp(-t.bound_down * (np.float32(1.0) - u))
        else:
            x = x1[row, i] * factor - t.offset
            if x == 0:  # nothing to change; true of every input that has been silent since the start of a sample
                continue
            u = w[i, j] + _bounded(np.float32(1.0) - w[i, j], t.bound_up) * x * strength
        w[i, j] = _clipped(u)
        highest[i] = max(highest[i], w[i, j])


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def highest_weights(highest, w):  # pragma: no cover - compiled
    """The largest weight of every input."""
    for i in range(w.shape[0]):
        most = w[i, 0]
        for j in range(1, w.shape[1]):
            most = max(most, w[i, j])
        highest[i] = most


@numba.njit(cache=True, nogil=True)
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
