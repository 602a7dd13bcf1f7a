r"""Spin-diode rectification: a resonance turns the power of a tone into a dc voltage of either sign.

.. math::
    \frac{V}{K P} = \frac{2x + \sigma}{1 + x^2}, \qquad x = \frac{f - f_r}{\alpha f_r}

with the tone *f*, the resonance :math:`f_r`, the damping :math:`\alpha` (half linewidth over resonance) and the share
:math:`\sigma` of the symmetric line. Without it the extremes are :math:`\pm 1` at :math:`f - f_r = \pm\alpha f_r`,
the sign changes at resonance and the tail is :math:`2\alpha f_r/(f - f_r)`.

Not modelled: foldover of the resonance at high power, internal modes.

Source: Leroux et al., Phys. Rev. Applied 15, 034067 (2021); the equations as the public program of Ross et al., Nat.
Nanotech. 18, 1273 (2023), has them.
"""

from __future__ import annotations

import math
from typing import Literal

import torch

from nanoneurons.core.errors import ParameterError

__all__ = ["Plan", "chain_capacity", "conversion", "leakage", "plan_frequencies", "rectified"]

Plan = Literal["linear", "geometric"]


def rectified(
    tone: torch.Tensor, resonance: torch.Tensor, damping: torch.Tensor | float, symmetric: float = 0.0
) -> torch.Tensor:
    """Rectified voltage over sensitivity and power; frequencies in Hz, shapes that broadcast."""
    x = (tone - resonance) / (damping * resonance)
    return (2 * x + symmetric) / (1 + x * x)


def conversion(magnetoresistance: float, torque: float, angle: float, threshold: float) -> float:
    r"""Sensitivity in V/W at the extremes of the dispersive line,

    .. math:: K = \frac{\Delta R}{R}\,\beta\,\frac{\tan\gamma}{8\sqrt 2\,I_{th}}

    Args:
        magnetoresistance: relative change of resistance.
        torque: efficiency beta of the spin torque.
        angle: angle gamma between the layers' magnetisations in rad.
        threshold: threshold current of auto-oscillation in A.
    """
    return magnetoresistance * torque * math.tan(angle) / (8 * math.sqrt(2) * threshold)


def plan_frequencies(count: int, low: float, high: float, plan: Plan) -> torch.Tensor:
    """Frequencies in Hz of `count` tones from `low` to `high`, float64.

    ``linear`` has equal distances, ``geometric`` equal ratios: distances in linewidths are then the same all over
    the band, and so is crosstalk. One tone stands in the middle.

    Raises:
        ParameterError: no tone, or a band that is not in order.
    """
    if count < 1:
        raise ParameterError(f"a plan needs at least one tone, not {count}")
    if not 0 < low < high < math.inf:
        raise ParameterError(f"band from {low:g} to {high:g} Hz is not in order; give 0 < lowest < highest frequency")
    share = torch.linspace(0.0, 1.0, count, dtype=torch.float64) if count > 1 else torch.tensor([0.5]).double()
    if plan == "linear":
        return low + (high - low) * share
    if plan == "geometric":
        return (low * torch.exp(math.log(high / low) * share)).clamp(low, high)  # rounding must not leave the band
    raise ParameterError(f"plan must be 'linear' or 'geometric', not {plan!r}")


def chain_capacity(low: float, high: float, damping: float, spacing: float) -> int:
    """Tones that fit from `low` to `high` Hz at a `spacing` of so many full linewidths 2 alpha f (geometric plan).

    Neighbours f and f (1 + mu)/(1 - mu) are 2 mu of their mean apart, so mu is alpha times `spacing`.

    Raises:
        ParameterError: the band is not in order, or neighbours would be further apart than frequencies can be.
    """
    mu = damping * spacing
    if not 0 < mu < 1:
        raise ParameterError(
            f"{spacing:g} linewidths of damping {damping:g} leave no place for a second tone; lower damping or spacing"
        )
    if not 0 < low < high < math.inf:
        raise ParameterError(f"band from {low:g} to {high:g} Hz is not in order; give 0 < lowest < highest frequency")
    return 1 + math.floor(math.log(high / low) / math.log((1 + mu) / (1 - mu)) + 1e-9)


def leakage(tones: torch.Tensor, damping: float, alternating: bool = True) -> torch.Tensor:
    """Summed response of all other resonators to each tone when every resonator stands on its own tone, ``(tones,)``.

    The own resonator answers nothing there, so this is what crosstalk alone adds; heads and tails in turn
    (`alternating`) make the tails of neighbours cancel.
    """
    response = rectified(tones[:, None], tones[None, :], damping)
    sign = torch.ones(len(tones), dtype=tones.dtype)
    if alternating:
        sign[1::2] = -1
    return response @ sign
