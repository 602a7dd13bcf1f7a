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

from ._input_events import waits
from ._plasticity import BY_VOLTAGE, NO_LAW, change, expm1_small

__all__ = ["Constants", "State", "advance"]

_FAST = {"contract", "nsz", "nnan"}


class Constants(NamedTuple):
    """Numbers of a run, all float64; times in s."""

    dt: float
    in_tau: float
    in_threshold: float
    in_reset: float
    in_refractory: float
    out_tau: float
    out_threshold: float
    out_reset: float
    out_refractory: float
    out_gain: float
    out_bias: float
    adaptation_step: float
    adaptation_decay: float
    amplitude: float
    filter: float
    raised: float  # 1: adaptation raises the threshold; 0: it lowers the drive
    prompt: float  # 1: synapses learn before the inputs move on; 0: after
    in_rest: float  # factors of the pause between samples: potentials of the inputs,
    out_rest: float  # those of the outputs,
    adaptation_rest: float  # adaptation,
    filter_rest: float  # filtered input,
    rest: float  # and its length in s


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
        over = drive[i] - c.in_threshold
        when[i] = np.inf
        if over > 0.0:
            when[i] = wait[i] + c.in_tau * math.log(max((drive[i] - base[i]) / over, 1.0))


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _sum(total, columns, fired, count):  # pragma: no cover - compiled
    """Sum of the weights of `count` inputs that fired, for every output."""
    n = total.shape[0]
    for j in range(n):
        total[j] = 0.0
    k = 0
    while k + 4 <= count:
        a, b, c, d = columns[fired[k]], columns[fired[k + 1]], columns[fired[k + 2]], columns[fired[k + 3]]
        for j in range(n):
            total[j] += (np.float64(a[j]) + b[j]) + (np.float64(c[j]) + d[j])
        k += 4
    while k < count:
        a = columns[fired[k]]
        for j in range(n):
            total[j] += a[j]
        k += 1


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _charge(v, y, n, gain, bias, lowered, rise):  # pragma: no cover - compiled
    for j in range(v.shape[0]):
        v[j] += (gain * y[j] + bias - lowered * n[j] - v[j]) * rise


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _fade(n, factor):  # pragma: no cover - compiled
    for j in range(n.shape[0]):
        n[j] *= factor


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _largest(score, v, n, raised):  # pragma: no cover - compiled
    """Potentials less what adaptation adds to the threshold, and the largest of them."""
    for j in range(v.shape[0]):
        score[j] = v[j] - raised * n[j]
    best = score[0]
    for j in range(1, v.shape[0]):
        best = max(best, score[j])
    return best


@numba.njit(cache=True, nogil=True, fastmath=_FAST)
def _mix(y, keep, total, amplitude):  # pragma: no cover - compiled
    for j in range(y.shape[0]):
        y[j] = keep * y[j] + amplitude * total[j]


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
def _rest(v_in, rf_in, v, rf, adapted, y, held, skipped, c):  # pragma: no cover - compiled
    """The pause after a sample: nothing drives anything."""
    for i in range(v_in.shape[0]):
        v_in[i] *= c.in_rest
        rf_in[i] = max(rf_in[i] - c.rest, 0.0)
    for j in range(v.shape[0]):
        v[j] *= c.out_rest
        rf[j] -= c.rest
        adapted[j] *= c.adaptation_rest
        y[j] *= c.filter_rest
        held[j] = max(held[j] - skipped, 0)


