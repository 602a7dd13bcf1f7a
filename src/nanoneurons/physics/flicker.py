r"""1/f noise as a moving average over a device's pulses, without a stored register.

.. math:: w(T) = \alpha \sum_{k=0}^{P-1} b_k\, u_{T-k}, \qquad b_0 = 1,\; b_k = b_{k-1}\,(2k-1)/(2k)

The coefficients ``b`` are the half-integrator of Kasdin (Proc. IEEE 83, 802, 1995), whose output has a 1/f
spectrum down to about 1/P per pulse. ``u_j`` is the uniform number that entered with the device's
j-th pulse. It is computed from the device's own 64-bit seed and j (`core.random`), so shifting the
register by n pulses is adding n to T: no register is kept, whatever its length.
"""

from __future__ import annotations

import numba
import numpy as np
import torch

from nanoneurons.core.random import GOLDEN, mix_tensor, word_at

__all__ = ["coefficients", "flicker", "flicker_at", "flicker_plain", "layout"]

# Pulse numbers are shifted by this much so that the register is full before the first pulse: the noise is
# stationary from the start. Any multiple of 4 beyond the longest register will do.
_BEFORE = 1 << 20


def coefficients(length: int) -> np.ndarray:
    """The first `length` coefficients b_k as float32."""
    k = np.arange(1, length)
    return np.concatenate([[1.0], np.cumprod((2 * k - 1) / (2 * k))]).astype(np.float32)


def layout(length: int) -> np.ndarray:
    """Coefficients laid out against whole random words, one row per position of the newest number.

    Row a belongs to a newest number in 16-bit lane a of its word; zeros pad the partly used words, so
    that the compiled sum runs over whole words without a branch. Shape ``(4, 4 words)``.
    """
    b = coefficients(length)
    whole = (length + 6) // 4
    table = np.zeros((4, 4 * whole), np.float32)
    for lane in range(4):
        newest = 4 * (whole - 1) + lane
        table[lane, newest - length + 1 : newest + 1] = b[::-1]
    return table


@numba.njit(fastmath=True)
def _dot(numbers, weights):  # pragma: no cover - compiled
    """Sum of weights times centred 16-bit numbers; free to reorder, so it runs in vector registers."""
    total = np.float32(0.0)
    for i in range(weights.shape[0]):
        total += weights[i] * (np.float32(np.int32(numbers[i])) + np.float32(0.5))
    return total


@numba.njit(inline="always")
def flicker_at(seed, pulses, table, buffer, lanes):  # pragma: no cover - compiled
    """Sum over k of b_k u_(pulses-k); `buffer` holds the words, `lanes` is its view as 16-bit numbers."""
    newest = np.int64(pulses) + _BEFORE
    whole = buffer.shape[0]
    first = (newest >> 2) - whole + 1
    for i in range(whole):
        buffer[i] = word_at(np.uint64(seed), first + i)
    return _dot(lanes, table[newest & 3]) * np.float32(2.0**-16)


@numba.njit(cache=True)
def _fill(seed, pulses, table, out):  # pragma: no cover - compiled
    buffer = np.empty(table.shape[1] // 4, np.uint64)
    lanes = buffer.view(np.uint16)
    for i in range(seed.shape[0]):
        out[i] = flicker_at(seed[i], pulses[i], table, buffer, lanes)


def flicker(seed: torch.Tensor, pulses: torch.Tensor, length: int) -> torch.Tensor:
    """The sum for int64 seeds and pulse numbers of any shape; compiled where they lie on the CPU."""
    if seed.device.type == "cpu":
        out = torch.empty(seed.shape, dtype=torch.float32)
        _fill(seed.reshape(-1).numpy(), pulses.int().reshape(-1).numpy(), layout(length), out.view(-1).numpy())
        return out
    return flicker_plain(seed, pulses, length)


def flicker_plain(seed: torch.Tensor, pulses: torch.Tensor, length: int) -> torch.Tensor:
    """The same sum as plain tensor arithmetic, on any torch device."""
    b = torch.from_numpy(coefficients(length)).to(seed.device)
    total = torch.zeros(seed.shape, dtype=torch.float32, device=seed.device)
    newest = pulses.long() + _BEFORE
    for k in range(length):
        index = newest - k
        word = mix_tensor(seed + ((index >> 2) + 1) * GOLDEN)
        bits = (word >> (16 * (index & 3))) & 0xFFFF
        total += b[k] * (bits + 0.5)
    return total * 2.0**-16
