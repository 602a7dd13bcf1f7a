"""The page that says what each exported file is and how to run it."""

from __future__ import annotations

from ._verilog_design import BENCH, BLOCKS, MACHINE, MEMORY, Design

__all__ = ["readme"]


def readme(design: Design, chip: int | None, vectors: int, traced: int) -> str:
    """Text of ``README.md``."""
    s = design.sizes
    of = "" if chip is None else f" It is chip {chip}: the words are what its devices gave when they were read."
    prior = " Column 0 is the prior and has no input." if s["prior"] else ""
    seeds = "" if s["mode"] == "logarithmic" else f" Seeds of the columns: {', '.join(map(str, design.logic.seeds))}."
    return f"""# A Bayesian machine in SystemVerilog

{s["rows"]} hypotheses (rows), {s["columns"]} observations (columns), {s["bins"]} values each.{prior}{of}

Mode `{design.logic.mode}`: {s["mode_words"]}. At most {s["length"]} cycles.{seeds}

| file | what it is |
| --- | --- |
| `{MACHINE}` | the machine `bayesian_machine`; its ports are explained at the top |
| `{BLOCKS}` | its blocks: random numbers, comparator, row, counter, adder, decision, control |
| `{MEMORY}` | its memory; replace the module by your own of the same ports |
| `{BENCH}` | bench: {vectors} decisions of the Python machine, {traced} of them compared in every cycle |
| `vectors.hex`, `trace.hex` | what the bench compares with |
| `edges.csv` | feature behind each column and limits between its values; a value on a limit belongs above it |
| `machine.safetensors` | the same machine for Python: `BayesianMachine.load` |

Simulate (Icarus Verilog 11 or newer), here in this folder:

    iverilog -g2012 -s bayesian_machine_tb -o simulation {MACHINE} {BLOCKS} {MEMORY} {BENCH}
    vvp -n simulation

It prints `PASS`, or `FAIL` with the first difference and a status that is not 0.

Synthesise (Yosys):

    yosys -p "read_verilog -sv {MACHINE} {BLOCKS} {MEMORY}; synth -top bayesian_machine; stat"

Timing: a rising edge with `start` = 1 and `busy` = 0 reads the inputs; cycle 1 follows, in which the comparators see
the seeds. `done` rises with the edge that ends the last cycle, and the outputs hold until the next start.

Not described: the devices (a read error is part of the words above), transient upsets, how features become values.
"""
