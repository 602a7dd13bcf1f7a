r"""Backpropagation in software through the nominal device, then one writing of every chip.

.. math:: \theta \leftarrow \theta - \eta\,u\,\mathrm{Adam}(u\,\partial L/\partial\theta)

with the natural unit *u* of each layer's weights. With `injected` above zero every mini-batch meets a chip of its own,
drawn with that share of the declared spreads (variation-aware training): the network then tolerates chips that
were never measured, as far as any single set of weights can.

Source: Rumelhart, Hinton and Williams, Nature 323, 533 (1986); Kingma and Ba, ICLR 2015.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.learning._gradient import AdamState
from nanoneurons.learning._rule import LayerRule, RuleState, refuse_special

__all__ = ["Backpropagation"]

_PROGRAM = "public program of Ross et al., Nat. Nanotech. 18, 1273 (2023), rounded"


@dataclass(frozen=True)
class Backpropagation(LayerRule):
    """Plain backpropagation in software; with `injected`, on virtual chips."""

    title: ClassVar[str] = "backpropagation in software, written to every chip"
    in_situ: ClassVar[bool] = False
    layers: ClassVar[tuple[str, ...]] = ("rf", "analog")
    local: ClassVar[str] = "nothing: training is digital, only its result is written to the devices"
    default_epochs: ClassVar[int] = 20
    default_batch: ClassVar[int] = 256
    default_updates: ClassVar[int] = 600
    citation: ClassVar[str] = (
        "@article{rumelhart1986, title={Learning representations by back-propagating errors}, author={Rumelhart, David "
        "E. and Hinton, Geoffrey E. and Williams, Ronald J.}, journal={Nature}, volume={323}, pages={533--536}, "
        "year={1986}}"
    )

    lr: float = param(
        0.0094, doc="Adam step in units of the layer's weights (half linewidths, 1/sqrt(fan-in))", source=_PROGRAM,
        low=0.0, high=10.0,
    )  # fmt: skip
    digital_lr: float = param(
        0.0066, doc="Adam step of biases, in units of the layer (mV, 1)", source=_PROGRAM, low=0.0, high=10.0
    )
    final: float = param(
        0.1, doc="last learning rate as a share of the first, along half a cosine", source="ours, a usual schedule",
        low=0.0, high=1.0,
    )  # fmt: skip
    injected: float = param(
        0.0,
        doc="share of the declared spreads that every mini-batch's own chip carries",
        source="ours",
        low=0.0,
        high=10.0,
    )

    def accept(self, circuit: Circuit) -> None:
        """Graded weights or resonances; virtual chips only of resonators."""
        refuse_special(circuit, "backpropagation")
        if circuit.binary:
            raise RefusedError(
                f"rule 'backpropagation' trains graded weights, but the circuit '{circuit.title}' reads -1 or +1; "
                "use 'straight-through'"
            )
        if self.injected and circuit.layers != "rf":
            raise RefusedError(
                "rule 'backpropagation' draws virtual chips of resonators only; leave out injected, or train the chips "
                "themselves by 'physics-aware'"
            )

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Adam over software weights and digital parameters."""
        return _State(network, self, steps_per_epoch * epochs)


class _State(AdamState):
    def __init__(self, network: nn.Module, rule: Backpropagation, steps: int) -> None:
        super().__init__(network, rule.lr, rule.digital_lr, rule.final, steps)
        self.injected = rule.injected
        if any(layer.fabricated for layer in self.device_layers):
            raise RefusedError("backpropagation trains in software; do so before the devices are fabricated")

    def begin(self, generator: torch.Generator) -> None:
        super().begin(generator)
        if self.injected:
            for module in self.network.modules():
                if hasattr(module, "imagine"):
                    module.imagine(self.injected, generator)  # type: ignore[operator]

    def step(self, generator: torch.Generator) -> None:
        self.advance(lambda _, layer, change: layer.move(change))

    def finish(self) -> None:
        """Back to the nominal device."""
        for module in self.network.modules():
            if hasattr(module, "imagine"):
                module.imagine(0.0, None)  # type: ignore[operator]
