r"""Adam in pulses: the device itself is the hidden weight.

.. math::
    n = \mathrm{round}\!\left(\mathrm{clip}\!\left(-\eta\,\frac{\hat m}{\sqrt{\hat v} + \epsilon},
    -n_\mathrm{max}, n_\mathrm{max}\right)\right)

Adam's step, measured in device pulses, is rounded and applied: positive counts raise the weight, negative ones
lower it. No digital copy of the weights exists; what accumulates is the devices' conductance. Biases and batch
normalisation stay digital and are trained by ordinary Adam.

Source: Majumdar et al., IEEE Trans. Electron Devices 68, 2021, arXiv:2107.06064, and its published program
(learning rate 100 pulses, halved every 7 epochs for MNIST, at most 14 pulses per step; digital
parameters at a constant 8e-3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.update import Update
from nanoneurons.learning._binary import require_binary
from nanoneurons.learning._rule import LayerRule, RuleState

__all__ = ["PulsedAdam"]

_CODE = "authors' program to arXiv:2107.06064"


@dataclass(frozen=True)
class PulsedAdam(LayerRule):
    """Adam whose step is a whole number of device pulses; the device is the hidden weight."""

    title: ClassVar[str] = "Adam in pulses, the device is the hidden weight"
    in_situ: ClassVar[bool] = True
    layers: ClassVar[tuple[str, ...]] = ("binary",)
    local: ClassVar[str] = "two digital moments per weight beside the array; the weight itself is only in the devices"
    default_epochs: ClassVar[int] = 4
    default_batch: ClassVar[int] = 1000
    default_updates: ClassVar[int] = 240
    citation: ClassVar[str] = "@article{majumdar2021model, eprint={2107.06064}}"

    lr: float = param(100.0, "pulse", doc="learning rate in pulses", source=_CODE, low=0.0, high=1e6)
    max_pulses: int = param(14, "pulse", doc="most pulses per step", source=_CODE, low=1, high=100_000, integer=True)
    beta1: float = param(0.9, "1", doc="decay of the mean gradient", source=_CODE, low=0.0, high=0.999999)
    beta2: float = param(0.999, "1", doc="decay of the mean squared gradient", source=_CODE, low=0.0, high=0.9999999)
    epsilon: float = param(1e-8, "1", doc="guard of Adam's division", source=_CODE, low=0.0, high=1.0)
    digital_lr: float = param(8e-3, "1", doc="Adam step of digital parameters", source=_CODE, low=0.0, high=10.0)
    halving: int = param(
        7,
        "epoch",
        doc="epochs after which the learning rate in pulses is halved",
        source=_CODE,
        low=1,
        high=10_000,
        integer=True,
    )

    def accept(self, circuit: Circuit) -> None:
        """Needs binary read-out of devices whose small changes add up."""
        require_binary(circuit, "pulsed-adam")
        if not getattr(circuit.device, "graded", False):
            raise RefusedError(
                f"rule 'pulsed-adam' adds up pulses in the device, but {circuit.device.title} has no intermediate "
                "states; use 'straight-through' or 'error-aware'"
            )

    def start(self, network: nn.Module, steps_per_epoch: int, epochs: int) -> RuleState:
        """Moments of every device layer, and Adam for the digital parameters."""
        return _State(network, self)


class _State(RuleState):
    def __init__(self, network: nn.Module, rule: PulsedAdam) -> None:
        super().__init__(network)
        self.rule = rule
        self.count = 0
        self.epoch = 0
        self.moments = [
            (torch.zeros_like(layer.weight), torch.zeros_like(layer.weight)) for layer in self.device_layers
        ]
        self.optimizer = torch.optim.Adam(self.digital, lr=rule.digital_lr) if self.digital else None

    @torch.no_grad()
    def step(self, generator: torch.Generator) -> None:
        rule = self.rule
        self.count += 1
        lr = rule.lr * 0.5 ** (self.epoch // rule.halving)
        scale = lr / (1 - rule.beta1**self.count)
        spread = (1 - rule.beta2**self.count) ** -0.5
        for layer, (mean, square) in zip(self.device_layers, self.moments, strict=True):
            if layer.weight.grad is None:
                continue
            arguments = (layer.weight.grad, mean, square, rule.beta1, rule.beta2, scale, spread)
            pulses = _pulses(*arguments, rule.epsilon, float(rule.max_pulses))
            layer.apply_update(Update(pulses, "pulses"), generator)
        if self.optimizer is not None:
            self.optimizer.step()

    def end_epoch(self) -> None:
        self.epoch += 1


def _pulses(
    grad: torch.Tensor,
    mean: torch.Tensor,
    square: torch.Tensor,
    beta1: float,
    beta2: float,
    scale: float,
    spread: float,
    epsilon: float,
    limit: float,
) -> torch.Tensor:
    """Advance Adam's moments in place and return its step as int32 pulses."""
    if grad.device.type != "cpu":
        mean.lerp_(grad, 1 - beta1)
        square.mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
        return (-scale * mean / (square.sqrt() * spread + epsilon)).clamp_(-limit, limit).round_().int()
    pulses = torch.empty(grad.shape, dtype=torch.int32)
    flat = (t.reshape(-1).numpy() for t in (grad.contiguous(), mean, square, pulses))
    _advance(*flat, *(np.float32(v) for v in (beta1, beta2, scale, spread, epsilon, limit)))
    return pulses


@numba.njit(cache=True, fastmath={"contract", "arcp", "nsz"})
def _advance(grad, mean, square, pulses, beta1, beta2, scale, spread, epsilon, limit):  # pragma: no cover - compiled
    one = np.float32(1)
    for i in range(grad.size):
        g = grad[i]
        m = beta1 * mean[i] + (one - beta1) * g
        v = beta2 * square[i] + (one - beta2) * g * g
        mean[i] = m
        square[i] = v
        step = -scale * m / (np.sqrt(v) * spread + epsilon)
        pulses[i] = np.int32(np.rint(min(max(step, -limit), limit)))
