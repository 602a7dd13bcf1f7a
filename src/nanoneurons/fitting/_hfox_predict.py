r"""One-step-ahead prediction of weak-RESET runs, and the likelihood of whole runs, by particles.

A particle holds a device's constants, its telegraph path with the sizes of the excess, and the 1/f noise whitened so
far. The next reading's 1/f noise is then normal with known mean and spread (a row of the Cholesky factor), with the
telegraph excess on top or not: a mixture whose density, distribution and draws are known. Particles of a device the fit
has seen keep the constants that the fit drew for it; those of another device start from the laws, are weighed by its
readings and moved by the same Metropolis steps as in the fit whenever few of them carry the weight.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numba
import numpy as np
from scipy import special

from nanoneurons.fitting._fitter import Prediction
from nanoneurons.fitting._hfox_campaign import Campaign, campaign, run_readings
from nanoneurons.fitting._hfox_device import LAW, dot, whiten
from nanoneurons.fitting._hfox_noise import draw_excess, excess_density, normal_cdf, tables
from nanoneurons.fitting._hfox_sweep import curves, paths
from nanoneurons.measurements import Pulses

__all__ = ["forecast", "marginal_likelihood"]

_A, _UP, _DOWN, _ALPHA = (
    LAW["telegraph_amplitude"],
    LAW["telegraph_up"],
    LAW["telegraph_down"],
    LAW["flicker_amplitude"],
)
_STRANGERS, _TWINS = 128, 4  # particles of a device not seen, and of each draw of one that was


@numba.njit(cache=True)
def _advance(
    k, y, t, steps, factor, device, laws, weight, z, path, excess, rng, table, flat, drawn, gain
):  # pragma: no cover - compiled  # fmt: skip
    """Take every particle to reading k; returns the share of the prediction below it.

    `drawn` receives two draws of the prediction by each particle, `gain` the density of the reading under each.
    """
    band = factor.shape[1] - 1
    below = 0.0
    for p in range(device.shape[0]):
        law, own = laws[p], device[p]
        share = law[_UP] / (law[_UP] + law[_DOWN])
        on = share
        if k:
            moved = -math.expm1(steps[k] * math.log1p(-min(law[_UP] + law[_DOWN], 1 - 1e-12)))
            on = 1 - (1 - share) * moved if path[p, k - 1] else share * moved
        centre = own[0] + own[1] * min(t[k], own[2]) + own[3] * max(t[k] - own[2], 0.0)
        centre += law[_ALPHA] * dot(factor[k, :band], z[p, k : k + band])
        sigma = law[_ALPHA] * factor[k, band]
        x = y[k] - centre
        off = (1 - on) * math.exp(-0.5 * (x / sigma) ** 2) * 0.3989422804014327 / sigma
        high = on * excess_density(x, sigma, own[4], table, flat)
        gain[p] = max(off + high, 1e-250)
        share_below = (1 - on) * normal_cdf(x / sigma)
        for j in range(2):
            e = own[4] * rng.random() * rng.random()
            share_below += 0.5 * on * normal_cdf((x - e) / sigma)
            drawn[2 * p + j] = centre + sigma * rng.standard_normal() + (e if rng.random() < on else 0.0)
        below += weight[p] * share_below
        path[p, k] = rng.random() * (off + high) < high
        if path[p, k]:
            excess[p, k] = draw_excess(x, sigma, own[4], rng)
            x -= excess[p, k]
        z[p, band + k] = x / sigma
    return below


@numba.njit(cache=True)
def _choose(weight, gain, group, rng, pick):  # pragma: no cover - compiled
    """Weigh the particles by `gain` within each group; where few carry the weight, choose anew who goes on.

    Returns whether any group chose; `pick` then names each particle's parent.
    """
    count, chosen = weight.shape[0], False
    for g in range(0, count, group):
        mass = squares = 0.0
        for p in range(g, g + group):
            pick[p] = p
            weight[p] *= gain[p]
            mass += weight[p]
        for p in range(g, g + group):
            weight[p] /= mass
            squares += weight[p] ** 2
        if squares * group > 2.0:
            chosen = True
            place, source = rng.random() / group, g
            reached = weight[g]
            for p in range(g, g + group):
                while reached < place and source < g + group - 1:
                    source += 1
                    reached += weight[source]
                pick[p] = source
                place += 1.0 / group
            weight[g : g + group] = 1.0 / group
        for p in range(g, g + group):
            weight[p] *= group / count
    return chosen


@numba.njit(cache=True)
def _whitened(y, n, t, factor, device, path, excess, laws, z):  # pragma: no cover - compiled
    """The 1/f noise of each particle whitened anew, after its constants changed."""
    r = np.empty(n)
    for p in range(device.shape[0]):
        own = device[p]
        for k in range(n):
            mean = own[0] + own[1] * min(t[k], own[2]) + own[3] * max(t[k] - own[2], 0.0)
            r[k] = (y[k] - mean - (excess[p, k] if path[p, k] else 0.0)) / laws[p, _ALPHA]
        whiten(r, n, factor, z[p])


def _follow(
    taken: Campaign, run: int, device: np.ndarray, laws: np.ndarray, group: int, learns: bool, rng: np.random.Generator
) -> np.ndarray:
    """Particles along one run: median, low, high, rank and log density of each reading, ``(5, readings)``.

    Groups of so many particles keep their share of the weight. Where the particles learn, there is one group, and
    constants move by the Metropolis steps of the fit, with the readings so far.
    """
    n, g = int(taken.n[run]), int(taken.grid[run])
    y, t, steps, factor = taken.y[run], taken.t[g], taken.gaps[taken.index[g]], taken.factor[g]
    count, band = len(device), factor.shape[1] - 1
    table, flat = tables()
    z = np.zeros((count, n + band))
    path, excess = np.zeros((count, n), np.uint8), np.zeros((count, n))
    weight, gain, pick = np.full(count, 1 / count), np.empty(count), np.empty(count, np.int64)
    drawn, shares = np.empty((n, 2 * count)), np.empty((n, 2 * count))
    out = np.empty((5, n))
    zeros, own = np.zeros(count, np.int64), np.arange(count)
    counts, starts, on = np.zeros((len(taken.gaps), 2, 2)), np.zeros(2), np.zeros((count, n))
    for k in range(n):
        shares[k] = np.repeat(weight, 2)
        out[3, k] = _advance(
            k, y, t, steps, factor, device, laws, weight, z, path, excess, rng, table, flat, drawn[k], gain
        )  # fmt: skip
        out[4, k] = math.log(weight @ gain)
        if not _choose(weight, gain, group, rng, pick):
            continue
        z, path, excess, device, laws = z[pick], path[pick], excess[pick], device[pick], laws[pick]
        if learns:
            so_far = np.full(count, k + 1)
            grid = np.full(count, g)
            curves(
                taken.y, zeros + run, so_far, grid, taken.t, taken.factor, taken.first, taken.line, device, path,
                excess, laws, own, 5, rng,
            )  # fmt: skip
            paths(
                taken.y, zeros + run, so_far, grid, taken.t, taken.factor, taken.smooth, taken.white, taken.index,
                taken.gaps, device, path, excess, laws, own, rng, table, flat, counts, starts, on,
            )  # fmt: skip
            _whitened(y, k + 1, t, factor, device, path, excess, laws, z)
    order = np.argsort(drawn, axis=1)
    reached = np.cumsum(np.take_along_axis(shares, order, 1), axis=1)
    drawn = np.take_along_axis(drawn, order, 1)
    for row, level in ((0, 0.5), (1, 0.05), (2, 0.95)):
        out[row] = drawn[np.arange(n), np.minimum((reached < level * reached[:, -1:]).sum(1), 2 * count - 1)]
    return out


def _fresh(laws: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Constants of devices drawn from their laws, one per row of `laws`."""

    def normal(mean, sd, low, high):
        a, b = special.ndtr((low - mean) / sd), special.ndtr((high - mean) / sd)
        return np.clip(mean + sd * special.ndtri(a + (b - a) * rng.random(len(mean))), low, high)

    def exponential(start, scale, high):
        return start - scale * np.log1p(np.expm1(-(high - start) / scale) * rng.random(len(scale)))

    of = {name: laws[:, i] for name, i in LAW.items()}
    resistance = normal(of["resistance"], of["resistance_sd"], of["resistance_low"], of["resistance_high"])
    knee = normal(
        *(np.log(of[n]) for n in ("knee",)), of["knee_log_sd"], np.log(of["knee_low"]), np.log(of["knee_high"])
    )
    return np.stack(
        [
            np.log(resistance) + of["flicker_amplitude"] * of["flicker_mean"],
            exponential(of["fast_slope_start"], of["fast_slope_scale"], of["fast_slope_high"]),
            np.exp(knee),
            exponential(0 * knee, of["slow_slope_scale"], of["slow_slope_high"]),
            np.maximum(of["telegraph_amplitude"] * rng.random(len(knee)), 1e-9),
        ],
        axis=1,
    )


