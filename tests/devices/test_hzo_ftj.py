"""Ferroelectric tunnel junction: what sets it apart; the law it shares is tested with tio2."""

import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices.hzo_ftj import HZOFTJ


def test_switches_below_half_a_volt_and_less_than_threefold():
    device = HZOFTJ()
    assert device.threshold_down < device.threshold_up < 0.5
    low, high = device.conductance_range()
    assert high / low == pytest.approx(2.65)


def test_lowering_is_less_steep_in_voltage_than_raising():
    """Published steepness 1.159 1/V up and 0.4741 of it down: 50 mV beyond each threshold at w = 1/2."""
    device = HZOFTJ(change_spread=0.0, threshold_spread=0.0, cycle_spread=0.0, exponent_up=1.0, exponent_down=1.0)
    state = {**device.init((2,), generator_for(1)), "weight": torch.full((2,), 0.5)}
    volts = torch.tensor([-device.threshold_up - 0.05, device.threshold_down + 0.05])
    moved = (device.apply_voltage(state, volts)["weight"] - 0.5).abs()
    assert float(moved[1] / moved[0]) == pytest.approx(0.027863 / 0.059672, rel=1e-3)
