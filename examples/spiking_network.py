"""Leaky neurons that compete for two images, through memristive synapses that learn by spike times.

python examples/spiking_network.py [samples]

Poisson spikes of two striped images reach four neurons through an array of pulsed memristors. A neuron that fires
raises its synapses from inputs that have fired within the last 20 ms and lowers the others, by pulses; the first to
fire holds the others back. No labels, no gradients. Printed: how often each neuron answers each image before and
after, and what one sample costs.
"""

from __future__ import annotations

import sys

import torch

from nanoneurons.circuits.synapse_array import SynapseArray
from nanoneurons.core.energy import bill
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.layers.synapses import Synapses
from nanoneurons.networks.connections import Connection
from nanoneurons.networks.encoders import Poisson
from nanoneurons.networks.plasticity_hook import Change, Moment
from nanoneurons.networks.populations import Population, SpikeSource, WinnerTakeAll
from nanoneurons.networks.spiking_network import SpikingNetwork

SIDE, NEURONS, DT, DURATION = 8, 4, 1e-3, 0.25


class SpikeTimes:
    """Raises synapses from inputs that fired within a window before the output spike, lowers the others."""

    listens = ("pixels", "answers")

    def __init__(self, window: float = 20e-3, up: float = 0.03, down: float = 0.02) -> None:
        self.window, self.up, self.down = window, up, down
        self.last = torch.full((SIDE * SIDE,), -1.0)  # time of the last spike of each input, s

    def __call__(self, moment: Moment) -> list[Change]:
        now = moment.step * moment.dt
        if moment.step == 0:
            self.last.fill_(-1.0)
        self.last[moment.spikes("pixels")[0, 0] > 0] = now
        (fired,) = moment.spikes("answers")[0, 0].nonzero(as_tuple=True)
        if not len(fired):
            return []
        change = torch.where(now - self.last < self.window, self.up, -self.down)
        return [Change("pixels-answers", (fired,), Update(change.expand(len(fired), -1)))]


def answers(network: SpikingNetwork, images: torch.Tensor) -> torch.Tensor:
    """Spikes of every neuron for each image."""
    spikes = Poisson(max_rate=80.0).encode(images, DURATION, generator_for(5))
    return network.run({"pixels": spikes}, DURATION).counts["answers"]


def main(samples: int = 40) -> None:
    """Build, learn, print."""
    rows = torch.arange(SIDE) % 2
    images = torch.stack([rows[:, None].expand(SIDE, SIDE), rows.expand(SIDE, SIDE)]).float()
    cell = LeakyIntegrateAndFire(
        time_constant=20e-3, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=2e-3, noise=0.0,
        adaptation="threshold", adaptation_step=0.15, adaptation_time=1.0,
    )  # fmt: skip
    synapses = Synapses(SIDE * SIDE, NEURONS, circuit=SynapseArray(Pulsed()), seed=2)
    network = SpikingNetwork(
        {
            "pixels": SpikeSource(SIDE * SIDE),
            "answers": Population(NEURONS, cell, inhibition=WinnerTakeAll(hold=10e-3)),
        },
        [Connection("pixels", "answers", synapses, amplitude=2.0, time_constant=5e-3)],
        dt=DT,
    )
    network.program_initial(generator_for(1))
    print("spikes of the neurons before, for each image\n", answers(network, images))
    rule, noise, state = SpikeTimes(), generator_for(3), None
    for sample in range(samples):
        spikes = Poisson(max_rate=80.0).encode(images[sample % 2 : sample % 2 + 1], DURATION, generator_for(4, sample))
        found = network.run({"pixels": spikes}, DURATION, state=state, generator=noise, plasticity=rule)
        state = found.state  # adaptation stays from sample to sample
    print("and after\n", answers(network, images))
    for line in bill(found.energy, synapses.wired.prices()).lines:  # neurons in units of 1 have no energy in joule
        print(
            f"a sample takes {line.count:8.0f} x {line.event}" + ("" if line.joule is None else f", {line.joule:.2g} J")
        )
    print(f"learning took {synapses.pulses_applied:.0f} pulses")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:]))
