"""Unit strings at the door: ``"25 uS"`` becomes 2.5e-5; inside, everything is an SI float."""

from __future__ import annotations

import functools
import importlib
import math
import numbers
import re
from typing import Any

from .errors import ParameterError

__all__ = ["quantity", "si"]

_NUMBER_THEN_UNIT = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*")
# A prefix that makes a readable example in the usual range of each unit of this field.
_PREFIX = {"S": "u", "ohm": "k", "s": "n", "V": "m", "A": "u", "J": "p", "W": "u", "T": "m", "Hz": "M", "m": "n"}
_PREFIXES = {-18: "a", -15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


@functools.cache
def _registry() -> Any:
    # Imported here: it takes longer than the rest of a command line's start, and most runs need no units.
    pint: Any = importlib.import_module("pint")
    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for count in ("pulse", "cycle", "epoch"):  # pint's own cycle is an angle
        registry.define(f"{count} = []")
    return registry


def _parsed(unit: str) -> Any:
    """The pint unit, or None for one of our own that pint cannot know, such as ``ln ohm``."""
    try:
        return _registry().parse_units("" if unit == "1" else unit)
    except Exception:  # pint raises its own, tokenize's and built-in errors for odd text
        return None


def quantity(value: Any, unit: str, name: str = "") -> float:
    """Return `value`, a number or a string from a study file or the command line, as a float in the SI unit `unit`.

    A number is taken to be in `unit` already. A string is a number with a unit of the same
    dimension, ``quantity("25 uS", "S") == 2.5e-5``; a bare number in a string is accepted only where
    `unit` is a count or a ratio (``"1"``, ``"pulses"``), because elsewhere its unit is a guess.

    Raises:
        ParameterError: not a quantity, unknown unit or wrong dimension; names the parameter, the unit
            it needs and gives an example.
    """
    if not isinstance(value, bool | str) and isinstance(value, numbers.Real):
        return float(value)
    if not isinstance(value, str):
        raise ParameterError(f"{_label(name)}{value!r} is not a quantity; {_remedy(unit)}")
    match = _NUMBER_THEN_UNIT.fullmatch(value)
    if match is None:
        raise ParameterError(f"{_label(name)}{value!r} is not a number with a unit; {_remedy(unit)}")
    number, suffix = float(match[1]), match[2]
    wanted, used = _parsed(unit), _parsed(suffix)
    if not math.isfinite(number):
        raise ParameterError(f"{_label(name)}{value!r} is too large; {_remedy(unit)}")
    if suffix == unit or (not suffix and (wanted is None or wanted.dimensionless)):
        return number
    if not suffix:
        raise ParameterError(f"{_label(name)}{value!r} has no unit; {_remedy(unit)}")
    if used is None:
        raise ParameterError(f"{_label(name)}{suffix!r} is not a unit; {_remedy(unit)}")
    if wanted is None or used.dimensionality != wanted.dimensionality:
        raise ParameterError(f"{_label(name)}{value!r} cannot be converted to {_shown(unit)}; {_remedy(unit)}")
    converted = float(_registry().Quantity(number, used).to(wanted).magnitude)
    if not math.isfinite(converted):
        raise ParameterError(f"{_label(name)}{value!r} is too large; {_remedy(unit)}")
    return converted


def si(value: float, unit: str) -> str:
    """A value with a prefix: ``si(2.5e-8, "J") == "25 nJ"``."""
    if value == 0 or value != value:
        return f"{value:g} {unit}"
    power = max(-18, min(12, 3 * math.floor(math.log10(abs(value)) / 3 + 1e-9)))
    scaled = float(f"{value / 10.0**power:.3g}")
    if abs(scaled) >= 1000 and power < 12:
        scaled, power = scaled / 1000, power + 3
    return f"{scaled:g} {_PREFIXES[power]}{unit}"


def _label(name: str) -> str:
    return f"{name}: " if name else ""


def _shown(unit: str) -> str:
    return "a plain number" if unit == "1" else unit


def _remedy(unit: str) -> str:
    if unit == "1":
        return 'give a plain number or a ratio, for example 0.25 or "25 %"'
    return f'give it in {unit}, for example "25 {_PREFIX.get(unit, "")}{unit}"'
