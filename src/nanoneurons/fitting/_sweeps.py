r"""I-V sweeps: voltages of SET and RESET, and the two resistances at a read voltage.

A sweep is cut where the voltage changes sign and at its largest voltage. It is a SET where the current on the way back
is larger, on the whole, than on the way out at the same voltage, else a RESET. The SET voltage is where the current
last rises through half of that of the way back; the RESET voltage is where the current on the way out is largest. The
resistances are slopes of straight lines through the points below twice the read voltage, so that an offset of the
ammeter does not count. Of two polarities they are read at the one that conducts better: a selector in series may cut
off the other.

Not found: forming, switching within one sweep more than once, and sweeps that do not come back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import IVSweeps, Levels

__all__ = ["LOW", "SweepsFound", "read_sweeps"]

READ_VOLTAGE = 0.1
LOW, HIGH = 0, 1  # levels: LRS, HRS


@dataclass(frozen=True)
class SweepsFound:
    """What sweeps tell.

    Attributes:
        levels: conductances of LRS (level 0) and HRS (level 1) as single reads.
        place: run and point of `IVSweeps` that each run of `levels` stands for, ``(runs, 2)``.
        set_voltage, reset_voltage: V, signed, with the device of each, ``(n, 2)`` as (device, voltage).
        read_voltage: V, signed.
        notes: to show.
    """

    levels: Levels
    place: np.ndarray
    set_voltage: np.ndarray
    reset_voltage: np.ndarray
    read_voltage: float
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Half:
    """One excursion of one sign: conductances out and back, and where it switches."""

    run: int
    sign: int
    sets: bool
    out: float
    back: float
    at: tuple[int, int]
    switch: float


def read_sweeps(data: IVSweeps) -> SweepsFound:
    """Cut sweeps, read both states, find switching voltages.

    Raises:
        DataError: no sweep goes out and comes back, or none switches.
    """
    volts = np.where(np.isfinite(data.voltage) & np.isfinite(data.current), data.voltage, np.nan)
    sizes = [float(np.nanmin(np.abs(v)[np.abs(v) > 1e-9])) for v in volts if (np.abs(np.nan_to_num(v)) > 1e-9).any()]
    if not sizes:
        raise DataError("iv: no sweep has a voltage other than zero")
    reach = float(np.nanmax(np.abs(volts)))
    read = max(READ_VOLTAGE, float(np.median(sizes)))
    if read > 0.5 * reach:
        read = max(0.25 * reach, float(np.median(sizes)))
    halves = [half for run in range(len(volts)) for half in _halves(run, volts[run], data.current[run], read)]
    if not halves:
        raise DataError("iv: no sweep goes out to a voltage and comes back; both ways are needed")
    up = [h for h in halves if h.sets]
    down = [h for h in halves if not h.sets]
    best, sign = -math.inf, 0
    for candidate in (1, -1):
        ours = [max(h.out, h.back) for h in halves if h.sign == candidate]
        if ours and np.median(ours) > best:
            best, sign = float(np.median(ours)), candidate
    rows, place, seen = [], [], np.zeros(len(data.devices), int)
    for h in (h for h in halves if h.sign == sign):
        turn = seen[data.device[h.run]]
        seen[data.device[h.run]] += 1
        states = (LOW, HIGH) if h.out > h.back else (HIGH, LOW)
        for state, value, point in zip(states, (h.out, h.back), h.at, strict=True):
            rows.append((data.device[h.run], state, turn, value))
            place.append((h.run, point))
    table = np.array(rows, dtype=float)
    levels = Levels(
        table[:, 0].astype(int), data.devices, data.unit, reading=table[:, 3:], level=table[:, 1].astype(int),
        cycle=table[:, 2].astype(int), origin=data.origin,
    )  # fmt: skip
    note = f"both states are read at {sign * read:.3g} V, on the way out and on the way back"
    if {h.sign for h in halves} == {1, -1}:
        note += "; that polarity conducts better"

    def listed(found: list[_Half]) -> np.ndarray:
        return np.array([(data.device[h.run], h.switch) for h in found if math.isfinite(h.switch)]).reshape(-1, 2)

    return SweepsFound(levels, np.array(place), listed(up), listed(down), sign * read, (note,))


def _halves(run: int, voltage: np.ndarray, current: np.ndarray, read: float) -> list[_Half]:
    """Excursions of one run that go out and come back."""
    index = np.flatnonzero(np.isfinite(voltage))
    v, i = voltage[index], current[index]
    found = []
    signs = np.sign(np.where(np.abs(v) < 1e-9, 0.0, v))
    starts = np.flatnonzero(np.diff(signs, prepend=0) != 0)
    for start, stop in zip(starts, [*starts[1:], len(v)], strict=True):
        if signs[start] == 0 or stop - start < 6:
            continue
        part = np.abs(v[start:stop])
        top = int(part.argmax())
        out, back = slice(start, start + top + 1), slice(start + top, stop)
        sides = [_read(np.abs(v[s]), signs[start] * i[s], read) for s in (out, back)]
        if None in sides or part[top] < 1.5 * read:
            continue
        (g_out, at_out), (g_back, at_back) = sides  # type: ignore[misc]
        i_out, i_back = (signs[start] * i[s] for s in (out, back))
        v_out, v_back = (np.abs(v[s]) for s in (out, back))
        order = np.argsort(v_back)
        after = np.interp(v_out, v_back[order], i_back[order])
        sets = bool((after - i_out).sum() > 0)
        at = int(index[start + at_out]), int(index[start + top + at_back])
        switch = float(signs[start]) * _switch(v_out, i_out, after, sets)
        found.append(_Half(run, int(signs[start]), sets, g_out, g_back, at, switch))
    return found


def _read(v: np.ndarray, i: np.ndarray, read: float) -> tuple[float, int] | None:
    near = v <= 2 * read
    if near.sum() < 2 or np.ptp(v[near]) == 0:
        return None
    x = v[near] - v[near].mean()
    return float((x * i[near]).sum() / (x**2).sum()), int(np.abs(v - read).argmin())


def _switch(volts: np.ndarray, current: np.ndarray, after: np.ndarray, sets: bool) -> float:
    """Size of the voltage at which the current rises to that of the way back, or turns down."""
    if not sets:
        return float(volts[int(current.argmax())])
    below = np.flatnonzero((current < 0.5 * after) & (volts > 0.1 * volts.max()))
    return float(volts[min(below[-1] + 1, len(volts) - 1)]) if len(below) else math.nan
