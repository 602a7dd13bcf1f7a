r"""Izhikevich's simple model: a quadratic membrane equation with a linear recovery variable and a reset.

.. math::
    \dot v = s\,(k_2 v^2 + k_1 v + k_0 - u + I), \qquad \dot u = s\,a\,[b\,(v - v_b) - \lambda u], \qquad
    v \ge v_p:\ v \to c,\ u \to u + d

In SI units: v in V, u and the drive I (a current over the capacitance) in V/s. The original numbers are in ms and
mV: :math:`k_2 = 0.04` there is 4e4/(V s) here, :math:`k_1 = 5` is 5e3/s, :math:`k_0 = 140` is 140 V/s; a and b per ms
become 1000 times larger per s, c in mV 1000 times smaller in V; u, d and I keep their numbers. :math:`\lambda = 1` and
:math:`v_b = 0` but for one of the twenty behaviours; s is 1 but for the spread of time scales.

Not modelled: ion channels, the width of spikes (v falls from its peak at once).

Source: Izhikevich, IEEE Trans. Neural Netw. 14, 1569 (2003) and 15, 1063 (2004).
"""

from __future__ import annotations

import torch

from nanoneurons.solvers import Equation, Spiking

__all__ = ["IZHIKEVICH", "resting"]

_PARAMETERS = ("quadratic", "linear", "constant", "a", "b", "pivot", "decay", "c", "d", "peak", "speed")


def _rhs(v, u, quadratic, linear, constant, a, b, pivot, decay, c, d, peak, speed, drive):
    dv = (quadratic * v + linear) * v + constant - u + drive
    return speed * dv, speed * a * (b * (v - pivot) - decay * u)


def _reset(v, u, quadratic, linear, constant, a, b, pivot, decay, c, d, peak, speed):
    return c, u + d


IZHIKEVICH = Spiking(
    Equation("Izhikevich", states=("v", "u"), parameters=_PARAMETERS, inputs=("drive",), rhs=_rhs),
    peak="peak",
    reset=_reset,
)


def resting(
    quadratic: float,
    linear: float,
    constant: torch.Tensor,
    a: float,
    b: float,
    pivot: float,
    decay: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Stable state without a drive, v in V and u in V/s; where there is none, the bottom of the parabola.

    Without decay of u, v rests at the pivot and u holds it there.
    """
    if decay == 0:
        v = torch.full_like(constant, pivot)
        return v, (quadratic * v + linear) * v + constant
    slope = linear - b / decay
    offset = constant + b * pivot / decay
    root = (slope * slope - 4 * quadratic * offset).clamp(min=0).sqrt()
    low, high = (-slope - root) / (2 * quadratic), (-slope + root) / (2 * quadratic)
    # stable: trace below zero, determinant above; the lower root is a saddle where a < 0
    v = torch.where(_stable(low, quadratic, linear, a, b, decay), low, high)
    v = torch.where(_stable(v, quadratic, linear, a, b, decay), v, low)
    return v, b * (v - pivot) / decay


def _stable(v: torch.Tensor, quadratic: float, linear: float, a: float, b: float, decay: float) -> torch.Tensor:
    own = 2 * quadratic * v + linear
    return (own - a * decay < 0) & (-own * a * decay + a * b > 0)
