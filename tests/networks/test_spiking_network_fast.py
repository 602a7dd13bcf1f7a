"""The compiled loop over leaky integrate-and-fire neurons gives what the general path gives, to the last bit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.networks.connections import Connection, SparseSynapses
from nanoneurons.networks.encoders import Drive, Poisson
from nanoneurons.networks.populations import LateralInhibition, Population, SpikeSource, WinnerTakeAll
from nanoneurons.networks.spiking_network import Activity, SpikingNetwork

DT = 1e-3
PLAIN = LeakyIntegrateAndFire(
    time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=2e-3, noise=0.0,
    threshold_spread=0.1, time_constant_spread=0.1,
)  # fmt: skip
NOISY = dataclasses.replace(PLAIN, noise=0.05)
CURRENT = dataclasses.replace(
    PLAIN, reset=-1.0, floor=-1.5, adaptation="current", adaptation_step=0.05, adaptation_time=0.1
)
THRESHOLD = dataclasses.replace(CURRENT, adaptation="threshold", noise=0.05)
NEURONS = {"plain": PLAIN, "noisy": NOISY, "current": CURRENT, "threshold": THRESHOLD}


def equal(a: Activity, b: Activity) -> None:
    assert a.energy == b.energy
    for name, counts in a.counts.items():
        assert torch.equal(counts, b.counts[name]), name
    for name, spikes in a.spikes.items():
        assert all(torch.equal(getattr(spikes, k), getattr(b.spikes[name], k)) for k in ("times", "neurons", "starts"))
    for name, trace in a.membranes.items():
        assert torch.equal(trace, b.membranes[name]), name
    for name, group in a.state.groups.items():
        for key, value in group.state.items():
            assert torch.equal(value, b.state.groups[name].state[key]), (name, key)
    for key, port in a.state.ports.items():
        assert (port.y == b.state.ports[key].y).all() and (port.ring == b.state.ports[key].ring).all()


def network(first: Population, second: Population, chips: int | None) -> SpikingNetwork:
    """Two populations with every kind of connection: dense, sparse, own weights of each chip, loops, all delays."""
    g = generator_for(11)
    own = () if chips is None else (chips,)
    sparse = SparseSynapses.random(second.size, first.size, 4, 0.3, g)
    links = [
        Connection("in", "a", torch.rand(*own, first.size, 15, generator=g), amplitude=6.0, time_constant=5e-3),
        Connection("a", "b", sparse, amplitude=9.0, delay=0.0),
        Connection("b", "a", -torch.rand(first.size, second.size, generator=g), delay=3e-3, width=2e-3),
        Connection("b", "b", torch.randn(second.size, second.size, generator=g), amplitude=0.5, time_constant=2e-3),
        Connection("in", "b", torch.rand(second.size, 15, generator=g), amplitude=3.0),
    ]
    groups = {"in": SpikeSource(15), "b": second, "a": first}
    return SpikingNetwork(groups, links, dt=DT, chips=chips)


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("kind", list(NEURONS))
@pytest.mark.parametrize(
    "inhibition",
    [None, WinnerTakeAll(hold=3e-3), WinnerTakeAll(winner="highest", hold=3e-3), LateralInhibition(strength=3.0)],
)
def test_both_paths_agree(kind: str, inhibition: WinnerTakeAll | LateralInhibition | None, chips: int | None) -> None:
    g = generator_for(3)
    neuron = NEURONS[kind]
    first = Population(9, neuron, inhibition=inhibition, bias=torch.linspace(0.5, 1.4, 9))
    second = Population(6, PLAIN, clocked=kind == "plain")
    net = network(first, second, chips)
    given = Poisson(max_rate=60.0).encode(torch.rand(3, 15, generator=g), 0.08, g)
    wave = Drive(torch.rand(9, 3, 6, generator=g), 10e-3)
    results = []
    for stepwise in (False, True):
        found = net.run(
            {"in": given, "b": wave}, steps=72, generator=generator_for(1), stepwise=stepwise,
            record={"a": ("spikes", "membrane"), "b": "spikes"}, every=9,
        )  # fmt: skip
        least = 8 if isinstance(inhibition, WinnerTakeAll) else 20  # with fewer spikes this would be no test
        assert float(found.counts["a"].sum()) > least and float(found.counts["b"].sum()) > least
        results.append(found)
    equal(*results)
    on = [net.run({"in": given}, steps=8, generator=generator_for(2), state=r.state, stepwise=s, record=["a"])
          for r, s in zip(results, (True, False), strict=True)]  # fmt: skip
    equal(*on)
