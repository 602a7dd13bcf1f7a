"""What a paper's folder is made of: quantities, figures, and the published numbers to compare with."""

from __future__ import annotations

import importlib
import math
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

from nanoneurons.core.errors import ParameterError, StudyError

if TYPE_CHECKING:
    from types import ModuleType

    import matplotlib.figure

__all__ = ["Entry", "Figure", "Quantity", "Verdict", "at_least", "experiment", "load_published", "package"]

Verdict = Literal["pass", "short", "info"]


@dataclass(frozen=True)
class Quantity:
    """One measured number of a reproduction.

    Attributes:
        quantity: stable identifier, the `id` of an entry in ``published.toml``.
        measured: our value, the mean over seeds; None when it was not measured (the note says why).
        spread: standard deviation over seeds, or None for one seed.
        seeds: how many seeds stand behind it.
        unit: of `measured`, `spread` and the published value (``%``, ``1``, ...).
        note: anything a reader should know of our value.
    """

    quantity: str
    measured: float | None
    spread: float | None
    seeds: int
    unit: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """A figure of a reproduction: `draw` fills an empty matplotlib figure and returns nothing.

    The report draws each figure twice, for a wide page and for a phone; `draw` may look at the width of the
    figure that it is given. `height` and `narrow_height` (for the phone) are in inches.
    """

    name: str
    caption: str
    draw: Callable[[matplotlib.figure.Figure], None]
    title: str = ""
    height: float = 3.6
    narrow_height: float | None = None


@dataclass(frozen=True)
class Entry:
    """A published number: what it is, where it stands, what counts as reproduced, and why.

    Attributes:
        published: the paper's number, or None where it gives none or we could not read it.
        verified: whether the number was read in a source by the person who wrote it down.
        rule: ``at_least`` or ``at_most`` a `bound`, ``within`` a `bound` of `published`, or ``info``: no verdict.
    """

    id: str
    published: float | None
    verified: bool
    where: str
    rule: Literal["at_least", "at_most", "within", "info"]
    bound: float | None
    reason: str
    title: str = ""

    @property
    def tolerance(self) -> str:
        """The rule for people."""
        if self.rule == "info":
            return "none"
        assert self.bound is not None
        return {"at_least": "at least", "at_most": "at most", "within": "within ±"}[self.rule] + f" {self.bound:g}"

    def verdict(self, measured: float | None) -> Verdict:
        """Compare: ``pass`` or ``short``; a number that should be there and is not falls short."""
        if self.rule == "info":
            return "info"
        if measured is None or not math.isfinite(measured):
            return "short"
        if self.rule == "at_least":
            good = measured >= self.bound  # type: ignore[operator]
        elif self.rule == "at_most":
            good = measured <= self.bound  # type: ignore[operator]
        else:
            good = abs(measured - self.published) <= self.bound  # type: ignore[operator]
        return "pass" if good else "short"


def at_least(config: Any, **least: float) -> None:
    """Refuse settings below what an experiment needs; for the ``__post_init__`` of a configuration.

    Raises:
        ParameterError: names the setting, its value and the least one.
    """
    for name, bound in least.items():
        value = getattr(config, name)
        if min(value if isinstance(value, tuple) else (value,), default=bound) < bound:
            raise ParameterError(f"setting {name} = {value!r} is too small; give {bound:g} or more")


def package(key: str) -> str:
    """Module name of a paper's folder."""
    return f"nanoneurons.papers.{key.replace('-', '_')}"


def experiment(key: str) -> ModuleType:
    """The ``experiment`` module of a paper.

    Raises:
        UnknownNameError: no such paper; the nearest key is suggested.
    """
    from nanoneurons.papers import catalogue

    catalogue.module(key)
    return importlib.import_module(package(key) + ".experiment")


def load_published(key: str) -> dict[str, Entry]:
    """Published numbers of a paper by identifier, from its ``published.toml``; nothing writes that file.

    Raises:
        StudyError: the file is malformed; says which entry and why.
    """
    file = resources.files(package(key)).joinpath("published.toml")
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f"published.toml of {key} cannot be read: {error}") from error
    entries: dict[str, Entry] = {}
    for table in content.get("quantity", []):
        entry = _entry(key, table)
        if entry.id in entries:
            raise StudyError(f"published.toml of {key}: quantity {entry.id!r} stands there twice")
        entries[entry.id] = entry
    return entries


_RULES = ("at_least", "at_most", "within", "info")
_KEYS = {"id", "title", "published", "verified", "where", "tolerance", "reason"}


def _entry(key: str, table: dict[str, Any]) -> Entry:
    name = table.get("id")
    where = f"published.toml of {key}, quantity {name!r}"
    for needed, kind in (("id", str), ("verified", bool), ("where", str), ("tolerance", str), ("reason", str)):
        if not isinstance(table.get(needed), kind) or table[needed] == "":
            raise StudyError(f"{where}: needs {needed!r}, a {kind.__name__}")
    unknown = set(table) - _KEYS
    if unknown:
        raise StudyError(f"{where}: unknown key {sorted(unknown)[0]!r}; it knows {', '.join(sorted(_KEYS))}")
    rule, _, bound = str(table["tolerance"]).partition(" ")
    if rule not in _RULES or bool(bound) != (rule != "info") or not _is_number(bound or "0"):
        raise StudyError(
            f"{where}: tolerance must be 'info' or '{_RULES[0]} 98.0', '{_RULES[1]} 1.0', '{_RULES[2]} 0.5'"
        )
    published = table.get("published")
    if rule == "within" and published is None:
        raise StudyError(f"{where}: 'within' needs a published value to be within of")
    return Entry(
        id=table["id"],
        published=None if published is None else float(published),
        verified=table["verified"],
        where=table["where"],
        rule=rule,  # type: ignore[arg-type]
        bound=float(bound) if bound else None,
        reason=table["reason"],
        title=table.get("title", ""),
    )


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
