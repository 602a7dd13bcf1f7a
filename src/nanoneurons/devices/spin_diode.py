r"""Spin diode: a magnetic tunnel junction that rectifies a tone near its resonance into a dc voltage.

.. math::
    V = K\,g(P)\,\frac{2x + \sigma}{1 + x^2}, \quad x = \frac{f - f_r}{\alpha f_r}, \quad
    K = \frac{\Delta R}{R}\,\beta\,\frac{\tan\gamma}{8\sqrt 2\,I_{th}}, \quad
    g(P) = \frac{P_0\,(P/P_0)^n}{1 + P/P_{sat}}

Its resonance, and with it sign and size of the voltage, is tuned by a field. Read together with others, its noise is
that of its resistance over the time of a reading, :math:`\sqrt{4 k_B T R / 2t}`.

Not modelled: foldover of the line and compression by neighbouring tones (each tone is compressed alone), several
modes, frequency dependence of sensitivity, low-frequency noise, heating.

Source: Ross et al., Nat. Nanotech. 18, 1273 (2023) and its public program for line, sensitivity and values; Leroux et
al., Phys. Rev. Applied 15, 034067 (2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy import constants as si

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import ResonatorDevice
from nanoneurons.physics.spin_diode import conversion

__all__ = ["SpinDiode"]

_PROGRAM = "public program of Ross et al., Nat. Nanotech. 18, 1273 (2023)"
_CHOICE = "choice of this project"
_LEAST = 0.05  # a spread never takes damping or sensitivity below this share of their nominal values


@dataclass(frozen=True)
class SpinDiode(ResonatorDevice):
    """Spin diode with the constants of the drone network; the state holds what `ResonatorDevice` says, float32."""

    title: ClassVar[str] = "spin diode"
    citation: ClassVar[str] = """\
