"""Memristors under voltages: published constants, pulses against voltages, spreads; the two relatives as well."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.tio2 import TiO2

FAMILY = ("tio2", "hfo2-analog", "hzo-ftj")
# public program to arXiv:2510.25787: gamma, gamma_n/gamma_p, alpha, alpha_n/alpha_p, theta, theta_n/theta_p, ratio
PUBLISHED = {
    "tio2": (1.67958, 0.94386, 0.67896, 1.12480, 1.43233, 1.09212, 7.5),
    "hfo2-analog": (1.01720, 0.5, 0.96082, 1.33565, 0.80384, 1.05963, 4.0),
    "hzo-ftj": (1.06790, 1.57983, 1.15921, 0.47415, 0.41171, 0.94379, 2.65),
}


def at(device, weight, cells):
    state = device.init((cells,), generator_for(1))
    return {**state, "weight": torch.full((cells,), weight)}


@pytest.mark.parametrize("name", FAMILY)
def test_constants_are_those_of_the_published_program(name):
    gamma, gamma_ratio, alpha, alpha_ratio, theta, theta_ratio, ratio = PUBLISHED[name]
    device = devices.get(name)
    values = (device.exponent_up, device.exponent_down, device.steepness_up, device.steepness_down)
    assert values == pytest.approx((gamma, gamma * gamma_ratio, alpha, alpha * alpha_ratio), rel=1e-4)
    assert device.threshold_up == pytest.approx(theta, rel=1e-4)
    assert device.threshold_down == pytest.approx(theta * theta_ratio, rel=1e-4)
    low, high = device.conductance_range()
    assert high / low == pytest.approx(ratio)
    assert device.rate_up == device.rate_down == 1.0


@pytest.mark.parametrize("name", FAMILY)
def test_a_voltage_moves_the_weight_by_the_published_law(name):
    """dw = (1 - w)^gamma (exp(-alpha (V + theta)) - 1) below -theta, and its counterpart above theta_n."""
    device = devices.get(name).replace(change_spread=0.0, threshold_spread=0.0, cycle_spread=0.0)
    theta, theta_n = device.threshold_up, device.threshold_down
    volts = torch.tensor([-theta - 0.1, -theta + 0.01, 0.0, theta_n - 0.01, theta_n + 0.1])
    after = device.apply_voltage(at(device, 0.3, 5), volts)["weight"]
    rise = 0.7**device.exponent_up * math.expm1(device.steepness_up * 0.1)
    fall = 0.3**device.exponent_down * math.expm1(device.steepness_down * 0.1)
    torch.testing.assert_close(after, torch.tensor([0.3 + rise, 0.3, 0.3, 0.3, 0.3 - fall]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", FAMILY)
def test_pulses_are_the_standard_amplitudes_one_after_the_other(name):
    device = devices.get(name).replace(change_spread=0.0, threshold_spread=0.0, cycle_spread=0.0)
    below, above = device.amplitudes
    state = device.init((30,), generator_for(1))
    one_by_one = state
    for _ in range(7):
        one_by_one = device.apply_voltage(one_by_one, torch.full((30,), above))
    torch.testing.assert_close(device.step(state, torch.full((30,), 7.0))["weight"], one_by_one["weight"])
    middle = at(device, 0.5, 2)
    moved = device.step(middle, torch.tensor([-1.0, 1.0]))["weight"] - 0.5
    torch.testing.assert_close(moved, torch.tensor([0.005, -0.005]), rtol=1e-4, atol=1e-7)
    assert below < 0 < above


def test_bounds_hold_at_any_voltage():
    device = TiO2()
    state = device.init((50,), generator_for(1))
    for volts, bound in ((-1e6, 1.0), (1e6, 0.0)):
        after = device.apply_voltage(state, torch.full((50,), volts), generator_for(2))
        assert (after["weight"] == bound).all()


def test_spread_of_changes_is_as_declared():
    """20,000 devices at w = 1/2: relative spreads of 10 % from device to device and from cycle to cycle add up."""
    device = TiO2(threshold_spread=0.0)
    state = at(device, 0.5, 20_000)
    moved = device.apply_voltage(state, torch.full((20_000,), -1.6), generator_for(3))["weight"] - 0.5
    assert float(moved.std() / moved.mean()) == pytest.approx(math.hypot(0.1, 0.1, 0.01), rel=0.03)
    again = device.apply_voltage(state, torch.full((20_000,), -1.6), generator_for(4))["weight"] - 0.5
    both = torch.stack([moved, again]) / moved.mean()
    shared = float(torch.cov(both)[0, 1]) ** 0.5  # what the two cycles have in common is the device's own
    assert shared == pytest.approx(0.1, rel=0.05)


def test_a_spread_of_thresholds_silences_part_of_the_devices():
    """At the nominal threshold plus one standard deviation, 84.1 % of the devices switch."""
    device = TiO2(change_spread=0.0, cycle_spread=0.0, threshold_spread=0.05)
    state = at(device, 0.5, 20_000)
    volts = torch.full((20_000,), -device.threshold_up * 1.05)
    moved = device.apply_voltage(state, volts)["weight"] > 0.5
    assert float(moved.double().mean()) == pytest.approx(0.8413, abs=0.01)


def test_stuck_devices_stay_where_they_are():
    device = TiO2(stuck_low=0.2, stuck_high=0.1)
    state = device.init((20_000,), generator_for(1))
    assert float((state["weight"] == 0).double().mean()) == pytest.approx(0.2, abs=0.012)
    assert float((state["weight"] == 1).double().mean()) == pytest.approx(0.1, abs=0.01)
    stuck = state["gain"] == 0
    after = device.apply_voltage(state, torch.full((20_000,), -3.0), generator_for(2))["weight"]
    assert torch.equal(after[stuck], state["weight"][stuck])
    with pytest.raises(ParameterError, match="must not exceed 1"):
        TiO2(stuck_low=0.7, stuck_high=0.7)


def test_discrete_levels_are_read():
    device = TiO2(level_spacing=0.25)
    low, high = device.conductance_range()
    seen = (device.read(device.init((200,), generator_for(1))) - low) / (high - low)
    torch.testing.assert_close(seen, (seen * 4).round() / 4, rtol=0, atol=1e-6)


def test_bad_drives_are_refused():
    device = TiO2()
    state = device.init((2,), generator_for(1))
    with pytest.raises(ParameterError, match="finite"):
        device.apply_voltage(state, torch.tensor([float("nan"), 0.0]), generator_for(2))
    with pytest.raises(ParameterError, match="finite"):
        device.step(state, torch.tensor([float("inf"), 0.0]), 0.0, generator_for(2))
    with pytest.raises(ParameterError, match="generator"):
        device.step(state, torch.ones(2))
