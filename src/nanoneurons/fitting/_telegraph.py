r"""Telegraph noise in series of reads: a hidden chain of two states against a Gaussian process of the same spectrum.

It counts as found where the chain describes a series clearly better (a difference in BIC above 10), with at least two
visits to each state.

Not found: telegraph noise of more than two states, or faster than the reads.

Source: Baum et al., Ann. Math. Stat. 41:164 (1970).
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from scipy import optimize

from nanoneurons.fitting._fitter import Fact
from nanoneurons.fitting._levels import plural

__all__ = ["telegraph"]

_SERIES = 40  # series looked at for telegraph noise


def telegraph(series: list[np.ndarray], step: float, unit: str, facts: list[Fact], notes: list[str]) -> None:
    looked, found = series[:_SERIES], []
    for row in looked:
        sd = float(row.std())
        if sd > 0 and (states := _two_states(row / sd)) is not None:
            found.append((states[0] * sd, *states[1:]))
    where = f"of {plural(len(looked), 'series').replace('seriess', 'series')}"
    if not found:
        notes.append(f"no telegraph noise in any {where}")
        return
    notes.append(
        f"telegraph noise in {len(found)} {where}; no parameter takes it (the telegraph noise of hfox-weak-reset "
        "switches with pulses, not in time)"
    )
    size, up, down = np.median(np.array(found), axis=0)
    timed, word = (step, "s") if math.isfinite(step) else (1.0, "reads")
    nan = math.nan
    facts.append(Fact("telegraph amplitude", float(size), nan, nan, unit, "median distance of the two states"))
    for name, value in (("high", up), ("low", down)):
        doc = f"median mean time in the {name} state, over the series with telegraph noise"
        facts.append(Fact(f"telegraph time, {name} state", float(value) * timed, nan, nan, word, doc))


def _two_states(y: np.ndarray) -> tuple[float, float, float] | None:
    """Distance of two states and mean number of reads in the upper and the lower one, or None."""
    low, high = np.quantile(y, [0.1, 0.9])
    best: Any = None
    for stay in (0.02, 0.2):
        start = np.array([low, math.log(max(high - low, 1e-3)), math.log(stay), math.log(stay), math.log(0.4)])
        trial = optimize.minimize(
            lambda x: -_chain(y, *_chain_of(x)), start, method="Nelder-Mead", options={"maxiter": 600}
        )
        if best is None or trial.fun < best.fun:
            best = trial
    _, gap, leave_low, leave_high, sigma = _chain_of(best.x)
    visits = len(y) * leave_low * leave_high / (leave_low + leave_high)
    if gap < sigma or visits < 2 or max(leave_low, leave_high) > 0.5:
        return None
    gauss: Any = None
    for phi in (1.0, 3.0):
        start = np.array([phi, 0.0, -1.0])
        trial = optimize.minimize(
            lambda x: -_smooth(y, *_smooth_of(x)), start, method="Nelder-Mead", options={"maxiter": 300}
        )
        if gauss is None or trial.fun < gauss.fun:
            gauss = trial
    bic = 2 * (best.fun - gauss.fun) + 2 * math.log(len(y))  # 5 constants against 3
    return (gap, 1 / leave_high, 1 / leave_low) if bic < -10 else None


def _chain_of(x: np.ndarray) -> tuple[float, float, float, float, float]:
    leave = np.clip(np.exp(np.clip(x[2:4], -12, 0)), 1e-5, 0.95)
    return float(x[0]), math.exp(min(x[1], 5.0)), float(leave[0]), float(leave[1]), math.exp(min(max(x[4], -7.0), 3.0))


def _smooth_of(x: np.ndarray) -> tuple[float, float, float]:
    return 1 / (1 + math.exp(-x[0])), math.exp(min(x[1], 5.0)), math.exp(min(max(x[2], -14.0), 5.0))


@numba.njit(cache=True)
def _chain(y, base, gap, leave_low, leave_high, sigma):  # pragma: no cover - compiled
    """Log likelihood of two hidden states with Gaussian noise."""
    high = leave_low / (leave_low + leave_high)
    low, total = 1.0 - high, 0.0
    for value in y:
        a = low * math.exp(-0.5 * ((value - base) / sigma) ** 2) + 1e-300
        b = high * math.exp(-0.5 * ((value - base - gap) / sigma) ** 2) + 1e-300
        whole = a + b
        total += math.log(whole) - math.log(sigma) - 0.9189385332046727
        a, b = a / whole, b / whole
        low = a * (1.0 - leave_low) + b * leave_high
        high = 1.0 - low
    return total


@numba.njit(cache=True)
def _smooth(y, phi, variance, white):  # pragma: no cover - compiled
    """Log likelihood of a Gaussian process with exponential memory, seen through white noise."""
    mean, spread, total = 0.0, variance, 0.0
    for value in y:
        s = spread + white
        total -= 0.5 * (math.log(6.283185307179586 * s) + (value - mean) ** 2 / s)
        gain = spread / s
        mean = phi * (mean + gain * (value - mean))
        spread = phi * phi * spread * (1.0 - gain) + (1.0 - phi * phi) * variance
    return total
