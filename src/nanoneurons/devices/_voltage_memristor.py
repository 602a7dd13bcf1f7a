"""Memristors that answer to the size of a voltage: what `tio2`, `hfo2-analog` and `hzo-ftj` share."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numba
import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, mix, normal, start_of, uniform, word_at
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice
from nanoneurons.physics.voltage_switching import Law, Rows, amplitude, change, pulse_at

__all__ = ["PROGRAM", "VoltageMemristor", "fitted"]

PROGRAM = "authors' public program to arXiv:2510.25787, fit to measured devices"
_OURS = "choice of this project"
_TYPICAL = "usual size in oxide memristors; the source gives none"
_STEP = np.uint64(0x9E3779B97F4A7C15)


def fitted(default: float, doc: str, unit: str = "1", low: float = 1e-6, high: float = 100.0) -> Any:
    """A constant of the law that the source gives."""
    return param(default, unit, doc=doc, source=PROGRAM, low=low, high=high)


def _flaw(default: float, doc: str, imperfection: str, source: str = _TYPICAL, high: float = 10.0) -> Any:
    return param(
        default, doc=doc, source=source, low=0.0, high=high, imperfection=imperfection, ideal=0.0, verified=False
    )


@dataclass(frozen=True)
class VoltageMemristor(MemoryDevice, ABC):
    r"""Conductance moved by voltage pulses beyond two thresholds; the law is `physics.voltage_switching`.

    .. math:: G = G_{high} \left[ w \left(1 - \frac{1}{r}\right) + \frac{1}{r} \right]

    A negative voltage raises the conductance, a positive one lowers it. `apply_voltage` takes any voltage per device;
    the pulses of `step` have the two amplitudes that move a weight of 1/2 by `pulse_change`, up and down.

    Not modelled: the width and shape of pulses, relaxation and drift after them, heating, endurance.
    """

    citation: ClassVar[str] = (
        "@article{garg2025vdsp, title={Unsupervised local learning based on voltage-dependent synaptic plasticity for "
        "resistive and ferroelectric synapses}, author={Garg, Nikhil and others}, journal={Communications Materials}, "
        "year={2025}, eprint={2510.25787}}"
    )
    not_modelled: ClassVar[str] = "Width and shape of pulses, relaxation and drift after them, heating, endurance."
    read_unit: ClassVar = "S"
    directions: ClassVar[tuple[int, ...]] = (-1, 1)
    drive_effect: ClassVar[int] = -1
    graded: ClassVar[bool] = True
    default_rule: ClassVar[str] = "vdsp"
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "levels": ("conductance_high", "on_off_ratio", "read_noise", "stuck_low", "stuck_high"),
        "retention": ("read_noise",),
        "noise": ("read_noise",),
    }

    threshold_up: float
    threshold_down: float
    steepness_up: float
    steepness_down: float
    exponent_up: float
    exponent_down: float
    on_off_ratio: float
    reach_up: float
    reach_down: float
    conductance_high: float
    rate_up: float = fitted(1.0, "scale of a change that raises the conductance")
    rate_down: float = fitted(1.0, "scale of a change that lowers the conductance")
    nonlinearity: float = param(
        1.0, doc="share of the dependence of a change on the weight", source=PROGRAM, low=0.0, high=1.0,
        imperfection="nonlinearity", ideal=0.0,
    )  # fmt: skip
    change_spread: float = _flaw(0.1, "device-to-device spread of the size of changes, relative", "device_to_device")
    threshold_spread: float = _flaw(0.01, "device-to-device spread of both thresholds, relative", "threshold_spread")
    cycle_spread: float = _flaw(0.1, "cycle-to-cycle spread of the size of a change, relative", "cycle_to_cycle")
    threshold_noise: float = _flaw(0.0, "cycle-to-cycle spread of both thresholds, relative", "threshold_noise")
    read_noise: float = _flaw(0.01, "spread of a weight from read to read, share of the range", "read_noise")
    stuck_low: float = _flaw(0.0, "share of devices stuck at the lowest conductance", "stuck_devices", high=1.0)
    stuck_high: float = _flaw(0.0, "share of devices stuck at the highest conductance", "stuck_devices", high=1.0)
    level_spacing: float = _flaw(0.0, "distance of readable levels, share of the range", "finite_levels", high=1.0)
    initial_mean: float = param(0.5, doc="mean weight of a fresh device", source=_OURS, low=0.0, high=1.0)
    initial_spread: float = param(0.1, doc="spread of the weight of fresh devices", source=_OURS, low=0.0, high=1.0)
    pulse_change: float = param(
        0.005, doc="change of a weight of 1/2 by one pulse of the standard amplitude", source=_OURS, low=1e-6, high=0.5
    )
    pulse_time: float = param(
        200e-9, "s", doc="length of a pulse, for its energy", source=_TYPICAL, low=1e-12, high=1.0, verified=False
    )
    read_voltage: float = param(0.1, "V", doc="read voltage", source="usual value", low=0.0, high=10.0, verified=False)
    read_time: float = param(
        10e-9, "s", doc="length of a read", source="usual value", low=0.0, high=1.0, verified=False
    )

    def check(self) -> None:
        """Refuse more stuck devices than there are."""
        if self.stuck_low + self.stuck_high > 1:
            raise ParameterError(f"{type(self).__name__}: stuck_low + stuck_high must not exceed 1")

    # -- contract -------------------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices: ``weight`` within the bounds, ``gain`` of changes, ``scale`` of thresholds."""
        key, place = draw_key(generator), generator.device

        def spread(draw: int, sd: float) -> torch.Tensor:
            if not sd:
                return torch.ones(shape, device=place)
            return (1 + sd * normal(key, shape, draw, place)).clamp_(min=0)

        weight = self.initial_mean + self.initial_spread * normal(key, shape, 0, place)
        weight, gain = weight.clamp_(0.0, 1.0), spread(1, self.change_spread)
        if self.stuck_low or self.stuck_high:
            chosen = uniform(key, shape, 3, place)
            low, high = chosen < self.stuck_low, chosen > 1 - self.stuck_high
            weight = weight.masked_fill_(low, 0.0).masked_fill_(high, 1.0)
            gain = gain.masked_fill_(low | high, 0.0)
        return {"weight": weight, "gain": gain, "scale": spread(2, self.threshold_spread)}

    def step(
        self, state: State, drive: torch.Tensor, dt: float = 0.0, generator: torch.Generator | None = None
    ) -> State:
        """Apply `drive` signed whole pulses of the standard amplitudes; positive ones lower the conductance."""
        if drive.is_floating_point() and not torch.isfinite(drive).all():
            raise ParameterError(f"{type(self).__name__}: the drive must be finite; lower the learning rate")
        pulses = drive.round() if drive.is_floating_point() else drive
        below, above = self.amplitudes
        volts = torch.where(pulses < 0, below, above).to(torch.float32)
        return self._pulsed(state, volts, pulses.abs().to(torch.int32), generator)

    def apply_voltage(self, state: State, volts: torch.Tensor, generator: torch.Generator | None = None) -> State:
        """Apply one pulse of its own voltage to each device: negative raises the conductance, positive lowers it."""
        if not torch.isfinite(volts).all():
            raise ParameterError(f"{type(self).__name__}: voltages must be finite numbers")
        return self._pulsed(state, volts.float(), torch.ones((), dtype=torch.int32), generator)

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S."""
        w = state["weight"]
        if self.level_spacing:
            w = (w / self.level_spacing).round_().mul_(self.level_spacing).clamp_(max=1.0)
        if self.read_noise and generator is not None:
            w = w + self.read_noise * normal(draw_key(generator), tuple(w.shape), 0, w.device)
        low, high = self.conductance_range()
        return torch.add(low, w, alpha=high - low)

    def linear(self, state: State) -> tuple[torch.Tensor, float, float] | None:
        """The weight, unless only discrete levels can be read."""
        low, high = self.conductance_range()
        return None if self.level_spacing else (state["weight"], low, high - low)

    def read_sigma(self) -> float:
        """Standard deviation in S of one read; independent from cell to cell and from read to read."""
        low, high = self.conductance_range()
        return self.read_noise * (high - low)

    def conductance_range(self) -> tuple[float, float]:
        """Conductance in S at weights 0 and 1."""
        return self.conductance_high / self.on_off_ratio, self.conductance_high

    def conductance_step(self) -> float:
        """Change in S of one standard pulse at weight 1/2, in both directions."""
        low, high = self.conductance_range()
        return self.pulse_change * (high - low)

    def rows(
        self, state: State, generator: torch.Generator, gains: tuple[float, float], read: tuple[float, float]
    ) -> Rows | None:
        """Devices ``(chips, out, in)`` for loops that write them by potentials; None where levels are discrete.

        Args:
            gains: voltage across a device per volt of a potential that raises and of one that lowers it.
            read: what a reader sees, in S: offset and slope of the weight.
        """
        if self.level_spacing or state["weight"].device.type != "cpu":
            return None
        weight, gain, scale = (state[name].numpy() for name in ("weight", "gain", "scale"))
        return Rows(
            weight, gain, scale, self.law, float(self.cycle_spread), float(self.threshold_noise), float(gains[0]),
            float(gains[1]), float(read[0]), float(read[1]), np.uint64(draw_key(generator)),
            np.zeros(len(weight), np.int64),
        )  # fmt: skip

    def write_scale(self) -> tuple[float, float]:
        """Voltages in V that suit the largest wanted rise and the largest wanted fall."""
        return self.reach_up * self.threshold_up, self.reach_down * self.threshold_down

    def prices(self) -> Mapping[str, Price]:
        """Energy of one write and of one read in mid-range."""
        mean = 0.5 * sum(self.conductance_range())
        below, above = self.amplitudes
        source = "V^2 G t in mid-range with {}, conductance_high, on_off_ratio"
        return {
            "write": Price(
                0.5 * (below**2 + above**2) * mean * self.pulse_time,
                source.format("the standard amplitudes, pulse_time"), "not stated", False,
            ),
            "read": Price(
                self.read_voltage**2 * mean * self.read_time, source.format("read_voltage, read_time"), "any", False
            ),
        }  # fmt: skip

    # -- the law --------------------------------------------------------------------------------------

    @cached_property
    def law(self) -> Law:
        """Constants of the law of the nominal device."""
        values = (
            self.threshold_up, self.threshold_down, self.steepness_up, self.steepness_down, self.exponent_up,
            self.exponent_down, self.rate_up, self.rate_down, self.nonlinearity,
        )  # fmt: skip
        return Law(*(float(value) for value in values))

    @cached_property
    def amplitudes(self) -> tuple[float, float]:
        """Voltages in V of the standard pulses that raise and lower the conductance."""
        return amplitude(self.pulse_change, self.law)

    def _pulsed(
        self, state: State, volts: torch.Tensor, count: torch.Tensor, generator: torch.Generator | None
    ) -> State:
        noisy = self.cycle_spread > 0 or self.threshold_noise > 0
        if noisy and generator is None:
            raise ParameterError(f"{type(self).__name__}: a noisy device needs a generator to draw its noise from")
        key = draw_key(generator) if generator is not None else 0
        shape = state["weight"].shape
        volts, count = volts.expand(shape), count.expand(shape)
        if state["weight"].device.type != "cpu":
            return {**state, "weight": self._plain(state, volts, count, key)}
        flat = chip_shape(tuple(shape))
        weight = state["weight"].clone()
        gain, scale = (state[name].reshape(flat).numpy() for name in ("gain", "scale"))
        _kernel(
            weight.view(flat).numpy(), gain, scale, volts.reshape(flat).numpy(), count.reshape(flat).numpy(), self.law,
            float(self.cycle_spread), float(self.threshold_noise), np.uint64(key),
        )  # fmt: skip
        return {**state, "weight": weight}

    def _plain(self, state: State, volts: torch.Tensor, count: torch.Tensor, key: int) -> torch.Tensor:
        weight, shape = state["weight"], tuple(state["weight"].shape)
        for pulse in range(int(count.max()) if count.numel() else 0):
            scale, gain = state["scale"], state["gain"]
            if self.threshold_noise:
                scale = scale * (1 + self.threshold_noise * normal(key, shape, 2 * pulse, volts.device))
            if self.cycle_spread:
                noise = 1 + self.cycle_spread * normal(key, shape, 2 * pulse + 1, volts.device)
                gain = gain * noise.clamp_(min=0)
            moved = (weight + gain * change(weight, volts, self.law, scale.clamp(min=0))).clamp_(0.0, 1.0)
            weight = torch.where(pulse < count, moved, weight)
        return weight


@numba.njit(cache=True)
def _kernel(weight, gain, scale, volts, count, law, cycle, jitter, key):  # pragma: no cover - compiled
    chips, cells = weight.shape
    noisy = cycle > 0.0 or jitter > 0.0
    for chip in range(chips):
        start = start_of(key, chip, 0)
        for i in range(cells):
            w, v, threshold = float(weight[chip, i]), float(volts[chip, i]), float(scale[chip, i])
            word = word_at(start, i) if noisy else np.uint64(0)
            for _ in range(count[chip, i]):
                w = pulse_at(w, v, law, float(gain[chip, i]), threshold, cycle, jitter, word)
                word = mix(word + _STEP)
            weight[chip, i] = w
