r"""Error rates of binary memories whose two states have log-normal resistances, in closed form.

With :math:`\ln R_L \sim N(\mu_L, \sigma_L)`, :math:`\ln R_H \sim N(\mu_H, \sigma_H)`, independent, and both
states written equally often, a cell read against the threshold :math:`\theta` errs at

.. math:: p_1 = \tfrac12 Q\!\left(\frac{\theta-\mu_L}{\sigma_L}\right)
              + \tfrac12 Q\!\left(\frac{\mu_H-\theta}{\sigma_H}\right)

and a complementary pair compared by an amplifier of offset :math:`\sigma_{SA}` at

.. math:: p_2 = Q\!\left(\frac{\mu_H-\mu_L}{\sqrt{\sigma_L^2+\sigma_H^2+\sigma_{SA}^2}}\right).

All functions take ``window`` = :math:`\mu_H-\mu_L` in units of ln R and thresholds measured from
:math:`\mu_L`. Arguments are floats or arrays; so is the answer.

Not modelled: distributions with other tails, errors that come in bursts, amplifiers with a mean offset.

Source: Bocquet et al., IEDM 2018 (arXiv 1902.02528) for the comparison; the formulas follow from the
two normal laws, the code polynomials from counting error patterns.
"""

from __future__ import annotations

import itertools
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import root_scalar
from scipy.special import ndtr, ndtri

from nanoneurons.core.errors import ParameterError

__all__ = [
    "best_threshold",
    "cell_rate_for_code_residual",
    "code_residual",
    "decode_tables",
    "pair_error",
    "sigma_for_pair_error",
    "threshold_error",
    "window_for_pair_error",
    "window_for_threshold_error",
]


