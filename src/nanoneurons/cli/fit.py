"""``fit``: a device from a file of measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from . import _names
from ._options import assignments
from ._show import print_json, print_table, print_text

__all__ = ["add_to", "show"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(fit)


def fit(
    data: Path = typer.Argument(..., show_default=False, help="Measurements: CSV, TSV, text or npz."),
    device: str = typer.Option(
        "auto",
        autocompletion=_names.devices,
        help="Device, device:preset, a device file (.toml) to go on from, or auto: whichever predicts best.",
    ),
    kind: str | None = typer.Option(
        None, "--as", show_default=False, help="What was measured: pulses, iv, levels, retention, noise or tables."
    ),
    columns: str | None = typer.Option(
        None, show_default=False, help='What the columns are, "pulse=n, conductance=G"; where their names do not say.'
    ),
    units: str | None = typer.Option(
        None, show_default=False, help='Units of the columns, "conductance=uS"; where the file does not say.'
    ),
    variant: str | None = typer.Option(
        None, show_default=False, help="Only this variant of the device, such as a step shape."
    ),
    parameter: list[str] = typer.Option(
        [],
        "--set",
        metavar="NAME=VALUE",
        show_default=False,
        help='Parameter that the data do not tell, with unit: --set "read_time=1 us".',
    ),
    out: Path | None = typer.Option(
        None, show_default=False, help="Device file. [default: <name of DATA>-device.toml]"
    ),
    report: bool = typer.Option(True, help="Write a report beside the device file, in <name>-fit."),
    force: bool = typer.Option(False, "--force", help="Replace a device file that comes from something else."),
    seed: int = typer.Option(0, min=0, help="Seed of what is held out and of simulated devices."),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else on stdout."),
) -> None:
    """Fit a device to measurements: values with intervals, spread, noise, and a check on held-out readings.

    Writes a device file that works wherever a device name does, and a report. Says what the data cannot tell.

    Example: nanoneurons fit my-device.csv
    """  # fmt: skip
    from nanoneurons.lab import fit as lab

    result = lab.run(
        data, device, kind=kind, columns=columns, units=units, variant=variant, parameters=assignments(parameter),
        out=out, report=report, force=force, seed=seed, progress="plain" if json else "auto",
    )  # fmt: skip
    if json:
        print_json(result)
    else:
        show(result)


def show(result: dict[str, Any]) -> None:
    """Print what was read, the models, the parameters, what the data cannot tell, and what to do next."""
    from nanoneurons.lab import fit_words as words

    read = result["data"]
    print_table("what was read", ("what", "value"), read["described"])
    for note in read["notes"]:
        print_text(f"  * {note}")
    if result["candidates"]:
        print_table(
            "models compared on held-out readings",
            ("model", "estimates", "log density per reading", "behind the best", "state"),
            [
                (
                    row["label"],
                    row["parameters"] or "",
                    "" if row["log_density"] is None else f"{row['log_density']:.3f}",
                    words.log_text(row),
                    row["state"],
                )
                for row in result["candidates"]
            ],
        )
        print_text(f"{words.split_text(result['split'])}")
    if result["choice"]:
        print_text(f"{result['choice']}.\n")
    print_table(
        f"{result['device']['label']}: what the data tell, and what is kept",
        ("parameter", "value", "95 % interval", "origin", "meaning"),
        [
            (
                p["name"],
                words.value_text(p["value"], p["unit"]),
                words.interval_text(p),
                f"{p['origin']}{f': {why}' if (why := p['reason']) else ''}",
                p["doc"],
            )
            for p in result["parameters"]
            if p["origin"] != "default"
        ],
    )
    if result["facts"]:
        print_table(
            "what the data tell beside the device",
            ("quantity", "value", "95 % interval"),
            [(f["name"], words.value_text(f["value"], f["unit"]), words.interval_text(f)) for f in result["facts"]],
        )
    for line in result["identifiability"]:
        print_text(f"  * {line}")
    print_text("")
    print_text(result["headline"])
    if result["calibration"] is not None:
        print_text(result["calibration"]["rule"])
    for note in result["notes"]:
        print_text(f"  * {note}")
    print_text(f"device file: {result['files']['device']}")
    if result["files"]["report"]:
        print_text(f"report: {result['files']['report']}")
    print_text(f"next: {result['next']}")
