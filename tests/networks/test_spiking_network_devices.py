"""Every neuron and every memory device of the catalogue takes part in a spiking network."""

from __future__ import annotations

import pytest
import torch

from nanoneurons import devices
from nanoneurons.circuits.synapse_array import SynapseArray
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices import MemoryDevice, NeuronDevice
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.layers.synapses import Synapses
from nanoneurons.networks.connections import Connection
from nanoneurons.networks.plasticity_hook import Change, Moment
from nanoneurons.networks.populations import LateralInhibition, Population, SpikeSource, WinnerTakeAll
from nanoneurons.networks.spike_trains import SpikeTrains
from nanoneurons.networks.spiking_network import SpikingNetwork

STEPS = 400
ALL = {name: devices.get(name) for name in devices.catalogue.names}
NEURONS = {name: device for name, device in ALL.items() if isinstance(device, NeuronDevice)}
MEMORIES = {name: device for name, device in ALL.items() if isinstance(device, MemoryDevice)}
LEAKY = LeakyIntegrateAndFire(
    time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=2e-3, noise=0.0,
    threshold_spread=0.0, time_constant_spread=0.0,
)  # fmt: skip


@pytest.mark.parametrize("name", NEURONS)
def test_neurons_of_every_kind_drive_each_other(name: str) -> None:
    """The first population is driven and fires; the second fires only by what it receives; one of a race at a time."""
    device = NEURONS[name]
    dt, drive = device.default_step, device.default_drive
    drives = torch.full((1, 4), drive)
    lone = SpikingNetwork({"first": Population(4, device)}, dt=dt, seed=3).run({"first": drives}, steps=STEPS)
    spikes = float(lone.counts["first"].sum())
    # pulses that add up to one and a half times the default drive
    link = Connection("first", "second", torch.ones(3, 4), 1.5 * drive * STEPS / spikes, time_constant=50 * dt)
    groups = {
        "first": Population(4, device),
        "second": Population(3, device.ideal()),
        "racing": Population(4, device, inhibition=WinnerTakeAll(hold=5 * dt)),
        "pressed": Population(4, device, inhibition=LateralInhibition(strength=0.1 * drive, time_constant=5 * dt)),
    }
    network = SpikingNetwork(groups, [link], dt=dt, chips=2)
    network.fabricate(generator_for(3))
    given = {name: drives for name in ("first", "racing", "pressed")}
    found = network.run(given, steps=STEPS, record=["first", "racing"], generator=generator_for(4))
    assert bool((found.counts["first"].sum((1, 2)) >= 2).all())
    alone = network.run({**given, "first": torch.zeros(1, 4)}, steps=STEPS, generator=generator_for(4))
    assert float(found.counts["second"].sum()) > float(alone.counts["second"].sum())
    times, _ = found.spikes["racing"].of(0, 0)
    steps = torch.floor(times / dt)
    assert bool((found.counts["racing"].sum(-1) > 0).all()) and len(steps.unique()) == len(steps)


class Raise:
    """Raises the weights of whatever fires."""

    listens = ("out",)

    def __call__(self, moment: Moment) -> list[Change]:
        chip, row = moment.spikes("out")[:, 0].nonzero(as_tuple=True)
        return [Change("in-out", (chip, row), Update(torch.full((len(row), 6), 0.05)))]


@pytest.mark.parametrize("name", MEMORIES)
def test_synapses_of_every_memory_device_carry_spikes(name: str) -> None:
    device = MEMORIES[name]
    layer = Synapses(6, 5, circuit=SynapseArray(device), chips=2, seed=1)
    link = Connection("in", "out", layer, amplitude=40.0)
    network = SpikingNetwork({"in": SpikeSource(6), "out": Population(5, LEAKY)}, [link], dt=1e-3, chips=2)
    network.program_initial(generator_for(0))
    given = SpikeTrains.of_events(torch.arange(60) * 1e-3, torch.arange(60) % 6, 6)
    before = layer.weight.clone()
    still = network.run({"in": given}, 0.07)
    assert float(still.counts["out"].sum()) > 0 and torch.equal(layer.weight, before)
    assert still.energy.events["read"] >= still.energy.events["synaptic_event"] == 60 * 5
    if device.graded:
        learnt = network.run({"in": given}, 0.07, plasticity=Raise(), generator=generator_for(1))
        assert float(layer.weight.mean()) > float(before.mean())
        assert float(learnt.counts["out"].sum()) >= float(still.counts["out"].sum())
