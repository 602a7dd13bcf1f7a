"""Arrays laid out as the columns of a table."""

from __future__ import annotations

import re

import numpy as np

from ._ramps import trend
from ._roles import guess
from ._table import Column, Table

__all__ = ["columns_table", "counts", "grid_table", "joined_table"]

_READINGS = ("conductance", "resistance", "current")


def columns_table(arrays: dict[str, np.ndarray], file: str) -> Table | None:
    """One-dimensional arrays of equal length, named as the columns of a table are; None where there are none."""
    flat = {k: v for k, v in arrays.items() if v.ndim == 1}
    for length in sorted({len(v) for v in flat.values()}, reverse=True):
        columns = [_column(k, v) for k, v in flat.items() if len(v) == length]
        roles = [role for role in map(guess, columns) if role]
        readings = [role for role in roles if role in (*_READINGS, "up", "down")]
        if readings and len(roles) > 1 and len(set(roles)) == len(roles):
            return Table(file, tuple(columns), 0, notes=(f"arrays of {length:,} taken as columns",), word="index")
    return None


def grid_table(arrays: dict[str, np.ndarray], file: str, kind: str | None) -> Table | None:
    """An array of readings with arrays that explain its axes, such as ``G (devices, pulses)`` and ``pulse (pulses,)``.

    An axis that nothing explains is the device (the cycle of a sweep); of two, the second is the cycle. The last axis
    holds the readings of a run where no array says otherwise.
    """
    for quantity in _READINGS:
        for name, array in arrays.items():
            if array.ndim not in (2, 3) or array.dtype.kind != "f":
                continue
            if guess(Column(name, array.ravel())) != quantity:
                continue
            columns, used = _companions(arrays, name)
            if not columns:
                continue
            sequence = used or {array.ndim - 1}
            names = ["cycle", "run"] if kind == "iv" else ["device", "cycle"]
            taken = {guess(c) for c in columns}
            for axis in (k for k in range(array.ndim) if k not in sequence):
                free = next((n for n in names if n not in taken), None)
                if free is not None:
                    taken.add(free)
                    columns.append(Column(free, _along(np.arange(1.0, array.shape[axis] + 1), axis, array.shape)))
            shape = " x ".join(str(n) for n in array.shape)
            note = f"array {name!r} ({shape}) taken with {', '.join(c.name for c in columns)}"
            return Table(file, (Column(name, array.ravel()), *columns), 0, notes=(note,), word="index")
    return None


def _companions(arrays: dict[str, np.ndarray], name: str) -> tuple[list[Column], set[int]]:
    """Arrays that run along an axis of the readings, spread over all of them, and these axes."""
    shape = arrays[name].shape
    columns: list[Column] = []
    used: set[int] = set()
    for other, values in arrays.items():
        role = guess(_column(other, values.ravel()))
        if other == name or role in (None, *_READINGS):
            continue
        if values.shape == shape:
            columns.append(_column(other, values.ravel()))
        elif values.ndim == 1 and len(values) in shape:
            axes = [k for k, n in enumerate(shape) if n == len(values)]
            axis = axes[0] if role == "device" else axes[-1]
            flat = _column(other, values)
            columns.append(Column(other, _along(flat.values, axis, shape), labels=flat.labels))
            used.add(axis)
    return columns, used


