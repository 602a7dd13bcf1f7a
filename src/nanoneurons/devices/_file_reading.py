"""Reading a device file: every key is checked, and a mistake is told in one line that names the file and the key."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch

from nanoneurons.core.errors import DataError, NanoneuronsError, ParameterError, UnknownNameError, nearest
from nanoneurons.core.parameter import Parameter
from nanoneurons.core.units import quantity

from ._device import Device
from ._file import DeviceFile, Provenance, Uncertainty

__all__ = ["load"]

_KEYS = ("device", "notes", "parameters", "intervals", "errors", "correlation", "fixed", "kept", "origin", "tables")
_SCALES = ("linear", "log", "logit")
_TOLERANCE = 1e-5  # a file may give correlations to six decimals


def load(path: str | Path, build: Callable[[str], Device]) -> DeviceFile:
    """Read a device file.

    Args:
        build: makes the device that a name stands for.

    Raises:
        DataError: the file is missing, is not TOML, or has a table of the wrong shape.
        ParameterError: a value with a wrong unit or out of range, or an interval that does not fit its value.
        UnknownNameError: no such device, parameter or key.
    """
    file = Path(path).expanduser()
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        beside = [other.name for other in file.parent.glob("*.toml")]
        raise DataError(f"device file {file} does not exist{nearest(file.name, beside)}; check the path") from None
    except UnicodeDecodeError:
        raise DataError(f"device file {file} is not text; give a TOML file, such as 'nanoneurons fit' writes") from None
    except OSError as error:
        raise DataError(f"device file {file} cannot be read: {error.strerror or error}") from None
    try:
        return _checked(tomllib.loads(text), build)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise DataError(f"device file {file} is not TOML: {_where(text, str(error))}") from None
    except NanoneuronsError as error:
        raise type(error)(f"device file {file}: {error}") from None


def _where(text: str, said: str) -> str:
    """What the parser said, with the line it means, which shows the key."""
    place = re.search(r"at line (\d+)", said)
    lines = [line.strip() for line in text.splitlines()[: int(place[1]) if place else None] if line.strip()]
    why = "a key or table is given twice" if "Cannot overwrite" in said or "twice" in said else ""
    return "; ".join(
        [" ".join(said.split()), *([why] if why else []), f"see {lines[-1]!r}" if lines else "it is empty"]
    )


def _checked(content: dict[str, Any], build: Callable[[str], Device]) -> DeviceFile:
    _known(content, _KEYS, "key")
    name = content.get("device")
    if not isinstance(name, str):
        raise DataError('it must say which family it is: device = "pulsed"')
    if name.endswith(".toml"):
        raise DataError(f"device = {name!r} names a file; give a family of 'nanoneurons devices', such as \"pulsed\"")
    base = build(name)
    values = {key: _value(given, base, key, "parameters") for key, given in _table(content, "parameters").items()}
    device = _built(base, values, _table(content, "tables"))
    reasons = {key: _reasons(_table(content, key), base, key) for key in ("fixed", "kept")}
    known = _uncertainties(_table(content, "intervals"), _table(content, "errors"), device)
    for key, table in reasons.items():
        if both := [n for n in table if n in known]:
            raise DataError(f"[{key}] {both[0]} has an interval too; delete one of the two")
    return DeviceFile(
        name=name,
        device=device,
        known=known,
        correlation=_correlation(_table(content, "correlation"), _table(content, "errors"), known, base),
        fixed=reasons["fixed"],
        kept=reasons["kept"],
        notes=_texts(content.get("notes", []), "notes"),
        origin=_origin(content.get("origin", []), base),
    )


def _known(given: Iterable[str], allowed: Iterable[str], noun: str, where: str = "") -> None:
    for key in given:
        if key not in (names := list(allowed)):
            raise UnknownNameError(f"{where}unknown {noun} {key!r}{nearest(key, names)}; it knows {', '.join(names)}")


def _table(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise DataError(f"{name} must be a table, [{name}] with one line per name")
    return found


def _declared(device: Device, name: str, where: str) -> Parameter:
    try:
        return device.parameter(name)
    except UnknownNameError as error:
        raise UnknownNameError(f"[{where}] {error}") from None


def _value(given: Any, device: Device, name: str, where: str) -> Any:
    """A value of a parameter in SI units, checked against what the device declares."""
    declared = _declared(device, name, where)
    if declared.choices is None:
        try:
            number = quantity(given, declared.unit, name)
        except ParameterError as error:
            raise ParameterError(f"[{where}] {error}") from None
        # a whole number stays what it was written as, 3 or 3.0
        whole = declared.integer and not isinstance(given, float) and "." not in str(given) and number.is_integer()
        given = int(number) if whole else number
    elif not isinstance(given, str):
        raise ParameterError(f"[{where}] {name} must be one of {', '.join(declared.choices)}, not {given!r}")
    try:
        declared.check(given, type(device).__name__)
    except ParameterError as error:
        raise ParameterError(f"[{where}] {error}") from None
    return given


def _built(base: Device, values: dict[str, Any], tables: dict[str, Any]) -> Device:
    if not tables:
        return replace(base, **values)
    if not base.tables():
        raise DataError(f"[tables]: {type(base).__name__} has none; delete them")
    return base.with_tables(tables, **values)


def _reasons(given: dict[str, Any], device: Device, where: str) -> dict[str, str]:
    for name, reason in given.items():
        _declared(device, name, where)
        if not isinstance(reason, str):
            raise DataError(f"[{where}] {name} must be text that says why, not {reason!r}")
    return given


def _uncertainties(intervals: dict[str, Any], errors: dict[str, Any], device: Device) -> dict[str, Uncertainty]:
    """Intervals with their scales; an error without an interval belongs to a value changed by hand and is left out."""
    for name in errors:
        _declared(device, name, "errors")
    found: dict[str, Uncertainty] = {}
    # A correlation has the order of the errors, which therefore lead.
    for name in [*(n for n in errors if n in intervals), *(n for n in intervals if n not in errors)]:
        declared = _declared(device, name, "intervals")
        where, given = f"[intervals] {name}", intervals[name]
        if declared.choices is not None:
            raise ParameterError(f"{where} is a choice between words and has no interval; delete it")
        if not isinstance(given, list) or len(given) != 2:
            raise DataError(f"{where} must be two values, [low, high], not {given!r}")
        low, high = (float(_value(end, device, name, "intervals")) for end in given)
        value = getattr(device, name)
        if not (math.isfinite(low) and math.isfinite(high)):
            raise ParameterError(f"{where} must end at finite numbers, not {given!r}")
        if low > high:
            raise ParameterError(f"{where} = {given!r} has its ends the wrong way round; give [low, high]")
        if not low <= value <= high:
            raise ParameterError(
                f"{where} = {given!r} does not contain the value {value!r} of [parameters]; delete the interval of a "
                "value that you change by hand"
            )
        found[name] = Uncertainty(low, high, *_error(errors.get(name, {}), name))
    return found


def _error(given: Any, name: str) -> tuple[Any, float | None]:
    where = f"[errors] {name}"
    if not isinstance(given, dict):
        raise DataError(f'{where} must be {{ scale = "log", error = 0.02 }}, not {given!r}')
    _known(given, ("scale", "error"), "key", f"{where}: ")
    scale, error = given.get("scale", "linear"), given.get("error")
    if scale not in _SCALES:
        raise DataError(
            f"{where}: scale must be one of {', '.join(_SCALES)}, not {scale!r}{nearest(str(scale), _SCALES)}"
        )
    if error is None:
        return scale, None
    if isinstance(error, bool) or not isinstance(error, int | float) or not 0 <= error < math.inf:
        raise DataError(f"{where}: error must be a number, 0 or larger, not {error!r}")
    return scale, float(error)


def _correlation(
    given: dict[str, Any], errors: dict[str, Any], known: Mapping[str, Uncertainty], device: Device
) -> tuple[tuple[float, ...], ...]:
    """Rows of the correlation in the order of `known`, without the values changed by hand."""
    if not given:
        return ()
    for name in given:
        _declared(device, name, "correlation")
    names = list(given)
    if missing := [*(n for n in errors if n not in given), *(n for n in names if n not in errors)]:
        raise DataError(
            f"[correlation] must have one row for each name of [errors]; {missing[0]!r} is in one of them only"
        )
    for name, row in given.items():
        if not isinstance(row, list) or len(row) != len(names) or not all(_plain_number(x) for x in row):
            raise DataError(f"[correlation] {name} must be a row of {len(names)} numbers")
    rows = torch.tensor(list(given.values()), dtype=torch.float64)
    if not bool((rows.diagonal() - 1).abs().max() <= _TOLERANCE):
        raise DataError("[correlation] must have ones on its diagonal: every error goes with itself")
    if not bool((rows - rows.T).abs().max() <= _TOLERANCE):
        i, j = divmod(int((rows - rows.T).abs().argmax()), len(names))
        raise DataError(f"[correlation] is not symmetric: {names[i]} with {names[j]} differs from the other way round")
    if float(torch.linalg.eigvalsh(rows)[0]) < -_TOLERANCE:
        raise DataError(
            "[correlation] is not positive semi-definite, so no errors can have it; delete the table to take them as "
            "independent"
        )
    place = {name: k for k, name in enumerate(names)}
    size, order = len(known), [place.get(name) for name in known]
    table = [[float(i == j) for j in range(size)] for i in range(size)]
    for i, a in enumerate(order):
        for j, b in enumerate(order):
            if a is not None and b is not None:
                table[i][j] = float(rows[a, b])
    return tuple(map(tuple, table))


def _plain_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _texts(given: Any, where: str) -> tuple[str, ...]:
    if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
        raise DataError(f'{where} must be a list of texts, such as ["measured at 300 K"]')
    return tuple(given)


def _origin(given: Any, device: Device) -> tuple[Provenance, ...]:
    sources = given if isinstance(given, list) else [given]
    known = {f.name: f.default for f in fields(Provenance)}
    found: list[Provenance] = []
    for source in sources:
        if not isinstance(source, dict):
            raise DataError("origin must be a table, [origin]")
        _known(source, known, "key", "[origin] ")
        values = dict(source)
        for name, value in source.items():
            if name == "columns":
                if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
                    raise DataError('[origin] columns must be a table of texts, { "G (uS)" = "conductance in uS" }')
            elif name == "parameters":
                values[name] = _texts(value, "[origin] parameters")
                for parameter in values[name]:
                    _declared(device, parameter, "origin")
            elif isinstance(known[name], int):
                if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                    raise DataError(f"[origin] {name} must be a whole number, not {value!r}")
            elif isinstance(value, datetime.date):
                values[name] = value.isoformat()
            elif not isinstance(value, str):
                raise DataError(f"[origin] {name} must be text, not {value!r}")
        found.append(Provenance(**values))
    return tuple(found)
