r"""The theorem of gradient-descending updates: step for step, equilibrium propagation moves along the gradient.

.. math::
    \Delta_s(t) = \sum_k c_k\,(s^{\beta_k}_{t+1} - s^{\beta_k}_t) \to -\frac{\partial L}{\partial u_{T-t}}, \qquad
    \Delta_\theta(t) = \sum_k c_k \left[\frac{\partial\Phi}{\partial\theta}(s^{\beta_k}_{t+1}) -
    \frac{\partial\Phi}{\partial\theta}(s^{\beta_k}_t)\right] \to -\frac{\partial L}{\partial\theta_{T-t}}

as the nudgings :math:`\beta_k` of an estimator with weights :math:`c_k` go to 0, if the free phase had settled by step
T - K; *u* is a drive added where nudging acts. The error falls as the estimator's bias does: with beta to the power 1
(one-sided), 2 (centred), N (holomorphic with N points).

Which drive, and which cost, depends on the dynamics:

- leaky: u is added to the drive of :math:`s \leftarrow s + \epsilon(\mathrm{drive} - s)`, so that :math:`\partial L /
  \partial u = \epsilon\,\partial L/\partial s`. The theorem holds if outputs move without :math:`\rho'` *and* are seen
  as they are (`Dynamics(output="linear")`, or a hard sigmoid with clipped states); where hidden neurons see
  :math:`\rho` of the outputs, as in the published program, there is no energy and an error of first order in the
  curvature of :math:`\rho` stays.
- prototypical, nudged inside of :math:`\sigma`: u is the field, :math:`\partial L/\partial u =
  \epsilon\,\sigma'\,\partial L/\partial s`; the cost is the squared error or the cross-entropy of a read-out.
- prototypical, nudged outside of :math:`\sigma` (as published): u is the field as well, but the cost that is descended
  is the one with :math:`\partial L/\partial s = (s - d)/\sigma'`: for a logistic :math:`\sigma` the binary
  cross-entropy, not the squared error. `Cost` chooses which of the two the updates are compared with.

Source: Ernoult et al., NeurIPS 2019, arXiv:1905.13633.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.learning._equilibrium import Point, pairs
from nanoneurons.learning._unrolled import Unrolled, unroll
from nanoneurons.networks._phases import Clamped, States
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = ["Blocks", "Comparison", "Cost", "compare", "gradients", "updates"]

Blocks = dict[str, torch.Tensor]  # "s1", "s2", ... of every sample; "w1", ... mean over the batch
Cost = Literal["nudged", "squared-error"]


def updates(
    network: EnergyNetwork, clamped: Clamped, free: States, target: torch.Tensor, found: Sequence[Point], steps: int
) -> Iterator[Blocks]:
    """Normalised updates of states and couplings in every step of the nudged phases of an estimator."""
    nudged = [p for p in found if p.beta]  # settled states do not move where they are not nudged
    now = [[s.clone() for s in free] for _ in nudged]
    for _ in range(steps):
        after = [
            network.relax(clamped, s, beta=p.beta, target=target, steps=1).states
            for p, s in zip(nudged, now, strict=True)
        ]
        blocks: Blocks = {}
        for n in range(len(free)):
            moved = [p.weight * (b[n] - a[n]) for p, a, b in zip(nudged, now, after, strict=True)]
            blocks[f"s{n + 1}"] = sum(m.real if m.is_complex() else m for m in moved)  # type: ignore[assignment]
        signed = [(p, b) for p, b in zip(nudged, after, strict=True)]
        signed += [(Point(p.beta, -p.weight), a) for p, a in zip(nudged, now, strict=True)]
        for k, (edge, wanted) in enumerate(zip(network.edges, pairs(network, clamped, signed), strict=True)):
            blocks[f"w{k + 1}"] = edge.coupling.hebbian(wanted) / clamped.batch
        yield blocks
        now = after


def gradients(
    network: EnergyNetwork, clamped: Clamped, settled: States, target: torch.Tensor, steps: int, cost: Cost = "nudged"
) -> Iterator[Blocks]:
    """Minus the gradients of the same quantities at the last step, the one before, and so on.

    Args:
        clamped: made with gradients enabled.
        settled: states at step T - K of the free phase.
    """
    unrolled = unroll(network, clamped, settled, steps)
    leaky = network.dynamics.setting == "leaky"
    for passed in unrolled.back(_first(unrolled, target, cost)):
        blocks: Blocks = {}
        for n, (by_state, by_field) in enumerate(zip(passed.states, passed.fields, strict=True)):
            blocks[f"s{n + 1}"] = -network.dynamics.step * by_state if leaky else -by_field
        for k, edge in enumerate(network.edges):
            by_weight = passed.weights.get(k)
            if by_weight is None:
                by_weight = edge.coupling.hebbian([(1.0, clamped.x, passed.fields[edge.target - 1])])
            blocks[f"w{k + 1}"] = -by_weight / clamped.batch
        yield blocks


def _first(unrolled: Unrolled, target: torch.Tensor, cost: Cost) -> States:
    """Gradient of the cost, summed over samples, by the last states."""
    network = unrolled.network
    with torch.enable_grad():
        end = [s.clone().requires_grad_() for s in unrolled.states]
        network.costs(end, target).sum().backward()
        first = [torch.zeros_like(s) if s.grad is None else s.grad for s in end]
        dynamics = network.dynamics
        outside = dynamics.setting == "prototypical" and dynamics.nudge == "outside" and network.readout is None
        if outside and cost == "nudged":
            _, after = unrolled.segments[-1]
            (slope,) = torch.autograd.grad(after[-1].sum(), unrolled.leaves[-1], retain_graph=True)
            slope = slope / dynamics.step
            first[-1] = torch.where(slope > 0, first[-1] / slope, 0.0)
    return first


@dataclass
class Comparison:
    """Updates beside gradients.

    Attributes:
        errors: relative error of every unit and sample, or of every synapse, of each block; NaN where both are zero.
        sizes: root of the sum over steps of the squared gradient, likewise.
        updates, gradients: ``(steps, elements)`` of the elements asked for.
        residual: largest movement of a state in the step before the gradient begins.
    """

    errors: Blocks
    sizes: Blocks
    updates: Blocks
    gradients: Blocks
    residual: float

    def mean(self, block: str) -> float:
        """Mean relative error of a block, over all that are not zero throughout."""
        return float(self.errors[block].nanmean())


def compare(
    network: EnergyNetwork,
    x: torch.Tensor,
    y: torch.Tensor,
    found: Sequence[Point],
    *,
    cost: Cost = "nudged",
    keep: Mapping[str, torch.Tensor] | None = None,
) -> Comparison:
    r"""Updates and gradients over the nudged steps of a network, after its free steps less these.

    .. math:: \mathrm{error} = \sqrt{\sum_t (\Delta - \nabla)^2 / \max(\sum_t \Delta^2, \sum_t \nabla^2)}

    Args:
        x, y: inputs and labels.
        found: nudgings and weights of an estimator, see `points`.
        cost: compared with the cost that nudging descends, or with the squared error whatever is nudged.
        keep: flat indices of the elements of some blocks whose updates and gradients are kept step by step.

    Raises:
        ParameterError: the groups move in turn (the theorem is about steps in which all move), or the free phase is
            too short. RefusedError: couplings are untied.
    """
    relaxation = network.relaxation
    if relaxation.order != "synchronous":
        raise ParameterError("the theorem is about steps in which all neurons move; use order='synchronous'")
    network.require_symmetric()
    steps = relaxation.nudged_steps
    if relaxation.steps <= steps:
        raise ParameterError(f"the free phase must be longer than the {steps} steps compared, not {relaxation.steps}")
    target = network.targets(y)
    with torch.enable_grad():
        clamped = network.clamp(x)
    sums: dict[str, list[torch.Tensor]] = {}
    kept: tuple[dict[str, list[torch.Tensor]], ...] = ({}, {})
    with torch.no_grad():
        settled = network.relax(clamped, steps=relaxation.steps - steps, tolerance=0.0, measure=True)
        free = network.relax(clamped, settled.states, steps=steps, tolerance=0.0).states
        wanted = gradients(network, clamped, settled.states, target, steps, cost)
        for ours, theirs in zip(updates(network, clamped, free, target, found, steps), wanted, strict=True):
            for name, update in ours.items():
                gradient = theirs[name]
                new = [(update - gradient) ** 2, update**2, gradient**2]
                sums[name] = new if name not in sums else [a.add_(b) for a, b in zip(sums[name], new, strict=True)]
                if keep is not None and name in keep:
                    kept[0].setdefault(name, []).append(update.flatten()[keep[name]])
                    kept[1].setdefault(name, []).append(gradient.flatten()[keep[name]])
    errors = {name: (d / torch.maximum(a, b)).sqrt() for name, (d, a, b) in sums.items()}
    sizes = {name: b.sqrt() for name, (_, _, b) in sums.items()}
    stacked = [{name: torch.stack(steps) for name, steps in side.items()} for side in kept]
    return Comparison(errors, sizes, stacked[0], stacked[1], settled.residual or 0.0)
