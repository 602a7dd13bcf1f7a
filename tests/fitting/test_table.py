"""The table device is found again from its own readings, and tables of step distributions become devices."""

import re

import numpy as np
import pytest
from scipy import stats

from nanoneurons.core.errors import DataError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.table import StepQuantiles, Table
from nanoneurons.fitting import catalogue, simulate
from nanoneurons.fitting._intervals import share
from nanoneurons.fitting._table_intervals import spread_of
from nanoneurons.fitting._table_prediction import _below
from nanoneurons.fitting._table_shape import PROBABILITIES
from nanoneurons.fitting._table_smoothing import Curves, Sequences, scores
from nanoneurons.measurements import Pulses, StepTables

FITTER = catalogue["table"]()
SCALE = {"zero_conductance": 0.0, "unit_conductance": 1e-6}


def in_microsiemens(**values):
    law = Table().law
    law = StepQuantiles(tuple(round(25 + 5 * x, 6) for x in law.levels), law.probabilities, law.up, law.down)
    plain = {"step_up": 0.15, "step_down": 0.12, "read_noise": 0.05, "initial_mean": 25.0, "initial_spread": 1.0}
    return Table(law=law, **{**plain, **SCALE, **values})


def campaign(truth, copies=30, readings=400, seed=1, every=10):
    pulses = np.resize(np.r_[np.ones(100), -np.ones(100)], readings)
    if every:
        pulses[::every] = 0
    reading = simulate(truth, pulses, copies, generator_for(seed))
    return Pulses(
        np.arange(copies), tuple(f"d{k}" for k in range(copies)), reading=reading, pulses=np.tile(pulses, (copies, 1)),
        cycle=np.zeros(copies, int),
    )  # fmt: skip


@pytest.fixture(scope="module")
def many():
    truth = in_microsiemens(stuck_share=0.05)
    data = campaign(truth, 120)
    return truth, data, FITTER.fit(data, Table())


def test_a_campaign_is_found_again(many):
    truth, _, fit = many
    for e in fit.estimates:
        wide = 1.5 * (e.high - e.low) / 2  # three standard errors: eight intervals at once
        assert abs(e.value - getattr(truth, e.name)) < wide, e
    law, own = fit.device.law, truth.law
    for up in (True, False):
        inner = [x for x in law.levels if 21.5 < x < 28.5]
        found = [law.mean_at(x, up) for x in inner]
        assert np.allclose(found, [own.mean_at(x, up) / abs(own.mean_at(law.reference, up)) for x in inner], atol=0.08)
    scatter = [row[4 + 19] - row[3] for row in law.up]  # 95 minus 5 %
    assert scatter[8] == pytest.approx(own.up[8][23] - own.up[8][3], rel=0.1)


def test_estimates_are_those_declared_and_the_rest_has_its_reason(many):
    _, _, fit = many
    names = [e.name for e in fit.estimates]
    assert set(names) == set(Table.identified["pulses"])
    told = {*names, *fit.kept, *fit.fixed}
    assert told == {p.name for p in Table.parameters()}
    assert all(e.low <= e.value <= e.high for e in fit.estimates)
    assert np.allclose(fit.correlation, fit.correlation.T) and np.allclose(np.diag(fit.correlation), 1)
    assert 0.3 < fit.correlation[names.index("step_up"), names.index("step_down")] < 1


def test_ranks_of_readings_are_uniform_and_bands_hold_their_share(many):
    _, data, fit = many
    found = FITTER.predict(fit, data)
    ranks = found.rank[np.isfinite(found.rank)]
    assert found.rank.shape == data.reading.shape and np.isnan(found.rank[:, 0]).all()
    assert stats.kstest(ranks, "uniform").statistic < 1.63 / len(ranks) ** 0.5 + 0.01  # 1 % level, and a bias of 0.01
    inside = (data.reading > found.low) & (data.reading < found.high)
    assert inside[np.isfinite(found.low)].mean() == pytest.approx(0.9, abs=0.01)
    assert np.isfinite(found.log_density[:, 1:]).all()


def test_devices_that_the_fit_has_not_seen_are_predicted_as_well(many):
    truth, _, fit = many
    data = campaign(truth.replace(stuck_share=0.0), 40, seed=2)
    data = Pulses(
        data.device + 1000, tuple(f"d{k}" for k in range(1040)), reading=data.reading, pulses=data.pulses,
        cycle=data.cycle,
    )  # fmt: skip
    found = FITTER.predict(fit, data)
    inside = (data.reading > found.low) & (data.reading < found.high)
    assert inside[np.isfinite(found.low)].mean() == pytest.approx(0.9, abs=0.015)


