r"""Arrays of likelihoods (2T2R) with the logic of a Bayesian machine around them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.parameter import param

from .differential_pair import DifferentialPair

__all__ = ["BayesianArray"]

_LOGIC = "order of magnitude: a few gates of 5 to 10 fJ each at 1.2 V"
_NODE = "130 nm"


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
        return {**pair, **{name: Price(joule, _LOGIC, _NODE, False) for name, joule in _EVENTS.items()}}


# joule per event: a shift register's step, a comparator's bit, a gate of an AND row, a counter's increment, an addition
_EVENTS = {"random number": 80e-15, "comparison": 40e-15, "and": 5e-15, "count": 50e-15, "addition": 100e-15}
