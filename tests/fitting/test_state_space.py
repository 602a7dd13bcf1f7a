"""The filter against closed forms, a Kalman filter, and integration on a grid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nanoneurons.fitting import _state_space as filters


def law(**values):
    base = {name: 0.0 for name in filters.CONSTANTS} | {"low": -50.0, "high": 50.0, "up": 0.1, "down": 0.1}
    base |= {"sigma": 0.5, "write2": 0.04, "read2": 0.01} | values
    return np.array([base[name] for name in filters.CONSTANTS])


def run(kind, constants, pulses, y, count=None, first=None, jump=None):
    n = len(y)
    count = np.ones(n, np.int64) if count is None else np.asarray(count, np.int64)
    first = np.array([1] + [0] * (n - 1)) if first is None else np.asarray(first)
    found, _, _ = filters.likelihoods(
        kind, constants[None, None], np.zeros(0), np.array([0, n]), first, np.asarray(pulses, np.int64),
        np.asarray(y, float), count, np.zeros(n) if jump is None else jump, False,
    )  # fmt: skip
    return float(found[0])


def test_far_from_the_bounds_it_is_a_kalman_filter():
    generator = np.random.default_rng(0)
    y, pulses = np.cumsum(generator.normal(0.1, 0.1, 40)), np.array([0] + [1] * 39)
    m, v, total = y[0], 0.01, 0.0
    for value in y[1:]:
        m, v = m + 0.1, v + (0.1 * 0.5) ** 2
        s = v + 0.05
        total += stats.norm.logpdf(value, m, np.sqrt(s))
        m, v = m + v / s * (value - m), v * 0.05 / s
    assert run(filters.CONSTANT, law(), pulses, y) == pytest.approx(total, rel=1e-12)


def test_linear_steps_are_the_exact_moments():
    generator = np.random.default_rng(1)
    y, pulses = np.sort(generator.normal(0, 0.5, 30)), np.array([0] + [1] * 29)
    m, v, total, p = y[0], 0.01, 0.0, -0.4
    for value in y[1:]:
        h, step, sigma = 1 + p * m, 0.1, 0.5
        mean = m + step * h
        v = (1 + step * p) ** 2 * v + step**2 * sigma**2 * (h**2 + p**2 * v)
        s = v + 0.05
        total += stats.norm.logpdf(value, mean, np.sqrt(s))
        m, v = mean + v / s * (value - mean), v * 0.05 / s
    assert run(filters.LINEAR, law(up_p=p), pulses, y) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("y", [0.7, 0.98, 1.0, 1.05, 1.4])
def test_at_a_bound_the_density_is_that_of_a_censored_normal_plus_noise(y):
    constants = law(high=1.0, low=-1.0, up=0.3, write2=0.0, read2=0.03**2)
    found = run(filters.CONSTANT, constants, [0, 1], [0.8, y])
    w = 0.8 + 0.3 + np.sqrt(0.03**2 + (0.15) ** 2) * stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000)
    # the start is a normal cut off at the bounds, of which nothing is cut here: 0.8 lies 6.7 sd below
    exact = np.log(np.mean(stats.norm.pdf(y, np.clip(w, -1, 1), 0.03)))
    assert found == pytest.approx(exact, abs=2e-3)


def test_missing_readings_and_trains_are_stepped_over():
    one_by_one = run(filters.LINEAR, law(up_p=-0.3), [0, 1, 1, 1], [0.0, 0.0, 0.0, 0.3], count=[1, 0, 0, 1])
    train = run(filters.LINEAR, law(up_p=-0.3), [0, 3], [0.0, 0.3])
    assert one_by_one == pytest.approx(train, rel=1e-12)


@pytest.mark.parametrize("kind, more", [
    (filters.LINEAR, {"up_p": -0.8, "down_p": 0.9}),
    (filters.EXPONENTIAL, {"up_p": -1.5, "up_e": -0.2, "down_p": 1.2, "down_e": -0.4}),
    (filters.POWER, {"up_p": -0.5, "up_q": 0.5, "up_e": 1.3, "down_p": 0.5, "down_q": 0.5, "down_e": 0.7}),
])  # fmt: skip
def test_the_likelihood_agrees_with_integration_on_a_grid(kind, more):
    """A point-mass filter on 1,501 places of the weight, with the device's own law of a step."""
    constants = law(high=1.0, low=-1.0, up=0.12, down=0.1, sigma=0.8, write2=0.05**2, read2=0.02**2, **more)
    generator = np.random.default_rng(2)
    pulses = np.array([0] + [1] * 12 + [-1] * 12)
    at, y, here = dict(zip(filters.CONSTANTS, constants, strict=True)), np.empty(25), 0.0
    for t, n in enumerate(pulses):
        way = "up" if n > 0 else "down"
        h = _height(kind, here, at[way + "_p"], at[way + "_q"], at[way + "_e"])
        here = np.clip(here + at[way] * h * (n + 0.8 * generator.normal() * (n != 0)), -1, 1)
        y[t] = here + generator.normal(0, np.hypot(0.05, 0.02) if t else 0.02)
    w = np.linspace(-1, 1, 1501)
    edges = np.r_[-np.inf, 0.5 * (w[1:] + w[:-1]), np.inf]
    p = stats.norm.pdf(y[0], w, 0.02)
    p, total = p / p.sum(), 0.0
    for n, value in zip(pulses[1:], y[1:], strict=True):
        way = "up" if n > 0 else "down"
        h = _height(kind, w, at[way + "_p"], at[way + "_q"], at[way + "_e"])
        mean, sd = w + n * at[way] * h, np.maximum(at["sigma"] * at[way] * h, 1e-5)
        moved = stats.norm.cdf((edges[1:] - mean[:, None]) / sd[:, None])
        moved -= stats.norm.cdf((edges[:-1] - mean[:, None]) / sd[:, None])
        p = p @ moved
        weight = p * stats.norm.pdf(value, w, np.hypot(0.05, 0.02))
        total += np.log(weight.sum())
        p = weight / weight.sum()
    assert run(kind, constants, pulses, y) == pytest.approx(total, abs=0.35)


def _height(kind, w, p, q, e):
    if kind == filters.LINEAR:
        return np.maximum(1 + p * w, 0)
    if kind == filters.EXPONENTIAL:
        return np.maximum(1 - e * np.exp(p * w), 0)
    return np.maximum(q + p * w, 0) ** e


def test_a_reading_set_aside_says_nothing_and_widens_the_state():
    y = [0.0, 0.1, 9.0, 0.3]
    aside = run(filters.CONSTANT, law(), [0, 1, 1, 1], y, jump=np.array([0, 0, 81.0, 0]))
    missing = run(filters.CONSTANT, law(), [0, 1, 1, 1], y, count=[1, 1, 0, 1])
    assert aside < missing  # the reading after it counts for less
    assert aside > run(filters.CONSTANT, law(), [0, 1, 1, 1], y)
