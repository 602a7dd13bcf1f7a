"""Search for the most likely pulsed devices: scoring of every device, a mixed model between, until both agree."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nanoneurons.fitting._mixed import Mixed, Population, Quadratics
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point, evaluate, likelihood
from nanoneurons.fitting._pulsed_readings import Events

__all__ = ["LOST", "climbed", "quadratics_of", "restarted", "scanned", "search", "solved"]

_TRIAL = 3  # rounds after which a device that does not get near a better place is given up
LOST = 30.0  # of marginal log-likelihood below the best place visited
_HOPELESS = 30.0  # of log-likelihood below where the device is now
_CAPS = {"cycle": 0.7, "write": 0.7, "read": 0.7, "rate": 0.7, "power": 0.5, "bend": 0.5, "high": 0.15, "low": 0.15}


def _limited(law: Law, x: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The wanted move along the law's path, shortened where it is too long for a quadratic to be trusted."""
    own, here = len(law.own), law.path(x)
    if law.shape == "exponential":
        tiny = 1e-5 / max(1.0, float(np.abs((wanted - x) / law.units(np.median(x, axis=0))).max()))
        move = (law.path(x + tiny * (wanted - x)) - here) / tiny
        units = np.ones(len(law.names))
    else:
        move, units = wanted - x, law.units(np.median(x, axis=0))
    caps = np.array([_CAPS.get(n.split("_")[0], 0.5) for n in law.names]) * units
    if own < len(law.names):
        factor = min(1.0, float(np.min(caps[own:] / np.maximum(np.abs(move[0, own:]), 1e-300))))
        while factor > 1e-3 and not law.passable(here[0], here[0] + factor * move[0]):
            factor *= 0.7
        if factor < 0.05:  # at an edge of what the shape allows: the rest moves on alone
            edge = np.array([n.startswith(("rise", "rate")) for n in law.names])
            move[:, edge] = 0.0
            factor = min(1.0, float(np.min(caps[own:] / np.maximum(np.abs(move[0, own:]), 1e-300))))
        move[:, own:] *= factor
    move[:, :own] = np.clip(move[:, :own], -caps[:own], caps[:own])
    return move


def _prior(x: np.ndarray, mixed: Mixed | Population, units: np.ndarray) -> np.ndarray:
    own = x[:, : len(mixed.spread)]
    s = np.maximum(mixed.spread, 0.02 * units[: own.shape[1]])
    return -0.5 * (((own - mixed.beta[: own.shape[1]]) / s) ** 2).sum(1)


