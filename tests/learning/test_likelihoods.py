"""Likelihoods against closed forms and counting; words against the ratios they stand for."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gaussian_kde, norm

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.learning._densities import gaussians, kernels, masses
from nanoneurons.learning._feature_choice import folds_of, thinned
from nanoneurons.learning._likelihoods import ESTIMATES, SELECTIONS, encode, estimate, words_of


def samples(n=3000, seed=0):
    """Two classes of unlike means and spreads; feature 1 is noise, feature 2 repeats feature 0."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = rng.normal(size=(n, 3))
    x[:, 0] = np.where(y == 0, rng.normal(0, 1, n), rng.normal(3, 2, n))
    x[:, 2] = x[:, 0] + 0.01 * x[:, 2]
    return x, y


@pytest.mark.parametrize("method", ESTIMATES)
def test_tables_are_probabilities_close_to_the_truth(method):
    x, y = samples()
    found = estimate(x, y, classes=2, columns=1, bins=32, method=method, select="first")
    assert found.tables.shape == (2, 1, 32) and found.edges.shape == (1, 31)
    assert found.tables.sum(-1) == pytest.approx(1)
    assert (found.tables > 0).all()
    for row, truth in enumerate((norm(0, 1), norm(3, 2))):
        exact = np.diff(truth.cdf(found.edges[0]), prepend=0, append=1)
        assert np.abs(found.tables[row, 0] - exact).sum() / 2 < 0.1  # total variation; sampling noise of 32 bins
    assert found.prior == pytest.approx(np.bincount(y) / len(y))


def test_a_histogram_counts_and_smooths():
    x = np.array([[0.0], [0.1], [0.9], [1.0], [0.2], [0.6]])
    y = np.array([0, 0, 0, 0, 1, 1])
    found = estimate(x, y, classes=2, columns=1, bins=2, method="histogram", smoothing=1.0, outside=0.0)
    assert found.edges == pytest.approx(np.array([[0.5]]))
    assert found.tables[:, 0] == pytest.approx(np.array([[2.5 / 5, 2.5 / 5], [1.5 / 3, 1.5 / 3]]))


def test_densities_agree_with_scipy():
    values = np.random.default_rng(1).normal(2, 3, 200)
    at = np.linspace(-8, 12, 50)
    one, empty = gaussians(values, np.zeros(200, int), 2, 1e-3)
    assert not len(empty.centres) and not empty.log(at).any()
    assert np.exp(one.log(at)) == pytest.approx(norm(values.mean(), values.std()).pdf(at))
    many = kernels(values, 1e-3)
    peer = gaussian_kde(values, many.width / values.std(ddof=1))
    assert np.exp(many.log(at)) == pytest.approx(peer(at))
    for density in (one, many):
        edges = np.linspace(-5, 9, 4000)
        inner = np.exp(density.log((edges[1:] + edges[:-1]) / 2)) * (edges[1] - edges[0])
        assert masses([density], edges)[0, 1:-1] == pytest.approx(inner, rel=1e-3, abs=1e-9)


def test_kernels_of_many_values_stay_close_to_all_of_them():
    values = np.random.default_rng(2).normal(size=5000)
    edges = np.linspace(-3, 3, 40)
    found = kernels(values, 1e-3)
    assert len(found.centres) == 1000
    exact = norm(0, np.hypot(1, found.width)).cdf(edges)
    assert np.cumsum(masses([found], edges)[0])[:-1] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("method", ESTIMATES)
def test_values_outside_the_range_fall_into_the_edge_bins(method):
    x, y = samples()
    found = estimate(x, y, classes=2, columns=1, bins=16, method=method, select="first", outside=0.1)
    assert (found.observe(np.array([[-1e9, 0, 0], [1e9, 0, 0], [np.nan, 0, 0]]))[:, 0] == [0, 15, -1]).all()
    share = np.mean(
        (x[:, 0] < found.edges[0, 0] - np.diff(found.edges[0])[0])
        | (x[:, 0] > found.edges[0, -1] * 2 - found.edges[0, -2])
    )
    assert share == pytest.approx(0.1, abs=0.005)


@pytest.mark.parametrize("method", ESTIMATES)
def test_missing_values_are_left_out(method):
    x, y = samples(400)
    holed = x.copy()
    holed[::3, 0] = np.nan
    kept = np.flatnonzero(~np.isnan(holed[:, 0]))
    found = estimate(holed, y, classes=2, columns=1, bins=8, method=method, select="first")
    without = estimate(x[kept], y[kept], classes=2, columns=1, bins=8, method=method, select="first")
    assert found.tables == pytest.approx(without.tables)
    assert found.edges == pytest.approx(without.edges)


