"""Results in sentences: the headline, the requirement, and what the numbers do not cover."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nanoneurons.core.units import si

__all__ = [
    "headline",
    "notes",
    "number",
    "percent",
    "plain",
    "points",
    "requirement_sentence",
    "si",
    "signed",
    "warned",
]

_PREFIXED = {"S", "ohm", "s", "V", "A", "J", "W", "T", "Hz", "m", "F"}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def plain(value: float) -> str:
    """Three digits, with a power of ten where zeros would not be read: ``1.17·10⁸``."""
    text = f"{value:.3g}"
    if "e" not in text:
        return text.replace("-", "−")
    mantissa, power = text.split("e")
    return f"{mantissa}·10{str(int(power)).translate(_RAISED)}".replace("-", "−")


def number(value: float, unit: str) -> str:
    """A value with its unit; SI units get a prefix, all others a plain number."""
    if unit in _PREFIXED:
        return si(value, "Ω" if unit == "ohm" else unit)
    return plain(value) if unit == "1" else f"{plain(value)} {unit}"


def percent(share: float) -> str:
    """A share as ``97.31 %``."""
    return f"{100 * share:.2f} %"


def points(cost: dict[str, Any]) -> str:
    """A cost with its interval: ``3.2 points [2.9, 3.5]``."""
    text = f"{signed(cost['points'])} points"
    return text if cost["low"] is None else f"{text} [{signed(cost['low'])}, {signed(cost['high'])}]"


def signed(value: float) -> str:
    """Two decimals, with a real minus sign."""
    return f"{value:.2f}".replace("-", "−")


def headline(result: dict[str, Any]) -> str:
    """The answer in one breath: accuracy, the costliest imperfection, what it must reach, energy."""
    full = next(r for r in result["rows"] if r["condition"] == "full")
    chips = len(full["accuracy"])
    about, used = result["about"], result["used"]
    half = "" if full["low"] is None else f" ± {50 * (full['high'] - full['low']):.2f}"
    plural = "chips" if chips > 1 else "chip"
    parts = [
        f"{chips} {plural} of {about['device']['title']} ({used['network']}) on {about['task']['title']} "
        f"{'reach' if chips > 1 else 'reaches'} {100 * full['mean']:.2f}{half} %"
    ]
    if (fit := result.get("fit")) is not None:
        low, high = max(fit["low"], 0.0), min(fit["high"], 1.0)
        parts.append(f"{100 * low:.2f} to {100 * high:.2f} % with the uncertainty of the fit")
    worst = result["costliest"]
    if worst is None:
        parts.append("the device has no imperfection to remove")
    else:
        (cost,) = [c for c in result["costs"] if c["imperfection"] == worst["imperfection"]]
        chosen = cost[worst["by"]]
        if chosen["low"] is not None and chosen["low"] <= 0:
            parts.append(f"no imperfection has a cost beyond error; the largest is {cost['label']}, {points(chosen)}")
        else:
            plural = cost["label"].endswith("s") and not cost["label"].endswith("ss")  # stuck devices; insertion loss
            verb = "cost" if plural else "costs"
            parts.append(f"{cost['label']} {verb} most: {points(chosen)}{_tie(result)}")
        if result["requirement"] is not None:
            parts.append(requirement_sentence(result["requirement"]))
    bill = result["energy"]["inference"]
    if bill["joule"]:
        doubt = "" if bill["verified"] else " (with unverified prices)"
        parts.append(f"{si(bill['joule'], 'J')} per inference{doubt}")
    return "; ".join(parts) + "."


def _tie(result: dict[str, Any]) -> str:
    ties = result["costliest"]["ties"]
    names = [c["label"] for c in result["costs"] if c["imperfection"] in ties]
    if len(names) > 3:
        return f", not told apart from {len(names)} others"
    listed = " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])
    return f", not told apart from {listed}" if names else ""


def requirement_sentence(need: dict[str, Any]) -> str:
    """What the costliest imperfection must reach to cost less than the limit."""
    limit = "one point" if need["limit_points"] == 1 else f"{need['limit_points']:g} points"
    if need["status"] == "not reached":
        return f"no reduction brings its cost below {limit}"
    interval = ""
    if need["factor_low"] is not None and not (need["open_ended"] and need["factor_low"] == need["factor_high"]):
        interval = f" (95 %: {need['factor_low']:.2f} to {need['factor_high']:.2f})"
    factor = f"{need['factor']:.2f} times its present size{interval}"
    value = ""
    if len(need["parameters"]) == 1:
        (p,) = need["parameters"]
        value = f", {number(need['required'][p['name']], p['unit'])} instead of {number(p['value'], p['unit'])}"
    if need["status"] == "must fall":
        return f"to cost less than {limit} it must fall to {factor}{value}"
    if need["open_ended"]:
        return f"that is already less than {limit}, and stays so up to {need['factor']:g} times its present size"
    return f"that is already less than {limit}; it may grow to {factor}{value}"


def warned(results: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str], noun: str) -> list[str]:
    """One sentence about all jobs that warned, with the words of the first; none if no job did.

    Args:
        results: of jobs; those that warned have ``warnings``.
        labels: what people call them, where that is not the name of the job.
        noun: what a job is, in the plural.
    """
    found = [(job, result["warnings"][0]) for job, result in results.items() if result.get("warnings")]
    if not found:
        return []
    job, text = found[0]
    return [f"In {len(found)} of {len(results)} {noun} a warning was given; in {labels.get(job, job)}: {text}."]


def notes(result: dict[str, Any]) -> list[str]:
    """What the numbers do not cover, and what a reader should know of them."""
    study, used, about = result["study"], result["used"], result["about"]
    found = [
        "Intervals are 95 % and cover both new chips and new test samples (crossed random effects); costs are "
        "paired: every condition uses the same chips, mini-batches and test samples.",
    ]
    if study["quick"]:
        found.insert(
            0, "Quick run: few epochs, few samples and a coarse sensitivity curve. Do not quote these numbers."
        )
    if about["task"]["notice"]:
        found.append(f"Data: {about['task']['notice']}")
    if study["chips"] == 1:
        found.append("One chip: intervals cover the test samples only, and there is no yield.")
    elif study["chips"] < 5:
        found.append(f"Only {study['chips']} chips: spread and yield are rough.")
    if used["in_situ"]:
        found.append(
            "All chips start from one set of initial weights and see one order of samples; another seed gives others."
        )
    else:
        found.append(
            "One software network was trained and written to every chip; the spread from training it again is not "
            "included."
        )
    found.append(f"Not modelled by the device: {about['device']['not_modelled']}")
    found.append("Wire resistance, and peripheral circuits and digital logic beyond what is priced, are not modelled.")
    if result["costliest"] is not None and result["costliest"]["by"] == "alone":
        found.append(
            "Removing one imperfection at a time gains nothing here, so the costliest was chosen by its cost alone."
        )
    for phase in ("inference", "training"):
        if result["energy"][phase]["unpriced"]:
            events = ", ".join(result["energy"][phase]["unpriced"])
            found.append(f"Energy per {phase} leaves out events without a price: {events}.")
    chance = 1 / about["task"]["classes"]
    full = next(r for r in result["rows"] if r["condition"] == "full")
    if full["mean"] < chance + 0.25 * (1 - chance):
        found.append("The full device hardly learns this task (near chance); costs and requirement then say little.")
    return found