def test_dead_devices_are_counted_and_left_out(many):
    _, data, fit = many
    moved = np.ptp(data.reading, axis=1) > 3e-6
    assert np.array_equal(fit.dead, ~moved) and 0 < fit.dead.sum() < 20
    share = fit.estimate("stuck_share")
    assert share.value == fit.dead.mean()
    assert np.isnan(fit.effects["mean step up"][fit.dead]).all()


def test_facts_name_the_conductance_with_a_prefix(many):
    facts = many[2].facts
    assert len(facts) > 10
    assert all(re.fullmatch(r"mean step (up|down) at [\d.]+ [mµn]S", fact.name) for fact in facts)


def test_without_repeated_readings_read_noise_comes_from_neighbouring_steps():
    truth = in_microsiemens()
    fit = FITTER.fit(campaign(truth, 60, every=0, seed=3), Table())
    found = fit.estimate("read_noise")
    assert abs(found.value / truth.read_noise - 1) < 3 * found.error and found.error < 0.05


def test_trains_between_readings_are_taken_as_single_pulses_without_readings():
    truth = in_microsiemens(tilt_spread=0.1)
    pulses = np.resize(np.r_[np.full(20, 5), np.full(20, -5)], 160)
    pulses[::8] = 0
    reading = simulate(truth, pulses, 40, generator_for(5))
    data = Pulses(
        np.arange(40), tuple(f"d{k}" for k in range(40)), reading=reading, pulses=np.tile(pulses, (40, 1)),
        cycle=np.zeros(40, int),
    )  # fmt: skip
    fit = FITTER.fit(data, Table())
    for name in ("step_up", "step_down", "gain_spread"):
        e = fit.estimate(name)
        assert abs(e.value - getattr(truth, name)) < 1.5 * (e.high - e.low) / 2, e
    inside = (data.reading > (found := FITTER.predict(fit, data)).low) & (data.reading < found.high)
    assert inside[np.isfinite(found.low)].mean() == pytest.approx(0.9, abs=0.02)


def test_long_stays_at_the_bounds_are_said():
    truth = in_microsiemens(step_up=0.5, step_down=0.5)
    fits = [FITTER.fit(campaign(truth.replace(step_up=s, step_down=s), 20, seed=8), Table()) for s in (0.5, 0.1)]
    assert [any("at the ends of the range" in note for note in fit.notes) for fit in fits] == [True, False]


def test_one_device_one_way_and_without_unit():
    truth = in_microsiemens(gain_spread=0.0, tilt_spread=0.0)
    pulses = np.ones(300)
    runs = [simulate(truth.replace(initial_mean=21.0), pulses, 1, generator_for(k))[0] for k in range(3)]
    weights = (np.stack(runs) / 1e-6 - 25) / 5
    data = Pulses(
        np.zeros(3, int), ("only",), "1", reading=weights, pulses=np.tile(pulses, (3, 1)), cycle=np.arange(3)
    )  # fmt: skip
    fit = FITTER.fit(data, Table())
    assert [e.name for e in fit.estimates] == ["step_up", "read_noise", "stuck_share"]
    assert fit.device.directions == (1,) and "one device" in fit.kept["gain_spread"]
    assert fit.kept["unit_conductance"] == "the data are weights without a unit"
    offset, slope = fit.scale
    assert offset + slope * 30e-6 == pytest.approx(1.0)
    e = fit.estimate("step_up")
    assert abs(np.log(e.value / (truth.step_up / 5))) < 3 * e.error and e.error < 0.2


def test_scores_are_derivatives_of_the_likelihood():
    """Central differences of the filter's likelihood, for straight mean steps, where the smoother is exact."""
    rng = np.random.default_rng(0)
    pulse = np.where(np.arange(60) % 20 < 10, 1, -1).astype(np.int8)[None].repeat(2, 0)
    reading = np.cumsum(0.05 * pulse + 0.03 * rng.normal(size=pulse.shape), axis=1) + 0.02 * rng.normal(
        size=pulse.shape
    )
    reading[0, 7] = np.nan
    data = Sequences(reading, pulse, np.array([0, 1]), np.array([[0] * 60, [1] * 60]))
    mean = np.array([np.linspace(0.08, 0.03, 5), np.linspace(-0.02, -0.07, 5)])
    curves = Curves(-1.0, 1.0, mean, np.full((2, 3), np.log(0.03)), np.log(0.02), np.zeros((2, 2)))
    found = scores(data, curves, 2)

    def slope(**step):
        forward, back = ({k: s * v for k, v in step.items()} for s in (1, -1))
        ends = [scores(data, curves.moved(**s), 2).likelihood.sum() for s in (forward, back)]
        return (ends[0] - ends[1]) / 2e-5

    tilt = np.linspace(-1, 1, 5)
    for way in (0, 1):
        for direction in (np.ones(5), tilt):  # both keep the mean step straight
            step = np.zeros((2, 5))
            step[way] = 1e-5 * direction
            assert found.mean[:, way].sum(0) @ direction == pytest.approx(slope(mean=step), rel=1e-4, abs=1e-3)
        step = np.zeros((2, 3))
        step[way] = 1e-5
        assert found.scatter[:, way].sum() == pytest.approx(slope(scatter=step), rel=1e-4, abs=1e-3)
    assert found.noise.sum() == pytest.approx(slope(noise=1e-5), rel=1e-4, abs=1e-3)


