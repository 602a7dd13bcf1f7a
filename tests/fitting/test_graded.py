"""Levels, noise and retention of graded devices: range, read and write noise, dead cells."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.fitting._graded import fit_graded, predict_graded
from nanoneurons.measurements import Levels, NoiseSeries, Retention

PULSED = devices.get("pulsed")
NAMES = ("tio2", "pulsed", "table")


def levels(rng, copies=14, cycles=6, reads=3, unit=1e-6, scatter=(0.0, 1.0, 0.5), spacing=20.0, base=100.0):
    device, level, cycle = (a.ravel() for a in np.meshgrid(range(copies), range(4), range(cycles), indexing="ij"))
    own = scatter[0] * rng.standard_normal((copies, 4))
    mean = base + spacing * level + own[device, level] + scatter[1] * rng.standard_normal(len(device))
    reading = mean[:, None] + scatter[2] * rng.standard_normal((len(device), reads))
    return Levels(device, tuple(map(str, range(copies))), reading=unit * reading, level=level, cycle=cycle)


@pytest.mark.parametrize("name", NAMES)
def test_the_range_and_the_noise_of_reads_are_those_of_the_levels(name):
    base = devices.get(name)
    fit = fit_graded(name, levels(np.random.default_rng(0)), base)
    low, high = fit.device.conductance_range()
    assert (low, high) == pytest.approx((100e-6, 160e-6), rel=5e-3)
    read = fit.estimate("read_noise")
    assert read.low * fit.device.read_sigma() / fit.device.read_noise < 0.5e-6
    assert read.high * fit.device.read_sigma() / fit.device.read_noise > 0.5e-6
    assert {e.name for e in fit.estimates} <= set(base.identified["levels"])
    assert np.allclose(fit.correlation, fit.correlation.T) and np.linalg.eigvalsh(fit.correlation).min() > -1e-9


def test_scatter_between_programmings_is_write_noise_in_steps():
    fit = fit_graded("pulsed", levels(np.random.default_rng(1)), PULSED)
    found = fit.estimate("write_noise")
    assert found.value == pytest.approx(1.0 / 60 * 1.2 / PULSED.pulse_step, rel=0.14)  # three standard errors
    assert found.error < 0.06


def test_one_programming_per_device_is_said_and_used_whole():
    fit = fit_graded("pulsed", levels(np.random.default_rng(2), 60, 1, 1, scatter=(0.6, 0.8, 0.0)), PULSED)
    assert "between devices" in fit.fixed["write_noise"] and "read_noise" in fit.kept
    assert fit.device.write_noise == pytest.approx(1.0 / 60 * 1.2 / PULSED.pulse_step, rel=0.15)


def test_dead_cells_are_counted_and_not_predicted():
    data = levels(np.random.default_rng(3), 20)
    reading = np.where(np.isin(data.device, [3, 5])[:, None], 0.0, data.reading)
    for unit, factor in (("S", 1.0), ("1", 1e6)):
        fit = fit_graded("tio2", dataclasses.replace(data, reading=reading * factor, unit=unit), devices.get("tio2"))
        assert fit.device.stuck_low == pytest.approx(2 / 20)
        shown = predict_graded(fit, dataclasses.replace(data, reading=reading * factor, unit=unit))
        assert np.isnan(shown.low[np.isin(data.device, [3, 5])]).all()


def test_devices_that_show_one_reading_at_every_level_are_stuck():
    data = levels(np.random.default_rng(3))
    reading = np.where((data.device == 3)[:, None], 1e-4, np.where((data.device == 5)[:, None], 1.6e-4, data.reading))
    data = dataclasses.replace(data, reading=reading)
    fit = fit_graded("tio2", data, devices.get("tio2"))
    assert fit.device.stuck_low == fit.device.stuck_high == pytest.approx(1 / 14)
    fit = fit_graded("pulsed", data, PULSED)
    assert fit.device.stuck_share == pytest.approx(2 / 14) and list(np.flatnonzero(fit.dead)) == [3, 5]


def test_readings_without_a_unit_come_with_their_scale():
    data = levels(np.random.default_rng(4), unit=1.0)
    for name in ("hzo-ftj", "table"):
        fit = fit_graded(name, dataclasses.replace(data, unit="1"), devices.get(name))
        assert fit.scale is not None
        low, high = fit.device.conductance_range()
        assert fit.scale[0] + fit.scale[1] * np.array([low, high]) == pytest.approx([100, 160], rel=0.01)
    data = levels(np.random.default_rng(4), unit=1.0, base=-0.9, spacing=0.6, scatter=(0.0, 0.01, 0.01))
    fit = fit_graded("pulsed", dataclasses.replace(data, unit="1"), PULSED)
    assert (fit.device.w_min, fit.device.w_max) == pytest.approx((-0.9, 0.9), abs=0.01)


@pytest.mark.parametrize("law", ["normal", "skewed", "heavy"])
def test_new_cells_are_predicted_with_a_calibrated_band(law):
    rng = np.random.default_rng(5)
    data = levels(rng, 500, 1, 1, scatter=(0.0, 0.0, 0.0))
    noise = {
        "normal": rng.standard_normal,
        "skewed": lambda n: rng.gamma(2.0, size=n),
        "heavy": lambda n: rng.standard_t(3, n),
    }[law](len(data.level))
    data = dataclasses.replace(data, reading=data.reading + 1e-6 * noise[:, None])
    seen = data.device < 250
    fit = fit_graded("tio2", data.runs(seen), devices.get("tio2"))
    shown = predict_graded(fit, data.runs(~seen))
    inside = (data.reading[~seen] > shown.low) & (data.reading[~seen] < shown.high)
    assert 0.85 < inside.mean() < 0.95
    assert np.abs(np.quantile(shown.rank, [0.25, 0.5, 0.75]) - [0.25, 0.5, 0.75]).max() < 0.06


@pytest.mark.parametrize("name", NAMES)
def test_noise_and_retention_tell_read_noise(name):
    rng = np.random.default_rng(6)
    base = devices.get(name)
    reading = 2e-6 * (1 + 0.02 * rng.standard_normal((5, 200)))
    time = np.tile(np.arange(1.0, 201.0), (5, 1))
    series = NoiseSeries(np.arange(5), tuple("abcde"), reading=reading, time=time)
    kept = Retention(
        np.arange(5), tuple("abcde"), reading=reading * (1 + np.arange(5))[:, None], time=time, level=np.arange(5)
    )
    for data in (series, kept):
        fit = fit_graded(name, data, base)
        assert [e.name for e in fit.estimates] == ["read_noise"]
        shown = predict_graded(fit, data)
        ok = np.isfinite(shown.low)
        inside = ((data.reading > shown.low) & (data.reading < shown.high))[ok].mean()
        assert 0.86 < inside < 0.94
    sigma = fit_graded(name, series, base).device.read_sigma()
    assert sigma == pytest.approx(0.02 * 2e-6, rel=0.1)


def test_one_level_is_refused():
    data = levels(np.random.default_rng(7))
    with pytest.raises(DataError, match="one level"):
        fit_graded("tio2", data.runs(data.level == 1), devices.get("tio2"))
