"""Which pixels the resonators of a convolution listen to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional as F

from nanoneurons.core.errors import ParameterError

__all__ = ["ReceptiveFields", "output_size", "windows"]


def output_size(image: tuple[int, int], kernel: int, stride: int, padding: int) -> tuple[int, int]:
    """Height and width of a convolution's output.

    Raises:
        ParameterError: the kernel does not fit the image.
    """
    height, width = ((n + 2 * padding - kernel) // stride + 1 for n in image)
    if min(height, width) < 1:
        raise ParameterError(f"a kernel of {kernel} x {kernel} does not fit an image of {image[0]} x {image[1]} pixels")
    return height, width


@dataclass(frozen=True)
class ReceptiveFields:
    """Pixels under the kernel at every position.

    Attributes:
        pixels: number of the pixel, row by row and channel by channel, ``(positions, channels k k)``; 0 where the
            kernel hangs over the edge.
        present: whether there is a pixel, the same shape.
        size: height and width of the output.
        count: pixels of all channels.
    """

    pixels: torch.Tensor
    present: torch.Tensor
    size: tuple[int, int]
    count: int

    @classmethod
    def of(
        cls, channels: int, image: tuple[int, int], kernel: int, stride: int = 1, padding: int = 0
    ) -> ReceptiveFields:
        """Fields of a square kernel."""
        size = output_size(image, kernel, stride, padding)
        count = channels * image[0] * image[1]
        numbers = torch.arange(1.0, count + 1, dtype=torch.float64).reshape(1, channels, *image)
        under = F.unfold(numbers, kernel, padding=padding, stride=stride)[0].T.long()  # 0 is padding
        return cls((under - 1).clamp_min(0), under > 0, size, count)

    @property
    def positions(self) -> int:
        """Number of positions of the kernel."""
        return self.size[0] * self.size[1]


def windows(line: torch.Tensor, count: int, size: tuple[int, int], steps: tuple[int, int]) -> torch.Tensor:
    """Windows of `count` numbers of a line, one per position, ``(rows, positions, count)``.

    Args:
        line: ``(rows, 2 count - 1)``; the window of position (y, x) starts ``y steps[0] + x steps[1]`` places before
            the middle.
        size: positions in y and x.
        steps: places from one position to the next.
    """
    return _Windows.apply(line, count, size, steps)  # type: ignore[no-any-return]


class _Windows(torch.autograd.Function):
    """A view with overlaps, copied; its gradient by summing along diagonals instead of adding number by number."""

    @staticmethod
    def forward(ctx: Any, line: torch.Tensor, count: int, size: tuple[int, int], steps: tuple[int, int]):
        ctx.settings = (count, size, steps)
        rows, first = len(line), _first(count, size, steps)
        view = line.contiguous().as_strided((rows, *size, count), (2 * count - 1, *steps, 1), first)
        return view.flip(1, 2).flatten(1, 2)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        count, size, steps = ctx.settings
        (grad,) = grads
        total = _along_diagonals(_along_diagonals(grad.unflatten(1, size), steps[1]), steps[0])
        out = grad.new_zeros(len(grad), 2 * count - 1)
        first = _first(count, size, steps)
        out[:, first : first + total.shape[1]] = total
        return out, None, None, None


def _first(count: int, size: tuple[int, int], steps: tuple[int, int]) -> int:
    """Start of the last window, the first one on the line."""
    return count - 1 - sum((n - 1) * step for n, step in zip(size, steps, strict=True))


def _along_diagonals(t: torch.Tensor, step: int) -> torch.Tensor:
    """Sum of rows ``(..., rows, n)``, the last one as it is and each before it `step` further to the right."""
    rows, length = t.shape[-2:]
    padded = F.pad(t.flip(-2), (0, step * rows)).flatten(-2)
    width = length + step * (rows - 1)  # one step short of the padded length, so that rows slip
    return padded[..., : rows * width].unflatten(-1, (rows, width)).sum(-2)
