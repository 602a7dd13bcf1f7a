"""Pulsed devices under stochastic pulse trains: the few pulses that meet a cell, each applied when it comes.

Where less than about one pulse meets a cell in a mini-batch, drawing the pulses costs less than asking every cell
whether it was hit, and no matrix of wanted changes is needed. Which of the two ways a chip takes depends on its
own pulses only, so its numbers do not depend on the chips beside it.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import GOLDEN, normal_of, start_of, turned, word_at
from nanoneurons.core.update import OuterProducts
from nanoneurons.devices import _pulsed_steps as steps
from nanoneurons.physics.coincidences import alias_table, pick, poisson
from nanoneurons.physics.pulse_trains import refuse

__all__ = ["SPARSE", "outer_train"]

SPARSE = 1.0  # pulses per cell and mini-batch up to which they are drawn one by one
_TABLES = 1 << 17  # most entries of the columns' tables, which stay in the cache
_CHUNK = 256  # pulses of a row that are drawn, gathered and applied together
_WORD = 2**62 - 1


def outer_train(kind, cell, c, update: OuterProducts, per_unit: float, key: int) -> None:
    r"""Apply the trains of a mini-batch, in place: Poisson(\|per_unit\| sum_b \|d_bi\| \|x_bj\|) pulses to cell (i, j).

    Args:
        cell: state, shape ``(*chips, out, in)``; its weight and visible weight are changed.
        per_unit: mean pulses at ``|d||x| = 1``; where it is negative, a pulse goes up where the signs of error
            and input differ, else where they agree.
    """
    errors, inputs = update.errors.contiguous(), update.inputs.contiguous()
    if cell["weight"].dim() == 2:
        cell = {name: value.unsqueeze(0) for name, value in cell.items()}
        errors = errors.unsqueeze(0)
    inputs = inputs.unsqueeze(0) if inputs.dim() == 2 else inputs
    if cell["weight"].device.type == "cpu" and inputs.shape[1] * inputs.shape[2] <= _TABLES:
        held = (cell.get(name) for name in steps._Cells._fields)
        arrays = (_NONE if t is None else t.numpy() for t in held)
        values = np.array(c, np.float32)
        unit, limit = np.float32(per_unit), np.float32(SPARSE)
        means = _EVENTS[kind](*arrays, values, errors.numpy(), inputs.numpy(), unit, limit, np.uint64(key)).tolist()
    else:
        means = [-m for m in (update.sums[0] * update.sums[1]).sum(-1).mul(abs(per_unit)).reshape(-1).tolist()]
    for chip, mean in enumerate(means):
        if mean < 0:  # too many pulses to take them one by one: count them cell by cell
            d, x = errors[chip].transpose(0, 1), inputs[chip if len(inputs) > 1 else 0]
            own = {name: value[chip] for name, value in cell.items()}
            change, activity = (d @ x).mul_(math.copysign(1.0, per_unit)), d.abs() @ x.abs()
            moved = steps.random_train(kind, own, c, change, activity, abs(per_unit), key ^ (chip * GOLDEN & _WORD))
            for name, value in zip(("weight", "visible"), moved, strict=True):
                own[name].copy_(value)
    if not all(map(math.isfinite, means)):
        refuse()


_NONE = np.zeros((1, 1, 1), np.float32)


def _event_kernel(kind):
    @numba.njit(cache=True, fastmath={"contract"})
    def kernel(
        weight, visible, low, high, up, down, bend_up, bend_down, reference, values, errors, inputs, unit, sparse, key
    ):  # pragma: no cover - compiled
        # fmt: off
        c = steps.Constants(
            values[0], values[1], values[2], values[3], values[4], values[5], values[6],
            values[7], values[8], values[9], values[10], values[11], values[12], values[13],
        )
        # fmt: on
        shifted = reference.size > 1
        chips, height, width = weight.shape
        samples = errors.shape[1]
        columns, column_chance = (
            np.empty((samples, width + 1, 2), np.uint32),
            np.empty((samples, width + 1), np.float32),
        )
        rows, row_chance = np.empty((samples + 1, 2), np.uint32), np.empty(samples + 1, np.float32)
        entries, stack = np.empty(samples, np.int64), np.empty(max(width, samples), np.int32)
        pushes, expected = np.empty((height, samples), np.float32), np.empty(height, np.float32)
        codes, sizes, xi = np.empty(_CHUNK, np.uint32), np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32)
        los, his, written = np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32), np.empty(_CHUNK, np.float32)
        bends, sums = np.zeros(_CHUNK, np.float32), np.empty(samples, np.float32)
        means = np.empty(chips, np.float64)
        for chip in range(chips):
            x, d = inputs[chip if inputs.shape[0] > 1 else 0], errors[chip]
            expected[:] = 0
            for b in range(samples):
                if chip == 0 or inputs.shape[0] > 1:
                    entries[b], sums[b] = alias_table(x[b], columns[b], column_chance[b], stack)
                sent = sums[b] * unit
                for i in range(height):
                    push = d[b, i] * sent
                    pushes[i, b] = push
                    expected[i] += abs(push)
            total = 0.0
            for i in range(height):
                total += expected[i]
            means[chip] = total if total <= sparse * np.float32(height * width) else -total
            if not total <= sparse * np.float32(height * width):
                continue
            places, noise, numbers = start_of(key, chip, 0), start_of(key, chip, 1), start_of(key, chip, 2)
            event = 0
            for i in range(height):
                if expected[i] <= 0:
                    continue
                left = poisson(np.float64(expected[i]), word_at(numbers, i))
                if left > 0:
                    many, _ = alias_table(pushes[i], rows, row_chance, stack)
                while left > 0:
                    # several short loops instead of one long: each keeps many independent pulses in flight
                    n = min(left, _CHUNK)
                    left -= n
                    for k in range(n):
                        word = word_at(places, event + k)
                        row = pick(word, many, rows, row_chance)
                        b = row >> np.uint32(1)
                        code = pick(turned(word), entries[b], columns[b], column_chance[b])
                        codes[k] = code ^ (row & np.uint32(1))
                    for k in range(n):
                        j, falls = codes[k] >> np.uint32(1), (codes[k] & np.uint32(1)) != 0
                        los[k], his[k] = low[chip, i, j], high[chip, i, j]
                        rise, fall = up[chip, i, j], down[chip, i, j]
                        sizes[k] = fall if falls else rise
                        if kind == steps.LINEAR:
                            bends[k] = bend_down[chip, i, j] if falls else bend_up[chip, i, j]
                        if rise == 0 and fall == 0:
                            sizes[k] = np.nan  # a stuck device
                    for k in range(n):
                        word = word_at(noise, event + k)
                        xi[k] = normal_of(word)
                        written[k] = c.write * normal_of(turned(word))
                    for k in range(n):
                        j, rising = codes[k] >> np.uint32(1), (codes[k] & np.uint32(1)) == 0
                        size, lo, hi, w = sizes[k], los[k], his[k], weight[chip, i, j]
                        if size != size:
                            continue
                        p, q = steps._argument(kind, rising, lo, hi, np.float32(1.0) / (hi - lo), bends[k], c)
                        w = steps._after(w, rising, size, steps._height(kind, rising, w, p, q, c), xi[k], c)
                        w = min(max(w, lo), hi)
                        weight[chip, i, j] = w
                        visible[chip, i, j] = w - (reference[chip, i, j] if shifted else np.float32(0.0)) + written[k]
                    event += n
        return means

    return kernel


_EVENTS = tuple(_event_kernel(kind) for kind in steps._KINDS)
