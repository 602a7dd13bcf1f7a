"""``devices``, ``rules``, ``tasks``, ``papers``: what there is, with unit, range and source of every number."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from . import _names
from ._fitted import IDENTIFIED_COLUMNS, identified_rows, show_file
from ._show import number, print_json, print_table, print_text

__all__ = [
    "OSCILLATION_COLUMNS",
    "PARAMETER_COLUMNS",
    "add_to",
    "neuron_rows",
    "oscillation_rows",
    "parameter_rows",
    "resonance_rows",
]


def _one(names: Callable[[], list[str]]) -> Any:
    return typer.Argument(None, show_default=False, help="Show everything about this one.", autocompletion=names)


Json = typer.Option(False, "--json", help="Print one JSON object and nothing else.")
PARAMETER_COLUMNS = ("parameter", "value", "unit", "range", "imperfection", "meaning", "source")
OSCILLATION_COLUMNS = ("quantity", "value")


def add_to(app: typer.Typer) -> None:
    """Register the four verbs."""
    app.command()(devices)
    app.command()(rules)
    app.command()(tasks)
    app.command()(papers)


def devices(
    name: str | None = _one(_names.devices),
    json: bool = Json,
    plot: bool = typer.Option(
        False,
        "--plot",
        help="Simulate a population of this device and draw it: oscillators against current, resonators against "
        "frequency, neurons in time and against drive, memories against pulses.",
    ),
    out: Path | None = typer.Option(
        None,
        "--out",
        help="File of the plot: .png, .svg or .pdf; NAME.png in this folder if not given.",
    ),
    count: int = typer.Option(50, "--count", min=1, help="Number of oscillators, resonators or neurons in the plot."),
    seed: int = typer.Option(0, "--seed", min=0, help="Random seed of the plot's devices and noise."),
) -> None:
    """List the nanodevices, or show one: parameters, imperfections, energies, source; --plot draws its behaviour.

    Example: nanoneurons devices spin-torque-oscillator --plot
    """
    from . import _describe

    if plot or out is not None:
        from ._plot import plot_device

        plot_device(name, out, count, seed, json)
        return

    columns = ("title", "kind", "imperfections", "default_rule")
    describe = _describe.device if name is not None else _describe.device_in_list
    _show("devices", name, json, _describe.device_names, describe, columns, _device)


def rules(
    name: str | None = _one(_names.rules),
    json: bool = Json,
) -> None:
    """List the learning rules, or show one: hyper-parameters, what must be local, source.

    Example: nanoneurons rules pulsed-adam
    """
    from . import _describe

    columns = ("title", "trains", "layers", "in_situ", "default_epochs")
    _show("rules", name, json, _describe.rule_names, _describe.rule, columns, _rule)


def tasks(
    name: str | None = _one(_names.tasks),
    json: bool = Json,
) -> None:
    """List the data sets, or show one: size, licence, citation.

    Example: nanoneurons tasks mnist
    """
    from . import _describe

    columns = ("kind", "title", "shape", "classes", "train", "test", "embedded", "licence")
    _show("tasks", name, json, _describe.task_names, _describe.task, columns, _task)


def papers(
    key: str | None = _one(_names.papers),
    json: bool = Json,
) -> None:
    """List the published works that can be reproduced, or show one: settings and published numbers.

    Example: nanoneurons papers majumdar2021-weak-reset
    """
    from . import _describe

    _show("papers", key, json, _describe.paper_names, _describe.paper, ("title",), _paper)


def _show(
    kind: str,
    name: str | None,
    json: bool,
    names: Callable[[], list[str]],
    describe: Callable[[str], dict[str, Any]],
    columns: tuple[str, ...],
    show_one: Callable[[dict[str, Any]], None],
) -> None:
    if name is not None:
        found = describe(name)
        print_json(found) if json else show_one(found)
        return
    entries = [describe(entry) for entry in names()]
    if json:
        print_json({kind: entries})
        return
    heads = ("name", *(column.replace("_", " ") for column in columns))
    print_table(kind, heads, ([_cell(entry["name"]), *(_cell(entry[c]) for c in columns)] for entry in entries))
    print_text(f"'nanoneurons {kind} NAME' shows one of them.")


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        joint = " x " if all(isinstance(v, int) for v in value) else ", "
        return joint.join(map(str, value)) or "-"
    return str(value)


def parameter_rows(parameters: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of the table of parameters; an unverified source is marked."""
    return [
        [
            p["name"],
            number(p["value"]),
            p["unit"],
            _range(p),
            "" if p["imperfection"] is None else f"{p['imperfection']} (ideal {number(p['ideal'])})",
            p["doc"],
            p["source"] + ("" if p["verified"] else " [unverified]"),
        ]
        for p in parameters
    ]


def oscillation_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of what an oscillator does, with prefixes: threshold, range, and the default current."""
    from nanoneurons.lab.words import si

    def shown(entry: dict[str, Any]) -> str:
        return "no closed form here" if entry["value"] is None else si(entry["value"], entry["unit"])

    span = found["current_range"]
    return [
        ("threshold current", shown(found["threshold_current"])),
        ("current range, up to breakdown", f"{si(span['low'], span['unit'])} to {si(span['high'], span['unit'])}"),
        ("default current", shown(found["default_current"])),
        *((f"{name.replace('_', ' ')} there", shown(entry)) for name, entry in found["at_default_current"].items()),
    ]


def resonance_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of what a resonator does, with prefixes: band, tuning, line, noise."""
    from nanoneurons.lab.words import number as shown

    band = found["frequency_range"]
    return [
        ("resonance, untuned", shown(found["resonance"]["value"], "Hz")),
        ("resonances that can be fabricated", f"{shown(band['low'], 'Hz')} to {shown(band['high'], 'Hz')}"),
        ("tuning range, either way", f"{100 * found['tuning_range']['value']:g} % of the resonance"),
        *(
            (name.replace("_", " "), "none" if not entry["value"] else shown(entry["value"], entry["unit"]))
            for name, entry in found["at_resonance"].items()
        ),
    ]