@numba.njit(cache=True, nogil=True)
def advance(
    drives, weights, columns, state, cursor, until, events, counts, sent, hold, steps, c, law, values, devices, pause
):  # pragma: no cover - compiled
    """Run every chip to sample `until` or, with `pause`, to its next output spike; returns whether all are there.

    Args:
        drives: ``(samples, in)``; weights ``(chips, out, in)`` and its transposed copy `columns` ``(chips, in, out)``.
        state: see `State`.
        cursor: ``(chips, 4)``: sample, step, where the step has stopped at a spike of the output (1 before the inputs
            move, 2 after), steps ever done.
        events: ``(chips, out)``, set where an output fired at the stop.
        counts: output spikes ``(chips, samples, out)``; `sent` input spikes ``(chips, samples)``.
        hold: steps of inhibition.
        law, values: law of plasticity and its numbers, see `_plasticity.change`.
        devices: what `BY_VOLTAGE` writes by the potentials of the inputs.
    """
    chips, n, m = weights.shape
    done = True
    total, fired, active = np.empty(n), np.empty(m, np.int64), np.empty(m, np.int64)
    waiting, before, score = np.empty(n, np.int64), np.empty(n), np.empty(n)
    learns = pause or law != NO_LAW
    quiet, rise_time = np.empty(m, np.int64), np.empty(m)
    decay = np.exp(-np.arange(steps + 1) * c.dt / c.in_tau)
    rise = -math.expm1(-c.dt / c.out_tau)
    fade = 1.0 - c.dt * c.adaptation_decay
    lowered = 1.0 - c.raised
    skipped = round(c.rest / c.dt)
    for chip in range(chips):
        w, wt = weights[chip], columns[chip]
        vi, ri, last, base, wait = (
            state.v_in[chip], state.rf_in[chip], state.last[chip], state.base[chip], state.wait[chip],
        )  # fmt: skip
        since, when, vo, ro = state.since[chip], state.when[chip], state.v_out[chip], state.rf_out[chip]
        n_ad, inh, y, at = state.adaptation[chip], state.held[chip], state.filtered[chip], cursor[chip]
        listed, number, longest = -1, 0, 0
        resting = 0
        for j in range(n):
            longest = max(longest, inh[j])
            if ro[j] > 0.0:
                waiting[resting] = j
                resting += 1
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
                    if drive[i] > c.in_threshold:
                        active[number] = i
                        over = drive[i] - c.in_threshold
                        rise_time[number] = c.in_tau * math.log((drive[i] - c.in_reset) / over)
                        number += 1
            if stage == 0:
                for a in range(resting):
                    before[a] = vo[waiting[a]]
                _charge(vo, y, n_ad, c.out_gain, c.out_bias, lowered, rise)
                for a in range(resting):
                    j = waiting[a]
                    ro[j] -= c.dt
                    free = min(max(c.dt - ro[j], 0.0), c.dt)
                    current = c.out_gain * y[j] + c.out_bias - lowered * n_ad[j]
                    vo[j] = before[a] + (current - before[a]) * -math.expm1(-free / c.out_tau)
                best = _largest(score, vo, n_ad, c.raised)
                any_out = best > c.out_threshold
                if any_out:
                    for j in range(n):
                        out = score[j] == best
                        events[chip, j] = out
                        if not out and inh[j] == 0:
                            inh[j] = hold
                            longest = max(longest, hold)
                        over = score[j] > c.out_threshold
                        if not out or inh[j] != 0:
                            vo[j] = 0.0
                            if over:
                                ro[j] = 0.0
                        else:
                            current = c.out_gain * y[j] + c.out_bias - lowered * n_ad[j]
                            threshold = c.out_threshold + c.raised * n_ad[j]
                            ro[j] = waits(vo[j], current, threshold, c.dt, c.out_tau, c.out_refractory)
                            vo[j] = c.out_reset
                        if out:
                            counts[chip, s, j] += 1
                elif longest > 0:
                    for j in range(n):
                        if inh[j] != 0:
                            vo[j] = 0.0
                if longest > 0:
                    longest -= 1
                    for j in range(n):
                        if inh[j] != 0:
                            inh[j] -= 1
                _fade(n_ad, fade)
                if any_out:
                    resting = n  # any of them may have to wait now
                    for j in range(n):
                        waiting[j] = j
                        if events[chip, j]:
                            n_ad[j] += c.adaptation_step * c.adaptation_decay
                kept = 0
                for a in range(resting):
                    j = waiting[a]
                    if ro[j] > 0.0:
                        vo[j] = c.out_reset
                        waiting[kept] = j
                        kept += 1
                resting = kept
                stage = 3 if any_out else 0
            else:
                _copy(w, wt, events[chip])
            if stage == 3 and c.prompt == 1.0 and learns:
                _look(vi, ri, base, wait, since, drive, k, decay, c.dt, c.in_tau)
                if pause:
                    at[2], done = 1, False
                    break
                _learn(law, values, devices, chip, w, wt, events[chip], vi, last, at[3], quiet)
            if stage != 2:
                end = (k + 1) * c.dt
                for a in range(number):
                    i = active[a]
                    if when[i] < end:
                        wait[i] = max(c.in_refractory - (end - when[i]), 0.0)
                        base[i], since[i], last[i] = c.in_reset, k + 1, at[3]
                        when[i] = end + wait[i] + rise_time[a]
                        sent[chip, s] += 1
            if stage == 3 and c.prompt == 0.0 and learns:
                _look(vi, ri, base, wait, since, drive, k + 1, decay, c.dt, c.in_tau)
                if pause:
                    at[2], done = 2, False
                    break
                _learn(law, values, devices, chip, w, wt, events[chip], vi, last, at[3], quiet)
            count = 0
            for a in range(number):
                if last[active[a]] == at[3]:
                    fired[count] = active[a]
                    count += 1
            _sum(total, wt, fired, count)
            _mix(y, c.filter, total, (1.0 - c.filter) * c.amplitude)
            at[3] += 1
            at[1] += 1
            if at[1] == steps:
                _look(vi, ri, base, wait, since, drive, steps, decay, c.dt, c.in_tau)
                at[1] = 0
                at[0] += 1
                if c.rest > 0.0:
                    _rest(vi, ri, vo, ro, n_ad, y, inh, skipped, c)
                    longest = max(longest - skipped, 0)
                    at[3] += skipped
    return done
