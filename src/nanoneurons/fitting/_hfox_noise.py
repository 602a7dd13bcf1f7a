r"""Noise of the weak-RESET device as densities: banded covariance of the 1/f term, and the telegraph excess.

.. math::
    \mathrm{cov}(F_t, F_{t+l}) = \tfrac{1}{12} \sum_k b_k b_{k+l}, \qquad
    f(x) = \frac{1}{A} \int_0^A -\ln(e/A)\, \varphi_\sigma(x - e)\, de

``F`` is the filtered uniform number of `physics.flicker`. ``f`` is the density of an excess ``A U_1 U_2`` (a device's
amplitude times two uniform numbers) seen through Gaussian noise of standard deviation sigma. With
``xi = x / sigma`` and ``rho = A / sigma`` it is ``H(xi, rho) / A``,
``H = int_0^rho [Phi(xi) - Phi(xi - v)] / v dv``, which is ``Phi(xi) ln(rho) + K(xi)`` far below the upper end.

Not modelled: that the filtered numbers are uniform. Their sums are taken as Gaussian.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numba
import numpy as np
from scipy import linalg, special

from nanoneurons.physics.flicker import coefficients

__all__ = [
    "Grid",
    "draw_excess",
    "excess_density",
    "excess_density_at",
    "flicker_covariance",
    "flicker_mean",
    "grids",
    "normal_cdf",
    "tables",
]

_LOW, _STEP, _CELLS = -8.0, 64, 38 * 64  # xi of the one-dimensional tables: -8 to 30
_FLAT_LOW, _FLAT_STEP, _FLAT_CELLS = -8.0, 10, 360  # xi of the two-dimensional table: -8 to 28
_RHO_LOW, _RHO_HIGH, _RHO_CELLS = math.log(0.01), math.log(20.0), 160
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def flicker_covariance(register: int) -> np.ndarray:
    """Covariance of F at lags 0 to register - 1 pulses."""
    b = coefficients(register).astype(float)
    return np.correlate(b, b, "full")[register - 1 :] / 12


def flicker_mean(register: int) -> float:
    """Mean of F: half the sum of the coefficients."""
    return 0.5 * float(coefficients(register).astype(float).sum())


@dataclass(frozen=True)
class Grid:
    """Pulse numbers at which a group of devices was read, and the 1/f noise there.

    Attributes:
        t: pulse numbers, ``(readings,)``.
        factor: rows of the Cholesky factor of the covariance C of F, ``(readings, band + 1)``; the last column is
            the diagonal.
        smooth: the same of ``C - white I``.
        white: variance of the part of F that is independent from reading to reading.
    """

    t: np.ndarray
    factor: np.ndarray
    smooth: np.ndarray
    white: float


def _banded(t: np.ndarray, covariance: np.ndarray, band: int) -> np.ndarray:
    lags = np.full((band + 1, len(t)), len(covariance))
    for j in range(min(band, len(t) - 1) + 1):
        lags[j, : len(t) - j] = t[j:] - t[: len(t) - j]
    return np.append(covariance, 0.0)[np.minimum(lags, len(covariance))]


def _rows(factor: np.ndarray) -> np.ndarray:
    """Banded factor, one diagonal per row, as one row of the matrix per row, newest last."""
    band, n = factor.shape[0] - 1, factor.shape[1]
    rows = np.zeros((n, band + 1))
    for j in range(min(band, n - 1) + 1):
        rows[j:, band - j] = factor[j, : n - j]
    return rows


def grids(times: list[np.ndarray], full: list[np.ndarray], register: int) -> list[Grid]:
    """The noise on each grid of pulse numbers; `full` holds the grids before readings were left out.

    Eigenvalues of a part of a covariance lie within those of the whole, so the white part is taken from the
    whole grid, once for all devices that share it.
    """
    covariance = flicker_covariance(register)
    band = max(int(np.max(np.arange(len(t)) - np.searchsorted(t, t - register, side="right"))) for t in full)
    white: dict[bytes, float] = {}
    found = []
    for t, whole in zip(times, full, strict=True):
        if whole.tobytes() not in white:
            matrix = _banded(whole, covariance, band)[: min(band, len(whole) - 1) + 1]
            smallest = linalg.eigvals_banded(matrix, lower=True, select="i", select_range=(0, 0))[0]
            white[whole.tobytes()] = 0.98 * float(smallest)
        part = white[whole.tobytes()]
        matrix = _banded(t, covariance, band)
        factor = _rows(linalg.cholesky_banded(matrix, lower=True))
        matrix[0] -= part
        found.append(Grid(t.astype(float), factor, _rows(linalg.cholesky_banded(matrix, lower=True)), part))
    return found


@cache
def tables() -> tuple[np.ndarray, np.ndarray]:
    """``(Phi, K)`` on the grid of xi, ``(2, cells)``, and ``ln H`` for small rho, ``(rho, xi)``."""
    xi = _LOW + np.arange(_CELLS + 1) / _STEP
    v = np.linspace(0, 1, 401)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        near = (special.ndtr(xi) - special.ndtr(xi - v)) / v
    near[0] = np.exp(-0.5 * xi**2) / math.sqrt(2 * math.pi)
    u = np.linspace(0, math.log(40.0), 2001)[:, None]  # v = exp(u), dv / v = du
    far = special.ndtr(xi - np.exp(u))
    k = np.trapezoid(near, v, axis=0) - np.trapezoid(far, u, axis=0)
    line = np.stack([special.ndtr(xi), k])

    xi = _FLAT_LOW + np.arange(_FLAT_CELLS + 1) / _FLAT_STEP
    fine = 8
    logs = np.linspace(_RHO_LOW, _RHO_HIGH, fine * _RHO_CELLS + 1)[:, None]
    inner = (special.ndtr(xi) - special.ndtr(xi - np.exp(logs))) + 1e-300
    first = np.exp(-0.5 * (xi - 0.5 * math.exp(_RHO_LOW)) ** 2) / math.sqrt(2 * math.pi) * math.exp(_RHO_LOW)
    cells = 0.5 * (inner[1:] + inner[:-1]) * (logs[1] - logs[0])
    h = np.concatenate([first[None], first + np.cumsum(cells, axis=0)])
    return line, np.log(h[::fine] + 1e-300)


@numba.njit(inline="always")
def normal_cdf(z):  # pragma: no cover - compiled
    """Standard normal distribution function."""
    return 0.5 * math.erfc(-z * 0.7071067811865476)


@numba.njit(cache=True)
def excess_density(x, sigma, amplitude, line, flat):  # pragma: no cover - compiled
    """Density f at x of an excess amplitude * U1 * U2 seen through noise of standard deviation sigma."""
    return excess_density_at(x / sigma, amplitude / sigma, math.log(amplitude / sigma), line, flat) / sigma


@numba.njit(cache=True)
def excess_density_at(xi, rho, log_rho, line, flat):  # pragma: no cover - compiled
    """The same in units of sigma; the logarithm of rho is given, for runs of readings that share it."""
    if rho <= 0.01:
        z = xi - 0.25 * rho
        return math.exp(-0.5 * z * z) * 0.3989422804014327
    if rho <= 20.0:
        place = min(max((xi - _FLAT_LOW) * _FLAT_STEP, 0.0), _FLAT_CELLS - 1e-9)
        row = min((log_rho - _RHO_LOW) * (_RHO_CELLS / (_RHO_HIGH - _RHO_LOW)), _RHO_CELLS - 1e-9)
        i, j = int(place), int(row)
        p, q = place - i, row - j
        low = flat[j, i] + p * (flat[j, i + 1] - flat[j, i])
        high = flat[j + 1, i] + p * (flat[j + 1, i + 1] - flat[j + 1, i])
        return math.exp(low + q * (high - low)) / rho
    over = xi - rho
    if over > -7.0:
        if over > 12.0:
            return 1e-300
        start = max(0.0, -over - 7.0)
        length = max(0.0, -over) + 7.0 - start
        total = 0.0
        for i in range(24):
            t = start + 0.5 * length * (1.0 + _NODES[i])
            total -= _WEIGHTS[i] * math.log(1.0 - t / rho) * math.exp(-0.5 * (over + t) ** 2)
        return total * 0.5 * length * 0.3989422804014327 / rho
    if xi >= 30.0:
        return (math.log(rho / xi) + 0.5 / (xi * xi)) / rho
    place = max((xi - _LOW) * _STEP, 0.0)
    i = int(place)
    p = place - i
    cdf = line[0, i] + p * (line[0, i + 1] - line[0, i])
    rest = line[1, i] + p * (line[1, i + 1] - line[1, i])
    return (cdf * log_rho + rest) / rho


@numba.njit(cache=True)
def draw_excess(x, sigma, amplitude, rng):  # pragma: no cover - compiled
    """Excess of a device that is on, given x = excess + noise; exact rejection, at most 500 tries."""
    if amplitude < 3 * sigma:
        best = min(max(x, 0.0), amplitude)
        for _ in range(500):
            e = amplitude * (1 - rng.random()) * (1 - rng.random())
            if math.log(rng.random()) < -0.5 * ((x - e) ** 2 - (x - best) ** 2) / sigma**2:
                return e
        return max(best, 1e-6 * amplitude)
    if x > 7 * sigma:  # an excess far below the reading plays no part, and -ln(e / A) is bounded
        lowest = max(min(x, amplitude) - 6 * sigma, 0.0)
        height = math.log(amplitude / max(lowest, sigma))
        for _ in range(500):
            e = x + sigma * rng.standard_normal()
            if lowest < e < amplitude and rng.random() * height < math.log(amplitude / e):
                return e
        return amplitude - sigma * min(sigma / max(x - amplitude, sigma), 0.5)  # a reading far beyond the upper end
    # -ln(e / A) = ln(A / sigma) + ln(sigma / e): a wide part and, below sigma, one with the shape of the law itself
    height = math.log(amplitude / sigma)
    best = min(max(x, 0.0), sigma)
    peak = math.exp(-0.5 * ((x - best) / sigma) ** 2)
    wide, narrow = height * sigma * 2.5066282746310002, sigma * peak
    share = wide / (wide + narrow)
    for _ in range(500):
        if rng.random() < share:
            e = x + sigma * rng.standard_normal()
            if 0.0 < e < amplitude and (e <= sigma or rng.random() * height < math.log(amplitude / e)):
                return e
        else:
            e = sigma * (1 - rng.random()) * (1 - rng.random())
            if rng.random() * peak < math.exp(-0.5 * ((x - e) / sigma) ** 2):
                return e
    return min(max(x, 1e-6 * sigma), 0.99 * amplitude)
