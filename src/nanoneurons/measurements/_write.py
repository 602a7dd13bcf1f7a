"""Measurements as a plain table: one reading per row, exact to the last digit."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.core.files import write_atomic

from ._records import IVSweeps, Levels, Measurements, NoiseSeries, Pulses, Retention

__all__ = ["write_csv"]


def write_csv(measurements: Measurements, path: str | Path) -> None:
    """Write measurements as CSV, one reading per row; `read` gives the same record back.

    Devices without a run, and times that are not seconds, are not written.

    Raises:
        DataError: tables of steps, which have no such form, or names of devices that a CSV cannot hold.
    """
    columns = _columns(measurements)
    bad = [name for name in measurements.devices if set(name) & set(',"\n\r') or name != name.strip() or not name]
    if bad:
        raise DataError(
            f"device name {bad[0]!r} cannot stand in a CSV; rename it without commas, quotes and line breaks"
        )
    texts = [[name, *_texts(values)] for name, values in columns.items()]
    lines = [",".join(row) for row in zip(*texts, strict=True)]
    write_atomic(path, "\n".join(lines) + "\n")


def _texts(values: np.ndarray) -> list[str]:
    if values.dtype.kind in "iuU":
        return [str(v) for v in values.tolist()]
    return ["" if v != v else repr(v) for v in values.tolist()]


def _columns(data: Measurements) -> dict[str, np.ndarray]:
    unit = f"({data.unit})"
    names = np.array(data.devices)
    if isinstance(data, Pulses):
        filled = np.isfinite(data.reading) | (data.pulses != 0)
        keep, run, place = _long(filled)
        found = {"device": names[data.device[run]], "cycle": data.cycle[run], "run": run, "read": place}
        found |= {"applied pulses": data.pulses[keep].astype(np.int64)}
        if data.amplitude is not None:
            found["amplitude (V)"] = data.amplitude[keep]
        return found | {f"conductance {unit}": data.reading[keep]}
    if isinstance(data, Levels):
        keep, run, place = _long(np.isfinite(data.reading))
        found = {"device": names[data.device[run]], "cycle": data.cycle[run], "run": run, "level": data.level[run]}
        if data.target is not None:
            found[f"target {unit}"] = np.array(data.target)[data.level[run]]
        return found | {"read": place, f"conductance {unit}": data.reading[keep]}
    if isinstance(data, Retention):
        keep, run, place = _long(np.isfinite(data.time))
        found = {"device": names[data.device[run]], "run": run, "level": data.level[run]}
        found |= {"time (s)": data.time[keep]} if data.timed else {"read": place}
        found |= {f"conductance {unit}": data.reading[keep]}
        return found | ({f"spread {unit}": data.spread[keep]} if data.spread is not None else {})
    if isinstance(data, NoiseSeries):
        keep, run, place = _long(np.isfinite(data.time))
        found = {"device": names[data.device[run]], "run": run}
        found |= {"time (s)": data.time[keep]} if data.timed else {"read": place}
        return found | {f"conductance {unit}": data.reading[keep]}
    if isinstance(data, IVSweeps):
        keep, run, _ = _long(np.isfinite(data.voltage))
        found = {"device": names[data.device[run]], "cycle": data.cycle[run], "run": run}
        current = "A" if data.unit == "S" else "1"
        return found | {"voltage (V)": data.voltage[keep], f"current ({current})": data.current[keep]}
    raise DataError(f"{data.kind} cannot be written as a CSV; keep the .npz they came from")


def _long(filled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which entries of padded arrays to write (up to the last that is filled), the run of each and its place in it."""
    width = filled.shape[1]
    last = np.where(filled.any(axis=1), width - filled[:, ::-1].argmax(axis=1), 0)
    keep = np.arange(width) < last[:, None]
    run, place = np.nonzero(keep)
    return keep, run, place
