"""Compiled laws of plasticity: how the synapses of a neuron change when it fires."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np

__all__ = ["BY_VOLTAGE", "NO_LAW", "VDSP", "change"]

NO_LAW, VDSP = 0, 1
BY_VOLTAGE = -1  # synapses in devices that the potentials of the inputs write, see physics.voltage_switching
_ORDER = 14  # of the series of exp(z) - 1 below one half: the next term is 2e-17
_SERIES = tuple(1.0 / math.factorial(k) for k in range(_ORDER, 0, -1))


@numba.njit(inline="always")
def expm1_small(z):  # pragma: no cover - compiled
    """``exp(z) - 1`` for ``|z| <= 1/2`` to rounding, without a branch, so that loops over it become vector code."""
    total = _SERIES[0]
    for c in _SERIES[1:]:
        total = total * z + c
    return total * z


@numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz", "nnan"})
def change(law, values, row, v, quiet):  # pragma: no cover - compiled
    """Change the synapses `row` of a neuron that fires.

    Args:
        law: number of the law.
        values: its numbers, float64.
        row: weights ``(in,)``, changed in place, kept between 0 and 1.
        v: potentials of the inputs now.
        quiet: steps since the last spike of each input, 0 where it fires now.
    """
    if law == VDSP:
        _vdsp(row, v, values[0], values[1])


@numba.njit(inline="always")
def _vdsp(row, v, up, down):  # pragma: no cover - compiled
    """Of every input: ``up (1 - w) (exp(-v) - 1)`` for v < 0, ``-down w (exp(v) - 1)`` for v > 0."""
    largest = 0.0
    for i in range(v.shape[0]):
        largest = max(largest, abs(v[i]))
    halvings = 0
    while largest > 0.5:
        largest *= 0.5
        halvings += 1
    scale = 0.5**halvings
    grown = np.empty(v.shape[0])
    for i in range(v.shape[0]):
        grown[i] = expm1_small(abs(v[i]) * scale)
    for _ in range(halvings):
        for i in range(v.shape[0]):
            grown[i] = grown[i] * (grown[i] + 2.0)
    for i in range(v.shape[0]):
        w = row[i]
        rising = up * (1.0 - w) * grown[i]
        falling = down * w * grown[i]
        w += rising if v[i] < 0.0 else -falling
        row[i] = min(max(w, 0.0), 1.0)
