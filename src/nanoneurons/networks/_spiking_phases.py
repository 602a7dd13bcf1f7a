"""Phases of a network of spiking neurons, compiled: one pass over the voltages per step, all else per spike."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import numba
import numpy as np

from nanoneurons.core.random import start_of, uniform_at

__all__ = ["run_phases"]

_ONE = np.float32(1.0)
_NEARLY = np.float32(0.999)  # voltage that a neuron begins its next interval with is below threshold
_FAR = 1e-20  # traces are scaled anew before their common factor is smaller


@numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _integrate(voltage, until, current, synaptic, above, now, decay, leak):  # pragma: no cover - compiled
    """One step of all neurons; those in their refractory period stay as they are."""
    for i in range(voltage.shape[0]):
        v = voltage[i]
        u = v + leak * (current[i] + decay * synaptic[i] - v)
        u = u if until[i] < now else v
        voltage[i] = u
        above[i] = u >= _ONE


@numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _reach(row, synaptic, sent):  # pragma: no cover - compiled
    """What a spike adds to the synaptic currents of the neurons that a row of weights leads to."""
    for j in range(row.shape[0]):
        synaptic[j] += sent * row[j]


@numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _learn(row, fast, slow, a, b):  # pragma: no cover - compiled
    """What a spike adds to a row of changes: how the rates of the neurons at its other end are changing."""
    for j in range(row.shape[0]):
        row[j] += a * fast[j] - b * slow[j]


@numba.njit(cache=True, fastmath={"contract", "nsz"}, error_model="numpy")
def _phase(
    groups, up, down, places, neuron, current, field, target, beta, window, shape_up, shape_down, sign,
    voltage, until, synaptic, fast, slow, rates, spikes, which,
):  # fmt: skip  # pragma: no cover - compiled
    """A phase of one sample on one chip, in place; see `run_phases`."""
    leak, refractory, keep_fast, keep_slow, gain, gain_slow, band = neuron
    count, last = groups.shape[0] - 1, groups.shape[0] - 2
    first_output, end = groups[last], groups[count]
    decay, decay_slow = _ONE, _ONE
    fired, crossed = np.empty(voltage.shape[0] + 1, np.int64), np.zeros(voltage.shape[0], np.uint8)
    words = crossed.view(np.uint64)
    for step in range(1, window.shape[0] + 1):
        decay *= keep_fast
        decay_slow *= keep_slow
        if beta != 0:
            for o in range(first_output, end):
                seen = decay * fast[o]
                current[o] = field[o] + beta * (target[o - first_output] - seen)
        now = np.int32(step)
        _integrate(voltage, until, current, synaptic, crossed, now, decay, leak)
        weight, sent, sent_slow = window[step - 1], gain / decay, gain_slow / decay_slow
        a, b = sign * band * decay, sign * band * decay_slow
        total = 0
        for w in range(words.shape[0]):
            if words[w]:
                for i in range(8 * w, 8 * w + 8):  # without a branch: spikes come when they like
                    fired[total] = i
                    total += crossed[i]
        for n in range(total):
            i = fired[n]
            drive, v = current[i] + decay * synaptic[i], voltage[i]
            before = (v - leak * drive) / (_ONE - leak)
            voltage[i] = min(leak * drive * (v - _ONE) / (v - before), _NEARLY)
            until[i] = now + refractory
            rates[i] += weight
        g = 0
        for n in range(total):
            i = fired[n]
            while i >= groups[g + 1]:
                g += 1
            begin, stop = groups[g], groups[g + 1]
            spikes[which, g] += 1
            if g < last:
                above = groups[g + 2] - stop
                row = places[g] + (i - begin) * above
                _reach(up[row : row + above], synaptic[stop : stop + above], sent)
                if sign != 0:
                    _learn(shape_up[row : row + above], fast[stop : stop + above], slow[stop : stop + above], a, b)
            if g > 0:
                start = groups[g - 1]
                below = begin - start
                row = places[g - 1] + (i - begin) * below
                _reach(down[row : row + below], synaptic[start:begin], sent)
                if sign != 0:
                    _learn(shape_down[row : row + below], fast[start:begin], slow[start:begin], a, b)
            fast[i] += sent
            slow[i] += sent_slow
        if decay < _FAR or step == window.shape[0]:
            for i in range(end):
                synaptic[i] *= decay
                fast[i] *= decay
                slow[i] *= decay_slow
            decay, decay_slow = _ONE, _ONE
    for i in range(end):
        until[i] -= np.int32(window.shape[0])


@numba.njit(cache=True, nogil=True)
def run_phases(
    groups, up, down, places, neuron, lag, field, target, betas, signs, free_window, window, key,
    rates, filtered, shape_up, shape_down, spikes,
):  # fmt: skip  # pragma: no cover - compiled
    """A free phase and one nudged phase per beta, each from where the free one ended, for all chips and samples."""
    chips, batch, size = field.shape
    room = (size + 7) // 8 * 8  # neurons that pad the last word are driven by nothing
    voltage, until = np.zeros(room, np.float32), np.zeros(room, np.int32)
    synaptic, fast, slow = np.zeros(room, np.float32), np.zeros(room, np.float32), np.zeros(room, np.float32)
    voltage_0, until_0 = np.zeros(room, np.float32), np.zeros(room, np.int32)
    synaptic_0, fast_0, slow_0 = np.zeros(room, np.float32), np.zeros(room, np.float32), np.zeros(room, np.float32)
    current = np.zeros(room, np.float32)
    for chip in range(chips):
        for sample in range(batch):
            stream = start_of(np.uint64(key), 0, sample)  # the same for all chips
            for i in range(size):
                voltage_0[i] = uniform_at(stream, i)
            until_0[:] = 0
            synaptic_0[:] = 0
            fast_0[:] = 0
            slow_0[:] = 0
            current[:size] = field[chip, sample]
            _phase(
                groups, up[chip], down[chip], places, neuron, current, field[chip, sample], target[0, 0], np.float32(0),
                free_window, shape_up[chip], shape_down[chip], np.float32(0), voltage_0, until_0, synaptic_0, fast_0,
                slow_0, rates[0, chip, sample], spikes[chip], 0,
            )  # fmt: skip
            filtered[0, chip, sample] = (slow_0 + lag * (slow_0 - fast_0))[:size]
            for k in range(betas.shape[0]):
                voltage[:] = voltage_0
                until[:] = until_0
                synaptic[:] = synaptic_0
                fast[:] = fast_0
                slow[:] = slow_0
                current[:size] = field[chip, sample]
                _phase(
                    groups, up[chip], down[chip], places, neuron, current, field[chip, sample], target[chip, sample],
                    betas[k], window, shape_up[chip], shape_down[chip], signs[k], voltage, until, synaptic, fast, slow,
                    rates[k + 1, chip, sample], spikes[chip], 1,
                )  # fmt: skip
                filtered[k + 1, chip, sample] = (slow + lag * (slow - fast))[:size]
