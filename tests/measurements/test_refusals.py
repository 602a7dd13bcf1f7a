"""What cannot be read is refused in one line with file, row, column and remedy; what can be read in seconds is."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import Pulses, read

GOOD = "pulse,G (uS)\n" + "".join(f"{k},{10 + k}\n" for k in range(1, 31))


@pytest.fixture
def refused(tmp_path: Path):
    def read_it(content: str | bytes, kind: str | None = "pulses", **options: object) -> str:
        path = tmp_path / "data.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(DataError) as caught:
            read(path, kind, **options)  # type: ignore[arg-type]
        text = str(caught.value)
        assert "\n" not in text and "data.csv" in text
        return text

    return read_it


def changed(row: int, line: str) -> str:
    lines = GOOD.splitlines()
    lines[row - 1] = line
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("row", "line", "said"),
    [
        (7, "6,oops", "row 7, column 'G (uS)': 'oops' is not a number; correct it or leave the cell empty"),
        (2, "1,oops", "row 2, column 2: 'oops' is not a number; correct it or leave the cell empty"),
        (31, "thirty,40", "row 31, column 'pulse': 'thirty' is not a number"),
        (9, "8,18,5", "row 9, column 3: 3 cells, but the table has 2 columns"),
        (9, "8", "row 9, column 1: 1 cell, but the table has 2 columns (columns separated by commas); check its"),
        (9, "8;18", "row 9, column 1: 1 cell, but the table has 2 columns"),
        (9, ",18", "row 9, column 'pulse': empty; every reading needs its number"),
        (9, "8.5,18", "row 9, column 'pulse': pulse number 8.5 is no whole count"),
        (9, "8,-18", "row 9, column 'G (uS)': negative conductance -1.8e-05 S"),
        (9, "8,inf", "row 9, column 'G (uS)': infinite; correct it or leave the cell empty"),
        (9, "7,18", "row 9, column 'pulse': pulse number 7 is there before; remove the row, or add a column"),
        (31, "12,18", "row 31, column 'pulse': pulse number 12 is there before"),
        (9, "8,18 nS", "row 9, column 'G (uS)': '18 nS' is not a number"),
    ],
)
def test_a_bad_cell_is_named_by_row_and_column(refused, row: int, line: str, said: str):
    assert f"data.csv, {said}" in refused(changed(row, line))


def test_a_bad_cell_below_title_lines_comments_and_blank_rows_has_the_row_of_the_editor(refused):
    text = (
        "My device\nmeasured today\n\n# pulses of 1 V\npulse;G (uS)\n1;2,5\n\n;\n2;2,6\n# pause\n3;x7\n4;2,8\n5;2,9\n"
    )
    assert "data.csv, row 11, column 'G (uS)': 'x7' is not a number" in refused(text)


def test_a_decimal_point_among_decimal_commas(refused):
    text = "pulse;G (uS)\n" + "".join(f"{k};1,{k}\n" for k in range(1, 9)) + "9;1.9\n"
    assert "row 10, column 'G (uS)': '1.9' has a decimal point, other rows a decimal comma" in refused(text)


def test_decimal_commas_between_commas(refused):
    text = "pulse,G (uS)\n" + "".join(f"{k},1,{k}5\n" for k in range(1, 9))
    assert "row 1: 2 names for 3 columns" in refused(text)


def test_a_separator_that_nobody_uses(refused):
    said = refused("pulse^G (uS)\n1^10\n2^11\n")
    assert "row 3, column 1: no column holds numbers" in said and "row 1 is 'pulse^G (uS)'" in said
    assert "save the table as CSV with commas or semicolons" in said


def test_words_in_the_whole_column_of_readings(refused):
    said = refused("pulse,G (uS)\n1,low\n2,high\n3,low\n")
    assert "row 2, column 'G (uS)': 'low' is not a number" in said


def test_units_that_differ_within_a_column(refused):
    said = refused("pulse,G\n" + "".join(f"{k},{k + 10} {'uS' if k != 5 else 'nS'}\n" for k in range(1, 9)))
    assert "row 6, column 'G': unit 'nS', but the rows before are in 'uS'; write one unit in a column" in said
    said = refused("pulse,G (uS)\n" + "".join(f"{k},{k + 10} nS\n" for k in range(1, 9)))
    assert "column 'G (uS)': the cells are in nS, the header says uS" in said


def test_units_that_differ_between_columns(refused):
    said = refused("pulse,D1 (uS),D2 (a.u.)\n1,2,3\n2,3,4\n3,4,6\n")
    assert "column 'D2 (a.u.)': in unit 1, but column 'D1 (uS)' is in S; state one with --units" in said


def test_a_unit_that_changes_without_a_word_is_suspected_or_refused(refused, tmp_path: Path):
    said = refused("pulse,G (S)\n1,1e-5\n2,1.1e-5\n3,120\n4,130\n")
    assert "row 4, column 'G (S)': 120 S is no conductance of a device; check the unit" in said
    path = tmp_path / "mixed.csv"
    path.write_text("pulse,G (uS)\n" + "".join(f"{k},{(10 + k) * (1 if k < 12 else 1000)}\n" for k in range(20)))
    notes = read(path).origin.notes
    assert any("mixed.csv, row 14, column 'G (uS)': the reading jumps by about a thousand here" in n for n in notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pulse,G (uS)\n1,10\n", "row 2: the only row of data; a fit needs at least two"),
        ("pulse,G (uS)\n1,10\n2,\n", "row 2, column 'G (uS)': the only reading of the file"),
        (
            "pulse,G (uS)\n1,10\n2,10\n3,10\n",
            "row 4, column 'G (uS)': all 3 readings are 1e-05 S; nothing can be",
        ),
        ("pulse,R (kOhm)\n1,10\n2,0\n3,10\n", "row 3, column 'R (kOhm)': resistance 0 ohm is not positive"),
        (
            "pulse,G\n1,10\n2,11\n3,12\n",
            "column 'G': no unit, and 10 to 12 does not tell it; say it, for",
        ),
        ("pulse,G (kOhm)\n1,10\n2,11\n", "column 'G (kOhm)': 'kOhm' is a unit of something else (ohm); give the cond"),
        (
            "cell,bar\n1.5,a\n2.5,b\n",
            "none of the columns 'cell', 'bar' says that it is a reading; say it, for example",
        ),
        ("index,n,G (uS)\n1,2,10\n2,3,11\n", "'index', 'n' all look like the pulse; say which, for example --columns"),
    ],
)
def test_tables_that_tell_nothing(refused, text: str, said: str):
    assert said in refused(text)


def test_the_kind_is_asked_back_when_columns_do_not_tell_it(refused):
    said = refused("time (s),G (uS)\n1,10\n2,11\n3,12\n", kind=None)
    assert (
        "what was measured? Columns 'time (s)', 'G (uS)' could be retention or noise; say it with --as retention"
        in said
    )
    said = refused("1 2\n2 3\n3 5\n", kind=None)
    assert "could be pulses, iv, retention or noise; say it with --as pulses" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n \r\n\t\n", "is empty"),
        (b"# only a comment\n", "comments and blank lines only"),
        (b"\x00\x01\x02\x03" * 50, "row 1: not text (control characters)"),
        (b"PK\x03\x04 sheet.xml", "an Excel workbook or a zip archive, not text; save the sheet as CSV"),
        (b"\x89HDF\r\n", "an HDF5 file, not text"),
        (b"\x1f\x8b\x08", "compressed, not text; unpack it first"),
        (b"\x89PNG\r\n", "a picture, not text"),
        (bytes(range(128, 256)) * 20, "not text in any encoding tried"),
    ],
)
def test_files_that_are_no_tables(refused, content: bytes, said: str):
    assert said in refused(content)


def test_a_folder_and_a_file_that_is_not_there(tmp_path: Path):
    with pytest.raises(DataError, match="is a folder; name one file"):
        read(tmp_path)
    with pytest.raises(DataError, match="does not exist; check the path"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"columns": "conductanse=G"}, "'conductanse' is not something a column can be (did you mean 'conductance'?)"),
        ({"columns": "conductance=H (uS)"}, "has no column 'H (uS)' for conductance (did you mean 'G (uS)'?)"),
        ({"columns": "G"}, "'G' gives no role; write for example --columns \"conductance=G\""),
        ({"columns": "conductance=G (uS),pulse=G (uS)"}, "'G (uS)' is given two roles"),
        ({"units": "conductance=uF"}, "'uF' is not a unit; give the conductance in S, for example 'uS'"),
        ({"units": "conductance=V"}, "'V' is a unit of something else (V)"),
        ({"units": "uS"}, "'uS' is not a list of quantity=unit; write for example --units conductance=uS"),
        ({"units": "conduct=uS"}, "'conduct' is neither a quantity nor a column"),
        ({"units": "read_voltage=0.1A"}, "cannot be converted to V"),
        ({"units": "read_voltage=0V"}, "read_voltage is 0"),
        ({"kind": "pulse"}, "kind 'pulse' does not exist (did you mean 'pulses'?)"),
    ],
)
def test_options_that_do_not_fit_say_what_would(tmp_path: Path, options: dict[str, str], said: str):
    path = tmp_path / "data.csv"
    path.write_text(GOOD)
    with pytest.raises(DataError) as caught:
        read(path, **({"kind": "pulses"} | options))  # type: ignore[arg-type]
    assert said in str(caught.value)


def test_a_million_rows_are_read_in_seconds_with_progress(tmp_path: Path):
    path = tmp_path / "million.csv"
    ramp = np.r_[np.linspace(10, 20, 500), np.linspace(20, 10, 500)]
    block = "".join(f"D#,{k},{g:.4f}\n" for k, g in enumerate(ramp))
    path.write_text("device,pulse,G (uS)\n" + "".join(block.replace("#", str(d)) for d in range(1000)))
    said: list[tuple[float, str]] = []
    begin = time.perf_counter()
    found = read(path, progress=lambda share, text: said.append((share, text)))
    assert time.perf_counter() - begin < 30  # about 3 s on a quiet core
    assert isinstance(found, Pulses) and found.reading.shape == (1000, 1000)
    assert found.pulses.sum() == -1000 and found.origin.rows == 1_000_000
    assert said[0] == (0.1, "100,000 of 1,000,000 rows read") and said[-1][0] == 1.0


def test_a_bad_cell_far_down_is_named(tmp_path: Path):
    path = tmp_path / "long.csv"
    path.write_text("pulse,G (uS)\n" + "".join(f"{k},{k + 1}\n" for k in range(110_000)) + "110000,oops\n")
    with pytest.raises(DataError, match="row 110002, column 'G \\(uS\\)': 'oops' is not a number"):
        read(path)
