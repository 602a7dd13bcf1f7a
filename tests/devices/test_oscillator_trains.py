"""Closed forms of whole trains of currents agree with stepping the device through them."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import OscillatorDevice

DRIVE = 7e-3 + 3e-3 * (2 * torch.rand(3, 2, 12, generator=generator_for(0, "drive"), dtype=torch.float64) - 1)


def at_rest(device):
    state = device.init((3, 1), generator_for(1, "junctions"))
    state = {name: value.expand(3, 2).clone() for name, value in state.items()}
    current = torch.full((3, 2), 7e-3, dtype=torch.float64)
    return device.ideal().advance(state, current, 4e-6, 5, generator_for(2))


@pytest.mark.parametrize("name", ["spin-torque-oscillator", "spin-torque-oscillator:relaxation-fit"])
def test_a_train_without_noise_is_the_steps(name):
    device = devices.get(name)
    state = at_rest(device)
    quiet = device.ideal()
    before = {name: value.clone() for name, value in state.items()}
    found = quiet.respond(state, DRIVE, 100e-9, generator_for(3))
    want = OscillatorDevice.respond(quiet, state, DRIVE, 100e-9, generator_for(3))
    # RK4 of the steps errs by 1e-6 per inner step of the auto-oscillator
    torch.testing.assert_close(found, want, rtol=1e-4, atol=0)
    assert all(torch.equal(before[name], state[name]) for name in state)
    assert quiet.respond(state, DRIVE.float(), 100e-9, generator_for(3)).dtype == torch.float32


@pytest.mark.parametrize("name", ["spin-torque-oscillator", "spin-torque-oscillator:relaxation-fit"])
def test_noise_of_a_train_has_the_size_of_that_of_steps(name):
    device = devices.get(name).only("thermal_noise")
    state = {n: v.expand(1, 400).clone() for n, v in device.init((1, 1), generator_for(1)).items()}
    current = torch.full((1, 400), 7e-3, dtype=torch.float64)
    state = device.advance(state, current, 4e-6, 5, generator_for(2))
    drive = current[..., None].expand(1, 400, 40)
    whole = device.respond(state, drive, 500e-9, generator_for(3))[..., 20:]
    steps = OscillatorDevice.respond(device, state, drive[..., :4], 4e-6, generator_for(4))[..., 1:]
    assert float(whole.mean()) == pytest.approx(float(steps.mean()), rel=0.01)
    # 400 rows of 20 values correlated over 0.8 of an interval, and 1200 independent ones: s.d. known to 1 % and 2 %
    assert float(whole.std()) == pytest.approx(float(steps.std()), rel=0.08)


def test_memory_of_the_noise_is_the_relaxation_time():
    device = devices.get("spin-torque-oscillator:relaxation-fit").only("thermal_noise")
    state = {n: v.clone() for n, v in device.init((1, 1), generator_for(1)).items()}
    drive = torch.full((1, 1, 200_000), 7e-3, dtype=torch.float64)
    noise = device.respond(state, drive, 100e-9, generator_for(3))[0, 0, 1000:]
    noise = noise - noise.mean()
    assert float(noise.std()) == pytest.approx(device.amplitude_noise * device.voltage_scale, rel=0.02)
    assert float((noise[1:] * noise[:-1]).mean() / noise.var()) == pytest.approx(math.exp(-100 / 410), abs=0.01)


def test_read_noise_is_added_to_each_reading():
    device = devices.get("spin-torque-oscillator:relaxation-fit", read_noise=1e-4)
    state, quiet = at_rest(device), device.without("read_noise").without("thermal_noise")
    noise = device.without("thermal_noise").respond(state, DRIVE, 1e-7, generator_for(3))
    noise = noise - quiet.respond(state, DRIVE, 1e-7, generator_for(3))
    assert 0.5e-4 < float(noise.std()) < 1.5e-4 and noise.unique().numel() == noise.numel()


def test_a_train_beyond_breakdown_is_refused():
    device = devices.get("spin-torque-oscillator:relaxation-fit")
    state = at_rest(device)
    for value in (13e-3, float("nan")):
        bad = DRIVE.clone()
        bad[1, 0, 7] = value
        with pytest.raises(ParameterError, match=r"\(1, 0, 7\)"):
            device.respond(state, bad, 1e-7, generator_for(3))
