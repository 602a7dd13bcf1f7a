"""Forward and backward pass of the 256-128-10 network of resonators at batch 256, against the same written in torch.

The peer forms the tensor of chains x tones x resonators, (128, 256, 256) in the first layer, under autograd, with the
same parameters; it is written in two ways and the better one counts, for time and for memory each. Every variant runs
in a process of its own. Time is CPU time of one thread. Memory is the largest resident size over the passes, over what
is resident before the first: after imports, data, network and loaded kernels. glibc maps and unmaps large tensors
anew at every step; the same is shown with its allocator told to keep them, which helps the peer most.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from _bench import Result, arguments, one_thread, report
from torch.nn import functional as F

from nanoneurons import networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices import get

SPEC, BATCH, CHIPS = "256-128-10", 256, 16
PEERS = ("fraction", "ratio")
SPEED, MEMORY = 1.5, 0.5
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}
VARIANTS = ("ours", *PEERS)


def spectra() -> tuple[torch.Tensor, torch.Tensor]:
    """As many spectra as a batch of the drone task has; time does not depend on what they show."""
    draw = generator_for(0, "spectra")
    x = torch.rand(BATCH, 256, generator=draw) ** 4
    return x, torch.randint(10, (BATCH,), generator=draw)


def network(chips: int | None) -> networks.FeedForward:
    """The network; with chips, each with its own devices."""
    circuit = RfChain(get("spin-diode"))
    net = networks.build(SPEC, kind="rf", circuit=circuit, chips=chips, shape=(256,), classes=10)
    if chips is not None:
        net.program_initial(generator_for(0, "chips"))
        for layer in net.device_layers:
            layer.noisy_reads = False
    return net


def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy, summed over chips."""
    chips = 1 if output.dim() == 2 else len(output)
    return F.cross_entropy(output.reshape(-1, 10), y.repeat(chips), reduction="sum") / len(y)


class Plain:
    """The formulation in plain torch on the parameters of `net`; one chip after the other, which needs least memory."""

    def __init__(self, net: networks.FeedForward, form: str) -> None:
        self.form, self.circuit = form, net.device_layers[0].chain
        self.layers = [self._values(layer) for layer in net.device_layers]
        neuron = net[3].state if net[3].fabricated else None
        self.gain = None if neuron is None else (neuron["voltage"] / self.circuit.neuron.voltage_scale).float() ** 2

    def _values(self, layer) -> dict[str, torch.Tensor]:
        device = self.circuit.device
        shape = layer.resonance.shape
        state = layer.state if layer.fabricated else {}
        return {
            "resonance": layer.resonance.detach().clone().requires_grad_(),
            "bias": layer.bias.detach().clone().requires_grad_(),
            "tones": state.get("tones", layer.tones),
            "damping": state.get("damping", torch.full(shape, device.damping)),
            "sensitivity": state.get("sensitivity", torch.full(shape, device.nominal_sensitivity)),
            "offset": state["nominal"] * state["deviation"] if state else torch.zeros(shape),
        }

    def chip(self, index: int | None) -> list[dict[str, torch.Tensor]]:
        """Values of one chip."""
        return [{n: v if index is None else v[index] for n, v in layer.items()} for layer in self.layers]

    def matrix(self, v: dict[str, torch.Tensor]) -> torch.Tensor:
        """Weights from the whole tensor of chains, tones and resonators."""
        f = (v["resonance"] + v["offset"])[:, None, :]
        tone, half = v["tones"][None, :, None], v["damping"][:, None, :] * f
        if self.form == "fraction":
            response = 2 * half * (tone - f) / (half**2 + (tone - f) ** 2)
        else:
            x = (tone - f) / half
            response = 2 * x / (1 + x * x)
        sign = 2.0 * (torch.arange(f.shape[-1]) % 2) - 1
        return (sign * v["sensitivity"][:, None, :] * response).sum(-1)

    def forward(self, x: torch.Tensor, index: int | None = None) -> torch.Tensor:
        """Logits of one chip."""
        c, neuron, (first, second) = self.circuit, self.circuit.neuron, self.chip(index)
        voltage = (x * c.full_power) @ self.matrix(first).T + first["bias"]
        current = ((voltage + c.bias_voltage) * c.transconductance).clamp(neuron.threshold, neuron.breakdown)
        ratio = current / neuron.threshold
        power = c.amplifier_gain * (ratio - 1) / (ratio + neuron.nonlinear_damping) * neuron.resistance * current**2
        if self.gain is not None:
            power = power * self.gain[index]
        return (power @ self.matrix(second).T + second["bias"]) * c.readout_scale

    def parameters(self) -> list[torch.Tensor]:
        return [layer[n] for layer in self.layers for n in ("resonance", "bias")]


