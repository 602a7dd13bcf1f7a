"""Analogue hafnium oxide: what sets it apart; the law it shares is tested with tio2."""

import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfo2_analog import HfO2Analog


def test_lowering_depends_weakly_on_the_weight():
    """Published exponents: w^0.51 down against (1 - w)^1.02 up, so a pulse down at w = 0.1 is 0.31 of one at 1."""
    device = HfO2Analog(change_spread=0.0, threshold_spread=0.0, cycle_spread=0.0)
    state = {**device.init((2,), generator_for(1)), "weight": torch.tensor([0.1, 1.0])}
    fall = state["weight"] - device.step(state, torch.ones(2))["weight"]
    assert float(fall[0] / fall[1]) == pytest.approx((0.1 / 1.0) ** 0.5086, rel=1e-3)


def test_ratio_and_thresholds():
    device = HfO2Analog()
    assert device.conductance_range()[0] == pytest.approx(device.conductance_high / 4)
    assert device.write_scale() == pytest.approx((1.08 * 0.80384, 1.08 * 0.80384 * 1.05963), rel=1e-4)
