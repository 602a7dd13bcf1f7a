r"""Threshold switch: thermally activated conduction that a field lowers the barrier of, and that heats itself.

.. math::
    I = \frac{V_c}{R_0} \exp\!\left(-\frac{E_a - \beta \sqrt{V_c}}{k T}\right), \qquad
    \beta = \sqrt{\frac{e^3}{\pi \varepsilon_0 \varepsilon_r d}}, \qquad
    C_{th} \dot T = V_c I - \frac{T - T_0}{R_{th}}

(Poole-Frenkel conduction, Newton cooling), with a series resistance, :math:`v = V_c + R_s I`, in the circuit of
`switch_circuit`. Heat and conduction feed each other, so the static characteristic is an S: the current jumps up at the
threshold voltage and down at the hold voltage, and between them the differential resistance is negative. Behind a load
resistor the switch oscillates where the load line crosses that branch and the capacitor is large enough.

Not modelled: the electronic transition of NbO2 near 1080 K, a filament that grows, a profile of temperature, slow
heating of the surroundings, traps.

Source of the form: Slesazeck et al., RSC Advances 5, 102318 (2015).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from scipy import constants as si
from scipy.optimize import brentq
from scipy.special import lambertw

from nanoneurons.core.errors import ParameterError

from ._switch_laws import POOLE_FRENKEL
from .switch_circuit import SelfHeating, Value

__all__ = ["StaticPoint", "ThresholdSwitch"]

_EV = si.k / si.e
_HOTTEST = 5000.0  # K above ambient, where a search for turning points ends


class StaticPoint(NamedTuple):
    """A state that lasts at constant voltage or current, in V, A and K."""

    voltage: float
    current: float
    temperature: float


@dataclass(frozen=True)
class ThresholdSwitch(SelfHeating):
    """Material, geometry and circuit of a threshold switch in SI units, and its closed forms.

    Args:
        activation: E_a in eV.
        resistance: R_0 in ohm.
        permittivity: relative, of the field lowering.
        thickness: d in m.
        thermal_resistance: R_th in K/W.
        thermal_capacitance: C_th in J/K.
        ambient: T_0 in K.
        series: R_s in ohm.
        load: R_L in ohm.
        capacitance: C in F, across the device.
        switched, swing: in K, what counts as a switch (see `switch_circuit`).
        noise: thermal noise, times that of the fluctuation-dissipation theorem.
        jitter: standard deviation in eV of the activation energy from cycle to cycle.
    """

    law: ClassVar[int] = POOLE_FRENKEL

    activation: float = 0.23
    resistance: float = 90.0
    permittivity: float = 45.0
    thickness: float = 30e-9
    thermal_resistance: float = 8e5
    thermal_capacitance: float = 1e-14
    ambient: float = 300.0
    series: float = 300.0
    load: float = 3e3
    capacitance: float = 100e-12
    switched: float = 450.0
    swing: float = 40.0
    noise: float = 0.0
    jitter: float = 0.0

    @property
    def lowering(self) -> float:
        """beta / e in V^(1/2)."""
        return math.sqrt(si.e / (math.pi * si.epsilon_0 * self.permittivity * self.thickness))

    # -- statics -------------------------------------------------------------------------------------

    def core_current(self, core: np.ndarray | float, temperature: np.ndarray | float) -> np.ndarray:
        """Current in A at a core voltage in V and a temperature in K."""
        core = np.asarray(core, float)
        barrier = self.activation - self.lowering * np.sqrt(np.abs(core))
        return core / self.resistance * np.exp(-barrier / (_EV * np.asarray(temperature, float)))

    def core_voltage(self, temperature: np.ndarray | float) -> np.ndarray:
        """Core voltage in V at which heating and cooling balance at a temperature above ambient.

        V_c^2 exp(beta sqrt(V_c) / kT) is given there, so sqrt(V_c) = (4 kT / beta) W(...), W Lambert's function.
        """
        t = np.asarray(temperature, float)
        over = np.maximum(t - self.ambient, 0.0) / self.thermal_resistance
        scale = 4 * _EV * t / self.lowering
        fourth = (over * self.resistance) ** 0.25 * np.exp(0.25 * self.activation / (_EV * t))
        return (scale * lambertw(fourth / scale).real) ** 2

    def static(self, temperature: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
        """Voltage in V and current in A of the static characteristic, by its temperature in K."""
        core = self.core_voltage(temperature)
        current = self.core_current(core, temperature)
        return core + self.series * current, current

    def _slopes(self, t: np.ndarray | float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Core voltage, current and its derivatives by core voltage and temperature on the characteristic."""
        x = self.core_voltage(t)
        i = self.core_current(x, t)
        lowered = self.lowering * np.sqrt(x) / (_EV * np.asarray(t))
        return x, i, i / x * (1 + 0.5 * lowered), i * (self.activation / (_EV * np.asarray(t)) - lowered) / t

    def _rise(self, t: np.ndarray | float) -> np.ndarray:
        """dv/dT along the characteristic, from the balance of power, in V/K."""
        x, i, i_x, i_t = self._slopes(t)
        along = (1 / self.thermal_resistance - x * i_t) / (i + x * i_x)
        return along * (1 + self.series * i_x) + self.series * i_t

    def turning_points(self) -> tuple[StaticPoint, StaticPoint]:
        """Threshold and hold: where the static voltage has its maximum and, at larger current, its minimum.

        Raises:
            ParameterError: there are none, so the device does not switch.
        """
        found = [self._point(t) for t in _zeros(self._rise, self.ambient)]
        if len(found) < 2:
            raise ParameterError(
                "this threshold switch has no negative differential resistance and never switches; lower its series "
                f"resistance of {self.series:g} ohm or raise its activation energy of {self.activation:g} eV"
            )
        return found[0], found[1]

    def _point(self, t: float) -> StaticPoint:
        v, i = self.static(t)
        return StaticPoint(float(v), float(i), t)

    # -- in its circuit ------------------------------------------------------------------------------

    def source(self, temperature: np.ndarray | float) -> np.ndarray:
        """Source voltage in V whose fixed point has a temperature in K: v + R_L I."""
        v, i = self.static(temperature)
        return v + self.load * i

    def fixed_points(self, source: float) -> list[StaticPoint]:
        """All states in which the circuit can stay at a source voltage in V."""
        return [self._point(t) for t in _zeros(lambda t: self.source(t) - source, self.ambient)]

    def jacobian(self, temperature: np.ndarray | float) -> np.ndarray:
        """Jacobian of (dv/dt, dT/dt) by (v, T) in 1/s at the fixed points of given temperatures, ``(..., 2, 2)``."""
        x, i, i_x, i_t = self._slopes(temperature)
        over = 1 + self.series * i_x
        g, s = i_x / over, i_t / over  # by v at constant T, and by T at constant v
        heat_v, heat_t = i * (1 - self.series * g) + x * g, x * s - self.series * i * s
        first = np.stack([-(1 / self.load + g) / self.capacitance, -s / self.capacitance], -1)
        second = np.stack([heat_v, heat_t - 1 / self.thermal_resistance], -1) / self.thermal_capacitance
        return np.stack([first, second], -2)

    def oscillation_edges(self) -> tuple[float, float]:
        """Source voltages in V between which the fixed point is unstable: where the trace of the Jacobian is 0 (Hopf).

        Raises:
            ParameterError: it is stable everywhere, so the circuit does not oscillate.
        """
        edges = _zeros(lambda t: np.trace(self.jacobian(t), axis1=-2, axis2=-1), self.ambient)
        if len(edges) < 2:
            raise ParameterError(
                f"this circuit does not oscillate: with {self.capacitance:g} F and {self.load:g} ohm its fixed point "
                "is always stable; raise the capacitance"
            )
        return float(self.source(edges[0])), float(self.source(edges[1]))

    def nullclines(self, source: float, temperature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Node voltages in V with dv/dt = 0 and with dT/dt = 0 at temperatures in K."""
        low, high = np.zeros_like(temperature), np.full_like(temperature, source)
        for _ in range(60):
            middle = 0.5 * (low + high)
            over = middle + (self.series + self.load) * self.core_current(middle, temperature) > source
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        electrical = high + self.series * self.core_current(high, temperature)
        return electrical, self.static(temperature)[0]

    # -- in time -------------------------------------------------------------------------------------

    @property
    def nominal(self) -> float:
        """The activation energy in eV."""
        return self.activation

    def material(self) -> dict[str, Value]:
        """Values of the law."""
        return {
            "resistance": self.resistance, "lowering": self.lowering, "series": self.series,
        }  # fmt: skip


def _zeros(function: Callable[[np.ndarray | float], np.ndarray], ambient: float) -> list[float]:
    """Temperatures in K above ambient where a function of arrays changes its sign."""
    t = ambient + np.geomspace(1e-6, _HOTTEST, 800)
    sign = np.sign(function(t))
    return [
        float(brentq(function, t[n], t[n + 1], xtol=1e-12))  # type: ignore[arg-type]
        for n in np.flatnonzero(sign[:-1] != sign[1:])
    ]
