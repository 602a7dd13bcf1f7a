"""``export``: write a network for other tools, such as hardware design."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from . import _names
from ._show import print_json, print_table, print_text

__all__ = ["add_to", "show"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(export)


def export(
    source: Path = typer.Argument(
        ..., show_default=False, help="Folder of an audit, a study (.toml), or a saved machine (.safetensors)."
    ),
    format: str = typer.Option(..., show_default=False, autocompletion=_names.formats, help="What to write: verilog."),
    out: Path = typer.Option(..., show_default=False, help="Folder for the files; an earlier export is replaced."),
    chip: int | None = typer.Option(
        None, min=0, show_default=False, help="Chip of the full device, read errors included. [default: software]"
    ),
    vectors: int = typer.Option(100, min=1, help="Inputs with expected answers for the test bench."),
    simulate: bool = typer.Option(False, "--simulate", help="Compare the hardware with Python (Icarus Verilog)."),
    synthesise: bool = typer.Option(False, "--synthesise", help="Count gates and flip-flops (Yosys)."),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else on stdout."),
) -> None:
    """Export a network: hardware description of a Bayesian machine with a self-checking test bench.

    A study is trained on the spot. With --chip, the chips of the audit are made again from its seeds. The exit status
    is 1 when the simulated hardware differs from Python.

    Example: nanoneurons export results/gestures --format verilog --out rtl --simulate
    """
    from nanoneurons.lab import export as lab

    result = lab.run(
        source, format, out, chip=chip, vectors=vectors, simulate=simulate, synthesise=synthesise,
        progress="plain" if json else "auto",
    )  # fmt: skip
    if json:
        print_json(result)
    else:
        show(result)
    if result["simulation"] is not None and not result["simulation"]["passed"]:
        raise typer.Exit(1)


def show(result: dict[str, Any]) -> None:
    """Print what was written, what the simulation said, and the cells."""
    print_text(result["machine"]["layout"])
    print_text(f"{result['folder']}: {', '.join(result['files'])}")
    if result["simulation"] is not None:
        print_text(f"simulation: {result['simulation']['message']}")
    cells = result["synthesis"]
    if cells is not None:
        rows = [
            (block["name"], block["instances"], f"{block['gates']:.4g}", f"{block['flip_flops']:.4g}")
            for block in cells["blocks"]
        ]
        print_text(
            f"{cells['gates']:,} gates of one or two inputs, {cells['flip_flops']:,} flip-flops ({cells['tool']}); "
            f"memory apart: {cells['memory_bits']:,} bits"
        )
        print_table("cells", ("block", "instances", "gates each", "flip-flops each"), rows)
