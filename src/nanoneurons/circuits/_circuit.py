"""The contract of a circuit: how devices are wired to hold a matrix of weights."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from nanoneurons.core.energy import Comparison, Counts, Price
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.parameter import Imperfection, Parameterized
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import Device, MemoryDevice, State

__all__ = ["Circuit", "MemoryCircuit"]


@dataclass(frozen=True)
class Circuit(Parameterized, ABC):
    """Devices wired to hold weights of shape ``(*chips, out, in)`` (or a convolution's kernel).

    A circuit's state is a flat dict; each branch of devices prefixes its names (``plus.pulses``).
    The circuit is the only place where a wanted change becomes a drive of devices and a reading becomes a weight.

    Attributes:
        layers: kind of layer it makes: ``"binary"``, ``"analog"``, ``"spiking"``, ``"likelihood"`` or ``"rf"``.
        takes: class of the devices it is made of.
        drives: what a drive of its devices is called in a bill.
        holds: what its devices hold, in a bill.
        causes: events of a bill by cause, where a report should sum them; see `Bill.split`.
    """

    device: Device

    title: ClassVar[str]
    layers: ClassVar[str]
    takes: ClassVar[type[Device]]
    drives: ClassVar[str] = "pulses"
    holds: ClassVar[str] = "weights"
    causes: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    def __post_init__(self) -> None:
        if not isinstance(self.device, self.takes):
            name, kind = type(self.device).__name__, getattr(self.device, "kind", "unknown")
            raise RefusedError(
                f"{name} (kind {kind!r}) makes no {self.title}; use a device of kind {self.takes.kind!r}"
            )
        super().__post_init__()

    @classmethod
    def build(cls, device: Device, **values: Any) -> Self:
        """Circuit from a device and plain values of its declared parameters."""
        return cls(device=device, **values)

    @property
    def binary(self) -> bool:
        """Whether the weights read are -1 and +1."""
        return self.layers == "binary"

    @property
    def sensed(self) -> bool:
        """Whether sense amplifiers read bits, which may err anew at every reading."""
        return self.binary

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

    @abstractmethod
    def pulses_of(self, update: Update | OuterProducts) -> float:
        """Drives of single devices that carrying out `update` takes; the expected number for stochastic trains."""

    @abstractmethod
    def pulses_to_program(self, state: State, target: torch.Tensor) -> float:
        """Drives of single devices that writing `target` takes, about."""

    @abstractmethod
    def inference(self, out_features: int, in_features: int) -> Counts:
        """Events of one matrix-vector product."""

    @abstractmethod
    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""

    @abstractmethod
    def prices(self) -> Mapping[str, Price]:
        """Prices of the circuit's and its device's events."""

    @property
    def reading_time(self) -> float | None:
        """Time in s of one reading, during which the powers of a bill are held; None where a bill counts events."""
        return None

    def comparisons(self, layers: Sequence[tuple[int, int]]) -> tuple[Comparison, ...]:
        """What the same `layers` (outputs, inputs of each) take by other means; nothing unless overridden."""
        return ()

    def remarks(self) -> tuple[str, ...]:
        """What a reader of results should know of this wiring, in sentences; nothing unless overridden."""
        return ()

    def suspects(self) -> str:
        """What may be behind many bits that are read otherwise than written, in words; nothing unless overridden."""
        return ""

    def parts(self) -> dict[str, Parameterized]:
        """What the circuit is built of, by the prefix of its parameters' names: the devices and the circuit itself."""
        return {"": self.device}

    def imperfections(self) -> tuple[Imperfection, ...]:
        """Imperfections of the devices and of the circuit around them."""
        own = [i for prefix, part in self.parts().items() for i in _prefixed(prefix, part.imperfections())]
        return (*own, *super().imperfections())

    def all_values(self) -> dict[str, float]:
        """Values of the parameters of circuit and devices, by the names that `imperfections` uses."""
        own = {prefix + name: v for prefix, part in self.parts().items() for name, v in part.values().items()}
        return {**own, **self.values()}

    @abstractmethod
    def with_part(self, prefix: str, part: Any) -> Self:
        """Copy with one of `parts` replaced."""

    def scaled(self, imperfection: str, factor: float) -> Self:
        """Copy with one imperfection, of the devices or of the circuit, scaled: 0 is ideal."""
        for prefix, part in self.parts().items():
            name = imperfection.removeprefix(prefix)
            if imperfection.startswith(prefix) and any(p.imperfection == name for p in part.parameters()):
                return self.with_part(prefix, part.scaled(name, factor))
        return super().scaled(imperfection, factor)

    def only(self, *imperfections: str) -> Self:
        """Copy that keeps the named imperfections of devices and circuit, and no other."""
        kept = self
        for found in self.imperfections():
            if found.name not in imperfections:
                kept = kept.without(found.name)
        return kept


@dataclass(frozen=True)
class MemoryCircuit(Circuit, ABC):
    """A circuit of memory devices: wanted changes become pulses, conductances become weights."""

    device: MemoryDevice

    takes: ClassVar[type[Device]] = MemoryDevice

    def with_part(self, prefix: str, part: Any) -> Self:
        """Copy with other devices."""
        return dataclasses.replace(self, device=part)

    @property
    def takes_voltages(self) -> bool:
        """Whether an update in V can be carried out: the devices answer to the size of a voltage."""
        return hasattr(self.device, "apply_voltage") and not getattr(self, "paired", False)

    def update_at(
        self, state: State, where: tuple[torch.Tensor, ...], update: Update, generator: torch.Generator
    ) -> State:
        """Carry out a change of some cells only; changes the given state in place, so that the cost follows the cells.

        Args:
            where: index tensors of equal length: ``(chip, row)`` or ``(row,)`` for whole rows, with a change
                ``(events, in)``; or also of the column, with a change ``(events,)``. No cell may come twice.
        """
        chosen = {name: value[where] for name, value in state.items()}
        for name, value in self.update(chosen, update, generator).items():
            if value is not chosen[name]:
                state[name][where] = value
        return state

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

    def conductance_of_weight(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """Conductance in S of the one device behind each weight, as ``(offset, slope)``: G = offset + slope W.

        Raises:
            RefusedError: no weight of this circuit is the conductance of a single device.
        """
        raise RefusedError(
            f"a weight of a {self.title} is not the conductance of one device, which a network of resistors is made "
            "of; use the circuit 'crossbar' with devices that go both ways"
        )

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


def _prefixed(prefix: str, found: tuple[Imperfection, ...]) -> list[Imperfection]:
    if not prefix:
        return list(found)
    return [
        Imperfection(prefix + i.name, tuple(dataclasses.replace(p, name=prefix + p.name) for p in i.parameters))
        for i in found
    ]
