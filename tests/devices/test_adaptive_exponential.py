"""Adaptive exponential neuron: spike times against an independent integration, its rheobase, its patterns of firing."""

import math

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import NeuronDevice

ADEX = devices.get("adaptive-exponential").ideal()


def equations(d):
    def rhs(y, current):
        v, w = y
        upstroke = d.slope * np.exp(min((v - d.threshold) / d.slope, 300.0))
        return (
            (d.leak * (d.rest - v + upstroke) - w + current) / d.capacitance,
            (d.adaptation_coupling * (v - d.rest) - w) / d.adaptation_time,
        )

    return rhs, lambda y: y[0] - d.peak, lambda y: (d.reset, y[1] + d.adaptation_step)


@pytest.mark.parametrize("preset", ["", ":initial-burst", ":delayed"])
def test_spike_times_are_those_of_an_independent_integration(preset, integrate_spikes, spike_times):
    device = devices.get(f"adaptive-exponential{preset}").ideal().replace(peak=-30e-3)
    dt = device.default_step
    drive = device.operating_drive * np.random.default_rng(3).uniform(0.0, 1.6, 250)
    state = device.init((1,), generator_for(0))
    start = float(state["v"]), float(state["w"])
    expected, last = integrate_spikes(*equations(device), start, drive, dt, rtol=1e-10, atol=1e-15)
    assert len(expected) >= 4
    for tolerance, bound in ((1e-4, 0.1), (1e-6, 1e-3), (1e-9, 1e-6)):  # bound on errors, in steps
        found, end = spike_times(device.replace(tolerance=tolerance), drive, dt)
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound * dt)
    assert float(end["v"]) == pytest.approx(last[0], abs=1e-8)


def test_the_explosion_takes_no_time_above_the_peak():
    # with x = (v - V_T)/Delta_T far above threshold, the time left to infinity is tau_m exp(-x): peaks of -10 and 20 mV
    # differ by 0.04 ns
    drive = torch.full((1, 100), 1e-9, dtype=torch.float64)
    moments = []
    for peak in (-10e-3, 20e-3):
        device, time = ADEX.replace(peak=peak, tolerance=1e-10), 0.0
        state = device.init((1,), generator_for(0))
        while not state["spikes"]:
            state = device.step(state, drive[:, 0], 1e-3, generator_for(1))
            time += 1e-3
        moments.append(time - 1e-3 + float(state["moment"]))
    tau = ADEX.capacitance / ADEX.leak
    assert moments[1] - moments[0] == pytest.approx(tau * math.exp(-40.4 / 2), abs=1e-11)


def test_rheobase_without_adaptation_is_the_saddle_node():
    device = ADEX.replace(adaptation_coupling=0.0, adaptation_step=0.0)
    closed = 30e-9 * (20.2e-3 - 2e-3)
    assert device.bifurcation_current() == pytest.approx(closed)
    assert device.threshold_drive() == pytest.approx(closed, rel=1e-3)


@pytest.mark.parametrize("coupling", [0.5e-9, 4e-9, 20e-9])  # saddle-node, Hopf, Hopf
def test_rest_ends_at_the_closed_form_of_the_bifurcation(coupling):
    device = ADEX.replace(adaptation_coupling=coupling)
    current = device.bifurcation_current()
    ramp = torch.linspace(0.0, 1.0, 30_000, dtype=torch.float64)
    slow = torch.cat([ramp, torch.ones(4000, dtype=torch.float64)])
    trains = torch.stack([0.99 * slow, 1.01 * slow]) * current
    spikes, _ = device.respond(device.init((2,), generator_for(0)), trains, 1e-3, generator_for(1))
    assert spikes[0].sum() == 0
    assert spikes[1].sum() > 0


def test_rest_is_an_equilibrium():
    state = devices.get("adaptive-exponential").init((3, 50), generator_for(0))
    device = devices.get("adaptive-exponential").without("noise")
    spikes, end = device.respond(state, torch.zeros(3, 50, 300), 1e-3, generator_for(1))
    assert spikes.sum() == 0
    assert torch.allclose(end["v"], state["v"], rtol=0, atol=1e-9)


def pattern(preset):
    """Spike times in ms after the onset of the preset's step."""
    device, dt = devices.get(f"adaptive-exponential:{preset}").ideal(), 0.1e-3
    drive = devices.stimulus(f"adaptive-exponential:{preset}", dt)
    spikes, _ = device.respond(device.init((1,), generator_for(0)), drive[None], dt, generator_for(1))
    return 0.1 * spikes[0].nonzero()[:, 0].numpy() - 50.0


def test_tonic():
    between = np.diff(pattern("tonic"))
    assert len(between) >= 5
    assert (abs(between[1:] / between[-1] - 1) < 0.05).all()


def test_adapting():
    between = np.diff(pattern("adapting"))
    assert between[-1] > 1.5 * between[0]
    assert abs(between[-1] / between[-2] - 1) < 0.01


def test_initial_burst():
    between = np.diff(pattern("initial-burst"))
    assert (between[:3] < 7).all()
    assert (between[5:] > 30).all()


def test_bursting():
    between = np.diff(pattern("bursting"))
    long = between > 30
    assert long.sum() >= 5
    assert (between[~long] < 5).all()


def test_transient():
    spikes = pattern("transient")
    assert 1 <= len(spikes) <= 3
    assert spikes[-1] < 100  # driven to 450 ms


def test_delayed():
    spikes = pattern("delayed")
    assert spikes[0] > 1.2 * (spikes[1] - spikes[0])


def test_noise_has_the_declared_standard_deviation_at_any_step():
    device = devices.get("adaptive-exponential", threshold=0.0).ideal()
    device = device.replace(noise=1e-3, adaptation_coupling=0.0)
    for dt in (0.3e-3, 9e-3):
        steps = round(60e-3 / dt)
        _, state = device.respond(
            device.init((2, 3000), generator_for(0)), torch.zeros(2, 3000, steps), dt, generator_for(1)
        )
        assert abs(float(state["v"].std()) / 1e-3 - 1) < 4 / math.sqrt(2 * 6000)  # four standard errors


def test_trains_are_steps_to_the_bit_with_noise_and_spread():
    device = devices.get("adaptive-exponential")
    state = device.init((2, 4), generator_for(0))
    drive = torch.rand(2, 4, 200, generator=generator_for(2)) * 2e-9
    fused, end = device.respond(state, drive, 1e-3, generator_for(3))
    stepwise, last = NeuronDevice.respond(device, state, drive, 1e-3, generator_for(3))
    assert fused.sum() > 8
    assert torch.equal(fused, stepwise)
    assert all(torch.equal(end[name], last[name]) for name in end)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": -80e-3}, r"threshold = -0\.08 V must lie between rest"),
        ({"reset": 30e-3}, r"reset = 0\.03 V must lie below peak"),
        ({"adaptation_coupling": -40e-9}, "must exceed minus leak"),
        ({"adaptation_time": -1.0}, r"'adaptation_time' = -1 s is outside its range"),
    ],
)
def test_impossible_neurons_are_refused(changes, said):
    with pytest.raises(ParameterError, match=said):
        ADEX.replace(**changes)


def test_a_drive_that_does_not_fire_is_named():
    with pytest.raises(ParameterError, match="1e-10 A makes no spike from rest; raise operating_drive"):
        ADEX.replace(operating_drive=1e-10).threshold_drive()
