r"""Crossbar: Ohm's law multiplies, Kirchhoff's current law adds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, uniform
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State
from nanoneurons.physics.pulse_trains import draw_counts

from . import _converters as converters
from ._circuit import MemoryCircuit

__all__ = ["Crossbar"]

_OURS = "choice of this project"
_CHOSEN = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-25)"
_PERIPHERY = "aihwkit IOParameters (Rasch et al., AICAS 2021, arXiv:2104.02184)"


def _number(default: float, unit: str, doc: str, low: float, high: float, source: str, **more: Any) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, **more)


@dataclass(frozen=True)
class Crossbar(MemoryCircuit):
    r"""Devices at the crossings of rows and columns; a column current is a weighted sum of row voltages.

    .. math::
        I_j = \sum_i (G^+_{ij} - G^-_{ij})\,V_i, \qquad
        W_{ij} = \frac{r}{\sqrt{n}}\,\frac{G^+_{ij} - G^-_{ij}}{\Delta G}

    With the mapping ``reference``, :math:`G^-` is one fixed conductance and :math:`\Delta G` half a device's range;
    with ``pair`` it is a second device and :math:`\Delta G` the whole range (devices that go one way only need a
    pair). *n* is the fan-in, *r* the parameter `weight_range`: it sets the layer's digital output scale.

    Each input vector is scaled to its largest entry and converted (`dac_resolution`); the outputs carry read
    noise and amplifier noise and are converted within fixed bounds (`adc_resolution`, `adc_range`). Noise
    that is independent from cell to cell is added to the sums with its exact distribution, sd
    :math:`\sigma (\sum_i x_i^2)^{1/2}`, instead of cell by cell. A resolution is the step as a share of
    the whole span, 0 for an ideal converter; ``1 / (2**bits - 2)`` for a number of bits.

    Wanted changes arrive as stochastic pulse trains (counts drawn per mini-batch, the limit of long trains in
    which coincidences are rare and so Poisson distributed), as one change rounded at random to whole
    pulses, or as pulses. Both devices of a pair that go both ways are pulsed, against each other.

    Not modelled: wire resistance and sneak paths. Their place is between `encode` and `decode`: they change the
    product of the two, which `weights` alone cannot express, and so will need a method of their own.

    Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); Rasch et al., AICAS 2021 (arXiv:2104.02184).
    """

    mapping: str = param(
        "auto", doc="reference: one device per weight; pair: two; auto: a pair only where devices go one way",
        source=_OURS, choices=("auto", "reference", "pair"),
    )  # fmt: skip
    weight_range: float = _number(8.0, "1", "largest weight in units of 1/sqrt(fan-in)", 1e-3, 1e3, _CHOSEN)
    dac_resolution: float = _number(
        1 / 126, "1", "step of the input converter, share of its span (7 bit: 1/126); 0 is ideal", 0.0, 1.0, _PERIPHERY,
        imperfection="dac_resolution", ideal=0.0,
    )  # fmt: skip
    adc_resolution: float = _number(
        1 / 510, "1", "step of the output converter as a share of its span (9 bit: 1/510); 0 is ideal", 0.0, 1.0,
        _PERIPHERY, imperfection="adc_resolution", ideal=0.0,
    )  # fmt: skip
    adc_range: float = _number(
        12.0, "1", "largest output, in full inputs through full weights", 1e-3, 1e9, _PERIPHERY
    )  # fmt: skip
    output_noise: float = _number(
        0.06, "1", "amplifier noise, in full inputs through full weights", 0.0, 1e3, _PERIPHERY,
        imperfection="output_noise", ideal=0.0,
    )  # fmt: skip
    verify_rounds: int = _number(
        20, "1", "most rounds of reading and correcting in program()", 0, 10_000, _OURS, integer=True
    )
    verify_tolerance: float = _number(
        0.02, "1", "program() leaves a weight closer than this share of weight_range", 0.0, 1.0, _OURS
    )
    read_voltage: float = _number(0.1, "V", "read voltage at full input", 0.0, 10.0, "usual value", verified=False)
    read_time: float = _number(10e-9, "s", "length of a read", 0.0, 1.0, "usual value", verified=False)

    title: ClassVar[str] = "crossbar"
    layers: ClassVar[str] = "analog"

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

    def weight_unit(self, shape: tuple[int, ...]) -> float:
        """Largest nominal weight of a matrix or kernel of this shape, ``weight_range / sqrt(fan-in)``.

        An odd number of axes means a leading chip axis.
        """
        return self.weight_range / math.sqrt(math.prod(shape[1 + len(shape) % 2 :]))

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

    # -- periphery ------------------------------------------------------------------------------------

    def convert_input(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Input vectors (last axis) as the array sees them, the full scale ``(..., 1)`` and sum of squares of each."""
        return converters.convert_input(x, self.dac_resolution)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Input vectors (last axis) after digital-to-analog conversion."""
        return self.convert_input(x)[0]

    def decode(
        self,
        y: torch.Tensor,
        sum_of_squares: torch.Tensor,
        generator: torch.Generator | None,
        full: torch.Tensor | None = None,
        unit: float = 1.0,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Outputs (last axis) with read noise, amplifier noise and analog-to-digital conversion, then digital bias.

        Args:
            y: exact products, ``(..., out)``.
            sum_of_squares: sum of squared inputs ``(..., 1)`` in units of the full scale.
            generator: noise stream; None reads without noise.
            full: full scale of the inputs, ``(..., 1)``; 1 when not given.
            unit: full weight, in the units of `y` over those of `full`.
            bias: added after conversion, ``(out,)`` or ``(chips, out)``.
        """
        cell = self.device.read_sigma() * math.sqrt(2 if self.paired else 1) / self._siemens
        noisy = generator is not None and (cell > 0 or self.output_noise > 0)
        if not noisy and self.adc_resolution == 0:
            return y if bias is None else y + bias.unsqueeze(-2)
        full = torch.ones(1) if full is None else full
        spread, key = (0.0, 0.0), 0
        if noisy and generator is not None:
            spread, key = (cell, self.output_noise), draw_key(generator)
        bounds = self.adc_range, self.adc_resolution
        return converters.convert_output(y, full, unit, sum_of_squares, *spread, *bounds, key, bias)

    # -- energy ---------------------------------------------------------------------------------------

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One conversion per input and per output, one read per device."""
        devices = float(out_features * in_features * (2 if self.paired else 1))
        return Counts({"dac": float(in_features), "read": devices, "adc": float(out_features)})

    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""
        return Counts({"write": float(pulses)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of the devices' events and of an output conversion; input conversion has none in a source."""
        low, high = self.device.conductance_range()
        joule = self.read_voltage**2 * 0.5 * (low + high) * self.read_time
        return {
            "read": Price(joule, "V^2 G t at mid-range and full input, an upper bound", "any", False),
            **self.device.prices(),
            "adc": Price(1.5e-12, "8 bit: 1 to 2 pJ per conversion, usual values", "not stated", False),
        }


def _signs(pulses: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Signed counts as counts up and counts down, int32."""
    whole = pulses.round().to(torch.int32)
    return whole.clamp(min=0), whole.neg().clamp_(min=0)


def _named(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def _branch(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
