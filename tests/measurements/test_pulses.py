"""Pulse numbers, directions, cycles and re-reads, as laboratories write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import Pulses, describe, read

UP, DOWN = np.linspace(10, 20, 21)[1:], np.linspace(20, 10, 21)[1:]
RAMPS = np.r_[0, np.ones(19), -np.ones(20)].astype(int)


@pytest.fixture
def table(tmp_path: Path):
    def write(header: str, *columns: object, kind: str | None = "pulses", **options: object) -> Pulses:
        rows = [",".join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
        path = tmp_path / "data.csv"
        path.write_text("\n".join([header, *rows]) + "\n")
        found = read(path, kind, **options)  # type: ignore[arg-type]
        assert isinstance(found, Pulses)
        return found

    return write


def test_one_pulse_before_every_reading_and_direction_from_words(table):
    words = ["LTP"] * 20 + ["LTD"] * 20
    found = table("mode,G (uS)", words, np.r_[UP, DOWN], kind=None)
    np.testing.assert_array_equal(found.pulses, RAMPS[None])
    np.testing.assert_allclose(found.reading[0], np.r_[UP, DOWN] * 1e-6)
    assert found.pulses.dtype == np.int64


@pytest.mark.parametrize("words", [("up", "down"), ("SET", "RESET"), ("+", "-"), ("1", "-1"), ("1", "0"), ("p", "d")])
def test_directions_in_any_words(table, words):
    found = table("n,polarity,G (uS)", range(40), [words[0]] * 20 + [words[1]] * 20, np.r_[UP, DOWN])
    np.testing.assert_array_equal(found.pulses, RAMPS[None])


def test_a_word_that_is_no_direction_is_named_with_its_row(table):
    with pytest.raises(DataError, match=r"data.csv, row 6, column 'polarity': 'sideways' is not a direction"):
        table("n,polarity,G (uS)", range(8), ["up"] * 4 + ["sideways"] + ["down"] * 3, range(10, 18))


def test_ten_pulses_between_readings_are_counted(table):
    found = table("pulse,direction,G (uS)", range(0, 400, 10), ["up"] * 20 + ["down"] * 20, np.r_[UP, DOWN])
    np.testing.assert_array_equal(found.pulses, 10 * RAMPS[None])


def test_numbers_that_start_again_for_the_way_down(table):
    numbers = [*range(1, 21), *range(1, 21)]
    found = table("pulse,direction,G (uS)", numbers, ["up"] * 20 + ["down"] * 20, np.r_[UP, DOWN])
    np.testing.assert_array_equal(found.pulses, RAMPS[None])
    again = table("pulse,direction,G (uS)", np.array(numbers) - 1, ["up"] * 20 + ["down"] * 20, np.r_[UP, DOWN])
    assert again.pulses[0, 20] == 0, "number 0 on the way down is a read before the first pulse"
    np.testing.assert_array_equal(np.delete(again.pulses[0], 20), np.delete(RAMPS, 20))


def test_numbers_that_count_down_on_the_way_down(table):
    numbers = [*range(1, 21), *range(20, 0, -1)]
    found = table("pulse,direction,G (uS)", numbers, ["up"] * 20 + ["down"] * 20, np.r_[UP, DOWN])
    np.testing.assert_array_equal(found.pulses, RAMPS[None])


def test_numbers_that_count_down_give_the_direction_themselves(table):
    numbers = [*range(0, 20), *range(18, -1, -1)]
    found = table("pulse,G (uS)", numbers, np.r_[UP, DOWN[:-1]])
    np.testing.assert_array_equal(found.pulses, RAMPS[None, :-1])
    assert any("counts up and down" in note for note in found.origin.notes)


def test_direction_from_the_way_readings_move(table):
    noise = np.random.default_rng(0).normal(0, 0.1, 400)
    ramp = np.r_[np.linspace(10, 20, 100), np.linspace(20, 10, 100)]
    found = table("pulse,G (uS)", range(400), np.r_[ramp, ramp] + noise)
    expected = np.tile(np.r_[np.ones(100), -np.ones(100)], 2)
    expected[0] = 0
    np.testing.assert_array_equal(found.pulses, expected[None])
    assert any("inferred from how the readings move: up, down, up, down" in n for n in found.origin.notes)


def test_direction_from_the_sign_of_the_amplitude_whichever_raises(table):
    amplitude = [1.2] * 20 + [-1.4] * 20
    found = table("pulse,V_pulse (V),G (uS)", range(40), amplitude, np.r_[UP, DOWN])
    np.testing.assert_array_equal(found.pulses, RAMPS[None])
    np.testing.assert_array_equal(found.amplitude, np.array(amplitude)[None])
    other = table("pulse,V_pulse (mV),G (uS)", range(40), -1e3 * np.array(amplitude), np.r_[UP, DOWN])
    np.testing.assert_array_equal(other.pulses, RAMPS[None])
    np.testing.assert_allclose(other.amplitude, -np.array(amplitude)[None])
    assert any("negative pulses raise the conductance" in n for n in other.origin.notes)


def test_restarts_without_direction_that_rise_and_fall_in_turn(table):
    numbers = np.tile(np.arange(1, 21), 4)
    found = table("pulse,G (uS)", numbers, np.tile(np.r_[UP, DOWN], 2))
    np.testing.assert_array_equal(found.pulses, np.tile(RAMPS, (2, 1)))
    assert found.cycle.tolist() == [0, 1]


def test_restarts_that_all_rise_are_cycles(table):
    found = table("pulse,G (uS)", np.tile(np.arange(1, 21), 3), np.tile(UP, 3))
    np.testing.assert_array_equal(found.pulses, np.tile(np.r_[0, np.ones(19)], (3, 1)))
    assert found.cycle.tolist() == [0, 1, 2]


def test_cycles_by_column_and_devices_in_any_order(table):
    rows = [(c, d, k, 10 + c + 2 * d + 0.1 * k) for c in (1, 2) for k in range(5) for d in (1, 2)]
    found = table("cycle,device,pulse,G (uS)", *zip(*rows, strict=True))
    assert found.device.tolist() == [0, 0, 1, 1] and found.cycle.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(found.reading[3], 1e-6 * (10 + 2 + 4 + 0.1 * np.arange(5)))


def test_rows_in_reverse_order_are_sorted(table):
    found = table("pulse,G (uS)", range(20, 0, -1), UP[::-1])
    np.testing.assert_allclose(found.reading[0], UP * 1e-6)
    assert any("sorted by pulse number" in note for note in found.origin.notes)


def test_regular_repeats_are_read_again(table):
    found = table("pulse,G (uS)", np.repeat(np.arange(20), 3), np.repeat(UP, 3) + np.tile([0, 0.01, -0.01], 20))
    np.testing.assert_array_equal(found.pulses, np.tile([1, 0, 0], 20)[None] * (np.arange(60) > 0))
    assert ("pulses", "19 up, 0 down; 40 re-reads") in describe(found)
    assert "40 readings at the pulse number before them: taken as read again without a pulse" in found.origin.notes


def test_two_devices_that_look_like_repeats_are_suspected(table):
    mixed = np.repeat(UP, 2) + np.tile([0, 3], 20) + np.random.default_rng(0).normal(0, 0.05, 40)
    found = table("pulse,G (uS)", np.repeat(np.arange(20), 2), mixed)
    assert any("are there two devices or cycles without a column?" in note for note in found.origin.notes)


def test_a_column_of_reads_allows_a_single_repeat(table):
    numbers, reads = [*range(20), 19], [1] * 20 + [2]
    with pytest.raises(DataError, match=r"data.csv, row 22, column 'pulse': pulse number 19 is there before; remove"):
        table("pulse,G (uS)", numbers, np.r_[UP, 20.1])
    found = table("pulse,read,G (uS)", numbers, reads, np.r_[UP, 20.1])
    assert found.pulses[0, -2:].tolist() == [1, 0]


def test_a_number_that_comes_back_later_is_named_with_row_and_device(table):
    devices = ["A"] * 20 + ["B"] * 21
    numbers = [*range(20), *range(20), 7]
    with pytest.raises(DataError, match=r"row 42, column 'pulse': pulse number 7 of device B is there before"):
        table("device,pulse,G (uS)", devices, numbers, np.r_[UP, UP, 3.0])


def test_columns_for_devices_and_ragged_ends(tmp_path: Path):
    path = tmp_path / "wide.csv"
    path.write_text("pulse;A1 (uS);A2 (uS);B7 (uS)\n0;1;2;3\n1;2;;4\n2;3;4;\n3;4;5;\n")
    found = read(path, "pulses")
    assert isinstance(found, Pulses)
    assert found.devices == ("A1", "A2", "B7")
    expected = 1e-6 * np.array([[1, 2, 3, 4], [2, np.nan, 4, 5], [3, 4, np.nan, np.nan]])
    np.testing.assert_allclose(found.reading, expected)
    np.testing.assert_array_equal(found.pulses, [[0, 1, 1, 1], [0, 1, 1, 1], [0, 1, 0, 0]])


def test_pairs_of_up_and_down_columns_are_devices(table):
    found = table("n,LTP1 (uS),LTD1 (uS),LTP2 (uS),LTD2 (uS)", range(1, 21), UP, DOWN, UP + 1, DOWN + 1)
    np.testing.assert_array_equal(found.pulses, np.tile(RAMPS, (2, 1)))
    np.testing.assert_allclose(found.reading[1], 1e-6 * (np.r_[UP, DOWN] + 1))


def test_up_and_down_that_do_not_meet_are_separate_runs(table):
    found = table("up (uS),down (uS)", UP, DOWN + 50)
    assert found.reading.shape == (2, 20)
    assert found.pulses[0, 1:].min() == 1 and found.pulses[1, 1:].max() == -1
    assert found.pulses[:, 0].tolist() == [0, 0]


def test_without_header_a_rising_and_a_falling_column_are_up_and_down(tmp_path: Path):
    generator = np.random.default_rng(0)
    x = np.linspace(-1, 1, 500)
    path = tmp_path / "plain.csv"
    np.savetxt(path, np.c_[x, -x] + generator.normal(0, 0.1, (500, 2)), delimiter=",")
    for kind in ("pulses", None):
        found = read(path, kind)
        assert isinstance(found, Pulses) and found.unit == "1"
        np.testing.assert_array_equal(found.pulses, np.r_[0, np.ones(499), -np.ones(500)][None])


def test_without_header_a_counting_column_is_the_pulse_number(tmp_path: Path):
    path = tmp_path / "plain.txt"
    path.write_text("".join(f"{k} {g:.3f}\n" for k, g in zip(range(0, 100, 5), UP, strict=True)))
    found = read(path, "pulses")
    assert isinstance(found, Pulses)
    np.testing.assert_array_equal(found.pulses, np.r_[0, np.full(19, 5)][None])
    assert any("arbitrary unit" in note for note in found.origin.notes)


def test_current_over_the_voltage_of_the_reads(table):
    for header, extra, options in (
        ("pulse,I (nA),Vread (mV)", [np.full(20, 100.0)], {}),
        ("pulse,I (nA),V (V)", [np.full(20, 0.1)], {}),
        ("pulse,I (nA)", [], {"units": "read_voltage=100 mV"}),
        ("pulse,I", [], {"units": {"read_voltage": "0.1 V", "current": "nA"}}),
    ):
        found = table(header, range(20), UP, *extra, **options)
        np.testing.assert_allclose(found.reading[0], UP * 1e-8)
    with pytest.raises(DataError, match="a current needs the voltage of the reads; .*--units read_voltage=0.1V"):
        table("pulse,I (nA)", range(20), UP)


def test_columns_stated_by_name_or_number(table):
    x, y = range(20), UP
    for columns in (
        "pulse=foo,conductance=bar, baz",
        {"pulse": "foo", "conductance": "bar, baz"},
        "pulse=1,conductance=2",
    ):
        found = table('foo,"bar, baz"', x, y, columns=columns, units="conductance=uS")
        np.testing.assert_allclose(found.reading[0], UP * 1e-6)
        assert found.origin.columns["bar, baz"] == "conductance in uS, as stated"


def test_directions_of_a_resistance_are_turned_round(table):
    words = ["up"] * 20 + ["down"] * 20
    found = table("n,direction,R (kOhm)", range(40), words, 1e3 / np.r_[DOWN, UP])
    np.testing.assert_array_equal(found.pulses, -RAMPS[None])
    assert any("those of the resistance: turned round" in note for note in found.origin.notes)
    kept = table("n,direction,G (uS)", range(40), words, np.r_[DOWN, UP])
    np.testing.assert_array_equal(kept.pulses, RAMPS[None])
    assert any("check the directions of the file" in note for note in kept.origin.notes)


def test_columns_of_one_name_are_devices_and_cycles_may_have_a_column_each(table):
    found = table("pulse,G (uS),G (uS)", range(20), UP, UP + 1)
    assert found.devices == ("G", "G 2") and found.origin.columns["G 2 (uS)"] == "conductance in uS, from the header"
    found = table("Cycle 1 (uS),Cycle 2 (uS)", UP, UP + 1)
    assert found.devices == ("1",) and found.cycle.tolist() == [0, 1]


def test_a_column_of_pulses_with_both_signs_is_what_was_applied(tmp_path):
    applied = [0] + [1] * 12 + [0] + [-1] * 12
    at = np.cumsum(applied)
    rows = [f"{k},{n},{20 + g}" for k, (n, g) in enumerate(zip(applied, at, strict=True))]
    path = tmp_path / "pulses.csv"
    path.write_text("pulse,pulses,conductance (uS)\n" + "\n".join(rows) + "\n")
    found = read(path, "pulses").pulses
    assert found.tolist() == [applied]


def test_a_numbering_that_goes_below_zero_stays_a_numbering():
    from nanoneurons.measurements._roles import guess
    from nanoneurons.measurements._table import Column

    values = np.concatenate([np.arange(1.0, 30), -np.arange(1.0, 30)])
    column = Column("pulse", values)
    assert guess(column) == "pulse"
