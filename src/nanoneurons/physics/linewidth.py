r"""Width of the line of an oscillator whose phase diffuses, from Lorentzian to Gaussian.

The power of an auto-oscillator forgets at the rate :math:`2\Gamma_p`, and its noise shakes the frequency for as long.
The phase gained in a time t then has the variance

.. math:: \sigma^2(t) = \Delta\Big[(1 + \nu^2)\,t - \nu^2\,\frac{1 - e^{-2\Gamma_p t}}{2\Gamma_p}\Big]

and the spectrum is the Fourier transform of :math:`e^{-\sigma^2/2}`: a Lorentzian of full width
:math:`(1 + \nu^2)\Delta` (rad/s) where that is far below :math:`2\Gamma_p`, a Gaussian of full width
:math:`2\nu\sqrt{\ln 2 \cdot 2\Gamma_p\Delta}` where it is far above. Simulated lines are up to 10 % narrower where the
variance of the power, :math:`\Delta/\Gamma_p` of its square, is 0.05. Not modelled: noise of the power so large that
its own damping changes; what the wings gain from it.

Source: V. S. Tiberkevich, A. N. Slavin and J.-V. Kim, Phys. Rev. B 78, 092401 (2008).
"""

from __future__ import annotations

import math

import numpy as np
import torch

__all__ = ["QUIET", "phase_linewidth"]

QUIET = 0.05  # largest variance of the power, relative to its square, for which this holds

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(200)
_T = torch.from_numpy(0.5 * (_NODES + 1))  # from 0 to 1
_W = torch.from_numpy(0.5 * _WEIGHTS)
_END = 36.0  # exponent at which the integral stops: e^-36 is rounding
_HALVINGS = 48  # of the interval that holds the half width


def phase_linewidth(diffusion: torch.Tensor, nonlinearity: torch.Tensor, rate: torch.Tensor) -> torch.Tensor:
    """Full width at half maximum in Hz.

    Args:
        diffusion: Delta = D / p0, variance of the phase per second at constant power, in 1/s.
        nonlinearity: nu, of the same shape as the others.
        rate: 2 Gamma_p in 1/s, at which a deviation of the power decays.
    """
    diffusion, nonlinearity, rate = torch.broadcast_tensors(diffusion, nonlinearity, rate)
    # in units of the rate: e^-(a u + b (u - 1 + e^-u))
    a = 0.5 * diffusion / rate
    b = a * nonlinearity * nonlinearity
    # the exponent is at least a u + b u^2 / (2 + u), which reaches _END at this u
    half = 0.5 * (_END - 2 * a)
    end = (half + torch.sqrt(half * half + 2 * _END * (a + b))) / (a + b)
    u = end.unsqueeze(-1) * _T * _T  # dense near 0, where the slow start lies
    weight = 2 * end.unsqueeze(-1) * _T * _W
    weight = weight * torch.exp(-a.unsqueeze(-1) * u - b.unsqueeze(-1) * (u + torch.expm1(-u)))
    wanted = 0.5 * weight.sum(-1)
    low, high = torch.zeros_like(a), a + b  # a slow start only narrows the line
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = (weight * torch.cos(middle.unsqueeze(-1) * u)).sum(-1) > wanted
        low, high = torch.where(above, middle, low), torch.where(above, high, middle)
    return torch.where(diffusion > 0, (low + high) * rate / (2 * math.pi), diffusion)
