r"""Straight-through training with weights flipped at random in every mini-batch.

.. math:: W = e \cdot \mathrm{sign}(W_h), \qquad e = -1 \text{ with probability } p, \text{ else } +1

The forward pass meets the errors that the memory will make, so the network learns to live with them; the
gradient goes to the unflipped hidden weight. A network trained at one rate adapts to that rate and can
be a little worse at lower ones.

Source: Hirtzlin et al., AICAS 2019, arXiv:1904.03652; flipping as in the group's published ternary program.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, start_of, uniform_at
from nanoneurons.learning._binary import HiddenWeightState, require_binary
from nanoneurons.learning._rule import LayerRule, RuleState

__all__ = ["ErrorAware", "flips"]


@dataclass(frozen=True)
class ErrorAware(LayerRule):
    """Straight-through training that meets the memory's bit errors in every forward pass."""

    title: ClassVar[str] = "straight-through estimator with injected bit errors"
    in_situ: ClassVar[bool] = False
    layers: ClassVar[tuple[str, ...]] = ("binary",)
    local: ClassVar[str] = "nothing: training is digital, only the signs are written to the devices"
    default_epochs: ClassVar[int] = 10
    default_batch: ClassVar[int] = 200
    default_updates: ClassVar[int] = 1000
    citation: ClassVar[str] = (
        "@inproceedings{hirtzlin2019outstanding, title={Outstanding Bit Error Tolerance of Resistive RAM-Based "
        "Binarized Neural Networks}, author={Hirtzlin, Tifenn and Bocquet, Marc and Klein, Jacques-Olivier and Nowak, "
        "Etienne and Vianello, Elisa and Portal, Jean-Michel and Querlioz, Damien}, booktitle={AICAS}, year={2019}, "
        "eprint={1904.03652}}"
    )

    error_rate: float = param(
        0.04, "1", doc="probability that a weight is flipped in a mini-batch", source="arXiv:1904.03652 (abstract)",
        low=0.0, high=0.5,
    )  # fmt: skip
    lr: float = param(
        5e-3, "1", doc="Adam step of the hidden weights, decaying to 0 along a cosine", source="as straight-through",
        low=0.0, high=10.0,
    )  # fmt: skip
    digital_lr: float = param(
        5e-3, "1", doc="Adam step of biases and batch normalisation", source="as straight-through", low=0.0, high=10.0
    )

    def accept(self, circuit: Circuit) -> None:
        """Any device will do: it only has to hold one of two states."""
        require_binary(circuit, "error-aware")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Adam state over hidden weights and digital parameters."""
        return _ErrorAwareState(network, self.lr, self.digital_lr, steps_per_epoch * epochs, self.error_rate)


class _ErrorAwareState(HiddenWeightState):
    def __init__(self, network: nn.Module, lr: float, digital_lr: float, steps: int, rate: float) -> None:
        super().__init__(network, lr, digital_lr, steps)
        self.rate = rate

    def begin(self, generator: torch.Generator) -> None:
        super().begin(generator)
        for layer in self.device_layers:
            layer.errors = flips(tuple(layer.weight.shape), self.rate, generator)

    def finish(self) -> None:
        for layer in self.device_layers:
            layer.errors = None


def flips(shape: tuple[int, ...], rate: float, generator: torch.Generator) -> torch.Tensor:
    """Tensor of +1, and -1 with probability `rate`, drawn independently per weight."""
    out = np.empty(chip_shape(shape), np.float32)
    _fill_flips(np.uint64(draw_key(generator)), np.float32(rate), out)
    return torch.from_numpy(out.reshape(shape))


@numba.njit(cache=True)
def _fill_flips(key, rate, out):  # pragma: no cover - compiled
    chips, cells = out.shape
    for chip in range(chips):
        start = start_of(key, chip, 0)
        for i in range(cells):
            out[chip, i] = np.float32(-1) if uniform_at(start, i) < rate else np.float32(1)
