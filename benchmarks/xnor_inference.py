"""Packed binary inference against a float32 forward of the same network, one thread, ratio in one run.

    python benchmarks/xnor_inference.py [--batch 256] [--sizes 784-1024-1024-10] [--rounds 40]

The float forward has its weights of -1 and +1 ready as float32; batch normalisation and sign are torch's own, and the
faster of two ways to write the sign counts. Both sides start from float32 activations of -1 and +1 and end
in float32 logits; packing the input is part of the packed time. Rounds alternate, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch.nn import functional as F

from nanoneurons import networks
from nanoneurons.layers.binary import BinaryLinear, sign
from nanoneurons.layers.chipwise import ChipBatchNorm
from nanoneurons.networks.packed import PackedNetwork


def build(sizes: str, generator: torch.Generator) -> torch.nn.Module:
    """Binary network with random batch normalisation, in evaluation mode."""
    first, last = int(sizes.split("-")[0]), int(sizes.split("-")[-1])
    network = networks.build(sizes, kind="binary", circuit=None, chips=None, shape=(first,), classes=last, seed=0)
    fan_in = first
    for module in network:
        if isinstance(module, BinaryLinear):
            fan_in = module.in_features
        elif isinstance(module, ChipBatchNorm):
            with torch.no_grad():
                module.weight.copy_(torch.randn(module.features, generator=generator))
                module.bias.copy_(torch.randn(module.features, generator=generator))
                module.running_mean.copy_(torch.randn(module.features, generator=generator) * fan_in**0.5)
                module.running_var.copy_(torch.rand(module.features, generator=generator) * fan_in + 1)
    return network.eval()


def float_forward(network: torch.nn.Module, fast_sign):
    """The network as plain torch operations on prepared float weights."""
    weights = [m.effective_weight().detach().clone() for m in network if isinstance(m, BinaryLinear)]
    norms = [m for m in network if isinstance(m, ChipBatchNorm)]

    @torch.no_grad()
    def forward(x: torch.Tensor) -> torch.Tensor:
        for i, (weight, norm) in enumerate(zip(weights, norms, strict=True)):
            x = F.linear(x, weight)
            x = F.batch_norm(x, norm.running_mean, norm.running_var, norm.weight, norm.bias, False, 0.0, norm.eps)
            x = x if i == len(weights) - 1 else fast_sign(x)
        return x

    return forward


def seconds(call) -> float:
    """CPU seconds of this thread, so that other programs on the machine count little."""
    start = time.thread_time()
    call()
    return time.thread_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--sizes", default="784-1024-1024-10")
    parser.add_argument("--rounds", type=int, default=40)
    options = parser.parse_args()
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    network = build(options.sizes, generator)
    x = sign(torch.randn(options.batch, int(options.sizes.split("-")[0]), generator=generator))
    sides = {
        "float, where": float_forward(network, sign),
        "float, torch.sign": float_forward(network, torch.sign),
        "packed": PackedNetwork.from_network(network, binary_input=True),
    }
    answers = {name: call(x) for name, call in sides.items()}
    exact = torch.equal(answers["packed"], answers["float, where"])
    times = {name: [seconds(lambda call=call: call(x)) for _ in range(3)] for name, call in sides.items()}
    for _ in range(options.rounds):
        for name, call in sides.items():
            times[name].append(seconds(lambda call=call: call(x)))
    print(f"{options.sizes}, batch {options.batch}, one thread")
    for name, values in times.items():
        print(f"  {name:18s} best {1e3 * min(values):7.2f} ms   median {1e3 * statistics.median(values):7.2f} ms")
    best = min(min(times[n]) for n in sides if n != "packed") / min(times["packed"])
    median = min(statistics.median(times[n]) for n in sides if n != "packed") / statistics.median(times["packed"])
    print(f"  ratio to the faster float forward: best {best:.1f}, median {median:.1f} (asked: at least 8)")
    print(f"  bit-exact: {exact}")
    raise SystemExit(0 if exact and median >= 8 else 1)


if __name__ == "__main__":
    main()
