r"""Ideal analogue conductance: linear, symmetric, continuous, unbounded and free of noise.

.. math:: G \leftarrow G + n\,\Delta G

with any real number of pulses *n*. It is the yardstick: whatever a network of these devices loses, it does not
lose to its devices.

Not modelled: everything that a real device does otherwise, bounds included.

Source: definition of this project.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice

__all__ = ["Ideal"]

_OURS = "choice of this project; only ratios of conductances matter"


def _siemens(default: float, doc: str):
    return param(default, "S", doc=doc, source=_OURS, low=1e-15, high=1.0)


@dataclass(frozen=True)
class Ideal(MemoryDevice):
    """Conductance that follows any real drive exactly; the drive is signed pulses, fractions included."""

    title: ClassVar[str] = "ideal analogue conductance"
    citation: ClassVar[str] = "@misc{nanoneurons, title={nanoneurons: ideal analogue conductance}}"
    not_modelled: ClassVar[str] = "Every imperfection, bounds included."
    read_unit: ClassVar = "S"
    directions: ClassVar[tuple[int, ...]] = (-1, 1)
    drive_effect: ClassVar[int] = 1
    graded: ClassVar[bool] = True
    continuous: ClassVar[bool] = True
    default_rule: ClassVar[str] = "analog-sgd"

    low: float = _siemens(20e-6, "conductance that stands for the lowest weight")
    high: float = _siemens(30e-6, "conductance that stands for the highest weight")
    pulse_step: float = _siemens(5e-9, "change of conductance per pulse")
    initial_spread: float = param(
        0.2, "1", doc="spread of fresh devices, as a share of half the range", source=_OURS, low=0.0, high=10.0
    )

    def check(self) -> None:
        """Check that the range is one."""
        if self.low >= self.high:
            raise ParameterError(f"Ideal: low = {self.low:g} S must lie below high = {self.high:g} S")

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices around the middle of the range; the state is ``conductance`` in S."""
        spread = self.initial_spread * 0.5 * (self.high - self.low)
        noise = normal(draw_key(generator), shape, 0, generator.device)
        return {"conductance": noise * spread + self.conductance_reference()}

    def step(
        self, state: State, drive: torch.Tensor, dt: float = 0.0, generator: torch.Generator | None = None
    ) -> State:
        """Add `drive` pulses, whole or not, to each device; `dt` and `generator` are not used."""
        return {"conductance": state["conductance"] + drive * self.pulse_step}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S, without noise."""
        return state["conductance"]

    def conductance_range(self) -> tuple[float, float]:
        """Conductance in S of the lowest and the highest weight."""
        return self.low, self.high

    def conductance_step(self) -> float:
        """Change of conductance per pulse in S."""
        return self.pulse_step

    def prices(self) -> Mapping[str, Price]:
        """None: an idea needs no energy."""
        return {}
