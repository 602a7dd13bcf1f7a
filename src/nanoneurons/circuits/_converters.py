"""Input and output converters of an array, fused into one pass over the numbers."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch

from nanoneurons.core.random import normal, start_of, word_at
from nanoneurons.core.vector_math import two_normals

__all__ = ["convert_input", "convert_input_plain", "convert_output", "convert_output_plain"]


def convert_input(x: torch.Tensor, resolution: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Quantise each vector (last axis) on a grid of `resolution` times twice its largest magnitude.

    Returns the vectors, their largest magnitudes ``(..., 1)`` (1 of a zero vector), and the sums of the squares
    of their entries ``(..., 1)`` in units of these.
    """
    if x.device.type != "cpu" or x.dtype != torch.float32:
        return convert_input_plain(x, resolution)
    source = x.detach().contiguous().numpy()  # arrays of numpy: a torch call costs as much as a small layer's kernel
    lead, n = source.shape[:-1], source.shape[-1]
    seen, full, squares = (np.empty((*lead, m), np.float32) for m in (n, 1, 1))
    flat = (a.reshape(-1, a.shape[-1]) for a in (source, seen, full, squares))
    _quantise_rows(*flat, np.float32(resolution))
    return (x if resolution == 0 else torch.from_numpy(seen)), torch.from_numpy(full), torch.from_numpy(squares)


def convert_input_plain(x: torch.Tensor, resolution: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reference of `convert_input`."""
    full = x.abs().amax(-1, keepdim=True)
    full = torch.where(full > 0, full, 1.0)
    if resolution > 0:
        step = full * (2 * resolution)
        x = (x / step).round() * step
    return x, full, (x / full).square_().sum(-1, keepdim=True)


@numba.njit(cache=True, fastmath={"reassoc", "nnan", "nsz", "contract"})
def _quantise_rows(x, out, full, squares, resolution):  # pragma: no cover - compiled
    rows, n = x.shape
    bits = x.view(np.int32)  # magnitudes order as their bits do, and the largest integer is found many at a time
    for r in range(rows):
        largest = np.int32(0)
        for i in range(n):
            largest = max(largest, bits[r, i] & np.int32(0x7FFFFFFF))
        full.view(np.int32)[r, 0] = largest
        top = full[r, 0] if largest != 0 else np.float32(1.0)
        full[r, 0] = top
        total = np.float32(0.0)
        if resolution > 0:
            step = top * np.float32(2.0) * resolution
            inverse = np.float32(1.0) / step
            for i in range(n):
                level = np.rint(x[r, i] * inverse)
                out[r, i] = level * step
                total += level * level
            squares[r, 0] = total * (np.float32(4.0) * resolution * resolution)
        else:
            for i in range(n):
                total += x[r, i] * x[r, i]
            squares[r, 0] = total / (top * top)


def convert_output(
    y: torch.Tensor,
    full: torch.Tensor,
    unit: float,
    squares: torch.Tensor,
    cell: float,
    noise: float,
    bound: float,
    resolution: float,
    key: int,
    bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """Add noise, hold within `bound`, round to a grid of ``2 bound resolution``, add the bias.

    All but the bias in units of ``full unit``. The noise has sd ``sqrt(cell**2 squares + noise**2)``. `full` and
    `squares` are ``(..., 1)``, with or without the chip axis of `y`; `bias` is ``(out,)`` or ``(chips, out)``.
    """
    if y.device.type != "cpu" or y.dtype != torch.float32:
        return convert_output_plain(y, full, unit, squares, cell, noise, bound, resolution, key, bias)
    source = y.detach().contiguous().numpy()
    out = np.empty(source.shape, np.float32)
    flat = (source.shape[0] if source.ndim > 1 else 1, -1, source.shape[-1])
    per_row = full.numpy().reshape(-1), squares.numpy().reshape(-1)
    numbers = [np.float32(v) for v in (unit, cell * cell, noise * noise, bound, resolution)]
    added = _NONE if bias is None else bias.detach().numpy().reshape(-1, source.shape[-1])
    _convert_rows(source.reshape(flat), *per_row, *numbers, np.uint64(key), added, out.reshape(flat))
    return torch.from_numpy(out)


def convert_output_plain(y, full, unit, squares, cell, noise, bound, resolution, key, bias=None):
    """Reference of `convert_output`."""
    scale = full * unit
    v = y / scale
    if cell > 0 or noise > 0:
        v = v + (cell * cell * squares + noise * noise).sqrt() * _noise(key, y)
    if resolution > 0:
        step = 2 * bound * resolution
        v = (v.clamp(-bound, bound) / step).round() * step
    return v * scale if bias is None else v * scale + bias.unsqueeze(-2)


_NONE = np.zeros((0, 1), np.float32)


def _noise(key: int, y: torch.Tensor) -> torch.Tensor:
    """Standard normal numbers of the outputs."""
    if y.device.type != "cpu":
        return normal(key, tuple(y.shape), 0, y.device)
    out = np.empty(y.shape, np.float32)
    _fill_noise(np.uint64(key), out.reshape(y.shape[0] if y.dim() > 1 else 1, -1, y.shape[-1]))
    return torch.from_numpy(out)


@numba.njit(cache=True)
def _fill_noise(key, out):  # pragma: no cover - compiled
    chips, rows, n = out.shape
    xi = np.empty(n + 1, np.float32)
    for chip in range(chips):
        stream = start_of(key, chip, 0)
        for r in range(rows):
            _row_noise(stream, r, n, xi)
            out[chip, r] = xi[:n]


@numba.njit(inline="always")
def _row_noise(stream, r, n, xi):  # pragma: no cover - compiled
    """Normal numbers of a row, a pair from each word: one of its first half and one of its second."""
    half = (n + 1) // 2
    for j in range(half):
        xi[j], xi[half + j] = two_normals(word_at(stream, r * half + j))


@numba.njit(cache=True, error_model="numpy")
def _convert_rows(
    y, full, squares, unit, cell, noise, bound, resolution, key, bias, out
):  # pragma: no cover - compiled
    chips, rows, n = y.shape
    step = np.float32(2.0) * bound * resolution
    back = np.float32(1.0) / step
    xi = np.zeros(n + 1, np.float32)
    for chip in range(chips):
        stream = start_of(key, chip, 0)
        for r in range(rows):
            row = chip * rows + r  # one scale may serve all rows, or the rows of all chips alike
            scale = full[row % full.size] * unit
            sd = np.float32(math.sqrt(cell * squares[row % squares.size] + noise))
            inverse = np.float32(1.0) / scale
            if sd > 0:
                _row_noise(stream, r, n, xi)
            if resolution > 0:
                for j in range(n):
                    v = min(max(y[chip, r, j] * inverse + sd * xi[j], -bound), bound)
                    out[chip, r, j] = np.rint(v * back) * step * scale
            else:
                for j in range(n):
                    out[chip, r, j] = (y[chip, r, j] * inverse + sd * xi[j]) * scale
            if bias.size > 0:
                own = bias[chip % len(bias)]
                for j in range(n):
                    out[chip, r, j] += own[j]