def forecast(
    data: Pulses, constants: np.ndarray, laws: np.ndarray, names: np.ndarray, register: int, seed: int
) -> Prediction:
    """Predictions of every run; `names` holds the indices of the devices whose `constants` are known."""
    shape = data.reading.shape
    found = np.full((5, *shape), np.nan)
    enough = [row for row in range(len(data.device)) if len(run_readings(data, row)[0]) >= 2]
    if enough:
        part = data.runs(np.array(enough))
        single = replace(part, device=np.arange(len(enough)), devices=tuple(str(i) for i in enough))
        taken = campaign(single, register, fewest=2, most=10**9)
        place = {int(name): i for i, name in enumerate(names)}
        for run, row in enumerate(enough):
            rng = np.random.default_rng([seed, row])
            own = place.get(int(data.device[row]))
            if own is None:
                pick = rng.integers(0, len(laws), _STRANGERS)
                law, group = laws[pick].copy(), _STRANGERS
                device = _fresh(law, rng)
            else:
                law, group = np.repeat(laws, _TWINS, axis=0), _TWINS
                device = np.repeat(constants[:, own], _TWINS, axis=0)
            out = _follow(taken, run, device, law, group, own is None, rng)
            out[:, 0] = np.nan
            y = taken.y[run, : out.shape[1]]
            found[:, row, taken.column[run, : out.shape[1]]] = (
                np.exp(-out[0]), np.exp(-out[2]), np.exp(-out[1]), 1 - out[3], out[4] + y,
            )  # fmt: skip
    return Prediction(*found)


