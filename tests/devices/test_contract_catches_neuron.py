"""The contract of neurons is worth its name: each check refuses a device that breaks just that promise."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import ContractError, NeuronDevice, contract


@pytest.fixture(scope="module")
def good(sample_module):
    return sample_module("devices", "charging_neuron").ChargingNeuron


def mutant(name, good, **changes):
    """A class called `name` that differs from the good one by the given methods or attributes."""
    return type(name, (good,), changes)()


def plain(self, state, drive, dt, generator):
    return super(type(self), self).step(state, drive, dt, generator)


def outside(self, state, drive, dt, generator):
    after = plain(self, state, drive, dt, generator)
    return {**after, "moment": torch.where(after["spikes"] > 0, after["moment"] + dt, 0.0)}


def lasting(self, state, drive, dt, generator):
    after = plain(self, state, drive, dt, generator)
    return {**after, "moment": torch.where(after["spikes"] > 0, after["moment"], state["moment"])}


def once(self, state, drive, dt, generator):
    after = plain(self, state, drive, dt, generator)
    return {**after, "capacity": torch.where(after["spikes"] > 0, 1.0, after["capacity"])}


def at_the_end(self, state, drive, dt, generator):
    """Steps over the spike: the charge beyond it is lost."""
    after = plain(self, state, drive, dt, generator)
    return {**after, "charge": torch.where(after["spikes"] > 0, 0.0, after["charge"])}


def restless(self, state, drive, dt, generator):
    after = plain(self, state, drive, dt, generator)
    return {**after, "charge": after["charge"] * 0.99}


def spontaneous(self, state, drive, dt, generator):
    return plain(self, state, drive + 5e-10, dt, generator)


def careless(self, state, drive, dt, generator):
    return plain(self, state, drive.nan_to_num(), dt, generator)


def halfway(self, state, where):
    return {**state, "charge": torch.where(where, 0.5 * self.capacity, state["charge"])}


def everyone(self, state, where):
    return super(type(self), self).silence(state, torch.ones_like(where))


def averaged(self, state, drive, dt, generator):
    drive = drive.mean(-1, keepdim=True).expand(drive.shape)
    return NeuronDevice.respond(self, state, drive, dt, generator)


def anything(self, dt):
    """Refuse nothing."""


def vague(self, dt):
    if not 0 < dt <= self.slowest:
        raise ParameterError("the step is wrong" if dt > 0 else f"a step of {dt} s")


BROKEN = [
    ("Unordered", {"threshold_drive": lambda self: 2e-9}, "drives_are_ordered"),
    ("Endless", {"threshold_drive": lambda self: math.inf}, "drives_are_ordered"),
    ("Opposite", {"threshold_drive": lambda self: -1e-10}, "drives_are_ordered"),
    ("Outside", {"step": outside}, "default_drive_makes_spikes"),
    ("Lasting", {"step": lasting}, "default_drive_makes_spikes"),
    ("Once", {"step": once}, "default_drive_makes_spikes"),
    ("AtTheEnd", {"step": at_the_end}, "moments_do_not_hang_on_the_step"),
    ("Restless", {"step": restless}, "no_time_no_change"),
    ("Careless", {"step": careless}, "bad_drives_are_refused"),
    ("Spontaneous", {"step": spontaneous}, "no_drive_no_spikes"),
    ("Halfway", {"silence": halfway}, "silence_puts_to_rest"),
    ("Everyone", {"silence": everyone}, "silence_puts_to_rest"),
    ("Averaged", {"respond": averaged}, "trains_agree_with_steps"),
    ("TakesAnything", {"check_step": anything}, "long_steps_are_refused"),
    ("Vague", {"check_step": vague}, "long_steps_are_refused"),
]


def test_the_good_neuron_passes(good):
    checks = contract(good())
    assert len(checks) == len({check.__name__ for check in checks})
    for check in checks:
        check(good())


@pytest.mark.parametrize(("name", "changes", "check"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_promise_is_caught(good, name, changes, check):
    broken = mutant(name, good, **changes)
    (found,) = [c for c in contract(broken) if c.__name__ == check]
    with pytest.raises(ContractError, match=name):
        found(broken)


def test_every_neuron_check_has_a_mutant(good):
    specific = {c.__name__ for c in contract(good()) if c.__module__.endswith("_contract.neuron")}
    assert {check for _, _, check in BROKEN} == specific


def test_a_neuron_that_inhibition_fires_is_ordered_too(good):
    inhibited = mutant(
        "Inhibited", good, threshold_drive=lambda self: -1e-10, default_drive=property(lambda self: -1e-9)
    )
    (ordered,) = [c for c in contract(inhibited) if c.__name__ == "drives_are_ordered"]
    ordered(inhibited)


def test_trains_are_steps_unless_overridden(good):
    device, drive = good(), torch.full((1, 50), 1e-9)
    state = device.init((1,), generator_for(0))
    spikes, end = device.respond(state, drive, 3e-4, generator_for(1))
    for n in range(50):
        state = device.step(state, drive[:, n], 3e-4, generator_for(1))
        assert state["spikes"] == spikes[0, n]
    assert torch.equal(end["charge"], state["charge"])
    empty, same = device.respond(state, drive[:, :0], 3e-4, generator_for(1))
    assert empty.shape == (1, 0)
    assert same is state


def test_what_a_neuron_does_not_say_is_refused(good):
    with pytest.raises(RefusedError, match="ChargingNeuron does not say how far beyond its threshold"):
        good().beyond({}, torch.zeros(1), 1e-4)


def test_the_class_says_its_kind(good):
    assert issubclass(good, NeuronDevice)
    assert good.kind == "neuron"
