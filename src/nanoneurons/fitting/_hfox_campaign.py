"""Measurements as the weak-RESET law sees them: ln R against the number of pulses since the SET."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from nanoneurons.core.errors import DataError
from nanoneurons.fitting._hfox_device import whiten
from nanoneurons.fitting._hfox_noise import grids
from nanoneurons.measurements import Pulses

__all__ = ["FEWEST", "MOST", "Campaign", "campaign", "run_readings"]

FEWEST, MOST = 8, 450  # readings of a device
_DEEP, _FAR, _HIGH = 0.15, 15, 5.0  # of an outlier: ln R below the curve, noise widths below it, ln R above it


@dataclass(frozen=True)
class Campaign:
    """One run of every device, and the 1/f noise on its grid of pulse numbers.

    Attributes:
        run: row of the data taken for each device, ``(devices,)``; `name` the device's index in the data.
        column: columns of the readings taken, ``(devices, readings)``, -1 beyond the device's own.
        y: ln of the resistance in ohm, 0 beyond.
        n: readings of each device.
        grid: index of each device's grid of pulse numbers.
        t, factor, smooth, white, first, line, index, gaps: as `_hfox_laws.sweep` takes them.
        dead: devices whose readings hardly differ beside those of the others.
        outliers: readings set aside, of the shape of the data's readings.
        notes: plain statements.
    """

    run: np.ndarray
    name: np.ndarray
    column: np.ndarray
    y: np.ndarray
    n: np.ndarray
    grid: np.ndarray
    t: np.ndarray
    factor: np.ndarray
    smooth: np.ndarray
    white: np.ndarray
    first: np.ndarray
    line: np.ndarray
    index: np.ndarray
    gaps: np.ndarray
    dead: np.ndarray
    outliers: np.ndarray
    notes: tuple[str, ...]

    def of(self, chosen: np.ndarray) -> Campaign:
        """The chosen devices, a mask."""
        names = ("run", "name", "column", "y", "n", "grid", "dead")
        return replace(self, **{name: getattr(self, name)[chosen] for name in names})


def run_readings(data: Pulses, row: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns that tell something, and the pulse number at each: until the first pulse upwards, no second read."""
    pulses = data.pulses[row]
    upwards = np.flatnonzero(pulses > 0)
    end = upwards[0] if len(upwards) else len(pulses)
    t = np.cumsum(-pulses[:end].astype(np.int64))
    there = np.flatnonzero(np.isfinite(data.reading[row, :end]))
    fresh = np.ones(len(there), bool)
    fresh[1:] = np.diff(t[there]) > 0
    return there[fresh], t


def _outliers(data: Pulses) -> np.ndarray:
    """Readings below all that the rising curve allows, or above all that the telegraph noise can add.

    The curve never falls and its excess is never negative, so the fourth lowest of 31 readings, the third lowest around
    one that is itself lower, tells where the curve is.
    """
    found = np.zeros(data.reading.shape, bool)
    with np.errstate(divide="ignore"):
        y = -np.log(data.reading)
    steps = np.abs(np.diff(y, axis=1))
    if not np.isfinite(steps).any():
        return found
    noise = float(np.median(steps[np.isfinite(steps) & (steps > 0)])) if (steps > 0).any() else 0.0
    for row in range(len(y)):
        columns = np.flatnonzero(np.isfinite(y[row]))
        if len(columns) < 7:
            continue
        own = y[row, columns]
        curve = ndimage.rank_filter(own, 3, size=min(31, len(columns)), mode="reflect")
        found[row, columns] = (own < curve - max(_DEEP, _FAR * noise)) | (own > curve + _HIGH)
    return found


