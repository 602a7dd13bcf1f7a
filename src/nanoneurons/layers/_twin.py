"""A value from the physical system, a gradient from its digital twin."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["overwrite"]


class _Overwrite(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, twin: torch.Tensor, physical: torch.Tensor) -> torch.Tensor:
        return physical.clone()

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        return grads[0], None


def overwrite(twin: torch.Tensor, physical: torch.Tensor) -> torch.Tensor:
    """The numbers of `physical` with the gradient of `twin`, a tensor of the same shape."""
    return _Overwrite.apply(twin, physical)  # type: ignore[no-any-return]
