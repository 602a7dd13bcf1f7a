r"""Online learning of the currents of coupled oscillators until each class shows a synchronisation pattern of its own.

At every step one example of each class is shown. Where the pattern is none of those that the class owns, the owned
pattern that differs in the fewest oscillators becomes the target, and every oscillator *i* that should have followed
tone *X* but did not is pulled towards it:

.. math:: I_i \leftarrow I_i + \eta\, \frac{f_X - f_i}{\mathrm{d}f_i/\mathrm{d}I_i}

with the rate :math:`\eta` falling linearly to zero; shifts of all classes are added, then the currents are set, within
their limits. Among equally distant targets the one that asks for the smallest shift is taken.

What is local: an oscillator's shift needs its own measured frequency, the tone it should follow and its own slope.

Source: Romera et al., Nature 563, 230 (2018), for the rule; its form with several patterns per class, the choice among
them and the schedule are ours.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key
from nanoneurons.learning._rule import Rule
from nanoneurons.networks.locking_patterns import Assignment, code
from nanoneurons.networks.locking_readout import Readout

__all__ = ["Synchronisation"]

Observe = Callable[[torch.Tensor, torch.Tensor, int], Readout]
_OURS = "ours, chosen on the vowels of men and children after a first look at those of women (log of 2026-11-25)"


@dataclass(frozen=True)
class Synchronisation(Rule):
    """Pull oscillators that missed their tone towards it, by their dc currents."""

    title: ClassVar[str] = "online tuning of currents to synchronisation patterns"
    local: ClassVar[str] = "each current needs the frequency of its own oscillator and of the tone it should follow"
    trains: ClassVar[Literal["layers", "oscillators"]] = "oscillators"
    citation: ClassVar[str] = (
        "@article{romera2018vowel, title={Vowel recognition with four coupled spin-torque nano-oscillators}, "
        "author={Romera, Miguel and Talatchian, Philippe and Tsunegi, Sumito and Abreu Araujo, Flavio and Cros, "
        "Vincent and Bortolotti, Paolo and Trastoy, Juan and Yakushiji, Kay and Fukushima, Akio and Kubota, Hitoshi "
        "and Yuasa, Shinji and Ernoult, Maxence and Vodenicarevic, Damir and Hirtzlin, Tifenn and Locatelli, Nicolas "
        "and Querlioz, Damien and Grollier, Julie}, journal={Nature}, volume={563}, pages={230--234}, year={2018}, "
        "doi={10.1038/s41586-018-0632-y}}"
    )

    rate: float = param(
        0.6, doc="part of the missing shift that is made at once, at the start", source=_OURS, low=0.0, high=2.0
    )
    steps: int = param(
        50, doc="steps, each with one example of every class", source="Romera et al. 2018: about 50", low=0, high=1e6,
        integer=True, verified=False,
    )  # fmt: skip

    def wanted_shift(
        self, seen: Readout, tones: torch.Tensor, labels: torch.Tensor, assignment: Assignment
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Shift in Hz asked of each oscillator, summed over samples, and which samples were right.

        Args:
            seen: what the network showed, ``(samples, chips, oscillators)``.
            tones: injected frequencies in Hz, ``(samples, tones)``.
            labels: class of each sample.

        Returns:
            shift ``(chips, oscillators)``, right ``(samples, chips)``.
        """
        shift = torch.zeros(seen.pattern.shape[1:], dtype=torch.float64)
        right = assignment.classify(seen.pattern) == labels[:, None]
        # a pattern that is owned but not taught (too rare) is right to read and still moved towards a taught one
        taught = right & assignment.target[code(seen.pattern, assignment.tones)]
        for s, label in enumerate(labels.tolist()):
            goals = assignment.targets(label)  # (goals, oscillators)
            differs = goals[None] != seen.pattern[s][:, None]  # (chips, goals, oscillators)
            follows = tones[s][(goals - 1).clamp(min=0)]
            missing = torch.where(differs & (goals > 0), follows - seen.frequency[s][:, None], 0.0)
            cost = differs.sum(-1) + missing.abs().sum(-1) / 1e12  # fewest oscillators first, then the smallest shift
            best = cost.argmin(1)
            chosen = missing[torch.arange(len(best)), best]
            shift += torch.where(taught[s][:, None], 0.0, chosen)
        return shift, right

    def train(
        self,
        observe: Observe,
        currents: torch.Tensor,
        tones: torch.Tensor,
        labels: torch.Tensor,
        assignment: Assignment,
        slope: torch.Tensor,
        limits: tuple[float, float],
        generator: torch.Generator,
        after_step: Callable[[int, torch.Tensor], None] | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Learn the currents of every chip; all chips are shown the same examples.

        Args:
            observe: ``observe(currents, tones, key)`` lets the network answer; full solution, surrogate or laboratory.
            currents: where to start, A, ``(chips, oscillators)``.
            tones: injected frequencies in Hz of the training samples, ``(samples, tones)``.
            labels: their classes, 0 ... K - 1, each present.
            slope: nominal df/dI in Hz/A, broadcast to the currents.
            limits: smallest and largest current in A.
            after_step: called with the number of steps done and the currents; also before the first, with 0.

        Returns:
            the currents learned, and the share of right answers to the examples shown, ``(steps, chips)``.

        Raises:
            ParameterError: a class has no sample or no pattern to learn, or the limits are not in order.
        """
        low, high = limits
        if not low < high:
            raise ParameterError(f"limits of the currents, {low:g} and {high:g} A, are not in order")
        pools = []
        for k in range(int(labels.max()) + 1):
            pools.append(torch.nonzero(labels == k).squeeze(-1))
            if len(pools[-1]) == 0:
                raise ParameterError(f"class {k} has no training sample")
            if len(assignment.targets(k)) == 0:
                raise ParameterError(f"class {k} owns no pattern to learn; assign it one")
        currents = currents.double().clone()
        shown = []
        if after_step:
            after_step(0, currents)
        for step in range(self.steps):
            pick = torch.stack([p[torch.randint(len(p), (), generator=generator)] for p in pools])
            seen = observe(currents, tones[pick], draw_key(generator))
            shift, right = self.wanted_shift(seen, tones[pick], labels[pick], assignment)
            rate = self.rate * (1 - step / self.steps)
            currents = (currents + rate * shift / slope).clamp(low, high)
            shown.append(right.double().mean(0))
            if after_step:
                after_step(step + 1, currents)
        return currents, torch.stack(shown) if shown else torch.empty(0, len(currents))
