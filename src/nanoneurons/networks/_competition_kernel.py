"""The compiled loop of competing neurons: inputs from spike to spike, outputs step by step, every chip on its own.

An input under a constant drive needs no steps: its next spike and its potential at any later time have closed forms. It
is visited when it fires, when an output fires, and when the sample changes.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from nanoneurons.physics.voltage_switching import write_row

from ._competing_neurons import gather, receive, relax, step_all, still_resting
from ._plasticity import BY_VOLTAGE, NO_LAW, change, expm1_small

__all__ = ["Constants", "State", "advance"]

_FAST = {"contract", "nsz", "nnan"}


class Constants(NamedTuple):
    """Numbers of the inputs, all float64; times in s."""

    tau: float
    threshold: float
    reset: float
    refractory: float
    prompt: float  # 1: synapses learn before the inputs move on; 0: after
    left: float  # what the pause between samples leaves of their potentials


class State(NamedTuple):
    """Arrays that are carried on, ``(chips, in)`` and ``(chips, out)``.

    Attributes:
        v_in, rf_in: potentials and refractory times left, valid at a stop and between samples.
        last: step of every input's last spike, counted from the first sample ever shown.
        base, wait, since: potential and refractory time left of an input at its last visit, and the step of that visit.
        when: time of its next spike after the start of the sample.
        held: steps of inhibition left.
    """

    v_in: np.ndarray
    rf_in: np.ndarray
    last: np.ndarray
    base: np.ndarray
    wait: np.ndarray
    since: np.ndarray
    when: np.ndarray
    v_out: np.ndarray
    rf_out: np.ndarray
    adaptation: np.ndarray
    held: np.ndarray
    filtered: np.ndarray


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _look(v, rf, base, wait, since, drive, step, decay, dt, tau):  # pragma: no cover - compiled
    """Potentials and refractory times of all inputs at the beginning of a step, from their last visits."""
    m = v.shape[0]
    longest = 0.0
    for i in range(m):
        longest = max(longest, wait[i])
    halvings, scale = 0, 1.0 / tau
    while longest * scale > 0.5:
        scale *= 0.5
        halvings += 1
    for i in range(m):
        v[i] = expm1_small(wait[i] * scale)
    for _ in range(halvings):
        for i in range(m):
            v[i] = v[i] * (v[i] + 2.0)
    for i in range(m):
        steps = step - since[i]
        left = min((1.0 + v[i]) * decay[steps], 1.0)
        v[i] = drive[i] + (base[i] - drive[i]) * left
        rf[i] = max(wait[i] - steps * dt, 0.0)


@numba.njit(cache=True, nogil=True)
def _begin(v, rf, base, wait, since, when, drive, c):  # pragma: no cover - compiled
    """Visit all inputs at the start of a sample."""
    for i in range(v.shape[0]):
        base[i], wait[i], since[i] = v[i], rf[i], 0
        over = drive[i] - c.threshold
        when[i] = np.inf
        if over > 0.0:
            when[i] = wait[i] + c.tau * math.log(max((drive[i] - base[i]) / over, 1.0))


@numba.njit(cache=True, nogil=True)
def _copy(rows, columns, events):  # pragma: no cover - compiled
    """Bring the transposed copy up to date where neurons have fired."""
    for j in range(rows.shape[0]):
        if events[j]:
            for i in range(rows.shape[1]):
                columns[i, j] = rows[j, i]


@numba.njit(cache=True, nogil=True)
def _learn(law, values, devices, chip, rows, columns, events, v, last, now, quiet):  # pragma: no cover - compiled
    for i in range(v.shape[0]):
        quiet[i] = now - last[i]
    for j in range(rows.shape[0]):
        if events[j]:
            if law == BY_VOLTAGE:
                write_row(devices, chip, j, v, rows[j])
            else:
                change(law, values, rows[j], v, quiet)
    _copy(rows, columns, events)


@numba.njit(cache=True, nogil=True)
def _rest(v, rf, left, pause):  # pragma: no cover - compiled
    for i in range(v.shape[0]):
        v[i] *= left
        rf[i] = max(rf[i] - pause, 0.0)


@numba.njit(cache=True, nogil=True)
def advance(
    drives, weights, columns, state, cursor, until, events, counts, sent, steps, c, o, law, values, devices, pause
):  # pragma: no cover - compiled
    """Run every chip to sample `until` or, with `pause`, to its next output spike; returns whether all are there.

    Args:
        drives: ``(samples, in)``; weights ``(chips, out, in)`` and its transposed copy `columns` ``(chips, in, out)``.
        state: see `State`.
        cursor: ``(chips, 4)``: sample, step, where the step has stopped at a spike of the output (1 before the inputs
            move, 2 after), steps ever done.
        events: ``(chips, out)``, set where an output fired at the stop.
        counts: output spikes ``(chips, samples, out)``; `sent` input spikes ``(chips, samples)``.
        c, o: numbers of the inputs and of the competing neurons.
        law, values: law of plasticity and its numbers, see `_plasticity.change`.
        devices: what `BY_VOLTAGE` writes by the potentials of the inputs.
    """
    chips, n, m = weights.shape
    done = True
    total, fired, active = np.empty(n), np.empty(m, np.int64), np.empty(m, np.int64)
    resting, before, lead = np.empty((chips, n), np.int64), np.empty(n), np.empty(n)
    learns = pause or law != NO_LAW
    quiet, rise_time = np.empty(m, np.int64), np.empty(m)
    decay = np.exp(-np.arange(steps + 1) * o.dt / c.tau)
    v, rf, y, held, ad = state.v_out, state.rf_out, state.filtered, state.held, state.adaptation
    for chip in range(chips):
        w, wt = weights[chip], columns[chip]
        vi, ri, last, base, wait = (
            state.v_in[chip], state.rf_in[chip], state.last[chip], state.base[chip], state.wait[chip],
        )  # fmt: skip
        since, when, at = state.since[chip], state.when[chip], cursor[chip]
        listed, number = -1, 0
        longest, waiting = held[chip].max(), still_resting(rf, chip, resting)
        while at[0] < until:
            s, k = at[0], at[1]
            drive = drives[s]
            stage = at[2]
            at[2] = 0
            if k == 0 and stage == 0:
                _begin(vi, ri, base, wait, since, when, drive, c)
            if listed != s:
                listed, number = s, 0
                for i in range(m):
                    if drive[i] > c.threshold:
                        active[number] = i
                        over = drive[i] - c.threshold
                        rise_time[number] = c.tau * math.log((drive[i] - c.reset) / over)
                        number += 1
            if stage == 0:
                fires, waiting, longest = step_all(
                    v, rf, y, held, chip, ad, chip, lead, before, events, resting, waiting, longest, o
                )
                if fires:
                    for j in range(n):
                        counts[chip, s, j] += events[chip, j]
                stage = 3 if fires else 0
            else:
                _copy(w, wt, events[chip])
            if stage == 3 and c.prompt == 1.0 and learns:
                _look(vi, ri, base, wait, since, drive, k, decay, o.dt, c.tau)
                if pause:
                    at[2], done = 1, False
                    break
                _learn(law, values, devices, chip, w, wt, events[chip], vi, last, at[3], quiet)
            if stage != 2:
                end = (k + 1) * o.dt
                for a in range(number):
                    i = active[a]
                    if when[i] < end:
                        wait[i] = max(c.refractory - (end - when[i]), 0.0)
                        base[i], since[i], last[i] = c.reset, k + 1, at[3]
                        when[i] = end + wait[i] + rise_time[a]
                        sent[chip, s] += 1
            if stage == 3 and c.prompt == 0.0 and learns:
                _look(vi, ri, base, wait, since, drive, k + 1, decay, o.dt, c.tau)
                if pause:
                    at[2], done = 2, False
                    break
                _learn(law, values, devices, chip, w, wt, events[chip], vi, last, at[3], quiet)
            count = 0
            for a in range(number):
                if last[active[a]] == at[3]:
                    fired[count] = active[a]
                    count += 1
            gather(total, wt, fired, 0, count)
            receive(y, chip, total, o)
            at[3] += 1
            at[1] += 1
            if at[1] == steps:
                _look(vi, ri, base, wait, since, drive, steps, decay, o.dt, c.tau)
                at[1] = 0
                at[0] += 1
                if o.pause > 0.0:
                    _rest(vi, ri, c.left, o.pause)
                    ad[chip] *= o.adaptation_left
                    skipped = relax(v, rf, y, held, chip, o)
                    longest = max(longest - skipped, 0)
                    at[3] += skipped
    return done
