"""FitzHugh-Nagumo neuron: spike times against an independent integration, its rest and its bifurcations."""

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import NeuronDevice

FHN = devices.get("fitzhugh-nagumo").ideal()


def rhs(y, drive):
    v, w = y
    return (v - v**3 / 3 - w + drive) / 1e-3, (v + 0.7 - 0.8 * w) / 12.5e-3


def test_spike_times_are_those_of_an_independent_integration(integrate_spikes, spike_times):
    dt, drive = 1e-3, np.random.default_rng(4).uniform(-0.2, 1.2, 300)
    state = FHN.init((1,), generator_for(0))
    start = float(state["v"]), float(state["w"])
    expected, last = integrate_spikes(rhs, lambda y: y[0] - 1, None, start, drive, dt, rtol=1e-11, atol=1e-12)
    assert len(expected) >= 5
    for tolerance, bound in ((1e-4, 0.1), (1e-6, 1e-3), (1e-9, 1e-6)):  # bound on errors, in steps
        device = FHN.replace(tolerance=tolerance, rearm=1 - 1e-9)  # every crossing, as the independent count
        found, end = spike_times(device, drive, dt)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound * dt)
    assert float(end["v"]) == pytest.approx(last[0], abs=1e-8)


def test_rest_is_that_of_the_textbook():
    state = FHN.init((1,), generator_for(0))
    v, w = float(state["v"]), float(state["w"])
    assert (v, w) == (pytest.approx(-1.19941, abs=1e-5), pytest.approx(-0.62426, abs=1e-5))
    assert np.allclose(rhs((v, w), 0.0), 0, atol=1e-10)


@pytest.mark.parametrize("recovery", [0.3, 0.8, 1.0])
def test_rest_is_an_equilibrium_whatever_the_recovery(recovery):
    device = FHN.replace(recovery=recovery)
    state = device.init((1,), generator_for(0))
    v, w = float(state["v"]), float(state["w"])
    assert v - v**3 / 3 == pytest.approx(w, abs=1e-12)
    assert v + 0.7 == pytest.approx(recovery * w, abs=1e-12)


def test_it_fires_between_the_two_hopf_bifurcations():
    low, high = FHN.hopf_drives()
    assert (low, high) == (pytest.approx(0.3313, abs=1e-4), pytest.approx(1.4187, abs=1e-4))
    drives = torch.tensor([0.97 * low, 1.03 * low, 0.97 * high, 1.03 * high], dtype=torch.float64)
    approach = torch.cat([torch.linspace(0, 1, 20_000), torch.ones(4000)]).double()
    spikes, _ = FHN.respond(FHN.init((4,), generator_for(0)), drives[:, None] * approach, 1e-3, generator_for(1))
    late = spikes[:, 20_000:].sum(-1)
    assert late[0] == 0
    assert late[1] > 50
    state = FHN.replace(level=0.5, rearm=0.4)  # near the upper one oscillations are around v = 1 and small
    drive = drives[:, None] * approach
    spikes, _ = state.respond(state.init((4,), generator_for(0)), drive, 1e-3, generator_for(1))
    assert spikes[2, 20_000:].sum() > 50
    assert spikes[3, 20_000:].sum() == 0


def test_a_brief_pulse_fires_once_or_not_at_all():
    drives = torch.zeros(2, 400, dtype=torch.float64)
    drives[0, 50:52], drives[1, 50:52] = 0.2, 1.0  # for 1 ms
    spikes, end = FHN.respond(FHN.init((2,), generator_for(0)), drives, 0.5e-3, generator_for(1))
    assert spikes.sum(-1).tolist() == [0, 1]
    assert torch.allclose(end["v"], FHN.init((2,), generator_for(0))["v"], atol=1e-3)


def test_time_scales():
    slow = FHN.replace(time_scale=5e-3)
    drive = torch.full((1, 400), 0.5)
    fast_spikes, _ = FHN.respond(FHN.init((1,), generator_for(0)), drive, 0.4e-3, generator_for(1))
    slow_spikes, _ = slow.respond(slow.init((1,), generator_for(0)), drive, 2e-3, generator_for(1))
    assert torch.equal(fast_spikes, slow_spikes)


def test_trains_are_steps_to_the_bit_with_noise_and_spread():
    device = devices.get("fitzhugh-nagumo")
    state = device.init((2, 4), generator_for(0))
    drive = torch.rand(2, 4, 300, generator=generator_for(2))
    fused, end = device.respond(state, drive, 0.5e-3, generator_for(3))
    stepwise, last = NeuronDevice.respond(device, state, drive, 0.5e-3, generator_for(3))
    assert fused.sum() > 8
    assert torch.equal(fused, stepwise)
    assert all(torch.equal(end[name], last[name]) for name in end)


def test_a_level_below_the_rearming_point_is_refused():
    with pytest.raises(ParameterError, match="rearm = 0 must lie below level = -1"):
        FHN.replace(level=-1.0)
