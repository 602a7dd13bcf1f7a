r"""Noise of reads: the part that is new at every read, the part that lasts, and switching between two values.

.. math:: S(f) = A + B f^{-\beta}

is fitted to the periodograms of all series at once (Whittle's likelihood; :math:`A = \sigma_r^2`), and kept where the
second term raises the log likelihood by more than its parameters warrant (p < 0.001). Telegraph noise is looked for in
`_telegraph`. The next read is predicted by a random walk seen through white noise.

Source: Whittle, J. Roy. Stat. Soc. B 15:125 (1953).
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from scipy import optimize, stats

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._fitter import Fact, Prediction
from nanoneurons.fitting._level_laws import Law, best_law, law_prediction
from nanoneurons.fitting._levels import plural
from nanoneurons.fitting._telegraph import telegraph

__all__ = ["NoiseFound", "Walk", "analyse", "walk_of"]

_CHI = float(stats.chi2.ppf(0.999, 2))


@dataclass(frozen=True)
class NoiseFound:
    """What series of reads tell.

    Attributes:
        read: standard deviation of what is new at each read, ``(value, low, high)``.
        slope: exponent of the slow part with its interval, or None.
        facts, notes: to show.
    """

    read: tuple[float, float, float]
    slope: tuple[float, float, float] | None
    facts: tuple[Fact, ...]
    notes: tuple[str, ...]


def analyse(reading: np.ndarray, time: np.ndarray | None, unit: str) -> NoiseFound:
    """White and slow noise and telegraph noise of series, ``(runs, reads)`` with NaN for missing ones.

    Args:
        time: s, the same shape, or None.
        unit: of the readings, for the facts.

    Raises:
        DataError: fewer than 8 reads in every series, or no noise at all.
    """
    series = [row[np.isfinite(row)] for row in reading]
    series = [row - row.mean() for row in series if len(row) >= 8]
    if not series:
        raise DataError("noise: no series has 8 reads or more")
    if all(np.ptp(row) == 0 for row in series):
        raise DataError("noise: every series is constant; the readings have too few digits to show noise")
    notes, facts = [], []
    gaps = int((~np.isfinite(reading)[:, 1:-1] & np.isfinite(reading[:, 2:])).sum())
    if gaps:
        notes.append(f"{plural(gaps, 'missing read')} passed over: the reads before and after count as neighbours")
    white, slope, slow = _spectrum(series)
    read = white
    if slope is None:
        read = _plain(series)
        notes.append("the noise is white: no slow part is found")
    else:
        words = "spectral exponent of the slow noise (1 for 1/f)"
        facts.append(Fact("noise exponent", *slope, "1", words))
        facts.append(
            Fact("slow noise", slow, math.nan, math.nan, unit, "standard deviation of what lasts from read to read")
        )
        notes.append("slow noise is found: no device models it between reads, only the white part becomes read noise")
    step = float(np.nanmedian(np.diff(time, axis=1))) if time is not None else math.nan
    telegraph(series, step, unit, facts, notes)
    return NoiseFound(read, slope, tuple(facts), tuple(notes))


def _plain(series: list[np.ndarray]) -> tuple[float, float, float]:
    """White noise: standard deviation, its interval from the scatter between series where there are enough."""
    freedom = np.array([len(row) - 1 for row in series], dtype=float)
    squares = np.array([(row**2).sum() for row in series])
    total = freedom.sum()
    variance = squares.sum() / total
    low, high = variance * total / stats.chi2.ppf([0.975, 0.025], total)
    if len(series) >= 5:
        error = math.sqrt(((squares - freedom * variance) ** 2).sum() / (len(series) - 1) * len(series)) / total
        half = float(stats.t.ppf(0.975, len(series) - 1)) * error / variance
        low, high = min(low, variance * math.exp(-half)), max(high, variance * math.exp(half))
    return math.sqrt(variance), math.sqrt(low), math.sqrt(high)


# -- spectrum ---------------------------------------------------------------------------------------------------


def _spectrum(series: list[np.ndarray]) -> tuple[tuple[float, float, float], tuple[float, float, float] | None, float]:
    """White standard deviation, exponent of the slow part or None, and standard deviation of the slow part."""
    frequency = np.concatenate([np.fft.rfftfreq(len(row))[2 : (len(row) + 1) // 2] for row in series])
    power = np.concatenate([np.abs(np.fft.rfft(row)[2 : (len(row) + 1) // 2]) ** 2 / len(row) for row in series])
    scale = float(power.mean())
    power = power / scale
    logs = np.log(frequency)

    def minus(theta: np.ndarray) -> float:
        s = np.exp(theta[0]) + np.exp(theta[1] - theta[2] * (logs - logs.min()))
        return float((np.log(s) + power / s).sum())

    def best(fixed: dict[int, float]) -> Any:
        free = [k for k in range(3) if k not in fixed]
        found = None
        for start in ((0.0, 1.0, 1.0), (-2.0, 2.0, 1.0), (-1.0, 3.0, 2.0)):
            base = np.array(start)
            for k, value in fixed.items():
                base[k] = value

            def inner(x: np.ndarray, base=base) -> float:
                whole = base.copy()
                whole[free] = x
                return minus(whole)

            limits = [((-25.0, 25.0), (-25.0, 25.0), (0.1, 4.0))[k] for k in free]
            trial = optimize.minimize(inner, base[free], method="L-BFGS-B", bounds=limits)
            if found is None or trial.fun < found[1]:
                base[free] = trial.x
                found = (base, float(trial.fun))
        assert found is not None
        return found

    theta, lowest = best({})
    flat = len(power) * (1 + math.log(float(power.mean())))
    if 2 * (flat - lowest) < _CHI:
        return (math.nan, math.nan, math.nan), None, 0.0
    need = lowest + 0.5 * float(stats.chi2.ppf(0.95, 1))

    def ends(k: int, reach: float) -> tuple[float, float]:
        out = []
        for sign in (-1, 1):
            inside, step = 0.0, reach / 16
            while step < reach and best({k: theta[k] + sign * step})[1] < need:
                inside, step = step, 2 * step
            if step >= reach:
                out.append(theta[k] + sign * reach)
                continue
            found: Any = optimize.brentq(lambda x, sign=sign: best({k: theta[k] + sign * x})[1] - need, inside, step)
            out.append(theta[k] + sign * float(found))
        return out[0], out[1]

    low, high = ends(0, 20.0)
    slopes = ends(2, 4.0)
    slow = math.sqrt(
        max(sum(float((row**2).sum()) for row in series) / sum(map(len, series)) - scale * math.exp(theta[0]), 0)
    )
    white = tuple(math.sqrt(scale * math.exp(x)) for x in (theta[0], low, high))
    return white, (float(theta[2]), max(slopes[0], 0.0), slopes[1]), slow  # type: ignore[return-value]


# -- prediction -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walk:
    """A random walk seen through white noise, which predicts the next reading of a run.

    Attributes:
        ratio: variance of a step of the walk over that of the white noise.
        noise: standard deviation of the white noise on the scale of `law`, of a new run.
        own: the same of runs that were seen, by (device, level).
        law: of the errors.
    """

    ratio: float
    noise: float
    own: dict[tuple[int, int], float]
    law: Law

    def predict(self, reading: np.ndarray, device: np.ndarray, level: np.ndarray) -> Prediction:
        """Every reading after the first of its run."""
        y = np.where(reading > 0, np.log(np.maximum(reading, 1e-300)), np.nan) if self.law.log else reading
        expected, spread = _walk(np.ascontiguousarray(y, dtype=float), self.ratio)
        pairs = zip(device, level, strict=True)
        noise = np.array([self.own.get((int(d), int(k)), self.noise) for d, k in pairs])
        shown = np.where(np.isfinite(expected) & np.isfinite(y), reading, np.nan)
        return law_prediction(shown, expected, noise[:, None] * np.sqrt(spread), self.law)


def walk_of(reading: np.ndarray, device: np.ndarray, level: np.ndarray) -> tuple[Walk, float]:
    """Fit a `Walk`; returns it with the log likelihood."""
    best: Any = None
    positive = bool((reading[np.isfinite(reading)] > 0).all())
    fits = {}
    for log in (False, True) if positive else (False,):
        y = np.ascontiguousarray(np.log(reading) if log else reading, dtype=float)

        def minus(x: float, y=y) -> float:
            expected, spread = _walk(y, math.exp(x))
            z2 = (y - expected) ** 2 / spread
            seen = np.isfinite(z2)
            per_run = np.array([row[ok].mean() if ok.any() else np.nan for row, ok in zip(z2, seen, strict=True)])
            variance = np.maximum(per_run, 1e-300)[:, None] * np.ones_like(y)
            return float((np.log(spread[seen]) + np.log(variance[seen])).sum())

        found: Any = optimize.minimize_scalar(minus, bounds=(-14.0, 5.0), method="bounded", options={"xatol": 0.02})
        expected, spread = _walk(y, math.exp(found.x))
        fits[log] = (math.exp(found.x), *_noises((y - expected) / np.sqrt(spread), device, level), y, expected, spread)

    def residuals(log: bool) -> tuple[np.ndarray, np.ndarray]:
        _, pooled, own, y, expected, spread = fits[log]
        noise = np.array([own.get((int(d), int(k)), pooled) for d, k in zip(device, level, strict=True)])[:, None]
        z = (y - expected) / (noise * np.sqrt(spread))
        ok = np.isfinite(z)
        return z[ok], (-np.log(noise * np.sqrt(spread)) - (y if log else 0.0))[ok]

    law, likelihood = best_law(residuals, positive)
    best = fits[law.log]
    return Walk(best[0], best[1], best[2], law), likelihood


def _noises(z: np.ndarray, device: np.ndarray, level: np.ndarray) -> tuple[float, dict[tuple[int, int], float]]:
    """White standard deviation of a new run, and of each seen one drawn towards it by eight readings' worth."""
    seen = np.isfinite(z)
    squares, count = np.where(seen, z, 0.0) ** 2, seen.sum(1)
    pooled = float(squares.sum() / max(count.sum(), 1))
    own = {}
    for k in range(len(z)):
        if count[k]:
            own[int(device[k]), int(level[k])] = math.sqrt((squares[k].sum() + 8 * pooled) / (count[k] + 8)) or 1e-300
    return math.sqrt(pooled) or 1e-300, own


@numba.njit(cache=True)
def _walk(y, ratio):  # pragma: no cover - compiled
    """Expected reading and variance (in units of the white one) after the first reading of each run."""
    expected, spread = np.full(y.shape, np.nan), np.full(y.shape, np.nan)
    for run in range(y.shape[0]):
        known, mean, variance = False, 0.0, 0.0
        for k in range(y.shape[1]):
            if known:
                variance += ratio
                expected[run, k], spread[run, k] = mean, variance + 1.0
            if not np.isfinite(y[run, k]):
                continue
            if not known:
                known, mean, variance = True, y[run, k], 1.0
                continue
            gain = variance / (variance + 1.0)
            mean += gain * (y[run, k] - mean)
            variance *= 1.0 - gain
    return expected, spread
