r"""Fast inference of binary networks: activations packed one bit each, XNOR and popcount.

For vectors of -1 and +1 written as bits, :math:`a \cdot b = N - 2\,\mathrm{popcount}(a \oplus b)`. Batch
normalisation and sign together are one integer comparison per neuron, so between the first and the last layer
nothing leaves the integer domain.

.. math::
    \mathrm{sign}(\mathrm{BN}(x)) = +1 \iff x \ge \mu - \beta\sigma/\gamma
    \quad (\gamma > 0; \ \le \text{ if } \gamma < 0)

Not covered: convolutions and pooling; `PackedNetwork.from_network` refuses them.

Source: Hubara, Courbariaux et al., arXiv:1602.02830 (XNOR and popcount). Tables shared by all outputs are the idea of
the method of the four Russians (Arlazarov et al., 1970); the kernels explain the rest.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons.core.errors import RefusedError
from nanoneurons.layers.binary import BinaryLinear, SignActivation, chip_linear
from nanoneurons.layers.chipwise import ChipBatchNorm, FlattenInput

from ._bitslice import GROUP, LANES, LARGEST_FAN_IN, SAMPLES, TILE, counter_bits, hidden, pack, padded, products

__all__ = ["PackedLayer", "PackedNetwork", "fold_thresholds", "pack_signs"]


def pack_signs(x: torch.Tensor) -> np.ndarray:
    """Pack the signs (``x >= 0``) of activations ``(*chips, batch, in)`` into words over samples.

    Returns:
        ``(*chips, blocks, rows, 4)`` uint64, bit *b* of word *w* in block *k* being sample ``256 k + 64 w + b``;
        there are more rows than inputs, to whole tiles, and these are zero.
    """
    *chips, batch, features = x.shape
    values = x.detach().to(torch.float32).contiguous().reshape(-1, batch, features).numpy()
    out = np.zeros((values.shape[0], -(-batch // SAMPLES), padded(features), LANES), np.uint64)
    for chip in range(values.shape[0]):
        pack(values[chip], out[chip])
    return out.reshape(*chips, *out.shape[1:])


def _patterns(weights: torch.Tensor) -> np.ndarray:
    """Weights of -1 and +1, ``(chips, out, in)``, as one byte per seven inputs: ``(chips, tiles, out, TILE)``."""
    chips, outputs, fan_in = weights.shape
    if fan_in > LARGEST_FAN_IN:
        raise RefusedError(f"packed inference takes at most {LARGEST_FAN_IN} inputs per neuron, not {fan_in}")
    bits = np.zeros((chips, outputs, padded(fan_in)), np.uint8)
    bits[..., :fan_in] = (weights > 0).numpy()
    bytes_ = np.packbits(bits.reshape(chips, outputs, -1, TILE, GROUP), axis=-1, bitorder="little")[..., 0]
    return np.ascontiguousarray(bytes_.transpose(0, 2, 1, 3))


def fold_thresholds(fires: Callable[[torch.Tensor], torch.Tensor], fan_in: int) -> tuple[torch.Tensor, torch.Tensor]:
    r"""Integer threshold and direction of every neuron, found by bisection of what it really does.

    Args:
        fires: maps scalar products of shape ``(1, 1)``, broadcast over neurons, or ``(*chips, 1, out)``
            to whether each neuron gives +1, shape ``(*chips, 1, out)``. It must be monotone in the product, as
            any batch normalisation is, its rounding included: so the fold is exact where a formula for the
            threshold would be off by a rounding error.
        fan_in: number of inputs; products are ``fan_in - 2 k``.

    Returns:
        threshold, flip: shape ``(*chips, out)``. The neuron gives +1 where the product is at least `threshold`
        or, where `flip`, at most `threshold`.
    """
    at_top = fires(torch.full((1, 1), float(fan_in)))
    flip = fires(torch.full((1, 1), float(-fan_in))) & ~at_top
    direction = torch.where(flip, -1, 1)
    low = torch.zeros(at_top.shape, dtype=torch.int64)
    high = torch.full_like(low, fan_in + 1)
    while bool((low < high).any()):  # to the first k, counted from the firing end, that does not fire
        k = (low + high) // 2
        fired = fires((direction * (fan_in - 2 * k)).to(torch.float32)) & (k <= fan_in)
        searching = low < high
        low, high = torch.where(searching & fired, k + 1, low), torch.where(searching & ~fired, k, high)
    threshold = direction * (fan_in - 2 * (low - 1))
    return threshold.squeeze(-2), flip.squeeze(-2)


@dataclass(frozen=True)
class PackedLayer:
    """Packed weights of one hidden layer and its thresholds."""

    patterns: np.ndarray  # (chips, tiles, out, TILE) uint8
    start: np.ndarray  # (chips, out) int64, what each counter of mismatches starts from
    in_features: int

    @classmethod
    def from_tensors(cls, weights: torch.Tensor, threshold: torch.Tensor, flip: torch.Tensor) -> PackedLayer:
        """Pack weights of -1 and +1, ``(*chips, out, in)``, and thresholds as `fold_thresholds` gives them."""
        *_, out, fan_in = weights.shape
        # a neuron that fires below its threshold is one with all weights and the threshold negated
        turned = torch.where(flip, -1, 1)
        limit = torch.div(fan_in - threshold * turned, 2, rounding_mode="floor").clamp(-1, fan_in).long()
        start = 2 ** (counter_bits(fan_in) - 1) - 1 - limit.reshape(-1, out)
        return cls(_patterns((weights * turned.unsqueeze(-1)).reshape(-1, out, fan_in)), start.numpy(), fan_in)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Packed outputs ``(chips, blocks, rows, 4)`` of packed inputs ``(chips or 1, blocks, rows, 4)``."""
        out = np.zeros((self.start.shape[0], x.shape[1], padded(self.start.shape[1]), LANES), np.uint64)
        hidden(x, self.patterns, self.start, counter_bits(self.in_features), out)
        return out


