r"""What the rules of equilibrium propagation share: estimators of a gradient from states at several nudgings.

.. math:: -\frac{\mathrm{d}L}{\mathrm{d}\theta} \approx
    \mathrm{Re} \sum_k c_k \frac{\partial\Phi}{\partial\theta}(s_{\beta_k})
"""

from __future__ import annotations

import cmath
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch

from nanoneurons.core.errors import ConvergenceWarning, ParameterError, RefusedError
from nanoneurons.layers.activation import ACTIVATIONS, softmax
from nanoneurons.layers.coupling import Pair, real_pairs
from nanoneurons.networks._phases import Clamped, Relaxed, RelaxingNetwork, States
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = [
    "ESTIMATORS", "Point", "bias_changes", "is_noisy", "loss_of", "pairs", "points", "random_sign",
    "readout_changes", "require_holomorphic", "warn_unsettled", "without_noise",
]  # fmt: skip

_MORE_STEPS = 1000  # tried before it is said that a phase does not settle
ESTIMATORS = ("one-sided", "random-sign", "centred", "holomorphic")


@dataclass(frozen=True)
class Point:
    """One nudging and the weight of the states it leads to; a `beta` of 0 is the free phase.

    Attributes:
        signs: of beta and weight for every chip, ``(chips, 1, 1)``; None for plus.
    """

    beta: float | complex
    weight: float | complex
    signs: torch.Tensor | None = None


