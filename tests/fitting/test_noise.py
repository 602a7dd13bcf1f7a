"""White, slow and telegraph noise are told apart; a random walk predicts the next read."""

from __future__ import annotations

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._noise import analyse, walk_of


def pink(rng, n, exponent):
    f = np.fft.rfftfreq(8 * n)
    f[0] = f[1]
    return np.fft.irfft(np.fft.rfft(rng.standard_normal(8 * n)) * f ** (-exponent / 2))[:n]


def test_white_noise_is_white_and_measured():
    y = 1 + 0.02 * np.random.default_rng(0).standard_normal((6, 300))
    found = analyse(y, None, "S")
    assert found.slope is None and found.read[1] < 0.02 < found.read[2]
    assert any("no telegraph" in note for note in found.notes)


def test_slow_noise_is_taken_apart_from_white():
    rng = np.random.default_rng(1)
    y = np.stack([1 + 0.02 * rng.standard_normal(600) + 0.006 * pink(rng, 600, 1.1) for _ in range(6)])
    found = analyse(y, None, "S")
    assert found.slope is not None and found.slope[1] < 1.1 < found.slope[2]
    assert found.read[1] < 0.02 < found.read[2]
    assert found.read[0] < y.std(1).mean()


def test_telegraph_noise_is_found_with_its_amplitude_and_times():
    rng = np.random.default_rng(2)
    state = np.cumsum(rng.random((4, 800)) < 1 / 25, axis=1) % 2
    y = 1 + 0.05 * state + 0.015 * rng.standard_normal(state.shape)
    found = analyse(y, np.tile(0.1 * np.arange(800), (4, 1)), "S")
    facts = {f.name: f for f in found.facts}
    assert facts["telegraph amplitude"].value == pytest.approx(0.05, rel=0.1)
    for name in ("high", "low"):
        assert facts[f"telegraph time, {name} state"].value == pytest.approx(2.5, rel=0.4)  # about 16 visits each
        assert facts[f"telegraph time, {name} state"].unit == "s"


def test_gaussian_memory_is_no_telegraph_noise():
    rng = np.random.default_rng(3)
    y = np.zeros((5, 400))
    for k in range(1, 400):
        y[:, k] = 0.95 * y[:, k - 1] + 0.3 * rng.standard_normal(5)
    found = analyse(1 + 0.1 * y, None, "S")
    assert any("no telegraph" in note for note in found.notes)


def test_constant_or_short_series_are_refused():
    with pytest.raises(DataError, match="constant"):
        analyse(np.ones((2, 50)), None, "S")
    with pytest.raises(DataError, match="8 reads"):
        analyse(np.ones((2, 5)), None, "S")


def test_a_walk_predicts_white_noise_by_the_mean_of_the_reads_before():
    y = 5 + np.random.default_rng(4).standard_normal((40, 50))
    device, level = np.arange(40), np.zeros(40, int)
    walk, _ = walk_of(y, device, level)
    shown = walk.predict(y, device + 100, level)
    assert np.isnan(shown.median[:, 0]).all()
    inside = (y > shown.low) & (y < shown.high)
    assert 0.88 < inside[:, 1:].mean() < 0.92
    assert shown.high[:, -1].mean() - shown.median[:, -1].mean() == pytest.approx(1.645, rel=0.06)


def test_missing_reads_are_passed_over():
    rng = np.random.default_rng(5)
    y = 1 + 0.02 * rng.standard_normal((6, 300))
    y[rng.random(y.shape) < 0.2] = np.nan
    found = analyse(y, None, "S")
    assert found.read[1] < 0.02 < found.read[2] and "missing" in found.notes[0]
