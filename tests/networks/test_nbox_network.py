"""Neurons made of threshold switches in a network: populations, and one that drives another."""

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import RunawayError
from nanoneurons.core.random import generator_for
from nanoneurons.networks.connections import Connection
from nanoneurons.networks.populations import Population
from nanoneurons.networks.spiking_network import SpikingNetwork

NBOX = devices.get("nbox")
DT, STEPS = NBOX.default_step, 200


def network(weight, neuron, chips=None):
    """Ten neurons that fire by themselves drive ten that a bias keeps just below the rheobase."""
    groups = {"first": Population(10, neuron, bias=1.8), "second": Population(10, neuron, bias=1.4)}
    wires = [Connection("first", "second", torch.eye(10) * weight, width=2 * DT, time_constant=2 * DT)]
    return SpikingNetwork(groups, wires, dt=DT, chips=chips, seed=3)


@pytest.mark.parametrize("name", ["nbox", "vo2"])
def test_a_population_alone_does_what_its_devices_do(name):
    device = devices.get(name).ideal()
    dt = device.default_step
    net = SpikingNetwork({"a": Population(3, device, bias=device.default_drive)}, dt=dt)
    run = net.run(steps=STEPS, record=["a"])
    drive = torch.full((3, STEPS), device.default_drive)
    spikes, _ = device.respond(device.init((3,), generator_for(0)), drive, dt, generator_for(0))
    assert torch.equal(run.counts["a"][0].float(), spikes.sum(-1))
    assert float(run.counts["a"].sum()) >= 3 * 5


def test_spikes_of_one_neuron_make_another_fire():
    counts = {w: network(w, NBOX.ideal()).run(steps=STEPS).counts for w in (0.0, 1.0)}
    assert float(counts[0.0]["second"].sum()) == 0
    assert torch.equal(counts[0.0]["first"], counts[1.0]["first"])
    assert (counts[1.0]["second"] >= 5).all() and (counts[1.0]["second"] <= counts[1.0]["first"]).all()


def test_drives_that_the_devices_feel_are_those_of_the_connection():
    net = network(1.0, NBOX.ideal())
    first = net.run(steps=STEPS, record=["first"]).spikes["first"]
    pulse, now = torch.zeros(STEPS), 0.0
    fired = first.dense(DT, STEPS)[0, 0]
    keep = torch.exp(torch.tensor(-0.5)).item()
    for n in range(1, STEPS):
        now = keep * now + (1 - keep) * 2.0 * float(fired[n - 1])  # arrives one step later, of two steps' area
        pulse[n] = now
    device = NBOX.ideal()
    spikes, _ = device.respond(device.init((1,), generator_for(0)), (1.4 + pulse)[None], DT, generator_for(0))
    assert float(spikes.sum()) == float(net.run(steps=STEPS).counts["second"][0, 0])


def test_spread_makes_neurons_of_a_population_differ():
    run = network(0.0, NBOX, chips=2).run(steps=STEPS)
    counts = run.counts["first"]
    assert counts.shape == (2, 1, 10)
    assert float(counts.float().std()) > 0
    ideal = network(0.0, NBOX.ideal(), chips=2).run(steps=STEPS).counts["first"]
    assert float(ideal.float().std()) == 0


def test_a_drive_beyond_breakdown_is_named():
    net = SpikingNetwork({"a": Population(1, NBOX, bias=1600.0)}, dt=DT)
    with pytest.raises(RunawayError, match="population 'a' runs away.*source voltage 1600 V.*beyond breakdown at 5 V"):
        net.run(steps=2)
