r"""Vortex oscillator: a magnetic tunnel junction whose free layer holds a vortex that gyrates under spin torque.

The core's motion follows the geometry and material of the dot through the equations of
`nanoneurons.physics.vortex`; the emitted voltage is

.. math::
    V = \frac{R_L}{R_L + R_0}\,\lambda\, s, \qquad \beta = \tfrac23, \qquad
    \lambda = \tfrac12 I \Delta R\, \beta \sqrt{\big(1 - (H/M_{SAF})^2\big)\big(1 - (H/M_s)^2\big)}

where s = r/R is the radius of gyration; valid up to s = 0.6, beyond which a current is taken as breakdown.

Not modelled: deformation, expulsion and reversal of the core, pinning, other modes; the relaxation of this rigid core
is about ten times faster than that of measured oscillators (for those, see spin-torque-oscillator).

Source: Grimaldi et al., Phys. Rev. B 89, 104404 (2014), as collected in a third-party thesis, with two errors
corrected (see the physics module).
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
from nanoneurons.devices._kinds import OscillatorDevice
from nanoneurons.devices._oscillation import SEED, noisy, ohmic, run, spread, spread_param
from nanoneurons.physics.vortex import VALID, VORTEX, VortexCore

__all__ = ["VortexOscillator"]

_GRIMALDI = "vortex set of a third-party thesis after Grimaldi et al., Phys. Rev. B 89, 104404 (2014)"
_CHOICE = "choice of this project"


def _size(default: float, unit: str, doc: str, low: float, high: float):
    return param(default, unit, doc=doc, source=_GRIMALDI, low=low, high=high)


@dataclass(frozen=True)
class VortexOscillator(OscillatorDevice):
    """Vortex oscillator from geometry and material.

    State, all float64: ``x``, ``y`` (core position in units of R, in the frame of the nominal frequency at the
    operating current) and the devices' own ``radius``, ``thickness`` (m), ``damping`` and ``field`` (T).
    """

    title: ClassVar[str] = "vortex spin-torque oscillator, from geometry"
    citation: ClassVar[str] = """\
