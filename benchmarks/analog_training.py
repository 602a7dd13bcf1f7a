"""One training epoch of 784-256-128-10 at batch 64 in pulsed ReRAM, against the same epoch of plain torch.

Each side makes the same number of steps; their cost per step is extrapolated to the 938 steps of an epoch of
60,000 digits. Converters, read noise and every imperfection of the preset are on. The devices start from written
initial weights and are trained at the rule's own learning rate; the accuracy that comes out is told, so that
a run that does not learn is seen.
"""

from __future__ import annotations

import itertools

import torch
from _bench import Result, arguments, compare, one_thread, report
from torch import nn
from torch.nn import functional as F

from nanoneurons import networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.core.random import generator_for
from nanoneurons.devices import get
from nanoneurons.learning.analog_sgd import AnalogSgd

SIZES = (784, 256, 128, 10)
BATCH = 64
STEPS_PER_EPOCH = 938
PRESET = "pulsed:reram-es"
TARGET = 2.5


def images(count: int) -> tuple[torch.Tensor, torch.Tensor, str]:
    """MNIST, or images of its size and sparsity when it is not there."""
    try:
        from nanoneurons import data

        mnist = data.load("mnist")
        x, y = mnist.x_train[:count].reshape(-1, 784).float(), mnist.y_train[:count]
        if len(x) >= count:
            return x, y, f"MNIST, {len(x)} images"
    except Exception as error:  # any trouble with the data leaves the stand-in
        print(f"# MNIST not used: {error}")
    draw = generator_for(0, "stand-in")
    y = torch.randint(10, (count,), generator=draw)
    masks = (torch.rand(10, 784, generator=draw) < 0.19).float()  # 19 % of the pixels of an MNIST image are not 0
    return masks[y] * torch.rand(count, 784, generator=draw), y, "synthetic images, 19 % of the pixels not 0"


def plain_network() -> nn.Sequential:
    """The network in plain torch."""
    torch.manual_seed(0)
    parts = [part for n, m in itertools.pairwise(SIZES) for part in (nn.Linear(n, m), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def analog_network(circuit: Crossbar) -> networks.FeedForward:
    """The same network in a crossbar."""
    spec = "-".join(map(str, SIZES))
    shape, classes = SIZES[:1], SIZES[-1]
    return networks.build(spec, kind="analog", circuit=circuit, chips=None, shape=shape, classes=classes)


class Plain:
    """Plain torch with SGD."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, lr: float) -> None:
        self.x, self.y, self.at = x, y, 0
        self.net = plain_network()
        self.sgd = torch.optim.SGD(self.net.parameters(), lr=lr)

    def steps(self, count: int) -> None:
        for _ in range(count):
            x, y = take(self)
            self.sgd.zero_grad()
            F.cross_entropy(self.net(x), y).backward()
            self.sgd.step()


class Analog:
    """The same network in a crossbar, trained by analog-sgd."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, rule: AnalogSgd, steps: int) -> None:
        self.x, self.y, self.at = x, y, 0
        self.net = analog_network(Crossbar(get(PRESET)))
        self.noise = generator_for(0, "benchmark")
        self.net.program_initial(self.noise)
        self.written = self.pulses()
        self.state = rule.start(self.net, steps, 1)

    def steps(self, count: int) -> None:
        for _ in range(count):
            x, y = take(self)
            self.state.begin(self.noise)
            F.cross_entropy(self.net(x), y).backward()
            self.state.step(self.noise)

    def pulses(self) -> float:
        """Device pulses so far, writing included."""
        return sum(layer.pulses_applied for layer in self.net.device_layers)


def take(run) -> tuple[torch.Tensor, torch.Tensor]:
    """The next mini-batch, round and round."""
    start = run.at % (len(run.x) - BATCH + 1)
    run.at += BATCH
    return run.x[start : start + BATCH], run.y[start : start + BATCH]


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    one_thread()
    x, y, what = images(6_400 if args.quick else 60_000)
    rounds, chunk = (4, 10) if args.quick else (18, 52)  # 18 x 52 + a warm-up of 52 is about an epoch
    rule = AnalogSgd()
    plain, analog = Plain(x, y, rule.lr), Analog(x, y, rule, STEPS_PER_EPOCH)
    ours, peer = compare(lambda: analog.steps(chunk), lambda: plain.steps(chunk), rounds=rounds, take=sum)
    scale = STEPS_PER_EPOCH / (rounds * chunk)
    cells = sum(n * m for n, m in itertools.pairwise(SIZES))
    pulses = (analog.pulses() - analog.written) / ((rounds + 1) * chunk) / cells
    with torch.no_grad():
        right = [float((side.net(x[:5000]).argmax(1) == y[:5000]).float().mean()) for side in (analog, plain)]
    learnt = f"accuracy on 5,000 of the training images {100 * right[0]:.1f} %, plain torch {100 * right[1]:.1f} %"
    note = f"{what}; {learnt}; {pulses:.2f} pulses per device and step; aihwkit 1.2: 5.1"
    report(
        [
            Result(
                f"training epoch, {PRESET}, one chip", ours * scale, peer * scale, ours / peer, TARGET, True, note=note
            )
        ],
        args.json,
    )


if __name__ == "__main__":
    main()
