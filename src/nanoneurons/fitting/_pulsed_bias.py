r"""What the filter's collapse to moments does to a fit, measured on simulated devices, and taken back.

At the constants from which readings are drawn the score of an exact likelihood has mean 0. The filter's has a small
mean *a*, strongest where a device lies at its bounds for long. An estimate that makes the filter's score vanish is
therefore displaced by about :math:`C\,n\,a`, with *C* the covariance of the estimate and *n* the number of devices.
*a* is the mean over devices drawn from the fit, under the measured sequences of pulses: of the score of the likelihood
integrated over a device's own constants, to first order in them.

Source: the one-step form of indirect inference, Gourieroux, Monfort and Renault, J. Appl. Econometrics 8, S85 (1993).
"""

from __future__ import annotations

from dataclasses import replace

import numba
import numpy as np

from nanoneurons.fitting._bounded_weight import CONSTANT, EXPONENTIAL, LINEAR
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point, evaluate
from nanoneurons.fitting._pulsed_readings import Events
from nanoneurons.fitting._state_space import START

__all__ = ["displacement"]

_DEVICES = 600  # simulated, about
_CAP = 3.0  # largest displacement that is taken back, in standard errors


def displacement(point: Point, beta: np.ndarray, spread: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Displacement of shared constants ``(n,)`` at the estimates `beta` and `spread` (own constants), and its error.

    The error, a covariance ``(n, n)``, is what the finite number of simulated devices leaves open.
    """
    law, number, own = point.law, len(point.x), len(point.law.own)
    draw = np.random.default_rng(seed)
    copies = max(1, round(_DEVICES / number))
    events = point.events.of_devices(np.tile(np.arange(number), copies))
    x = _drawn(law, beta, spread, copies * number, draw)
    events = _simulated(law, events, x, draw)
    lean = _leans(law, events, x, spread)
    mean, covariance = _seen(lean.mean(0), np.cov(lean.T) / len(lean))
    share = point.mixed.covariance * (number * law.free)
    share[:own] = 0.0  # means of own constants: far less than the spread over devices leaves open
    reach = _CAP * np.sqrt(np.diag(point.mixed.covariance))
    return np.clip(share @ mean, -reach, reach), share @ covariance @ share.T


def _seen(mean: np.ndarray, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What stands out of the noise of a mean ``(n,)`` with this covariance, and the covariance of what is left open.

    Every standardised, uncorrelated part shrinks as its square suggests (empirical Bayes). Means that hang together,
    such as those of an exponential step's constants, must shrink together: apart they would look like a displacement.
    """
    size = np.sqrt(np.diag(covariance))
    size = np.where(size > 0, size, 1.0)  # a constant that no reading depends on
    values, ways = np.linalg.eigh(covariance / np.outer(size, size))
    root = ways * np.sqrt(values.clip(min=1e-9)) @ ways.T  # the whitening that turns each coordinate least
    part = np.linalg.solve(root, mean / size)
    kept = np.maximum(1 - 1 / np.maximum(part**2, 1e-300), 0.0)
    back = size[:, None] * root
    return back @ (kept * part), (back * kept) @ back.T


def _leans(law: Law, events: Events, x: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Score of each device's likelihood integrated over its own constants, to first order in them, ``(devices, n)``."""
    own, precision = len(law.own), np.maximum(spread, 1e-9) ** -2.0
    _, score, information = evaluate(law, events, x, np.zeros(len(events.y)))
    good = np.isfinite(score).all(1) & np.isfinite(information).all((1, 2))
    typical = information[good].mean(0)  # each device's own would not be independent of its score
    core = typical[:own, :own] + np.diag(precision)
    lean = score.copy()
    lean[:, :own] = np.linalg.solve(core, score[:, :own].T).T * precision
    lean[:, own:] -= score[:, :own] @ np.linalg.solve(core, typical[:own, own:])
    return lean[good]


def _drawn(law: Law, beta: np.ndarray, spread: np.ndarray, devices: int, draw: np.random.Generator) -> np.ndarray:
    """Coordinates of devices of the fitted law; a draw that no device can have is drawn again."""
    own = len(law.own)
    x = np.tile(beta, (devices, 1))
    left = np.arange(devices)
    for _ in range(50):
        x[left, :own] = beta[:own] + spread * draw.standard_normal((len(left), own))
        left = left[(np.abs(law.bounded(x[left]) - x[left]) > 1e-12).any(1)]
        if not len(left):
            break
    return law.bounded(x)


def _simulated(law: Law, events: Events, x: np.ndarray, draw: np.random.Generator) -> Events:
    constants = law.constants(x)
    steps = int(np.abs(events.pulses).sum())
    y = _walk(
        law.kind, constants, events.start, events.first, events.pulses, events.y, events.count,
        draw.standard_normal(steps + 1), draw.standard_normal((len(events.y), 2)),
    )  # fmt: skip
    squares = draw.chisquare(np.maximum(events.again, 1)) * constants[:, 15]
    return replace(events, y=y, scatter=np.where(events.again > 0, squares, 0.0))


@numba.njit(cache=True, error_model="numpy")
def _walk(kind, laws, start, first, pulses, seen, count, kicks, noise):  # pragma: no cover - compiled
    """Mean reading after every event; a run starts where the measured one did, within the bounds."""
    y = np.zeros(len(seen))
    at = 0
    for i in range(len(start) - 1):
        c = laws[i]
        low, high = c[8], c[9]
        w = 0.5 * (low + high)
        for t in range(start[i], start[i + 1]):
            shown = np.sqrt(c[14]) * noise[t, 0]
            if first[t] > 0:
                if count[t] > 0:
                    w = min(max(seen[t], low), high)
                if first[t] != START:
                    shown = 0.0
                at += abs(pulses[t])
            else:
                d = 1.0 if pulses[t] > 0 else -1.0
                k = 0 if pulses[t] > 0 else 4
                for _ in range(abs(pulses[t])):
                    p, q, e = c[k + 1], c[k + 2], c[k + 3]
                    if kind == CONSTANT:
                        h = 1.0
                    elif kind == LINEAR:
                        h = 1.0 + p * w
                    elif kind == EXPONENTIAL:
                        h = 1.0 - e * np.exp(min(p * w, 50.0))
                    else:
                        h = max(q + p * w, 0.0) ** e
                    size = c[k] * max(h, 0.0)
                    spread = c[10] * ((c[k] if c[11] != 0.0 else size) + c[12] + c[13] * abs(w))
                    w = min(max(w + d * size + spread * kicks[at], low), high)
                    at += 1
            if count[t] > 0:
                y[t] = w + shown + np.sqrt(c[15] / count[t]) * noise[t, 1]
    return y
