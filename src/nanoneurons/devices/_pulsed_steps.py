r"""Arithmetic of the pulsed-conductance family: one pulse, and the sum of a whole train of them.

The size of a step relative to its size at the reference point :math:`w_0` is

.. math:: h_d(w) = F_d + \lambda\,(f_d(w) - F_d), \qquad F_d = f_d(w_0),

with :math:`f_d` the step shape of direction *d* and :math:`\lambda` the share of nonlinearity. The same law
is written twice: as tensor arithmetic (any torch device, the reference) and as Numba kernels over the cells.
Random numbers come from counters, so that `pulse_by_pulse` gives the same values either way.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import torch

from nanoneurons.core.random import chip_shape, normal, normal_at, start_of, uniform, uniform_at, word_at
from nanoneurons.core.vector_math import exp2
from nanoneurons.physics.pulse_trains import CHUNK, draw_counts_plain, first_gap, meetings, refuse

__all__ = [
    "CONSTANT",
    "EXPONENTIAL",
    "LINEAR",
    "POWER",
    "Constants",
    "pulse_by_pulse",
    "random_train",
    "shape_factor",
    "train",
]

CONSTANT, LINEAR, EXPONENTIAL, POWER = range(4)

_FEW = 6  # up to this many pulses of a cell are applied one after the other
_SMALL = 0.05  # share of the range that a short train must stay below to be summed at once
_SOME = 2000  # up to this many likewise, where the order of pulses matters (near a bound, with large steps)
_MOST = 64  # most blocks of a train
_BLOCK = 0.06  # a longer train is cut into blocks that move the weight by about this share of its range
_NONE = np.zeros((1, 1), np.float32)
_LOG2E = np.float32(1.4426950408889634)


class Constants(NamedTuple):
    """Numbers that all cells share; `level` is the shape at the reference point, `share` its nonlinearity."""

    level_up: float
    level_down: float
    share: float
    exp_a: float
    exp_b: float
    gamma_up: float
    gamma_down: float
    exp_up: float
    exp_down: float
    sigma: float
    additive: float
    floor: float
    slope: float
    write: float


class _Cells(NamedTuple):
    """Arrays ``(chips, cells)`` of a state, for the kernels; an array that the shape does not need has size 1."""

    weight: np.ndarray
    visible: np.ndarray
    low: np.ndarray
    high: np.ndarray
    up: np.ndarray
    down: np.ndarray
    bend_up: np.ndarray
    bend_down: np.ndarray
    reference: np.ndarray


def shape_factor(kind: int, up: bool, w, low, high, bend, c: Constants, exp):
    r"""Step shape :math:`f_d(w)`, never negative; on floats or tensors, with their `exp`.

    constant 1; linear (and soft bounds) ``1 + bend w``; exponential ``1 - A exp(+-gamma z)`` with
    ``z = 2 a w / (high - low) + b``; power ``((high - w)/(high - low))**gamma`` up, mirrored down.
    """
    if kind == LINEAR:
        value = 1 + bend * w
    elif kind == EXPONENTIAL:
        z = 2 * c.exp_a * w / (high - low) + c.exp_b
        value = 1 - c.exp_up * exp(c.gamma_up * z) if up else 1 - c.exp_down * exp(-c.gamma_down * z)
    elif kind == POWER:
        rest = (high - w if up else w - low) / (high - low)
        value = (rest.clamp(min=0) if torch.is_tensor(rest) else rest) ** (c.gamma_up if up else c.gamma_down)
    else:
        return w * 0 + 1
    return value.clamp(min=0) if torch.is_tensor(value) else max(value, 0.0)


# -- plain tensors ------------------------------------------------------------------------------------


def _steps_plain(kind, w, cell, c):
    """Size and spread of an up step, then of a down step, for every cell."""
    found = []
    for up, level in ((True, c.level_up), (False, c.level_down)):
        step, bend = (cell["up"], cell.get("bend_up")) if up else (cell["down"], cell.get("bend_down"))
        shape = shape_factor(kind, up, w, cell["low"], cell["high"], bend, c, torch.exp)
        size = step * (level + c.share * (shape - level)).clamp(min=0)
        spread = c.sigma * ((step if c.additive else size) + torch.where(step > 0, c.floor + c.slope * w.abs(), 0.0))
        found += [size, spread]
    return found


def _shown_plain(cell, c, w, hit, key):
    shown = w - cell["reference"] if "reference" in cell else w
    if c.write:
        alive = (cell["up"] > 0) | (cell["down"] > 0)
        shown = torch.where(alive, shown + c.write * normal(key, tuple(w.shape), 1, w.device), shown)
    return torch.where(hit, shown, cell["visible"])


def pulse_by_pulse_plain(kind, cell, c, drive, key):
    """Reference of `pulse_by_pulse` in tensor arithmetic."""
    w, count, c = cell["weight"], drive.abs(), Constants(*map(float, c))
    most = int(count.max()) if count.numel() else 0
    chips, cells = chip_shape(tuple(w.shape))
    draws = normal(key, (chips, most * cells), 0, w.device).view(chips, most, cells) if c.sigma else None
    for k in range(most):
        up, up_sd, down, down_sd = _steps_plain(kind, w, cell, c)
        xi = 0.0 if draws is None else draws[:, k].reshape(w.shape)
        moved = torch.where(drive > 0, w + up + up_sd * xi, w - down + down_sd * xi)
        w = torch.where(count > k, moved.clamp(min=cell["low"], max=cell["high"]), w)
    return w, _shown_plain(cell, c, w, count > 0, key)


def train_plain(kind, cell, c, up, down, key):
    """Reference of `train` in tensor arithmetic: every pulse in turn, in an order drawn at random."""
    w, c = cell["weight"], Constants(*map(float, c))
    shape, place = tuple(w.shape), w.device
    left, rises = up + down, up.clone()
    for k in range(int(left.max()) if left.numel() else 0):
        rising = uniform(key, shape, 2 + 2 * k, place) * left < rises
        u, u_sd, d, d_sd = _steps_plain(kind, w, cell, c)
        xi = normal(key, shape, 3 + 2 * k, place) if c.sigma else 0.0
        moved = torch.where(rising, w + u + u_sd * xi, w - d + d_sd * xi)
        w = torch.where(left > 0, moved.clamp(min=cell["low"], max=cell["high"]), w)
        rises = rises - (rising & (left > 0)).to(rises.dtype)
        left = (left - 1).clamp(min=0)
    return w, _shown_plain(cell, c, w, up + down > 0, key)


# -- Numba --------------------------------------------------------------------------------------------
# A pulse is a chain of dependent operations, so the chain is kept short: a cell's argument is `p w + q`, the
# exponential is a base-2 polynomial, the blend with the constant step is folded into two constants. The kind of
# shape is fixed at compilation, and the direction is a select, because its branch could not be predicted. A function
# compiled for one caller serves the next, whose loops a checked division would keep from becoming vector
# instructions: hence `error_model` everywhere.


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _argument(kind, up, low, high, inverse, bend, c):  # pragma: no cover - compiled
    """Slope p and offset q of the argument that a cell's step shape takes; `inverse` is 1 / (high - low)."""
    if kind == LINEAR:
        return bend, np.float32(0.0)
    if kind == EXPONENTIAL:
        rate = (c.gamma_up if up else -c.gamma_down) * _LOG2E
        return np.float32(2.0) * c.exp_a * rate * inverse, rate * c.exp_b
    if kind == POWER:
        return (-inverse if up else inverse), (high * inverse if up else -low * inverse)
    return np.float32(0.0), np.float32(0.0)


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _height(kind, up, w, p, q, c):  # pragma: no cover - compiled
    """Height h of the step at w: `shape_factor`, blended with its level at the reference point."""
    zero, one = np.float32(0.0), np.float32(1.0)
    level = c.level_up if up else c.level_down
    rest = level - c.share * level
    if kind == CONSTANT:
        return max(rest + c.share, zero)
    if kind == LINEAR:
        excess = p * w + q
    elif kind == EXPONENTIAL:
        excess = -(c.exp_up if up else c.exp_down) * exp2(p * w + q)
    else:
        excess = np.float32(max(p * w + q, zero) ** (c.gamma_up if up else c.gamma_down)) - one
    return max(rest + c.share + c.share * excess, max(rest, zero))


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _after(w, rising, step, height, xi, c):  # pragma: no cover - compiled
    """Weight after one pulse, before the bounds; xi is a standard normal number."""
    size = step * height
    noise = c.sigma * xi
    base = (step if c.additive != 0 else np.float32(0.0)) + c.floor + c.slope * abs(w)
    factor = (np.float32(1.0) if rising else np.float32(-1.0)) + (np.float32(0.0) if c.additive != 0 else noise)
    return w + noise * base + size * factor


