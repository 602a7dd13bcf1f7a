"""Phases of an energy network: how its states move, step after step, without a graph of operations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from nanoneurons.core.random import draw_key
from nanoneurons.layers.activation import Activation, softmax
from nanoneurons.layers.coupling import Coupling

from ._dense_phase import DensePhase, suits
from ._phases import Clamped, RelaxingNetwork, States, placed
from .dynamics import Dynamics

__all__ = ["Relaxing"]


@dataclass
class _Run:
    """What a running phase knows besides states: what neurons show of themselves, and winners of pools."""

    seen: list[torch.Tensor]
    memory: dict[int, Any] = field(default_factory=dict)


class Relaxing(RelaxingNetwork):
    """The part of `EnergyNetwork` that moves; its attributes are described there."""

    functions: list[Activation]
    dynamics: Dynamics
    generator: torch.Generator
    streams: dict[str, torch.Generator]

    def clamp(self, x: torch.Tensor) -> Clamped:
        """Put a mini-batch at the input and fix the weights of the phases to come.

        Args:
            x: ``(batch, *shape)``; with chips also ``(chips, batch, features)``, samples of its own for every chip.
        """
        shape = self.shapes[0]
        kind = self.products or self.dtype
        own = self.chips is not None and x.dim() == 3 and (x.shape[0], *x.shape[2:]) == (self.chips, *shape)
        x = placed((x if own or x.shape[1:] == shape else x.reshape(len(x), *shape)).to(kind))
        for coupling in self.couplings:
            coupling.prepare(kind)  # type: ignore[operator]
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
        return Clamped(x, fields, x.shape[1] if own else len(x))

    def _quick(self, clamped: Clamped, states: States, beta, target) -> DensePhase | None:
        return DensePhase(self, clamped, states, beta, target) if suits(self, states) else None

    def _begin(self, states: States) -> _Run:
        return _Run([states[0], *(self._sent(n, s) for n, s in enumerate(states) if n)])

    def _step(self, clamped: Clamped, states: States, run: _Run, beta, target) -> None:
        """One step of every group, in place in the lists."""
        together = self.relaxation.order == "synchronous"
        for group in [list(range(self.last, 0, -1))] if together else self.groups:
            moved = []
            for n in group:  # late groups first: they find the winners that earlier ones send their fields back to
                total = self._field(n, clamped, run)
                if self.dynamics.noise:
                    total = total + self.dynamics.noise * self.neuron_noise(n, clamped)
                moved.append((n, self._move(n, states[n], total, beta if n == self.last else None, target)))
            for n, value in moved:
                states[n], run.seen[n] = value, self._sent(n, value)
                for k in self.outgoing[n]:
                    run.memory.pop(k, None)

    def _field(self, n: int, clamped: Clamped, run: _Run) -> torch.Tensor:
        """Derivative of Phi by the state of a group; a new tensor."""
        start = total = clamped.fields[n]
        assert total is not None
        for k in self.incoming[n]:
            e = self.edges[k]
            if e.source:
                total, run.memory[k] = _both(e.coupling, e.coupling.up, run.seen[e.source], total)
        for k in self.outgoing[n]:
            e = self.edges[k]
            if k not in run.memory and e.coupling.remembers:
                run.memory[k] = e.coupling.up(run.seen[n])[1]
            memory = run.memory.get(k)
            total, _ = _both(
                e.coupling,
                lambda b, onto, c=e.coupling, m=memory: (c.down(b, m, onto), None),
                run.seen[e.target],
                total,
            )
        return total.clone() if total is start else total

    def neuron_noise(self, n: int, clamped: Clamped) -> torch.Tensor:
        """Standard normal numbers for every neuron of a group, ``(*chips, batch, *shape)``."""
        place, rows = clamped.x.device, clamped.batch
        if place.type not in self.streams:
            self.streams[place.type] = torch.Generator(place).manual_seed(draw_key(self.generator))
        lead = () if self.chips is None else (self.chips,)
        drawn = clamped.copies if self.dynamics.common_noise else rows
        shape, stream = (*lead, drawn, *self.shapes[n]), self.streams[place.type]
        noise = torch.randn(shape, generator=stream, dtype=self.dtype, device=place)
        return noise if drawn == rows else noise.repeat_interleave(rows // drawn, len(lead))

    def _move(self, n: int, s: torch.Tensor, total: torch.Tensor, beta, target) -> torch.Tensor:
        d, rho = self.dynamics, self.functions[n]
        force = None if beta is None else self.force(s, beta, target)
        if d.setting == "prototypical":
            if force is not None and (d.nudge == "inside" or self.readout is not None):
                total, force = total + force, None
            value = rho.function(total)
            if force is not None:
                value = value + force
            if d.step != 1:
                value = s + d.step * (value - s)
        else:
            slope = None if n == self.last or (rho.flat and d.clip) else rho.slope(s)
            drive = total if slope is None else total * slope
            if force is not None:
                drive = drive + force
            value = s + d.step * (drive - s)
        bounded = d.setting == "leaky" or force is not None or d.step > 1
        if d.clip and bounded and rho.bounds is not None and not value.is_complex():
            low, high = rho.bounds
            value = value.clamp(low, high) if value.requires_grad else value.clamp_(low, high)
        return value

    def force(self, s: torch.Tensor, beta, target: torch.Tensor) -> torch.Tensor:
        """What nudging adds to the field of the last group."""
        target = target.to(s.dtype)
        beta = beta if self.signs is None else beta * self.signs
        if self.readout is None:
            return (self.dynamics.force * beta) * (target - s)
        error = beta * (target - softmax(self._logits(s)))
        return _linear(self.readout.down, error.to(s.dtype)).view(s.shape)

    def _logits(self, s: torch.Tensor) -> torch.Tensor:
        assert self.readout is not None and self.readout_bias is not None
        bias = self.readout_bias.to(self.dtype)
        flat = s.flatten(-len(self.shapes[-1])) if len(self.shapes[-1]) > 1 else s
        return _both(self.readout, self.readout.up, flat, bias.unsqueeze(-2) if self.chips else bias)[0]

    def show(self, n: int, s: torch.Tensor) -> torch.Tensor:
        """What other groups see of a state."""
        if self.dynamics.setting == "prototypical":
            return s
        rho = self.functions[n]
        return s if rho.idle and self.dynamics.clip else rho.function(s.clone())

    def _sent(self, n: int, s: torch.Tensor) -> torch.Tensor:
        """What couplings multiply, in their precision."""
        seen = self.show(n, s)
        return seen if self.products is None or seen.is_complex() else seen.to(self.products)


def _linear(way, value: torch.Tensor) -> torch.Tensor:
    """Apply a linear map of real numbers to complex ones too."""
    if not value.is_complex():
        return way(value)
    return torch.complex(way(value.real.contiguous()), way(value.imag.contiguous()))


def _both(coupling: Coupling, way, value: torch.Tensor, onto: torch.Tensor):
    """Apply a coupling, if it is linear, to the real and imaginary parts of complex states."""
    if not coupling.linear:
        return way(value, onto)
    if not value.is_complex():
        if onto.is_complex():
            y, memory = way(value, onto.real)
            return torch.complex(y, onto.imag), memory
        return way(value, onto)
    base = onto if onto.is_complex() else torch.complex(onto, torch.zeros_like(onto))
    real, memory = way(placed(value.real.contiguous()), base.real)
    imaginary, _ = way(placed(value.imag.contiguous()), base.imag)
    return torch.complex(real, imaginary), memory
