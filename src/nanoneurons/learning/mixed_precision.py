r"""Mixed-precision training: a digital accumulator collects small changes, whole pulses go to the devices.

.. math::
    \chi \leftarrow \chi - \eta\,\frac{\partial L}{\partial W}, \qquad
    n = \mathrm{trunc}\!\left(\frac{\chi}{\Delta w}\right), \qquad \chi \leftarrow \chi - n\,\Delta w

The products of forward and backward passes are computed in the array; the gradient is formed and accumulated
digitally. A device is pulsed only when its accumulator has gathered a whole pulse, without reading it back.

Biases and batch normalisation are digital and follow plain SGD.

Source: Nandakumar et al., Front. Neurosci. 14:406 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.learning._analog import InPlaceState, require_graded
from nanoneurons.learning._rule import LayerRule, RuleState

__all__ = ["MixedPrecision"]

_OURS = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-25)"
_SHARE = "ours, a usual schedule"


@dataclass(frozen=True)
class MixedPrecision(LayerRule):
    """SGD accumulated digitally in units of the weight; whole pulses are sent, the remainder is kept."""

    title: ClassVar[str] = "mixed precision: digital accumulator, whole pulses"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("analog",)
    local: ClassVar[str] = "one digital accumulator per weight beside the array"
    default_epochs: ClassVar[int] = 2
    default_batch: ClassVar[int] = 64
    default_updates: ClassVar[int] = 1000
    citation: ClassVar[str] = (
        "@article{nandakumar2020mixed, title={Mixed-Precision Deep Learning Based on Computational Memory}, "
        "author={Nandakumar, S. R. and Le Gallo, Manuel and Piveteau, Christophe and Joshi, Vinay and Mariani, "
        "Giovanni and Boybat, Irem and Karunaratne, Geethan and Khaddam-Aljameh, Riduan and Egger, Urs and "
        "Petropoulos, Anastasios and Antonakopoulos, Theodore and Rajendran, Bipin and Sebastian, Abu and "
        "Eleftheriou, Evangelos}, journal={Frontiers in Neuroscience}, volume={14}, pages={406}, year={2020}}"
    )

    lr: float = param(0.2, doc="learning rate of the weights in devices", source=_OURS, low=0.0, high=1e3)
    digital_lr: float = param(0.2, doc="learning rate of digital parameters", source=_OURS, low=0.0, high=1e3)
    final: float = param(
        0.1,
        doc="last learning rate as a share of the first; it falls along half a cosine",
        source=_SHARE,
        low=0.0,
        high=1.0,
    )

    def accept(self, circuit: Circuit) -> None:
        """Needs graded weights in devices whose small changes add up."""
        require_graded(circuit, "mixed-precision")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """An empty accumulator for every device layer."""
        return _State(network, self.lr, self.digital_lr, self.final, steps_per_epoch * epochs)


class _State(InPlaceState):
    def __init__(self, network: nn.Module, lr: float, digital_lr: float, final: float, steps: int) -> None:
        super().__init__(network, lr, digital_lr, final, steps)
        self.accumulators = [torch.zeros_like(layer.weight) for layer in self.device_layers]
        self.pulse_weights = [_pulse_weight(layer) for layer in self.device_layers]

    @torch.no_grad()
    def step(self, generator: torch.Generator) -> None:
        work = zip(self.device_layers, self.accumulators, self.rates, self.pulse_weights, strict=True)
        for layer, gathered, rate, pulse in work:
            if layer.weight.grad is None:
                continue
            gathered.add_(layer.weight.grad, alpha=-rate * self.factor)
            pulses = (gathered / pulse).trunc_()
            gathered.sub_(pulses, alpha=pulse)
            layer.apply_update(Update(pulses, "pulses"), generator)
        self.advance()

    def state(self) -> list[torch.Tensor]:
        """The accumulators, to be saved to resume exactly."""
        return self.accumulators


def _pulse_weight(layer: Any) -> float:
    return layer.circuit.pulse_weight(tuple(layer.weight.shape))
