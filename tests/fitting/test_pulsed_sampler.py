"""Draws of the posterior: exact where the likelihood is normal; odds of laws; what the filter's collapse displaces."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import signal, stats

from nanoneurons.fitting import _pulsed_bias as bias
from nanoneurons.fitting import _pulsed_chain as moves
from nanoneurons.fitting import _pulsed_estimates as estimating
from nanoneurons.fitting import _pulsed_sampler as sampler
from nanoneurons.fitting._mixed import Mixed, Quadratics
from nanoneurons.fitting._pulsed_bias import displacement
from nanoneurons.fitting._pulsed_drawn import _other, widened
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point
from nanoneurons.fitting._pulsed_readings import events_of
from nanoneurons.measurements import Pulses

LAW = Law("constant", False, False, True, True)
DEVICES = 12


@pytest.fixture(scope="module")
def normal():
    """A point whose likelihood is quadratic: devices' constants with known errors, shared ones with known ones."""
    draw = np.random.default_rng(0)
    centre = np.array([0.05, 0.0, 1.0, -1.0, -0.5, -3.0, -4.0])
    spread, error = np.array([0.008, 0.002, 0.1, 0.1]), np.array([0.003, 0.002, 0.03, 0.03, 0.1, 0.1, 0.1])
    x = np.tile(centre, (DEVICES, 1))
    x[:, :4] += spread * draw.standard_normal((DEVICES, 4))
    seen = x + error * draw.standard_normal(x.shape)
    mix = np.eye(7)
    mix[0, 4] = 0.02  # a shared constant that own constants lean on
    information = np.tile(mix.T @ np.diag(error**-2.0) @ mix, (DEVICES, 1, 1))
    linear = np.einsum("dij,dj->di", information, seen)
    quadratics = Quadratics(
        information, linear, LAW.group, np.array([0.05, 0.05, 1.0, 1.0]), LAW.free, np.full(7, 1e-6)
    )
    mixed = quadratics.solve(np.full(4, -1.5))
    events = empty_events()
    x = np.concatenate([mixed.own, np.tile(mixed.beta[4:], (DEVICES, 1))], axis=1)
    return Point(LAW, events, 0.0, 1.0, x, np.zeros(len(events.y)), mixed, np.zeros(DEVICES), 0.0, True, 0 * x)


def empty_events():
    pulses = np.tile([0, 1, 1, -1, -1], (DEVICES, 1))
    reading = np.tile([0.0, 0.05, 0.1, 0.05, 0.0], (DEVICES, 1))
    return events_of(
        Pulses(
            np.arange(DEVICES), tuple(map(str, range(DEVICES))), "1", reading=reading, pulses=pulses,
            cycle=np.zeros(DEVICES, dtype=np.int64),
        )
    )  # fmt: skip


@pytest.fixture
def quadratic(monkeypatch, normal):
    q = normal.mixed.quadratics

    def found(law, events, x, jump):
        return np.einsum("di,di->d", q.linear, x) - 0.5 * np.einsum("di,dij,dj->d", x, q.information, x)

    monkeypatch.setattr(moves, "likelihood", found)
    monkeypatch.setattr(moves, "loss_of", lambda point, own: np.zeros((DEVICES, own, len(LAW.shared))))
    monkeypatch.setattr(sampler, "_MOST", 3000)
    monkeypatch.setattr(sampler, "_ENOUGH", 1e9)


@pytest.mark.parametrize("tail", [0.0, 8.0])
def test_where_the_likelihood_is_normal_the_chain_draws_from_the_known_posterior(quadratic, normal, monkeypatch, tail):
    monkeypatch.setattr(moves, "_TAILS", {LAW.shape: tail})
    draws = sampler.sample(normal, seed=1)
    assert draws.accepted[0] == 1.0 and draws.accepted[1] > (0.4 if tail else 0.5)  # wider proposals fail more often
    mixed = normal.mixed
    error = np.sqrt(np.diag(mixed.covariance))
    away = (draws.beta.mean(0) - mixed.beta) / error
    number = sampler.effective_number(draws.beta)
    assert (np.abs(away) < 0.15 + 4 / np.sqrt(number)).all()
    # spreads are drawn too, so that the means are known a little worse than at the likeliest spreads
    ratio = draws.beta.std(0) / error
    assert ((ratio > 0.85) & (ratio < 1.35)).all()
    logs = np.log(draws.spread).mean(0) - np.log(mixed.spread)
    assert (np.abs(logs) < 0.35).all()


