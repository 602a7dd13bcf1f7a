import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.lab.current_sweep import _linewidths, current_sweep, sweep_picture
from nanoneurons.lab.drawing import save


def test_a_lorentzian_line_has_its_width():
    """An Ornstein-Uhlenbeck signal exp(-pi f |t|) has a Lorentzian line of full width f."""
    rng = np.random.default_rng(0)
    width, dt, samples, copies = 1e5, 1e-7, 20_000, 40
    decay = np.exp(-np.pi * width * dt)
    noise = rng.standard_normal((samples, 2, copies)) * np.sqrt(1 - decay**2)
    signal = np.zeros((samples, 1, copies), complex)
    for n in range(1, samples):
        signal[n, 0] = decay * signal[n - 1, 0] + noise[n, 0] + 1j * noise[n, 1]
    found = _linewidths(signal, dt)
    # 630 coherence times per copy: one scatters by a few per cent, the mean of 40 by under one; 5 % is safe
    assert np.nanmean(found) == pytest.approx(width, rel=0.05)


def test_a_sweep_finds_what_the_closed_forms_say():
    device = devices.get("spin-torque-oscillator").without("device_to_device")
    currents = torch.tensor([1e-3, 2e-3, 9e-3, 10e-3])
    found = current_sweep(device, devices=40, currents=currents, samples=2048)
    assert found.amplitude.shape == (4, 40)
    above = slice(2, 4)
    # thermal power adds 1 % to the amplitude far above threshold, and shifts the frequency by N times it: 0.1 MHz
    assert np.median(found.amplitude[above], 1) == pytest.approx(found.nominal_amplitude[above], rel=0.03)
    assert np.median(found.frequency, 1) == pytest.approx(found.nominal_frequency, abs=1e6)
    # below threshold the line is a Lorentzian; a device scatters by a third, the median of 40 by 7 %
    assert np.nanmedian(found.linewidth[:2], 1) == pytest.approx(found.nominal_linewidth[:2], rel=0.25)
    again = current_sweep(device, devices=40, currents=currents, samples=2048)
    assert np.array_equal(found.amplitude, again.amplitude)


def test_a_model_without_phase_has_no_linewidth(tmp_path):
    device = devices.get("spin-torque-oscillator:relaxation-fit")
    found = current_sweep(device, devices=3, samples=64)
    assert np.isnan(found.linewidth).all()
    assert np.array_equal(found.frequency[:, 0], found.nominal_frequency)
    save(sweep_picture(found), tmp_path / "sweep.svg")
    assert (tmp_path / "sweep.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"devices": 0}, "at least 1 device"),
        ({"currents": torch.tensor([1e-3, 1.0])}, "beyond breakdown"),
        ({"currents": torch.tensor([float("nan")])}, "NaN"),
    ],
)
def test_bad_sweeps_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        current_sweep(devices.get("spin-torque-oscillator"), **changes)
