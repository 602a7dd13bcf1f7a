r"""Retention: drift of programmed states, and the scatter of reads about it.

.. math:: G = G_0 (t/t_0)^{-\nu} \quad\text{or}\quad G = G_0 + c \ln(t/t_0)

Each run has its own line by least squares, its error widened for the memory of the residuals; the exponent of a level
is the mean over its runs, which may scatter among themselves (restricted likelihood, Hartung and Knapp's interval). No
device of the catalogue drifts: exponents are facts, never parameters.

Source: Hartung and Knapp, Stat. Med. 20:3875 (2001).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize, stats

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._fitter import Fact
from nanoneurons.fitting._noise import analyse
from nanoneurons.measurements import Retention

__all__ = ["RetentionFound", "drift", "pooled"]


@dataclass(frozen=True)
class RetentionFound:
    """What retention tells.

    Attributes:
        read: standard deviation from read to read ``(value, low, high)``, of the reading or of its logarithm.
        level: mean reading of each level, by index of level.
        facts, notes: to show.
    """

    read: tuple[float, float, float]
    level: dict[int, float]
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]


def drift(data: Retention, log: bool) -> RetentionFound:
    """Drift of every level, and the scatter of reads.

    Args:
        log: whether the scatter is that of the logarithm.

    Raises:
        DataError: no run has 8 readings.
    """
    times, notes = _times(data)
    x = np.log(times)
    ok = np.isfinite(data.reading) & np.isfinite(x)
    positive = bool((data.reading[ok] > 0).all())
    if log and not positive:
        raise DataError("retention: readings of zero or below have no logarithm; leave them out or check the units")
    levels = [int(level) for level in np.unique(data.level)]
    facts: list[Fact] = []
    means: dict[int, float] = {}
    residual = np.full(data.reading.shape, np.nan)
    clear = []
    for place, level in enumerate(levels):
        ours = np.flatnonzero((data.level == level) & (ok.sum(1) >= 8))
        name = f"level {place + 1}" if len(levels) > 1 else "the state"
        if not len(ours):
            notes.append(f"retention: {name} has fewer than 8 readings in every run; no drift is looked for")
            continue
        means[level] = float(data.reading[ours][ok[ours]].mean())
        lines = {True: [_line(x[r][ok[r]], np.log(data.reading[r][ok[r]])) for r in ours] if positive else []}
        lines[False] = [_line(x[r][ok[r]], data.reading[r][ok[r]]) for r in ours]
        freedom = [int(ok[r].sum()) - 2 for r in ours]
        if positive:
            value, low, high = (float(v) for v in pooled([(-s, e) for s, e, _ in lines[True]], freedom))
            high, low = max(low, high), min(low, high)
            facts.append(Fact(f"drift exponent, {name}", value, low, high, "1", "nu of G = G0 (t/t0)^-nu"))
            if low > 0 or high < 0:
                clear.append(f"{name} ({'falls' if value > 0 else 'rises'})")
        value, low, high = (float(v) * math.log(10) for v in pooled([line[:2] for line in lines[False]], freedom))
        facts.append(
            Fact(f"change per decade of time, {name}", value, low, high, data.unit, "c ln 10 of G = G0 + c ln(t/t0)")
        )
        for r, line in zip(ours, lines[log], strict=True):
            residual[r, ok[r]] = line[2]
    if not means:
        raise DataError("retention: no run has 8 readings or more")
    notes.append(
        f"drift is clear in {', '.join(clear)}; not used by any device yet"
        if clear
        else "no drift beyond the noise is seen"
    )
    if data.spread is not None:
        read = _behind(data, log)
        scatter = float(np.nanstd(residual))
        doc = "standard deviation of the mean readings about their lines"
        facts.append(Fact("scatter of the means", scatter, math.nan, math.nan, "1" if log else data.unit, doc))
        notes.append("the standard deviation behind each mean is taken as the scatter from read to read")
    else:
        found = analyse(residual, data.time if data.timed else None, "1" if log else data.unit)
        read = found.read
        facts += found.facts
        notes += found.notes
    return RetentionFound(read, means, tuple(facts), tuple(notes))


def _times(data: Retention) -> tuple[np.ndarray, list[str]]:
    """Times over the first one of each run, NaN where they cannot be used."""
    time = np.where(np.isfinite(data.reading), data.time, np.nan).astype(float)
    if not data.timed:
        first = np.full(len(time), np.nan)
        some = np.isfinite(time).any(1)
        first[some] = np.nanmin(time[some], axis=1)
        return time - first[:, None] + 1, [
            "the file gives no times: exponents are with respect to the number of the reading, counted from 1"
        ]
    gone = int((time <= 0).sum())
    time = np.where(time > 0, time, np.nan)
    notes = [f"{gone} readings at time 0 or before are left out of the drift"] if gone else []
    first = np.full(len(time), np.nan)
    some = np.isfinite(time).any(1)
    first[some] = np.nanmin(time[some], axis=1)
    return time / first[:, None], notes


def _line(x: np.ndarray, y: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Slope, its error and the residuals; the error is that of residuals with the memory they show."""
    centred = x - x.mean()
    square = float((centred**2).sum())
    if square == 0:
        return 0.0, math.inf, y - y.mean()
    slope = float((centred * y).sum() / square)
    rest = y - y.mean() - slope * centred
    total = float((rest**2).sum())
    memory = float((rest[1:] * rest[:-1]).sum()) / total if total else 0.0
    memory = min(max(memory + (1 + 3 * memory) / len(y), 0.0), 0.95)  # bias of the lag-1 correlation
    error = math.sqrt(total / max(len(y) - 2, 1) / square * (1 + memory) / (1 - memory))
    return slope, error, rest