@article{grimaldi2014,
  author = {Grimaldi, Eva and Dussaux, Antoine and Bortolotti, Paolo and Grollier, Julie and Pillet, Gregoire
    and Fukushima, Akio and Kubota, Hitoshi and Yakushiji, Kay and Yuasa, Shinji and Cros, Vincent},
  title = {Response to noise of a vortex based spin transfer nano-oscillator},
  journal = {Physical Review B}, volume = {89}, pages = {104404}, year = {2014}, doi = {10.1103/PhysRevB.89.104404}}"""
    not_modelled: ClassVar[str] = "deformation, expulsion and reversal of the core, pinning, other modes, heating"

    radius: float = _size(250e-9, "m", "radius R of the dot", 20e-9, 2e-6)
    thickness: float = _size(10e-9, "m", "thickness L of the free layer", 1e-9, 100e-9)
    magnetisation: float = _size(6.5e5, "A/m", "saturation magnetisation of the free layer", 1e4, 3e6)
    reference_magnetisation: float = _size(10.1e5, "A/m", "magnetisation of the polarising layer", 1e4, 3e6)
    field: float = _size(0.44, "T", "perpendicular field mu0 H", 0.0, 3.0)
    polarisation: float = _size(0.5, "1", "spin polarisation P", 0.01, 1.0)
    gilbert: float = _size(0.01, "1", "Gilbert damping alpha", 1e-4, 1.0)
    core_radius: float = _size(33e-9, "m", "radius b of the core", 1e-9, 200e-9)
    nonlinear_damping: float = _size(2.0, "1", "nonlinear damping xi", 0.0, 100.0)
    chirality: float = param(1.0, "1", doc="C, sense of the vortex", source=_GRIMALDI, low=-1.0, high=1.0, integer=True)
    resistance: float = _size(100.0, "ohm", "resistance R_0 of the junction", 1.0, 1e7)
    load: float = _size(50.0, "ohm", "load resistance R_L", 1.0, 1e7)
    resistance_change: float = _size(15.0, "ohm", "R_AP - R_P", 0.0, 1e7)
    operating_current: float = param(
        9.3e-3, "A", doc="operating point, 1.75 times the threshold", source=_CHOICE, low=1e-7, high=1.0
    )
    temperature: float = param(
        300.0, "K", doc="temperature of the thermal noise", source="room temperature", low=0.0, high=1000.0,
        imperfection="thermal_noise", ideal=0.0,
    )  # fmt: skip
    read_noise: float = param(
        0.0, "V", doc="standard deviation of a reading", source=_CHOICE, low=0.0, high=1.0, imperfection="read_noise",
        ideal=0.0, verified=False,
    )  # fmt: skip
    radius_spread: float = spread_param(0.01, "relative spread of the radius")
    thickness_spread: float = spread_param(0.01, "relative spread of the thickness")
    damping_spread: float = spread_param(0.03, "relative spread of the Gilbert damping")

    def check(self) -> None:
        """The field must not saturate either layer, the core must fit, and the operating point must oscillate."""
        if self.field >= si.mu_0 * min(self.magnetisation, self.reference_magnetisation):
            limit = si.mu_0 * min(self.magnetisation, self.reference_magnetisation)
            raise ParameterError(f"field = {self.field:g} T saturates a layer; it must stay below {limit:.3g} T")
        if self.radius <= 2 * self.core_radius * math.exp(0.25):
            raise ParameterError(
                f"radius = {self.radius:g} m leaves no room for a core of {self.core_radius:g} m; give 2.6 of it"
            )
        threshold, largest = self.threshold_current(), self._largest()
        if not threshold < self.operating_current <= largest:
            raise ParameterError(
                f"operating_current = {self.operating_current:g} A must lie between the threshold of {threshold:.4g} A "
                f"and {largest:.4g} A, where the core leaves the valid range s < {VALID:g} or loses its stiffness"
            )

    @property
    def simulates_phase(self) -> bool:
        """Yes."""
        return True

    @property
    def default_current(self) -> float:
        """The operating point."""
        return self.operating_current

    def core(self, state: State | None = None) -> VortexCore:
        """Geometry and material: of the nominal device, or of those in `state`."""
        own = state or {}
        return VortexCore(
            own.get("radius", self.radius), own.get("thickness", self.thickness), self.magnetisation,
            self.reference_magnetisation, self.field, self.polarisation, own.get("damping", self.gilbert),
            self.core_radius, self.nonlinear_damping, self.chirality, self.temperature,
        )  # fmt: skip

    def threshold_current(self) -> float:
        """I_th in A."""
        return float(self.core().threshold_current())

    def _largest(self) -> float:
        """Current at which the nominal core reaches the edge of the valid range, s0^2 = 0.36, in A.

        Or, in large thick dots that reach it late or never, at which the Oersted field of the direction that softens
        the core leaves 1 % of its stiffness.
        """
        p = self.core().parameters()
        # a I = (D/G) [kappa + (kappa zeta + xi kappa) s^2], linear in I
        s2, drag = VALID**2, p["damper"] / p["gyro"]
        fixed = drag * (p["stiff"] * (1 + p["xi"] * s2) + p["nonlinear"] * s2)
        per_ampere = p["torque"] - drag * (p["stiff_oe"] * (1 + p["xi"] * s2) + p["nonlinear_oe"] * s2)
        edge = float(fixed / per_ampere) if per_ampere > 0 else math.inf
        softened = 0.99 * float(p["stiff"]) / abs(float(p["stiff_oe"])) if self.chirality else math.inf
        return min(edge, softened)

    def current_range(self) -> tuple[float, float]:
        """Threshold, and the current at which the model ends: s reaches 0.6, or the core loses its stiffness; in A."""
        return self.threshold_current(), self._largest()

    def frequency(self, current: torch.Tensor) -> torch.Tensor:
        """Gyration frequency in Hz."""
        self.check_current(current)
        return (self.core().angular_frequency(current.double()) / (2 * math.pi)).to(current.dtype)

    def _volts(self, current: torch.Tensor) -> torch.Tensor:
        """Emitted voltage per unit of s."""
        tilt = self.field / si.mu_0
        overlap = math.sqrt((1 - (tilt / self.reference_magnetisation) ** 2) * (1 - (tilt / self.magnetisation) ** 2))
        divider = self.load / (self.load + self.resistance)
        return divider * 0.5 * current.abs() * self.resistance_change * (2 / 3) * overlap

    def amplitude(self, current: torch.Tensor) -> torch.Tensor:
        """Emitted voltage in V, 0 below threshold."""
        self.check_current(current)
        wide = current.double()
        return (self._volts(wide) * self.core().radius_squared(wide).sqrt()).to(current.dtype)

    def linewidth(self, current: torch.Tensor) -> torch.Tensor:
        """Closed forms of `VortexCore.linewidth` in Hz, NaN where they do not hold."""
        self.check_current(current)
        return self.core().linewidth(current.double()).to(current.dtype)

    def relaxation_time(self, current: torch.Tensor) -> torch.Tensor:
        """Time constant of the squared radius in s."""
        self.check_current(current)
        return self.core().relaxation_time(current.double()).to(current.dtype)

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Cores at the centre: thermal fluctuations, or a millionth of the radius where there is no noise."""
        key = draw_key(generator)
        state = {
            "radius": spread(key, shape, self.radius, self.radius_spread, 0),
            "thickness": spread(key, shape, self.thickness, self.thickness_spread, 1),
            "damping": spread(key, shape, self.gilbert, self.damping_spread, 2),
            "current": torch.zeros(shape, dtype=torch.float64),
        }
        p = self.core(state).parameters()
        size = torch.clamp(torch.sqrt(torch.as_tensor(p["thermal"] / p["stiff"])), min=SEED)
        return {"x": size * normal(key, shape, 4).double(), "y": size * normal(key, shape, 5).double(), **state}

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Gyrate at the current `drive` (A) for `dt` seconds."""
        self.check_current(drive)
        key = draw_key(generator)
        if dt == 0:
            return dict(state)
        current = drive.double().expand(state["x"].shape)
        x, y = self._run(state, current, dt, 1, key)
        return {**state, "x": x[-1], "y": y[-1], "current": current.clone()}

    def advance(self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator) -> State:
        """`n` steps of `dt` with the same current, at once."""
        return self.step(state, drive, n * dt, generator)

    def trace(
        self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """`n` steps at once, and the signal in V after each."""
        self.check_current(drive)
        current = drive.double().expand(state["x"].shape)
        x, y = self._run(state, current, dt, n, draw_key(generator))
        return self._volts(current) * torch.complex(x, y), {**state, "x": x[-1], "y": y[-1], "current": current.clone()}

    def _run(
        self, state: State, current: torch.Tensor, dt: float, records: int, key: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        core = self.core(state)
        centre = core.angular_frequency(current)  # a frame in which only the transient turns
        x, y = state["x"], state["y"]
        rate = self._rate(core, current, torch.maximum(core.radius_squared(current), x * x + y * y))
        limit = torch.tensor([self._largest(), -self._largest()], dtype=torch.float64)
        nominal = self._rate(self.core(), limit, torch.tensor(VALID**2, dtype=torch.float64)).max()
        values = {name: torch.as_tensor(value) for name, value in core.parameters(centre).items()}
        turn = centre - self.core().angular_frequency(self.operating_current)
        noise = key if self.temperature > 0 else None
        return run(VORTEX, (x, y), values, current, dt, rate, nominal, turn, noise, records)

    def _rate(self, core: VortexCore, current: torch.Tensor, squared: torch.Tensor) -> torch.Tensor:
        """Fastest rate of motion up to a squared radius, in 1/s: the nonlinear turn and the damping."""
        turn, zeta, drag, over = core.rates(current)
        damping = over.abs() + (zeta.abs() + self.nonlinear_damping) * squared
        return turn * zeta.abs() * squared + 2 * drag * damping

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Emitted voltage amplitude in V at the last current."""
        voltage = self._volts(state["current"]) * torch.hypot(state["x"], state["y"])
        return noisy(voltage, self.read_noise, generator)

    def prices(self) -> Mapping[str, Price]:
        """Ohmic power at the operating point, as energy per second of oscillation."""
        return ohmic(self.resistance, self.operating_current)
