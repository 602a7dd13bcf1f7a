r"""Hysteretic switch: a metal-insulator transition in temperature that remembers where the temperature turned round.

.. math::
    R = R_0 e^{A / T} g(T) + R_m, \qquad
    g = \tfrac12 + \tfrac12 \tanh \beta \Big[\delta \frac w2 + T_c - T - T_{pr} P\Big(\frac{T - T_r}{T_{pr}}\Big)\Big],
    \qquad P(x) = \tfrac12 (1 - \sin \gamma x)(1 + \tanh(\pi^2 - 2 \pi x))

where delta is +1 on heating and -1 on cooling. At a reversal at T_r the proximity temperature T_pr is set so that R
does not jump; T_pr = 0 is the major loop. The circuit is that of `switch_circuit` with I = v/R and no series
resistance. A reversal is a change of sign of the drift of the temperature, located in time; noise moves along a branch.

Not modelled: percolation of domains, exact wiping-out of nested loops, a profile of temperature, heat exchanged with
neighbours, latent heat.

Source: de Almeida et al., Optical Engineering 41, 2582 (2002), with the circuit and constants of Zhang et al., as
published with their code (collective dynamics of thermal neuristors).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from scipy.optimize import minimize_scalar

from nanoneurons.core.errors import ParameterError

from ._switch_laws import VANADIUM
from .switch_circuit import SelfHeating, Value

__all__ = ["HystereticSwitch"]


@dataclass(frozen=True)
class HystereticSwitch(SelfHeating):
    """Material and circuit of a hysteretic switch in SI units.

    Args:
        arrhenius: R_0 in ohm.
        slope: A in K.
        metallic: R_m in ohm.
        steepness: beta in 1/K.
        width: w in K.
        transition: T_c in K.
        loop: gamma, shape of minor loops.
        thermal_resistance: in K/W.
        thermal_capacitance: in J/K.
        ambient: T_0 in K.
        load: R_L in ohm.
        capacitance: C in F.
        switched, swing: in K, what counts as a switch (see `switch_circuit`).
        noise: thermal noise, times that of the fluctuation-dissipation theorem.
        jitter: standard deviation in K of the transition temperature from cycle to cycle.
    """

    law: ClassVar[int] = VANADIUM

    arrhenius: float = 5.35882879e-3
    slope: float = 5220.47417
    metallic: float = 262.5 * 4.90025335
    steepness: float = 0.252796285
    width: float = 7.19357064
    transition: float = 332.805839
    loop: float = 0.956269682
    thermal_resistance: float = 1 / 0.20558726e-3
    thermal_capacitance: float = 49.62776831e-12
    ambient: float = 325.0
    load: float = 12e3
    capacitance: float = 145.34619293e-12
    switched: float = 340.0
    swing: float = 5.0
    noise: float = 0.0
    jitter: float = 0.0

    def major(self, temperature: np.ndarray | float, direction: int) -> np.ndarray:
        """Resistance in ohm on the major loop, heating (1) or cooling (-1), at a temperature in K."""
        t = np.asarray(temperature, float)
        share = 0.5 + 0.5 * np.tanh(self.steepness * (0.5 * direction * self.width + self.transition - t))
        return self.arrhenius * np.exp(self.slope / t) * share + self.metallic

    def static(self, temperature: np.ndarray | float, direction: int) -> tuple[np.ndarray, np.ndarray]:
        """Voltage in V and current in A of the static characteristic on the major loop, by its temperature in K."""
        t = np.asarray(temperature, float)
        r = self.major(t, direction)
        v = np.sqrt(np.maximum(t - self.ambient, 0.0) / self.thermal_resistance * r)
        return v, v / r

    def turning_points(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Threshold on the heating branch and hold on the cooling branch: voltage (V), current (A), temperature (K).

        Raises:
            ParameterError: the static voltage has no such extremes, so the device does not switch.
        """
        reach = np.linspace(self.ambient + 1e-3, self.transition + 5 * self.width + 5 / self.steepness, 2000)
        found = []
        for direction, sign in ((1, 1.0), (-1, -1.0)):
            v = sign * self.static(reach, direction)[0]
            inner = [n for n in range(1, len(v) - 1) if v[n] >= v[n - 1] and v[n] > v[n + 1]]
            if not inner:
                raise ParameterError(
                    f"this hysteretic switch never switches: an ambient temperature of {self.ambient:g} K and a "
                    f"transition at {self.transition:g} K leave no turning point; lower the ambient temperature"
                )
            best: Any = minimize_scalar(
                lambda t, d=direction, s=sign: -s * float(self.static(t, d)[0]),
                bounds=(reach[inner[0] - 1], reach[inner[0] + 1]), method="bounded", options={"xatol": 1e-9},
            )  # fmt: skip
            v0, i0 = self.static(best.x, direction)
            found.append((float(v0), float(i0), float(best.x)))
        return found[0], found[1]

    @property
    def nominal(self) -> float:
        """The transition temperature in K."""
        return self.transition

    def material(self) -> dict[str, Value]:
        """Values of the law."""
        return {
            "arrhenius": self.arrhenius, "slope": self.slope, "metallic": self.metallic, "steepness": self.steepness,
            "width": self.width, "loop": self.loop,
        }  # fmt: skip
