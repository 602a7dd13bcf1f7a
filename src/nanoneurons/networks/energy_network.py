r"""Networks that compute by relaxing to a stationary state of a primitive function (or energy).

.. math:: \Phi(x, s) = \sum_{e:\,i \to j} s_j \cdot P_e(w_e * s_i) + \sum_n b_n \cdot s_n
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.activation import activation
from nanoneurons.layers.coupling import DenseCoupling

from ._phases import Clamped, Relaxed, States
from ._relaxing import Relaxing
from ._wiring import Edge
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
        dtype: precision of states and fields in phases; weights stay in their own.
        products: precision of states and weights where they are multiplied; None for `dtype`. With half precision here
            and single precision there, small differences between phases survive.
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
        super().__init__(shapes, edges, relaxation, chips, input_range)
        self.dynamics, self.cost = dynamics, cost
        if dynamics.step > 1 and relaxation.order == "synchronous":
            raise ParameterError(
                f"step = {dynamics.step:g} above 1 over-relaxes, which needs groups that move in alternating order; "
                "give order='alternating' or a step of at most 1"
            )
        self.begin = dynamics.begin
        self.generator = generator_for(seed, "neuron noise")
        self.streams = {}
        rho = activation(dynamics.activation)
        self.functions = [rho] * self.last + [rho if dynamics.output == "same" else activation(dynamics.output)]
        self.biases = nn.ParameterList(self._bias(n, bias_start, seed) for n in range(1, len(self.shapes)))
        features = math.prod(self.shapes[-1])
        self.classes = classes or features
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

    def _bias(self, n: int, start: str, seed: int) -> nn.Parameter:
        shape = self.shapes[n]
        value = torch.zeros(shape[0] if len(shape) == 3 else math.prod(shape))
        if start == "uniform":
            first = self.edges[self.incoming[n][0]].coupling
            fan_in = math.prod(first.weight.shape[1 if first.chips is None else 2 :])
            value = (torch.rand(value.shape, generator=generator_for(seed, "bias", n)) * 2 - 1) / math.sqrt(fan_in)
        return nn.Parameter(value if self.chips is None else value.expand(self.chips, -1).clone())

    # -- reading --------------------------------------------------------------------------------------

    def shown(self, states: States) -> States:
        """What the groups show each other, the input not included."""
        return [self.show(n + 1, s) for n, s in enumerate(states)]

    def outputs(self, states: States) -> torch.Tensor:
        """Scores of the classes, ``(*chips, batch, classes)``: logits, or (mean) output activities."""
        if self.readout is not None:
            return self._logits(states[-1])
        y = self.show(self.last, states[-1])
        return y if self.classes == y.shape[-1] else y.unflatten(-1, (self.classes, -1)).mean(-1)

    def targets(self, labels: torch.Tensor) -> torch.Tensor:
        """One-hot targets ``(*chips, batch, outputs)`` of labels; replicated where the outputs are."""
        hot = torch.zeros(*labels.shape, self.classes, dtype=self.dtype, device=labels.device)
        hot.scatter_(-1, labels.unsqueeze(-1), 1.0)
        copies = 1 if self.readout is not None else math.prod(self.shapes[-1]) // self.classes
        return hot if copies == 1 else hot.repeat_interleave(copies, -1)

    def costs(self, states: States, target: torch.Tensor) -> torch.Tensor:
        """Cost of every sample whose gradient nudging is, ``(*chips, batch)``; of states, not of what they show."""
        if self.readout is not None:
            return -(target * torch.log_softmax(self.outputs(states), -1)).sum(-1)
        return 0.5 * self.dynamics.force * ((target - states[-1]) ** 2).sum(-1)

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
