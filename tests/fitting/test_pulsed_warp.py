"""Bounds with a long tail: the map is exact, it follows the density, and a chain through it draws what it should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_expit, ndtr

from nanoneurons.fitting import _pulsed_chain as moves
from nanoneurons.fitting import _pulsed_sampler as sampler
from nanoneurons.fitting import _pulsed_search as searching
from nanoneurons.fitting import _pulsed_warp as warping
from nanoneurons.fitting._mixed import Population, Quadratics
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point

LAW = Law("power", False, False, True, True)
DEVICES, OWN = 10, 4
CENTRE = np.array([0.05, 0.0, 1.0, -1.0, 1.2, 1.0, -0.5, -3.0, -4.0])
SPREAD = np.array([0.008, 0.002, 0.12, 0.1])
ERROR = np.array([0.003, 0.002, 0.015, 0.03, 0.1, 0.1, 0.1, 0.1, 0.1])
PEAK = CENTRE[2] - 0.1 + 0.05 * np.linspace(-1, 1, DEVICES)
TAIL = -1.5  # log density of the tail beside that of the peak


def log_tail(h, peak):
    """Log-likelihood of a bound: a peak, and a long slope above it."""
    z = (h - peak) / ERROR[2]
    return np.logaddexp(-0.5 * z**2, TAIL + log_expit(2 * z) - 0.5 * ((h - peak) / 0.15) ** 2)


def follow(h, peak):
    """By how much the likeliest step changes with the bound."""
    return 0.006 * np.tanh((h - peak) / 0.1)


class Toy:
    """A likelihood of which everything is known but for one long tail; `lean` is how far the step follows the bound."""

    def __init__(self, lean=1.0):
        self.lean = lean
        draw = np.random.default_rng(0)
        self.seen = CENTRE + ERROR * draw.standard_normal((DEVICES, 9))
        self.seen[:, :OWN] += SPREAD * draw.standard_normal((DEVICES, OWN))

    def likelihood(self, law, events, x, jump):
        some = events.of  # which devices these are, see `Known`
        seen, peak = self.seen[some], PEAK[some]
        away = x - seen
        away[:, 0] -= self.lean * follow(x[:, 2], peak)
        away[:, 2] = 0.0
        return log_tail(x[:, 2], peak) - 0.5 * ((away / ERROR) ** 2).sum(1)

    def evaluate(self, law, events, x, jump, columns=None):
        columns = np.arange(9) if columns is None else columns
        found, steps = self.likelihood(law, events, x, jump), 1e-4 * ERROR
        score = np.stack(
            [(self.likelihood(law, events, x + np.eye(9)[k] * steps[k], jump) - found) / steps[k] for k in columns], 1
        )
        mix = np.eye(9)
        mix[0, 2] = -self.lean * 0.06
        full = mix.T @ np.diag(ERROR**-2.0) @ mix
        return found, score, np.tile(full[np.ix_(columns, columns)], (len(x), 1, 1))


class Known:
    """Events that only say which devices they are of."""

    def __init__(self, of):
        self.of = of

    def of_devices(self, chosen):
        return Known(self.of[chosen])


@pytest.fixture
def toy(request, monkeypatch):
    toy = Toy(getattr(request, "param", 1.0))
    for module in (moves, searching, warping):
        monkeypatch.setattr(module, "evaluate", toy.evaluate)
    for module in (moves, searching):
        monkeypatch.setattr(module, "likelihood", toy.likelihood)
    monkeypatch.setattr(moves, "loss_of", lambda point, own: np.zeros((DEVICES, own, len(LAW.shared))))
    return toy


@pytest.fixture
def point(toy):
    x = np.tile(CENTRE, (DEVICES, 1))
    x[:, :OWN] = toy.seen[:, :OWN]
    x[:, 2] = PEAK
    events = Known(np.arange(DEVICES))
    _, score, information = toy.evaluate(LAW, events, x, None)
    linear = score + np.einsum("dij,dj->di", information, x)
    unit = np.array([0.05, 0.05, 1.0, 1.0])
    mixed = Quadratics(information, linear, LAW.group, unit, LAW.free, np.full(9, 1e-6)).solve(np.full(4, -1.5))
    x[:, OWN:] = mixed.beta[OWN:]

    class Toyed(Point):
        def part(self, chosen):
            return self.events.of_devices(chosen), None

    return Toyed(LAW, events, 0.0, 1.0, x, np.zeros(0), mixed, np.zeros(DEVICES), 0.0, True, 0 * x)


POPULATION = Population(CENTRE, SPREAD)


def test_the_map_has_an_exact_inverse_and_jacobian(point):
    warp = warping.warp_of(point, POPULATION)
    draw = np.random.default_rng(1)
    for width in (0.5, 2.0, 8.0):  # far beyond the nodes too
        v = width * np.array([0.003, 0.002, 0.015, 0.03]) * draw.standard_normal((DEVICES, OWN))
        away, size = warp.forward(v)
        back, again = warp.inverse(away)
        assert back == pytest.approx(v, abs=1e-12) and again == pytest.approx(size, abs=1e-9)
        slopes = []
        for k in range(OWN):
            there = v.copy()
            there[:, k] += 1e-9
            slopes.append((warp.forward(there)[0] - away) / 1e-9)
        assert np.linalg.slogdet(np.stack(slopes, axis=2))[1] == pytest.approx(size, abs=1e-4)


def test_the_map_carries_a_normal_variable_to_the_density_of_the_bound(point):
    warp = warping.warp_of(point, POPULATION)
    h = np.linspace(-0.5, 1.0, 40_001)
    for i in range(DEVICES):
        at = PEAK[i] + h
        # the step follows the bound, which costs density in the population
        start = point.x[i, 0] - CENTRE[0]
        total = SPREAD[0] ** 2 + ERROR[0] ** 2
        log_p = log_tail(at, PEAK[i]) - 0.5 * ((at - CENTRE[2]) / SPREAD[2]) ** 2
        log_p -= 0.5 * (start + follow(at, PEAK[i])) ** 2 / total
        p = np.exp(log_p - log_p.max())
        p = np.cumsum(p) / p.sum()
        for place in (-0.02, 0.0, 0.03, 0.1, 0.2):
            known = float(np.interp(place, h, p))
            found = ndtr(np.interp(place, warp.place[0, i], warp.z[0, i]))
            assert found == pytest.approx(known, abs=0.05)  # 0.03 is mixed in, and it is straight between places
        assert 0.1 < 1 - np.interp(0.05, h, p) < 0.95  # there is a tail


def test_the_other_constants_follow_the_bound(point):
    warp = warping.warp_of(point, POPULATION)
    covariance = np.linalg.inv(point.mixed.quadratics.information[:, :OWN, :OWN] + np.diag(SPREAD**-2.0))
    pulled = SPREAD[0] ** 2 / (SPREAD[0] ** 2 + ERROR[0] ** 2)  # the population holds the step back
    for h in (0.05, 0.15):
        v = np.zeros((DEVICES, OWN))
        v[:, 2] = warp.unit[0] * np.array([np.interp(h, warp.place[0, i], warp.z[0, i]) for i in range(DEVICES)])
        v[:, 0] = covariance[:, 0, 2] / covariance[:, 2, 2] * v[:, 2]  # what the normal approximation knows of it
        away, _ = warp.forward(v)
        assert away[:, 2] == pytest.approx(np.full(DEVICES, h), abs=1e-9)
        assert away[:, 0] == pytest.approx(np.full(DEVICES, pulled * follow(h, 0.0)), abs=2e-4)


@pytest.mark.parametrize("shape", ["constant", "soft-bounds", "exponential"])
def test_bounds_that_are_near_normal_need_no_map(point, shape):
    assert warping.warp_of(replace(point, law=replace(LAW, shape=shape)), POPULATION) is None


def reference(sweeps=8000):
    """Mean and log spread of the bound and each device's bound, by Gibbs on a grid; the spread's prior given."""
    draw = np.random.default_rng(7)
    grid = np.linspace(0.6, 1.8, 2401)
    tails = np.exp(log_tail(grid[None], PEAK[:, None]))
    error2 = ERROR[2] ** 2
    mean, log_s, out = 1.0, np.log(0.12), []
    logs = np.linspace(-7, 1.5, 1201)
    for _ in range(sweeps):
        p = np.cumsum(tails * np.exp(-0.5 * ((grid - mean) / np.exp(log_s)) ** 2), axis=1)
        h = np.array([grid[np.searchsorted(row, draw.random() * row[-1])] for row in p])
        mean = h.mean() + np.exp(log_s) / np.sqrt(DEVICES) * draw.standard_normal()
        s2 = np.exp(2 * logs)
        log_p = -DEVICES * logs - 0.5 * ((h - mean) ** 2).sum() / s2 + 2 * logs - np.log(s2 + error2)
        p = np.cumsum(np.exp(log_p - log_p.max()))
        log_s = logs[np.searchsorted(p, draw.random() * p[-1])]
        out.append([mean, log_s, (h > PEAK + 0.06).mean()])
    return np.array(out[200:])


@pytest.mark.parametrize("toy", [0.0], indirect=True)
def test_a_chain_draws_from_the_posterior_of_bounds_with_a_long_tail(toy, point, monkeypatch):
    monkeypatch.setattr(sampler, "_MOST", 3000)
    monkeypatch.setattr(sampler, "_ENOUGH", 1e9)
    monkeypatch.setattr(sampler, "_HOPELESS", 1e9)
    chain = moves.Chain(point, 0)
    chain.error2[chain.q.group[2]] = ERROR[2] ** 2
    monkeypatch.setattr(sampler, "Chain", lambda *a: chain)
    draws = sampler.sample(point, seed=3)
    found = np.stack([draws.beta[:, 2], np.log(draws.spread[:, 2]), (draws.own[:, :, 2] > PEAK + 0.06).mean(1)], axis=1)
    known = reference()
    doubt = np.sqrt(sum(x.var(0) / sampler.effective_number(x) for x in (found, known)))
    assert (np.abs(found.mean(0) - known.mean(0)) < 4 * doubt).all(), (found.mean(0), known.mean(0), doubt)
    assert (doubt < 0.2 * known.std(0)).all() and known[:, 2].mean() > 0.1
    assert found.std(0) == pytest.approx(known.std(0), rel=0.25)
