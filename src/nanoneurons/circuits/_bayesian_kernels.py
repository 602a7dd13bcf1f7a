"""Compiled decisions of a Bayesian machine: whole streams as 64-bit words, or cycle by cycle with upsets."""

# pyright: basic, reportCallIssue=false
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from nanoneurons.core.random import start_of, word_at

__all__ = ["addresses", "count_all", "find_first", "find_several", "stream_table", "sum_logarithms", "with_upsets"]

_S11 = np.uint64(11)


@intrinsic
def _ones(typing, word):  # pragma: no cover - compiled
    """Number of ones of a 64-bit word."""

    def generate(context, builder, signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def _zeros_below(typing, word):  # pragma: no cover - compiled
    """Position of the lowest 1 of a 64-bit word that is not 0."""

    def generate(context, builder, signature, arguments):
        return builder.cttz(arguments[0], context.get_constant(types.boolean, True))

    return types.uint64(types.uint64), generate


@numba.njit(cache=True)
def addresses(observed, bins, out):  # pragma: no cover - compiled
    """Observations as int16, the missing ones (-1) as `bins`; whether any lies outside."""
    wrong = False
    for n in range(observed.shape[0]):
        for c in range(observed.shape[1]):
            o = observed[n, c]
            wrong |= (o < -1) | (o >= bins)
            out[n, c] = bins if o == -1 else o
    return wrong


@numba.njit(cache=True)
def stream_table(words, streams, valid):  # pragma: no cover - compiled
    """Streams behind every observation of one chip, uint64 ``(columns, bins + 1, 4, rows)``; the last bin is 'missing'.

    words: uint8 ``(rows, columns, bins)``; streams: ``(columns, 256, 4)``; valid: ones for the cycles that exist, (4,).
    """
    rows, columns, bins = words.shape
    out = np.empty((columns, bins + 1, 4, rows), np.uint64)
    for c in range(columns):
        for o in range(bins):
            for w in range(4):
                for r in range(rows):
                    out[c, o, w, r] = streams[c, words[r, c, o], w]
        for w in range(4):
            for r in range(rows):
                out[c, bins, w, r] = valid[w]
    return out


@numba.njit(cache=True)
def count_all(table, observed, counts, winner, decided):  # pragma: no cover - compiled
    """Ones of every row over the cycles, the row with most of them (the lowest of equals), and whether it has any."""
    columns, bins, _, rows = table.shape
    size = 4 * rows
    flat = table.reshape(columns, bins, size)
    kept = np.empty(size, np.uint64)
    for n in range(observed.shape[0]):
        for k in range(size):
            kept[k] = flat[0, observed[n, 0], k]
        for c in range(1, columns):
            o = observed[n, c]
            for k in range(size):
                kept[k] &= flat[c, o, k]
        best, at = np.int64(-1), 0
        for r in range(rows):
            total = np.int64(
                _ones(kept[r]) + _ones(kept[rows + r]) + _ones(kept[2 * rows + r]) + _ones(kept[3 * rows + r])
            )
            counts[n, r] = total
            if total > best:
                best, at = total, r
        winner[n], decided[n] = at, best > 0


@numba.njit(cache=True)
def find_first(table, observed, cycles, counts, winner, decided, cycle):  # pragma: no cover - compiled
    """First cycle in which a row gives 1, and that row (the lowest of equals); `cycles` and row 0 where none does."""
    columns, _, _, rows = table.shape
    kept = np.empty(rows, np.uint64)
    for n in range(observed.shape[0]):
        winner[n], cycle[n], decided[n] = 0, cycles, False
        for r in range(rows):
            counts[n, r] = 0
        for w in range(4):
            for r in range(rows):
                kept[r] = table[0, observed[n, 0], w, r]
            for c in range(1, columns):
                o = observed[n, c]
                for r in range(rows):
                    kept[r] &= table[c, o, w, r]
            united = np.uint64(0)
            for r in range(rows):
                united |= kept[r]
            if united:
                bit = _zeros_below(united)
                cycle[n], decided[n] = 64 * w + np.int64(bit) + 1, True
                for r in range(rows - 1, -1, -1):
                    if (kept[r] >> bit) & np.uint64(1):
                        counts[n, r] = 1
                        winner[n] = r
                break


@numba.njit(cache=True)
def find_several(table, observed, cycles, ones, counts, winner, decided, cycle):  # pragma: no cover - compiled
    """First cycle in which a row has given a number of ones, and that row; where none does, that with most of them.

    Of equal rows the lowest wins. Decided is what a single 1 speaks for.
    """
    columns, _, _, rows = table.shape
    kept = np.empty((4, rows), np.uint64)
    for n in range(observed.shape[0]):
        for w in range(4):
            for r in range(rows):
                kept[w, r] = table[0, observed[n, 0], w, r]
            for c in range(1, columns):
                o = observed[n, c]
                for r in range(rows):
                    kept[w, r] &= table[c, o, w, r]
        end = np.int64(cycles)
        for r in range(rows):
            left = np.int64(ones)
            for w in range(4):
                word = kept[w, r]
                here = np.int64(_ones(word))
                if here >= left:
                    for _ in range(left - 1):
                        word &= word - np.uint64(1)  # without its lowest 1
                    end = min(end, 64 * w + np.int64(_zeros_below(word)) + 1)
                    break
                left -= here
        best, at = np.int64(-1), 0
        for r in range(rows):
            total = np.int64(0)
            for w in range(4):
                within = end - 64 * w
                if within >= 64:
                    total += np.int64(_ones(kept[w, r]))
                elif within > 0:
                    total += np.int64(_ones(kept[w, r] & ((np.uint64(1) << np.uint64(within)) - np.uint64(1))))
            counts[n, r] = total
            if total > best:
                best, at = total, r
        winner[n], decided[n], cycle[n] = at, best > 0, end


@numba.njit(cache=True)
def sum_logarithms(words, observed, counts, winner, decided):  # pragma: no cover - compiled
    """Sums of the stored logarithms, stopping at 255, the row with the least (the lowest of equals), and whether it is
    below 255."""
    rows, columns, bins = words.shape
    for n in range(observed.shape[0]):
        best, at = np.int64(256), 0
        for r in range(rows):
            total = np.int64(0)
            for c in range(columns):
                o = observed[n, c]
                if o < bins:
                    total += words[r, c, o]
            total = min(total, np.int64(255))
            counts[n, r] = total
            if total < best:
                best, at = total, r
        winner[n], decided[n] = at, best < 255


@numba.njit(inline="always")
def _gap(key, draw, n, rate):  # pragma: no cover - compiled
    """Register bits that stay whole before the next upset."""
    u = (np.float64(word_at(start_of(key, 0, draw), n) >> _S11) + 0.5) * 2.0**-53
    return np.int64(min(math.log(u) / math.log1p(-rate), 1e15))


@numba.njit(cache=True)
def with_upsets(  # pragma: no cover - compiled
    words, observed, seeds, following, highest, cycles, mode, ones, rate, key, chip, counts, winner, decided, cycle
):
    """Cycle by cycle, every register bit flipping with probability `rate` at the end of each cycle.

    Registers: the words held at the outputs of the memory, the shift registers, counters or sums (none where
    a single 1 ends the decision).
    following, highest: next state and highest 1 of every state of a register, uint8, (256,).
    mode: 0 all cycles, 1 until a row has given a number of ones, 2 logarithms (added in the first of eight cycles,
    then shifted out).
    """
    rows, columns, bins = words.shape
    held = np.empty((rows, columns), np.uint8)
    state = np.empty(columns, np.uint8)
    top = np.empty(columns, np.uint8)
    value = np.empty(rows, np.uint8)
    counters = rows * (mode != 1 or ones > 1)
    bits = 8 * (counters + rows * columns + columns * (mode != 2))
    key = key ^ np.uint64(chip)
    for n in range(observed.shape[0]):
        for c in range(columns):
            state[c] = seeds[c]
            o = observed[n, c]
            for r in range(rows):
                if o < bins:
                    held[r, c] = words[r, c, o]
                else:
                    held[r, c] = 0 if mode == 2 else 255
        value[:] = 0
        drawn = 0
        ahead = _gap(key, n, drawn, rate)
        last = 8 if mode == 2 else cycles
        done = last
        stopped = False
        for t in range(last):
            if mode == 2:
                if t == 0:
                    for r in range(rows):
                        total = np.int64(0)
                        for c in range(columns):
                            total += held[r, c]
                        value[r] = min(total, np.int64(255))
            else:
                for c in range(columns):
                    top[c] = highest[state[c]]
                    state[c] = following[state[c]]
                for r in range(rows):
                    one = True
                    for c in range(columns):
                        # a missing observation holds the comparator at 1 whatever its register says
                        if observed[n, c] < bins and not held[r, c] & top[c]:
                            one = False
                            break
                    if one:
                        value[r] = np.uint8(np.int64(value[r]) + 1)
                        stopped = stopped or value[r] >= ones
                if mode == 1 and stopped:
                    done = t + 1
                    break
            while ahead < bits:
                unit, bit = ahead // 8, np.uint8(1 << (ahead % 8))
                if unit < counters:
                    value[unit] ^= bit
                elif unit < counters + rows * columns:
                    held[(unit - counters) // columns, (unit - counters) % columns] ^= bit
                else:
                    state[unit - counters - rows * columns] ^= bit
                drawn += 1
                ahead += 1 + _gap(key, n, drawn, rate)
            ahead -= bits
        at = 0
        for r in range(rows):
            counts[n, r] = value[r]
            if mode == 2:
                if value[r] < value[at]:
                    at = r
            elif value[r] > value[at]:
                at = r
        winner[n] = at
        decided[n] = value[at] < 255 if mode == 2 else value[at] > 0
        cycle[n] = done
