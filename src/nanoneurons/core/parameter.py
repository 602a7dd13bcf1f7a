"""Parameters as data: every physical number carries its unit, valid range and source.

A model is a frozen dataclass whose fields are made by `param`. The catalogue page, the command
line entry, the sweepable axes, the ablation of an audit and the citation are all generated from
what is declared here, so a fact about a device is written once.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from dataclasses import dataclass
from typing import Any, Protocol, Self

from .errors import ParameterError, UnknownNameError, nearest

__all__ = ["Contents", "Imperfection", "Parameter", "Parameterized", "contents", "param"]


@dataclass(frozen=True)
class Parameter:
    """Declaration of one parameter: unit, range, source and, for an imperfection, the ideal value."""

    name: str
    default: Any
    unit: str
    doc: str
    source: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] | None = None
    imperfection: str | None = None
    ideal: float | None = None
    integer: bool = False
    verified: bool = True

    def check(self, value: Any, owner: str) -> None:
        """Raise `ParameterError` naming the parameter, its unit and its range."""
        where = f"{owner}: parameter '{self.name}'"
        if self.choices is not None:
            if value not in self.choices:
                hint = nearest(str(value), self.choices)
                raise ParameterError(f"{where} must be one of {', '.join(self.choices)}, not {value!r}{hint}")
            return
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise ParameterError(f"{where} must be a number in {self.unit}, not {value!r}")
        number = float(value)
        if math.isnan(number):
            raise ParameterError(f"{where} is NaN; give a number in {self.unit}")
        if self.integer and number != int(number):
            raise ParameterError(f"{where} must be a whole number, not {value!r}")
        low = -math.inf if self.low is None else self.low
        high = math.inf if self.high is None else self.high
        if not low <= number <= high:
            unit = "" if self.unit == "1" else f" {self.unit}"
            raise ParameterError(f"{where} = {number:g}{unit} is outside its range [{low:g}, {high:g}]{unit}")

    def scaled(self, value: float, factor: float) -> float:
        """Return the value with its distance from the ideal multiplied by `factor`, kept in range."""
        if self.ideal is None:
            return value
        moved = self.ideal + factor * (value - self.ideal)
        moved = max(moved, self.low) if self.low is not None else moved
        moved = min(moved, self.high) if self.high is not None else moved
        return round(moved) if self.integer else moved


@dataclass(frozen=True)
class Imperfection:
    """A named group of parameters that an ideal device would not need."""

    name: str
    parameters: tuple[Parameter, ...]

    @property
    def label(self) -> str:
        """Name for people, e.g. ``device-to-device`` spread."""
        return (
            self.name.replace("_", "-")
            if self.name.endswith("_to_device") or "_to_" in self.name
            else self.name.replace("_", " ")
        )


def param(
    default: Any,
    unit: str = "1",
    *,
    doc: str,
    source: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] | None = None,
    imperfection: str | None = None,
    ideal: float | None = None,
    integer: bool = False,
    verified: bool = True,
) -> Any:
    """Declare a dataclass field that carries its unit, range and source.

    A parameter that belongs to an `imperfection` states the value an ideal device would have
    (`ideal`); scaling an imperfection moves all its parameters linearly between ideal and value.
    `verified=False` marks a value whose source could not be read; it is shown as unverified.
    """
    if imperfection is not None and ideal is None:
        raise TypeError(f"imperfection {imperfection!r} needs an ideal value")
    declaration = {
        "default": default,
        "unit": unit,
        "doc": doc,
        "source": source,
        "low": low,
        "high": high,
        "choices": choices,
        "imperfection": imperfection,
        "ideal": ideal,
        "integer": integer,
        "verified": verified,
    }
    return dataclasses.field(default=default, metadata={"parameter": declaration})


class Contents(Protocol):
    """Data that a model carries besides its parameters, such as a table: compared and hashed by value."""

    def digest(self) -> str:
        """Checksum of the data; equal for equal data."""
        ...


def contents(default: Contents, *, doc: str, source: str) -> Any:
    """Declare a dataclass field for data that are no single number, such as measured tables."""
    return dataclasses.field(default=default, metadata={"contents": {"doc": doc, "source": source}})


@dataclass(frozen=True)
class Parameterized:
    """Base of every frozen dataclass of declared parameters; checks each value on construction."""

    def __post_init__(self) -> None:
        for declared in self.parameters():
            declared.check(getattr(self, declared.name), type(self).__name__)
        self.check()

    def check(self) -> None:
        """Check relations between parameters; the base has none."""

    @classmethod
    def parameters(cls) -> tuple[Parameter, ...]:
        """Declarations of all parameters, in order."""
        return tuple(
            Parameter(name=f.name, **f.metadata["parameter"])
            for f in dataclasses.fields(cls)
            if "parameter" in f.metadata
        )

    @classmethod
    def parameter(cls, name: str) -> Parameter:
        """Declaration of one parameter, or `UnknownNameError` with the nearest name."""
        declared = {p.name: p for p in cls.parameters()}
        if name not in declared:
            raise UnknownNameError(f"{cls.__name__} has no parameter {name!r}{nearest(name, declared)}")
        return declared[name]

    def contents(self) -> dict[str, Contents]:
        """Data declared by `contents`, by name of their field."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if "contents" in f.metadata}

    def imperfections(self) -> tuple[Imperfection, ...]:
        """Imperfections this instance really has (some parameter differs from its ideal value)."""
        groups: dict[str, list[Parameter]] = {}
        for p in self.parameters():
            if p.imperfection is not None:
                groups.setdefault(p.imperfection, []).append(p)
        return tuple(
            Imperfection(name, tuple(members))
            for name, members in groups.items()
            if any(getattr(self, p.name) != p.ideal for p in members)
        )

    def replace(self, **changes: Any) -> Self:
        """Copy with some parameters changed; names and ranges are checked."""
        carried = self.contents()
        for name in changes:
            if name not in carried:
                self.parameter(name)
        return dataclasses.replace(self, **changes)

    def scaled(self, imperfection: str, factor: float) -> Self:
        """Copy with one imperfection scaled: 0 is ideal, 1 is as it stands."""
        members = [p for p in self.parameters() if p.imperfection == imperfection]
        if not members:
            known = sorted({p.imperfection for p in self.parameters() if p.imperfection})
            raise UnknownNameError(
                f"{type(self).__name__} declares no imperfection {imperfection!r}{nearest(imperfection, known)}; "
                f"it has {', '.join(known) or 'none'}"
            )
        return dataclasses.replace(self, **{p.name: p.scaled(getattr(self, p.name), factor) for p in members})

    def without(self, imperfection: str) -> Self:
        """Copy with one imperfection at its ideal value."""
        return self.scaled(imperfection, 0.0)

    def ideal(self) -> Self:
        """Copy with every imperfection at its ideal value."""
        return self.only()

    def only(self, *imperfections: str) -> Self:
        """Copy that keeps the named imperfections and has every other at its ideal value."""
        for name in imperfections:
            self.scaled(name, 1.0)  # refuses an unknown name
        return dataclasses.replace(
            self,
            **{
                p.name: p.ideal
                for p in self.parameters()
                if p.imperfection is not None and p.imperfection not in imperfections
            },
        )

    def values(self) -> dict[str, Any]:
        """Parameter values by name, in SI units; contents by their checksum."""
        held = {p.name: getattr(self, p.name) for p in self.parameters()}
        return {**held, **{name: data.digest() for name, data in self.contents().items()}}
