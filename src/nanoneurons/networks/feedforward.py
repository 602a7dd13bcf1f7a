"""Feed-forward networks of device layers from a short description such as ``784-512-10``."""

from __future__ import annotations

import math
import re

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.layers._layer import DeviceLayer, DeviceModule
from nanoneurons.layers.binary import BinaryConv2d, BinaryLinear, SignActivation
from nanoneurons.layers.chipwise import ChipBatchNorm, EachChip, FlattenInput

__all__ = ["FeedForward", "build", "parse"]

_TOKEN = re.compile(r"(?P<dense>\d+)$|(?P<channels>\d+)c(?P<kernel>\d+)$|mp(?P<pool>\d+)$", re.IGNORECASE)


class FeedForward(nn.Sequential):
    """Layers in sequence, with the few things done to all device layers at once."""

    @property
    def device_layers(self) -> list[DeviceLayer]:
        """Layers whose weights live, or can live, in devices."""
        return [m for m in self.modules() if isinstance(m, DeviceLayer)]

    @property
    def device_modules(self) -> list[DeviceModule]:
        """Every module with devices: those layers, and neurons."""
        return [m for m in self.modules() if isinstance(m, DeviceModule)]

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the devices of every layer and of every neuron."""
        for module in self.device_modules:
            module.fabricate(generator)

    def program_initial(self, generator: torch.Generator) -> None:
        """Fabricate, then write the initial software weights into analogue devices.

        Fresh analogue devices hold whatever they came with, far too much for a network of many inputs;
        binary read-outs start as they are, since any sign is as good as another.
        """
        for layer in self.device_modules:
            if not isinstance(layer, DeviceLayer):
                layer.fabricate(generator)
                continue
            initial = layer.weight.detach().clone()
            layer.fabricate(generator)
            if layer.circuit is not None and not layer.circuit.binary:
                layer.program(initial, generator)

    def program(self, source: nn.Module, generator: torch.Generator) -> None:
        """Write the weights of a trained software network of the same layout into this one's devices.

        Biases and batch normalisation are digital and copied as they are.
        """
        with torch.no_grad():
            for mine, theirs in zip(self, source, strict=True):  # type: ignore[call-overload]
                if isinstance(mine, DeviceLayer):
                    mine.program(theirs.weight.expand(mine.weight.shape), generator)
                    if mine.bias is not None:
                        mine.bias.copy_(theirs.bias)
                else:
                    held = mine.state_dict()  # references to the tensors, so copying fills the module
                    for name, value in theirs.state_dict().items():
                        held[name].copy_(value)

    def refresh(self, generator: torch.Generator | None = None) -> None:
        """Read every layer's devices anew."""
        for layer in self.device_layers:
            layer.refresh(generator)

    @torch.no_grad()
    def inference_counts(self, x: torch.Tensor | None = None) -> Counts:
        """Events of classifying one sample on one chip; with samples `x`, what they send through is counted too."""
        seen: dict[nn.Module, torch.Tensor] = {}

        def note(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            seen[module] = given[0]

        if x is not None:
            hooks = [m.register_forward_pre_hook(note) for m in self.device_modules]
            try:
                self(x)
            finally:
                for hook in hooks:
                    hook.remove()
        total = Counts()
        for module in self.device_modules:
            total = total + (module.counts_of(seen[module]) if module in seen else module.counts())
        return total


def build(
    spec: str,
    *,
    kind: str,
    circuit: Circuit | None,
    chips: int | None,
    shape: tuple[int, ...],
    classes: int,
    seed: int = 0,
) -> FeedForward:
    """Build a network from its description.

    Args:
        spec: ``784-512-10`` (dense sizes, the first the input, the last the classes),
            ``3x32x32-64c3-64c3-mp2-256-10`` (input, convolutions ``<channels>c<kernel>`` with same-size
            zero padding, ``mp<k>`` max-pooling, dense sizes), or ``auto`` (one hidden layer).
        kind: ``"binary"`` (binary layers, batch normalisation, sign activations), ``"analog"``
            (analog layers, ReLU) or ``"rf"`` (chains of resonators, oscillators; inputs from 0 up become powers).
        circuit: circuit of every device layer; None for software (resonators always have one: it says what they weigh).
        chips: chips side by side, or None.
        shape: shape of one sample.
        classes: number of classes.
        seed: seed of the initial weights.

    Raises:
        StudyError: the description is malformed or does not fit the data.
    """
    spec, tokens, convolutional = parse(spec, shape, classes, wide=kind != "rf")
    if kind == "rf":
        from ._rf_modules import rf_modules

        return FeedForward(*rf_modules(spec, tokens, circuit, chips, shape, convolutional, seed))
    return FeedForward(*_modules(spec, tokens, kind, circuit, chips, shape, convolutional, seed))


def parse(spec: str, shape: tuple[int, ...], classes: int, wide: bool) -> tuple[str, list[dict[str, int]], bool]:
    """Description with ``auto`` written out, its parts behind the input, and whether the input is an image.

    Args:
        wide: whether ``auto`` may have five hundred hidden neurons (a band has room for a hundred tones, not more).

    Raises:
        StudyError: the description is malformed or does not fit the data.
    """
    pixels = math.prod(shape)
    if spec == "auto":
        spec = f"{pixels}-{512 if wide and pixels > 100 else 128}-{classes}"
    head, *rest = spec.lower().replace(" ", "").split("-")
    convolutional = "x" in head
    want = "x".join(map(str, shape)) if convolutional else str(pixels)
    if head != want:
        raise StudyError(
            f"network {spec!r} expects input {head}, but a sample of this task has {want}; start with {want}-"
        )
    tokens = []
    for text in rest:
        match = _TOKEN.match(text)
        if not match:
            raise StudyError(
                f"network {spec!r}: {text!r} is neither a size (512), a convolution (64c3) nor a pooling (mp2)"
            )
        tokens.append({k: int(v) for k, v in match.groupdict().items() if v is not None})
    if not tokens or tokens[-1].get("dense") != classes:
        raise StudyError(f"network {spec!r} must end with the {classes} classes of this task, ...-{classes}")
    if any(size == 0 for token in tokens for size in token.values()):
        raise StudyError(f"network {spec!r} has a layer of size zero")
    return spec, tokens, convolutional


def _modules(spec, tokens, kind, circuit, chips, shape, convolutional, seed) -> list[nn.Module]:
    binary = kind == "binary"
    if not binary:
        from nanoneurons.layers.analog import AnalogConv2d, AnalogLinear
    modules: list[nn.Module] = []
    where = tuple(shape)
    if not convolutional:
        modules.append(FlattenInput(len(shape)))
        where = (math.prod(shape),)
    elif len(shape) != 3:
        raise StudyError(f"network {spec!r} has an image input, but a sample has shape {tuple(shape)}")
    draw = generator_for(seed, "network", spec, kind)
    for position, token in enumerate(tokens):
        last = position == len(tokens) - 1
        if "pool" in token:
            where = pooled(spec, where, token["pool"])
            if not (position and "channels" in tokens[position - 1]):  # else it already stands behind its convolution
                modules.append(EachChip(nn.MaxPool2d(token["pool"]), 3))
            continue
        common = {"circuit": circuit, "chips": chips, "seed": int(torch.randint(2**31, (), generator=draw))}
        if "channels" in token:
            if len(where) != 3:
                raise StudyError(f"network {spec!r}: a convolution cannot follow a dense layer")
            k, features = token["kernel"], token["channels"]
            layer = (BinaryConv2d if binary else AnalogConv2d)(
                where[0], features, k, padding=k // 2, bias=not binary, **common
            )
            where = (features, where[1] + 2 * (k // 2) - k + 1, where[2] + 2 * (k // 2) - k + 1)
        else:
            if len(where) == 3:
                modules.append(FlattenInput(3))
                where = (math.prod(where),)
            features = token["dense"]
            layer = (BinaryLinear if binary else AnalogLinear)(where[0], features, bias=not binary, **common)
            where = (features,)
        modules.append(layer)
        if not last and "channels" in token and "pool" in tokens[position + 1]:
            # the maximum is taken before normalisation and sign, where it still sees real numbers
            modules.append(EachChip(nn.MaxPool2d(tokens[position + 1]["pool"]), 3))
        if binary:
            modules.append(ChipBatchNorm(features, chips))
            if not last:
                modules.append(SignActivation())
        elif not last:
            modules.append(nn.ReLU())
    return modules


def pooled(spec: str, where: tuple[int, ...], k: int) -> tuple[int, ...]:
    """Shape of a feature map after pooling.

    Raises:
        StudyError: no feature map, or one smaller than the pool.
    """
    if len(where) != 3 or min(where[1:]) < k:
        raise StudyError(f"network {spec!r}: mp{k} does not fit a feature map of {'x'.join(map(str, where))}")
    return where[0], where[1] // k, where[2] // k
