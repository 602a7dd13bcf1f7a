"""Normal approximation of a pulsed posterior given the spreads: of what devices share, and of each given that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nanoneurons.fitting._mixed import Quadratics
from nanoneurons.fitting._pulsed_point import Point, evaluate

__all__ = ["Normal", "loss_of", "normal_of"]


@dataclass
class Normal:
    """The approximation at some spreads.

    Attributes:
        beta: means of own constants, then shared ones, ``(n,)``.
        root: of the covariance of the free part of beta, lower triangular.
        drift: own constants of each device per unit of beta, ``(devices, own, n)``.
        rest: own constants at beta = 0, ``(devices, own)``.
        size: log determinant of the root.
    """

    beta: np.ndarray
    root: np.ndarray
    drift: np.ndarray
    rest: np.ndarray
    size: float

    def mean(self, beta: np.ndarray) -> np.ndarray:
        """Centre of the own constants given beta, ``(devices, own)``."""
        return self.rest + self.drift @ beta


def normal_of(q: Quadratics, spread: np.ndarray, free: np.ndarray) -> Normal:
    """The approximation from quadratics of the devices' log-likelihoods; `free` are the places of free means."""
    own = len(q.group)
    precision = spread**-2.0
    core = q.information[:, :own, :own] + np.diag(precision)
    inverse = np.linalg.inv(core)
    inverse = 0.5 * (inverse + np.swapaxes(inverse, 1, 2))
    toward = np.concatenate([np.broadcast_to(np.diag(precision), core.shape), -q.information[:, :own, own:]], axis=2)
    drift, rest = inverse @ toward, np.einsum("dij,dj->di", inverse, q.linear[:, :own])
    # precision and lean of beta with the own constants integrated out
    total, lean = np.zeros((len(q.free), len(q.free))), np.zeros(len(q.free))
    total[:own, :own] += len(core) * np.diag(precision)
    total[own:, own:] += q.information[:, own:, own:].sum(0)
    lean[own:] += q.linear[:, own:].sum(0)
    total -= np.einsum("dki,dkj->ij", toward, drift)
    lean += np.einsum("dki,dk->i", toward, rest)
    total += np.diag(q.weak)
    at = np.ix_(free, free)
    covariance = np.linalg.inv(total[at])
    root = np.linalg.cholesky(0.5 * (covariance + covariance.T))
    beta = np.zeros(len(q.free))
    beta[free] = covariance @ lean[free]
    return Normal(beta, root, drift, rest, float(np.log(np.diag(root)).sum()))


def loss_of(point: Point, own: int) -> np.ndarray:
    """Change of the logarithm of the own constants' information with each shared one, ``(devices, own, shared)``."""
    law, x = point.law, point.x
    out = np.zeros((len(x), own, x.shape[1] - own))
    for k, name in enumerate(law.shared):
        if name not in ("cycle", "write", "read"):
            continue
        ends = []
        for step in (-0.1, 0.1):
            there = x.copy()
            there[:, own + k] += step
            ends.append(np.einsum("dkk->dk", evaluate(law, point.events, there, point.jump, np.arange(own))[2]))
        out[:, :, k] = np.log(np.maximum(ends[1], 1e-300) / np.maximum(ends[0], 1e-300)) / 0.2
    return np.clip(out, -4, 4)
