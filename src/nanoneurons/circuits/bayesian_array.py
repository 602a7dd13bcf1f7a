r"""Arrays of likelihoods (2T2R) with the logic of a Bayesian machine around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from nanoneurons.core.energy import Comparison, Counts, Price
from nanoneurons.core.parameter import param

from . import _bayesian_energy
from .differential_pair import DifferentialPair

__all__ = ["BayesianArray"]


@dataclass(frozen=True)
class BayesianArray(DifferentialPair):
    """Blocks of 2T2R memory, one per hypothesis and observation, each beside the comparator that uses its words.

    A bit is a `DifferentialPair`; an amplifier serves one bit of the words of one block. The matrix has one line per
    word (``out``: the value observed) and one column per bit of every block (``in``), so that the amplifiers' offsets
    are shared as they are on the chip. The logic is `nanoneurons.circuits._bayesian_logic`.

    Not modelled: as `DifferentialPair`; forming, the supply, delays.

    Source: Harabi et al., Nature Electronics 6, 52 (2023).
    """

    upset_rate: float = param(
        0.0, "1", doc="probability that a bit of a register flips in a clock cycle", low=0.0, high=0.5,
        source="0 for a chip on the ground; a test of transient errors sets it", imperfection="upsets", ideal=0.0,
        verified=False,
    )  # fmt: skip

    title: ClassVar[str] = "array of likelihoods with stochastic or logarithmic logic (2T2R)"
    layers: ClassVar[str] = "likelihood"
    holds: ClassVar[str] = "likelihoods"
    causes: ClassVar[Mapping[str, tuple[str, ...]]] = _bayesian_energy.CAUSES

    @property
    def sensed(self) -> bool:
        """Words are read bit by bit."""
        return True

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One word read in every block: each bit once."""
        return Counts({"sense": float(in_features)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of devices, of a sense operation and of the logic's events."""
        pair = {name: price for name, price in super().prices().items() if name != "popcount"}
        return {**pair, **_bayesian_energy.PRICES}

    def comparisons(self, layers: Sequence[tuple[int, int]]) -> tuple[Comparison, ...]:
        """The same inference in a microcontroller; `layers` are hypotheses and observations of one machine."""
        return tuple(found for rows, columns in layers for found in _bayesian_energy.comparisons(rows, columns))

    def remarks(self) -> tuple[str, ...]:
        """What the bill and the simulation leave out."""
        return (
            "The bill of a decision begins with the observed bins and ends with the hypothesis chosen: finding the bin "
            "of a feature, address decoders, long wires, glitches, the clock's tree, leakage and forming are left out.",
            "The microcontrollers run straight-line code from known bins, so theirs are lower bounds; a ratio of "
            "thousands comes from floating point in software.",
        )
