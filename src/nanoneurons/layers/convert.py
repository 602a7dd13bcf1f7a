"""Turn an existing torch model into one whose weights live in devices."""

from __future__ import annotations

import copy

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import RefusedError

from ._layer import DeviceLayer
from .analog import AnalogConv2d, AnalogLinear
from .binary import BinaryConv2d, BinaryLinear
from .chipwise import ChipBatchNorm, EachChip, FlattenInput

__all__ = ["convert"]


def convert(
    model: nn.Module,
    circuit: Circuit,
    *,
    chips: int | None = None,
    generator: torch.Generator | None = None,
    seed: int = 0,
) -> nn.Module:
    """Copy `model` with every `nn.Linear` and `nn.Conv2d` replaced by its device version.

    A circuit with binary weights gives binary layers (they hold the sign of the weights), any other gives
    analogue ones. With a generator the devices are fabricated and programmed at once.

    Args:
        model: any module; it is not changed.
        circuit: how the devices are wired.
        chips: chips side by side. The output then has a leading chip axis; the model's own
            ``forward`` must consist of modules (a functional ``x.view(len(x), -1)`` does not know the axis; use
            `nn.Flatten`). None keeps the shapes of the original.
        generator: fabricate and program with it; None leaves a software model to be trained first.
        seed: seed of the layers' own noise streams.

    Raises:
        RefusedError: a layer has groups, dilation, a non-square kernel or another padding than zeros.
    """
    if circuit.layers == "rf":
        raise RefusedError(
            "a chain of resonators takes powers and gives voltages, so it does not replace nn.Linear alone; build the "
            "network of SpinDiodeLinear and SpinTorqueActivation, or by nanoneurons.networks.build(kind='rf')"
        )
    converted = _convert(copy.deepcopy(model), circuit, chips, seed, "")
    if generator is not None:
        for layer in converted.modules():
            if isinstance(layer, DeviceLayer):
                target = layer.weight.detach().clone()
                layer.fabricate(generator)
                layer.program(target, generator)
    return converted


def _convert(module: nn.Module, circuit: Circuit, chips: int | None, seed: int, name: str) -> nn.Module:
    if isinstance(module, nn.Linear):
        cls = BinaryLinear if circuit.binary else AnalogLinear
        bias = module.bias is not None
        layer = cls(module.in_features, module.out_features, bias, circuit=circuit, chips=chips, seed=seed)
        return _filled(layer, module)
    if isinstance(module, nn.Conv2d):
        _check_convolution(module, name)
        conv = BinaryConv2d if circuit.binary else AnalogConv2d
        layer = conv(
            module.in_channels,
            module.out_channels,
            module.kernel_size[0],
            module.stride[0],
            module.padding[0],  # type: ignore[arg-type]
            module.bias is not None,
            circuit=circuit,
            chips=chips,
            seed=seed,
        )
        return _filled(layer, module)
    if chips is not None:
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            return _chip_norm(module, chips, name)
        if isinstance(module, nn.Flatten) and module.start_dim == 1 and module.end_dim == -1:
            return _FlattenSample()
        dims = _sample_axes(module)
        if dims is not None:
            return EachChip(module, dims)
    for child_name, child in module.named_children():
        setattr(module, child_name, _convert(child, circuit, chips, seed, f"{name}.{child_name}".lstrip(".")))
    return module


@torch.no_grad()
def _filled(layer: DeviceLayer, source: nn.Linear | nn.Conv2d) -> DeviceLayer:
    layer.weight.copy_(source.weight)
    if layer.bias is not None and source.bias is not None:
        layer.bias.copy_(source.bias)
    return layer.train(source.training)


def _check_convolution(module: nn.Conv2d, name: str) -> None:
    square = all(len(set(v)) == 1 for v in (module.kernel_size, module.stride, module.dilation))
    plain = module.groups == 1 and module.dilation[0] == 1 and module.padding_mode == "zeros"
    if not (square and plain and isinstance(module.padding, tuple) and len(set(module.padding)) == 1):
        raise RefusedError(
            f"convolution {name or 'Conv2d'} cannot be put into devices: it needs a square kernel, equal numeric "
            "padding with zeros, and no groups or dilation"
        )


@torch.no_grad()
def _chip_norm(module: nn.BatchNorm1d | nn.BatchNorm2d, chips: int, name: str) -> ChipBatchNorm:
    if module.running_mean is None or not module.affine or module.momentum is None:
        raise RefusedError(f"batch normalisation {name} needs running statistics and affine parameters to go on chips")
    norm = ChipBatchNorm(module.num_features, chips, module.eps, module.momentum)
    for mine, theirs in (
        (norm.weight, module.weight),
        (norm.bias, module.bias),
        (norm.running_mean, module.running_mean),
        (norm.running_var, module.running_var),
    ):
        mine.copy_(theirs)  # type: ignore[operator]
    return norm.train(module.training)


class _FlattenSample(FlattenInput):
    """`nn.Flatten` for images, with or without a chip axis before the batch."""

    def __init__(self) -> None:
        super().__init__(3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(-3) if x.dim() >= 4 else x


def _sample_axes(module: nn.Module) -> int | None:
    """Axes of one sample for chip-blind modules that care about axes; None for those that do not."""
    two_d = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Dropout2d, nn.ZeroPad2d)
    return 3 if isinstance(module, two_d) else None
