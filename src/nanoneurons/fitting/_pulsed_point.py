"""A point of the search for pulsed devices: its likelihood, and what integrating over the devices adds to it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nanoneurons.fitting import _state_space as filters
from nanoneurons.fitting._mixed import Mixed
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_readings import Events

__all__ = ["Point", "corrected", "evaluate", "gain_over_plain", "lean_of", "likelihood"]

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

    def part(self, chosen: np.ndarray) -> tuple[Events, np.ndarray]:
        """Events of some devices, and the variance added where a reading is set aside."""
        start = self.events.start
        jump = [self.jump[start[i] : start[i + 1]] for i in chosen]
        return self.events.of_devices(chosen), np.concatenate(jump)


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
    x, (events, jump) = point.x[some], point.part(some)
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
