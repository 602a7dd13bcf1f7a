r"""Energy of a decision of a Bayesian machine: what happens in each mode, what an event takes, and a microcontroller's.

Blocks and their registers are those of the exported hardware (`nanoneurons.machines`). Their cells come from Yosys, the
energy of each change from an open 130 nm library, the number of changes from the machine's own bits;
``scripts/gate_energy.py`` does it again.

Not priced: address decoders and word lines, glitches, long wires, the clock's tree, leakage, finding the bin of an
observation (as in the microcontroller's figures).
"""

from __future__ import annotations

from nanoneurons.core.energy import Comparison, Counts, Price

__all__ = ["CAUSES", "PRICES", "comparisons", "decision_counts"]

BITS = 8
CONTROL = 10  # flip-flops that start, count cycles and stop
SERIAL = 8  # cycles in which sums are shifted out

_NODE = "130 nm"
_CELLS = "cells of IHP SG13G2 (1.2 V, 25 °C), counted changes"


def _price(femtojoule: float, what: str) -> Price:
    return Price(femtojoule * 1e-15, f"{what}: {_CELLS}", _NODE)


PRICES = {
    "random number": _price(141.6, "step of an 8-bit register, 3 gates and 4.02 bits that change"),
    "comparison": _price(40.9, "one bit from a word and a random number, 13 cells, mean of all words"),
    "and": _price(3.5, "one column of a row's product, 1.2 cells"),
    "count": _price(119.2, "an 8-bit counter goes on by one, 16 cells and 1.85 bits that change"),
    "selection": _price(131.9, "the larger of two 8-bit counts, 32 cells"),
    "addition": _price(208.9, "8-bit addition that stops at 255, 36 cells"),
    "shift": _price(177.0, "a row's sum goes round by one bit, 8 cells and 4.1 bits that change"),
    "clock": _price(31.0, "one flip-flop clocked once, its bit unchanged"),
}
CAUSES = {
    "memory": ("sense",),
    "random numbers": ("random number",),
    "logic": ("comparison", "and", "count", "selection", "addition", "shift"),
    "clock": ("clock",),
}


def decision_counts(mode: str, rows: int, columns: int, cycles: float, ones: float | None = None) -> Counts:
    """Events of one decision besides reading the memory.

    Args:
        mode: ``"full"``, ``"first"`` or ``"logarithmic"``.
        columns: observations, the prior included.
        cycles: clock cycles taken, a mean over samples where it varies; always 8 in mode ``"logarithmic"``.
        ones: ones counted by all rows together (mode ``"full"``), a mean; every bit a one when not given.
    """
    blocks = rows * columns
    words = BITS * blocks  # flip-flops that keep what the memory gave, clocked once
    if mode == "logarithmic":
        clocked = BITS * rows + rows + 1 + CONTROL
        events = {"addition": rows * (columns - 1), "shift": rows * SERIAL, "count": SERIAL}
        return _counts({**events, "clock": clocked * SERIAL + words})
    counters = mode == "full"
    counted = 0.0 if not counters else rows * cycles if ones is None else ones
    clocked = BITS * columns + BITS * rows * counters + CONTROL
    return _counts(
        {
            "random number": columns * cycles,
            "comparison": blocks * cycles,
            "and": blocks * cycles,
            "count": cycles + counted,  # control counts the cycles
            "selection": (rows - 1) * counters,
            "clock": clocked * cycles + words,
        }
    )


def _counts(events: dict[str, float]) -> Counts:
    return Counts({name: float(number) for name, number in events.items() if number})


# -- the same inference in a microcontroller ----------------------------------------------------------------

_M0, _M4 = 93e-6 * 3.0 / 1e6, 100e-6 * 3.0 / 1e6  # J per cycle
_M0_TEXT = "STM32L072 (Cortex-M0+, 110 nm), 93 µA/MHz in its data sheet, at 3 V"
_M4_TEXT = "STM32L476 (Cortex-M4 with floating point, 90 nm), 100 µA/MHz at 26 MHz as presented by ST, at 3 V"
_SOFTWARE = 166  # cycles per product of 32-bit floats, GCC's library on Cortex-M0
_LOAD = 2  # cycles
_COMPARE = 3  # cycles: compare, and a branch taken
_STRAIGHT = "straight-line code without loops or calls"
_BYTE, _ADD = 10e-12 / 8, 0.03e-12  # J: a byte of a 64-bit read of 8 kB, an 8-bit addition (45 nm)


def comparisons(rows: int, columns: int) -> tuple[Comparison, ...]:
    """Energies of one naive-Bayes decision by other means: table reads, products or sums, and the largest of them."""
    loads = rows * columns + columns
    products = rows * (columns - 1)
    others = _LOAD * loads + _COMPARE * (rows - 1)
    counted = f"{loads} loads of {_LOAD} cycles, {rows - 1} comparisons of {_COMPARE}, {_STRAIGHT}"
    return (
        Comparison(
            "microcontroller, floating point in software", (others + _SOFTWARE * products) * _M0,
            f"{products} products of {_SOFTWARE} cycles (GCC's library, measured by the author of Qfplib), {counted}: "
            f"{_M0_TEXT}",
        ),
        Comparison(
            "microcontroller, 8-bit logarithms", (others + products) * _M0,
            f"{products} additions of 1 cycle, {counted}: {_M0_TEXT}", verified=False,
        ),
        Comparison(
            "microcontroller, floating point in hardware", (others + products) * _M4,
            f"{products} products of 1 cycle, {counted}: {_M4_TEXT}", verified=False,
        ),
        Comparison(
            "digital circuit with a small memory, 8-bit logarithms", rows * columns * _BYTE + products * _ADD,
            f"{rows * columns} bytes of 1.25 pJ from 8 kB, {products} additions of 0.03 pJ, control left out: "
            "Horowitz, ISSCC 2014, 45 nm", verified=False,
        ),
    )  # fmt: skip
