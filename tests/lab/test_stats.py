"""Error bars against scipy's own, and against simulated truth."""

import numpy as np
import pytest
from scipy import stats as reference
from scipy.optimize import isotonic_regression

from nanoneurons.lab import stats


def test_mean_ci_is_students_interval():
    values = [0.91, 0.93, 0.92, 0.95, 0.90]
    found = stats.mean_ci(values)
    low, high = reference.t.interval(0.95, 4, np.mean(values), reference.sem(values))
    assert (found.mean, found.low, found.high) == pytest.approx((np.mean(values), low, high), rel=1e-12)


def test_one_chip_has_no_interval_over_chips():
    assert stats.mean_ci([0.9]).low is None
    one = stats.crossed_mean(np.array([[1, 0, 1, 1, 0, 1]]))
    assert one.se_chips is None and one.low is not None, "the test set alone still gives an error"


@pytest.mark.parametrize(("k", "n"), [(0, 8), (8, 8), (3, 8), (50, 100)])
def test_clopper_pearson_against_scipy(k, n):
    exact = reference.binomtest(k, n).proportion_ci(0.95, "exact")
    assert stats.clopper_pearson(k, n) == pytest.approx((exact.low, exact.high), abs=1e-12)


def test_clopper_pearson_refuses_impossible_shares():
    with pytest.raises(ValueError, match="not a share"):
        stats.clopper_pearson(9, 8)


def test_increasing_against_scipy():
    y = np.random.default_rng(3).normal(size=40).cumsum() * 0.3 + np.arange(40) * 0.05
    assert stats.increasing(y) == pytest.approx(isotonic_regression(y).x, abs=1e-12)


def test_paired_cost_of_one_image_each_is_the_paired_t_test():
    """With the images' own spread removed (every image has its column's mean) only chips vary."""
    rng = np.random.default_rng(0)
    better = np.repeat(rng.random((8, 1)), 50, axis=1)
    worse = np.repeat(rng.random((8, 1)), 50, axis=1)
    found = stats.paired_cost(better, worse)
    test = reference.ttest_rel(100 * better[:, 0], 100 * worse[:, 0]).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((test.low, test.high), rel=1e-9)


def test_interval_covers_the_truth_over_new_chips_and_new_images():
    """300 simulated audits: coverage of a 95 % interval; binomial sd 1.3 %, so 90 % is four sd away."""
    rng = np.random.default_rng(1)
    hits, trials, truth = 0, 300, 0.7
    for _ in range(trials):
        chip, image = rng.normal(0, 0.03, (8, 1)), rng.uniform(-0.15, 0.15, (1, 200))
        correct = rng.random((8, 200)) < truth + chip + image
        found = stats.crossed_mean(correct)
        hits += found.low <= truth <= found.high
    assert hits / trials > 0.90


def test_bootstrap_is_seeded_and_near_the_normal_interval():
    values = np.random.default_rng(5).normal(10, 1, 100)
    low, high = stats.bootstrap(values, np.mean, seed=4)
    assert (low, high) == stats.bootstrap(values, np.mean, seed=4)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.15), "quantiles of 2,000 draws: a few %"
    assert stats.bootstrap(values[:1], np.mean, seed=4) is None


FACTORS = [0.0, 0.25, 0.5, 1.0, 1.5]


def curve(*means):
    """Costs of four chips that scatter evenly about `means`."""
    return np.array(means)[:, None] + np.array([-0.1, -0.05, 0.05, 0.1]) * np.array([0, 1, 1, 1, 1])[:, None]


def test_requirement_must_fall():
    found = stats.requirement(FACTORS, curve(0, 0.5, 1.5, 4, 7))
    assert found.status == "must fall"
    assert found.factor == pytest.approx(0.375), "half way between 0.5 and 1.5 points"
    assert found.low < 0.375 < found.high


def test_requirement_already_below_may_be_open_ended():
    found = stats.requirement(FACTORS, curve(0, 0.1, 0.2, 0.4, 0.6))
    assert (found.status, found.factor, found.open_ended) == ("already below", 1.5, True)
    found = stats.requirement(FACTORS, curve(0, 0.1, 0.2, 0.4, 1.6))
    assert (found.status, found.open_ended) == ("already below", False)
    assert found.factor == pytest.approx(1.25)


def test_requirement_not_reached_is_said():
    assert stats.requirement(FACTORS, curve(2, 3, 4, 5, 6)).status == "not reached"


def test_requirement_ignores_a_dip():
    """A noisy curve that dips is levelled, not crossed twice."""
    found = stats.requirement(FACTORS, curve(0, 1.2, 0.8, 3, 4))
    assert found.factor == pytest.approx(0.25), "1.2 and 0.8 pool to 1.0, reached at 0.25"
