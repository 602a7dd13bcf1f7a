r"""Conductances between two groups of nodes: the couplings of a network of resistors.

.. math:: \Phi(a, b) = -\frac12 \sum_{ij} g_{ji} (a_i - b_j)^2

minus half the power they dissipate, so that what holds for couplings of neurons holds for resistors too: `up` and
`down` are the currents that neighbours send, `hebbian` is the derivative of :math:`\Phi` by the conductances.

Source: as `nanoneurons.physics.resistive`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch

from nanoneurons.circuits import Circuit, MemoryCircuit
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.physics.resistive import half_power

from .coupling import Coupling, Pair, _batched

__all__ = ["ResistiveCoupling"]


class ResistiveCoupling(Coupling):
    """Resistors from every node of one group to every node of another; voltages ``(*chips, batch, nodes)``.

    Args:
        in_features, out_features: nodes of the two groups.
        circuit: a crossbar with one device per weight: its devices are the resistors, G itself counts, not its
            difference to a reference. Any other circuit is refused.
        siemens: conductance in S that 1 stands for.
        chips, seed: as for `DeviceLayer`.
        gain: factor of the initial software conductances, uniform within one over the root of the fan-in with all
            negative ones set to 0. In devices they start anywhere within the nominal range.

    Attributes:
        weight: conductances g, ``(*chips, out, in)``, none negative, in units of `siemens`.

    Not modelled: read noise while voltages settle, converters, wires.
    """

    state_axes = 1

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        circuit: Circuit | None = None,
        siemens: float = 1.0,
        chips: int | None = None,
        seed: int = 0,
        gain: float = 1.0,
    ) -> None:
        if not siemens > 0:
            raise ParameterError(f"siemens, the conductance that 1 stands for, must be above 0, not {siemens!r}")
        if isinstance(circuit, MemoryCircuit):
            circuit.conductance_of_weight((out_features, in_features))  # refuses what holds none
        self.in_features, self.out_features, self.siemens = in_features, out_features, siemens
        super().__init__((out_features, in_features), circuit=circuit, chips=chips, seed=seed, gain=gain)

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Initial conductances of one chip."""
        weight, offset = super().initial(weight_shape, generator)
        if isinstance(self.circuit, MemoryCircuit):
            low, high = (g / self.siemens for g in self.circuit.device.conductance_range())
            return torch.rand(weight_shape, generator=generator).mul_(high - low).add_(low), offset
        return weight.clamp_(min=0), offset

    def confine(self) -> None:
        """No conductance below 0."""
        if not self.fabricated:
            self.weight.data.clamp_(min=0)

    # -- devices --------------------------------------------------------------------------------------

    def _line(self) -> tuple[float, float]:
        """Offset and slope of g over the circuit's weight."""
        circuit = self._wired()
        assert isinstance(circuit, MemoryCircuit)
        offset, slope = circuit.conductance_of_weight(tuple(self.weight.shape))
        return offset / self.siemens, slope / self.siemens

    @torch.no_grad()
    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read the devices into `weight`; with a generator, read errors are drawn anew."""
        super().refresh(generator)
        offset, slope = self._line()
        self.weight.data.mul_(slope).add_(offset).clamp_(min=0)

    @torch.no_grad()
    def program(self, target: torch.Tensor, generator: torch.Generator) -> None:
        """Write target conductances into the fabricated devices and read them back."""
        offset, slope = self._line()
        super().program((target - offset) / slope, generator)

    @torch.no_grad()
    def apply_update(self, update: Update | OuterProducts, generator: torch.Generator) -> None:
        """Hand a wanted change of conductances to the circuit; read the result back."""
        if isinstance(update, OuterProducts) or update.activity is not None:
            raise RefusedError(
                "a change of squared voltages is no product of a row's and a column's vector, so it cannot be sent as "
                "stochastic trains; use pulses 'rounded'"
            )
        if update.unit == "weight":
            update = dataclasses.replace(update, change=update.change / self._line()[1])
        super().apply_update(update, generator)

    # -- derivatives ----------------------------------------------------------------------------------

    def up(self, a: torch.Tensor, onto: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        """Currents into *b* while it is at 0 V: ``a g^T``."""
        current = torch.matmul(a, self.effective.transpose(-2, -1))
        return (current if onto is None else current.add_(onto)), None

    def down(self, b: torch.Tensor, memory: Any = None, onto: torch.Tensor | None = None) -> torch.Tensor:
        """Currents into *a* while it is at 0 V: ``b g``."""
        current = torch.matmul(b, self.effective)
        return current if onto is None else current.add_(onto)

    @property
    def totals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum of the conductances at every node of *a* and of *b*, ``(nodes,)`` or ``(chips, 1, nodes)``."""
        sums = self.effective.sum(-2), self.effective.sum(-1)
        return sums if self.chips is None else (sums[0].unsqueeze(-2), sums[1].unsqueeze(-2))

    def phi(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        """Minus half the dissipated power, ``(*chips, batch)``."""
        return -half_power(a, b, self.effective)

    def hebbian(self, pairs: Sequence[Pair]) -> torch.Tensor:
        r"""Weighted sum over pairs and batch of :math:`-(a_i - b_j)^2 / 2`, one matrix product for all."""
        sources, targets = self._factors(pairs)
        return targets.transpose(-2, -1) @ sources

    def follow(self, pairs: Sequence[Pair], rate: float) -> None:
        """Add `rate` times `hebbian` to software conductances, without forming it."""
        sources, targets = self._factors(pairs)
        if sources.dtype != self.weight.dtype:
            super().follow(pairs, rate)
        elif self.weight.dim() == 2:
            self.weight.addmm_(targets.transpose(-2, -1), sources, alpha=rate)
        else:
            self.weight.baddbmm_(targets.transpose(-2, -1), sources, alpha=rate)

    def _factors(self, pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor]:
        """Vectors ``(*chips, n, in)`` and ``(*chips, n, out)`` whose products sum up to `hebbian`.

        Formed from how the other pairs differ from the first: of voltages of hundreds of volts, whose squares differ in
        the last digits, single precision would leave nothing of a change.
        """
        (c0, a0, b0), *others = pairs
        a0, b0 = _batched(self.weight, a0), _batched(self.weight, b0)
        total, sources, targets = c0, [], []
        rows: torch.Tensor | None = None
        columns: torch.Tensor | None = None
        for c, a, b in others:
            total += c
            b = _batched(self.weight, b)
            moved, middle = c * (b - b0), 0.5 * (b + b0)
            columns = _add(columns, (middle * moved).sum(-2, keepdim=True))
            if a is pairs[0][1]:  # an input is the same in all phases
                sources.append(a0)
                targets.append(moved)
                continue
            a = _batched(self.weight, a)
            shifted, centre = c * (a - a0), 0.5 * (a + a0)
            rows = _add(rows, (centre * shifted).sum(-2, keepdim=True))
            sources += [centre, shifted]
            targets += [moved, middle]
        if total:
            sources.append(total * a0)
            targets.append(b0)
            rows = _add(rows, 0.5 * total * a0.square().sum(-2, keepdim=True))
            columns = _add(columns, 0.5 * total * b0.square().sum(-2, keepdim=True))
        if rows is not None:
            sources.append(-rows)
            targets.append(torch.ones_like(targets[0][..., :1, :]))
        if columns is not None:
            sources.append(torch.ones_like(sources[0][..., :1, :]))
            targets.append(-columns)
        return torch.cat(sources, -2), torch.cat(targets, -2)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, siemens={self.siemens:g}, chips={self.chips}"


def _add(total: torch.Tensor | None, more: torch.Tensor) -> torch.Tensor:
    return more if total is None else total + more