def _pulse_by_pulse_kernel(kind):
    @numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
    def kernel(cells, c, drive, key):  # pragma: no cover - compiled
        weight, visible, low, high, up, down, bend_up, bend_down, reference = cells
        shifted = reference.size > 1
        chips, count = weight.shape
        for chip in range(chips):
            noise, written = start_of(key, chip, 0), start_of(key, chip, 1)
            for i in range(count):
                n, rise, fall = drive[chip, i], up[chip, i], down[chip, i]
                if n == 0 or (rise == 0 and fall == 0):
                    continue  # no pulse, or a stuck device
                rising = n > 0
                lo, hi, bend, xi = low[chip, i], high[chip, i], np.float32(0.0), np.float32(0.0)
                if kind == LINEAR:
                    bend = bend_up[chip, i] if rising else bend_down[chip, i]
                p, q = _argument(kind, rising, lo, hi, np.float32(1.0) / (hi - lo), bend, c)
                w = weight[chip, i]
                for k in range(abs(n)):
                    if c.sigma > 0:
                        xi = normal_at(noise, k * count + i)
                    w = _after(w, rising, rise if rising else fall, _height(kind, rising, w, p, q, c), xi, c)
                    w = min(max(w, lo), hi)
                weight[chip, i] = w
                seen = w - (reference[chip, i] if shifted else np.float32(0.0))
                visible[chip, i] = seen + (c.write * normal_at(written, i) if c.write > 0 else np.float32(0.0))
        return True

    return kernel


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _moments(kind, w, n, m, rise, fall, pu, qu, pd, qd, c):  # pragma: no cover - compiled
    """Mean and variance of the sum of n up and m down steps that are all taken at w, and their squares' sum."""
    u = rise * _height(kind, True, w, pu, qu, c)
    d = fall * _height(kind, False, w, pd, qd, c)
    base = c.floor + c.slope * abs(w)
    x = base + (rise if c.additive != 0 else u)
    y = base + (fall if c.additive != 0 else d)
    return n * u - m * d, c.sigma * c.sigma * (n * x * x + m * y * y), n * u * u + m * d * d


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _reach(kind, w, n, m, rise, fall, lo, hi, pu, qu, pd, qd, c):  # pragma: no cover - compiled
    """How far a train may lead, and whether it needs care: it may meet a bound, or the order of its pulses matters."""
    mean, variance, _ = _moments(kind, w, n, m, rise, fall, pu, qu, pd, qd, c)
    order = np.float32(0.5) * (rise + fall) * np.float32(math.sqrt(n * m / (n + m)))  # what the order alone can do
    reach = abs(mean) + np.float32(4.0) * np.float32(math.sqrt(variance + order * order))
    travel = n * rise * _height(kind, True, w, pu, qu, c) + m * fall * _height(kind, False, w, pd, qd, c)
    return reach, (w + reach > hi) | (w - reach < lo) | (travel > np.float32(0.3) * (hi - lo))


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def _block(kind, w, n, m, rise, fall, lo, hi, pu, qu, pd, qd, xi, c):  # pragma: no cover - compiled
    """Weight after a block of pulses summed at once; xi is a standard normal number."""
    half = np.float32(0.5)
    mean, variance, _ = _moments(kind, w, n, m, rise, fall, pu, qu, pd, qd, c)
    middle, sd = w + half * mean, half * np.float32(math.sqrt(variance)) + np.float32(1e-4)
    ahead, more, high = _moments(kind, middle + sd, n, m, rise, fall, pu, qu, pd, qd, c)
    behind, less, low = _moments(kind, middle - sd, n, m, rise, fall, pu, qu, pd, qd, c)
    slope = half * (ahead - behind) / sd  # of the drift; below, the series of exp(slope) to second order
    bend = slope * slope
    growth = max(np.float32(1.0) + slope + np.float32(2 / 3) * bend, np.float32(0.0))
    # a pulse does not act on itself: the last term takes n^2 back to the n (n - 1) of single pulses
    itself = (high - low) / (np.float32(8.0) * sd)
    w += half * (ahead + behind) * (np.float32(1.0) + np.float32(1 / 6) * bend) - itself
    w += np.float32(math.sqrt(half * (more + less) * growth)) * xi
    return min(max(w, lo), hi)


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def at_once(kind, w, n, m, rise, fall, lo, hi, bu, bd, xi, xj, c):  # pragma: no cover - compiled
    """Weight after n up and m down pulses (float32) without a branch, NaN where that must be left to `in_turn`.

    One pulse is exact; more are summed where they would be one or two blocks of a long train. Two normal numbers.
    """
    inverse = np.float32(1.0) / (hi - lo)
    pu, qu = _argument(kind, True, lo, hi, inverse, bu, c)
    pd, qd = _argument(kind, False, lo, hi, inverse, bd, c)
    mean, variance, _ = _moments(kind, w, n, m, rise, fall, pu, qu, pd, qd, c)
    one = min(max(w + mean + np.float32(math.sqrt(variance)) * xi, lo), hi)
    reach, delicate = _reach(kind, w, n, m, rise, fall, lo, hi, pu, qu, pd, qd, c)
    blocks = reach * inverse * np.float32(1 / _BLOCK)
    share = np.float32(1.0) if blocks < 1 else np.float32(0.5)
    more = _block(kind, w, n * share, m * share, rise, fall, lo, hi, pu, qu, pd, qd, xi, c)
    share = np.float32(1.0) - share
    more = _block(kind, more, n * share, m * share, rise, fall, lo, hi, pu, qu, pd, qd, xj, c)
    more = np.float32(np.nan) if delicate | (blocks >= 2) else more
    return one if n + m == 1 else more


