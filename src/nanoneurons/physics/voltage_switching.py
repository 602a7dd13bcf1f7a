r"""Change of a memristive weight by one voltage pulse: two thresholds, an exponential in voltage, soft bounds.

.. math::
    \Delta w = a_p\,(1 - w)^{\gamma_p}\,\left|e^{-\alpha_p (V + \theta_p)} - 1\right| \quad (V < -\theta_p), \qquad
    \Delta w = -a_n\,w^{\gamma_n}\,\left|e^{\alpha_n (V - \theta_n)} - 1\right| \quad (V > \theta_n)

for *w* between 0 and 1, which it does not leave. `Law.share` blends the dependence on *w* from its value at
``w = 1/2`` (0: the same step everywhere, then hard bounds) to the full one (1).

Source: Garg et al., arXiv:2510.25787 (2025), equations as in the authors' public program.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
import torch

from nanoneurons.core.random import normal_of, start_of, turned, word_at

__all__ = ["NO_ROWS", "Law", "Rows", "amplitude", "change", "change_at", "pulse_at", "write_row"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_LARGEST = 60.0  # exponent beyond which any step is from bound to bound


class Law(NamedTuple):
    """Constants of the law: voltages in V, the rest without unit."""

    threshold_up: float
    threshold_down: float
    steepness_up: float  # 1/V
    steepness_down: float  # 1/V
    exponent_up: float
    exponent_down: float
    rate_up: float
    rate_down: float
    share: float


class Rows(NamedTuple):
    """Devices of a whole array, as compiled loops take them; `write_row` changes them in place.

    Attributes:
        weight, gain, scale: w, factor of changes and factor of thresholds, ``(chips, out, in)``, float32.
        law: constants of the nominal device.
        cycle, jitter: relative spread of changes and of thresholds from pulse to pulse.
        rise, fall: voltage across a device per volt of a negative and of a positive potential.
        zero, slope: the weight that a reader sees is ``zero + slope w``.
        key: of the random numbers.
        written: rows written so far, ``(chips,)``; it counts the draws.
    """

    weight: np.ndarray
    gain: np.ndarray
    scale: np.ndarray
    law: Law
    cycle: float
    jitter: float
    rise: float
    fall: float
    zero: float
    slope: float
    key: np.uint64
    written: np.ndarray


def change(w: torch.Tensor, volts: torch.Tensor, law: Law, scale: torch.Tensor | float = 1.0) -> torch.Tensor:
    """Change of weights by one pulse of `volts` across each, bounds not yet applied.

    Args:
        scale: factor of both thresholds of each device.
    """
    over_up = (-volts - law.threshold_up * scale).clamp(min=0)
    over_down = (volts - law.threshold_down * scale).clamp(min=0)
    up = _blended((1 - w) ** law.exponent_up, law.exponent_up, law.share)
    down = _blended(w**law.exponent_down, law.exponent_down, law.share)
    rise = law.rate_up * up * torch.expm1((law.steepness_up * over_up).clamp(max=_LARGEST))
    return rise - law.rate_down * down * torch.expm1((law.steepness_down * over_down).clamp(max=_LARGEST))


def _blended(shape: torch.Tensor, exponent: float, share: float) -> torch.Tensor:
    level = 0.5**exponent
    return shape if share == 1 else (level + share * (shape - level)).clamp(min=0)


@numba.njit(inline="always")
def change_at(w, volts, law, scale):  # pragma: no cover - compiled
    """`change` for one device, in a compiled loop."""
    over = -volts - law.threshold_up * scale
    if over > 0.0:
        shape = (1.0 - w) ** law.exponent_up
        if law.share != 1.0:
            level = 0.5**law.exponent_up
            shape = max(level + law.share * (shape - level), 0.0)
        return law.rate_up * shape * math.expm1(min(law.steepness_up * over, _LARGEST))
    over = volts - law.threshold_down * scale
    if over > 0.0:
        shape = w**law.exponent_down
        if law.share != 1.0:
            level = 0.5**law.exponent_down
            shape = max(level + law.share * (shape - level), 0.0)
        return -law.rate_down * shape * math.expm1(min(law.steepness_down * over, _LARGEST))
    return 0.0


def amplitude(step: float, law: Law) -> tuple[float, float]:
    """Voltages whose pulse changes a weight of 1/2 by plus and by minus `step`: below and above zero."""
    up = law.threshold_up + math.log1p(step / (law.rate_up * 0.5**law.exponent_up)) / law.steepness_up
    down = law.threshold_down + math.log1p(step / (law.rate_down * 0.5**law.exponent_down)) / law.steepness_down
    return -up, down


@numba.njit(cache=True, nogil=True)
def pulse_at(w, volts, law, gain, scale, cycle, jitter, word):  # pragma: no cover - compiled
    """Weight of one device after one pulse, with the noise of a random word."""
    if jitter > 0.0:
        scale = max(scale * (1.0 + jitter * normal_of(turned(word))), 0.0)
    moved = change_at(w, volts, law, scale)
    if moved == 0.0:
        return w
    if cycle > 0.0:
        gain *= max(1.0 + cycle * normal_of(word), 0.0)
    return min(max(w + gain * moved, 0.0), 1.0)


@numba.njit(cache=True, nogil=True)
def write_row(rows, chip, j, potentials, seen):  # pragma: no cover - compiled
    """One pulse on each device of row `j` of a chip, of the voltage that its potential asks for.

    Args:
        potentials: ``(in,)``, in V; positive ones lower the conductance.
        seen: weights as read, ``(in,)``, brought up to date.
    """
    noisy = rows.cycle > 0.0 or rows.jitter > 0.0
    start = start_of(rows.key, chip, rows.written[chip])
    rows.written[chip] += 1
    weight, gain, scale = rows.weight[chip, j], rows.gain[chip, j], rows.scale[chip, j]
    # devices whose thresholds are not reached are passed over at once
    margin = 1.0 if rows.jitter == 0.0 else max(1.0 - 7.0 * rows.jitter, 0.0)
    for i in range(weight.shape[0]):
        v = np.float32(potentials[i])
        volts = np.float32(v * (rows.fall if v > 0.0 else rows.rise))
        reach = scale[i] * margin
        if -rows.law.threshold_up * reach <= volts and volts <= rows.law.threshold_down * reach:
            continue
        word = word_at(start, i) if noisy else np.uint64(0)
        w = pulse_at(
            float(weight[i]), float(volts), rows.law, float(gain[i]), float(scale[i]), rows.cycle, rows.jitter, word
        )
        weight[i] = w
        seen[i] = rows.zero + rows.slope * w


_NOTHING = np.zeros((1, 0, 0), np.float32)
NO_ROWS = Rows(
    _NOTHING, _NOTHING, _NOTHING, Law(*(1.0,) * 9), 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, np.uint64(0), np.zeros(1, np.int64)
)
