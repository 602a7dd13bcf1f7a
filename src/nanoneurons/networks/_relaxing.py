"""Phases of an energy network: how its states move, step after step, without a graph of operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from nanoneurons.core.errors import DivergedError, ParameterError
from nanoneurons.layers.activation import Activation
from nanoneurons.layers.coupling import Coupling, DenseCoupling

from .dynamics import Dynamics, Relaxation

__all__ = ["Clamped", "Edge", "Relaxed", "Relaxing", "States"]

States = list[torch.Tensor]
_WATCHED = 8  # last steps that tell how fast a phase settles


@dataclass(frozen=True)
class Edge:
    """A coupling from group `source` (0 is the input) to a later group `target`."""

    source: int
    target: int
    coupling: Coupling


@dataclass
class Clamped:
    """A mini-batch at the input: what it and the biases add to the field of every group, computed once.

    Attributes:
        fields: constant part of the field of every group; None for the input.
        batch: samples.
    """

    x: torch.Tensor
    fields: list[torch.Tensor | None]
    batch: int


@dataclass
class Relaxed:
    """Result of a phase.

    Attributes:
        states: of all groups but the input.
        residual: largest movement of a state in the last step, if it was measured.
        rate: factor by which that movement changed per step, fitted to the last few steps.
        steps: steps taken.
    """

    states: States
    residual: float | None = None
    rate: float | None = None
    steps: int = 0

    def enough_steps(self, tolerance: float) -> int | None:
        """Steps after which the residual would be below `tolerance` at this rate; None if it does not decay."""
        if self.residual is None or self.residual <= tolerance:
            return self.steps
        if self.rate is None or not 0 < self.rate < 1:
            return None
        return self.steps + math.ceil(math.log(tolerance / self.residual) / math.log(self.rate))


@dataclass
class _Run:
    """What a running phase knows besides states: what neurons show of themselves, and winners of pools."""

    seen: list[torch.Tensor]
    memory: dict[int, torch.Tensor | None] = field(default_factory=dict)


class Relaxing(nn.Module):
    """The part of `EnergyNetwork` that moves; its attributes are described there."""

    shapes: list[tuple[int, ...]]
    edges: list[Edge]
    incoming: list[list[int]]
    outgoing: list[list[int]]
    groups: list[list[int]]
    functions: list[Activation]
    last: int
    chips: int | None
    dtype: torch.dtype
    dynamics: Dynamics
    relaxation: Relaxation
    biases: nn.ParameterList
    couplings: nn.ModuleList
    readout: DenseCoupling | None
    readout_bias: nn.Parameter | None
    generator: torch.Generator

    def clamp(self, x: torch.Tensor) -> Clamped:
        """Put a mini-batch ``(batch, *shape)`` at the input and fix the weights of the phases to come."""
        shape = self.shapes[0]
        x = (x.reshape(len(x), *shape) if x.shape[1:] != shape else x).to(self.dtype)
        for coupling in self.couplings:
            coupling.prepare(self.dtype)  # type: ignore[operator]
        if self.readout is not None:
            self.readout.prepare(self.dtype)
        fields: list[torch.Tensor | None] = [None]
        for n in range(1, self.last + 1):
            bias = self.biases[n - 1].to(self.dtype)
            total = bias.unsqueeze(-2) if self.chips else bias.view(-1, 1, 1) if len(self.shapes[n]) == 3 else bias
            for k in self.incoming[n]:
                if self.edges[k].source == 0:
                    total = self.edges[k].coupling.up(x, total)[0]
            fields.append(total)
        return Clamped(x, fields, len(x))

    def start(self, clamped: Clamped, value: float = 0.0) -> States:
        """States that a free phase starts from, all `value`."""
        lead = (clamped.batch,) if self.chips is None else (self.chips, clamped.batch)
        place = clamped.x.device
        return [torch.full((*lead, *shape), value, dtype=self.dtype, device=place) for shape in self.shapes[1:]]

    def relax(
        self,
        x: torch.Tensor | Clamped,
        states: States | None = None,
        *,
        beta: float | complex | torch.Tensor = 0.0,
        target: torch.Tensor | None = None,
        steps: int | None = None,
        tolerance: float | None = None,
        measure: bool = False,
    ) -> Relaxed:
        """Let the network move; the given states are not changed.

        Args:
            x: inputs, or what `clamp` made of them.
            states: to start from; zeros when not given.
            beta: nudging; 0 for a free phase. A tensor ``(batch, 1)`` nudges every sample by its own.
            target: wanted outputs ``(batch, outputs)`` (one-hot for classes), needed when nudged.
            steps, tolerance: those of `relaxation` when not given (a tolerance in free phases only).
            measure: whether to measure the residual even without a tolerance.

        Raises:
            DivergedError: a state is no longer a number; names group and step.
            ParameterError: nudged without a target.
        """
        clamped = x if isinstance(x, Clamped) else self.clamp(x)
        nudged = isinstance(beta, torch.Tensor) or beta != 0
        if nudged and target is None:
            raise ParameterError("a nudged phase needs a target")
        if steps is None:
            steps = self.relaxation.nudged_steps if nudged else self.relaxation.steps
        if tolerance is None:
            tolerance = 0.0 if nudged else self.relaxation.tolerance
        first = self.start(clamped) if states is None else list(states)
        if isinstance(beta, complex) or (isinstance(beta, torch.Tensor) and beta.is_complex()):
            first = [s.to(self.dtype.to_complex()) for s in first]
        result = self._run(clamped, first, beta if nudged else None, target, steps, tolerance, measure)
        if not torch.isfinite(result.states[-1]).all():
            self._name_divergence(clamped, first, beta if nudged else None, target, steps)
        return result

    def nudge(
        self,
        clamped: Clamped,
        states: States,
        target: torch.Tensor,
        betas: Sequence[float | complex],
        steps: int | None = None,
    ) -> list[States]:
        """Nudged phases from the same states, one per beta, side by side as one larger batch."""
        if len(betas) == 1:
            return [self.relax(clamped, states, beta=betas[0], target=target, steps=steps).states]
        count, batch = len(betas), clamped.batch
        imaginary = any(isinstance(b, complex) and b.imag for b in betas)
        kind = self.dtype.to_complex() if imaginary else self.dtype
        values = torch.tensor([complex(b) if imaginary else complex(b).real for b in betas], dtype=kind)
        beta = values.to(clamped.x.device).repeat_interleave(batch).unsqueeze(-1)
        axis = 0 if self.chips is None else 1

        def stack(x: torch.Tensor, n: int) -> torch.Tensor:
            full = x.dim() == len(self.shapes[n]) + 1 + (self.chips is not None) and x.shape[axis] == batch
            return torch.cat([x] * count, axis) if full else x

        fields = [None if f is None else stack(f, n) for n, f in enumerate(clamped.fields)]
        wide = Clamped(torch.cat([clamped.x] * count), fields, batch * count)
        begin = [stack(s, n + 1) for n, s in enumerate(states)]
        found = self.relax(wide, begin, beta=beta, target=torch.cat([target] * count), steps=steps)
        parts = [s.split(batch, axis) for s in found.states]
        return [[p[k] for p in parts] for k in range(count)]

    def _run(self, clamped, states, beta, target, steps, tolerance, measure) -> Relaxed:
        states = [clamped.x, *states]
        run = _Run([clamped.x, *(self._show(n, s) for n, s in enumerate(states) if n)])
        moves: list[torch.Tensor] = []
        for taken in range(1, steps + 1):
            watched = tolerance > 0 or (measure and taken > steps - _WATCHED)
            before = list(states) if watched else states
            self._step(clamped, states, run, beta, target)
            if watched:
                moved = [(a - b).abs().amax() for a, b in zip(states[1:], before[1:], strict=True)]
                moves = [*moves[1 - _WATCHED :], torch.stack(moved).amax()]
                if tolerance and float(moves[-1]) < tolerance:
                    steps = taken
                    break
        if not moves:
            return Relaxed(states[1:], steps=steps)
        found = torch.stack(moves).tolist()
        return Relaxed(states[1:], found[-1], _rate(found), steps)

    def _step(self, clamped: Clamped, states: States, run: _Run, beta, target) -> None:
        """One step of every group, in place in the lists."""
        together = self.relaxation.order == "synchronous"
        for group in [list(range(self.last, 0, -1))] if together else self.groups:
            moved = []
            for n in group:  # late groups first: they find the winners that earlier ones send their fields back to
                total = self._field(n, clamped, run)
                moved.append((n, self._move(n, states[n], total, beta if n == self.last else None, target)))
            for n, value in moved:
                states[n], run.seen[n] = value, self._show(n, value)
                for k in self.outgoing[n]:
                    run.memory.pop(k, None)

    def _field(self, n: int, clamped: Clamped, run: _Run) -> torch.Tensor:
        """Derivative of Phi by the state of a group; a new tensor."""
        start = total = clamped.fields[n]
        assert total is not None
        for k in self.incoming[n]:
            e = self.edges[k]
            if e.source:
                total, run.memory[k] = _both(e.coupling.up, run.seen[e.source], None, total)
        for k in self.outgoing[n]:
            e = self.edges[k]
            if k not in run.memory and getattr(e.coupling, "pool", 1) > 1:
                run.memory[k] = e.coupling.up(run.seen[n])[1]
            memory = run.memory.get(k)
            total, _ = _both(
                lambda b, onto, c=e.coupling, m=memory: (c.down(b, m, onto), None), run.seen[e.target], n, total
            )
        return total.clone() if total is start else total

    def _move(self, n: int, s: torch.Tensor, total: torch.Tensor, beta, target) -> torch.Tensor:
        d, rho = self.dynamics, self.functions[n]
        force = None if beta is None else self._force(s, beta, target)
        if d.setting == "prototypical":
            if force is not None and (d.nudge == "inside" or self.readout is not None):
                total, force = total + force, None
            value = rho.function(total)
            if force is not None:
                value = value + force
            if d.step != 1:
                value = s + d.step * (value - s)
        else:
            slope = None if n == self.last or (rho.idle and d.clip) else rho.slope(s)
            drive = total if slope is None else total * slope
            if force is not None:
                drive = drive + force
            value = s + d.step * (drive - s)
        if d.noise:
            noise = torch.randn(value.shape, generator=self.generator).to(value.device)
            value = value + d.noise * noise
        bounded = d.setting == "leaky" or force is not None or d.noise > 0
        if d.clip and bounded and rho.bounds is not None and not value.is_complex():
            low, high = rho.bounds
            value = value.clamp(low, high) if value.requires_grad else value.clamp_(low, high)
        return value

    def _force(self, s: torch.Tensor, beta, target: torch.Tensor) -> torch.Tensor:
        target = target.to(s.dtype)
        if self.readout is None:
            return (self.dynamics.force * beta) * (target - s)
        error = beta * (target - torch.softmax(self._logits(s), -1))
        return self.readout.down(error.to(s.dtype)).view(s.shape)

    def _logits(self, s: torch.Tensor) -> torch.Tensor:
        assert self.readout is not None and self.readout_bias is not None
        bias = self.readout_bias.to(self.dtype)
        flat = s.flatten(-len(self.shapes[-1])) if len(self.shapes[-1]) > 1 else s
        return self.readout.up(flat, bias.unsqueeze(-2) if self.chips else bias)[0]

    def _show(self, n: int, s: torch.Tensor) -> torch.Tensor:
        """What other groups see of a state."""
        if self.dynamics.setting == "prototypical":
            return s
        rho = self.functions[n]
        return s if rho.idle and self.dynamics.clip else rho.function(s.clone())

    def _name_divergence(self, clamped, states, beta, target, steps) -> None:
        states = [clamped.x, *states]
        run = _Run([clamped.x, *(self._show(n, s) for n, s in enumerate(states) if n)])
        for step in range(1, steps + 1):
            self._step(clamped, states, run, beta, target)
            for n in range(1, self.last + 1):
                if not torch.isfinite(states[n]).all():
                    kind = "free" if beta is None else "nudged"
                    raise DivergedError(
                        f"group {n} diverged at step {step} of the {kind} phase: its states are no longer numbers; "
                        "lower the learning rate, beta or the step of the dynamics"
                    )
        raise DivergedError(f"states are no longer numbers after {steps} steps; lower the learning rate or beta")


def _rate(moves: list[float]) -> float | None:
    """Factor per step of movements that decay: a line through their logarithms, since single ones may oscillate."""
    if len(moves) < 2 or not all(0 < m < math.inf for m in moves):
        return None
    middle = 0.5 * (len(moves) - 1)
    away = [k - middle for k in range(len(moves))]
    slope = sum(k * math.log(m) for k, m in zip(away, moves, strict=True)) / sum(k * k for k in away)
    return math.exp(slope)


def _both(way, value: torch.Tensor, n: int | None, onto: torch.Tensor):
    """Apply a coupling, which is linear, to the real and imaginary parts of complex states."""
    if not value.is_complex():
        if onto.is_complex():
            y, memory = way(value, onto.real)
            return torch.complex(y, onto.imag), memory
        return way(value, onto)
    base = onto if onto.is_complex() else torch.complex(onto, torch.zeros_like(onto))
    real, memory = way(value.real.contiguous(), base.real)
    imaginary, _ = way(value.imag.contiguous(), base.imag)
    return torch.complex(real, imaginary), memory
