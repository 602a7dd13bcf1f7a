"""A small oscillator for tests: its power relaxes to (z - 1)/(z + Q), z = I/I_th, at the rate 2 Gamma |z - 1|."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import OscillatorDevice


@dataclass(frozen=True)
class RelaxingOscillator(OscillatorDevice):
    """Power that relaxes exponentially; the state is ``power`` and the device's own ``threshold`` in A."""

    title: ClassVar[str] = "relaxing oscillator"
    citation: ClassVar[str] = "@misc{relaxing}"
    not_modelled: ClassVar[str] = "Everything else."

    threshold: float = param(4e-3, "A", doc="threshold current", source="here", low=1e-6, high=5e-3)
    default_current: float = param(7e-3, "A", doc="operating point", source="here", low=5.1e-3, high=1e-2)
    spread: float = param(
        0.02, "1", doc="spread of thresholds", source="here", low=0.0, high=0.1, imperfection="device_to_device",
        ideal=0.0,
    )  # fmt: skip
    noise: float = param(
        0.01, "1", doc="noise of the power", source="here", low=0.0, high=1.0, imperfection="thermal", ideal=0.0
    )

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Devices at rest."""
        own = self.threshold * (1 + self.spread * normal(draw_key(generator), shape))
        return {"power": torch.zeros(shape), "threshold": own}

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Relax for `dt` seconds, exactly."""
        self.check_current(drive)
        power, z = state["power"], drive.float() / state["threshold"]
        gone = -torch.expm1(-dt * 2e6 * (z - 1).abs())
        power = power + gone * (_power(z) - power)
        if self.noise:
            power = power + self.noise * gone.sqrt() * normal(draw_key(generator), tuple(power.shape))
        return {**state, "power": power.clamp(min=0)}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Amplitude in V."""
        return 0.01 * state["power"].sqrt()

    def prices(self) -> Mapping[str, Price]:
        """None known."""
        return {}

    def threshold_current(self) -> float:
        """Threshold in A."""
        return self.threshold

    def current_range(self) -> tuple[float, float]:
        """Just above threshold, to 10 mA."""
        return 1.1 * self.threshold, 1e-2

    def frequency(self, current: torch.Tensor) -> torch.Tensor:
        """Frequency in Hz."""
        return 3e8 * (1 + 0.1 * _power(self._z(current)))

    def amplitude(self, current: torch.Tensor) -> torch.Tensor:
        """Amplitude in V."""
        return 0.01 * _power(self._z(current)).sqrt()

    def linewidth(self, current: torch.Tensor) -> torch.Tensor:
        """Not known."""
        self.check_current(current)
        return torch.full_like(current, torch.nan)

    def relaxation_time(self, current: torch.Tensor) -> torch.Tensor:
        """Relaxation time in s."""
        return 1 / (2e6 * (self._z(current) - 1).abs())

    def _z(self, current: torch.Tensor) -> torch.Tensor:
        self.check_current(current)
        return current / self.threshold


def _power(z: torch.Tensor) -> torch.Tensor:
    return ((z - 1) / (z + 2)).clamp(min=0)