@article{ross2023,
  author = {Ross, Andrew and Leroux, Nathan and De Riz, Arnaud and Markovi{\\'c}, Danijela and Sanz-Hern{\\'a}ndez,
    D{\\'e}dalo and Trastoy, Juan and Bortolotti, Paolo and Querlioz, Damien and Martins, Leandro and Benetti, Luana
    and Claro, Marcel S. and Anacleto, Pedro and Schulman, Alejandro and Taris, Thierry and Begueret, Jean-Baptiste
    and Sa{\\"\\i}ghi, Sylvain and Jenkins, Alex S. and Ferreira, Ricardo and Vincent, Adrien F. and Mizrahi, Frank
    Alice and Grollier, Julie},
  title = {Multilayer spintronic neural networks with radiofrequency connections},
  journal = {Nature Nanotechnology}, volume = {18}, pages = {1273--1280}, year = {2023},
  doi = {10.1038/s41565-023-01452-w}}"""
    not_modelled: ClassVar[str] = (
        "foldover, compression by neighbouring tones, several modes, frequency dependence of sensitivity, "
        "low-frequency noise, heating"
    )
    default_rule: ClassVar[str] = "physics-aware"

    natural_frequency: float = param(
        70e6, "Hz", doc="resonance as designed; a chain's frequency plan replaces it", source=_PROGRAM + ": mid-band",
        low=1e6, high=1e11,
    )  # fmt: skip
    lowest_frequency: float = param(
        10e6, "Hz", doc="lowest resonance that can be fabricated", source=_CHOICE, low=1e5, high=1e11, verified=False
    )
    highest_frequency: float = param(
        10e9, "Hz", doc="highest resonance that can be fabricated", source=_CHOICE, low=1e6, high=1e12, verified=False
    )
    damping: float = param(0.01, "1", doc="half linewidth over resonance", source=_PROGRAM, low=1e-5, high=0.5)
    magnetoresistance: float = param(1.0, "1", doc="relative change of resistance", source=_PROGRAM, low=1e-3, high=10)
    torque_efficiency: float = param(
        1.0, "1", doc="efficiency beta of the spin torque", source=_PROGRAM, low=1e-3, high=10
    )
    angle: float = param(
        math.pi / 4, "rad", doc="angle gamma between free and polarising layer", source=_PROGRAM, low=0.01, high=1.5
    )
    threshold: float = param(
        10e-6, "A", doc="threshold current that sets the sensitivity", source=_PROGRAM, low=1e-8, high=1.0
    )
    symmetric: float = param(
        0.0, "1", doc="height of the symmetric line over that of the dispersive one",
        source=_PROGRAM + ": purely dispersive", low=-10.0, high=10.0,
    )  # fmt: skip
    exponent: float = param(
        1.0, "1", doc="power law of the detector, 1 for a square-law detector", source=_PROGRAM, low=0.25, high=2.0,
        imperfection="power_law", ideal=1.0,
    )  # fmt: skip
    reference_power: float = param(
        1e-6, "W", doc="power P_0 at which the power law does not matter", source=_CHOICE, low=1e-12, high=1.0
    )
    compression: float = param(
        0.0, "1/W", doc="inverse of the saturation power", source=_PROGRAM + ": none", low=0.0, high=1e9,
        imperfection="compression", ideal=0.0,
    )  # fmt: skip
    tuning: float = param(
        0.05, "1", doc="largest shift of the resonance over its nominal value", source=_CHOICE, low=1e-4, high=0.5,
        verified=False,
    )  # fmt: skip
    tuning_error: float = param(
        0.05, "1", doc="standard deviation of a shift over the wanted one", source=_CHOICE, low=0.0, high=1.0,
        imperfection="tuning_error", ideal=0.0, verified=False,
    )  # fmt: skip
    resonance_spread: float = param(
        0.01, "1", doc="relative standard deviation of the fabricated resonance",
        source=_PROGRAM + ": 1 % where spread is on", low=0.0, high=0.2, imperfection="resonance_spread", ideal=0.0,
    )  # fmt: skip
    damping_spread: float = param(
        0.05, "1", doc="relative standard deviation of the damping", source=_CHOICE, low=0.0, high=0.5,
        imperfection="damping_spread", ideal=0.0, verified=False,
    )  # fmt: skip
    sensitivity_spread: float = param(
        0.05, "1", doc="relative standard deviation of the sensitivity", source=_CHOICE, low=0.0, high=0.5,
        imperfection="sensitivity_spread", ideal=0.0, verified=False,
    )  # fmt: skip
    resistance: float = param(
        1e3, "ohm", doc="resistance, for the noise", source=_PROGRAM + ": that of its oscillators", low=1.0, high=1e7
    )
    temperature: float = param(
        300.0, "K", doc="temperature of the noise", source="room temperature", low=0.0, high=1000.0,
        imperfection="thermal_noise", ideal=0.0,
    )  # fmt: skip
    read_time: float = param(
        4e-6, "s", doc="time of a reading, for noise and energy; five settling times 1/(2 pi alpha f) at 20 MHz",
        source=_CHOICE, low=1e-10, high=1.0, verified=False,
    )  # fmt: skip
    absorbed: float = param(
        0.5, "1", doc="share of a tone's power taken up at resonance, for the energy", source=_CHOICE, low=0.0,
        high=1.0, verified=False,
    )  # fmt: skip

    def check(self) -> None:
        """The natural frequency must lie in the band that can be fabricated."""
        if not self.lowest_frequency < self.highest_frequency:
            raise ParameterError(
                f"lowest_frequency = {self.lowest_frequency:g} Hz must lie below "
                f"highest_frequency = {self.highest_frequency:g} Hz"
            )
        if not self.lowest_frequency <= self.natural_frequency <= self.highest_frequency:
            raise ParameterError(
                f"natural_frequency = {self.natural_frequency:g} Hz cannot be fabricated: the band is "
                f"{self.lowest_frequency:g} to {self.highest_frequency:g} Hz"
            )

    def frequency_range(self) -> tuple[float, float]:
        """Lowest and highest resonance in Hz."""
        return self.lowest_frequency, self.highest_frequency

    @property
    def tuning_range(self) -> float:
        """Largest relative shift."""
        return self.tuning

    @property
    def nominal_damping(self) -> float:
        """Half linewidth over resonance."""
        return self.damping

    @property
    def nominal_sensitivity(self) -> float:
        """K in V/W."""
        return conversion(self.magnetoresistance, self.torque_efficiency, self.angle, self.threshold)

    @property
    def symmetric_share(self) -> float:
        """sigma."""
        return self.symmetric

    @property
    def absorption(self) -> float:
        """Share of a tone at resonance that is taken up."""
        return self.absorbed

    def detected(self, power: torch.Tensor) -> torch.Tensor:
        """g(P) in W."""
        value = power
        if self.exponent != 1:  # the slope at zero power, infinite below a square law, is left out: it would make NaN
            lit = power > 0
            relative = torch.where(lit, power / self.reference_power, 1.0)
            value = torch.where(lit, self.reference_power * relative**self.exponent, 0.0)
        return value / (1 + self.compression * power) if self.compression else value

    def noise_voltage(self) -> float:
        """Johnson noise in V over the read time."""
        return math.sqrt(4 * si.k * self.temperature * self.resistance / (2 * self.read_time))

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate diodes of the natural frequency, untuned."""
        key = draw_key(generator)

        def spread(value: float, relative: float, draw: int) -> torch.Tensor:
            if relative == 0:
                return torch.full(shape, value, device=generator.device)
            noise = normal(key, shape, draw, generator.device)
            return noise.mul_(relative * value).add_(value).clamp_(min=_LEAST * value)

        deviation = spread(1.0, self.resonance_spread, 0).sub_(1.0)
        return {
            "nominal": torch.full(shape, self.natural_frequency, device=generator.device),
            "deviation": deviation,
            "shift": torch.zeros(shape, device=generator.device),
            "damping": spread(self.damping, self.damping_spread, 1),
            "sensitivity": spread(self.nominal_sensitivity, self.sensitivity_spread, 2),
        }

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Shift resonances by `drive` in Hz, each with its own error, within the tuning range; `dt` is not used."""
        if not bool(torch.isfinite(drive).all()):
            raise ParameterError(f"{type(self).__name__}: a wanted shift is NaN or infinite; give numbers in Hz")
        key = draw_key(generator)
        if self.tuning_error:
            noise = normal(key, tuple(state["shift"].shape), 0, state["shift"].device)
            drive = drive * (1 + self.tuning_error * noise)
        limit = self.tuning * state["nominal"]
        return {**state, "shift": torch.minimum(torch.maximum(state["shift"] + drive, -limit), limit)}

    def prices(self) -> Mapping[str, Price]:
        """Nothing by itself: a diode is passive, what it absorbs is paid by the oscillator or amplifier before it."""
        return {}
