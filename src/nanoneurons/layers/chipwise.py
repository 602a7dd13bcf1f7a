"""Digital companions of device layers that know the chip axis."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

__all__ = ["ChipBatchNorm", "DigitalReadout", "EachChip", "FlattenInput"]


class ChipBatchNorm(nn.Module):
    """Batch normalisation with separate statistics and parameters for every chip.

    Args:
        features: channels.
        chips: number of chips, or None for an input without a chip axis.

    Input ``(*chips, batch, features)`` or ``(*chips, batch, features, h, w)``.
    """

    running_mean: torch.Tensor
    running_var: torch.Tensor

    def __init__(self, features: int, chips: int | None = None, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        shape = (features,) if chips is None else (chips, features)
        self.features, self.chips, self.eps, self.momentum = features, chips, eps, momentum
        self.weight = nn.Parameter(torch.ones(shape))
        self.bias = nn.Parameter(torch.zeros(shape))
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise over the batch (and image) axes of each chip."""
        args = (self.training, self.momentum, self.eps)
        if self.chips is None:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, *args)
        chips, batch = x.shape[:2]
        merged = x.transpose(0, 1).reshape(batch, chips * self.features, *x.shape[3:])
        # reshape of a contiguous buffer is a view, so the running statistics are updated in place
        y = F.batch_norm(
            merged,
            self.running_mean.view(-1),
            self.running_var.view(-1),
            self.weight.reshape(-1),
            self.bias.reshape(-1),
            *args,
        )
        return y.view(batch, chips, *x.shape[2:]).transpose(0, 1)

    def extra_repr(self) -> str:
        return f"{self.features}, chips={self.chips}"


class DigitalReadout(nn.Module):
    r"""Digital output layer of every chip, fitted in closed form: :math:`y = W^T s + c`.

    Args:
        weight: ``(*chips, features, outputs)``.
        offset: ``(*chips, outputs)``.

    Input ``(*chips, batch, features)``, or ``(batch, features)`` for all chips alike. The product runs in the precision
    of the weights: features may nearly cancel.
    """

    weight: torch.Tensor
    offset: torch.Tensor

    def __init__(self, weight: torch.Tensor, offset: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.register_buffer("offset", offset)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs, in the precision of the input."""
        return (torch.matmul(x.to(self.weight.dtype), self.weight) + self.offset.unsqueeze(-2)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[-2]}, {self.weight.shape[-1]}"


class FlattenInput(nn.Module):
    """Flatten the last `dims` axes, whatever chip and batch axes stand before them."""

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Flatten."""
        return x.flatten(-self.dims) if self.dims > 1 else x


class EachChip(nn.Module):
    """Run a module that knows nothing of chips (pooling, dropout, ...) on every chip alike.

    Args:
        module: any module that treats the leading axis as a batch.
        dims: axes of one sample that `module` expects; an input with two more axes than that has a
            chip axis, which is folded into the batch.
    """

    def __init__(self, module: nn.Module, dims: int) -> None:
        super().__init__()
        self.module = module
        self.dims = dims

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Fold, run, unfold."""
        if x.dim() <= self.dims + 1:
            return self.module(x)
        y = self.module(x.flatten(0, 1))
        return y.unflatten(0, x.shape[:2])
