"""The ideal conductance: exactly linear, whatever the drive."""

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.ideal import Ideal


def test_follows_any_drive_exactly():
    """By definition G changes by pulse_step (5 nS) per pulse, whole or not; single precision of 25 uS is 2e-12."""
    device = Ideal()
    state = device.init((3, 40), generator_for(1))
    drive = torch.randn(3, 40, generator=generator_for(2)) * 300
    after = device.step(state, drive)
    torch.testing.assert_close(device.read(after) - device.read(state), drive * 5e-9, rtol=1e-5, atol=1e-11)


def test_has_no_imperfection_and_no_bounds():
    device = Ideal()
    assert device.imperfections() == ()
    assert device.continuous
    state = device.step(device.init((5,), generator_for(1)), torch.full((5,), 1e4))
    assert float(device.read(state).min()) > device.high
    assert device.prices() == {}


def test_fresh_devices_spread_around_the_middle():
    """20,000 devices: mean 25 uS, sd 0.2 of half the range; standard errors 0.7 % and 0.5 % of the sd."""
    device = Ideal()
    g = device.read(device.init((20_000,), generator_for(3)))
    assert g.mean().item() == pytest.approx(25e-6, abs=3e-8)
    assert g.std().item() == pytest.approx(0.2 * 5e-6, rel=0.02)


def test_refuses_an_empty_range():
    with pytest.raises(ParameterError, match="below high"):
        Ideal(low=3e-5, high=2e-5)
