"""``report``: write the report of a folder of results anew."""

from __future__ import annotations

from pathlib import Path

import typer

from ._show import print_json, print_text

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(report)


def report(
    folder: Path = typer.Argument(
        ..., show_default=False, help="Folder of an audit, a design, a fit or a reproduction."
    ),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else."),
) -> None:
    """Write report.html in a folder of results anew, from its rows.json.

    Example: nanoneurons report results/hfox-weak-reset-digits
    """
    from nanoneurons.lab import report as writer

    path = writer.write(folder)
    if json:
        print_json({"report": str(path)})
    else:
        print_text(f"report: {path}")
