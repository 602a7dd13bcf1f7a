"""Shared by the rules that train digital hidden weights of binary layers."""

from __future__ import annotations

import math

import torch
from torch import nn

from nanoneurons.core.errors import RefusedError

from ._rule import RuleState, refuse_special

__all__ = ["HiddenWeightState", "require_binary"]


def require_binary(circuit, rule: str) -> None:
    """Refuse a circuit whose weights are not binary."""
    refuse_special(circuit, rule, "differential-pair")
    if not circuit.binary:
        raise RefusedError(
            f"rule {rule!r} trains binary weights, but the circuit '{circuit.title}' holds analogue ones; "
            "use a differential pair, or an analogue rule such as 'analog-sgd'"
        )


class HiddenWeightState(RuleState):
    """Adam on hidden real weights, clipped to [-1, 1], with a cosine learning-rate schedule."""

    def __init__(self, network: nn.Module, lr: float, digital_lr: float, steps: int) -> None:
        super().__init__(network)
        hidden = [layer.weight for layer in self.device_layers]
        # One hidden weight in [-1, 1] is binarised, so its own scale is free; Glorot's scale sets the step
        # that suits the layer's width (Courbariaux et al., BinaryNet, do the same).
        groups: list[dict] = [{"params": [w], "lr": lr} for w in hidden]
        if self.digital:
            groups.append({"params": self.digital, "lr": digital_lr})
        self.optimizer = torch.optim.Adam(groups)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(step / max(steps, 1), 1.0)))
        )

    @torch.no_grad()
    def step(self, generator: torch.Generator) -> None:
        """One Adam step, then clip."""
        self.optimizer.step()
        self.schedule.step()
        for layer in self.device_layers:
            layer.weight.clamp_(-1, 1)
