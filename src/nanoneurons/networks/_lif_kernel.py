"""The steps of a network of leaky integrate-and-fire neurons in one compiled loop, the same as one by one.

Rows (chip and sample) do not see each other, so each runs through all steps while its numbers are in the cache. All
groups of a row lie side by side; `group` holds where each begins, `unit` its constants. See `_lif_run` for the tables.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import normal_at, start_of
from nanoneurons.physics.leaky import MOST, NONE, advance, beyond

from .spike_trains import EARLY

__all__ = ["CONSTANTS", "FINE", "MOST", "NOT_FINITE", "RUNAWAY", "TOO_MANY", "leap", "press_rows"]

CONSTANTS = (
    "rest", "resistance", "noise", "reset", "refractory", "tau_a", "jump", "adapts", "floor", "clocked", "hold",
    "pressed_by", "press_kept", "limit", "highest",
)  # fmt: skip
FINE, NOT_FINITE, TOO_MANY, RUNAWAY = 0, 1, 2, 3


@numba.njit(cache=True)
def press(spikes, pressed, kept, gain):  # pragma: no cover - compiled
    """Low-pass of the spikes of all others in one row: ``pressed = kept pressed + gain (sum - own)``."""
    total = np.float32(0.0)
    for i in range(len(spikes)):
        total += spikes[i]
    for i in range(len(spikes)):
        pressed[i] = kept * pressed[i] + gain * (total - spikes[i])


@numba.njit(cache=True)
def press_rows(spikes, pressed, kept, gain):  # pragma: no cover - compiled
    """`press` of every row."""
    for r in range(len(spikes)):
        press(spikes[r], pressed[r], kept, gain)


@numba.njit(cache=True)
def _race(
    v, a, wait, spikes, moment, held, before_v, before_a, before_wait, drive, level, tau, unit, dt
):  # pragma: no cover - compiled
    """Winner-take-all of one row: the winner keeps its spike; losers take the step again from rest."""
    rest, tau_a, hold = unit[0], unit[5], int(unit[10])
    winner, first = -1, math.inf
    for i in range(len(v)):
        if spikes[i] > 0 and held[i] == 0:
            behind = moment[i]
            if unit[14] > 0:
                target = rest + unit[1] * np.float64(drive[i])
                behind = -beyond(
                    before_v[i], before_a[i], before_wait[i], target, level[i], tau[i], dt, tau_a, int(unit[7])
                )
            if behind < first:
                winner, first = i, behind
    for i in range(len(v)):
        if i != winner:
            if spikes[i] > 0:
                v[i], a[i], wait[i], _, _ = advance(
                    rest, before_a[i], before_wait[i], rest, level[i], tau[i], dt, unit[3], unit[4], tau_a, unit[6],
                    int(unit[7]), unit[8],
                )  # fmt: skip
                spikes[i], moment[i] = 0, 0
            if winner >= 0:
                held[i] = hold
        if held[i] > 0:
            v[i], spikes[i], moment[i] = rest, 0, 0
            held[i] -= 1


@numba.njit(cache=True)
def _feel(y, arriving, kept, drive):  # pragma: no cover - compiled
    """Low-pass what arrives, add it to the drive, and empty it."""
    new = np.float32(1.0) - kept
    for i in range(len(y)):
        y[i] = kept * y[i] + new * arriving[i]
        arriving[i] = np.float32(0.0)
        drive[i] += y[i]


@numba.njit(cache=True)
def _charge(
    v, a, wait, level, tau, decay, held_noise, drive, key, chip, cell, spikes, moment, target, ahead, near, unit, dt
):  # pragma: no cover - compiled
    """One step of the neurons of a group in one row; answers FINE, or what went wrong.

    Most neurons come nowhere near their threshold, and are charged in loops without a branch; `near` marks the others.
    """
    rest, resistance, noise, floor = unit[0], unit[1], unit[2], unit[8]
    adapts = int(unit[7])
    adapting = adapts != NONE
    finite = True
    for i in range(len(v)):
        target[i] = rest + resistance * np.float64(drive[i])
        finite &= abs(target[i]) < np.inf
    if not finite:
        return NOT_FINITE
    if noise > 0:
        start = start_of(key, chip, 0)
        for i in range(len(v)):
            target[i] += held_noise[i] * normal_at(start, cell + i)
    for i in range(len(v)):
        ahead[i] = target[i] + (v[i] - target[i]) * decay[i]
        near[i] = adapting | (wait[i] != 0) | (not ahead[i] < level[i]) | (not v[i] < level[i])
    for i in range(len(v)):
        v[i] = v[i] if near[i] else max(ahead[i], floor)
        spikes[i], moment[i] = 0, 0
    for i in range(len(v)):
        if near[i]:
            v[i], a[i], wait[i], count, moment[i] = advance(
                v[i], a[i], wait[i], target[i], level[i], tau[i], dt, unit[3], unit[4], unit[5], unit[6], adapts, floor
            )
            spikes[i] = count
            if count > MOST:
                return TOO_MANY
    return FINE


@numba.njit(cache=True)
def _send(
    row, connection, n, fired, counts, samples, share, pool, targets, starts, into
):  # pragma: no cover - compiled
    """Add what the events of one row send through one connection; answers how many synapses they pass."""
    sparse, offset, stride, size, first, begin = connection[2:8]
    chip = row // samples
    done = 0
    for e in range(n):
        scale = np.float32(share * counts[e])
        if sparse:
            low, high = starts[begin + fired[e]], starts[begin + fired[e] + 1]
            for s in range(low, high):
                into[targets[first + s]] += scale * pool[offset + chip * stride + s]
            done += high - low
        else:
            base = offset + chip * stride + fired[e] * size
            weights = pool[base : base + size]
            for i in range(size):
                into[i] += scale * weights[i]
            done += size
    return done


@numba.njit(cache=True)
def _more(who, when):  # pragma: no cover - compiled
    """Copies with twice the room."""
    n = len(when)
    new_who, new_when = np.empty((2 * n, 4), np.int32), np.empty(2 * n)
    for e in range(n):
        new_when[e] = when[e]
        for k in range(4):
            new_who[e, k] = who[e, k]
    return new_who, new_when


@numba.njit(cache=True, nogil=True)
def leap(
    steps, first_step, done, dt, samples, window, keys, group, unit, v, a, wait, level, tau, spikes, moment, held,
    pressed, base, train_row, times, train_neuron, position, ends, port, kept, y, ring, connection, share, pool,
    targets, starts, totals, watched, found, synapses, recorded,
):  # fmt: skip  # pragma: no cover - compiled
    """All rows through `steps` steps, in place.

    Returns:
        what happened (FINE or else), group and row where it did, and the events recorded: (group, row, neuron, count)
        and the time.
    """
    rows, width = v.shape
    groups, ports, connections = len(group), len(port), len(connection)
    decay, held_noise = np.empty((rows, width)), np.zeros((rows, width))
    drive = np.empty(width, np.float32)
    target, ahead, near = np.empty(width), np.empty(width), np.empty(width, np.bool_)
    before_v, before_a, before_wait = np.empty(width), np.empty(width), np.empty(width)
    fired, counts = np.empty((groups, found), np.int64), np.empty((groups, found), np.float32)
    n_fired = np.zeros(groups, np.int64)
    heard = 0
    who, when = np.empty((1024, 4), np.int32), np.empty(1024)
    for r in range(rows):
        for g in range(groups):
            for i in range(group[g, 0], group[g, 0] + group[g, 1]):
                decay[r, i] = math.exp(-dt / tau[r, i])
                if unit[g, 2] > 0:
                    held_noise[r, i] = unit[g, 2] * math.sqrt((1 + decay[r, i]) / (1 - decay[r, i]))
    for r in range(rows):
        chip, sample = r // samples, r % samples
        for s in range(steps):
            now = done + s
            for g in range(groups):
                low, size = group[g, 0], group[g, 1]
                high = low + size
                n = 0
                if group[g, 2] > 0:  # a source
                    if group[g, 3] > 0:
                        t = train_row[g] + r % group[g, 3]
                        end = (now + 1) * dt - EARLY * dt
                        p = position[g, r]
                        while p < ends[t] and times[p] < end:
                            fired[g, n], counts[g, n] = train_neuron[p], 1
                            totals[r, low + train_neuron[p]] += 1
                            n += 1
                            p += 1
                        position[g, r] = p
                else:
                    for i in range(low, high):
                        drive[i] = base[r, i]
                    for p in range(ports):
                        if port[p, 0] == g:
                            at = port[p, 2] + r * size
                            slot = port[p, 3] + ((first_step + s) % port[p, 1] * rows + r) * size
                            _feel(y[at : at + size], ring[slot : slot + size], kept[p], drive[low:high])
                    if unit[g, 11] > 0:
                        for i in range(low, high):
                            drive[i] -= pressed[r, i]
                    racing = unit[g, 10] > 0
                    if racing:
                        for i in range(low, high):
                            before_v[i], before_a[i], before_wait[i] = v[r, i], a[r, i], wait[r, i]
                    key = keys[s, g] if unit[g, 2] > 0 else np.uint64(0)
                    status = _charge(
                        v[r, low:high], a[r, low:high], wait[r, low:high], level[r, low:high], tau[r, low:high],
                        decay[r, low:high], held_noise[r, low:high], drive[low:high], key, chip, sample * size,
                        spikes[r, low:high], moment[r, low:high], target[low:high], ahead[low:high], near[low:high],
                        unit[g], dt,
                    )  # fmt: skip
                    if status != FINE:
                        return status, g, r, who[:heard], when[:heard]
                    if racing:
                        _race(
                            v[r, low:high], a[r, low:high], wait[r, low:high], spikes[r, low:high],
                            moment[r, low:high], held[r, low:high], before_v[low:high], before_a[low:high],
                            before_wait[low:high], drive[low:high], level[r, low:high], tau[r, low:high], unit[g], dt,
                        )  # fmt: skip
                    for i in range(low, high):
                        if spikes[r, i] > 0:
                            if unit[g, 9] > 0:  # on a clock
                                v[r, i], spikes[r, i], moment[r, i] = unit[g, 0], 1, dt
                            fired[g, n], counts[g, n] = i - low, spikes[r, i]
                            totals[r, i] += spikes[r, i]
                            watched[g, r] += spikes[r, i]
                            if recorded[g]:
                                if heard == len(when):
                                    who, when = _more(who, when)
                                who[heard, 0], who[heard, 1] = g, r
                                who[heard, 2], who[heard, 3] = i - low, np.int32(spikes[r, i])
                                when[heard] = now * dt + moment[r, i]
                                heard += 1
                            n += 1
                    if unit[g, 11] > 0:
                        gain = np.float32((1.0 - unit[g, 12]) * unit[g, 11])
                        press(spikes[r, low:high], pressed[r, low:high], np.float32(unit[g, 12]), gain)
                n_fired[g] = n
                for c in range(connections):
                    p = connection[c, 1]
                    if connection[c, 0] == g and port[p, 4] == 0 and n > 0:
                        at = port[p, 3] + r * connection[c, 5]
                        synapses[c] += _send(
                            r, connection[c], n, fired[g], counts[g], samples, share[c], pool, targets, starts,
                            ring[at : at + connection[c, 5]],
                        )  # fmt: skip
            for c in range(connections):
                g, p = connection[c, 0], connection[c, 1]
                if port[p, 4] > 0 and n_fired[g] > 0:
                    at = port[p, 3] + ((first_step + s) % port[p, 1] * rows + r) * connection[c, 5]
                    synapses[c] += _send(
                        r, connection[c], n_fired[g], fired[g], counts[g], samples, share[c], pool, targets, starts,
                        ring[at : at + connection[c, 5]],
                    )  # fmt: skip
            for g in range(groups):
                if group[g, 2] == 0:
                    if watched[g, r] > unit[g, 13] * group[g, 1] * window * dt:
                        return RUNAWAY, g, r, who[:heard], when[:heard]
                    if (now + 1) % window == 0:
                        watched[g, r] = 0
    return FINE, 0, 0, who[:heard], when[:heard]
