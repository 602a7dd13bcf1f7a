"""From the trainings of a design study to answers: costs, the spacing and the spread at which they reach a point."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from . import stats
from .chips import correct_table
from .rf_limits import spacing_of, tones_that_fit
from .rf_runs import Condition
from .words import plain, si

if TYPE_CHECKING:
    from .rf_design import RfDesign

__all__ = ["LIMIT", "headline", "notes", "rows_of", "threshold", "thresholds"]

TWINS = {"ideal": "trained with the nominal device as twin", "calibrated": "trained with the measured chip as twin"}
LIMIT = 1.0  # points that crosstalk or spread may cost
DRAWS = 1000
Tables = dict[Condition, np.ndarray]


def rows_of(
    results: dict[str, dict[str, Any]], images: int, low: float, high: float, plan: str
) -> tuple[list[dict[str, Any]], Tables]:
    """One row per condition, with its cost against the network without crosstalk, or against chips without spread."""
    tables = {Condition.of(job): correct_table(result, images) for job, result in results.items()}
    rows = []
    for job, result in results.items():
        c = Condition.of(job)
        found = stats.crossed_mean(tables[c])
        row = {
            "job": job, "tones": c.tones, "damping": c.damping, "spread": c.spread, "twin": c.twin,
            "crosstalk": bool(c.crosstalk),
            "spacing": spacing_of(c.tones, low, high, c.damping, plan),
            "accuracy": result["accuracy"], "mean": found.mean, "low": found.low, "high": found.high,
        }  # fmt: skip
        better = _reference(c)
        cost = None if better == c else stats.paired_cost(tables[better], tables[c])
        row |= {
            "cost": None if cost is None else cost.mean,
            "cost_low": None if cost is None else cost.low,
            "cost_high": None if cost is None else cost.high,
        }
        rows.append(row)
    return rows, tables


def _reference(c: Condition) -> Condition:
    """What a condition is compared with."""
    return Condition(c.tones, c.damping, 0) if c.spread is None else Condition(c.tones, c.damping, 1, 0.0, c.twin)


def threshold(x: np.ndarray, better: np.ndarray, worse: np.ndarray, seed: int) -> dict[str, Any]:
    """Where the cost in points first meets `LIMIT` along a rising `x`, with a 95 % bootstrap interval.

    Seeds (or chips) and test samples are drawn anew together; the curve is the non-decreasing fit.

    Args:
        better, worse: right answers, ``(points, seeds, samples)``.

    Returns:
        ``at`` (None when the cost is above from the start), ``low``, ``high``, and ``open_ended``: it never got there.
    """
    gap = 100.0 * (better.astype(np.float32) - worse.astype(np.float32))
    at = stats.crossing(x, gap.mean((1, 2)), LIMIT)
    _, seeds, samples = gap.shape
    draw = np.random.default_rng(seed)
    ends = []
    for _ in range(DRAWS):
        weight = draw.multinomial(samples, np.full(samples, 1 / samples)) / samples
        pick = draw.integers(0, seeds, seeds)
        found = stats.crossing(x, (gap @ weight)[:, pick].mean(1), LIMIT)
        ends.append(x[0] if found is None else found)
    low, high = np.quantile(ends, [0.025, 0.975])
    never = bool(stats.increasing(gap.mean((1, 2)))[-1] < LIMIT)
    return {"at": at, "low": float(low), "high": float(high), "open_ended": never}


def thresholds(design: RfDesign, tables: Tables) -> dict[str, Any]:
    """Damping, and so spacing, up to which crosstalk costs less than a point; spread that costs less than one."""
    crowding = []
    for tones in design.tones:
        better, worse = (np.stack([tables[Condition(tones, a, c)] for a in design.dampings]) for c in (0, 1))
        found = threshold(np.log(design.dampings), better, worse, design.seed)
        damping = {k: None if found[k] is None else math.exp(found[k]) for k in ("at", "low", "high")}
        apart = {
            k: None if v is None else spacing_of(tones, design.band_low, design.band_high, v, design.plan)
            for k, v in damping.items()
        }
        crowding.append({
            "tones": tones, "open_ended": found["open_ended"], "damping": damping["at"],
            "damping_low": damping["low"], "damping_high": damping["high"],
            "spacing": apart["at"], "spacing_low": apart["high"], "spacing_high": apart["low"],
        })  # fmt: skip
    most = max(design.tones)
    spreads = []
    for twin, a in itertools.product(design.twins, design.spread_dampings):
        chips = np.stack([tables[Condition(most, a, 1, s, twin)] for s in design.spreads])
        found = threshold(np.array(design.spreads), np.broadcast_to(chips[:1], chips.shape), chips, design.seed)
        spreads.append({
            "tones": most, "twin": twin, "damping": a, "spread": found["at"], "spread_low": found["low"],
            "spread_high": found["high"], "open_ended": found["open_ended"],
            "over_damping": None if found["at"] is None else found["at"] / a,
        })  # fmt: skip
    return {"limit_points": LIMIT, "crowding": crowding, "spread": spreads, **_window(design, crowding, spreads)}


def _window(design: RfDesign, crowding: list[dict[str, Any]], spreads: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer: closest spacing with most tones, what then fits, and the damping that the spread asks for."""
    densest = crowding[-1]
    low, high = design.band_low, design.band_high
    spacing = densest["spacing"]
    device = design.circuit().device
    spread = getattr(device, "resonance_spread", 0.0)
    bearing = {t: [s["over_damping"] or 0.0 for s in spreads if s["twin"] == t] for t in design.twins}
    best = max(bearing, key=lambda t: min(bearing[t]))
    ratio = min(bearing[best])  # the careful one of the dampings
    least = spread / ratio if ratio and spread else None

    def fitting(damping: float | None) -> int | None:
        if spacing is None or damping is None or not damping * spacing < 1:
            return None
        return tones_that_fit(low, high, damping, spacing, design.plan)

    return {
        "spacing": spacing,
        "fits": {f"{a:g}": fitting(a) for a in (*design.spread_dampings, device.nominal_damping)},
        "device_damping": device.nominal_damping,
        "device_spread": spread,
        "twin": best,
        "spread_over_damping": ratio,
        "spread_open_ended": any(
            s["open_ended"] for s in spreads if s["twin"] == best and (s["over_damping"] or 0.0) == ratio
        ),
        "damping_for_spread": least,
        "fits_with_spread": fitting(least),
    }


