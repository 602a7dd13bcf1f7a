"""An epoch of equilibrium propagation on 784-512-10, and its memory, against plain autograd in torch.

T = 40 free and K = 15 nudged steps of all groups at once, batch 20, beta 0.1 with a random sign. The peer is written
here: Phi as a sum, its gradient by the states from autograd at every step (the product with the input each time anew,
as the authors' programs do), the change of the weights from autograd of two values of Phi, torch's SGD. Both train from
the same weights on the same mini-batches; weights are compared after the first ones. Memory is the largest resident
size over what is resident after a first mini-batch of one step; backpropagation through time on the peer's network
stands beside it. Every measurement runs in a process of its own, with the usual allocator and with one that keeps what
it was given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from _bench import KEEP, Result, arguments, images, one_thread, report

from nanoneurons.core.random import generator_for
from nanoneurons.learning.equilibrium_propagation import Descent, EquilibriumPropagation
from nanoneurons.networks import build_energy
from nanoneurons.networks.dynamics import Dynamics, Relaxation

SIZES, BATCH, FREE, NUDGED, BETA = (784, 512, 10), 20, 40, 15, 0.1
RATES = (0.08, 0.04)
PER_EPOCH = 3000
SPEED, GROWTH = 4.0, 1.25
LONG = 16  # times as many steps


class Ours:
    """The network and rule of this package."""

    def __init__(self, free: int = FREE, nudged: int = NUDGED) -> None:
        self.network = build_energy(
            "-".join(map(str, SIZES)), shape=SIZES[:1], classes=SIZES[-1], bias_start="uniform",
            dynamics=Dynamics(activation="sigmoid", nudge="outside", clip=False), relaxation=Relaxation(free, nudged),
        )  # fmt: skip
        rule = EquilibriumPropagation(estimator="random-sign", beta=BETA, final=1.0, settled=10.0)
        self.state = Descent(self.network, rule, 1)
        self.state.rates, self.state.bias_rates = list(RATES), list(RATES)
        self.noise = generator_for(0, "signs")

    def learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.state.learn(x, y, self.noise, torch.arange(len(x)))

    def weights(self) -> list[torch.Tensor]:
        edges = [e.coupling.weight.detach().clone() for e in self.network.edges]
        return edges + [b.detach().clone() for b in self.network.biases]


class Plain:
    """The same algorithm in plain torch; `through_time` follows the loss back through the last free steps instead."""

    def __init__(self, free: int = FREE, nudged: int = NUDGED, through_time: bool = False) -> None:
        self.free, self.nudged, self.through_time = free, nudged, through_time
        w1, w2, b1, b2 = (w.requires_grad_() for w in Ours().weights())
        self.w, self.b = (w1, w2), (b1, b2)
        groups = [{"params": [w, b], "lr": lr} for w, b, lr in zip(self.w, self.b, RATES, strict=True)]
        self.sgd = torch.optim.SGD(groups, lr=RATES[0])
        self.noise = generator_for(0, "signs")

    def phi(self, x: torch.Tensor, h: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        (w1, w2), (b1, b2) = self.w, self.b
        return ((x @ w1.T + b1) * h).sum() + ((h @ w2.T + b2) * o).sum()

    def step(self, x: torch.Tensor, h: torch.Tensor, o: torch.Tensor, graph: bool = False) -> tuple[torch.Tensor, ...]:
        """States after a step, without the nudging."""
        if not graph:
            h, o = h.detach().requires_grad_(), o.detach().requires_grad_()
        fields = torch.autograd.grad(self.phi(x, h, o), (h, o), create_graph=graph)
        return tuple(torch.sigmoid(4 * (field - 0.5)) for field in fields)

    def learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        target = torch.nn.functional.one_hot(y, SIZES[-1]).float()
        h, o = torch.zeros(len(x), SIZES[1]), torch.zeros(len(x), SIZES[2])
        if self.through_time:
            h, o = h.requires_grad_(), o.requires_grad_()
            for _ in range(self.free):
                h, o = self.step(x, h, o, graph=True)
            loss = 0.5 * ((target - o) ** 2).sum() / len(x)
        else:
            beta = BETA if bool(torch.rand((), generator=self.noise) < 0.5) else -BETA
            for _ in range(self.free):
                h, o = self.step(x, h, o)
            h0, o0 = h, o
            for _ in range(self.nudged):
                h, field = self.step(x, h, o)
                o = field + beta * (target - o)
            loss = (self.phi(x, h0, o0) - self.phi(x, h, o)) / (beta * len(x))
        self.sgd.zero_grad()
        loss.backward()
        self.sgd.step()

    def weights(self) -> list[torch.Tensor]:
        return [p.detach().clone() for p in (*self.w, *self.b)]


def speed(batches: int, rounds: int) -> dict[str, float | str]:
    """CPU seconds per mini-batch of both in turns, and by how much their weights differ after the first ones."""
    x, y, what = images(batches * BATCH)
    sides = (Ours(), Plain())
    begun = sides[0].weights()
    spent, at = [0.0, 0.0], 0
    chunk = batches // (rounds + 1)
    differ = 0.0
    for turn in range(rounds + 1):  # the first one warms up
        for k, side in enumerate(sides):
            start = time.process_time()
            for begin in range(at, at + chunk * BATCH, BATCH):
                side.learn(x[begin : begin + BATCH], y[begin : begin + BATCH])
            if turn:
                spent[k] += time.process_time() - start
        at += chunk * BATCH
        if turn == 0:
            ends = [side.weights() for side in sides]
            for w, a, b in zip(begun, *ends, strict=True):
                differ = max(differ, float((a - b).norm() / (a - w).norm()))
    count = rounds * chunk
    return {"ours": spent[0] / count, "peer": spent[1] / count, "differ": differ, "after": chunk, "data": what}


def resident(what: str) -> int:
    """Resident bytes: ``"VmRSS"`` now, ``"VmHWM"`` the most since the mark was last reset."""
    found = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(found.split()[1]) * 1024


def memory(side: str, times: int) -> dict[str, float]:
    """Bytes that a mini-batch of `times` as many steps needs beyond one of one step."""
    draw = generator_for(0, "memory")
    x, y = torch.rand(BATCH, SIZES[0], generator=draw), torch.randint(SIZES[-1], (BATCH,), generator=draw)

    def made(free: int, nudged: int) -> Ours | Plain:
        return Ours(free, nudged) if side == "ours" else Plain(free, nudged, side == "through time")

    made(1, 1).learn(x, y)  # loads what a first pass would
    learner = made(FREE * times, NUDGED * times)
    Path("/proc/self/clear_refs").write_text("5")  # the mark starts anew
    before = resident("VmRSS")
    learner.learn(x, y)
    return {"bytes": resident("VmHWM") - before}


def child(task: list, extra: dict[str, str]) -> dict:
    """Run this file in a process of its own."""
    command = [sys.executable, __file__, "--child", json.dumps(task)]
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(command, env={**os.environ, **one, **extra}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def main() -> None:
    """Run and print."""
    if "--child" in sys.argv:
        one_thread()
        kind, *rest = json.loads(sys.argv[-1])
        print(json.dumps(speed(*rest) if kind == "speed" else memory(*rest)))
        return
    args = arguments((__doc__ or "").splitlines()[0])
    batches, rounds = (150, 5) if args.quick else (PER_EPOCH, 99)
    results, differ = [], 0.0
    for extra in ({}, KEEP):
        found = child(["speed", batches, rounds], extra)
        differ = max(differ, found["differ"])
        note = f"{found['data']}, {batches} mini-batches; relative difference of what {found['after']} mini-batches "
        note += f"changed in the weights {found['differ']:.1e}"
        ours, peer = (PER_EPOCH * found[k] for k in ("ours", "peer"))
        name = "epoch of 784-512-10" + ", memory kept" * bool(extra)
        results.append(Result(name, ours, peer, peer / ours, SPEED, False, "plain autograd", note))
    mebi = {
        (side, t): child(["memory", side, t], {})["bytes"] / 2**20
        for side in ("ours", "plain", "through time")
        for t in (1, LONG)
    }
    steps = f"{FREE} and {FREE * LONG} free steps"
    for side, name in (("ours", "ours"), ("plain", "plain autograd")):
        long, short = mebi[side, LONG], mebi[side, 1]
        other = mebi["through time", LONG]
        note = f"{steps}: {short:.1f} and {long:.1f} MiB; backpropagation through time "
        note += f"{mebi['through time', 1]:.1f} and {other:.1f} MiB"
        target = GROWTH if side == "ours" else None
        growth = (1 + long) / (1 + short)  # a MiB is what the measure itself moves by
        results.append(
            Result(f"growth of memory with T, {name}", long, other, growth, target, True, note=note, unit="MiB")
        )
    report(results, args.json)
    if differ > 1e-3:
        raise SystemExit(f"the two do not learn the same: {differ:.1e}")


if __name__ == "__main__":
    main()
