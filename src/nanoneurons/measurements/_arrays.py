"""Arrays of an ``.npz`` as tables: chosen by name and shape for the kind of measurement asked for."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError, nearest

from ._records import StepTables
from ._roles import guess
from ._step_tables import has_tables, step_tables
from ._table import Column, Table

__all__ = ["read_arrays"]

# How much a word in the name of an array speaks for a kind.
_SCORES = {
    "pulses": {
        3: "ltp ltd potentiation depression conductance g resistance weight weights",
        2: "response ramp up down",
        1: "pulse pulses",
    },
    "levels": {3: "hist histogram level levels", 2: "state states conductance target"},
    "retention": {4: "retention drift", 3: "relaxation"},
    "noise": {4: "noise rtn", 3: "fluctuation reads", 1: "retention"},
    "iv": {4: "iv", 3: "sweep sweeps hysteresis"},
}
_WORDS = {kind: {w: n for n, words in known.items() for w in words.split()} for kind, known in _SCORES.items()}
_OTHER = frozenset(["mac", "map", "itheory", "iexp", "image", "kernel", "accuracy", "label", "labels"])
_POLARITY = re.compile(r"positive|negative|reset|set|forward|backward|pos|neg", re.IGNORECASE)


@dataclass(frozen=True)
class Candidate:
    """Arrays that together could be one kind of measurement."""

    kind: str
    label: str
    names: tuple[str, ...]
    score: int
    readings: int


def read_arrays(raw: bytes, file: str, kind: str | None, name: str) -> tuple[str | None, Table] | StepTables:
    """Table of the best arrays for a kind, or the tables of steps that the file holds.

    Args:
        raw: bytes of an ``.npz`` or ``.npy``.
        kind: kind asked for, or None to take the only one there is.
        name: part of the names of the arrays to take; empty for all.

    Raises:
        DataError: not readable, no array for the kind, or several kinds and none asked for.
    """
    arrays = _load(raw, file)
    if (kind in ("pulses", "tables", None)) and has_tables(arrays):
        return step_tables(arrays, file, name)
    if kind == "tables":
        raise DataError(
            f"{file} holds no tables of steps (arrays that end in _cdf with their axes); it holds {_some(arrays)}"
        )
    if name:
        chosen = {k: v for k, v in arrays.items() if name.lower() in k.lower()}
        if not chosen:
            raise DataError(f"columns: {file} has no array {name!r}{nearest(name, arrays)}; it has {_some(arrays)}")
        arrays = {k: v for k, v in chosen.items() if k == name} or chosen
    table = _columns(arrays, file)
    if table is not None:
        return kind, table
    found = {k: _candidates(arrays, k, bool(name)) for k in _WORDS}
    if kind is None:
        kinds = [k for k, some in found.items() if some and k != "noise"]
        if len(kinds) != 1:
            raise DataError(f"{file}: what shall be read? {_holds(found, arrays)}")
        kind = kinds[0]
    if not found[kind]:
        raise DataError(f"{file} holds nothing that looks like {kind}. {_holds(found, arrays)}")
    best, *others = sorted(found[kind], key=lambda c: (-c.score, -len(c.names), -c.readings, c.label))
    taken = ", ".join(best.names) if len(best.names) <= 8 else f"{best.label} ({len(best.names)} arrays)"
    notes = [f"arrays taken: {taken}"]
    if others:
        listed = ", ".join(c.label for c in others[:6]) + (f" and {len(others) - 6} more" if len(others) > 6 else "")
        notes.append(
            "chosen for their names, then for most arrays, then for most readings; "
            f"also there: {listed} (--columns NAME picks)"
        )
    return kind, _table(kind, best, arrays, file, notes)


def _load(raw: bytes, file: str) -> dict[str, np.ndarray]:
    try:
        if raw.startswith(b"\x93NUMPY"):
            return {"array": np.load(io.BytesIO(raw), allow_pickle=False)}
        arrays, objects = {}, []
        with np.load(io.BytesIO(raw), allow_pickle=False) as stored:
            for name in stored.files:
                try:
                    array = stored[name]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    objects.append(name)
                    continue
                if array.dtype.kind in "fiubUS" and array.ndim and array.size:
                    arrays[name] = array.astype(np.float64) if array.dtype.kind in "fiub" else array.astype(str)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = "it holds Python objects, not numbers" if "allow_pickle" in str(error) else str(error)
        raise DataError(f"{file} is not a readable .npz file ({reason}); save it again with numpy.savez") from error
    if not arrays:
        reason = (
            f"only Python objects ({', '.join(objects)}), which are not read" if objects else "no array with numbers"
        )
        raise DataError(f"{file} holds {reason}; save plain arrays with numpy.savez")
    return arrays


def _some(arrays: dict[str, np.ndarray]) -> str:
    names = [f"{k} {v.shape}" for k, v in arrays.items()]
    return ", ".join(names if len(names) <= 8 else [*names[:6], f"... ({len(names)} in all)"])


def _holds(found: dict[str, list[Candidate]], arrays: dict[str, np.ndarray]) -> str:
    known = [f"{kind} ({max(some, key=lambda c: c.score).label})" for kind, some in found.items() if some]
    if not known:
        return f"It holds {_some(arrays)}; name an array with --columns NAME and the kind with --as"
    kinds = " or ".join(f"--as {kind}" for kind, some in found.items() if some)
    return f"It holds {', '.join(known)}; say {kinds}"


def _columns(arrays: dict[str, np.ndarray], file: str) -> Table | None:
    """One-dimensional arrays of equal length, named as the columns of a table are."""
    flat = {k: v for k, v in arrays.items() if v.ndim == 1}
    for length in sorted({len(v) for v in flat.values()}, reverse=True):
        columns = [_column(k, v) for k, v in flat.items() if len(v) == length]
        roles = [guess(c) for c in columns]
        readings = {"conductance", "resistance", "current", "up", "down"}
        if (
            len([r for r in roles if r in readings]) >= 1
            and len({r for r in roles if r}) >= 2
            and len(set(roles)) == len(roles)
        ):
            return Table(file, tuple(columns), 0, notes=(f"arrays of {length:,} taken as columns",), word="index")
    return None


def _column(name: str, values: np.ndarray) -> Column:
    if values.dtype.kind == "f":
        return Column(name, values)
    codes: dict[str, int] = {}
    found = np.array([codes.setdefault(str(v), len(codes)) for v in values], dtype=np.float64)
    return Column(name, found, labels=tuple(codes))


def _words(name: str) -> list[str]:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", name)
    return [w for w in re.split(r"[^A-Za-z]+", spaced.lower()) if w]


def _candidates(arrays: dict[str, np.ndarray], kind: str, named: bool) -> list[Candidate]:
    groups: dict[str, list[str]] = {}
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not _fits(kind, array):
            continue
        folder, _, last = name.rpartition("|")
        stem = re.sub(r"\d+", "#", last)
        if kind == "iv":
            stem = _POLARITY.sub("~", stem)
        if kind == "pulses" and not named:
            stem = last
        groups.setdefault(f"{folder}|{stem}" if folder else stem, []).append(name)
    found = []
    for label, names in groups.items():
        last = names[0].rpartition("|")[2]
        words = set(_words(names[0]))
        own = set(_words(last))
        score = sum(_WORDS[kind].get(w, 0) for w in words)
        elsewhere = any(
            v >= 3
            for k, known in _WORDS.items()
            if k != kind
            for w, v in known.items()
            if w in own and w not in _WORDS[kind]
        )
        alone = named or len(arrays) == 1
        if not alone and (score <= 0 or elsewhere or own & _OTHER):
            continue
        if kind == "levels" and len(names) == 1:
            score -= 5
        if kind == "pulses" and _counts(arrays[names[0]]):
            score += 2
        readings = sum(int(np.isfinite(arrays[n]).sum()) for n in names)
        found.append(Candidate(kind, label if len(names) > 1 else names[0], tuple(names), score, readings))
    return found


def _counts(array: np.ndarray) -> bool:
    """Whether the first of few columns is a running number."""
    if array.ndim != 2 or array.shape[1] not in (2, 3) or len(array) < 3:
        return False
    return bool((np.diff(array[:, 0]) == 1).all())


def _fits(kind: str, array: np.ndarray) -> bool:
    last = array.shape[-1]
    if kind == "iv":
        return array.ndim in (2, 3) and last == 2 and array.shape[-2] >= 8 and not _counts(array)
    if kind == "levels":
        return array.ndim == 1 or (array.ndim == 2 and last > 3)
    if kind in ("retention", "noise"):
        rising = array.ndim == 2 and last in (2, 3) and len(array) > 2 and bool((np.diff(array[:, 0]) > 0).all())
        return rising or (array.ndim == 1 and kind == "noise")
    return array.ndim in (1, 2, 3) and array.size > 1


def _table(kind: str, best: Candidate, arrays: dict[str, np.ndarray], file: str, notes: list[str]) -> Table:
    parts: list[dict[str, np.ndarray]] = []
    offset = 0.0
    names = sorted(best.names, key=_natural)
    if kind == "levels":
        names.sort(key=lambda n: float(np.nanmedian(arrays[n])))
    for k, name in enumerate(names):
        array = arrays[name]
        part = _part(kind, array)
        count = len(next(iter(part.values())))
        if kind in ("levels", "retention", "noise") and len(best.names) > 1 and "level" not in part:
            part["level"] = np.full(count, float(k))
        if kind == "retention" and "read" in part:
            begin = float(part["read"][0])
            if k and begin == offset:
                notes.append("the running number goes on from state to state: counted from 0 in each")
            offset = float(part["read"][-1]) + 1
        if kind == "iv" and len(best.names) > 1:
            part["run"] = part.get("cycle", np.zeros(count)) + 1000 * k
            part["cycle"] = part.get("cycle", np.full(count, float(k)))
        parts.append(part)
    shared = [n for n in parts[0] if all(n in p for p in parts)]
    columns = tuple(Column(n, np.concatenate([p[n] for p in parts])) for n in shared)
    if kind == "noise" and any("spread" in p for p in parts):
        notes.append(
            "each reading is a mean of several reads, whose spread the file gives too: --as retention keeps it"
        )
    return Table(file, columns, 0, notes=tuple(dict.fromkeys(notes)), word="index")


def _natural(name: str) -> list[object]:
    return [(0, int(p)) if p.isdigit() else (1, p) for p in re.split(r"(\d+)", name) if p]


def _part(kind: str, array: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of one array."""
    if kind == "iv":
        sweeps = array.reshape(-1, *array.shape[-2:])
        keep = np.isfinite(sweeps).all(axis=-1)
        cycle = np.broadcast_to(np.arange(float(len(sweeps)))[:, None], keep.shape)[keep]
        part = {"voltage": sweeps[..., 0][keep], "current": sweeps[..., 1][keep]}
        return part | ({"cycle": cycle} if len(sweeps) > 1 else {})
    if kind == "levels" and array.ndim == 2:
        level = np.broadcast_to(np.arange(float(len(array)))[:, None], array.shape)
        return {"conductance": array.ravel(), "level": level.ravel()}
    if array.ndim == 2 and array.shape[1] in (2, 3) and len(array) > 3:
        if kind in ("retention", "noise") or _counts(array):
            counted = bool((np.diff(array[:, 0]) == 1).all())
            first = "pulse" if kind == "pulses" else "read" if counted else "time"
            part = {first: array[:, 0], "conductance": array[:, 1]}
            return part | ({"spread": array[:, 2]} if array.shape[1] == 3 else {})
        if kind == "pulses" and array.shape[1] == 2:
            return {"up": array[:, 0], "down": array[:, 1]}
    if array.ndim == 1:
        return {"conductance": array}
    shape = array.shape
    device = np.broadcast_to(np.arange(1.0, shape[0] + 1).reshape(-1, *[1] * (array.ndim - 1)), shape)
    part = {"device": device.ravel(), "conductance": array.ravel()}
    if array.ndim == 3:
        part["cycle"] = np.broadcast_to(np.arange(float(shape[1]))[None, :, None], shape).ravel()
    return part
