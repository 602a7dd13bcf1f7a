r"""HfO2 analogue memristor, under voltage pulses of any size.

.. math::
    \Delta w = (1 - w)^{\gamma_p} \left(e^{-\alpha_p (V + \theta_p)} - 1\right) \quad (V < -\theta_p), \qquad
    \Delta w = -w^{\gamma_n} \left(e^{\alpha_n (V - \theta_n)} - 1\right) \quad (V > \theta_n)

Hafnium dioxide, filamentary, analogue in both directions. The exponent of lowering is that of the published program,
half the exponent of raising; the fit itself gave a fifth.

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

__all__ = ["HfO2Analog"]


@dataclass(frozen=True)
class HfO2Analog(VoltageMemristor):
    """Oxide memristor of hafnium dioxide, analogue: thresholds near 0.8 V, ratio 4."""

    title: ClassVar[str] = "HfO2 analogue memristor"

    threshold_up: float = fitted(0.80384, "threshold of raising the conductance, magnitude", "V")
    threshold_down: float = fitted(0.85177, "threshold of lowering the conductance", "V")
    steepness_up: float = fitted(0.96082, "exponential steepness of raising", "1/V")
    steepness_down: float = fitted(1.28332, "exponential steepness of lowering", "1/V")
    exponent_up: float = fitted(1.0172, "exponent of 1 - w in raising")
    exponent_down: float = fitted(0.5086, "exponent of w in lowering")
    on_off_ratio: float = fitted(4.0, "highest over lowest conductance", low=1.001, high=1e6)
    reach_up: float = fitted(1.08, "voltage of the largest wanted rise, over its threshold", low=0.1, high=10.0)
    reach_down: float = fitted(1.08, "voltage of the largest wanted fall, over its threshold", low=0.1, high=10.0)
    conductance_high: float = param(
        0.4e-3, "S", doc="conductance at weight 1",
        source="choice of this project; only ratios of conductances matter to learning",
        low=1e-12, high=1.0, verified=False,
    )  # fmt: skip
