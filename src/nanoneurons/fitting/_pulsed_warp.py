r"""How a device's bounds are distributed, where that is far from normal, as a map from normal variables.

Where steps fade out towards a bound, a device that hardly reaches it has a likely place for it, where the bound stops
the device, and a long tail of places further out, where the step fades out before. Given the population, the density of
the bound's place *h* is followed along the other constants *r(h)* that are likeliest with it, whose covariance there is
:math:`C_r`. A normal variable *v*, of standard deviation :math:`\sigma`, is carried to *h* by equal probabilities, and
the other constants follow:

.. math::
    \log p(h) = \max_r \log L(h, r) + \tfrac12 \log \det C_r(h), \qquad h = F^{-1}(\Phi(v / \sigma)), \qquad
    r = v_r + r(h) - (C_{rh} / \sigma^2)\, v .

The map is piecewise linear, so that its inverse and its Jacobian are exact: a chain that moves through it errs nowhere,
however well it fits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri_exp

from nanoneurons.fitting._mixed import Population
from nanoneurons.fitting._pulsed_point import Point, evaluate
from nanoneurons.fitting._pulsed_search import solved

__all__ = ["Warp", "warp_of"]

_SHAPES = ("linear", "power")  # whose steps fade out at a bound; with the others bounds were found near normal
_NEAR = (0.5, 1.0, 1.6, 2.4, 3.4)  # places beside the likeliest, in standard deviations of one device's bound
_FAR = (0.35, 0.7, 1.1, 1.6, 2.2, 3.0)  # further ones, in standard deviations of the population
_FURTHEST = 3.5  # of the same
_ROUNDS = 2  # of Newton's steps of the other constants at each place, at most
_GAIN = 0.1  # of log-likelihood, below which such a step is made without being tried
_PIECES = 12  # of the map between two places
_LOW = 10.0  # fall of the log density beyond which a place is reached by the least mass alone
_SHARE, _LEAST = 0.03, 1e-9  # of the population's own density that is mixed in, and of each piece
_ENDS = 4.5  # standard deviations of v to which the map is tabulated at least


@dataclass(frozen=True)
class Warp:
    """Maps of some own constants of every device.

    Attributes:
        columns: the constants that are mapped.
        unit: standard deviation of v of each, ``(columns, devices)``.
        z: v / unit at the map's nodes, rising, ``(columns, devices, nodes)``.
        place: distance of the constant from its centre there, rising.
        along: what is added to the other constants there, ``(columns, devices, nodes, own)``; 0 for mapped ones.
    """

    columns: tuple[int, ...]
    unit: np.ndarray
    z: np.ndarray
    place: np.ndarray
    along: np.ndarray

    def forward(self, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distances of own constants from their centres ``(devices, own)``, and the log of the map's Jacobian."""
        away, size = v.copy(), np.zeros(len(v))
        for c, k in enumerate(self.columns):
            place, slope, along = self._piece(c, self.z[c], self.place[c], v[:, k] / self.unit[c])
            away += along
            away[:, k] = place
            size += np.log(slope / self.unit[c])
        return away, size

    def inverse(self, away: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The normal variables ``(devices, own)``, and the log of the Jacobian of `forward` there."""
        v, size = away.copy(), np.zeros(len(away))
        for c, k in enumerate(self.columns):
            z, slope, along = self._piece(c, self.place[c], self.z[c], away[:, k])
            v -= along
            v[:, k] = z * self.unit[c]
            size -= np.log(slope * self.unit[c])
        return v, size

    def _piece(self, c: int, nodes: np.ndarray, values: np.ndarray, at: np.ndarray):
        """Value and slope of the piece in which each device lies, and what is added to its other constants."""
        every = np.arange(len(at))
        i = np.clip((nodes <= at[:, None]).sum(1) - 1, 0, nodes.shape[1] - 2)
        low, high = nodes[every, i], nodes[every, i + 1]
        slope = (values[every, i + 1] - values[every, i]) / (high - low)
        share = np.clip((at - low) / (high - low), 0.0, 1.0)[:, None]
        along = (1 - share) * self.along[c][every, i] + share * self.along[c][every, i + 1]
        return values[every, i] + slope * (at - low), slope, along


def warp_of(point: Point, population: Population) -> Warp | None:
    """The maps of every device's bounds about its constants at a point; None for shapes whose bounds are near normal.

    Args:
        population: means and spreads that are taken for given.
    """
    law = point.law
    columns = tuple(law.own.index(n) for n in ("high", "low") if n in law.own)
    if law.shape not in _SHAPES or not columns:
        return None
    units = law.units(np.median(point.x, axis=0))[: len(law.own)]
    known = Population(population.beta, np.maximum(population.spread, 0.02 * units))
    found = [_tabulated(point, known, k) for k in columns]
    warp = Warp(columns, *(np.stack(part) for part in zip(*found, strict=True)))
    warp.along[..., list(columns)] = 0.0  # each bound goes its own way
    return warp


def _tabulated(point: Point, known: Population, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Unit, nodes, places and shifts of the map of one constant."""
    own, devices, x = len(point.law.own), len(point.x), point.x
    wide = known.spread[k]
    _, _, information = evaluate(point.law, point.events, x, point.jump, np.arange(own))
    covariance = np.linalg.inv(information + np.diag(known.spread**-2.0))
    unit = np.sqrt(covariance[:, k, k])
    drag = covariance[:, :, k] / unit[:, None] ** 2
    beside = np.concatenate([np.outer(unit, _NEAR), np.tile(wide * np.array(_FAR), (devices, 1))], axis=1)
    beside = np.sort(np.minimum(beside, _FURTHEST * wide), axis=1)
    beside += 1e-6 * wide * np.arange(1, beside.shape[1] + 1)  # no two alike
    middle, likeliest = _followed(point, known, k, x, np.arange(devices))
    sides = []
    for sign in (-1.0, 1.0):
        there, merit, merits, others = likeliest.copy(), middle, [], []
        for away in beside.T:
            near = np.flatnonzero(merit > np.maximum(middle, np.max(merits, axis=0, initial=-np.inf)) - _LOW)
            merit = merit - _LOW
            if len(near):
                there[near, k] = (x[:, k] + sign * away)[near]
                merit[near], there[near] = _followed(point, known, k, there[near], near)
            merits.append(merit)
            others.append((there - likeliest)[:, :own])
        sides.append((np.array(merits).T, np.array(others).swapaxes(0, 1)))
    (left, others_left), (right, others_right) = sides
    places = np.concatenate([-beside[:, ::-1], np.zeros((devices, 1)), beside], axis=1)
    merits = np.concatenate([left[:, ::-1], middle[:, None], right], axis=1)
    others = np.concatenate([others_left[:, ::-1], np.zeros((devices, 1, own)), others_right], axis=1)
    place, z = _matched(places, merits, (x[:, k] - known.beta[k])[:, None] / wide, wide)
    along = _between(others) - drag[:, None, :] * (z * unit[:, None])[:, :, None]
    return unit, z, place, along


def _followed(
    point: Point, known: Population, k: int, x: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log density of constant k of some devices where it is, and coordinates with the likeliest other constants."""
    law, own = point.law, len(point.law.own)
    rest = np.array([j for j in range(own) if j != k])
    precision = known.spread[rest] ** -2.0

    def at(x: np.ndarray, some: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        events, jump = point.part(chosen[some])
        found, score, information = evaluate(law, events, x, jump, rest)
        value = found - 0.5 * (((x[:, :own] - known.beta[:own]) / known.spread) ** 2).sum(1)
        return np.where(np.isfinite(value), value, -1e6), score, information + np.diag(precision)

    def step(score: np.ndarray, core: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        pull = score - (x[:, rest] - known.beta[rest]) * precision
        away = solved(core, pull)
        return np.clip(away, -0.5 * known.spread[rest], 0.5 * known.spread[rest]), 0.5 * (pull * away).sum(1)

    x, stride = law.bounded(x), np.ones(len(x))
    value, score, core = at(x, np.arange(len(x)))
    for _ in range(_ROUNDS):
        away, gain = step(score, core, x)
        some = np.flatnonzero(gain > _GAIN)
        if not len(some):
            break
        there = x[some]
        there[:, rest] += stride[some, None] * away[some]
        there = law.bounded(there)
        reached = at(there, some)
        better = reached[0] > value[some]  # Newton's step may go too far: where it does, the next one goes a quarter
        stride[some] = np.where(better, 1.0, 0.25 * stride[some])
        x[some[better]] = there[better]
        value[some[better]], score[some[better]], core[some[better]] = (part[better] for part in reached)
    away, gain = step(score, core, x)
    near = (gain < _GAIN) & (value > -1e6)
    x[:, rest] += np.where(near[:, None], away, 0.0)
    value += np.where(near, gain, 0.0)
    return value - 0.5 * np.linalg.slogdet(core)[1], law.bounded(x)


def _between(values: np.ndarray) -> np.ndarray:
    """Values ``(devices, places, ...)`` at the nodes, linear between places."""
    last = values.shape[1] - 1
    at = np.linspace(0, last, last * _PIECES + 1)
    i = np.minimum(at.astype(int), last - 1)
    share = (at - i).reshape(1, -1, *[1] * (values.ndim - 2))
    return (1 - share) * values[:, i] + share * values[:, i + 1]


def _matched(places: np.ndarray, merits: np.ndarray, off: np.ndarray, wide: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of the map: places, and the standard normal quantiles of the probability below each.

    Args:
        off: distance of the centre from the population's mean, in standard deviations of the population.
    """
    place = _between(places)
    log_p = _between(merits - merits.max(1, keepdims=True))
    width = np.diff(place, axis=1)
    middle = 0.5 * (log_p[:, 1:] + log_p[:, :-1])
    mass = np.exp(np.maximum(middle, -60.0)) * width
    general = np.exp(-0.5 * (0.5 * (place[:, 1:] + place[:, :-1]) / wide + off) ** 2) * width * (middle > -_LOW)
    mass = (1 - _SHARE) * mass / mass.sum(1, keepdims=True)
    mass += _SHARE * general / np.maximum(general.sum(1, keepdims=True), 1e-300)
    mass = np.maximum(mass, _LEAST)
    mass /= mass.sum(1, keepdims=True)
    below, above = np.cumsum(mass, axis=1)[:, :-1], np.cumsum(mass[:, ::-1], axis=1)[:, ::-1][:, 1:]
    inner = np.where(below <= 0.5, ndtri_exp(np.log(below)), -ndtri_exp(np.log(above)))
    first, last = np.minimum(-_ENDS, inner[:, :1] - 0.5), np.maximum(_ENDS, inner[:, -1:] + 0.5)
    return place, np.concatenate([first, inner, last], axis=1)
