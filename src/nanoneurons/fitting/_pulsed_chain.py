r"""The moves of a chain through the posterior of a pulsed fit, see `_pulsed_sampler`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nanoneurons.fitting._mixed import Mixed, Population
from nanoneurons.fitting._pulsed_normal import Normal, loss_of, normal_of
from nanoneurons.fitting._pulsed_point import Point, evaluate, likelihood
from nanoneurons.fitting._pulsed_search import climbed, quadratics_of
from nanoneurons.fitting._pulsed_warp import warp_of

__all__ = ["Chain"]

_REACHES = (0.0, 0.0, 0.0, 0.8)  # share of a residual that a proposal keeps; one of them at random
_TAILS = {"exponential": 8.0}  # degrees of freedom of the population's proposals; else they are normal
_LEAST = -9.0  # of log(s / unit)
_CLIMB = 4  # of Newton's steps of each device's constants, where the chain has been


class Chain:
    """State of the chain and its moves; `turn` makes one draw of all."""

    def __init__(self, point: Point, seed: int):
        self.point, self.q = point, point.mixed.quadratics
        self.own, self.devices = len(self.q.group), len(point.x)
        self.free = np.flatnonzero(self.q.free)
        self.tail = _TAILS.get(point.law.shape, 0.0)
        self.draw = np.random.default_rng(seed)
        self.members = np.bincount(self.q.group, minlength=self.q.groups)
        own_errors = np.linalg.pinv(self.q.information[:, : self.own, : self.own])
        typical = np.median(np.einsum("dkk->dk", own_errors), axis=0) / self.q.unit**2
        self.error2 = np.array([typical[self.q.group == k].mean() for k in range(self.q.groups)])
        least = 0.5 * np.log(0.05 * self.error2)
        self.log_s = np.maximum(point.mixed.log_s, np.clip(least, _LEAST + 1, 2.0))
        errors = point.mixed.spread_errors
        self.stride = np.clip(np.where(np.isfinite(errors), errors, 0.5), 0.05, 0.5)
        self.beta, self.b = point.mixed.beta.copy(), point.x[:, : self.own].copy()
        self.theta, self.loss = self.beta[self.own :].copy(), loss_of(point, self.own)
        self.normal = normal_of(self.q, self.spread, self.free)
        self.half = self._halves(self.spread, self.beta)
        self.warp = warp_of(point, Population(self.beta, self.spread))
        self.found = self._likelihood(self.b, self.beta)
        self.counts = np.zeros((3, 2))
        shared = np.diag(point.mixed.covariance)[self.own :]
        noise = np.array([n in ("cycle", "write", "read") for n in point.law.shared], bool)
        information = self.q.information[:, self.own :, self.own :].sum(0)
        self.noise_root = np.zeros((len(shared), len(shared)))
        if noise.any():
            at = np.ix_(noise, noise)
            covariance = np.linalg.inv(information[at])
            self.noise_root[at] = 2.38 / np.sqrt(noise.sum()) * np.linalg.cholesky(covariance)
        self.noisy = bool(noise.any())
        forms = self.own + np.flatnonzero(~noise)
        self.forms = np.flatnonzero(np.isin(self.free, forms))
        self.centre, self.shape = np.zeros(len(self.free)), np.eye(len(self.free))  # of the residuals of beta

    def adapt(self, z: np.ndarray) -> None:
        """Propose residuals of beta as the draws ``(draws, free)`` lie."""
        weight = len(z) / (len(z) + 40)
        covariance = weight * np.atleast_2d(np.cov(z.T)) + (1 - weight) * np.eye(z.shape[1])
        self.centre, self.shape = z.mean(0), np.linalg.cholesky(covariance)

    def recentre(self, own: np.ndarray, beta: np.ndarray, log_s: np.ndarray) -> None:
        """Approximate anew where the chain has been; what is likeliest may lie far from there.

        Args:
            own, beta, log_s: means of the last draws.
        """
        law, at = self.point.law, Population(beta, self.q.spreads(log_s))
        x = law.bounded(np.concatenate([own, np.tile(beta[self.own :], (len(own), 1))], axis=1))
        x = climbed(self.point, np.arange(self.devices), x, _CLIMB, at)
        _, score, information = evaluate(law, self.point.events, x, self.point.jump)
        units = law.units(np.median(x, axis=0))
        self.q = replace(quadratics_of(law, x, units, score, information), unit=self.q.unit)
        self.point = replace(self.point, x=x, mixed=Mixed(self.q, log_s))
        self.theta, self.loss = beta[self.own :].copy(), loss_of(self.point, self.own)
        self.normal = normal_of(self.q, self.spread, self.free)
        self.half = self._halves(self.spread, self.beta)
        self.warp = warp_of(self.point, at)

    def residual(self, beta: np.ndarray | None = None) -> np.ndarray:
        """Standardised residual of beta, the present one or another, before it is adapted."""
        beta = self.beta if beta is None else beta
        return np.linalg.solve(self.normal.root, (beta - self.normal.beta)[self.free])

    @property
    def spread(self) -> np.ndarray:
        return self.q.spreads(self.log_s)

    def _likelihood(self, b: np.ndarray, beta: np.ndarray) -> np.ndarray:
        x = np.concatenate([b, np.broadcast_to(beta[self.own :], (len(b), len(beta) - self.own))], axis=1)
        law = self.point.law
        inside = (np.abs(law.bounded(x) - x) <= 1e-12 * (1 + np.abs(x))).all(1)
        found = likelihood(law, self.point.events, law.bounded(x), self.point.jump)
        return np.where(inside & np.isfinite(found), found, -np.inf)

    def mean(self, normal: Normal, beta: np.ndarray) -> np.ndarray:
        """Centre of the own constants given beta, ``(devices, own)``.

        Linear; for exponential steps linear in what readings show, the logarithms of the steps at weight 0.
        """
        law = self.point.law
        if law.shape != "exponential":
            return normal.mean(beta)
        away, centre = beta - normal.beta, normal.mean(normal.beta)
        x = np.broadcast_to(normal.beta, (self.devices, len(beta))).copy()
        x[:, : self.own] = centre
        path = law.path(x)
        x[:, : self.own] = normal.mean(normal.beta + 1e-3 * away)
        x[:, self.own :] += 1e-3 * away[self.own :]
        there = path + (law.path(x) - path) / 1e-3
        x[:, self.own :] = beta[self.own :]
        there[:, self.own :] = law.path(x)[:, self.own :]
        return law.from_path(there)[:, : self.own]

    def _halves(self, spread: np.ndarray, beta: np.ndarray) -> np.ndarray:
        """Root of the covariance of each device's own constants at these spreads and noises."""
        change = np.exp(np.clip(0.5 * self.loss @ (beta[self.own :] - self.theta), -3, 3))
        core = self.q.information[:, : self.own, : self.own] * change[:, :, None] * change[:, None, :]
        inverse = np.linalg.inv(core + np.diag(spread**-2.0))
        return np.linalg.cholesky(0.5 * (inverse + np.swapaxes(inverse, 1, 2)))

    def _prior_s(self, log_s: np.ndarray) -> float:
        s2 = np.exp(2 * log_s)
        return float(np.sum(2 * log_s - np.log(s2 + self.error2)))

    def devices_move(self) -> None:
        """Own constants of every device, given beta and the spreads."""
        keep = self.draw.choice(_REACHES)
        mean, half, s = self.mean(self.normal, self.beta), self.half, self.spread
        u, size = self._residuals(mean, half, self.b)
        new = keep * u + np.sqrt(1 - keep**2) * self.draw.standard_normal(u.shape)
        b, wide = self._placed(mean, half, new)
        found = self._likelihood(b, self.beta)
        mu = self.beta[: self.own]
        old = self.found - 0.5 * (((self.b - mu) / s) ** 2).sum(1) + 0.5 * (u**2).sum(1) + size
        gain = found - 0.5 * (((b - mu) / s) ** 2).sum(1) + 0.5 * (new**2).sum(1) + wide - old
        yes = np.log(self.draw.random(self.devices)) < gain
        self.b, self.found = np.where(yes[:, None], b, self.b), np.where(yes, found, self.found)
        self.counts[0] += yes.sum(), self.devices

    def _residuals(self, mean: np.ndarray, half: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Standardised residuals of own constants, and the log of the Jacobian of their warp."""
        away, size = b - mean, np.zeros(len(b))
        if self.warp is not None:
            away, size = self.warp.inverse(away)
        return np.linalg.solve(half, away[:, :, None])[:, :, 0], size

    def _placed(self, mean: np.ndarray, half: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The inverse of `_residuals`."""
        away, size = np.einsum("dij,dj->di", half, u), np.zeros(len(u))
        if self.warp is not None:
            away, size = self.warp.forward(away)
        return mean + away, size

    def _log_target(self, b, beta, log_s, found, normal, half, warped, z) -> float:
        s = self.q.spreads(log_s)
        value = found.sum() - 0.5 * (((b - beta[: self.own]) / s) ** 2).sum() - self.devices * np.log(s).sum()
        size = normal.size + np.log(np.einsum("dkk->dk", half)).sum() + warped.sum()
        return float(value + self._prior_s(log_s) + size + self._rarity(z))

    def _rarity(self, z: np.ndarray) -> float:
        """Minus the log density of residuals that are proposed, but for a constant."""
        if not self.tail:
            return float(0.5 * z @ z)
        return float(0.5 * (self.tail + len(z)) * np.log1p(z @ z / self.tail))

    def _proposed(self, z: np.ndarray, keep: float) -> np.ndarray:
        """New residuals from the present ones, of which a share is kept; reversible for the density of `_rarity`."""
        new = np.sqrt(1 - keep**2) * self.draw.standard_normal(len(z))
        if self.tail:  # Student's t is a normal variable of random size, and the present one tells of the size
            new /= np.sqrt(2 * self.draw.standard_gamma(0.5 * (self.tail + len(z))) / (self.tail + z @ z))
        return keep * z + new

    def population_move(self) -> None:
        """Beta and the spreads, the own constants carried along."""
        keep, old = self.draw.choice(_REACHES), self.normal
        z = np.linalg.solve(self.shape, self.residual() - self.centre)
        u, before = self._residuals(self.mean(old, self.beta), self.half, self.b)
        log_s = self.log_s.copy()
        faint = np.exp(2 * log_s) < 4 * self.error2  # the others move well enough given the own constants
        forms = len(self.forms) > 0 and self.draw.random() < 0.5
        if not forms and self.draw.random() < 0.5:  # the ways of the forms hang on the spreads, which stay then
            log_s += 1.5 / np.sqrt(max(faint.sum(), 1)) * self.stride * faint * self.draw.standard_normal(len(log_s))
        if (log_s < _LEAST).any() or (log_s > 5).any():
            self.counts[1] += 0, 1
            return
        normal = normal_of(self.q, self.q.spreads(log_s), self.free)
        new = self._proposed(z, keep)
        if forms:
            new = self._along_forms(z, new)
        beta = normal.beta.copy()
        beta[self.free] += normal.root @ (self.centre + self.shape @ new)
        half = self._halves(self.q.spreads(log_s), beta)
        b, after = self._placed(self.mean(normal, beta), half, u)
        found = self._likelihood(b, beta)
        yes = False
        if np.isfinite(found).all():
            gain = self._log_target(b, beta, log_s, found, normal, half, after, new)
            gain -= self._log_target(self.b, self.beta, self.log_s, self.found, old, self.half, before, z)
            yes = np.log(self.draw.random()) < gain
        if yes:
            self.b, self.beta, self.log_s, self.found, self.normal, self.half = b, beta, log_s, found, normal, half
        self.counts[1] += yes, 1

    def noises_move(self) -> None:
        """Shared constants alone, a step as wide as the noises' last ones were."""
        beta = self.beta.copy()
        beta[self.own :] += self.noise_root @ self.draw.standard_normal(len(self.noise_root))
        found = self._likelihood(self.b, beta)
        yes = np.isfinite(found).all() and np.log(self.draw.random()) < found.sum() - self.found.sum()
        if yes:
            self.beta, self.found = beta, found
            self.half = self._halves(self.spread, self.beta)
        self.counts[2] += yes, 1

    def turn(self) -> None:
        """One draw."""
        self.devices_move()
        self.population_move()
        if self.noisy:
            self.noises_move()
        self.laws_move()

    def _along_forms(self, z: np.ndarray, new: np.ndarray) -> np.ndarray:
        """A proposal in which the shape's constants move, and the rest as they draw it along."""
        ways = (self.normal.root @ self.shape)[self.forms].T
        basis, _ = np.linalg.qr(ways)
        return z + basis @ (basis.T @ (new - z))

    def laws_move(self) -> None:
        """Means and spreads given all own constants."""
        own, s = self.own, self.spread
        free = self.q.free[:own]
        mean = self.b.mean(0) + s / np.sqrt(self.devices) * self.draw.standard_normal(own)
        self.beta[:own] = np.where(free, mean, self.beta[:own])
        rest = ((self.b - self.beta[:own]) / self.q.unit) ** 2
        for k in range(self.q.groups):
            total = rest[:, self.q.group == k].sum()
            count = self.members[k] * self.devices
            new = 0.5 * np.log(max(total, 1e-300) / self.draw.chisquare(count))
            old = self.log_s[k]
            gain = 2 * (new - old) - np.log((np.exp(2 * new) + self.error2[k]) / (np.exp(2 * old) + self.error2[k]))
            if _LEAST < new < 5 and np.log(self.draw.random()) < gain:
                self.log_s[k] = new
        self.normal = normal_of(self.q, self.spread, self.free)
        self.half = self._halves(self.spread, self.beta)
