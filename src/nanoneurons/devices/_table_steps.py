r"""Arithmetic of the table device: one pulse by inverse CDF, and long trains summed in blocks.

A step from the level x is :math:`g\,Q(u \mid x)`, with u uniform and Q bilinear between the numbers of the table. The
same law is written twice, as tensor arithmetic (any torch device, the reference) and as Numba kernels over the
cells; random numbers come from counters, so that both give the same.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import torch

from nanoneurons.core.random import chip_shape, normal_at, start_of, uniform, uniform_at, word_at

__all__ = ["Law", "law", "pulse_by_pulse", "pulse_by_pulse_plain", "train", "train_plain"]

_FEW = 8  # up to this many pulses of a cell are applied one after the other
_SHARE = 0.01  # a block of a longer train moves the level by about this share of the range
_GUIDE = 256  # entries of the tables that say where to look for a place


class Law(NamedTuple):
    """Tables for the kernels, float32; row 0 of `steps` and `moments` is up, row 1 down, zero where not taken.

    `moments` holds the mean at a level, the variance, and the covariance with the next level's row (at equal u).
    """

    levels: np.ndarray
    level_guide: np.ndarray
    probabilities: np.ndarray
    probability_guide: np.ndarray
    steps: np.ndarray
    moments: np.ndarray
    middle: np.float32
    least: np.float32


def law(levels: np.ndarray, probabilities: np.ndarray, steps: np.ndarray, least: float) -> Law:
    """Prepare tables; `steps` is ``(2, levels, quantiles)``, `least` the lowest level that is physical."""
    gaps = np.diff(probabilities)
    weights = 0.5 * (np.append(gaps, 0.0) + np.append(0.0, gaps))
    mean = steps @ weights
    away = steps - mean[..., None]
    after = np.concatenate([away[:, 1:], away[:, -1:]], axis=1)
    moments = np.stack([mean, _product(away, away, gaps), _product(away, after, gaps)], axis=-1)
    arrays = [np.ascontiguousarray(a, dtype=np.float32) for a in (levels, probabilities, steps, moments)]
    guides = [_guide(a) for a in arrays[:2]]
    ends = np.array([0.5 * (levels[0] + levels[-1]), least], dtype=np.float32)
    return Law(arrays[0], guides[0], arrays[1], guides[1], arrays[2], arrays[3], ends[0], ends[1])


def _product(a: np.ndarray, b: np.ndarray, gaps: np.ndarray) -> np.ndarray:
    """Integral over u of the product of two functions that are linear between their numbers."""
    ends = 2 * a[..., 1:] * b[..., 1:] + 2 * a[..., :-1] * b[..., :-1]
    return (ends + a[..., 1:] * b[..., :-1] + a[..., :-1] * b[..., 1:]) @ gaps / 6


def _guide(nodes: np.ndarray) -> np.ndarray:
    """Interval of `nodes` that holds the lower edge of each of equal parts of their range."""
    edges = np.linspace(nodes[0], nodes[-1], _GUIDE + 1)[:-1]
    return np.clip(np.searchsorted(nodes, edges, side="right") - 1, 0, len(nodes) - 2).astype(np.int32)


# -- plain tensors ------------------------------------------------------------------------------------


def _drawn(found: Law, x: torch.Tensor, u: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    def placed(nodes: np.ndarray, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        at = torch.from_numpy(nodes).to(value.device)
        k = (torch.searchsorted(at, value.contiguous(), right=True) - 1).clamp(0, len(nodes) - 2)
        return k, (value - at[k]) / (at[k + 1] - at[k])

    k, f = placed(found.levels, x)
    j, h = placed(found.probabilities, u)
    table, way = torch.from_numpy(found.steps).to(x.device), torch.where(up, 0, 1)
    here = table[way, k, j] + h * (table[way, k, j + 1] - table[way, k, j])
    ahead = table[way, k + 1, j] + h * (table[way, k + 1, j + 1] - table[way, k + 1, j])
    return here + f * (ahead - here)


def _moved(found: Law, cell, u: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    scale, middle = cell["scale"], float(found.middle)
    low = (middle + scale * (float(found.levels[0]) - middle)).clamp(min=float(found.least))
    high = middle + scale * (float(found.levels[-1]) - middle)
    gain = torch.where(up, cell["up"], cell["down"])
    w = cell["weight"]
    moved = w + scale * gain * _drawn(found, middle + (w - middle) / scale, u, up)
    return torch.where(gain > 0, moved.maximum(low).minimum(high), w)


def pulse_by_pulse_plain(found: Law, cell, drive: torch.Tensor, key: int) -> torch.Tensor:
    """Reference of `pulse_by_pulse` in tensor arithmetic."""
    own, count = dict(cell), drive.abs()
    shape, place = tuple(drive.shape), drive.device
    chips, cells = chip_shape(shape)
    most = int(count.max()) if count.numel() else 0
    draws = uniform(key, (chips, most * cells), 0, place).view(chips, most, cells)
    for k in range(most):
        moved = _moved(found, own, draws[:, k].reshape(shape), drive > 0)
        own["weight"] = torch.where(count > k, moved, own["weight"])
    return own["weight"]


def train_plain(found: Law, cell, up: torch.Tensor, down: torch.Tensor, key: int) -> torch.Tensor:
    """Reference of `train` in tensor arithmetic: every pulse in turn, in an order drawn at random."""
    own, left, rises = dict(cell), up + down, up.clone()
    shape, place = tuple(left.shape), left.device
    for k in range(int(left.max()) if left.numel() else 0):
        rising = uniform(key, shape, 2 * k, place) * left < rises
        moved = _moved(found, own, uniform(key, shape, 2 * k + 1, place), rising)
        own["weight"] = torch.where(left > 0, moved, own["weight"])
        rises = rises - (rising & (left > 0)).to(rises.dtype)
        left = (left - 1).clamp(min=0)
    return own["weight"]


# -- Numba --------------------------------------------------------------------------------------------


@numba.njit(inline="always")
def _place(value, nodes, guide):  # pragma: no cover - compiled
    """Interval of `nodes` that holds a value, and how far into it the value lies (0 to 1)."""
    share = (value - nodes[0]) / (nodes[nodes.size - 1] - nodes[0])
    k = guide[min(max(np.int64(share * np.float32(_GUIDE)), 0), _GUIDE - 1)]
    while k < nodes.size - 2 and nodes[k + 1] <= value:
        k += 1
    return k, (value - nodes[k]) / (nodes[k + 1] - nodes[k])


@numba.njit(inline="always")
def _one(x, u, way, levels, level_guide, probabilities, probability_guide, steps):  # pragma: no cover - compiled
    """Step from the table coordinate x at the probability u, for a device of gain 1."""
    k, f = _place(x, levels, level_guide)
    j, h = _place(u, probabilities, probability_guide)
    here = steps[way, k, j] + h * (steps[way, k, j + 1] - steps[way, k, j])
    ahead = steps[way, k + 1, j] + h * (steps[way, k + 1, j + 1] - steps[way, k + 1, j])
    return here + f * (ahead - here)


@numba.njit(inline="always")
def _mean_and_variance(x, way, levels, level_guide, moments):  # pragma: no cover - compiled
    k, f = _place(x, levels, level_guide)
    e = np.float32(1.0) - f
    mean = e * moments[way, k, 0] + f * moments[way, k + 1, 0]
    both = e * e * moments[way, k, 1] + f * f * moments[way, k + 1, 1] + np.float32(2.0) * e * f * moments[way, k, 2]
    return mean, both


@numba.njit(inline="always")
def _bounds(scale, levels, middle, least):  # pragma: no cover - compiled
    low = max(middle + scale * (levels[0] - middle), least)
    return low, middle + scale * (levels[levels.size - 1] - middle)


@numba.njit(cache=True, error_model="numpy")
def _pulse_by_pulse(table, weight, scale, up, down, drive, key):  # pragma: no cover - compiled
    levels, level_guide, probabilities, probability_guide, steps, _moments, middle, least = table
    chips, count = weight.shape
    for chip in range(chips):
        noise = start_of(key, chip, 0)
        for i in range(count):
            n = drive[chip, i]
            way = 0 if n > 0 else 1
            gain = up[chip, i] if n > 0 else down[chip, i]
            if n == 0 or gain <= 0:
                continue
            s, w = scale[chip, i], weight[chip, i]
            low, high = _bounds(s, levels, middle, least)
            for k in range(abs(n)):
                u = uniform_at(noise, k * count + i)
                x = middle + (w - middle) / s
                moved = _one(x, u, way, levels, level_guide, probabilities, probability_guide, steps)
                w = min(max(w + s * gain * moved, low), high)
            weight[chip, i] = w


@numba.njit(cache=True, error_model="numpy")
def _train(table, weight, scale, up, down, ups, downs, key):  # pragma: no cover - compiled
    levels, level_guide, probabilities, probability_guide, steps, moments, middle, least = table
    chips, count = weight.shape
    half, one, room = np.float32(0.5), np.float32(1.0), np.float32(_SHARE) * (levels[levels.size - 1] - levels[0])
    for chip in range(chips):
        chip_stream = start_of(key, chip, 0)
        for i in range(count):
            n, m = np.float32(ups[chip, i]), np.float32(downs[chip, i])
            rise, fall = up[chip, i], down[chip, i]
            if n + m <= 0 or (rise <= 0 and fall <= 0):
                continue
            s = scale[chip, i]
            low, high = _bounds(s, levels, middle, least)
            first, last = middle + (low - middle) / s, middle + (high - middle) / s
            x = middle + (weight[chip, i] - middle) / s
            stream = word_at(chip_stream, i)  # of its own: how many numbers a train takes varies
            draw = 0
            while n + m > half:
                left = n + m
                block = np.float32(0.0)
                if left > _FEW:  # as many pulses as may be taken at about one level, in the shares that are left
                    p = n / left
                    a, va = _mean_and_variance(x, 0, levels, level_guide, moments)
                    b, vb = _mean_and_variance(x, 1, levels, level_guide, moments)
                    a, va, b, vb = rise * a, rise * rise * va, fall * b, fall * fall * vb
                    drift = p * a + (one - p) * b
                    spread = p * va + (one - p) * vb + p * (one - p) * (a - b) * (a - b)
                    block = min(left, room / max(abs(drift), np.float32(1e-20)))
                    block = min(block, half * room * room / max(spread, np.float32(1e-20)))
                    reach = block * abs(drift) + np.float32(4.0) * math.sqrt(block * spread)
                    if block < _FEW or x - reach < first or x + reach > last:
                        block = np.float32(0.0)
                if block > 0:  # drift and variance in the middle of the block
                    block = np.float32(math.floor(block))  # ups: as of any order of the pulses that are left
                    order = np.float32(math.sqrt(block * p * (one - p) * max(left - block, np.float32(0.0)) / left))
                    ups_now = np.float32(math.floor(block * p + order * normal_at(stream, draw) + half))
                    ups_now = max(min(ups_now, min(block, n)), max(np.float32(0.0), block - m))
                    draw += 1
                    at = x + half * (ups_now * a + (block - ups_now) * b)
                    a, va = _mean_and_variance(at, 0, levels, level_guide, moments)
                    b, vb = _mean_and_variance(at, 1, levels, level_guide, moments)
                    variance = ups_now * rise * rise * va + (block - ups_now) * fall * fall * vb
                    x += ups_now * rise * a + (block - ups_now) * fall * b
                    x += np.float32(math.sqrt(variance)) * normal_at(stream, draw)
                    draw += 1
                    n, m = n - ups_now, m - (block - ups_now)
                else:
                    rising = True
                    if m > 0:  # any order of the remaining pulses is equally likely
                        rising = uniform_at(stream, draw) * left < n
                        draw += 1
                    u = uniform_at(stream, draw)
                    draw += 1
                    way = 0 if rising else 1
                    moved = _one(x, u, way, levels, level_guide, probabilities, probability_guide, steps)
                    x += (rise if rising else fall) * moved
                    n, m = (n - one, m) if rising else (n, m - one)
                x = min(max(x, first), last)
            weight[chip, i] = middle + s * (x - middle)


def _arrays(cell) -> tuple[tuple[int, int], torch.Tensor, list[np.ndarray]]:
    flat = chip_shape(tuple(cell["weight"].shape))
    weight = cell["weight"].clone().contiguous()
    own = [cell[name].contiguous().numpy().reshape(flat) for name in ("scale", "up", "down")]
    return flat, weight, [weight.view(flat).numpy(), *own]


def pulse_by_pulse(found: Law, cell, drive: torch.Tensor, key: int) -> torch.Tensor:
    """Apply `drive` signed whole pulses (int32) one after the other; returns the levels."""
    if drive.device.type != "cpu":
        return pulse_by_pulse_plain(found, cell, drive, key)
    flat, weight, arrays = _arrays(cell)
    _pulse_by_pulse(found, *arrays, drive.contiguous().numpy().reshape(flat), np.uint64(key))  # pyright: ignore
    return weight


def train(found: Law, cell, up: torch.Tensor, down: torch.Tensor, key: int) -> torch.Tensor:
    """Apply `up` and `down` pulses (int32) in random order; returns the levels.

    Few pulses are applied one after the other. A longer train is summed in blocks that move the level by a hundredth
    of the range: drift and variance are taken in the middle of the block, the scatter is one normal number. Near a
    bound every pulse is taken in turn.
    """
    if up.device.type != "cpu":
        return train_plain(found, cell, up, down, key)
    flat, weight, arrays = _arrays(cell)
    counts = [t.contiguous().numpy().reshape(flat) for t in (up, down)]
    _train(found, *arrays, *counts, np.uint64(key))  # pyright: ignore
    return weight
