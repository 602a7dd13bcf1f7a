"""From finished rows to answers: costs, the costliest imperfection, what it must reach, yield."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nanoneurons.circuits import Circuit
from nanoneurons.core.parameter import Imperfection

from . import stats
from .chips import circuit_for, correct_table

__all__ = ["LIMIT", "costliest", "costs", "curve_factors", "label", "requirement", "row", "yield_curve"]

LIMIT = 1.0  # points: the cost below which an imperfection no longer matters


def label(imperfection: Imperfection) -> str:
    """Name for people: ``device-to-device spread``, ``telegraph noise``, ``device-to-device spread of the neurons``."""
    if imperfection.name.startswith("neuron_"):
        own = Imperfection(imperfection.name.removeprefix("neuron_"), imperfection.parameters)
        return f"{label(own)} of the neurons"
    text = imperfection.label.replace("adc", "ADC").replace("dac", "DAC")
    if text == "stuck":
        return "stuck devices"
    return text + (" spread" if "-to-" in text else "")


def row(condition: str, name: str, table: np.ndarray) -> dict[str, Any]:
    """One line of the table of conditions; accuracies are shares, the interval covers chips and test set."""
    per_chip = table.mean(1)
    found = stats.crossed_mean(table)
    return {
        "condition": condition,
        "label": name,
        "accuracy": per_chip.tolist(),
        "mean": found.mean,
        "std": float(per_chip.std(ddof=1)) if len(per_chip) > 1 else None,
        "low": found.low,
        "high": found.high,
        "se_chips": found.se_chips,
        "se_test": found.se_test,
    }


def _points(better: np.ndarray, worse: np.ndarray) -> dict[str, Any]:
    found = stats.paired_cost(better, worse)
    return {
        "points": found.mean,
        "low": found.low,
        "high": found.high,
        "se_chips": found.se_chips,
        "se_test": found.se_test,
        "per_chip": (100 * (better.mean(1) - worse.mean(1))).tolist(),
    }


def costs(circuit: Circuit, tables: dict[str, np.ndarray]) -> list[dict[str, Any]]:
    """What each imperfection costs: gained by removing it, and lost by it alone."""
    found = []
    for imperfection in circuit.imperfections():
        name = imperfection.name
        found.append(
            {
                "imperfection": name,
                "label": label(imperfection),
                "parameters": _parameters(circuit, imperfection),
                "removed": _points(tables[f"without:{name}"], tables["full"]),
                "alone": _points(tables["ideal"], tables[f"only:{name}"]),
            }
        )
    return found


def _parameters(circuit: Circuit, imperfection: Imperfection) -> list[dict[str, Any]]:
    return [
        {
            "name": p.name,
            "doc": p.doc,
            "unit": p.unit,
            "value": _value(circuit, p.name),
            "ideal": p.ideal,
            "source": p.source,
            "verified": p.verified,
        }
        for p in imperfection.parameters
    ]


def _value(circuit: Circuit, name: str) -> float:
    return circuit.all_values()[name]


def costliest(circuit: Circuit, tables: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """The imperfection whose removal gains most; those that cannot be told from it are named as ties.

    Where no removal gains anything (one imperfection hides another), the one that costs most alone.
    """
    names = [i.name for i in circuit.imperfections()]
    if not names:
        return None
    gains = {n: _points(tables[f"without:{n}"], tables["full"])["points"] for n in names}
    by = "removed"
    if max(gains.values()) <= 0:
        by = "alone"
        gains = {n: _points(tables["ideal"], tables[f"only:{n}"])["points"] for n in names}
    best = max(names, key=lambda n: gains[n])

    def difference(other: str) -> stats.Estimate:
        if by == "removed":
            return stats.paired_cost(tables[f"without:{best}"], tables[f"without:{other}"])
        return stats.paired_cost(tables[f"only:{other}"], tables[f"only:{best}"])

    ties = []
    for other in names:
        if other != best:
            gap = difference(other)
            if gap.low is None or gap.low <= 0:
                ties.append(other)
    return {"imperfection": best, "by": by, "ties": ties}


def curve_factors(circuit: Circuit, name: str, factors: tuple[float, ...]) -> list[float]:
    """Factors that give distinct circuits and stay inside the parameters' ranges."""
    (members,) = [i.parameters for i in circuit.imperfections() if i.name == name]
    kept: list[float] = []
    seen: list[Circuit] = []
    for factor in factors:
        moved = circuit.scaled(name, factor)
        inside = all(_reaches(circuit, moved, p, factor) for p in members)
        if inside and moved not in seen:
            kept.append(factor)
            seen.append(moved)
    return kept


