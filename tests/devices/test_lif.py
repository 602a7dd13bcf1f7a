"""Leaky integrate-and-fire neuron: against its closed form, an independent integration, and statistics of its noise."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import NeuronDevice

LIF = devices.get("lif").ideal()


def stimulus(steps, seed, low=-0.2e-9, high=0.7e-9):
    return np.random.default_rng(seed).uniform(low, high, steps)


def equations(device):
    """Right-hand side, level and reset of the equation in the docstring, for an independent solver."""
    tau, rest, resistance = device.time_constant, device.rest, device.resistance
    shared = device.adaptation == "current"

    def rhs(y, current):
        v, a = y
        return (rest - v + resistance * current - shared * a) / tau, -a / device.adaptation_time

    def level(y):
        return y[0] - device.threshold - (y[1] if device.adaptation == "threshold" else 0.0)

    def reset(y):
        return device.reset, y[1] + (device.adaptation_step if device.adaptation != "none" else 0.0)

    return rhs, level, reset


@pytest.mark.parametrize("adaptation", ["none", "current", "threshold"])
@pytest.mark.parametrize("adaptation_time", [7e-3, 20e-3, 150e-3])
def test_spike_times_are_those_of_an_independent_integration(
    adaptation, adaptation_time, integrate_spikes, spike_times
):
    device = LIF.replace(adaptation=adaptation, adaptation_time=adaptation_time, adaptation_step=4e-3, reset=-60e-3)
    drive, dt = stimulus(60, 1), 5e-3  # long steps: a quarter of the time constant
    rhs, level, reset = equations(device)
    expected, last = integrate_spikes(rhs, level, reset, (device.rest, 0.0), drive, dt, hold=device.refractory)
    found, state = spike_times(device, drive, dt)
    assert len(expected) >= 8
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9 * dt)
    assert float(state["potential"]) == pytest.approx(last[0], abs=1e-10)


@given(
    drive=st.lists(st.floats(-1e-9, 2e-9), min_size=1, max_size=8),
    adaptation=st.sampled_from(["none", "current", "threshold"]),
    seconds=st.sampled_from([3e-3, 19.99e-3, 20e-3, 90e-3]),
    parts=st.integers(2, 7),
)
@settings(max_examples=60, deadline=None)
def test_a_step_in_parts_is_the_same_step(drive, adaptation, seconds, parts):
    device = LIF.replace(adaptation=adaptation, adaptation_time=seconds, refractory=0.4e-3)
    dt, start = 2.5e-3, LIF.init((1,), generator_for(0))
    whole, part = dict(start), dict(start)
    for value in drive:
        current = torch.tensor([value], dtype=torch.float64)
        whole = device.step(whole, current, dt, generator_for(1))
        count, moment = 0.0, 0.0
        for n in range(parts):
            part = device.step(part, current, dt / parts, generator_for(1))
            count += float(part["spikes"])
            if part["spikes"]:
                moment = n * dt / parts + float(part["moment"])
        assert float(whole["spikes"]) == count
        assert float(whole["moment"]) == pytest.approx(moment, abs=1e-12)
        for name in ("potential", "adaptation", "waiting"):
            assert float(whole[name]) == pytest.approx(float(part[name]), abs=1e-11)


@pytest.mark.parametrize("steps", [1, 7, 50])
@pytest.mark.parametrize("supercritical", [1.01, 2.0, 40.0])
def test_frequency_is_the_closed_form_whatever_the_step(steps, supercritical):
    current = supercritical * LIF.threshold_drive()
    dt = LIF.time_constant / steps
    state, drive = LIF.init((1,), generator_for(0)), torch.full((1, 60 * steps), current, dtype=torch.float64)
    spikes, _ = LIF.respond(state, drive, dt, generator_for(1))
    total = int(spikes.sum())
    fired = spikes[0].nonzero()[-1]
    # from rest to the first spike there is no refractory time before
    expected = total / LIF.firing_rate(current) - LIF.refractory
    last = LIF.respond(state, drive[:, : fired + 1], dt, generator_for(1))[1]
    assert float(fired) * dt + float(last["moment"]) == pytest.approx(expected, rel=1e-9)
    assert LIF.firing_rate(0.99 * LIF.threshold_drive()) == 0


def test_the_textbook_formula_of_the_rate():
    assert LIF.firing_rate(300e-12) == pytest.approx(1 / (2e-3 + 20e-3 * math.log(30 / 15)))


def test_several_spikes_in_one_step_are_counted():
    fast = LIF.replace(refractory=0.0)
    current = torch.tensor([30 * fast.threshold_drive()], dtype=torch.float64)
    period = 20e-3 * math.log(30 / 29)
    after = fast.step(fast.init((1,), generator_for(0)), current, 20e-3, generator_for(1))
    count = math.floor(20e-3 / period)
    assert float(after["spikes"]) == count
    assert float(after["moment"]) == pytest.approx(count * period, rel=1e-9)


def test_a_runaway_and_a_missing_drive_are_refused_by_name():
    fast, state = LIF.replace(refractory=0.0), LIF.init((2, 3), generator_for(0))
    drive = torch.zeros(2, 3)
    drive[1, 2] = 1e6 * LIF.threshold_drive()
    with pytest.raises(ParameterError, match=r"device \(1, 2\) fires more than 1000 times in one step of 0.02 s"):
        fast.step(state, drive, 20e-3, generator_for(1))
    drive[1, 2] = math.nan
    with pytest.raises(ParameterError, match=r"drive of device \(1, 2\) in step 0 is not finite; give a number in A"):
        fast.step(state, drive, 20e-3, generator_for(1))


def test_a_threshold_that_dips_below_the_potential_inside_a_step_is_met():
    device = LIF.replace(adaptation="threshold", adaptation_time=2e-3, rest=-165e-3)
    # the membrane decays and the threshold comes down faster: they meet within the step, though not at its end
    state = LIF.init((1,), generator_for(0))
    state = {**state, "potential": state["potential"] + 34.5e-3, "adaptation": state["adaptation"] + 20e-3}
    after = device.step(state, torch.zeros(1), 2e-3, generator_for(1))
    moment = float(after["moment"])
    assert after["spikes"] == 1
    assert -165e-3 + 134.5e-3 * math.exp(-moment / 20e-3) == pytest.approx(-50e-3 + 20e-3 * math.exp(-moment / 2e-3))
    blind = device.step({**state, "threshold": state["threshold"] + 1}, torch.zeros(1), 2e-3, generator_for(1))
    assert float(blind["potential"]) < -50e-3 + float(blind["adaptation"])  # below it again at the end of the step


def test_what_is_left_of_the_refractory_time_goes_on():
    device = LIF.replace(refractory=7e-3)
    current = torch.tensor([2 * device.threshold_drive()], dtype=torch.float64)
    state, dt, reached = device.init((1,), generator_for(0)), 2e-3, []
    while not reached:
        state = device.step(state, current, dt, generator_for(1))
        if state["spikes"]:
            reached.append(float(state["moment"]))
    assert float(state["waiting"]) == pytest.approx(7e-3 - (dt - reached[0]))
    while float(state["waiting"]) > 0:
        assert float(state["potential"]) == device.reset
        state = device.step(state, current, dt, generator_for(1))
    assert device.reset < float(state["potential"]) < device.threshold


def test_the_floor_holds():
    device = LIF.replace(floor=-70e-3)
    down = torch.full((1, 100), -1e-9, dtype=torch.float64)
    _, state = device.respond(device.init((1,), generator_for(0)), down, 1e-3, generator_for(1))
    assert float(state["potential"]) == -70e-3


@pytest.mark.parametrize("dt", [2e-4, 5e-3, 20e-3])
def test_noise_has_the_declared_standard_deviation_at_any_step(dt):
    device = LIF.replace(noise=1e-3, threshold=100e-3)
    _, state = device.respond(
        device.init((4, 5000), generator_for(0)), torch.zeros(4, 5000, round(0.1 / dt)), dt, generator_for(1)
    )
    deviation = float(state["potential"].std())
    assert abs(deviation / 1e-3 - 1) < 4 / math.sqrt(2 * 20_000)  # four standard errors


@pytest.mark.parametrize("adaptation", ["none", "current", "threshold"])
def test_trains_are_steps_to_the_bit_with_noise_and_spread(adaptation):
    device = devices.get("lif", adaptation=adaptation, noise=3e-3)
    state = device.init((2, 4), generator_for(0))
    drive = torch.rand(2, 4, 300, generator=generator_for(2)) * 6e-10
    fused, end = device.respond(state, drive, 1e-3, generator_for(3))
    stepwise, last = NeuronDevice.respond(device, state, drive, 1e-3, generator_for(3))
    assert torch.equal(fused, stepwise)
    assert fused.sum() > 20
    assert all(torch.equal(end[name], last[name]) for name in end)


def test_devices_differ_as_declared():
    state = devices.get("lif", threshold_spread=0.1, time_constant_spread=0.2).init((10, 2000), generator_for(0))
    height = (state["threshold"] + 65e-3).log()
    assert float(height.std()) == pytest.approx(0.1, rel=0.03)
    assert float(state["time_constant"].log().std()) == pytest.approx(0.2, rel=0.03)


def test_silence_keeps_adaptation_and_takes_the_spike():
    device = LIF.replace(adaptation="threshold")
    drive = torch.full((1, 400), 4e-10)
    _, state = device.respond(device.init((1,), generator_for(0)), drive, 1e-3, generator_for(1))
    while not state["spikes"]:
        state = device.step(state, drive[:, 0], 1e-3, generator_for(1))
    quiet = device.silence(state, torch.tensor([True]))
    assert (quiet["spikes"], quiet["moment"], quiet["potential"]) == (0, 0, device.rest)
    assert torch.equal(quiet["adaptation"], state["adaptation"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threshold": -70e-3}, r"threshold = -0\.07 V must lie above rest"),
        ({"floor": -60e-3}, r"floor = -0\.06 V must not lie above rest"),
        ({"time_constant": -1.0}, r"'time_constant' = -1 s is outside its range"),
    ],
)
def test_impossible_neurons_are_refused(changes, said):
    with pytest.raises(ParameterError, match=said):
        LIF.replace(**changes)


def test_a_step_longer_than_the_adaptation_is_refused_by_name():
    device = LIF.replace(adaptation="current", adaptation_time=5e-3)
    with pytest.raises(ParameterError, match=r"0\.006 s is longer than its shortest time constant, adaptation_time"):
        device.step(device.init((1,), generator_for(0)), torch.zeros(1), 6e-3, generator_for(1))


def test_a_normalised_neuron_is_a_choice_of_numbers():
    device = LIF.replace(rest=0.0, reset=0.0, threshold=1.0, resistance=1.0, refractory=0.0)
    assert device.threshold_drive() == 1.0
    assert device.firing_rate(2.0) == pytest.approx(1 / (20e-3 * math.log(2)))


@pytest.mark.parametrize("adaptation", ["none", "current", "threshold"])
def test_beyond_is_the_distance_of_a_device_that_cannot_fire(adaptation):
    device = devices.get("lif", adaptation=adaptation, noise=0.0)
    state = device.init((50,), generator_for(1))
    draw = torch.Generator().manual_seed(0)
    state["potential"] = torch.empty(50, dtype=torch.float64).uniform_(-65e-3, -50e-3, generator=draw)
    state["waiting"] = torch.empty(50, dtype=torch.float64).uniform_(-1e-3, 1e-3, generator=draw).clamp(min=0)
    if adaptation != "none":
        state["adaptation"] = torch.empty(50, dtype=torch.float64).uniform_(0, 4e-3, generator=draw)
    drive = torch.empty(50).uniform_(0, 1e-9, generator=draw)
    found = device.beyond(state, drive, 0.8e-3)
    after = device.step({**state, "threshold": torch.full_like(state["threshold"], 1e3)}, drive, 0.8e-3, draw)
    raised = after["adaptation"] if adaptation == "threshold" else 0.0
    torch.testing.assert_close(found, after["potential"] - state["threshold"] - raised, rtol=1e-9, atol=1e-15)
    assert 0 < int((found > 0).sum()) < 50