@numba.njit(fastmath={"contract"}, error_model="numpy")
def _long_train(kind, w, a, b, rise, fall, lo, hi, pu, qu, pd, qd, c, stream):  # pragma: no cover - compiled
    """Weight after a train summed in blocks, and the number of blocks; 0 where each pulse must be taken in turn."""
    n, m = np.float32(a), np.float32(b)
    reach, delicate = _reach(kind, w, n, m, rise, fall, lo, hi, pu, qu, pd, qd, c)
    if delicate and a + b <= _SOME:
        return w, 0
    blocks = min(1 + np.int64(reach / (np.float32(_BLOCK) * (hi - lo))), _MOST)
    share = np.float32(1.0) / np.float32(blocks)
    for k in range(blocks):
        xi = normal_at(stream, k) if c.sigma > 0 else np.float32(0.0)
        w = _block(kind, w, n * share, m * share, rise, fall, lo, hi, pu, qu, pd, qd, xi, c)
    return w, blocks


@numba.njit(forceinline=True, fastmath={"contract"}, error_model="numpy")
def in_turn(kind, w, a, b, rise, fall, lo, hi, bu, bd, c, stream):  # pragma: no cover - compiled
    """Weight of a cell after a up and b down pulses (at least one), and how many numbers of its stream were used.

    Scalars only: arrays handed to another function would be reference-counted, cell by cell.
    """
    xi = np.float32(0.0)
    inverse = np.float32(1.0) / (hi - lo)
    pu, qu = _argument(kind, True, lo, hi, inverse, bu, c)
    pd, qd = _argument(kind, False, lo, hi, inverse, bd, c)
    draw = 0
    n = np.float32(a + b)
    if a + b == 1:  # most often
        rising = a > 0
        height = _height(kind, rising, w, pu if rising else pd, qu if rising else qd, c)
        if c.sigma > 0:
            xi = normal_at(stream, 0)
        w = _after(w, rising, rise if rising else fall, height, xi, c)
        w = min(max(w, lo), hi)
        draw = 1
    elif a + b > _FEW:
        w, draw = _long_train(kind, w, a, b, rise, fall, lo, hi, pu, qu, pd, qd, c, stream)
    elif n * max(rise, fall) * (np.float32(1.0) + c.sigma) < np.float32(_SMALL) * (hi - lo):
        # steps this small hardly see each other: all are taken at w, unless a bound is near
        mean, variance, _ = _moments(kind, w, np.float32(a), np.float32(b), rise, fall, pu, qu, pd, qd, c)
        if c.sigma > 0:
            xi = normal_at(stream, 0)
        moved = w + mean + np.float32(math.sqrt(variance)) * xi
        margin = np.float32(_SMALL) * (hi - lo)
        if min(w, moved) - lo > margin and hi - max(w, moved) > margin:
            w, draw = moved, 1
    if draw == 0:
        while a + b > 0:
            rising = a > 0
            if a > 0 and b > 0:  # any order of the remaining pulses is equally likely
                rising = uniform_at(stream, draw) * np.float32(a + b) < np.float32(a)
                draw += 1
            if c.sigma > 0:
                xi = normal_at(stream, draw)
                draw += 1
            height = _height(kind, rising, w, pu if rising else pd, qu if rising else qd, c)
            w = _after(w, rising, rise if rising else fall, height, xi, c)
            w = min(max(w, lo), hi)
            a -= 1 if rising else 0
            b -= 0 if rising else 1
    return w, draw


