r"""TiO2 memristor, under voltage pulses of any size.

.. math::
    \Delta w = (1 - w)^{\gamma_p} \left(e^{-\alpha_p (V + \theta_p)} - 1\right) \quad (V < -\theta_p), \qquad
    \Delta w = -w^{\gamma_n} \left(e^{\alpha_n (V - \theta_n)} - 1\right) \quad (V > \theta_n)

Titanium dioxide, filamentary, analogue in both directions.

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

__all__ = ["TiO2"]


@dataclass(frozen=True)
class TiO2(VoltageMemristor):
    """Oxide memristor of titanium dioxide: thresholds near 1.5 V, ratio 7.5."""

    title: ClassVar[str] = "TiO2 memristor"

    threshold_up: float = fitted(1.43233, "threshold of raising the conductance, magnitude", "V")
    threshold_down: float = fitted(1.56427, "threshold of lowering the conductance", "V")
    steepness_up: float = fitted(0.67896, "exponential steepness of raising", "1/V")
    steepness_down: float = fitted(0.76369, "exponential steepness of lowering", "1/V")
    exponent_up: float = fitted(1.67958, "exponent of 1 - w in raising")
    exponent_down: float = fitted(1.58529, "exponent of w in lowering")
    on_off_ratio: float = fitted(7.5, "highest over lowest conductance", low=1.001, high=1e6)
    reach_up: float = fitted(1.05, "voltage of the largest wanted rise, over its threshold", low=0.1, high=10.0)
    reach_down: float = fitted(1.11, "voltage of the largest wanted fall, over its threshold", low=0.1, high=10.0)
    conductance_high: float = param(
        0.8e-3, "S", doc="conductance at weight 1",
        source="0.08 to 0.8 mS in the authors' earlier program (repository VDSP_ocl)",
        low=1e-12, high=1.0, verified=False,
    )  # fmt: skip
