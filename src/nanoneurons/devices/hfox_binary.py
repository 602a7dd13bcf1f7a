r"""Hafnium-oxide resistive memory with two states, programmed by SET and RESET.

.. math::
    \ln R = \mu_s + \sigma_s^{d}\, \delta_s + \sigma_s^{c}\, \xi, \qquad s \in \{L, H\}

Each programming draws the logarithm of the resistance from the law of its state, so LRS and HRS are
log-normal. A part of the variance belongs to the device (:math:`\delta_s`, drawn once at fabrication), the rest
to the programming (:math:`\xi`, drawn at every SET or RESET). Cycling beyond an onset narrows
the window and widens the HRS with each decade:

.. math::
    x = \log_{10}(1 + N/N_0), \qquad \mu_H \to \mu_H - a\,x, \qquad \sigma_H \to \sigma_H (1 + b\,x)

Not modelled: intermediate states, retention, random telegraph noise, the voltage and width of the pulses,
and ageing during a simulation (the number of cycles seen is a parameter, the same for all devices).

Source: Bocquet et al., IEDM 2018 (arXiv 1902.02528); Hirtzlin et al., Front. Neurosci. 13:1383, 2020. The means
and spreads of the paper could not be read: they are chosen to hit error rates that were (see the presets).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, normal, normal_at, start_of, uniform
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice
from nanoneurons.physics.error_rates import best_threshold

__all__ = ["HfOxBinary"]

_LRS = "low-resistance law 6988 +- 382 ohm after a strong SET: authors' program to arXiv:2107.06064, same technology"
_CHOSEN = "chosen so that 1T1R errs at 7.2e-5, the best of 17 measured programming conditions"
_SHARE = "device-to-device part set to a quarter of the variance; the split was not found in a source"
_AGE = "error rates rise after 1e6 to 1e8 cycles (Bocquet et al., IEDM 2018); form and size chosen"
_RESISTANCES = (
    "resistance_low", "resistance_high", "low_spread_device", "high_spread_device", "low_spread_cycle",
    "high_spread_cycle",
)  # fmt: skip
_ENERGY = "V I t with 2 V, 100 uA, 100 ns"


def _sd(default: float, imperfection: str, doc: str):
    return param(
        default,
        "ln ohm",
        doc=doc,
        source=_SHARE,
        low=0.0,
        high=3.0,
        imperfection=imperfection,
        ideal=0.0,
        verified=False,
    )


def _energy(default: float, doc: str, source: str):
    return param(default, "J", doc=doc, source=source, low=0.0, high=1.0, verified=False)


@dataclass(frozen=True)
class HfOxBinary(MemoryDevice):
    """HfOx resistive memory with two states; a drive of +1 is a SET (to LRS), -1 a RESET (to HRS)."""

    title: ClassVar[str] = "HfOx RRAM, binary"
    citation: ClassVar[str] = (
        "@article{hirtzlin2020digital, title={Digital Biologically Plausible Implementation of Binarized Neural "
        "Networks With Differential Hafnium Oxide Resistive Memory Arrays}, author={Hirtzlin, Tifenn and Bocquet, "
        "Marc and Penkovsky, Bogdan and Klein, Jacques-Olivier and Nowak, Etienne and Vianello, Elisa and Portal, "
        "Jean-Michel and Querlioz, Damien}, journal={Frontiers in Neuroscience}, volume={13}, pages={1383}, "
        "year={2020}, eprint={1908.04066}}"
    )
    not_modelled: ClassVar[str] = "Intermediate states, retention, telegraph noise, pulse shape, ageing during a run."
    read_unit: ClassVar = "ohm"
    directions: ClassVar[tuple[int, ...]] = (-1, 1)
    drive_effect: ClassVar[int] = 1
    graded: ClassVar[bool] = False
    default_rule: ClassVar[str] = "straight-through"
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "levels": (*_RESISTANCES, "read_noise", "stuck_share", "stuck_low"),
        "iv": (*_RESISTANCES, "stuck_share", "stuck_low"),
        "retention": ("read_noise",),
        "noise": ("read_noise",),
    }

    resistance_low: float = param(
        6988.0, "ohm", doc="median of the low-resistance state", source=_LRS, low=1.0, high=1e12
    )
    resistance_high: float = param(
        1e5, "ohm", doc="median of the high-resistance state", source=_CHOSEN, low=1.0, high=1e12, verified=False
    )
    low_spread_device: float = _sd(0.0275, "device_to_device", "standard deviation of ln LRS from device to device")
    high_spread_device: float = _sd(0.333, "device_to_device", "standard deviation of ln HRS from device to device")
    low_spread_cycle: float = _sd(0.0476, "cycle_to_cycle", "standard deviation of ln LRS from SET to SET")
    high_spread_cycle: float = _sd(0.577, "cycle_to_cycle", "standard deviation of ln HRS from RESET to RESET")
    cycles: float = param(
        0.0, "cycle", doc="programming cycles the devices have seen", source=_AGE, low=0.0, high=1e15,
        imperfection="cycling", ideal=0.0, verified=False,
    )  # fmt: skip
    ageing_onset: float = param(
        1e7, "cycle", doc="cycles beyond which the window narrows", source=_AGE, low=1.0, high=1e15, verified=False
    )
    ageing_narrowing: float = param(
        0.4, "ln ohm/decade", doc="loss of ln HRS per decade of cycles", source=_AGE, low=0.0, high=5.0, verified=False
    )
    ageing_widening: float = param(
        0.1,
        "1/decade",
        doc="relative growth of the HRS spread per decade",
        source=_AGE,
        low=0.0,
        high=5.0,
        verified=False,
    )
    stuck_share: float = param(
        0.0, "1", doc="share of devices that cannot be programmed", low=0.0, high=1.0,
        source="0 for working devices; another HfO2 array had 9.8 % corrupt ones (aihwkit preset)",
        imperfection="stuck", ideal=0.0, verified=False,
    )  # fmt: skip
    stuck_low: float = param(
        0.16, "1", doc="share of the stuck devices that are stuck at LRS", low=0.0, high=1.0,
        source="1.75 % stuck-on against 9.04 % stuck-off, values usual in fault studies", verified=False,
    )  # fmt: skip
    read_noise: float = param(
        0.01, "ln ohm", doc="standard deviation of ln R from read to read", low=0.0, high=3.0,
        source="1 % for resistive memory (aihwkit, note on read noise)", imperfection="read_noise", ideal=0.0,
    )  # fmt: skip
    set_energy: float = _energy(20e-12, "energy of one SET", _ENERGY)
    reset_energy: float = _energy(20e-12, "energy of one RESET", _ENERGY)
    read_energy: float = _energy(10e-15, "energy of reading one device", "V^2 G t with 0.1 V, 100 uS, 10 ns")

    def check(self) -> None:
        """Check that there is a window between the two states."""
        if self.resistance_low >= self.resistance_high:
            raise ParameterError(
                f"HfOxBinary: resistance_low = {self.resistance_low:g} ohm must lie below "
                f"resistance_high = {self.resistance_high:g} ohm"
            )

    # -- the law --------------------------------------------------------------------------------------

    @property
    def decades(self) -> float:
        """Decades of cycling beyond the onset."""
        return math.log10(1 + self.cycles / self.ageing_onset)

    @property
    def log_window(self) -> float:
        """Distance of the two medians in ln R, not less than 0 after ageing."""
        return max(math.log(self.resistance_high / self.resistance_low) - self.ageing_narrowing * self.decades, 0.0)

    def spreads(self) -> tuple[float, float]:
        """Standard deviation of ln LRS and ln HRS, device-to-device and cycle-to-cycle together."""
        wider = 1 + self.ageing_widening * self.decades
        return (
            math.hypot(self.low_spread_device, self.low_spread_cycle),
            wider * math.hypot(self.high_spread_device, self.high_spread_cycle),
        )

    def read_threshold(self) -> float:
        """Conductance in S of the reference that tells the two states apart with fewest errors."""
        return math.exp(-float(best_threshold(self.log_window, *self.spreads()))) / self.resistance_low

    # -- the four methods -----------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices after a RESET; state names: ``low_shift``, ``high_shift``, ``stuck``, ``resistance``."""
        key, place = draw_key(generator), generator.device
        wider = 1 + self.ageing_widening * self.decades
        state = {
            "low_shift": self.low_spread_device * normal(key, shape, 0, place),
            "high_shift": self.high_spread_device * wider * normal(key, shape, 1, place),
            "stuck": uniform(key, shape, 2, place) < self.stuck_share,
        }
        at_low = state["stuck"] & (uniform(key, shape, 3, place) < self.stuck_low)
        state["resistance"] = self._programmed(state, at_low, normal(key, shape, 4, place))
        return state

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """SET where `drive` is positive, RESET where it is negative; stuck devices stay as they are.

        More than one pulse is one programming: only the last draw counts.
        """
        if generator is None:
            raise ParameterError("HfOxBinary.step needs a generator: each programming draws a resistance")
        if drive.is_floating_point() and not torch.isfinite(drive).all():
            raise ParameterError("HfOxBinary: the drive must be finite numbers of pulses")
        resistance = state["resistance"]
        key = draw_key(generator)
        if resistance.device.type != "cpu":
            hit = (drive != 0) & ~state["stuck"]
            fresh = self._programmed(state, drive > 0, normal(key, tuple(resistance.shape), 0, resistance.device))
            return {**state, "resistance": torch.where(hit, fresh, resistance)}
        flat = chip_shape(tuple(resistance.shape))
        after = resistance.clone(memory_format=torch.contiguous_format)
        sign = drive.expand(resistance.shape).sign().to(torch.int8)
        _program(
            sign.reshape(flat).numpy(),
            *(state[name].reshape(flat).numpy() for name in ("low_shift", "high_shift", "stuck")),
            after.view(flat).numpy(),
            *self._numbers(),
            np.uint64(key),
        )
        return {**state, "resistance": after}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Resistance in ohm; with a generator, read noise is drawn anew."""
        value = state["resistance"]
        if generator is None or self.read_noise == 0:
            return value
        noise = normal(draw_key(generator), tuple(value.shape), device=value.device)
        return noise.mul_(self.read_noise).exp_().mul_(value)

    def _numbers(self) -> tuple[np.float32, ...]:
        """Median ln LRS and ln HRS and the cycle-to-cycle spreads, after ageing."""
        low = math.log(self.resistance_low)
        wider = 1 + self.ageing_widening * self.decades
        values = (low, low + self.log_window, self.low_spread_cycle, self.high_spread_cycle * wider)
        return tuple(np.float32(v) for v in values)

    def _programmed(self, state: State, at_low: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        """Resistance that one programming leaves: the law as plain tensor arithmetic."""
        low, high, low_cycle, high_cycle = (float(v) for v in self._numbers())
        logarithm = torch.where(
            at_low, low + state["low_shift"] + low_cycle * noise, high + state["high_shift"] + high_cycle * noise
        )
        return logarithm.exp()

    def conductance_range(self) -> tuple[float, float]:
        """Conductance of the median HRS and LRS in S."""
        return math.exp(-self.log_window) / self.resistance_low, 1 / self.resistance_low

    def conductance_step(self) -> float:
        """Whole window in S: a pulse goes from one state to the other."""
        low, high = self.conductance_range()
        return high - low

    def prices(self) -> Mapping[str, Price]:
        """Energy of a SET, a RESET, their mean (``write``) and of reading one device."""

        def price(joule: float, name: str) -> Price:
            return Price(joule, self.parameter(name).source, "130 nm", verified=False)

        return {
            "set": price(self.set_energy, "set_energy"),
            "reset": price(self.reset_energy, "reset_energy"),
            "write": price(0.5 * (self.set_energy + self.reset_energy), "set_energy"),
            "read": price(self.read_energy, "read_energy"),
        }


@numba.njit(cache=True)
def _program(sign, low_shift, high_shift, stuck, resistance, low, high, low_cycle, high_cycle, key):  # pragma: no cover
    chips, cells = sign.shape
    for chip in range(chips):
        start = start_of(key, chip, 0)
        for i in range(cells):
            if sign[chip, i] == 0 or stuck[chip, i]:
                continue
            noise = normal_at(start, i)
            if sign[chip, i] > 0:
                resistance[chip, i] = math.exp(low + low_shift[chip, i] + low_cycle * noise)
            else:
                resistance[chip, i] = math.exp(high + high_shift[chip, i] + high_cycle * noise)