def _train_kernel(kind):
    @numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
    def kernel(cells, c, ups, downs, key):  # pragma: no cover - compiled
        weight, visible, low, high, up, down, bend_up, bend_down, reference = cells
        shifted = reference.size > 1
        chips, count = weight.shape
        for chip in range(chips):
            chip_stream = start_of(key, chip, 0)
            for i in range(count):
                a, b = np.int64(ups[chip, i]), np.int64(downs[chip, i])
                if a + b <= 0:
                    continue
                lo, hi, rise, fall = low[chip, i], high[chip, i], up[chip, i], down[chip, i]
                if rise == 0 and fall == 0:
                    continue  # a stuck device
                bu = bd = np.float32(0.0)
                if kind == LINEAR:
                    bu, bd = bend_up[chip, i], bend_down[chip, i]
                stream = word_at(chip_stream, i)  # of its own: how many numbers a train takes varies
                w, draw = in_turn(kind, weight[chip, i], a, b, rise, fall, lo, hi, bu, bd, c, stream)
                weight[chip, i] = w
                seen = w - (reference[chip, i] if shifted else np.float32(0.0))
                visible[chip, i] = seen + (c.write * normal_at(stream, draw) if c.write > 0 else np.float32(0.0))
        return True

    return kernel


def _random_train_kernel(kind):
    @numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
    def kernel(cells, c, change, activity, per_weight, key):  # pragma: no cover - compiled
        weight, visible, low, high, up, down, bend_up, bend_down, reference = cells
        shifted = reference.size > 1
        chips, count = weight.shape
        hit, ups, downs = np.empty(CHUNK + 1, np.int64), np.empty(CHUNK + 1, np.int64), np.empty(CHUNK + 1, np.int64)
        for chip in range(chips):
            chip_stream = start_of(key, chip, 2)
            rest, event = first_gap(key, chip), 0
            for first in range(0, count, CHUNK):
                wanted, pushed = change[chip, first : first + CHUNK], activity[chip, first : first + CHUNK]
                found, rest, event = meetings(
                    wanted, pushed, per_weight, key, chip, first, rest, event, hit, ups, downs
                )
                if found < 0:
                    return False
                for k in range(found):
                    i, a, b = np.uint64(first + hit[k]), ups[k], downs[k]  # unsigned: no index counts from the end
                    lo, hi, rise, fall = low[chip, i], high[chip, i], up[chip, i], down[chip, i]
                    if rise == 0 and fall == 0:
                        continue  # a stuck device
                    bu = bd = np.float32(0.0)
                    if kind == LINEAR:
                        bu, bd = bend_up[chip, i], bend_down[chip, i]
                    stream = word_at(chip_stream, i)  # of its own: how many numbers a train takes varies
                    w, draw = in_turn(kind, weight[chip, i], a, b, rise, fall, lo, hi, bu, bd, c, stream)
                    weight[chip, i] = w
                    seen = w - (reference[chip, i] if shifted else np.float32(0.0))
                    visible[chip, i] = seen + (c.write * normal_at(stream, draw) if c.write > 0 else np.float32(0.0))
        return True

    return kernel