def _along(values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    """Values of one axis for every reading, ``(readings,)``."""
    form = [1] * len(shape)
    form[axis] = len(values)
    return np.broadcast_to(values.reshape(form), shape).ravel()


def _column(name: str, values: np.ndarray) -> Column:
    if values.dtype.kind == "f":
        return Column(name, values)
    codes: dict[str, int] = {}
    found = np.array([codes.setdefault(str(v), len(codes)) for v in values], dtype=np.float64)
    return Column(name, found, labels=tuple(codes))


def joined_table(
    kind: str, names: tuple[str, ...], arrays: dict[str, np.ndarray], file: str, notes: list[str]
) -> Table:
    """Arrays of one kind below each other: one level, one run or one device each."""
    ordered = sorted(names, key=_natural)
    if kind == "levels":
        ordered.sort(key=lambda n: float(np.nanmedian(arrays[n])))
    parts: list[dict[str, np.ndarray]] = []
    goes_on = 0.0
    for k, name in enumerate(ordered):
        part = _part(kind, arrays[name], notes)
        count = len(next(iter(part.values())))
        if kind in ("levels", "retention", "noise") and len(names) > 1 and "level" not in part:
            part["level"] = np.full(count, float(k))
        if kind == "retention" and "read" in part:
            if k and float(part["read"][0]) == goes_on:
                notes.append("the running number goes on from array to array: counted from 0 in each")
            goes_on = float(part["read"][-1]) + 1
        if kind == "iv" and len(names) > 1:
            cycle = part.get("cycle", np.full(count, float(k)))
            part |= {"cycle": cycle, "run": cycle + 1e6 * k}
        parts.append(part)
    shared = [n for n in parts[0] if all(n in part for part in parts)]
    columns = tuple(Column(n, np.concatenate([part[n] for part in parts])) for n in shared)
    if kind == "noise" and any("spread" in part for part in parts):
        notes.append("each reading is a mean of several reads, whose spread the file gives: --as retention keeps it")
    return Table(file, columns, 0, notes=tuple(dict.fromkeys(notes)), word="index")


def _natural(name: str) -> list[tuple[int, int, str]]:
    return [(0, int(p), "") if p.isdigit() else (1, 0, p) for p in re.split(r"(\d+)", name) if p]


def counts(array: np.ndarray) -> bool:
    """Whether the first of few columns is a running number."""
    if array.ndim != 2 or array.shape[1] not in (2, 3) or len(array) < 3:
        return False
    return bool((np.diff(array[:, 0]) == 1).all())


def _part(kind: str, array: np.ndarray, notes: list[str]) -> dict[str, np.ndarray]:
    """Columns of one array."""
    if kind == "iv":
        sweeps = array.reshape(-1, *array.shape[-2:])
        keep = np.isfinite(sweeps).all(axis=-1)
        cycle = np.broadcast_to(np.arange(float(len(sweeps)))[:, None], keep.shape)[keep]
        part = {"voltage": sweeps[..., 0][keep], "current": sweeps[..., 1][keep]}
        return part | ({"cycle": cycle} if len(sweeps) > 1 else {})
    if array.ndim == 1:
        return {"conductance": array}
    if array.ndim == 2 and array.shape[1] in (2, 3) and len(array) > 3 and kind != "levels":
        if kind in ("retention", "noise") or counts(array):
            first = "pulse" if kind == "pulses" else "read" if counts(array) else "time"
            part = {first: array[:, 0], "conductance": array[:, 1]}
            return part | ({"spread": array[:, 2]} if array.shape[1] == 3 else {})
        if array.shape[1] == 2 and (way := trend(array[:, 0])) * trend(array[:, 1]) < 0:
            up, down = (array[:, 0], array[:, 1]) if way > 0 else (array[:, 1], array[:, 0])
            notes.append("the rising column was taken as up, the falling one as down")
            return {"up": up, "down": down}
    if array.ndim == 2:
        array = _runs_in_rows(kind, array, notes)
    shape = array.shape
    first = "level" if kind == "levels" else "device"
    part = {first: _along(np.arange(1.0, shape[0] + 1), 0, shape), "conductance": array.ravel()}
    if array.ndim == 3:
        part["cycle"] = _along(np.arange(float(shape[1])), 1, shape)
    return part


def _runs_in_rows(kind: str, array: np.ndarray, notes: list[str]) -> np.ndarray:
    """The matrix with one run (one level) per row.

    Readings of one run follow each other smoothly, those of different devices do not; there are fewer levels than
    readings.
    """
    if kind == "levels":
        turn = array.shape[0] > array.shape[1]
        what = "level", "there are fewer of them"
    else:
        down, across = (np.abs(np.diff(array, axis=axis)) for axis in (0, 1))
        down, across = down[np.isfinite(down)], across[np.isfinite(across)]
        turn = bool(len(down)) and bool(len(across)) and bool(np.median(down) < np.median(across))
        what = "device", "readings along it move the least"
    notes.append(f"each {'column' if turn else 'row'} was taken as one {what[0]}: {what[1]}")
    return array.T if turn else array
