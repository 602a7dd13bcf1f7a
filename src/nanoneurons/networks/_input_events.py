"""Compiled sources of input spikes: a list of the inputs that fire, step by step."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import start_of, word_at

__all__ = ["charge", "current_events", "poisson_events", "waits"]


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


@numba.njit(cache=True, nogil=True)
def poisson_events(rates, steps, key, shown, offsets):  # pragma: no cover - compiled
    """Spikes of Poisson inputs, by exponential gaps; several in one step count as one.

    Args:
        rates: expected spikes per step, ``(samples, in)``.
        key, shown: of the random numbers; `shown` samples came before.
        offsets: ``(chips, samples, steps + 1)``, filled with where the spikes of every step begin in the result.

    Returns:
        inputs that fire, in order of chip, sample and step.
    """
    chips, samples = offsets.shape[:2]
    which = np.empty(1024, np.int32)
    moments, sources = np.empty(1024, np.int32), np.empty(1024, np.int32)
    filled = 0
    for chip in range(chips):
        for s in range(samples):
            start = start_of(key, chip, shown + s)
            drawn, events = 0, 0
            bins = offsets[chip, s]
            bins[:] = 0
            for i in range(rates.shape[1]):
                if rates[s, i] <= 0:
                    continue
                inverse = np.float32(-1.0) / rates[s, i]
                at = -1
                while True:
                    u = (np.float32(word_at(start, drawn) >> np.uint64(40)) + np.float32(0.5)) * np.float32(2.0**-24)
                    drawn += 1
                    gap = math.log(u) * inverse
                    if gap >= steps:
                        break
                    at += 1 + int(gap)
                    if at >= steps:
                        break
                    if events == moments.size:
                        moments = np.concatenate((moments, np.empty_like(moments)))
                        sources = np.concatenate((sources, np.empty_like(sources)))
                    moments[events], sources[events] = at, i
                    bins[at + 1] += 1
                    events += 1
            while filled + events > which.size:
                which = np.concatenate((which, np.empty_like(which)))
            bins[0] = filled
            for k in range(steps):
                bins[k + 1] += bins[k]
            for e in range(events):  # a counting sort by step
                which[bins[moments[e]]] = sources[e]
                bins[moments[e]] += 1
            for k in range(steps, 0, -1):
                bins[k] = bins[k - 1]
            bins[0] = filled
            filled += events
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
