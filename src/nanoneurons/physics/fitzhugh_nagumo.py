r"""The FitzHugh-Nagumo oscillator: a cubic membrane equation with linear recovery, dimensionless but for its time.

.. math::
    T\dot v = v - v^3/3 - w + I, \qquad T\dot w = (v + a - b w)/\tau

A spike is where v rises through a level; there is no reset, the equation itself brings v back.

Not modelled: threshold in the strict sense (the response grows steeply but continuously with the stimulus).

Source: FitzHugh, Biophys. J. 1, 445 (1961); Nagumo, Arimoto and Yoshizawa, Proc. IRE 50, 2061 (1962).
"""

from __future__ import annotations

import math

import torch

from nanoneurons.solvers import Equation, Spiking

__all__ = ["FITZHUGH_NAGUMO", "hopf_drives", "resting"]

_PARAMETERS = ("scale", "a", "b", "slowness", "peak", "rearm")


def _rhs(v, w, scale, a, b, slowness, peak, rearm, drive):
    return (v - v * v * v / 3 - w + drive) / scale, (v + a - b * w) / (slowness * scale)


FITZHUGH_NAGUMO = Spiking(
    Equation("FitzHugh-Nagumo", states=("v", "w"), parameters=_PARAMETERS, inputs=("drive",), rhs=_rhs),
    peak="peak",
    rearm="rearm",
)


def resting(a: torch.Tensor, b: float) -> tuple[torch.Tensor, torch.Tensor]:
    """v and w at the crossing of the nullclines without a drive; one crossing for b up to 1.

    v^3/3 + (1/b - 1) v + a/b = 0 by Cardano's formula.
    """
    p, q = 3 * (1 / b - 1), 3 * a / b
    root = (q * q / 4 + p**3 / 27).sqrt()
    v = _cube_root(-q / 2 + root) + _cube_root(-q / 2 - root)
    for _ in range(2):  # rounding of the formula
        v = v - (v**3 + p * v + q) / (3 * v * v + p)
    return v, (v + a) / b


def _cube_root(x: torch.Tensor) -> torch.Tensor:
    return x.sign() * x.abs() ** (1 / 3)


def hopf_drives(a: float, b: float, slowness: float) -> tuple[float, float]:
    r"""Drives between which rest is unstable, where :math:`1 - v^2 = b/\tau` at rest."""
    v = math.sqrt(1 - b / slowness)

    def drive(v: float) -> float:
        return (v + a) / b - v + v**3 / 3

    return drive(-v), drive(v)
