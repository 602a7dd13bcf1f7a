r"""Extended Kalman filter and smoother of a device whose mean step and scatter depend on the conductance.

.. math::
    x_t = x_{t-1} + e^{\gamma}\,[m_d(x_{t-1}) + s_d(x_{t-1})\,\xi], \qquad y_t = x_t + \sigma\,\eta

:math:`m_d` and :math:`\ln s_d` are linear between nodes. One pass gives the log-likelihood and, by Fisher's identity
(score = expected complete-data score), the derivative in every parameter for every cluster of readings. A mean step is
linearised about the smoothed state: exact for straight m and constant s.
"""

# pyright: basic, reportCallIssue=false
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numba
import numpy as np

__all__ = ["Curves", "Scores", "Sequences", "place", "scores"]


class Sequences(NamedTuple):
    """Readings with at most one pulse between two of them, in levels.

    Attributes:
        reading: ``(runs, readings)``, NaN where there is none.
        pulse: -1, 0, 1 before each reading, int8.
        device: index of the device of each run.
        cluster: index of the cluster of each reading, ``(runs, readings)``.
    """

    reading: np.ndarray
    pulse: np.ndarray
    device: np.ndarray
    cluster: np.ndarray


@dataclass(frozen=True)
class Curves:
    """What the smoother needs to know; direction 0 is up, 1 down.

    Attributes:
        low, high: first and last node.
        mean: mean step at evenly spaced nodes, ``(2, nodes)``, times the device's gain.
        scatter: ln of the scatter at evenly spaced nodes of their own, ``(2, nodes)``.
        noise: ln of the read noise.
        gain: ln of the gain of each device, ``(devices, 2)``.
    """

    low: float
    high: float
    mean: np.ndarray
    scatter: np.ndarray
    noise: float
    gain: np.ndarray

    def moved(self, mean: Any = 0.0, scatter: Any = 0.0, noise: float = 0.0, gain: Any = 0.0) -> Curves:
        """Copy with something added."""
        return replace(
            self, mean=self.mean + mean, scatter=self.scatter + scatter, noise=self.noise + noise,
            gain=self.gain + gain,
        )  # fmt: skip


class Scores(NamedTuple):
    """Log-likelihood of each device; per cluster, scores of mean, scatter, noise and gain; complete-data information.

    `mean_info` and `scatter_info` hold the diagonal and the first off-diagonal, ``(2, nodes, 2)``; `gain_info` what
    mean steps and what scatter say of a gain, ``(devices, 2, 2)``.
    """

    likelihood: np.ndarray
    mean: np.ndarray
    scatter: np.ndarray
    noise: np.ndarray
    gain: np.ndarray
    mean_info: np.ndarray
    scatter_info: np.ndarray
    noise_info: np.ndarray
    gain_info: np.ndarray
    smooth: np.ndarray
    variance: np.ndarray


@numba.njit(inline="always")
def place(x, low, spacing, nodes):  # pragma: no cover - compiled
    """Interval of evenly spaced nodes that holds x, how far into it x lies, the derivative of that; flat outside."""
    at = (x - low) / spacing
    k = min(max(math.floor(at), 0), nodes - 2)
    return k, min(max(at - k, 0.0), 1.0), (1.0 / spacing if 0.0 < at < nodes - 1 else 0.0)


