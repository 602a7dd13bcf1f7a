"""Inference of 784-256-128-10 through a crossbar with read noise and 8-bit converters, against plain torch.

Both sides start from the same images and end in logits, without gradients; ours converts every layer's inputs and
outputs and adds the read noise of every device and the amplifiers' noise, drawn anew for every product.
"""

from __future__ import annotations

import statistics

import torch
from _bench import Result, arguments, compare, one_thread, report
from analog_training import PRESET, analog_network, images, plain_network

from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.core.random import generator_for
from nanoneurons.devices import get

BITS = 8
TARGET = 0.5


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    one_thread()
    step = 1 / (2**BITS - 2)
    circuit = Crossbar(get(PRESET, read_noise=0.01), dac_resolution=step, adc_resolution=step)
    assert circuit.device.read_sigma() > 0
    assert circuit.output_noise > 0
    ours, plain = analog_network(circuit).eval(), plain_network().eval()
    ours.fabricate(generator_for(0, "benchmark"))
    rounds = 30 if args.quick else 200
    results = []
    with torch.no_grad():
        for batch in (64, 256, 1000):
            x, _, what = images(batch)
            seconds = compare(lambda x=x: ours(x), lambda x=x: plain(x), rounds=rounds, take=statistics.median)
            ratio = seconds[1] / seconds[0]
            name = f"inference, {BITS}-bit converters and read noise, batch {batch}"
            results.append(Result(name, *seconds, ratio, TARGET, False, note=f"{what}; median of {rounds} rounds"))
    report(results, args.json)


if __name__ == "__main__":
    main()
