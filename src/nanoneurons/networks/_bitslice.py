r"""Numba kernels of packed binary networks: XNOR and popcount, bit-sliced over 256 samples.

A word holds the same activation of 64 samples, a vector of four words that of 256. Seven inputs are taken at once:
for each of the 128 patterns that seven weights can have, the number of mismatches (0 to 7, three vectors of bits)
is tabulated once per batch and shared by all outputs, so that an output looks up its pattern instead of counting.
Seven such numbers go through a tree of full adders into the output's counter, which is bit-sliced too. The counter
starts so that its top bit is set exactly where the number of mismatches exceeds the neuron's limit: that bit, inverted,
is already the packed input of the next layer.

The tree is written as vector operations of the compiler's own language, so that it runs as AVX2, AVX-512 or NEON alike.
"""

from __future__ import annotations

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = [
    "GROUP",
    "LANES",
    "LARGEST_FAN_IN",
    "SAMPLES",
    "TILE",
    "counter_bits",
    "hidden",
    "pack",
    "padded",
    "products",
]

GROUP = 7  # inputs per table: their mismatches fill three bits
TILE = 7  # tables added at once: 7 * 7 inputs; 7 tables of 12 KB stay in the second-level cache
LANES = 4  # words per vector
SAMPLES = 64 * LANES
_PATTERNS = 2**GROUP
_ENTRY = 3 * LANES
_NARROW, _WIDE = 12, 20  # bits of a counter
LARGEST_FAN_IN = 2 ** (_WIDE - 1) - 1

_INDEX = ir.IntType(64)
_VECTOR = ir.VectorType(_INDEX, LANES)
_NONE, _ALL, _ONE = np.uint64(0), np.uint64(2**64 - 1), np.uint64(1)