@numba.njit(cache=True, error_model="numpy")
def _scores(y, pulse, device, cluster, low, high, mean, scatter, noise, gain, out):  # pragma: no cover - compiled
    likelihood, s_mean, s_scatter, s_noise, s_gain, i_mean, i_scatter, i_noise, i_gain, smooth, spread = out
    runs, n = y.shape
    nodes, coarse = mean.shape[1], scatter.shape[1]
    h, hs = (high - low) / (nodes - 1), (high - low) / (coarse - 1)
    variance = math.exp(2 * noise)
    xf, pf, xp, pp, slope = np.empty(n), np.empty(n), np.empty(n), np.empty(n), np.empty(n)
    for r in range(runs):
        i = device[r]
        first, last = -1, -1
        for t in range(n):
            if not math.isnan(y[r, t]):
                last = t
                if first < 0:
                    first = t
        if first < 0 or last == first:
            continue
        x, p = y[r, first], variance
        xf[first], pf[first] = x, p
        total = 0.0
        for t in range(first + 1, last + 1):
            a = 1.0
            if pulse[r, t] != 0:
                d = 0 if pulse[r, t] > 0 else 1
                g = math.exp(gain[i, d])
                k, f, per = place(x, low, h, nodes)
                j, e, _ = place(x, low, hs, coarse)
                sd = g * math.exp(scatter[d, j] + e * (scatter[d, j + 1] - scatter[d, j]))
                rise = mean[d, k + 1] - mean[d, k]
                a = 1.0 + g * rise * per
                x += g * (mean[d, k] + f * rise)
                p = a * a * p + sd * sd
            xp[t], pp[t], slope[t] = x, p, a
            if not math.isnan(y[r, t]):
                s = p + variance
                v = y[r, t] - x
                total -= 0.5 * (math.log(2 * math.pi * s) + v * v / s)
                x += p / s * v
                p *= variance / s
            xf[t], pf[t] = x, p
        likelihood[i] += total
        x, p = xf[last], pf[last]
        smooth[r, last], spread[r, last] = x, p
        for t in range(last, first - 1, -1):
            c = cluster[r, t]
            if not math.isnan(y[r, t]):
                v = y[r, t] - x
                s_noise[c] += -1.0 + (v * v + p) / variance
                i_noise[0] += 2.0
            if t == first:
                break
            back = pf[t - 1] * slope[t] / pp[t]
            cross = back * p
            x0 = xf[t - 1] + back * (x - xp[t])
            p0 = pf[t - 1] + back * back * (p - pp[t])
            if pulse[r, t] != 0:
                d = 0 if pulse[r, t] > 0 else 1
                g = math.exp(gain[i, d])
                k, f, per = place(x0, low, h, nodes)
                j, e, _ = place(x0, low, hs, coarse)
                sd = g * math.exp(scatter[d, j] + e * (scatter[d, j + 1] - scatter[d, j]))
                rise = mean[d, k + 1] - mean[d, k]
                m, a = mean[d, k] + f * rise, 1.0 + g * rise * per
                rest = x - x0 - g * m
                left = cross - a * p0  # covariance of what is left with the state before
                square = rest * rest + p + a * a * p0 - 2 * a * cross
                w = 1.0 / (sd * sd)
                s_mean[c, d, k] += g * w * ((1 - f) * rest - left * per)
                s_mean[c, d, k + 1] += g * w * (f * rest + left * per)
                weight = g * g * w
                i_mean[d, k, 0] += weight * (1 - f) * (1 - f)
                i_mean[d, k + 1, 0] += weight * f * f
                i_mean[d, k, 1] += weight * f * (1 - f)
                own = -1.0 + square * w
                s_scatter[c, d, j] += (1 - e) * own
                s_scatter[c, d, j + 1] += e * own
                i_scatter[d, j, 0] += 2 * (1 - e) * (1 - e)
                i_scatter[d, j + 1, 0] += 2 * e * e
                i_scatter[d, j, 1] += 2 * e * (1 - e)
                s_gain[c, d] += g * w * (rest * m + left * rise * per) + own
                i_gain[i, d, 0] += weight * m * m
                i_gain[i, d, 1] += 2.0
            x, p = x0, p0
            smooth[r, t - 1], spread[r, t - 1] = x, p


def scores(data: Sequences, curves: Curves, clusters: int) -> Scores:
    """One pass over the readings."""
    devices = len(curves.gain)
    nodes, coarse = curves.mean.shape[1], curves.scatter.shape[1]
    shapes = (
        (devices,), (clusters, 2, nodes), (clusters, 2, coarse), (clusters,), (clusters, 2),
        (2, nodes, 2), (2, coarse, 2), (1,), (devices, 2, 2),
    )  # fmt: skip
    smooth = np.full(data.reading.shape, np.nan)
    out = (*(np.zeros(shape) for shape in shapes), smooth, smooth.copy())
    _scores(*data, curves.low, curves.high, curves.mean, curves.scatter, curves.noise, curves.gain, out)
    return Scores(*out)
