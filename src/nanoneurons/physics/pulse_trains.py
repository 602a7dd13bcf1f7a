r"""Counts of stochastic update pulses, drawn once per mini-batch.

Rows and columns send random bit streams; a cell moves where two bits meet. For one sample the number of
meetings is binomial with mean :math:`|x||d|\,\eta/\Delta w`; summed over a mini-batch, with rare meetings, it is
Poisson. Up and down meetings of a cell are independent, with means

.. math:: \mu_\pm = \frac{a \pm c}{2\,\Delta w}, \qquad c = \eta\sum x d, \quad a = \eta\sum |x||d| .

Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016).
"""

from __future__ import annotations

import math

import numba
import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import chip_shape, normal_at, start_of, uniform_at

__all__ = ["CHUNK", "draw_counts", "draw_counts_plain", "first_gap", "meetings", "refuse"]

CHUNK = 1024  # cells looked at together; their buffers stay in the fastest cache
_STRIPE = 16  # cells searched together for the place of a pulse
_LARGE = 20.0  # from this mean on a normal number, rounded, stands for the Poisson one
_MOST = 1e6  # pulses per cell and mini-batch; more is a diverged training run


def draw_counts(
    change: torch.Tensor, activity: torch.Tensor, per_weight: float, key: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Pulses up and down (int32) for a wanted change and its activity, `per_weight` pulses per unit of them.

    Raises:
        ParameterError: change or activity are not finite, or ask for more than a million pulses of one cell.
    """
    if change.device.type != "cpu":
        return draw_counts_plain(change, activity, per_weight, key)
    flat = chip_shape(tuple(change.shape))
    up, down = (torch.zeros(change.shape, dtype=torch.int32) for _ in range(2))
    arrays = [t.to(torch.float32).contiguous().view(flat).numpy() for t in (change, activity)]
    if not _draw(*arrays, np.float32(per_weight), np.uint64(key), up.view(flat).numpy(), down.view(flat).numpy()):
        refuse()
    return up, down


def draw_counts_plain(
    change: torch.Tensor, activity: torch.Tensor, per_weight: float, key: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same law in tensor operations, on any torch device."""
    total = activity.abs() * per_weight
    if not bool((total < _MOST).all()) or not bool(torch.isfinite(change).all()):
        refuse()
    generator = torch.Generator(change.device).manual_seed(key)
    signed = (change * per_weight).clamp(min=-total, max=total)
    up, down = (torch.poisson(((total + s * signed) * 0.5).clamp(min=0), generator=generator) for s in (1, -1))
    return up.to(torch.int32), down.to(torch.int32)


def refuse() -> None:
    """Raise the error of a change that no pulse train can carry out."""
    raise ParameterError(
        "the wanted change is not finite, or asks for a million pulses at once: training has diverged; "
        "lower the learning rate"
    )


@numba.njit(cache=True)
def _sound(change, activity, per_weight):  # pragma: no cover - compiled
    """Whether all numbers are finite and not absurd; a comparison with NaN is false."""
    sound = True
    for i in range(change.size):
        sound &= (abs(activity[i]) * per_weight < np.float32(_MOST)) & (abs(change[i]) * per_weight < np.float32(_MOST))
    return sound


@numba.njit(cache=True)
def meetings(change, activity, per_weight, key, chip, offset, rest, event, cells, ups, downs):
    # pragma: no cover - compiled
    """Cells of a chunk that are pulsed, with their pulses up and down; how many cells, -1 for a change out of bounds.

    One Poisson process of unit rate runs along the cells of a chip, a cell being as long as its expected number of
    pulses: `rest` is how far the next pulse still lies, `event` its number. So the cost is that of the pulses, not
    of the cells. Each pulse chooses its direction. Returns count, rest, event.
    """
    n = activity.size
    if not _sound(change, activity, per_weight):
        return -1, rest, event
    gaps, ways = start_of(key, chip, 0), start_of(key, chip, 1)
    half, zero = np.float32(0.5), np.float32(0.0)
    reach = np.empty(_STRIPE, np.float32)  # where each cell of a stripe ends
    a, b = np.empty(_STRIPE, np.int64), np.empty(_STRIPE, np.int64)
    found = 0
    for first in range(0, n, _STRIPE):
        width = min(_STRIPE, n - first)
        length = highest = zero
        for j in range(width):
            mean = abs(activity[first + j]) * per_weight
            highest = max(highest, mean)
            length += mean if mean < np.float32(_LARGE) else zero
            reach[j] = length
        if rest > length and highest < np.float32(_LARGE):
            rest -= length
            continue
        for j in range(width):
            a[j] = 0
            b[j] = 0
        while rest <= length:
            j = 0
            for k in range(width - 1):
                j += 1 if reach[k] < rest else 0
            pushed = abs(activity[first + j])
            rising = uniform_at(ways, event) * pushed < half * (pushed + change[first + j])
            a[j] += 1 if rising else 0
            b[j] += 0 if rising else 1
            event += 1
            rest -= np.float32(math.log(uniform_at(gaps, event)))
        rest -= length
        if highest >= np.float32(_LARGE):
            for j in range(width):
                mean = abs(activity[first + j]) * per_weight
                if mean >= np.float32(_LARGE):
                    up = min(max(half * (mean + change[first + j] * per_weight), zero), mean)
                    place = -1 - 2 * (offset + first + j)
                    a[j] = max(np.int64(math.floor(up + math.sqrt(up) * normal_at(gaps, place) + half)), 0)
                    up = mean - up
                    b[j] = max(np.int64(math.floor(up + math.sqrt(up) * normal_at(gaps, place - 1) + half)), 0)
        for j in range(width):
            cells[found] = first + j
            ups[found] = a[j]
            downs[found] = b[j]
            found += 1 if a[j] + b[j] > 0 else 0
    return found, rest, event


@numba.njit(cache=True)
def first_gap(key, chip):  # pragma: no cover - compiled
    """Distance of a chip's first pulse from the start of its process."""
    return np.float32(-math.log(uniform_at(start_of(key, chip, 0), 0)))


@numba.njit(cache=True)
def _draw(change, activity, per_weight, key, up, down):  # pragma: no cover - compiled
    chips, count = change.shape
    cells, ups, downs = np.empty(CHUNK + 1, np.int64), np.empty(CHUNK + 1, np.int64), np.empty(CHUNK + 1, np.int64)
    for chip in range(chips):
        rest, event = first_gap(key, chip), 0
        for first in range(0, count, CHUNK):
            c, a = change[chip, first : first + CHUNK], activity[chip, first : first + CHUNK]
            found, rest, event = meetings(c, a, per_weight, key, chip, first, rest, event, cells, ups, downs)
            if found < 0:
                return False
            for k in range(found):
                up[chip, first + cells[k]] = ups[k]
                down[chip, first + cells[k]] = downs[k]
    return True