@pytest.mark.parametrize("tail", [0.0, 8.0])
def test_proposals_keep_the_density_that_they_are_weighed_by(normal, monkeypatch, tail):
    monkeypatch.setattr(moves, "loss_of", lambda point, own: np.zeros((DEVICES, own, len(LAW.shared))))
    monkeypatch.setattr(moves, "likelihood", lambda *a: np.zeros(DEVICES))
    monkeypatch.setattr(moves, "_TAILS", {LAW.shape: tail})
    chain, draw, size = moves.Chain(normal, 0), np.random.default_rng(1), 3
    law = stats.multivariate_t(shape=np.eye(size), df=tail) if tail else stats.multivariate_normal(np.zeros(size))
    one, two = law.rvs(2, random_state=draw)
    assert chain._rarity(one) - chain._rarity(two) == pytest.approx(law.logpdf(two) - law.logpdf(one))
    start = law.rvs(20_000, random_state=draw)
    moved = np.array([chain._proposed(z, 0.8) for z in start])
    far, near = (moved[:, 0] > 2).mean(), stats.t(tail).sf(2) if tail else stats.norm.sf(2)
    assert far == pytest.approx(near, abs=4 * np.sqrt(near / len(moved)))
    there = (start[:, 0] > 1) & (moved[:, 0] < 0.5)  # as often there as back
    back = (moved[:, 0] > 1) & (start[:, 0] < 0.5)
    assert abs(int(there.sum()) - int(back.sum())) < 4 * np.sqrt(there.sum() + back.sum())


def test_the_same_seed_draws_the_same(quadratic, normal, monkeypatch):
    monkeypatch.setattr(sampler, "_MOST", 200)
    one, two, three = (sampler.sample(normal, seed=s).beta for s in (1, 1, 2))
    assert np.array_equal(one, two) and not np.array_equal(one, three)


