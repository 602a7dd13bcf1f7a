r"""Convolutions with pooling that work both ways, see `nanoneurons.layers.coupling`.

.. math:: \Phi(a, b) = b \cdot P(w * a)

Source: Ernoult et al., NeurIPS 2019, arXiv:1905.13633 (largest of a window); Laborieux and Zenke, NeurIPS 2022,
arXiv:2209.00530 (softmax-weighted mean of a window, which complex states can follow).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from nanoneurons.core.errors import ParameterError, RefusedError

from .coupling import Coupling, Pair, contrast, real_pairs

__all__ = ["POOLINGS", "ConvCoupling", "Pooling"]

Pooling = Literal["max", "mean", "softmax"]
POOLINGS = ("max", "mean", "softmax")


class ConvCoupling(Coupling):
    r"""Convolution with pooling between two groups of feature maps, states ``(batch, channels, h, w)``.

    Args:
        in_channels, out_channels, kernel_size, padding: of the convolution, stride 1.
        pool: side and stride of the pooling window; 1 for none. Pixels that fill no window are left out.
        pooling: ``"max"``, ``"mean"``, or ``"softmax"``: :math:`\sum_i y_i e^{y_i} / \sum_i e^{y_i}` over the window.
            Complex states need one of the last two.
        more: see `Coupling`.

    Not modelled: a chip axis, and arrays of devices (kernels held in devices are refused).
    """

    state_axes = 3

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        padding: int = 0,
        pool: int = 1,
        pooling: Pooling = "max",
        **more: Any,
    ) -> None:
        if more.get("circuit") is not None or more.get("chips") is not None:
            raise RefusedError(
                "convolutional couplings run in software, one network at a time; use dense couplings for devices"
            )
        if pooling not in POOLINGS:
            raise ParameterError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.padding, self.pool, self.pooling = padding, pool, pooling
        super().__init__((out_channels, in_channels, kernel_size, kernel_size), **more)

    def _twin(self, seed: int, common: dict[str, Any]) -> Coupling:
        settings = (self.in_channels, self.out_channels, self.kernel_size, self.padding, self.pool)
        return ConvCoupling(*settings, self.pooling, seed=seed, **common)  # type: ignore[arg-type]

    @property
    def remembers(self) -> bool:  # type: ignore[override]
        """Whether the way down depends on *a*: on which pixel won a window, or by how much."""
        return self.pool > 1 and self.pooling != "mean"

    @property
    def linear(self) -> bool:
        """Whether the field on *b* is linear in *a*, so that complex states may be taken apart."""
        return not self.remembers

    def target_shape(self, source: tuple[int, ...]) -> tuple[int, int, int]:
        """Shape ``(channels, h, w)`` of *b* for an *a* of shape ``(channels, h, w)``.

        Raises:
            ParameterError: *a* is no image, or has other channels.
        """
        if len(source) != 3 or source[0] != self.in_channels:
            raise ParameterError(
                f"a convolution of {self.in_channels} channels does not fit a group of shape {tuple(source)}"
            )
        grown = [n + 2 * self.padding - self.kernel_size + 1 for n in source[1:]]
        return self.out_channels, grown[0] // self.pool, grown[1] // self.pool

    def up(self, a: torch.Tensor, onto: torch.Tensor | None = None) -> tuple[torch.Tensor, Any]:
        """Field on *b*: the pooled convolution; remembers which pixel won each window, or the slopes of its mean.

        Raises:
            RefusedError: complex states under max-pooling.
        """
        y, memory = self._pooled(_parts(lambda x: F.conv2d(x, self.effective, padding=self.padding), a))
        if onto is None:
            return y, memory
        return (y.add_(onto) if _holds(y, onto) else y + onto), memory

    def _pooled(self, y: torch.Tensor) -> tuple[torch.Tensor, Any]:
        if self.pool == 1:
            return y, None
        if self.pooling == "mean":
            return _parts(lambda x: F.avg_pool2d(x, self.pool), y), None
        if self.pooling == "max":
            if y.is_complex():
                raise RefusedError("the largest of complex states is not defined; use softmax or mean pooling")
            pooled, winners = F.max_pool2d(y, self.pool, return_indices=True)
            return pooled, (y, winners)
        top = _parts(lambda x: F.max_pool2d(x, self.pool), y.real if y.is_complex() else y).detach()
        weight = torch.exp(y - self._wide(top, y.shape))  # without the largest, against overflow
        total, share = self._sum(weight), self._sum(weight * y)
        pooled = share / total
        slope = weight * self._wide(1 / total, y.shape) * (1 + y - self._wide(pooled, y.shape))
        return pooled, slope

    def _sum(self, y: torch.Tensor) -> torch.Tensor:
        """Sums over windows."""
        return _parts(lambda x: F.avg_pool2d(x, self.pool, divisor_override=1), y)

    def _wide(self, b: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
        """Every value at all pixels of its window; zeros where there is none."""

        def spread(x: torch.Tensor) -> torch.Tensor:
            wide = F.interpolate(x, scale_factor=self.pool, mode="nearest")
            return F.pad(wide, (0, shape[-1] - wide.shape[-1], 0, shape[-2] - wide.shape[-2]))

        return _parts(spread, b)

    def unpooled(self, b: torch.Tensor, memory: Any, size: tuple[int, int]) -> torch.Tensor:
        """Field on the pixels before pooling, ``(batch, channels, *size)``."""
        if self.pool == 1:
            return b
        if self.pooling == "mean":
            return self._wide(b, size) / self.pool**2
        if memory is None:
            raise RefusedError(
                "this pooling needs to know what it saw; call up() first and hand over what it remembers"
            )
        if self.pooling == "softmax":
            return self._wide(b, size) * memory
        y, winners = memory
        side = [self.pool] * 2
        return torch.ops.aten.max_pool2d_with_indices_backward(b, y, side, side, [0, 0], [1, 1], False, winners)

    def down(self, b: torch.Tensor, memory: Any = None, onto: torch.Tensor | None = None) -> torch.Tensor:
        """Field on *a*: the transposed convolution of the unpooled states."""
        if onto is None:
            raise ParameterError("the way down of a convolution needs `onto`, which tells the size of the images")
        other = self if self.feedback is None else self.feedback
        wide = self.unpooled(b, memory, self._grown(onto))
        y = _parts(lambda x: F.conv_transpose2d(x, other.effective, padding=self.padding), wide)
        return y.add_(onto) if _holds(y, onto) else y + onto

    def _grown(self, a: torch.Tensor) -> tuple[int, int]:
        grown = 2 * self.padding - self.kernel_size + 1
        return a.shape[-2] + grown, a.shape[-1] + grown

    def hebbian(self, pairs: Sequence[Pair], seen: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """Weighted sum of correlations of *a* with the unpooled *b*, in the precision of the weights whatever that of
        the phases; the winners are those that each *a* (or each `seen`) makes.

        A sum over batch and positions may pass 65504, and the difference of two phases is small against its terms:
        both are out of reach of half precision.
        """
        kind, held = self.weight.dtype, self.effective.dtype
        memories: dict[int, Any] = {}  # the input is the same in all phases
        exact: dict[int, torch.Tensor] = {}
        wide: list[Pair] = []
        for (c, a, b), at in zip(pairs, seen or [a for _, a, _ in pairs], strict=True):
            if id(at) not in memories:
                memory = self.up(_to(at, held))[1] if self.remembers else None
                memories[id(at)] = (memory[0].to(kind), memory[1]) if isinstance(memory, tuple) else memory
            exact.setdefault(id(a), _to(a, kind))
            wide.append((c, exact[id(a)], self.unpooled(_to(b, kind), memories[id(at)], self._grown(a))))
        total = torch.zeros_like(self.weight)
        for pair in contrast(wide):
            for c, a, b in real_pairs(*pair):
                total.add_(conv2d_weight(a, tuple(total.shape), b, padding=self.padding), alpha=c)
        return total

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, padding={self.padding}, "
            f"pool={self.pool}, pooling={self.pooling}, tied={self.feedback is None}"
        )


Function = Callable[[torch.Tensor], torch.Tensor]


def _parts(function: Function, x: torch.Tensor) -> torch.Tensor:
    """A real linear function, of the real and imaginary parts of complex numbers."""
    return torch.complex(function(x.real), function(x.imag)) if x.is_complex() else function(x)


def _to(x: torch.Tensor, kind: torch.dtype) -> torch.Tensor:
    return x.to(kind.to_complex() if x.is_complex() else kind)


def _holds(y: torch.Tensor, onto: torch.Tensor) -> bool:
    """Whether the new tensor y may take the sum with `onto`."""
    return y.dtype == onto.dtype and not torch.is_grad_enabled()