def neuron_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Rows of the table of what a neuron does, with prefixes: threshold, rate, steps."""
    from nanoneurons.lab.words import number as shown

    longest = found["longest_step"]
    return [
        ("threshold drive, from rest", shown(found["threshold_drive"]["value"], found["threshold_drive"]["unit"])),
        ("default drive", shown(found["default_drive"]["value"], found["default_drive"]["unit"])),
        ("frequency there", shown(found["rate_at_default_drive"]["value"], "Hz")),
        ("usual step", shown(found["default_step"]["value"], "s")),
        ("longest step", "any: it divides a step as its equation needs" if longest is None
         else f"{shown(longest['value'], 's')} ({longest['parameter']})"),
    ]  # fmt: skip


def _range(p: dict[str, Any]) -> str:
    if p["choices"]:
        return ", ".join(p["choices"])
    if p["low"] is None and p["high"] is None:
        return "any"
    low = "-inf" if p["low"] is None else number(p["low"])
    high = "inf" if p["high"] is None else number(p["high"])
    return f"{low} ... {high}"


def _device(found: dict[str, Any]) -> None:
    print_text(f"{found['name']}: {found['title']}\n{found['summary']}")
    print_text(f"Not modelled: {found['not_modelled']}")
    span, units = found["conductance_range"], f"Driven in {found['drive_unit']}, read in {found['read_unit']}"
    if span is not None:
        units += f", {number(span['low'])} to {number(span['high'])} S; default rule {found['default_rule']}"
    elif found["default_rule"]:
        units += f"; default rule {found['default_rule']}"
    print_text(f"{units}\n")
    if "threshold_current" in found:
        print_table("oscillation", OSCILLATION_COLUMNS, oscillation_rows(found))
    if "at_resonance" in found:
        print_table("resonance", OSCILLATION_COLUMNS, resonance_rows(found))
    if "threshold_drive" in found:
        print_table("firing", OSCILLATION_COLUMNS, neuron_rows(found))
    if "file" in found:
        show_file(found)
    else:
        print_table("parameters", PARAMETER_COLUMNS, parameter_rows(found["parameters"]))
    if found["identified"]:
        print_table(
            "what measurements tell ('nanoneurons fit')", IDENTIFIED_COLUMNS, identified_rows(found["identified"])
        )
    prices = [
        (p["event"], f"{number(p['joule'])} J", p["node"], p["source"] + ("" if p["verified"] else " [unverified]"))
        for p in found["prices"]
    ]
    if prices:
        print_table("energy per event", ("event", "energy", "node", "source"), prices)
    else:
        print_text("Energy per event: none declared by the device; its circuit prices it.\n")
    if found["notes"]:
        print_text(f"Note: {found['notes']}.\n")
    if found["presets"]:
        print_text(f"Presets: {', '.join(found['presets'])}\n")
    print_text(found["citation"])


def _rule(found: dict[str, Any]) -> None:
    print_text(f"{found['name']}: {found['title']}\n{found['summary']}")
    if found["trains"] == "layers":
        in_place = "trains every chip in its devices"
        place = in_place if found["in_situ"] else "trains software weights, then writes them to chips"
        print_text(f"For {' and '.join(found['layers'])} layers; {place}. Local: {found['local']}")
        epochs, batch, updates = (found[f"default_{name}"] for name in ("epochs", "batch", "updates"))
        print_text(f"Defaults: {epochs} epochs, batch {batch}, at least {updates} mini-batches\n")
    else:
        print_text(f"For {found['trains']}. Local: {found['local']}\n")
    print_table("hyper-parameters", PARAMETER_COLUMNS, parameter_rows(found["parameters"]))
    print_text(found["citation"])


def _task(found: dict[str, Any]) -> None:
    print_text(f"{found['name']}: {found['title']}\n{found['description']}\n")
    shown = ("kind", "shape", "classes", "train", "test", "embedded", "licence", "downloads")
    rows = [(key, _cell(found[key])) for key in shown]
    print_table("facts", ("", ""), rows)
    if found["parameters"]:
        print_table(f"settings (data.load_series({found['name']!r}, NAME=VALUE))", PARAMETER_COLUMNS,
                    parameter_rows(found["parameters"]))  # fmt: skip
    print_text(found["citation"])


def _paper(found: dict[str, Any]) -> None:
    print_text(f"{found['name']}: {found['title']}\n")
    rows = [(k, _cell(v)) for k, v in found["config"].items()]
    print_table("settings (nanoneurons reproduce KEY --set NAME=VALUE)", ("setting", "value"), rows)
    quantities = [
        (
            q["quantity"],
            "-" if q["published"] is None else number(q["published"]),
            q["tolerance"],
            "yes" if q["verified"] else "unverified",
            q["where"],
        )
        for q in found["quantities"]
    ]
    print_table("quantities", ("quantity", "published", "tolerance", "verified", "where"), quantities)
    print_text(found["citation"])
