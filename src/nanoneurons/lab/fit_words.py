"""A fit in sentences: what was read, what the data tell and cannot tell, and how good the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .words import number, plain

__all__ = ["headline", "identifiability", "listed", "remarks", "value_text"]

KINDS = {
    "pulses": "readings after pulses",
    "iv": "current-voltage sweeps",
    "levels": "programmed levels",
    "retention": "retention",
    "noise": "repeated reads",
    "tables": "distributions of steps",
}


def headline(result: dict[str, Any]) -> str:
    """The answer in one breath."""
    data, device, found = result["data"], result["device"], result["calibration"]
    said = [f"{device['label']} fitted to {KINDS[data['kind']]} of {data['file']} ({amount(data)})"]
    told = [p for p in result["parameters"] if p["origin"] == "data"]
    said.append(f"the data tell {len(told)} of its {len(result['parameters'])} parameters")
    if found is None:
        tables = data["kind"] == "tables"
        why = "the file holds no readings that could be held out" if tables else "too few readings to hold any out"
        said.append(f"{why}, so how well it fits is not known")
        return "; ".join(said) + "."
    verdict = {"fits": "it fits", "does not fit well enough": "it does not fit well enough"}
    said.append(verdict.get(found["verdict"], f"{found['verdict']} whether it fits"))
    if found["inside"] is not None:
        said[-1] += f": its 90 % band holds {share(found)} of {found['readings']:,} held-out readings"
    return "; ".join(said) + "."


def amount(data: dict[str, Any]) -> str:
    """How much was measured."""
    unit = "table" if data["kind"] == "tables" else "reading"
    count = data["readings"]
    return f"{count:,} {unit}{'s' * (count != 1)}, {data['devices']:,} device{'s' * (data['devices'] != 1)}"


def share(found: dict[str, Any]) -> str:
    """A share with its interval: ``89.3 % (95 %: 88.1 to 90.5)``."""
    return f"{100 * found['inside']:.1f} % (95 %: {100 * found['low']:.1f} to {100 * found['high']:.1f})"


def listed(names: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([*([", ".join(names[:-1])] if names[1:] else []), *names[-1:]])


def value_text(value: Any, unit: str) -> str:
    """A value for people; settings that are words stay words."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return number(float(value), unit)


def interval_text(parameter: dict[str, Any]) -> str:
    """The 95 % interval with its unit once."""
    if parameter["low"] is None:
        return ""
    low, high = (value_text(parameter[end], parameter["unit"]) for end in ("low", "high"))
    number_low, _, unit_low = low.partition(" ")
    same = unit_low and unit_low == high.partition(" ")[2]
    return f"{number_low if same else low} to {high}"


