r"""Functions of float32 numbers that a compiler turns into vector instructions when they stand in a plain loop.

No table and no branch: each is a polynomial and a few integer operations on the bits of the number, accurate to a few
parts in :math:`10^{7}`. For compiled kernels only.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["exp2", "two_normals"]

_LOW, _S32 = np.uint64(0xFFFFFFFF), np.uint64(32)
_ONE, _HALF = np.float32(1.0), np.float32(0.5)


def _float_of_code(_context, bits):  # the float32 that has these bits
    return types.float32(types.int32), lambda _c, builder, _s, args: builder.bitcast(args[0], ir.FloatType())


def _bits_of_code(_context, number):
    return types.int32(types.float32), lambda _c, builder, _s, args: builder.bitcast(args[0], ir.IntType(32))


_float_of: Any = intrinsic(_float_of_code)
_bits_of: Any = intrinsic(_bits_of_code)


@numba.njit(inline="always")
def exp2(t):  # pragma: no cover - compiled
    """Power of two, 1e-7 relative, |t| held below 100; the polynomial is split to shorten the chain."""
    t = min(max(t, np.float32(-100.0)), np.float32(100.0))
    n = np.floor(t + _HALF)
    f = t - n
    g = f * f
    low = _ONE + np.float32(0.69314718) * f
    middle = np.float32(0.24022651) + np.float32(0.05550411) * f
    high = np.float32(0.009618129) + np.float32(0.0013333558) * f + np.float32(0.00015403530) * g
    return (low + g * (middle + g * high)) * _float_of((np.int32(n) + np.int32(127)) << np.int32(23))


@numba.njit(inline="always")
def _log(x):  # pragma: no cover - compiled
    """Natural logarithm of a positive normal number; the polynomial is that of the Cephes library (S. Moshier)."""
    bits = _bits_of(x)
    e = (bits - np.int32(0x3F3504F3)) >> np.int32(23)  # so that the rest lies between sqrt(1/2) and sqrt(2)
    f = _float_of(bits - (e << np.int32(23))) - _ONE
    p = np.float32(7.0376836292e-2) * f - np.float32(1.1514610310e-1)
    p = p * f + np.float32(1.1676998740e-1)
    p = p * f - np.float32(1.2420140846e-1)
    p = p * f + np.float32(1.4249322787e-1)
    p = p * f - np.float32(1.6668057665e-1)
    p = p * f + np.float32(2.0000714765e-1)
    p = p * f - np.float32(2.4999993993e-1)
    p = p * f + np.float32(3.3333331174e-1)
    g = f * f
    return np.float32(e) * np.float32(0.69314718) + (f + g * (f * p - _HALF))


@numba.njit(inline="always")
def two_normals(word):  # pragma: no cover - compiled
    """Two independent standard normal numbers of a random 64-bit word (Box and Muller 1958)."""
    u = (np.float32(np.uint32(word >> _S32)) + _HALF) * np.float32(2.0**-32)
    radius = np.float32(math.sqrt(max(np.float32(-2.0) * _log(u), np.float32(0.0))))
    turn = np.float32(np.int32(np.uint32(word & _LOW))) * np.float32(2.0**-31)  # half turns, -1 to 1
    quarter = np.rint(np.float32(2.0) * turn)
    f = turn - _HALF * quarter
    g = f * f
    k = np.int32(quarter)
    sine = np.float32(0.082145887) * g - np.float32(0.59926453)
    sine = f * (np.float32(3.1415927) + g * (np.float32(-5.1677128) + g * (np.float32(2.5501640) + g * sine)))
    cosine = np.float32(0.23533063) * g - np.float32(1.3352628)
    cosine = _ONE + g * (np.float32(-4.9348022) + g * (np.float32(4.0587121) + g * cosine))
    swap = (k & np.int32(1)) != 0
    a, b = (sine if swap else cosine), (cosine if swap else sine)
    a = -a if (k + np.int32(1)) & np.int32(2) else a
    b = -b if k & np.int32(2) else b
    return radius * a, radius * b