def points(estimator: str, beta: float, count: int = 2, generator: torch.Generator | None = None) -> list[Point]:
    r"""Nudgings and weights of an estimator.

    ``one-sided``: :math:`(\partial\Phi_\beta - \partial\Phi_0)/\beta`, biased to first order in beta; ``random-sign``:
    the same with a random sign of beta for every mini-batch; ``centred``: :math:`(\partial\Phi_\beta -
    \partial\Phi_{-\beta})/2\beta`, to second order; ``holomorphic``: *count* points on a circle of radius beta, to
    order *count* (points of conjugate pairs give conjugate states, so one of each is run).

    Raises:
        ParameterError: an unknown estimator, beta 0, or fewer than two points.
    """
    if estimator not in ESTIMATORS:
        raise ParameterError(f"no estimator {estimator!r}; there are {', '.join(ESTIMATORS)}")
    if beta == 0 or not math.isfinite(beta):
        raise ParameterError("beta is 0: a network that is not nudged learns nothing; give for example 0.2")
    if estimator == "random-sign":
        if generator is None:
            raise ParameterError("the random-sign estimator needs a generator")
        beta = random_sign(generator) * beta
    if estimator in ("one-sided", "random-sign"):
        return [Point(beta, 1 / beta), Point(0.0, -1 / beta)]
    if estimator == "centred":
        return [Point(beta, 0.5 / beta), Point(-beta, -0.5 / beta)]
    if count < 2:
        raise ParameterError(f"the holomorphic estimator needs at least 2 points on the circle, not {count}")
    found: list[Point] = []
    for k in range(count // 2 + 1):
        turn = cmath.exp(2j * math.pi * k / count)
        twice = 1 if 2 * k in (0, count) else 2  # its conjugate counts too
        real = twice == 1
        at = beta * turn
        weight = twice / (count * beta) * turn.conjugate()
        found.append(Point(at.real, weight.real) if real else Point(at, weight))
    return found


def random_sign(generator: torch.Generator) -> float:
    """A fair +1 or -1."""
    return 1.0 if bool(torch.rand((), generator=generator) < 0.5) else -1.0


def pairs(network: RelaxingNetwork, clamped: Clamped, found: Sequence[tuple[Point, States]]) -> list[list[Pair]]:
    """For every coupling the weighted pairs of states whose correlations make up the estimate; real if it is linear."""
    lists: list[list[Pair]] = [[] for _ in network.edges]
    for point, states in found:
        seen = [clamped.x, *network.shown(states)]
        for k, e in enumerate(network.edges):
            shown = seen[e.target] if point.signs is None else point.signs * seen[e.target]
            pair = point.weight, seen[e.source], shown
            lists[k] += real_pairs(*pair) if e.coupling.linear else [pair]
    return lists


def bias_changes(network: RelaxingNetwork, found: Sequence[tuple[Point, States]]) -> list[torch.Tensor]:
    """The estimate for every bias, summed over the batch."""
    changes: list[torch.Tensor] = []
    shown = [(point.weight, network.shown(states)) for point, states in found]
    signs = found[0][0].signs
    opposite = len(found) == 2 and found[0][0].weight == -found[1][0].weight
    for n, bias in enumerate(network.biases):
        total = torch.zeros_like(bias)
        terms = [(shown[0][0], shown[0][1][n] - shown[1][1][n])] if opposite else [(c, seen[n]) for c, seen in shown]
        for c, s in terms:  # differences first: sums over batch and positions are large against them
            axis = [0, 2, 3] if len(network.shapes[n + 1]) == 3 else [0 if network.chips is None else 1]
            value = _times(c, s.sum(axis, dtype=None if s.is_complex() else total.dtype))
            total += value if signs is None else signs.view(-1, 1) * value
        changes.append(total)
    return changes


def _times(c: float | complex, value: torch.Tensor) -> torch.Tensor:
    return (c * value).real if value.is_complex() else complex(c).real * value


def readout_changes(
    network: RelaxingNetwork, found: Sequence[tuple[Point, States]], target: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor] | None:
    """The estimate for weights and biases of a softmax read-out; None without one."""
    readout = network.readout
    if readout is None:
        return None
    weight = torch.zeros_like(readout.weight)
    assert network.readout_bias is not None
    bias = torch.zeros_like(network.readout_bias)
    for point, states in found:
        c = point.weight * point.beta
        if not c:
            continue
        s = network.shown(states)[-1]
        s = s.flatten(-len(network.shapes[-1])) if len(network.shapes[-1]) > 1 else s
        error = target.to(s.dtype) - softmax(network.outputs(states))
        for f, a, e in real_pairs(c, s, error):
            weight += f * (e.transpose(-2, -1).to(weight.dtype) @ a.to(weight.dtype))
        bias += _times(c, error.sum(-2)).to(bias.dtype)
    return weight, bias


def loss_of(network: RelaxingNetwork, free: States, target: torch.Tensor) -> torch.Tensor:
    """Cost at the free states, mean over the batch, summed over chips."""
    return network.costs(free, target).mean(-1).sum()


def require_holomorphic(network: RelaxingNetwork) -> None:
    """Refuse complex nudgings of a network whose equation cannot be continued to complex states.

    Raises:
        RefusedError: says which part, and what would do.
    """
    if not isinstance(network, EnergyNetwork):
        reason = f"a {type(network).__name__} has no complex states; take the centred estimator"
        raise RefusedError(f"the holomorphic estimator cannot nudge this network: {reason}")
    d = network.dynamics
    kinked = [f.name for f in network.functions if not f.holomorphic]
    pooled = any(getattr(c, "pool", 1) > 1 and getattr(c, "pooling", "") == "max" for c in network.couplings)
    clipped = d.clip and (d.setting == "leaky" or (d.nudge == "outside" and network.readout is None))
    if kinked:
        known = ", ".join(f.name for f in ACTIVATIONS.values() if f.holomorphic)
        reason = f"the state function {kinked[0]!r} has a kink; take one of {known}, or the centred estimator"
    elif pooled:
        reason = "max-pooling has kinks; pool by the mean, or take the centred estimator"
    elif clipped and any(f.bounds for f in network.functions):
        reason = "clipped states have kinks; make its dynamics with clip=False, or take the centred estimator"
    else:
        return
    raise RefusedError(f"the holomorphic estimator cannot nudge this network: {reason}")


def is_noisy(network: RelaxingNetwork) -> bool:
    """Whether states of this network jitter: noise of its neurons, or of reading its devices."""
    read = any(layer.fabricated and not getattr(layer, "binary", False) for layer in network.device_layers)
    return read or (isinstance(network, EnergyNetwork) and network.dynamics.noise > 0)


@contextmanager
def without_noise(network: RelaxingNetwork) -> Iterator[None]:
    """Hold the noise of neurons and of reading back for a while."""
    layers: list[Any] = [layer for layer in network.device_layers if hasattr(layer, "noisy_reads")]
    before = [layer.noisy_reads for layer in layers]
    dynamics = network.dynamics if isinstance(network, EnergyNetwork) else None
    for layer in layers:
        layer.noisy_reads = False
    if isinstance(network, EnergyNetwork):
        network.dynamics = replace(network.dynamics, noise=0.0)
    try:
        yield
    finally:
        for layer, noisy in zip(layers, before, strict=True):
            layer.noisy_reads = noisy
        if isinstance(network, EnergyNetwork) and dynamics is not None:
            network.dynamics = dynamics


def warn_unsettled(
    network: RelaxingNetwork, clamped: Clamped, free: Relaxed, tolerance: float, stacklevel: int = 3
) -> bool:
    """Warn when a free phase ended before it settled to `tolerance`, and go on to see when it does.

    Returns:
        Whether it warned.
    """
    if free.residual is None or free.residual <= tolerance:
        return False
    more = network.relax(clamped, free.states, steps=_MORE_STEPS, tolerance=tolerance, measure=True)
    settled = more.residual is not None and more.residual <= tolerance
    total = free.steps + more.steps
    warnings.warn(
        f"the free phase has not settled: after {free.steps} steps states still move by {free.residual:.2g} a step "
        f"(tolerance {tolerance:g}); " + (f"{total} steps would do" if settled else f"nor has it after {total} steps"),
        ConvergenceWarning,
        stacklevel=stacklevel,
    )
    return True
