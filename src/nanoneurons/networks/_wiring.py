"""How a network that relaxes is wired: groups of neurons, couplings between them, and the devices in these."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import nn

from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.coupling import Coupling, DenseCoupling

from .dynamics import Relaxation

__all__ = ["Edge", "Wired"]


@dataclass(frozen=True)
class Edge:
    """A coupling from group `source` (0 is the input) to a later group `target`."""

    source: int
    target: int
    coupling: Coupling


class Wired(nn.Module):
    """The wiring of a `RelaxingNetwork`; its attributes are described there."""

    biases: nn.ParameterList
    classes: int
    products: torch.dtype | None
    phases: int  # since the network was made, on an accelerator
    strengths: dict[Any, torch.Tensor]  # nudgings of whole batches
    readout: DenseCoupling | None
    readout_bias: nn.Parameter | None

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        edges: Sequence[Edge],
        relaxation: Relaxation,
        chips: int | None,
        input_range: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        self.shapes, self.edges = [tuple(s) for s in shapes], list(edges)
        self.relaxation, self.chips, self.input_range = relaxation, chips, input_range
        self.readout = self.readout_bias = None
        self.dtype, self.products = torch.float32, None
        self.phases, self.strengths = 0, {}
        self.last = len(self.shapes) - 1
        self.input_shape = self.shapes[0]
        self.couplings = nn.ModuleList(e.coupling for e in self.edges)
        self._check()
        self.incoming = [[k for k, e in enumerate(self.edges) if e.target == n] for n in range(len(self.shapes))]
        self.outgoing = [[k for k, e in enumerate(self.edges) if e.source == n] for n in range(len(self.shapes))]
        self.groups = self._groups()

    def _check(self) -> None:
        if len(self.shapes) < 2:
            raise ParameterError("a network that relaxes needs an input and at least one group of neurons")
        for e in self.edges:
            if not 0 <= e.source < e.target <= self.last:
                raise ParameterError(
                    f"a coupling goes from group {e.source} to {e.target}; it must go from an earlier group to a later "
                    f"one of the {self.last + 1}"
                )
            a, b = self.shapes[e.source], self.shapes[e.target]
            made = e.coupling.target_shape(a) if hasattr(e.coupling, "target_shape") else None  # type: ignore[operator]
            if made is None and (math.prod(a), math.prod(b)) != (e.coupling.in_features, e.coupling.out_features):
                raise ParameterError(
                    f"a dense coupling of {e.coupling.in_features} to {e.coupling.out_features} neurons does not fit "
                    f"groups {e.source} and {e.target} of shapes {a} and {b}"
                )
            if made is not None and made != b:
                raise ParameterError(f"a convolution of group {e.source} gives {made}, but group {e.target} is {b}")
            if e.coupling.chips != self.chips:
                raise ParameterError(f"a coupling has chips={e.coupling.chips}, the network chips={self.chips}")
        for n in range(1, self.last + 1):
            if not any(e.target == n for e in self.edges):
                raise ParameterError(f"group {n} has no coupling from an earlier group")

    def _groups(self) -> list[list[int]]:
        """Sets of groups that can move together; groups joined by a coupling are in different sets."""
        colour: dict[int, int] = {}
        for n in range(1, self.last + 1):
            near = {e.source + e.target - n for e in self.edges if n in (e.source, e.target)}
            taken = {colour[m] for m in near if m in colour}
            colour[n] = next(c for c in range(self.last + 1) if c not in taken)
        return [[n for n in reversed(range(1, self.last + 1)) if colour[n] == c] for c in sorted(set(colour.values()))]

    @property
    def device_layers(self) -> list[DeviceLayer]:
        """Couplings whose weights live, or can live, in devices (the read-out is digital)."""
        return [m for c in self.couplings for m in c.modules() if isinstance(m, DeviceLayer)]

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices of every coupling."""
        for layer in self.device_layers:
            layer.fabricate(generator)

    def program_initial(self, generator: torch.Generator) -> None:
        """Fabricate, then write the initial software weights into analogue devices."""
        for layer in self.device_layers:
            initial = layer.weight.detach().clone()
            layer.fabricate(generator)
            if layer.circuit is not None and not layer.circuit.binary:
                layer.program(initial, generator)

    def program(self, source: Self, generator: torch.Generator) -> None:
        """Write the weights of a trained software network of the same layout into this one's devices."""
        with torch.no_grad():
            for mine, theirs in zip(self.device_layers, source.device_layers, strict=True):
                mine.program(theirs.weight.expand(mine.weight.shape), generator)
            held = {id(layer.weight) for layer in self.device_layers}
            for p, q in zip(self.parameters(), source.parameters(), strict=True):
                if id(p) not in held:
                    p.copy_(q.expand(p.shape))

    @torch.no_grad()
    def gather(self, singles: Sequence[Self]) -> None:
        """Give every chip of this software network the parameters of one network of the same layout.

        Raises:
            ParameterError: not as many networks as chips.
        """
        if self.chips != len(singles):
            raise ParameterError(f"{len(singles)} networks do not fill {self.chips} chips; give one for each")
        for mine, *theirs in zip(self.parameters(), *(n.parameters() for n in singles), strict=True):
            mine.copy_(torch.stack(theirs))

    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read every coupling's devices anew."""
        for layer in self.device_layers:
            layer.refresh(generator)

    def require_symmetric(self) -> None:
        """Refuse untied couplings, which have no energy."""
        for coupling in self.couplings:
            coupling.require_symmetric()  # type: ignore[operator]

    # -- energy ---------------------------------------------------------------------------------------

    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of classifying one sample on one chip: a free phase of all its steps."""
        return self.learning_counts(0)

    def learning_counts(self, nudged: int) -> Counts:
        """Events of a free phase of one sample on one chip, and of a number of nudged ones.

        Couplings of the input are read once and their products held; all others are read both ways in every step.
        """
        steps, total = self.relaxation.steps + nudged * self.relaxation.nudged_steps, Counts()
        for e in self.edges:
            if e.source == 0:
                total = total + e.coupling.counts()
            else:
                total = total + (e.coupling.counts() + e.coupling.counts_back()) * float(steps)
        return total

    @property
    def reading(self) -> str:
        """What classifying a sample takes, in a sentence or two."""
        phases = self.relaxation
        text = (
            f"A sample is classified by where the network is after {phases.steps} steps from zero; in each of them "
            "every array but that of the input is read both ways."
        )
        if phases.averaged > 1:
            text += f" The states of the last {phases.averaged} steps of a phase are averaged."
        return text

    # -- inputs and outputs ---------------------------------------------------------------------------

    def check_input(self, x: torch.Tensor, ranged: bool = True) -> None:
        """Refuse inputs that are not numbers, of the wrong shape or, before training, out of range.

        Raises:
            ParameterError: says what is wrong and what would do.
        """
        features = math.prod(self.input_shape)
        if x.dim() < 2 or math.prod(x.shape[1:]) != features:
            raise ParameterError(f"inputs of shape {tuple(x.shape)} do not fit {features} input neurons; give (batch, "
                                 f"{', '.join(map(str, self.input_shape))})")  # fmt: skip
        low, high = (float(v) for v in torch.aminmax(x))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ParameterError("inputs hold NaN or infinite numbers")
        if ranged and self.input_range is not None and (low < self.input_range[0] or high > self.input_range[1]):
            raise ParameterError(
                f"inputs run from {low:.3g} to {high:.3g}, outside of {self.input_range[0]:g} to "
                f"{self.input_range[1]:g}; scale them, or make the network with another input_range"
            )
