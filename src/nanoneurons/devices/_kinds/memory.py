"""What a memory device adds to the contract: a conductance that remembers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from nanoneurons.devices._device import Device, State

__all__ = ["MemoryDevice"]


@dataclass(frozen=True)
class MemoryDevice(Device):
    """A device whose conductance remembers its drive: a memristor, a phase-change cell, a binary memory.

    What the device can do is declared as class attributes, so that a circuit or a rule can refuse an impossible
    combination with its reason before any work. A device driven in pulses takes whole numbers; a pulse has its
    own length, so the `dt` of `step` is not used. A zero drive leaves the device as it is, but for noise
    that it declares as `renewed`.

    Attributes:
        read_unit: ``S`` or ``ohm``.
        directions: signs of drive the device takes. ``(1,)`` or ``(-1, 1)``.
        drive_effect: sign of the conductance change that a positive drive causes.
        graded: whether intermediate states exist, so that small changes can add up.
        continuous: whether the drive takes fractions of a pulse.
        renewed: tensors of the state whose noise is drawn anew at every step, also of devices without a drive.
        default_rule: name of the learning rule an audit takes when none is given.
        identified: which parameters each kind of measurement (pulses, iv, levels, retention, noise) can tell; a
            device without entry cannot be fitted.
    """

    kind: ClassVar[str] = "memory"
    drive_unit: ClassVar[str] = "pulses"
    read_unit: ClassVar[Literal["S", "ohm"]]
    directions: ClassVar[tuple[int, ...]]
    drive_effect: ClassVar[int]
    graded: ClassVar[bool]
    continuous: ClassVar[bool] = False
    renewed: ClassVar[tuple[str, ...]] = ()
    default_rule: ClassVar[str]
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {}

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

    def conductance(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S, whatever `read_unit` is."""
        value = self.read(state, generator)
        return value if self.read_unit == "S" else value.reciprocal()

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """Five pulses in every direction the device takes, cell by cell."""
        cells = torch.arange(torch.Size(shape[1:]).numel()) % len(self.directions)
        signs = torch.tensor(self.directions, dtype=torch.float32)[cells].reshape(shape[1:])
        return (signs * 5.0).expand(shape).clone(), 0.0
