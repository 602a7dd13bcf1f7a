"""Everything a fit found as plain data: what ``rows.json`` holds and the report and the command line show."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.fitting import Fit, Prediction
from nanoneurons.measurements import Measurements, describe

from .audit import environment
from .fit_choice import Choice
from .fit_compare import Candidate
from .fit_series import plain, residuals, series, x_label
from .fit_splits import Split, readings
from .fit_words import headline, identifiability, remarks

__all__ = ["SCHEMA", "result"]

SCHEMA = 1
SHOWN = 12  # names of devices or places of outliers that are listed
LAW = 4000  # simulated devices behind the drawn law of a constant


def result(
    *,
    data: Measurements,
    judged: Measurements,
    fit: Fit,
    spec: str,
    parameters: Mapping[str, object],
    seed: int,
    split: Split | None,
    choice: Choice | None,
    tried: Sequence[Candidate],
    refused: Mapping[str, str],
    calibration: dict[str, Any] | None,
    population: dict[str, Any] | None,
    steps: dict[str, Any] | None,
    prediction: Prediction | None,
    counted: np.ndarray | None,
    seconds: float,
) -> dict[str, Any]:
    """Put a fit together; no number is computed here but summaries for drawing."""
    device = fit.device
    found: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "fit",
        "headline": "",
        "asked": {"device": spec, "parameters": {k: str(v) for k, v in parameters.items()}, "seed": seed},
        "data": _data(data),
        "device": {
            "name": fit.name,
            "variant": fit.variant,
            "label": f"{fit.name} ({fit.variant})" if fit.variant else fit.name,
            "title": device.title,
            "citation": device.citation,
            "not_modelled": device.not_modelled,
        },
        "split": _split(data, judged, split, choice),
        "candidates": [] if choice is None else choice.rows,
        "untried": [{"name": name, "reason": reason} for name, reason in refused.items()],
        "choice": _unjudged(tried, fit) if choice is None else choice.words,
        "parameters": _parameters(fit, spec, parameters),
        "facts": [
            {"name": f.name, "doc": f.doc, "unit": f.unit}
            | dict(zip(("value", "low", "high"), plain(np.array([f.value, f.low, f.high])), strict=True))
            for f in fit.facts
        ],
        "log_likelihood": plain(np.array([fit.log_likelihood]))[0],
        "dead": _dead(fit, data),
        "outliers": _outliers(fit, data),
        "calibration": calibration,
        "population": population,
        "steps": steps,
        "series": [] if prediction is None or counted is None else series(judged, prediction, counted),
        "x": x_label(data),
        "residuals": None if prediction is None or counted is None else residuals(judged, prediction, counted, seed),
        "spread": _spread(fit, data.unit),
        "notes": list(fit.notes),
        "environment": environment(),
        "seconds": seconds,
        "files": {},
        "next": "",
    }
    told = [p["name"] for p in found["parameters"] if p["origin"] in ("data", "fixed") and p["name"] in parameters]
    found["notes"] += [f"The data or the model tell {name}; what you set is not used." for name in told]
    found["headline"] = headline(found)
    found["identifiability"] = identifiability(found)
    found["notes"] = [*remarks(found), *found["notes"]]
    return found


def _data(data: Measurements) -> dict[str, Any]:
    origin = data.origin
    values = data.cumulative if data.kind == "tables" else readings(data)  # type: ignore[attr-defined]
    known = np.isfinite(values)
    return {
        "file": origin.file,
        "sha256": origin.sha256,
        "rows": origin.rows,
        "used": origin.used,
        "columns": origin.columns,
        "notes": list(origin.notes),
        "kind": data.kind,
        "unit": data.unit,
        "devices": len(np.unique(data.device)),
        "runs": len(data.device),
        "readings": len(data.device) if data.kind == "tables" else int(known.sum()),
        "described": [list(row) for row in describe(data) if row[0] != "note"],
    }


def _split(
    data: Measurements, judged: Measurements, parts: Split | None, choice: Choice | None
) -> dict[str, Any] | None:
    if parts is None or choice is None:
        return None
    compared = len(np.unique(judged.device))
    return {
        "by": parts.by,
        "folds": len(parts.folds),
        "units": parts.units,
        "readings": choice.readings,
        "devices": None if compared == len(np.unique(data.device)) else compared,
    }


def _unjudged(tried: Sequence[Candidate], fit: Fit) -> str:
    others = len(tried) - 1
    return (
        "" if others < 1 else f"{others} other models were possible; without held-out readings nothing tells them apart"
    )


def _parameters(fit: Fit, spec: str, given: Mapping[str, object]) -> list[dict[str, Any]]:
    """Every parameter of the device: value, interval and where it comes from."""
    earlier = devices.load_file(spec) if spec.endswith(".toml") else None
    estimates = {e.name: e for e in fit.estimates}
    rows = []
    for p in fit.device.parameters():
        origin, reason, low, high = "default", "", None, None
        if p.name in estimates:
            origin, low, high = "data", estimates[p.name].low, estimates[p.name].high
        elif p.name in fit.fixed:
            origin, reason = "fixed", fit.fixed[p.name]
        elif p.name in given:
            origin, reason = "set", "set by the user"
        elif earlier is not None and p.name in earlier.known:
            origin, known = "earlier", earlier.known[p.name]
            source = earlier.origin_of(p.name)
            reason, low, high = source.file if source else spec, known.low, known.high
        elif p.name in fit.kept:
            origin, reason = "kept", fit.kept[p.name]
        rows.append(
            {
                "name": p.name,
                "value": getattr(fit.device, p.name),
                "unit": p.unit,
                "doc": p.doc,
                "low": _finite(low),
                "high": _finite(high),
                "origin": origin,
                "reason": reason,
            }
        )
    return rows


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)


def _dead(fit: Fit, data: Measurements) -> dict[str, Any]:
    numbers = np.flatnonzero(fit.dead) if fit.dead is not None else np.array([], int)
    names = [data.devices[n] for n in numbers[:SHOWN]]
    more = [f"{len(numbers) - SHOWN} more"] if len(numbers) > SHOWN else []
    return {"count": len(numbers), "names": names + more}


def _outliers(fit: Fit, data: Measurements) -> dict[str, Any]:
    if fit.outliers is None or not fit.outliers.any():
        return {"count": 0, "where": []}
    rows, columns = np.nonzero(fit.outliers)
    where = [
        f"reading {c + 1}" if len(data.device) == 1 else f"{data.devices[data.device[r]]}, run {r + 1}, reading {c + 1}"
        for r, c in zip(rows[:SHOWN].tolist(), columns[:SHOWN].tolist(), strict=True)
    ]
    return {"count": len(rows), "where": where + ([f"{len(rows) - SHOWN} more"] if len(rows) > SHOWN else [])}


def _spread(fit: Fit, unit: str) -> list[dict[str, Any]]:
    """The devices' own constants, and where the device draws a constant of that name, quantiles of its law."""
    found = []
    alive = None if fit.dead is None else ~fit.dead
    state = fit.device.init((LAW,), generator_for(0, "law")) if fit.effects else {}
    for name, values in fit.effects.items():
        own = np.asarray(values, float)
        own = own[alive] if alive is not None and len(alive) == len(own) else own
        own = own[np.isfinite(own)]
        if len(own) < 2 or np.ptp(own) == 0:
            continue
        law = state.get(name.removeprefix("step_"))
        drawn = None if law is None else np.quantile(law.double().numpy(), np.linspace(0.005, 0.995, 199)).tolist()
        found.append({"name": name, "unit": fit.effect_units.get(name, unit), "values": own.tolist(), "law": drawn})
    return found
