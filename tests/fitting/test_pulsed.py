"""The pulsed device fitted: truths found, ranks uniform, what is not told is kept, odd data counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import DataError
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting import catalogue, simulate
from nanoneurons.measurements import Pulses

FITTER = catalogue["pulsed"]()
TRUTH = Pulsed(
    step_shape="soft-bounds", w_max=1.0, w_min=-1.0, pulse_step=0.03, step_spread=0.2, up_down=0.1,
    up_down_spread=0.05, w_max_spread=0.15, w_min_spread=0.15, cycle_spread=0.8, write_noise=1.0, read_noise=0.01,
    initial_mean=-0.3,
)  # fmt: skip


def campaign(truth=TRUTH, copies=16, length=60, cycles=2, again=True, down=True, seed=0):
    pulses = [0]
    for _ in range(cycles):
        pulses += [1] * length + [-1] * length * down
    if again:
        pulses = [p for k, n in enumerate(pulses) for p in ([n, 0] if k % 8 == 7 else [n])]
    pulses = np.array(pulses)
    reading = simulate(truth, pulses, copies, torch.Generator().manual_seed(seed))
    return Pulses(
        np.arange(copies), tuple(map(str, range(copies))), reading=reading, pulses=np.tile(pulses, (copies, 1)),
        cycle=np.zeros(copies, dtype=np.int64),
    )  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return campaign()


@pytest.fixture(scope="module")
def fit(data):
    return FITTER.fit(data, Pulsed(), "soft-bounds")


def test_the_truth_lies_within_four_errors_of_every_estimate(fit):
    for e in fit.estimates:
        truth = getattr(TRUTH, e.name)
        away = np.log(e.value / truth) if e.scale == "log" else e.value - truth
        assert abs(away) < 4 * e.error, e


def test_ranks_of_its_own_readings_are_uniform(fit, data):
    rank = FITTER.predict(fit, data).rank
    rank = rank[np.isfinite(rank)]
    counts = np.histogram(rank, 10, (0, 1))[0]
    assert (np.abs(counts / len(rank) - 0.1) < 5 * np.sqrt(0.09 / len(rank))).all()


def test_a_new_device_is_learned_from_its_readings(fit):
    new = campaign(seed=9)
    new = replace(new, device=new.device + 16, devices=tuple(map(str, range(32))))
    found = FITTER.predict(fit, new)
    seen = np.isfinite(found.rank)
    inside = ((new.reading >= found.low) & (new.reading <= found.high))[seen].mean()
    assert 0.84 <= inside <= 0.96


@pytest.mark.parametrize("shape", ["constant", "soft-bounds", "power"])
def test_the_band_of_a_new_device_holds_while_it_comes_to_its_bounds_for_the_first_time(shape):
    truth = replace(
        TRUTH, step_shape=shape, pulse_step={"constant": 0.03, "soft-bounds": 0.05, "power": 0.07}[shape],
        gamma_up=0.8, gamma_down=0.8, cycle_spread=0.3, w_max_spread=0.2, w_min_spread=0.2, write_noise=0.7,
    )  # fmt: skip
    fit = FITTER.trial(campaign(truth, copies=24, length=80), Pulsed(), shape)
    new = campaign(truth, copies=40, length=80, cycles=1, seed=9)
    new = replace(new, device=new.device + 24, devices=tuple(map(str, range(64))))
    found = FITTER.predict(fit, new)
    ramp = np.cumsum(new.pulses[0] != 0)
    late = ((ramp > 40) & (ramp <= 80)) | (ramp > 120)
    seen = np.isfinite(found.rank) & late
    inside = ((new.reading >= found.low) & (new.reading <= found.high))[seen].mean()
    assert 0.85 <= inside <= 0.95  # as of any band of a model that fits


def test_the_density_is_that_of_the_band(fit, data):
    """90 % of the mass lies between the ends: the log density of a normal with that band is close."""
    found = FITTER.predict(fit, data)
    seen = np.isfinite(found.rank)
    sd = (found.high - found.low)[seen] / 3.29
    rough = -0.5 * ((data.reading - found.median)[seen] / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
    assert found.log_density[seen].mean() == pytest.approx(rough.mean(), abs=0.05)


def test_one_device_tells_no_spread():
    fit = FITTER.fit(campaign(copies=1), Pulsed(), "soft-bounds")
    names = {e.name for e in fit.estimates}
    assert "pulse_step" in names and not any("spread" in n and n != "cycle_spread" for n in names)
    assert "one device" in fit.kept["step_spread"] and fit.device.step_spread == Pulsed().step_spread


def test_without_down_pulses_the_down_parameters_are_kept():
    fit = FITTER.fit(campaign(down=False, length=120), Pulsed(), "constant")
    assert "no down pulses" in fit.kept["up_down"] and fit.device.up_down == 0.0
    assert "w_min" in fit.fixed and "w_min_spread" not in {e.name for e in fit.estimates}


def test_without_re_reads_the_two_noises_are_not_told_apart(data):
    fit = FITTER.fit(campaign(again=False), Pulsed(), "soft-bounds")
    assert "no reading was repeated" in fit.kept["read_noise"]
    assert any("cannot be told apart" in note for note in fit.notes)
    device = fit.device
    total = np.hypot(device.write_noise * device.pulse_step, device.read_noise)
    assert total == pytest.approx(np.hypot(0.03, 0.01), rel=0.15)


def test_dead_devices_make_the_stuck_share():
    data = campaign(TRUTH.replace(stuck_share=0.25), seed=4)
    moved = np.ptp(data.reading, axis=1) > 0.4 * np.median(np.ptp(data.reading, axis=1))
    fit = FITTER.fit(data, Pulsed(), "soft-bounds")
    assert (fit.dead == ~moved).all() and fit.dead.any()
    e = fit.estimate("stuck_share")
    assert e.value == pytest.approx(fit.dead.mean()) and e.low < 0.25 < e.high


def test_wild_readings_are_set_aside_and_do_no_harm(fit, data):
    generator = np.random.default_rng(0)
    wild = generator.random(data.reading.shape) < 0.01
    wild[:, 0] = False
    span = np.ptp(data.reading)
    odd = replace(data, reading=data.reading + wild * span * generator.choice([-1, 1], data.reading.shape))
    found = FITTER.fit(odd, Pulsed(), "soft-bounds")
    assert found.outliers[wild].mean() > 0.9 and found.outliers[~wild].mean() < 0.02
    for e in found.estimates:
        if e.scale == "log":
            assert abs(np.log(e.value / fit.estimate(e.name).value)) < 2.5 * e.error, e
    assert not fit.outliers.mean() > 1e-3


def test_readings_without_unit_are_weights(data):
    weights = replace(data, unit="1", reading=(data.reading - TRUTH.zero_conductance) / TRUTH.unit_conductance)
    fit = FITTER.fit(weights, Pulsed(), "soft-bounds")
    assert {"w_max", "w_min"} <= {e.name for e in fit.estimates} and "unit_conductance" in fit.kept
    offset, slope = fit.scale
    device = fit.device
    assert offset + slope * device.zero_conductance == pytest.approx(0, abs=1e-9)
    assert slope * device.unit_conductance == pytest.approx(1)


def test_dead_arrays_and_short_runs_are_refused():
    data = campaign(copies=4)
    with pytest.raises(DataError, match="no pulse moves"):
        noise = np.random.default_rng(0).normal(1e-5, 1e-8, data.reading.shape)
        FITTER.fit(replace(data, reading=noise), Pulsed(), "constant")
    with pytest.raises(DataError, match="at least 12 readings"):
        FITTER.fit(data.without(np.arange(data.reading.shape[1]) > 2), Pulsed(), "constant")


def test_the_first_reading_of_one_device_has_no_interval():
    fit = FITTER.fit(campaign(copies=1), Pulsed(), "soft-bounds")
    assert "initial_mean" in fit.fixed and "initial_mean" not in {e.name for e in fit.estimates}


@pytest.mark.parametrize(("exponent", "told"), [(1.3, True), (0.6, False)])
def test_an_exponent_whose_interval_was_found_short_is_told(exponent, told):
    truth = replace(TRUTH, step_shape="power", pulse_step=0.06, gamma_up=exponent, gamma_down=0.6, cycle_spread=0.2)
    fit = FITTER.fit(campaign(truth, copies=1), Pulsed(), "power")
    assert any("gamma_up may be a little short" in note for note in fit.notes) == told


@pytest.mark.parametrize("seed", range(3))
def test_a_search_that_fails_is_an_error_and_no_device(seed):
    """Exponential steps have too many constants for a short ramp of one device: any answer must at least explain it."""
    data = campaign(copies=1, length=40, seed=seed, again=False)
    plain = FITTER.fit(data, Pulsed(), "soft-bounds")
    try:
        found = FITTER.fit(data, Pulsed(), "exponential").log_likelihood
    except DataError as error:
        assert "exponential steps" in str(error) and "another shape" in str(error)
    else:
        assert found > plain.log_likelihood - 15