def _moved(law, events, x, move, jump, mixed, units, merit) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates after a move and their merit; a device that loses by it goes less far with its own constants."""
    here = law.path(x)
    after_x = law.bounded(law.from_path(here + move))
    after = likelihood(law, events, after_x, jump) + _prior(after_x, mixed, units)
    losers = np.flatnonzero(after < merit - 0.05)
    if len(losers):
        part = events.of_devices(losers)
        aside = np.concatenate([jump[events.start[i] : events.start[i + 1]] for i in losers])
        for share in (0.4, 0.12, 0.0):
            there = here[losers] + move[losers]
            there[:, : len(law.own)] = (here + share * move)[losers, : len(law.own)]
            there = law.bounded(law.from_path(there))
            value = likelihood(law, part, there, aside) + _prior(there, mixed, units)
            better = value > after[losers]
            after_x[losers[better]], after[losers[better]] = there[better], value[better]
    return after_x, after


def search(
    law: Law,
    events: Events,
    x: np.ndarray,
    frame: tuple[float, float],
    *,
    log_s: dict[str, float] | None = None,
    jump: np.ndarray | None = None,
    lean: np.ndarray | None = None,
    reframe: Callable[[Law, np.ndarray], tuple[float, float]] | None = None,
    rounds: int = 40,
    tolerance: float = 0.02,
    held: str = "",
) -> Point:
    """Most likely coordinates from `x` on.

    A search that ends far below where it has been, as it may where a spread is taken for 0, goes back there.

    Args:
        reframe: given law and means, the centre and scale that the working frame should be moved by; None keeps it.
        tolerance: largest last change of a mean, in standard errors.
        held: coordinates whose name starts so stay where they are.
    """
    jump = np.zeros(len(events.y)) if jump is None else jump
    own = len(law.own)
    lean = np.zeros(x.shape) if lean is None else lean
    centre, scale = frame
    logs = np.array([(log_s or {}).get(name, -1.2) for name in law.spread_names])
    x = law.bounded(x)
    damping, converged, mixed, best = 0.0, False, None, None
    fixed = np.array([bool(held) and n.startswith(held) for n in law.names])
    found, score, information = evaluate(law, events, x, jump)
    for turn in range(rounds):
        units = law.units(np.median(x, axis=0))
        extra = damping * (np.einsum("dkk->dk", information) + 1e-9) + 1e9 * fixed
        curved = information + extra[:, :, None] * np.eye(len(law.names))
        quadratics = quadratics_of(law, x, units, score + lean, curved)
        if len(x) == 1:  # no spread can be told
            mixed = Mixed(quadratics, np.full(quadratics.groups, -14.0))
        else:
            mixed = quadratics.solve(np.maximum(logs, -4.0) if turn < 3 else logs)
        if damping == 0.0 and not lean.any():
            value = _marginal(law, events, x, found, mixed, scale, jump)
            if best is None or value > best.marginal:
                best = Point(law, events, centre, scale, x, jump, mixed, found, value, False, lean)
        shared = np.broadcast_to(mixed.beta[len(law.own) :], (len(x), len(law.shared)))
        move = _limited(law, x, np.concatenate([mixed.own, shared], axis=1))
        merit = found + _prior(x, mixed, units)
        for share in (1.0, 0.5, 0.2, 0.05):
            after_x, after = _moved(law, events, x, share * move, jump, mixed, units, merit)
            gain = float((after - merit).sum() + ((after_x - x) * lean).sum())
            if gain > -1e-3:
                break
        errors = np.sqrt(np.diag(mixed.covariance)).clip(min=1e-300)
        change = np.abs(after_x - x).mean(0) / np.where(law.free, errors, np.inf)
        widths = np.sqrt(np.einsum("dkk->dk", mixed.own_covariance)) + 1e-6 * units[:own]
        alone = float((np.abs(after_x - x)[:, :own] / widths).max())
        drift = np.abs(np.maximum(mixed.log_s, -5) - np.maximum(logs, -5)).max(initial=0.0)
        logs = mixed.log_s
        if gain <= -1e-3:
            damping = max(4 * damping, 0.1)
            if damping > 1e4:
                break
            continue
        x, damping = after_x, damping / 8 if damping > 1e-2 else 0.0
        if reframe is not None:
            c, e = reframe(law, x.mean(0))
            if abs(c) > 1e-3 or abs(e - 1) > 1e-3:
                law, x = law.reframed(x, c, e)
                events = events.moved(c, e)
                jump, centre, scale = jump / e**2, centre + scale * c, scale * e
                drift = 1.0
        found, score, information = evaluate(law, events, x, jump)
        if share == 1.0 and damping == 0.0 and drift < 0.02 and change.max() < tolerance and alone < 25 * tolerance:
            converged = True
            break
    units = law.units(np.median(x, axis=0))
    quadratics = quadratics_of(law, x, units, score + lean, information)
    mixed = Mixed(quadratics, np.full(quadratics.groups, -14.0)) if len(x) == 1 else quadratics.solve(logs)
    marginal = _marginal(law, events, x, found, mixed, scale, jump)
    if best is not None and not marginal > best.marginal - LOST:
        return best
    return Point(law, events, centre, scale, x, jump, mixed, found, marginal, converged, lean)


def quadratics_of(law: Law, x: np.ndarray, units: np.ndarray, score: np.ndarray, information: np.ndarray) -> Quadratics:
    """Quadratic log-likelihoods about x ``(devices, n)``."""
    linear = score + np.einsum("dij,dj->di", information, x)
    return Quadratics(information, linear, law.group, units[: len(law.own)], law.free, 1e-4 / units**2)


def _marginal(
    law: Law, events: Events, x: np.ndarray, found: np.ndarray, mixed: Mixed, scale: float, jump: np.ndarray
) -> float:
    own, s = x[:, : len(law.own)], mixed.spread
    z = (own - mixed.beta[: own.shape[1]]) / np.where(s > 0, s, 1)
    laplace = -0.5 * (z**2 * (s > 1e-5)).sum(1) - 0.5 * np.linalg.slogdet(mixed._found[2]["core"])[1]
    if len(x) == 1:
        laplace = np.zeros(1)
    kept = (events.first == 0) & (events.count > 0) & (jump == 0)
    reads = float(kept.sum() + events.again.sum())
    return float((found + laplace + events.constant).sum() - reads * np.log(scale))


def restarted(point: Point, start: np.ndarray, rounds: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Look for a likelier mode of each device's own constants from other coordinates, the population held fixed.

    After three rounds the search goes on only with devices that may still arrive at a better place.

    Returns:
        coordinates ``(devices, n)``, and which devices gained more than 0.5 in log-likelihood.
    """
    law, own = point.law, len(point.law.own)
    units = law.units(np.median(point.x, axis=0))
    chosen = np.flatnonzero((np.abs(start - point.x)[:, :own] > 0.05 * units[:own]).any(1))
    out, gained = point.x.copy(), np.zeros(len(point.x), bool)
    if not len(chosen):
        return out, gained
    now = _merit(point, chosen, point.x[chosen])
    x = point.x[chosen].copy()
    x[:, :own] = start[chosen, :own]
    x = climbed(point, chosen, law.bounded(x), min(rounds, _TRIAL))
    if rounds > _TRIAL:
        away = (np.abs(x - point.x[chosen])[:, :own] > 0.02 * units[:own]).any(1)
        hopeful = away & (_merit(point, chosen, x) > now - _HOPELESS)
        chosen, now, x = chosen[hopeful], now[hopeful], x[hopeful]
        if not len(chosen):
            return out, gained
        x = climbed(point, chosen, x, rounds - _TRIAL)
    better = _merit(point, chosen, x) > now + 0.5
    out[chosen[better]], gained[chosen[better]] = x[better], True
    return out, gained


