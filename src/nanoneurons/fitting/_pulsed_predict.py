"""One-step-ahead predictions of pulsed devices: a censored normal weight plus normal noise."""

from __future__ import annotations

import numpy as np
from scipy.special import log_ndtr, logsumexp, ndtr, ndtri

from nanoneurons.fitting import _state_space as filters
from nanoneurons.fitting._fitter import Prediction
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_readings import Events

__all__ = ["Known", "predict"]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)
_APART = 3**0.5  # standard deviations: the outer nodes of the Gauss-Hermite rule of three
_FEWEST = 3  # readings between two linear models of a new device, where one does not end before
_FAR = 7.0


class Known:
    """What a fit keeps for predictions: the law, its frame and the devices' constants."""

    def __init__(self, law: Law, frame: tuple[float, float], x: np.ndarray, beta: np.ndarray, spread: np.ndarray):
        self.law, self.frame, self.x, self.beta, self.spread = law, frame, x, beta, spread


def _laws(known: Known, events: Events, jump: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Law of every device, and shift and added variance of every event."""
    law, devices = known.law, len(events.start) - 1
    x = np.broadcast_to(known.beta, (devices, len(known.beta))).copy()
    seen = min(devices, len(known.x))
    x[:seen] = np.where(np.isfinite(known.x[:seen]), known.x[:seen], x[:seen])
    strange = np.ones(devices, bool)
    strange[:seen] = ~np.isfinite(known.x[:seen]).all(1)
    shift, more = np.zeros(len(events.y)), np.zeros(len(events.y))
    for i in np.flatnonzero(strange & (np.diff(events.start) > 0)):
        part = slice(events.start[i], events.start[i + 1])
        x[i] = _learn(known, [a[part] for a in (events.first, events.pulses, events.y, events.count, jump)],
                      shift[part], more[part])  # fmt: skip
    return law.constants(law.bounded(x)), shift, more


def _learn(known: Known, events: list[np.ndarray], shift: np.ndarray, more: np.ndarray) -> np.ndarray:
    """Coordinates of a new device, learned from its readings; fills shift and added variance of every prediction.

    Linear models of the predictions in the device's own constants, each over the width of what is left open then, and
    made anew from the first reading on as soon as the constants have moved by a standard deviation: readings say
    nothing of a bound that the device has not reached, and a slope at one point does not see it coming.
    """
    law, own = known.law, len(known.law.own)
    units = law.units(known.beta)[:own]
    mean, spread = known.beta[:own], np.maximum(known.spread, 1e-6 * units)
    readings = [np.ascontiguousarray(e) for e in events]
    at, doubt, done, length = mean.copy(), spread.copy(), 0, len(readings[0])
    while done < length:
        end = min(length, max(2 * done, done + _FEWEST))
        for width in (_APART * doubt, 0.0):  # where a law overflows that far away, a slope at the point has to do
            x = np.tile(known.beta, (1 + 2 * own, 1))
            x[:, :own] = at
            x = law.bounded(x)
            at = x[0, :own].copy()
            steps = np.diag(np.maximum(width, 1e-5 * units))
            x[1:, :own] += np.concatenate([steps, -steps])
            x = law.bounded(x)
            apart = np.diag(x[1 : 1 + own, :own] - x[1 + own :, :own])
            s, v, moved, covariance = filters.learned(
                law.kind, law.constants(x), np.where(apart > 0, apart, 1.0), mean - at, np.diag(spread**2),
                *readings, done, end,
            )  # fmt: skip
            if np.isfinite(moved).all() and np.isfinite(covariance).all():
                break
        else:
            s, v, moved, covariance = np.zeros(end), np.zeros(end), np.zeros(own), np.diag(spread**2)
        shift[done : len(s)], more[done : len(s)] = s[done:], v[done:]
        done, at, doubt = len(s), at + moved, np.sqrt(np.maximum(np.diag(covariance), 0.0))
    out = known.beta.copy()
    out[:own] = at
    return out


def predict(known: Known, events: Events, reading: np.ndarray, limit: float) -> Prediction:
    """Predictions of the readings, given in their own unit; readings beyond `limit` deviations do not lead them on."""
    centre, scale = known.frame
    seen = np.isfinite(reading) & (events.of >= 0)
    order = np.argsort(events.of[seen], kind="stable")
    value = (reading[seen][order] - centre) / scale
    event = events.of[seen][order]
    number = np.bincount(event, minlength=len(events.y)).astype(np.int64)
    moved = events.moved(centre, scale)
    jump = np.zeros(len(events.y))
    for _ in range(2):
        laws, shift, more = _laws(known, moved, jump)
        found = filters.predictions(
            known.law.kind, laws, moved.start, moved.first, moved.pulses, moved.y, moved.count, jump, number, value
        )
        error = value - found[:, 0] - shift[event]
        strange = (np.abs(error) > limit * np.sqrt(found[:, 1] + found[:, 2] + more[event])) & (found[:, 3] > 0)
        new = np.zeros(len(jump))
        new[event[strange]] = error[strange] ** 2
        if (new > 0).sum() == (jump > 0).sum():
            break
        jump = new
    laws = laws[moved.device[event]]
    columns = _distribution(value, found, laws[:, 8], laws[:, 9], shift[event], more[event])
    out = np.full((5, *reading.shape), np.nan)
    back = np.flatnonzero(seen.ravel())[order]
    for k, column in enumerate(columns):
        out[k].ravel()[back] = column * scale + centre if k < 3 else column - (np.log(scale) if k == 4 else 0)
    return Prediction(*out)


def _distribution(y, found, low, high, shift, more) -> list[np.ndarray]:
    """Median, 5 % and 95 % quantile, rank and log density of each reading in the working frame."""
    m, v, s2, kind = found.T
    m, v, noise = m + shift, np.maximum(v, 1e-18), np.sqrt(np.maximum(s2 + more, 1e-18))
    low, high = low + shift, high + shift
    sd = np.sqrt(v + noise**2)
    z = (y - m) / sd
    out = [m, m + ndtri(0.05) * sd, m + ndtri(0.95) * sd, ndtr(z), -0.5 * z**2 - np.log(sd * np.sqrt(2 * np.pi))]
    near = (kind > 0) & ((m + _FAR * np.sqrt(v) > high) | (m - _FAR * np.sqrt(v) < low))
    k = np.flatnonzero(near)
    if len(k):
        y, m, s, noise, low, high = (a[k] for a in (y, m, np.sqrt(v), noise, low, high))
        parts = _Censored(m, s, noise, low, high)
        for q, level in enumerate((0.5, 0.05, 0.95)):
            out[q][k] = parts.quantile(level)
        out[3][k], out[4][k] = parts.below(y), parts.log_density(y)
    out = [np.where(kind < 0, np.nan, column) for column in out]
    return out


class _Censored:
    """Law of clip(N(m, s^2), low, high) + N(0, noise^2), elementwise."""

    def __init__(self, m, s, noise, low, high):
        self.m, self.s, self.noise, self.low, self.high = m, s, noise, low, high
        self.at_low, self.at_high = ndtr((low - m) / s), ndtr((m - high) / s)
        a, b = np.maximum(low, m - _FAR * s), np.minimum(high, m + _FAR * s)
        half = np.maximum(0.5 * (b - a), 0)[:, None]
        self.w = 0.5 * (a + b)[:, None] + half * _NODES
        mass = _WEIGHTS * half * np.exp(-0.5 * ((self.w - m[:, None]) / s[:, None]) ** 2)
        inside = np.maximum(1 - self.at_low - self.at_high, 0)
        self.mass = mass * (inside / np.maximum(mass.sum(1), 1e-300))[:, None]

    def below(self, y):
        inside = (self.mass * ndtr((y[:, None] - self.w) / self.noise[:, None])).sum(1)
        found = (
            inside + self.at_low * ndtr((y - self.low) / self.noise) + self.at_high * ndtr((y - self.high) / self.noise)
        )
        return np.clip(found, 0, 1)

    def quantile(self, level):
        reach = _FAR * np.sqrt(self.s**2 + self.noise**2)
        a = np.maximum(self.m - reach, self.low - _FAR * self.noise)
        b = np.minimum(self.m + reach, self.high + _FAR * self.noise)
        a, b = np.minimum(a, self.high - _FAR * self.noise), np.maximum(b, self.low + _FAR * self.noise)
        for _ in range(36):
            middle = 0.5 * (a + b)
            less = self.below(middle) < level
            a, b = np.where(less, middle, a), np.where(less, b, middle)
        return 0.5 * (a + b)

    def log_density(self, y):
        m, v, n2 = self.m, self.s**2, self.noise**2
        total = v + n2
        mean, post = m + v / total * (y - m), np.sqrt(v * n2 / total)
        inside = np.maximum(ndtr((self.high - mean) / post) - ndtr((self.low - mean) / post), 1e-300)
        parts = [
            -0.5 * (y - m) ** 2 / total - 0.5 * np.log(total) + np.log(inside),
            log_ndtr((self.low - m) / self.s) - 0.5 * (y - self.low) ** 2 / n2 - 0.5 * np.log(n2),
            log_ndtr((m - self.high) / self.s) - 0.5 * (y - self.high) ** 2 / n2 - 0.5 * np.log(n2),
        ]
        return logsumexp(parts, axis=0) - 0.5 * np.log(2 * np.pi)
