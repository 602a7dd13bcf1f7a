"""Arrays of an ``.npz`` as tables: chosen by name and shape for the kind of measurement asked for."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError, nearest

from ._array_tables import columns_table, counts, grid_table, joined_table
from ._records import StepTables
from ._step_tables import has_tables, step_tables
from ._table import Table

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


def read_arrays(
    raw: bytes, file: str, kind: str | None, wanted: str | dict[str, str]
) -> tuple[str | None, Table] | StepTables:
    """Table of the best arrays for a kind, or the tables of steps that the file holds.

    Args:
        raw: bytes of an ``.npz`` or ``.npy``.
        kind: kind asked for, or None to take the only one there is.
        wanted: part of the names of the arrays to take, or what arrays are, by role.

    Raises:
        DataError: not readable, no array for the kind, or several kinds and none asked for.
    """
    arrays = _load(raw, file)
    name = wanted if isinstance(wanted, str) else ""
    if isinstance(wanted, dict) and any(n in arrays for n in wanted.values()):
        arrays = {role: arrays[n] for role, n in wanted.items() if n in arrays}
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
    table = columns_table(arrays, file) or grid_table(arrays, file, kind)
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
    return kind, joined_table(kind, best.names, arrays, file, notes)


def _load(raw: bytes, file: str) -> dict[str, np.ndarray]:
    try:
        stored = np.load(io.BytesIO(raw), allow_pickle=False)
        found: dict[str, np.ndarray] = {}
        objects = []
        if isinstance(stored, np.ndarray):
            found = {n: stored[n] for n in stored.dtype.names} if stored.dtype.names else {"array": stored}
        else:
            for name in stored.files:
                try:
                    found[name] = stored[name]
                except ValueError as error:
                    if "allow_pickle" not in str(error):
                        raise
                    objects.append(name)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        reason = "it holds Python objects, not numbers" if "allow_pickle" in str(error) else str(error)
        raise DataError(f"{file} is not a readable array file ({reason}); save it again with numpy.savez") from error
    arrays = {
        name: array.astype(np.float64) if array.dtype.kind in "fiub" else array.astype(str)
        for name, array in found.items()
        if array.dtype.kind in "fiubUS" and array.ndim and array.size
        if array.dtype.kind != "f" or not np.isnan(array).all()
    }
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
        if kind == "pulses" and counts(arrays[names[0]]):
            score += 2
        readings = sum(int(np.isfinite(arrays[n]).sum()) for n in names)
        found.append(Candidate(kind, label if len(names) > 1 else names[0], tuple(names), score, readings))
    return found


def _fits(kind: str, array: np.ndarray) -> bool:
    last = array.shape[-1]
    if kind == "iv":
        return array.ndim in (2, 3) and last == 2 and array.shape[-2] >= 8 and not counts(array)
    if kind == "levels":
        return array.ndim == 1 or (array.ndim == 2 and last > 3)
    if kind in ("retention", "noise"):
        rising = array.ndim == 2 and last in (2, 3) and len(array) > 2 and bool((np.diff(array[:, 0]) > 0).all())
        return rising or (array.ndim == 1 and kind == "noise")
    return array.ndim in (1, 2, 3) and array.size > 1
