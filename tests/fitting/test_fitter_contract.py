"""What every fitter promises, on a small simulated campaign of every kind it learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import DataError
from nanoneurons.fitting import catalogue, simulate
from nanoneurons.measurements import KINDS, IVSweeps, Levels, Measurements, NoiseSeries, Pulses, Retention

COPIES = 12


def _names(runs: int) -> tuple[np.ndarray, tuple[str, ...]]:
    return np.arange(runs), tuple(f"device {i}" for i in range(runs))


def _signs(device) -> list[int]:
    """Signs of pulses that the device takes, up first; positive raises the conductance."""
    return sorted((device.drive_effect * d for d in device.directions), reverse=True)


def _train(device) -> np.ndarray:
    """Pulses up and, where the device takes them, down, with some reads repeated."""
    cycle = [sign * n for sign in _signs(device) for n in [5, 5, 0, 5, 5, 5, 5] * 3]
    return np.array([0, *cycle, *cycle])


def _readings(device, pulses: np.ndarray) -> np.ndarray:
    return simulate(device, pulses, COPIES, torch.Generator().manual_seed(3))


def _pulses(device) -> Pulses:
    pulses = _train(device)
    reading = _readings(device, pulses)
    owner, names = _names(COPIES)
    return Pulses(
        owner, names, reading=reading, pulses=np.tile(pulses, (COPIES, 1)), cycle=np.zeros(COPIES, dtype=np.int64)
    )


def _levels(device) -> Levels:
    """Every device brought to two states, four reads of each, three times over."""
    signs = _signs(device)
    pulses = np.array([5 * signs[0], 0, 0, 0, 5 * signs[-1], 0, 0, 0] * 3)
    reading = _readings(device, pulses).reshape(COPIES * 6, 4)
    owner, names = _names(COPIES)
    return Levels(
        np.repeat(owner, 6), names, reading=reading, level=np.tile([1, 0], 3 * COPIES),
        cycle=np.tile(np.repeat(np.arange(3), 2), COPIES),
    )  # fmt: skip


def _noise(device) -> NoiseSeries:
    reading = _readings(device, np.zeros(50, dtype=np.int64))
    owner, names = _names(COPIES)
    return NoiseSeries(owner, names, reading=reading, time=np.tile(np.arange(50.0), (COPIES, 1)), timed=False)


BUILDERS = {"pulses": _pulses, "levels": _levels, "noise": _noise}
CASES = [(name, kind) for name in catalogue for kind in catalogue[name].kinds if kind in BUILDERS]


def _base(name: str):
    return devices.get(name)


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(case))
def fitted(request):
    name, kind = request.param
    base = _base(name)
    data = BUILDERS[kind](base)
    fitter = catalogue[name]()
    if (why := fitter.refusal(data)) is not None:
        pytest.skip(f"{name} cannot learn from its own small campaign of {kind}: {why}")
    return name, kind, base, data, fitter, fitter.fit(data, base, fitter.variants(data)[0])


def test_estimates_are_declared_as_identified(fitted):
    name, kind, base, _, _, fit = fitted
    assert fit.name == name and fit.estimates
    assert {e.name for e in fit.estimates} <= set(base.identified[kind])
    assert len({e.name for e in fit.estimates}) == len(fit.estimates)


def test_intervals_hold_their_value_and_lie_in_the_range(fitted):
    *_, fit = fitted
    for e in fit.estimates:
        declared = fit.device.parameter(e.name)
        assert np.isfinite([e.value, e.low, e.high, e.error]).all() and e.error >= 0, e
        assert e.low <= e.value <= e.high, e
        assert declared.low is None or declared.low <= e.low, e
        assert declared.high is None or e.high <= declared.high, e
        assert getattr(fit.device, e.name) == pytest.approx(e.value, rel=1e-12), e
        assert e.scale in ("linear", "log", "logit")


def test_correlation_is_a_correlation(fitted):
    *_, fit = fitted
    n = len(fit.estimates)
    assert fit.correlation.shape == (n, n)
    assert np.allclose(fit.correlation, fit.correlation.T) and np.allclose(np.diag(fit.correlation), 1)
    assert np.linalg.eigvalsh(fit.correlation).min() > -1e-6


def test_what_another_measurement_would_tell_is_kept_with_a_reason(fitted):
    *_, base, _, _, fit = fitted
    known = {e.name for e in fit.estimates} | set(fit.fixed)
    for name in {n for names in base.identified.values() for n in names} - known:
        if name in fit.kept:
            assert fit.kept[name]
        else:  # a constant of another variant plays no part in this device
            assert getattr(fit.device, name) == pytest.approx(getattr(base, name)) or fit.variant
    assert not set(fit.kept) & {e.name for e in fit.estimates}
    assert all(isinstance(reason, str) and reason for reason in [*fit.kept.values(), *fit.fixed.values()])


def test_own_constants_have_a_value_for_every_device_and_a_unit(fitted):
    _, _, _, data, _, fit = fitted
    assert set(fit.effect_units) <= set(fit.effects)
    for name, values in fit.effects.items():
        assert values.shape == (len(data.devices),), name
        assert fit.effect_units.get(name, data.unit) in ("weight", "pulse", "1/pulse", "1", "ohm", "S"), name


def test_predictions_have_the_shape_of_the_readings(fitted):
    _, _, _, data, fitter, fit = fitted
    found = fitter.predict(fit, data)
    for name, value in vars(found).items():
        assert value.shape == data.reading.shape, name
    seen = np.isfinite(found.rank)
    assert seen.any() and (found.rank[seen] >= 0).all() and (found.rank[seen] <= 1).all()
    assert (found.low[seen] <= found.median[seen]).all() and (found.median[seen] <= found.high[seen]).all()


def test_the_band_of_90_percent_holds_most_readings(fitted):
    _, _, _, data, fitter, fit = fitted
    found = fitter.predict(fit, data)
    seen = np.isfinite(found.rank)
    inside = ((data.reading >= found.low) & (data.reading <= found.high))[seen].mean()
    assert 0.75 <= inside <= 1.0


def test_another_kind_of_measurement_is_refused_in_one_line(fitted):
    _, _, base, _, fitter, _ = fitted
    for kind, cls in KINDS.items():
        if kind in fitter.kinds or cls not in (Pulses, IVSweeps, Levels, Retention, NoiseSeries):
            continue
        empty: Measurements = _anything(cls)
        assert fitter.refusal(empty) and "\n" not in fitter.refusal(empty)
        with pytest.raises(DataError):
            fitter.fit(empty, base)


def _anything(cls) -> Measurements:
    owner, names = _names(2)
    ones = np.ones((2, 3))
    rows = {
        Pulses: {"reading": ones, "pulses": ones, "cycle": owner},
        Levels: {"reading": ones, "level": owner, "cycle": owner},
        NoiseSeries: {"reading": ones, "time": ones},
        Retention: {"reading": ones, "time": ones, "level": owner},
        IVSweeps: {"voltage": ones, "current": ones, "cycle": owner},
    }
    return cls(owner, names, **rows[cls])


def test_names_of_devices_may_go_unused(fitted):
    """A held-out split keeps the names and the indices; a fit must live with devices that have no run."""
    _, kind, base, data, fitter, _ = fitted
    part = data.of_devices(np.arange(COPIES - 2))
    part = replace(part, devices=data.devices)
    fit = fitter.fit(part, base, fitter.variants(part)[0])
    found = fitter.predict(fit, data.of_devices(np.array([COPIES - 2, COPIES - 1])))
    assert np.isfinite(found.rank).any(), kind
