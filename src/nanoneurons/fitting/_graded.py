r"""Graded devices from programmed levels, noise series and retention: what needs no pulses.

The lowest and the highest level give the range; the scatter of a level from programming to programming counts as write
noise, that between reads of the same state as read noise (`_variance`, `_noise`, `_retention`). A programming that was
verified scatters by the window of the verification too; the data cannot tell this from the device.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting._fitter import Estimate, Fact, Fit, Prediction
from nanoneurons.fitting._graded_range import Range, Row, middle, range_of, scaled, to_conductance
from nanoneurons.fitting._level_laws import best_law
from nanoneurons.fitting._levels import (
    LevelModel,
    clean,
    count_words,
    estimate_of,
    plural,
    predict_levels,
    share,
    stuck_devices,
    within,
)
from nanoneurons.fitting._noise import Walk, analyse, walk_of
from nanoneurons.fitting._retention import drift
from nanoneurons.fitting._variance import Components, Runs, components
from nanoneurons.measurements import Levels, Measurements, NoiseSeries, Retention

__all__ = ["GRADED", "fit_graded", "kept_rest", "predict_graded", "refusal_graded"]

GRADED = ("levels", "retention", "noise")
"""Kinds of measurement that this module takes."""


def refusal_graded(data: Measurements) -> str | None:
    """Why levels, noise or retention cannot tell anything, or None."""
    if isinstance(data, Levels) and len(np.unique(data.level)) < 2:
        return "one level tells no range; two levels or more are needed"
    return None


def fit_graded(name: str, data: Measurements, base: MemoryDevice) -> Fit:
    """Fit what levels, noise or retention tell of a graded device.

    Raises:
        DataError: too few data, or another kind.
    """
    if (reason := refusal_graded(data)) is not None:
        raise DataError(f"{name}: {reason}")
    if isinstance(data, Levels):
        return _of_levels(name, data, base)
    if isinstance(data, NoiseSeries):
        return _of_noise(name, data, base)
    if isinstance(data, Retention):
        return _of_retention(name, data, base)
    raise DataError(f"{name}: {data.kind} are no levels, noise or retention")


def predict_graded(fit: Fit, data: Measurements) -> Prediction:
    """Predict readings of the kind that `fit_graded` has seen."""
    model: LevelModel | Walk = fit.private
    if isinstance(model, LevelModel):
        assert isinstance(data, Levels)
        return predict_levels(model, data)
    assert isinstance(data, NoiseSeries | Retention)
    level = data.level if isinstance(data, Retention) else np.zeros(len(data.device), int)
    return model.predict(data.reading, data.device, level)


def kept_rest(base: MemoryDevice, kind: str, told: Mapping[str, Any]) -> dict[str, str]:
    """Reasons for the parameters that other kinds of measurement tell."""
    found: dict[str, list[str]] = {}
    for other, names in base.identified.items():
        for name in names:
            if other != kind and name not in told:
                found.setdefault(name, []).append(other)
    words = {"noise": "a noise series does", "retention": "retention does", "iv": "I-V sweeps do"}
    return {
        name: f"{words.get(kind, f'{kind} do')} not tell it ({' or '.join(others)} would); the default is kept"
        for name, others in found.items()
    }


# -- levels -----------------------------------------------------------------------------------------------------


def _of_levels(name: str, data: Levels, base: MemoryDevice) -> Fit:
    stuck, high_ones = _stuck(data)
    cleaned = clean(data, log=False, stuck=stuck)
    levels = tuple(int(v) for v in np.unique(data.level) if np.isfinite(cleaned.reading[data.level == v]).any())
    if len(levels) < 2:
        raise DataError(f"{name}: fewer than two levels have readings that can be used")
    group = np.searchsorted(levels, data.level)
    live = np.isin(data.level, levels)
    runs = Runs.of(cleaned.reading[live], group[live], data.device[live])
    again = bool((runs.count > 1).any())
    shared = components(runs, read=None if again else 0.0, shared=True)
    order = np.argsort(shared.mean[:, 0])
    low, high = (_plain(shared.mean[k]) for k in (order[0], order[-1]))
    scale = range_of(base, low, high, data.unit)

    estimates = [estimate_of(key, row, "log" if row[1] > 0 else "linear") for key, row in scale.rows]
    fixed, kept, facts = dict(scale.fixed), dict(scale.kept), []
    if again:
        estimates.append(scaled("read_noise", tuple(shared.read), scale))
    else:
        kept["read_noise"] = "no state was read twice; reads scatter within the scatter of the levels"
    values = dict(scale.values)
    _write_noise(base, runs, shared, scale, estimates, values, fixed, kept)
    notes = [*cleaned.notes]
    dead = cleaned.dead | stuck
    total = len(cleaned.devices)
    if stuck.any():
        notes.append(
            f"{count_words(int(stuck.sum()), total, 'devices')} stuck: highest and lowest level differ by less than a "
            "quarter of the usual"
        )
    if hasattr(base, "stuck_share"):
        counts = {"stuck_share": int(dead.sum())}
    else:
        counts = {"stuck_low": int((dead & ~high_ones).sum()), "stuck_high": int(high_ones.sum())}
    for key, count in counts.items():
        if total > 1:
            estimates.append(estimate_of(key, share(count, total), "logit"))
        else:
            kept[key] = "one device tells no share of stuck ones"
    model = _level_model(data, cleaned.reading, runs, again, levels, dead, notes)
    _level_facts(shared, runs, levels, data, facts)
    told = {e.name for e in estimates} | set(fixed) | set(kept)
    correlation = np.eye(len(estimates))
    if len(scale.rows) == 2:
        correlation[0, 1] = correlation[1, 0] = scale.cross
    estimates = [within(base, e) for e in estimates]
    values |= {e.name: e.value for e in estimates}
    device = base.replace(**values)
    return Fit(
        name, "", device, tuple(estimates), correlation, fixed,
        {**kept, **kept_rest(base, "levels", dict.fromkeys(told))}, tuple(notes), shared.log_likelihood,
        effects=_own_parts(model, runs), dead=dead, outliers=cleaned.outliers,
        facts=tuple(facts), scale=to_conductance(scale, device, data.unit), private=model,
    )  # fmt: skip


def _stuck(data: Levels) -> tuple[np.ndarray, np.ndarray]:
    """Devices that show the same at the highest and the lowest level, and which of them lie high."""
    alive = np.where(data.reading == 0, np.nan, data.reading)
    known = [int(v) for v in np.unique(data.level) if np.isfinite(alive[data.level == v]).any()]
    if len(known) < 2:
        return np.zeros(len(data.devices), bool), np.zeros(len(data.devices), bool)
    order = sorted(known, key=lambda v: float(np.nanmedian(alive[data.level == v])))
    stuck, high = stuck_devices(alive, data, order[-1], order[0])
    if np.isin(data.device, np.flatnonzero(~stuck)).any():
        return stuck, high
    raise DataError("levels: no device moves from the lowest to the highest level; are the levels named rightly?")


def _own_parts(model: LevelModel, runs: Runs) -> dict[str, np.ndarray]:
    """Own part of each device at the levels where it was programmed more than once in the whole campaign."""
    found = {}
    every = np.arange(len(model.dead))
    for k in range(len(model.levels)):
        seen = np.isin(every, runs.device[runs.group == k])
        if model.parts[False].device[k, 0] > 0:
            found[f"own part, level {k + 1}"] = np.where(seen, model.effects[False][0][k], np.nan)
    return found


def _write_noise(
    base: Any, runs: Runs, parts: Components, scale: Range, estimates: list[Estimate], values: dict[str, float],
    fixed: dict[str, str], kept: dict[str, str],
) -> None:  # fmt: skip
    if not hasattr(base, "write_noise"):
        return
    devices = len(np.unique(runs.device))
    if not np.isfinite(parts.cycle[0, 1]):
        kept["write_noise"] = "every level was programmed once; the default is kept"
    elif devices == 1 or any(name.startswith("device") for name in parts.names):
        estimates.append(scaled("write_noise", tuple(parts.cycle[0]), scale, base.pulse_step))
    else:
        values["write_noise"] = float(parts.cycle[0, 0]) / scale.factor / base.pulse_step
        fixed["write_noise"] = "one programming per device: the scatter between devices counts as write noise too"
    kept.setdefault("pulse_step", "levels do not tell it; write noise is in steps of the starting device")


def _level_model(
    data: Levels,
    reading: np.ndarray,
    runs: Runs,
    again: bool,
    levels: tuple[int, ...],
    dead: np.ndarray,
    notes: list[str],
) -> LevelModel:
    """Model for predictions, each level with the law that suits its readings best."""
    live = np.isin(data.level, levels)
    group = np.searchsorted(levels, data.level)
    positive = bool((reading[np.isfinite(reading)] > 0).all())
    read = None if again else 0.0
    fits: dict[bool, tuple[Components, Runs]] = {False: (components(runs, read=read), runs)}
    if positive:
        logs = Runs.of(np.log(reading[live]), group[live], data.device[live])
        fits[True] = (components(logs, read=read), logs)
    laws = []
    for g in range(len(levels)):

        def residuals(log: bool, g=g) -> tuple[np.ndarray, np.ndarray]:
            parts, ours = fits[log]
            here = ours.group == g
            v = parts.device[g, 0] ** 2 + parts.cycle[g, 0] ** 2 + parts.read[0] ** 2 / ours.count[here]
            sd = np.sqrt(np.maximum(v, 1e-300))
            mean = ours.mean[here]
            return (mean - parts.mean[g, 0]) / sd, -np.log(sd) - (mean if log else 0.0)

        laws.append(best_law(residuals, positive, own=not again)[0])
    words = [law.words for law in laws]
    text = words[0] if len(set(words)) == 1 else ", ".join(f"level {k + 1} {word}" for k, word in enumerate(words))
    notes.append(f"law of the readings of a level: {text}")
    return LevelModel.of(levels, tuple(laws), fits, dead)


def _level_facts(parts: Components, runs: Runs, levels: tuple[int, ...], data: Levels, facts: list[Fact]) -> None:
    """Mean of each level, scatter between devices."""
    separate = components(runs, read=float(parts.read[0]))
    for k in range(len(levels)):
        facts.append(Fact(f"level {k + 1}", *_plain(parts.mean[k]), data.unit, "mean reading of the level"))
        count = len(np.unique(runs.device[runs.group == k]))
        alone = not np.isfinite(separate.device[k, 1])
        if np.isfinite(separate.cycle[k, 1]):
            doc = (
                "from device to device and programming to programming"
                if alone and count > 1
                else "between programmings"
            )
            facts.append(
                Fact(f"scatter of level {k + 1}", *_plain(separate.cycle[k]), data.unit, f"standard deviation {doc}")
            )
        if not alone:
            doc = f"standard deviation from device to device, {plural(count, 'device')}"
            facts.append(Fact(f"device spread of level {k + 1}", *_plain(separate.device[k]), data.unit, doc))


def _exact(value: float) -> Row:
    return value, value, value


def _plain(row: np.ndarray) -> Row:
    return float(row[0]), float(row[1]), float(row[2])


# -- noise and retention ----------------------------------------------------------------------------------------


def _of_noise(name: str, data: NoiseSeries, base: MemoryDevice) -> Fit:
    found = analyse(data.reading, data.time if data.timed else None, data.unit)
    scale = middle(base, float(np.nanmean(data.reading)), data.unit)
    level = np.zeros(len(data.device), int)
    return _read_fit(name, data, base, found.read, scale, level, found.facts, found.notes)


def _of_retention(name: str, data: Retention, base: MemoryDevice) -> Fit:
    found = drift(data, log=False)
    means = sorted(found.level.values())
    if len(means) > 1 and means[-1] > means[0]:
        rows = range_of(base, _exact(means[0]), _exact(means[-1]), data.unit)
        word = "the lowest and the highest level that were kept are taken as the bounds"
        scale = Range(
            rows.factor,
            0.0,
            rows.offset,
            {k: row[0] for k, row in rows.rows},
            (),
            {k: word for k, _ in rows.rows},
            rows.kept,
        )
    else:
        scale = middle(base, float(np.nanmean(data.reading)), data.unit)
    return _read_fit(name, data, base, found.read, scale, data.level, found.facts, found.notes)


def _read_fit(
    name: str, data: NoiseSeries | Retention, base: MemoryDevice, read: Row, scale: Range, level: np.ndarray,
    facts: tuple[Fact, ...], notes: tuple[str, ...],
) -> Fit:  # fmt: skip
    estimate = within(base, scaled("read_noise", read, scale))
    walk, likelihood = walk_of(data.reading, data.device, level)
    kept = {key: reason for key, reason in scale.kept.items() if hasattr(base, key)}
    told = {"read_noise": None, **scale.fixed, **kept}
    fixed = dict(scale.fixed)
    device = base.replace(**scale.values, read_noise=estimate.value)
    return Fit(
        name, "", device, (estimate,), np.eye(1), fixed,
        {**kept, **kept_rest(base, data.kind, told)},
        (*notes, f"the next reading is predicted by a random walk; its errors: {walk.law.words}"), likelihood,
        facts=facts, scale=to_conductance(scale, device, data.unit), private=walk,
    )  # fmt: skip
