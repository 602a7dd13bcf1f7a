"""Five kinds of measurement of a memory device, and tables made of them, each as plain arrays in SI units.

A reading is a conductance in S, or a normalised weight (unit ``1``) where the file says no unit. A resistance becomes a
conductance at the door; `Origin.notes` says so. Missing readings and the padding of short runs are NaN.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

import numpy as np

from nanoneurons.core.errors import DataError

__all__ = ["KINDS", "IVSweeps", "Levels", "Measurements", "NoiseSeries", "Origin", "Pulses", "Retention", "StepTables"]

Unit = Literal["S", "1"]


@dataclass(frozen=True)
class Origin:
    """Where measurements come from.

    Attributes:
        file: name of the file, without its folder.
        sha256: checksum of its bytes.
        rows: rows, or numbers of an array, in the file.
        used: of these, how many became readings.
        columns: what each column was taken for, for example ``{"G (uS)": "conductance in uS"}``.
        notes: plain statements for the user: units inferred, rows left out and why.
    """

    file: str = "simulated"
    sha256: str = ""
    rows: int = 0
    used: int = 0
    columns: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measurements(ABC):
    """Base of the kinds: every array has one row per run, and every run belongs to a device.

    Attributes:
        device: index of the device of each run, ``(runs,)``.
        devices: names of the devices.
        unit: unit of the readings, ``S``, or ``1`` for normalised weights.
    """

    kind: ClassVar[str]

    device: np.ndarray
    devices: tuple[str, ...]
    unit: Unit = "S"
    origin: Origin = field(default_factory=Origin, kw_only=True)

    def arrays(self) -> dict[str, np.ndarray]:
        """Arrays with one row per run, by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, np.ndarray)}

    def runs(self, chosen: np.ndarray) -> Self:
        """The runs chosen by a mask or by indices; names of devices stay as they are."""
        return replace(self, **{name: value[chosen] for name, value in self.arrays().items()})

    def of_devices(self, chosen: np.ndarray) -> Self:
        """The runs of the devices with these indices."""
        return self.runs(np.isin(self.device, chosen))

    def _check(self, *names: str) -> None:
        first = getattr(self, names[0])
        for name in names:
            if getattr(self, name).shape != first.shape:
                raise DataError(
                    f"{type(self).__name__}: {name} has shape {getattr(self, name).shape}, not {first.shape}"
                )
        if self.device.shape != first.shape[:1]:
            raise DataError(f"{type(self).__name__}: device needs one index per run")
        if len(self.device) and not 0 <= self.device.min() <= self.device.max() < len(self.devices):
            raise DataError(f"{type(self).__name__}: a device index has no name")


@dataclass(frozen=True)
class Pulses(Measurements):
    """Readings after programming pulses.

    Attributes:
        reading: ``(runs, readings)``. A run is an unbroken sequence: nothing but the pulses happened between
            its readings.
        pulses: signed whole pulses applied before each reading and after the one before it, ``(runs, readings)``;
            positive where they are meant to raise the conductance. 0 means: read again, which tells read noise
            from write noise. Pulses before the first reading of a run count as 0 when the run starts afresh.
        cycle: index of the cycle of each run, ``(runs,)``.
        amplitude: voltage of the pulses before each reading in V, NaN where there were none or it is not known;
            or None.
    """

    kind: ClassVar[str] = "pulses"

    reading: np.ndarray = field(kw_only=True)
    pulses: np.ndarray = field(kw_only=True)
    cycle: np.ndarray = field(kw_only=True)
    amplitude: np.ndarray | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check("reading", "pulses", *(("amplitude",) if self.amplitude is not None else ()))

    def without(self, masked: np.ndarray) -> Self:
        """Copy whose masked readings, a boolean array of the readings' shape, are missing; the pulses stay."""
        return replace(self, reading=np.where(masked, np.nan, self.reading))


