r"""How many weights a chain of resonators can hold: the map from small detunings to weights.

.. math::
    J_{ik} = h_k\,\frac{\partial W_i}{\partial f_k} = 2\,\frac{f_i}{f_k}\,\frac{x^2 - 1 + \sigma x}{(1 + x^2)^2},
    \qquad x = \frac{f_i - f_k}{\alpha f_k}

with every resonance on its own tone, weights in units of one resonator's largest and detunings in half linewidths
:math:`h_k = \alpha f_k`. On a geometric plan *J* depends on *i - k* only. For tones closer than a linewidth a pattern
of detunings with :math:`\kappa` radians per half linewidth acts with the gain :math:`\kappa e^{1-\kappa}` relative to
the best one, so fine patterns fade exponentially and the number of weights that can be set independently has a limit
that no further tone raises.

Signs of the resonators (head to tail) multiply columns of *J*: they change where the weights start, not how many are
independent.

Not modelled: detunings beyond a linewidth, where the map bends and more may be reached.

Source: the Fourier transform of the dispersive line, ours; the line as in `spin_diode`.
"""

from __future__ import annotations

import math

import torch
from scipy.special import lambertw

from nanoneurons.core.errors import ParameterError

__all__ = ["contrast", "independent", "independent_limit", "linewidths_apart", "pattern_limit", "weight_map"]


def weight_map(tones: torch.Tensor, damping: float, symmetric: float = 0.0) -> torch.Tensor:
    """The map J of every tone (rows) from the detuning of every resonator (columns), ``(tones, tones)``, float64."""
    f = tones.double()
    x = (f[:, None] - f[None, :]) / (damping * f[None, :])
    return 2 * (f[:, None] / f[None, :]) * (x * x - 1 + symmetric * x) / (1 + x * x).square()


def independent(tones: torch.Tensor, damping: float, least: float = 0.1, symmetric: float = 0.0) -> tuple[int, float]:
    """How many independent patterns of weights the chain reaches with at least `least` of the best gain.

    Returns:
        The number of singular values of `weight_map` above that share of the largest, and the condition number.
    """
    values = torch.linalg.svdvals(weight_map(tones, damping, symmetric))
    floor = max(float(values[-1]), 1e-300)
    return int((values >= least * values[0]).sum()), float(values[0]) / floor


def pattern_limit(least: float) -> float:
    """Largest kappa, in radians per half linewidth, at which kappa exp(1 - kappa) is still `least`.

    Raises:
        ParameterError: `least` is not between 0 and 1.
    """
    if not 0 < least < 1:
        raise ParameterError(f"the least gain must lie between 0 and 1, not {least:g}")
    return -float(lambertw(-least / math.e, -1).real)


def independent_limit(low: float, high: float, damping: float, least: float = 0.1) -> float:
    r"""Most weights that a band can hold however many tones share it,

    .. math:: N = \frac{\kappa}{\pi}\,\frac{\ln(f_{high}/f_{low})}{\alpha}, \qquad \kappa\,e^{1-\kappa} = least

    counted as `independent` does.
    """
    return pattern_limit(least) / math.pi * math.log(high / low) / damping


def contrast(spacing: float) -> float:
    r"""Gain of detuning neighbours in opposite directions, over that of a resonator alone,

    .. math:: \frac{\kappa^2\cosh\kappa}{\sinh^2\kappa}, \qquad \kappa = \frac{\pi}{2\,spacing}

    for a long chain of tones a `spacing` of so many full linewidths apart: about 1 from one linewidth up,
    exponentially small far below.
    """
    kappa = math.pi / (2 * spacing)
    if kappa > 300:
        return 0.0
    return kappa**2 * math.cosh(kappa) / math.sinh(kappa) ** 2


def linewidths_apart(tones: torch.Tensor, damping: float) -> tuple[float, float]:
    """Smallest and largest distance of neighbouring tones in full linewidths of their mean, 2 alpha f."""
    f = tones.double()
    if len(f) < 2:
        return math.inf, math.inf
    apart = (f[1:] - f[:-1]) / (damping * (f[1:] + f[:-1]))
    return float(apart.min()), float(apart.max())