def _merit(point: Point, chosen: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Log-likelihood and log density of the population of some devices at x."""
    units = point.law.units(np.median(point.x, axis=0))
    events, jump = point.part(chosen)
    return likelihood(point.law, events, x, jump) + _prior(x, point.mixed, units)


def climbed(
    point: Point, chosen: np.ndarray, x: np.ndarray, rounds: int, population: Population | None = None
) -> np.ndarray:
    """Newton's steps of the own constants of some devices, in the point's population or another."""
    law, mixed, own = point.law, population or point.mixed, len(point.law.own)
    events, jump = point.part(chosen)
    units = law.units(np.median(point.x, axis=0))
    s = np.maximum(mixed.spread, 0.02 * units[:own])
    for _ in range(rounds):
        found, score, information = evaluate(law, events, x, jump, np.arange(own))
        pull = (x[:, :own] - mixed.beta[:own]) / s**2
        wanted = x.copy()
        wanted[:, :own] += solved(information + np.diag(1 / s**2), score - pull)
        move = _limited(law, x, wanted)
        x, _ = _moved(law, events, x, move, jump, mixed, units, found + _prior(x, mixed, units))
    return x


def solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions ``(devices, n)``; where noise is taken for 0 a device's information drowns its prior in rounding."""
    try:
        return np.linalg.solve(matrix, right[:, :, None])[:, :, 0]
    except np.linalg.LinAlgError:
        return (np.linalg.pinv(matrix, hermitian=True) @ right[:, :, None])[:, :, 0]


def scanned(point: Point, places: int = 17) -> np.ndarray:
    """Coordinates with each device's bounds at the likeliest of some places over the population's, one at a time.

    A bound that is reached seldom, or hidden in noise, has several likely places far from each other.
    """
    law, x = point.law, point.x.copy()
    units = law.units(np.median(x, axis=0))
    for name in ("high", "low"):
        if name not in law.own:
            continue
        k = law.index(name)
        best = likelihood(law, point.events, x, point.jump) + _prior(x, point.mixed, units)
        centre, reach = point.mixed.beta[k], 2.5 * max(point.mixed.spread[k], 0.02 * units[k])
        for place in np.linspace(centre - reach, centre + reach, places):
            there = x.copy()
            there[:, k] = place
            there = law.bounded(there)
            merit = likelihood(law, point.events, there, point.jump) + _prior(there, point.mixed, units)
            better = merit > best
            x[better], best = there[better], np.where(better, merit, best)
    return x
