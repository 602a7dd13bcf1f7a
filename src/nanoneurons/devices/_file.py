"""A device as a file: its parameters, how well they are known, and the measurements they come from.

.. code-block:: toml

    device = "pulsed"

    [parameters]
    pulse_step = 0.012
    zero_conductance = "2.5e-05 S"

    [intervals]
    pulse_step = [0.0115, 0.0126]

Only `device` must be there; a parameter that is left out keeps its default. A number is in the parameter's SI unit,
text is a number with a unit. `_file_reading` reads and checks such a file.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch

from nanoneurons.core import toml
from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.core.files import write_atomic
from nanoneurons.core.parameter import Parameter
from nanoneurons.core.random import draw_key, normal

from ._device import Device

__all__ = ["DeviceFile", "Provenance", "Uncertainty"]

_NORMAL_95 = 1.959963984540054
_TRIES = 100  # draws of a device before its intervals are called impossible
_HEAD = """\
# A device of nanoneurons. Numbers may be changed by hand: a plain number is in SI units, text has its own unit.
# Delete the interval of a value that you change.
"""


@dataclass(frozen=True)
class Uncertainty:
    """How well one parameter is known.

    Attributes:
        low, high: 95 % interval, in the SI unit of the parameter.
        scale: scale on which the error is about normal: ``linear``, ``log`` (of the size) or ``logit``.
        error: standard error on that scale, None where only the interval is known.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "logit"] = "linear"
    error: float | None = None

    def draw(self, value: float, z: float) -> float:
        """The value whose distance from the best one is `z` standard deviations.

        Each side of the interval has its own standard deviation, so that 95 % of all draws lie inside.
        """
        forward, back = _scale(self.scale, value)
        centre, low, high = forward(value), forward(self.low), forward(self.high)
        if not all(map(math.isfinite, (centre, low, high))):  # on the edge of the scale, such as a share of 0
            forward, back = _scale("linear", value)
            centre, low, high = value, self.low, self.high
        return back(centre + z * ((high - centre) if z > 0 else (centre - low)) / _NORMAL_95)


@dataclass(frozen=True)
class Provenance:
    """Measurements that parameters come from.

    Attributes:
        file: name of the file of measurements.
        sha256: checksum of its bytes.
        date: day of the fit, ``2026-11-27``.
        rows: rows in the file.
        used: of these, how many became readings.
        devices: number of devices measured.
        kind: kind of measurement, such as ``pulses``.
        variant: which variant of the family was fitted.
        columns: what each column was taken for.
        version: of this program.
        parameters: those that these measurements tell.
    """

    file: str = ""
    sha256: str = ""
    date: str = ""
    rows: int = 0
    used: int = 0
    devices: int = 0
    kind: str = ""
    variant: str = ""
    version: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True)
class DeviceFile:
    """A device with what is known of its parameters.

    Attributes:
        name: the family, or ``family:preset`` as a file may say.
        device: the device.
        known: interval and error of every parameter that measurements tell.
        correlation: of the errors on their scales, in the order of `known`; empty for independent errors.
        fixed: parameters set without an interval, with the reason.
        kept: parameters that no measurement tells, with the reason.
        notes: plain statements to show.
        origin: the measurements, one entry per file.
    """

    name: str
    device: Device
    known: Mapping[str, Uncertainty] = field(default_factory=dict)
    correlation: tuple[tuple[float, ...], ...] = ()
    fixed: Mapping[str, str] = field(default_factory=dict)
    kept: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    origin: tuple[Provenance, ...] = ()

    def origin_of(self, parameter: str) -> Provenance | None:
        """The measurements that a parameter comes from, None for one that no measurement tells."""
        if parameter not in self.known:
            return None
        return next((s for s in reversed(self.origin) if not s.parameters or parameter in s.parameters), None)

    def after(self, earlier: DeviceFile) -> DeviceFile:
        """This fit, which started from the device of `earlier`, with what that file knows of the other parameters.

        Raises:
            ParameterError: the files are of different families.
        """
        if type(self.device) is not type(earlier.device):
            raise ParameterError(f"a fit of {self.name!r} cannot go on from a file of {earlier.name!r}")
        old = [name for name in earlier.known if name not in self.known]
        known = {**{name: earlier.known[name] for name in old}, **self.known}
        before, now = earlier._errors(), self._errors()
        place = [list(earlier.known).index(name) for name in old]
        size = len(old)
        rows = torch.eye(len(known), dtype=torch.float64)
        rows[:size, :size] = before[place][:, place]
        rows[size:, size:] = now
        told = {*known, *self.fixed, *earlier.fixed}
        sources = [_naming(source, earlier.known) for source in earlier.origin]
        return replace(
            self,
            known=known,
            correlation=tuple(map(tuple, rows.tolist())),
            fixed={**{k: v for k, v in earlier.fixed.items() if k not in self.known}, **self.fixed},
            kept={k: v for k, v in {**self.kept, **earlier.kept}.items() if k not in told},
            notes=(*earlier.notes, *(note for note in self.notes if note not in earlier.notes)),
            origin=(*sources, *(_naming(source, self.known) for source in self.origin)),
        )

    def draws(self, n: int, generator: torch.Generator) -> list[Device]:
        """Devices as the uncertainties allow them; the k-th does not depend on `n`.

        Errors have the file's correlation, and 95 % of the draws of each parameter lie in its interval; values
        beyond a declared range are moved onto its edge. A draw that breaks a relation between parameters is drawn
        again.

        Raises:
            DataError: nearly no draw is a possible device.
        """
        if not self.known:
            return [self.device] * n
        factor, key = _factor(self._errors()), draw_key(generator)
        made: dict[int, Device] = {}
        for number in range(_TRIES):
            rows = normal(key, (n, len(self.known)), number).double() @ factor.T
            for k, row in enumerate(rows.tolist()):
                if k not in made and (device := self._drawn(row)) is not None:
                    made[k] = device
            if len(made) == n:
                return [made[k] for k in range(n)]
        raise DataError("the intervals allow nearly no possible device; narrow them, or set correlations")

    def _drawn(self, errors: list[float]) -> Device | None:
        values: dict[str, float] = {}
        for (name, known), z in zip(self.known.items(), errors, strict=True):
            values[name] = _within(known.draw(float(getattr(self.device, name)), z), self.device.parameter(name))
        try:
            return self.device.replace(**values)
        except ParameterError:
            return None

    def _errors(self) -> torch.Tensor:
        """Correlation of the errors as a matrix."""
        size = len(self.known)
        if not self.correlation:
            return torch.eye(size, dtype=torch.float64)
        return torch.tensor(self.correlation, dtype=torch.float64).reshape(size, size)

    def write(self, path: str | Path) -> Path:
        """Write the file, whole or not at all; it loads to an equal device, bit for bit.

        Raises:
            StoreError: it cannot be written.
        """
        return write_atomic(path, self.to_toml())

    def to_toml(self) -> str:
        """The file's text."""
        return "\n".join([_HEAD, *_blocks(self)])