@pytest.mark.parametrize("method", ESTIMATES)
def test_a_class_without_values_and_a_constant_feature_say_nothing(method):
    x, y = samples(60)
    x[y == 1, 0] = np.nan
    x[:, 1] = 7.0
    x[:, 2] = np.nan
    found = estimate(x, y, classes=2, columns=3, bins=8, method=method, select="first")
    assert found.tables[1, 0] == pytest.approx(1 / 8)
    seen = found.observe(np.array([[0.0, 7.0, 0.0]]))[0, 1]
    assert found.tables[0, 1, seen] == pytest.approx(found.tables[1, 1, seen], rel=0.05)
    assert found.tables[:, 2] == pytest.approx(1 / 8)


def test_choices_take_what_is_informative_and_not_redundant():
    rng = np.random.default_rng(3)
    n = 2000
    y = rng.integers(0, 4, n)
    noise = rng.normal(size=(n, 3))
    first = (y // 2) * 3 + rng.normal(size=n)
    second = (y % 2) * 2 + rng.normal(size=n)
    x = np.column_stack([noise, first, first + 0.1 * rng.normal(size=n), second])
    for select in ("information", "accuracy"):
        found = estimate(x, y, classes=4, columns=2, bins=16, select=select)
        assert sorted(found.chosen) in ([3, 5], [4, 5])
    assert estimate(x, y, classes=4, columns=2, bins=16, select="first").chosen.tolist() == [0, 1]
    for select in SELECTIONS:
        assert sorted(estimate(x, y, classes=4, columns=6, bins=16, select=select).chosen) == list(range(6))


def test_choices_pass_over_features_that_are_mostly_missing():
    x, y = samples(900)
    x = np.column_stack([x[:, 0], x[:, 0], x[:, 1]])
    x[np.arange(900) % 10 > 0, 0] = np.nan
    for select in ("information", "accuracy"):
        assert estimate(x, y, classes=2, columns=1, bins=16, select=select).chosen.tolist() == [1]


def test_folds_hold_every_class_and_thinning_keeps_shares():
    y = np.repeat([0, 1, 2], [50, 30, 20])
    fold = folds_of(y)
    assert (np.bincount(fold) == 20).all()
    assert all((np.bincount(y[fold == k]) == [10, 6, 4]).all() for k in range(5))
    assert np.bincount(y[thinned(y, 50)]) == pytest.approx([25, 15, 10], abs=1)


# -- words --------------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.floats(1, 12))
def test_words_keep_ratios_within_half_a_step(seed, per_value, decades):
    tables = np.random.default_rng(seed).dirichlet(np.ones(5), (3, 2)) + 1e-9
    axis = 0 if per_value else (0, 2)
    share = tables / tables.max(axis, keepdims=True)
    linear = words_of(tables, None, logarithmic=False, per_value=per_value)
    assert np.abs(linear / 255 - share).max() <= 0.5 / 255 + 1e-12
    assert (linear.max(axis) == 255).all()
    tempered = words_of(tables, None, logarithmic=False, power=0.2, per_value=per_value)
    assert np.abs(tempered / 255 - share**0.2).max() <= 0.5 / 255 + 1e-12
    steps = words_of(tables, None, logarithmic=True, decades=decades, per_value=per_value)
    assert (steps.min(axis) == 0).all()
    whole = steps < 255
    assert np.abs(np.log10(share) + steps * decades / 255)[whole].max() <= 0.5 * decades / 255 + 1e-9


def test_the_prior_is_column_0():
    tables = np.full((2, 1, 4), 0.25)
    words = words_of(tables, np.array([0.2, 0.8]), logarithmic=False)
    assert words.shape == (2, 2, 4)
    assert (words[:, 0] == [[64], [255]]).all() and (words[:, 1] == 255).all()


@pytest.mark.parametrize("per_value", [False, True])
def test_encoding_keeps_the_best_products_of_samples_in_reach(per_value):
    rng = np.random.default_rng(4)
    y = np.arange(2000) % 3
    x = rng.normal(size=(2000, 30)) + np.outer(y, np.linspace(0, 1, 30))
    found = estimate(x, y, classes=3, columns=30, bins=16)
    prior = np.array([0.2, 0.3, 0.5])
    seen = np.concatenate([np.zeros((2000, 1), int), found.observe(x)], 1)
    at = np.arange(31)

    steps = encode(found, prior, x, "logarithmic", per_value=per_value)
    best = steps.words[:, at, seen].sum(-1, dtype=np.int64).min(0)
    assert np.mean(best < 255) >= 0.998
    full = encode(found, prior, x, "full", per_value=per_value)
    products = np.log10(full.words[:, at, seen] / 255).sum(-1).max(0)
    assert np.quantile(products, 0.001) == pytest.approx(-1.5, abs=0.15)  # rounding of 31 words
    assert encode(found, prior, x, "first", per_value=per_value).power == pytest.approx(full.power * 4 / 1.5)
    given = encode(found, prior, x, "full", power=1.0, decades=7.0, per_value=per_value)
    assert (given.power, given.decades) == (1.0, 7.0)
    assert (given.words == words_of(found.tables, prior, logarithmic=False, per_value=per_value)).all()


def test_where_every_product_is_large_the_power_stays_in_bounds():
    x, y = np.array([[0.0], [1.0]] * 20), np.array([0, 1] * 20)
    found = estimate(x, y, classes=2, columns=1, bins=2, method="histogram")
    assert encode(found, None, x, "full", per_value=True).power == 4.0
    assert encode(found, None, x, "logarithmic", per_value=True).decades == 4.0


@pytest.mark.parametrize("logarithmic", [False, True])
def test_a_zero_is_kept_as_impossible_but_warned_of(logarithmic):
    tables = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    with pytest.warns(UserWarning, match="likelihood 0 of hypothesis 1, column 0, bin 0: that observation rules"):
        words = words_of(tables, None, logarithmic=logarithmic)
    assert words[1, 0, 0] == (255 if logarithmic else 0)
    with pytest.warns(UserWarning, match="prior 0 of hypothesis 1"):
        words_of(np.full((2, 1, 2), 0.5), np.array([1.0, 0.0]), logarithmic=logarithmic)


def test_what_is_almost_zero_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert words_of(np.array([[[1.0]], [[1e-300]]]), None, logarithmic=True)[1] == 255


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1])
def test_likelihoods_that_cannot_be_are_refused(value):
    tables = np.full((2, 2, 2), 0.5)
    tables[1, 0, 1] = value
    with pytest.raises(ParameterError, match=r"likelihood .* of hypothesis 1, column 0, bin 1: give finite numbers"):
        words_of(tables, None, logarithmic=False)
    with pytest.raises(ParameterError, match="prior .* of hypothesis 0: give finite"):
        words_of(np.full((2, 1, 2), 0.5), np.array([value, 1]), logarithmic=True)


