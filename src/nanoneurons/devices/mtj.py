r"""Magnetic tunnel junction: a free layer that turns as one, moved by the current, read by the conductance.

.. math::
    \dot{\mathbf m} = -\gamma_0\, \mathbf m \times (\mathbf H_{eff} + a\, \mathbf m \times \mathbf p
    + \beta a\, \mathbf p + \mathbf h_T) + \alpha\, \mathbf m \times \dot{\mathbf m}, \qquad
    a = \frac{\hbar}{2 e \mu_0 M_s V} \frac{P\, I}{1 + P^2\, \mathbf m \cdot \mathbf p}

.. math::
    G(\theta, V) = \frac{1}{R_P} \left[1 - \frac{\mathrm{TMR}(V)}{1 + \mathrm{TMR}(V)}
    \frac{1 - \cos\theta}{2}\right], \qquad \mathrm{TMR}(V) = \frac{\mathrm{TMR}_0}{1 + V^2/V_h^2}

with :math:`\cos\theta = \mathbf m \cdot \mathbf p` and the thermal field :math:`\mathbf h_T` of Brown. **A positive
current favours the parallel state**: electrons flow from the reference layer to the free layer. The free layer is a
disc with its easy axis normal to the film.

Not modelled: switching by a reversed domain that grows (the rule above 40 nm or so), the reference layer's stray field
and motion, voltage-controlled anisotropy (the equation has it), heating, wear and breakdown before its limit.

Source: Slonczewski, J. Magn. Magn. Mater. 159, L1 (1996); defaults after the junction of Ikeda et al., Nature Materials
9, 721 (2010).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import torch
from scipy import constants as si

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, normal
from nanoneurons.devices._device import Device, State
from nanoneurons.physics.macrospin import MACROSPIN, Macrospin
from nanoneurons.solvers import integrate, step_advice

__all__ = ["MagneticTunnelJunction"]

_IKEDA = "Ikeda et al., Nature Materials 9, 721 (2010), from memory"
_CHOICE = "choice of this project"
_TILT = 1e-3  # rad from the pole at which a layer without thermal motion starts: at the pole there is no torque
_LONGEST = 2_000_000_000  # inner steps times devices of one call, beyond which something is wrong


@dataclass(frozen=True)
class MagneticTunnelJunction(Device):
    """A tunnel junction with a perpendicular free layer; drive: current in A, positive favours parallel.

    State, float64: ``m``, shape ``(*chips, *cells, 3)``, and the devices' own ``resistance`` (of the parallel state,
    ohm) and ``anisotropy`` (H_K, A/m). Any `dt` is integrated in as many inner steps as it needs: RK4 without
    thermal field, stochastic Heun with it.
    """

    kind: ClassVar[str] = "junction"
    title: ClassVar[str] = "magnetic tunnel junction, perpendicular"
    citation: ClassVar[str] = """\
