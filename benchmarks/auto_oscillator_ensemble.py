"""RK4 of the auto-oscillator over an ensemble, against ``torchdiffeq`` with the same right-hand side in torch.

The peer: ``pip install torchdiffeq``. Both take the same fixed steps in float64 on one thread; the states at the end
are compared first. The peer's right-hand side comes in two versions: plain, which has the targets, and tuned by hand.
"""

from __future__ import annotations

import importlib.util

import torch
from _bench import Result, arguments, compare, one_thread, report

from nanoneurons.core.random import generator_for
from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import integrate

DT = 2e-11
CURRENT = 1.8e-3
CASES = ((1, 50_000, 400, 1000.0), (1_000, 20_000, 400, 100.0), (100_000, 1000, 10, 40.0))  # ours, peer: steps; target


def ensemble(devices: int) -> tuple[torch.Tensor, AutoOscillator]:
    """Oscillators with 5 % of spread in frequency and threshold, started at random."""
    g = generator_for(0, "oscillators")
    spread = 1 + 0.05 * torch.randn(2, 1, devices, generator=g, dtype=torch.float64)
    y0 = 0.3 * torch.randn(1, devices, 2, generator=g, dtype=torch.float64)
    return y0, AutoOscillator(2e9 * spread[0], -1e9, 1e8, 2.0, 1e11 * spread[1], q2=0.5)


class Plain(torch.nn.Module):
    """The equation as it stands, on states of shape ``(devices, 2)``, as in torchdiffeq's examples."""

    def __init__(self, device: AutoOscillator) -> None:
        super().__init__()
        self.omega0, self.shift, self.damping = device.omega0[0], device.shift, device.damping  # type: ignore[index]
        self.q, self.q2, self.sigma = device.q, device.q2, device.sigma[0]  # type: ignore[index]

    def forward(self, t: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        x, y = state.unbind(-1)
        p = x * x + y * y
        turn = self.omega0 + self.shift * p
        grow = self.sigma * CURRENT * (1 - p) - self.damping * (1 + self.q * p + self.q2 * p * p)
        return torch.stack([grow * x + turn * y, grow * y - turn * x], -1)


class Tuned(torch.nn.Module):
    """The same with what does not change computed once, fused multiply-adds and the layout ``(2, devices)``."""

    def __init__(self, device: AutoOscillator) -> None:
        super().__init__()
        pull = device.sigma * CURRENT
        self.omega0 = device.omega0
        self.shift = torch.as_tensor(device.shift, dtype=torch.float64)
        self.gain = pull - device.damping
        self.loss = -pull - device.damping * device.q
        self.loss2 = torch.as_tensor(-device.damping * device.q2, dtype=torch.float64)

    def forward(self, t: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        x, y = state[0:1], state[1:2]
        p = x * x + y * y
        turn = torch.addcmul(self.omega0, self.shift, p)  # type: ignore[arg-type]
        grow = torch.addcmul(self.gain, p, torch.addcmul(self.loss, self.loss2, p))
        return torch.cat([grow * x + turn * y, grow * y - turn * x])


def case(devices: int, steps: int, peer_steps: int, target: float, rounds: int) -> list[Result]:
    """Time one size; costs are per step, since the peer is too slow to take as many steps."""
    from torchdiffeq import odeint

    y0, device = ensemble(devices)
    drive = {"current": CURRENT}
    times = torch.tensor([0.0, peer_steps * DT], dtype=torch.float64)

    def ours(count: int = steps) -> torch.Tensor:
        return integrate(AUTO_OSCILLATOR, y0, device.parameters(), dt=DT, steps=count, every=count, drive=drive).last[0]

    results = []
    for name, field, start in (("plain", Plain(device), y0[0]), ("tuned by hand", Tuned(device), y0[0].T.contiguous())):

        def peer(field: torch.nn.Module = field, start: torch.Tensor = start) -> torch.Tensor:
            with torch.no_grad():
                return odeint(field, start, times, method="rk4", options={"step_size": DT})[-1]  # type: ignore[index]

        # torchdiffeq's rk4 is the 3/8 rule, ours the classical one: both of order four, (w dt)^5 = 1e-7 per step
        found = peer() if name == "plain" else peer().T
        difference = float((ours(peer_steps) - found).abs().max())
        if not difference < 1e-6:
            raise SystemExit(f"{devices} devices: the two disagree by {difference:.1e}")
        mine, theirs = compare(ours, peer, rounds=rounds)
        mine, theirs = mine / steps, theirs / peer_steps
        speeds = f"{devices / mine / 1e6:.0f} M against {devices / theirs / 1e6:.3g} M steps/s"
        note = f"{speeds}; states after {peer_steps} steps differ by {difference:.0e}"
        goal = target if name == "plain" else None
        label = f"RK4 step, {devices} devices, {name}"
        results.append(Result(label, mine, theirs, theirs / mine, goal, False, "torchdiffeq", note))
    return results


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    one_thread()
    if importlib.util.find_spec("torchdiffeq") is None:
        print("skipped: torchdiffeq is not installed (pip install torchdiffeq)")
        return
    results = []
    for devices, steps, peer_steps, target in CASES:
        shorter = 5 if args.quick else 1
        results += case(devices, steps // shorter, peer_steps // shorter, target, 3 if args.quick else 7)
    report(results, args.json)


if __name__ == "__main__":
    main()
