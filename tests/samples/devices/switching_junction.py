"""A small device of a kind of its own for tests: a junction whose conductance follows the voltage with a delay."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import Device, State


@dataclass(frozen=True)
class SwitchingJunction(Device):
    """Conductance between two values; the state is ``share``, 0 antiparallel and 1 parallel."""

    kind: ClassVar[str] = "junction"
    title: ClassVar[str] = "switching junction"
    citation: ClassVar[str] = "@misc{junction}"
    not_modelled: ClassVar[str] = "Everything else."
    drive_unit: ClassVar[str] = "V"
    read_unit: ClassVar[str] = "S"

    ratio: float = param(1.0, "1", doc="tunnel magnetoresistance", source="here", low=0.0, high=10.0)
    noise: float = param(
        0.1, "1", doc="thermal noise", source="here", low=0.0, high=1.0, imperfection="thermal", ideal=0.0
    )

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Junctions half-way."""
        return {"share": torch.full(shape, 0.5)}

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Follow the voltage within 1 ns."""
        noise = self.noise * dt**0.5 * normal(draw_key(generator), tuple(state["share"].shape))
        return {"share": (state["share"] + drive * dt * 1e9 + noise).clamp(0, 1)}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S."""
        return 1e-3 / (1 + self.ratio * (1 - state["share"]))

    def prices(self) -> Mapping[str, Price]:
        """A read of 10 ns."""
        return {"read": Price(1e-13, "here", "not stated", False)}
