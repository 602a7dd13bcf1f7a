"""Images of a mini-batch shifted and flipped at random, on the machine that trains."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from nanoneurons.core.random import generator_for

__all__ = ["Shifts"]


class Shifts:
    """Random crops of images with their edge pixels repeated `pixels` wide, half of them flipped left to right.

    Args:
        pixels: largest shift each way; 0 for none.
        flip: whether to flip.
        seed: of the shifts.
    """

    def __init__(self, pixels: int, flip: bool, seed: int) -> None:
        self.pixels, self.flip = pixels, flip
        self.generator = generator_for(seed, "shifts")

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Images of a mini-batch, shifted each on its own."""
        count, channels, height, width = x.shape
        down, right = torch.randint(2 * self.pixels + 1, (2, count, 1), generator=self.generator)
        rows, columns = down + torch.arange(height), right + torch.arange(width)
        if self.flip:
            turned = torch.rand(count, 1, generator=self.generator) < 0.5
            columns = torch.where(turned, columns.flip(1), columns)
        rows, columns = rows.to(x.device), columns.to(x.device)
        wide = F.pad(x, (self.pixels,) * 4, mode="replicate")
        sample = torch.arange(count, device=x.device).view(-1, 1, 1, 1)
        channel = torch.arange(channels, device=x.device).view(1, -1, 1, 1)
        return wide[sample, channel, rows[:, None, :, None], columns[:, None, None, :]]
