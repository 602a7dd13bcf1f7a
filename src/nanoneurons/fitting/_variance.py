r"""Scatter between devices, between programmings and between reads, told apart by restricted maximum likelihood.

.. math::
    y_{g d c r} = \mu_g + a_{g d} + b_{g d c} + e_{g d c r}, \qquad
    a \sim N(0, \sigma_{d,g}^2), \quad b \sim N(0, \sigma_{c,g}^2), \quad e \sim N(0, \sigma_r^2)

for a group *g* (a level), a device *d*, a programming *c* and a read *r*; any numbers of each, readings may be missing.
A part that the data cannot separate goes into the next finer one that they can: one programming per device puts the
devices' scatter into that of programming. Intervals of standard deviations are those of the profile of the restricted
likelihood, which may begin at 0; those of the means take Student's t with Satterthwaite's degrees of freedom.

Source: Searle, Casella and McCulloch, Variance Components (1992); Satterthwaite, Biometrics Bull. 2:110 (1946).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy import optimize, stats

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._variance_likelihood import Likelihood, Runs, minimise

__all__ = ["Components", "Runs", "components"]

_ENOUGH = 20  # repeated reads that tell the read noise on their own
_QUANTILE = float(stats.chi2.ppf(0.95, 1))


@dataclass(frozen=True)
class Components:
    """Means and standard deviations, each with its 95 % interval ``(value, low, high)``.

    Attributes:
        mean: ``(groups, 3)``.
        device, cycle: ``(groups, 3)``; low and high are NaN where the data do not separate the part, value 0 then.
        read: ``(3,)``, low and high NaN where it was given.
        names: what the rows of `covariance` are: ``mean 0``, ``device 0``, ``cycle 0``, ..., ``read``.
        covariance: of the errors of means and of standard deviations, as estimated by the curvature.
        freedom: Satterthwaite's degrees of freedom of the means, ``(groups,)``.
        log_likelihood: restricted, at the estimates.
    """

    mean: np.ndarray
    device: np.ndarray
    cycle: np.ndarray
    read: np.ndarray
    names: tuple[str, ...]
    covariance: np.ndarray
    freedom: np.ndarray
    log_likelihood: float

    def device_effects(self, runs: Runs, devices: int) -> tuple[np.ndarray, np.ndarray]:
        """Expected own part of each device and its posterior variance, both ``(groups, devices)``."""
        effect, variance = np.zeros((2, len(self.mean), devices))
        for g in range(len(self.mean)):
            v_device, v_cycle, v_read = self.device[g, 0] ** 2, self.cycle[g, 0] ** 2, self.read[0] ** 2
            ours = runs.group == g
            weight = 1 / np.maximum(v_cycle + v_read / runs.count[ours], 1e-300)
            total = np.bincount(runs.device[ours], weight, devices)
            lean = np.bincount(runs.device[ours], weight * (runs.mean[ours] - self.mean[g, 0]), devices)
            effect[g] = v_device * lean / (1 + v_device * total)
            variance[g] = v_device / (1 + v_device * total)
        return effect, variance


def components(runs: Runs, read: float | None = None, shared: bool = False) -> Components:
    """Means and standard deviations of grouped runs.

    Args:
        read: standard deviation from read to read where it is known from elsewhere; needed (else 0) if no run was read
            twice.
        shared: whether all groups have the same scatter from programming to programming; the scatter between
            devices then has no intervals.

    Raises:
        DataError: a group without a reading.
    """
    spare = int((runs.count - 1).sum())
    if runs.groups > 1 and not shared and (read is not None or spare == 0 or spare >= _ENOUGH):
        return _one_by_one(runs, read)
    if shared and read is None and spare >= _ENOUGH:
        row = _read_within(runs)
        return replace(components(runs, float(row[0]), shared=True), read=row)
    like = Likelihood(runs, read, shared)
    count, groups = len(like.parts), runs.groups
    theta, best = minimise(like, np.full(count, 0.8))
    device, cycle, sd_read = like.sds(theta)
    _, mean, variance = like.means(theta)

    empty = np.full((groups, 3), np.nan)
    found = {"device": empty.copy(), "cycle": empty.copy()}
    found["device"][:, 0], found["cycle"][:, 0] = device, cycle
    read_row = np.array([sd_read, np.nan, np.nan])
    for k, (part, g) in enumerate(like.parts):
        if shared and part == "device":
            continue
        low, high = _profile(like, theta, best, k)
        if part == "read":
            read_row[1:] = low, high
        elif part == "cycle" and shared:
            found["cycle"][:, 1:] = low, high
        else:
            found[part][g, 1:] = low, high

    curvature = _hessian(like, theta) / 2
    inside = theta > 1e-3  # a standard deviation at 0 has no curvature to go by
    covariance = np.zeros((count, count))
    if inside.any():
        covariance[np.ix_(inside, inside)] = np.linalg.pinv(curvature[np.ix_(inside, inside)], hermitian=True)
    freedom = _freedom(like, theta, covariance, variance)
    half = stats.t.ppf(0.975, np.maximum(freedom, 1e-3)) * np.sqrt(variance)
    units = np.array([like.unit(k) for k in range(count)])
    full = np.zeros((groups + count, groups + count))
    full[:groups, :groups] = np.diag(variance)
    full[groups:, groups:] = covariance * np.outer(units, units)
    names = tuple(f"mean {g}" for g in range(groups)) + tuple(
        part if part == "read" else f"{part} {g}" for part, g in like.parts
    )
    return Components(
        np.stack([mean, mean - half, mean + half], 1), found["device"], found["cycle"], read_row, names, full, freedom,
        -0.5 * best,
    )  # fmt: skip


def _one_by_one(runs: Runs, read: float | None) -> Components:
    """Groups apart: they share the read noise only, which the reads within runs tell well enough."""
    spare = float((runs.count - 1).sum())
    row = _read_within(runs) if read is None and spare else np.array([read or 0.0, math.nan, math.nan])
    single = []
    for g in range(runs.groups):
        ours = runs.group == g
        if not ours.any():
            raise DataError(f"level {g + 1} has no reading that can be used")
        part = Runs(
            np.zeros(int(ours.sum()), int), *(getattr(runs, n)[ours] for n in ("device", "mean", "count", "within"))
        )
        single.append(components(part, read=float(row[0])))
    names = [f"mean {g}" for g in range(runs.groups)]
    for g, one in enumerate(single):
        names += [f"{name.split()[0]} {g}" for name in one.names[1:]]
    whole = np.zeros((len(names) + 1, len(names) + 1))
    at = runs.groups
    for g, one in enumerate(single):
        here = [g, *range(at, at + len(one.names) - 1)]
        whole[np.ix_(here, here)] = one.covariance
        at += len(one.names) - 1
    if np.isfinite(row[1]):
        names.append("read")
        whole[-1, -1] = row[0] ** 2 / (2 * spare)
    else:
        whole = whole[:-1, :-1]
    stacked = (np.concatenate([getattr(one, n) for one in single]) for n in ("mean", "device", "cycle"))
    freedom = np.concatenate([one.freedom for one in single])
    return Components(*stacked, row, tuple(names), whole, freedom, sum(one.log_likelihood for one in single))


def _read_within(runs: Runs) -> np.ndarray:
    """Read noise from the reads within runs, with the interval of its chi-squared law."""
    spare = float((runs.count - 1).sum())
    square = runs.within.sum() / spare
    return np.sqrt(np.array([square, *(square * spare / stats.chi2.ppf([0.975, 0.025], spare))]))


def _profile(like: Likelihood, theta: np.ndarray, best: float, k: int) -> tuple[float, float]:
    """Interval of one standard deviation: where -2 log profile likelihood has risen by the quantile."""
    others = np.delete(np.arange(len(theta)), k)
    warm = theta[others]

    def rise(value: float) -> float:
        nonlocal warm
        if value == theta[k]:
            return -_QUANTILE

        def inner(rest: np.ndarray) -> float:
            whole = np.empty(len(theta))
            whole[k], whole[others] = value, rest
            return like(whole)

        if not len(others):
            return inner(others) - best - _QUANTILE
        start = min((theta[others], warm), key=inner)
        found = optimize.minimize(inner, np.maximum(start, 1e-2), method="L-BFGS-B", bounds=[(0.0, 100.0)] * len(warm))
        warm = found.x
        return min(float(found.fun), inner(start)) - best - _QUANTILE

    centre, low = float(theta[k]), 0.0
    if centre > 1e-6 and rise(1e-6) > 0:
        low = _root(rise, 1e-6, centre)
    top = max(centre, 0.05)
    for _ in range(60):
        top *= 1.5
        if rise(top) > 0:
            top = _root(rise, centre, top)
            break
    return low * like.unit(k), top * like.unit(k)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = optimize.brentq(function, low, high, xtol=1e-5 * high)
    return float(found)


def _hessian(function, x: np.ndarray) -> np.ndarray:
    n = len(x)
    step = 1e-3 * np.maximum(x, 0.05)
    found = np.empty((n, n))
    for i in range(n):
        for j in range(i + 1):
            corners = []
            for si, sj in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
                at = x.copy()
                at[i] += si * step[i]
                at[j] += sj * step[j]
                corners.append(function(np.abs(at)))
            found[i, j] = found[j, i] = (corners[0] - corners[1] - corners[2] + corners[3]) / (4 * step[i] * step[j])
    return found


def _freedom(like: Likelihood, theta: np.ndarray, covariance: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Satterthwaite: 2 C^2 / var(C) for the variance C of each mean."""
    slope = np.zeros((len(variance), len(theta)))
    for k in range(len(theta)):
        step = 1e-3 * max(theta[k], 0.05)
        up, down = theta.copy(), theta.copy()
        up[k] += step
        down[k] = abs(down[k] - step)
        slope[:, k] = (like.means(up)[2] - like.means(down)[2]) / max(up[k] - down[k], 1e-300)
    spread = np.einsum("gi,ij,gj->g", slope, covariance, slope)
    most = np.array([len(m) - 1 for _, m, _, _ in like.groups], dtype=float)
    return np.minimum(2 * variance**2 / np.maximum(spread, 1e-300), np.maximum(most, 1e-3))