def marginal_likelihood(data: Campaign, draws, seed: int) -> float:
    """Logarithm of the density of all runs at the median laws, each device's constants integrated by Laplace."""
    law = np.median(draws.laws, axis=0)
    of = {name: law[i] for name, i in LAW.items()}
    total = 0.0
    for d in range(len(data.n)):
        logs = draws.constants[:, d].copy()
        logs[:, 1:] = np.log(np.maximum(logs[:, 1:], 1e-12))
        mean, spread = logs.mean(0), np.cov(logs.T) + 1e-8 * np.eye(5)
        rng = np.random.default_rng([seed, d])
        own = np.repeat(np.r_[mean[0], np.exp(mean[1:])][None], 32, axis=0)
        out = _follow(data, d, own, np.repeat(law[None], 32, axis=0), 32, False, rng)
        total += out[4].sum() + data.y[d, : data.n[d]].sum()  # per S, not per unit of ln R
        total += 0.5 * np.linalg.slogdet(2 * np.pi * spread)[1] + _prior(mean, of)
    return float(total)


def _prior(at: np.ndarray, of: dict[str, float]) -> float:
    """ln density of (ln R0 + alpha mean F, ln m1, ln t*, ln m2, ln A) under the laws."""
    start = math.exp(at[0] - of["flicker_amplitude"] * of["flicker_mean"])

    def normal(x, mean, sd, low, high):
        mass = special.ndtr((high - mean) / sd) - special.ndtr((low - mean) / sd)
        return -0.5 * ((x - mean) / sd) ** 2 - math.log(sd * math.sqrt(2 * math.pi) * mass)

    def exponential(x, scale, width):
        return -x / scale - math.log(-scale * math.expm1(-width / scale)) + math.log(max(x, 1e-12))

    m1 = math.exp(at[1]) - of["fast_slope_start"]
    return (
        normal(start, of["resistance"], of["resistance_sd"], of["resistance_low"], of["resistance_high"])
        + math.log(start)
        + exponential(m1, of["fast_slope_scale"], of["fast_slope_high"] - of["fast_slope_start"])
        + at[1] - math.log(max(m1, 1e-12))
        + normal(
            at[2], math.log(of["knee"]), of["knee_log_sd"], math.log(of["knee_low"]), math.log(of["knee_high"])
        )
        + exponential(math.exp(at[3]), of["slow_slope_scale"], of["slow_slope_high"])
        + at[4] - math.log(of["telegraph_amplitude"])
    )  # fmt: skip
