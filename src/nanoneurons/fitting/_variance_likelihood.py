"""Restricted likelihood of the scatter between devices, programmings and reads, see `_variance`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize

from nanoneurons.core.errors import DataError

__all__ = ["Likelihood", "Runs", "minimise"]


@dataclass(frozen=True)
class Runs:
    """What the likelihood needs of the runs: their means, numbers of reads and squares within.

    Attributes:
        group, device: of each run, ``(runs,)``; groups count from 0.
        mean, count, within: mean of the reads, their number, sum of squares about the mean.
    """

    group: np.ndarray
    device: np.ndarray
    mean: np.ndarray
    count: np.ndarray
    within: np.ndarray

    @classmethod
    def of(cls, reading: np.ndarray, group: np.ndarray, device: np.ndarray) -> Runs:
        """Runs with a reading, from ``(runs, reads)`` with NaN for missing ones."""
        seen = np.isfinite(reading)
        count = seen.sum(1)
        filled = np.where(seen, reading, 0.0)
        mean = filled.sum(1) / np.maximum(count, 1)
        within = (np.where(seen, reading - mean[:, None], 0.0) ** 2).sum(1)
        kept = count > 0
        return cls(group[kept], device[kept], mean[kept], count[kept], within[kept])

    @property
    def groups(self) -> int:
        """Number of groups."""
        return int(self.group.max()) + 1 if len(self.group) else 0


class Likelihood:
    """-2 log restricted likelihood of standard deviations, and what follows from it.

    `theta` holds standard deviations relative to the scatter of their group, so that all are of order 1.
    """

    def __init__(self, runs: Runs, read: float | None, shared: bool) -> None:
        self.runs, groups = runs, runs.groups
        self.scale = np.empty(groups)
        self.parts: list[tuple[str, int]] = []  # (part, group) of each entry of theta
        repeats = bool((runs.count > 1).any())
        self.read = 0.0 if read is None else read
        self.groups, first = [], True
        for g in range(groups):
            ours = runs.group == g
            if not ours.any():
                raise DataError(f"level {g + 1} has no reading that can be used")
            local = np.unique(runs.device[ours], return_inverse=True)[1]
            self.groups.append((local, runs.mean[ours], runs.count[ours], int(local.max()) + 1))
            spread = float(runs.mean[ours].std())
            inner = np.sqrt(runs.within.sum() / max((runs.count - 1).sum(), 1)) if repeats else self.read
            self.scale[g] = max(spread, inner, 1e-12 * float(np.abs(runs.mean[ours]).max()), 1e-300)
            several, again = local.max() > 0, len(local) > local.max() + 1
            if several and again:
                self.parts.append(("device", g))
            # without repeated reads, a run's scatter is that of programming and of the given read noise together
            if len(local) > 1 and (first or not shared):
                self.parts.append(("cycle", g))
                first = False
        if repeats and read is None:
            self.parts.append(("read", 0))
        self.shared = shared
        self.read_scale = float(np.sqrt(runs.within.sum() / max((runs.count - 1).sum(), 1))) or float(self.scale.min())

    def unit(self, k: int) -> float:
        """What theta[k] = 1 stands for."""
        part, g = self.parts[k]
        return self.read_scale if part == "read" else float(self.scale.max() if self.shared else self.scale[g])

    def sds(self, theta: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Standard deviations ``device`` and ``cycle`` of each group and of reads."""
        device, cycle, read = np.zeros(len(self.scale)), np.zeros(len(self.scale)), self.read
        for k, (part, g) in enumerate(self.parts):
            value = theta[k] * self.unit(k)
            if part == "read":
                read = value
            elif part == "device":
                device[g] = value
            elif self.shared:
                cycle[:] = value
            else:
                cycle[g] = value
        return device, cycle, read

    def means(self, theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        """-2 log likelihood, best means and their variances."""
        device, cycle, read = self.sds(theta)
        runs, total = self.runs, 0.0
        mean, variance = np.empty((2, len(self.scale)))
        v_read = max(read**2, (1e-9 * self.scale.min()) ** 2)
        spare = (runs.count - 1).sum()
        if spare:
            total += spare * np.log(v_read) + runs.within.sum() / v_read
        for g, (local, m, n, devices) in enumerate(self.groups):
            v = cycle[g] ** 2 + v_read / n
            w = 1 / v
            sum_w = np.bincount(local, w, devices)
            centre = np.bincount(local, w * m, devices) / sum_w
            u = device[g] ** 2 + 1 / sum_w
            weight = 1 / u
            mean[g] = (weight * centre).sum() / weight.sum()
            variance[g] = 1 / weight.sum()
            total += np.log(v).sum() + np.log(1 + device[g] ** 2 * sum_w).sum() + np.log(weight.sum())
            total += (w * (m - centre[local]) ** 2).sum() + (weight * (centre - mean[g]) ** 2).sum()
        return total, mean, variance

    def __call__(self, theta: np.ndarray) -> float:
        return self.means(theta)[0]


def minimise(function, start: np.ndarray) -> tuple[np.ndarray, float]:
    if not len(start):
        return start, function(start)
    best = None
    for first in (start, np.full(len(start), 0.5)):
        found = optimize.minimize(function, first, method="L-BFGS-B", bounds=[(0.0, 100.0)] * len(start))
        if best is None or found.fun < best.fun - 1e-9:
            best = found
    assert best is not None
    return best.x, float(best.fun)