_KINDS = (CONSTANT, LINEAR, EXPONENTIAL, POWER)
_PULSE_BY_PULSE = tuple(_pulse_by_pulse_kernel(kind) for kind in _KINDS)
_TRAIN = tuple(_train_kernel(kind) for kind in _KINDS)
_RANDOM_TRAIN = tuple(_random_train_kernel(kind) for kind in _KINDS)


def _run(kernel, cell, c, inputs, key):
    """Call a kernel on copies of what it changes; returns weight and visible weight."""
    flat = chip_shape(tuple(cell["weight"].shape))
    weight, visible = cell["weight"].clone(), cell["visible"].clone()
    held = (weight, visible, *(cell.get(name) for name in _Cells._fields[2:]))
    cells = _Cells(*(_NONE if t is None else t.numpy().reshape(flat) for t in held))
    given = [t.contiguous().numpy().reshape(flat) if torch.is_tensor(t) else np.float32(t) for t in inputs]
    if not kernel(cells, c, *given, np.uint64(key)):
        refuse()
    return weight, visible


def pulse_by_pulse(kind, cell, c, drive, key):
    """Apply `drive` signed whole pulses (int32) one after the other; returns weight and visible weight."""
    if cell["weight"].device.type != "cpu":
        return pulse_by_pulse_plain(kind, cell, c, drive, key)
    return _run(_PULSE_BY_PULSE[kind], cell, c, (drive,), key)


def train(kind, cell, c, up, down, key):
    """Apply `up` and `down` pulses (int32) in random order; returns weight and visible weight.

    Few pulses are applied one after the other. A longer train is summed in blocks: the drift and its slope
    are taken at two points around the middle of a block, the noise is one normal number with the variance
    of the sum. Mean and standard deviation agree with the sequential train to second order in a block's
    change; near a bound, where that would not hold, every pulse is taken in turn.
    """
    if cell["weight"].device.type != "cpu":
        return train_plain(kind, cell, c, up, down, key)
    return _run(_TRAIN[kind], cell, c, (up, down), key)


def random_train(kind, cell, c, change, activity, per_weight, key):
    """Draw the counts of stochastic pulse trains and apply them as `train` does, in one pass over the cells."""
    if cell["weight"].device.type != "cpu":
        up, down = draw_counts_plain(change, activity, per_weight, key)
        return train_plain(kind, cell, c, up, down, key ^ 1)
    return _run(_RANDOM_TRAIN[kind], cell, c, (change.float(), activity.float(), float(per_weight)), key)
