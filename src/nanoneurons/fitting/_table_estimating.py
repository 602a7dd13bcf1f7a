"""Curves of the table device by maximum likelihood: expectation-maximisation, then Newton; influence by cluster."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ._table_smoothing import Curves, Scores, Sequences, scores

__all__ = ["Solution", "narrowed", "solve"]

_ROUNDS = 40  # most rounds of expectation-maximisation
_SOME = 100  # devices, at least, that the curves are found on first
_READINGS = 200_000  # and their readings
_NUDGE = 1e-4
_FIRST = 8  # rounds before the range is narrowed
_NEWTON = 6
_ENOUGH = 1e-3  # a change in standard errors that ends the search
_BEND = 0.1  # prior spread of the second difference of a mean step between 17 nodes, in steps
_BEND_SCATTER = 0.5  # and of ln of the scatter
_LEAST = -14.0  # least ln of read noise and scatter, in units of the range and of the step


@dataclass(frozen=True)
class Solution:
    """Curves at the maximum, with what the intervals need.

    Attributes:
        names: ``(kind, direction, node)`` of each free parameter: means without the middle node, scatter, noise.
        covariance: of their errors, from the curvature of the likelihood with every gain following.
        influence: of every cluster on them, ``(clusters, parameters)``.
        gain_variance: error variances of the ln gains at given curves, ``(devices, 2, 2)``.
        gain_shape: how far the mean ln gain follows the parameters, ``(2, parameters)``.
    """

    curves: Curves
    last: Scores
    names: tuple[tuple[str, int, int], ...]
    covariance: np.ndarray
    influence: np.ndarray
    gain_variance: np.ndarray
    gain_shape: np.ndarray


def solve(
    data: Sequences, start: Curves, ways: tuple[int, ...], owner: np.ndarray, progress: Callable[[float], None]
) -> Solution:
    """Maximise the likelihood; `owner` is the device of each cluster, `ways` the directions that were pulsed.

    With many devices the curves are found on some of them first; the rest takes a few steps more.
    """
    devices = len(start.gain)
    sample = _sample(data, devices) if len(owner) == devices else None
    if sample is None:
        search = _Search(data, ways, owner, start)
        curves, pieces = _climb(search, start, progress)
        return search.solution(curves, pieces)
    chosen, part = sample
    small = _Search(part, ways, np.arange(len(chosen)), start)
    first = replace(start, gain=start.gain[chosen])
    curves, pieces = _climb(small, first, lambda x: progress(0.7 * x))
    search = _Search(data, ways, owner, start)
    gain = np.tile(np.median(curves.gain, axis=0), (devices, 1))
    gain[chosen] = curves.gain
    curves = replace(curves, gain=gain)
    for number in range(4):
        curves = search.gain_step(curves)
        progress(0.7 + 0.05 * number)
    pieces = pieces.spread(chosen, scores(data, curves, len(owner)).gain_info.sum(2), search.ways)
    for number in range(_NEWTON):
        curves, size = search.newton_step(curves, pieces)
        progress(0.9 + 0.1 * number / _NEWTON)
        if size < _ENOUGH:
            break
    return search.solution(curves, pieces)


def narrowed(data: Sequences, start: Curves, ways: tuple[int, ...], owner: np.ndarray, least: int) -> Curves:
    """The start on nodes between the conductances that were reached, read noise taken off.

    At most as many nodes as `start` has, an odd number; no closer than twice the error of a smoothed conductance; with
    `least` steps each, times the square of scatter over mean step where that is above 1.
    """
    search, curves = _Search(data, ways, owner, start), start
    for _ in range(_FIRST):
        curves = search.expectation_step(curves)
    found = scores(data, curves, len(owner))
    seen = np.isfinite(data.reading) & np.isfinite(found.smooth)
    low, high = np.quantile(found.smooth[seen], [0.002, 0.998])
    steps = min(int((data.pulse == (-1 if d else 1)).sum()) for d in ways)
    apart = (high - low) / (2 * float(np.sqrt(np.median(found.variance[seen]))) + 1e-30)
    loud = max(1.0, *(float(np.exp(2 * np.median(curves.scatter[d]))) for d in ways))
    nodes = int(np.clip(min(apart, steps / (least * loud)), 3, start.mean.shape[1])) // 2 * 2 + 1
    nodes = min(nodes, start.mean.shape[1])
    old, new = np.linspace(curves.low, curves.high, start.mean.shape[1]), np.linspace(low, high, nodes)
    coarse = np.linspace(curves.low, curves.high, start.scatter.shape[1])
    mean = np.stack([np.interp(new, old, row) for row in curves.mean])
    scatter = np.stack([np.interp(np.linspace(low, high, len(coarse)), coarse, row) for row in curves.scatter])
    moved = replace(curves, low=float(low), high=float(high), mean=mean, scatter=scatter)
    return _Search(data, ways, owner, moved).gauged(moved)


def _sample(data: Sequences, devices: int) -> tuple[np.ndarray, Sequences] | None:
    wanted = max(_SOME, round(_READINGS * devices / data.reading.size))
    if devices <= 1.5 * wanted:
        return None
    chosen = np.sort(np.random.default_rng(0).permutation(devices)[:wanted])
    rows = np.isin(data.device, chosen)
    device = np.searchsorted(chosen, data.device[rows])
    return chosen, Sequences(data.reading[rows], data.pulse[rows], device, np.searchsorted(chosen, data.cluster[rows]))


def _climb(search: _Search, curves: Curves, progress: Callable[[float], None]) -> tuple[Curves, _Pieces]:
    for number in range(_ROUNDS):
        before = curves
        curves = search.expectation_step(curves)
        progress(0.5 * number / _ROUNDS)
        moved = max(np.abs(curves.mean - before.mean)[list(search.ways)].max(), abs(curves.noise - before.noise))
        if number > 3 and moved < 2e-3:
            break
    pieces = search.derivatives(curves)
    for number in range(_NEWTON):
        curves, size = search.newton_step(curves, pieces)
        progress(0.5 + 0.5 * number / _NEWTON)
        if size < _ENOUGH:
            break
        if size > 1:  # far away still: the derivatives have changed
            pieces = search.derivatives(curves)
    return curves, pieces


@dataclass(frozen=True)
class _Pieces:
    """Derivatives of the scores: parameters by parameters, gain scores by parameters, parameter scores by gains, gains.

    Shapes ``(parameters, parameters)``, ``(devices, ways, parameters)``, ``(devices, parameters, ways)`` and, inverted,
    ``(devices, ways, ways)``.
    """

    own: np.ndarray
    cross: np.ndarray
    other: np.ndarray
    turned: np.ndarray
    gain_info: np.ndarray

    @property
    def reduced(self) -> np.ndarray:
        """Derivatives in the parameters when every gain follows."""
        return self.own - np.einsum("ipw,iwv,ivq->pq", self.other, self.turned, self.cross)

    def spread(self, chosen: np.ndarray, info: np.ndarray, ways: tuple[int, ...]) -> _Pieces:
        """Of all devices from those of some: their mean, scaled by each device's information."""
        ways_list, devices = list(ways), len(info)
        scale = info[:, ways_list] / np.maximum(self.gain_info[:, ways_list].mean(0), 1e-12)
        cross = scale[:, :, None] * self.cross.mean(0)
        other = scale[:, None, :] * self.other.mean(0)
        both = np.maximum(np.sqrt(scale[:, :, None] * scale[:, None, :]), 1e-9)
        turned = self.turned.mean(0) / both
        for whole, part in ((cross, self.cross), (other, self.other), (turned, self.turned)):
            whole[chosen] = part
        return _Pieces(self.own * devices / len(chosen), cross, other, turned, info)


