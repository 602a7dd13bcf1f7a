r"""Meetings of stochastic pulses, drawn one by one: which cell, in which direction, at a cost of the pulses alone.

Rows send the errors *d* of a sample as random pulses, columns its inputs *x*. In the limit of long trains the
meetings of a mini-batch in row *i* are Poisson, and each belongs to sample *b* and falls on column *j* independently:

.. math::
    N_i \sim \mathrm{Poisson}\Bigl(\lambda \sum_b |d_{bi}| X_b\Bigr), \quad X_b = \sum_j |x_{bj}|, \qquad
    P_i(b) \propto |d_{bi}| X_b, \quad P_b(j) = |x_{bj}| / X_b,

so the meetings of a cell are Poisson with mean :math:`\lambda\sum_b |d_{bi}||x_{bj}|`, as in `pulse_trains`, and no
matrix of them is ever formed. Samples and columns are drawn by Walker's alias method, from the halves of one random
word; a probability is exact to one part in :math:`2^{24}`.

Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); Walker, ACM Trans. Math. Softw. 3, 253 (1977).
"""

from __future__ import annotations

import math

import numba
import numpy as np

from nanoneurons.core.random import word_at

__all__ = ["alias_table", "pick", "poisson"]

_HALF, _LOW, _S11 = np.uint64(32), np.uint64(0xFFFFFFFF), np.uint64(11)


@numba.njit(cache=True)
def alias_table(values, table, chance, stack):  # pragma: no cover - compiled
    """Alias table of ``|values|``: returns the number of entries that are not 0, and the sum.

    Place k, a row of four uint32 so that it lies within one cache line, holds its two entries, each twice the index
    plus one where the value is negative, and the chance of the first as a share of ``2**32``. `chance` and
    `stack` are room to work in.
    """
    m, total = 0, np.float32(0.0)
    for j in range(values.size):
        v = values[j]
        table[m, 0] = 2 * j + (1 if v < 0 else 0)
        chance[m] = abs(v)
        m += 1 if v != 0 else 0
        total += abs(v)
    if m == 0:
        return m, total
    scale = np.float32(m / total)
    small, large = 0, m  # stacks of entries below and above the mean, growing from both ends
    for k in range(m):
        chance[k] *= scale
        if chance[k] < 1:
            stack[small] = k
            small += 1
        else:
            large -= 1
            stack[large] = k
    while small > 0 and large < m:
        low, high = stack[small - 1], stack[large]
        table[low, 1] = table[high, 0]
        table[low, 2] = np.uint32(np.int64(max(chance[low], np.float32(0.0)) * np.float32(2.0**32)))
        chance[high] = (chance[high] + chance[low]) - np.float32(1.0)
        small -= 1
        if chance[high] < 1:
            large += 1
            stack[small] = high
            small += 1
    for k in range(large, m):
        table[stack[k], 1] = table[stack[k], 0]  # its own place alone
    for k in range(small):  # left over by rounding only
        table[stack[k], 1] = table[stack[k], 0]
    return m, total


@numba.njit(inline="always")
def pick(word, count, table):  # pragma: no cover - compiled
    """Entry of an alias table by the high half of a random word; no branch, for none could be predicted."""
    scaled = (word >> _HALF) * np.uint64(count)
    k = scaled >> _HALF
    return table[k, np.uint64((scaled & _LOW) >= np.uint64(table[k, 2]))]


@numba.njit(cache=True)
def poisson(mean, seed):  # pragma: no cover - compiled
    """Poisson number of a mean below 1e9, from the stream that starts at a random word.

    Below 10 by counting unit exponential gaps as a product of uniform numbers, else by transformed rejection
    (PTRS of Hörmann, Insurance: Mathematics and Economics 12, 39 (1993)).
    """
    draw = 0
    if mean < 10.0:
        limit, product, count = math.exp(-mean), 1.0, -1
        while product > limit:
            product *= (np.float64(word_at(seed, draw) >> _S11) + 0.5) * 2.0**-53
            draw += 1
            count += 1
        return max(count, 0)
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    inverse_alpha, squeeze = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2.0)
    while True:
        u = (np.float64(word_at(seed, draw) >> _S11) + 0.5) * 2.0**-53 - 0.5
        v = (np.float64(word_at(seed, draw + 1) >> _S11) + 0.5) * 2.0**-53
        draw += 2
        inner = 0.5 - abs(u)
        k = math.floor((2.0 * a / inner + b) * u + mean + 0.43)
        if inner >= 0.07 and v <= squeeze:
            return np.int64(k)
        if k < 0 or (inner < 0.013 and v > inner):
            continue
        height = math.log(v * inverse_alpha / (a / (inner * inner) + b))
        if height <= k * math.log(mean) - mean - math.lgamma(k + 1.0):
            return np.int64(k)
