"""``audit``: what a network of these devices reaches, what each imperfection costs, at what energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from nanoneurons.core.errors import StudyError

from . import _names
from ._options import assignments
from ._show import print_json, print_table, print_text

__all__ = ["add_to", "show"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(audit)


def audit(
    study: Path | None = typer.Argument(
        None, metavar="[STUDY.toml]", show_default=False, help="Study file; options below override what it says."
    ),
    device: str | None = typer.Option(
        None, show_default=False, autocompletion=_names.devices, help="Device, device:preset, or a device file (.toml)."
    ),
    parameter: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", show_default=False, help='Device parameter, with unit: --set "g_max=25 uS".'
    ),
    task: str | None = typer.Option(
        None, show_default=False, autocompletion=_names.tasks, help="Data set, or user:PATH. [default: digits]"
    ),
    network: str | None = typer.Option(
        None, show_default=False, help="Layer sizes, for example 784-512-10. [default: auto]"
    ),
    rule: str | None = typer.Option(
        None, show_default=False, autocompletion=_names.rules, help="Learning rule. [default: the device's]"
    ),
    chips: int | None = typer.Option(None, show_default=False, help="Chips simulated side by side. [default: 8]"),
    seed: int | None = typer.Option(None, show_default=False, help="Seed of every random number. [default: 0]"),
    epochs: int | None = typer.Option(None, show_default=False, help="Passes over the data. [default: the rule's]"),
    batch: int | None = typer.Option(None, show_default=False, help="Mini-batch size. [default: the rule's]"),
    workers: int | None = typer.Option(None, min=1, show_default=False, help="Processes. [default: one per core]"),
    out: Path | None = typer.Option(None, show_default=False, help="Folder of results. [default: results/<study>]"),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else on stdout."),
    fit_draws: int | None = typer.Option(
        None,
        show_default=False,
        help="Draws of a fitted device's parameters within their intervals, 0 for none. [default: 8; 4 if quick]",
    ),
    quick: bool | None = typer.Option(
        None, "--quick", show_default=False, help="A small, labelled version: few epochs and samples."
    ),
) -> None:
    """Audit a device: accuracy chip by chip, the cost of each imperfection, yield, energy.

    Writes rows.json and report.html into --out. A killed audit goes on where it stopped when the same command
    is given again, and gives the same rows on any number of workers.

    Example: nanoneurons audit --device hfox-weak-reset --task mnist --chips 8
    """
    from nanoneurons.lab import audit as lab
    from nanoneurons.lab.study import Study

    given = {
        "device": device,
        "task": task,
        "network": network,
        "rule": rule,
        "chips": chips,
        "seed": seed,
        "epochs": epochs,
        "batch": batch,
        "workers": workers,
        "fit_draws": fit_draws,
        "quick": quick,
    }
    if study is None and device is None:
        raise StudyError("say what to audit: a study file, or --device NAME ('nanoneurons devices' lists them)")
    base = {} if study is None else Study.load(study).model_dump()
    if parameter:
        given["device_parameters"] = {**base.get("device_parameters", {}), **assignments(parameter)}
    asked = Study(**{**base, **{key: value for key, value in given.items() if value is not None}})
    folder = out or Path("results") / asked.folder_name()
    result = lab.run(asked, folder, workers, "plain" if json else "auto")
    if json:
        print_json(result)
    else:
        show(result)
        print_text(f"report: {folder / 'report.html'}")


def show(result: dict[str, Any]) -> None:
    """Print the tables of an audit: accuracies, costs, energy, and the answer in words."""
    from nanoneurons.lab.words import percent, points, requirement_sentence, si

    print_table(
        f"accuracy of {result['study']['chips']} chips",
        ("condition", "mean", "95 % interval", "worst chip", "best chip"),
        [
            (
                row["label"],
                percent(row["mean"]),
                "" if row["low"] is None else f"{percent(max(row['low'], 0.0))} to {percent(min(row['high'], 1.0))}",
                percent(min(row["accuracy"])),
                percent(max(row["accuracy"])),
            )
            for row in result["rows"]
            if not row["condition"].startswith("fit:")
        ],
    )
    if result["fit"] is not None:
        from nanoneurons.lab.uncertainty import rows as fit_rows
        from nanoneurons.lab.uncertainty import sentence

        title = f"how well the accuracy is known, from {result['fit']['draws']} draws of the fit"
        columns = ("uncertain by the", "standard error, points", "share of the variance")
        print_table(title, columns, fit_rows(result["fit"]))
        text = sentence(result["fit"])
        print_text(f"{text[0].upper()}{text[1:]}.\n")
    if result["costs"]:
        print_table(
            "cost of each imperfection, points of accuracy [95 %]",
            ("imperfection", "gained when removed", "lost when alone"),
            [(cost["label"], points(cost["removed"]), points(cost["alone"])) for cost in result["costs"]],
        )
    if result["requirement"] is not None:
        need = result["requirement"]
        print_text(f"Costliest: {need['label']}; {requirement_sentence(need)}.\n")
    for phase, bill in result["energy"].items():
        rows = [
            (
                line["event"],
                f"{line['count']:,.0f}",
                "" if line["joule_each"] is None else si(line["joule_each"], "J"),
                "no price" if line["joule"] is None else si(line["joule"], "J"),
                line["node"],
                _sourced(line),
            )
            for line in bill["lines"]
            if line["count"]
        ]
        title = f"energy per {phase}: {si(bill['joule'], 'J')} ({bill['note']})"
        print_table(title, ("event", "count", "each", "together", "node", "source"), rows)
    if result.get("modes"):
        causes = list(result["modes"][0]["causes"])
        rows = [
            (found["mode"], si(found["joule"], "J"), *(si(found["causes"][cause], "J") for cause in causes))
            for found in result["modes"]
        ]
        print_table(
            "energy per inference in each mode, by cause; accuracy may differ too, audit a mode to know",
            ("mode", "together", *causes),
            rows,
        )
    if result.get("beside"):
        rows = [(other["title"], si(other["joule"], "J"), _sourced(other)) for other in result["beside"]]
        title = "for comparison, per inference; none of this is in the bill"
        print_table(title, ("by other means", "energy", "source"), rows)
    print_text(result["headline"])
    for note in result.get("notes", []):
        print_text(f"  * {note}")


def _sourced(line: dict[str, Any]) -> str:
    """Where a number comes from; a projection is marked, and what could not be verified."""
    marks = (" [projection]" if line.get("projection") else "") + ("" if line["verified"] else " [unverified]")
    return "" if line["source"] is None else line["source"] + marks
