"""Spin diode: sensitivity and line of the published program, noise, spread and tuning."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.random import generator_for


def test_sensitivity_is_that_of_the_published_program():
    # 0.0884 / I_th with I_th = 10 uA: public program of Ross et al. 2023
    assert devices.get("spin-diode").nominal_sensitivity == pytest.approx(0.0884 / 10e-6, rel=1e-3)


def test_noise_is_that_of_the_resistance_over_the_read_time():
    device = devices.get("spin-diode")
    assert device.noise_voltage() == pytest.approx(math.sqrt(4 * 1.380649e-23 * 300 * 1e3 * 0.125e6), rel=1e-9)
    state = device.init((4, 5000), generator_for(0))
    silent = torch.zeros(4, 5000)
    read = device.rectify(state, silent, torch.full_like(silent, 70e6), generator_for(1))
    assert float(read.std()) == pytest.approx(device.noise_voltage(), rel=0.03)  # 20,000 readings: 0.5 %


def test_spreads_have_their_declared_size():
    device = devices.get("spin-diode", resonance_spread=0.02, damping_spread=0.1, sensitivity_spread=0.05)
    state = device.init((1, 40_000), generator_for(0))
    for name, mean, relative in (("deviation", 0.0, 0.02), ("damping", 0.01, 0.1), ("sensitivity", 8838.8, 0.05)):
        value = state[name].double()
        scale = 1.0 if name == "deviation" else mean
        assert float(value.std()) == pytest.approx(relative * scale, rel=0.02)  # 0.35 % is one standard error
        assert float(value.mean()) == pytest.approx(mean, abs=0.03 * relative * scale)
