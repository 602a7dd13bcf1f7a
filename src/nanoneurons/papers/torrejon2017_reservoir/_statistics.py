"""The gain of one way to classify over another on the same test utterances, with its interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Gain", "paired_gain", "table"]


@dataclass(frozen=True)
class Gain:
    """Gain in points, and the 95 % interval for other masks and other utterances."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:.1f} points [{self.low:.1f}, {self.high:.1f}]"


def table(rows: list[str]) -> np.ndarray:
    """Strings of 0 and 1 as an array ``(rows, utterances)``."""
    return np.array([[c == "1" for c in row] for row in rows], float)


def paired_gain(better: np.ndarray, base: np.ndarray, draws: int = 4000, seed: int = 0) -> Gain:
    """Gain of `better` ``(seeds, utterances)`` over `base` ``(seeds or 1, utterances)``, right 1 and wrong 0.

    Percentile bootstrap with seeds (masks) and utterances drawn anew independently, pairs kept together. Speakers
    are not drawn anew, so it does not tell of other speakers.
    """
    difference = 100.0 * (better - base)
    seeds, utterances = difference.shape
    draw = np.random.default_rng(seed)
    over_utterances = draw.multinomial(utterances, np.full(utterances, 1 / utterances), draws) / utterances
    over_seeds = draw.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds
    found = np.einsum("du,su,ds->d", over_utterances, difference, over_seeds, optimize=True)
    low, high = np.quantile(found, [0.025, 0.975])
    return Gain(float(difference.mean()), float(low), float(high))
