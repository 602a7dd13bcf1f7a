"""Search for the most likely pulsed devices: scoring of every device, a mixed model between, until both agree."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from nanoneurons.fitting import _state_space as filters
from nanoneurons.fitting._mixed import Mixed, Quadratics
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_readings import Events

__all__ = ["Point", "corrected", "evaluate", "gain_over_plain", "lean_of", "likelihood", "restarted", "search"]

_CAPS = {"cycle": 0.7, "write": 0.7, "read": 0.7, "rate": 0.7, "power": 0.5, "bend": 0.5, "high": 0.15, "low": 0.15}
_STEP = 1e-5  # of a coordinate's natural size, for differences


@dataclass(frozen=True)
class Point:
    """Where a search stands.

    Attributes:
        law, events: what was fitted, in the working frame.
        centre, scale: reading = centre + scale * weight of the working frame.
        x: coordinates of each device, ``(devices, n)``.
        jump: variance added where a reading is set aside, ``(events,)``.
        mixed: the mixed model of the last quadratics.
        log_likelihood: of each device at `x`.
        marginal: log-likelihood, integrated over the devices' own constants (Laplace), per unit of reading.
        converged: whether the search ended by its own criterion.
        lean: what integrating over a device's own constants adds to its score in the shared coordinates; see `lean_of`.
    """

    law: Law
    events: Events
    centre: float
    scale: float
    x: np.ndarray
    jump: np.ndarray
    mixed: Mixed
    log_likelihood: np.ndarray
    marginal: float
    converged: bool
    lean: np.ndarray

    def log_s(self) -> dict[str, float]:
        """log(s) of each spread by name, in the working frame, relative to the coordinate's natural size."""
        return dict(zip(self.law.spread_names, map(float, self.mixed.log_s), strict=True))


def _re_reads(law: Law, events: Events, x: np.ndarray) -> np.ndarray:
    """Log density of re-reads about their mean, but for what does not depend on the read noise."""
    if law.read is not None:
        if law.read == 0:
            return np.zeros(len(x))
        read2 = np.full(len(x), law.read**2)
    else:
        read2 = np.exp(2 * x[:, law.index("read")])
    return -0.5 * (events.again * np.log(read2) + events.scatter / read2)


def likelihood(law: Law, events: Events, x: np.ndarray, jump: np.ndarray) -> np.ndarray:
    """Log-likelihood of each device at coordinates ``(devices, n)``."""
    found, _, _ = filters.likelihoods(
        law.kind, law.constants(x)[:, None], np.zeros(0), events.start, events.first, events.pulses, events.y,
        events.count, jump, False,
    )  # fmt: skip
    return found + _re_reads(law, events, x)


