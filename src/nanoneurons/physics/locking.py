r"""Closed forms of injection and mutual locking of auto-oscillators (Adler's equation).

For a weak signal the power follows the phase, and the phase difference :math:`\psi` to a tone obeys

.. math:: \dot\psi = \delta - \Delta \sin(\psi + \arctan\nu), \qquad
          \Delta = \frac{F}{\sqrt{p_0}} \sqrt{1 + \nu^2}

with the detuning :math:`\delta`, tone minus free frequency. `AutoOscillator.locking_range` gives :math:`\Delta`. Not
modelled: signals so strong that they change the power by its own size; noise.

Sources: R. Adler, Proc. IRE 34, 351 (1946); A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009).
"""

from __future__ import annotations

import torch

__all__ = ["injected_force", "locked_phase", "mutual_half_range", "slip_frequency"]

Value = float | torch.Tensor


def slip_frequency(detuning: Value, half_range: Value) -> torch.Tensor:
    """Mean rate at which an oscillator slips behind a tone: sign(d) sqrt(d^2 - D^2), 0 when locked; unit of `detuning`.

    Args:
        detuning: d, frequency of the tone minus that of the free oscillator.
        half_range: D, half of the locking range, in the same unit.
    """
    d = _tensor(detuning)
    return torch.sign(d) * torch.sqrt(torch.clamp(d * d - _tensor(half_range) ** 2, min=0.0))


def locked_phase(detuning: Value, half_range: Value, nonlinearity: Value) -> torch.Tensor:
    """Stable phase difference in rad, arcsin(d / D) - arctan(nu); NaN outside the locking range."""
    return torch.asin(_tensor(detuning) / _tensor(half_range)) - torch.atan(_tensor(nonlinearity))


def mutual_half_range(coupling: Value, phase: Value, nonlinearity: Value) -> torch.Tensor:
    r"""Largest difference of free frequencies at which two like oscillators lock: 2 K |cos b + nu sin b|; rad/s.

    Both receive :math:`K e^{ib} c_j` of the other. The gain :math:`\sqrt{1 + \nu^2}` over phase oscillators
    shows only when the phase of the coupling suits it, b = arctan(nu); at b = 0 there is none.

    Args:
        coupling: K in rad/s.
        phase: b in rad.
        nonlinearity: nu of both.
    """
    b, nu = _tensor(phase), _tensor(nonlinearity)
    return 2 * _tensor(coupling) * torch.abs(torch.cos(b) + nu * torch.sin(b))


def injected_force(half_range: Value, power: Value, nonlinearity: Value) -> torch.Tensor:
    """Amplitude F in rad/s of the tone that locks over +- `half_range` (rad/s): D sqrt(p0) / sqrt(1 + nu^2)."""
    nu = _tensor(nonlinearity)
    return _tensor(half_range) * torch.sqrt(_tensor(power)) / torch.sqrt(1 + nu * nu)


def _tensor(value: Value) -> torch.Tensor:
    return torch.as_tensor(value, dtype=torch.float64)