class _Search:
    def __init__(self, data: Sequences, ways: tuple[int, ...], owner: np.ndarray, like: Curves) -> None:
        self.data, self.ways, self.owner, self.clusters = data, ways, owner, len(owner)
        nodes, coarse = like.mean.shape[1], like.scatter.shape[1]
        self.middle = nodes // 2
        self.free = [("mean", d, k) for d in ways for k in range(nodes) if k != self.middle]
        self.free += [("scatter", d, k) for d in ways for k in range(coarse)] + [("noise", 0, 0)]
        self.bend, self.bend_scatter = _bending(nodes, _BEND * (16 / (nodes - 1)) ** 2), _bending(coarse, _BEND_SCATTER)

    # -- expectation-maximisation ---------------------------------------------------------------------

    def expectation_step(self, curves: Curves) -> Curves:
        found = scores(self.data, curves, self.clusters)
        mean, scatter, gain = curves.mean.copy(), curves.scatter.copy(), curves.gain.copy()
        for d in self.ways:
            tied = self.bend
            right = found.mean[:, d].sum(0) - tied @ mean[d]
            mean[d] += np.linalg.solve(_banded(found.mean_info[d]) + tied, right)
            tied = self.bend_scatter
            right = found.scatter[:, d].sum(0) - tied @ scatter[d]
            scatter[d] += np.clip(np.linalg.solve(_banded(found.scatter_info[d]) + tied, right), -1, 1)
            own = np.bincount(self.owner, found.gain[:, d], len(gain))
            gain[:, d] += np.clip(own / np.maximum(found.gain_info[:, d].sum(1), 1e-9), -0.5, 0.5)
        noise = curves.noise + np.clip(found.noise.sum() / found.noise_info[0], -1, 1)
        return self.gauged(replace(curves, mean=mean, scatter=np.maximum(scatter, _LEAST), noise=noise, gain=gain))

    def gain_step(self, curves: Curves) -> Curves:
        """The gains of the devices alone."""
        found, gain = scores(self.data, curves, self.clusters), curves.gain.copy()
        for d in self.ways:
            own = np.bincount(self.owner, found.gain[:, d], len(gain))
            gain[:, d] += np.clip(own / np.maximum(found.gain_info[:, d].sum(1), 1e-9), -0.5, 0.5)
        return replace(curves, gain=gain)

    def gauged(self, curves: Curves) -> Curves:
        """The same curves with a mean step of one in the middle; the gain takes its size."""
        mean, scatter, gain = curves.mean.copy(), curves.scatter.copy(), curves.gain.copy()
        for d in self.ways:
            size = mean[d, self.middle] * (1 if d == 0 else -1)
            if not size > 0:
                word = "up" if d == 0 else "down"
                raise ArithmeticError(word)
            mean[d] /= size
            scatter[d] -= np.log(size)
            gain[:, d] += np.log(size)
        least = _LEAST + np.log(curves.high - curves.low)
        return replace(curves, mean=mean, scatter=scatter, gain=gain, noise=max(curves.noise, least))

    # -- Newton ---------------------------------------------------------------------------------------

    def vector(self, found: Scores, curves: Curves) -> np.ndarray:
        """Scores of the free parameters, per cluster; the pull of the priors is shared out evenly."""
        pull = {"mean": -curves.mean @ self.bend, "scatter": -curves.scatter @ self.bend_scatter}
        columns = []
        for kind, d, k in self.free:
            if kind == "noise":
                columns.append(found.noise)
            else:
                columns.append(getattr(found, kind)[:, d, k] + pull[kind][d, k] / self.clusters)
        return np.stack(columns, axis=1)

    def changed(self, curves: Curves, step: np.ndarray, gain: np.ndarray | float = 0.0) -> Curves:
        mean, scatter, noise = np.zeros_like(curves.mean), np.zeros_like(curves.scatter), 0.0
        for (kind, d, k), value in zip(self.free, step, strict=True):
            if kind == "mean":
                mean[d, k] = value
            elif kind == "scatter":
                scatter[d, k] = value
            else:
                noise = value
        return curves.moved(mean, scatter, noise, gain)

    def derivatives(self, curves: Curves) -> _Pieces:
        """Of the scores in parameters and gains, by differences."""
        devices, size, ways = len(curves.gain), len(self.free), len(self.ways)
        now = scores(self.data, curves, self.clusters)
        base = self._by_device(self.vector(now, curves), devices), self._gains(now, devices)

        def change(step: np.ndarray, gain: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
            found = scores(self.data, (moved := self.changed(curves, step, gain)), self.clusters)
            after = self._by_device(self.vector(found, moved), devices), self._gains(found, devices)
            return (after[0] - base[0]) / _NUDGE, (after[1] - base[1]) / _NUDGE

        own, cross = np.zeros((size, size)), np.zeros((devices, ways, size))
        for p in range(size):
            theta, cross[:, :, p] = change(_NUDGE * np.eye(size)[p], 0.0)
            own[:, p] = theta.sum(0)
        other, gains = np.zeros((devices, size, ways)), np.zeros((devices, ways, ways))
        for w, d in enumerate(self.ways):
            other[:, :, w], gains[:, :, w] = change(np.zeros(size), _NUDGE * np.eye(2)[d])
        return _Pieces(own, cross, other, _inverse(gains), now.gain_info.sum(2))

    def _by_device(self, values: np.ndarray, devices: int) -> np.ndarray:
        if len(values) == devices:
            return values
        found = np.zeros((devices, values.shape[1]))
        np.add.at(found, self.owner, values)
        return found

    def _gains(self, found: Scores, devices: int) -> np.ndarray:
        return self._by_device(found.gain[:, list(self.ways)], devices)

    def newton_step(self, curves: Curves, pieces: _Pieces) -> tuple[Curves, float]:
        """All parameters and gains together; also the largest change in standard errors."""
        devices, ways = len(curves.gain), list(self.ways)
        now, reduced = scores(self.data, curves, self.clusters), _definite(pieces.reduced)
        theta, gamma = self.vector(now, curves), self._gains(now, devices)
        right = theta.sum(0) - np.einsum("ipw,iwv,iv->p", pieces.other, pieces.turned, gamma)
        step = -np.linalg.solve(reduced, right)
        step *= min(1.0, 0.5 / np.abs(step).max())
        gain = np.zeros((devices, 2))
        gain[:, ways] = -np.einsum("iwv,iv->iw", pieces.turned, gamma + pieces.cross @ step)
        moved = self.changed(curves, step, np.clip(gain, -0.5, 0.5))
        least = _LEAST + np.log(curves.high - curves.low)
        moved = replace(moved, scatter=np.maximum(moved.scatter, _LEAST), noise=max(moved.noise, least))
        error = np.sqrt(np.abs(np.diag(np.linalg.inv(reduced))))
        return moved, float(np.abs(step / error).max())

    def solution(self, curves: Curves, pieces: _Pieces) -> Solution:
        """Errors at the maximum: from the curvature, and as influence of every cluster."""
        devices, ways, turned = len(curves.gain), list(self.ways), pieces.turned
        last = scores(self.data, curves, self.clusters)
        theta, gamma = self.vector(last, curves), last.gain[:, ways]
        pushed = theta - np.einsum("cpw,cwv,cv->cp", pieces.other[self.owner], turned[self.owner], gamma)
        covariance = _covariance(-pieces.reduced)
        follows = np.zeros((2, len(self.free)))
        follows[ways] = -np.einsum("iwv,ivp->wp", turned, pieces.cross) / devices
        variance = np.full((devices, 2, 2), np.nan)
        variance[np.ix_(range(devices), ways, ways)] = -turned
        return Solution(curves, last, tuple(self.free), covariance, pushed @ covariance, variance, follows)


def _bending(nodes: int, spread: float) -> np.ndarray:
    """Precision of a prior on second differences, with a trace of one on the values themselves."""
    bend = np.diff(np.eye(nodes), 2, axis=0)
    return bend.T @ bend / spread**2 + 1e-9 * np.eye(nodes)


def _banded(info: np.ndarray) -> np.ndarray:
    found = np.diag(info[:, 0])
    off = info[:-1, 1]
    return found + np.diag(off, 1) + np.diag(off, -1)


def _inverse(blocks: np.ndarray) -> np.ndarray:
    """Inverses of the negative derivatives' blocks; a device without information in a direction stays where it is."""
    size = blocks.shape[-1]
    blocks = blocks.copy()
    for w in range(size):
        blocks[:, w, w] = np.minimum(blocks[:, w, w], -1e-6)
    return np.linalg.inv(blocks)


def _definite(matrix: np.ndarray) -> np.ndarray:
    """The matrix, its diagonal lengthened until it can be inverted without harm."""
    scale = np.abs(np.diag(matrix)).max()
    sign = np.sign(np.trace(matrix)) or 1.0
    return matrix + sign * 1e-12 * scale * np.eye(len(matrix))


def _covariance(curvature: np.ndarray) -> np.ndarray:
    """Inverse of a curvature; a direction in which the likelihood does not fall gets a very large error."""
    scale = np.sqrt(np.maximum(np.abs(np.diag(curvature)), 1e-12))
    values, vectors = np.linalg.eigh(0.5 * (curvature + curvature.T) / np.outer(scale, scale))
    return (vectors / np.maximum(values, 1e-6)) @ vectors.T / np.outer(scale, scale)
