"""Reproduce a published work: run its experiment, compare with its numbers, say what passes."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nanoneurons.core.errors import NanoneuronsError, ParameterError, StudyError, nearest
from nanoneurons.papers import experiment, load_published
from nanoneurons.papers._paper import Entry, Quantity

from . import report
from .audit import environment
from .progress import Kind, reporter
from .runner import fingerprint, plain, run_jobs
from .store import Store, write_json
from .words import warned

__all__ = ["SCHEMA", "folder_name", "pictures_of", "run"]

SCHEMA = 1


def run(
    key: str,
    quick: bool = False,
    seeds: int | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    progress: Kind = "auto",
    overrides: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Reproduce the paper `key`; resume if the folder holds a part of the same reproduction.

    Args:
        quick: the small version, which never gives a verdict.
        seeds: number of seeds, instead of the configuration's own.
        out: folder of results, ``results/<key>`` -<hash of the settings> when not given.
        overrides: other settings to change; they are then not the paper's own, so no verdict is given.

    Returns:
        ``key``, ``config``, ``seconds`` (of all jobs, over all resumed runs) and ``rows``; a row has ``quantity``,
        ``published``, ``verified``, ``measured``, ``spread``, ``seeds``, ``unit``, ``tolerance`` and ``verdict``;
        if jobs warned of anything, ``notes`` say of what.

    Raises:
        UnknownNameError: no such paper.
        StudyError, ParameterError: a setting that the paper's configuration does not have or accept.
    """
    module = experiment(key)
    published = load_published(key)
    changes = dict(overrides or {})
    config = _config(module, quick, seeds, changes)
    folder = Path(out) if out is not None else Path("results") / folder_name(key, quick, seeds, changes)
    Store(folder, fingerprint(config)).claim("config.txt", json.dumps(plain(config), indent=1) + "\n")
    done = run_jobs(module.jobs(config), module.run, config, folder, workers, reporter(progress))
    results = {job: entry["result"] for job, entry in done.items()}
    found = module.quantities(config, results)
    verdicts = not quick and not changes
    rows = [_row(q, published.get(q.quantity), verdicts) for q in found]
    if verdicts:  # what the paper's file asks for and nobody measured must not go unnoticed
        measured = {q.quantity for q in found}
        absent = [entry for name, entry in published.items() if name not in measured]
        rows += [_row(Quantity(e.id, None, None, 0, "1"), e, verdicts) for e in absent]
    answer = {
        "key": key,
        "config": plain(config),
        "seconds": sum(entry["seconds"] for entry in done.values()),
        "rows": rows,
    }
    remarks = warned(results, {}, "jobs")
    if remarks:
        answer["notes"] = remarks
    stored = {
        "schema": SCHEMA,
        "kind": "reproduction",
        **answer,
        "title": module.TITLE,
        "citation": module.CITATION,
        "quick": quick,
        "changed": [f"{name} = {value!r}" for name, value in changes.items()],
        "headline": _headline(rows),
        "details": _details(rows, found, published),
        "environment": environment(),
        "results": results,
    }
    write_json(folder / "rows.json", stored)
    report.write(folder)
    return answer


def folder_name(
    key: str, quick: bool = False, seeds: int | None = None, overrides: Mapping[str, Any] | None = None
) -> str:
    """Name of the folder of results when none is given: the paper and the hash of the settings."""
    config = _config(experiment(key), quick, seeds, dict(overrides or {}))
    return f"{key}{'-quick' if quick else ''}-{fingerprint(config)}"


def _config(module: Any, quick: bool, seeds: int | None, changes: dict[str, Any]) -> Any:
    own = module.QUICK if quick else module.Config()
    return _changed(own, {**changes, **({} if seeds is None else {"seeds": seeds})})


def _row(quantity: Quantity, entry: Entry | None, verdicts: bool) -> dict[str, Any]:
    return {
        "quantity": quantity.quantity,
        "published": None if entry is None else entry.published,
        "verified": entry is not None and entry.verified,
        "measured": quantity.measured,
        "spread": quantity.spread,
        "seeds": quantity.seeds,
        "unit": quantity.unit,
        "tolerance": "none" if entry is None else entry.tolerance,
        "verdict": entry.verdict(quantity.measured) if verdicts and entry is not None else "info",
    }