def threshold_error(
    window: ArrayLike, sigma_low: ArrayLike, sigma_high: ArrayLike, threshold: ArrayLike | None = None
) -> np.ndarray | float:
    """Bit error rate of one device against a threshold (1T1R); the best threshold when none is given."""
    window, low, high = (np.asarray(v, float) for v in (window, sigma_low, sigma_high))
    at = best_threshold(window, low, high) if threshold is None else np.asarray(threshold, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        missed = ndtr(-np.where(low > 0, at / low, np.inf * np.sign(at)))
        false = ndtr(-np.where(high > 0, (window - at) / high, np.inf * np.sign(window - at)))
    return 0.5 * (missed + false)[()]


def best_threshold(window: ArrayLike, sigma_low: ArrayLike, sigma_high: ArrayLike) -> np.ndarray | float:
    r"""Threshold above :math:`\mu_L` where the two densities cross, which makes the error rate least.

    For equal spreads the middle of the window; otherwise the root between the medians of
    :math:`x^2/\sigma_L^2 - (w-x)^2/\sigma_H^2 = 2\ln(\sigma_H/\sigma_L)`. Where the densities do not
    cross between the medians (a very small window) the nearer median is returned.
    """
    w, low, high = (np.asarray(v, float) for v in (window, sigma_low, sigma_high))
    if np.any(w < 0) or np.any(low < 0) or np.any(high < 0):
        raise ParameterError("error rates need a window and spreads of at least 0 (in ln R)")
    w, low, high = np.broadcast_arrays(w, low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        # a x^2 + 2 b x + c = 0, in the form whose denominator does not vanish for equal spreads
        a = high**2 - low**2
        b = low**2 * w
        c = -(low**2) * w**2 - 2 * low**2 * high**2 * np.log(high / low)
        root = -c / (b + np.sqrt(np.maximum(b * b - a * c, 0.0)))
    # a state without spread sits on one side of the threshold whatever its distance
    tiny = 1e-12 * np.maximum(w, 1.0)
    root = np.where(low == 0, tiny, np.where(high == 0, w - tiny, root))
    root = np.where((low == 0) & (high == 0), w / 2, root)
    return np.clip(np.nan_to_num(root, nan=0.0), 0.0, w)[()]


def pair_error(
    window: ArrayLike, sigma_low: ArrayLike, sigma_high: ArrayLike, sigma_sense: ArrayLike = 0.0
) -> np.ndarray | float:
    """Bit error rate of a complementary pair read by an amplifier of random offset (2T2R)."""
    total = np.sqrt(np.square(sigma_low) + np.square(sigma_high) + np.square(sigma_sense))
    window = np.asarray(window, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(total > 0, window / total, np.inf * np.sign(window))
    return ndtr(-np.where(np.isnan(z), 0.0, z))[()]


def window_for_threshold_error(rate: ArrayLike, sigma: ArrayLike) -> np.ndarray | float:
    """Window in ln R at which single cells of equal spreads err at `rate`: twice the spread times z."""
    return (2 * np.asarray(sigma, float) * _z(rate))[()]


def window_for_pair_error(
    rate: ArrayLike, sigma_low: ArrayLike, sigma_high: ArrayLike, sigma_sense: ArrayLike = 0.0
) -> np.ndarray | float:
    """Window in ln R at which pairs err at `rate`."""
    total = np.sqrt(np.square(sigma_low) + np.square(sigma_high) + np.square(sigma_sense))
    return (total * _z(rate))[()]


def sigma_for_pair_error(rate: ArrayLike, window: ArrayLike, sigma_sense: ArrayLike = 0.0) -> np.ndarray | float:
    """Spread in ln R, the same for both states, at which pairs of a given window err at `rate`."""
    square = (np.asarray(window, float) / _z(rate)) ** 2 - np.square(sigma_sense)
    if np.any(square < 0):
        raise ParameterError("the amplifier alone errs more often than the wanted rate; give a smaller sigma_sense")
    return np.sqrt(square / 2)[()]


def _z(rate: ArrayLike) -> np.ndarray:
    rate = np.asarray(rate, float)
    if np.any((rate <= 0) | (rate > 0.5)):
        raise ParameterError("an error rate must lie above 0 and not above 0.5")
    return -ndtri(rate)


# -- error-correcting codes of the same redundancy -----------------------------------------------------

_SINGLE = ((0b0111, 0b1011, 0b1101), 7)  # rows of the parity part of Hamming(7,4), data bits 0 to 3


@lru_cache
def decode_tables(length: int) -> tuple[np.ndarray, np.ndarray]:
    """Code words and decoder of Hamming(7,4) (`length` 7) or of the extended (8,4) code (8).

    Returns:
        words: 16 code words, data in bits 0 to 3, checks above.
        decoded: for each received word its data bits. (8,4) corrects single errors, and hands on the
            data bits as received when it detects a double error (SECDED).
    """
    if length not in (7, 8):
        raise ParameterError(f"known codes have length 7 (SEC) or 8 (SECDED), not {length}")
    checks, _ = _SINGLE
    words = np.zeros(16, np.int64)
    for data in range(16):
        word = data
        for place, mask in enumerate(checks):
            word |= ((data & mask).bit_count() & 1) << (4 + place)
        if length == 8:
            word |= (word.bit_count() & 1) << 7
        words[data] = word
    decoded = np.zeros(2**length, np.int64)
    for received in range(2**length):
        distance = [(int(word) ^ received).bit_count() for word in words]
        near = int(np.argmin(distance))
        decoded[received] = near if distance[near] <= 1 else received & 0b1111
    return words, decoded


@lru_cache
def _residual_weights(length: int) -> tuple[float, ...]:
    """Mean share of wrong data bits, summed over all error patterns of each weight."""
    _, decoded = decode_tables(length)
    sums = [0.0] * (length + 1)
    for pattern in itertools.product((0, 1), repeat=length):  # the code is linear: send the zero word
        received = sum(bit << place for place, bit in enumerate(pattern))
        sums[sum(pattern)] += int(decoded[received]).bit_count() / 4
    return tuple(sums)


def code_residual(rate: ArrayLike, length: int = 7) -> np.ndarray | float:
    r"""Exact error rate of data bits after decoding, :math:`\sum_k c_k\, p^k (1-p)^{n-k}`.

    Bits of the code err independently at `rate`. Length 7 is Hamming(7,4), single error correction;
    8 the extended code that also detects double errors, whose data bits are then used as received.
    """
    p = np.asarray(rate, float)
    if np.any((p < 0) | (p > 1)):
        raise ParameterError("an error rate must lie between 0 and 1")
    weights = _residual_weights(length)
    return sum((c * p**k * (1 - p) ** (length - k) for k, c in enumerate(weights)), np.zeros_like(p))[()]


def cell_rate_for_code_residual(residual: float, length: int = 7) -> float:
    """Error rate of single cells at which the decoded data bits err at `residual`, the inverse of `code_residual`."""
    if not 0 < residual < 0.5:
        raise ParameterError("a residual error rate must lie between 0 and 0.5")
    found = root_scalar(lambda p: code_residual(p, length) - residual, bracket=(0.0, 0.5), xtol=1e-16, rtol=1e-12)
    return float(found.root)