def padded(features: int) -> int:
    """Rows that packed activations take: whole tiles."""
    return -(-features // (TILE * GROUP)) * TILE * GROUP


def counter_bits(fan_in: int) -> int:
    """Bits of a counter for `fan_in` inputs; the top one tells that a limit was exceeded."""
    return _NARROW if fan_in < 2 ** (_NARROW - 1) else _WIDE


# -- vector operations -------------------------------------------------------------------------------


def _full_adder(builder, a, b, c):
    half = builder.xor(a, b)
    return builder.xor(half, c), builder.or_(builder.and_(a, b), builder.and_(half, c))


def _pointer(context, builder, array_type, array, offset):
    """Address of element `offset` of a contiguous array."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [offset])


def _load(builder, pointer, offset):
    value = builder.load(builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer()))
    value.align = 8
    return value


def _store(builder, value, pointer, offset):
    builder.store(value, builder.bitcast(builder.gep(pointer, [offset]), _VECTOR.as_pointer())).align = 8


def _tile_adder(bits: int):
    @intrinsic
    def add_tile(typing_context, table, patterns, first_pattern, counters, counter):
        """Add the mismatches of a tile, looked up by its patterns, to one bit-sliced counter."""

        def generate(context, builder, signature, args):
            kinds = signature.args
            tables = _pointer(context, builder, kinds[0], args[0], _INDEX(0))
            pattern = _pointer(context, builder, kinds[1], args[1], args[2])
            total = _pointer(context, builder, kinds[3], args[3], args[4])
            columns = [[_load(builder, total, _INDEX(place * LANES))] for place in range(bits)]
            for group in range(TILE):
                index = builder.zext(builder.load(builder.gep(pattern, [_INDEX(group)])), _INDEX)
                entry = builder.add(builder.mul(index, _INDEX(_ENTRY)), _INDEX(group * _PATTERNS * _ENTRY))
                for place in range(3):
                    columns[place].append(_load(builder, tables, builder.add(entry, _INDEX(place * LANES))))
            for place, column in enumerate(columns):  # three bits of a column become one and a carry
                while len(column) > 1:
                    if len(column) > 2:
                        kept, carry = _full_adder(builder, *column[:3])
                    else:
                        kept, carry = builder.xor(*column), builder.and_(*column)
                    column[:3] = [kept]
                    if place + 1 < bits:
                        columns[place + 1].append(carry)
                _store(builder, column[0], total, _INDEX(place * LANES))
            return context.get_dummy_value()

        return types.void(table, patterns, types.int64, counters, types.int64), generate

    return add_tile


_add_narrow, _add_wide = _tile_adder(_NARROW), _tile_adder(_WIDE)


@intrinsic
def _tabulate(typing_context, x, first, table, entry):
    """Mismatches of seven inputs with all 128 patterns, as three vectors of bits each."""

    def generate(context, builder, signature, args):
        source = _pointer(context, builder, signature.args[0], args[0], args[1])
        target = _pointer(context, builder, signature.args[2], args[2], args[3])
        inputs = [_load(builder, source, _INDEX(i * LANES)) for i in range(GROUP)]
        bits = [(value, builder.not_(value)) for value in inputs]  # mismatch with a weight bit of 0, of 1

        def of_three(chosen):
            return [_full_adder(builder, *(pair[(p >> k) & 1] for k, pair in enumerate(chosen))) for p in range(8)]

        low, middle = of_three(bits[:3]), of_three(bits[3:6])
        for q in range(16):
            (one, two), last = middle[q & 7], bits[6][q >> 3]
            carry = builder.and_(one, last)
            one, two, four = builder.xor(one, last), builder.xor(two, carry), builder.and_(two, carry)
            for p, (low_one, low_two) in enumerate(low):
                total = builder.xor(low_one, one)
                twos, fours = _full_adder(builder, low_two, two, builder.and_(low_one, one))
                for place, value in enumerate((total, twos, builder.or_(four, fours))):
                    _store(builder, value, target, _INDEX((8 * q + p) * _ENTRY + place * LANES))
        return context.get_dummy_value()

    return types.void(x, types.int64, table, types.int64), generate


# -- kernels -----------------------------------------------------------------------------------------


@numba.njit(cache=True)
def _accumulate(x, patterns, bits, counters, table):  # pragma: no cover - compiled
    """Add all mismatches of 256 samples to the counters; x ``(in, LANES)``, patterns ``(tiles, out, TILE)``."""
    tiles, outputs, _ = patterns.shape
    for tile in range(tiles):
        for group in range(TILE):
            _tabulate(x, (tile * TILE + group) * GROUP * LANES, table, group * _PATTERNS * _ENTRY)
        wanted = patterns[tile].reshape(outputs * TILE)
        for o in range(outputs):
            if bits == _NARROW:
                _add_narrow(table, wanted, o * TILE, counters, o * _NARROW * LANES)
            else:
                _add_wide(table, wanted, o * TILE, counters, o * _WIDE * LANES)


@numba.njit(cache=True)
def hidden(x, patterns, start, bits, out):  # pragma: no cover - compiled
    """Packed outputs of a layer.

    x ``(chips or 1, blocks, in, LANES)`` with zeros up to `padded` inputs, patterns ``(chips, tiles, out, TILE)``
    uint8, start ``(chips, out)``: what each counter of `bits` bits starts from, out ``(chips, blocks, out, LANES)``,
    whose rows beyond the last output are left as they are.
    """
    chips, _, outputs, _ = patterns.shape
    counters = np.empty(outputs * bits * LANES, np.uint64)
    table = np.empty(TILE * _PATTERNS * _ENTRY, np.uint64)
    for chip in range(chips):
        inputs = x[chip if x.shape[0] > 1 else 0]
        for block in range(inputs.shape[0]):
            for o in range(outputs):
                for place in range(bits):
                    mask = _ALL if (start[chip, o] >> place) & 1 else _NONE
                    for lane in range(LANES):
                        counters[(o * bits + place) * LANES + lane] = mask
            _accumulate(inputs[block], patterns[chip], bits, counters, table)
            for o in range(outputs):
                for lane in range(LANES):
                    out[chip, block, o, lane] = ~counters[(o * bits + bits - 1) * LANES + lane]


@numba.njit(cache=True)
def products(x, patterns, fan_in, bits, out):  # pragma: no cover - compiled
    """Scalar products of the last layer, out ``(chips, batch, out)``; the rest as in `hidden`."""
    chips, _, outputs, _ = patterns.shape
    counters = np.empty(outputs * bits * LANES, np.uint64)
    table = np.empty(TILE * _PATTERNS * _ENTRY, np.uint64)
    for chip in range(chips):
        inputs = x[chip if x.shape[0] > 1 else 0]
        for block in range(inputs.shape[0]):
            counters[:] = _NONE
            _accumulate(inputs[block], patterns[chip], bits, counters, table)
            for s in range(block * SAMPLES, min((block + 1) * SAMPLES, out.shape[1])):
                lane, bit = (s % SAMPLES) // 64, np.uint64(s % 64)
                for o in range(outputs):
                    mismatches = 0
                    for place in range(bits):
                        word = counters[(o * bits + place) * LANES + lane]
                        mismatches += np.int64((word >> bit) & _ONE) << place
                    out[chip, s, o] = fan_in - 2 * mismatches


@numba.njit(cache=True)
def pack(x, out):  # pragma: no cover - compiled
    """Bits ``x >= 0`` of floats ``(batch, in)``, sliced over samples into the rows of out ``(blocks, in, LANES)``."""
    batch, features = x.shape
    words = np.empty(features, np.uint64)
    for first in range(0, out.shape[0] * SAMPLES, 64):
        words[:] = _NONE
        for s in range(first, min(first + 64, batch)):
            row, bit = x[s], np.uint64(s - first)
            for i in range(features):
                words[i] |= np.uint64(row[i] >= 0) << bit
        block, lane = first // SAMPLES, (first % SAMPLES) // 64
        for i in range(features):
            out[block, i, lane] = words[i]
