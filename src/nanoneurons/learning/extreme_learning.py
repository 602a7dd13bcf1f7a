r"""Extreme learning: hidden devices stay as fabricated, and only a linear read-out is trained, in closed form.

.. math::
    Y = W^T S + c, \qquad
    W, c = \arg\min \sum_n \lVert T_n - Y_n\rVert^2 + \lambda\bar\mu\,(\lVert W\rVert^2 + \lVert c\rVert^2)

S are the inputs of the last device layer of each chip, as measured with that chip's own spread and noise, T one-hot
targets, :math:`\bar\mu` the mean eigenvalue of :math:`S S^T`. Per chip the ridge :math:`\lambda` is the one with the
least squared error on a held-back share of the training samples, which then join the fit. The read-out is digital and
takes the place of the last device layer and of what follows it.

A read-out of limited weights can also be held by resonances: scaled to :math:`|w| \le 1`, the weight of a tone *f* asks
for a detuning of :math:`(1 - \sqrt{1 - w^2})/w` half linewidths, where crosstalk is small. That is not done here.

Not modelled: converters and rounding of the digital read-out.

Source: Huang, Zhu and Siew, Neurocomputing 70, 489 (2006); with spintronic devices: Leroux et al., APL Mach. Learn. 1,
036109 (2023). The choice of the ridge is ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons.core.errors import DataError, ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import generator_for
from nanoneurons.layers._layer import DeviceLayer
from nanoneurons.layers.chipwise import ChipBatchNorm, DigitalReadout
from nanoneurons.learning._rule import Rule
from nanoneurons.networks.feedforward import FeedForward
from nanoneurons.networks.readout import NormalEquations, Readout

__all__ = ["ExtremeLearning"]

_BATCH = 1000


@dataclass(frozen=True)
class ExtremeLearning(Rule):
    """Random hidden layers as they are, a digital linear read-out fitted per chip."""

    title: ClassVar[str] = "random hidden devices, linear read-out in closed form"
    local: ClassVar[str] = "nothing: hidden activations are measured once, the read-out is solved digitally"
    trains: ClassVar[Literal["layers", "oscillators", "read-outs"]] = "read-outs"
    citation: ClassVar[str] = (
        "@article{huang2006extreme, title={Extreme learning machine: Theory and applications}, author={Huang, "
        "Guang-Bin and Zhu, Qin-Yu and Siew, Chee-Kheong}, journal={Neurocomputing}, volume={70}, pages={489--501}, "
        "year={2006}, doi={10.1016/j.neucom.2005.12.126}}"
    )

    lowest_ridge: float = param(
        1e-10, doc="smallest ridge tried, over the mean eigenvalue", source="ours, near a pseudo-inverse",
        low=1e-15, high=1.0,
    )  # fmt: skip
    highest_ridge: float = param(
        1e-1, doc="largest ridge tried, over the mean eigenvalue", source="ours", low=1e-15, high=1e3
    )
    steps: int = param(
        10, doc="ridges tried, in equal ratios", source="ours, one per decade", low=1, high=1000, integer=True
    )
    held_back: float = param(
        0.2, doc="share of the training samples that the ridge is chosen on", source="ours", low=0.01, high=0.9
    )

    def check(self) -> None:
        """The ridges must be in order."""
        if not self.lowest_ridge <= self.highest_ridge:
            raise ParameterError(
                f"lowest_ridge = {self.lowest_ridge:g} must not lie above highest_ridge = {self.highest_ridge:g}"
            )

    def train(self, network: FeedForward, x: torch.Tensor, y: torch.Tensor, classes: int, seed: int) -> FeedForward:
        """Network that shares the hidden layers of `network` and ends in a fitted `DigitalReadout`.

        Batch normalisation, if there is any, takes its statistics from the training samples in one pass; nothing else
        of `network` changes.

        Args:
            network: fabricated, one chip or many at once, or still software; at least two device layers.
            x: inputs ``(samples, *shape)``.
            y: labels ``(samples,)``, int64.
            seed: of the choice of the held-back samples.

        Raises:
            RefusedError: the network has no hidden layer of devices.
            DataError: fewer than two samples, labels that do not fit, or hidden activations that are not finite.
        """
        hidden = self.hidden(network)
        if len(x) < 2 or len(x) != len(y):
            raise DataError(f"{len(x)} inputs and {len(y)} labels; give two or more of each, in pairs")
        if int(y.min()) < 0 or int(y.max()) >= classes:
            raise DataError(f"labels from {int(y.min())} to {int(y.max())} do not fit {classes} classes")
        _settle(hidden, x)
        order = torch.randperm(len(x), generator=generator_for(seed, "held back"))
        held = min(max(1, round(self.held_back * len(x))), len(x) - 1)
        kept = _measure(hidden, x[order[held:]])
        check = _measure(hidden, x[order[:held]])
        targets = F.one_hot(y[order], classes).double()
        chips = kept.shape[0] if kept.dim() == 3 else None
        rows = range(chips or 1)
        fitted = [
            self._solve(*(part if chips is None else part[c] for part in (kept, check)), targets[held:], targets[:held])
            for c in rows
        ]
        weights = torch.stack([r.weights for r in fitted]) if chips is not None else fitted[0].weights
        return FeedForward(*hidden, DigitalReadout(weights[..., 1:, :], weights[..., 0, :]))

    def hidden(self, network: FeedForward) -> FeedForward:
        """The part of `network` before its last device layer.

        Raises:
            RefusedError: it holds no device layer.
        """
        places = [k for k, module in enumerate(network) if isinstance(module, DeviceLayer)]
        if len(places) < 2:
            raise RefusedError(
                f"extreme learning reads a random hidden layer, but the network has {len(places)} device layer(s); "
                "give two or more, as in 64-200-10"
            )
        return FeedForward(*list(network)[: places[-1]])

    def ridges(self) -> list[float]:
        """Ridges that are tried, over the mean eigenvalue."""
        ratio = (self.highest_ridge / self.lowest_ridge) ** (1 / max(self.steps - 1, 1))
        return [self.lowest_ridge * ratio**k for k in range(self.steps)]

    def _solve(self, kept: torch.Tensor, check: torch.Tensor, want: torch.Tensor, want_check: torch.Tensor) -> Readout:
        equations = NormalEquations(kept.shape[1], want.shape[1])
        equations.add(kept, want)
        errors = [float(((equations.solve(ridge)(check.double()) - want_check) ** 2).mean()) for ridge in self.ridges()]
        rest = NormalEquations(kept.shape[1], want.shape[1])
        rest.add(check, want_check)
        return NormalEquations.joined([equations, rest]).solve(self.ridges()[errors.index(min(errors))])


@torch.no_grad()
def _measure(hidden: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Hidden activations ``(*chips, samples, features)``, each sample seen once."""
    hidden.eval()
    return torch.cat([hidden(part) for part in x.split(_BATCH)], -2)


@torch.no_grad()
def _settle(hidden: nn.Module, x: torch.Tensor) -> None:
    """Give batch normalisation the statistics of the samples, layer after layer."""
    layers = [m for m in hidden.modules() if isinstance(m, ChipBatchNorm)]
    if not layers:
        return
    momenta = [m.momentum for m in layers]
    for m in layers:
        m.momentum = 1.0
    hidden.train()
    hidden(x[: max(_BATCH, 2)])
    hidden.eval()
    for m, momentum in zip(layers, momenta, strict=True):
        m.momentum = momentum
