"""``reproduce``: run a published work again and compare with its numbers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import typer

from . import _names
from ._options import assignments
from ._show import number, print_json, print_table, print_text

__all__ = ["add_to", "show"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(reproduce)


def reproduce(
    key: str = typer.Argument(..., show_default=False, autocompletion=_names.papers, help="Paper, or all."),
    quick: bool = typer.Option(False, "--quick", help="A small version, plainly labelled; it gives no verdict."),
    seeds: int | None = typer.Option(None, min=1, show_default=False, help="Independent runs. [default: the paper's]"),
    epochs: int | None = typer.Option(None, min=1, show_default=False, help="Training epochs. [default: the paper's]"),
    setting: list[str] = typer.Option(
        [],
        "--set",
        metavar="NAME=VALUE",
        show_default=False,
        help="Another setting; 'nanoneurons papers KEY' lists them.",
    ),
    workers: int | None = typer.Option(None, min=1, show_default=False, help="Processes. [default: one per core]"),
    out: Path | None = typer.Option(None, show_default=False, help="Folder of results. [default: results/KEY-...]"),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else on stdout."),
) -> None:
    """Reproduce a published work: quantity, published, ours with spread over seeds, verdict.

    The exit status is 0 when every verdict passes and 1 when one falls short. Settings other than the
    paper's are named in the result.

    Example: nanoneurons reproduce majumdar2021-weak-reset --quick
    """
    from nanoneurons import papers
    from nanoneurons.lab import reproduce as lab

    overrides = {**assignments(setting), **({} if epochs is None else {"epochs": epochs})}
    chosen = list(papers.catalogue) if key == "all" else [key]
    for name in chosen:
        papers.catalogue.module(name)  # an unknown name is refused before the first run
    results = []
    for name in chosen:
        own = Path("results") / lab.folder_name(name, quick, seeds, overrides)
        folder = own if out is None else out / name if key == "all" else out
        if len(chosen) > 1:
            print(f"{name} ...", file=sys.stderr)
        result = lab.run(
            name,
            quick=quick,
            seeds=seeds,
            out=folder,
            workers=workers,
            progress="plain" if json else "auto",
            overrides=overrides,
        )
        results.append(result)
        if not json:
            show(result)
            print_text(f"report: {folder / 'report.html'}\n")
    if json:
        print_json(results[0] if key != "all" else {"papers": results})
    if any(row["verdict"] == "short" for result in results for row in result["rows"]):
        raise typer.Exit(1)


def show(result: dict[str, Any]) -> None:
    """Print the table of a reproduction."""
    rows = [
        (
            row["quantity"],
            "-"
            if row["published"] is None
            else number(row["published"]) + ("" if row["verified"] else " (unverified)"),
            _ours(row),
            row["unit"],
            row["seeds"],
            row["tolerance"],
            row["verdict"],
        )
        for row in result["rows"]
    ]
    columns = ("quantity", "published", "ours", "unit", "seeds", "tolerance", "verdict")
    print_table(f"{result['key']} ({result['seconds']:.0f} s)", columns, rows)
    for note in result.get("notes", []):
        print_text(f"  * {note}")


def _ours(row: dict[str, Any]) -> str:
    if row["measured"] is None:
        return "-"
    return number(row["measured"]) + ("" if row["spread"] is None else f" ± {row['spread']:.2g}")
