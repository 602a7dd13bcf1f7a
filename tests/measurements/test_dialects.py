"""Files as spreadsheets, instruments and plotting programs leave them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import Pulses, describe, read

GOOD = 1e-6 * np.array([[10.5, 11.25, 12.0, 13.5, 14.0]])


@pytest.fixture
def readings(tmp_path: Path):
    def read_it(content: str | bytes, **options: object) -> np.ndarray:
        path = tmp_path / "data.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        found = read(path, "pulses", **options)  # type: ignore[arg-type]
        assert isinstance(found, Pulses)
        return found.reading

    return read_it


@pytest.mark.parametrize(
    "content",
    [
        # Excel, German: thousands of blank cells to the right and below
        "sep=;\nPuls Nr;pulse;G (µS)" + ";" * 2000 + "\n"
        + "".join(f"x;{k};{g}{';' * 2000}\n" for k, g in enumerate(["10,5", "11,25", "12", "13,5", "14"]))
        + (";" * 2002 + "\n") * 50,
        # names in one row, units in the next, a row of comments above
        "Long name of the book\npulse,G\n,uS\n0,10.5\n1,11.25\n2,12\n3,13.5\n4,14\n",
        # numpy.savetxt with a header
        "# pulse G(uS)\n0.0 10.5\n1.0 11.25\n2.0 12.0\n3.0 13.5\n4.0 14.0\n",
        # aligned columns
        " pulse    G (uS)\n     0     10.5\n     1    11.25\n     2       12\n     3     13.5\n     4       14\n",
        # R's write.table: names of rows without a header
        '"pulse" "G_uS"\n"1" 0 10.5\n"2" 1 11.25\n"3" 2 12\n"4" 3 13.5\n"5" 4 14\n',
        # pandas: an index without a name
        ",pulse,G (uS)\n0,0,10.5\n1,1,11.25\n2,2,12.0\n3,3,13.5\n4,4,14.0\n",
        # quoted numbers with decimal commas between commas
        '"pulse","G (uS)"\n"0","10,5"\n"1","11,25"\n"2","12,0"\n"3","13,5"\n"4","14,0"\n',
        # units in the cells
        "pulse\tG\n0\t10.5 uS\n1\t11.25 uS\n2\t12 uS\n3\t13.5 uS\n4\t14 uS\n",
        # comments at the end of lines and between them
        "pulse,G (uS)\n0,10.5 # first\n1,11.25\n% half\n2,12\n! nearly\n3,13.5\n4,14\n",
        # one column with decimal commas
        "G (uS)\n10,5\n11,25\n12,0\n13,5\n14,0\n",
        # old Mac ends of lines
        "pulse;G (uS)\r0;10.5\r1;11.25\r2;12\r3;13.5\r4;14\r",
        # resistances, and a column nobody needs
        "pulse,temperature (K),R (MOhm)\n" + "".join(f"{k},300,{1e-6 / g!r}\n" for k, g in enumerate(GOOD[0].tolist())),
    ],
)  # fmt: skip
def test_the_readings_are_found(readings, content: str):
    np.testing.assert_allclose(readings(content), GOOD, rtol=1e-12)


@pytest.mark.parametrize("word", ["", "nan", "NaN", "NA", "N/A", "#N/A", "-", "--", "null", "None", "9.91E+37"])
def test_missing_values_stay_missing(readings, word: str):
    found = readings(f"pulse,G (uS)\n0,10.5\n1,{word}\n2,12\n3,13.5\n4,14\n")
    np.testing.assert_allclose(found, np.where([0, 1, 0, 0, 0], np.nan, GOOD), rtol=1e-12)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_encodings(readings, encoding: str):
    text = "pulse;G (µS)\r\n0;10,5\r\n1;11,25\r\n2;12\r\n3;13,5\r\n4;14\r\n"
    np.testing.assert_allclose(readings(text.encode(encoding)), GOOD, rtol=1e-12)


@pytest.mark.parametrize(
    ("header", "scale"),
    [
        ("G (uS)", 1),
        ("G [nS]", 1e3),
        ("G_mS", 1e-3),
        ("Conductance/S", 1e-6),
        ("G (us)", 1),
        ("conductance {uS}", 1),
        ("mean conductance (μS)", 1),
        ("G (G0)", 1e-6 / 7.748091729e-5),
    ],
)
def test_units_in_headers(readings, header: str, scale: float):
    rows = "".join(f"{k},{g * 1e6 * scale!r}\n" for k, g in enumerate(GOOD[0].tolist()))
    np.testing.assert_allclose(readings(f"pulse,{header}\n{rows}"), GOOD, rtol=1e-9)


def test_a_thousand_columns(tmp_path: Path):
    values = 1e-6 * (1 + np.random.default_rng(0).random((200, 1000)))
    path = tmp_path / "wide.csv"
    names = ",".join(f"D{k}" for k in range(1000))
    np.savetxt(path, np.c_[np.arange(200), values], delimiter=",", header=f"pulse,{names}", comments="")
    found = read(path, "pulses")
    assert isinstance(found, Pulses) and len(found.devices) == 1000
    np.testing.assert_allclose(found.reading, values.T)
    notes = [note for note in found.origin.notes if "no unit" in note]
    assert notes == ["1000 columns from 'D0' on: no unit for the conductance (1e-06 to 2e-06): taken as S"]
    assert ("columns D0 ... D999", "conductance in S, inferred (1000 columns)") in describe(found)


def test_runs_in_rows_without_header_are_turned(tmp_path: Path):
    ramps = 1e-6 * (np.arange(30) + 10 * np.random.default_rng(0).random((6, 1)))
    path = tmp_path / "rows.csv"
    np.savetxt(path, ramps, delimiter=",")
    found = read(path, "pulses")
    assert isinstance(found, Pulses)
    np.testing.assert_allclose(found.reading, ramps)
    np.savetxt(path, ramps[:1], delimiter=";")
    np.testing.assert_allclose(read(path, "noise").reading, ramps[:1])  # type: ignore[attr-defined]
    ramps[4, 6] = -1e-6
    np.savetxt(path, ramps, delimiter=",")
    with pytest.raises(DataError, match="rows.csv, row 5, column 7: negative conductance -1e-06 S"):
        read(path, "pulses")
