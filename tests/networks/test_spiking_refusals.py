"""What a spiking network refuses, each in one line that names the culprit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from nanoneurons.core.errors import NanoneuronsError
from nanoneurons.devices.ideal import Ideal
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.networks.connections import Connection, SparseSynapses
from nanoneurons.networks.encoders import Drive
from nanoneurons.networks.populations import LateralInhibition, Population, SpikeSource
from nanoneurons.networks.spike_trains import SpikeTrains
from nanoneurons.networks.spiking_network import SpikingNetwork

LEAKY = LeakyIntegrateAndFire(time_constant=5e-3)
GROUPS = {"in": SpikeSource(3), "out": Population(2, LEAKY)}
W = torch.ones(2, 3)
NAN, NONE = float("nan"), torch.empty(0)


def built(*links: Connection, dt: float = 1e-3, **groups: Population) -> SpikingNetwork:
    return SpikingNetwork({**GROUPS, **groups}, links, dt=dt)


def ran(inputs: dict, **more: object) -> object:
    network = built(Connection("in", "out", W))
    return network.run(inputs, **{"duration": 0.01, **more})  # type: ignore[arg-type]


def trains(*times: float) -> SpikeTrains:
    return SpikeTrains.of_events(torch.tensor(times), torch.zeros(len(times)), 3)


CASES: dict[str, Callable[[], object]] = {
    r"population 'out': .* longer than its shortest time constant, time_constant = 0.005": lambda: built(dt=6e-3),
    r"connection 'in-out': a step of 0.001 s is longer than its time constant of 0.0005": lambda: built(
        Connection("in", "out", W, time_constant=5e-4)
    ),
    r"population 'wta': .* longer than the time constant of its lateral inhibition": lambda: built(
        wta=Population(2, LEAKY, inhibition=LateralInhibition(time_constant=1e-4))
    ),
    r"time_constant = -0.001 s must not be negative": lambda: Connection("in", "out", W, time_constant=-1e-3),
    r"delay of 0.0015 s is not a whole number of steps": lambda: built(Connection("in", "out", W, delay=1.5e-3)),
    r"step of 0 s is not a positive": lambda: built(dt=0.0),
    r"there is no 'ot' \(did you mean 'out'\?\)": lambda: built(Connection("in", "ot", W)),
    r"target 'in' is a source": lambda: built(Connection("out", "in", W.T)),
    r"weights of shape \(3, 2\) .* give \(out, in\) = \(2, 3\)": lambda: built(Connection("in", "out", W.T)),
    r"weights for 4 chips in a network of one": lambda: built(Connection("in", "out", torch.ones(4, 2, 3))),
    r"loop among 'out'": lambda: built(Connection("out", "out", torch.ones(2, 2), delay=0.0)),
    r"two connections are called 'in-out'": lambda: built(Connection("in", "out", W), Connection("in", "out", W)),
    r"synapses of shape \(2, 3\) must be finite": lambda: built(Connection("in", "out", W * NAN)),
    r"sparse synapses: a target lies outside": lambda: SparseSynapses(
        torch.tensor([0]), torch.tensor([2]), torch.ones(1), (2, 3)
    ),
    r"spikes pass by the bias of AnalogLinear": lambda: built(Connection("in", "out", AnalogLinear(3, 2))),
    r"ReLU has no weight": lambda: built(Connection("in", "out", torch.nn.ReLU())),
    r"name 'a.b' may hold letters": lambda: SpikingNetwork({"a.b": SpikeSource(1)}, dt=1e-3),
    r"Ideal \(kind 'memory'\) does not fire": lambda: Population(2, Ideal()),  # type: ignore[arg-type]
    r"size = 0": lambda: Population(0, LEAKY),
    r"bias must be finite, one number or one per neuron": lambda: Population(2, LEAKY, bias=torch.ones(3)),
    r"max_rate = -1": lambda: Population(2, LEAKY, max_rate=-1.0),
    r"source 'in' is given no spikes": lambda: ran({}),
    r"input 'in': the spike trains are empty": lambda: ran({"in": trains()}),
    r"no 'inn' \(did you mean 'in'\?\)": lambda: ran({"inn": trains(0.0)}),
    r"input 'in': it takes spike trains": lambda: ran({"in": torch.ones(3)}),
    r"input 'out': it takes a drive": lambda: ran({"in": trains(0.0), "out": trains(0.0)}),
    r"input 'out': a value of the drive is NaN": lambda: ran({"in": trains(0.0), "out": torch.tensor([0.0, NAN])}),
    r"input 'out': shape \(5,\) does not fit": lambda: ran({"in": trains(0.0), "out": torch.ones(5)}),
    r"differ in their numbers of samples: input 'in' 1, input 'out' 4": lambda: ran(
        {"in": trains(0.0), "out": Drive(torch.ones(6, 4, 2), 1e-3)}
    ),
    r"either duration \(s\) or steps": lambda: ran({"in": trains(0.0)}, steps=5),
    r"a duration of -1 s": lambda: ran({"in": trains(0.0)}, duration=-1.0),
    r"record: the network has no 'oat'": lambda: ran({"in": trains(0.0)}, record=["oat"]),
    r"record: 'volts' of 'out' is unknown; use spikes or membrane": lambda: ran(
        {"in": trains(0.0)}, record={"out": "volts"}
    ),
    r"'in' is a source of spikes and has no membranes": lambda: ran({"in": trains(0.0)}, record={"in": "membrane"}),
    r"every = 0": lambda: ran({"in": trains(0.0)}, every=0),
}


@pytest.mark.parametrize("names", CASES)
def test_refusals_are_one_line_that_names_the_culprit(names: str) -> None:
    with pytest.raises(NanoneuronsError, match=names) as caught:
        CASES[names]()
    assert "\n" not in str(caught.value)
