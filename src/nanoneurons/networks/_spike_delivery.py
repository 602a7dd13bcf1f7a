"""Kernels that move spikes: find them, add the rows of weights of those that fired, low-pass the sum.

Rows of a run are (chip, sample) pairs, ``row = chip * samples + sample``. Events of a step are three parallel arrays:
row, neuron, number of spikes.
"""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numba
import numpy as np
import torch
from torch import nn

from .connections import SparseSynapses
from .spike_trains import EARLY

__all__ = ["Port", "Weights", "collect", "due", "low_pass"]


@numba.njit(cache=True)
def collect(spikes, rows, neurons, counts, per_row, total):  # pragma: no cover - compiled
    """Events of ``spikes (rows, size)``; adds to the spikes per row and per neuron, answers how many events."""
    n = 0
    for r in range(spikes.shape[0]):
        for i in range(spikes.shape[1]):
            s = spikes[r, i]
            if s > 0:
                rows[n], neurons[n], counts[n] = r, i, s
                per_row[r] += s
                total[r, i] += s
                n += 1
    return n


@numba.njit(cache=True)
def due(times, fired, position, ends, copies, end, dt, rows, neurons, counts):  # pragma: no cover - compiled
    """Events of given trains before `end` s; trains that all chips share are given to every one of `copies`."""
    n = 0
    given = len(position)
    end -= EARLY * dt
    for r in range(given):
        p = position[r]
        while p < ends[r] and times[p] < end:
            for c in range(copies):
                rows[n], neurons[n], counts[n] = c * given + r, fired[p], np.float32(1.0)
                n += 1
            p += 1
        position[r] = p
    return n


@numba.njit(cache=True)
def _deliver_dense(rows, neurons, counts, samples, wt, share, into):  # pragma: no cover - compiled
    own = wt.shape[0] > 1
    for e in range(len(rows)):
        chip = rows[e] // samples if own else 0
        weights, target = wt[chip, neurons[e]], into[rows[e]]
        scale = np.float32(share * counts[e])
        for i in range(len(weights)):
            target[i] += scale * weights[i]
    return len(rows) * wt.shape[2]


@numba.njit(cache=True)
def _deliver_sparse(rows, neurons, counts, samples, w, targets, starts, share, into):  # pragma: no cover - compiled
    own = w.shape[0] > 1
    done = 0
    for e in range(len(rows)):
        weights, target = w[rows[e] // samples if own else 0], into[rows[e]]
        scale = np.float32(share * counts[e])
        for s in range(starts[neurons[e]], starts[neurons[e] + 1]):
            target[targets[s]] += scale * weights[s]
        done += starts[neurons[e] + 1] - starts[neurons[e]]
    return done


@numba.njit(cache=True)
def low_pass(y, arriving, kept):  # pragma: no cover - compiled
    """``y = kept y + (1 - kept) arriving``, and `arriving` emptied."""
    new = np.float32(1.0) - kept
    for r in range(y.shape[0]):
        for i in range(y.shape[1]):
            y[r, i] = kept * y[r, i] + new * arriving[r, i]
            arriving[r, i] = np.float32(0.0)


class Weights:
    """Weights by source: what a spike of a neuron adds is one stretch of memory.

    Attributes:
        events: synapses that spikes have passed so far.
    """

    def __init__(self, module: nn.Module, share: float) -> None:
        self.module = module
        self.share = np.float32(share)
        self.sparse = isinstance(module, SparseSynapses)
        self.events = 0
        self.refresh()

    def refresh(self) -> None:
        """Take over the weights as they are now."""
        weight: torch.Tensor = self.module.weight.detach().float()  # type: ignore[union-attr]
        if isinstance(self.module, SparseSynapses):
            self.table = weight.reshape(-1, weight.shape[-1]).contiguous().numpy()
            self.targets, self.starts = self.module.targets.numpy(), self.module.starts.numpy()
        else:
            self.table = weight.reshape(-1, *weight.shape[-2:]).transpose(1, 2).contiguous().numpy()

    def refresh_at(self, where: tuple[torch.Tensor, ...]) -> None:
        """Take over chosen cells only, ``(out[, in])`` or ``(chip, out[, in])``; or ``(synapse,)`` of sparse ones."""
        weight = self.module.weight.detach()  # type: ignore[union-attr]
        chips = weight.dim() == (2 if self.sparse else 3)
        chip, rest = (where[0].numpy(), where[1:]) if chips else (0, where)
        index = tuple(i.numpy() for i in rest)
        values = weight[where].float().numpy()
        if self.sparse:
            self.table[chip, index[0]] = values
        elif len(index) == 2:
            self.table[chip, index[1], index[0]] = values
        else:
            self.table[chip, :, index[0]] = values

    def deliver(
        self, rows: np.ndarray, neurons: np.ndarray, counts: np.ndarray, samples: int, into: np.ndarray
    ) -> None:
        """Add what events send to `into`, ``(rows, out)``."""
        if self.sparse:
            where = self.table, self.targets, self.starts
            self.events += _deliver_sparse(rows, neurons, counts, samples, *where, self.share, into)
        else:
            self.events += _deliver_dense(rows, neurons, counts, samples, self.table, self.share, into)


class Port:
    """Where spikes of one or more connections with the same target, low-pass and delay arrive.

    Attributes:
        y: drive that the target feels, ``(rows, size)``.
        ring: what arrives in the steps to come, ``(delay or 1, rows, size)``.
    """

    def __init__(self, target: str, time_constant: float, delay: int, dt: float) -> None:
        self.target, self.time_constant, self.delay = target, time_constant, delay
        self.kept = np.float32(math.exp(-dt / time_constant) if time_constant > 0 else 0.0)

    def start(self, rows: int, size: int) -> None:
        """Nothing under way."""
        self.y = np.zeros((rows, size), np.float32)
        self.ring = np.zeros((max(self.delay, 1), rows, size), np.float32)

    def entry(self, step: int) -> np.ndarray:
        """Where spikes of this step go."""
        return self.ring[step % len(self.ring)]

    def advance(self, step: int) -> None:
        """Bring `y` to what is felt in `step`."""
        low_pass(self.y, self.ring[step % len(self.ring)], self.kept)
