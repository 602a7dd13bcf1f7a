"""The compiled loop of competing neurons, step by step, for every chip on its own."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

__all__ = ["NO_LAW", "VDSP", "Constants", "advance"]

NO_LAW, VDSP = 0, 1


class Constants(NamedTuple):
    """Numbers of a run, all float64."""

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
    rate_up: float
    rate_down: float
    raised: float  # 1: adaptation raises the threshold; 0: it lowers the drive
    prompt: float  # 1: synapses learn before the inputs move on; 0: after
    in_rest: float  # factors of the pause between samples: potentials of the inputs,
    out_rest: float  # those of the outputs,
    adaptation_rest: float  # adaptation,
    filter_rest: float  # filtered input,
    rest: float  # and its length in s


@numba.njit(inline="always")
def _charge(v, drive, rf, dt, tau):  # pragma: no cover - compiled
    """Potential after the part of a step that the refractory time leaves."""
    free = min(max(dt - rf, 0.0), dt)
    return v + (drive - v) * -math.expm1(-free / tau)


@numba.njit(inline="always")
def _waits(v, drive, threshold, dt, tau, refractory):  # pragma: no cover - compiled
    """Refractory time left at the end of the step in which the threshold was crossed."""
    over = drive - threshold
    if over <= 0.0:
        return refractory
    return refractory + dt + tau * math.log1p(-(v - threshold) / over)


@numba.njit(cache=True, nogil=True)
def advance(
    drives, weights, columns, v_in, rf_in, spiked, v_out, rf_out, adaptation, held, filtered, cursor, events, counts,
    sent, hold, steps, c, law, pause,
):  # fmt: skip  # pragma: no cover - compiled
    """Run every chip to the end of the samples or, with `pause`, to its next output spike; returns whether all ended.

    Args:
        drives: ``(samples, in)``; weights ``(chips, out, in)`` and its transposed copy `columns` ``(chips, in, out)``.
        v_in ... filtered: state, ``(chips, in)`` and ``(chips, out)``; `spiked` are the inputs that fired in the step,
            `held` counts steps of inhibition left.
        cursor: ``(chips, 3)``: sample, step, and where the step has stopped at a spike of the output: 1 before the
            inputs move, 2 after.
        events: ``(chips, out)``, set where an output fired at the stop.
        counts: output spikes ``(chips, samples, out)``; `sent` input spikes ``(chips, samples)``.
        hold: steps of inhibition.
    """
    chips, n, m = weights.shape
    samples = drives.shape[0]
    done = True
    total = np.zeros(n)
    lowered = 1.0 - c.raised
    for chip in range(chips):
        w, wt = weights[chip], columns[chip]
        vi, ri, vo, ro = v_in[chip], rf_in[chip], v_out[chip], rf_out[chip]
        fired = spiked[chip]
        n_ad, inh, y = adaptation[chip], held[chip], filtered[chip]
        while cursor[chip, 0] < samples:
            s = cursor[chip, 0]
            stage = cursor[chip, 2]
            if stage > 0:  # the synapses have learnt meanwhile
                cursor[chip, 2] = 0
                for j in range(n):
                    if events[chip, j]:
                        for i in range(m):
                            wt[i, j] = w[j, i]
            else:
                best, any_out = -np.inf, False
                for j in range(n):
                    ro[j] -= c.dt
                    drive = c.out_gain * y[j] + c.out_bias - lowered * n_ad[j]
                    vo[j] = _charge(vo[j], drive, ro[j], c.dt, c.out_tau)
                    over = vo[j] - (c.out_threshold + c.raised * n_ad[j])
                    if over > best:
                        best = over
                any_out = best > 0.0
                for j in range(n):
                    threshold = c.out_threshold + c.raised * n_ad[j]
                    out = any_out and vo[j] - threshold == best
                    events[chip, j] = out
                    drive = c.out_gain * y[j] + c.out_bias - lowered * n_ad[j]
                    n_ad[j] += (c.adaptation_step * out - c.dt * n_ad[j]) * c.adaptation_decay
                    if any_out and not out and inh[j] == 0:
                        inh[j] = hold
                    over = vo[j] > threshold
                    if (any_out and not out) or inh[j] != 0:
                        vo[j] = 0.0
                        if over:
                            ro[j] = 0.0
                    elif over:
                        ro[j] = _waits(vo[j], drive, threshold, c.dt, c.out_tau, c.out_refractory)
                        vo[j] = c.out_reset
                    if ro[j] > 0.0:
                        vo[j] = c.out_reset
                    if inh[j] != 0:
                        inh[j] -= 1
                    counts[chip, s, j] += out
                if any_out and c.prompt == 1.0:
                    if pause:
                        cursor[chip, 2] = 1
                        done = False
                        break
                    if law == VDSP:
                        for j in range(n):
                            if events[chip, j]:
                                _vdsp(w[j], wt, j, vi, c.rate_up, c.rate_down)
            if stage < 2:
                for i in range(m):
                    ri[i] -= c.dt
                    v = _charge(vi[i], drives[s, i], ri[i], c.dt, c.in_tau)
                    if v > c.in_threshold:
                        ri[i] = _waits(v, drives[s, i], c.in_threshold, c.dt, c.in_tau, c.in_refractory)
                        v = c.in_reset
                        fired[i] = True
                        sent[chip, s] += 1
                    else:
                        fired[i] = False
                    vi[i] = v
                if stage == 0 and any_out and c.prompt == 0.0:
                    if pause:
                        cursor[chip, 2] = 2
                        done = False
                        break
                    if law == VDSP:
                        for j in range(n):
                            if events[chip, j]:
                                _vdsp(w[j], wt, j, vi, c.rate_up, c.rate_down)
            total[:] = 0.0
            for i in range(m):
                if fired[i]:
                    for j in range(n):
                        total[j] += wt[i, j]
            for j in range(n):
                y[j] = c.filter * y[j] + (1.0 - c.filter) * (c.amplitude * total[j])
            cursor[chip, 1] += 1
            if cursor[chip, 1] == steps:
                cursor[chip, 1] = 0
                cursor[chip, 0] += 1
                if c.rest > 0.0:
                    skipped = round(c.rest / c.dt)
                    vi *= c.in_rest
                    ri -= c.rest
                    vo *= c.out_rest
                    ro -= c.rest
                    n_ad *= c.adaptation_rest
                    y *= c.filter_rest
                    for j in range(n):
                        inh[j] = max(inh[j] - skipped, 0)
    return done


@numba.njit(inline="always")
def _vdsp(row, columns, j, v, up, down):  # pragma: no cover - compiled
    for i in range(row.shape[0]):
        w = row[i]
        if v[i] < 0.0:
            w += up * (1.0 - w) * math.expm1(-v[i])
        elif v[i] > 0.0:
            w -= down * w * math.expm1(v[i])
        row[i] = min(max(w, 0.0), 1.0)
        columns[i, j] = row[i]
