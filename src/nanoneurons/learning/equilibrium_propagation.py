r"""Equilibrium propagation: a network that relaxes finds its own gradient by being nudged.

.. math:: \Delta\theta \propto \frac{1}{\beta}\left[\frac{\partial\Phi}{\partial\theta}(s_\beta) -
    \frac{\partial\Phi}{\partial\theta}(s_0)\right] \xrightarrow{\beta\to 0} -\frac{\mathrm{d}L}{\mathrm{d}\theta}

The network settles freely, its outputs are nudged towards the target with strength beta, and it settles again; every
weight changes by how the correlation of the two neurons it joins has changed.

Source: Scellier and Bengio, Front. Comput. Neurosci. 11:24 (2017); Laborieux et al., Front. Neurosci. 15:633674 (2021)
(centred); Laborieux and Zenke, NeurIPS 2022, arXiv:2209.00530 (holomorphic).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.coupling import Coupling, Pair
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._equilibrium_state import EquilibriumRule, EquilibriumState
from nanoneurons.learning._rule import RuleState
from nanoneurons.networks.energy_network import Clamped, EnergyNetwork, States

__all__ = ["Descent", "EquilibriumPropagation"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class EquilibriumPropagation(EquilibriumRule):
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

    optimiser: str = param(
        "sgd", doc="what is made of the gradient: plain steps, with momentum, or Adam", source=_OURS,
        choices=("sgd", "adam"),
    )  # fmt: skip
    lr: float = param(0.1, doc="learning rate of the weights", source=_OURS, low=0.0, high=1e3)
    digital_lr: float = param(0.1, doc="learning rate of biases and read-out", source=_OURS, low=0.0, high=1e3)
    momentum: float = param(0.0, doc="momentum of plain steps", source=_OURS, low=0.0, high=1.0)
    weight_decay: float = param(0.0, doc="weight decay of plain steps", source=_OURS, low=0.0, high=1.0)
    final: float = param(
        1.0, doc="last learning rate as a share of the first; it falls along half a cosine", source=_OURS, low=0.0,
        high=1.0,
    )  # fmt: skip
    pulses: str = param(
        "rounded", doc="how a change reaches devices: rounded at random to whole pulses, or as stochastic trains",
        source=_OURS, choices=("rounded", "trains"),
    )  # fmt: skip

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "equilibrium-propagation")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Check the network and prepare the rates."""
        return Descent(self.require(network), self, steps_per_epoch * epochs)


class Descent(EquilibriumState):
    """Equilibrium propagation at work on one network, followed by gradient descent.

    Attributes:
        rates: learning rate of each coupling, in order; may be changed before training.
        bias_rates: of the biases of each group of neurons.
        readout_rate: of a softmax read-out.
    """

    rule: EquilibriumPropagation

    def __init__(self, network: EnergyNetwork, rule: EquilibriumPropagation, steps: int) -> None:
        super().__init__(network, rule)
        network.require_symmetric()
        self.rates = [rule.lr] * len(network.edges)
        self.bias_rates = [rule.digital_lr] * len(network.biases)
        self.readout_rate = rule.digital_lr
        self.steps, self.taken = max(steps, 1), 0
        self.optimiser: torch.optim.Optimizer | None = None

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
            if trains and coupling.fabricated and self.rule.optimiser == "sgd":
                self._send(coupling, lists[k], self.rates[k] * self.factor / batch, generator)
            else:
                _set(coupling.weight, coupling.hebbian(lists[k]), batch)
        for bias, change in zip(network.biases, ep.bias_changes(network, found), strict=True):
            _set(bias, change, batch)
        readout = ep.readout_changes(network, found, target)
        if readout is not None and network.readout is not None and network.readout_bias is not None:
            _set(network.readout.weight, readout[0], batch)
            _set(network.readout_bias, readout[1], batch)
        self._descend(generator)

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

    @property
    def factor(self) -> float:
        """Learning rate of this step as a share of the first."""
        phase = 0.5 * (1 + _cosine(min(self.taken / self.steps, 1.0)))
        return self.rule.final + (1 - self.rule.final) * phase

    def _descend(self, generator: torch.Generator) -> None:
        """Follow the gradients in ``.grad``: ordinary optimisers on a value that layers then move by."""
        if self.optimiser is None:
            self.optimiser = self._optimiser()
        factor = self.factor
        for group in self.optimiser.param_groups:
            group["lr"] = group["base"] * factor
        held: list[tuple[DeviceLayer, torch.Tensor]] = [
            (layer, layer.weight.detach().clone())
            for layer in self.device_layers
            if layer.fabricated and layer.weight.grad is not None
        ]
        self.optimiser.step()
        for layer, before in held:  # devices hold these: what was computed is only wanted
            change = layer.weight.detach() - before
            layer.weight.data.copy_(before)
            layer.apply_update(Update(change), generator)
        for p in self._parameters:
            p.grad = None
        self.taken += 1

    def _optimiser(self) -> torch.optim.Optimizer:
        network, rule = self.network, self.rule
        rated: list[tuple[nn.Parameter, float]] = [
            *((e.coupling.weight, r) for e, r in zip(network.edges, self.rates, strict=True)),
            *zip(network.biases, self.bias_rates, strict=True),
        ]
        if network.readout is not None and network.readout_bias is not None:
            rated += [(network.readout.weight, self.readout_rate), (network.readout_bias, self.readout_rate)]
        groups = [{"params": [p], "lr": rate, "base": rate} for p, rate in rated]
        if rule.optimiser == "adam":
            return torch.optim.Adam(groups)
        return torch.optim.SGD(groups, lr=rule.lr, momentum=rule.momentum, weight_decay=rule.weight_decay)


def _set(parameter: nn.Parameter, change: torch.Tensor, batch: int) -> None:
    """Note the gradient, minus the wanted change; mean over the batch."""
    parameter.grad = change.to(parameter.dtype).div_(-batch)


def _cosine(share: float) -> float:
    return math.cos(math.pi * share)
