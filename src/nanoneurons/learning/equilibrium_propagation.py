r"""Equilibrium propagation: a network that relaxes finds its own gradient by being nudged.

.. math:: \Delta\theta \propto \frac{1}{\beta}\left[\frac{\partial\Phi}{\partial\theta}(s_\beta) -
    \frac{\partial\Phi}{\partial\theta}(s_0)\right] \xrightarrow{\beta\to 0} -\frac{\mathrm{d}L}{\mathrm{d}\theta}

The network settles freely, its outputs are nudged towards the target with strength beta, and it settles again; every
weight changes by how the correlation of the two neurons it joins has changed.

Source: Scellier and Bengio, Front. Comput. Neurosci. 11:24 (2017); Laborieux et al., Front. Neurosci. 15:633674 (2021)
(centred); Laborieux and Zenke, NeurIPS 2022, arXiv:2209.00530 (holomorphic).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import OuterProducts
from nanoneurons.layers.coupling import Coupling, Pair
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._descent import DescentRule, DescentState, set_gradient
from nanoneurons.learning._equilibrium_state import EitherNetworkRule, EquilibriumRule, EquilibriumState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks._phases import Clamped, RelaxingNetwork, States

__all__ = ["Descent", "EquilibriumPropagation"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class EquilibriumPropagation(EitherNetworkRule, EquilibriumRule, DescentRule):
    """Contrastive Hebbian changes from a free and one or more nudged phases, followed by gradient descent.

    Args:
        more: the declared parameters. Rates of single couplings are set on the state (`Descent.rates`).

    Needs a network with an energy (the same weights both ways); nothing is stored but states.
    """

    title: ClassVar[str] = "equilibrium propagation"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "a weight sees the states of the two neurons it joins, in two phases; no other circuit"
    default_epochs: ClassVar[int] = 3
    default_batch: ClassVar[int] = 20
    default_updates: ClassVar[int] = 3000
    citation: ClassVar[str] = (
        "@article{scellier2017, title={Equilibrium Propagation: Bridging the Gap between Energy-Based Models and "
        "Backpropagation}, author={Scellier, Benjamin and Bengio, Yoshua}, journal={Frontiers in Computational "
        "Neuroscience}, volume={11}, pages={24}, year={2017}}"
    )

    pulses: str = param(
        "rounded", doc="how a change reaches devices: rounded at random to whole pulses, or as stochastic trains",
        source=_OURS, choices=("rounded", "trains"),
    )  # fmt: skip

    def check(self) -> None:
        """Refuse what pulse trains cannot do: they multiply two vectors and know of no optimiser."""
        super().check()
        if self.pulses == "trains" and (self.optimiser != "sgd" or self.momentum or self.weight_decay):
            raise ParameterError(
                "pulse trains carry plain gradient steps: take optimiser='sgd', momentum=0 and weight_decay=0, or "
                "pulses='rounded'"
            )
        if self.pulses == "trains" and self.estimator == "holomorphic":
            raise ParameterError("pulse trains compare two phases: take the centred estimator, or pulses='rounded'")

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        self.require_circuit(circuit, "equilibrium-propagation")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        return Descent(self.require(network), self, steps_per_epoch * epochs)


class Descent(DescentState, EquilibriumState):
    """Equilibrium propagation at work on one network, followed by gradient descent."""

    rule: EquilibriumPropagation

    def __init__(self, network: RelaxingNetwork, rule: EquilibriumPropagation, steps: int) -> None:
        super().__init__(network, rule)
        network.require_symmetric()
        if any(getattr(c, "binary", False) for c in network.couplings):
            raise RefusedError(
                "gradient descent would make binary weights graded; take a rule for binary couplings, or make the "
                "network with binary=False"
            )
        self.prepare_descent(network, rule, steps)

    # -- changes --------------------------------------------------------------------------------------

    def apply(
        self,
        clamped: Clamped,
        found: list[tuple[ep.Point, States]],
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Turn states at several nudgings into changes of weights, biases and read-out, and carry them out."""
        network, batch = self.network, clamped.batch
        lists = ep.pairs(network, clamped, found)
        trains = self.rule.pulses == "trains"
        for k, edge in enumerate(network.edges):
            coupling = edge.coupling
            if trains and coupling.fabricated:
                self._send(coupling, lists[k], self.rates[k] * self.factor / batch, generator)
            elif self.plain and not coupling.fabricated:
                coupling.follow(lists[k], self.rates[k] * self.factor / batch)
            else:
                set_gradient(coupling.weight, coupling.hebbian(lists[k]), batch)
        self.note_digital(found, target, batch)
        self.descend(generator)

    def _send(self, coupling: Coupling, found: list[Pair], rate: float, generator: torch.Generator) -> None:
        """Differences and means of the states of two phases as pulse trains: far fewer than phase by phase."""
        if len(found) != 2 or not hasattr(coupling, "vectors"):
            raise RefusedError("stochastic trains need an estimator of two phases and dense couplings")
        (c, a1, b1), (_, a0, b0) = found
        if a1 is a0:
            pieces: list[Pair] = [(c, a1, b1 - b0)]
        else:
            pieces = [(0.5 * c, a1 + a0, b1 - b0), (0.5 * c, a1 - a0, b1 + b0)]
        inputs, errors = coupling.vectors(pieces)  # type: ignore[operator]
        coupling.apply_update(OuterProducts(errors, inputs, rate, tuple(coupling.weight.shape)), generator)
