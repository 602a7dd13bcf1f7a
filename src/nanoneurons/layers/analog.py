"""Layers with graded weights, in software or in devices, batched over chips."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch.nn import functional as F

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError

from ._layer import DeviceLayer

__all__ = ["AnalogConv2d", "AnalogLinear"]


class _ArrayProduct(torch.autograd.Function):
    """``x W^T + b`` as the array computes it; backward through its ideal twin (exact inputs, and exact weights or those
    of `layer.twin`).

    x ``(batch, in)`` or ``(chips, batch, in)``, weight ``(out, in)`` or ``(chips, out, in)``, bias ``(out,)``,
    ``(chips, out)`` or None; one operation in the graph, for small layers spend their time there. Backward hands the
    layer the pair of vectors whose products the gradient of the weights is made of, if they are wanted instead.
    """

    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, layer: _AnalogLayer
    ) -> torch.Tensor:
        ctx.save_for_backward(x, weight if layer.twin is None else layer.twin.view(weight.shape))
        ctx.layer = layer
        return layer.array_product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (d,) = grads
        x, weight = ctx.saved_tensors
        layer = ctx.layer
        to_input, to_bias = None, d.sum(-2) if ctx.needs_input_grad[2] else None
        if ctx.needs_input_grad[0]:
            if x.dim() == weight.dim():
                to_input = d @ weight
            else:  # one input served all chips, so its gradient sums over them
                merged = d.transpose(0, 1).reshape(x.shape[0], -1)
                to_input = merged @ weight.reshape(-1, weight.shape[-1])
        if layer.keep_factors:
            layer.factors.append((d, x))
            return to_input, None, to_bias, None
        return to_input, d.transpose(-2, -1) @ x, to_bias, None


class _AnalogLayer(DeviceLayer):
    """Graded weights: the parameter itself in software, read through the circuit's periphery once fabricated.

    `noisy_reads` switches the noise of reading (not the converters) on and off; `holds` are the kinds of circuit that
    can hold its weights.
    """

    holds: ClassVar[tuple[str, ...]] = ("analog",)

    def __init__(
        self, weight_shape: tuple[int, ...], bias: bool, circuit: Circuit | None, chips: int | None, seed: int
    ) -> None:
        if circuit is not None and circuit.layers not in self.holds:
            holds = {
                "binary": "reads -1 or +1",
                "spiking": "holds weights of 0 to 1",
                "likelihood": "holds likelihoods",
            }.get(circuit.layers, "holds resonances")
            raise RefusedError(
                f"{type(self).__name__} needs graded weights, but a {circuit.title} {holds}; "
                "use the circuit 'crossbar', or a layer made for this circuit"
            )
        super().__init__(weight_shape, bias, circuit, chips, seed)
        self.noisy_reads = True

    def array_product(self, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        """Product with input and output conversion and read noise, and digital bias; see `_ArrayProduct` for shapes."""
        if not self.fabricated or self._wired().binary:  # a sense amplifier's answer is digital
            y = torch.matmul(x, weight.transpose(-2, -1))
            return y if bias is None else y + bias.unsqueeze(-2)
        circuit: Any = self._wired()
        seen, full, squares = circuit.convert_input(x)
        y = torch.matmul(seen, weight.transpose(-2, -1))
        unit = circuit.weight_unit(tuple(self.weight.shape))
        return circuit.decode(y, squares, self.generator if self.noisy_reads else None, full, unit, bias)

    def product(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """``x W^T + b`` through the devices if there are any, exactly otherwise."""
        if (self.fabricated or self.keep_factors) and torch.is_grad_enabled():
            return _ArrayProduct.apply(x, weight, self.bias, self)  # type: ignore[no-any-return]
        return self.array_product(x, weight, self.bias)


class AnalogLinear(_AnalogLayer):
    """Drop-in `nn.Linear`, ``y = x W^T + b``, with weights that may live in a crossbar.

    Args:
        in_features: inputs.
        out_features: outputs.
        bias: digital bias.
        circuit: circuit that holds the weights once fabricated; one that reads graded weights.
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
        """Multiply by the weights."""
        return self.product(x, self.weight)

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}, bias={self.bias is not None}, chips={self.chips}"


class AnalogConv2d(_AnalogLayer):
    """Drop-in `nn.Conv2d` (square kernel, no groups or dilation); zero padding.

    In devices the kernel is a matrix ``(out, in k k)`` and each image patch one input vector. With chips, the
    input is ``(batch, in, h, w)`` or ``(chips, batch, in, h, w)``.
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
        """Convolve with the kernel."""
        lead, image = x.shape[:-3], x.shape[-3:]
        if self.chips is None and not self.fabricated and not self.keep_factors:
            return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        height, width = ((n + 2 * self.padding - self.kernel_size) // self.stride + 1 for n in image[1:])
        patches = F.unfold(x.reshape(-1, *image), self.kernel_size, padding=self.padding, stride=self.stride)
        rows = patches.transpose(1, 2).reshape(*lead[:-1], lead[-1] * height * width, -1)
        y = self.product(rows, self.weight.flatten(-3))
        y = y.view(*y.shape[:-2], lead[-1], height * width, self.weight.shape[-4])
        return y.transpose(-2, -1).unflatten(-1, (height, width))

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}, padding={self.padding}, chips={self.chips}"
        )
