"""What each column of a table stands for: stated by the user, or guessed from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from nanoneurons.core.errors import DataError, nearest

from ._direction import is_direction
from ._table import Column, Table
from ._units import BASES, split_name

__all__ = ["ROLES", "Roles", "guess", "names_level", "roles_of", "stated", "whole"]

ROLES = {
    "device": "which device",
    "cycle": "which cycle",
    "run": "which unbroken run",
    "pulse": "pulse number",
    "applied": "signed pulses applied before the reading",
    "direction": "direction of the pulses",
    "amplitude": "voltage of the pulses",
    "read": "which read",
    "level": "which level",
    "target": "conductance aimed at",
    "time": "time",
    "conductance": "conductance",
    "resistance": "resistance",
    "current": "current",
    "voltage": "voltage",
    "read_voltage": "voltage of the reads",
    "spread": "standard deviation of the reading",
    "up": "readings while pulses raise the conductance",
    "down": "readings while pulses lower the conductance",
}
MANY = ("device", "cycle", "conductance", "resistance", "current", "up", "down", "level")
# Whole names first, then single words of a name, in this order: "target conductance" is a target.
_PLACES = ("row", "col", "column", "x", "y", "wl", "bl")  # these name a device only where they are whole numbers
_NOT_COUNTS = frozenset(["width", "duration", "length", "energy", "interval", "delay", "period", "time", "shape"])
_WHOLE = {
    "applied": ("applied", "applied pulses", "pulses applied", "signed pulses"),
    "read": ("read", "reads", "read number", "read no", "read index", "reading", "reading number"),
    "run": ("run",),
    "pulse": ("n", "no", "nr", "pulse", "pulses", "count", "number", "step", "index", "npulse", "npulses", "pulse#"),
    "time": ("t", "time", "elapsed", "timestamp"),
    "conductance": ("g", "gd", "w", "g mean", "mean g"),
    "resistance": ("r", "rd"),
    "current": ("i", "id", "imeas", "iread"),
    "voltage": ("v", "u", "vd", "vmeas"),
    "read_voltage": ("vread", "v read", "read v", "read voltage", "voltage read", "vr"),
    "amplitude": ("vpulse", "v pulse", "vp", "pulse v", "vset", "vreset", "vprog", "v prog", "vamp", "pulse height"),
    "device": _PLACES,
}
_WORDS = {
    "spread": ("sd", "std", "sigma", "stdev", "stddev", "deviation", "spread", "err", "error", "sem"),
    "target": ("target", "goal", "aim", "wanted", "requested"),
    "amplitude": ("amplitude", "amp", "ampl", "height"),
    "direction": ("direction", "dir", "polarity", "sign", "operation", "op"),
    "up": ("up", "ltp", "set", "potentiation", "pot", "increase", "increasing", "rising", "potentiate"),
    "down": ("down", "ltd", "reset", "depression", "dep", "decrease", "decreasing", "falling", "depress"),
    "conductance": ("conductance", "cond", "g", "weight", "weights", "siemens"),
    "resistance": ("resistance", "res", "r"),
    "current": ("current", "curr", "i"),
    "time": ("time", "elapsed"),
    "voltage": ("voltage", "volt", "bias", "v"),
    "cycle": ("cycle", "cycles", "cyc", "loop", "repetition", "rep", "trial", "sweep", "iteration"),
    "pulse": ("pulse", "pulses", "pulsenumber", "npulse"),
    "level": ("level", "lvl", "state", "bin", "lrs", "hrs"),
    "device": ("device", "dev", "cell", "sample", "memristor", "dut", "synapse", "chip", "die"),
}


@dataclass
class Roles:
    """Columns by role; `unknown` are the columns nobody could place."""

    table: Table
    found: dict[str, list[Column]] = field(default_factory=dict)
    unknown: list[Column] = field(default_factory=list)
    said: frozenset[str] = frozenset()
    rows_are: str | None = None
    wide: str | None = None
    notes: list[str] = field(default_factory=list)

    def one(self, role: str) -> Column | None:
        """The column of a role, or None; of several the one that is called exactly so.

        Raises:
            DataError: several columns could be it; gives the option to write.
        """
        columns = self.found.get(role, [])
        if len(columns) > 1:
            exact = [c for c in columns if split_name(c.name)[0].lower() == role.replace("_", " ")]
            if len(exact) != 1:
                names = ", ".join(repr(c.name) for c in columns)
                raise DataError(
                    f"{self.table.file}: {names} all look like the {role.replace('_', ' ')}; say which, "
                    f'for example --columns "{role}={columns[0].name}"'
                )
            self.found[role] = columns = exact
        return columns[0] if columns else None

    def has(self, *roles: str) -> bool:
        """Whether every one of these roles has a column."""
        return all(self.found.get(role) for role in roles)

    def shown(self) -> dict[str, str]:
        """What each column was taken for."""
        named = {c.name: ROLES[role] for role, columns in self.found.items() for c in columns}
        return {c.name: named.get(c.name, "not used") for c in self.table.columns}


def stated(columns: str | Mapping[str, str] | None) -> dict[str, str] | str:
    """``"conductance=G_mean,pulse=N"`` as a dictionary; text without ``=`` is the name of an array.

    Raises:
        DataError: a role that does not exist; names the nearest.
    """
    if columns is None:
        return {}
    if isinstance(columns, str):
        if "=" not in columns:
            return columns.strip()
        parts = re.split(r",(?=\s*\w+\s*=)", columns)
        pairs = [part.split("=", 1) for part in parts]
        columns = {name.strip(): value.strip() for name, value in (p if len(p) == 2 else (p[0], "") for p in pairs)}
    for role in columns:
        if role not in ROLES:
            raise DataError(
                f"columns: {role!r} is not something a column can be{nearest(role, ROLES)}; "
                f'choose from {", ".join(ROLES)}, for example --columns "conductance=G,pulse=N"'
            )
    return dict(columns)


def roles_of(table: Table, columns: Mapping[str, str]) -> Roles:
    """Give every column its role: what the user says, else what its name says.

    Raises:
        DataError: the user names a column that the file does not have, or one for two roles.
    """
    roles = Roles(table, said=frozenset(columns))
    taken: list[Column] = []
    for role, names in columns.items():
        if role in ("cycle", "device") and names == "rows":
            roles.rows_are = role
            continue
        for name in _names(table, names):
            column = _find(table, name, role)
            if any(column is c for c in taken):
                raise DataError(f"columns: {column.name!r} is given two roles; give it one")
            taken.append(column)
            roles.found.setdefault(role, []).append(column)
    for column in table.columns:
        if any(column is c for c in taken):
            continue
        role = guess(column) if table.header and not re.fullmatch(r"column \d+", column.name) else None
        if role is None or role in columns:
            roles.unknown.append(column)
        else:
            roles.found.setdefault(role, []).append(column)
    return roles


def _names(table: Table, names: str) -> list[str]:
    """``G1+G2`` or ``2-9`` as single columns; a name that holds a plus itself is taken whole."""
    if any(c.name == names for c in table.columns):
        return [names]
    found = re.fullmatch(r"(\d+)-(\d+)", names)
    if found:
        return [str(k) for k in range(int(found[1]), int(found[2]) + 1)]
    return [n.strip() for n in names.split("+")]


def _find(table: Table, name: str, role: str) -> Column:
    for same in (lambda c: c.name == name, lambda c: c.name.lower() == name.lower(), lambda c: _bare(c) == name):
        found = [c for c in table.columns if same(c)]
        if found:
            return found[0]
    if name.isdigit() and 1 <= int(name) <= len(table.columns):
        return table.columns[int(name) - 1]
    close = nearest(name, [c.name for c in table.columns])
    raise DataError(f"columns: {table.file} has no column {name!r} for {role}{close}; it has {table.shown()}")


def _bare(column: Column) -> str:
    return split_name(column.name)[0]


def guess(column: Column) -> str | None:
    """The role that a column's name suggests, or None."""
    name, unit = split_name(column.name)
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)  # pulseNumber, deviceId
    plain = re.sub(r"(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", " ", plain)
    plain = re.sub(r"[^\w#]+|_+", " ", plain).strip()
    if plain == "T":
        return "time" if unit or column.unit else None  # a temperature otherwise
    lowered = plain.lower()
    words = [w for w in re.split(r"[\s#]+", lowered) if w]
    role = _whole_name(lowered, words) or _by_words(set(words))
    if role == "device" and lowered in _PLACES and not whole(column):
        return None
    if role == "pulse" and _signed(column):
        return "applied"
    if role is not None:
        return role
    for quantity in BASES:  # I_A, G_uS
        bare, found = split_name(column.name, quantity)
        if found and bare != column.name and bare.lower() in _WHOLE.get(quantity, ()):
            return quantity
    return _by_content(column, words)


