"""Variance components agree with the analysis of variance where that is exact, and with the truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._variance import Runs, components


def nested(rng, devices, cycles, reads, sd=(0.4, 0.2, 0.1), mean=3.0):
    """Balanced readings, ``(devices, cycles, reads)``."""
    return (
        mean
        + sd[0] * rng.standard_normal((devices, 1, 1))
        + sd[1] * rng.standard_normal((devices, cycles, 1))
        + sd[2] * rng.standard_normal((devices, cycles, reads))
    )


def runs_of(y, group=None):
    devices, cycles, reads = y.shape
    device = np.repeat(np.arange(devices), cycles)
    return Runs.of(y.reshape(-1, reads), np.zeros(len(device), int) if group is None else group, device)


def test_balanced_data_give_the_estimates_of_the_analysis_of_variance():
    y = nested(np.random.default_rng(1), 12, 5, 4)
    found = components(runs_of(y))
    d, c, r = y.shape
    of_read = ((y - y.mean(2, keepdims=True)) ** 2).sum() / (d * c * (r - 1))
    of_cycle = r * ((y.mean(2) - y.mean((1, 2))[:, None]) ** 2).sum() / (d * (c - 1))
    of_device = c * r * y.mean((1, 2)).var(ddof=1)
    expected = [np.sqrt((of_device - of_cycle) / (c * r)), np.sqrt((of_cycle - of_read) / r), np.sqrt(of_read)]
    assert [found.device[0, 0], found.cycle[0, 0], found.read[0]] == pytest.approx(expected, rel=1e-3)
    assert found.mean[0, 0] == pytest.approx(y.mean())
    half = stats.t.ppf(0.975, d - 1) * np.sqrt(of_device / (c * r * d))
    assert found.mean[0, 2] - found.mean[0, 0] == pytest.approx(half, rel=0.02)


def test_a_plain_sample_has_the_intervals_of_its_own_laws():
    y = np.random.default_rng(2).normal(5.0, 2.0, 30)
    found = components(Runs.of(y[:, None], np.zeros(30, int), np.zeros(30, int)), read=0.0)
    assert found.cycle[0, 0] == pytest.approx(y.std(ddof=1), rel=1e-4)
    assert np.isnan(found.device[0, 1]) and found.device[0, 0] == 0
    assert found.freedom[0] == pytest.approx(29, rel=0.01)
    low, high = found.cycle[0, 1:] / found.cycle[0, 0]
    exact = np.sqrt(29 / stats.chi2.ppf([0.975, 0.025], 29))
    assert (low, high) == pytest.approx(tuple(exact), rel=0.03)


def test_known_read_noise_is_taken_off():
    rng = np.random.default_rng(3)
    y = nested(rng, 60, 20, 1, sd=(0.0, 0.3, 0.4))
    found = components(runs_of(y), read=0.4)
    assert found.cycle[0, 1] <= 0.3 <= found.cycle[0, 2]
    assert found.read[0] == 0.4 and np.isnan(found.read[1])


def test_unbalanced_and_missing_readings_are_taken_as_they_are():
    rng = np.random.default_rng(4)
    y = nested(rng, 40, 6, 3)
    y[rng.random(y.shape) < 0.3] = np.nan
    found = components(runs_of(y))
    for row, truth in ((found.device[0], 0.4), (found.cycle[0], 0.2), (found.read, 0.1)):
        assert row[1] <= truth <= row[2]


def test_device_effects_shrink_with_few_data():
    y = nested(np.random.default_rng(5), 10, 8, 1, sd=(0.5, 0.2, 0.0))
    y[0, 1:] = np.nan
    runs = runs_of(y)
    found = components(runs, read=0.0)
    effect, variance = found.device_effects(runs, 11)
    assert abs(effect[0, 0]) < abs(y[0, 0, 0] - found.mean[0, 0])
    assert variance[0, 0] > 3 * variance[0, 1]
    assert effect[0, 10] == 0 and variance[0, 10] == pytest.approx(found.device[0, 0] ** 2)


def test_shared_scatter_is_that_of_all_groups():
    rng = np.random.default_rng(6)
    y = np.concatenate([nested(rng, 5, 10, 1, (0.0, 0.2, 0.0), mean) for mean in (1.0, 2.0, 3.0)])
    group = np.repeat([0, 1, 2], 50)
    found = components(runs_of(y, group), read=0.0, shared=True)
    assert (found.cycle[:, 0] == found.cycle[0, 0]).all()
    assert found.cycle[0, 1] <= 0.2 <= found.cycle[0, 2]


def test_an_empty_group_is_refused():
    with pytest.raises(DataError, match="level 1"):
        components(Runs.of(np.ones((3, 1)), np.array([1, 1, 1]), np.arange(3)))
