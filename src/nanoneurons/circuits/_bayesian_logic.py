r"""The digital part of a Bayesian machine, bit for bit: from likelihoods and observations to a decision.

.. math:: p(y \mid o_1 \dots o_n) \propto \prod_i p(o_i \mid y)

Stochastic modes multiply by ANDing, in every cycle and row, one random bit per column (`_lfsr`); all rows share the
random numbers of a column. Mode ``"full"`` counts the ones of each row over all cycles, ``"first"`` stops as soon as a
row has given a 1, or a chosen number of them. Mode ``"logarithmic"`` adds stored logarithms, each sum stopping at 255,
and shifts the sums out in eight cycles. Of equal rows the lowest wins. A missing observation multiplies by 1 (adds 0).

Source: Harabi et al., Nature Electronics 6, 52 (2023); Turck et al., Communications Engineering 4, 35 (2025).
"""

# pyright: basic
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from nanoneurons.core.errors import ParameterError

from . import _bayesian_kernels as kernels
from ._lfsr import FOLLOWING, HIGHEST, PERIOD, check_seeds, comparator, shifted, spread_seeds, streams

__all__ = ["MISSING", "MODES", "BayesianLogic", "Cycle", "Decision", "Mode"]

Mode = Literal["full", "first", "logarithmic"]
MODES: tuple[Mode, ...] = ("full", "first", "logarithmic")
MISSING = -1
LOGARITHM_CYCLES = 8
MOST_BINS = 2**15 - 1  # addresses are int16


@dataclass(frozen=True, eq=False)
class Decision:
    """What a machine answers, for every chip and sample.

    Attributes:
        counts: ones of every row up to the cycle of the decision, or sums of logarithms, int16, shape
            ``(*chips, samples, rows)``.
        winner: the row decided for, int16, ``(*chips, samples)``; row 0 where nothing was decided.
        cycle: the cycle of the decision, from 1, int16, ``(*chips, samples)``.
        decided: False where no row gave a single 1, or where all sums stopped at 255; bool, ``(*chips, samples)``.
    """

    counts: np.ndarray
    winner: np.ndarray
    cycle: np.ndarray
    decided: np.ndarray


@dataclass(frozen=True, eq=False)
class Cycle:
    """State of the machine in one cycle, for one chip; what a simulation of its hardware must show.

    Attributes:
        number: from 1.
        registers: states of the shift registers, uint8, ``(columns,)``.
        bits: outputs of the rows, bool, ``(samples, rows)``; of sums the bit being shifted out, highest first.
        counts: counters after the cycle, or the sums, ``(samples, rows)``.
    """

    number: int
    registers: np.ndarray
    bits: np.ndarray
    counts: np.ndarray


