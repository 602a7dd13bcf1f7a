"""Binary memories: two log-normal states, stuck devices, and what small campaigns cannot tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.fitting import catalogue
from nanoneurons.measurements import IVSweeps, Levels, NoiseSeries, Retention

BASE = devices.get("hfox-binary")
FITTER = catalogue["hfox-binary"]()


def campaign(device=BASE, copies=30, cycles=6, reads=2, seed=0):
    """Devices set and reset, each state read several times."""
    generator = torch.Generator().manual_seed(seed)
    state = device.init((copies,), generator)
    reading, level, cycle = [], [], []
    for turn in range(cycles):
        for which, drive in ((3, -1), (7, 1)):
            state = device.step(state, torch.full((copies,), drive), 0.0, generator)
            reading.append(np.stack([device.conductance(state, generator).double().numpy() for _ in range(reads)], 1))
            level.append(np.full(copies, which))
            cycle.append(np.full(copies, turn))
    return Levels(
        np.tile(np.arange(copies), 2 * cycles), tuple(map(str, range(copies))), reading=np.concatenate(reading),
        level=np.concatenate(level), cycle=np.concatenate(cycle),
    )  # fmt: skip


def test_every_parameter_is_found_within_its_interval():
    truth = BASE.replace(resistance_low=5e3, resistance_high=8e4, low_spread_device=0.1, stuck_share=0.1)
    fit = FITTER.fit(campaign(truth, copies=60), BASE)
    assert {e.name for e in fit.estimates} <= set(BASE.identified["levels"])
    # 9 intervals of 95 %: each of three standard errors holds
    for e in fit.estimates:
        width = 1.6 * max(e.high - e.value, e.value - e.low)
        assert abs(getattr(truth, e.name) - e.value) < width, e
        assert getattr(fit.device, e.name) == e.value
    assert np.allclose(fit.correlation, fit.correlation.T) and (np.diag(fit.correlation) == 1).all()


def test_stuck_and_dead_devices_are_counted_and_left_out():
    data = campaign(copies=30)
    reading = data.reading.copy()
    reading[data.device == 4] = 0.0
    reading[data.device == 9] = 1 / 7e3
    fit = FITTER.fit(dataclasses.replace(data, reading=reading), BASE)
    assert fit.dead is not None and list(np.flatnonzero(fit.dead)) == [4, 9]
    assert fit.device.stuck_share == pytest.approx(2 / 30)
    assert fit.device.stuck_low == pytest.approx(1 / 2)
    clean = FITTER.fit(data.of_devices(np.setdiff1d(np.arange(30), [4, 9])), BASE)
    assert fit.device.high_spread_cycle == pytest.approx(clean.device.high_spread_cycle, rel=1e-3)


def test_one_device_keeps_the_spread_between_devices():
    fit = FITTER.fit(campaign(copies=1, cycles=40), BASE)
    assert "one device" in fit.kept["low_spread_device"] and "one device" in fit.kept["stuck_share"]
    assert fit.device.low_spread_device == BASE.low_spread_device
    assert fit.estimate("high_spread_cycle").low > 0


def test_one_programming_tells_the_total_only():
    fit = FITTER.fit(campaign(copies=80, cycles=1, reads=1), BASE)
    total = next(f for f in fit.facts if "HRS" in f.name)
    assert total.low < np.hypot(BASE.high_spread_device, BASE.high_spread_cycle) < total.high
    assert np.hypot(fit.device.high_spread_device, fit.device.high_spread_cycle) == pytest.approx(total.value)
    assert "total" in fit.fixed["high_spread_device"] and "read_noise" in fit.kept


def test_outliers_are_set_aside_and_counted():
    data = campaign()
    reading = data.reading.copy()
    reading[5, 0] *= 1e-12
    fit = FITTER.fit(dataclasses.replace(data, reading=reading), BASE)
    assert fit.outliers is not None and fit.outliers.sum() == 1 and fit.outliers[5, 0]
    assert any("1 reading" in note for note in fit.notes)


def test_predictions_are_calibrated_on_other_devices_and_know_seen_ones():
    data = campaign(copies=60, cycles=10)
    half = np.arange(30)
    fit = FITTER.fit(data.of_devices(half), BASE)
    shown = FITTER.predict(fit, data)
    new = ~np.isin(data.device, half)
    inside = (data.reading > shown.low) & (data.reading < shown.high)
    assert 0.85 < inside[new].mean() < 0.95
    assert 0.85 < inside[~new].mean() < 0.95
    assert abs(np.nanmean(shown.rank) - 0.5) < 0.05
    # the second read of a state is known from the first
    assert (shown.high - shown.low)[:, 1].mean() < 0.3 * (shown.high - shown.low)[:, 0].mean()
    assert np.nanmean(shown.log_density[~new]) > np.nanmean(shown.log_density[new])


def test_a_density_integrates_to_one():
    data = campaign(copies=10)
    fit = FITTER.fit(data, BASE)
    grid = np.geomspace(1e-7, 1e-2, 4001)
    many = Levels(
        np.zeros(4001, int), data.devices, reading=grid[:, None], level=np.full(4001, 3), cycle=np.zeros(4001, int)
    )
    density = np.exp(FITTER.predict(fit, many).log_density[:, 0])
    assert np.trapezoid(density, grid) == pytest.approx(1.0, abs=1e-3)


def test_readings_without_a_unit_tell_the_ratio():
    data = campaign()
    fit = FITTER.fit(dataclasses.replace(data, reading=data.reading * 3e6, unit="1"), BASE)
    known = FITTER.fit(data, BASE)
    assert fit.device.resistance_low == BASE.resistance_low and "ratio" in fit.kept["resistance_low"]
    ratio = known.device.resistance_high / known.device.resistance_low
    assert fit.device.resistance_high / fit.device.resistance_low == pytest.approx(ratio, rel=1e-3)
    assert fit.scale is not None
    offset, slope = fit.scale
    assert offset + slope / fit.device.resistance_low == pytest.approx(3e6 / known.device.resistance_low, rel=1e-3)


def test_a_noise_series_and_retention_tell_read_noise_alone():
    rng = np.random.default_rng(0)
    reading = 1e-4 * np.exp(0.03 * rng.standard_normal((6, 200)))
    time = np.tile(np.arange(1.0, 201.0), (6, 1))
    series = NoiseSeries(np.arange(6), tuple("abcdef"), reading=reading, time=time)
    kept = Retention(np.arange(6), tuple("abcdef"), reading=reading, time=time, level=np.zeros(6, int))
    for data in (series, kept):
        fit = FITTER.fit(data, BASE)
        assert [e.name for e in fit.estimates] == ["read_noise"]
        assert fit.estimates[0].low < 0.03 < fit.estimates[0].high
        assert set(fit.kept) == {n for names in BASE.identified.values() for n in names} - {"read_noise"}


def sweeps(rng, cycles=12, offset=0.0):
    """RESET above zero, SET below, of one device; LRS 5 kohm, HRS 100 kohm with a spread of 0.3."""
    out = np.linspace(0, 1, 101)
    there = np.concatenate([out, out[::-1]])
    voltage, current = [], []
    for _ in range(cycles):
        low, high = 1 / 5e3, np.exp(0.3 * rng.standard_normal()) / 1e5
        at = 0.6 + 0.02 * rng.standard_normal()
        falls = np.where(np.arange(202) < 101 * at, low, high) * there
        rises = np.where(np.arange(202) < 101 * 0.8, high, low) * there
        voltage += [there, -2 * there]
        current += [falls + offset, -2 * rises + offset]
    cycle = np.repeat(np.arange(cycles), 2)
    return IVSweeps(
        np.zeros(2 * cycles, int), ("a",), voltage=np.array(voltage), current=np.array(current), cycle=cycle
    )


@pytest.mark.parametrize("offset", [0.0, 2e-6])
def test_sweeps_tell_both_states_and_the_switching_voltages(offset):
    data = sweeps(np.random.default_rng(1), 30, offset)
    fit = FITTER.fit(data, BASE)
    assert fit.device.resistance_low == pytest.approx(5e3, rel=1e-6)
    high, spread = fit.estimate("resistance_high"), fit.estimate("high_spread_cycle")
    assert high.low < 1e5 < high.high and spread.low < 0.3 < spread.high
    facts = {f.name: f.value for f in fit.facts}
    assert facts["SET voltage"] == pytest.approx(-1.6, abs=0.03)
    assert facts["RESET voltage"] == pytest.approx(0.6, abs=0.02)
    assert facts["RESET voltage, cycle to cycle"] == pytest.approx(0.02, abs=0.008)
    shown = FITTER.predict(fit, data)
    ok = np.isfinite(shown.low)
    assert ok.sum() == 60
    assert 0.8 < ((data.current > shown.low) & (data.current < shown.high))[ok].mean() <= 1
    assert ((data.current > shown.median) == (shown.rank > 0.5))[ok].mean() > 0.95


def test_what_it_cannot_learn_from_is_refused():
    data = campaign(copies=3, cycles=2)
    assert "3 levels" in FITTER.refusal(dataclasses.replace(data, level=np.arange(len(data.level)) % 3))
    with pytest.raises(DataError, match="zero, negative or missing"):
        FITTER.fit(dataclasses.replace(data, reading=np.zeros_like(data.reading)), BASE)
    one_way = dataclasses.replace(sweeps(np.random.default_rng(0), 2), current=np.zeros((4, 202)))
    with pytest.raises(DataError):
        FITTER.fit(one_way, BASE)
