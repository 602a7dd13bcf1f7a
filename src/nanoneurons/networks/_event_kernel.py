"""Compiled loop over input spikes: competing neurons whose synapses change by spike timing.

Cost follows input spikes, not inputs times steps; the neurons and the traces of the inputs decay in plain loops that
the compiler turns into vector instructions. Samples that are shown side by side ("lanes") share synapses and
adaptation, and the changes that each of them makes add up.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from ._input_events import charge, waits
from ._timing_kernel import NO_TIMING, SIMPLIFIED, TRACES, age, forget, normalise, strengthen, weaken

__all__ = ["Neurons", "run"]


class Neurons(NamedTuple):
    """Numbers of the competing neurons, float64."""

    dt: float
    tau: float
    threshold: float
    reset: float
    refractory: float
    gain: float
    bias: float
    jump: float
    leak: float
    amplitude: float
    filter: float
    rest: float  # length of the pause after a sample in s, and what it leaves
    out_rest: float  # of potentials,
    adaptation_rest: float  # of adaptation,
    filter_rest: float  # of the filtered input


@numba.njit
def _compete(v, rf, y, ad, held, hold, on_threshold, c):  # pragma: no cover - compiled
    """One step of the neurons, whose rest is 0; returns the one that fires, or -1."""
    n = v.shape[0]
    full = -math.expm1(-c.dt / c.tau)
    waiting, kept, over = 0, 0, 0
    for j in range(n):
        rf[j] -= c.dt
        waiting += rf[j] > 0.0
        kept += held[j] != 0
    busy = waiting + kept
    if waiting > 0:
        for j in range(n):
            pull = c.gain * y[j] + c.bias - (0.0 if on_threshold else ad[j])
            v[j] = v[j] if rf[j] > 0 else v[j] + (pull - v[j]) * full
        for j in range(n):  # a few only
            if rf[j] > 0:
                pull = c.gain * y[j] + c.bias - (0.0 if on_threshold else ad[j])
                v[j] = charge(v[j], pull, rf[j], c.dt, c.tau)
        for j in range(n):
            over += v[j] > c.threshold + (ad[j] if on_threshold else 0.0)
    elif on_threshold:
        for j in range(n):
            v[j] += (c.gain * y[j] + c.bias - v[j]) * full
            over += v[j] > c.threshold + ad[j]
    else:
        for j in range(n):
            v[j] += (c.gain * y[j] + c.bias - ad[j] - v[j]) * full
            over += v[j] > c.threshold
    winner = -1
    if over > 0 or busy > 0:
        winner = _settle(v, rf, y, ad, held, hold, on_threshold, c, over > 0)
    for j in range(n):
        ad[j] -= c.leak * ad[j]
    if winner >= 0:
        ad[winner] += c.jump
    return winner


@numba.njit
def _settle(v, rf, y, ad, held, hold, on_threshold, c, fires):  # pragma: no cover - compiled
    """Find the winner, hold the others at rest, reset who crossed the threshold."""
    n = v.shape[0]
    winner = -1
    if not fires:  # plain selections, which the compiler turns into vector instructions
        for j in range(n):
            u = 0.0 if held[j] != 0 else v[j]
            v[j] = c.reset if rf[j] > 0 else u
            held[j] -= held[j] != 0
        return winner
    best = -np.inf
    for j in range(n):
        ahead = v[j] - c.threshold - (ad[j] if on_threshold else 0.0)
        if ahead > best:
            best, winner = ahead, j
    for j in range(n):
        level = c.threshold + (ad[j] if on_threshold else 0.0)
        over = v[j] > level
        if winner >= 0 and j != winner and held[j] == 0:
            held[j] = hold
        if (winner >= 0 and j != winner) or held[j] != 0:
            v[j] = 0
            if over:
                rf[j] = 0
        elif over:
            pull = c.gain * y[j] + c.bias - (0.0 if on_threshold else ad[j])
            rf[j] = waits(v[j], pull, level, c.dt, c.tau, c.refractory)
            v[j] = c.reset
        if rf[j] > 0:
            v[j] = c.reset
        if held[j] != 0:
            held[j] -= 1
    return winner


@numba.njit
def _rest(v, rf, ad, held, y, c):  # pragma: no cover - compiled
    """A pause without input."""
    skipped = round(c.rest / c.dt)
    ad *= c.adaptation_rest
    for lane in range(v.shape[0]):
        v[lane] *= c.out_rest
        rf[lane] -= c.rest
        y[lane] *= c.filter_rest
        for j in range(v.shape[1]):
            held[lane, j] = max(held[lane, j] - skipped, 0)


@numba.njit(cache=True, nogil=True)
def run(
    which, offsets, columns, v, rf, ad, held, y, total, traces, cursor, winners, counts, hold, on_threshold, fresh, c,
    kind, t, target, pause,
):  # fmt: skip  # pragma: no cover - compiled
    """Run every chip to the end of the samples or, with `pause`, to its next output spike; returns whether all ended.

    Args:
        which, offsets: input spikes, see `poisson_events`.
        columns: weights ``(chips, in, out)``, float32.
        v, rf, held, y, total: state of the neurons and their input ``(chips, lanes, out)``; `ad` ``(chips, out)``.
        cursor: ``(chips, 4)``: first sample of the group, step, lane, and 1 where the step has stopped at a spike.
        winners: neuron that fired at the stop, ``(chips,)``.
        counts: output spikes ``(chips, samples, out)``.
        hold: steps of inhibition; `on_threshold`: adaptation raises the threshold instead of lowering the drive.
        fresh: every group of samples begins with neurons and traces at rest.
        target: sum to which the weights of a neuron are scaled after every group of samples, or 0.
    """
    chips, n = columns.shape[0], columns.shape[2]
    samples, steps, lanes = offsets.shape[1], offsets.shape[2] - 1, v.shape[1]
    done = True
    for chip in range(chips):
        w, a = columns[chip], ad[chip]
        while cursor[chip, 0] < samples:
            base, step, lane = cursor[chip, 0], cursor[chip, 1], cursor[chip, 2]
            group = min(lanes, samples - base)
            if fresh and step == 0 and lane == 0 and cursor[chip, 3] == 0:
                v[chip] = 0
                rf[chip] = 0
                held[chip] = 0
                y[chip] = 0
                traces.x1[chip] = 1e9 if kind == SIMPLIFIED else 0.0
                traces.x2[chip] = 0
                traces.y1[chip] = 0
                traces.y2[chip] = 0
            first, last = offsets[chip, base + lane, step], offsets[chip, base + lane, step + 1]
            sums = total[chip, lane]
            x1, x2, y1, y2 = traces.x1[chip, lane], traces.x2[chip, lane], traces.y1[chip, lane], traces.y2[chip, lane]
            if cursor[chip, 3] == 0:
                j = _compete(v[chip, lane], rf[chip, lane], y[chip, lane], a, held[chip, lane], hold, on_threshold, c)
                alive = age(kind, x1, x2, y1, y2, t) if kind != NO_TIMING else 0
                sums[:] = 0
                for e in range(first, last):
                    i = which[e]
                    row = w[i]
                    amount = t.down + t.triplet_down * x2[i] if alive > 0 else np.float32(0.0)
                    if amount != 0 and not pause:
                        weaken(row, y1, amount, t.bound_down, sums)
                    else:
                        if amount != 0:
                            for k in range(n):
                                traces.pending[chip, i, k] += amount * y1[k]
                        for k in range(n):
                            sums[k] += row[k]
                    if kind == SIMPLIFIED:
                        x1[i] = 0
                    elif kind == TRACES:
                        x1[i] = 1 if t.nearest != 0 else x1[i] + 1
                        x2[i] = 1 if t.nearest != 0 else x2[i] + 1
                if j >= 0:
                    counts[chip, base + lane, j] += 1
                    if pause:
                        cursor[chip, 3], winners[chip], done = 1, j, False
                        break
                    if kind != NO_TIMING:
                        strengthen(kind, w, j, x1, t.up + t.triplet_up * y2[j], t)
            else:
                j = winners[chip]
                cursor[chip, 3] = 0
            if j >= 0 and kind != NO_TIMING:
                y1[j] = 1 if t.nearest != 0 else y1[j] + 1
                y2[j] = 1 if t.nearest != 0 else y2[j] + 1
                sums[j] = 0
                for e in range(first, last):
                    sums[j] += w[which[e], j]
            filtered = y[chip, lane]
            for k in range(n):
                filtered[k] = c.filter * filtered[k] + (1 - c.filter) * (c.amplitude * sums[k])
            cursor[chip, 2] = lane + 1
            if lane + 1 == group:
                cursor[chip, 2], cursor[chip, 1] = 0, step + 1
                if step + 1 == steps:
                    cursor[chip, 1], cursor[chip, 0] = 0, base + group
                    if target > 0:
                        normalise(w, target)
                    if c.rest > 0:
                        _rest(v[chip], rf[chip], a, held[chip], y[chip], c)
                        for other in range(lanes):
                            forget(
                                kind, traces.x1[chip, other], traces.x2[chip, other], traces.y1[chip, other],
                                traces.y2[chip, other], t, c.rest / c.dt,
                            )  # fmt: skip
    return done
