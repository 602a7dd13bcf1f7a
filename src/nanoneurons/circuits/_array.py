"""Devices at the crossings of rows and columns: what arrays share, whatever stands around them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, uniform
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State
from nanoneurons.physics.pulse_trains import draw_counts

from ._circuit import MemoryCircuit

__all__ = ["DeviceArray"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class DeviceArray(MemoryCircuit, ABC):
    r"""One device per weight against a fixed reference, or two devices per weight, read as a difference.

    .. math:: W_{ij} = u\,\frac{G^+_{ij} - G^-_{ij}}{\Delta G}

    With the mapping ``reference``, :math:`G^-` is one fixed conductance and :math:`\Delta G` half a device's range;
    with ``pair`` it is a second device and :math:`\Delta G` the whole range (devices that go one way only need a
    pair). *u* is `weight_unit`.

    Wanted changes arrive as stochastic pulse trains (counts drawn per mini-batch, the limit of long trains in
    which coincidences are rare and so Poisson distributed), as one change rounded at random to whole
    pulses, or as pulses. Both devices of a pair that go both ways are pulsed, against each other.
    """

    mapping: str = param(
        "auto", doc="reference: one device per weight; pair: two; auto: a pair only where devices go one way",
        source=_OURS, choices=("auto", "reference", "pair"),
    )  # fmt: skip
    verify_rounds: int = param(
        20, doc="most rounds of reading and correcting in program()", source=_OURS, low=0, high=10_000, integer=True
    )
    verify_tolerance: float = param(
        0.02, doc="program() leaves a weight closer than this share of the largest one", source=_OURS, low=0.0, high=1.0
    )
    read_voltage: float = param(
        0.1, "V", doc="read voltage at full input", source="usual value", low=0.0, high=10.0, verified=False
    )
    read_time: float = param(
        10e-9, "s", doc="length of a read", source="usual value", low=0.0, high=1.0, verified=False
    )

    write_gain: float = param(
        1.0, doc="amplification of wanted changes given as voltages, times the one that suits the device",
        source=_OURS, low=1e-6, high=1e6,
    )  # fmt: skip

    def check(self) -> None:
        """Refuse a single device per weight where it can go one way only."""
        if self.mapping == "reference" and len(self.device.directions) == 1:
            raise RefusedError(
                f"{type(self.device).__name__} goes one way only: one device per weight cannot be raised and lowered; "
                "use mapping 'pair'"
            )

    # -- geometry -------------------------------------------------------------------------------------

    @property
    def paired(self) -> bool:
        """Whether two devices hold a weight."""
        return self.mapping == "pair" or (self.mapping == "auto" and len(self.device.directions) == 1)

    @property
    def _siemens(self) -> float:
        """Conductance difference that stands for the largest weight."""
        low, high = self.device.conductance_range()
        return (high - low) if self.paired else 0.5 * (high - low)

    @abstractmethod
    def weight_unit(self, shape: tuple[int, ...]) -> float:
        """Largest nominal weight of a matrix or kernel of this shape."""

    def pulse_weight(self, shape: tuple[int, ...] = ()) -> float:
        """Mean change of a weight by one pulse, in a matrix or kernel of this shape (without one: at fan-in 1)."""
        return self._pulsed * self.device.conductance_step() / self._siemens * self.weight_unit(shape)

    def conductance_of_weight(self, shape: tuple[int, ...]) -> tuple[float, float]:
        """``(offset, slope)`` in S of G = offset + slope W, with one device per weight.

        Raises:
            RefusedError: two devices hold a weight.
        """
        if self.paired:
            one_way = len(self.device.directions) == 1
            reason = f"{type(self.device).__name__} goes one way only" if one_way else "the mapping is 'pair'"
            raise RefusedError(
                f"{reason}, so two devices hold a weight: a difference of conductances may be negative, which no "
                "resistor is; use devices that go both ways, one per weight (mapping 'reference')"
            )
        return self.device.conductance_reference(), self._siemens / self.weight_unit(shape)

    def pulses_of(self, update: Update | OuterProducts) -> float:
        """Device pulses that an update takes; the expected number for stochastic trains and random rounding."""
        return self._pulsed * super().pulses_of(update)

    @property
    def _pulsed(self) -> int:
        """Devices that one pulse of a weight drives."""
        return 2 if self.paired and len(self.device.directions) == 2 else 1

    # -- devices --------------------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate the devices of a matrix or kernel."""
        state = {}
        for branch in ("plus.", "minus.") if self.paired else ("cell.",):
            state |= _named(branch, self.device.init(shape, generator))
        return state

    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Weights as read; with a generator, read noise of every single device is drawn anew."""
        device = self.device
        if self.paired:
            difference = device.conductance(_branch("plus.", state), generator) - device.conductance(
                _branch("minus.", state), generator
            )
            return difference.mul_(self.weight_unit(tuple(difference.shape)) / self._siemens)
        cells = _branch("cell.", state)
        linear = device.linear(cells) if generator is None else None
        if linear is not None:
            seen, offset, slope = linear
            per_siemens = self.weight_unit(tuple(seen.shape)) / self._siemens
            zero = per_siemens * (offset - device.conductance_reference())
            return torch.add(zero, seen, alpha=per_siemens * slope) if zero else seen * (per_siemens * slope)
        conductance = device.conductance(cells, generator)
        per_siemens = self.weight_unit(tuple(conductance.shape)) / self._siemens
        return torch.add(-per_siemens * device.conductance_reference(), conductance, alpha=per_siemens)

    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Carry out a wanted change; see the class for how it becomes pulses.

        Raises:
            RefusedError: the devices have no intermediate states.
            ParameterError: the change is not finite.
        """
        if not self.device.graded:
            raise RefusedError(
                f"{type(self.device).__name__} has no intermediate states: small changes cannot add up in a crossbar; "
                "train in software and program(), or use the circuit 'differential-pair'"
            )
        if isinstance(update, OuterProducts):
            drawn = getattr(self.device, "apply_outer", None)
            if drawn is not None and not self.paired:
                per_unit = self.device.drive_effect * update.rate / self.pulse_weight(update.shape)
                cells = drawn(_branch("cell.", state), update, per_unit, generator)
                return {**state, **_named("cell.", cells)}
            update = update.dense(with_activity=not self.device.continuous)
        change = update.change
        if update.unit == "V":
            return self._apply_voltages(state, change, generator)
        step = self.pulse_weight(tuple(change.shape)) if update.unit == "weight" else 1.0
        if self.device.continuous:
            return self._pulse(state, change / step, None, generator)
        if update.activity is not None:
            fused = getattr(self.device, "apply_trains", None)
            if fused is not None and not self.paired:
                signed = change if self.device.drive_effect > 0 else -change
                cells = fused(_branch("cell.", state), signed, update.activity, 1 / step, generator)
                return {**state, **_named("cell.", cells)}
            up, down = draw_counts(change, update.activity, 1 / step, draw_key(generator))
            return self._pulse(state, up, down, generator)
        pulses = change / step
        if not torch.isfinite(pulses).all():
            raise ParameterError("the wanted change holds NaN or infinite values; lower the learning rate")
        if update.unit == "weight":
            pulses = (pulses + uniform(draw_key(generator), tuple(pulses.shape), 0, pulses.device)).floor_()
        return self._pulse(state, *_signs(pulses), generator)

    def _apply_voltages(self, state: State, volts: torch.Tensor, generator: torch.Generator) -> State:
        device: Any = self.device
        if not self.takes_voltages or self.paired:
            raise RefusedError(
                f"{type(self.device).__name__} takes pulses of a standard waveform, not voltages of any size; a rule "
                "that writes by voltage needs devices that declare their switching against voltage, one per weight"
            )
        rise, fall = device.write_scale()
        driven = self.write_gain * torch.where(volts > 0, rise * volts, fall * volts)
        signed = driven if self.device.drive_effect > 0 else -driven
        return {**state, **_named("cell.", device.apply_voltage(_branch("cell.", state), signed, generator))}

    def program(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        """Write target weights: read, correct with the devices' own pulses, until close enough.

        Devices without intermediate states get the nearest of their levels, written once. What the devices
        cannot reach (bounds, stuck devices, `verify_rounds` used up) stays as an error.
        """
        shape = tuple(target.shape)
        unit, step = self.weight_unit(shape), self.pulse_weight(shape)
        if not self.device.graded:
            return self._write_levels(state, target / unit, generator)
        for _ in range(1 if self.device.continuous else self.verify_rounds):
            error = target - self.weights(state)
            if self.device.continuous:
                return self._pulse(state, error / step, None, generator)
            pulses = torch.where(error.abs() > self.verify_tolerance * unit, error / step, 0.0)
            if not bool(pulses.any()):
                break
            whole = pulses.sign() * pulses.abs().round_().clamp_(min=1)
            state = self._pulse(state, *_signs(torch.where(pulses == 0, 0.0, whole)), generator)
        return state

    def _write_levels(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        effect = self.device.drive_effect
        stepped = dict(state)
        wanted = {"plus.": target > 0.5, "minus.": target < -0.5} if self.paired else {"cell.": target >= 0}
        for branch, on in wanted.items():
            drive = torch.where(on, effect, -effect).to(torch.int32)
            stepped |= _named(branch, self.device.step(_branch(branch, state), drive, 0.0, generator))
        return stepped

    def _pulse(self, state: State, up: torch.Tensor, down: torch.Tensor | None, generator: torch.Generator) -> State:
        """Apply pulses that raise and lower weights; `down` is None where `up` is a signed, continuous drive."""
        rises = self.device.drive_effect > 0
        if down is None:
            raising: tuple[torch.Tensor | None, ...] = (up if rises else -up, None)
            lowering: tuple[torch.Tensor | None, ...] = (-up if rises else up, None)
        elif len(self.device.directions) == 1:
            raising, lowering = ((up if rises else down), None), ((down if rises else up), None)
        else:
            raising, lowering = (up, down) if rises else (down, up), (down, up) if rises else (up, down)
        stepped = dict(state)
        branches = {"plus.": raising, "minus.": lowering} if self.paired else {"cell.": raising}
        for branch, (forward, backward) in branches.items():
            assert forward is not None
            stepped |= _named(branch, self._drive(_branch(branch, state), forward, backward, generator))
        return stepped

    def _drive(
        self, cells: State, forward: torch.Tensor, backward: torch.Tensor | None, generator: torch.Generator
    ) -> State:
        trains = getattr(self.device, "apply_counts", None)
        if trains is not None:
            return trains(cells, forward, torch.zeros_like(forward) if backward is None else backward, generator)
        cells = self.device.step(cells, forward, 0.0, generator)
        return cells if backward is None else self.device.step(cells, -backward, 0.0, generator)

    # -- energy ---------------------------------------------------------------------------------------

    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""
        return Counts({"write": float(pulses)})


def _signs(pulses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Signed counts as counts up and counts down, int32."""
    whole = pulses.round().to(torch.int32)
    return whole.clamp(min=0), whole.neg().clamp_(min=0)


def _named(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def _branch(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
