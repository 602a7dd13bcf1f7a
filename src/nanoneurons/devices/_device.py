"""The contract of a nanodevice: a frozen set of parameters and at most four methods, then what each kind adds."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import Parameterized
from nanoneurons.core.random import draw_key, normal
from nanoneurons.physics.spin_diode import rectified

__all__ = ["Device", "MemoryDevice", "NeuronDevice", "OscillatorDevice", "ResonatorDevice", "State"]

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

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """A drive of `shape`, in `drive_unit`, and a time in s that the device takes in use; for contract tests.

        No drive for 1 ns unless overridden; a kind whose devices are driven in a common way overrides it.
        """
        return torch.zeros(shape), 1e-9


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


@dataclass(frozen=True)
class NeuronDevice(Device):
    """A device that fires: a drive charges it, and beyond a threshold it sends a spike and falls back.

    The drive of `step`, in `drive_unit` (V, A, or 1 for a normalised neuron), is held for `dt` seconds; at ``dt = 0``
    nothing changes. `read` gives the quantity that carries the threshold (a membrane potential, the voltage of a node),
    in `read_unit`. A state has at least these tensors, all about the last step:

    - ``spikes``: number of spikes fired in it, float32,
    - ``moment``: time in s from its start to its last spike, located inside the step; 0 where there was none.
    """

    kind: ClassVar[str] = "neuron"

    @property
    @abstractmethod
    def default_drive(self) -> float:
        """A constant drive that makes a nominal device fire again and again; for plots and checks."""

    @property
    @abstractmethod
    def default_step(self) -> float:
        """Usual length in s of a step of networks of these devices."""

    @abstractmethod
    def threshold_drive(self) -> float:
        """Constant drive of smallest size that makes a nominal device fire from rest (the rheobase).

        Below zero for a device that fires when it is inhibited.
        """

    def time_constants(self) -> Mapping[str, float]:
        """Time constants in s, by the name of the parameter, that a step must not exceed; none unless overridden.

        A device that divides a step as its equation needs has none.
        """
        return {}

    def beyond(self, state: State, drive: torch.Tensor, dt: float) -> torch.Tensor:
        """How far beyond its threshold a device would be at the end of a step, in `read_unit`, if it did not fire.

        Raises:
            RefusedError: the device does not say; none does unless overridden.
        """
        raise RefusedError(
            f"{type(self).__name__} does not say how far beyond its threshold it comes; let the first to cross win"
        )

    def static_curves(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """By name, voltages in V and currents in A that can last in a nominal device; none unless overridden."""
        return {}

    @abstractmethod
    def silence(self, state: State, where: torch.Tensor) -> State:
        """The state with the devices of a mask put back to rest without a spike, as lateral inhibition does."""

    def respond(
        self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """Spikes in every step of a train of drives, each held for `dt` s; step by step unless overridden.

        Args:
            state: devices of any shape.
            drive: in `drive_unit`, ``(*shape, steps)``.

        Returns:
            numbers of spikes ``(*shape, steps)``, and the state at the end. An override agrees with the steps.
        """
        self.check_step(dt)
        found = []
        for held in drive.unbind(-1):
            state = self.step(state, held, dt, generator)
            found.append(state["spikes"])
        return torch.stack(found, -1) if found else drive.clone(), state

    def check_step(self, dt: float) -> None:
        """Refuse a step that is not positive, or longer than the shortest time constant.

        Raises:
            ParameterError: names the time constant and its value.
        """
        name = type(self).__name__
        if not 0 < dt < math.inf:
            raise ParameterError(f"{name}: a step of {dt:g} s is not a positive time")
        known = self.time_constants()
        shortest = min(known, key=lambda key: known[key], default=None)
        if shortest is not None and dt > known[shortest]:
            raise ParameterError(
                f"{name}: a step of {dt:g} s is longer than its shortest time constant, {shortest} = "
                f"{known[shortest]:g} s; take shorter steps"
            )

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """The default drive for the usual step."""
        return torch.full(shape, self.default_drive), self.default_step
