"""A table in any dialect reads back to the record it was written from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.measurements import IVSweeps, Levels, Measurements, NoiseSeries, Pulses, Retention, read, write_csv


def same(a: Measurements, b: Measurements, tolerance: float = 0.0) -> None:
    """Both records hold the same arrays, names and unit."""
    assert type(a) is type(b)
    assert a.devices == b.devices
    assert a.unit == b.unit
    mine, other = a.arrays(), b.arrays()
    assert mine.keys() == other.keys()
    for name, values in mine.items():
        np.testing.assert_allclose(other[name], values, rtol=tolerance, atol=0, err_msg=name)


def pulses(devices: int = 3, cycles: int = 2, ramp: int = 12, seed: int = 0) -> Pulses:
    generator = np.random.default_rng(seed)
    runs = devices * cycles
    train = np.tile(np.r_[0, np.ones(ramp), -np.ones(ramp)].astype(np.int64), (runs, 1))
    reading = 1e-5 + 1e-6 * np.cumsum(train, axis=1) + 1e-8 * generator.random(train.shape)
    reading[0, 5] = np.nan
    return Pulses(
        device=np.repeat(np.arange(devices), cycles),
        devices=tuple(f"D{k}" for k in range(devices)),
        reading=reading,
        pulses=train,
        cycle=np.tile(np.arange(cycles), devices),
        amplitude=np.where(train == 0, np.nan, 1.25 * train),
    )


RECORDS: dict[str, Measurements] = {
    "pulses": pulses(),
    "levels": Levels(
        device=np.repeat(np.arange(4), 3),
        devices=("a", "b", "c", "d"),
        reading=np.random.default_rng(1).random((12, 5)) * 1e-6 + 1e-6,
        level=np.tile(np.arange(3), 4),
        cycle=np.zeros(12, int),
        target=(1.1e-6, 1.5e-6, 1.9e-6),
    ),
    "retention": Retention(
        device=np.array([0, 0, 1]),
        devices=("x", "y"),
        reading=np.random.default_rng(2).random((3, 7)) + 1.0,
        time=np.tile(np.logspace(0, 6, 7), (3, 1)),
        level=np.array([0, 1, 0]),
        spread=np.random.default_rng(3).random((3, 7)),
        unit="1",
    ),
    "noise": NoiseSeries(
        device=np.array([0, 1]),
        devices=("x", "y"),
        reading=np.random.default_rng(4).random((2, 9)) * 1e-5,
        time=np.tile(np.arange(9.0), (2, 1)),
        timed=False,
    ),
    "iv": IVSweeps(
        device=np.array([0, 0, 1]),
        devices=("x", "y"),
        voltage=np.tile(np.r_[np.linspace(0, 1, 9), np.linspace(1, -1, 17)[1:]], (3, 1)),
        current=np.random.default_rng(5).normal(size=(3, 25)) * 1e-6,
        cycle=np.array([0, 1, 0]),
    ),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_what_is_written_reads_back_to_the_last_digit(kind: str, tmp_path: Path):
    path = tmp_path / "table.csv"
    write_csv(RECORDS[kind], path)
    same(RECORDS[kind], read(path, kind))
    assert read(path, kind).origin.rows == len(path.read_text().splitlines()) - 1


def test_runs_of_different_lengths_are_padded_again(tmp_path: Path):
    data = pulses()
    short = data.reading.copy()
    short[1, 18:] = np.nan
    cut = data.pulses.copy()
    cut[1, 18:] = 0
    record = Pulses(**{**vars(data), "reading": short, "pulses": cut, "amplitude": None})
    write_csv(record, tmp_path / "table.csv")
    same(record, read(tmp_path / "table.csv", "pulses"))


@dataclass(frozen=True)
class Style:
    """How a laboratory might write its table."""

    delimiter: str
    decimal: str
    header: dict[str, str]
    unit: str
    scale: float
    order: tuple[int, ...]
    newline: str
    encoding: str
    above: str
    missing: str
    wide_tail: int


UNITS = {"S": 1.0, "uS": 1e6, "nS": 1e9, "mS": 1e3, "µS": 1e6}


@st.composite
def styles(draw: st.DrawFn) -> Style:
    delimiter = draw(st.sampled_from([",", ";", "\t", "|", " "]))
    decimal = "." if delimiter == "," else draw(st.sampled_from([".", ","]))
    blank = delimiter == " "
    unit = draw(st.sampled_from(list(UNITS)))
    names = {
        "device": draw(st.sampled_from(["device", "Device", "Dev", "cell", "Cell"] + ([] if blank else ["Device ID"]))),
        "cycle": draw(st.sampled_from(["cycle", "Cycle", "cyc"] + ([] if blank else ["cycle no."]))),
        "pulse": draw(st.sampled_from(["pulse", "n", "N", "Pulse"] + ([] if blank else ["pulse number", "Pulse #"]))),
        "direction": draw(st.sampled_from(["direction", "Polarity"])),
        "conductance": draw(st.sampled_from(["G", "conductance", "Conductance", "G_mean"]))
        + draw(
            st.sampled_from([f"({unit})", f"[{unit}]", f"/{unit}"] + ([] if blank else [f" ({unit})", f" [{unit}]"]))
        ),
    }
    above = draw(st.sampled_from(["", "# measured on a probe station\n", "% a comment\n! another\n"]))
    if delimiter == ";":
        above = draw(st.sampled_from([above, "sep=;\n", "My table\nChip 7\n\n"]))
    return Style(
        delimiter,
        decimal,
        names,
        unit,
        UNITS[unit],
        tuple(draw(st.permutations(range(5)))),
        draw(st.sampled_from(["\n", "\r\n"])),
        draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"])),
        above,
        draw(st.sampled_from(["nan", "NaN", "NA", "#N/A"] + ([] if blank else ["", "-"]))),
        draw(st.sampled_from([0, 0, 3])) if delimiter in ",;\t" else 0,
    )


def table(record: Pulses, style: Style, shuffled: int | None = None) -> bytes:
    """The record as text; pulses are numbered through each cycle, the first reading as 0."""
    rows: list[list[Any]] = []
    for run in range(len(record.device)):
        for k, (value, step) in enumerate(zip(record.reading[run], record.pulses[run], strict=True)):
            number = f"{value * style.scale:.12g}".replace(".", style.decimal)
            cells = [
                record.devices[record.device[run]],
                str(record.cycle[run] + 1),
                str(k),
                "up" if step >= 0 else "down",
                style.missing if np.isnan(value) else number,
            ]
            rows.append([cells[j] for j in style.order])
    if shuffled is not None:
        rows = [rows[k] for k in np.random.default_rng(shuffled).permutation(len(rows))]
    header = [list(style.header.values())[j] for j in style.order]
    tail = [""] * style.wide_tail
    lines = [style.delimiter.join([*row, *tail]) for row in [header, *rows]]
    lines += [style.delimiter * 7] * style.wide_tail
    return (style.above + "\n".join(lines) + "\n").replace("\n", style.newline).encode(style.encoding)


@settings(max_examples=120, deadline=None)
@given(style=styles(), seed=st.integers(0, 5), order=st.none() | st.integers(0, 5))
def test_any_dialect_gives_the_same_record(
    style: Style, seed: int, order: int | None, tmp_path_factory: pytest.TempPathFactory
):
    record = pulses(devices=2, cycles=2, ramp=8, seed=seed)
    record = Pulses(**{**vars(record), "amplitude": None})
    path = tmp_path_factory.mktemp("dialect") / "table.txt"
    path.write_bytes(table(record, style, order))
    found = read(path)
    by_name = {name: k for k, name in enumerate(found.devices)}
    assert sorted(by_name) == sorted(record.devices)
    back = np.array([by_name[name] for name in record.devices])
    places = [
        int(np.flatnonzero((found.device == back[d]) & (found.cycle == c))[0])
        for d, c in zip(record.device, record.cycle, strict=True)
    ]
    assert isinstance(found, Pulses)
    assert len(found.device) == len(record.device)
    np.testing.assert_allclose(found.reading[places], record.reading, rtol=1e-11)
    np.testing.assert_array_equal(found.pulses[places], record.pulses)
    assert found.origin.rows == record.reading.size
    assert found.origin.used == np.isfinite(record.reading).sum()


@settings(max_examples=40, deadline=None)
@given(
    style=styles(),
    quantity=st.sampled_from(["R (kOhm)", "R[Ohm]", "Resistance/MOhm"]),
    ends=st.sampled_from(["names", "one"]),
)
def test_resistances_and_columns_for_up_and_down(
    style: Style, quantity: str, ends: str, tmp_path_factory: pytest.TempPathFactory
):
    scale = {"R (kOhm)": 1e3, "R[Ohm]": 1.0, "Resistance/MOhm": 1e6}[quantity]
    up = 1e-5 + 1e-7 * np.arange(20)
    down = up[::-1] - 1e-7
    path = tmp_path_factory.mktemp("dialect") / "table.txt"

    def number(value: float) -> str:
        return f"{value:.12g}".replace(".", style.decimal)

    d = style.delimiter if style.delimiter != " " else "\t"
    if ends == "names":
        lines = [f"n{d}LTP (uS){d}LTD (uS)"]
        lines += [
            f"{k + 1}{d}{number(a * 1e6)}{d}{number(b * 1e6)}" for k, (a, b) in enumerate(zip(up, down, strict=True))
        ]
    else:
        lines = [f"polarity{d}{quantity}"]
        lines += [f"{'set'}{d}{number(1 / a / scale)}" for a in up] + [
            f"{'reset'}{d}{number(1 / b / scale)}" for b in down
        ]
    path.write_bytes(("\n".join(lines)).encode(style.encoding))
    found = read(path, "pulses")
    assert isinstance(found, Pulses)
    np.testing.assert_allclose(found.reading, np.r_[up, down][None], rtol=1e-10)
    np.testing.assert_array_equal(found.pulses, np.r_[0, np.ones(19), -np.ones(20)][None])