def _whole_name(lowered: str, words: list[str]) -> str | None:
    """Role of a name as a whole, numbers at its end aside."""
    stem = " ".join(w for w in words if not w.isdigit())
    for text, roles in ((lowered, _WHOLE), (" ".join(words), _WHOLE), (stem, {r: _WHOLE.get(r, ()) for r in MANY})):
        for role, names in roles.items():
            if text in names:
                return role
    return None


def _by_words(words: set[str]) -> str | None:
    """Role of a name by the words in it."""
    if "read" in words and words & {"voltage", "v", "bias"}:
        return "read_voltage"
    if words & {"pulse", "set", "reset", "write", "prog", "programming"} and words & {"voltage", "v"}:
        return "amplitude"
    if words & {"number", "no", "index", "count", "id", "nr"}:
        for role in ("pulse", "cycle", "device", "level", "read"):
            if words & {role, f"{role}s"} or (role == "device" and words & {"cell", "dev"}):
                return role
    if "pulse" in words and words & _NOT_COUNTS:
        return None
    return next((role for role, known in _WORDS.items() if words & set(known)), None)


def _by_content(column: Column, words: list[str]) -> str | None:
    """A column of directions under another name, such as ``type``."""
    if column.labels is not None and {"type", "mode", "kind", "pulse"} & set(words) and is_direction(column):
        return "direction"
    return None


def _signed(column: Column) -> bool:
    """Whether a column holds a few whole numbers of both signs over and over: pulses applied, and no numbering."""
    if not whole(column):
        return False
    values = column.values[np.isfinite(column.values)]
    return len(values) > 20 and bool(values.min() < 0 < values.max()) and len(np.unique(values)) <= 7


def names_level(name: str) -> bool:
    """Whether a name has a word for a level in it, as ``R_HRS`` has."""
    return bool(set(re.split(r"[^a-z]+", name.lower())) & set(_WORDS["level"]))


def whole(column: Column) -> bool:
    """Whether all numbers of a column are whole."""
    values = column.values[np.isfinite(column.values)]
    return column.numeric and bool(len(values)) and bool((values == np.round(values)).all())
