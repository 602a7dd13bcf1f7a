"""What an oscillator adds to the contract: currents, frequencies, and the voltage it emits."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.devices._device import Device, State

__all__ = ["OscillatorDevice"]


@dataclass(frozen=True)
class OscillatorDevice(Device):
    """A device that a dc current drives into oscillation, read as the voltage it emits.

    The drive of `step` is the current in A, single or double precision, held for `dt` seconds, however long: a device
    that integrates an equation takes as many inner steps as that needs, and at ``dt = 0`` nothing changes. `read` gives
    the amplitude of the emitted voltage in V (the envelope of a detector, not the carrier). `step` and the closed forms
    refuse what `check_current` refuses, before any work.

    The closed forms describe the nominal device (no spread, no noise but what `linewidth` is about), take currents
    of any shape in A and answer element by element in their dtype.
    """

    kind: ClassVar[str] = "oscillator"
    drive_unit: ClassVar[str] = "A"
    read_unit: ClassVar[str] = "V"

    @property
    def simulates_phase(self) -> bool:
        """Whether `trace` tells the phase; False unless overridden."""
        return False

    @property
    @abstractmethod
    def default_current(self) -> float:
        """Operating point in A, above threshold, of plots and networks when none is given; may be a parameter."""

    @abstractmethod
    def threshold_current(self) -> float:
        """Current in A at which oscillation sets in."""

    @abstractmethod
    def current_range(self) -> tuple[float, float]:
        """Smallest useful current and breakdown current, in A."""

    @abstractmethod
    def frequency(self, current: torch.Tensor) -> torch.Tensor:
        """Frequency of oscillation in Hz; below threshold that of the damped mode."""

    @abstractmethod
    def amplitude(self, current: torch.Tensor) -> torch.Tensor:
        """Amplitude of the emitted voltage in V after relaxation; 0 at and below threshold."""

    @abstractmethod
    def linewidth(self, current: torch.Tensor) -> torch.Tensor:
        """Full width at half maximum of the emitted line in Hz; NaN where the theory behind it does not hold."""

    @abstractmethod
    def relaxation_time(self, current: torch.Tensor) -> torch.Tensor:
        """Time in s in which a small deviation of power falls to 1/e; may be infinite at threshold."""

    def emitted_power(self, current: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """Power in W given to a matched load, the next layer's input; of the nominal device, or of those in `state`.

        That of the amplitude in 50 ohm unless overridden; 0 at and below threshold, differentiable above it, never more
        than the dc power.
        """
        return self.amplitude(current).square() / (2 * 50.0)

    def dc_power(self, current: torch.Tensor) -> torch.Tensor:
        """Power in W taken from the supply at a current; NaN where the device declares no resistance."""
        return getattr(self, "resistance", math.nan) * current.square()

    def advance(self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator) -> State:
        """`n` equal steps of `dt` seconds with the same drive; steps one by one unless overridden.

        An override is faster and agrees with the steps: without noise within the accuracy of `step`, with
        noise in law.
        """
        for _ in range(n):
            state = self.step(state, drive, dt, generator)
        return state

    def trace(
        self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """`n` equal steps with the same drive, and the signal after each: complex, V, shape ``(n, *shape)``.

        The modulus is the amplitude, the argument the phase of the oscillation beyond that of a clock at the frequency
        of the default current; a device that does not simulate its phase gives its amplitude as a real number.
        """
        signals = []
        for _ in range(n):
            state = self.step(state, drive, dt, generator)
            signals.append(self.read(state).to(torch.complex128))
        return torch.stack(signals), state

    def respond(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> torch.Tensor:
        """Readings in V after each interval of a train of currents, each held for `dt` s; one by one unless overridden.

        Args:
            state: devices of any shape.
            drive: currents in A, ``(*shape, steps)``.

        Returns:
            ``(*shape, steps)``. An override agrees with the steps as one of `advance` does.
        """
        found = []
        for current in drive.unbind(-1):
            state = self.step(state, current, dt, generator)
            found.append(self.read(state, generator))
        return torch.stack(found, -1).to(drive.dtype)

    def check_current(self, current: torch.Tensor) -> None:
        """Refuse a current that is NaN or, in either direction, beyond breakdown.

        Raises:
            ParameterError: names the first such current, its index and the limit.
        """
        limit = self.current_range()[1]
        if current.numel():
            low, high = torch.aminmax(current.detach())
            if -limit <= low and high <= limit:  # False for NaN; the common case in one pass
                return
        bad = ~(current.abs() <= limit)  # also True for NaN
        if not bool(bad.any()):
            return
        index = tuple(int(i) for i in bad.nonzero()[0])
        value, where = float(current[index]), f" at index {index}" if index else ""
        name = type(self).__name__
        if value != value:
            raise ParameterError(f"{name}: the current{where} is NaN; give a number in A, at most {limit:g} A")
        raise ParameterError(f"{name}: current {value:g} A{where} is beyond breakdown at {limit:g} A; lower it")

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """The default current for a quarter of the relaxation time there."""
        current = torch.full(shape, self.default_current)
        time = self.relaxation_time(torch.tensor(self.default_current, dtype=torch.float64))
        return current, 0.25 * float(time)
