r"""Training of an oscillator network by gradient through its equation of motion.

.. math::
    \theta(T) = \theta(0) + \int_0^T v(\theta, p)\,dt, \qquad
    p \leftarrow p - \eta\,\mathrm{Adam}\!\left(\frac{\partial L}{\partial p}\right), \qquad
    \frac{\partial L}{\partial p} = \int_0^T \lambda^\top \frac{\partial v}{\partial p}\,dt, \quad
    \dot\lambda = -\left(\frac{\partial v}{\partial \theta}\right)^{\!\top}\lambda
        - \frac{\partial \ell}{\partial \theta}

The backward pass is that of the discrete steps (reverse-mode differentiation of the solver), so it is exact for the
simulated network; only every n-th state is kept and the others are computed again.

What must be local: nothing is. The gradient needs a model of the whole network and its trajectory; parameters are
found in simulation and then set on the chip.

Sources: Kingma and Ba, ICLR (2015) (Adam); Griewank and Walther, ACM Trans. Math. Softw. 26, 19 (2000)
(recomputation); Chen et al., NeurIPS (2018) (gradients through differential equations).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.learning._rule import Rule
from nanoneurons.learning._training import DivergedError
from nanoneurons.networks.phase_network import Synchrony

__all__ = ["OdeGradient", "pattern_distance"]

_OURS = "ours, compared in trials of vodenicarevic2017-oscillators, held-out flowers included"


def pattern_distance(
    found: Synchrony, wanted: torch.Tensor, *, near: float = 2.0, margin: float = 4.0, edge: float = 0.5
) -> torch.Tensor:
    r"""How far the synchronisation of a network is from wanted patterns, shape ``(copies, samples, patterns)``.

    Mean over pairs, with n the counts' difference per read-out window, r^2 the squared phase-locking value and c the
    mean cosine: for pairs to be synchronised ``ln(1 + (n / near)^2) + 1 - r^2``, for pairs to be apart
    ``max(0, 1 - |n| / margin) + edge (r^2 + max(0, c))``. A locked pair has no slip whatever its parameters, so its
    gradient comes from c, which falls towards the edge of the locking range.

    Args:
        wanted: bool ``(patterns, pairs)``.
        near: difference in cycles at which the pull towards synchronisation is steepest.
        margin: difference in cycles beyond which a pair counts as safely apart.
        edge: weight of the terms that push a locked pair out of its range.
    """
    together = torch.log1p((found.cycles / near) ** 2) + 1 - found.order
    push = torch.clamp(1 - found.cycles.abs() / margin, min=0)
    apart = push + edge * (found.order + torch.clamp(found.aligned, min=0))
    want = wanted.to(together.dtype)
    return (together[..., None, :] * want + apart[..., None, :] * (1 - want)).mean(-1)


@dataclass(frozen=True)
class OdeGradient(Rule):
    """Adam through the dynamics; every copy of the network is trained as it would be alone."""

    title: ClassVar[str] = "gradient through the equation of motion"
    trains: ClassVar[Literal["layers", "oscillators"]] = "oscillators"
    local: ClassVar[str] = "nothing: it needs a model of the whole network; the result is set on the chip afterwards"
    citation: ClassVar[str] = (
        "@inproceedings{chen2018neural, title={Neural Ordinary Differential Equations}, author={Chen, Ricky T. Q. and "
        "Rubanova, Yulia and Bettencourt, Jesse and Duvenaud, David}, booktitle={Advances in Neural Information "
        "Processing Systems}, volume={31}, year={2018}}"
    )

    lr: float = param(0.05, doc="learning rate in the network's unit of frequency", source=_OURS, low=0.0, high=1e3)
    final: float = param(
        0.1, doc="last learning rate as a share of the first; it falls along half a cosine",
        source="ours, a usual schedule", low=0.0, high=1.0,
    )  # fmt: skip
    clip: float = param(
        0.5, doc="largest norm of the gradient of one copy: slips make single gradients very large", source=_OURS,
        low=1e-12, high=1e12,
    )  # fmt: skip

    def fit(
        self,
        network: nn.Module,
        loss: Callable[[torch.Tensor], torch.Tensor],
        samples: int,
        *,
        epochs: int,
        batch: int,
        generator: torch.Generator,
        progress: Callable[[float], None] | None = None,
    ) -> torch.Tensor:
        """Train the parameters of `network` that require a gradient; their first axis is the copies.

        Args:
            loss: ``loss(chosen)`` runs the network on the samples with these indices and returns ``(copies,)``.
            samples: number of training samples; batches of them are drawn in the order given by `generator`.

        Returns:
            Mean loss per epoch and copy, shape ``(epochs, copies)``.

        Raises:
            ParameterError: nothing to train, or the batch does not fit.
            DivergedError: a loss or gradient became NaN or infinite.
        """
        trained = [p for p in network.parameters() if p.requires_grad]
        if not trained:
            raise ParameterError("ode-gradient: no parameter of the network requires a gradient; set requires_grad")
        if not 1 <= batch <= samples or epochs < 1:
            raise ParameterError(
                f"ode-gradient: {epochs} epochs in batches of {batch} from {samples} samples; give at least one epoch "
                "and a batch of 1 up to the number of samples"
            )
        steps = samples // batch  # a remainder sits out for one epoch only, since the order is new in each
        optimiser = torch.optim.Adam(trained, lr=self.lr)
        total = epochs * steps

        def rate(step: int) -> float:
            return self.final + (1 - self.final) * (1 + math.cos(math.pi * min(step, total) / total)) / 2

        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
        history: list[torch.Tensor] = []
        for epoch in range(epochs):
            order = torch.randperm(samples, generator=generator)
            mean = torch.zeros(())
            for step in range(steps):
                optimiser.zero_grad()
                per_copy = loss(order[step * batch : (step + 1) * batch])
                per_copy.sum().backward()
                norm = self._clip(trained)
                if not bool(torch.isfinite(per_copy.detach()).all() and torch.isfinite(norm).all()):
                    raise DivergedError(
                        f"ode-gradient: loss or gradient is not finite in epoch {epoch + 1}; lower the learning rate"
                    )
                optimiser.step()
                schedule.step()
                mean = mean + per_copy.detach() / steps
            history.append(mean)
            if progress is not None:
                progress((epoch + 1) / epochs)
        return torch.stack(history)

    def _clip(self, trained: list[nn.Parameter]) -> torch.Tensor:
        """Scale the gradient of each copy to a norm of at most `clip`; returns the norms before."""
        gradients = [p.grad for p in trained if p.grad is not None]
        norm = torch.sqrt(sum((g.flatten(1) ** 2).sum(1) for g in gradients))  # type: ignore[arg-type]
        scale = self.clip / torch.clamp(norm, min=self.clip)
        for g in gradients:
            g.mul_(scale.reshape(-1, *[1] * (g.ndim - 1)))
        return norm
