"""A simulated campaign shows what the device's own steps do."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.fitting import simulate


@pytest.mark.parametrize("name", ["pulsed:reram-sb", "hfox-weak-reset", "tio2"])
def test_positive_pulses_raise_the_conductance_whatever_the_drive_of_the_device(name):
    device = devices.get(name)
    sign = 1 if device.drive_effect in device.directions else -1
    found = simulate(device, np.array([0, *[5 * sign] * 40]), 200, torch.Generator().manual_seed(0))
    assert found.shape == (200, 41) and (found > 0).all()
    assert sign * (found[:, -1].mean() - found[:, 0].mean()) > 0


def test_reading_again_moves_nothing():
    device = devices.get("pulsed", read_noise=0.0)
    found = simulate(device, np.array([0, 0, 3, 0]), 50, torch.Generator().manual_seed(0))
    assert (found[:, 0] == found[:, 1]).all() and (found[:, 2] == found[:, 3]).all()
    assert (found[:, 1] != found[:, 2]).mean() > 0.5  # a device at its bound stays
