"""NbOx neuron: the calibrated values, spread and noise of its imperfections, trains, refusals."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

NBOX = devices.get("nbox")
IDEAL = NBOX.ideal()


def spikes_of(device, volts, seconds, seed=0, devices=(2, 200)):
    state = device.init(devices, generator_for(seed, "init"))
    run = device.simulate(
        state, torch.full((*devices, 1), volts, dtype=torch.float64), seconds, generator_for(seed, "run"), events=60
    )
    return run


@pytest.mark.parametrize(("volts", "megahertz"), [(1.48, 2.66), (1.6, 3.08), (1.8, 3.90), (2.0, 4.52)])
def test_calibrated_frequencies(volts, megahertz):
    run = spikes_of(IDEAL, volts, 8e-6, devices=(1, 1))
    period = run.times[0, 0].diff().nanmean()
    assert 1e-6 / float(period) == pytest.approx(megahertz, rel=0.01)


def test_rheobase_separates_silence_from_spikes():
    rheobase = NBOX.threshold_drive()
    assert 1.46 < rheobase < 1.47
    for volts, fires in ((rheobase - 0.002, False), (rheobase + 1e-6, True)):
        assert bool(spikes_of(IDEAL, volts, 30e-6, devices=(1, 1)).spikes.any()) == fires
    assert NBOX.replace(activation=0.24).threshold_drive() > rheobase


def test_spread_is_drawn_once_and_as_declared():
    only = NBOX.only("device_to_device")
    state = only.init((4, 1000), generator_for(3))
    for name, nominal, sigma in (
        ("activation", NBOX.activation, NBOX.activation_spread),
        ("thermal_resistance", NBOX.thermal_resistance, NBOX.thermal_resistance * NBOX.thermal_spread),
    ):
        value = state[name].flatten()
        assert float(value.std()) == pytest.approx(sigma, rel=4 / math.sqrt(2 * len(value)) + 0.01)
        assert float(value.median()) == pytest.approx(nominal, abs=6 * sigma / math.sqrt(len(value)))
    assert torch.equal(state["now"], state["activation"])
    after = only.step(state, torch.tensor(1.8), 1e-6, generator_for(4))
    assert torch.equal(after["activation"], state["activation"]) and torch.equal(after["now"], state["activation"])


def test_jitter_makes_intervals_vary_and_thermal_noise_alone_hardly():
    varied = {}
    for name in ("cycle_to_cycle", "thermal_noise"):
        times = spikes_of(NBOX.only(name), 1.8, 5e-6).times
        intervals = times[..., 1:9].diff(dim=-1)
        varied[name] = float((intervals.std(dim=-1) / intervals.mean(dim=-1)).mean())
    assert 0.005 < varied["cycle_to_cycle"] < 0.1
    assert varied["thermal_noise"] < 0.02 * varied["cycle_to_cycle"]


def test_a_step_may_be_long_or_short():
    state = IDEAL.init((1, 1), generator_for(0))
    once = IDEAL.step(state, torch.tensor(1.6), 2e-6, generator_for(1))
    many = state
    total = 0.0
    for _ in range(50):
        many = IDEAL.step(many, torch.tensor(1.6), 40e-9, generator_for(1))
        total += float(many["spikes"])
    assert float(once["spikes"]) == total == 5
    assert float(many["voltage"]) == pytest.approx(float(once["voltage"]), abs=1e-3)
    same = IDEAL.step(state, torch.tensor(1.6), 0.0, generator_for(1))
    assert all(torch.equal(same[name], state[name]) for name in state)


def test_energy_of_a_spike_is_what_the_source_gives():
    price = NBOX.prices()["spike"].joule
    mean_current = (1.6 - 1.1) / 3e3  # the node stays near 1.1 V
    assert price == pytest.approx(1.6 * mean_current / 3.08e6, rel=0.1)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NBOX.replace(operating_voltage=2.8), "must lie between 1.457 V and 2.497 V, where this circuit osc"),
        (lambda: NBOX.replace(series=5e4), "never switches; lower its series resistance"),
        (lambda: NBOX.replace(capacitance=1e-14), "does not oscillate.*raise the capacitance"),
        (lambda: NBOX.replace(breakdown=1.5), "operating_voltage = 1.6 V exceeds breakdown = 1.5 V"),
        (lambda: NBOX.step(NBOX.init((2, 2), generator_for(0)), torch.tensor(1600.0), 1e-8, generator_for(0)),
         "source voltage 1600 V is beyond breakdown at 5 V"),
        (lambda: NBOX.step(NBOX.init((2,), generator_for(0)), torch.tensor([1.0, math.nan]), 1e-8, generator_for(0)),
         r"at index \(1,\) is NaN"),
        (lambda: NBOX.step(NBOX.init((2,), generator_for(0)), torch.tensor(1.0), -1e-8, generator_for(0)),
         "is not a positive time"),
    ],
)  # fmt: skip
def test_mistakes_are_named(call, message):
    with pytest.raises(ParameterError, match=message):
        call()
