r"""Random bits of a Bayesian machine: an 8-bit shift register with feedback, and the comparator behind it.

.. math::
    r \leftarrow \{r_6 \dots r_0,\; r_7 \oplus r_5 \oplus r_4 \oplus r_3\}, \qquad
    b = p_k,\; k = \text{position of the highest 1 of } r

The register (polynomial :math:`x^8 + x^6 + x^5 + x^4 + 1`) runs through all 255 non-zero states. The highest 1 is at
position *k* in :math:`2^k` of them, so over a period the comparator gives exactly *p* ones: :math:`P(1) = p/255`.
In cycle 1 the comparator sees the seed itself. A register at zero, which only an upset can bring about, stays there,
and its comparator gives 0.

Not modelled: delays, glitches, the supply.

Source: Harabi et al., Nature Electronics 6, 52 (2023), and its published hardware description (taps, comparator).
"""

# pyright: basic
from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cache

import numpy as np

from nanoneurons.core.errors import ParameterError

__all__ = [
    "FOLLOWING",
    "HIGHEST",
    "PERIOD",
    "check_seeds",
    "comparator",
    "sequence",
    "shifted",
    "spread_seeds",
    "streams",
]

PERIOD = 255
WORDS = 4  # 64-bit words that hold a period


def shifted(state: np.ndarray | int) -> np.ndarray | int:
    """Next state of the register; whole numbers from 0 to 255, any shape."""
    bit = (state >> 7 ^ state >> 5 ^ state >> 4 ^ state >> 3) & 1
    return (state << 1 | bit) & 0xFF


def sequence(seed: int, cycles: int = PERIOD) -> np.ndarray:
    """States seen in cycles 1, 2, ..., uint8, shape ``(cycles,)``; the first is the seed."""
    states = np.empty(cycles, np.uint8)
    state = int(seed)
    for cycle in range(cycles):
        states[cycle] = state
        state = int(shifted(state))
    return states


def comparator(p: np.ndarray | int, state: np.ndarray | int) -> np.ndarray:
    """Output bits (bool) for likelihoods `p` and register states, both 0 to 255, broadcast against each other."""
    return (np.asarray(p, np.uint8) & HIGHEST[np.asarray(state, np.uint8)]) != 0


# the highest 1 of every state, and the state after it
HIGHEST = np.array([0, *(1 << (state.bit_length() - 1) for state in range(1, 256))], np.uint8)
FOLLOWING = np.asarray(shifted(np.arange(256))).astype(np.uint8)


@cache
def _place() -> np.ndarray:
    """Cycle at which each state comes when the register starts at 1, int16, shape ``(256,)``; -1 for state 0."""
    place = np.full(256, -1, np.int16)
    place[sequence(1)] = np.arange(PERIOD)
    return place


def spread_seeds(columns: int) -> tuple[int, ...]:
    """Seeds of `columns` registers, as far apart in their common period as can be."""
    if not 1 <= columns <= PERIOD:
        raise ParameterError(f"a machine has 1 to {PERIOD} columns of random numbers, not {columns}")
    return tuple(int(sequence(1)[round(k * PERIOD / columns)]) for k in range(columns))


def check_seeds(seeds: Sequence[int], columns: int) -> tuple[int, ...]:
    """The seeds as whole numbers, one per column.

    Warns:
        UserWarning: two columns have equal seeds, so that their random bits are the same.

    Raises:
        ParameterError: a seed is zero (the register would stay there) or not in 1 ... 255, or too few or many.
    """
    found = tuple(int(seed) for seed in seeds)
    if len(found) != columns:
        raise ParameterError(f"{len(found)} seeds for {columns} columns; give one per column, or none to spread them")
    for column, seed in enumerate(found):
        if seed == 0:
            raise ParameterError(
                f"the seed of column {column} is 0, where a shift register stays for ever; take one from 1 to 255"
            )
        if not 0 < seed <= PERIOD or seed != seeds[column]:
            raise ParameterError(f"the seed of column {column} is {seeds[column]!r}; take a whole number from 1 to 255")
    for column, seed in enumerate(found):
        if seed in found[:column]:
            warnings.warn(
                f"columns {found.index(seed)} and {column} have the same seed {seed}: their random bits are equal, "
                "so their likelihoods are not multiplied but the smaller one is taken; give different seeds",
                stacklevel=3,
            )
            break
    return found


@cache
def _from_one() -> np.ndarray:
    """Output bits of every likelihood over two periods that begin with state 1, bool, shape ``(256, 510)``."""
    once = comparator(np.arange(256)[:, None], sequence(1)[None, :])
    return np.concatenate([once, once], 1)


def streams(seed: int, cycles: int = PERIOD) -> np.ndarray:
    """Output bits of every likelihood in cycles 1 ... `cycles`, packed: bit *b* of word *w* is cycle ``64 w + b + 1``.

    Returns:
        uint64, shape ``(256, 4)``; bits beyond `cycles` are 0.
    """
    first = int(_place()[seed])
    bits = np.zeros((256, 64 * WORDS), np.uint8)
    bits[:, :cycles] = _from_one()[:, first : first + cycles]
    return np.ascontiguousarray(np.packbits(bits, axis=1, bitorder="little")).view("<u8").astype(np.uint64)
