"""The data beside the model as the report shows them: thinned, and with None for what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from nanoneurons.fitting import Prediction
from nanoneurons.measurements import Measurements

from .fit_splits import readings

__all__ = ["residuals", "series"]

POINTS = 250  # of one run
WINDOW = 90  # readings of a run of pulses: the band of a whole run would be too thin to see
RUNS = {"pulses": 4, "iv": 3, "retention": 8, "noise": 4}
PER_LEVEL = 200
SCATTER = 700
BINS = 24
QUANTILES = (0.05, 0.5, 0.95)
CURVES = ("median", "low", "high")


def series(data: Measurements, prediction: Prediction, counted: np.ndarray) -> list[dict[str, Any]]:
    """Some runs, spread over what was measured: what was read, and what the model expected of each reading.

    Each has ``label, x, reading, median, low, high``; all readings of a level make one for levels. Of a long run of
    pulses the readings around the first turn are shown.
    """
    if data.kind == "levels":
        return _levels(data, prediction, counted)
    measured = readings(data)
    known = np.isfinite(measured)
    rows = _chosen(data, np.flatnonzero((known if data.kind == "iv" else known & counted).any(1)))
    at = _x(data)
    found = []
    for row in rows:
        known = np.flatnonzero(np.isfinite(measured[row]))
        if data.kind == "pulses":
            known = known[_window(data.pulses[row, known])]  # type: ignore[attr-defined]
        shown = known[_spread(len(known), POINTS)]
        if data.kind == "iv":  # a model may speak of a few points of a sweep only
            shown = np.union1d(shown, np.flatnonzero(np.isfinite(prediction.median[row])))
        found.append({"label": _label(data, int(row)), **_curve(at[row], measured[row], prediction, row, shown)})
    return found


def _chosen(data: Any, rows: np.ndarray) -> np.ndarray:
    """Runs from the lowest readings to the highest; of sweeps, every one of some cycles."""
    most = RUNS.get(data.kind, 4)
    if data.kind == "iv":
        cycles = np.unique(data.cycle[rows])
        return rows[np.isin(data.cycle[rows], cycles[_spread(len(cycles), most)])][: 3 * most]
    rows = rows[np.argsort(np.nanmean(readings(data)[rows], 1), kind="stable")]
    return rows[_spread(len(rows), most)]


def _window(pulses: np.ndarray) -> slice:
    """Readings around the first turn of a run, or its start where it has none."""
    signs = np.sign(np.nan_to_num(pulses))
    driven = np.flatnonzero(signs)
    turns = driven[1:][signs[driven][1:] != signs[driven][:-1]]
    first = 0 if not len(turns) else min(max(int(turns[0]) - WINDOW // 2, 0), max(len(pulses) - WINDOW, 0))
    return slice(first, first + WINDOW)


def _curve(x: np.ndarray, y: np.ndarray, prediction: Prediction, row: int, shown: np.ndarray) -> dict[str, Any]:
    expected = {name: plain(getattr(prediction, name)[row, shown]) for name in CURVES}
    return {"x": plain(x[shown]), "reading": plain(y[shown]), **expected}


def _label(data: Measurements, row: int) -> str:
    parts = [data.devices[int(data.device[row])]] if len(data.devices) > 1 else []
    if hasattr(data, "level"):
        parts.append(f"level {int(data.level[row]) + 1}")  # type: ignore[attr-defined]
    cycle = getattr(data, "cycle", None)
    if cycle is not None and len(np.unique(cycle)) > 1:
        parts.append(f"cycle {int(cycle[row]) + 1}")
    if not parts and len(data.device) > 1:
        parts.append(f"run {row + 1}")
    return ", ".join(parts)


def _x(data: Measurements) -> np.ndarray:
    """What readings are drawn against: pulses so far, volts, or seconds; the number of the reading otherwise."""
    if data.kind == "pulses":
        pulses = np.abs(np.nan_to_num(data.pulses))  # type: ignore[attr-defined]
        if pulses.any():
            return pulses.cumsum(1)
    if data.kind == "iv":
        return data.voltage  # type: ignore[attr-defined]
    if data.kind in ("retention", "noise"):
        return data.time  # type: ignore[attr-defined]
    shape = readings(data).shape
    return np.broadcast_to(np.arange(shape[1], dtype=float), shape)


def x_label(data: Measurements) -> str:
    """Words for the horizontal axis."""
    if data.kind == "pulses":
        return "pulses so far" if np.nan_to_num(data.pulses).any() else "reading"  # type: ignore[attr-defined]
    if data.kind == "iv":
        return "voltage (V)"
    if data.kind in ("retention", "noise") and data.timed:  # type: ignore[attr-defined]
        return "time (s)"
    return "reading"


def _levels(data: Any, prediction: Prediction, counted: np.ndarray) -> list[dict[str, Any]]:
    """Every level: its readings, those that do not count apart, and what was expected of a first read."""
    found = []
    for level in np.unique(data.level):
        rows = data.level == level
        own, right = data.reading[rows], counted[rows]
        left = np.isfinite(own) & ~right
        expected = {name: _middle(getattr(prediction, name)[rows][:, :1][right[:, :1]]) for name in CURVES}
        entry = {"label": f"level {int(level) + 1}", "target": None if data.target is None else data.target[int(level)]}
        found.append({**entry, "reading": _thinned(own[right]), "aside": _thinned(own[left]), **expected})
    return found


def _thinned(values: np.ndarray) -> list[float]:
    return np.sort(values)[_spread(len(values), PER_LEVEL)].tolist()


def _spread(count: int, most: int) -> np.ndarray:
    """At most so many indices, evenly from the first to the last."""
    return np.unique(np.linspace(0, count - 1, min(most, count)).round().astype(int))


def _middle(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def residuals(data: Measurements, prediction: Prediction, counted: np.ndarray, seed: int) -> dict[str, Any] | None:
    """Normal scores of the held-out readings' ranks against place in the run and against the expected reading.

    A right model gives scores with mean 0 and standard deviation 1, whatever law its predictions have.
    """
    chosen = counted & np.isfinite(prediction.rank)
    if not chosen.any():
        return None
    score = stats.norm.ppf(np.clip(prediction.rank[chosen], 5e-5, 1 - 5e-5))
    axes = {"x": _x(data)[chosen], "median": prediction.median[chosen]}
    if data.kind == "levels" or len(np.unique(axes["x"])) < 5:
        del axes["x"]
    groups = np.broadcast_to(_group(data)[:, None], chosen.shape)[chosen]
    together = groups if data.kind in ("levels", "retention", "noise") and len(np.unique(groups)) <= BINS else None
    pick = np.random.default_rng(seed).permutation(len(score))[:SCATTER]
    return {
        "score": plain(score[pick]),
        "mean": float(score.mean()),
        "deviation": float(score.std(ddof=1)) if len(score) > 1 else None,
        "against": {
            name: {"points": plain(x[pick]), **_binned(x, score, together if name == "median" else None)}
            for name, x in axes.items()
        },
    }


def _group(data: Any) -> np.ndarray:
    """What readings of the same expected value share."""
    return data.level if data.kind == "levels" else np.arange(len(data.device))


def _binned(x: np.ndarray, score: np.ndarray, groups: np.ndarray | None) -> dict[str, Any]:
    """Quantiles of the scores of each group, or in bins of equal numbers of readings; at least ten in each."""
    if groups is None:
        bins = min(BINS, max(1, len(x) // 20))
        edges = np.unique(np.quantile(x, np.linspace(0, 1, bins + 1)))
        groups = np.clip(np.searchsorted(edges, x, side="right") - 1, 0, max(len(edges) - 2, 0))
    centres, found = [], []
    for k in np.unique(groups):
        own = score[groups == k]
        if len(own) >= 10:
            centres.append(float(np.median(x[groups == k])))
            found.append(np.quantile(own, QUANTILES))
    order = np.argsort(centres)
    centres = np.array(centres)[order].tolist()
    return {"centres": centres, "quantiles": np.array(found)[order].T.tolist() if found else []}


def plain(values: np.ndarray) -> list[float | None]:
    """Numbers for JSON, which has no NaN."""
    return [float(v) if np.isfinite(v) else None for v in np.asarray(values, float)]