@dataclass(frozen=True)
class BayesianLogic:
    """Random numbers, comparators, AND rows and counters, or adders, of `columns` observations.

    Args:
        columns: observations; a prior counts as one, which is always observed as 0.
        mode: ``"full"``, ``"first"`` or ``"logarithmic"``.
        cycles: cycles at most, 1 to 255; the logarithmic mode always takes 8.
        seeds: state of each column's register in cycle 1; spread over the period when not given.
        ones: ones of a row that end a decision in mode ``first``; where no row gets there, most ones win.

    Raises:
        ParameterError: unknown mode, impossible number of cycles or of ones, or a seed that cannot be.
    """

    columns: int
    mode: Mode = "full"
    cycles: int = PERIOD
    seeds: tuple[int, ...] = field(default=())
    ones: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ParameterError(f"a Bayesian machine has the modes {', '.join(MODES)}, not {self.mode!r}")
        if not 1 <= self.cycles <= PERIOD or self.cycles != int(self.cycles):
            raise ParameterError(
                f"cycles must be a whole number from 1 to {PERIOD}, not {self.cycles}; after {PERIOD} the random "
                "numbers repeat"
            )
        if not 1 <= self.ones <= PERIOD or self.ones != int(self.ones):
            raise ParameterError(f"ones must be a whole number from 1 to {PERIOD}, not {self.ones}")
        if self.ones > 1 and self.mode != "first":
            raise ParameterError(f"only mode 'first' stops at a number of ones; leave ones at 1 in mode {self.mode!r}")
        given = self.seeds or spread_seeds(self.columns)
        object.__setattr__(self, "seeds", check_seeds(given, self.columns))

    @property
    def length(self) -> int:
        """Cycles of a run that nothing stops."""
        return LOGARITHM_CYCLES if self.mode == "logarithmic" else self.cycles

    @cached_property
    def _streams(self) -> np.ndarray:
        return np.stack([streams(seed, self.cycles) for seed in self.seeds])

    @cached_property
    def _valid(self) -> np.ndarray:
        bits = (np.arange(256) < self.cycles).astype(np.uint8)
        return np.packbits(bits, bitorder="little").view("<u8").astype(np.uint64)

    def decide(self, words: np.ndarray, observed: np.ndarray, upset_rate: float = 0.0, key: int = 0) -> Decision:
        """Decide for every chip and sample.

        Args:
            words: likelihoods in units of 1/255, or logarithms, uint8, ``(*chips, rows, columns, bins)``.
            observed: bins seen, whole numbers of any size (int16 is fastest), ``(samples, columns)``; `MISSING` (-1)
                where nothing was observed.
            upset_rate: probability that a bit of a register flips in a cycle.
            key: key of the upsets' random numbers.

        Raises:
            ParameterError: words or observations of a wrong shape, kind or range.
        """
        words, seen = self._checked(words, observed)
        chips, samples, rows = words.shape[:-3], len(seen), words.shape[-3]
        flat = words.reshape(-1, *words.shape[-3:])
        counts = np.empty((len(flat), samples, rows), np.int16)
        winner = np.empty((len(flat), samples), np.int16)
        decided = np.empty((len(flat), samples), bool)
        cycle = np.full((len(flat), samples), self.length, np.int16)
        for chip, own in enumerate(flat):
            out = (counts[chip], winner[chip], decided[chip])
            if upset_rate > 0:
                registers = (np.array(self.seeds, np.uint8), FOLLOWING, HIGHEST)
                mode = MODES.index(self.mode)
                drawn = (upset_rate, np.uint64(key), np.uint64(chip))
                kernels.with_upsets(own, seen, *registers, self.cycles, mode, self.ones, *drawn, *out, cycle[chip])
            elif self.mode == "logarithmic":
                kernels.sum_logarithms(own, seen, *out)
            else:
                table = kernels.stream_table(own, self._streams, self._valid)
                if self.mode == "full":
                    kernels.count_all(table, seen, *out)
                elif self.ones == 1:
                    kernels.find_first(table, seen, self.cycles, *out, cycle[chip])
                else:
                    kernels.find_several(table, seen, self.cycles, self.ones, *out, cycle[chip])
        parts = (part.reshape(*chips, samples) for part in (winner, cycle, decided))
        return Decision(counts.reshape(*chips, samples, rows), *parts)

    def trace(self, words: np.ndarray, observed: np.ndarray) -> Iterator[Cycle]:
        """The machine cycle by cycle, one chip, without upsets and without stopping early.

        Plain array arithmetic on the registers' states, independent of the compiled kernels.
        """
        words, seen = self._checked(words, observed)
        if words.ndim != 3:
            raise ParameterError(f"a trace shows one chip: words of shape (rows, columns, bins), not {words.shape}")
        absent = seen == words.shape[-1]
        address = np.where(absent, 0, seen)
        held = words[:, np.arange(self.columns), address].transpose(1, 0, 2)  # (samples, rows, columns)
        if self.mode == "logarithmic":
            held = np.where(absent[:, None, :], 0, held).astype(np.int64)
            sums = np.minimum(held.sum(-1), PERIOD)
            for cycle in range(LOGARITHM_CYCLES):
                bits = (sums >> (LOGARITHM_CYCLES - 1 - cycle) & 1).astype(bool)
                yield Cycle(cycle + 1, np.zeros(0, np.uint8), bits, sums)
            return
        registers = np.array(self.seeds, np.uint8)
        counts = np.zeros(held.shape[:2], np.int64)
        for cycle in range(self.cycles):
            bits = (comparator(held, registers) | absent[:, None, :]).all(-1)
            counts = counts + bits
            yield Cycle(cycle + 1, registers, bits, counts)
            registers = np.asarray(shifted(registers.astype(np.int64))).astype(np.uint8)

    def _checked(self, words: np.ndarray, observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        words, given = np.ascontiguousarray(words), np.asarray(observed)
        if words.dtype != np.uint8 or words.ndim < 3 or words.shape[-2] != self.columns:
            raise ParameterError(
                f"words must be uint8 of shape (*chips, rows, {self.columns} columns, bins), not {words.dtype} of "
                f"shape {words.shape}"
            )
        if given.ndim != 2 or given.shape[1] != self.columns or given.dtype.kind not in "iu":
            raise ParameterError(
                f"observations must be whole numbers of shape (samples, {self.columns}), not {given.dtype} of shape "
                f"{given.shape}"
            )
        bins = words.shape[-1]
        if bins > MOST_BINS:
            raise ParameterError(f"a block holds at most {MOST_BINS} words, not {bins}; use fewer bins")
        seen = np.empty(given.shape, np.int16)
        if kernels.addresses(given, bins, seen):
            sample, column = (int(i) for i in np.argwhere((given < MISSING) | (given >= bins))[0])
            raise ParameterError(
                f"observation {given[sample, column]} (sample {sample}, column {column}): bins are 0 to {bins - 1}; "
                f"{MISSING} stands for a missing one"
            )
        return words, seen
