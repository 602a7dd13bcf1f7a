r"""Random numbers by counter: the same chip gets the same numbers however the work is split.

SplitMix64 (Steele, Lea and Flood, *Fast splittable pseudorandom number generators*, OOPSLA 2014)
gives the n-th number of a stream directly, ``mix(start + n * golden)``. The start of a stream
is hashed from a key, drawn from an explicit `torch.Generator`, the chip (the index along the first
axis) and the number of the draw; ``n`` is the cell. So the numbers of chip 3 do not depend on how many
chips are simulated beside it, a fused kernel and a plain tensor expression that use the same
counters agree, and noise needs no stored history.

On a torch device other than the CPU the numbers come from that device's own generator, seeded per
chip from the same key: as reproducible, but another sequence.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import hashlib
import math

import numba
import numpy as np
import torch

__all__ = [
    "GOLDEN",
    "chip_shape",
    "draw_key",
    "generator_for",
    "mix",
    "mix_tensor",
    "normal",
    "normal_at",
    "normal_of",
    "start_of",
    "turned",
    "uniform",
    "uniform_at",
    "word_at",
    "words",
]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MUL1, _MUL2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S27, _S30, _S31, _S32, _S40 = (np.uint64(n) for n in (27, 30, 31, 32, 40))
_LAYER = np.uint64(0xFF)


def generator_for(seed: int, *path: str | int) -> torch.Generator:
    """Generator of the stream that belongs to `path` (a row, a chip set, an epoch) under `seed`.

    Streams of different paths are independent (SHA-256 of the path), so a row draws the same
    numbers on whichever worker it runs.
    """
    text = "\x1f".join([str(int(seed)), *map(str, path)])
    digest = hashlib.sha256(text.encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def draw_key(generator: torch.Generator) -> int:
    """Draw a 62-bit key; the only thing device code takes from a generator."""
    return int(torch.randint(0, 2**62, (), generator=generator, dtype=torch.int64, device=generator.device))


@numba.njit(inline="always")
def mix(z):  # pragma: no cover - compiled
    """SplitMix64's output function: a bijection of 64 bits."""
    z = (z ^ (z >> _S30)) * _MUL1
    z = (z ^ (z >> _S27)) * _MUL2
    return z ^ (z >> _S31)