def test_columns_of_zeros_and_impossible_decades_are_refused():
    tables = np.full((2, 2, 2), 0.5)
    tables[:, 1] = 0
    with pytest.raises(ParameterError, match="all likelihoods of column 1 are zero"):
        words_of(tables, None, logarithmic=False)
    with pytest.raises(ParameterError, match="decades must be a positive number"):
        words_of(np.ones((2, 2, 2)), None, logarithmic=True, decades=0)
    with pytest.raises(ParameterError, match="power must be a positive number"):
        words_of(np.ones((2, 2, 2)), None, logarithmic=False, power=-1)


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"classes": 3}, DataError, "class 2 has no examples"),
        ({"bins": 513}, ParameterError, "513 bins, but a block of the memory holds 512 words"),
        ({"bins": 1}, ParameterError, "at least 2 bins, not 1"),
        ({"columns": 4}, ParameterError, "columns must be 1 to the 3 features there are, not 4"),
        ({"method": "gausian"}, ParameterError, "not 'gausian' .did you mean 'gaussian'"),
        ({"select": "all"}, ParameterError, "feature choice must be one of first, information, accuracy"),
        ({"smoothing": 0}, ParameterError, "smoothing must be a positive number"),
        ({"outside": 1.0}, ParameterError, "share of values outside"),
    ],
)
def test_bad_settings_are_refused(change, error, message):
    x, y = samples(50)
    with pytest.raises(error, match=message):
        estimate(x, y, **{"classes": 2, "columns": 2, "bins": 8, **change})


def test_infinite_values_are_refused():
    x, y = samples(50)
    x[7, 1] = np.inf
    with pytest.raises(DataError, match="feature 1 of sample 7 is infinite"):
        estimate(x, y, classes=2, columns=2, bins=8)
