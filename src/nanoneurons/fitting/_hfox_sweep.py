"""All devices at once: one round of draws of their constants, of their noise, and of the population's laws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np

from nanoneurons.fitting._hfox_campaign import Campaign
from nanoneurons.fitting._hfox_device import LAW, draw_curve, draw_path
from nanoneurons.fitting._hfox_laws import (
    flicker_change,
    renew_amplitudes,
    renew_exponential,
    renew_normal,
    renew_telegraph,
)
from nanoneurons.fitting._hfox_noise import tables

__all__ = ["Chain", "curves", "paths"]

_UP, _DOWN = LAW["telegraph_up"], LAW["telegraph_down"]


@numba.njit(cache=True)
def curves(y, run, n, grid, t, factor, first, line, device, path, excess, laws, of, tries, rng):  # pragma: no cover
    """Renew the curves of all devices; device d has the readings ``y[run[d]]`` and the laws ``laws[of[d]]``.

    Returns the sum of squares of the whitened rest, in units of alpha = 1.
    """
    residual = np.empty(y.shape[1])
    work = np.zeros((3, y.shape[1] + factor.shape[2]))
    total = 0.0
    for d in range(device.shape[0]):
        g, m = grid[d], n[d]
        for k in range(m):
            residual[k] = y[run[d], k] - (excess[d, k] if path[d, k] else 0.0)
        total += draw_curve(
            device[d], residual, m, t[g], factor[g], first[g], line[g], laws[of[d]], tries, rng, work
        )  # fmt: skip
    return total


@numba.njit(cache=True)
def paths(
    y, run, n, grid, t, factor, smooth, white, index, gaps, device, path, excess, laws, of, rng, table, flat, counts,
    starts, on,
):  # pragma: no cover - compiled  # fmt: skip
    """Renew noise, amplitude, path and excess of all devices; counts the switches by gap, ``(gaps, 2, 2)``.

    `starts` counts the states of the first readings, `on` those of every reading.
    """
    work = np.zeros((6, y.shape[1] + factor.shape[2]))
    up, down = np.empty(y.shape[1]), np.empty(y.shape[1])
    chance = np.empty((laws.shape[0], 2, gaps.shape[0]))
    for row in range(laws.shape[0]):
        both = laws[row, _UP] + laws[row, _DOWN]
        share = laws[row, _UP] / both
        for i in range(gaps.shape[0]):
            moved = -math.expm1(gaps[i] * math.log1p(-min(both, 1 - 1e-12)))
            chance[row, 0, i], chance[row, 1, i] = share * moved, (1 - share) * moved
    counts[:] = 0.0
    starts[:] = 0.0
    for d in range(device.shape[0]):
        g, m, row = grid[d], n[d], of[d]
        up[0] = laws[row, _UP] / (laws[row, _UP] + laws[row, _DOWN])
        for k in range(1, m):
            up[k], down[k] = chance[row, 0, index[g, k]], chance[row, 1, index[g, k]]
        draw_path(
            device[d], y[run[d]], m, t[g], factor[g], smooth[g], white[g], up, down, laws[row], path[d], excess[d],
            rng, work, table, flat,
        )  # fmt: skip
        starts[path[d, 0]] += 1
        on[d, 0] += path[d, 0]
        for k in range(1, m):
            counts[index[g, k], path[d, k - 1], path[d, k]] += 1
            on[d, k] += path[d, k]


@dataclass
class Chain:
    """State of the draws; `step` renews everything once.

    Attributes:
        data: the readings.
        law: the laws, in the order of `LAW`.
        device: a, m1, knee, m2 and telegraph amplitude, ``(devices, 5)``.
        path, excess: telegraph state and size of its excess at each reading.
        slope_error: of the slow slope of one device, 1/pulse; keeps the prior of its law proper.
        rng: where the draws come from.
    """

    data: Campaign
    law: np.ndarray
    device: np.ndarray
    path: np.ndarray
    excess: np.ndarray
    slope_error: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        devices = len(self.data.n)
        self.run, self.of = np.arange(devices), np.zeros(devices, np.int64)
        self.few = devices < 3  # spreads stay as they are
        self.counts, self.starts = np.zeros((len(self.data.gaps), 2, 2)), np.zeros(2)
        self.on = np.zeros(self.data.y.shape)
        self.table, self.flat = tables()
        self.numbers = int(self.data.n.sum())
        self.draws = 0

    def curves(self, tries: int) -> float:
        """Renew the curves alone; returns the sum of squares of the whitened rest."""
        data = self.data
        return curves(
            data.y, self.run, data.n, data.grid, data.t, data.factor, data.first, data.line, self.device, self.path,
            self.excess, self.law[None], self.of, tries, self.rng,
        )  # fmt: skip

    def step(self) -> None:
        """Renew constants, 1/f amplitude, noise, telegraph and laws, in this order."""
        data, law, rng = self.data, self.law, self.rng
        total = self.curves(5)
        alpha = math.sqrt(total / rng.chisquare(self.numbers))
        together = not self.few and self.draws % 2 == 0
        if math.log(rng.random() + 1e-300) < flicker_change(law, alpha, self.device, together):
            if together:
                factor = math.exp((law[LAW["flicker_amplitude"]] - alpha) * law[LAW["flicker_mean"]])
                law[LAW["resistance"]] *= factor
                law[LAW["resistance_sd"]] *= factor
            law[LAW["flicker_amplitude"]] = alpha
        paths(
            data.y, self.run, data.n, data.grid, data.t, data.factor, data.smooth, data.white, data.index, data.gaps,
            self.device, self.path, self.excess, law[None], self.of, rng, self.table, self.flat, self.counts,
            self.starts, self.on,
        )  # fmt: skip
        self._laws()
        self.draws += 1

    def _laws(self) -> None:
        law, rng, device = self.law, self.rng, self.device
        of = {name: float(law[i]) for name, i in LAW.items()}
        start = np.exp(device[:, 0] - of["flicker_amplitude"] * of["flicker_mean"])
        law[LAW["resistance"]], law[LAW["resistance_sd"]] = renew_normal(
            start, of["resistance"], of["resistance_sd"], of["resistance_low"], of["resistance_high"],
            1e-5 * of["resistance"], self.few, 18, rng,
        )  # fmt: skip
        law[LAW["fast_slope_scale"]] = renew_exponential(
            device[:, 1] - of["fast_slope_start"], of["fast_slope_scale"],
            of["fast_slope_high"] - of["fast_slope_start"], 0.0, 6, rng,
        )  # fmt: skip
        knee, law[LAW["knee_log_sd"]] = renew_normal(
            np.log(device[:, 2]), math.log(of["knee"]), of["knee_log_sd"], math.log(of["knee_low"]),
            math.log(of["knee_high"]), 1e-3, self.few, 18, rng,
        )  # fmt: skip
        law[LAW["knee"]] = math.exp(knee)
        law[LAW["slow_slope_scale"]] = renew_exponential(
            device[:, 3], of["slow_slope_scale"], of["slow_slope_high"], self.slope_error, 6, rng
        )
        law[_UP], law[_DOWN] = renew_telegraph(
            of["telegraph_up"], of["telegraph_down"], self.data.gaps, self.counts, self.starts, 8, rng
        )
        renew_amplitudes(law, device, self.path, self.excess, self.data.n, rng)
