r"""Networks that compute by relaxing to a stationary state of a primitive function (or energy).

.. math:: \Phi(x, s) = \sum_{e:\,i \to j} s_j \cdot P_e(w_e * s_i) + \sum_n b_n \cdot s_n
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.activation import activation
from nanoneurons.layers.coupling import DenseCoupling

from ._relaxing import Clamped, Edge, Relaxed, Relaxing, States
from .dynamics import Dynamics, Relaxation

__all__ = ["Clamped", "Edge", "EnergyNetwork", "Relaxed", "States"]

_USUAL, _USUAL_PHASES = Dynamics(), Relaxation()


class EnergyNetwork(Relaxing):
    r"""Groups of neurons joined by couplings in any topology without loops back to the input.

    Args:
        shapes: shape of one sample of every group, the input first: ``(features,)`` or ``(channels, h, w)``. The last
            group is the output, or under the cross-entropy the one that the read-out sees.
        edges: couplings; every group but the input needs one that comes from an earlier group.
        dynamics, relaxation: how neurons move, and for how long.
        cost: ``"squared-error"``, nudging the outputs; or ``"cross-entropy"`` with a digital softmax read-out outside
            the dynamics.
        classes: of the read-out, or of replicated outputs: each class is coded by ``features / classes`` neurons.
        chips: networks side by side (dense couplings only); states are then ``(chips, batch, features)``.
        seed: of the biases and the read-out.
        bias_start: ``"zeros"``, or ``"uniform"`` within one over the root of the fan-in.
        input_range: what `check_input` accepts; None for any finite input.

    Raises:
        ParameterError: shapes and couplings that do not fit.

    Attributes:
        biases: digital, one per neuron, or per channel of feature maps.
        dtype: precision of states and products in phases; weights stay in their own.
        generator: stream of the noise of the neurons.

    Not modelled: delays, and neurons that differ from each other.

    Source: as `Dynamics`; Laborieux et al., Front. Neurosci. 15:633674 (2021), arXiv:2006.03824 for the read-out.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, ...]],
        edges: Sequence[Edge],
        *,
        dynamics: Dynamics = _USUAL,
        relaxation: Relaxation = _USUAL_PHASES,
        cost: Literal["squared-error", "cross-entropy"] = "squared-error",
        classes: int | None = None,
        chips: int | None = None,
        seed: int = 0,
        bias_start: Literal["zeros", "uniform"] = "zeros",
        input_range: tuple[float, float] | None = (-1.0, 1.0),
    ) -> None:
        super().__init__()
        self.shapes, self.edges = [tuple(s) for s in shapes], list(edges)
        self.dynamics, self.relaxation, self.cost, self.chips = dynamics, relaxation, cost, chips
        self.input_range, self.dtype = input_range, torch.float32
        self.generator = generator_for(seed, "neuron noise")
        self.last = len(self.shapes) - 1
        self.couplings = nn.ModuleList(e.coupling for e in self.edges)
        self._check()
        self.incoming = [[k for k, e in enumerate(self.edges) if e.target == n] for n in range(len(self.shapes))]
        self.outgoing = [[k for k, e in enumerate(self.edges) if e.source == n] for n in range(len(self.shapes))]
        self.groups = self._groups()
        rho = activation(dynamics.activation)
        self.functions = [rho] * self.last + [rho if dynamics.output == "same" else activation(dynamics.output)]
        self.biases = nn.ParameterList(self._bias(n, bias_start, seed) for n in range(1, len(self.shapes)))
        features = math.prod(self.shapes[-1])
        self.classes = classes or features
        self.readout: DenseCoupling | None = None
        self.readout_bias: nn.Parameter | None = None
        if cost == "cross-entropy":
            if classes is None:
                raise ParameterError("the cross-entropy needs the number of classes")
            self.readout = DenseCoupling(features, classes, chips=chips, seed=seed + 7919)
            self.readout_bias = nn.Parameter(torch.zeros(classes if chips is None else (chips, classes)))
        elif cost != "squared-error":
            raise ParameterError(f"cost must be 'squared-error' or 'cross-entropy', not {cost!r}")
        elif features % self.classes:
            raise ParameterError(f"{features} outputs cannot code {self.classes} classes by equally many neurons each")

    # -- structure ------------------------------------------------------------------------------------

    def _check(self) -> None:
        if len(self.shapes) < 2:
            raise ParameterError("an energy network needs an input and at least one group of neurons")
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

    def _bias(self, n: int, start: str, seed: int) -> nn.Parameter:
        shape = self.shapes[n]
        value = torch.zeros(shape[0] if len(shape) == 3 else math.prod(shape))
        if start == "uniform":
            first = self.edges[self.incoming[n][0]].coupling
            fan_in = math.prod(first.weight.shape[1 if first.chips is None else 2 :])
            value = (torch.rand(value.shape, generator=generator_for(seed, "bias", n)) * 2 - 1) / math.sqrt(fan_in)
        return nn.Parameter(value if self.chips is None else value.expand(self.chips, -1).clone())

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

    def program(self, source: EnergyNetwork, generator: torch.Generator) -> None:
        """Write the weights of a trained software network of the same layout into this one's devices."""
        with torch.no_grad():
            for mine, theirs in zip(self.device_layers, source.device_layers, strict=True):
                mine.program(theirs.weight.expand(mine.weight.shape), generator)
            held = {id(layer.weight) for layer in self.device_layers}
            for p, q in zip(self.parameters(), source.parameters(), strict=True):
                if id(p) not in held:
                    p.copy_(q.expand(p.shape))

    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read every coupling's devices anew."""
        for layer in self.device_layers:
            layer.refresh(generator)

    def require_symmetric(self) -> None:
        """Refuse untied couplings, which have no energy."""
        for coupling in self.couplings:
            coupling.require_symmetric()  # type: ignore[operator]

    # -- inputs and outputs ---------------------------------------------------------------------------

    def check_input(self, x: torch.Tensor) -> None:
        """Refuse inputs that are not numbers, or of the wrong shape or range.

        Raises:
            ParameterError: says what is wrong and what would do.
        """
        features = math.prod(self.shapes[0])
        if x.dim() < 2 or math.prod(x.shape[1:]) != features:
            raise ParameterError(f"inputs of shape {tuple(x.shape)} do not fit {features} input neurons; give (batch, "
                                 f"{', '.join(map(str, self.shapes[0]))})")  # fmt: skip
        low, high = (float(v) for v in torch.aminmax(x))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ParameterError("inputs hold NaN or infinite numbers")
        if self.input_range is not None and (low < self.input_range[0] or high > self.input_range[1]):
            raise ParameterError(
                f"inputs run from {low:.3g} to {high:.3g}, outside of {self.input_range[0]:g} to "
                f"{self.input_range[1]:g}; scale them, or make the network with another input_range"
            )

    # -- reading --------------------------------------------------------------------------------------

    def shown(self, states: States) -> States:
        """What the groups show each other, the input not included."""
        return [self._show(n + 1, s) for n, s in enumerate(states)]

    def outputs(self, states: States) -> torch.Tensor:
        """Scores of the classes, ``(*chips, batch, classes)``: logits, or (mean) output activities."""
        if self.readout is not None:
            return self._logits(states[-1])
        y = self._show(self.last, states[-1])
        return y if self.classes == y.shape[-1] else y.unflatten(-1, (self.classes, -1)).mean(-1)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """One-hot targets ``(batch, outputs)`` of labels; replicated where the outputs are."""
        hot = torch.zeros(len(labels), self.classes, dtype=self.dtype, device=labels.device)
        hot.scatter_(1, labels.unsqueeze(1), 1.0)
        copies = 1 if self.readout is not None else math.prod(self.shapes[-1]) // self.classes
        return hot if copies == 1 else hot.repeat_interleave(copies, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Scores of the classes after a free phase from zero."""
        return self.outputs(self.relax(x).states)

    def phi(self, clamped: Clamped, states: States) -> torch.Tensor:
        """Primitive function of every sample, ``(*chips, batch)``, of what the groups show."""
        seen = [clamped.x, *self.shown(states)]
        total = torch.zeros((), dtype=self.dtype)
        for e in self.edges:
            total = total + e.coupling.phi(seen[e.source], seen[e.target])
        for n, bias in enumerate(self.biases, start=1):
            s = seen[n]
            b = bias.unsqueeze(-2) if self.chips else bias.view(-1, 1, 1) if len(self.shapes[n]) == 3 else bias
            total = total + (s * b).sum(tuple(range(s.dim() - len(self.shapes[n]), s.dim())))
        return total

    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of classifying one sample on one chip: input couplings once, all others twice per step."""
        total = Counts()
        for e in self.edges:
            once = e.coupling.counts()
            total = total + (once if e.source == 0 else once * float(2 * self.relaxation.steps))
        return total
