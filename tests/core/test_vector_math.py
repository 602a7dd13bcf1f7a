"""Functions of float32 for vector instructions, against numpy."""

import numba
import numpy as np
from scipy import stats

from nanoneurons.core.vector_math import exp2, two_normals


@numba.njit
def _powers(x, out):
    for k in range(x.size):
        out[k] = exp2(x[k])


@numba.njit
def _normals(words, a, b):
    for k in range(words.size):
        a[k], b[k] = two_normals(words[k])


def test_exp2():
    x = np.linspace(-99, 99, 100_001).astype(np.float32)
    out = np.empty_like(x)
    _powers(x, out)
    assert np.abs(out / np.exp2(x.astype(float)) - 1).max() < 5e-7  # four roundings of float32


def test_two_normals():
    """Against the formula in double precision, then the law: bounds are four standard errors, or a p-value of 1e-4."""
    n = 1 << 20
    words = np.random.default_rng(1).integers(0, 2**64, n, dtype=np.uint64)
    words[:4] = 0, 2**64 - 1, 2**32 - 1, 2**64 - 2**32  # ends of both halves
    a, b = np.empty(n, np.float32), np.empty(n, np.float32)
    _normals(words, a, b)
    radius = np.sqrt(-2 * np.log(((words >> np.uint64(32)).astype(float) + 0.5) * 2.0**-32))
    angle = np.pi * (words & np.uint64(2**32 - 1)).astype(np.uint32).view(np.int32).astype(float) * 2.0**-31
    # a radius is least accurate near 0, where float32 knows the uniform number near 1 to 2**-25: to 4e-4 at worst
    for mine, exact in ((a, radius * np.cos(angle)), (b, radius * np.sin(angle))):
        assert np.abs(mine - exact).max() < 4e-4
        assert stats.kstest(mine, "norm").pvalue > 1e-4
        assert abs(stats.kurtosis(mine)) < 4 * np.sqrt(24 / n)
    for power in (1, 2):
        assert abs(np.corrcoef(a**power, b**power)[0, 1]) < 4 / np.sqrt(n)
