"""What can be told of a device by measurements, and what a device file says of one: as plain data and as tables."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._show import number, print_table, print_text

if TYPE_CHECKING:
    from nanoneurons.devices import Device, DeviceFile

__all__ = ["IDENTIFIED_COLUMNS", "fitted_parameters", "identified", "identified_rows", "of_file", "show_file"]

IDENTIFIED_COLUMNS = ("measurement", "tells")
FITTED_COLUMNS = ("parameter", "value", "unit", "95 % interval", "origin", "meaning")
KINDS = {
    "pulses": "conductance after pulses", "iv": "current against voltage",
    "levels": "programmed levels, read again and again", "retention": "a programmed state in time",
    "noise": "reads in a row of a device left alone", "tables": "distributions of the step",
}  # fmt: skip


def identified(made: Device) -> dict[str, list[str]] | None:
    """Which parameters each kind of measurement tells; None for a device that no measurement fits."""
    found = getattr(made, "identified", None)
    return {kind: list(names) for kind, names in found.items()} if found else None


def identified_rows(found: dict[str, list[str]]) -> list[tuple[str, str]]:
    """Rows of the table of what each kind of measurement tells."""
    return [(f"{kind} ({KINDS[kind]})" if kind in KINDS else kind, ", ".join(names)) for kind, names in found.items()]


def of_file(spec: str) -> dict[str, Any]:
    """What a device file says besides the values; nothing for a device of the catalogue."""
    from nanoneurons import devices

    if not spec.endswith(".toml"):
        return {}
    file = devices.load_file(spec)
    names = list(file.known)
    return {
        "file": {
            "name": Path(spec).name,
            "family": file.name,
            "notes": list(file.notes),
            "origin": [dataclasses.asdict(source) for source in file.origin],
            "correlation": {name: list(row) for name, row in zip(names, file.correlation, strict=False)},
        }
    }


def fitted_parameters(spec: str, parameters: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parameters of a device file, each with its interval (or None), origin and reason."""
    from nanoneurons import devices

    if not spec.endswith(".toml"):
        return parameters
    file = devices.load_file(spec)
    return [{**p, **_origin(file, p)} for p in parameters]


def _origin(file: DeviceFile, p: dict[str, Any]) -> dict[str, Any]:
    name = p["name"]
    known, source = file.known.get(name), file.origin_of(name)
    found: dict[str, Any] = {"low_95": known and known.low, "high_95": known and known.high, "reason": ""}
    if known:
        where = source.file if source else ""
        return {**found, "origin": "fitted", "reason": where, "source": where or p["source"], "verified": True}
    for origin, reasons in (("set", file.fixed), ("kept", file.kept)):
        if name in reasons:
            return {**found, "origin": origin, "reason": reasons[name]}
    by_hand = p["value"] != file.device.parameter(name).default
    return {**found, "origin": "file" if by_hand else "default", **({"source": "the device file"} if by_hand else {})}


def show_file(found: dict[str, Any]) -> None:
    """Print what a device file says: the measurements, notes, and every parameter with its interval and origin."""
    file = found["file"]
    for source in file["origin"]:
        facts = [
            source["kind"],
            f"{source['devices']} device{'s' if source['devices'] > 1 else ''}" if source["devices"] else "",
            f"{source['used']:,} of {source['rows']:,} rows used" if source["rows"] else "",
            source["date"],
            f"nanoneurons {source['version']}" if source["version"] else "",
            f"SHA-256 {source['sha256'][:12]}..." if source["sha256"] else "",
        ]
        print_text(f"From {source['file'] or 'measurements'}: {', '.join(fact for fact in facts if fact)}")
        for column, meaning in source["columns"].items():
            print_text(f"  {column}: {meaning}")
    for note in file["notes"]:
        print_text(f"  * {note}")
    print_text("")
    rows = [p for p in found["parameters"] if p["origin"] != "default"]
    print_table("parameters", FITTED_COLUMNS, [_row(p) for p in rows])
    left = [p["name"] for p in found["parameters"] if p["origin"] == "default"]
    if left:
        print_text(f"At their defaults, not mentioned in the file: {', '.join(left)}\n")


def _row(p: dict[str, Any]) -> tuple[str, ...]:
    interval = "" if p["low_95"] is None else f"{number(p['low_95'])} to {number(p['high_95'])}"
    origin = p["origin"] + (f": {p['reason']}" if p["reason"] else "")
    return (p["name"], number(p["value"]), p["unit"], interval, origin, p["doc"])
