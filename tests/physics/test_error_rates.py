"""Closed forms of error rates against published values, simulation and brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics.error_rates import (
    best_threshold,
    cell_rate_for_code_residual,
    code_residual,
    decode_tables,
    pair_error,
    sigma_for_pair_error,
    threshold_error,
    window_for_pair_error,
    window_for_threshold_error,
)

# single-cell error rate -> pair error rate, equal spreads; 2 digits as tabulated for arXiv:1902.02528's comparison
TABLE = {1e-1: 3.5e-2, 5e-2: 1.0e-2, 1e-2: 5.0e-4, 1e-3: 6.2e-6, 1e-4: 7.2e-8}


@pytest.mark.parametrize(("single", "pair"), TABLE.items())
def test_pair_halves_the_error_exponent(single, pair):
    window = window_for_threshold_error(single, 0.4)
    assert threshold_error(window, 0.4, 0.4) == pytest.approx(single, rel=1e-9)
    assert pair_error(window, 0.4, 0.4) == pytest.approx(pair, rel=0.02)  # the table has two digits


def test_best_threshold_is_the_minimum():
    for low, high in ((0.1, 0.6), (0.6, 0.1), (0.3, 0.3), (0.05, 1.0)):
        grid = np.linspace(0, 2, 200_001)
        errors = threshold_error(2.0, low, high, grid)
        at = best_threshold(2.0, low, high)
        assert at == pytest.approx(grid[np.argmin(errors)], abs=2e-5)  # two grid steps
        assert threshold_error(2.0, low, high) <= errors.min() * (1 + 1e-12)


def test_limits():
    assert best_threshold(2.0, 0.3, 0.3) == pytest.approx(1.0)
    assert threshold_error(2.0, 0.0, 0.0) == 0.0
    assert pair_error(2.0, 0.0, 0.0) == 0.0
    assert pair_error(0.0, 0.0, 0.0) == 0.5
    assert pair_error(0.0, 0.3, 0.3) == 0.5
    assert np.isfinite(threshold_error(1.0, 0.0, 0.3)) and threshold_error(1.0, 0.0, 0.3) < 1e-3


def test_closed_forms_match_a_simulation():
    rng = np.random.default_rng(0)
    n, window, low, high, sense = 400_000, 1.0, 0.3, 0.6, 0.2
    a, b = rng.normal(0, low, n), rng.normal(window, high, n)
    offset = rng.normal(0, sense, n)
    p = pair_error(window, low, high, sense)
    assert np.mean(a + offset > b) == pytest.approx(p, abs=5 * np.sqrt(p / n))  # five standard errors
    at = best_threshold(window, low, high)
    p = threshold_error(window, low, high)
    assert 0.5 * (np.mean(a > at) + np.mean(b < at)) == pytest.approx(p, abs=5 * np.sqrt(p / n))


@given(st.floats(1e-9, 0.49), st.floats(0.01, 2), st.floats(0.01, 2), st.floats(0, 1))
def test_inverses_give_back_the_rate(rate, low, high, sense):
    assert pair_error(window_for_pair_error(rate, low, high, sense), low, high, sense) == pytest.approx(rate, rel=1e-6)
    assert code_residual(cell_rate_for_code_residual(rate, 7), 7) == pytest.approx(rate, rel=1e-6)
    assert code_residual(cell_rate_for_code_residual(rate, 8), 8) == pytest.approx(rate, rel=1e-6)
    sigma = sigma_for_pair_error(rate, 2.0)
    assert pair_error(2.0, sigma, sigma) == pytest.approx(rate, rel=1e-6)


@pytest.mark.parametrize("length", [7, 8])
def test_code_residual_equals_brute_force(length):
    words, decoded = decode_tables(length)
    patterns = np.array(list(itertools.product((0, 1), repeat=length)))
    values = patterns @ (1 << np.arange(length))
    for p in (1e-4, 0.03, 0.3, 0.5):
        weight = p ** patterns.sum(1) * (1 - p) ** (length - patterns.sum(1))
        wrong = 0.0
        for data in range(16):
            got = decoded[words[data] ^ values]
            wrong += weight @ np.bitwise_count(got ^ data) / 4 / 16
        assert code_residual(p, length) == pytest.approx(wrong, rel=1e-12)


def test_codes_correct_every_single_error_and_differ_by_three_or_four_bits():
    for length, distance in ((7, 3), (8, 4)):
        words, decoded = decode_tables(length)
        for data, word in enumerate(words):
            assert all(decoded[word ^ (1 << place)] == data for place in range(length))
        assert min(int(a ^ b).bit_count() for a, b in itertools.combinations(words, 2)) == distance


def test_residual_is_9_p_squared_for_small_rates():
    assert code_residual(1e-4, 7) == pytest.approx(9e-8, rel=1e-3)  # next term: 26 p^3
    assert code_residual(1e-4, 8) == pytest.approx(7e-8, rel=1e-3)
    assert code_residual(0.0, 7) == 0.0


@given(st.floats(1e-6, 0.49))
def test_pairs_do_what_single_error_correction_of_equal_redundancy_does(rate):
    # the claim of arXiv:1902.02528; the factor is 0.5 to 1.3 over the whole range, by these formulas
    pair = pair_error(window_for_threshold_error(rate, 1.0), 1.0, 1.0)
    assert pair < code_residual(rate, 7)
    assert 0.4 < pair / code_residual(rate, 8) < 1.4


@pytest.mark.parametrize("call", [
    lambda: code_residual(1.5), lambda: code_residual(0.1, 9), lambda: window_for_pair_error(0.7, 1, 1),
    lambda: best_threshold(-1, 1, 1), lambda: sigma_for_pair_error(1e-3, 1.0, sigma_sense=2.0),
])  # fmt: skip
def test_impossible_values_are_refused(call):
    with pytest.raises(ParameterError):
        call()
