"""Drift exponents with their intervals; what lies behind a mean becomes read noise."""

from __future__ import annotations

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._retention import drift, pooled
from nanoneurons.measurements import Retention


def states(rng, runs=8, exponent=0.05, scatter=0.01, noise=0.01):
    time = np.tile(np.geomspace(1, 1e4, 60), (2 * runs, 1))
    level = np.repeat([0, 1], runs)
    nu = exponent * level + scatter * rng.standard_normal(2 * runs)
    reading = (1 + level)[:, None] * 1e-5 * time ** -nu[:, None] * np.exp(noise * rng.standard_normal(time.shape))
    device = np.tile(np.arange(runs), 2)
    return Retention(device, tuple(map(str, range(runs))), reading=reading, time=time, level=level)


def test_the_exponent_of_each_level_is_found():
    found = drift(states(np.random.default_rng(0)), log=True)
    facts = {f.name: f for f in found.facts}
    assert facts["drift exponent, level 1"].low < 0 < facts["drift exponent, level 1"].high
    second = facts["drift exponent, level 2"]
    assert second.value == pytest.approx(0.05, abs=0.011)  # three standard errors of 8 runs
    assert second.low > 0 and second.high - second.low < 0.03
    assert found.read[1] < 0.01 < found.read[2]
    assert any("level 2 (falls)" in note and "not used" in note for note in found.notes)


def test_intervals_of_exponents_cover():
    rng = np.random.default_rng(1)
    inside = []
    for _ in range(120):
        slope = 0.05 + 0.02 * rng.standard_normal(6)
        error = np.full(6, 0.01)
        _, low, high = pooled(list(zip(slope + 0.01 * rng.standard_normal(6), error, strict=True)), [58] * 6)
        inside.append(low < 0.05 < high)
    assert 0.89 < np.mean(inside) <= 1  # 95 % less three standard errors


def test_a_given_spread_is_the_read_noise():
    data = states(np.random.default_rng(2))
    spread = np.full(data.reading.shape, 2e-7)
    found = drift(Retention(**{**vars(data), "spread": spread}), log=False)
    assert found.read[0] == pytest.approx(2e-7)


def test_readings_that_are_counted_and_times_of_zero():
    data = states(np.random.default_rng(3))
    counted = Retention(**{**vars(data), "timed": False, "time": np.tile(np.arange(60.0), (16, 1))})
    assert "no times" in drift(counted, log=True).notes[0]
    time = data.time.copy()
    time[:, 0] = 0
    assert "time 0" in drift(Retention(**{**vars(data), "time": time}), log=True).notes[0]


def test_too_few_readings_are_refused():
    data = states(np.random.default_rng(4))
    with pytest.raises(DataError, match="8 readings"):
        drift(Retention(**{**vars(data), "reading": data.reading[:, :4], "time": data.time[:, :4]}), log=True)
