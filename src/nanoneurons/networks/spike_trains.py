"""Spikes as events: who fired when, for many samples and chips at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from nanoneurons.core.errors import DataError

__all__ = ["EARLY", "SpikeTrains"]

EARLY = 1e-4  # share of a step by which a spike may come early, so that multiples of dt fall into their own step


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of a group of neurons, row by row; a row is one sample, or one sample on one chip.

    Memory follows the number of spikes, not neurons times steps. What a network records can drive another network.

    Attributes:
        times: moments in s, float64, ``(events,)``, in order within each row.
        neurons: who fired, int64, ``(events,)``.
        starts: the events of row r are ``starts[r]`` up to ``starts[r + 1]``, int64, ``(rows + 1,)``.
        size: neurons of the group.
        shape: of the rows, ``(samples,)`` or ``(chips, samples)``.

    Raises:
        DataError: a time is negative or not finite, a neuron is not one of the group, or the parts do not fit.
    """

    times: torch.Tensor
    neurons: torch.Tensor
    starts: torch.Tensor
    size: int
    shape: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        rows = math.prod(self.shape)
        if len(self.starts) != rows + 1 or len(self.times) != len(self.neurons) or self.starts[-1] != len(self.times):
            raise DataError(
                f"spike trains: {len(self.times)} times, {len(self.neurons)} neurons and {len(self.starts)} starts do "
                f"not make rows of shape {self.shape}; build them with SpikeTrains.of_events"
            )
        if not len(self.times):
            return
        if not bool((torch.isfinite(self.times) & (self.times >= 0)).all()):
            raise DataError("spike trains: a time is negative, infinite or NaN; times are s from the start of the run")
        low, high = (int(n) for n in torch.aminmax(self.neurons))
        if low < 0 or high >= self.size:
            culprit = low if low < 0 else high
            raise DataError(
                f"spike trains: neuron {culprit} is not one of the {self.size} of the group, 0 to {self.size - 1}"
            )
        falls = self.times.diff() < 0
        first = self.starts[1:-1]
        falls[first[(first > 0) & (first < len(self.times))] - 1] = False  # a new row may start anew
        if bool(falls.any()):
            raise DataError("spike trains: times of a row are not in order; build them with SpikeTrains.of_events")

    @classmethod
    def of_events(
        cls,
        times: torch.Tensor,
        neurons: torch.Tensor,
        size: int,
        rows: torch.Tensor | None = None,
        shape: tuple[int, ...] = (1,),
    ) -> SpikeTrains:
        """Trains of events in any order: their times in s, neurons, and rows (of one row without them)."""
        times = torch.as_tensor(times, dtype=torch.float64).flatten()
        neurons = torch.as_tensor(neurons, dtype=torch.int64).flatten()
        where = torch.zeros_like(neurons) if rows is None else torch.as_tensor(rows, dtype=torch.int64).flatten()
        if not len(times) == len(neurons) == len(where):
            raise DataError(
                f"spike trains: {len(times)} times, {len(neurons)} neurons, {len(where)} rows; give one each per spike"
            )
        total = math.prod(shape)
        if len(where) and not (int(where.min()) >= 0 and int(where.max()) < total):
            raise DataError(f"spike trains: a spike lies in row {int(where.max())}, but shape {shape} has {total} rows")
        order = torch.argsort(times, stable=True)
        order = order[torch.argsort(where[order], stable=True)]
        starts = torch.zeros(total + 1, dtype=torch.int64)
        starts[1:] = torch.bincount(where, minlength=total).cumsum(0)
        return cls(times[order], neurons[order], starts, size, shape)

    def __len__(self) -> int:
        """Number of spikes, all rows together."""
        return len(self.times)

    @property
    def rows(self) -> torch.Tensor:
        """Row of each spike, int64, ``(events,)``."""
        return torch.repeat_interleave(torch.arange(len(self.starts) - 1), self.starts.diff())

    def of(self, *index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Times in s and neurons of one row, by its sample, or chip and sample."""
        row = 0
        for position, extent in zip(index, self.shape, strict=True):
            row = row * extent + range(extent)[position]
        events = slice(int(self.starts[row]), int(self.starts[row + 1]))
        return self.times[events], self.neurons[events]

    def counts(self) -> torch.Tensor:
        """Number of spikes of each neuron, float32, ``(*shape, size)``."""
        flat = torch.bincount(self.rows * self.size + self.neurons, minlength=math.prod(self.shape) * self.size)
        return flat.reshape(*self.shape, self.size).float()

    def dense(self, dt: float, steps: int) -> torch.Tensor:
        """Number of spikes in each step of `dt` s, float32, ``(*shape, size, steps)``; later spikes are left out."""
        step = torch.floor(self.times / dt + EARLY).long()
        kept = step < steps
        index = (self.rows * self.size + self.neurons) * steps + step
        flat = torch.bincount(index[kept], minlength=math.prod(self.shape) * self.size * steps)
        return flat.reshape(*self.shape, self.size, steps).float()