@article{ikeda2010,
  author = {Ikeda, S. and Miura, K. and Yamamoto, H. and Mizunuma, K. and Gan, H. D. and Endo, M. and Kanai, S. and
    Hayakawa, J. and Matsukura, F. and Ohno, H.},
  title = {A perpendicular-anisotropy CoFeB-MgO magnetic tunnel junction},
  journal = {Nature Materials}, volume = {9}, pages = {721--724}, year = {2010}, doi = {10.1038/nmat2804}}"""
    not_modelled: ClassVar[str] = (
        "Switching by a growing domain, the reference layer's stray field and motion, voltage-controlled anisotropy, "
        "heating, wear."
    )
    drive_unit: ClassVar[str] = "A"
    read_unit: ClassVar[str] = "S"

    saturation: float = param(
        1.257e6, "A/m", doc="saturation magnetisation Ms", source=_IKEDA + ": 1.58 T", low=1e4, high=3e6,
        verified=False,
    )  # fmt: skip
    diameter: float = param(40e-9, "m", doc="diameter of the disc", source=_IKEDA, low=1e-9, high=1e-6, verified=False)
    thickness: float = param(
        1.3e-9, "m", doc="thickness of the free layer", source=_IKEDA, low=1e-10, high=1e-7, verified=False
    )
    damping: float = param(0.027, "1", doc="Gilbert alpha", source=_IKEDA, low=1e-5, high=1.0, verified=False)
    anisotropy: float = param(
        1.395e6, "A/m", doc="anisotropy field H_K without demagnetisation", low=0.0, high=1e8,
        source="set so that Delta = 43 at 300 K: " + _IKEDA, verified=False,
    )  # fmt: skip
    demagnetisation: float = param(
        1.0, "1", doc="demagnetising factor N along the normal; (1 - N)/2 in the plane", low=0.0, high=1.0,
        source="a thin film",
    )  # fmt: skip
    polarisation: float = param(
        0.619, "1", doc="spin polarisation P", low=0.0, high=0.999,
        source="TMR = 2 P^2/(1 - P^2) (Julliere) with a TMR of 124 %", verified=False,
    )  # fmt: skip
    field_like: float = param(
        0.0, "1", doc="field-like over damping-like torque", source=_CHOICE + "; 0.1 to 0.3 are usual", low=-2.0,
        high=2.0,
    )  # fmt: skip
    reference_angle: float = param(
        0.0, "rad", doc="angle of the reference layer to the normal", source="both layers perpendicular", low=0.0,
        high=math.pi,
    )  # fmt: skip
    field: float = param(0.0, "A/m", doc="applied field along the normal", source="none", low=-1e7, high=1e7)
    temperature: float = param(
        300.0, "K", doc="temperature of the thermal field", source="room temperature", low=0.0, high=1000.0,
        imperfection="thermal_noise", ideal=0.0,
    )  # fmt: skip
    resistance: float = param(
        14.3e3, "ohm", doc="resistance of the parallel state R_P", source=_IKEDA + ": 18 ohm um^2", low=1.0, high=1e9,
        verified=False,
    )  # fmt: skip
    tmr: float = param(
        1.24, "1", doc="(R_AP - R_P)/R_P at zero voltage", source=_IKEDA, low=0.0, high=20.0, verified=False
    )
    half_voltage: float = param(
        0.5, "V", doc="V_h, voltage at which the TMR is half", source="0.3 to 0.5 V are usual", low=0.01, high=10.0,
        verified=False,
    )  # fmt: skip
    read_voltage: float = param(0.05, "V", doc="voltage of a reading", source=_CHOICE, low=0.0, high=2.0)
    breakdown: float = param(
        1.5, "V", doc="voltage that destroys the barrier", source=_CHOICE + ": 1 to 2 V for MgO of 1 nm", low=0.01,
        high=100.0, verified=False,
    )  # fmt: skip
    resistance_spread: float = param(
        0.05, "1", doc="relative spread of the resistance", source=_CHOICE, low=0.0, high=0.5,
        imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip
    anisotropy_spread: float = param(
        0.05, "1", doc="relative spread of H_K less demagnetisation, and so of Delta", source=_CHOICE, low=0.0,
        high=0.5, imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip

    def check(self) -> None:
        """The normal must be an easy axis, and +z a stable direction in the field."""
        if self.anisotropy <= self._shape:
            raise ParameterError(
                f"MagneticTunnelJunction: anisotropy = {self.anisotropy:g} A/m must exceed that of the shape, "
                f"{self._shape:g} A/m; the layer would lie in the plane"
            )
        if self.anisotropy - self._shape + self.field <= 0:
            raise ParameterError(
                f"MagneticTunnelJunction: field = {self.field:g} A/m turns the layer over; keep it above "
                f"{self._shape - self.anisotropy:g} A/m"
            )
        if self.read_voltage > self.breakdown:
            raise ParameterError(
                f"MagneticTunnelJunction: read_voltage = {self.read_voltage:g} V must not exceed "
                f"breakdown = {self.breakdown:g} V"
            )

    # -- closed forms ---------------------------------------------------------------------------------

    @property
    def _shape(self) -> float:
        """Ms (N_z - N_x), the part of H_K that demagnetisation takes."""
        return self.saturation * (1.5 * self.demagnetisation - 0.5)

    @property
    def _direction(self) -> tuple[float, float, float]:
        return math.sin(self.reference_angle), 0.0, math.cos(self.reference_angle)

    def macrospin(self, state: State | None = None, temperature: float | None = None) -> Macrospin:
        """The free layer: of the nominal device, or of those in `state`."""
        across = (1 - self.demagnetisation) / 2
        return Macrospin(
            ms=self.saturation,
            volume=math.pi / 4 * self.diameter**2 * self.thickness,
            thickness=self.thickness,
            alpha=self.damping,
            hk=self.anisotropy if state is None else state["anisotropy"].reshape(chip_shape(state["anisotropy"].shape)),
            demagnetisation=(across, across, self.demagnetisation),
            polarisation=self.polarisation,
            reference=self._direction,
            field_like=self.field_like,
            temperature=self.temperature if temperature is None else temperature,
        )

    def thermal_stability(self, temperature: float = 300.0) -> float:
        """Delta = mu0 Ms V (H_K - Ms (N_z - N_x)) / (2 k_B T), without the applied field."""
        return float(self.macrospin().thermal_stability(temperature))

    def critical_current(self, parallel: bool) -> float:
        """Current in A at which the parallel (antiparallel) state gets unstable at 0 K; negative (positive).

        Raises:
            ParameterError: the reference layer is not perpendicular; see `threshold_current`.
        """
        if self.reference_angle not in (0.0, math.pi):
            raise ParameterError("critical_current is for a perpendicular reference layer; use threshold_current")
        return float(self.macrospin().critical_current(parallel, (0.0, 0.0, self.field)))

    def threshold_current(self) -> float:
        """Current in A, negative, at which precession sets in with a reference layer in the plane.

        Raises:
            ParameterError: the reference layer does not lie in the plane; see `critical_current`.
        """
        if not math.isclose(self.reference_angle, math.pi / 2):
            raise ParameterError("threshold_current is for a reference layer in the plane; use critical_current")
        return float(self.macrospin().threshold_current((0.0, 0.0, self.field)))

    def frequency(self) -> float:
        """Frequency in Hz of small precession about the normal."""
        return float(self.macrospin().resonance((0.0, 0.0, 1.0), (0.0, 0.0, self.field)))

    def tmr_at(self, voltage: float) -> float:
        """TMR(V) = TMR_0 / (1 + V^2 / V_h^2)."""
        return self.tmr / (1 + (voltage / self.half_voltage) ** 2)

    def breakdown_current(self) -> float:
        """Current in A of the nominal antiparallel junction at its breakdown voltage: the largest drive."""
        return self.breakdown / (self.resistance * (1 + self.tmr_at(self.breakdown)))

    def check_current(self, state: State, drive: torch.Tensor) -> None:
        """Refuse a current that is NaN, or that would break a junction down in its antiparallel state.

        Raises:
            ParameterError: names the first such current, its index and its limit.
        """
        limit = self.breakdown_current() * self.resistance / state["resistance"]
        current = drive.expand(limit.shape)
        bad = ~(current.abs() <= limit)  # also True for NaN
        if not bool(bad.any()):
            return
        index = tuple(int(i) for i in bad.nonzero()[0])
        value, most = float(current[index]), float(limit[index])
        if value != value:
            raise ParameterError(f"MagneticTunnelJunction: the current at index {index} is NaN; give a number in A")
        raise ParameterError(
            f"MagneticTunnelJunction: current {value:g} A at index {index} is beyond breakdown: {self.breakdown:g} V "
            f"are reached at {most:g} A in the antiparallel state; lower it"
        )

    def inner_step(self) -> float:
        """Inner time step in s of the nominal device, the same whatever its neighbours do."""
        return _inner_step(self)

    # -- the four methods -----------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Layers along +z (parallel to an upward reference), tilted by their thermal motion or by 1 mrad without it."""
        key = draw_key(generator)
        spread = torch.exp(self.anisotropy_spread * normal(key, shape, 0).double())
        resistance = self.resistance * torch.exp(self.resistance_spread * normal(key, shape, 1).double())
        stiffness = (self.anisotropy - self._shape) * spread + self.field
        layer = self.macrospin()
        variance = si.k * self.temperature / (si.mu_0 * self.saturation * layer.volume * stiffness)
        angle = torch.sqrt(torch.clamp(variance, max=0.1))
        x = _TILT + angle * normal(key, shape, 2).double()
        y = angle * normal(key, shape, 3).double()
        m = torch.stack([x, y, torch.ones_like(x)], -1)
        return {
            "m": m / m.norm(dim=-1, keepdim=True),
            "resistance": resistance,
            "anisotropy": self._shape + (self.anisotropy - self._shape) * spread,
        }

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Integrate the free layer for `dt` seconds at the current `drive` in A.

        Raises:
            ParameterError: a current is NaN or beyond breakdown, or the time needs too many inner steps.
        """
        self.check_current(state, drive)
        m = state["m"]
        shape = tuple(m.shape[:-1])
        flat = chip_shape(shape)
        inner = math.ceil(dt / self.inner_step() * (1 - 1e-12))
        if inner * m.numel() // 3 > _LONGEST:
            raise ParameterError(
                f"MagneticTunnelJunction: {dt:g} s are {inner:.2g} inner steps of {m.numel() // 3} devices; "
                "take a shorter time or fewer devices"
            )
        if inner == 0:
            return dict(state)
        key = draw_key(generator) if self.temperature > 0 else None
        found = integrate(
            MACROSPIN, m.reshape(*flat, 3), self.macrospin(state).parameters(), dt=dt / inner, steps=inner, every=inner,
            method=self._method, key=key,
            drive={"current": drive.double().expand(shape).reshape(flat), "hz": self.field},
        )  # fmt: skip
        return {**state, "m": found.last.reshape(m.shape)}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S at the read voltage."""
        return self.conductance(state, self.read_voltage)

    def conductance(self, state: State, voltage: float) -> torch.Tensor:
        """G(theta, V) in S."""
        cosine = state["m"] @ torch.tensor(self._direction, dtype=torch.float64)
        tmr = self.tmr_at(voltage)
        return (1 - tmr / (1 + tmr) * 0.5 * (1 - cosine)) / state["resistance"]

    def prices(self) -> Mapping[str, Price]:
        """A read and a write of 10 ns, from the nominal device's own resistance and critical current."""
        read = Price(
            self.read_voltage**2 / self.resistance * 10e-9, "V^2 t/R_P, 10 ns (time chosen)", "not stated", False
        )
        if self.reference_angle not in (0.0, math.pi):
            return {"read": read}
        current = 1.5 * max(abs(self.critical_current(state)) for state in (True, False))
        current = min(current, self.breakdown_current())
        joule = current**2 * self.resistance * (1 + 0.5 * self.tmr) * 10e-9
        return {"read": read, "write": Price(joule, "I^2 R t, 1.5 I_c0, mean R, 10 ns (chosen)", "not stated", False)}

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """Half of the breakdown current towards antiparallel, for 0.2 ns."""
        return torch.full(shape, -0.5 * self.breakdown_current()), 0.2e-9

    @property
    def _method(self) -> str:
        return "stochastic-heun" if self.temperature > 0 else "rk4"


@cache
def _inner_step(device: MagneticTunnelJunction) -> float:
    """Smallest advice over eight directions at both ends of the range of currents."""
    corners = torch.tensor([[a, b, c] for a in (1.0, -1.0) for b in (1.0, -1.0) for c in (1.0, -1.0)]).double() / 3**0.5
    poles = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]).double()
    y0 = torch.cat([corners, poles])[None]
    values = device.macrospin(temperature=0.0).parameters()
    most = device.breakdown_current()
    return min(
        step_advice(MACROSPIN, y0, values, method=device._method, drive={"current": current, "hz": device.field})
        for current in (most, -most)
    )
