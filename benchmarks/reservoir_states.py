"""States of the time-multiplexed reservoir against reservoirpy's echo-state reservoir, per node and step.

Both turn the same frames of 64 channels into the same number of node states, in double precision on one thread. The
peer is a random recurrent network (10 % connectivity, tanh), ours one oscillator scanned by a mask: each node costs one
step of a recursion, so the peer's cost per node grows with the number of nodes and ours does not. reservoirpy is no
dependency of this package: ``pip install --no-deps reservoirpy`` (tried with 0.4.2) before running this script.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys

import torch
from _bench import Result, arguments, compare, one_thread, report

from nanoneurons.core.random import generator_for
from nanoneurons.devices import get
from nanoneurons.networks.reservoir import TimeMultiplexedReservoir, draw_mask

CHANNELS = 64
TARGET = 1.0


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    if importlib.util.find_spec("reservoirpy") is None:
        sys.exit("reservoirpy is not installed; pip install --no-deps reservoirpy")
    import reservoirpy
    from reservoirpy.nodes import Reservoir

    one_thread()
    frames = 200 if args.quick else 2000
    rounds = 3 if args.quick else 7
    inputs = 2 * torch.rand(frames, CHANNELS, generator=generator_for(0, "input"), dtype=torch.float64) - 1
    results = []
    kinds = {
        "one time constant": get("spin-torque-oscillator:relaxation-fit"),
        "amplitude equation": get("spin-torque-oscillator"),
    }
    for nodes in (100, 400, 1000):
        peer = Reservoir(nodes, lr=0.3, sr=0.9, seed=0)
        data = inputs.numpy()
        peer.run(data[:2])
        for name, device in kinds.items():
            network = TimeMultiplexedReservoir(device, draw_mask(CHANNELS, nodes, generator_for(0, "mask")))
            network = network.scaled_to([inputs])
            seconds = compare(
                lambda network=network: network.states(inputs),
                lambda peer=peer, data=data: peer.run(data),
                rounds=rounds,
                take=statistics.median,
            )
            each = tuple(s / (frames * nodes) for s in seconds)
            results.append(
                Result(
                    f"per node and step, {nodes} nodes, {name}",
                    *each,
                    each[1] / each[0],
                    TARGET,
                    False,
                    f"reservoirpy {reservoirpy.__version__}",
                    f"{frames} frames; median of {rounds} rounds",
                )
            )
    report(results, args.json)


if __name__ == "__main__":
    main()
