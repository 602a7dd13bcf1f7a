"""Drawing from alias tables and from the Poisson law, against exact probabilities."""

import math

import numba
import numpy as np
import pytest
from scipy import stats

from nanoneurons.core.random import start_of, word_at
from nanoneurons.physics.coincidences import alias_table, pick, poisson


@numba.njit
def draw(values, count, key):
    """Hits of each entry, and of negative entries with their mark."""
    n = values.size
    table, chance = np.empty((n + 1, 4), np.uint32), np.empty(n + 1, np.float32)
    stack, hits, marked = np.empty(n, np.int32), np.zeros(n, np.int64), np.zeros(n, np.int64)
    entries, total = alias_table(values, table, chance, stack)
    stream = start_of(key, 0, 0)
    if entries > 0:
        for k in range(count):
            code = pick(word_at(stream, k), entries, table)
            hits[code >> np.uint32(1)] += 1
            marked[code >> np.uint32(1)] += code & np.uint32(1)
    return hits, marked, total


@pytest.mark.parametrize(
    "values",
    [
        [1.0],
        [0.0, 3.0, 0.0],
        [1.0, 1.0, 1.0, 1.0],
        [1e-4, 5.0, -2.0, 0.0, 0.3, -7.0],
        list(np.linspace(-1, 2, 97) ** 3),
    ],
)
def test_alias_table_draws_the_given_probabilities(values):
    """Chi-square of a million draws; the seed is fixed, the level 1e-3 was set before the first run."""
    values = np.array(values, np.float32)
    hits, marked, total = draw(values, 1_000_000, np.uint64(7))
    p = np.abs(values.astype(float)) / np.abs(values.astype(float)).sum()
    assert total == pytest.approx(np.abs(values).sum(), rel=1e-5)
    assert hits[p == 0].sum() == 0
    assert np.array_equal(marked, np.where(values < 0, hits, 0))
    if (p > 0).sum() > 1:
        assert stats.chisquare(hits[p > 0], 1e6 * p[p > 0]).pvalue > 1e-3


def test_alias_table_of_nothing_is_empty():
    hits, _, total = draw(np.zeros(5, np.float32), 100, np.uint64(1))
    assert hits.sum() == 0
    assert total == 0


@numba.njit
def draws(mean, count, key):
    stream, out = start_of(key, 0, 0), np.empty(count, np.int64)
    for k in range(count):
        out[k] = poisson(mean, word_at(stream, k))
    return out


@pytest.mark.parametrize("mean", [1e-3, 0.5, 4.0, 9.99, 10.0, 33.3, 250.0, 1e5])
def test_poisson_law(mean):
    """Chi-square against the exact law (bins of at least 20 expected), and mean and variance within four errors."""
    n = 200_000
    found = draws(mean, n, np.uint64(3))
    assert found.mean() == pytest.approx(mean, abs=4 * math.sqrt(mean / n))
    assert found.var() == pytest.approx(mean, rel=4 * math.sqrt(2 / n + 1 / (n * mean)))
    edges = np.unique(stats.poisson.ppf(np.linspace(0, 1, 42)[1:-1], mean))
    cumulative = np.concatenate([[0], stats.poisson.cdf(edges, mean), [1]])
    expected = n * np.diff(cumulative)
    counted = np.diff(np.concatenate([[0], [(found <= e).sum() for e in edges], [n]]))
    kept = expected > 20
    rest = expected[~kept].sum()
    assert rest < 200
    assert stats.chisquare(counted[kept], expected[kept] * counted[kept].sum() / expected[kept].sum()).pvalue > 1e-3
