"""One step of competing neurons, whose rest is 0, compiled: what the loops by voltage and by spike timing share."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ._input_events import charge, waits
from .competition import Competitors, Presentation, decay

__all__ = [
    "Neurons",
    "adapt",
    "fade",
    "fire",
    "gather",
    "leads",
    "numbers_of",
    "pull",
    "receive",
    "relax",
    "settle",
    "step_all",
    "still_resting",
]

_FAST = {"contract", "nsz", "nnan"}


class Neurons(NamedTuple):
    """Numbers of the competing neurons; times in s."""

    dt: float
    tau: float
    threshold: float
    reset: float
    refractory: float
    gain: float
    bias: float
    hold: int  # steps of inhibition
    raised: float  # 1: adaptation raises the threshold; 0: it lowers the drive
    jump: float  # what a spike adds to the adaptation
    fade: float  # what a step leaves of it
    rise: float  # share of the way to its drive that a potential goes in a step
    amplitude: float  # what a spike through a synapse of weight 1 adds to the filtered input
    filter: float  # what a step leaves of that
    pause: float  # length of the pause after a sample, and what it leaves
    potential_left: float  # of potentials,
    adaptation_left: float  # of adaptation,
    filtered_left: float  # of the filtered input


def numbers_of(o: Competitors, shown: Presentation, learns: bool) -> Neurons:
    """Of neurons that are shown samples, to learn or to be read."""
    step, pause = shown.step, shown.pause
    kept = decay(step, shown.filter_time)
    return Neurons(
        step, o.time_constant, o.threshold, o.reset, o.refractory, o.gain, o.bias, round(o.inhibition / step),
        float(o.adapts == "threshold"), o.adaptation_step / o.adaptation_time, 1.0 - step / o.adaptation_time,
        -math.expm1(-step / o.time_constant), (1.0 - kept) * (1.0 if learns else shown.read_gain) * shown.amplitude,
        kept, pause, decay(pause, o.time_constant), decay(pause, o.adaptation_time), decay(pause, shown.filter_time),
    )  # fmt: skip


@numba.njit(inline="always")
def pull(y, ad, c):  # pragma: no cover - compiled
    """What a neuron with filtered input y and adaptation ad is charged towards."""
    return c.gain * y + c.bias - (1.0 - c.raised) * ad


@numba.njit(inline="always")
def fade(ad, chip, c):  # pragma: no cover - compiled
    """Let the adaptation of a chip fall for a step."""
    for j in range(ad.shape[1]):
        ad[chip, j] *= c.fade


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def gather(total, columns, fired, first, last):  # pragma: no cover - compiled
    """Sum of the weights ``(in, neurons)`` of the inputs that fired, listed from `first` to `last`."""
    n = total.shape[0]
    for j in range(n):
        total[j] = 0.0
    k = first
    while k + 4 <= last:  # four rows at a time, to spare visits to the sum
        p, q, r, s = columns[fired[k]], columns[fired[k + 1]], columns[fired[k + 2]], columns[fired[k + 3]]
        for j in range(n):
            total[j] += (np.float64(p[j]) + q[j]) + (np.float64(r[j]) + s[j])
        k += 4
    while k < last:
        p = columns[fired[k]]
        for j in range(n):
            total[j] += p[j]
        k += 1


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def receive(y, row, total, c):  # pragma: no cover - compiled
    """Filter what was gathered."""
    for j in range(total.shape[0]):
        y[row, j] = c.filter * y[row, j] + c.amplitude * total[j]


@numba.njit(cache=True, nogil=True)
def still_resting(rf, row, resting):  # pragma: no cover - compiled
    """List the neurons in their refractory time; returns how many."""
    number = 0
    for j in range(rf.shape[1]):
        if rf[row, j] > 0.0:
            resting[row, number] = j
            number += 1
    return number


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def leads(lead, v, row, ad, chip, c):  # pragma: no cover - compiled
    """Potentials less what adaptation adds to the threshold; returns the largest."""
    for j in range(lead.shape[0]):
        lead[j] = v[row, j] - c.raised * ad[chip, j]
    best = lead[0]
    for j in range(1, lead.shape[0]):
        best = max(best, lead[j])
    return best


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def charge_all(v, rf, y, row, ad, chip, resting, number, before, c):  # pragma: no cover - compiled
    """Charge for a step, the `number` neurons listed in `resting` for what their refractory time leaves of it."""
    for a in range(number):
        before[a] = v[row, resting[row, a]]
    for j in range(v.shape[1]):
        v[row, j] += (pull(y[row, j], ad[chip, j], c) - v[row, j]) * c.rise
    for a in range(number):
        j = resting[row, a]
        rf[row, j] -= c.dt
        v[row, j] = charge(before[a], pull(y[row, j], ad[chip, j], c), rf[row, j], c.dt, c.tau)


@numba.njit(cache=True, nogil=True)
def fire(v, rf, y, held, row, ad, chip, lead, best, events, c):  # pragma: no cover - compiled
    """Who leads above the threshold fires (`events`), all others are set to rest and held there; most steps of that."""
    longest = 0
    for j in range(lead.shape[0]):
        events[chip, j] = lead[j] == best
        if not events[chip, j] and held[row, j] == 0:
            held[row, j] = c.hold
        longest = max(longest, held[row, j])
        if not events[chip, j] or held[row, j] != 0:
            v[row, j] = 0.0
            if lead[j] > c.threshold:
                rf[row, j] = 0.0
        else:
            drive, level = pull(y[row, j], ad[chip, j], c), c.threshold + c.raised * ad[chip, j]
            rf[row, j] = waits(v[row, j], drive, level, c.dt, c.tau, c.refractory)
            v[row, j] = c.reset
    return longest


@numba.njit(inline="always")
def settle(v, rf, held, row, resting, number, longest, c):  # pragma: no cover - compiled
    """End a step: hold who is held at rest, and who is in its refractory time at its reset.

    Returns:
        how many neurons are listed in `resting`, and the most steps for which one of them is still held.
    """
    if longest > 0:
        longest -= 1
        for j in range(v.shape[1]):
            v[row, j] = 0.0 if held[row, j] != 0 else v[row, j]
            held[row, j] -= held[row, j] != 0
    kept = 0
    for a in range(number):
        j = resting[row, a]
        if rf[row, j] > 0.0:
            v[row, j] = c.reset
            resting[row, kept] = j
            kept += 1
    return kept, longest


@numba.njit(inline="always")
def step_all(
    v, rf, y, held, row, ad, chip, lead, before, events, resting, number, longest, c
):  # pragma: no cover - compiled
    """One step of all neurons; returns whether one fires (`events`) and what `settle` does.

    Args:
        v, rf, y, held: ``(rows, neurons)``, of which one row; ad, events ``(chips, neurons)``, of which one chip.
        lead, before: filled.
        resting: of that row, list of `number` neurons in their refractory time.
        longest: most steps for which one of them is held.
    """
    charge_all(v, rf, y, row, ad, chip, resting, number, before, c)
    best = leads(lead, v, row, ad, chip, c)
    fires = best > c.threshold
    if fires:
        longest = fire(v, rf, y, held, row, ad, chip, lead, best, events, c)
        number = still_resting(rf, row, resting)
    number, longest = settle(v, rf, held, row, resting, number, longest, c)
    fade(ad, chip, c)
    if fires:
        adapt(ad, events, chip, c)
    return fires, number, longest


@numba.njit(cache=True, nogil=True)
def adapt(ad, events, chip, c):  # pragma: no cover - compiled
    """Raise the adaptation of the neurons that fired."""
    for j in range(ad.shape[1]):
        if events[chip, j]:
            ad[chip, j] += c.jump


@numba.njit(cache=True, nogil=True)
def relax(v, rf, y, held, row, c):  # pragma: no cover - compiled
    """The pause after a sample: nothing drives anything; returns its length in steps."""
    skipped = round(c.pause / c.dt)
    for j in range(v.shape[1]):
        v[row, j] *= c.potential_left
        rf[row, j] -= c.pause
        y[row, j] *= c.filtered_left
        held[row, j] = max(held[row, j] - skipped, 0)
    return skipped
