"""Bias of the estimators: what they find against the gradient of the settled network, over the strength of nudging."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from nanoneurons import data
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import Clamped, EnergyNetwork, States

__all__ = ["NETWORKS", "biases"]

NETWORKS = ("dense", "convolutional")
_GAIN = {"dense": 1.0, "convolutional": 1.0}


def _network(kind: str, seed: int, steps: int) -> EnergyNetwork:
    """A dense network with smooth neurons, or a convolutional one with pools, clipped neurons and cross-entropy."""
    relaxation = Relaxation(steps, steps, "alternating")
    common: dict[str, Any] = {
        "shape": (1, 28, 28), "classes": 10, "seed": seed, "relaxation": relaxation, "gain": _GAIN[kind],
        "bias_start": "uniform",
    }  # fmt: skip
    if kind == "dense":
        network = build_energy("784-128-128-10", dynamics=Dynamics(activation="sigmoid"), **common)
    else:
        network = build_energy(
            "1x28x28-8c3-mp2-16c3-mp2-10", cost="cross-entropy", dynamics=Dynamics(activation="half-hard-sigmoid"),
            **common,
        )  # fmt: skip
    network.double()
    network.dtype = torch.float64
    return network


def _reference(network: EnergyNetwork, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Minus the gradient by all couplings, through every step of the free phase."""
    with torch.enable_grad():
        loss = network.costs(network.relax(x).states, target).sum()
        found = torch.autograd.grad(loss, [e.coupling.weight for e in network.edges])
    return -torch.cat([g.flatten() for g in found])


def _estimate(
    network: EnergyNetwork, clamped: Clamped, free: States, target: torch.Tensor, wanted: list[ep.Point]
) -> torch.Tensor:
    strengths = [p.beta for p in wanted if p.beta]
    nudged = network.nudge(clamped, free, target, strengths)
    found = list(zip([p for p in wanted if p.beta], nudged, strict=True)) + [(p, free) for p in wanted if not p.beta]
    lists = ep.pairs(network, clamped, found)
    return torch.cat([e.coupling.hebbian(p).flatten() for e, p in zip(network.edges, lists, strict=True)])


def biases(
    seed: int, betas: tuple[float, ...], steps: int, batch: int, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Relative error and cosine of every estimate against backpropagation through time, and how far a free phase moves.

    Returns:
        By network: ``residual`` and, by estimator, ``error`` and ``cosine`` for each of `betas`. A random sign gives
        the mean over both signs.
    """
    found = data.load("mnist")
    x, y = found.x_train[seed * batch : (seed + 1) * batch], found.y_train[seed * batch : (seed + 1) * batch]
    result: dict[str, Any] = {}
    for place, kind in enumerate(NETWORKS):
        network = _network(kind, seed, steps)
        with torch.no_grad():
            clamped = network.clamp(x)
            target = network.targets(y)
            relaxed = network.relax(clamped, measure=True)
        truth = _reference(network, x, target)
        table: dict[str, dict[str, list[float]]] = {
            name: {"error": [], "cosine": []} for name in ("one-sided", "random-sign", "centred")
        }
        with torch.no_grad():
            network.clamp(x)  # weights of the phases again, without a graph
            for beta in betas:
                one, other = (
                    _estimate(network, clamped, relaxed.states, target, ep.points("one-sided", b))
                    for b in (beta, -beta)
                )
                centred = _estimate(network, clamped, relaxed.states, target, ep.points("centred", beta))
                for name, estimates in (("one-sided", [one]), ("random-sign", [one, other]), ("centred", [centred])):
                    errors = [float((e - truth).norm() / truth.norm()) for e in estimates]
                    cosines = [float(torch.cosine_similarity(e, truth, dim=0)) for e in estimates]
                    table[name]["error"].append(sum(errors) / len(errors))
                    table[name]["cosine"].append(sum(cosines) / len(cosines))
        result[kind] = {"residual": relaxed.residual, **table}
        progress((place + 1) / len(NETWORKS), f"bias, {kind} network, seed {seed}")
    return result
