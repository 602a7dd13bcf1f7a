"""Energy is counted, then priced.

Circuits and networks return `Counts` (how often each kind of event happens); a device or circuit
declares a `Price` per event, with its source and technology node. Nothing here keeps a ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Bill", "Comparison", "Counts", "Line", "Price", "bill"]


@dataclass(frozen=True)
class Price:
    """Energy of one event in joule, with where the number comes from."""

    joule: float
    source: str
    node: str
    verified: bool = True


@dataclass(frozen=True)
class Comparison:
    """Energy in joule of the same work by other means, or as projected: shown beside a bill, never part of it."""

    title: str
    joule: float
    source: str
    projection: bool = False
    verified: bool = True


@dataclass(frozen=True)
class Counts:
    """Number of events by name (``read``, ``write``, ``adc``, ``dac``, ``mac``, ``popcount``, ...)."""

    events: Mapping[str, float] = field(default_factory=dict[str, float])

    def __add__(self, other: Counts) -> Counts:
        names = [*self.events, *(n for n in other.events if n not in self.events)]
        return Counts({n: self.events.get(n, 0.0) + other.events.get(n, 0.0) for n in names})

    def __mul__(self, factor: float) -> Counts:
        return Counts({n: v * factor for n, v in self.events.items()})

    __rmul__ = __mul__


@dataclass(frozen=True)
class Line:
    """One row of an energy bill."""

    event: str
    count: float
    price: Price | None

    @property
    def joule(self) -> float | None:
        """Energy of this row, or None where no price is declared."""
        return None if self.price is None else self.count * self.price.joule


@dataclass(frozen=True)
class Bill:
    """Energy split by cause."""

    lines: tuple[Line, ...]

    @property
    def joule(self) -> float:
        """Sum over the rows that have a price."""
        return sum(line.joule for line in self.lines if line.joule is not None)

    def split(self, causes: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
        """Energy in joule by cause: the events that each cause stands for; what no cause names is ``"other"``."""
        named = {event: cause for cause, events in causes.items() for event in events}
        found = dict.fromkeys(causes, 0.0)
        for line in self.lines:
            cause = named.get(line.event, "other")
            found[cause] = found.get(cause, 0.0) + (line.joule or 0.0)
        return found

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Events that happened but that nobody priced; shown, never silently dropped."""
        return tuple(line.event for line in self.lines if line.price is None and line.count)


def bill(counts: Counts, prices: Mapping[str, Price]) -> Bill:
    """Multiply counts by prices."""
    return Bill(tuple(Line(event, count, prices.get(event)) for event, count in counts.events.items()))