def identifiability(result: dict[str, Any]) -> list[str]:
    """What the data tell, what is a convention, and what they cannot tell, with the reasons."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for p in result["parameters"]:
        groups.setdefault(p["origin"], []).append(p)
    said = []
    told = [p["name"] for p in groups.get("data", [])]
    if told:
        said.append(f"The data tell {listed(told)}.")
    if groups.get("earlier"):
        said.append(f"An earlier fit tells {listed([p['name'] for p in groups['earlier']])}.")
    for origin, start in (("fixed", "Set"), ("kept", "The data cannot tell")):
        reasons: dict[str, list[str]] = {}
        for p in groups.get(origin, []):
            reasons.setdefault(p["reason"], []).append(p["name"])
        said += [f"{start} {listed(names)}: {reason.rstrip('.')}." for reason, names in reasons.items()]
    if groups.get("set"):
        said.append(f"You set {listed([p['name'] for p in groups['set']])}.")
    if groups.get("default"):
        names = [p["name"] for p in groups["default"]]
        which = listed(names) if len(names) < 7 else f"The other {len(names)} parameters"
        said.append(f"{which} {'keep their defaults' if len(names) > 1 else 'keeps its default'}.")
    return said


def remarks(result: dict[str, Any]) -> list[str]:
    """What a reader should know of the fit."""
    found, said = result["calibration"], []
    people, dead, wild = result["population"], result["dead"], result["outliers"]
    if dead["count"]:
        what = "moved by no pulse" if result["data"]["kind"] == "pulses" else "stuck or dead"
        said.append(
            f"{dead['count']} of {result['data']['devices']} devices {'are' if dead['count'] > 1 else 'is'} {what} "
            f"({listed(dead['names'])}); counted as stuck, and left out of everything else."
        )
    if wild["count"]:
        said.append(f"{wild['count']} readings were set aside as outliers: {'; '.join(wild['where'])}.")
    if found is not None and found["verdict"] == "does not fit well enough":
        said.append(_misfit(result, found))
    if people is not None and people["verdict"] == "differs":
        said.append(
            f"Fresh devices of this fit differ from the measured ones: their 90 % band holds {share(people)} of the "
            "readings. What follows a reading is predicted better than a whole run."
        )
    return said


def _misfit(result: dict[str, Any], found: dict[str, Any]) -> str:
    several = len({row["name"] for row in result["candidates"]}) > 1
    start = f"No model fits well enough: the best one, {result['device']['label']}," if several else "The model"
    told = f"{start} has a band that holds {100 * found['inside']:.1f} % and ranks {found['distance']:.2f} off uniform"
    if found["aside"] > 0.005:
        told += f", and sets aside {100 * found['aside']:.0f} % of the readings"
    if result["data"]["kind"] != "pulses" or result["device"]["name"] == "table":
        return told + ". Treat its noise and its intervals with care."
    tables = [row for row in result["candidates"] if row["name"] == "table"]
    if not tables:
        return told + ". Try --device table, whose steps are taken from the data as they are."
    if tables[0]["log_density"] is None:
        return told + f". The table of steps is no way out here: {tables[0]['state']}."
    return told + ". The table of steps (--device table) takes its noise from the data; it was compared too."


def log_text(row: dict[str, Any]) -> str:
    """How far a candidate lies behind the best: ``0.12 ± 0.03``."""
    if row["behind"] is None:
        return ""
    if row["behind"] == 0:
        return "best" if row["error"] is None else "the same"
    return plain(row["behind"]) + ("" if row["error"] is None else f" ± {row['error']:.2g}")


def split_text(split: dict[str, Any]) -> str:
    """How readings were held out, as a sentence."""
    some = "" if split["devices"] is None else f" of {split['devices']} devices chosen at random"
    how = {
        "devices": "every device was predicted by fits to others",
        "cycles": "every cycle was predicted by fits to others",
        "blocks": "every block of readings was predicted, one after the other, by fits that did not see the block",
    }
    return f"{split['readings']:,} readings{some} in {split['folds']} folds: {how[split['by']]}."


def tiles(result: dict[str, Any]) -> list[dict[str, str]]:
    """The numbers to remember."""
    found, people = result["calibration"], result["population"]
    told = sum(p["origin"] == "data" for p in result["parameters"])
    shown = [
        {
            "value": f"{result['data']['devices']:,}",
            "text": f"devices measured, {result['data']['readings']:,} readings",
        },
        {"value": f"{told}", "text": f"parameters told by the data, of {len(result['parameters'])}"},
    ]
    if result["data"]["kind"] == "tables":
        shown[0] = {"value": f"{result['data']['devices']:,}", "text": "devices whose steps are tabled"}
    if found is not None and found["inside"] is not None:
        shown.append(
            {
                "value": f"{100 * found['inside']:.1f} %",
                "text": f"of held-out readings lie in their 90 % band (95 %: {100 * found['low']:.1f} to "
                f"{100 * found['high']:.1f})",
            }
        )
    if people is not None and people["verdict"] != "shown only":
        shown.append(
            {"value": f"{100 * people['inside']:.1f} %", "text": "of readings lie in the 90 % band of fresh devices"}
        )
    return shown
