"""The mixed model against the balanced one-way layout, whose restricted likelihood is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from nanoneurons.fitting._intervals import share, spread_limits, wald
from nanoneurons.fitting._mixed import Mixed, Quadratics


def layout(devices=12, noise=0.5, spread=1.0, seed=0):
    """Means of devices, each known to `noise`; the restricted maximum is the textbook's."""
    y = 3.0 + np.random.default_rng(seed).normal(0, np.hypot(spread, noise), devices)
    precision = np.full((devices, 1, 1), noise**-2)
    return y, Quadratics(
        precision, precision[:, :, 0] * y[:, None], np.array([0]), np.ones(1), np.ones(1, bool), np.zeros(1)
    )


def test_mean_spread_and_own_constants_are_the_textbooks():
    y, quadratics = layout()
    found = quadratics.solve(np.array([-1.0]))
    spread2 = y.var(ddof=1) - 0.25
    assert found.beta[0] == pytest.approx(y.mean())
    assert found.spread[0] == pytest.approx(np.sqrt(spread2), rel=1e-3)
    shrunk = y.mean() + spread2 / (spread2 + 0.25) * (y - y.mean())
    assert found.own[:, 0] == pytest.approx(shrunk, rel=1e-3)
    assert found.covariance[0, 0] == pytest.approx(y.var(ddof=1) / 12, rel=2e-3)


def test_a_mean_of_few_devices_has_few_degrees_of_freedom():
    _, quadratics = layout(noise=0.01)
    assert quadratics.solve(np.zeros(1)).freedom(0) == pytest.approx(11, rel=0.01)
    _, quadratics = layout(noise=5.0, spread=0.01)
    assert quadratics.solve(np.zeros(1)).freedom(0) > 100


def test_a_spread_below_the_noise_has_an_upper_limit_only():
    for seed in range(20):
        y, quadratics = layout(noise=2.0, spread=0.1, seed=seed)
        if y.var(ddof=1) < 4:
            break
    low, high = quadratics.solve(np.zeros(1)).profile(0)
    assert low == -np.inf and np.isfinite(high)


def test_the_gradient_is_that_of_the_value():
    _, quadratics = layout()
    for at in (-1.0, 0.3):
        ahead, behind = (quadratics.evaluate(np.array([at + d]))[0] for d in (1e-5, -1e-5))
        assert quadratics.evaluate(np.array([at]))[1][0] == pytest.approx((ahead - behind) / 2e-5, rel=1e-5, abs=1e-6)


def test_intervals_of_spreads_hold_the_truth_in_95_percent():
    hit = 0
    for seed in range(400):
        _, quadratics = layout(devices=10, noise=0.2, seed=seed)
        found = quadratics.solve(np.zeros(1))
        down, up = spread_limits(float(found.spread_errors[0]))
        hit += found.log_s[0] - down <= 0 <= found.log_s[0] + up
    assert 0.92 <= hit / 400 <= 0.98


def test_intervals_of_means_hold_the_truth_in_95_percent():
    hit = 0
    for seed in range(400):
        _, quadratics = layout(devices=6, noise=0.2, seed=seed)
        found: Mixed = quadratics.solve(np.zeros(1))
        e = wald("m", found.beta[0], float(np.sqrt(found.covariance[0, 0])), "linear", found.freedom(0))
        hit += e.low <= 3.0 <= e.high
    assert 0.92 <= hit / 400 <= 0.98


def test_shares_have_jeffreys_interval_and_an_exact_end_where_none_or_all_were_found():
    e = share("stuck_share", 0, 10)
    assert (e.value, e.low) == (0.0, 0.0) and e.high == pytest.approx(1 - 0.025**0.1)
    e = share("stuck_share", 3, 10)
    assert (e.low, e.high) == (pytest.approx(0.0927, abs=1e-4), pytest.approx(0.6058, abs=1e-4))


def test_a_logarithmic_scale_keeps_the_sign():
    e = wald("exp_up", -2.0, 0.1, "log")
    assert e.low < -2.0 < e.high < 0 and e.low * e.high == pytest.approx(4.0)
