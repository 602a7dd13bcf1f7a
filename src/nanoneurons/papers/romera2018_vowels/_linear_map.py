"""Off-line part of the training: twelve formants become two injected frequencies, and patterns get their vowels.

The map starts from a linear discriminant analysis turned by a random angle and is then improved together with the four
currents by gradient, through Adler's surrogate with soft edges. Which vowel owns which pattern is part of it: a table
of probabilities that is learned along and in the end replaced by the vowel that shows the pattern most. All of it sees
the training part only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from nanoneurons.networks.coupled_oscillators import CoupledOscillators
from nanoneurons.networks.locking_patterns import Assignment, joint

__all__ = ["LinearMap", "Settings", "fit"]

MHZ = 1e6


@dataclass(frozen=True)
class Settings:
    """How the map is fitted; chosen on the vowels of men and children, after a first look at those of women.

    Attributes:
        low, high: limits of the natural frequencies in Hz.
        span: range in Hz that the tokens fill at the start.
        width: softness in Hz of the surrogate's edges at the end; three times as much at the start.
        steps: gradient steps.
        restarts: starts; the one of lowest training loss is taken.
        keep: strength with which the map is held at its start, per MHz^2.
        least: tokens (as a sum of probabilities) that make a pattern a target of the online rule.
    """

    low: float
    high: float
    span: float
    width: float = 1.5e6
    steps: int = 200
    restarts: int = 6
    keep: float = 1e-2
    least: float = 5.0


@dataclass(frozen=True)
class LinearMap:
    """A fitted map.

    Attributes:
        mean, scale: of each formant over the training part.
        coefficients: 12 weights and an offset for each of the two frequencies, Hz, ``(13, 2)``: 26 numbers.
        currents: those the map was designed for, A, ``(4,)``; the online rule does not see them.
        assignment: patterns of each vowel.
    """

    mean: torch.Tensor
    scale: torch.Tensor
    coefficients: torch.Tensor
    currents: torch.Tensor
    assignment: Assignment

    def tones(self, formants: torch.Tensor) -> torch.Tensor:
        """Injected frequencies in Hz, ``(samples, 2)``."""
        z = (formants.double() - self.mean) / self.scale
        return z @ self.coefficients[:-1] + self.coefficients[-1]

    def plain(self) -> dict[str, Any]:
        """As JSON values."""
        values = {n: getattr(self, n).tolist() for n in ("mean", "scale", "coefficients", "currents")}
        return {**values, "owner": self.assignment.owner.tolist(), "target": self.assignment.target.tolist()}

    @classmethod
    def restored(cls, plain: dict[str, Any]) -> LinearMap:
        """From `plain`."""
        named = {n: torch.tensor(plain[n], dtype=torch.float64) for n in ("mean", "scale", "coefficients", "currents")}
        owner, target = torch.tensor(plain["owner"]), torch.tensor(plain["target"], dtype=torch.bool)
        return cls(**named, assignment=Assignment(owner, target, len(plain["currents"])))


def fit(
    network: CoupledOscillators,
    formants: torch.Tensor,
    labels: torch.Tensor,
    force: float,
    limits: tuple[float, float],
    settings: Settings,
    generator: torch.Generator,
) -> LinearMap:
    """Fit map, design currents and assignment to the training part.

    Args:
        network: nominal oscillators; only their closed forms are used.
        limits: smallest and largest current in A.
    """
    low, high = limits
    x = formants.double()
    mean, scale = x.mean(0), x.std(0, correction=0)
    z = torch.cat([(x - mean) / scale, torch.ones(len(x), 1, dtype=torch.float64)], 1)
    classes, count, restarts = int(labels.max()) + 1, network.count, settings.restarts
    centre = 0.5 * (settings.low + settings.high) / MHZ

    starts = _starts(z, labels, settings.span / MHZ, centre, restarts, generator)
    coefficients = starts.clone().requires_grad_()
    even = torch.linspace(settings.low, settings.high, 2 * count + 1, dtype=torch.float64)[1::2]
    begin = network.currents_for(even[None], low, high).repeat(restarts, 1)
    slope = network.slope(begin).detach() / MHZ
    shift = torch.zeros_like(begin).requires_grad_()  # of the natural frequencies, MHz, so that one rate serves all
    table = torch.zeros(restarts, 3**count, classes, dtype=torch.float64).requires_grad_()
    optimiser = torch.optim.Adam([{"params": [coefficients, shift], "lr": 0.3}, {"params": [table], "lr": 0.1}])
    floor, ceiling = network.currents_for(torch.tensor([[settings.low], [settings.high]]).double(), low, high)
    rows = torch.arange(len(labels))
    shown = loss = torch.zeros(())
    for step in range(settings.steps):
        width = 3 * settings.width * (1 / 3) ** (step / settings.steps)
        currents = begin + shift / slope
        tones = MHZ * torch.einsum("nf,rft->nrt", z, coefficients)
        shown = joint(network.locking_probability(currents, tones, force, width))  # (tokens, restarts, patterns)
        right = torch.einsum("nrp,rpk->nrk", shown, torch.softmax(table, -1))[rows, :, labels]
        loss = -right.clamp(min=1e-9).log().mean(0)
        loss = loss + settings.keep * (coefficients - starts).square().mean((1, 2)) + 1e-4 * table.square().mean((1, 2))
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        with torch.no_grad():
            shift.copy_(((begin + shift / slope).clamp(float(floor), float(ceiling)) - begin) * slope)
    best = int(loss.argmin())
    mass = torch.zeros(3**count, classes, dtype=torch.float64).index_add_(1, labels, shown[:, best].detach().T)
    return LinearMap(
        mean,
        scale,
        MHZ * coefficients[best].detach(),
        (begin + shift / slope)[best].detach(),
        Assignment.from_mass(mass, count, least=settings.least),
    )


def _starts(
    z: torch.Tensor, labels: torch.Tensor, span: float, centre: float, restarts: int, generator: torch.Generator
) -> torch.Tensor:
    """Discriminant planes turned at random, mirrored or not, and scaled into the window; MHz, ``(restarts, 13, 2)``."""
    analysis = LinearDiscriminantAnalysis(n_components=2).fit(z[:, :-1].numpy(), labels.numpy())
    plane = np.linalg.lstsq(z.numpy(), analysis.transform(z[:, :-1].numpy()), rcond=None)[0]
    starts = []
    for _ in range(restarts):
        angle = 2 * math.pi * float(torch.rand((), generator=generator))
        mirror = -1.0 if float(torch.rand((), generator=generator)) < 0.5 else 1.0
        c, s = math.cos(angle), math.sin(angle)
        turned = torch.from_numpy(plane) @ torch.tensor([[c, -mirror * s], [s, mirror * c]], dtype=torch.float64)
        spread = z @ turned
        turned = turned * (span / float((spread.amax(0) - spread.amin(0)).max()))
        spread = z @ turned
        turned[-1] += centre - 0.5 * (spread.amax(0) + spread.amin(0))
        starts.append(turned)
    return torch.stack(starts)
