"""Tables of step distributions in an ``.npz``: cumulative probabilities over axes of conductance and change."""

from __future__ import annotations

import itertools
import re

import numpy as np

from nanoneurons.core.errors import DataError, nearest

from ._records import Origin, StepTables

__all__ = ["has_tables", "step_tables"]

_DIRECTION = re.compile(r"(?<![A-Za-z])(reset|set|down|up|ltd|ltp)(?![A-Za-z])", re.IGNORECASE)
_UP = ("set", "up", "ltp")
_VOLTS = re.compile(r"(\d+(?:\.\d+)?)\s*V(?![A-Za-z])")


def has_tables(arrays: dict[str, np.ndarray]) -> bool:
    """Whether any array is a cumulative distribution with an axis of changes."""
    return any(_is_cdf(name, array) for name, array in arrays.items()) and any(_axis(n) == "step" for n in arrays)


def _is_cdf(name: str, array: np.ndarray) -> bool:
    return name.lower().endswith("cdf") and array.ndim == 2


def _axis(name: str) -> str | None:
    lowered = name.lower()
    if lowered.endswith("dg"):
        return "step"
    return "before" if lowered.endswith(("_g", "_axis_level_g", " g")) else None


def step_tables(arrays: dict[str, np.ndarray], file: str, name: str) -> StepTables:
    """The tables of one pair, up and down.

    Raises:
        DataError: no pair of that name, axes that are missing, or numbers that are no distribution.
    """
    pairs: dict[str, dict[int, str]] = {}
    for key, array in arrays.items():
        found = _DIRECTION.search(key.replace("_", " "))
        if _is_cdf(key, array) and found:
            label = _label(key)
            pairs.setdefault(label, {})[1 if found[1].lower() in _UP else -1] = key
    full = {label: keys for label, keys in pairs.items() if len(keys) == 2}
    if not full:
        raise DataError(f"{file}: no pair of tables for both directions; name them with set and reset (or up and down)")
    chosen = next(iter(full))
    notes = []
    if name:
        matches = [label for label in full if name.lower() == label.lower()] or [
            k for k in full if name.lower() in k.lower()
        ]
        matches = matches or [label for label, keys in full.items() if name in keys.values()]
        if not matches:
            raise DataError(f"columns: {file} has no tables {name!r}{nearest(name, full)}; it has {_some(list(full))}")
        chosen = matches[0]
    elif len(full) > 1:
        others = [label for label in full if label != chosen]
        notes.append(
            f"first of {len(full)} pairs of tables: {chosen}; also there: {_some(others)} (--columns NAME picks)"
        )
    axes = [_table(arrays, full[chosen][direction], direction, file, notes) for direction in (1, -1)]
    top = max(len(a[0]) for a in axes), max(len(a[1]) for a in axes)
    before, step = np.full((2, top[0]), np.nan), np.full((2, top[1]), np.nan)
    cumulative = np.full((2, *top), np.nan)
    for k, (x, y, cdf) in enumerate(axes):
        before[k, : len(x)], step[k, : len(y)], cumulative[k, : len(x), : len(y)] = x, y, cdf
    size = float(np.nanmax(before))
    unit = "S" if float(np.nanmin(before)) >= 0 and size <= 1e-2 else "1"
    notes.append(
        f"no unit in the file ({np.nanmin(before):.3g} to {size:.3g}): taken as "
        + ("S" if unit == "S" else "an arbitrary unit (1)")
    )
    volts = _VOLTS.search(chosen)
    used = [full[chosen][d] for d in (1, -1)]
    total = sum(a.size for a in arrays.values())
    said = {used[k]: f"cumulative distribution of steps {way}" for k, way in enumerate(("up", "down"))}
    origin = Origin(file, "", total, int(np.isfinite(cumulative).sum()), said, tuple(dict.fromkeys(notes)))
    return StepTables(
        device=np.zeros(2, dtype=np.int64),
        devices=(chosen,),
        unit=unit,
        origin=origin,
        direction=np.array([1, -1]),
        before=before,
        step=step,
        cumulative=cumulative,
        amplitude=np.full(2, float(volts[1]) if volts else np.nan),
    )


def _label(key: str) -> str:
    stem = re.sub(r"_?cdf$", "", key, flags=re.IGNORECASE)
    found = _DIRECTION.search(stem.replace("_", " "))
    if found is None:
        return stem
    label = stem[: found.start()] + stem[found.end() :]
    return re.sub(r"_{2,}", "_", label).strip("_")


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _table(
    arrays: dict[str, np.ndarray], key: str, direction: int, file: str, notes: list[str]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    cdf = arrays[key]
    axes = []
    for role, length in (("before", cdf.shape[0]), ("step", cdf.shape[1])):
        fitting = [
            n for n, a in arrays.items() if _axis(n) == role and a.shape == (length,) and _same_way(n, direction)
        ]
        if not fitting:
            raise DataError(
                f"{file}, array {key!r}: no axis of length {length} for its {role}; add {key[:-3]}axis_level_..."
            )
        axes.append(arrays[max(fitting, key=lambda n: _shared(n, key))])
    before, step = axes
    if not (np.diff(step) > 0).all() or (np.diff(before) < 0).any():
        raise DataError(f"{file}, array {key!r}: its axes must rise")
    if not np.isfinite(cdf).all() or cdf.min() < -1e-3 or cdf.max() > 1 + 1e-3:
        raise DataError(f"{file}, array {key!r}: cumulative probabilities must lie between 0 and 1")
    if (np.diff(cdf, axis=1) < -1e-3).any():
        row = int((np.diff(cdf, axis=1) < -1e-3).any(axis=1).argmax())
        raise DataError(
            f"{file}, array {key!r}, row {row}: a cumulative probability falls; it must rise along the changes"
        )
    kept, first, back = np.unique(before, return_index=True, return_inverse=True)
    if len(kept) < len(before):
        notes.append(
            f"{len(before) - len(kept)} conductances of {key} stand there twice: their distributions were averaged"
        )
        cdf = np.stack([cdf[back.reshape(-1) == k].mean(axis=0) for k in range(len(kept))])
    del first
    return kept, step, np.maximum.accumulate(np.clip(cdf, 0.0, 1.0), axis=1)


def _shared(a: str, b: str) -> int:
    """Number of characters at the beginning of both names."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def _same_way(name: str, direction: int) -> bool:
    found = _DIRECTION.search(name.replace("_", " "))
    return found is None or (1 if found[1].lower() in _UP else -1) == direction
