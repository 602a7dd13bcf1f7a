r"""Backpropagation through time on a network that relaxes: the reference of equilibrium propagation.

.. math:: \Delta\theta \propto -\sum_{t<K} \frac{\partial L}{\partial\theta_{T-t}}

The network settles freely for T - K steps without a graph, then takes K more; the gradient of the cost at the last
states is followed back through these K, so that memory grows with K and not with T. Where the phase had settled before,
equilibrium propagation with K nudged steps finds the same sum as beta goes to 0.

Nudging outside of sigma descends another cost than the squared error: its gradient by the *field* of an output is
:math:`s - d`, whatever the slope of sigma there. With ``cost = "nudged"`` this gradient is followed, from the fields
that the last states give. It still trains an output whose sigma is flat for every input; the squared error never does.

Source: Ernoult et al., NeurIPS 2019, arXiv:1905.13633.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._descent import DescentRule, DescentState
from nanoneurons.learning._equilibrium_state import RelaxingRule, RelaxingState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks._phases import Clamped, States
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = ["BackpropagationThroughTime", "Unrolling"]


@dataclass(frozen=True)
class BackpropagationThroughTime(RelaxingRule, DescentRule):
    """Gradients through the last steps of the free phase, followed by gradient descent.

    T and K are the free and the nudged steps of the network, so that the same network serves both rules. Untied
    couplings are trained both ways. Gradients pass devices as if their reads had neither noise nor converters.
    """

    title: ClassVar[str] = "backpropagation through time"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "nothing is local: the gradient needs the states of the last K steps and a second circuit"
    default_epochs: ClassVar[int] = 3
    default_batch: ClassVar[int] = 20
    default_updates: ClassVar[int] = 3000
    citation: ClassVar[str] = (
        "@inproceedings{ernoult2019, title={Updates of Equilibrium Prop Match Gradients of Backprop Through Time in an "
        "RNN with Static Input}, author={Ernoult, Maxence and Grollier, Julie and Querlioz, Damien and Bengio, Yoshua "
        "and Scellier, Benjamin}, booktitle={Advances in Neural Information Processing Systems}, volume={32}, "
        "year={2019}}"
    )

    cost: str = param(
        "squared", doc="what is descended: squared error (cross-entropy of a read-out), or what nudging descends",
        source="Ernoult et al. 2019 (squared); choice of this project (nudged)", choices=("squared", "nudged"),
    )  # fmt: skip

    def require(self, network: nn.Module) -> EnergyNetwork:
        """The network, if this rule can train it.

        Raises:
            RefusedError: it is no `EnergyNetwork`, or its couplings are binary.
        """
        if not isinstance(network, EnergyNetwork):
            raise RefusedError(
                f"{self.title} trains networks of the kind EnergyNetwork, not a {type(network).__name__}"
            )
        for k, edge in enumerate(network.edges):
            if edge.coupling.binary:
                raise RefusedError(
                    f"{self.title} trains graded weights, but coupling {k + 1} is binary; use couplings with "
                    "binary=False, or a rule for binary weights"
                )
        return network

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "backpropagation-through-time")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        return Unrolling(self.require(network), self, steps_per_epoch * epochs)


class Unrolling(DescentState, RelaxingState):
    """Backpropagation through time at work on one network."""

    network: EnergyNetwork
    rule: BackpropagationThroughTime

    def __init__(self, network: EnergyNetwork, rule: BackpropagationThroughTime, steps: int) -> None:
        super().__init__(network, rule)
        self.prepare_descent(network, rule, steps)

    @property
    def _outside(self) -> bool:
        """Whether the cost that is descended is not that of `costs`."""
        network, dynamics = self.network, self.network.dynamics
        outside = dynamics.setting == "prototypical" and dynamics.nudge == "outside" and network.readout is None
        return outside and self.rule.cost == "nudged"

    def _nudged(self, clamped: Clamped, end: States, target: torch.Tensor) -> torch.Tensor:
        """A number whose gradient by the fields of the outputs is that of the squared error by their states."""
        network, outputs = self.network, end[-1]
        (field,) = torch.autograd.grad(network.phi(clamped, end).sum(), outputs, create_graph=True)
        seen = outputs.detach().requires_grad_()
        (slope,) = torch.autograd.grad(network.costs([*end[:-1], seen], target).mean(-1).sum(), seen)
        return (field * slope).sum()

    @torch.no_grad()
    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Free phase, the gradient through its last steps, one change of every weight."""
        network, relaxation = self.network, self.network.relaxation
        self.begin(generator)
        target = network.targets(y)
        with torch.enable_grad():
            clamped = network.clamp(x)
        last = min(relaxation.nudged_steps, relaxation.steps)
        states = self.free(clamped, chosen, relaxation.steps - last)
        with torch.enable_grad():
            end = network.relax(clamped, states, steps=last, tolerance=0.0).states
            loss = network.costs(end, target).mean(-1).sum()
            (self._nudged(clamped, end, target) if self._outside else loss).backward()
        self.remember([s.detach() for s in end], chosen)
        self.descend(generator)
        return loss.detach()
