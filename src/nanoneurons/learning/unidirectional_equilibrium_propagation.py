r"""Equilibrium propagation without an energy: one set of weights on the way up, another on the way down.

.. math:: \Delta w^{\uparrow} \propto a_0 \, \delta b, \qquad \Delta w^{\downarrow} \propto \delta a \, b_0, \qquad
    \delta s = \mathrm{Re} \sum_k c_k s_{\beta_k} \approx \left.\frac{\mathrm{d}s}{\mathrm{d}\beta}\right|_0

for a coupling of a (nearer to the input) and b: a weight changes by the free state of the neuron it comes from times
the response to nudging of the one it leads to. With the same weights both ways the sum of the two changes is that of
equilibrium propagation, to second order in beta. Given to both directions, together with the decay of weights, it
makes them alike in time (Kolen and Pollack).

Source: Scellier, Goyal, Binas, Mesnard and Bengio, arXiv:1808.04873 (vector fields); Laborieux et al., Front. Neurosci.
15:633674 (2021) (the same update for both directions).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._descent import DescentRule, DescentState, set_gradient
from nanoneurons.learning._equilibrium_state import EquilibriumRule, EquilibriumState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks._phases import Clamped, RelaxingNetwork, States

__all__ = ["UnidirectionalEquilibriumPropagation", "VectorField", "angles"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class UnidirectionalEquilibriumPropagation(EquilibriumRule, DescentRule):
    """Changes of weights that work one way each, from a free and one or more nudged phases.

    Needs untied couplings; the estimate is the gradient of the cost only as far as the two directions agree (see
    `angles`).
    """

    title: ClassVar[str] = "unidirectional equilibrium propagation"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "a weight sees the free state before it and the response behind it; nothing of the way back"
    default_epochs: ClassVar[int] = 3
    default_batch: ClassVar[int] = 20
    default_updates: ClassVar[int] = 3000
    citation: ClassVar[str] = (
        "@article{laborieux2021, title={Scaling Equilibrium Propagation to Deep ConvNets by Drastically Reducing Its "
        "Gradient Estimator Bias}, author={Laborieux, Axel and Ernoult, Maxence and Scellier, Benjamin and Bengio, "
        "Yoshua and Grollier, Julie and Querlioz, Damien}, journal={Frontiers in Neuroscience}, volume={15}, "
        "pages={633674}, year={2021}}"
    )

    update: str = param(
        "same", doc="whether each direction follows its own change, or both the sum of the two", source=_OURS,
        choices=("own", "same"),
    )  # fmt: skip
    weight_decay: float = param(
        1e-4, doc="decay of all weights in plain steps, which makes the two directions alike", source=_OURS, low=0.0,
        high=1.0,
    )  # fmt: skip

    def build_network(self, spec: str, **common: Any) -> RelaxingNetwork:
        """An energy network of dense couplings with weights of their own on the way down."""
        return super().build_network(spec, **{"tied": False, **common})

    def require(self, network: nn.Module) -> RelaxingNetwork:
        """The network, if this rule can train it.

        Raises:
            RefusedError: it does not relax, a coupling is tied, or binary.
        """
        found = super().require(network)
        for k, edge in enumerate(found.edges):
            if edge.source and edge.coupling.feedback is None:
                raise RefusedError(
                    f"{self.title} trains weights that work one way each, but coupling {k + 1} has the same both ways; "
                    "make it with tied=False, or use the rule 'equilibrium-propagation'"
                )
            if edge.coupling.binary:
                raise RefusedError(f"{self.title} trains graded weights, but coupling {k + 1} is binary")
        return found

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "unidirectional-equilibrium-propagation")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        return VectorField(self.require(network), self, steps_per_epoch * epochs)


class VectorField(DescentState, EquilibriumState):
    """The rule at work on one network."""

    rule: UnidirectionalEquilibriumPropagation

    def __init__(self, network: RelaxingNetwork, rule: UnidirectionalEquilibriumPropagation, steps: int) -> None:
        super().__init__(network, rule)
        self.prepare_descent(network, rule, steps)

    def apply(
        self,
        clamped: Clamped,
        found: list[tuple[ep.Point, States]],
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Turn free states and responses into changes of both directions, biases and read-out."""
        network, batch = self.network, clamped.batch
        free = [clamped.x, *network.shown(self.rest)]
        response = [None, *_responses(network, found)]
        for edge in network.edges:
            coupling, a, b = edge.coupling, free[edge.source], free[edge.target]
            to_b, to_a = response[edge.target], response[edge.source]
            assert to_b is not None
            upward = coupling.hebbian([(1.0, a, to_b)])
            if coupling.feedback is None or to_a is None:  # the input does not listen
                set_gradient(coupling.weight, upward, batch)
                continue
            downward = coupling.hebbian([(1.0, to_a, b)], seen=[a])
            if self.rule.update == "same":
                upward = upward + downward
                downward = upward.clone()
            set_gradient(coupling.weight, upward, batch)
            set_gradient(coupling.feedback.weight, downward, batch)
        self.note_digital(found, target, batch)
        self.descend(generator)


def _responses(network: RelaxingNetwork, found: list[tuple[ep.Point, States]]) -> States:
    """Estimated slope of what every group shows by the strength of nudging, at none."""
    parts = [(point.weight, network.shown(states)) for point, states in found]
    if len(parts) == 2 and parts[0][0] == -parts[1][0]:  # the difference first: it is small
        (c, first), (_, second) = parts
        return [complex(c).real * (a - b) for a, b in zip(first, second, strict=True)]
    total: States = []
    for n in range(len(network.biases)):
        terms = [c * s[n] if s[n].is_complex() else complex(c).real * s[n] for c, s in parts]
        total.append(torch.stack([t.real if t.is_complex() else t for t in terms]).sum(0))
    return total


@torch.no_grad()
def angles(network: RelaxingNetwork) -> list[float]:
    """Angle in degrees between the weights of the two directions, of every untied coupling between groups of neurons
    (the mean over chips); 0 when they are the same up to a factor, 90 when they have nothing in common."""
    found = []
    for edge in network.edges:
        coupling = edge.coupling
        if edge.source and coupling.feedback is not None:
            rows = [
                w.detach().double().reshape(network.chips or 1, -1) for w in (coupling.weight, coupling.feedback.weight)
            ]
            cosine = torch.cosine_similarity(*rows, dim=1).clamp(-1, 1)
            found.append(math.degrees(float(torch.acos(cosine).mean())))
    return found