def pooled(slopes: list[tuple[float, float]], freedom: list[int]) -> tuple[float, float, float]:
    """Mean of slopes with errors, and its 95 % interval; the slopes may scatter beyond their errors."""
    value = np.array([s for s, e in slopes if math.isfinite(e)])
    variance = np.array([max(e, 1e-300) ** 2 for _, e in slopes if math.isfinite(e)])
    if not len(value):
        return math.nan, math.nan, math.nan
    if len(value) == 1:
        half = float(stats.t.ppf(0.975, max(freedom[0], 1))) * math.sqrt(variance[0])
        return float(value[0]), float(value[0]) - half, float(value[0]) + half

    def minus(log_tau: float) -> float:
        w = 1 / (variance + math.exp(2 * log_tau))
        mean = (w * value).sum() / w.sum()
        return float(-np.log(w).sum() + np.log(w.sum()) + (w * (value - mean) ** 2).sum())

    middle = 0.5 * math.log(float(variance.mean()) + float(value.var()))
    found: Any = optimize.minimize_scalar(minus, bounds=(middle - 8, middle + 4), method="bounded")
    tau2 = math.exp(2 * found.x) if found.fun < minus(-400.0) else 0.0
    w = 1 / (variance + tau2)
    mean = float((w * value).sum() / w.sum())
    stretch = max(float((w * (value - mean) ** 2).sum()) / (len(value) - 1), 1.0)
    half = float(stats.t.ppf(0.975, len(value) - 1)) * math.sqrt(stretch / w.sum())
    return mean, mean - half, mean + half


def _behind(data: Retention, log: bool) -> tuple[float, float, float]:
    """Root mean square of the given standard deviations, with the interval of the mean of their squares."""
    assert data.spread is not None
    squares = (data.spread / data.reading if log else data.spread) ** 2
    squares = squares[np.isfinite(squares)]
    if not len(squares) or squares.mean() == 0:
        raise DataError("retention: the standard deviations are zero or missing")
    mean = float(squares.mean())
    half = 1.96 * float(squares.std(ddof=1)) / math.sqrt(len(squares)) / mean if len(squares) > 1 else 1.0
    return tuple(math.sqrt(mean * math.exp(sign * half)) for sign in (0, -1, 1))  # type: ignore[return-value]
