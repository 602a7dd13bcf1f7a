r"""Parameters and intervals of a pulsed device from draws of the posterior.

Whether the devices' steps are normal or log-normal does not touch the readings once every device's steps are known.
So the odds of the two laws, and the population under the other one, follow from the draws of one chain:

.. math::
    \frac{P_L}{P_N} = \frac{\bar g\,S_N^{(n-1)/2}}{S_L^{(n-1)/2}\,\prod_i g_i}

with :math:`g_i` the devices' steps and :math:`S` the sums of squares of :math:`g_i` and of :math:`\log g_i` about
their means (means and spreads integrated over scale-invariant priors). The intervals are of both laws, by their odds.

Quantiles of few draws scatter, and an interval between them holds too little: each is widened for the number of
independent draws that it rests on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri, expit, ndtri

from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting._fitter import Estimate
from nanoneurons.fitting._pulsed_estimates import Outcome, even, fresh_weights, scales_of, told_of, values_of
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point
from nanoneurons.fitting._pulsed_sampler import Draws, effective_number

__all__ = ["Chain", "drawn_outcome", "widened"]

_ENDS = (0.025, 0.975)
_LOST = 4.5  # makes quantiles of 20 to 200 independent draws, of chains of any memory, hold 94.3 to 95.3 %


class Chain(NamedTuple):
    """Draws of one law of the noise, with its probability."""

    point: Point
    draws: Draws
    weight: float


def _raw(law: Law, draws: Draws, first: np.ndarray | None) -> dict[str, np.ndarray]:
    """Coordinates as `values_of` takes them, each ``(draws,)``."""
    out = {n: draws.beta[:, k] for k, n in enumerate(law.names) if law.free[k]}
    for name in law.spread_names:
        k = next(k for k, n in enumerate(law.own) if n.split("_")[0] == name)
        out["s_" + name] = np.log(draws.spread[:, k])
    if first is not None:
        out["first"] = first[:, 0]
        if first.shape[1] > 1:
            out["s_first"] = first[:, 1]
    return out


def _other(law: Law, raw: dict[str, np.ndarray], draws: Draws, draw: np.random.Generator):
    """Coordinates under the other law of the step's spread, and log odds of it, ``(draws,)``."""
    shared = draws.beta[:, None, len(law.own) :]
    x = np.concatenate([draws.own, np.broadcast_to(shared, (*draws.own.shape[:2], shared.shape[2]))], axis=2)
    up, down = (step * law.lift(x) for step in law.steps(x))
    if law.both:
        base, tilt = 0.5 * (up + down), 0.5 * (up - down)
        middle = 0.5 * raw["less"] if law.log_normal else raw["tilt"]
    else:
        base, tilt, middle = (up if law.up else down), None, np.zeros(len(up))
    log_base = np.log(np.maximum(base + np.abs(middle)[:, None], 1e-12))
    number = base.shape[1]
    normal, logarithmic = (((b - b.mean(1, keepdims=True)) ** 2).sum(1) for b in (base, log_base))
    odds = 0.5 * (number - 1) * (np.log(normal) - np.log(logarithmic)) - log_base.sum(1) + np.log(base.mean(1))
    to, squares = (base, normal) if law.log_normal else (log_base, logarithmic)
    below, spread_below = even(draw, len(squares), 2)
    spread = np.sqrt(squares / chdtri(number - 1, spread_below))
    out = {k: v for k, v in raw.items() if k not in ("tilt", "less")}
    out["step"] = to.mean(1) + spread / np.sqrt(number) * ndtri(below)
    out["s_step"] = np.log(spread)
    if tilt is not None:
        if law.log_normal:
            out["tilt"] = middle
        else:
            out["less"] = 2 * middle
    return out, -odds if law.log_normal else odds


def widened(at: np.ndarray, number: float) -> np.ndarray:
    """Draws spread out about their mean, so that quantiles of `number` independent ones hold what they should."""
    return at.mean() + (at - at.mean()) / np.sqrt(1 - min(_LOST / number, 0.5))


def _rows(law: Law, raw: dict[str, np.ndarray], base: Pulsed, free: bool, frame: tuple[float, float]) -> dict:
    number = len(next(iter(raw.values())))
    found = [values_of(law, {n: float(v[k]) for n, v in raw.items()}, base, free, frame) for k in range(number)]
    return {name: np.array([f[name] for f in found]) for name in found[0]}


def drawn_outcome(chains: Sequence[Chain], base: Pulsed, free: bool, choose: bool, seed: int = 0) -> Outcome:
    """Values, estimates with intervals and their correlation, of one law of the noise or of both by their weights.

    Args:
        chains: the first is the law of the device.
        choose: whether the data may choose the law of the step's spread; else it is kept.
    """
    draw = np.random.default_rng(seed)
    parts: list[dict[str, np.ndarray]] = []
    centre: dict[str, float] = {}
    log_normal = chains[0].point.law.log_normal
    for chain in chains:
        law, frame = chain.point.law, (chain.point.centre, chain.point.scale)
        raw = _raw(law, chain.draws, fresh_weights(chain.point, len(chain.draws.beta), draw))
        rows = _rows(law, raw, base, free, frame)
        taken, mixed = law, rows
        if choose and np.isfinite(raw["s_step"]).all():
            other, odds = _other(law, raw, chain.draws, draw)
            swapped = replace(law, log_normal=not law.log_normal)
            elsewhere = draw.random(len(odds)) < expit(odds)
            others = _rows(swapped, other, base, free, frame)
            mixed = {n: np.where(elsewhere, others[n], v) for n, v in rows.items()}
            share = expit(odds).mean()
            kept = law.log_normal == (base.step_law == "log-normal")
            if share > (0.73 if kept else 0.27):
                taken, raw = swapped, other
        if chain is chains[0]:
            log_normal = taken.log_normal
            centre = values_of(taken, {n: float(v.mean()) for n, v in raw.items()}, base, free, frame)
        parts.append(mixed)
    first = chains[0]
    out = Outcome(centre, first.draws.beta.mean(0), np.exp(np.log(first.draws.spread).mean(0)), log_normal)
    weights = np.array([chain.weight for chain in chains]) / sum(chain.weight for chain in chains)
    numbers = [len(chain.draws.beta) for chain in chains]
    if len(chains) == 1:
        chosen = [np.arange(numbers[0])]
    else:
        chosen = [draw.integers(n, size=round(4000 * w)) for n, w in zip(numbers, weights, strict=True)]
    told = told_of(first.point.law, centre, free)
    scales = scales_of(first.point.law, told)
    columns = []
    for name in told:
        each = [np.log(np.abs(p[name]) + 1e-300) if scales[name] == "log" else p[name] for p in parts]
        unsure = [1 / effective_number(v[:, None])[0] for v in each]
        at = np.concatenate([v[i] for v, i in zip(each, chosen, strict=True)])
        at = widened(at, 1 / float(weights**2 @ unsure))
        low, high = np.quantile(at, _ENDS)
        value = centre[name]
        error = float(at.std())
        if scales[name] == "log":
            sign = np.sign(value) or 1.0
            low, high = sorted(sign * np.exp([low, high]))
        columns.append(at)
        if name.endswith("_spread") and low < 1e-2 * high:
            out.estimates.append(Estimate(name, value, 0.0, float(high), "linear", float((high - value) / 1.96)))
        else:
            low, high = min(float(low), value), max(float(high), value)
            out.estimates.append(Estimate(name, value, low, high, scales[name], error))
    out.correlation = np.atleast_2d(np.corrcoef(np.array(columns)))
    return out