@dataclass(frozen=True)
class Levels(Measurements):
    """Devices programmed to levels, each read at least once; one run is one device at one level in one cycle.

    Attributes:
        reading: ``(runs, reads)``.
        level: index of the level aimed at, ``(runs,)``.
        cycle: index of the programming cycle, ``(runs,)``.
        target: the value aimed at for each level, ``(levels,)``, or None where the file gives none.
    """

    kind: ClassVar[str] = "levels"

    reading: np.ndarray = field(kw_only=True)
    level: np.ndarray = field(kw_only=True)
    cycle: np.ndarray = field(kw_only=True)
    target: tuple[float, ...] | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self._check("reading")


@dataclass(frozen=True)
class NoiseSeries(Measurements):
    """Reads of devices that nothing was done to in between.

    Attributes:
        reading: ``(runs, reads)``.
        time: s, the same shape; the index of the read where the file gives no time (`timed` is then False).
        timed: whether `time` is in seconds.
    """

    kind: ClassVar[str] = "noise"

    reading: np.ndarray = field(kw_only=True)
    time: np.ndarray = field(kw_only=True)
    timed: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._check("reading", "time")


@dataclass(frozen=True)
class Retention(Measurements):
    """A programmed state while time passes.

    Attributes:
        reading: mean reading, ``(runs, times)``.
        time: s after programming, the same shape; the index of the reading where `timed` is False.
        spread: standard deviation behind each mean, the same shape, or None for single reads.
        level: index of the level of each run, ``(runs,)``.
        timed: whether `time` is in seconds.
    """

    kind: ClassVar[str] = "retention"

    reading: np.ndarray = field(kw_only=True)
    time: np.ndarray = field(kw_only=True)
    level: np.ndarray = field(kw_only=True)
    spread: np.ndarray | None = field(default=None, kw_only=True)
    timed: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        self._check("reading", "time", *(("spread",) if self.spread is not None else ()))


@dataclass(frozen=True)
class IVSweeps(Measurements):
    """Currents while the voltage is swept; one run is one sweep.

    Attributes:
        voltage: V, ``(runs, points)``.
        current: A, the same shape (unit 1 where the file gives no unit for it).
        cycle: index of the cycle, ``(runs,)``.
    """

    kind: ClassVar[str] = "iv"

    voltage: np.ndarray = field(kw_only=True)
    current: np.ndarray = field(kw_only=True)
    cycle: np.ndarray = field(kw_only=True)

    def __post_init__(self) -> None:
        self._check("voltage", "current")


@dataclass(frozen=True)
class StepTables(Measurements):
    """Distributions of the step that one pulse makes, given the conductance before it; one run is one table.

    Read from files that hold such tables instead of readings. A file of one device gives two tables, up and down,
    whose axes may differ.

    Attributes:
        direction: +1 where the pulse is meant to raise the conductance, -1 where to lower it, ``(tables,)``.
        before: conductance before the pulse, strictly rising, ``(tables, conductances)``; NaN pads short axes.
        step: change of the conductance, strictly rising, ``(tables, steps)``; NaN pads short axes.
        cumulative: probability of a change of at most `step`, ``(tables, conductances, steps)``; rises from near 0 to
            near 1 along the last axis; the mass missing at either end lies at the end itself.
        amplitude: voltage of the pulse in V, ``(tables,)``, NaN where it is not known.
    """

    kind: ClassVar[str] = "tables"

    direction: np.ndarray = field(kw_only=True)
    before: np.ndarray = field(kw_only=True)
    step: np.ndarray = field(kw_only=True)
    cumulative: np.ndarray = field(kw_only=True)
    amplitude: np.ndarray = field(kw_only=True)

    def __post_init__(self) -> None:
        self._check("direction", "amplitude")
        shape = (len(self.direction), self.before.shape[-1], self.step.shape[-1])
        if self.cumulative.shape != shape or self.before.shape != shape[:2] or self.step.shape != shape[::2]:
            raise DataError(f"StepTables: cumulative has shape {self.cumulative.shape}, not {shape}")


KINDS: dict[str, type[Measurements]] = {
    cls.kind: cls for cls in (Pulses, IVSweeps, Levels, Retention, NoiseSeries, StepTables)
}