def _details(
    rows: list[dict[str, Any]], found: list[Quantity], published: Mapping[str, Entry]
) -> dict[str, dict[str, str]]:
    """Where each published number stands, why the tolerance, and what to know of ours."""
    ours = {q.quantity: q.note for q in found}
    details = {}
    for row in rows:
        name = row["quantity"]
        entry = published.get(name)
        details[name] = {
            "title": entry.title if entry else "",
            "where": entry.where if entry else "",
            "reason": entry.reason if entry else "",
            "note": ours.get(name, "not measured"),
        }
    return details


def _headline(rows: list[dict[str, Any]]) -> str:
    count = {verdict: sum(r["verdict"] == verdict for r in rows) for verdict in ("pass", "short", "info")}
    measured = sum(r["measured"] is not None for r in rows)
    if not count["pass"] and not count["short"]:
        return f"{measured} of {len(rows)} quantities measured; no verdicts in this version."
    short = [r["quantity"] for r in rows if r["verdict"] == "short"]
    text = f"{count['pass']} of {count['pass'] + count['short']} quantities reproduced"
    text += f"; short: {', '.join(short)}" if short else ""
    return f"{text}; {count['info']} more for information."


def _changed(config: Any, changes: dict[str, Any]) -> Any:
    """Copy of a configuration (frozen dataclass or pydantic model) with some settings changed and checked."""
    if not changes:
        return config
    fields = _fields(config)
    for name in changes:
        if name not in fields:
            raise StudyError(f"this paper has no setting {name!r}{nearest(name, fields)}; it has {', '.join(fields)}")
    changes = {name: _like(name, value, getattr(config, name)) for name, value in changes.items()}
    try:
        if dataclasses.is_dataclass(config):
            return dataclasses.replace(config, **changes)  # type: ignore[type-var]
        return type(config)(**{**config.model_dump(), **changes})
    except NanoneuronsError:
        raise
    except (TypeError, ValueError) as error:
        text = " ".join(str(error).split())
        raise ParameterError(f"setting {', '.join(changes)} was refused: {text}") from error


def _like(name: str, value: Any, default: Any) -> Any:
    """The value in the kind of the default: one number or text becomes a tuple of one where a tuple stands."""
    if isinstance(default, tuple):
        if isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        items = list(value) if isinstance(value, (list, tuple)) else [value]
        alike = len({type(item) for item in default}) == 1  # a record of different kinds is taken as it is
        return tuple(_like(name, item, default[0]) if alike else item for item in items)
    wanted = type(default)
    if isinstance(default, bool) or isinstance(value, bool):
        good = type(value) is wanted
    elif isinstance(default, int):
        good = isinstance(value, int) and value >= 0
    elif isinstance(default, float):
        good = isinstance(value, (int, float)) and math.isfinite(value)
        value = float(value) if good else value
    else:
        good = not isinstance(default, str) or isinstance(value, str)
    if not good:
        what = {bool: "true or false", int: "a whole number, 0 or more", float: "a number", str: "a text"}[wanted]
        raise ParameterError(f"setting {name} = {value!r} must be {what}, like its default {default!r}")
    return value


def _fields(config: Any) -> list[str]:
    if dataclasses.is_dataclass(config):
        return [f.name for f in dataclasses.fields(config)]
    return list(type(config).model_fields)


def _restored(config: Any, values: dict[str, Any]) -> Any:
    """A configuration from its JSON form; lists become tuples again where the default is one."""
    back = {
        name: tuple(value) if isinstance(value, list) and isinstance(getattr(config, name), tuple) else value
        for name, value in values.items()
    }
    return _changed(config, back)


def pictures_of(stored: dict[str, Any]) -> list[Any]:
    """Figures of a stored reproduction, ready for the report."""
    from .drawing import Picture

    module = experiment(stored["key"])
    config = _restored(module.Config(), stored["config"])
    return [
        Picture(
            f.name,
            f.title or f.name.replace("_", " ").replace("-", " ").capitalize(),
            f.caption,
            f.draw,
            f.height,
            f.narrow_height,
        )
        for f in module.figures(config, stored["results"])
    ]
