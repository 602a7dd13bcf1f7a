r"""Networks of linear resistors and ideal diodes: the voltages that dissipate least power.

With sources that hold some nodes at given voltages and inject currents :math:`i` into others, Kirchhoff's current law
is the stationary point of the half power

.. math:: E(v) = \frac12 \sum_{(j,k)} g_{jk} (v_j - v_k)^2 - \sum_j i_j v_j,

and an ideal diode towards ground, which conducts without a voltage drop or not at all, only bounds its node's voltage,
:math:`v_j \ge 0` or :math:`v_j \le 0`. E is convex, so the state is its constrained minimum. Along one node it is a
parabola, whose minimum within the bounds is

.. math:: v_j = \mathrm{clip}\!\left(\frac{\sum_k g_{jk} v_k + i_j}{\sum_k g_{jk}}\right),

exact for all nodes at once that share no resistor; going through such sets in turn, E never rises.

Voltages in V, conductances in S, currents in A (or any units in proportion). Node voltages ``(..., batch, nodes)``;
conductances between two groups *a* and *b* ``(..., b, a)``.

Not modelled: capacitance (how long settling takes), voltage drops and leakage of real diodes, wires.

Source: Kendall et al., arXiv:2006.01981 (2020); Scellier, ICML 2024 (PMLR 235), arXiv:2402.11674.
"""

from __future__ import annotations

import torch

__all__ = ["clip_halves", "half_power", "node_voltages", "nudged_pair"]


def half_power(a: torch.Tensor, b: torch.Tensor, conductance: torch.Tensor) -> torch.Tensor:
    """Half the power in the resistors between nodes at voltages `a` and `b`, of every sample ``(..., batch)``."""
    squares = a.square() @ conductance.sum(-2).unsqueeze(-1) + b.square() @ conductance.sum(-1).unsqueeze(-1)
    return 0.5 * squares.squeeze(-1) - ((a @ conductance.transpose(-2, -1)) * b).sum(-1)


def node_voltages(current: torch.Tensor, conductance: torch.Tensor) -> torch.Tensor:
    """Voltages that balance the currents flowing in, ``(sum g v + i) / sum g``; 0 where nothing is connected.

    Args:
        current: what flows in while the node is at 0 V, ``(..., batch, nodes)``.
        conductance: sum of all that hang on a node, ``(..., nodes)`` up to broadcasting.
    """
    return current / conductance.clamp_min(torch.finfo(conductance.dtype).tiny)


def clip_halves(voltage: torch.Tensor) -> torch.Tensor:
    """Diodes: the first half of the nodes cannot go below 0 (excitatory), the rest not above (inhibitory); in place."""
    half = voltage.shape[-1] // 2
    voltage[..., :half].clamp_(min=0)
    voltage[..., half:].clamp_(max=0)
    return voltage


def nudged_pair(
    current: torch.Tensor, conductance: torch.Tensor, beta: float | torch.Tensor, wanted: torch.Tensor
) -> torch.Tensor:
    r"""Voltages of pairs of outputs into which :math:`\pm\beta\,(y - v_+ + v_-)` is injected.

    They minimise :math:`E + \frac\beta2 |y - (v_+ - v_-)|^2` along both halves at once: two linear equations for each
    pair.

    Args:
        current, conductance: as for `node_voltages`; the first half of the nodes is +, the second -.
        beta: strength of nudging, a number or ``(batch, 1)``; 0 for none.
        wanted: y, ``(..., batch, nodes / 2)``.
    """
    current_plus, current_minus = current.chunk(2, -1)
    plus, minus = conductance.chunk(2, -1)
    injected = beta * wanted
    determinant = plus * minus + beta * (plus + minus)
    both = beta * (current_plus + current_minus)
    up = (minus * (current_plus + injected) + both) / determinant
    down = (plus * (current_minus - injected) + both) / determinant
    return torch.cat([up, down], -1)
