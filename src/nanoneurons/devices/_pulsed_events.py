"""Pulsed devices under stochastic pulse trains: the pulses that meet a row, counted and applied cell by cell.

Drawing the pulses from the vectors costs less than asking every cell whether it was hit, and no matrix of wanted
changes is needed. Only where many pulses meet a cell in a mini-batch is it the other way round. Which of the two ways a
chip takes depends on its own pulses only, so its numbers do not depend on the chips beside it.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch

from nanoneurons.core.random import GOLDEN, start_of, turned, word_at
from nanoneurons.core.update import OuterProducts
from nanoneurons.core.vector_math import two_normals
from nanoneurons.devices import _pulsed_steps as steps
from nanoneurons.physics.coincidences import alias_table, pick, poisson
from nanoneurons.physics.pulse_trains import refuse

__all__ = ["SPARSE", "outer_train"]

SPARSE = 8.0  # pulses per cell and mini-batch up to which they are drawn one by one
_TABLES = 1 << 17  # most entries of the columns' tables, which stay in the cache
_CHUNK = 1024  # pulsed cells that are gathered and applied together, about
_WORD = 2**62 - 1
_0, _1 = np.uint32(0), np.uint32(1)


def outer_train(kind, cell, c, update: OuterProducts, per_unit: float, key: int) -> None:
    r"""Apply the trains of a mini-batch, in place: Poisson(\|per_unit\| sum_b \|d_bi\| \|x_bj\|) pulses to cell (i, j).

    Args:
        cell: state, shape ``(*chips, out, in)``; its weight and visible weight are changed.
        per_unit: mean pulses at ``|d||x| = 1``; where it is negative, a pulse goes up where the signs of error
            and input differ, else where they agree.
    """
    errors, inputs = update.errors.contiguous(), update.inputs.contiguous()
    if cell["weight"].device.type == "cpu" and inputs.shape[-2] * inputs.shape[-1] <= _TABLES:
        arrays = [_NONE if name not in cell else _chips(cell[name]) for name in steps._Cells._fields]
        values, vectors = np.array(c, np.float32), (_chips(errors), _chips(inputs))
        unit, limit = np.float32(per_unit), np.float32(SPARSE)
        means = _EVENTS[kind](*arrays, values, *vectors, unit, limit, np.uint64(key)).tolist()
        if per_unit != 0:
            update.note_total(abs(update.rate / per_unit) * sum(map(abs, means)))
    else:
        means = [-m for m in (update.sums[0] * update.sums[1]).sum(-1).mul(abs(per_unit)).reshape(-1).tolist()]
    if all(0 <= mean < math.inf for mean in means):
        return
    if cell["weight"].dim() == 2:
        cell = {name: value[None] for name, value in cell.items()}
        errors = errors[None]
    inputs = inputs[None] if inputs.dim() == 2 else inputs
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


def _chips(t: torch.Tensor) -> np.ndarray:
    """The same numbers with a chip axis; of numpy, whose views cost little."""
    array = t.detach().numpy()
    return array[None] if array.ndim == 2 else array


_NONE = np.zeros((1, 1, 1), np.float32)


def _apply_kernel(kind):
    @numba.njit(fastmath={"contract"}, error_model="numpy")
    def apply(cells, c, hit, room, noise, more):  # pragma: no cover - compiled
        """Apply the pulses of the cells `hit`, all different; `room` holds their numbers up and down, then space.

        Gather, calculate, scatter: without branch, table or index the middle becomes vector instructions.
        """
        weight, visible, low, high, up, down, bend_up, bend_down, reference = cells
        n, m, w, lo, hi, rise, fall = room[0], room[1], room[2], room[3], room[4], room[5], room[6]
        bu, bd, xi, xj, written = room[7], room[8], room[9], room[10], room[11]
        for k in range(hit.size):
            i = hit[k]
            w[k], lo[k], hi[k], rise[k], fall[k] = weight[i], low[i], high[i], up[i], down[i]
            if kind == steps.LINEAR:
                bu[k], bd[k] = bend_up[i], bend_down[i]
        for k in range(hit.size):
            xi[k], xj[k] = two_normals(word_at(noise, hit[k]))
        if c.write > 0:
            for k in range(hit.size):
                written[k], _ = two_normals(word_at(more, hit[k]))
        for k in range(hit.size):
            w[k] = steps.at_once(kind, w[k], n[k], m[k], rise[k], fall[k], lo[k], hi[k], bu[k], bd[k], xi[k], xj[k], c)
        for k in range(hit.size):
            i, after = hit[k], w[k]
            if rise[k] == 0 and fall[k] == 0:
                continue  # a stuck device
            if after != after:  # near a bound, or too many pulses
                a, b, stream = np.int64(n[k]), np.int64(m[k]), turned(word_at(more, i))
                after, _ = steps.in_turn(kind, weight[i], a, b, rise[k], fall[k], lo[k], hi[k], bu[k], bd[k], c, stream)
            weight[i] = after
            visible[i] = after - (reference[i] if reference.size > 1 else np.float32(0.0)) + c.write * written[k]

    return apply


@numba.njit(inline="always")
def _row(array, chip):  # pragma: no cover - compiled
    """All cells of a chip, without a copy; an array that the shape does not need has one chip."""
    return array.reshape(len(array), -1)[chip if len(array) > 1 else 0]


def _event_kernel(kind):
    apply = _apply_kernel(kind)

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
        chips, samples, height = errors.shape
        width = inputs.shape[2]
        columns, rows = np.empty((samples, width + 1, 4), np.uint32), np.empty((samples + 1, 4), np.uint32)
        entries, stack = np.empty(samples, np.int64), np.empty(max(width, samples), np.int32)
        chance = np.empty(stack.size + 1, np.float32)
        pushes, expected = np.empty((height, samples), np.float32), np.empty(height, np.float32)
        sums, means = np.empty(samples, np.float32), np.empty(chips, np.float64)
        counts = np.zeros((width, 2), np.float32)  # pulses of a row, up and down
        hit = np.empty(_CHUNK + width + 1, np.uint32)
        room = np.zeros((12, hit.size), np.float32)
        for chip in range(chips):
            x, d = inputs[chip if inputs.shape[0] > 1 else 0], errors[chip]
            expected[:] = 0
            for b in range(samples):
                if chip == 0 or inputs.shape[0] > 1:
                    entries[b], sums[b] = alias_table(x[b], columns[b], chance, stack)
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
            cells = (
                _row(weight, chip), _row(visible, chip), _row(low, chip), _row(high, chip), _row(up, chip),
                _row(down, chip), _row(bend_up, chip), _row(bend_down, chip), _row(reference, chip),
            )  # fmt: skip
            places, numbers = start_of(key, chip, 0), start_of(key, chip, 2)
            noise, more = start_of(key, chip, 1), start_of(key, chip, 3)
            event, held = 0, _0
            for i in range(height):
                if expected[i] <= 0:
                    continue
                left = poisson(np.float64(expected[i]), word_at(numbers, i))
                if left > 0:
                    many, _ = alias_table(pushes[i], rows, chance, stack)
                first, start = i * width, held
                for k in range(event, event + left):
                    word = word_at(places, k)
                    row = pick(word, many, rows)
                    b = row >> _1
                    code = pick(turned(word), entries[b], columns[b]) ^ (row & _1)
                    j = code >> _1
                    hit[held] = first + j  # kept if it is the first pulse of its cell
                    held += _1 if counts[j, 0] + counts[j, 1] == 0 else _0
                    counts[j, code & _1] += np.float32(1.0)
                event += left
                for k in range(start, held):
                    j = hit[k] - first
                    room[0, k], room[1, k] = counts[j, 0], counts[j, 1]
                    counts[j, 0] = counts[j, 1] = 0
                if held > _CHUNK:
                    apply(cells, c, hit[:held], room, noise, more)
                    held = _0
            apply(cells, c, hit[:held], room, noise, more)
        return means

    return kernel


_EVENTS = tuple(_event_kernel(kind) for kind in steps._KINDS)
