r"""Continual equilibrium propagation: weights change while the network answers to being nudged, not after.

.. math:: \Delta\theta_t = \frac{\eta}{\beta}\left[\frac{\partial\Phi}{\partial\theta}(s_{t+1}) -
    \frac{\partial\Phi}{\partial\theta}(s_t)\right], \qquad t = 0 \dots K - 1

at every step of the nudged phase, which begins at the free state :math:`s_0`. With weights that stayed as they are the
changes would add up to those of equilibrium propagation with one nudging; since each acts on the steps that follow, the
sum differs from it by a relative error of the order of :math:`\eta/\beta`. Where that is large, states follow the
changes more than the nudging, and nothing is learnt.

Source: Ernoult et al., arXiv:2005.04168 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._descent import RatedRule, RatedState
from nanoneurons.learning._equilibrium_state import EitherNetworkRule, RelaxingState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks._phases import Clamped, RelaxingNetwork, States
from nanoneurons.networks.resistive_network import ResistiveNetwork

__all__ = ["Continual", "ContinualEquilibriumPropagation"]

_OURS = "choice of this project"
_PROGRAM = "order of magnitude of the published command for 784-512-10 (0.0056 and 0.0028)"


@dataclass(frozen=True)
class ContinualEquilibriumPropagation(EitherNetworkRule, RatedRule):
    """Changes at every step of a nudged phase, so that no state need be kept until its end.

    Devices get whole pulses at every step, a change rounded at random. Needs a network with an energy (the same weights
    both ways); momentum and estimators of several nudged phases do not apply, for the second phase would meet other
    weights.
    """

    title: ClassVar[str] = "continual equilibrium propagation"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "a weight sees how the states of the two neurons it joins move, at that moment; no memory"
    passes: ClassVar[str] = "free and nudged phases"
    default_epochs: ClassVar[int] = 3
    default_batch: ClassVar[int] = 20
    default_updates: ClassVar[int] = 3000
    citation: ClassVar[str] = (
        "@article{ernoult2020, title={Equilibrium Propagation with Continual Weight Updates}, author={Ernoult, Maxence "
        "and Grollier, Julie and Querlioz, Damien and Bengio, Yoshua and Scellier, Benjamin}, "
        "journal={arXiv:2005.04168}, year={2020}}"
    )

    estimator: str = param(
        "random-sign", doc="sign of nudging: always that of beta, or drawn for every mini-batch", source=_OURS,
        choices=("one-sided", "random-sign"),
    )  # fmt: skip
    beta: float = param(0.2, doc="strength of nudging", source=_PROGRAM, low=-100.0, high=100.0)
    lr: float = param(0.005, doc="learning rate of the weights", source=_PROGRAM, low=0.0, high=1e3)
    digital_lr: float = param(0.005, doc="learning rate of biases and read-out", source=_OURS, low=0.0, high=1e3)
    final: float = param(
        1.0, doc="last learning rate as a share of the first; it falls along half a cosine", source=_OURS, low=0.0,
        high=1.0,
    )  # fmt: skip

    def check(self) -> None:
        """Refuse a nudging of 0."""
        super().check()
        ep.points(self.estimator, self.beta, generator=torch.Generator())

    passes: ClassVar[str] = "free and nudged phases"

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        self.require_circuit(circuit, "continual-equilibrium-propagation")

    def learning_counts(self, network: RelaxingNetwork, x: torch.Tensor | None = None) -> Counts:
        """Events of a free and a nudged phase; weights change, so every step reads the input's couplings anew.

        Resistors need no reading to settle, but all voltages are converted at every step.
        """
        steps = network.relaxation.nudged_steps
        if isinstance(network, ResistiveNetwork):
            return network.learning_counts(steps)
        again = [e.coupling.counts() * float(steps - 1) for e in network.edges if e.source == 0]
        return sum(again, network.learning_counts(1))

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        return Continual(self.require(network), self, steps_per_epoch * epochs)


class Continual(RatedState, RelaxingState):
    """Continual equilibrium propagation at work on one network."""

    rule: ContinualEquilibriumPropagation

    def __init__(self, network: RelaxingNetwork, rule: ContinualEquilibriumPropagation, steps: int) -> None:
        super().__init__(network, rule)
        network.require_symmetric()
        self.prepare_rates(network, rule, steps)

    def together(self, streams: list[torch.Generator]) -> None:
        """Seeds side by side are not for this rule."""
        RuleState.together(self, streams)

    @torch.no_grad()
    def learn(self, x: torch.Tensor, y: torch.Tensor, generator: torch.Generator, chosen: torch.Tensor) -> torch.Tensor:
        """Free phase, then a nudged phase with a change of every weight at each of its steps."""
        network = self.network
        target = network.targets(y)
        clamped = network.clamp(x)
        states = self.free(clamped, chosen)
        self.remember(states, chosen)
        loss = ep.loss_of(network, states, target)
        after = ep.points(self.rule.estimator, self.rule.beta, generator=generator)[0]
        before = ep.Point(0.0, -after.weight)
        for step in range(network.relaxation.nudged_steps):
            if step:
                clamped = network.clamp(x)  # other weights now
            moved = network.relax(clamped, states, beta=after.beta, target=target, steps=1).states
            self.change(clamped, [(after, moved), (before, states)], target, generator)
            states, before = moved, ep.Point(after.beta, -after.weight)
        self.taken += 1
        return loss

    def change(
        self,
        clamped: Clamped,
        found: list[tuple[ep.Point, States]],
        target: torch.Tensor,
        generator: torch.Generator,
    ) -> None:
        """Change weights, biases and read-out by what one step has changed of their derivatives."""
        network, share = self.network, self.factor / clamped.batch
        lists = ep.pairs(network, clamped, found)
        for edge, pairs, rate in zip(network.edges, lists, self.rates, strict=True):
            coupling = edge.coupling
            if coupling.fabricated:
                coupling.apply_update(Update(coupling.hebbian(pairs) * (rate * share)), generator)
            else:
                coupling.follow(pairs, rate * share)
                coupling.confine()
        changes = ep.bias_changes(network, found)
        for bias, change, rate in zip(network.biases, changes, self.bias_rates, strict=True):
            bias.add_(change, alpha=rate * share)
        readout = ep.readout_changes(network, found, target)
        if readout is not None and network.readout is not None and network.readout_bias is not None:
            network.readout.weight.add_(readout[0], alpha=self.readout_rate * share)
            network.readout_bias.add_(readout[1], alpha=self.readout_rate * share)
