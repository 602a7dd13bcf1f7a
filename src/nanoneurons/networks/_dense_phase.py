"""The steps of a phase of groups joined by matrices only: into buffers made once, and with as few operations as can be.

The same motion as that of `Relaxing`, in another order of additions. Complex states are kept as twice as many rows of
real ones, since all products are with real weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from nanoneurons.layers.activation import Activation
from nanoneurons.layers.coupling import DenseCoupling

if TYPE_CHECKING:
    from ._phases import Clamped
    from ._relaxing import Relaxing

__all__ = ["DensePhase", "suits"]

States = list[torch.Tensor]
_FEW = 32  # neurons; products with so few of many others are faster turned around on a CPU
_LONG, _NARROW, _PART = 2048, 128, 256  # products of chips, so long and narrow, that an accelerator takes in parts


def suits(network: Relaxing, states: States) -> bool:
    """Whether a phase can run here: no gradient wanted, flat groups, and matrices that no circuit multiplies by."""
    if torch.is_grad_enabled() or any(len(shape) != 1 for shape in network.shapes[1:]):
        return False
    if network.products is not None or network.dynamics.step > 1:
        return False
    if network.dynamics.setting == "leaky" and any(s.is_complex() for s in states):
        return False
    inner = [e.coupling for e in network.edges if e.source]
    return all(isinstance(c, DenseCoupling) and (c.binary or not c.fabricated) for c in inner)


def parted(matrix: torch.Tensor) -> torch.Tensor:
    """Matrices ``(chips, in, out)`` cut along their inputs, ``(chips, parts, part, out)``."""
    return matrix.unflatten(-2, (-1, _PART)).contiguous()


def parted_product(x: torch.Tensor, parts: torch.Tensor) -> torch.Tensor:
    """``x matrix`` of `parted` matrices: an accelerator sums the parts at the same time, a long row in one place."""
    return (x.unflatten(-1, (-1, _PART)).transpose(1, 2) @ parts).sum(1)


def _arranged(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix, in parts where that is faster."""
    long = matrix.shape[-2] >= _LONG and matrix.shape[-2] % _PART == 0
    return parted(matrix) if matrix.is_cuda and matrix.dim() == 3 and long and matrix.shape[-1] <= _NARROW else matrix


class _Group:
    """A group of neurons: states, room for the next ones, and where its field comes from.

    Attributes:
        now, spare: states and room for the next ones.
        seen: what other groups see; the states themselves where the neurons show them.
        constant: part of the field that stays, scaled and shifted for the state function.
        sources: groups and matrices that the rest comes from.
    """

    def __init__(self, states: torch.Tensor, constant: torch.Tensor) -> None:
        self.now, self.spare = states, torch.empty_like(states)
        self.seen = states
        self.constant = constant.expand_as(states).contiguous()
        self.sources: list[tuple[int, torch.Tensor]] = []


