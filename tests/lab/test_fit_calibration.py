"""Shares, ranks and differences against laws that are known."""

import numpy as np
import pytest
from scipy import stats

from nanoneurons.fitting import Prediction
from nanoneurons.lab.fit_calibration import calibration, share_inside
from nanoneurons.lab.fit_compare import paired


def predicted(values: np.ndarray, mean: float = 0.0, spread: float = 1.0) -> Prediction:
    """What a normal law of this mean and spread says of standard normal values."""
    law = stats.norm(mean, spread)
    ends = [np.full(values.shape, law.ppf(q)) for q in (0.5, 0.05, 0.95)]
    return Prediction(*ends, law.cdf(values), law.logpdf(values))


def judged(count: int, mean: float = 0.0, spread: float = 1.0, seed: int = 0) -> dict:
    values = np.random.default_rng(seed).normal(size=(10, count // 10))
    unit = np.broadcast_to(np.arange(10)[:, None], values.shape)
    return calibration(predicted(values, mean, spread), values, np.isfinite(values), unit)


def test_a_true_law_fits():
    found = judged(5000)
    assert found["verdict"] == "fits"
    assert found["low"] < 0.9 < found["high"]
    assert found["distance"] < found["noise"]
    assert sum(found["ranks"]) == pytest.approx(1)


@pytest.mark.parametrize(("mean", "spread"), [(0.6, 1.0), (0.0, 0.6), (0.0, 1.7)])
def test_a_wrong_law_does_not_fit(mean, spread):
    found = judged(5000, mean, spread)
    assert found["verdict"] == "does not fit well enough"
    law = stats.norm(mean, spread)
    share = np.diff(stats.norm.cdf(law.ppf([0.05, 0.95])))[0]
    assert found["inside"] == pytest.approx(share, abs=0.02)


def test_a_model_that_leaves_out_what_it_cannot_explain_does_not_fit():
    values = np.random.default_rng(0).normal(size=(10, 100))
    unit = np.broadcast_to(np.arange(10)[:, None], values.shape)
    shares = (0.0, 0.05, 0.06)
    verdicts = [calibration(predicted(values), values, np.isfinite(values), unit, s)["verdict"] for s in shares]
    assert verdicts == ["fits", "fits", "does not fit well enough"]


def test_few_readings_do_not_condemn_a_model():
    verdicts = [judged(20, seed=seed)["verdict"] for seed in range(40)]
    assert "does not fit well enough" not in verdicts
    assert "too few readings to tell" in verdicts


def test_the_rank_distance_is_kolmogorovs():
    values = np.random.default_rng(3).normal(size=(1, 400))
    found = calibration(predicted(values, 0.1), values, np.isfinite(values), np.zeros(values.shape, int))
    assert found["distance"] == pytest.approx(stats.kstest(values[0], stats.norm(0.1, 1).cdf).statistic)


def test_nothing_counted_is_no_verdict():
    values = np.zeros((1, 5))
    found = calibration(predicted(values), values, np.zeros((1, 5), bool), np.zeros((1, 5), int))
    assert found["inside"] is None and found["verdict"] == "too few readings to tell"


def test_the_interval_of_a_share_covers_it_also_where_readings_of_a_device_agree():
    rng = np.random.default_rng(5)
    unit = np.repeat(np.arange(24), 50)
    covered = 0
    for _ in range(300):
        own = rng.beta(9, 1, 24)  # devices whose shares differ, 0.9 on average
        found = share_inside(rng.random(1200) < own[unit], unit)
        covered += found["low"] <= 0.9 <= found["high"]
    assert 0.90 <= covered / 300 <= 0.99


def test_the_error_of_a_difference_is_that_over_devices():
    rng = np.random.default_rng(6)
    unit = np.repeat(np.arange(30), 40)
    errors, means = [], []
    for _ in range(200):
        mean, error = paired(rng.normal(size=30)[unit] + 0.1 * rng.normal(size=1200), unit)
        means.append(mean)
        errors.append(error)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)
    assert np.mean(errors) == pytest.approx(1 / np.sqrt(30), rel=0.1)
    assert paired(np.array([1.0, 3.0]), np.zeros(2, int)) == (2.0, None)