def passes(variant: str, chips: int | None):
    """A function that runs one forward and backward pass, and the parameters it fills the gradients of."""
    x, y = spectra()
    net = network(chips)
    if variant == "ours":
        parameters = [p for layer in net.device_layers for p in (layer.resonance, layer.bias)]

        def ours() -> torch.Tensor:
            for p in parameters:
                p.grad = None
            output = net(x)
            loss(output, y).backward()
            return output.detach()

        return ours, parameters
    plain = Plain(net, variant)

    def peer() -> torch.Tensor:
        for p in plain.parameters():
            p.grad = None
        outputs = []
        for index in (None,) if chips is None else range(chips):
            output = plain.forward(x, index)
            loss(output, y).backward()
            outputs.append(output.detach())
        return outputs[0] if chips is None else torch.stack(outputs)

    return peer, plain.parameters()


def load_kernels() -> None:
    """Compile or load what a first pass would, with the smallest network."""
    for chips in (None, 1):
        small = networks.build("3-2", kind="rf", circuit=RfChain(get("spin-diode")), chips=chips, shape=(3,), classes=2)
        small(torch.rand(2, 3)).sum().backward()


def resident() -> tuple[int, int]:
    """Resident bytes now, and the most so far."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE"), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(variant: str, chips: int | None, rounds: int) -> dict[str, float]:
    """Seconds of the fastest pass, extra memory of the first pass and of all."""
    one_thread()
    load_kernels()
    run, _ = passes(variant, chips)
    before, peak_before = resident()
    run()
    _, first = resident()
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    _, peak = resident()
    # where loading took more than the passes do, the true value lies below: the note then says "at most"
    return {
        "seconds": min(times),
        "median": sorted(times)[len(times) // 2],
        "first": first - before,
        "bytes": peak - before,
        "hidden": float(peak <= peak_before),
    }


def agree(chips: int | None) -> float:
    """Largest difference of logits and gradients between ours and both peers, over the largest value of each."""
    one_thread()
    results = []
    for variant in VARIANTS:
        run, parameters = passes(variant, chips)
        results.append([run(), *(p.grad for p in parameters)])
    worst = 0.0
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            worst = max(worst, float((a - b).abs().max() / b.abs().max()))
    return worst


def child(task: list, extra: dict[str, str]) -> dict[str, float]:
    """Run this file in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env={**os.environ, **one, **extra}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def compare(chips: int | None, kept: bool, rounds: int) -> list[Result]:
    """Speed and memory of one setting."""
    extra = KEEP if kept else {}
    found = {v: child(["measure", v, chips, rounds], extra) for v in VARIANTS}
    ours = found["ours"]
    fastest = min((found[p] for p in PEERS), key=lambda r: r["seconds"])
    smallest = min((found[p] for p in PEERS), key=lambda r: r["bytes"])
    what = ("one chip" if chips is None else f"{chips} chips") + (", memory kept" if kept else "")
    times = ", ".join(f"{v} {1e3 * r['median']:.1f} ms" for v, r in found.items())
    sizes = ", ".join(f"{v} {r['bytes'] / 2**20:.1f} MiB" + " at most" * int(r["hidden"]) for v, r in found.items())
    cpu, peer = ours["seconds"], fastest["seconds"]
    return [
        Result(f"RF network, {what}", cpu, peer, peer / cpu, SPEED, False, note=f"median: {times}"),
        Result(
            f"its extra memory, {what}", ours["bytes"] / 2**20, smallest["bytes"] / 2**20,
            ours["bytes"] / smallest["bytes"], MEMORY, True, note=sizes, unit="MiB",
        ),
    ]  # fmt: skip


def main() -> None:
    """Run and print."""
    if "--child" in sys.argv:
        task, *rest = json.loads(sys.argv[-1])
        print(json.dumps(measure(*rest) if task == "measure" else {"worst": agree(*rest)}))
        return
    args = arguments((__doc__ or "").splitlines()[0])
    child(["agree", None], {})  # compiles the kernels, so that no variant's memory holds the compiler
    worst = max(child(["agree", chips], {})["worst"] for chips in (None, CHIPS))
    results = []
    for chips in (None, CHIPS):
        for kept in (False, True):
            rounds = (2 if args.quick else 9) if chips is None else (1 if args.quick else 3)
            results += compare(chips, kept, rounds)
    report(results, args.json)
    if not args.json:
        print(f"    largest difference of logits and gradients, over the largest value: {worst:.1e}")
    if worst > 1e-3:
        raise SystemExit(f"the variants do not agree: {worst:.1e}")


if __name__ == "__main__":
    main()
