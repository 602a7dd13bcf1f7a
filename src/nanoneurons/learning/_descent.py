"""What the rules for energy networks share once gradients are known: optimisers, rates, and the way to devices."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import nn

from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._rule import LayerRule, RuleState
from nanoneurons.networks._phases import RelaxingNetwork, States

__all__ = ["DescentRule", "DescentState", "RatedRule", "RatedState", "set_gradient"]

_OURS = "choice of this project"
_CHOSEN = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-27)"


@dataclass(frozen=True)
class RatedRule(LayerRule):
    """A rule with learning rates, declared here."""

    lr: float = param(0.1, doc="learning rate of the weights", source=_OURS, low=0.0, high=1e3)
    digital_lr: float = param(0.1, doc="learning rate of biases and read-out", source=_OURS, low=0.0, high=1e3)
    final: float = param(
        1.0, doc="last learning rate as a share of the first; it falls along half a cosine", source=_OURS, low=0.0,
        high=1.0,
    )  # fmt: skip
    warm_up: int = param(
        0, doc="first mini-batches, over which learning rates rise in equal steps", source=_OURS, low=0, high=1_000_000,
        integer=True,
    )  # fmt: skip

    def factor(self, share: float, taken: int) -> float:
        """Learning rate as a share of the first, after a share of all steps and a number of them."""
        phase = 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
        rise = min((taken + 1) / self.warm_up, 1.0) if self.warm_up else 1.0
        return rise * (self.final + (1 - self.final) * phase)


@dataclass(frozen=True)
class DescentRule(RatedRule):
    """A rule whose gradients an ordinary optimiser follows; its options are declared here."""

    optimiser: str = param(
        "sgd", doc="what is made of the gradient: plain steps, with momentum, or Adam", source=_OURS,
        choices=("sgd", "adam"),
    )  # fmt: skip
    lr: float = param(0.2, doc="learning rate of the weights", source=_CHOSEN, low=0.0, high=1e3)
    final: float = param(
        0.1, doc="last learning rate as a share of the first; it falls along half a cosine", source=_CHOSEN, low=0.0,
        high=1.0,
    )  # fmt: skip
    momentum: float = param(0.0, doc="momentum of plain steps", source=_OURS, low=0.0, high=1.0)
    weight_decay: float = param(0.0, doc="weight decay of plain steps", source=_OURS, low=0.0, high=1.0)


class RatedState(RuleState):
    """Learning rates of everything an energy network can learn.

    Attributes:
        rates: learning rate of each coupling, in order; may be changed before training.
        bias_rates: of the biases of each group of neurons.
        readout_rate: of a softmax read-out.
    """

    network: RelaxingNetwork
    rule: RatedRule

    def prepare_rates(self, network: RelaxingNetwork, rule: RatedRule, steps: int) -> None:
        """Set the rates; `steps` mini-batches make up the training."""
        self.rates = [rule.lr] * len(network.edges)
        self.bias_rates = [rule.digital_lr] * len(network.biases)
        self.readout_rate = rule.digital_lr
        self.steps, self.taken = max(steps, 1), 0

    @property
    def factor(self) -> float:
        """Learning rate of this step as a share of the first."""
        return self.rule.factor(self.taken / self.steps, self.taken)


class DescentState(RatedState):
    """Gradient descent on an energy network, with a learning rate for each coupling."""

    rule: DescentRule

    def prepare_descent(self, network: RelaxingNetwork, rule: DescentRule, steps: int) -> None:
        """Set the rates; `steps` mini-batches make up the training."""
        self.prepare_rates(network, rule, steps)
        self.optimiser: torch.optim.Optimizer | None = None

    @property
    def plain(self) -> bool:
        """Whether steps are those of the gradient alone, so that changes need not be kept until the end."""
        rule = self.rule
        return rule.optimiser == "sgd" and rule.momentum == 0 and rule.weight_decay == 0

    def note_digital(self, found: list[tuple[ep.Point, States]], target: torch.Tensor, batch: int) -> None:
        """Note the gradients of biases and of a read-out that states at several nudgings suggest."""
        network = self.network
        for bias, change in zip(network.biases, ep.bias_changes(network, found), strict=True):
            set_gradient(bias, change, batch)
        readout = ep.readout_changes(network, found, target)
        if readout is not None and network.readout is not None and network.readout_bias is not None:
            set_gradient(network.readout.weight, readout[0], batch)
            set_gradient(network.readout_bias, readout[1], batch)

    @torch.no_grad()
    def descend(self, generator: torch.Generator) -> None:
        """Follow the gradients in ``.grad``: ordinary optimisers on a value that layers then move by."""
        held: list[tuple[DeviceLayer, torch.Tensor]] = [
            (layer, layer.weight.detach().clone())
            for layer in self.device_layers
            if layer.fabricated and layer.weight.grad is not None
        ]
        factor = self.factor
        if self.plain:
            for p, rate in self._rated():
                if p.grad is not None:
                    p.add_(p.grad, alpha=-rate * factor)
        else:
            if self.optimiser is None:
                self.optimiser = self._optimiser()
            for group in self.optimiser.param_groups:
                group["lr"] = group["base"] * factor
            self.optimiser.step()
        for layer, before in held:  # devices hold these: what was computed is only wanted
            change = layer.weight.detach() - before
            layer.weight.data.copy_(before)
            layer.apply_update(Update(change), generator)
        for edge in self.network.edges:
            edge.coupling.confine()
        for p in self._parameters:
            p.grad = None
        self.taken += 1

    def _rated(self) -> list[tuple[nn.Parameter, float]]:
        network = self.network
        rated: list[tuple[nn.Parameter, float]] = []
        for edge, rate in zip(network.edges, self.rates, strict=True):
            rated.append((edge.coupling.weight, rate))
            if edge.coupling.feedback is not None:
                rated.append((edge.coupling.feedback.weight, rate))
        rated += zip(network.biases, self.bias_rates, strict=True)
        if network.readout is not None and network.readout_bias is not None:
            rated += [(network.readout.weight, self.readout_rate), (network.readout_bias, self.readout_rate)]
        return rated

    def _optimiser(self) -> torch.optim.Optimizer:
        rule = self.rule
        groups = [{"params": [p], "lr": rate, "base": rate} for p, rate in self._rated()]
        if rule.optimiser == "adam":
            return torch.optim.Adam(groups)
        return torch.optim.SGD(groups, lr=rule.lr, momentum=rule.momentum, weight_decay=rule.weight_decay)


def set_gradient(parameter: nn.Parameter, change: torch.Tensor, batch: int) -> None:
    """Note the gradient, minus the wanted change; mean over the batch."""
    parameter.grad = change.to(parameter.dtype).div_(-batch)
