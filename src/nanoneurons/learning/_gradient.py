"""Adam in the natural units of layers, shared by the rules that follow a gradient computed digitally."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from nanoneurons.layers._layer import DeviceLayer

from ._rule import RuleState

__all__ = ["AdamState"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8  # Kingma and Ba, ICLR 2015


class AdamState(RuleState):
    """Adam whose gradients and steps are in units of each layer, so that one learning rate suits hertz and siemens.

    Args:
        lr: step of weights in devices, in units of their layer.
        digital_lr: step of every other parameter, in units of its layer.
        final: last learning rate as a share of the first, reached along half a cosine.
        steps: mini-batches of the whole training.
    """

    def __init__(self, network: nn.Module, lr: float, digital_lr: float, final: float, steps: int) -> None:
        super().__init__(network)
        held = {id(layer.bias): layer.units[1] for layer in self.device_layers if layer.bias is not None}
        self.rates = (lr, digital_lr)
        self.units = [held.get(id(p), 1.0) for p in self.digital]
        self.final, self.steps, self.taken = final, max(steps, 1), 0
        self.moments: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    @property
    def factor(self) -> float:
        """Learning rate of this step as a share of the first."""
        phase = 0.5 * (1 + math.cos(math.pi * min((self.taken - 1) / self.steps, 1.0)))
        return self.final + (1 - self.final) * phase

    @torch.no_grad()
    def advance(self, carry_out: Callable[[int, DeviceLayer, torch.Tensor], None]) -> None:
        """One step: digital parameters here, the wanted change of each device layer by `carry_out`."""
        self.taken += 1
        lr, digital_lr = self.rates
        for p, unit in zip(self.digital, self.units, strict=True):
            if p.grad is not None:
                p.add_(self._step(p, p.grad, unit), alpha=-digital_lr * unit * self.factor)
        for index, layer in enumerate(self.device_layers):
            grad = layer.weight.grad
            if grad is not None:
                unit = layer.units[0]
                change = self._step(layer.weight, grad, unit).mul_(-lr * unit * self.factor)
                carry_out(index, layer, change)

    def _step(self, key: nn.Parameter, grad: torch.Tensor, unit: float) -> torch.Tensor:
        grad = grad * unit
        first, second = self.moments.setdefault(id(key), (torch.zeros_like(grad), torch.zeros_like(grad)))
        first.lerp_(grad, 1 - _BETA1)
        second.mul_(_BETA2).addcmul_(grad, grad, value=1 - _BETA2)
        spread = (second / (1 - _BETA2**self.taken)).sqrt_().add_(_EPSILON)
        return (first / (1 - _BETA1**self.taken)).div_(spread)
