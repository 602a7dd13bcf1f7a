r"""How numbers between 0 and 1 (the pixels of an image) become the input of a spiking network.

- `ConstantCurrent`: a drive held for the whole sample, ``offset + gain x``.
- `Poisson`: independent spikes at the rate ``x max_rate``. The sum of Poisson processes is one, so the gaps of the
  whole sample are exponential and each spike is given to a pixel with probability proportional to its rate: the cost
  follows the number of spikes, not pixels times steps.
- `Latency`: one spike per pixel, the brighter the earlier.

Spikes do not know the steps of a network; a spike falls into the step that holds its time.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
import torch

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.core.parameter import Parameterized, param
from nanoneurons.core.random import draw_key, start_of, word_at

from .spike_trains import SpikeTrains

__all__ = ["ConstantCurrent", "Drive", "Latency", "Poisson"]

_OURS = "choice of this project"


@dataclass(frozen=True, eq=False)
class Drive:
    """A drive that changes from interval to interval, in the unit of the neurons' drive.

    Attributes:
        values: ``(intervals, *, neurons)`` where * is nothing, ``samples`` or ``chips, samples``.
        interval: time in s for which each is held; the last one is held to the end.
    """

    values: torch.Tensor
    interval: float

    def __post_init__(self) -> None:
        if not (0 < self.interval < math.inf):
            raise ParameterError(f"drive: an interval of {self.interval:g} s is not a positive time")
        if self.values.dim() < 2 or not len(self.values):
            raise DataError(f"drive of shape {tuple(self.values.shape)}; give (intervals, ..., neurons)")


def checked_pixels(x: torch.Tensor) -> torch.Tensor:
    """Samples as float64 ``(samples, pixels)``; a vector is one sample, images ``(samples, *shape)`` are flattened.

    Raises:
        DataError: a value is NaN or outside [0, 1], or there is nothing.
    """
    flat = x.double().reshape(1, -1) if x.dim() < 2 else x.double().flatten(1)
    if not flat.numel():
        raise DataError(f"input of shape {tuple(x.shape)} holds no values; give (samples, pixels)")
    low, high = (float(v) for v in torch.aminmax(flat))
    if low >= 0 and high <= 1:
        return flat
    sample, pixel = (int(i) for i in (~((flat >= 0) & (flat <= 1))).nonzero()[0])
    value = float(flat[sample, pixel])
    if math.isnan(value):
        raise DataError(f"sample {sample} of the input is NaN at pixel {pixel}; repair the data")
    raise DataError(
        f"sample {sample} of the input is {value:g} at pixel {pixel}, outside [0, 1]; divide images of bytes by 255"
    )


@dataclass(frozen=True)
class ConstantCurrent(Parameterized):
    """A drive in proportion to the pixel, held for the whole sample."""

    gain: float = param(4.0, "drive", doc="drive of a full pixel, above the offset", source=_OURS, low=-1e12, high=1e12)
    offset: float = param(0.5, "drive", doc="drive of a dark pixel", source=_OURS, low=-1e12, high=1e12)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Drive ``(samples, pixels)``, float32, of values in [0, 1]."""
        return (self.offset + self.gain * checked_pixels(x)).float()


@dataclass(frozen=True)
class Poisson(Parameterized):
    """Independent random spikes, at a rate in proportion to the pixel."""

    max_rate: float = param(
        63.75, "Hz", doc="rate of a full pixel", low=0.0, high=1e15,
        source="Diehl and Cook, Front. Comput. Neurosci. 9:99 (2015): pixel/8 x intensity 2",
    )  # fmt: skip

    def encode(self, x: torch.Tensor, duration: float, generator: torch.Generator) -> SpikeTrains:
        """Spikes of `duration` seconds; a sample's spikes do not depend on the samples beside it, only on its place.

        Args:
            x: values in [0, 1], ``(samples, pixels)`` or images.
        """
        rates = checked_pixels(x).numpy() * self.max_rate
        _check_duration(duration)
        expected = rates.sum(1) * duration
        room = np.ceil(expected + 8 * np.sqrt(expected) + 16).astype(np.int64)
        starts = np.zeros(len(rates) + 1, np.int64)
        np.cumsum(room, out=starts[1:])
        times, neurons = np.empty(starts[-1]), np.empty(starts[-1], np.int64)
        counts = _poisson(rates, duration, np.uint64(draw_key(generator)), starts, times, neurons)
        kept = np.concatenate([np.arange(s, s + n) for s, n in zip(starts[:-1], counts, strict=True)])
        ends = np.concatenate([[0], np.cumsum(counts)])
        return SpikeTrains(
            torch.from_numpy(times[kept]), torch.from_numpy(neurons[kept]), torch.from_numpy(ends),
            rates.shape[1], (len(rates),),
        )  # fmt: skip


@numba.njit(cache=True)
def _poisson(rates, duration, key, starts, times, neurons):  # pragma: no cover - compiled
    """Spikes of every row, in order, into the room between `starts`; answers how many.

    The room is 8 standard deviations above the mean; a row that would need more ends early (odds below 1e-14).
    """
    rows, size = rates.shape
    counts = np.zeros(rows, np.int64)
    total = np.empty(size)
    for row in range(rows):
        sum_of_rates = 0.0
        for pixel in range(size):
            sum_of_rates += rates[row, pixel]
            total[pixel] = sum_of_rates
        if sum_of_rates <= 0.0:
            continue
        start = start_of(key, row, 0)
        t, n = 0.0, starts[row]
        while n < starts[row + 1]:
            word = np.uint64(2 * (n - starts[row]))
            u = (np.float64(word_at(start, word) >> np.uint64(11)) + 0.5) * 2.0**-53
            v = (np.float64(word_at(start, word + np.uint64(1)) >> np.uint64(11)) + 0.5) * 2.0**-53
            t -= math.log(u) / sum_of_rates
            if t >= duration:
                break
            times[n] = t
            # side right: a pixel without a rate is never chosen
            neurons[n] = min(np.searchsorted(total, v * sum_of_rates, side="right"), size - 1)
            n += 1
        counts[row] = n - starts[row]
    return counts


@dataclass(frozen=True)
class Latency(Parameterized):
    """One spike per pixel, at ``window (1 - x)``; pixels below the threshold stay silent."""

    window: float = param(20e-3, "s", doc="time of the spike of a pixel that is 0", source=_OURS, low=1e-15, high=1e6)
    threshold: float = param(0.01, "1", doc="darker pixels do not fire", source=_OURS, low=0.0, high=1.0)

    def encode(self, x: torch.Tensor) -> SpikeTrains:
        """Spikes of values in [0, 1], ``(samples, pixels)`` or images."""
        flat = checked_pixels(x)
        rows, neurons = (flat >= self.threshold).nonzero(as_tuple=True)
        times = self.window * (1 - flat[rows, neurons])
        return SpikeTrains.of_events(times, neurons, flat.shape[1], rows, (len(flat),))


def _check_duration(duration: float) -> None:
    if not 0 < duration < math.inf:
        raise ParameterError(f"a duration of {duration:g} s is not a positive time")
