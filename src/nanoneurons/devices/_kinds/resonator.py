"""What a resonator adds to the contract: a line of detuning that rectifies the power of a tone."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import Device, State
from nanoneurons.physics.spin_diode import rectified

__all__ = ["ResonatorDevice"]


@dataclass(frozen=True)
class ResonatorDevice(Device):
    """A device that rectifies the power of a tone according to its detuning: a weight for signals in radio frequency.

    The drive of `step` is a wanted change of the resonance in Hz (a field, a strip line, a gate); `read` gives the
    resonance in Hz as a measurement of the spectrum finds it. A state has at least these tensors:

    - ``nominal``: resonance in Hz as designed; a circuit replaces it by its frequency plan,
    - ``deviation``: relative deviation of the fabricated resonance from it,
    - ``shift``: tuning so far in Hz, kept within `tuning_range` of the nominal resonance,
    - ``damping``: half linewidth over resonance,
    - ``sensitivity``: V/W at the extremes of the dispersive line.

    Attributes:
        default_rule: name of the learning rule an audit takes when none is given.
    """

    kind: ClassVar[str] = "resonator"
    drive_unit: ClassVar[str] = "Hz"
    read_unit: ClassVar[str] = "Hz"
    default_rule: ClassVar[str]

    @abstractmethod
    def frequency_range(self) -> tuple[float, float]:
        """Lowest and highest resonance in Hz that can be fabricated."""

    @property
    @abstractmethod
    def tuning_range(self) -> float:
        """Largest shift of a resonance over its nominal value."""

    @property
    @abstractmethod
    def nominal_damping(self) -> float:
        """Half linewidth over resonance of the nominal device."""

    @property
    @abstractmethod
    def nominal_sensitivity(self) -> float:
        """V/W of the nominal device at the extremes of the dispersive line."""

    @property
    def symmetric_share(self) -> float:
        """Height of the symmetric line over that of the dispersive one; 0 unless overridden."""
        return 0.0

    @property
    def absorption(self) -> float:
        """Share of a tone at resonance that the device takes up; 0 unless overridden. For the energy bill."""
        return 0.0

    @abstractmethod
    def detected(self, power: torch.Tensor) -> torch.Tensor:
        """Power in W that the rectified voltage is proportional to: the power law and compression of the detector."""

    @abstractmethod
    def noise_voltage(self) -> float:
        """Standard deviation in V of the voltage of one reading of one device."""

    def resonance(self, state: State) -> torch.Tensor:
        """Resonance in Hz: as designed, plus what fabrication did, plus the tuning."""
        return state["nominal"] * (1 + state["deviation"]) + state["shift"]

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Resonance in Hz; a spectrum is taken long enough to be free of noise."""
        return self.resonance(state)

    def rectify(
        self, state: State, power: torch.Tensor, tone: torch.Tensor, generator: torch.Generator | None = None
    ) -> torch.Tensor:
        """Voltage in V of every device under `power` in W at `tone` in Hz; with a generator, noise is added."""
        response = rectified(tone, self.resonance(state), state["damping"], self.symmetric_share)
        voltage = state["sensitivity"] * self.detected(power) * response
        sigma = self.noise_voltage()
        if generator is None or sigma == 0:
            return voltage
        return voltage + sigma * normal(draw_key(generator), tuple(voltage.shape)).to(voltage.dtype)

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """A tenth of the tuning range, up and down in turn."""
        cells = torch.Size(shape[1:]).numel()
        sign = (1.0 - 2.0 * (torch.arange(cells) % 2)).reshape(shape[1:])
        low, high = self.frequency_range()
        return (0.1 * self.tuning_range * (low * high) ** 0.5 * sign).expand(shape).clone(), 0.0
