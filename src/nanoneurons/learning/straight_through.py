r"""Training of binary weights through real hidden ones (straight-through estimator).

.. math:: W = \mathrm{sign}(W_h), \qquad \Delta W_h = -\mathrm{Adam}(\partial L/\partial W), \qquad W_h \in [-1, 1]

The sign has no useful derivative, so the gradient with respect to the binary weight is applied to the hidden
weight as it is. Training is digital; the signs are then written to the devices of each chip.

Source: Hubara, Courbariaux et al., *Binarized neural networks*, NeurIPS 2016, arXiv:1602.02830.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.parameter import param
from nanoneurons.learning._binary import HiddenWeightState, require_binary
from nanoneurons.learning._rule import LayerRule, RuleState

__all__ = ["StraightThrough"]

_OURS = "ours, a usual value for Adam; not tuned"


@dataclass(frozen=True)
class StraightThrough(LayerRule):
    """Digital hidden weights, binary weights in the forward pass."""

    title: ClassVar[str] = "straight-through estimator, digital hidden weights"
    in_situ: ClassVar[bool] = False
    layers: ClassVar[tuple[str, ...]] = ("binary",)
    local: ClassVar[str] = "nothing: training is digital, only the signs are written to the devices"
    default_epochs: ClassVar[int] = 10
    default_batch: ClassVar[int] = 200
    default_updates: ClassVar[int] = 1000
    citation: ClassVar[str] = (
        "@inproceedings{hubara2016binarized, title={Binarized Neural Networks}, author={Hubara, Itay and Courbariaux, "
        "Matthieu and Soudry, Daniel and El-Yaniv, Ran and Bengio, Yoshua}, booktitle={NeurIPS}, year={2016}}"
    )

    lr: float = param(
        5e-3, "1", doc="Adam step of the hidden weights, decaying to 0 along a cosine", source=_OURS,
        low=0.0, high=10.0,
    )  # fmt: skip
    digital_lr: float = param(
        5e-3, "1", doc="Adam step of biases and batch normalisation", source=_OURS,
        low=0.0, high=10.0,
    )  # fmt: skip

    def accept(self, circuit: Circuit) -> None:
        """Any device will do: it only has to hold one of two states."""
        require_binary(circuit, "straight-through")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Adam state over hidden weights and digital parameters."""
        return HiddenWeightState(network, self.lr, self.digital_lr, steps_per_epoch * epochs)
