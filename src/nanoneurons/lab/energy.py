"""The energy bill of an audit: events counted by circuits, priced by devices, split by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts, Price, bill

__all__ = ["energy"]


def energy(circuit: Circuit, result: Mapping[str, Any], *, in_situ: bool, presented: int) -> dict[str, Any]:
    """Bills per inference and per training of one chip.

    Training in the devices counts the pulses that were applied and one forward pass through the array per
    presented sample; training in software counts the pulses that program the chip once.

    Args:
        result: stored row of the full device (``inference`` events of one sample, ``pulses_per_chip``).
        presented: samples shown during the whole training.
    """
    prices = circuit.prices()
    inference = Counts(result["inference"])
    written = circuit.writing(result["pulses_per_chip"])
    parts: list[tuple[str, Counts]]
    if in_situ:
        parts = [("pulses that change weights", written), ("forward passes", inference * presented)]
        note = (
            f"{presented:,} forward passes and the pulses they caused; gradients are computed digitally and not priced"
        )
    else:
        parts = [("pulses that program the weights", written)]
        note = "programming one chip once; the training itself is digital and not priced"
    if not result["pulses_per_chip"]:
        note += "; no pulses were counted"
    return {
        "inference": {"note": "one sample, one chip", **_billed([("inference", inference)], prices)},
        "training": {"note": note, **_billed(parts, prices)},
    }


def _billed(parts: list[tuple[str, Counts]], prices: Mapping[str, Price]) -> dict[str, Any]:
    lines = []
    for phase, counts in parts:
        for line in bill(counts, prices).lines:
            price = line.price
            lines.append(
                {
                    "phase": phase,
                    "event": line.event,
                    "count": line.count,
                    "joule_each": None if price is None else price.joule,
                    "joule": line.joule,
                    "source": None if price is None else price.source,
                    "node": None if price is None else price.node,
                    "verified": price is not None and price.verified,
                }
            )
    return {
        "joule": sum(line["joule"] for line in lines if line["joule"] is not None),
        "verified": all(line["verified"] for line in lines if line["count"]),
        "unpriced": [line["event"] for line in lines if line["joule"] is None and line["count"]],
        "lines": lines,
    }
