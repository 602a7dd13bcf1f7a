"""A small rule for tests that trains oscillators, with a signature of its own."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.parameter import param
from nanoneurons.learning._rule import Rule


@dataclass(frozen=True)
class FrequencyShift(Rule):
    """Shift each current towards the frequency it should lock to."""

    title: ClassVar[str] = "frequency shift"
    citation: ClassVar[str] = "@misc{shift}"
    local: ClassVar[str] = "The frequency of one oscillator."
    trains: ClassVar = "oscillators"

    rate: float = param(0.1, "1", doc="share of the distance", source="here", low=0.0, high=1.0)

    def shift(self, frequencies: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """Wanted change of frequency in Hz."""
        return self.rate * (wanted - frequencies)