def _blocks(file: DeviceFile) -> Iterator[str]:
    yield f"device = {toml.value(file.name)}\n"
    if file.notes:
        yield "notes = [\n" + "".join(f"    {toml.value(note)},\n" for note in file.notes) + "]\n"
    device = file.device
    origin = {name: "fitted" for name in file.known} | {n: "set" for n in file.fixed} | {n: "kept" for n in file.kept}
    rows = [(p.name, _text(getattr(device, p.name), p), origin.get(p.name)) for p in device.parameters()]
    yield "[parameters]\n" + "".join(f"{k} = {v}{f'  # {why}' if why else ''}\n" for k, v, why in rows)
    if file.known:
        lines = ((n, device.parameter(n), u) for n, u in file.known.items())
        yield "[intervals]  # 95 %\n" + "".join(f"{n} = [{_text(u.low, p)}, {_text(u.high, p)}]\n" for n, p, u in lines)
    errors = {
        name: {"scale": known.scale} | ({} if known.error is None else {"error": known.error})
        for name, known in file.known.items()
    }
    yield from _table("errors", errors)
    if file.correlation:
        yield from _table("correlation", dict(zip(file.known, file.correlation, strict=True)))
    yield from _table("fixed", file.fixed)
    yield from _table("kept", file.kept)
    for source in file.origin:
        content = {k: v for k, v in dataclasses.asdict(source).items() if v or k in ("rows", "used")}
        yield from _table("origin", content, "[[origin]]" if len(file.origin) > 1 else "[origin]")
    if tables := device.tables():
        yield "[tables]\n" + "".join(f"{toml.key(name)} = {_rows(rows)}\n" for name, rows in tables.items())


def _table(name: str, content: Mapping[str, Any], head: str = "") -> Iterator[str]:
    if content:
        lines = "".join(f"{toml.key(key)} = {toml.value(value)}\n" for key, value in content.items())
        yield f"{head or f'[{name}]'}\n{lines}"


def _text(value: Any, declared: Parameter) -> str:
    """A value as a file says it: with its unit, unless it has none."""
    if isinstance(value, str) or declared.unit == "1" or not math.isfinite(value):
        return toml.value(value)
    return toml.value(f"{toml.value(value)} {declared.unit}")


def _rows(rows: Sequence[Any]) -> str:
    """A table as a file says it: one row a line."""
    if not isinstance(rows[0], list):
        return toml.value(rows)
    return "[\n" + "".join(f"    {toml.value(row)},\n" for row in rows) + "]"


def _naming(source: Provenance, known: Mapping[str, Uncertainty]) -> Provenance:
    return source if source.parameters else replace(source, parameters=tuple(known))


def _scale(name: str, value: float) -> tuple[Any, Any]:
    """The scale as an increasing function that is infinite where it is not defined, and its inverse."""
    sign = -1.0 if value < 0 else 1.0
    if name == "log":
        return (
            lambda x: sign * math.log(sign * x) if sign * x > 0 else -math.inf,
            lambda y: sign * math.exp(min(sign * y, 700.0)),
        )
    if name == "logit":
        return (
            lambda x: math.log(x / (1 - x)) if 0 < x < 1 else math.inf,
            lambda y: 1 / (1 + math.exp(min(-y, 700.0))),
        )
    return (lambda x: x), (lambda y: y)


def _within(value: float, declared: Parameter) -> float:
    value = round(value) if declared.integer else value
    value = value if declared.low is None else max(value, declared.low)
    return value if declared.high is None else min(value, declared.high)


def _factor(correlation: torch.Tensor) -> torch.Tensor:
    """Cholesky factor; a correlation that is singular gets the smallest addition that makes it positive definite."""
    one = torch.eye(len(correlation), dtype=torch.float64)
    for small in (0.0, 1e-12, 1e-9, 1e-7, 1e-6, 1e-5, 1e-4):
        factor, failed = torch.linalg.cholesky_ex((correlation + small * one) / (1 + small))
        if not failed:
            return factor
    raise DataError("the correlation of the errors is not positive semi-definite")