class DensePhase:
    """A phase that runs: `step` moves every group once, `states` are where they are."""

    def __init__(
        self,
        network: Relaxing,
        clamped: Clamped,
        states: States,
        beta: float | complex | torch.Tensor | None,
        target: torch.Tensor | None,
    ) -> None:
        self.network, self.dynamics = network, network.dynamics
        self.beta, self.target = beta, target
        self.clamped, self.batch = clamped, clamped.batch
        self.imaginary = any(s.is_complex() for s in states)
        self.prototypical = self.dynamics.setting == "prototypical"
        together = network.relaxation.order == "synchronous"
        self.sets = [list(range(network.last, 0, -1))] if together else network.groups
        self.groups: dict[int, _Group] = {}
        for n, value in enumerate(states, start=1):
            constant = clamped.fields[n]
            assert constant is not None
            if self.imaginary:
                value = torch.cat([value.real, value.imag], -2)
                constant = constant.expand(*value.shape[:-2], self.batch, value.shape[-1])
                constant = torch.cat([constant, torch.zeros_like(constant)], -2)
            else:
                value = value.clone(memory_format=torch.contiguous_format)
            self.groups[n] = _Group(value, self._scaled(n, constant))
            self._show(n)
        for e in network.edges:
            if e.source:
                up, down = e.coupling.effective, (e.coupling.feedback or e.coupling).effective
                self.groups[e.target].sources.append((e.source, _arranged(up.transpose(-2, -1))))
                self.groups[e.source].sources.append((e.target, down))

    @property
    def states(self) -> States:
        """States of all groups."""
        found = [self.groups[n].now for n in range(1, self.network.last + 1)]
        return [self._joined(s) for s in found] if self.imaginary else found

    def moved(self) -> torch.Tensor:
        """Largest movement of any state in the last step."""
        return torch.stack([self._joined(g.now - g.spare).abs().amax() for g in self.groups.values()]).amax()

    def step(self) -> None:
        """Move every group once."""
        for together in self.sets:
            for n in together:
                self._advance(n, self.groups[n])
            for n in together:
                group = self.groups[n]
                group.now, group.spare = group.spare, group.now
                self._show(n)

    # -- one group ------------------------------------------------------------------------------------

    def _advance(self, n: int, group: _Group) -> None:
        d, rho, new = self.dynamics, self.network.functions[n], group.spare
        self._field(group, rho.scale if self.prototypical else 1.0)
        if d.noise:
            self._jitter(n, new, rho.scale if self.prototypical else 1.0)
        nudged = self.beta is not None and n == self.network.last
        outside = nudged and self.network.readout is None and d.nudge == "outside"
        if self.prototypical:
            if nudged and not outside:
                self._nudge(group, rho.scale)
            self._apply(rho, new)
            if outside:
                self._nudge(group, 1.0)
        else:
            if n != self.network.last and not (rho.flat and d.clip):
                new.mul_(rho.slope(group.now.clone()))
            if nudged:
                self._nudge(group, 1.0)
        if d.step != 1:
            torch.lerp(group.now, new, d.step, out=new)
        if d.clip and rho.bounds is not None and not self.imaginary and (outside or not self.prototypical):
            new.clamp_(*rho.bounds)

    def _scaled(self, n: int, field: torch.Tensor) -> torch.Tensor:
        """A constant field as the state function wants it; only its real part is shifted."""
        rho = self.network.functions[n]
        if not self.prototypical or (rho.scale == 1 and rho.shift == 0):
            return field
        field = field * rho.scale
        (field[..., : self.batch, :] if self.imaginary else field).add_(rho.shift)
        return field

    def _field(self, group: _Group, scale: float) -> None:
        new, onto = group.spare, group.constant
        for source, matrix in group.sources:
            seen = self.groups[source].seen
            if matrix.dim() == 4:
                torch.add(onto, parted_product(seen, matrix), alpha=scale, out=new)
            elif matrix.dim() == 3 or seen.dim() == 3:
                torch.baddbmm(onto, seen, matrix, alpha=scale, out=new)
            elif matrix.shape[-1] <= _FEW and seen.device.type == "cpu":
                torch.add(onto, torch.mm(matrix.t(), seen.t()).t(), alpha=scale, out=new)
            else:
                torch.addmm(onto, seen, matrix, alpha=scale, out=new)
            onto = new
        if not group.sources:
            new.copy_(onto)

    def _jitter(self, n: int, new: torch.Tensor, scale: float) -> None:
        real = new[..., : self.batch, :] if self.imaginary else new
        noise = self.network.neuron_noise(n, self.clamped)
        real.add_(noise, alpha=scale * self.dynamics.noise)

    def _nudge(self, group: _Group, scale: float) -> None:
        assert self.beta is not None and self.target is not None
        force = self.network.force(self._joined(group.now), self.beta, self.target)
        if self.imaginary:
            force = torch.cat([force.real, force.imag], -2)
        group.spare.add_(force, alpha=scale)

    def _apply(self, rho: Activation, x: torch.Tensor) -> None:
        """The state function in place."""
        assert rho.base is not None
        if not self.imaginary:
            y = rho.base(x)
            if y is not x:
                x.copy_(y)
            return
        z = rho.base(self._joined(x))
        x[..., : self.batch, :], x[..., self.batch :, :] = z.real, z.imag

    def _joined(self, x: torch.Tensor) -> torch.Tensor:
        return torch.complex(x[..., : self.batch, :], x[..., self.batch :, :]) if self.imaginary else x

    def _show(self, n: int) -> None:
        """What other groups see of a group from now on."""
        group = self.groups[n]
        group.seen = self.network.show(n, group.now)
