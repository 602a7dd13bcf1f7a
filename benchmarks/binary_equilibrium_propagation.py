"""An epoch of binary equilibrium propagation on 784-4096-10 against plain autograd in torch.

T = 50 free and K = 10 nudged steps of all groups at once, batch 64, beta 0.3 with a random sign, the settings of the
authors' command. The peer is written here: Phi as a sum, its gradient by the states from autograd at every step (the
product with the input each time anew, as the authors' program does), the wanted change from autograd of two values of
Phi, momentum and flips as tensors. Both train from the same weights on the same mini-batches; signs of weights are
compared after the first ones. A sixteenth of an epoch or less is timed, in turns, and scaled to 938 mini-batches. Each
measurement runs in a process of its own, with the usual allocator and with one that keeps what it was given.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import torch
from _bench import KEEP, Result, arguments, images, one_thread, report

from nanoneurons.core.random import generator_for
from nanoneurons.learning.binary_equilibrium_propagation import BinaryEquilibriumPropagation, Flipping
from nanoneurons.networks import build_energy
from nanoneurons.networks.dynamics import Dynamics, Relaxation

SIZES, BATCH, FREE, NUDGED, BETA = (784, 4096, 10), 64, 50, 10, 0.3
GAMMAS, TAUS, BIAS_RATES = (1e-4, 1e-5), (5e-7, 5e-7), (0.05, 0.025)
PER_EPOCH = 938
SPEED = 8.0
DIFFER = 1e-4  # share of the weights that rounding at the threshold may tell apart


class Ours:
    """The network and rule of this package."""

    def __init__(self) -> None:
        self.network = build_energy(
            "-".join(map(str, SIZES)), shape=SIZES[:1], classes=SIZES[-1], bias_start="uniform", binary=True,
            dynamics=Dynamics(nudge="outside"), relaxation=Relaxation(FREE, NUDGED),
        )  # fmt: skip
        rule = BinaryEquilibriumPropagation(estimator="random-sign", beta=BETA, settled=10.0)
        self.state = Flipping(self.network, rule)
        self.state.gammas, self.state.taus = list(GAMMAS), list(TAUS)
        self.state.bias_rates = list(BIAS_RATES)
        self.noise = generator_for(0, "signs")

    def learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self.state.learn(x, y, self.noise, torch.arange(len(x)))

    def signs(self) -> list[torch.Tensor]:
        return [e.coupling.weight.detach().clone() for e in self.network.edges]


class Plain:
    """The same algorithm in plain torch."""

    def __init__(self) -> None:
        network = Ours().network
        self.scales = [e.coupling.scale.detach().clone() for e in network.edges if e.coupling.scale is not None]
        self.w = [
            (s * e.coupling.weight.detach()).requires_grad_() for s, e in zip(self.scales, network.edges, strict=True)
        ]
        self.b = [b.detach().clone().requires_grad_() for b in network.biases]
        self.momenta = [torch.zeros_like(w) for w in self.w]
        self.noise = generator_for(0, "signs")

    def phi(self, x: torch.Tensor, h: torch.Tensor, o: torch.Tensor) -> torch.Tensor:
        (w1, w2), (b1, b2) = self.w, self.b
        return ((x @ w1.T + b1) * h).sum() + ((h @ w2.T + b2) * o).sum()

    def step(self, x: torch.Tensor, h: torch.Tensor, o: torch.Tensor) -> list[torch.Tensor]:
        """States after a step, without the nudging."""
        h, o = h.detach().requires_grad_(), o.detach().requires_grad_()
        return [field.clamp(0, 1) for field in torch.autograd.grad(self.phi(x, h, o), (h, o))]

    def learn(self, x: torch.Tensor, y: torch.Tensor) -> None:
        target = torch.nn.functional.one_hot(y, SIZES[-1]).float()
        h, o = torch.zeros(len(x), SIZES[1]), torch.zeros(len(x), SIZES[2])
        beta = BETA if bool(torch.rand((), generator=self.noise) < 0.5) else -BETA
        for _ in range(FREE):
            h, o = self.step(x, h, o)
        h0, o0 = h, o
        for _ in range(NUDGED):
            before = o
            h, o = self.step(x, h, o)
            o = (o + beta * (target - before)).clamp(0, 1)
        wanted = (self.phi(x, h, o) - self.phi(x, h0, o0)) / (beta * len(x))
        grads = torch.autograd.grad(wanted, [*self.w, *self.b])
        with torch.no_grad():
            for k in range(2):
                self.momenta[k] = (1 - GAMMAS[k]) * self.momenta[k] + GAMMAS[k] * grads[k]
                against = -self.w[k].sign() * self.momenta[k] > TAUS[k]
                self.w[k] = torch.where(against, -self.w[k], self.w[k]).requires_grad_()
                self.b[k] += BIAS_RATES[k] * grads[2 + k]

    def signs(self) -> list[torch.Tensor]:
        return [w.detach().sign() for w in self.w]


def speed(chunk: int, share: int, rounds: int) -> dict[str, float | str]:
    """CPU seconds per mini-batch of both in turns, and by how many weights they differ after the first `chunk`.

    Only the first chunk is the same for both; then ours takes `chunk` mini-batches a turn and the peer `chunk / share`.
    """
    x, y, what = images(chunk * BATCH)
    sides, counts = (Ours(), Plain()), (chunk, chunk // share)
    begun = sides[0].signs()
    spent = [0.0, 0.0]
    differ = flipped = 0.0
    for turn in range(rounds + 1):  # the first one warms up
        for k, side in enumerate(sides):
            count = counts[k] if turn else chunk
            start = time.process_time()
            for begin in range(0, count * BATCH, BATCH):
                side.learn(x[begin : begin + BATCH], y[begin : begin + BATCH])
            if turn:
                spent[k] += time.process_time() - start
        if turn == 0:
            ends = [side.signs() for side in sides]
            total = sum(w.numel() for w in begun)
            differ = sum(int((a != b).sum()) for a, b in zip(*ends, strict=True)) / total
            flipped = sum(int((a != w).sum()) for a, w in zip(ends[0], begun, strict=True)) / total
    ours, peer = (s / (rounds * c) for s, c in zip(spent, counts, strict=True))
    return {"ours": ours, "peer": peer, "differ": differ, "flipped": flipped, "after": chunk, "data": what}


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
        print(json.dumps(speed(*json.loads(sys.argv[-1]))))
        return
    args = arguments((__doc__ or "").splitlines()[0])
    chunk, share, rounds = (4, 4, 2) if args.quick else (12, 4, 5)
    results, differ = [], 0.0
    for extra in ({}, KEEP):
        found = child([chunk, share, rounds], extra)
        differ = max(differ, found["differ"])
        note = f"{found['data']}, {rounds * chunk} and {rounds * chunk // share} mini-batches; after the first "
        note += f"{found['after']}, {100 * found['flipped']:.2f} % of the weights have flipped and "
        note += f"{found['differ']:.1e} of all differ"
        ours, peer = (PER_EPOCH * found[k] for k in ("ours", "peer"))
        name = "epoch of 784-4096-10, binary" + ", memory kept" * bool(extra)
        results.append(Result(name, ours, peer, peer / ours, SPEED, False, "plain autograd", note))
    report(results, args.json)
    if differ > DIFFER:
        raise SystemExit(f"the two do not learn the same: {differ:.1e} of the weights differ")


if __name__ == "__main__":
    main()
