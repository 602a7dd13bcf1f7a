r"""HZO ferroelectric tunnel junction, under voltage pulses of any size.

.. math::
    \Delta w = (1 - w)^{\gamma_p} \left(e^{-\alpha_p (V + \theta_p)} - 1\right) \quad (V < -\theta_p), \qquad
    \Delta w = -w^{\gamma_n} \left(e^{\alpha_n (V - \theta_n)} - 1\right) \quad (V > \theta_n)

The polarisation of the barrier sets the tunnelling current; domains switch one after the other.

Not modelled: width and shape of pulses, relaxation and drift after them, heating, endurance; below 1 % of the range the
program lets a depression take the full step, which is left out here.

Source: Garg et al., arXiv:2510.25787, Communications Materials (2025); constants from the authors' public program
(repository VDSP-Memristors, MIT), a fit to their measured devices. Spreads and noise, not given there, are usual sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nanoneurons.core.parameter import param
from nanoneurons.devices._voltage_memristor import VoltageMemristor, fitted

__all__ = ["HZOFTJ"]


@dataclass(frozen=True)
class HZOFTJ(VoltageMemristor):
    """Tunnel junction of ferroelectric hafnium zirconium oxide: thresholds near 0.4 V, ratio 2.65."""

    title: ClassVar[str] = "HZO ferroelectric tunnel junction"

    threshold_up: float = fitted(0.41171, "threshold of raising the conductance, magnitude", "V")
    threshold_down: float = fitted(0.38857, "threshold of lowering the conductance", "V")
    steepness_up: float = fitted(1.15921, "exponential steepness of raising", "1/V")
    steepness_down: float = fitted(0.54963, "exponential steepness of lowering", "1/V")
    exponent_up: float = fitted(1.0679, "exponent of 1 - w in raising")
    exponent_down: float = fitted(1.68711, "exponent of w in lowering")
    on_off_ratio: float = fitted(2.65, "highest over lowest conductance", low=1.001, high=1e6)
    reach_up: float = fitted(1.05, "voltage of the largest wanted rise, over its threshold", low=0.1, high=10.0)
    reach_down: float = fitted(1.26, "voltage of the largest wanted fall, over its threshold", low=0.1, high=10.0)
    conductance_high: float = param(
        1e-6, "S", doc="conductance at weight 1",
        source="choice of this project: tunnel junctions have high resistances",
        low=1e-12, high=1.0, verified=False,
    )  # fmt: skip
