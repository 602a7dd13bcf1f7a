"""Columns to SI units: stated by the user, read from the header, or inferred from magnitudes and said so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nanoneurons.core.errors import DataError, ParameterError, nearest
from nanoneurons.core.units import quantity as si_quantity

from ._cells import number_with_unit
from ._roles import Roles
from ._table import Column, Table
from ._units import BASES, base_of, factor, split_name

__all__ = ["Quantities", "checked_units"]

_LARGEST = 100.0  # S; above it a unit is wrong
_PLAUSIBLE = {"S": 1e-2, "A": 1e-1, "V": 50.0}  # largest numbers believed without a unit in the file


def checked_units(units: str | Mapping[str, str] | None, table: Table | None = None) -> dict[str, str]:
    """``"conductance=uS,read_voltage=0.1V"`` as a dictionary.

    Raises:
        DataError: a name that is neither a quantity nor a column, or a unit that does not fit; gives an example.
    """
    if units is None:
        return {}
    if isinstance(units, str):
        pairs = [part.split("=", 1) for part in units.split(",") if part.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise DataError(
                f"units: {units!r} is not a list of quantity=unit; write for example --units conductance=uS"
            )
        units = {name.strip(): unit.strip() for name, unit in pairs}
    known = [*BASES, *(c.name for c in table.columns)] if table else list(BASES)
    for name, unit in units.items():
        if table is not None and name not in known:
            raise DataError(
                f"units: {name!r} is neither a quantity nor a column{nearest(name, known)}; "
                f"quantities are {', '.join(BASES)}, for example --units conductance=uS"
            )
        if name == "read_voltage":
            read_voltage(unit)
        elif name in BASES:
            factor(unit, name)
    return dict(units)


def read_voltage(text: str) -> float:
    """Volts of ``0.1V``; a unit alone is for a column of read voltages."""
    try:
        factor(text, "read_voltage")
    except DataError:
        try:
            volts = si_quantity(text, "V", "read_voltage")
        except ParameterError as error:
            raise DataError(f"units: {error}; for example --units read_voltage=0.1V") from error
        if volts == 0:
            raise DataError(
                "units: read_voltage is 0; a conductance is current over voltage, give what was applied"
            ) from None
        return volts
    return float("nan")


@dataclass
class Quantities:
    """Takes columns to SI units and keeps what to tell the user."""

    roles: Roles
    units: dict[str, str]
    lenient: bool = False
    notes: list[str] = field(default_factory=list)
    shown: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    def si(
        self, column: Column, quantity: str, assumed: str | None = None, why: str = "as the readings"
    ) -> tuple[np.ndarray, str]:
        """Numbers of a column in SI units, and which unit that is; `assumed` is the unit where the file has none.

        Raises:
            DataError: words among the numbers, mixed units, or a unit that is not known and cannot be inferred.
        """
        values, inside = self._numbers(column)
        header = column.unit or split_name(column.name, quantity)[1]
        told = self.units.get(column.name) or self.units.get(quantity)
        if quantity == "read_voltage" and told and np.isfinite(read_voltage(told)):
            told = None
        table = self.roles.table
        if told is None and inside and header and factor(inside, quantity) != factor(header, quantity):
            table.refuse(0, column, f"the cells are in {inside}, the header says {header}; write one unit")
        choices = ((told, "as stated"), (inside, "from the cells"), (header, "from the header"), (assumed, why))
        written, how = next(((unit, how) for unit, how in choices if unit), (None, ""))
        if written is None:
            unit, reason = self._inferred(column, values, quantity)
            self.shown[column.name] = f"{quantity.replace('_', ' ')} in {unit}, inferred"
            self.notes.append(f"column {column.name!r}: {reason}" if table.header else reason)
            return values, unit
        self.written[column.name] = written
        self.shown[column.name] = f"{quantity.replace('_', ' ')} in {written}, {how}"
        try:
            unit, scale = factor(written, quantity)
        except DataError as error:
            table.refuse(None, column, str(error))
        return values if scale == 1 else values * scale, unit

    def _alike(self, columns: list[Column], quantity: str) -> dict[str, str]:
        """Unit inferred for all columns that have none together."""
        plain = [
            c
            for c in columns
            if c.numeric and not (c.unit or split_name(c.name, quantity)[1] or self.units.get(c.name))
        ]
        if len(plain) < 2 or self.units.get(quantity):
            return {}
        unit, reason = self._inferred(plain[0], np.concatenate([c.values for c in plain]), quantity)
        self.notes.append(f"{len(plain)} columns from {plain[0].name!r} on: {reason}")
        return {c.name: unit for c in plain}

    def _numbers(self, column: Column) -> tuple[np.ndarray, str | None]:
        """Numbers of a column, and the unit that its cells carry."""
        table = self.roles.table
        if column.labels is None:
            return column.values, None
        codes = column.values.astype(np.int64)
        decimal = "," if any("," in label and "." not in label for label in column.labels) else "."
        found = [number_with_unit(label, decimal) for label in column.labels]
        units: list[str | None] = [f[1] if f else None for f in found]
        unit = next((u for u in units if u), None)
        for code, (pair, one) in enumerate(zip(found, units, strict=True)):
            index = int((codes == code).argmax()) if pair is None or one != unit else 0
            if pair is None:
                table.refuse(
                    index, column, f"{column.labels[code]!r} is not a number; correct it or leave the cell empty"
                )
            if one != unit:
                table.refuse(
                    index, column, f"unit {one!r}, but the rows before are in {unit!r}; write one unit in a column"
                )
        numbers = np.array([f[0] if f else np.nan for f in found] + [np.nan])
        return numbers[codes], unit

    def _inferred(self, column: Column, values: np.ndarray, quantity: str) -> tuple[str, str]:
        table = self.roles.table
        known = values[np.isfinite(values)]
        if not len(known):
            table.refuse(None, column, "no number in it; check the separator and the decimal mark")
        low, high = float(known.min()), float(known.max())
        size = max(abs(low), abs(high))
        if quantity == "time":
            return "s", "no unit for the time: taken as seconds"
        if quantity == "resistance":
            if float(np.median(np.abs(known))) >= 100:
                return "ohm", f"no unit for the resistance ({low:.3g} to {high:.3g}): taken as ohm"
            self._ask(column, quantity, low, high, "kOhm")
        base = BASES[quantity][0]
        if base == "S" and low < 0 < high and min((known < 0).mean(), (known > 0).mean()) >= 0.05:
            return "1", f"no unit and both signs ({low:.3g} to {high:.3g}): taken as normalised weights (unit 1)"
        if base == "S" and column.name.lower().startswith(("w", "norm")):
            return "1", "no unit: taken as normalised weights (unit 1)"
        if size <= _PLAUSIBLE[base]:
            name = quantity.replace("_", " ")
            return base, f"no unit for the {name} ({low:.3g} to {high:.3g}): taken as {base}"
        if self.lenient and "1" in BASES[quantity]:
            return "1", (
                f"no unit in the file and {low:.3g} to {high:.3g} is not in {base}: kept as an arbitrary unit (1); "
                f"--units {quantity}=u{base} would say it"
            )
        self._ask(column, quantity, low, high, "mV" if base == "V" else f"u{base}")
        raise AssertionError

    def _ask(self, column: Column, quantity: str, low: float, high: float, example: str) -> None:
        one = f" (or {quantity}=1 where the numbers are normalised)" if "1" in BASES[quantity] else ""
        self.roles.table.refuse(
            None,
            column,
            f"no unit, and {low:.3g} to {high:.3g} does not tell it; say it, "
            f"for example --units {quantity}={example}{one}",
        )

    def readings(self, columns: list[Column], quantity: str) -> tuple[list[np.ndarray], str]:
        """Columns of readings as conductances in S, or normalised in 1.

        Raises:
            DataError: negative conductance or resistance, a read voltage that nobody told, columns in different units.
        """
        inferred = self._alike(columns, quantity)
        found = [self._reading(column, quantity, inferred.get(column.name)) for column in columns]
        unit = found[0][1]
        for column, (_, other) in zip(columns, found, strict=True):
            if other != unit:
                self.roles.table.refuse(
                    None,
                    column,
                    f"in unit {other}, but column {columns[0].name!r} is in {unit}; state one with --units",
                )
        return [values for values, _ in found], unit

    def beside(
        self, column: Column, role: str, source: Column, reading: np.ndarray, row: np.ndarray, unit: str
    ) -> np.ndarray:
        """Targets or standard deviations of readings, in the unit of these; without a unit in that of their column.

        Raises:
            DataError: a unit that the readings do not have.
        """
        written = self.units.get(role) or column.unit or split_name(column.name, role)[1]
        written = written or self.units.get("conductance") or self.written.get(source.name)
        base = base_of(written)
        if base not in ("ohm", "A"):
            values, found = self.si(column, role, written)
            if found != unit:
                self.roles.table.refuse(
                    None, column, f"in unit {found}, but the readings are in {unit}; state one with --units"
                )
            return values[row]
        quantity = "resistance" if base == "ohm" else "current"
        values = self.si(column, quantity, written)[0][row]
        if quantity == "current":  # the same voltage turns a current into a conductance
            return values * (reading / self.si(source, quantity)[0][row])
        return 1 / values if role == "target" else values * reading**2

    def _reading(self, column: Column, quantity: str, inferred: str | None) -> tuple[np.ndarray, str]:
        table = self.roles.table
        values, unit = self.si(column, quantity, inferred, "inferred")
        if quantity == "current":
            values, unit = self._over_voltage(column, values, unit)
        elif quantity == "resistance":
            bad = values <= 0
            if bad.any():
                index = int(bad.argmax())
                table.refuse(
                    index, column, f"resistance {values[index]:g} ohm is not positive; correct it or leave it empty"
                )
            values, unit = 1 / values, "S"
            self.notes.append("resistance turned into conductance")
        if unit == "S":
            bad = values > _LARGEST
            if bad.any():
                index = int(bad.argmax())
                table.refuse(index, column, f"{values[index]:.4g} S is no conductance of a device; check the unit")
            bad = values < 0
            if bad.any():
                index = int(bad.argmax())
                table.refuse(
                    index,
                    column,
                    f"negative conductance {values[index]:.4g} S; correct it, leave the cell empty, or say "
                    "--units conductance=1 where the numbers are normalised",
                )
        return values, unit

    def _over_voltage(self, column: Column, values: np.ndarray, unit: str) -> tuple[np.ndarray, str]:
        """Current over read voltage."""
        told = self.units.get("read_voltage")
        volts = read_voltage(told) if told else float("nan")
        if np.isfinite(volts):
            self.notes.append(f"conductance = current / {volts:g} V")
            return values / volts, "S" if unit == "A" else "1"
        source = self.roles.one("read_voltage")
        if source is None and (voltage := self.roles.one("voltage")) is not None:
            known = voltage.values[np.isfinite(voltage.values)] if voltage.numeric else np.zeros(0)
            if len(known) and np.ptp(known) <= 0.05 * abs(float(np.mean(known))):
                source = voltage
        if source is None:
            self.roles.table.refuse(
                None, column, "a current needs the voltage of the reads; say it, for example --units read_voltage=0.1V"
            )
        across, _ = self.si(source, "read_voltage")
        zero = (across == 0) & np.isfinite(values)
        if zero.any():
            self.roles.table.refuse(int(zero.argmax()), source, "read voltage 0; a conductance is current over voltage")
        self.notes.append(f"conductance = current / column {source.name!r}")
        return values / across, "S" if unit == "A" else "1"