class PackedNetwork:
    """A binary network in packed form, a snapshot of the weights it was made from; inference only.

    Args:
        layers: hidden layers.
        last: weights of -1 and +1 of the last layer, ``(*chips, out, in)``.
        tail: what follows the last layer's products, e.g. its batch normalisation; None for nothing.
        head: float layers in front, ending in a sign; None when the inputs are -1 and +1 already.

    Call with ``(batch, *shape)``, the same samples for every chip, or ``(chips, batch, *shape)``; the answer is
    ``(*chips, batch, out)`` float32.
    """

    def __init__(
        self,
        layers: Sequence[PackedLayer],
        last: torch.Tensor,
        tail: Callable[[torch.Tensor], torch.Tensor] | None = None,
        head: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        self.layers = tuple(layers)
        self.chips = last.shape[0] if last.dim() == 3 else None
        self.last = _patterns(last if last.dim() == 3 else last.unsqueeze(0))
        self.fan_in = last.shape[-1]
        self.tail = tail
        self.head = head

    @classmethod
    def from_tensors(
        cls,
        layers: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]],
        last: torch.Tensor,
        scale: torch.Tensor | None = None,
        shift: torch.Tensor | None = None,
    ) -> PackedNetwork:
        """Build from plain tensors: hidden ``(weights, threshold, flip)``, last weights, and its affine map."""

        def affine(y: torch.Tensor) -> torch.Tensor:
            y = y if scale is None else y * scale.unsqueeze(-2)
            return y if shift is None else y + shift.unsqueeze(-2)

        return cls([PackedLayer.from_tensors(*layer) for layer in layers], last, affine)

    @classmethod
    def from_network(cls, network: nn.Module, *, binary_input: bool = False) -> PackedNetwork:
        """Snapshot of a dense network of `BinaryLinear`, normalisation and `SignActivation` in sequence.

        Args:
            binary_input: the inputs will be -1 and +1, so that the first layer is packed too; otherwise the
                first layer stays a product of floats.

        Raises:
            RefusedError: a module that is not dense and binary is in the way.
        """
        if any(p.device.type != "cpu" for p in network.parameters()):
            raise RefusedError("packed inference runs on the CPU; move the network there with .to('cpu')")
        flatten, stages = _stages(network)
        head = flatten if binary_input else _float_stage(flatten, stages.pop(0))
        if not stages:
            raise RefusedError("packed inference of a single layer on real inputs has nothing to pack")
        layers = []
        for stage in stages[:-1]:
            weights = stage[0].effective_weight().detach()
            layers.append(PackedLayer.from_tensors(weights, *fold_thresholds(_firing(stage), stage[0].in_features)))
        return cls(layers, stages[-1][0].effective_weight().detach(), _after(stages[-1]), head)

    @torch.no_grad()
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Outputs of the network."""
        if self.head is not None:
            x = self.head(x)
        batch = x.shape[-2]
        packed = pack_signs(x if x.dim() == 3 else x.unsqueeze(0))
        for layer in self.layers:
            packed = layer(packed)
        y = np.empty((self.last.shape[0], batch, self.last.shape[2]), np.float32)
        products(packed, self.last, self.fan_in, counter_bits(self.fan_in), y)
        answer = torch.from_numpy(y if self.chips is not None else y[0])
        return answer if self.tail is None else self.tail(answer)


_Stage = tuple[BinaryLinear, list[nn.Module]]


def _stages(network: nn.Module) -> tuple[nn.Module, list[_Stage]]:
    """What flattens the input, and the sequence split after its signs: each `BinaryLinear` and what follows it."""
    modules = list(network.children())
    flatten = modules.pop(0) if modules and isinstance(modules[0], FlattenInput) else nn.Identity()
    stages: list[list[nn.Module]] = [[]]
    for module in modules:
        if not isinstance(module, (BinaryLinear, SignActivation, ChipBatchNorm)):
            raise RefusedError(f"packed inference covers dense binary layers only, not {type(module).__name__}")
        stages[-1].append(module)
        if isinstance(module, SignActivation):
            stages.append([])
    split: list[_Stage] = []
    for stage in stages:
        layer, rest = (stage[0], stage[1:]) if stage else (None, [])
        if not isinstance(layer, BinaryLinear) or any(isinstance(m, BinaryLinear) for m in rest):
            raise RefusedError("packed inference needs one BinaryLinear before each sign, and one at the end")
        split.append((layer, rest))
    return copy.deepcopy(flatten), split


def _after(stage: _Stage) -> Callable[[torch.Tensor], torch.Tensor]:
    """Bias and the modules after a stage's product, in evaluation mode, as a copy."""
    layer, rest = stage
    bias = None if layer.bias is None else layer.bias.detach().clone().unsqueeze(-2)
    modules = nn.Sequential(*(copy.deepcopy(m) for m in rest)).eval()
    return lambda y: modules(y if bias is None else y + bias)


def _firing(stage: _Stage) -> Callable[[torch.Tensor], torch.Tensor]:
    """Whether each neuron of a stage gives +1 for given products."""
    layer, after = stage[0], _after(stage)
    shape = (*(() if layer.chips is None else (layer.chips,)), 1, layer.out_features)
    return torch.no_grad()(lambda product: after(product.expand(shape).contiguous()) > 0)


def _float_stage(flatten: nn.Module, stage: _Stage) -> Callable[[torch.Tensor], torch.Tensor]:
    """First layer on real inputs, with the product of the float network and copied weights."""
    layer, after = stage[0], _after(stage)
    weight = layer.effective_weight().detach().clone()
    product = F.linear if layer.chips is None else chip_linear
    return lambda x: after(product(flatten(x), weight))
