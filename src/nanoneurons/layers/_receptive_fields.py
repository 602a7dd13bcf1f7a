"""Which pixels the resonators of a convolution listen to."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from nanoneurons.core.errors import ParameterError

__all__ = ["ReceptiveFields", "output_size"]


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
