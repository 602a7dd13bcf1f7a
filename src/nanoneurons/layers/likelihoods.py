"""Tables of likelihoods as bits of a memory, in software or in devices, batched over chips."""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts

from ._layer import DeviceLayer

__all__ = ["LikelihoodMemory"]

BITS = 8


class LikelihoodMemory(DeviceLayer):
    """Words of eight bits, one table per hypothesis and observation.

    `weight` holds the bits as -1 and +1, shape ``(*chips, bins, rows * columns * 8)``, the lowest bit of a word first:
    a line is what every block holds at one address. Words are written by `write`, not trained.

    Args:
        rows: hypotheses.
        columns: observations.
        bins: values that an observation can take, the words of a block.
        circuit: circuit that holds the bits once fabricated.
        chips: chips side by side, or None.
    """

    def __init__(
        self, rows: int, columns: int, bins: int, *, circuit: Circuit | None = None, chips: int | None = None
    ) -> None:
        super().__init__((bins, rows * columns * BITS), False, circuit, chips, 0)
        self.rows, self.columns, self.bins = rows, columns, bins
        self.weight.requires_grad_(False)

    def initial(self, weight_shape: tuple[int, ...], generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """All words 0."""
        return -torch.ones(weight_shape), torch.zeros(weight_shape[0])

    @property
    def products(self) -> tuple[int, int]:
        """Hypotheses and observations."""
        return self.rows, self.columns

    def words(self) -> np.ndarray:
        """Words as read last, uint8, ``(*chips, rows, columns, bins)``."""
        lead = self.weight.shape[:-2]
        bits = (self.weight.detach() > 0).cpu().numpy().reshape(*lead, self.bins, self.rows, self.columns, BITS)
        packed = np.packbits(bits, axis=-1, bitorder="little")[..., 0]
        return np.ascontiguousarray(np.moveaxis(packed, len(lead), -1))

    @torch.no_grad()
    def write(self, words: np.ndarray) -> None:
        """Set the words of a layer without devices, ``(*chips, rows, columns, bins)``."""
        self.weight.copy_(torch.from_numpy(self.bits_of(words)))

    @staticmethod
    def bits_of(words: np.ndarray) -> np.ndarray:
        """Words ``(*chips, rows, columns, bins)`` as bits -1, +1, float32, ``(*chips, bins, rows * columns * 8)``."""
        lines = np.moveaxis(np.ascontiguousarray(words, np.uint8), -1, -3)[..., None]
        bits = np.unpackbits(lines, axis=-1, bitorder="little").reshape(*lines.shape[:-3], -1)
        return bits.astype(np.float32) * 2 - 1

    def counts(self) -> Counts:
        """Events of reading one word of every block, one chip."""
        return self._wired().inference(self.bins, self.rows * self.columns * BITS)

    def extra_repr(self) -> str:
        return f"rows={self.rows}, columns={self.columns}, bins={self.bins}, chips={self.chips}"