def campaign(data: Pulses, register: int, fewest: int = FEWEST, most: int = MOST) -> Campaign:
    """The readings to fit.

    Raises:
        DataError: a reading that is no conductance, or no device with enough readings.
    """
    if (data.reading <= 0).any():
        row, column = np.argwhere(data.reading <= 0)[0]
        raise DataError(
            f"hfox-weak-reset: reading {column + 1} of run {row + 1} is {data.reading[row, column]:g} S; a resistance "
            "needs a positive conductance; leave it empty where the reading is missing"
        )
    notes: list[str] = []
    outliers = _outliers(data)
    if outliers.any():
        notes.append(
            f"{int(outliers.sum())} readings set aside: neither the curve nor its telegraph noise can be there, "
            f"{_DEEP} in ln R and {_FAR} noise widths below their neighbours, or {_HIGH} above"
        )
    data = data.without(outliers)
    taken: dict[int, tuple[int, np.ndarray, np.ndarray, np.ndarray]] = {}
    again = short = thinned = repeats = upwards = 0
    for row, device in enumerate(data.device):
        columns, t = run_readings(data, row)
        if int(device) in taken:
            again += 1
            continue
        if len(columns) < fewest or t[columns[-1]] == t[columns[0]]:
            short += 1
            continue
        repeats += int(np.isfinite(data.reading[row, : len(t)]).sum()) - len(columns)
        upwards += len(t) < data.pulses.shape[1]
        whole = np.unique(t)
        if len(columns) > most:
            columns = columns[:: -(-len(columns) // most)]
            whole = t[columns]
            thinned += 1
        taken[int(device)] = row, columns, t[columns], whole
    if not taken:
        raise DataError(
            f"hfox-weak-reset: no device with {fewest} readings after pulses that raise the resistance; "
            "it learns from runs of weak RESET pulses (negative pulses)"
        )
    if again:
        notes.append(f"{again} further runs of the same devices left out: the law has no SET back, one run a device")
    if short:
        notes.append(f"{short} runs with fewer than {fewest} readings at different pulse numbers left out")
    if upwards:
        notes.append(f"{upwards} runs end at their first pulse that lowers the resistance")
    if repeats:
        notes.append(f"{repeats} second reads without a pulse between left out: this law has no read noise")
    if thinned:
        notes.append(f"{thinned} runs with more than {MOST} readings: every k-th is used, up to {MOST} a run")
    return replace(_pack(data, taken, register, tuple(notes)), outliers=outliers)


def _pack(data: Pulses, taken: dict, register: int, notes: tuple[str, ...]) -> Campaign:
    names = np.array(sorted(taken))
    rows, columns, times, wholes = zip(*(taken[name] for name in names), strict=True)
    keys: dict[bytes, int] = {}
    grid = np.array([keys.setdefault(t.tobytes(), len(keys)) for t in times])
    one = [int(np.flatnonzero(grid == g)[0]) for g in range(len(keys))]
    found = grids([times[i] for i in one], [wholes[i] for i in one], register)
    n = np.array([len(c) for c in columns])
    most, band = int(n.max()), found[0].factor.shape[1] - 1
    shape = (len(found), most)
    t, first, line = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    factor, smooth = np.zeros((*shape, band + 1)), np.zeros((*shape, band + 1))
    steps = np.zeros(shape)
    for g, each in enumerate(found):
        m = len(each.t)
        t[g, :m], factor[g, :m], smooth[g, :m] = each.t, each.factor, each.smooth
        for out, column in ((first, np.ones(m)), (line, each.t)):
            buffer = np.zeros(m + band)
            whiten(column, m, each.factor, buffer)
            out[g, :m] = buffer[band:]
        steps[g, 1:m] = np.diff(each.t)
        steps[g, 0] = steps[g, 1]
        steps[g, m:] = steps[g, 1]
    gaps, index = np.unique(steps, return_inverse=True)
    y, column = np.zeros((len(names), most)), np.full((len(names), most), -1)
    for d, (row, chosen) in enumerate(zip(rows, columns, strict=True)):
        y[d, : n[d]] = -np.log(data.reading[row, chosen])
        column[d, : n[d]] = chosen
    moves = np.array([np.median(np.abs(np.diff(y[d, : n[d]]))) for d in range(len(names))])
    dead = moves < 0.05 * np.median(moves[moves > 0]) if (moves > 0).any() else np.ones(len(names), bool)
    return Campaign(
        np.array(rows), names, column, y, n, grid, t, factor, smooth, np.array([each.white for each in found]), first,
        line, index.reshape(shape), gaps, dead, np.zeros(0, bool), notes,
    )  # fmt: skip