def headline(result: dict[str, Any]) -> str:
    """The answer in one breath."""
    found, design = result["thresholds"], result["design"]
    densest = found["crowding"][-1]
    band = f"{si(design['band_low'], 'Hz')} to {si(design['band_high'], 'Hz')}"
    if densest["spacing"] is None:
        return f"With {densest['tones']} tones crosstalk costs more than one point at every damping measured."
    between = f" (95 %: {densest['spacing_low']:.2g} to {densest['spacing_high']:.2g})"
    closest, more = (", the closest measured", "at least ") if densest["open_ended"] else (between, "")
    damping = found["device_damping"]
    parts = [
        f"Crosstalk costs less than one point of accuracy down to a spacing of {densest['spacing']:.2g} "
        f"linewidths{closest}, so {densest['tones']} synapses fit {band} up to a damping "
        f"of {more}{densest['damping']:.2g}"
    ]
    count = found["fits"][f"{damping:g}"]
    if count is not None:
        parts.append(f"at a damping of {damping:g} this spacing would take {count} tones (extrapolated)")
    if found["damping_for_spread"] is not None:
        need, left = found["damping_for_spread"], found["fits_with_spread"]
        bound = "at least " if found["spread_open_ended"] else ""
        parts.append(
            f"a spread of resonances costs less than one point up to {bound}{found['spread_over_damping']:.2g} times "
            f"the damping ({TWINS[found['twin']]}), so the device's {plain(100 * found['device_spread'])} % asks for a "
            f"damping of {need:.2g}" + ("" if left is None else f", at which {left} tones would fit (extrapolated)")
        )
    return "; ".join(parts) + "."


def notes(result: dict[str, Any]) -> list[str]:
    """What the numbers do not cover."""
    design, used = result["design"], result["used"]
    middle = f"{design['hidden']} neurons between" if design["hidden"] else "a single layer"
    found = [
        f"Networks: {middle}, {used['epochs']} epochs with mini-batches of {used['batch']}; a larger network or a "
        "longer training may bear more crosstalk, another task less.",
        f"Costs are paired: the same {design['seeds']} seeds and test samples with and without crosstalk, and the same "
        f"{design['chips']} chips at every spread. Intervals are 95 %, over seeds or chips and test samples.",
        "Without crosstalk each resonator sees only its own tone. Initial shifts scale with the linewidth, and so do "
        "steps. Where a half linewidth exceeds the tuning range, tuning limits weights, with and without crosstalk.",
        f"Apart from crosstalk and the spread of resonances all devices are ideal here. Not modelled: "
        f"{used['not_modelled']}",
        "Where resonances have a spread, every chip is trained by physics-aware training. Its digital twin is the "
        "nominal device (ideal), or the chip as measured once after fabrication (calibrated).",
    ]
    if used["line_power"] is not None:
        found.insert(
            1,
            f"All tones together carry {si(used['line_power'], 'W')} on average. More power drives neurons out of "
            "their window by what leaks, and crosstalk then costs far more.",
        )
    if design["quick"]:
        found.insert(0, "Quick run: few points and few epochs. Do not quote these numbers.")
    if design["tones"] != [used["inputs"]]:
        found.append("Fewer tones carry means of neighbouring inputs, scaled to the same total power.")
    return found