def test_the_blurred_quantile_law_is_the_convolution():
    nodes, p, sd = np.array([-1.0, 0.0, 0.5, 3.0]), np.array([0.0, 0.3, 0.8, 1.0]), 0.4
    draws = np.interp(np.random.default_rng(0).random(400_000), p, nodes)
    draws = draws + sd * np.random.default_rng(1).normal(size=draws.size)
    for value in (-1.2, 0.1, 0.6, 2.0):
        below, density = _below(value, nodes, p, sd, 0.0, 1e9)
        assert below == pytest.approx((draws < value).mean(), abs=0.004)
        near = (np.abs(draws - value) < 0.05).mean() / 0.1
        assert density == pytest.approx(near, rel=0.03)


@pytest.mark.parametrize("errors", [0.0, 0.5])
def test_intervals_of_a_spread_cover(errors):
    rng, hits = np.random.default_rng(0), 0
    for _ in range(500):
        variances = errors**2 * rng.uniform(0.2, 2.0, 20)
        values = rng.normal(size=20) + np.sqrt(variances) * rng.normal(size=20)
        found = spread_of(values, variances)
        hits += found.low <= 1 <= found.high
    assert 0.92 <= hits / 500 <= 0.98
    assert share("stuck_share", 0, 10).high == pytest.approx(1 - 0.025**0.1)


def tables(cumulative, direction=(1, -1), before=None, step=None):
    n = len(direction)
    before = np.linspace(1e-6, 5e-6, 9) if before is None else before
    step = np.linspace(-1e-6, 1e-6, 201) if step is None else step
    found = np.stack([[[cumulative(d, g, x) for x in step] for g in before] for d in direction])
    return StepTables(
        np.zeros(n, int), ("t",), direction=np.array(direction), before=np.tile(before, (n, 1)),
        step=np.tile(step, (n, 1)), cumulative=found, amplitude=np.full(n, np.nan),
    )  # fmt: skip


def normal_law(direction, g, x):
    """Mean step 0.2 (or -0.1) uS at 3 uS, falling towards its bound; scatter 0.1 uS."""
    mean = 0.2e-6 * (1 - 0.2e6 * (g - 3e-6)) if direction > 0 else -0.1e-6 * (1 + 0.2e6 * (g - 3e-6))
    return stats.norm.cdf(x, mean, 0.1e-6)


def test_tables_become_the_device_they_describe():
    fit = FITTER.fit(tables(normal_law), Table())
    device = fit.device
    assert device.step_up == pytest.approx(0.2, rel=1e-3) and device.step_down == pytest.approx(0.1, rel=1e-3)
    rows = device.effective_steps(True)
    expected = stats.norm.ppf(PROBABILITIES[1:-1], 0.24, 0.1)
    assert np.allclose(rows[2][1:-1], expected, atol=2e-3)
    assert fit.facts[0].value == pytest.approx(0.9, abs=1e-3) and fit.estimates == ()
    assert {*fit.kept, *fit.fixed} == {p.name for p in Table.parameters()}
    assert device.conductance_range() == pytest.approx((1e-6, 5e-6))


def test_one_table_makes_a_device_of_one_direction_and_two_of_a_kind_are_refused():
    fit = FITTER.fit(tables(normal_law, direction=(-1,)), Table())
    assert fit.device.directions == (1,) and fit.device.drive_effect == -1
    with pytest.raises(DataError, match="several tables of steps up"):
        FITTER.fit(tables(normal_law, direction=(1, 1)), Table())
    with pytest.raises(DataError, match="hold no readings"):
        FITTER.predict(fit, tables(normal_law))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d: d.runs(np.arange(2)).without(np.arange(400)[None] > 20), "too few for a table: it takes 60"),
        (lambda d: Pulses(**{**vars(d), "pulses": -d.pulses}), "do not move the conductance"),
        (lambda d: Pulses(**{**vars(d), "reading": np.full(d.reading.shape, 1e-6)}), "no pulse moves any"),
    ],
)
def test_impossible_data_are_refused_in_one_line(many, change, says):
    with pytest.raises(DataError, match=says) as caught:
        FITTER.fit(change(many[1]), Table())
    assert "\n" not in str(caught.value)
