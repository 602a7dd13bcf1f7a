"""Base of the series that are computed: declared settings and a seed instead of files."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch

from nanoneurons.core.parameter import Parameterized, param

from ._series import Series, make_series
from ._source import Source

__all__ = ["Generated", "ours"]

ours = "ours"  # source of settings that only decide how long a series is or which one is drawn


@dataclass(frozen=True)
class Generated(Parameterized, Source):
    """A series made from an integer seed; the same seed gives the same series on every machine.

    Longer training or test parts continue the series and change nothing before, where the generator allows it.
    """

    kind: ClassVar[str] = "series"
    shape: ClassVar[tuple[int, ...]] = (1,)
    licence: ClassVar[str] = "none needed: computed"
    embedded: ClassVar[str] = "full"
    name: ClassVar[str]

    seed: int = param(0, doc="which series is drawn", source=ours, low=0, high=2**63 - 1, integer=True)

    @abstractmethod
    def generate(self) -> tuple[torch.Tensor, torch.Tensor, int, str]:
        """Inputs ``(steps, channels)``, targets ``(steps, outputs)``, number of training steps, and a notice."""

    def load(self, places: tuple[Path, ...], argument: str) -> Series:
        """Compute the series; `places` and `argument` are not used."""
        inputs, targets, train, notice = self.generate()
        return make_series(
            name=self.name,
            title=self.title,
            inputs=inputs,
            targets=targets,
            train=train,
            citation=self.citation,
            licence=self.licence,
            notice=notice,
        )
