"""Weak RESET from readings: its noise as densities, its laws' draws, whole campaigns, predictions."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy import stats

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.fitting import catalogue, simulate
from nanoneurons.fitting._hfox_campaign import campaign
from nanoneurons.fitting._hfox_device import LAW
from nanoneurons.fitting._hfox_laws import renew_exponential, renew_normal
from nanoneurons.fitting._hfox_noise import draw_excess, excess_density, flicker_covariance, flicker_mean, grids, tables
from nanoneurons.fitting._hfox_predict import _follow
from nanoneurons.fitting._hfox_sampler import first_law, sample
from nanoneurons.measurements import NoiseSeries, Pulses
from nanoneurons.physics.flicker import flicker

BASE = devices.get("hfox-weak-reset")
TRUTH = BASE.replace(offset=0.0, offset_sd=0.0)
FITTER = catalogue["hfox-weak-reset"]()


def measured(device=TRUTH, copies=24, gap=20, last=2000, seed=0, first=0):
    """Readings of fresh devices every `gap` pulses; device indices begin at `first`."""
    pulses = np.r_[0, np.full(last // gap, -gap)]
    return Pulses(
        first + np.arange(copies),
        tuple(map(str, range(first + copies))),
        reading=simulate(device, pulses, copies, torch.Generator().manual_seed(seed)),
        pulses=np.tile(pulses, (copies, 1)),
        cycle=np.zeros(copies, int),
    )


@pytest.fixture(scope="module")
def fitted():
    return FITTER.fit(measured(), BASE)


# -- noise ------------------------------------------------------------------------------------------------


def test_covariance_of_the_flicker_noise_is_that_of_the_device():
    seeds = torch.arange(40_000, dtype=torch.int64) * 7919
    at = [flicker(seeds, torch.full((40_000,), t), 126).double().numpy() for t in (100, 101, 110, 400)]
    assert at[0].mean() == pytest.approx(flicker_mean(126), abs=0.02)
    c = flicker_covariance(126)
    assert len(c) == 126
    for other, expected in zip(at, (c[0], c[1], c[10], 0.0), strict=True):
        # standard error of a covariance of 40,000 pairs
        assert np.cov(at[0], other)[0, 1] == pytest.approx(expected, abs=4 * 1.5 * c[0] / 200)


def test_factors_rebuild_the_covariance_with_and_without_its_white_part():
    whole = np.arange(0, 600, 5)
    t = np.delete(whole, [3, 4, 50])
    (grid,) = grids([t], [whole], 126)
    lag = np.abs(t[:, None] - t)
    expected = np.append(flicker_covariance(126), 0)[np.minimum(lag, 126)]

    def dense(rows):
        n, band = rows.shape[0], rows.shape[1] - 1
        full = np.zeros((n, n + band))
        for k in range(n):
            full[k, k : k + band + 1] = rows[k]
        return full[:, band:]

    factor, smooth = dense(grid.factor), dense(grid.smooth)
    assert np.allclose(factor @ factor.T, expected, atol=1e-12)
    assert np.allclose(smooth @ smooth.T + grid.white * np.eye(len(t)), expected, atol=1e-12)
    assert grid.white > 0


@pytest.mark.parametrize(
    ("amplitude", "sigma"), [(0.5, 0.008), (0.5, 0.03), (0.05, 0.01), (0.002, 0.01), (0.5, 0.0005), (0.3, 0.0151)]
)
def test_density_of_the_excess_is_the_convolution_it_stands_for(amplitude, sigma):
    line, flat = tables()
    e = (np.arange(200_000) + 0.5) / 200_000 * amplitude
    law = -np.log(e / amplitude) / amplitude * (amplitude / 200_000)
    for x in (-4 * sigma, -sigma, 0.0, 0.7 * sigma, 0.5 * amplitude, amplitude - 2 * sigma, amplitude + 3 * sigma):
        expected = float((law * stats.norm.pdf(x - e, scale=sigma)).sum())
        assert excess_density(x, sigma, amplitude, line, flat) == pytest.approx(expected, rel=0.03)
    x = np.linspace(-8 * sigma, amplitude + 8 * sigma, 20_001)
    whole = np.trapezoid([excess_density(v, sigma, amplitude, line, flat) for v in x], x)
    assert whole == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("x", [-0.01, 0.0, 0.02, 0.2, 0.31])
@pytest.mark.parametrize("sigma", [0.01, 0.2])
def test_excess_is_drawn_from_its_law_given_the_reading(x, sigma):
    rng, amplitude = np.random.default_rng(1), 0.3
    drawn = np.array([draw_excess(x, sigma, amplitude, rng) for _ in range(4000)])
    e = (np.arange(200_000) + 0.5) / 200_000 * amplitude
    weight = -np.log(e / amplitude) * np.exp(-0.5 * ((x - e) / sigma) ** 2)
    cdf = np.cumsum(weight) / weight.sum()
    assert stats.kstest(drawn, lambda v: np.interp(v, e, cdf)).pvalue > 1e-3


# -- laws -------------------------------------------------------------------------------------------------


def test_truncated_normal_law_is_drawn_from_its_posterior():
    rng = np.random.default_rng(2)
    low, high = -2.0, 2.5
    x = stats.truncnorm.rvs(low, high, size=30, random_state=3)
    mean, sd, kept = 0.0, 1.0, []
    for _ in range(6000):
        mean, sd = renew_normal(x, mean, sd, low, high, 1e-6, False, 6, rng)
        kept.append((mean, np.log(sd)))
    kept = np.array(kept)
    # the same posterior on a grid; cov(x, x^2) under the cut law by quadrature
    grid_mean, grid_log = np.linspace(low + 1e-3, high - 1e-3, 90), np.linspace(np.log(0.3), np.log(30), 120)
    v = np.linspace(low, high, 801)
    logs = np.empty((90, 120))
    for i, m in enumerate(grid_mean):
        for j, s in enumerate(np.exp(grid_log)):
            w = np.exp(-0.5 * ((v - m) / s) ** 2)
            mass = np.trapezoid(w, v)
            covariance = np.cov(np.stack([v, v**2]), aweights=w)
            logs[i, j] = (
                (-0.5 * ((x - m) / s) ** 2).sum() - 30 * np.log(mass)
                + 0.5 * np.log(np.linalg.det(covariance)) - 3 * np.log(s)
            )  # fmt: skip
    p = np.exp(logs - logs.max())
    p /= p.sum()
    for values, grid, axis in ((kept[:, 0], grid_mean, 1), (kept[:, 1], grid_log, 0)):
        share = p.sum(axis)
        cdf = np.cumsum(share) - 0.5 * share
        for q in (0.1, 0.5, 0.9):
            at = np.interp(q, cdf, grid)
            assert np.mean(values < at) == pytest.approx(q, abs=0.05)


def test_exponential_law_covers_its_scale():
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(300):
        x = -1e-4 * np.log1p(np.expm1(-4.5) * rng.random(25))  # scale 1e-4, cut at 4.5 scales
        scale, kept = 1e-4, []
        for _ in range(300):
            scale = renew_exponential(x, scale, 4.5e-4, 0.0, 4, rng)
            kept.append(scale)
        low, high = np.quantile(kept, [0.025, 0.975])
        inside += low < 1e-4 < high
    assert stats.binomtest(inside, 300, 0.95).pvalue > 1e-3


def test_particles_give_the_density_of_a_run_without_telegraph():
    data = measured(copies=1, gap=50)
    taken = campaign(data, 126)
    law = first_law(TRUTH.replace(telegraph_up=1e-12))
    law[LAW["flicker_mean"]] = flicker_mean(126)
    own = np.array([np.log(8000.0), 1e-4, 500.0, 2e-5, 0.1])
    rng = np.random.default_rng(0)
    y = taken.y[0, : taken.n[0]]
    found = _follow(taken, 0, np.repeat(own[None], 8, 0), np.repeat(law[None], 8, 0), 8, False, rng)[4].sum()
    t = taken.t[0]
    covariance = 0.025**2 * np.append(flicker_covariance(126), 0)[np.minimum(np.abs(t[:, None] - t), 126).astype(int)]
    mean = own[0] + own[1] * np.minimum(t, 500) + own[3] * np.maximum(t - 500, 0)
    exact = np.maximum(stats.multivariate_normal.logpdf(y, mean, covariance), -1e9)
    if np.abs(y - mean).max() < 0.25:  # otherwise the telegraph was on and the filter's floor is reached
        assert found == pytest.approx(exact, rel=1e-3)


# -- whole campaigns --------------------------------------------------------------------------------------


def test_laws_are_found_within_their_intervals(fitted):
    names = [e.name for e in fitted.estimates]
    assert set(names) == set(BASE.identified["pulses"])
    for e in fitted.estimates:
        declared = BASE.parameter(e.name)
        assert declared.low <= e.low < e.value < e.high <= declared.high
        assert getattr(fitted.device, e.name) == e.value
        # 10 intervals of 95 %: three standard errors hold for each
        assert abs(np.log(e.value / getattr(TRUTH, e.name))) < 3 * max(e.error, np.log(e.high / e.low) / 4), e
    assert np.allclose(fitted.correlation, fitted.correlation.T) and np.allclose(np.diag(fitted.correlation), 1)
    assert not fitted.notes and not fitted.dead.any() and np.isfinite(fitted.log_likelihood)


def test_what_readings_cannot_tell_is_said(fitted):
    assert fitted.device.offset == fitted.device.offset_sd == 0 and {"offset", "offset_sd"} <= set(fitted.fixed)
    told = {e.name for e in fitted.estimates} | set(fitted.fixed) | set(fitted.kept)
    assert told == {p.name for p in BASE.parameters()}
    assert not {e.name for e in fitted.estimates} & (set(fitted.fixed) | set(fitted.kept))
    for name in fitted.kept:
        assert getattr(fitted.device, name) == getattr(BASE, name)


def test_constants_of_the_devices_are_found(fitted):
    truth = TRUTH.init((24,), torch.Generator().manual_seed(0))  # the devices that `measured` drew
    start = truth["initial_resistance"].numpy()
    found = fitted.effects["resistance"]
    assert np.corrcoef(found, start)[0, 1] > 0.95
    assert np.abs(np.log(found / start)).max() < 0.05
    early = truth["knee"].numpy() > 100
    slope = fitted.effects["fast_slope"]
    assert np.median(np.abs(slope - truth["fast_slope"].numpy())[early]) < 3e-5


def test_telegraph_paths_are_those_of_the_devices():
    generator = torch.Generator().manual_seed(11)
    state = TRUTH.init((200,), generator)
    on, reading = [state["telegraph"].numpy().copy()], [TRUTH.conductance(state).double().numpy()]
    for _ in range(50):
        state = TRUTH.step(state, torch.full((200,), 40, dtype=torch.int32), 0.0, generator)
        on.append(state["telegraph"].numpy().copy())
        reading.append(TRUTH.conductance(state).double().numpy())
    pulses = np.tile(np.r_[0, np.full(50, -40)], (200, 1))
    data = Pulses(
        np.arange(200), tuple(map(str, range(200))), reading=np.stack(reading, 1), pulses=pulses, cycle=np.zeros(200)
    )
    draws = sample(campaign(data, 126), BASE, 300, 0, None)
    truth, found = np.stack(on, 1), draws.on
    difference = found.mean(1) - truth.mean(1)
    assert difference.max() < 0.8  # no curve is taken for a telegraph that is always on
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(200)
    # as often right as the draws say themselves
    sure = np.maximum(found, 1 - found).mean(1)
    right = ((found > 0.5) == truth).mean(1)
    assert abs((right - sure).mean()) < 4 * (right - sure).std() / np.sqrt(200)


def test_the_fitted_device_behaves_as_the_measured_one(fitted):
    pulses = np.r_[0, np.full(20, -100)]
    ours = simulate(fitted.device, pulses, 4000, torch.Generator().manual_seed(5))
    theirs = simulate(TRUTH, pulses, 4000, torch.Generator().manual_seed(6))
    for k in (0, 5, 20):
        for q in (0.25, 0.5, 0.75):
            assert np.quantile(ours[:, k], q) == pytest.approx(np.quantile(theirs[:, k], q), rel=0.15)


def test_the_same_data_give_the_same_fit():
    data = measured(copies=6, gap=100)
    one, other = FITTER.fit(data, BASE), FITTER.fit(data, BASE)
    assert one.estimates == other.estimates and one.log_likelihood == other.log_likelihood


def test_ranks_of_devices_not_seen_are_uniform(fitted):
    fresh = measured(copies=20, seed=8, first=24)
    found = FITTER.predict(fitted, fresh)
    assert np.isnan(found.rank[:, 0]).all() and np.isfinite(found.rank[:, 1:]).all()
    assert stats.kstest(found.rank[:, 1:].ravel(), "uniform").pvalue > 1e-3
    inside = (fresh.reading >= found.low) & (fresh.reading <= found.high)
    assert 0.87 < inside[:, 1:].mean() < 0.93
    assert (found.low < found.median)[:, 1:].all() and (found.median < found.high)[:, 1:].all()
    # better informed than the spread of the population
    assert np.nanmean(found.log_density + np.log(fresh.reading)) > 1.5


def test_ranks_of_devices_seen_are_uniform_beyond_the_readings_they_were_fitted_to():
    data = measured(copies=24, seed=9)
    masked = np.zeros(data.reading.shape, bool)
    masked[:, 60:] = True
    fit = FITTER.fit(data.without(masked), BASE)
    rank = FITTER.predict(fit, data).rank[:, 60:]
    assert stats.kstest(rank.ravel(), "uniform").statistic < 0.06


def test_missing_readings_second_reads_and_rising_pulses_are_left_out():
    data = measured(copies=8, gap=50)
    pulses, reading = data.pulses.copy(), data.reading.copy()
    pulses[:, 5], reading[:, 5] = 0, reading[:, 4]
    reading[0, 7] = np.nan
    pulses[1, 30] = 5
    fit = FITTER.fit(dataclasses.replace(data, pulses=pulses, reading=reading), BASE)
    assert any("second reads" in note for note in fit.notes) and any("lowers the resistance" in n for n in fit.notes)
    found = FITTER.predict(fit, dataclasses.replace(data, pulses=pulses, reading=reading))
    assert np.isnan(found.rank[:, 5]).all() and np.isnan(found.rank[0, 7]) and np.isnan(found.rank[1, 30:]).all()
    assert np.isfinite(found.rank[2, 6:]).all()


def test_one_device_keeps_the_spread_between_devices():
    fit = FITTER.fit(measured(copies=1), BASE)
    assert "one device" in fit.kept["resistance_sd"] and "one device" in fit.kept["knee_log_sd"]
    assert fit.device.resistance_sd == BASE.resistance_sd


def test_devices_without_telegraph_noise_keep_its_default():
    fit = FITTER.fit(measured(TRUTH.replace(telegraph_amplitude=0.0), copies=12, gap=50), BASE)
    assert fit.device.telegraph_amplitude == BASE.telegraph_amplitude and "telegraph" in fit.kept["telegraph_amplitude"]
    alpha = fit.estimate("flicker_amplitude")
    assert alpha.low < 0.025 < alpha.high


def test_limits_that_devices_lie_beyond_are_widened():
    fit = FITTER.fit(
        measured(TRUTH.replace(resistance=20e3, resistance_low=15e3, resistance_high=25e3), copies=12), BASE
    )
    assert fit.device.resistance_high == 1e9 and "resistance_high" in fit.fixed
    mean = fit.estimate("resistance")
    assert mean.low < 20e3 < mean.high


def test_readings_that_the_law_cannot_give_are_set_aside_and_counted():
    data = measured(copies=8, gap=50)
    reading = data.reading.copy()
    reading[2, 20] *= 3
    reading[5, 9] /= 1e4
    broken = dataclasses.replace(data, reading=reading)
    fit = FITTER.fit(broken, BASE)
    assert sorted(map(tuple, np.argwhere(fit.outliers))) == [(2, 20), (5, 9)]
    assert any(note.startswith("2 readings set aside") for note in fit.notes)
    assert not FITTER.fit(data, BASE).outliers.any()
    assert fit.estimate("flicker_amplitude").low < 0.025 < fit.estimate("flicker_amplitude").high


def test_an_offset_with_spread_goes_into_the_resistance():
    fit = FITTER.fit(measured(BASE, copies=60, gap=40, seed=3), BASE)
    pulses = np.array([0, -500])
    ours = simulate(fit.device, pulses, 20_000, torch.Generator().manual_seed(5))
    theirs = simulate(BASE, pulses, 20_000, torch.Generator().manual_seed(6))
    # fresh: 60 devices of 8 % spread tell the median to about 1 % and the spread to about 10 %
    low, median, high = np.quantile(np.log(ours[:, 0]) - np.log(np.median(theirs[:, 0])), [0.16, 0.5, 0.84])
    left, _, right = np.quantile(np.log(theirs[:, 0]), [0.16, 0.5, 0.84])
    assert abs(median) < 0.04 and (high - low) / (right - left) == pytest.approx(1, abs=0.4)
    assert fit.estimate("flicker_amplitude").low < 0.025 < fit.estimate("flicker_amplitude").high


def test_a_device_that_never_moves_is_counted():
    data = measured(copies=8, gap=50)
    reading = data.reading.copy()
    reading[3] = reading[3, 0]
    fit = FITTER.fit(dataclasses.replace(data, reading=reading), BASE)
    assert list(np.flatnonzero(fit.dead)) == [3] and np.isnan(fit.effects["knee"][3])


def test_data_that_tell_nothing_are_refused():
    data = measured(copies=3, gap=500)
    with pytest.raises(DataError, match="no device with 8 readings"):
        FITTER.fit(data, BASE)
    data = measured(copies=3, gap=100)
    for changed, words in (
        (dataclasses.replace(data, unit="1"), "S or ohm"),
        (dataclasses.replace(data, pulses=-data.pulses), "raise the resistance"),
        (dataclasses.replace(data, reading=-data.reading), "reading 1 of run 1"),
        (dataclasses.replace(data, reading=np.full_like(data.reading, 1e-4)), "is the same"),
    ):
        with pytest.raises(DataError, match=words):
            FITTER.fit(changed, BASE)
    noise = NoiseSeries(np.zeros(1, int), ("a",), reading=np.ones((1, 9)), time=np.arange(9.0)[None])
    assert "not from noise" in FITTER.refusal(noise)
