"""Figures of resonators and of the neurons' power, from plain data that equals the closed forms."""

import json

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.lab.drawing import both, save
from nanoneurons.lab.emission import emission, emission_picture
from nanoneurons.lab.resonances import resonance_lines, resonance_picture


def test_the_nominal_line_is_the_dispersive_one():
    found = resonance_lines(devices.get("spin-diode"), 12, 0)
    assert json.loads(json.dumps(found)) == found, "plain data"
    f, v = np.array(found["frequency"]), np.array(found["nominal"])
    assert found["resonance"] == pytest.approx(70e6) and found["half_linewidth"] == pytest.approx(0.7e6)
    x = (f - 70e6) / 0.7e6
    # resonance and damping are single precision: 6e-8 of 100 half linewidths
    assert v == pytest.approx(8838.83 * 2 * x / (1 + x * x), abs=8838.83 * 4e-5)
    assert len(found["values"]) == 12 and all(np.isfinite(line).all() for line in found["values"])
    law = np.array(found["voltage"])
    assert law == pytest.approx(8838.83 * np.array(found["power"]), rel=1e-4)
    assert found["noise"] == devices.get("spin-diode").noise_voltage()


def test_fabricated_lines_cross_zero_at_their_own_resonance():
    device = devices.get("spin-diode", damping_spread=0.0, sensitivity_spread=0.0)
    found = resonance_lines(device, 400, 1)
    f = np.array(found["frequency"])
    crossings = [f[np.argmax(np.diff(np.sign(line)) > 0)] for line in np.array(found["values"])]
    # 400 diodes: one standard error of the spread is 3.5 %; the grid adds a tenth of a half linewidth
    assert np.std(crossings) / 70e6 == pytest.approx(0.01, rel=0.12)


@pytest.mark.parametrize(
    "changes", [{}, {"temperature": 0.0, "compression": 1e6, "symmetric": -0.5}, {"natural_frequency": 2e9}]
)
@pytest.mark.parametrize("count", [1, 5])
def test_pictures_are_drawn_in_both_widths(changes, count, tmp_path):
    picture = resonance_picture(resonance_lines(devices.get("spin-diode", **changes), count, 0), "spin-diode")
    drawn = both(picture.draw, picture.height, picture.title, "x", narrow_height=picture.narrow_height)
    assert all(svg.startswith("<svg") for svg in drawn.values())
    save(picture, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_no_device_is_refused():
    with pytest.raises(ParameterError, match="at least 1 device"):
        resonance_lines(devices.get("spin-diode"), 0, 0)


@pytest.mark.parametrize("spec", ["spin-torque-oscillator:rf-neuron", "spin-torque-oscillator", "vortex-oscillator"])
def test_emitted_power_stays_below_the_dc_power(spec):
    device = devices.get(spec)
    found = emission(device, 0)
    current = torch.tensor(found["current"], dtype=torch.float64)
    assert found["nominal"] == device.emitted_power(current).tolist()
    assert found["nominal"][0] == 0.0 and max(found["nominal"]) > 0
    if found["dc"] is not None:
        assert all((np.array(line) <= np.array(found["dc"])).all() for line in found["values"])
    picture = emission_picture(found)
    assert both(picture.draw, picture.height, picture.title, "x")["narrow"].startswith("<svg")
    assert ("stays below the dc power" in picture.caption) == (found["dc"] is not None)
