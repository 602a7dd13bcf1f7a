"""SystemVerilog text of one Bayesian machine: the machine, its memory, and vectors made by the Python machine."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from typing import Any

import numpy as np

from nanoneurons.circuits._bayesian_logic import MISSING, BayesianLogic
from nanoneurons.core.errors import RefusedError

__all__ = ["BENCH", "BLOCKS", "MACHINE", "MEMORY", "Design"]

MACHINE = "bayesian_machine.sv"
BLOCKS = "bayesian_blocks.sv"
MEMORY = "likelihoods.sv"
BENCH = "bayesian_machine_tb.sv"

_MODES = {
    "full": "ones of every row are counted over all cycles (stochastic)",
    "first": "ends with the first cycle in which a row gives 1 (stochastic)",
    "logarithmic": "stored logarithms are added, sums stop at 255 and are shifted out in eight cycles",
}
_COUNTS = {"full": "ones of every row", "first": "bits of the last cycle", "logarithmic": "sum of every row"}
_WINNERS = {
    "full": "row of the largest count",
    "first": "row that gave the first 1",
    "logarithmic": "row of the least sum",
}
_DECIDED = {
    "full": "0 where no row gave a single 1",
    "first": "0 where no row gave a single 1",
    "logarithmic": "0 where all sums stopped at 255",
}


@dataclass(frozen=True, eq=False)
class Design:
    """One machine, as its hardware description needs it.

    Args:
        logic: mode, cycles, seeds and the ones that end a decision.
        words: uint8, ``(rows, columns, bins)``.
        prior: whether column 0 is the prior: no input, always observed as 0.
    """

    logic: BayesianLogic
    words: np.ndarray
    prior: bool = False

    def __post_init__(self) -> None:
        if self.words.ndim != 3:
            raise RefusedError(
                f"a hardware description is of one chip: words of shape (rows, columns, bins), not {self.words.shape}; "
                "choose a chip"
            )
        if self.prior and self.logic.columns < 2:
            raise RefusedError("a machine that knows nothing but its prior has no inputs; give it an observation")

    @cached_property
    def sizes(self) -> dict[str, Any]:
        """Numbers and words that the templates use."""
        rows, columns, bins = self.words.shape
        mode, ones = self.logic.mode, self.logic.ones
        # More ones than one are counted: the counters of mode full, and a stop.
        shown = "full" if ones > 1 else mode
        return {
            "rows": rows,
            "columns": columns,
            "bins": bins,
            "inputs": columns - self.prior,
            "address": max(1, (bins - 1).bit_length()),
            "winner": max(1, (rows - 1).bit_length()),
            "prior": self.prior,
            "mode": shown,
            "ones": ones,
            "length": self.logic.length,
            "seeds": ", ".join(f"8'd{seed}" for seed in reversed(self.logic.seeds)),
            "mode_words": f"ends when a row has given {ones} ones (stochastic)" if ones > 1 else _MODES[mode],
            "counts_words": _COUNTS[shown],
            "winner_words": _WINNERS[shown],
            "decided_words": _DECIDED[shown],
        }

    def sources(self) -> dict[str, str]:
        """Files to synthesise, by name."""
        text = _template(MACHINE + ".j2").render(self.sizes)
        return {MACHINE: text, BLOCKS: _resource(BLOCKS), MEMORY: self._memory()}

    def bench(self, observed: np.ndarray, traced: int) -> dict[str, str]:
        """The self-checking bench and the vectors it compares with.

        Args:
            observed: bins, ``(vectors, columns)``, the prior's column included.
            traced: vectors compared in every cycle.
        """
        seen = np.array(observed)
        if self.prior:
            seen[:, 0] = 0
        traced = min(traced, len(seen))
        values = {**self.sizes, "vectors": len(seen), "traced": traced, "width": sum(self._widths)}
        vectors = "\n".join(self._vectors(seen)) + "\n"
        trace = "\n".join(self._trace(seen[:traced])) + "\n"
        return {BENCH: _template(BENCH + ".j2").render(values), "vectors.hex": vectors, "trace.hex": trace}

    # -- content ------------------------------------------------------------------------------------------

    def _memory(self) -> str:
        rows, columns, bins = self.words.shape
        address, first = self.sizes["address"], int(self.prior)
        lines = [
            f"// Memory of a Bayesian machine: {rows} x {columns} tables of {bins} words of 8 bits. A value beyond "
            f"{bins - 1} reads 0.",
            "// Replace the module by a memory of your own with the same ports.",
            "`default_nettype none",
            "",
            "module likelihoods (",
            f"  input  wire [{(columns - first) * address - 1}:0] observed,  // {address} bits a column, "
            "the first column lowest",
            f"  output wire [{8 * rows * columns - 1}:0] words  // (row, column) at 8 * (row * {columns} + column)",
            ");",
        ]
        for column in range(columns):
            table = ["".join(f"{word:02x}" for word in self.words[::-1, column, b]) for b in range(bins)]
            lines += ["", f"  // Column {column}: the words of all rows, the last row's first."]
            if column < first:  # the prior
                lines.append(f"  wire [{8 * rows - 1}:0] column_{column} = {8 * rows}'h{table[0]};")
                continue
            at = (column - first) * address
            lines += [
                f"  reg [{8 * rows - 1}:0] column_{column};",
                f"  wire [{address - 1}:0] value_{column} = observed[{at + address - 1}:{at}];",
                "  always_comb",
                f"    case (value_{column})",
                *(f"      {address}'d{b}: column_{column} = {8 * rows}'h{line};" for b, line in enumerate(table)),
                f"      default: column_{column} = {8 * rows}'d0;",
                "    endcase",
            ]
        lines.append("")
        for row, column in itertools.product(range(rows), range(columns)):
            at = 8 * (row * columns + column)
            lines.append(f"  assign words[{at + 7}:{at}] = column_{column}[{8 * row + 7}:{8 * row}];")
        return "\n".join([*lines, "endmodule", "", "`default_nettype wire", ""])

    @property
    def _widths(self) -> tuple[int, ...]:
        """Bits of a vector's parts, lowest first: observed, missing, counts, winner, cycle, decided."""
        s = self.sizes
        return s["inputs"] * s["address"], s["inputs"], 8 * s["rows"], s["winner"], 8, 1

    def _vectors(self, seen: np.ndarray) -> list[str]:
        found = self.logic.decide(self.words, seen)
        given = seen[:, int(self.prior) :]
        lines = []
        for n, values in enumerate(given):
            absent = values == MISSING
            parts = (
                _joined(np.where(absent, 0, values), self.sizes["address"]), _joined(absent, 1),
                _joined(found.counts[n], 8), int(found.winner[n]), int(found.cycle[n]), int(found.decided[n]),
            )  # fmt: skip
            lines.append(_hex(parts, self._widths))
        return lines

    def _trace(self, seen: np.ndarray) -> list[str]:
        """A line per cycle, the vectors after each other: row bits, counts after the cycle, registers."""
        rows, columns = self.sizes["rows"], self.sizes["columns"]
        cycles = list(self.logic.trace(self.words, seen))
        registers = [_joined(c.registers, 8) for c in cycles]
        widths = (rows, 8 * rows, 8 * columns)
        return [
            _hex((_joined(c.bits[n], 1), _joined(c.counts[n], 8), state), widths)
            for n in range(len(seen))
            for c, state in zip(cycles, registers, strict=True)
        ]


def _joined(values: np.ndarray, width: int) -> int:
    """Numbers of `width` bits side by side, the first lowest."""
    total = 0
    for place, value in enumerate(values):
        total |= int(value) << (width * place)
    return total


def _hex(parts: tuple[int, ...], widths: tuple[int, ...]) -> str:
    total, at = 0, 0
    for part, width in zip(parts, widths, strict=True):
        total |= part << at
        at += width
    return f"{total:0{-(-at // 4)}x}"


def _resource(name: str) -> str:
    return resources.files(__package__ or "").joinpath("templates", name).read_text(encoding="utf-8")


@cache
def _template(name: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    return environment.from_string(_resource(name))
