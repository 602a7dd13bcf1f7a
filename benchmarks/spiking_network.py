"""How the time of a recurrent spiking network follows its activity, against matrix products at every step.

1,000 leaky integrate-and-fire neurons, all connected with each other with a delay of a step and a low-pass, fed by
1,000 Poisson sources of a given rate; 8 samples side by side, 300 steps of 1 ms. Ours adds the rows of weights of
neurons that fired; the peer, written here in torch, multiplies whole matrices with the spikes of each step, as
simulators on tensors do. Both compute the same equations (ours keeps potentials in double precision); the numbers of
spikes are compared. The weights are scaled until the neurons fire about as often as their sources. One thread, CPU
time, in turns.
"""

from __future__ import annotations

import math

import torch
from _bench import Result, arguments, compare, one_thread, report

from nanoneurons.core.random import generator_for
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.networks.connections import Connection
from nanoneurons.networks.encoders import Poisson
from nanoneurons.networks.populations import Population, SpikeSource
from nanoneurons.networks.spiking_network import SpikingNetwork

SIZE, SAMPLES, STEPS, DT, TAU, FILTER = 1000, 8, 300, 1e-3, 20e-3, 5e-3
RATES = (1.0, 5.0, 20.0, 80.0)
NEURON = LeakyIntegrateAndFire(
    time_constant=TAU, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=0.0, noise=0.0,
    threshold_spread=0.0, time_constant_spread=0.0,
)  # fmt: skip


class Case:
    """The network at one input rate, in both programs."""

    def __init__(self, rate: float, size: int) -> None:
        g = generator_for(0, "benchmark", size)
        self.w = torch.rand(size, size, generator=g) / (rate * DT * size)
        self.recurrent = torch.randn(size, size, generator=g) * (0.05 / (rate * DT * size))
        self.trains = Poisson(max_rate=rate).encode(torch.ones(SAMPLES, size), STEPS * DT, g)
        groups = {"in": SpikeSource(size), "out": Population(size, NEURON, clocked=True)}
        links = [
            Connection("in", "out", self.w, time_constant=FILTER),
            Connection("out", "out", self.recurrent, time_constant=FILTER),
        ]
        self.network = SpikingNetwork(groups, links, dt=DT)
        low, high = 0.5, 10.0
        for _ in range(10):
            gain = (low * high) ** 0.5
            self.scale(gain)
            low, high = (gain, high) if self.ours() < rate * STEPS * DT * SAMPLES * size else (low, gain)
            self.scale(1 / gain)
        self.scale(gain)
        self.given = self.trains.dense(DT, STEPS).permute(2, 0, 1).contiguous()
        self.fired = 0.0

    def scale(self, gain: float) -> None:
        """Multiply all weights."""
        self.w *= gain
        self.recurrent *= gain
        for weight in self.network.parameters():
            weight.mul_(gain)

    def ours(self) -> float:
        """Spikes of the neurons."""
        self.fired = float(self.network.run({"in": self.trains}, steps=STEPS).counts["out"].sum())
        return self.fired

    def peer(self) -> float:
        """The same by matrix products."""
        decay, kept = math.exp(-DT / TAU), math.exp(-DT / FILTER)
        size = len(self.w)
        v, y, spikes, total = (torch.zeros(SAMPLES, size) for _ in range(4))
        before = torch.zeros(SAMPLES, size)
        w, recurrent = self.w.T.contiguous(), self.recurrent.T.contiguous()
        for given in self.given:
            y.mul_(kept).add_(before @ w + spikes @ recurrent, alpha=1 - kept)
            v.mul_(decay).add_(y, alpha=1 - decay)
            spikes = (v >= 1).float()
            v.mul_(1 - spikes)
            total += spikes
            before = given
        return float(total.sum())


def main() -> None:
    """Run and print."""
    args = arguments((__doc__ or "").splitlines()[0])
    one_thread()
    size, rates, rounds = (300, RATES[1:3], 2) if args.quick else (SIZE, RATES, 5)
    results = []
    for rate in rates:
        case = Case(rate, size)
        ours, peer = compare(case.ours, case.peer, rounds=rounds)
        there = case.peer()
        per_second = STEPS * DT * SAMPLES * size
        note = (
            f"sources {len(case.trains) / per_second:.1f} Hz, neurons {case.fired / per_second:.1f} Hz; spikes of the "
        )
        note += f"neurons {case.fired:.0f} and {there:.0f} (peer)"
        name = f"{size} neurons, {STEPS} steps, {SAMPLES} samples, {rate:g} Hz"
        results.append(Result(name, ours, peer, peer / ours, None, False, "matrix products in torch", note))
    report(results, args.json)


if __name__ == "__main__":
    main()
