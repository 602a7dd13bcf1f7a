"""How much of an audit's answer is uncertain because the device was fitted: from a device file's intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanoneurons.devices import DeviceFile

from . import stats
from .setup import Setup
from .words import signed

__all__ = ["NAMES", "attributed", "conditions", "labels", "notes", "part", "sentence"]

NAMES = {"chips": "number of chips", "test": "number of test samples", "fit": "fit of the parameters"}


def conditions(setup: Setup) -> list[str]:
    """One condition per draw of the fitted parameters."""
    return [f"fit:{k}" for k in range(len(setup.drawn))]


def labels(setup: Setup) -> dict[str, str]:
    """Names for people of `conditions`."""
    return {name: f"draw {k + 1} of the fit" for k, name in enumerate(conditions(setup))}


def part(setup: Setup, tables: dict[str, np.ndarray]) -> dict[str, Any] | None:
    """The answer with the uncertainty of the fit, and what it consists of; None where nothing was drawn.

    Args:
        tables: right and wrong answers per condition.
    """
    names = conditions(setup)
    if not names or setup.file is None:
        return None
    found = stats.with_fit(np.stack([tables[name] for name in names]))
    errors = {"chips": found.se_chips, "test": found.se_test, "fit": found.se_fit}
    total = sum(e**2 for e in errors.values() if e is not None)
    full = stats.crossed_mean(tables["full"])
    per_chip = tables["full"].mean(1)
    return {
        "draws": len(names),
        "mean": found.mean,
        "low": found.low,
        "high": found.high,
        "without": {"mean": full.mean, "low": full.low, "high": full.high},
        "errors": errors,
        "shares": {k: None if e is None else (e**2 / total if total else 0.0) for k, e in errors.items()},
        "chip_std": float(per_chip.std(ddof=1)) if len(per_chip) > 1 else None,
        "parameters": _parameters(setup),
        "kept": dict(setup.file.kept),
        "fixed": dict(setup.file.fixed),
        "at_edge": _at_edge(setup),
        "tables": list(setup.circuit.device.tables()),
    }


def _varied(setup: Setup) -> list[str]:
    """Parameters that differ from draw to draw: all with an interval, but those that the study sets itself."""
    assert setup.file is not None
    values = [circuit.device.values() for circuit in setup.drawn]
    return [name for name in setup.file.known if len({v[name] for v in values}) > 1]


def _parameters(setup: Setup) -> list[dict[str, Any]]:
    assert setup.file is not None
    found: list[dict[str, Any]] = []
    for name in _varied(setup):
        known, declared = setup.file.known[name], setup.file.device.parameter(name)
        source = setup.file.origin_of(name)
        found.append(
            {
                "name": name,
                "doc": declared.doc,
                "unit": declared.unit,
                "value": getattr(setup.file.device, name),
                "low": known.low,
                "high": known.high,
                "file": source.file if source else "",
                "drawn": [getattr(circuit.device, name) for circuit in setup.drawn],
            }
        )
    return found


def _at_edge(setup: Setup) -> dict[str, int]:
    """How many draws lie on the edge of a parameter's declared range, where it was not there from the start."""
    found = {}
    for name in _varied(setup):
        p = setup.circuit.device.parameter(name)
        count = sum(getattr(c.device, name) in (p.low, p.high) for c in setup.drawn)
        if count and getattr(setup.circuit.device, name) not in (p.low, p.high):
            found[name] = count
    return found


def sentence(found: dict[str, Any]) -> str:
    """What the uncertainty of the fit makes of the answer."""
    share = found["shares"]["fit"]
    low, high = max(found["low"], 0.0), min(found["high"], 1.0)
    text = (
        f"with the uncertainty of the fitted parameters the accuracy is {100 * found['mean']:.2f} % "
        f"({100 * low:.2f} to {100 * high:.2f} %)"
    )
    without = found["without"]
    if without["low"] is not None:
        text += f", without it {100 * without['low']:.2f} to {100 * min(without['high'], 1.0):.2f} %"
    if found["errors"]["fit"] == 0:
        return text + "; the draws of the fit do not differ beyond what chips and test samples explain"
    text += f"; {100 * share:.0f} % of the variance comes from the fit"
    if share > 0.5:
        return text + ", so that more measurements would tell more than more chips"
    return text + ", so that more measurements alone would not narrow it much" if share < 0.2 else text


def rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Cause, standard error in points and share of the variance, for a table."""
    shown = []
    for key, name in NAMES.items():
        error, share = found["errors"][key], found["shares"][key]
        shown.append((name, "unknown" if error is None else signed(100 * error), _share(share)))
    return shown


def _share(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def notes(found: dict[str, Any]) -> list[str]:
    """What the interval with the fit does not cover."""
    said = [
        f"The fit's part is from {found['draws']} draws of the fitted parameters within their intervals and "
        "correlations; every draw uses the same chips, mini-batches and test samples."
    ]
    if found["kept"]:
        names = ", ".join(found["kept"])
        said.append(
            f"{len(found['kept'])} parameters were told by no measurement and kept their values; they carry no "
            f"uncertainty here: {names}."
            if len(found["kept"]) > 1
            else f"{names} was told by no measurement and kept its value; it carries no uncertainty here."
        )
    if found["tables"]:
        said.append(f"The tables of the device carry no uncertainty here: {', '.join(found['tables'])}.")
    for name, count in found["at_edge"].items():
        said.append(f"In {count} of {found['draws']} draws {name} was moved onto the edge of its range.")
    return said


def attributed(setup: Setup, name: str, source: str, verified: bool) -> tuple[str, bool]:
    """Where the value of a device's parameter comes from, and whether that was verified.

    Args:
        source, verified: of the default, as the device declares them.
    """
    file, device = setup.file, setup.circuit.device
    if file is None:
        return source, verified
    value, declared = getattr(device, name), device.parameter(name)
    if value != getattr(file.device, name):
        return "set in the study", True
    if name in file.known:
        return _fitted(file, name), True
    if name in file.fixed:
        return f"set by the fit: {file.fixed[name]}", True
    if name in file.kept:
        return f"kept ({file.kept[name]}); {source}", verified
    return (source, verified) if value == declared.default else ("the device file", True)


def _fitted(file: DeviceFile, name: str) -> str:
    from .words import number

    known, unit, source = file.known[name], file.device.parameter(name).unit, file.origin_of(name)
    where = f"{source.file}: " if source and source.file else ""
    return f"fitted, {where}{number(known.low, unit)} to {number(known.high, unit)} (95 %)"