def mix_tensor(z: torch.Tensor) -> torch.Tensor:
    """`mix` for an int64 tensor on any torch device: same bits as the compiled one."""

    def shifted(value: torch.Tensor, by: int) -> torch.Tensor:  # logical shift; torch's keeps the sign
        return (value >> by) & ((1 << (64 - by)) - 1)

    z = (z ^ shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ shifted(z, 31)


def _signed(word: int) -> int:
    return word - 2**64 if word >= 2**63 else word


GOLDEN = _signed(0x9E3779B97F4A7C15)


@numba.njit(inline="always")
def start_of(key, chip, draw):  # pragma: no cover - compiled
    """Start of the stream that belongs to a key, a chip and a numbered draw."""
    return mix(mix(mix(np.uint64(key) + _GOLDEN) ^ np.uint64(chip)) ^ (np.uint64(draw) * _GOLDEN))


@numba.njit(inline="always")
def word_at(start, n):  # pragma: no cover - compiled
    """The n-th 64-bit word of a stream."""
    return mix(start + (np.uint64(n) + np.uint64(1)) * _GOLDEN)


@numba.njit(inline="always")
def uniform_at(start, n):  # pragma: no cover - compiled
    """The n-th number of a stream as float32 in the open interval (0, 1): 23 bits, centred."""
    return (np.float32(word_at(start, n) >> np.uint64(41)) + np.float32(0.5)) * np.float32(2.0**-23)


def _ziggurat() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Edges, quick-accept bounds and densities of 256 equal-area layers (Marsaglia and Tsang 2000)."""
    r, area, layers = 3.6541528853610088, 0.00492867323399, 256
    x = np.zeros(layers + 1)
    x[0] = area / math.exp(-0.5 * r * r)
    x[1] = r
    for i in range(2, layers):
        x[i] = math.sqrt(-2.0 * math.log(area / x[i - 1] + math.exp(-0.5 * x[i - 1] ** 2)))
    return x.astype(np.float32), (x[1:] / x[:-1]).astype(np.float32), np.exp(-0.5 * x * x).astype(np.float32)


_EDGE, _QUICK, _DENSITY = _ziggurat()


@numba.njit
def _normal_slow(word, layer, u):  # pragma: no cover - compiled
    """The 1.2 % of draws outside the quick part of their layer."""
    while True:
        if layer == 0:  # tail beyond the last edge
            edge = _EDGE[1]
            while True:
                word = mix(word + _GOLDEN)
                a = (np.float64(word >> np.uint64(11)) + 0.5) * 2.0**-53
                word = mix(word + _GOLDEN)
                b = (np.float64(word >> np.uint64(11)) + 0.5) * 2.0**-53
                beyond = -math.log(a) / edge
                if -2.0 * math.log(b) > beyond * beyond:
                    return np.float32(edge + beyond) if u > 0 else np.float32(-edge - beyond)
        x = u * _EDGE[layer]
        word = mix(word + _GOLDEN)
        height = np.float32(word >> _S40) * np.float32(2.0**-24)
        if _DENSITY[layer] + height * (_DENSITY[layer + 1] - _DENSITY[layer]) < math.exp(-0.5 * x * x):
            return np.float32(x)
        word = mix(word + _GOLDEN)
        layer = np.int64(word & _LAYER)
        u = np.float32(np.int64(word >> _S40) - 8388608 + 0.5) * np.float32(2.0**-23)
        if abs(u) < _QUICK[layer]:
            return np.float32(u * _EDGE[layer])


@numba.njit(inline="always")
def normal_of(word):  # pragma: no cover - compiled
    """Standard normal float32 made of a random word (ziggurat); uses its highest 24 and lowest 8 bits."""
    layer = np.int64(word & _LAYER)
    u = (np.float32(np.int64(word >> _S40) - 8388608) + np.float32(0.5)) * np.float32(2.0**-23)
    if abs(u) < _QUICK[layer]:
        return u * _EDGE[layer]
    return _normal_slow(word, layer, u)


@numba.njit(inline="always")
def turned(word):  # pragma: no cover - compiled
    """Halves of a word exchanged: `normal_of` it and of the word itself use different bits."""
    return (word << _S32) | (word >> _S32)


@numba.njit(inline="always")
def normal_at(start, n):  # pragma: no cover - compiled
    """The n-th number of a stream as a standard normal float32."""
    return normal_of(word_at(start, n))


@numba.njit(cache=True)
def _fill_uniform(key, draw, out):  # pragma: no cover - compiled
    chips, cells = out.shape
    for chip in range(chips):
        start = start_of(key, chip, draw)
        for cell in range(cells):
            out[chip, cell] = uniform_at(start, cell)


@numba.njit(cache=True)
def _fill_normal(key, draw, out):  # pragma: no cover - compiled
    chips, cells = out.shape
    for chip in range(chips):
        start = start_of(key, chip, draw)
        for cell in range(cells):
            out[chip, cell] = normal_at(start, cell)


@numba.njit(cache=True)
def _fill_words(key, draw, out):  # pragma: no cover - compiled
    chips, cells = out.shape
    for chip in range(chips):
        start = start_of(key, chip, draw)
        for cell in range(cells):
            out[chip, cell] = np.int64(word_at(start, cell))


def chip_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """``(chips, cells)`` of an array of devices: the first axis, and everything else flattened."""
    if not shape:
        return 1, 1
    return int(shape[0]), int(math.prod(shape[1:]))


def uniform(key: int, shape: tuple[int, ...], draw: int = 0, device: torch.device | str = "cpu") -> torch.Tensor:
    """Uniform float32 in (0, 1) of `shape`; element ``(chip, cell)`` depends only on key, draw, chip, cell."""
    return _sample(_fill_uniform, torch.rand, key, shape, draw, device)


def normal(key: int, shape: tuple[int, ...], draw: int = 0, device: torch.device | str = "cpu") -> torch.Tensor:
    """Standard normal float32 of `shape`, with the same independence from the number of chips."""
    return _sample(_fill_normal, torch.randn, key, shape, draw, device)


def words(key: int, shape: tuple[int, ...], draw: int = 0) -> torch.Tensor:
    """Random int64 words of `shape` (CPU), one independent 64-bit seed per element."""
    out = np.empty(chip_shape(tuple(shape)), np.int64)
    _fill_words(np.uint64(key), np.uint64(draw), out)
    return torch.from_numpy(out.reshape(tuple(shape)))


def _sample(fill, torch_draw, key, shape, draw, device):
    shape = tuple(int(n) for n in shape)
    target = torch.device(device)
    if target.type == "cpu":
        out = np.empty(chip_shape(shape), np.float32)
        fill(np.uint64(key), np.uint64(draw), out)
        return torch.from_numpy(out.reshape(shape))
    chips, cells = chip_shape(shape)
    rows = []
    for chip in range(chips):  # one seeding per chip keeps a chip's numbers its own
        own = torch.Generator(target).manual_seed(
            (key ^ (draw * 0x9E3779B97F4A7C15) ^ (chip * 0xD6E8FEB86659FD93)) & (2**63 - 1)
        )
        rows.append(torch_draw((cells,), generator=own, device=target))
    return torch.stack(rows).reshape(shape)
