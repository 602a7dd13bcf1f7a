"""Binary memories: two log-normal states, stuck devices, and what small campaigns cannot tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.fitting import catalogue
from nanoneurons.measurements import Levels, NoiseSeries

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


def test_what_it_cannot_learn_from_is_refused():
    data = campaign(copies=3, cycles=2)
    assert "unit" in FITTER.refusal(dataclasses.replace(data, unit="1"))
    assert "3 levels" in FITTER.refusal(dataclasses.replace(data, level=np.arange(len(data.level)) % 3))
    series = NoiseSeries(np.zeros(1, int), ("a",), reading=np.ones((1, 3)), time=np.ones((1, 3)))
    assert series.kind in FITTER.kinds or "not from noise" in FITTER.refusal(series)
    with pytest.raises(DataError, match="zero, negative or missing"):
        FITTER.fit(dataclasses.replace(data, reading=np.zeros_like(data.reading)), BASE)
