r"""Physics-aware training: the forward pass is the chip's, the gradient that of its digital twin.

.. math::
    y = f_{chip}(x, \theta), \qquad
    \bar x = \Bigl(\frac{\partial f_{twin}}{\partial x}\Bigr)^{\!\mathsf T}\!\bar y, \quad
    \bar\theta = \Bigl(\frac{\partial f_{twin}}{\partial \theta}\Bigr)^{\!\mathsf T}\!\bar y
    \quad\text{at the chip's own } x

layer by layer, so errors of the twin do not pile up in the activations. The wanted values :math:`\theta` are kept
digitally; after each step the devices are corrected towards them once, so that errors of writing do not pile up. With
``twin = "ideal"`` the twin is the nominal device, the same for all chips, as in the publication; with ``"calibrated"``
it is the chip as measured once after fabrication, which is what is needed when devices deviate by more than the
gradient can forgive. What was measured may also be corrected before training, ``preparation = "trimmed"``.

Source: Wright, Onodera et al., Nature 601, 549 (2022); Ross et al., Nat. Nanotech. 18, 1273 (2023) train so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.binary import sign
from nanoneurons.learning._analog import require_graded
from nanoneurons.learning._gradient import AdamState
from nanoneurons.learning._rule import LayerRule, RuleState, refuse_special

__all__ = ["PhysicsAware"]

_PROGRAM = "public program of Ross et al., Nat. Nanotech. 18, 1273 (2023), rounded"


@dataclass(frozen=True)
class PhysicsAware(LayerRule):
    """Chips in the loop, gradients through a digital twin."""

    title: ClassVar[str] = "physics-aware training: the chip forward, its digital twin backward"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("rf", "analog", "binary")
    local: ClassVar[str] = "nothing: activations are measured, gradients and wanted weights are digital"
    default_epochs: ClassVar[int] = 20
    default_batch: ClassVar[int] = 256
    default_updates: ClassVar[int] = 600
    citation: ClassVar[str] = (
        "@article{wright2022deep, title={Deep physical neural networks trained with backpropagation}, author={Wright, "
        "Logan G. and Onodera, Tatsuhiro and Stein, Martin M. and Wang, Tianyu and Schachter, Darren T. and Hu, Zoey "
        "and McMahon, Peter L.}, journal={Nature}, volume={601}, pages={549--555}, year={2022}}"
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
    twin: str = param(
        "calibrated", doc="digital twin: the nominal device, or the chip as measured",
        source="the former: Ross et al. 2023; the latter is the default since spin diodes with their spread of half a "
        "linewidth then reach 93 % on a quarter of the training data of drone-rf and digits, and 69 and 81 % otherwise",
        choices=("ideal", "calibrated"),
    )  # fmt: skip
    preparation: str = param(
        "none", doc="of resonators before training: none, or measured deviations tuned out",
        source="ours; the second hides a spread that the tuning range covers", choices=("none", "trimmed"),
    )  # fmt: skip

    def accept(self, circuit: Circuit) -> None:
        """Any device that can be corrected: of graded weights by small amounts, of others by writing them."""
        refuse_special(circuit, "physics-aware")
        if circuit.layers == "analog":
            require_graded(circuit, "physics-aware")

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Wanted weights of every layer, and layers that take their gradient from the twin."""
        return _State(network, self, steps_per_epoch * epochs)


class _State(AdamState):
    def __init__(self, network: nn.Module, rule: PhysicsAware, steps: int) -> None:
        super().__init__(network, rule.lr, rule.digital_lr, rule.final, steps)
        for layer in self.device_layers:
            if not layer.fabricated:
                raise RefusedError("physics-aware training needs chips; call network.fabricate(generator) first")
        self.ideal = rule.twin == "ideal"
        self.untrimmed = rule.preparation == "trimmed"
        self.wanted = [_start(layer, rule.lr) for layer in self.device_layers]
        for module in network.modules():
            if hasattr(module, "gradient"):
                module.gradient = "ideal" if self.ideal else "own"  # type: ignore[assignment]
        self._give_twins()

    def _give_twins(self) -> None:
        for layer, wanted in zip(self.device_layers, self.wanted, strict=True):
            layer.twin = wanted if self.ideal and not _binary(layer) else None

    def begin(self, generator: torch.Generator) -> None:
        super().begin(generator)
        if self.untrimmed:
            self.untrimmed = False
            for index, layer in enumerate(self.device_layers):
                layer.trim(generator)
                if not _binary(layer):
                    self.wanted[index] = layer.weight.detach().clone()
            self._give_twins()

    @torch.no_grad()
    def step(self, generator: torch.Generator) -> None:
        def correct(index: int, layer: DeviceLayer, change: torch.Tensor) -> None:
            wanted = self.wanted[index].add_(change)
            if _binary(layer):
                wanted.clamp_(-1, 1)
                layer.apply_update(Update(0.5 * (sign(wanted) - layer.weight)), generator)
            else:
                layer.apply_update(Update(wanted - layer.weight), generator)

        self.advance(correct)
        self._give_twins()

    def finish(self) -> None:
        """The chips' own gradients again."""
        for layer in self.device_layers:
            layer.twin = None
        for module in self.network.modules():
            if hasattr(module, "gradient"):
                module.gradient = "own"  # type: ignore[assignment]


def _binary(layer: DeviceLayer) -> bool:
    return layer.circuit is not None and layer.circuit.binary


def _start(layer: DeviceLayer, lr: float) -> torch.Tensor:
    """Wanted weights at the start: those that are there; hidden ones behind signs begin within one step of zero."""
    held = layer.weight.detach().clone()
    return held * (0.5 * lr * layer.units[0]) if _binary(layer) else held
