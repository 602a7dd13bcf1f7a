r"""Draws from the joint posterior of a pulsed fit: population, shared constants and every device's own constants.

The search (`_pulsed_search`) leaves a quadratic of each device's log-likelihood. Given the spreads *s* it makes
everything normal: the means and shared constants :math:`\beta`, and given them each device's own constants
:math:`b_i`. A chain moves in the standardised residuals of that approximation, and accepts by the filter's likelihood,
so that the approximation costs time and not truth; bounds with a long tail are carried through a map (`_pulsed_warp`).
In turn:

* each device's own constants, given the rest;
* :math:`\beta` and *s* together, every :math:`b_i` carried along with its residual kept;
* means and spreads given all :math:`b_i`, exactly.

Priors: flat for means, shared constants and logarithms of noises. A spread has the density :math:`s^2 / (s^2 + v)` of
its logarithm, with *v* the error variance of one device's constant: its intervals then hold the truth as often as they
say (Tiao and Tan, Biometrika 52, 37 (1965)), and it may come close to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nanoneurons.fitting._pulsed_chain import Chain
from nanoneurons.fitting._pulsed_point import Point

__all__ = ["FEWEST", "Draws", "effective_number", "sample"]

_WARM = (40, 60, 90)  # draws of each stage, after which proposals are adapted
_CHUNK, _MOST, _ENOUGH = 100, 1000, 30  # draws between checks, at most, and independent ones that are enough
_LONGER = 2.5  # times as many of both where proposals have long tails: short chains do not show how slow they are
_HOPELESS = 50  # draws for an independent one, and 300 at the least, with which a chain is not gone on with
FEWEST, _AGAIN = 15, 2  # independent ones below which all is learned anew from the draws, and how often at most


@dataclass(frozen=True)
class Draws:
    """Draws of the chain.

    Attributes:
        beta: means of own constants, then shared ones, ``(draws, n)``.
        spread: standard deviation of each own constant, ``(draws, own)``.
        own: own constants, ``(draws, devices, own)``.
        effective: smallest number of independent draws among means and spreads.
        accepted: share of accepted moves: of devices, of the population.
    """

    beta: np.ndarray
    spread: np.ndarray
    own: np.ndarray
    effective: float
    accepted: tuple[float, float]


class _Past:
    """Draws so far: population, logarithms of spreads, own constants, and the residuals of beta when drawn."""

    def __init__(self) -> None:
        self.beta: list[np.ndarray] = []
        self.log_s: list[np.ndarray] = []
        self.own: list[np.ndarray] = []
        self.residual: list[np.ndarray] = []

    def extend(self, chain: Chain, number: int) -> None:
        """Draw `number` times."""
        for _ in range(number):
            chain.turn()
            self.beta.append(chain.beta.copy())
            self.log_s.append(chain.log_s.copy())
            self.own.append(chain.b)
            self.residual.append(chain.residual())


def sample(point: Point, *, seed: int = 0, progress: Callable[[float], None] | None = None) -> Draws:
    """Draw from the posterior, from the point that a search has found, until every mean and spread is known well."""
    chain = Chain(point, seed)
    if not np.isfinite(chain.found).all():
        raise FloatingPointError("the search ended where a device has no likelihood")
    for k, stage in enumerate(_WARM):
        past = _Past()
        past.extend(chain, stage)
        _learn(chain, past, anew=k < len(_WARM) - 1)
    progress = _rising(progress) if progress else None  # what begins again has still come further
    for turn in range(_AGAIN + 1):
        past, least = _drawn(chain, turn, progress)
        if least >= FEWEST or turn == _AGAIN:
            break
        _learn(chain, past, anew=True)  # so few that the proposals cannot suit: they are made from these draws
    share = chain.counts[:, 0] / np.maximum(chain.counts[:, 1], 1)
    spread = np.array([chain.q.spreads(s) for s in past.log_s])
    return Draws(np.array(past.beta), spread, np.array(past.own), float(least), (float(share[0]), float(share[1])))


def _rising(progress: Callable[[float], None]) -> Callable[[float], None]:
    """Progress that never goes back."""
    most = 0.0

    def tell(share: float) -> None:
        nonlocal most
        most = max(most, share)
        progress(most)

    return tell


def _learn(chain: Chain, past: _Past, *, anew: bool) -> None:
    """Propose as the past draws lie, but for their first third; `anew` approximates about them, too."""
    late = slice(len(past.beta) // 3, None)
    residuals = past.residual[late]
    if anew and chain.warp is not None:
        chain.recentre(*(np.mean(part[late], axis=0) for part in (past.own, past.beta, past.log_s)))
        residuals = [chain.residual(beta) for beta in past.beta[late]]
    chain.adapt(np.array(residuals))


def _drawn(chain: Chain, turn: int, progress: Callable[[float], None] | None) -> tuple[_Past, float]:
    """Draws until they are worth enough independent ones, and how many they are worth."""
    chain.counts[:] = 0
    past, least = _Past(), 0.0
    longer = _LONGER if chain.tail else 1.0
    most, enough = longer * _MOST, longer * _ENOUGH
    while len(past.beta) < most:
        past.extend(chain, _CHUNK)
        number = len(past.beta)
        moving = np.concatenate([np.array(past.beta)[:, chain.free], np.array(past.log_s)], axis=1)
        least = float(effective_number(moving).min())
        if progress:
            progress(min(1.0, max(least / enough, number / most)))
        if number >= 2 * _CHUNK and least >= enough:
            break
        if chain.warp is not None and turn < _AGAIN and number >= _HOPELESS * least + 300:
            break
    return past, least


def effective_number(x: np.ndarray) -> np.ndarray:
    """Number of independent draws that tell the mean of each column ``(draws, n)`` as well.

    Autocorrelations are summed in pairs while a pair is positive (Geyer, Statistical Science 7, 473 (1992)).
    """
    number = len(x)
    away = x - x.mean(0)
    power = np.abs(np.fft.rfft(away, 2 * number, axis=0)) ** 2
    correlation = np.fft.irfft(power, axis=0)[:number]
    correlation = correlation / np.maximum(correlation[0], 1e-300)
    pairs = correlation[1 : 2 * ((number - 1) // 2) + 1].reshape(-1, 2, x.shape[1]).sum(1)
    kept = np.cumprod(pairs > 0, axis=0)
    return number / (1 + 2 * (pairs * kept).sum(0))
