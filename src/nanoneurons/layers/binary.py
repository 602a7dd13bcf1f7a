"""Layers with weights of -1 and +1, in software or in devices, batched over chips."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons.circuits import Circuit

from ._layer import DeviceLayer

__all__ = ["BinaryConv2d", "BinaryLinear", "SignActivation", "sign"]


def sign(x: torch.Tensor) -> torch.Tensor:
    """Sign with sign(0) = +1, so that every value is -1 or +1."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


class _SignWeight(torch.autograd.Function):
    """Sign of the hidden weights, times the errors forced on them; the gradient passes unchanged."""

    @staticmethod
    def forward(ctx, hidden: torch.Tensor, errors: torch.Tensor | None) -> torch.Tensor:
        binary = sign(hidden)
        return binary if errors is None else binary * errors

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return grad, None


class _SignActivation(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x.abs() <= 1)
        return sign(x)

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        (inside,) = ctx.saved_tensors
        return grad * inside


class SignActivation(nn.Module):
    r"""Binary neuron: forward ``sign(a)``, backward the saturating straight-through estimator.

    .. math:: \partial L/\partial a = \partial L/\partial \mathrm{sign}(a) \cdot 1_{|a| \le 1}

    Source: Hubara, Courbariaux et al., *Binarized neural networks*, NeurIPS 2016, arXiv:1602.02830.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Binarise; any shape."""
        return _SignActivation.apply(x)


class _BinaryLayer(DeviceLayer):
    """Binary weights: the sign of the hidden ones in software, what the devices say once fabricated.

    `errors`, when set, is a tensor of -1 and +1 multiplied onto the weights of the forward pass only.
    """

    def effective_weight(self) -> torch.Tensor:
        """Weights of -1 and +1 that the forward pass uses."""
        if self.fabricated:
            return self.weight if self.errors is None else self.weight * self.errors
        return _SignWeight.apply(self.weight, self.errors)


class BinaryLinear(_BinaryLayer):
    """Drop-in `nn.Linear` with binary weights, ``y = x W^T + b``, W of -1 and +1.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: digital bias.
        circuit: circuit that holds the weights once fabricated.
        chips: number of chips side by side; then `weight` is ``(chips, out, in)``, the input
            ``(batch, in)`` (the same for every chip) or ``(chips, batch, in)``, the output
            ``(chips, batch, out)``.
        seed: seed of the initial weights and of the layer's own noise stream.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        circuit: Circuit | None = None,
        chips: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__((out_features, in_features), bias, circuit, chips, seed)
        self.in_features = in_features
        self.out_features = out_features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply by the binary weights."""
        weight = self.effective_weight()
        if self.chips is None:
            return F.linear(x, weight, self.bias)
        y = chip_linear(x, weight)
        return y if self.bias is None else y + self.bias.unsqueeze(-2)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}, chips={self.chips}"


class BinaryConv2d(_BinaryLayer):
    """Drop-in `nn.Conv2d` (square kernel, no groups or dilation) with binary weights; zero padding.

    With chips, the input is ``(batch, in, h, w)`` or ``(chips, batch, in, h, w)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        circuit: Circuit | None = None,
        chips: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), bias, circuit, chips, seed)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.padding = padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Convolve with the binary kernel."""
        weight = self.effective_weight()
        if self.chips is None:
            return F.conv2d(x, weight, self.bias, self.stride, self.padding)
        return chip_conv2d(x, weight, self.bias, self.stride, self.padding)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, chips={self.chips}"
        )


def chip_linear(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """``x W^T`` per chip: x ``(batch, in)`` or ``(chips, batch, in)``, weight ``(chips, out, in)``."""
    if x.dim() == 2:  # one product serves all chips
        chips, out, fan_in = weight.shape
        return (x @ weight.reshape(chips * out, fan_in).T).view(x.shape[0], chips, out).transpose(0, 1)
    return torch.bmm(x, weight.transpose(1, 2))


def chip_conv2d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int, padding: int
) -> torch.Tensor:
    """Convolution per chip: x ``(batch, in, h, w)`` or ``(chips, batch, ...)``, weight ``(chips, out, in, k, k)``."""
    chips, out, fan_in = weight.shape[:3]
    kernels = weight.reshape(chips * out, *weight.shape[2:])
    flat_bias = None if bias is None else bias.reshape(chips * out)
    if x.dim() == 4:
        y = F.conv2d(x, kernels, flat_bias, stride, padding)
    else:
        batch = x.shape[1]
        stacked = x.transpose(0, 1).reshape(batch, chips * fan_in, *x.shape[3:])
        y = F.conv2d(stacked, kernels, flat_bias, stride, padding, groups=chips)
    return y.view(y.shape[0], chips, out, *y.shape[2:]).transpose(0, 1)
