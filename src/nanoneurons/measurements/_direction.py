"""Directions of pulses: from words and signs, or from how the readings move."""

from __future__ import annotations

import numpy as np

from ._table import Column, Table

__all__ = ["is_direction", "signs", "turning_points"]

_UP = frozenset(
    {"up", "ltp", "set", "pot", "potentiation", "potentiate", "p", "+", "+1", "1", "positive", "pos"}
    | {"increase", "on", "rise", "rising", "program"}
)
_DOWN = frozenset(
    {"down", "ltd", "reset", "dep", "depression", "depress", "d", "-", "-1", "0", "negative", "neg"}
    | {"decrease", "off", "fall", "falling", "erase"}
)
_READ = frozenset(["read", "r", "none", "hold"])


def is_direction(column: Column) -> bool:
    """Whether every word of a column is a direction."""
    return column.labels is not None and all(_sign(label) is not None for label in column.labels)


def _sign(label: str) -> int | None:
    word = label.strip().lower()
    return 1 if word in _UP else -1 if word in _DOWN else 0 if word in _READ else None


def signs(table: Table, column: Column) -> np.ndarray:
    """+1, -1, or 0 for a read, ``(rows,)``; numbers may be 1 and -1, or 1 and 0.

    Raises:
        DataError: names the row of the first cell that is not a direction.
    """
    if column.labels is not None:
        table_of = [_sign(label) for label in column.labels]
        bad = np.array([s is None for s in table_of])
        codes = column.values.astype(np.int64)
        wrong = (codes < 0) | bad[codes]
        if wrong.any():
            index = int(wrong.argmax())
            said = "empty" if codes[index] < 0 else f"{column.labels[codes[index]]!r} is not a direction"
            table.refuse(index, column, f"{said}; write up or down (also set/reset, LTP/LTD, +/-)")
        return np.array([s or 0 for s in table_of])[codes]
    values = column.values
    wrong = ~np.isin(values, (-1, 0, 1))
    if wrong.any():
        index = int(wrong.argmax())
        table.refuse(index, column, f"{values[index]:g} is not a direction; write 1 and -1, or up and down")
    low = -1 if (values < 0).any() else 0
    return np.where(values > 0, 1, np.where(values == low, -1, 0))


def turning_points(readings: np.ndarray) -> list[int]:
    """Indices of the last reading of each monotone ramp but the last one, ``(readings,)`` -> few indices.

    A turn counts where the smoothed readings come back by half of their whole range.
    """
    known = np.isfinite(readings)
    if known.sum() < 4:
        return []
    filled = np.interp(np.arange(len(readings)), np.flatnonzero(known), readings[known])
    width = max(1, min(len(filled) // 50, 25))
    padded = np.pad(filled, (width // 2, width - 1 - width // 2), mode="edge")
    smooth = np.convolve(padded, np.full(width, 1 / width), mode="valid")
    low, high = np.quantile(smooth, [0.02, 0.98])
    need = 0.5 * (high - low)
    if need <= 0:
        return []
    turns: list[int] = []
    top = bottom = 0
    rising: bool | None = None
    for k, value in enumerate(smooth.tolist()):
        if value > smooth[top]:
            top = k
        if value < smooth[bottom]:
            bottom = k
        if rising is not False and smooth[top] - value > need:
            if rising or smooth[top] - smooth[0] > 0.5 * need:
                turns.append(top)
            rising, bottom = False, k
        elif rising is not True and value - smooth[bottom] > need:
            if rising is False or smooth[0] - smooth[bottom] > 0.5 * need:
                turns.append(bottom)
            rising, top = True, k
    return _evened(turns, len(smooth))


def _evened(turns: list[int], total: int) -> list[int]:
    """Turns at equal distances within 5 % of a ramp are put exactly there: programmes count in whole ramps."""
    if not turns:
        return turns
    ramp = total / (len(turns) + 1)
    exact = [(j + 1) * ramp for j in range(len(turns))]
    near = all(abs(t + 1 - e) <= 0.05 * ramp for t, e in zip(turns, exact, strict=True))
    return [round(e) - 1 for e in exact] if near else turns
