"""The contract of a memory circuit: how devices are wired to hold a matrix of weights."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import Imperfection, Parameterized
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import MemoryDevice, State

__all__ = ["Circuit"]


@dataclass(frozen=True)
class Circuit(Parameterized, ABC):
    """Devices wired to hold weights of shape ``(*chips, out, in)`` (or a convolution's kernel).

    A circuit's state is a flat dict; each branch of devices prefixes its names (``plus.pulses``).
    The circuit is the only place where a wanted change becomes pulses and a reading becomes a weight.

    Attributes:
        binary: whether the weights read are -1 and +1.
    """

    device: MemoryDevice

    title: ClassVar[str]
    binary: ClassVar[bool]

    def __post_init__(self) -> None:
        if not isinstance(self.device, MemoryDevice):
            name, kind = type(self.device).__name__, getattr(self.device, "kind", "unknown")
            raise RefusedError(
                f"{name} (kind {kind!r}) has no conductance that holds a weight, so it makes no {self.title}; "
                "use a device of kind 'memory'"
            )
        super().__post_init__()

    @abstractmethod
    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate the devices of a weight matrix."""

    @abstractmethod
    def program(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        """Write a whole matrix of target weights (its sign, where the weights are binary)."""

    @abstractmethod
    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Carry out a wanted change with the pulses the devices have."""

    @abstractmethod
    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Weights as read; with a generator, read noise and sense errors are drawn anew."""

    def pulse_weight(self, shape: tuple[int, ...] = ()) -> float:
        """Mean change of a weight by one pulse in mid-range, in a matrix or kernel of this shape."""
        raise RefusedError(f"the weights of a {self.title} do not change by a fixed amount per pulse")

    def pulses_of(self, update: Update | OuterProducts) -> float:
        """Device pulses that carrying out `update` takes; the expected number for stochastic trains."""
        if isinstance(update, OuterProducts):
            return update.total() / self.pulse_weight(update.shape)
        if update.unit == "pulses":
            return float(update.change.abs().sum())
        moved = update.change.abs() if update.activity is None else update.activity
        return float(moved.sum()) / self.pulse_weight(tuple(update.change.shape))

    def pulses_to_program(self, state: State, target: torch.Tensor) -> float:
        """Device pulses that writing `target` takes, about: the way to go over the mean step."""
        return self.pulses_of(Update(target - self.weights(state)))

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Input as the array sees it (digital-to-analog conversion); the base passes it on."""
        return x

    def decode(
        self,
        y: torch.Tensor,
        sum_of_squares: torch.Tensor,
        generator: torch.Generator | None,
    ) -> torch.Tensor:
        """Output as read (read noise, analog-to-digital conversion); the base passes it on.

        `sum_of_squares`, the sum of squared inputs behind each output, sets the size of read noise that
        is independent from cell to cell.
        """
        return y

    @abstractmethod
    def inference(self, out_features: int, in_features: int) -> Counts:
        """Events of one matrix-vector product."""

    @abstractmethod
    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""

    @abstractmethod
    def prices(self) -> Mapping[str, Price]:
        """Prices of the circuit's and its device's events."""

    def imperfections(self) -> tuple[Imperfection, ...]:
        """Imperfections of the device and of the circuit around it."""
        return (*self.device.imperfections(), *super().imperfections())

    def scaled(self, imperfection: str, factor: float) -> Self:
        """Copy with one imperfection, of the device or of the circuit, scaled: 0 is ideal."""
        if any(p.imperfection == imperfection for p in self.device.parameters()):
            return dataclasses.replace(self, device=self.device.scaled(imperfection, factor))
        return super().scaled(imperfection, factor)

    def only(self, *imperfections: str) -> Self:
        """Copy that keeps the named imperfections of device and circuit, and no other."""
        kept = self
        for found in self.imperfections():
            if found.name not in imperfections:
                kept = kept.without(found.name)
        return kept
