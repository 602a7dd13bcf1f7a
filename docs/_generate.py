"""Pages made from the code: one for every device, rule, data set and paper, and the command line reference.

A hook of mkdocs: nothing is written to the source tree, and a page cannot lag behind the code.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from nanoneurons.cli import _describe
from nanoneurons.cli._fitted import IDENTIFIED_COLUMNS, identified_rows
from nanoneurons.cli._show import number
from nanoneurons.cli.catalogues import (
    OSCILLATION_COLUMNS,
    PARAMETER_COLUMNS,
    neuron_rows,
    oscillation_rows,
    parameter_rows,
    resonance_rows,
)

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages to those found in the folder."""
    for path, content in pages().items():
        files.append(File.generated(config, path, content=content))
    return files


def pages() -> dict[str, str]:
    """Every generated page, by its path in the documentation."""
    made = {"catalogue/cli.md": command_line(), "decisions/index.md": decisions(), "benchmarks.md": benchmarks()}
    kinds: tuple[tuple[str, str, list[str], Callable[[str], dict[str, Any]], Callable[[dict[str, Any]], str]], ...] = (
        ("devices", "Devices", _describe.device_names(), _describe.device, device),
        ("rules", "Learning rules", _describe.rule_names(), _describe.rule, rule),
        ("tasks", "Data sets", _describe.task_names(), _describe.task, task),
        ("papers", "Published works", _describe.paper_names(), _describe.paper, paper),
    )
    for folder, title, names, describe, write in kinds:
        rows = []
        for name in names:
            found = describe(name)
            made[f"catalogue/{folder}/{file_name(name)}"] = write(found)
            sort = [cell(found[key]) for key in ("kind", "trains") if key in found]
            rows.append((f"[`{found['name']}`]({file_name(name)})", *sort, cell(found["title"])))
        columns = ("name", *({"devices": ["kind"], "rules": ["trains"], "tasks": ["kind"]}.get(folder, [])), "what")
        made[f"catalogue/{folder}/index.md"] = f"# {title}\n\n{table(columns, rows)}"
    return made


def file_name(name: str) -> str:
    """Page of an entry; a preset's colon is no character for a file name."""
    return name.replace(":", "--") + ".md"


def cell(value: object) -> str:
    """Text that fits into a cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def table(columns: tuple[str, ...], rows: list[Any]) -> str:
    """A Markdown table; cells must be ready for it."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _parameters(found: dict[str, Any]) -> str:
    rows = [[f"`{row[0]}`", *(cell(value) for value in row[1:])] for row in parameter_rows(found["parameters"])]
    return table(PARAMETER_COLUMNS, rows)


def _citation(found: dict[str, Any]) -> str:
    return f"\n## Citation\n\n```bibtex\n{found['citation']}\n```\n" if found["citation"] else ""


def device(found: dict[str, Any]) -> str:
    """Page of a device or preset."""
    units = f"Driven in {found['drive_unit']}, read in {found['read_unit']}"
    if found["conductance_range"] is not None:
        span = found["conductance_range"]
        units += f"; nominal conductance {number(span['low'])} to {number(span['high'])} S"
    if found["default_rule"]:
        units += f". Default rule: [`{found['default_rule']}`](../rules/{file_name(found['default_rule'])})"
    text = [
        f"# {cell(found['title'])}\n",
        f"`{found['name']}` · {cell(found['summary'])}\n",
        f"**Not modelled.** {cell(found['not_modelled'])}\n",
        f"{units}.\n",
    ]
    if found["source"]:
        text.append(f"Source of this preset: {cell(found['source'])}\n")
    if found["notes"]:
        text.append(f"Note: {cell(found['notes'])}.\n")
    if found["presets"]:
        links = ", ".join(f"[`{name}`]({file_name(name)})" for name in found["presets"])
        text.append(f"Presets: {links}\n")
    if "threshold_current" in found:
        rows = [tuple(cell(value) for value in row) for row in oscillation_rows(found)]
        text += ["## Oscillation\n", table(OSCILLATION_COLUMNS, rows)]
    if "at_resonance" in found:
        rows = [tuple(cell(value) for value in row) for row in resonance_rows(found)]
        text += ["## Resonance\n", table(OSCILLATION_COLUMNS, rows)]
    if "threshold_drive" in found:
        rows = [tuple(cell(value) for value in row) for row in neuron_rows(found)]
        text += ["## Firing\n", table(OSCILLATION_COLUMNS, rows)]
    text += ["## Parameters\n", _parameters(found)]
    if found["identified"]:
        rows = [tuple(cell(value) for value in row) for row in identified_rows(found["identified"])]
        text += ["## What measurements tell\n", "See [your own device](../../your-own-device.md).\n"]
        text.append(table(IDENTIFIED_COLUMNS, rows))
    if not found["prices"]:
        return "\n".join([*text, "Energy: priced by its circuit.\n"]) + _citation(found)
    text.append("## Energy per event\n")
    prices = [
        (p["event"], f"{number(p['joule'])} J", cell(p["node"]), cell(p["source"]), "yes" if p["verified"] else "no")
        for p in found["prices"]
    ]
    text.append(table(("event", "energy", "node", "source", "verified"), prices))
    return "\n".join(text) + _citation(found)


