"""Shared by the rules that train graded devices in place."""

from __future__ import annotations

import math

import torch
from torch import nn

from nanoneurons.circuits import Circuit, MemoryCircuit
from nanoneurons.core.errors import RefusedError

from ._rule import RuleState, refuse_special

__all__ = ["InPlaceState", "require_graded"]


def require_graded(circuit: Circuit, rule: str) -> None:
    """Refuse a circuit that reads binary weights, or devices whose small changes cannot add up."""
    refuse_special(circuit, rule)
    if circuit.binary:
        raise RefusedError(
            f"rule {rule!r} trains graded weights, but the circuit '{circuit.title}' reads -1 or +1; "
            "use the circuit 'crossbar', or a binary rule such as 'straight-through' or 'pulsed-adam'"
        )
    if not isinstance(circuit, MemoryCircuit):
        raise RefusedError(
            f"rule {rule!r} moves conductances by pulses, but the circuit '{circuit.title}' holds none; "
            f"use {getattr(circuit.device, 'default_rule', 'backpropagation')!r}"
        )
    if not circuit.device.graded:
        raise RefusedError(
            f"rule {rule!r} lets small changes add up in the device, but {circuit.device.title} has no intermediate "
            "states; use 'straight-through' or 'error-aware'"
        )


class InPlaceState(RuleState):
    """Plain SGD for the digital parameters, a falling learning rate, devices that must exist.

    Attributes:
        rates: learning rate of each device layer, in order; may be changed before training.
    """

    def __init__(self, network: nn.Module, lr: float, digital_lr: float, final: float, steps: int) -> None:
        super().__init__(network)
        for layer in self.device_layers:
            if not layer.fabricated:
                raise RefusedError("this rule trains devices in place; call network.fabricate(generator) first")
        self.rates = [lr] * len(self.device_layers)
        self.factor, self.taken, self.steps, self.final = 1.0, 0, max(steps, 1), final
        self.digital_lr = digital_lr

    @torch.no_grad()
    def advance(self) -> None:
        """Step the digital parameters, then lower all learning rates along half a cosine."""
        for parameter in self.digital:
            if parameter.grad is not None:
                parameter.add_(parameter.grad, alpha=-self.digital_lr * self.factor)
        self.taken += 1
        phase = 0.5 * (1 + math.cos(math.pi * min(self.taken / self.steps, 1.0)))
        self.factor = self.final + (1 - self.final) * phase
