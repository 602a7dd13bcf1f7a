"""``design``: how many tones a band takes, at which spacing and damping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from nanoneurons.core.errors import StudyError

from . import _names
from ._options import assignments
from ._show import print_json, print_table, print_text

__all__ = ["add_to", "show", "show_limits"]


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command()(design)


def design(
    inputs: int | None = typer.Option(
        None, show_default=False, help="Tones that are wanted. [default: inputs of the task]"
    ),
    task: str | None = typer.Option(
        None, show_default=False, autocompletion=_names.tasks, help="Measure accuracy on this data set as well."
    ),
    device: str = typer.Option(
        "spin-diode", autocompletion=_names.devices, help="Resonator, device:preset, or a device file (.toml)."
    ),
    parameter: list[str] = typer.Option(
        [], "--set", metavar="NAME=VALUE", show_default=False, help='Device parameter, with unit: --set "damping=2 %".'
    ),
    band_low: str = typer.Option("20 MHz", help="Lowest tone."),
    band_high: str = typer.Option("120 MHz", help="Highest tone."),
    plan: str = typer.Option("geometric", help="Spacing of the tones that is measured: geometric or linear."),
    spacing: float = typer.Option(1.0, help="Say how many tones fit at this distance, in linewidths."),
    tones: str | None = typer.Option(
        None, show_default=False, help="Numbers of tones to measure, 16,36,64. [default: the task's inputs, and fewer]"
    ),
    dampings: str | None = typer.Option(None, show_default=False, help="Dampings to measure. [default: 0.001 to 0.2]"),
    spreads: str | None = typer.Option(
        None, show_default=False, help='Resonance spreads to measure, "0, 1 %, 3 %". [default: 0 to 3 %]'
    ),
    spread_dampings: str | None = typer.Option(
        None, show_default=False, help="Dampings at which spread is measured. [default: 0.01,0.03]"
    ),
    twins: str | None = typer.Option(
        None, show_default=False, help="Digital twins that chips train with: ideal, calibrated. [default: both]"
    ),
    hidden: int | None = typer.Option(
        None, min=0, show_default=False, help="Neurons between two layers; 0 for a single layer. [default: 32]"
    ),
    line_power: str | None = typer.Option(
        None, show_default=False, help='Mean power of all inputs, "2 uW". [default: what keeps neurons in their window]'
    ),
    seeds: int | None = typer.Option(None, min=1, show_default=False, help="Independent trainings. [default: 3]"),
    chips: int | None = typer.Option(None, min=1, show_default=False, help="Chips at every spread. [default: 4]"),
    seed: int | None = typer.Option(None, show_default=False, help="First seed. [default: 0]"),
    epochs: int | None = typer.Option(None, min=1, show_default=False, help="Training epochs. [default: the rule's]"),
    workers: int | None = typer.Option(None, min=1, show_default=False, help="Processes. [default: one per core]"),
    out: Path | None = typer.Option(None, show_default=False, help="Folder of results. [default: results/design-...]"),
    json: bool = typer.Option(False, "--json", help="Print one JSON object and nothing else on stdout."),
    quick: bool = typer.Option(False, "--quick", help="A small version: one layer, few points, few epochs."),
) -> None:
    """Design chains of resonators: spacing, damping, and how many synapses fit a band.

    With --inputs alone, closed forms at once: spacing, crosstalk, independent weights, settling time, and a
    damping to choose. With --task, accuracy is measured against damping, number of tones and spread, and rows.json
    and report.html are written into --out.

    Example: nanoneurons design --task digits --quick
    """
    from nanoneurons.core.units import quantity
    from nanoneurons.lab import rf_design as lab

    if task is None and inputs is None:
        raise StudyError("say what to design for: --inputs N for closed forms, or --task NAME to measure as well")
    if task is None and out is not None:
        raise StudyError("--out keeps what is measured; give a --task, or leave --out away for closed forms")
    given: dict[str, Any] = {
        "device": device,
        "device_parameters": assignments(parameter),
        "band_low": quantity(band_low, "Hz", "--band-low"),
        "band_high": quantity(band_high, "Hz", "--band-high"),
        "plan": plan,
        "inputs": inputs,
        "spacing": spacing,
        "task": task,
        "tones": None if tones is None else tuple(int(v) for v in _numbers(tones, "--tones", whole=True)),
        "dampings": None if dampings is None else _numbers(dampings, "--dampings"),
        "spreads": None if spreads is None else _numbers(spreads, "--spreads"),
        "spread_dampings": None if spread_dampings is None else _numbers(spread_dampings, "--spread-dampings"),
        "twins": None if twins is None else tuple(part.strip() for part in twins.split(",")),
        "hidden": hidden,
        "line_power": None if line_power is None else quantity(line_power, "W", "--line-power"),
        "seeds": seeds,
        "chips": chips,
        "seed": seed,
        "epochs": epochs,
    }
    asked = lab.RfDesign(**{**(lab.QUICK if quick else {}), **{k: v for k, v in given.items() if v is not None}})
    if task is None:
        forms = lab.closed_forms(asked)
        if json:
            print_json(forms)
        else:
            show_limits(forms)
        return
    result = lab.measure(asked, out, workers, "plain" if json else "auto")
    if json:
        print_json(result)
    else:
        show(result)
        print_text(f"report: {result['folder']}/report.html")


def _numbers(text: str, name: str, whole: bool = False) -> tuple[float, ...]:
    """Numbers or percentages between commas."""
    from nanoneurons.core.units import quantity

    found = tuple(quantity(part.strip(), "1", name) for part in text.split(",") if part.strip())
    if not found or (whole and any(v != int(v) for v in found)):
        raise StudyError(
            f"{name} {text!r} holds no {'whole ' if whole else ''}numbers between commas, such as 16,36,64"
        )
    return found


def show_limits(forms: dict[str, Any]) -> None:
    """Print the closed forms of a design."""
    from nanoneurons.lab.rf_words import fact_lines, plan_rows

    plans = [f"{plan['plan']} plan" for plan in forms["plans"]]
    print_table(f"{forms['inputs']} tones at a damping of {forms['damping']:g}", ("quantity", *plans), plan_rows(forms))
    for line in fact_lines(forms):
        print_text(f"  * {line}")
    print_text("Recommended:")
    for reason in forms["recommended"]["reasons"]:
        print_text(f"  * {reason}")


def show(result: dict[str, Any]) -> None:
    """Print closed forms, accuracies and the answer of a measured design."""
    from nanoneurons.lab.words import percent, signed

    show_limits(result["limits"])
    print_text("")
    print_table(
        "accuracy, mean over seeds or chips",
        ("tones", "damping", "spacing", "crosstalk", "spread", "twin", "accuracy", "cost, points"),
        [
            (
                row["tones"],
                f"{row['damping']:g}",
                f"{row['spacing']:.2g}",
                "yes" if row["crosstalk"] else "no",
                "" if row["spread"] is None else f"{100 * row['spread']:g} %",
                row["twin"],
                percent(row["mean"]),
                "" if row["cost"] is None else signed(row["cost"]),
            )
            for row in result["rows"]
        ],
    )
    print_text(result["headline"])
    for note in result["notes"]:
        print_text(f"  * {note}")
