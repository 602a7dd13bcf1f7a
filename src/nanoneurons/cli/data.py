"""``data``: list, check and fetch data sets."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from . import _names
from ._show import print_json, print_table, print_text

__all__ = ["add_to"]

Json = typer.Option(False, "--json", help="Print one JSON object and nothing else.")
Root = typer.Option(
    None, "--root", show_default=False, help="Folder of data sets, instead of NANONEURONS_DATA and the cache."
)
group = typer.Typer(help="List, check and fetch data sets.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Register the group."""
    app.add_typer(group, name="data")


@group.command("list")
def list_sets(root: Path | None = Root, json: bool = Json) -> None:
    """List the data sets and say which can be loaded now.

    Example: nanoneurons data list
    """
    from nanoneurons import data

    entries = []
    for name in data.catalogue:
        source = data.catalogue[name]
        if not source.takes_path:
            reason = data.missing(name, root)
            status = "there" if not reason else ("reduced" if source.embedded == "reduced" else "missing")
            entries.append(
                {"name": name, "kind": source.kind, "title": source.title, "status": status, "reason": reason}
            )
    if json:
        print_json({"data": entries})
        return
    print_table(
        "data", ("name", "kind", "title", "status", "how to get it"), [list(entry.values()) for entry in entries]
    )
    for name in data.catalogue:
        for variant, content in data.catalogue[name].variants.items():
            print_text(f"{name}:{variant} has {content}.")
    print_text("Your own file: --task user:PATH (.npz with x, y, or .csv whose last column is the class number).")


@group.command()
def fetch(
    name: str = typer.Argument(..., show_default=False, help="Data set.", autocompletion=_names.tasks),
    root: Path | None = Root,
    json: bool = Json,
) -> None:
    """Download a data set from the first mirror that delivers it intact.

    Example: nanoneurons data fetch mnist
    """
    from nanoneurons import data

    files = data.fetch(name, root, lambda text: print(text, file=sys.stderr))
    if json:
        print_json({"name": name, "files": [str(file) for file in files]})
    else:
        print_text(f"{name} is in {files[0].parent}")


@group.command()
def check(
    name: str | None = typer.Argument(
        None,
        show_default=False,
        help="Data set or user:PATH; all that are at hand if left out.",
        autocompletion=_names.tasks,
    ),
    root: Path | None = Root,
    json: bool = Json,
) -> None:
    """Load data sets whole: checksums, shapes, values, labels.

    Example: nanoneurons data check user:measurements.csv
    """
    from nanoneurons import data

    if name is None:
        sets = {n: data.catalogue[n] for n in data.catalogue}
        chosen = [n for n, s in sets.items() if not s.takes_path and (s.embedded != "no" or not data.missing(n, root))]
    else:
        chosen = [name]
    entries = []
    for entry in chosen:
        loaded = data.load_any(entry, root)
        train, test = loaded.sizes
        entries.append(
            {
                "name": loaded.name,
                "kind": data.catalogue[entry.partition(":")[0]].kind,
                "shape": list(loaded.shape),
                "classes": loaded.classes,
                "train": train,
                "test": test,
                "notice": loaded.notice,
            }
        )
    if json:
        print_json({"data": entries})
        return
    rows = [
        [e["name"], e["kind"], " x ".join(map(str, e["shape"])) or "-", e["classes"] or "-", e["train"], e["test"],
         e["notice"]] for e in entries
    ]  # fmt: skip
    print_table("intact", ("name", "kind", "shape", "classes", "train", "test", "notice"), rows)
