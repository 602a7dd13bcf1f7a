r"""Stochastic gradient descent inside the array, by coincidence of stochastic pulse trains.

.. math::
    \Delta W = -\eta \sum_b d_b x_b^{\mathsf T}, \qquad
    n^\pm_{ij} \sim \mathrm{Poisson}\!\left(\frac{1}{2\,\Delta w}\Bigl[\eta\sum_b |d_{bi}||x_{bj}|
    \pm \Delta W_{ij}\Bigr]\right)

Rows send the errors *d*, columns the inputs *x*, as streams of random pulses; a device moves one step where two
pulses meet. No gradient is ever stored. The numbers of meetings are drawn once per mini-batch, which is the
limit of long streams; in a test they agree with the streams played out bit by bit.

The layer keeps the vectors *d* and *x*, and its circuit draws the meetings of their pulses. Biases and batch
normalisation are digital and follow plain SGD.

Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.parameter import param
from nanoneurons.core.update import OuterProducts
from nanoneurons.learning._analog import InPlaceState, require_graded
from nanoneurons.learning._rule import LayerRule, RuleState

__all__ = ["AnalogSgd"]

_OURS = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-25)"
_SHARE = "ours, a usual schedule"


@dataclass(frozen=True)
class AnalogSgd(LayerRule):
    """Plain SGD whose outer products reach the devices as stochastic pulse trains."""

    title: ClassVar[str] = "SGD by stochastic pulse trains, in the array"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "a device sees its own row's and column's pulses only; nothing is stored per weight"
    default_epochs: ClassVar[int] = 2
    default_batch: ClassVar[int] = 64
    default_updates: ClassVar[int] = 1000
    citation: ClassVar[str] = (
        "@article{gokmen2016acceleration, title={Acceleration of Deep Neural Network Training with Resistive "
        "Cross-Point Devices: Design Considerations}, author={Gokmen, Tayfun and Vlasov, Yurii}, journal={Frontiers "
        "in Neuroscience}, volume={10}, pages={333}, year={2016}}"
    )

    lr: float = param(0.4, doc="learning rate of the weights in devices", source=_OURS, low=0.0, high=1e3)
    digital_lr: float = param(0.4, doc="learning rate of digital parameters", source=_OURS, low=0.0, high=1e3)
    final: float = param(
        0.1,
        doc="last learning rate as a share of the first; it falls along half a cosine",
        source=_SHARE,
        low=0.0,
        high=1.0,
    )

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "analog-sgd")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Make every device layer keep its error and input vectors, and set the learning rates."""
        return _State(network, self.lr, self.digital_lr, self.final, steps_per_epoch * epochs)


class _State(InPlaceState):
    def begin(self, generator: torch.Generator) -> None:
        super().begin(generator)
        for layer in self.device_layers:
            layer.keep_factors = True
            layer.factors = []

    @torch.no_grad()
    def step(self, generator: torch.Generator) -> None:
        for layer, rate in zip(self.device_layers, self.rates, strict=True):
            for errors, inputs in layer.factors:
                shape = tuple(layer.weight.shape)
                layer.apply_update(OuterProducts(errors, inputs, -rate * self.factor, shape), generator)
            layer.factors = []
        self.advance()

    def finish(self) -> None:
        """Layers compute gradients again."""
        for layer in self.device_layers:
            layer.keep_factors = False