def rule(found: dict[str, Any]) -> str:
    """Page of a learning rule."""
    use = f"For {found['trains']}."
    if found["trains"] == "layers":
        place = "in the devices, chip by chip" if found["in_situ"] else "in software, then written to the chips"
        use = f"For {' and '.join(found['layers'])} layers. Trains {place}; {found['default_epochs']} epochs with "
        use += f"mini-batches of {found['default_batch']} unless a study says otherwise."
    text = [
        f"# {cell(found['title'])}\n",
        f"`{found['name']}` · {cell(found['summary'])}\n",
        f"{use}\n",
        f"**Local.** {cell(found['local'])}\n",
        "## Hyper-parameters\n",
        _parameters(found),
    ]
    return "\n".join(text) + _citation(found)


def task(found: dict[str, Any]) -> str:
    """Page of a data set."""
    kind = found["kind"]
    sample = {"classification": "sample", "recordings": "recording", "series": "step"}[kind]
    yours = "as your file says" if kind == "classification" else "as your folder says"
    known = {
        "kind": kind,
        f"shape of a {sample}": "varies" if kind == "recordings" else " x ".join(map(str, found["shape"])) or yours,
        "classes": "none: targets are numbers" if kind == "series" else found["classes"] or yours,
        f"training {sample}s": found["train"] or yours,
        f"test {sample}s": found["test"] or yours,
        "embedded": found["embedded"],
        "licence": found["licence"],
        "files to fetch": ", ".join(found["downloads"]) or "none",
    }
    rows = [(name, cell(value)) for name, value in known.items()]
    text = [f"# {cell(found['title'])}\n", f"`{found['name']}`\n", found["description"] + "\n", table(("", ""), rows)]
    if found["parameters"]:
        text += [f'## Settings\n\n`data.load_series("{found["name"]}", NAME=VALUE)`\n', _parameters(found)]
    return "\n".join(text) + _citation(found)


def paper(found: dict[str, Any]) -> str:
    """Page of a published work."""
    rows = [
        (
            f"`{q['quantity']}`",
            "-" if q["published"] is None else number(q["published"]),
            "yes" if q["verified"] else "no",
            cell(q["where"]),
            cell(q["tolerance"]),
            cell(q["reason"]),
        )
        for q in found["quantities"]
    ]
    settings = [(f"`{name}`", cell(value)) for name, value in found["config"].items()]
    text = [
        f"# {cell(found['title'])}\n",
        f"`nanoneurons reproduce {found['name']}` · {cell(found['summary'])}\n",
        "## Quantities\n",
        table(("quantity", "published", "verified", "where", "tolerance", "reason"), rows),
        "\n## Settings\n",
        table(("setting", "value"), settings),
    ]
    return "\n".join(text) + _citation(found)


def command_line() -> str:
    """Reference of every command, from the declarations that the command line itself uses."""
    import typer

    from nanoneurons.cli._main import app

    text = ["# Command line\n", "Exit status: 0 done; 1 a reproduction fell short; 2 wrong usage or input, told in one"]
    text.append("line; 70 a fault of the program; 130 interrupted.\n")
    root: Any = typer.main.get_command(app)
    for names, command in _commands(root, ("nanoneurons",)):
        text.append(f"## {' '.join(names)}\n")
        text.append(inspect.cleandoc(command.help or "") + "\n")
        rows = [(f"`{_usage(p)}`", cell(getattr(p, "help", "") or "")) for p in command.params if p.name != "help"]
        if rows:
            text.append(table(("argument", "meaning"), rows))
    return "\n".join(text)


def _commands(command: Any, names: tuple[str, ...]) -> list[tuple[tuple[str, ...], Any]]:
    found = [] if hasattr(command, "commands") else [(names, command)]
    for name, inner in getattr(command, "commands", {}).items():
        found += _commands(inner, (*names, name))
    return found


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return (parameter.metavar or parameter.name).upper() if parameter.metavar is None else parameter.metavar
    return ", ".join(parameter.opts)


def benchmarks() -> str:
    """List of the benchmark scripts, from their docstrings."""
    rows = []
    for file in sorted((ROOT / "benchmarks").glob("[!_]*.py")):
        text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        rows.append((f"`python benchmarks/{file.name}`", cell(text.partition("\n\n")[0])))
    intro = (
        "# Benchmarks\n\nSpeeds are given against plain PyTorch doing the same work in the same run on one thread, so "
        "that they can be compared between machines. Results, with the machine they were measured on, are in the "
        "[laboratory log](log.md).\n\n"
    )
    return intro + table(("script", "what it measures"), rows)


def decisions() -> str:
    """List of the decision records, from their first lines."""
    rows = []
    for file in sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")):
        title = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        rows.append((f"[{file.name[:4]}]({file.name})", cell(title)))
    intro = (
        "# Decisions\n\nWhat was decided about the architecture, and why. A decision is changed by a new record.\n\n"
    )
    return intro + table(("record", "decision"), rows)
