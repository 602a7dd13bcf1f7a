"""Counting bit errors of simulated memories: log-normal states, threshold or pair, with or without a code.

The law is that of `hfox-binary` with equal spreads; the kernels draw it and read it a few hundred million times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numba
import numpy as np
import torch
from scipy.stats import binomtest

from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.circuits.single_cell import SingleCell
from nanoneurons.core.random import draw_key, normal_at, start_of, word_at
from nanoneurons.devices import MemoryDevice
from nanoneurons.physics import error_rates

__all__ = ["METHODS", "Point", "cell_rate", "count", "count_through_circuit"]

METHODS = ("1t1r", "2t2r", "hamming74", "secded84")
_LENGTH = {"hamming74": 7, "secded84": 8}
_SIGMA = 0.4  # spread of ln R of both states; error rates depend only on the window measured in it
_CHUNK = 20_000_000


@dataclass(frozen=True)
class Point:
    """Counted errors of one method at one rate, all seeds together."""

    method: str
    name: str
    expected: float
    errors: int
    trials: int
    by_seed: tuple[float, ...]

    def interval(self, level: float) -> tuple[float, float]:
        """Exact (Clopper-Pearson) interval of the error rate."""
        found = binomtest(self.errors, self.trials).proportion_ci(level, method="exact")
        return float(found.low), float(found.high)

    def inside(self, level: float) -> bool:
        """Whether the closed form lies in the interval."""
        low, high = self.interval(level)
        return low <= self.expected <= high


def cell_rate(method: str, rate: float) -> float:
    """Error rate of a single cell (1T1R) whose memory, read by `method`, errs at `rate`."""
    if method == "1t1r":
        return rate
    if method == "2t2r":
        return float(error_rates.threshold_error(error_rates.window_for_pair_error(rate, 1, 1), 1, 1))
    return error_rates.cell_rate_for_code_residual(rate, _LENGTH[method])


def count(
    method: str, rate: float, trials: int, generator: torch.Generator, progress: Callable[[float], None] | None = None
) -> int:
    """Errors in `trials` bits of a memory made so that `method` errs at `rate`, by the closed form.

    With a code, a trial is one word of which one data bit, each in turn, is looked at: so trials are independent.
    """
    window = np.float32(error_rates.window_for_threshold_error(cell_rate(method, rate), _SIGMA))
    errors = done = 0
    while done < trials:
        n = min(_CHUNK, trials - done)
        key = np.uint64(draw_key(generator))
        if method == "1t1r":
            errors += _single(key, n, window, np.float32(_SIGMA))
        elif method == "2t2r":
            errors += _pair(key, n, window, np.float32(_SIGMA))
        else:
            length = _LENGTH[method]
            errors += _coded(key, n, window, np.float32(_SIGMA), *error_rates.decode_tables(length), length)
        done += n
        if progress is not None:
            progress(done / trials)
    return int(errors)


def count_through_circuit(method: str, device: MemoryDevice, trials: int, generator: torch.Generator) -> int:
    """Errors in bits written to and read from the device through the circuit, as a network would."""
    circuit = {"1t1r": SingleCell, "2t2r": DifferentialPair}[method](device)
    errors, rows = 0, 1000
    for first in range(0, trials, 1_000_000):
        shape = (rows, math.ceil(min(1_000_000, trials - first) / rows))
        target = torch.randint(0, 2, shape, generator=generator).float() * 2 - 1
        state = circuit.program(circuit.init(shape, generator), target, generator)
        errors += int((circuit.weights(state) != target).sum())
    return errors


@numba.njit(cache=True)
def _single(key, trials, window, sigma):  # pragma: no cover - compiled
    """One device, LRS and HRS in turn, against the middle of the window."""
    start, threshold, errors = start_of(key, 0, 0), np.float32(0.5) * window, 0
    for i in range(trials):
        noise = sigma * normal_at(start, i)
        wrong = window + noise < threshold if i & 1 else noise > threshold
        errors += 1 if wrong else 0
    return errors


@numba.njit(cache=True)
def _pair(key, trials, window, sigma):  # pragma: no cover - compiled
    """Two devices, one in each state, compared."""
    low, high, errors = start_of(key, 0, 0), start_of(key, 0, 1), 0
    for i in range(trials):
        errors += 1 if sigma * normal_at(low, i) > window + sigma * normal_at(high, i) else 0
    return errors


@numba.njit(cache=True)
def _coded(key, trials, window, sigma, words, decoded, length):  # pragma: no cover - compiled
    """A word of single cells holding random data, decoded; one data bit of it is compared."""
    cells, contents, threshold, errors = start_of(key, 0, 0), start_of(key, 0, 1), np.float32(0.5) * window, 0
    for i in range(trials):
        data = np.int64(word_at(contents, i) & np.uint64(15))
        sent, received = words[data], 0
        for place in range(length):
            noise = sigma * normal_at(cells, i * length + place)
            value = window + noise if (sent >> place) & 1 else noise
            received |= (1 if value > threshold else 0) << place
        errors += ((decoded[received] ^ data) >> (i & 3)) & 1
    return errors
