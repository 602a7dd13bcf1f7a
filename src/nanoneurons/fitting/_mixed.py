r"""Linear mixed model from quadratic log-likelihoods: means, spreads and devices' own constants.

Device *i* has constants :math:`b_i \sim N(\mu, \mathrm{diag}\, s^2)` and shares :math:`\theta` with the others. Given
the quadratic :math:`h_i^T x - x^T J_i x / 2` of its log-likelihood in :math:`x = (b_i, \theta)`, the marginal
likelihood over :math:`b_i` is a quadratic in :math:`\beta = (\mu, \theta)`, solved exactly; the spreads *s* maximise
the restricted likelihood (integrated over :math:`\beta` as well), which accounts for the lost degrees of freedom.

Source: Lindstrom and Bates, Biometrics 46, 673 (1990); Patterson and Thompson, Biometrika 58, 545 (1971).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq, minimize

__all__ = ["Mixed", "Population", "Quadratics"]

_LEAST, _MOST = -14.0, 6.0  # of log(s / unit)
_DROP = 0.5 * 3.841458820694124  # of a log-likelihood, at the ends of a 95 % interval


class Population(NamedTuple):
    """Means of own constants, then shared ones, ``(n,)``, and standard deviations of the own ones, ``(own,)``."""

    beta: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True)
class Quadratics:
    """Quadratic log-likelihoods of the devices and how their coordinates vary.

    Attributes:
        information: J, positive semi-definite, ``(devices, n, n)``; the devices' own constants come first.
        linear: h about the origin, ``(devices, n)``.
        group: for each own constant the number of its spread, -1 for one that does not vary, ``(own,)``.
        unit: natural size of each own constant's spread, ``(own,)``.
        free: which of the n means are estimated; the others are zero.
        weak: precision of a weak prior of the means about the origin, that keeps flat directions finite, ``(n,)``.
    """

    information: np.ndarray
    linear: np.ndarray
    group: np.ndarray
    unit: np.ndarray
    free: np.ndarray
    weak: np.ndarray

    @property
    def groups(self) -> int:
        """Number of spreads."""
        return int(self.group.max(initial=-1)) + 1

    def spreads(self, log_s: np.ndarray) -> np.ndarray:
        """Standard deviation of each own constant."""
        inside = np.exp(np.append(log_s, 0.0)[self.group])
        return np.where(self.group >= 0, inside * self.unit, 0.0)

    def evaluate(self, log_s: np.ndarray) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
        """Restricted log-likelihood, its gradient, and what follows from them."""
        own, s = len(self.group), self.spreads(log_s)
        rows = self.information[:, :own, :] * s[:, None]  # S J_b:
        core = rows[:, :, :own] * s + np.eye(own)
        right = np.concatenate([rows, (self.linear[:, :own] * s)[:, :, None]], axis=2)
        solved = np.linalg.solve(core, right)  # M^-1 S (J_b:, h_b)
        total = (self.information - np.swapaxes(rows, 1, 2) @ solved[:, :, :-1]).sum(0) + np.diag(self.weak)
        lean = (self.linear - np.einsum("dki,dk->di", rows, solved[:, :, -1])).sum(0)
        free = np.flatnonzero(self.free)
        covariance = np.zeros_like(total)
        inverse = np.linalg.inv(_balanced(total[np.ix_(free, free)]))
        covariance[np.ix_(free, free)] = inverse
        beta = covariance @ lean
        value = 0.5 * np.einsum("dk,dk->", right[:, :, -1], solved[:, :, -1]) + 0.5 * lean @ beta
        value += -0.5 * np.linalg.slogdet(core)[1].sum() + 0.5 * np.linalg.slogdet(inverse)[1]
        z = solved[:, :, -1] - solved[:, :, :-1] @ beta
        var = np.einsum("dkk->dk", np.linalg.inv(core))
        var = var + np.einsum("dki,ij,dkj->dk", solved[:, :, :-1], covariance, solved[:, :, :-1])
        per = (z**2 + var - 1).sum(0)
        gradient = np.bincount(self.group[self.group >= 0], weights=per[self.group >= 0], minlength=self.groups)
        found = {"beta": beta, "covariance": covariance, "z": z, "own": beta[:own] + s * z, "core": core, "s": s}
        return float(value), gradient, found

    def solve(self, start: np.ndarray) -> Mixed:
        """Spreads of the highest restricted likelihood, from `start` = log(s / unit)."""
        log_s = self._maximise(np.clip(start, _LEAST + 1, _MOST - 1), np.ones(self.groups, bool))
        return Mixed(self, log_s)

    def _maximise(self, log_s: np.ndarray, moving: np.ndarray) -> np.ndarray:
        if not moving.any():
            return log_s

        def cost(x: np.ndarray) -> tuple[float, np.ndarray]:
            full = log_s.copy()
            full[moving] = x
            value, gradient, _ = self.evaluate(full)
            return -value, -gradient[moving]

        best = minimize(
            cost, log_s[moving], jac=True, method="L-BFGS-B", bounds=[(_LEAST, _MOST)] * int(moving.sum()),
            options={"ftol": 1e-11, "gtol": 1e-4},
        )  # fmt: skip
        out = log_s.copy()
        out[moving] = best.x
        return out


def _balanced(matrix: np.ndarray) -> np.ndarray:
    """The matrix with a ridge of rounding size, so that an exactly flat direction can be inverted."""
    size = np.diag(matrix).clip(min=1e-300)
    return matrix + np.diag(size * 1e-12)


@dataclass(frozen=True)
class Mixed:
    """Solution of a mixed model; see `Quadratics`."""

    quadratics: Quadratics
    log_s: np.ndarray

    @cached_property
    def _found(self) -> tuple[float, np.ndarray, dict[str, np.ndarray]]:
        return self.quadratics.evaluate(self.log_s)

    @property
    def beta(self) -> np.ndarray:
        """Means of the own constants, then the shared ones, ``(n,)``."""
        return self._found[2]["beta"]

    @property
    def covariance(self) -> np.ndarray:
        """Covariance of `beta`, ``(n, n)``."""
        return self._found[2]["covariance"]

    @property
    def own(self) -> np.ndarray:
        """Most likely own constants of each device, ``(devices, own)``."""
        return self._found[2]["own"]

    @property
    def spread(self) -> np.ndarray:
        """Standard deviation of each own constant, ``(own,)``."""
        return self._found[2]["s"]

    @cached_property
    def own_covariance(self) -> np.ndarray:
        """Covariance of each device's own constants given its data, ``(devices, own, own)``."""
        s = self.spread
        return np.linalg.inv(self._found[2]["core"]) * s[:, None] * s

    @cached_property
    def spread_errors(self) -> np.ndarray:
        """Standard error of each log spread, infinite where the likelihood is flat."""
        n, step = self.quadratics.groups, 1e-3
        hessian = np.empty((n, n))
        for k in range(n):
            ahead, behind = self.log_s.copy(), self.log_s.copy()
            ahead[k], behind[k] = ahead[k] + step, behind[k] - step
            hessian[k] = -(self.quadratics.evaluate(ahead)[1] - self.quadratics.evaluate(behind)[1]) / (2 * step)
        hessian = 0.5 * (hessian + hessian.T)
        good = np.diag(hessian) > 1e-3
        errors = np.full(n, np.inf)
        if good.any():
            inverse = np.linalg.pinv(hessian[np.ix_(good, good)], hermitian=True)
            errors[good] = np.sqrt(np.diag(inverse).clip(min=1e-12))
        return errors

    def freedom(self, k: int) -> float:
        """Degrees of freedom of the error of mean k: few where it comes from the spread over few devices."""
        devices = len(self.quadratics.information)
        without = self.quadratics.evaluate(np.full_like(self.log_s, _LEAST))[2]["covariance"][k, k]
        share = 1 - without / self.covariance[k, k] if self.covariance[k, k] > 0 else 0.0
        return max(devices - 1, 1) / max(share, 1e-3) ** 2

    def profile(self, k: int) -> tuple[float, float]:
        """Ends of the interval of log(s_k / unit) where the profiled restricted likelihood has dropped by 1.92."""
        others = np.arange(self.quadratics.groups) != k
        peak = self._found[0]
        if not np.isfinite(peak):
            raise FloatingPointError("the likelihood is not finite")

        def excess(x: float) -> float:
            start = self.log_s.copy()
            start[k] = x
            return self.quadratics.evaluate(self.quadratics._maximise(start, others))[0] - peak + _DROP

        here = float(np.clip(self.log_s[k], _LEAST + 1e-6, _MOST - 1e-6))
        low: Any = -np.inf if excess(_LEAST) > 0 else brentq(excess, _LEAST, here, xtol=1e-3)
        high: Any = np.inf if excess(_MOST) > 0 else brentq(excess, here, _MOST, xtol=1e-3)
        return float(low), float(high)