def evaluate(
    law: Law, events: Events, x: np.ndarray, jump: np.ndarray, columns: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-likelihood, score and expected information of each device, in some of the coordinates or in all."""
    columns = np.arange(x.shape[1]) if columns is None else columns
    steps = _STEP * law.units(np.median(x, axis=0))[columns]
    moved = np.concatenate([x[:, None], x[:, None] + np.eye(x.shape[1])[columns] * steps[:, None]], axis=1)
    found, score, information = filters.likelihoods(
        law.kind, law.constants(moved), steps, events.start, events.first, events.pulses, events.y, events.count,
        jump, True,
    )  # fmt: skip
    if law.read is None and law.index("read") in columns:
        at = law.index("read")
        k = int(np.flatnonzero(columns == at)[0])
        score[:, k] += events.scatter * np.exp(-2 * x[:, at]) - events.again
        information[:, k, k] += 2 * events.again
    return found + _re_reads(law, events, x), score, information


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
            edge = np.array([n.startswith(("amp", "rate")) for n in law.names])
            move[:, edge] = 0.0
            factor = min(1.0, float(np.min(caps[own:] / np.maximum(np.abs(move[0, own:]), 1e-300))))
        move[:, own:] *= factor
    move[:, :own] = np.clip(move[:, :own], -caps[:own], caps[:own])
    return move


def _prior(x: np.ndarray, mixed: Mixed, units: np.ndarray) -> np.ndarray:
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
    progress: Callable[[float], None] | None = None,
) -> Point:
    """Most likely coordinates from `x` on.

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
    damping, converged, mixed = 0.0, False, None
    fixed = np.array([bool(held) and n.startswith(held) for n in law.names])
    found, score, information = evaluate(law, events, x, jump)
    for turn in range(rounds):
        units = law.units(np.median(x, axis=0))
        extra = damping * (np.einsum("dkk->dk", information) + 1e-9) + 1e9 * fixed
        curved = information + extra[:, :, None] * np.eye(len(law.names))
        quadratics = _quadratics(law, x, units, score, curved, lean)
        if len(x) == 1:  # no spread can be told
            mixed = Mixed(quadratics, np.full(quadratics.groups, -14.0))
        else:
            mixed = quadratics.solve(np.maximum(logs, -4.0) if turn < 3 else logs)
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
        if progress is not None:
            progress(min(1.0, (turn + 1) / 15))
        if share == 1.0 and damping == 0.0 and drift < 0.02 and change.max() < tolerance and alone < 25 * tolerance:
            converged = True
            break
    units = law.units(np.median(x, axis=0))
    quadratics = _quadratics(law, x, units, score, information, lean)
    mixed = Mixed(quadratics, np.full(quadratics.groups, -14.0)) if len(x) == 1 else quadratics.solve(logs)
    marginal = _marginal(law, events, x, found, mixed, scale, jump)
    return Point(law, events, centre, scale, x, jump, mixed, found, marginal, converged, lean)


def _quadratics(law, x, units, score, information, lean) -> Quadratics:
    linear = score + np.einsum("dij,dj->di", information, x)
    linear += lean
    return Quadratics(information, linear, law.group, units[: len(law.own)], law.free, 1e-4 / units**2)


def lean_of(point: Point, most: int = 100) -> tuple[np.ndarray, np.ndarray]:
    r"""What integrating over the devices' own constants adds to each device's shared score, by cubature.

    The score of the marginal likelihood is the mean of the score over the posterior of a device's own constants
    (Fisher's identity). The mean is taken over points at :math:`\pm\sqrt{n}` standard deviations along the principal
    axes of the normal approximation, weighted by the ratio of the two densities. It keeps noises from being
    underestimated (a device's constants take up part of its scatter).

    Returns:
        addition ``(devices, n)``, and the observed less the expected information of the shared coordinates, per device;
        both from at most `most` devices, the others take the mean.
    """
    law, own = point.law, len(point.law.own)
    some = np.arange(len(point.x))
    if len(some) > most:
        some = np.linspace(0, len(some) - 1, most).round().astype(int)
    events, x = point.events.of_devices(some), point.x[some]
    jump = np.concatenate([point.jump[point.events.start[i] : point.events.start[i + 1]] for i in some])
    found, score, information = evaluate(law, events, x, jump)
    shared, single = np.arange(own, len(law.names)), len(point.x) == 1
    units = law.units(np.median(x, axis=0))
    spread = np.where(point.mixed.spread > 2e-4 * units[:own], point.mixed.spread, np.inf)
    active = np.flatnonzero(np.isfinite(spread) | single)
    precision = np.zeros(own) if single else np.where(np.isfinite(spread), spread, 1.0) ** -2.0
    curved = information[:, :own, :own] + np.diag(precision)
    covariance = np.linalg.inv(_ridged(curved[:, active[:, None], active]))
    root = np.linalg.cholesky(covariance)
    number, total = len(active), np.zeros(len(some))
    mean = np.zeros((len(some), len(shared)))
    for k in range(number):
        for sign in (1.0, -1.0):
            there = x.copy()
            there[:, active] += sign * np.sqrt(number) * root[:, :, k]
            there = law.bounded(there)
            value, slope, _ = evaluate(law, events, there, jump, shared)
            prior = 0.5 * precision * ((there[:, :own] - point.mixed.beta[:own]) ** 2
                                       - (x[:, :own] - point.mixed.beta[:own]) ** 2)  # fmt: skip
            weight = np.exp(np.clip(value - found - prior[:, active].sum(1) + 0.5 * number, -30.0, 2.0))
            total += weight
            mean += weight[:, None] * slope
    lean = np.zeros((len(some), len(law.names)))
    lean[:, own:] = mean / total[:, None] - score[:, own:]
    lean[:, [k for k, n in enumerate(law.names) if n == "less"]] = 0.0  # a mean, blurred far more by the spread
    observed = np.zeros((len(shared), len(shared)))
    for k in range(len(shared)):
        step = 1e-3 * units[own + k]
        there = x.copy()
        there[:, own + k] += step
        observed[k] = -(evaluate(law, events, there, jump, shared)[1] - score[:, own:]).mean(0) / step
    extra = 0.5 * (observed + observed.T) - information[:, own:, own:].mean(0)
    out = np.tile(lean.mean(0), (len(point.x), 1))
    out[some] = lean
    return out, extra


def _ridged(matrix: np.ndarray) -> np.ndarray:
    size = np.einsum("dkk->dk", matrix).clip(min=1e-12)
    return matrix + 1e-9 * size[:, :, None] * np.eye(matrix.shape[1])


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


def gain_over_plain(point: Point) -> float:
    """Log-likelihood per reading above that of changes that are normal and alike in each direction.

    A shape that does not suit the readings may lie a little below 0; far below, the search has failed.

    Readings that the fit has set aside count as even over the range of all readings; a search that left the numbers is
    minus infinity.
    """
    events, law = point.events, point.law
    seen = events.count > 0
    t = np.flatnonzero(seen[1:] & seen[:-1] & (events.first[1:] == 0)) + 1
    change = events.y[t] - events.y[t - 1]
    plain = 0.0
    for way in (1, -1):
        some = change[np.sign(events.pulses[t]) == way]
        if len(some):
            plain -= 0.5 * len(some) * (np.log(2 * np.pi * max(some.var(), 1e-30)) + 1)
    own = point.x[:, : len(law.own)]
    width = np.maximum(point.mixed.spread, 1e-12)
    off = np.where(point.mixed.spread > 1e-5, (own - point.mixed.beta[: own.shape[1]]) / width, 0.0)
    aside = float(((point.jump > 0) & seen & (events.first == 0)).sum())
    found = likelihood(law, events, point.x, point.jump) - _re_reads(law, events, point.x)
    gain = float(found.sum() - 0.5 * (off**2).sum() - aside * np.log(np.ptp(events.y[seen])) - plain)
    gain /= max(len(t), 1)
    return gain if np.isfinite(gain) and np.isfinite(point.mixed.beta).all() else -np.inf


def corrected(point: Point, extra: np.ndarray) -> Point:
    """The same point with `extra` information of the noises per device, where the errors stay finite with it."""
    q, own = point.mixed.quadratics, len(point.law.own)
    noise = np.array([n in ("cycle", "write", "read") for n in point.law.shared])
    extra = np.where(np.outer(noise, noise), extra, 0.0)
    information, linear = q.information.copy(), q.linear.copy()
    information[:, own:, own:] += extra
    linear[:, own:] += point.x[:, own:] @ extra
    changed = Mixed(replace(q, information=information, linear=linear), point.mixed.log_s)
    before, after = np.diag(point.mixed.covariance), np.diag(changed.covariance)
    sound = (after[point.law.free] > 0.25 * before[point.law.free]).all() and (after < 9 * before + 1e-300).all()
    return replace(point, mixed=changed) if sound else point


def restarted(point: Point, start: np.ndarray, rounds: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Look for a likelier mode of each device's own constants from other coordinates, the population held fixed.

    Returns:
        coordinates ``(devices, n)``, and which devices gained more than 0.5 in log-likelihood.
    """
    law, mixed, own = point.law, point.mixed, len(point.law.own)
    units = law.units(np.median(point.x, axis=0))
    far = (np.abs(start - point.x)[:, :own] > 0.1 * units[:own]).any(1)
    chosen = np.flatnonzero(far)
    gained = np.zeros(len(point.x), bool)
    if not len(chosen):
        return point.x, gained
    events = point.events.of_devices(chosen)
    jump = np.concatenate([point.jump[point.events.start[i] : point.events.start[i + 1]] for i in chosen])
    x = point.x[chosen].copy()
    x[:, :own] = start[chosen, :own]
    x = law.bounded(x)
    s = np.maximum(mixed.spread, 0.02 * units[:own])
    for _ in range(rounds):
        found, score, information = evaluate(law, events, x, jump, np.arange(own))
        pull = (x[:, :own] - mixed.beta[:own]) / s**2
        step = np.linalg.solve(information + np.diag(1 / s**2), (score - pull)[:, :, None])
        wanted = x.copy()
        wanted[:, :own] += step[:, :, 0]
        move = _limited(law, x, wanted)
        x, _ = _moved(law, events, x, move, jump, mixed, units, found + _prior(x, mixed, units))
    merit = likelihood(law, events, x, jump) + _prior(x, mixed, units)
    old = point.x[chosen]
    better = merit > likelihood(law, events, old, jump) + _prior(old, mixed, units) + 0.5
    out = point.x.copy()
    out[chosen[better]], gained[chosen[better]] = x[better], True
    return out, gained
