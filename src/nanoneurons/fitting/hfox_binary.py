r"""Binary resistive memory from two programmed levels, I-V sweeps, noise series or retention.

.. math:: \ln R = \mu_s + \sigma_s^d \delta + \sigma_s^c \xi + \sigma_r \eta, \qquad s \in \{L, H\}

The parts are told apart by restricted maximum likelihood (`_variance`), for both states at once with one read noise. A
device counts as stuck when its readings after SET and after RESET differ by less than a quarter of the usual window.
The laws are those of the device: log-normal in both states. I-V sweeps give both states as single reads (`_sweeps`);
noise series and retention give read noise only.

Not fitted: ageing with the number of cycles; the measured devices count as fresh.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices import MemoryDevice
from nanoneurons.fitting._fitter import Estimate, Fact, Fit, Fitter, Prediction, Progress
from nanoneurons.fitting._graded import kept_rest
from nanoneurons.fitting._level_laws import Law, best_law
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
from nanoneurons.fitting._noise import analyse, walk_of
from nanoneurons.fitting._retention import drift
from nanoneurons.fitting._sweeps import read_sweeps
from nanoneurons.fitting._variance import Components, Runs, components
from nanoneurons.measurements import IVSweeps, Levels, Measurements, NoiseSeries, Retention

__all__ = ["HfOxBinaryFitter"]


class HfOxBinaryFitter(Fitter):
    """Fits `hfox-binary`."""

    kinds: ClassVar[tuple[str, ...]] = ("levels", "iv", "retention", "noise")

    def refusal(self, data: Measurements) -> str | None:
        """Levels other than two tell nothing about two resistances."""
        if (kind := super().refusal(data)) is not None:
            return kind
        if isinstance(data, Levels) and len(levels := np.unique(data.level)) != 2:
            return f"it has two states; the data have {plural(len(levels), 'level')}"
        return None

    def fit(self, data: Measurements, base: MemoryDevice, variant: str = "", progress: Progress | None = None) -> Fit:
        """Fit the device; see the module for the model and the rule for stuck devices."""
        if (reason := self.refusal(data)) is not None:
            raise DataError(f"hfox-binary: {reason}")
        if isinstance(data, IVSweeps):
            return _fit_sweeps(data, base)
        if isinstance(data, NoiseSeries | Retention):
            return _fit_reads(data, base)
        assert isinstance(data, Levels)
        return _fit_levels(data, base)

    def predict(self, fit: Fit, data: Measurements) -> Prediction:
        """Predict readings from the state that was programmed, the device, and the reads of the run before.

        For I-V sweeps: the current at the point nearest to the read voltage, of both states.
        """
        if isinstance(data, IVSweeps):
            return _predict_sweeps(fit, data)
        if isinstance(data, NoiseSeries | Retention):
            level = data.level if isinstance(data, Retention) else np.zeros(len(data.device), int)
            return fit.private.predict(data.reading, data.device, level)
        assert isinstance(data, Levels)
        return predict_levels(fit.private, data)


def _fit_reads(data: NoiseSeries | Retention, base: Any) -> Fit:
    """Read noise, as the scatter of ln R."""
    positive = np.where(data.reading > 0, data.reading, np.nan)
    if not np.isfinite(positive).any():
        raise DataError("hfox-binary: every reading is zero, negative or missing")
    if isinstance(data, Retention):
        found = drift(replace(data, reading=positive), log=True)
        level = data.level
    else:
        found = analyse(np.log(positive), data.time if data.timed else None, "1")
        level = np.zeros(len(data.device), int)
    estimate = within(base, estimate_of("read_noise", found.read))
    middle = math.sqrt(base.resistance_low * base.resistance_high)  # where readings without unit are put
    scale = None if data.unit == "S" else (0.0, float(np.nanmedian(positive)) * middle)
    walk, likelihood = walk_of(positive, data.device, level)
    return Fit(
        "hfox-binary", "", base.replace(read_noise=estimate.value), (estimate,), np.eye(1), {},
        kept_rest(base, data.kind, {"read_noise": None}), found.notes, likelihood, facts=found.facts, scale=scale,
        private=walk,
    )  # fmt: skip


def _fit_sweeps(data: IVSweeps, base: Any) -> Fit:
    """Both states of every sweep, and the voltages of SET and RESET as facts."""
    found = read_sweeps(data)
    fit = _fit_levels(found.levels, base)
    facts = list(fit.facts)
    for name, table in (("SET", found.set_voltage), ("RESET", found.reset_voltage)):
        if len(table) < 2:
            continue
        device = table[:, 0].astype(int)
        parts = components(Runs.of(table[:, 1:], np.zeros(len(table), int), device), read=0.0)
        doc = f"mean voltage of {name} over {plural(len(table), 'sweep')}; no device takes a voltage of {name}"
        facts.append(Fact(f"{name} voltage", *(float(v) for v in parts.mean[0]), "V", doc))
        for part, row in (("cycle to cycle", parts.cycle[0]), ("device to device", parts.device[0])):
            if np.isfinite(row[1]):
                doc = f"standard deviation of the {name} voltage from {part}"
                facts.append(Fact(f"{name} voltage, {part}", *(float(v) for v in row), "V", doc))
    return replace(
        fit, facts=tuple(facts), notes=(*found.notes, *fit.notes), outliers=None,
        kept={**fit.kept, **kept_rest(base, "iv", {e.name: None for e in fit.estimates} | {**fit.kept, **fit.fixed})},
    )  # fmt: skip


def _predict_sweeps(fit: Fit, data: IVSweeps) -> Prediction:
    """Currents at the read voltage, that differ from the measured ones as the slopes do from the predicted ones."""
    found = read_sweeps(data)
    known = predict_levels(fit.private, found.levels)
    run, point = found.place.T
    volts, slope = data.voltage[run, point], found.levels.reading[:, 0]
    one = {name: values[:, 0] for name, values in vars(known).items()}
    # the current that would be seen there had the slope been another
    shifted = {k: data.current[run, point] + volts * (one[k] - slope) for k in ("median", "low", "high")}
    turned = volts < 0
    ends = {
        "median": shifted["median"],
        "low": np.where(turned, shifted["high"], shifted["low"]),
        "high": np.where(turned, shifted["low"], shifted["high"]),
        "rank": np.where(turned, 1 - one["rank"], one["rank"]),
        "log_density": one["log_density"] - np.log(np.abs(volts)),
    }
    whole = {name: np.full(data.current.shape, np.nan) for name in ends}
    for name, values in ends.items():
        whole[name][run, point] = values
    return Prediction(**whole)


def _fit_levels(data: Levels, base: Any) -> Fit:
    """Fit two levels; `base` is an `HfOxBinary`."""
    levels = [int(level) for level in np.unique(data.level)]
    positive = np.where(data.reading > 0, data.reading, np.nan)
    if not all(np.isfinite(positive[data.level == level]).any() for level in levels):
        raise DataError("hfox-binary: every reading of a level is zero, negative or missing")
    medians = [float(np.nanmedian(positive[data.level == level])) for level in levels]
    states = tuple(levels[k] for k in np.argsort(medians)[::-1])  # LRS first
    stuck, at_low = stuck_devices(np.log(positive), data, states[0], states[1])
    if stuck.any() and not np.isin(data.device, np.flatnonzero(~stuck)).any():
        raise DataError("hfox-binary: no device shows a window between its two states; are the levels named rightly?")
    cleaned = clean(data, log=True, stuck=stuck)
    y = np.log(cleaned.reading)
    group = (data.level == states[1]).astype(int)
    runs = Runs.of(y, group, data.device)
    if len(np.unique(runs.group)) < 2:
        raise DataError("hfox-binary: no device that works was seen in both states; measure LRS and HRS")
    again = bool((runs.count > 1).any())
    parts = components(runs, read=None if again else base.read_noise)

    told = _Told()
    told.notes += cleaned.notes
    scale = None
    if data.unit == "1":
        scale = 0.0, math.exp(parts.mean[0, 0]) * base.resistance_low
        told.ratio(parts, base)
    for g, (state, name) in enumerate((("low", "LRS"), ("high", "HRS"))):
        if data.unit == "S":
            told.estimates.append(estimate_of(f"resistance_{state}", np.exp(-parts.mean[g][[0, 2, 1]])))
            told.rows.append(parts.names.index(f"mean {g}"))
        told.spreads(state, name, g, parts, runs, base)
    if again:
        told.estimates.append(estimate_of("read_noise", parts.read))
        told.rows.append(parts.names.index("read"))
    else:
        told.kept["read_noise"] = (
            f"no state was read twice; the default, {100 * base.read_noise:.3g} %, is taken off the "
            "scatter of programming"
        )
    told.shares(cleaned.dead, stuck, at_low, len(cleaned.devices))
    dead = cleaned.dead | stuck
    model = LevelModel.of(states, (Law(log=True),) * 2, {True: (parts, runs)}, dead)
    _tails(parts, runs, told.notes)
    measured = np.isin(np.arange(len(data.devices)), runs.device)
    effects = {
        f"own part of ln R, {name}": np.where(measured, -model.effects[True][0][g], np.nan)
        for g, name in enumerate(("LRS", "HRS"))
    }
    told.estimates = [within(base, e) for e in told.estimates]
    device = base.replace(cycles=0.0, **told.values, **{e.name: e.value for e in told.estimates})
    return Fit(
        "hfox-binary", "", device, tuple(told.estimates), told.correlation(parts), told.fixed, told.kept,
        tuple(told.notes), parts.log_likelihood - float(np.nansum(y)), effects=effects,
        effect_units=dict.fromkeys(effects, "1"), dead=dead, outliers=cleaned.outliers,
        facts=tuple(told.facts), scale=scale, private=model,
    )  # fmt: skip


class _Told:
    """What the data tell, gathered piece by piece."""

    def __init__(self) -> None:
        self.estimates: list[Estimate] = []
        self.rows: list[int] = []  # of each estimate in the covariance of the components, -1 for none
        self.values: dict[str, float] = {}
        self.facts: list[Fact] = []
        self.notes: list[str] = []
        self.fixed: dict[str, str] = {"cycles": "the devices count as fresh in the state in which they were measured"}
        self.kept: dict[str, str] = dict.fromkeys(
            ("ageing_onset", "ageing_narrowing", "ageing_widening"), "no change with the number of cycles is looked for"
        )

    def ratio(self, parts: Components, base: Any) -> None:
        """Of readings without unit only the ratio of the two states tells anything."""
        mean = parts.mean[:, 0]
        half = math.hypot(*(parts.mean[:, 2] - mean))
        window = float(mean[0] - mean[1])
        row = tuple(base.resistance_low * math.exp(window + shift) for shift in (0.0, -half, half))
        self.estimates.append(estimate_of("resistance_high", row))  # type: ignore[arg-type]
        self.rows.append(-1)
        self.kept["resistance_low"] = (
            "readings without a unit tell the ratio of the two states only; the default is kept"
        )

    def spreads(self, state: str, name: str, g: int, parts: Components, runs: Runs, base: Any) -> None:
        """Scatter of one state from device to device and from programming to programming."""
        of_device, of_cycle = f"{state}_spread_device", f"{state}_spread_cycle"
        ours = runs.group == g
        devices = len(np.unique(runs.device[ours]))
        if np.isfinite(parts.cycle[g, 1]) and (devices == 1 or np.isfinite(parts.device[g, 1])):
            self.estimates.append(estimate_of(of_cycle, parts.cycle[g]))
            self.rows.append(parts.names.index(f"cycle {g}"))
        if np.isfinite(parts.device[g, 1]):
            self.estimates.append(estimate_of(of_device, parts.device[g]))
            self.rows.append(parts.names.index(f"device {g}"))
        elif devices == 1:
            self.kept[of_device] = "one device: no device-to-device spread; the default is kept"
            if ours.sum() == 1:
                self.kept[of_cycle] = f"{name} was programmed once; the default is kept"
        else:
            value, low, high = (float(v) for v in parts.cycle[g])
            self.facts.append(
                Fact(
                    f"spread of ln R, {name}",
                    value,
                    low,
                    high,
                    "1",
                    "from device to device and from cycle to cycle together",
                )
            )
            whole = math.hypot(getattr(base, of_device), getattr(base, of_cycle))
            for key in (of_device, of_cycle):
                part = getattr(base, key) / whole if whole else math.sqrt(0.5)
                self.values[key] = value * part
                self.fixed[key] = (
                    "one programming per device tells the total only; it is split as in the starting device"
                )

    def shares(self, dead: np.ndarray, stuck: np.ndarray, at_low: np.ndarray, devices: int) -> None:
        """Share of devices that cannot be programmed, and of those at LRS."""
        count, low = int((dead | stuck).sum()), int(at_low.sum())
        if devices == 1:
            self.kept["stuck_share"] = "one device tells no share of stuck ones"
        else:
            self.estimates.append(estimate_of("stuck_share", share(count, devices), "logit"))
            self.rows.append(-1)
        if stuck.any():
            self.notes.append(
                f"{count_words(int(stuck.sum()), devices, 'devices')} stuck: their states differ by less than a "
                f"quarter of the window; {low} of them in LRS"
            )
        if count and devices > 1:
            self.estimates.append(estimate_of("stuck_low", share(low, count), "logit"))
            self.rows.append(-1)
        else:
            self.kept["stuck_low"] = "no device is stuck"

    def correlation(self, parts: Components) -> np.ndarray:
        """Correlation of the errors of the estimates; logarithms of spreads have those of the spreads."""
        found = np.eye(len(self.estimates))
        sd = np.sqrt(np.diag(parts.covariance))
        for i, a in enumerate(self.rows):
            for j, b in enumerate(self.rows):
                if i != j and min(a, b) >= 0 and sd[a] * sd[b] > 0:
                    found[i, j] = parts.covariance[a, b] / (sd[a] * sd[b])
        return found


def _tails(parts: Components, runs: Runs, notes: list[str]) -> None:
    """Say so where a heavier tail than log-normal fits clearly better."""
    v = parts.device[runs.group, 0] ** 2 + parts.cycle[runs.group, 0] ** 2 + parts.read[0] ** 2 / runs.count
    z = (runs.mean - parts.mean[runs.group, 0]) / np.sqrt(np.maximum(v, 1e-300))
    law, _ = best_law(lambda log: (z, np.zeros(len(z))), positive=False)
    if math.isfinite(law.freedom):
        notes.append(f"the scatter of ln R has heavier tails than the device's: {law.words} fits better than normal")