def test_a_chain_worth_little_learns_from_its_draws_and_begins_again(quadratic, normal, monkeypatch):
    monkeypatch.setattr(sampler, "_MOST", 300)
    learned = []
    adapt = moves.Chain.adapt
    monkeypatch.setattr(moves.Chain, "adapt", lambda chain, z: (learned.append(len(z)), adapt(chain, z))[1])
    once = sampler.sample(normal, seed=1)
    warm = [stage - stage // 3 for stage in sampler._WARM]
    assert learned == warm
    learned.clear()
    monkeypatch.setattr(sampler, "FEWEST", 1e9)
    shown: list[float] = []
    last = sampler.sample(normal, seed=1, progress=shown.append)
    assert learned == warm + [200] * sampler._AGAIN
    assert shown == sorted(shown) and 0 < shown[0] < shown[-1] <= 1
    assert last.beta.shape == once.beta.shape and not np.array_equal(last.beta, once.beta)
    error = np.sqrt(np.diag(normal.mixed.covariance))
    number = sampler.effective_number(last.beta)
    assert (np.abs(last.beta.mean(0) - normal.mixed.beta) / error < 0.15 + 5 / np.sqrt(number)).all()


def test_a_point_without_likelihood_is_refused(normal, monkeypatch):
    monkeypatch.setattr(moves, "likelihood", lambda *a: np.full(DEVICES, np.nan))
    monkeypatch.setattr(moves, "loss_of", lambda point, own: np.zeros((DEVICES, own, len(LAW.shared))))
    with pytest.raises(FloatingPointError):
        sampler.sample(normal)


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_the_effective_number_of_an_autoregressive_chain(keep):
    draw = np.random.default_rng(2)
    x = np.zeros((40_000, 2))
    for k in range(1, len(x)):
        x[k] = keep * x[k - 1] + draw.standard_normal(2)
    expected = len(x) * (1 - keep) / (1 + keep)
    assert sampler.effective_number(x) == pytest.approx(np.full(2, expected), rel=0.15)


@pytest.mark.parametrize(("keep", "number"), [(0.0, 200), (0.5, 200), (0.75, 300), (0.9, 400), (0.95, 1000)])
def test_intervals_of_few_draws_hold_what_they_should(keep, number):
    chains = 1500
    noise = np.random.default_rng(5).standard_normal((number, chains)) * np.sqrt(1 - keep**2)
    noise[0] /= np.sqrt(1 - keep**2)
    x = signal.lfilter([1.0], [1.0, -keep], noise, axis=0)
    independent = sampler.effective_number(x)
    inside, plain = [], []
    for k in range(chains):
        low, high = np.quantile(widened(x[:, k], independent[k]), [0.025, 0.975])
        inside.append(stats.norm.cdf(high) - stats.norm.cdf(low))
        low, high = np.quantile(x[:, k], [0.025, 0.975])
        plain.append(stats.norm.cdf(high) - stats.norm.cdf(low))
    assert np.mean(inside) == pytest.approx(0.95, abs=0.007)
    assert abs(np.mean(inside) - 0.95) < abs(np.mean(plain) - 0.95)


@pytest.mark.parametrize("number", [200, 1000])
def test_draws_of_fresh_weights_have_the_quantiles_of_their_law(number, monkeypatch):
    """Also few draws: 200 of Student's t at random are off by 0.2 standard errors at an end of the interval.

    Even ones lie in the middle of their part, which moves an end by half of 1/200: 0.05 standard errors.
    """
    start = SimpleNamespace(mean=0.3, log_spread=-1.0, errors=(0.02, 0.1), number=25)
    monkeypatch.setattr(estimating, "_fresh", lambda point: start)
    mean, log_spread = estimating.fresh_weights(None, number, np.random.default_rng(0)).T
    freedom = 0.5 / 0.1**2
    assert mean.mean() == pytest.approx(0.3, abs=1e-9)
    for share in (0.025, 0.5, 0.975):
        assert (np.quantile(mean, share) - 0.3) / 0.02 == pytest.approx(stats.t(24).ppf(share), abs=0.06)
        law = -1.0 + 0.5 * np.log(freedom / stats.chi2(freedom).ppf(1 - share))
        assert (np.quantile(log_spread, share) - law) / 0.1 == pytest.approx(0.0, abs=0.06)
    assert abs(np.corrcoef(mean, log_spread)[0, 1]) < 0.15  # two standard deviations of 200 pairs


@pytest.mark.parametrize("log_normal", [False, True])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_the_odds_of_the_laws_of_a_step_find_the_right_one_in_any_unit(log_normal, scale):
    draw = np.random.default_rng(3)
    gains = np.exp(0.5 * draw.standard_normal(300)) if log_normal else 1 + 0.28 * draw.standard_normal(300)
    gains = scale * gains[gains > 0.05]
    own = np.zeros((1, len(gains), 4))
    own[0, :, 0], own[0, :, 2], own[0, :, 3] = gains, 1.0, -1.0
    beta = np.array([[gains.mean(), 0.0, 1.0, -1.0, 0.0, -3.0, -4.0]])
    draws = sampler.Draws(beta, np.ones((1, 4)), own, 1.0, (1.0, 1.0))
    raw = {"step": beta[:, 0], "tilt": beta[:, 1], "s_step": np.log([gains.std()])}
    other, odds = _other(LAW, raw, draws, np.random.default_rng(0))
    assert (odds[0] > 3) == log_normal and (odds[0] < -3) == (not log_normal)
    assert other["step"][0] == pytest.approx(np.log(gains).mean(), abs=0.15) and "less" in other


def test_far_from_the_bounds_the_filter_is_exact_and_displaces_nothing(normal):
    far = replace(normal, x=normal.x.copy())
    beta = normal.mixed.beta.copy()
    beta[2:4] = 30.0, -30.0
    moved, doubt = displacement(far, beta, np.array([0.008, 0.002, 0.1, 0.1]))
    assert (np.diag(doubt) <= 0.1 * np.diag(normal.mixed.covariance)).all()
    assert (np.abs(moved) < np.sqrt(np.diag(normal.mixed.covariance))).all() and isinstance(normal.mixed, Mixed)


def test_where_the_filter_is_exact_the_integrated_likelihood_has_no_mean_score(normal):
    beta, spread = normal.mixed.beta.copy(), np.array([0.008, 0.002, 0.1, 0.1])
    beta[2:4] = 30.0, -30.0
    draw = np.random.default_rng(1)
    events = normal.events.of_devices(np.tile(np.arange(DEVICES), 200))
    x = bias._drawn(LAW, beta, spread, 200 * DEVICES, draw)
    lean = bias._leans(LAW, bias._simulated(LAW, events, x, draw), x, spread)
    for k in [0, 1, *(LAW.names.index(n) for n in ("cycle", "write", "read"))]:
        assert abs(lean[:, k].mean()) < 4 * lean[:, k].std() / np.sqrt(len(lean))


@pytest.mark.parametrize("together", [0.0, 0.99])
def test_noise_of_the_mean_score_is_not_taken_for_a_displacement(together):
    """Two constants that are hardly told apart, no displacement: what is left of the noise, in errors of the fit."""
    draw = np.random.default_rng(0)
    noise = np.array([3.0, 0.5])
    covariance = np.outer(noise, noise) * np.array([[1.0, together], [together, 1.0]])
    share = np.linalg.inv(covariance)  # so that the whole mean would move the estimate by one error of its noise
    error = np.sqrt(np.diag(share))
    found = [bias._seen(m, covariance) for m in draw.multivariate_normal(np.zeros(2), covariance, 4000)]
    moved = np.array([share @ mean for mean, _ in found]) / error
    doubt = np.array([np.diag(share @ left @ share.T) for _, left in found]).mean(0) / error**2
    # an uncorrelated part leaves sqrt(E[(z - 1/z)^2; |z| > 1]) = 0.577, said to be E[1 - 1/z^2; |z| > 1] = 0.151; each
    # constant shrunk by itself leaves 0.83 of two that hang together
    assert (moved.std(0) < 0.65).all()
    assert (doubt > 0.15).all() and (doubt < 0.35).all()


def test_a_displacement_that_stands_out_is_kept():
    covariance = np.array([[1.0, -0.9], [-0.9, 1.0]])
    mean, left = bias._seen(np.array([20.0, 0.0]), covariance)
    assert mean == pytest.approx([20.0, 0.0], abs=0.2) and left == pytest.approx(covariance, abs=0.05)
