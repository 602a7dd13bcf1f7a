"""What was read, in lines for a terminal."""

from __future__ import annotations

import itertools

import numpy as np

from ._records import IVSweeps, Levels, Measurements, NoiseSeries, Pulses, Retention, StepTables

__all__ = ["describe"]


def describe(measurements: Measurements) -> list[tuple[str, str]]:
    """Rows of a name and a text: file, kind, columns, devices, runs, readings, range, and every assumption made."""
    data, origin = measurements, measurements.origin
    rows = [("file", f"{origin.file}, {origin.rows:,} row{'s' * (origin.rows != 1)}"), ("measured", _KINDS[data.kind])]
    rows += _columns(origin.columns)
    count = len(np.unique(data.device))
    rows.append(("devices", f"{count:,}" + (f" ({_few(data.devices)})" if 1 < count <= 8 else "")))
    rows += _own(data)
    rows += [("note", note) for note in origin.notes]
    return rows


_KINDS = {
    "pulses": "readings after pulses",
    "levels": "programmed levels",
    "retention": "retention",
    "noise": "series of reads",
    "iv": "I-V sweeps",
    "tables": "tables of steps",
}


def _columns(columns: dict[str, str]) -> list[tuple[str, str]]:
    """What columns were taken for; many of one kind that follow each other share a line."""
    rows = []
    for text, group in itertools.groupby(columns.items(), key=lambda item: item[1]):
        names = [name for name, _ in group]
        if len(names) <= 3:
            rows += [(f"column {name}", text) for name in names]
        else:
            rows.append((f"columns {names[0]} ... {names[-1]}", f"{text} ({len(names)} columns)"))
    return rows


def _few(names: tuple[str, ...]) -> str:
    return ", ".join(names)


def _own(data: Measurements) -> list[tuple[str, str]]:
    if isinstance(data, StepTables):
        return [
            ("tables", f"{len(data.direction)}, {data.before.shape[1]} conductances x {data.step.shape[1]} changes"),
            ("conductance", _range(data.before, data.unit)),
            ("change", _range(data.step, data.unit)),
        ]
    if isinstance(data, IVSweeps):
        current = "A" if data.unit == "S" else "1"
        points = int(np.isfinite(data.current).sum())
        return [
            ("sweeps", f"{len(data.device):,}, {points:,} points"),
            ("voltage", _range(data.voltage, "V")),
            ("current", _range(data.current, current)),
        ]
    assert isinstance(data, Pulses | Levels | Retention | NoiseSeries)
    rows = []
    if isinstance(data, Pulses):
        up, down = data.pulses[data.pulses > 0].sum(), -data.pulses[data.pulses < 0].sum()
        again = int(((data.pulses == 0) & np.isfinite(data.reading)).sum()) - len(data.device)
        cycles = len(np.unique(data.cycle))
        rows.append(("runs", f"{len(data.device):,} ({cycles:,} cycle{'s' * (cycles != 1)})"))
        rows.append(("pulses", f"{up:,} up, {down:,} down" + (f"; {again:,} re-reads" if again > 0 else "")))
        if data.amplitude is not None:
            rows.append(("amplitude", _range(data.amplitude, "V")))
    elif isinstance(data, Levels):
        count = np.bincount(data.level, weights=np.isfinite(data.reading).sum(axis=1))
        rows.append(
            (
                "levels",
                f"{len(count)} ({', '.join(f'{int(c):,}' for c in count[:8])}{', ...' * (len(count) > 8)} readings)",
            )
        )
    else:
        rows.append(("runs", f"{len(data.device):,}"))
        rows.append(("time", _range(data.time, "s") if data.timed else "not in the file; readings are counted"))
    known = int(np.isfinite(data.reading).sum())
    rows.append(("readings", f"{known:,}"))
    rows.append(("range", _range(data.reading, data.unit)))
    return rows


def _range(values: np.ndarray, unit: str) -> str:
    known = values[np.isfinite(values)]
    if not len(known):
        return "none"
    name = "" if unit == "1" else f" {unit}"
    low, high = float(known.min()), float(known.max())
    return f"{low:.4g}{name}" if low == high else f"{low:.4g} to {high:.4g}{name}"
