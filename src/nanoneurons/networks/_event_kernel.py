"""Compiled loop over input spikes: competing neurons whose synapses change by spike timing.

Cost follows spikes, not inputs or neurons times steps: an input spike costs a pass over its synapses, and less where
the neurons are held at rest. Without a filter these need not know what reaches them, as long as it could not make them
fire at once: they sleep, and only the few others are followed. Samples that are shown side by side ("lanes") share
synapses and adaptation, and the changes that each of them makes add up.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import numba
import numpy as np

from ._competing_neurons import adapt, fade, fire, gather, leads, pull, receive, relax, settle, step_all, still_resting
from ._input_events import charge
from ._timing_kernel import (
    NO_TIMING,
    age,
    forget,
    heard,
    highest_weights,
    input_spikes,
    normalise,
    output_spikes,
    postpone,
    restart,
    strengthen,
    weaken,
)

__all__ = ["run"]

_FEW = 8  # neurons that are followed one by one; where there are more, all of them
_RECENT = 16  # the same for neurons that weaken synapses
_SLEPT, _SPAN, _AWAKE, _RESTING, _LONGEST, _HEARD = range(6)  # see `run`


@numba.njit(cache=True, nogil=True)
def _doze(y, rf, held, row, ad, chip, lowest, awake, at):  # pragma: no cover - compiled
    """List the neurons to be followed while all others are held at rest, and the steps after which the first wakes."""
    n, number, span = held.shape[1], 0, at[row, _LONGEST]
    for j in range(n):
        if held[row, j] != 0:
            span = min(span, held[row, j])
        if held[row, j] == 0 or rf[row, j] > 0.0:
            if number == _FEW:
                return
            awake[row, number] = j
            number += 1
    if number == n:
        return
    at[row, _AWAKE], at[row, _SPAN], at[row, _SLEPT] = number, span, 0
    lowest[chip] = ad[chip].min()
    for j in range(n):
        if held[row, j] != 0:
            y[row, j] = 0.0


@numba.njit(cache=True, nogil=True)
def _wake(rf, held, row, resting, at):  # pragma: no cover - compiled
    longest = 0
    for j in range(held.shape[1]):
        held[row, j] = max(held[row, j] - at[row, _SLEPT], 0)
        longest = max(longest, held[row, j])
    at[row, _SLEPT], at[row, _SPAN] = 0, 0
    at[row, _LONGEST], at[row, _RESTING] = longest, still_resting(rf, row, resting)


@numba.njit(inline="always")
def _charge_few(v, rf, y, held, row, ad, chip, awake, number, c):  # pragma: no cover - compiled
    """Charge the neurons that are awake for a step; returns the largest lead. If none fires, the step has ended."""
    best = -np.inf
    for a in range(number):
        j = awake[row, a]
        drive = pull(y[row, j], ad[chip, j], c)
        if rf[row, j] > 0.0:
            rf[row, j] -= c.dt
            v[row, j] = charge(v[row, j], drive, rf[row, j], c.dt, c.tau)
        else:
            v[row, j] += (drive - v[row, j]) * c.rise
        best = max(best, v[row, j] - c.raised * ad[chip, j])
    if best <= c.threshold:
        for a in range(number):
            j = awake[row, a]
            if held[row, j] != 0:
                v[row, j] = 0.0
            if rf[row, j] > 0.0:
                v[row, j] = c.reset
    return best


@numba.njit(inline="always")
def _compete(v, rf, y, held, row, ad, chip, lead, before, events, awake, resting, at, c):  # pragma: no cover - compiled
    """One step of the neurons; returns whether one of them fires."""
    if at[row, _SPAN] == 0:
        fires, at[row, _RESTING], at[row, _LONGEST] = step_all(
            v, rf, y, held, row, ad, chip, lead, before, events, resting, at[row, _RESTING], at[row, _LONGEST], c
        )
        return fires
    best = _charge_few(v, rf, y, held, row, ad, chip, awake, at[row, _AWAKE], c)
    fires = best > c.threshold
    if fires:
        _wake(rf, held, row, resting, at)
        leads(lead, v, row, ad, chip, c)
        longest = fire(v, rf, y, held, row, ad, chip, lead, best, events, c)
        number = still_resting(rf, row, resting)
        at[row, _RESTING], at[row, _LONGEST] = settle(v, rf, held, row, resting, number, longest, c)
    else:
        at[row, _SLEPT] += 1
        if at[row, _SLEPT] == at[row, _SPAN]:
            _wake(rf, held, row, resting, at)
    fade(ad, chip, c)
    if fires:
        adapt(ad, events, chip, c)
    return fires


@numba.njit(inline="always")
def _matters(reached, ad, c):  # pragma: no cover - compiled
    """Whether an input could take a neuron with that adaptation from rest to its threshold in a step."""
    return pull(c.amplitude * reached, ad, c) * c.rise >= 0.999 * (c.threshold + c.raised * ad)  # with rounding


@numba.njit(inline="always")
def _receive(
    y, rf, held, row, ad, chip, lowest, w, highest, which, first, last, total, awake, resting, at, sleepy, c
):  # pragma: no cover - compiled
    """What reaches the neurons in a step, or those that are awake."""
    if sleepy and at[row, _SPAN] == 0 and at[row, _LONGEST] > 0:
        _doze(y, rf, held, row, ad, chip, lowest, awake, at)
    if at[row, _SPAN] > 0:
        most = 0.0
        for e in range(first, last):
            most += highest[which[e]]
        if not _matters(most, lowest[chip], c):
            for a in range(at[row, _AWAKE]):
                j, reached = awake[row, a], 0.0
                for e in range(first, last):
                    reached += w[which[e], j]
                y[row, j] = c.amplitude * reached
            return
    gather(total, w, which, first, last)
    if at[row, _SPAN] > 0:
        if not _matters(total.max(), lowest[chip], c):
            for a in range(at[row, _AWAKE]):
                y[row, awake[row, a]] = c.amplitude * total[awake[row, a]]
            return
        _wake(rf, held, row, resting, at)
    receive(y, row, total, c)


@numba.njit(cache=True, nogil=True)
def run(
    which, offsets, columns, v, rf, ad, held, y, traces, cursor, events, counts, fresh, c, kind, t, target, pause
):  # pragma: no cover - compiled
    """Run every chip to the end of the samples or, with `pause`, to its next output spike; returns whether all ended.

    Args:
        which, offsets: input spikes, see `poisson_events`.
        columns: weights ``(chips, in, out)``, float32.
        v, rf, held, y: state of the neurons and their input ``(chips * lanes, out)``; `ad` ``(chips, out)``.
        traces: see `Traces`, with one axis for chips and lanes.
        cursor: ``(chips, 4)``: first sample of the group, step, lane, and 1 where the step has stopped at a spike.
        events: ``(chips, out)``, set where a neuron fired at the stop.
        counts: output spikes ``(chips, samples, out)``.
        fresh: every group of samples begins with neurons and traces at rest.
        target: sum to which the weights of a neuron are scaled after every group of samples, or 0.
    """
    chips, m, n = columns.shape
    samples, steps, rows = offsets.shape[1], offsets.shape[2] - 1, v.shape[0]
    lanes = rows // chips
    x1, x2, y1, y2, f = traces.x1, traces.x2, traces.y1, traces.y2, traces.factors
    before, lead, total, highest = np.empty(n), np.empty(n), np.empty(n), np.zeros(m, np.float32)
    resting, awake = np.empty((rows, n), np.int64), np.empty((rows, _FEW), np.int64)
    recent = np.empty((rows, _RECENT), np.int64)
    # of every row: how many steps of how many the neurons at rest have slept (none: they do not), how many are awake;
    # how many wait after a spike, the most steps for which one is held; how many have spiked recently
    at = np.zeros((rows, 6), np.int64)
    sleepy = c.filter == 0.0 and c.gain >= 0.0 and c.fade >= 0.0 and not pause
    lowest = np.zeros(chips)  # no adaptation is below
    weakens, done = t.down != 0 or t.triplet_down != 0, True
    for row in range(rows):
        _wake(rf, held, row, resting, at)
        at[row, _HEARD] = heard(kind, y1, f, row, recent)
    for chip in range(chips):
        w = columns[chip]
        if sleepy:
            highest_weights(highest, w)
        while cursor[chip, 0] < samples:
            base, step, lane, resumed = cursor[chip, 0], cursor[chip, 1], cursor[chip, 2], cursor[chip, 3] == 1
            row, group, sample = chip * lanes + lane, min(lanes, samples - base), base + lane
            first, last = offsets[chip, sample, step], offsets[chip, sample, step + 1]
            cursor[chip, 3] = 0
            if fresh and step == 0 and not resumed:
                v[row, :], rf[row, :], held[row, :], y[row, :], at[row, :] = 0.0, 0.0, 0, 0.0, 0
                restart(kind, x1, x2, y1, y2, f, row)
            fires = True
            if not resumed:
                lowest[chip] *= c.fade
                fires = _compete(v, rf, y, held, row, ad, chip, lead, before, events, awake, resting, at, c)
                if kind != NO_TIMING:
                    age(kind, x1, x2, y1, y2, f, row, t)
                    if weakens and at[row, _HEARD] > 0:
                        if pause:
                            postpone(traces.pending, chip, which, first, last, x2, y1, f, row, t)
                        else:
                            weaken(w, which, first, last, x2, y1, f, row, recent, at[row, _HEARD], t)
                    input_spikes(kind, x1, x2, f, row, which, first, last, t)
                if fires:
                    for j in range(n):
                        counts[chip, sample, j] += events[chip, j]
                    if pause:
                        cursor[chip, 3], done = 1, False
                        break
                    if kind != NO_TIMING:
                        for j in range(n):
                            if events[chip, j]:
                                strength = np.float32(t.up + t.triplet_up * y2[row, j] * f[row, 3])
                                strengthen(kind, w, j, x1, f, row, strength, t, highest)
            if fires and kind != NO_TIMING:
                output_spikes(kind, y1, y2, f, row, events, chip, t)
                at[row, _HEARD] = heard(kind, y1, f, row, recent)
            _receive(
                y, rf, held, row, ad, chip, lowest, w, highest, which, first, last, total, awake, resting, at, sleepy, c
            )
            cursor[chip, 2] = lane + 1
            if lane + 1 == group:
                cursor[chip, 2], cursor[chip, 1] = 0, step + 1
                if step + 1 == steps:
                    cursor[chip, 1], cursor[chip, 0] = 0, base + group
                    if target > 0:
                        normalise(w, target)
                        if sleepy:
                            highest_weights(highest, w)
                    if c.pause > 0:
                        ad[chip] *= c.adaptation_left
                        lowest[chip] *= c.adaptation_left
                        for other in range(chip * lanes, chip * lanes + lanes):
                            _wake(rf, held, other, resting, at)
                            relax(v, rf, y, held, other, c)
                            _wake(rf, held, other, resting, at)
                            if kind != NO_TIMING:
                                forget(kind, x1, x2, y1, y2, f, other, t, c.pause / c.dt)
    for row in range(rows):
        _wake(rf, held, row, resting, at)
    return done
