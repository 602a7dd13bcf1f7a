"""The energy bill of an audit: events counted by circuits, priced by devices, split by cause."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from nanoneurons.circuits import Circuit
from nanoneurons.core.energy import Counts, Price, bill
from nanoneurons.layers._layer import DeviceLayer

from .words import si

__all__ = ["beside", "by_mode", "energy"]


def energy(
    circuit: Circuit, result: Mapping[str, Any], *, in_situ: bool, presented: int, passes: str = "forward passes"
) -> dict[str, Any]:
    """Bills per inference and per training of one chip.

    Training in the devices counts the drives (pulses, shifts) that were applied and what the rule reads per presented
    sample; training in software counts the drives that program the chip once.

    Args:
        result: stored row of the full device: ``inference`` and ``learning`` events of one sample,
            ``pulses_per_chip``.
        presented: samples shown during the whole training.
        passes: what reads the arrays for a sample in training.
    """
    prices = circuit.prices()
    inference = Counts(result["inference"])
    written = circuit.writing(result["pulses_per_chip"])
    drives = circuit.drives
    parts: list[tuple[str, Counts]]
    if in_situ:
        parts = [
            (f"{drives} that change weights", written),
            (passes, Counts(result.get("learning") or result["inference"]) * presented),
        ]
        note = (
            f"{presented:,} samples: {passes} and the {drives} they caused; what else computes the changes is digital "
            "and not priced"
        )
    else:
        parts = [(f"{drives} that program the {circuit.holds}", written)]
        note = "programming one chip once; the training itself is digital and not priced"
    if not result["pulses_per_chip"]:
        note += f"; no {drives} were counted"
    once = _billed([("inference", inference)], prices)
    shown = "one sample, one chip"
    if circuit.reading_time:
        shown += f"; {si(once['joule'] / circuit.reading_time, 'W')} while it reads"
    return {
        "inference": {"note": shown, **once},
        "training": {"note": note, **_billed(parts, prices)},
    }


def beside(circuit: Circuit, layers: Sequence[DeviceLayer]) -> list[dict[str, Any]]:
    """The same network by other means, one inference each; never part of a bill. Nothing where a layer convolves."""
    products = [layer.products for layer in layers]
    known = [found for found in products if found is not None]
    if not known or len(known) < len(products):
        return []
    return [dataclasses.asdict(found) for found in circuit.comparisons(known)]


def by_mode(circuit: Circuit, modes: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """Energy of one inference by cause in each mode that a network has; nothing where it has one only.

    Args:
        modes: events of one inference by mode.
    """
    if len(modes) < 2:
        return []
    bills = {mode: bill(Counts(events), circuit.prices()) for mode, events in modes.items()}
    return [
        {"mode": mode, "joule": found.joule, "causes": found.split(circuit.causes)} for mode, found in bills.items()
    ]


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
