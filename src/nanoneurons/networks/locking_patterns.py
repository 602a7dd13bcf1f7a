"""Which oscillator is locked to which tone: patterns as numbers, their probabilities, and the classes that own them.

A pattern holds for each oscillator 0 (free) or the number of the tone it follows (1 for A, 2 for B, ...). With n
oscillators and X tones there are ``(X + 1) ** n`` patterns, numbered with the first oscillator as the highest digit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nanoneurons.core.errors import ParameterError

__all__ = ["Assignment", "code", "decode", "joint"]


def code(pattern: torch.Tensor, tones: int = 2) -> torch.Tensor:
    """Number of each pattern ``(..., oscillators)``; shape ``(...)``, int64."""
    weights = (tones + 1) ** torch.arange(pattern.shape[-1] - 1, -1, -1)
    return (pattern.long() * weights).sum(-1)


def decode(numbers: torch.Tensor, oscillators: int, tones: int = 2) -> torch.Tensor:
    """Patterns ``(..., oscillators)`` of their numbers."""
    weights = (tones + 1) ** torch.arange(oscillators - 1, -1, -1)
    return numbers.long()[..., None] // weights % (tones + 1)


def joint(probabilities: torch.Tensor) -> torch.Tensor:
    """Probability of every pattern, from those of each oscillator ``(..., oscillators, tones + 1)``, taken independent.

    Returns:
        shape ``(..., (tones + 1) ** oscillators)``, in the order of `code`.
    """
    table = probabilities[..., 0, :]
    for i in range(1, probabilities.shape[-2]):
        table = (table[..., :, None] * probabilities[..., i, None, :]).flatten(-2)
    return table


@dataclass(frozen=True, eq=False)
class Assignment:
    """Which class owns which pattern; a class may own several.

    Attributes:
        owner: class of each pattern, int64, shape ``(patterns,)``; -1 for nobody's.
        target: whether a rule may teach the network to show this pattern, bool, same shape.
        oscillators: number of oscillators.
        tones: number of tones.
    """

    owner: torch.Tensor
    target: torch.Tensor
    oscillators: int
    tones: int = 2

    def __post_init__(self) -> None:
        expected = ((self.tones + 1) ** self.oscillators,)
        if tuple(self.owner.shape) != expected or tuple(self.target.shape) != expected:
            raise ParameterError(f"an assignment needs owner and target of shape {expected}, one entry per pattern")

    @classmethod
    def from_mass(cls, mass: torch.Tensor, oscillators: int, tones: int = 2, least: float = 1.0) -> Assignment:
        """Every pattern goes to the class that shows it most; those shown `least` times become targets.

        A class that would get none takes the pattern in which its share is largest, so that it has one to learn.

        Args:
            mass: how often each class shows each pattern, counted or a sum of probabilities, ``(patterns, classes)``.

        Raises:
            ParameterError: a class shows no pattern at all, or two have only the same one.
        """
        mass = mass.double()
        total = mass.sum(1)
        owner = torch.where(total > 0, mass.argmax(1), -1)
        target = (total >= least) & (owner >= 0)
        share = mass / total.clamp(min=1e-300)[:, None]
        for k in range(mass.shape[1]):
            if bool((target & (owner == k)).any()):
                continue
            mine = torch.where(owner == k, mass[:, k], 0.0)
            pick = int(mine.argmax()) if float(mine.max()) > 0 else int(share[:, k].argmax())
            if not float(mass[pick, k]) > 0:
                raise ParameterError(f"class {k} shows no pattern, so it can own none")
            owner[pick], target[pick] = k, True
        if len(set(owner[target].tolist())) < mass.shape[1]:
            raise ParameterError(
                "two classes show only one and the same pattern; the oscillators cannot tell them apart"
            )
        return cls(owner, target, oscillators, tones)

    def classify(self, pattern: torch.Tensor) -> torch.Tensor:
        """Class that owns each pattern ``(..., oscillators)``, -1 for none."""
        return self.owner[code(pattern, self.tones)]

    def targets(self, label: int) -> torch.Tensor:
        """Patterns to teach for a class, ``(number, oscillators)``."""
        numbers = torch.nonzero(self.target & (self.owner == label)).squeeze(-1)
        return decode(numbers, self.oscillators, self.tones)
