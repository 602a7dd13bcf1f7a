r"""The adaptive exponential integrate-and-fire neuron: a leak, an exponential upstroke and an adaptation current.

.. math::
    C\dot v = -g_L(v - E_L) + g_L\Delta_T\,e^{(v - V_T)/\Delta_T} - w + I, \qquad
    \tau_w\dot w = a(v - E_L) - w, \qquad v \ge v_p:\ v \to V_r,\ w \to w + b

SI units. Not modelled: the downstroke of a spike, a refractory time.

Source: Brette and Gerstner, J. Neurophysiol. 94, 3637 (2005).
"""

from __future__ import annotations

import math

import torch

from nanoneurons.solvers import Equation, Spiking
from nanoneurons.solvers.ops import exp

__all__ = ["ADAPTIVE_EXPONENTIAL", "bifurcation_current", "resting"]

_PARAMETERS = ("capacitance", "leak", "rest", "slope", "threshold", "time", "a", "reset", "b", "peak")


def _rhs(v, w, capacitance, leak, rest, slope, threshold, time, a, reset, b, peak, current):
    upstroke = slope * exp((v - threshold) / slope)
    return (leak * (rest - v + upstroke) - w + current) / capacitance, (a * (v - rest) - w) / time


def _reset(v, w, capacitance, leak, rest, slope, threshold, time, a, reset, b, peak):
    return reset, w + b


ADAPTIVE_EXPONENTIAL = Spiking(
    Equation("adaptive exponential", states=("v", "w"), parameters=_PARAMETERS, inputs=("current",), rhs=_rhs),
    peak="peak",
    reset=_reset,
)


def resting(leak: float, rest: float, slope: float, threshold: torch.Tensor, a: float) -> tuple[torch.Tensor, ...]:
    """Stable v in V and w in A without a current: Newton's method from E_L, which rises to the lower root."""
    v = torch.full_like(threshold, rest)
    for _ in range(30):
        upstroke = torch.exp(((v - threshold) / slope).clamp(max=0.0))
        over = leak * (rest - v + slope * upstroke) - a * (v - rest)
        v = v + over / (leak + a - leak * upstroke).clamp(min=1e-6 * leak)
    return v, a * (v - rest)


def bifurcation_current(
    capacitance: float, leak: float, rest: float, slope: float, threshold: float, time: float, a: float
) -> float:
    r"""Current in A, approached slowly, at which rest ends.

    .. math:: I = (g_L + a)\,[V_T - E_L - \Delta_T + \Delta_T\ln(1 + r)] + \Delta_T\,g_L\,(a/g_L - r),
        \qquad r = \min(a/g_L,\ \tau_m/\tau_w)

    a saddle-node bifurcation where :math:`a/g_L` is the smaller, else a Hopf bifurcation.

    Source: Naud, Marcille, Clopath and Gerstner, Biol. Cybern. 99, 335 (2008).
    """
    r = min(a / leak, capacitance / leak / time)
    return (leak + a) * (threshold - rest - slope + slope * math.log1p(r)) + slope * leak * (a / leak - r)
