"""The contract of a nanodevice: frozen parameters and at most four methods; `_kinds` says what each kind adds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import Parameterized

__all__ = ["Device", "State"]

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Device(Parameterized, ABC):
    """A nanodevice of any kind: parameters in SI units, state passed in and returned, never hidden.

    Shapes are ``(*chips, *cells)``; every tensor of a state starts with the shape given to `init` and has a dtype that
    safetensors stores (``complex128`` is none). Classes are abstract or final.

    Attributes:
        kind: what circuits and networks may expect of it: ``memory``, ``oscillator``, ``resonator``, or a new kind's
            own word.
        title: name for people.
        citation: BibTeX of the main source.
        not_modelled: what is left out, one sentence.
        drive_unit: unit of the drive of `step` (``pulses`` of the standard waveform, V, A, ...).
        read_unit: unit of what `read` returns (S, ohm, V, ...).
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    citation: ClassVar[str]
    not_modelled: ClassVar[str]
    drive_unit: ClassVar[str]
    read_unit: ClassVar[str]

    @abstractmethod
    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices with their device-to-device spread, drawn once."""

    @abstractmethod
    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """What `drive`, held for `dt` seconds, does; the noise of the dynamics lives here.

        The given state is not changed.
        """

    @abstractmethod
    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """What a circuit measures, in `read_unit`; read noise lives here (none without a generator)."""

    @abstractmethod
    def prices(self) -> Mapping[str, Price]:
        """Energy per event (``read``, ``write``, ...), each with source and technology node."""

    def tables(self) -> Mapping[str, list[Any]]:
        """Numbers or rows of numbers that the device carries besides its parameters, as a device file holds them."""
        return {}

    def with_tables(self, tables: Mapping[str, Any], **changes: Any) -> Self:
        """Copy with other tables and changed parameters."""
        raise ParameterError(f"{type(self).__name__} has no tables")

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """A drive of `shape`, in `drive_unit`, and a time in s that the device takes in use; for contract tests.

        No drive for 1 ns unless overridden; a kind whose devices are driven in a common way overrides it.
        """
        return torch.zeros(shape), 1e-9