def _reaches(circuit: Circuit, moved: Circuit, p: Any, factor: float) -> bool:
    wanted = p.ideal + factor * (_value(circuit, p.name) - p.ideal)
    return p.integer or abs(_value(moved, p.name) - wanted) <= 1e-9 * max(abs(wanted), 1e-300)


def requirement(circuit: Circuit, name: str, tables: dict[float, np.ndarray], seed: int) -> dict[str, Any]:
    """The sensitivity curve of one imperfection, and the size at which it costs less than `LIMIT` points.

    Args:
        tables: right and wrong answers per scale factor; factor 0 is the imperfection removed.
    """
    (imperfection,) = [i for i in circuit.imperfections() if i.name == name]
    factors = sorted(tables)
    estimates = [stats.paired_cost(tables[0.0], tables[f]) for f in factors]
    per_chip = np.array([100 * (tables[0.0].mean(1) - tables[f].mean(1)) for f in factors])
    found = stats.requirement(factors, per_chip, limit=LIMIT, seed=seed)
    present = {p.name: _value(circuit, p.name) for p in imperfection.parameters}

    def values(factor: float | None) -> dict[str, float] | None:
        if factor is None:
            return None
        ideal = {p.name: p.ideal or 0.0 for p in imperfection.parameters}
        return {name: start + factor * (present[name] - start) for name, start in ideal.items()}

    single = imperfection.parameters[0] if len(imperfection.parameters) == 1 else None
    return {
        "imperfection": name,
        "label": label(imperfection),
        "limit_points": LIMIT,
        "factors": factors,
        "cost": [e.mean for e in estimates],
        "cost_low": [e.low for e in estimates],
        "cost_high": [e.high for e in estimates],
        "status": found.status,
        "open_ended": found.open_ended,
        "factor": found.factor,
        "factor_low": found.low,
        "factor_high": found.high,
        "parameters": _parameters(circuit, imperfection),
        "required": values(found.factor),
        "axis": None
        if single is None
        else {"doc": single.doc, "unit": single.unit, "values": [values(f)[single.name] for f in factors]},  # type: ignore[index]
    }


def yield_curve(accuracy: list[float]) -> dict[str, Any]:
    """Share of chips that reach an accuracy, with the exact binomial 95 % band, at each chip's accuracy."""
    chips = len(accuracy)
    levels = sorted(set(accuracy))
    reached = [sum(a >= level for a in accuracy) for level in levels]
    bands = [stats.clopper_pearson(k, chips) for k in reached]
    return {
        "chips": chips,
        "accuracy": levels,
        "share": [k / chips for k in reached],
        "low": [low for low, _ in bands],
        "high": [high for _, high in bands],
        "next_low": stats.clopper_pearson(0, chips)[0],
        "next_high": stats.clopper_pearson(0, chips)[1],
        "median": float(np.median(accuracy)),
    }


def scaled_circuits(circuit: Circuit, name: str, factors: list[float]) -> dict[float, str]:
    """Conditions of a sensitivity curve; the ends are conditions that exist already."""
    ends = {0.0: f"without:{name}", 1.0: "full"}
    return {f: ends.get(f, f"scale:{name}@{f:g}") for f in factors}


def distinct(circuit: Circuit, conditions: list[str], drawn: Sequence[Circuit] = ()) -> dict[str, str]:
    """The job that computes each condition: conditions with equal circuits share the first one's."""
    owner: list[tuple[Circuit, str]] = []
    jobs = {}
    for condition in conditions:
        made = circuit_for(circuit, condition, drawn)
        jobs[condition] = next((job for known, job in owner if known == made), condition)
        if jobs[condition] == condition:
            owner.append((made, condition))
    return jobs


def tables_of(jobs: dict[str, str], results: dict[str, dict[str, Any]], images: int) -> dict[str, np.ndarray]:
    """Right and wrong answers of each condition."""
    return {condition: correct_table(results[job], images) for condition, job in jobs.items()}
