r"""Weakly coupled phase oscillators: the Kuramoto-type equation of motion and its closed forms.

.. math::
    \dot\theta_i = \omega_i + \sum_j K_{ij} \sin(\theta_j - \theta_i) + \sum_X F_{iX} \sin(\theta_X - \theta_i)
        + \sqrt{2 D_i}\,\xi_i

Any oscillator with a stable cycle obeys it while forces are weak beside the relaxation of its amplitude. A
Slavin-Tiberkevich oscillator with dimensionless nonlinear shift nu does so with K replaced by
``K sqrt(1 + nu^2) exp(i arctan nu)`` (Kuramoto-Sakaguchi), i.e. a complex coupling matrix of the solver.

Sources: Kuramoto, Chemical Oscillations, Waves, and Turbulence (1984); Adler, Proc. IRE 34, 351 (1946); Slavin and
Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009).
"""

from __future__ import annotations

import math

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.solvers import Equation
from nanoneurons.solvers.ops import cos, sin, sqrt

__all__ = [
    "PHASE_OSCILLATOR",
    "kuramoto_order",
    "kuramoto_threshold",
    "locked_phase",
    "pair_locking_detuning",
    "slip",
]

Value = float | torch.Tensor


def _rhs(theta, omega, diffusion, push, c, s):
    return (omega + push + s * cos(theta) - c * sin(theta),)


def _noise(theta, omega, diffusion):
    return (sqrt(2.0 * diffusion),)


def _emits(theta, omega, diffusion):
    return cos(theta), sin(theta)


PHASE_OSCILLATOR = Equation(
    name="phase-oscillator",
    states=("theta",),
    parameters=("omega", "diffusion"),
    inputs=("push", "c", "s"),
    rhs=_rhs,
    noise=_noise,
    noisy=("push",),
    emits=_emits,
    incoming=("c", "s"),
)
"""dtheta/dt = omega + push + s cos(theta) - c sin(theta), in a frame of any angular frequency.

An oscillator emits exp(i theta); c + i s is the sum of what it receives, so that K exp(i theta_j) pulls by
K sin(theta_j - theta). A tone F exp(i (omega_X t + phase)) is ``Tones(F, -omega_X, -phase)``. ``diffusion`` is D in
1/s (the free line is a Lorentzian of full width D / pi in Hz); ``push`` shifts the angular frequency (rad/s).
Not modelled: amplitude, waveforms with harmonics.
"""


def slip(detuning: Value, locking: Value) -> torch.Tensor:
    """Mean slip rate of dphi/dt = detuning - locking sin(phi): sign(d) sqrt(d^2 - K^2), 0 inside the range (Adler).

    For an oscillator under a tone `locking` is F; for a pair it is K_12 + K_21. All in rad/s.
    """
    detuning, locking = torch.as_tensor(detuning), torch.as_tensor(locking)
    return torch.sign(detuning) * torch.sqrt(torch.clamp(detuning**2 - locking**2, min=0.0))


def locked_phase(detuning: Value, locking: Value) -> torch.Tensor:
    """Phase difference in rad at which a locked pair or driven oscillator rests, arcsin(d / K); NaN outside."""
    ratio = torch.as_tensor(detuning) / torch.as_tensor(locking)
    return torch.asin(torch.where(ratio.abs() <= 1, ratio, torch.full_like(ratio, math.nan)))


def pair_locking_detuning(coupling: Value, back: Value | None = None) -> Value:
    """Largest difference of natural angular frequencies at which a pair locks: K_12 + K_21, so 2 k for equal ones."""
    return 2 * coupling if back is None else coupling + back


def kuramoto_threshold(half_width: float) -> float:
    """Critical K_c = 2 Delta of an infinite population, couplings K / N, Lorentzian of half width Delta (rad/s)."""
    return 2 * half_width


def kuramoto_order(coupling: float, half_width: float) -> float:
    """Order parameter r = |<exp(i theta)>| = sqrt(1 - K_c / K) of that population; 0 below the threshold.

    Raises:
        ParameterError: the half width is not positive.
    """
    if not half_width > 0:
        raise ParameterError(f"half width of the frequencies = {half_width} rad/s must be positive")
    critical = kuramoto_threshold(half_width)
    return math.sqrt(1 - critical / coupling) if coupling > critical else 0.0
