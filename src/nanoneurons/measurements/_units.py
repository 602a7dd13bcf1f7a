"""Units of measurements, as headers and options write them."""

from __future__ import annotations

import re

from nanoneurons.core.errors import DataError

__all__ = ["BASES", "base_of", "factor", "is_unit", "split_name"]

_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "m": 1e-3, "": 1.0}
_PREFIX |= {"k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_NAMES = {
    "S": ("S", "siemens", "Siemens", "mho", "℧"),
    "ohm": ("ohm", "Ohm", "OHM", "ohms", "Ohms", "Ω", "Ω"),
    "A": ("A", "amp", "amps", "Amp", "ampere", "Ampere"),
    "V": ("V", "volt", "volts", "Volt", "Volts"),
    "s": ("s", "sec", "secs", "second", "seconds", "Second", "Seconds"),
}
_UNITS: dict[str, tuple[str, float]] = {
    prefix + name: (base, value)
    for base, names in _NAMES.items()
    for name in names
    for prefix, value in _PREFIX.items()
}
_UNITS |= {name: ("s", 60.0) for name in ("min", "mins", "minute", "minutes", "Minutes")}
_UNITS |= {name: ("s", 3600.0) for name in ("h", "hr", "hrs", "hour", "hours", "Hours")}
_UNITS |= {name: ("s", 86400.0) for name in ("d", "day", "days", "Days")}
_UNITS |= {"G0": ("S", 7.748091729e-5)}  # the quantum of conductance, CODATA 2018
_UNITS |= {
    name: ("1", 1.0)
    for name in (
        "1",
        "a.u.",
        "a. u.",
        "au",
        "arb. u.",
        "arb. units",
        "arb.u.",
        "norm.",
        "norm",
        "normalised",
        "normalized",
    )
}
_UNITS |= {"%": ("1", 0.01)}
# What a column of each quantity may be given in, and the SI unit it becomes.
BASES = {
    "conductance": ("S", "1"),
    "target": ("S", "1"),
    "spread": ("S", "1"),
    "resistance": ("ohm",),
    "current": ("A", "1"),
    "voltage": ("V",),
    "amplitude": ("V",),
    "read_voltage": ("V",),
    "time": ("s",),
}
_EXAMPLE = {"S": "uS", "ohm": "kOhm", "A": "uA", "V": "mV", "s": "s"}
_BRACKETS = re.compile(r"^(.*?)\s*[(\[{<]\s*([^()\[\]{}<>]+?)\s*[)\]}>]\s*$")
_TAIL = re.compile(r"^(.+?)\s*[/,_ ]\s*([^/,_ ]+)$")


def is_unit(text: str) -> bool:
    """Whether a text is a unit this package knows."""
    return _bare(text) in _UNITS


def _bare(text: str) -> str:
    return text.strip().strip("()[]{}")


def base_of(text: str | None) -> str | None:
    """SI unit behind a unit, or None where there is none or it is unknown."""
    found = _UNITS.get(_bare(text or ""))
    return found[0] if found else None


def factor(text: str, quantity: str) -> tuple[str, float]:
    """SI unit and factor of a unit for a quantity such as ``conductance``.

    Raises:
        DataError: unknown, or a unit of something else; gives an example.
    """
    text = _bare(text)
    found = _UNITS.get(text)
    allowed = BASES[quantity]
    if (found is None or found[0] not in allowed) and allowed[0] == "S" and text.endswith("s"):
        found = _UNITS.get(text[:-1] + "S", found)  # "us" in the header of a conductance means microsiemens
    if found is None or found[0] not in allowed:
        what = "not a unit" if found is None else f"a unit of something else ({found[0]})"
        name = quantity.replace("_", " ")
        raise DataError(f"{text!r} is {what}; give the {name} in {allowed[0]}, for example {_EXAMPLE[allowed[0]]!r}")
    return found


def split_name(header: str, quantity: str | None = None) -> tuple[str, str | None]:
    """A header as name and unit: ``G (uS)``, ``R [kOhm]``, ``Time/s``, and ``I_A`` where the quantity is known."""
    header = header.strip().strip('"').strip()
    found = _BRACKETS.match(header)
    if found and is_unit(found[2]):
        return found[1].strip(), found[2].strip()
    found = _TAIL.match(header)
    if found and is_unit(found[2]):
        mark = header[found.end(1) :].lstrip()[:1]
        if mark in ("/", ","):
            return found[1].strip(), _bare(found[2])
        if quantity in BASES and base_of(found[2]) in BASES[quantity] and found[2] != "1":
            return found[1].strip(), _bare(found[2])
    return header, None
