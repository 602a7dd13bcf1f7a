r"""Gradients of a cost through the last steps of a free phase, step by step.

.. math:: \nabla_s(t) = \frac{\partial L}{\partial s_{T-t}}, \qquad
    \nabla_\theta(t) = \frac{\partial L}{\partial \theta_{T-t}}, \qquad t = 0 \dots K - 1,

with :math:`\theta_{T-t}` the parameters as the step to :math:`s_{T-t}` uses them.

Each step is recorded on its own and let go of as soon as the gradient has passed it: what is stored grows with K, not
with T.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch

from nanoneurons.networks._phases import Clamped, States
from nanoneurons.networks.energy_network import EnergyNetwork

__all__ = ["Passed", "Unrolled", "unroll"]


@dataclass
class Passed:
    """Gradients at one step: by the states it made, by the fields it was given, by the weights it used.

    Attributes:
        states: of every group but the input, ``(*chips, batch, *shape)``.
        fields: likewise; by the constant part of the field (inputs and biases).
        weights: of every coupling that does not come from the input, by number of its edge, and of the way down of
            untied ones.
    """

    states: States
    fields: States
    weights: dict[int, torch.Tensor]
    feedback: dict[int, torch.Tensor]


@dataclass
class Unrolled:
    """The recorded last steps of a free phase.

    Attributes:
        clamped: inputs, their fields still in the graph of the parameters.
        leaves: the same fields, one per sample and cut off, as the steps used them.
        segments: states before and after each step.
        states: those at the end.
    """

    network: EnergyNetwork
    clamped: Clamped
    leaves: States
    segments: list[tuple[States, States]]
    states: States

    def back(self, first: States) -> Iterator[Passed]:
        """Walk back from the gradients by the last states; the record of a step is gone once passed.

        Yields:
            Gradients at the last step, at the one before it, and so on.
        """
        network, cotangents = self.network, first
        weights = {k: e.coupling.effective for k, e in enumerate(network.edges) if e.source}
        feedback = {
            k: e.coupling.feedback.effective for k, e in enumerate(network.edges) if e.coupling.feedback is not None
        }
        feedback = {k: w for k, w in feedback.items() if network.edges[k].source}
        groups = len(first)
        while self.segments:
            before, after = self.segments.pop()
            inputs = [*before, *self.leaves, *weights.values(), *feedback.values()]
            found = torch.autograd.grad(after, inputs, cotangents, allow_unused=True)
            found = [torch.zeros_like(x) if g is None else g for x, g in zip(inputs, found, strict=True)]
            rest = found[2 * groups :]
            yield Passed(
                cotangents, found[groups : 2 * groups], dict(zip(weights, rest, strict=False)),
                dict(zip(feedback, rest[len(weights) :], strict=True)),
            )  # fmt: skip
            cotangents = found[:groups]


def unroll(network: EnergyNetwork, clamped: Clamped, states: States, steps: int) -> Unrolled:
    """Take and record the last `steps` steps of a free phase; `clamped` must have been made with gradients enabled."""
    with torch.enable_grad():
        leaves = []
        for n, f in enumerate(clamped.fields[1:]):
            assert f is not None
            leaves.append(f.detach().expand(states[n].shape).clone().requires_grad_())
        given = replace(clamped, fields=[None, *leaves])
        segments: list[tuple[States, States]] = []
        for _ in range(steps):
            before = [s.detach().requires_grad_() for s in states]
            states = network.relax(given, before, steps=1, tolerance=0.0).states
            segments.append((before, states))
    return Unrolled(network, clamped, leaves, segments, [s.detach() for s in states])
