"""Levels, retention, noise and sweeps in the forms that laboratories write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import IVSweeps, Levels, NoiseSeries, Retention, describe, read, write_csv


@pytest.fixture
def table(tmp_path: Path):
    def write(text: str, kind: str | None = None, **options: object):
        path = tmp_path / "data.csv"
        path.write_text(text)
        return read(path, kind, **options)  # type: ignore[arg-type]

    return write


def test_levels_with_targets_devices_and_reads(table):
    rows = [(d, 10 * t, r, 10 * t + d + 0.1 * r) for d in range(3) for t in (1, 2, 4) for r in range(2)]
    found = table("device,target (uS),read,G (uS)\n" + "".join(f"{d},{t},{r},{g}\n" for d, t, r, g in rows))
    assert isinstance(found, Levels)
    np.testing.assert_allclose(found.target, (1e-5, 2e-5, 4e-5))
    assert found.reading.shape == (9, 2) and found.level.tolist() == [0, 1, 2] * 3
    np.testing.assert_allclose(found.reading[4], [2.1e-5, 2.11e-5])


def test_words_for_levels_are_ordered_by_their_readings(table):
    found = table("state,cycle,R (kOhm)\nLRS,1,10\nHRS,1,900\nLRS,2,11\nHRS,2,1000\n")
    assert isinstance(found, Levels)
    assert sorted(zip(found.level.tolist(), found.cycle.tolist(), strict=True)) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert found.reading[found.level == 0].max() < found.reading[found.level == 1].min()


def test_a_column_for_each_level_with_ends_that_differ(table):
    found = table("LRS (kOhm);HRS (kOhm)\n10;900\n11;1000\n;1100\n", "levels")
    assert isinstance(found, Levels)
    assert np.bincount(found.level).tolist() == [2, 3]
    assert any("each of the 2 columns was taken as one level" in note for note in found.origin.notes)
    np.testing.assert_allclose(np.sort(1e-3 / found.reading[:, 0]), [10, 11, 900, 1000, 1100])


def test_rows_may_be_cycles_of_one_device(table):
    text = "level,G (uS)\n" + "".join(f"{k % 3},{10 * (k % 3) + 10 + k}\n" for k in range(12))
    many, one = table(text), table(text, columns="cycle=rows")
    assert len(many.devices) == 12 and any("device of its own" in note for note in many.origin.notes)
    assert one.devices == ("1",) and one.cycle[one.level == 1].tolist() == [0, 1, 2, 3]


def test_retention_with_spread_in_the_unit_of_its_reading(table):
    text = "time (h),level,G (uS),sd\n" + "".join(f"{2**k},{s},{20 + s - k},{0.5}\n" for s in (0, 1) for k in range(5))
    found = table(text)
    assert isinstance(found, Retention) and found.timed and found.spread is not None
    np.testing.assert_allclose(found.time, np.tile(3600.0 * 2 ** np.arange(5), (2, 1)))
    np.testing.assert_allclose(found.spread, 5e-7)
    assert found.origin.columns["sd"] == "spread in uS, as the readings"


def test_the_spread_of_a_resistance_becomes_that_of_the_conductance(table):
    found = table("time (s),R (kOhm),sigma (Ohm)\n1,10,100\n10,11,110\n100,20,100\n")
    np.testing.assert_allclose(found.reading, [[1e-4, 1 / 11e3, 5e-5]])
    np.testing.assert_allclose(found.spread, [[100 * 1e-8, 110 / 11e3**2, 100 * 25e-10]])


def test_states_that_follow_each_other_on_one_clock_start_at_zero(table):
    text = "time (s),level,G (uS)\n" + "".join(f"{10 * k},{k // 5},{20 + k % 3}\n" for k in range(10))
    found = table(text)
    np.testing.assert_allclose(found.time, np.tile(10.0 * np.arange(5), (2, 1)))
    assert any("one clock" in note for note in found.origin.notes)


def test_noise_with_and_without_time(table):
    timed = table(
        "t (ms),I (nA)\n" + "".join(f"{k},{100 + k % 2}\n" for k in range(20)), "noise", units="read_voltage=0.2V"
    )
    assert isinstance(timed, NoiseSeries) and timed.timed
    np.testing.assert_allclose(timed.time[0], 1e-3 * np.arange(20))
    np.testing.assert_allclose(timed.reading[0, :2], [5e-7, 5.05e-7])
    counted = table("a (uS),b (uS)\n" + "".join(f"{k % 3 + 1},{k % 2 + 2}\n" for k in range(20)), "noise")
    assert counted.devices == ("a", "b") and not counted.timed and counted.time[1].tolist() == list(range(20))


def test_columns_named_after_their_state_are_levels_of_one_device(table):
    found = table("time,R_HRS,R_LRS\n" + "".join(f"{10**k},{1e6 - k},{1e4 + k}\n" for k in range(6)))
    assert isinstance(found, Retention) and found.devices == ("1",) and found.level.tolist() == [0, 1]
    assert "resistance turned into conductance" in found.origin.notes


LOOP = np.r_[np.linspace(0, 1, 21), np.linspace(1, -1, 41)[1:], np.linspace(-1, 0, 21)[1:]]
UP_AND_BACK = np.r_[np.linspace(0, 1, 21), np.linspace(1, 0, 21)[1:]]


@pytest.mark.parametrize("loop", [LOOP, UP_AND_BACK, -LOOP])
def test_sweeps_are_split_where_the_voltage_comes_back(table, loop):
    volts = np.r_[loop, loop[1:], loop[1:]]
    text = "Index;Voltage (V);Current (A)\n"
    text += "".join(f"{k};{v:.3f};{1e-6 * v**3:.6e}\n" for k, v in enumerate(volts)).replace(".", ",")
    found = table(text)
    assert isinstance(found, IVSweeps) and found.unit == "S"
    assert found.cycle.tolist() == [0, 1, 2]
    sizes = np.isfinite(found.voltage).sum(axis=1)
    assert sizes.sum() == len(volts) and np.ptp(sizes) <= 2


def test_sweeps_by_column_and_several_devices(table):
    rows = [(d, c, v, d * v) for d in (1, 2) for c in (1, 2) for v in LOOP]
    found = table("device,sweep,V,I (uA)\n" + "".join(f"{d},{c},{v},{i}\n" for d, c, v, i in rows))
    assert found.device.tolist() == [0, 0, 1, 1] and found.cycle.tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(found.current[3], 2e-6 * LOOP, atol=1e-20)


def test_settings_above_the_names_are_title_lines(table):
    text = "SetupTitle, I/V Sweep\nPrimitiveTest, I/V Sweep\nTestParameter, Channel.Unit, SMU1, SMU2\n"
    text += "Dimension1, 41, 41, 41\nDataName, Time, V1, I1\n"
    text += "".join(f"DataValue, {k}, {v:.3f}, {1e-6 * v:.3e}\n" for k, v in enumerate(UP_AND_BACK))
    found = table(text, "iv")
    np.testing.assert_allclose(found.voltage[0], UP_AND_BACK, atol=1e-12)
    assert "4 title lines above the header left out" in found.origin.notes


def test_a_voltage_that_never_moves_is_no_sweep(table):
    with pytest.raises(DataError, match="row 4, column 'V .V.': the voltage never changes; this is not a sweep"):
        table("V (V),I (A)\n1,1e-6\n1,2e-6\n1,1e-6\n", "iv")


def test_what_was_read_is_described(table):
    text = "device,level,G (uS)\n" + "".join(f"{d},{k},{10 * k + d + 1}\n" for d in range(3) for k in range(2))
    rows = describe(table(text))
    assert ("file", "data.csv, 6 rows") in rows
    assert ("column G (uS)", "conductance in uS, from the header") in rows
    assert ("devices", "3 (0, 1, 2)") in rows and ("levels", "2 (3, 3 readings)") in rows
    assert ("range", "1e-06 to 1.3e-05 S") in rows
    assert rows[-2] == ("note", "kind of measurement guessed: levels")


def test_names_that_a_csv_cannot_hold_are_refused(table, tmp_path: Path):
    found = table('device;pulse;G (uS)\n"a;b";1;1\n"a;b";2;2\n')
    assert found.devices == ("a;b",)
    with pytest.raises(DataError, match="cannot stand in a CSV"):
        write_csv(Levels(**{**vars(table("level,G (uS)\n1,1\n2,2\n")), "devices": ("a,b", "c")}), tmp_path / "out.csv")
