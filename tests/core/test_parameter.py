"""Data that a model carries besides its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from nanoneurons.core.parameter import Parameterized, contents, param


@dataclass(frozen=True)
class Rows:
    rows: tuple[float, ...]

    def digest(self) -> str:
        return f"rows:{self.rows}"


@dataclass(frozen=True)
class Measured(Parameterized):
    rows: Rows = contents(Rows((1.0,)), doc="measured rows", source="test")
    gain: float = param(1.0, doc="gain", source="test", low=0.0, high=2.0, imperfection="spread", ideal=0.0)


def test_contents_are_compared_hashed_and_shown_by_their_checksum():
    plain = Measured()
    assert plain.values() == {"gain": 1.0, "rows": "rows:(1.0,)"}
    assert [p.name for p in plain.parameters()] == ["gain"]
    other = plain.replace(rows=Rows((2.0,)))
    assert other != plain and other.replace(rows=Rows((1.0,))) == plain
    assert hash(other.replace(rows=Rows((1.0,)))) == hash(plain)
    assert (other.ideal().rows, other.ideal().gain) == (Rows((2.0,)), 0.0)
