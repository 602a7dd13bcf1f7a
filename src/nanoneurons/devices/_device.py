"""The contract of a nanodevice: a frozen set of parameters and at most four methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.parameter import Parameterized

__all__ = ["Device", "State"]

State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Device(Parameterized, ABC):
    """A memory nanodevice: parameters in SI units, state passed in and returned, never hidden.

    Shapes are ``(*chips, *cells)``; every tensor of a state starts with the shape given to `init`.
    Classes are abstract or final. What the device can do is declared as class attributes, so that a
    circuit or a rule can refuse an impossible combination with its reason before any work.

    Attributes:
        title: name for people.
        citation: BibTeX of the main source.
        not_modelled: what is left out, one sentence.
        drive_unit: unit of the drive of `step` (``pulses`` of the standard waveform, V, A, ...).
        read_unit: unit of what `read` returns: ``S`` or ``ohm``.
        directions: signs of drive the device takes. ``(1,)`` or ``(-1, 1)``.
        drive_effect: sign of the conductance change that a positive drive causes.
        graded: whether intermediate states exist, so that small changes can add up.
        continuous: whether the drive takes fractions of a pulse.
        renewed: tensors of the state whose noise is drawn anew at every step, also of devices without a drive.
        default_rule: name of the learning rule an audit takes when none is given.
    """

    title: ClassVar[str]
    citation: ClassVar[str]
    not_modelled: ClassVar[str]
    drive_unit: ClassVar[str] = "pulses"
    read_unit: ClassVar[Literal["S", "ohm"]]
    directions: ClassVar[tuple[int, ...]]
    drive_effect: ClassVar[int]
    graded: ClassVar[bool]
    continuous: ClassVar[bool] = False
    renewed: ClassVar[tuple[str, ...]] = ()
    default_rule: ClassVar[str]

    @abstractmethod
    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices with their device-to-device spread, drawn once."""

    @abstractmethod
    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """What `drive` does during `dt` seconds; cycle-to-cycle noise lives here.

        A device driven in pulses takes whole numbers; a pulse has its own length, so `dt` is not used.
        A zero drive leaves the device as it is, but for noise that it declares as `renewed`. The given state is
        not changed.
        """

    @abstractmethod
    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """What a circuit measures, in `read_unit`; read noise lives here (none without a generator)."""

    @abstractmethod
    def conductance_range(self) -> tuple[float, float]:
        """Nominal lowest and highest conductance in S that a circuit maps weights onto."""

    @abstractmethod
    def conductance_step(self) -> float:
        """Mean size in S of the conductance change of one pulse in mid-range."""

    def conductance_reference(self) -> float:
        """Conductance in S that a fixed reference takes as zero; the middle of the range unless overridden."""
        low, high = self.conductance_range()
        return 0.5 * (low + high)

    def read_sigma(self) -> float:
        """Standard deviation in S of read noise that is the same for all cells and independent at each read; 0 if none.

        A circuit may then add the noise of a whole sum of currents at once instead of cell by cell.
        """
        return 0.0

    def linear(self, state: State) -> tuple[torch.Tensor, float, float] | None:
        """A tensor t of the state and two numbers in S with conductance = offset + slope t, read without noise.

        A circuit may then go from state to weight in one pass. None where reading is not linear.
        """
        return None

    @abstractmethod
    def prices(self) -> Mapping[str, Price]:
        """Energy per event (``read``, ``write``, ...), each with source and technology node."""

    def conductance(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S, whatever `read_unit` is."""
        value = self.read(state, generator)
        return value if self.read_unit == "S" else value.reciprocal()
