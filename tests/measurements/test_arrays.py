"""Arrays are chosen by name and shape, the choice is shown, and nothing is unpickled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nanoneurons.core.errors import DataError
from nanoneurons.measurements import IVSweeps, Levels, NoiseSeries, Pulses, Retention, StepTables, read

GENERATOR = np.random.default_rng(0)
RAMP = np.r_[np.linspace(1, 2, 50), np.linspace(2, 1, 50)]


@pytest.fixture
def archive(tmp_path: Path):
    def write(**arrays: Any) -> Path:
        path = tmp_path / "data.npz"
        np.savez(path, **arrays)
        return path

    return write


def bench() -> dict[str, np.ndarray]:
    """Arrays named and shaped as those of a published campaign: levels, retention, sweeps, a map and products."""
    sweeps = np.full((4, 30, 2), np.nan)
    sweeps[..., 0] = np.r_[np.linspace(0, 1, 15), np.linspace(1, 0, 15)]
    sweeps[..., 1] = 1e-4 * sweeps[..., 0] ** 3
    sweeps[2, 25:] = np.nan
    held = {f"hist_state{k}": 30 * (k + 4) + GENERATOR.normal(0, 3, 20 + k) for k in range(4)}
    held["hist_state1"][3] = 0.0
    index = [np.arange(10.0) + 10 * k for k in range(4)]
    return (
        held
        | {
            f"retention_state{k}": np.c_[i, 30.0 * (k + 4) + np.zeros(10), 2 + np.zeros(10)]
            for k, i in enumerate(index)
        }
        | {"iv_positive": sweeps, "iv_negative": -sweeps[:3], "mac_iexp": GENERATOR.normal(size=200)}
        | {"conductance_map": GENERATOR.random((5, 5)) * 1e8}
    )


def test_levels_are_one_array_each_and_zeros_are_kept_and_told(archive):
    found = read(archive(**bench()), "levels")
    assert isinstance(found, Levels) and found.unit == "1"
    assert np.bincount(found.level).tolist() == [20, 21, 22, 23]
    assert len(found.devices) == 86 and found.reading.shape == (86, 1)
    assert (found.reading == 0).sum() == 1
    assert any("1 of 86 readings are exactly 0" in note for note in found.origin.notes)
    assert any("arbitrary unit" in note for note in found.origin.notes)


def test_levels_of_one_device_when_rows_are_cycles(archive):
    found = read(archive(**bench()), "levels", columns={"cycle": "rows"}, units="conductance=uS")
    assert isinstance(found, Levels) and found.unit == "S" and found.devices == ("1",)
    assert found.cycle[found.level == 3].tolist() == list(range(23))


def test_retention_keeps_the_spread_and_says_that_it_is_not_timed(archive):
    found = read(archive(**bench()), "retention")
    assert isinstance(found, Retention) and not found.timed and found.spread is not None
    assert found.time.tolist() == [list(range(10))] * 4
    assert found.level.tolist() == [0, 1, 2, 3]
    timed = read(archive(**bench()), "retention", units="time=min")
    assert isinstance(timed, Retention) and timed.timed
    np.testing.assert_allclose(timed.time, np.tile(60.0 * np.arange(10), (4, 1)))


def test_noise_from_the_means_of_retention(archive):
    found = read(archive(**bench()), "noise")
    assert isinstance(found, NoiseSeries) and found.reading.shape == (4, 10)
    assert any("--as retention keeps it" in note for note in found.origin.notes)


def test_sweeps_of_both_polarities_with_their_padding_removed(archive):
    found = read(archive(**bench()), "iv")
    assert isinstance(found, IVSweeps) and found.unit == "S"
    assert found.voltage.shape == (7, 30) and found.cycle.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert np.isnan(found.current).sum() == 10


def test_what_is_not_there_is_refused_with_what_is(archive):
    path = archive(**bench())
    with pytest.raises(
        DataError, match=r"holds nothing that looks like pulses. It holds levels \(hist_state#\).*--as iv"
    ):
        read(path, "pulses")
    with pytest.raises(DataError, match="what shall be read.*--as levels or --as retention"):
        read(path)
    with pytest.raises(DataError, match=r"no array 'histo_state1' \(did you mean 'hist_state1'\?\)"):
        read(path, "levels", columns="histo_state1")


def test_one_array_by_name(archive):
    found = read(archive(first=RAMP, second=RAMP + 5), "pulses", columns="second")
    assert isinstance(found, Pulses)
    np.testing.assert_allclose(found.reading, RAMP[None] + 5)
    np.testing.assert_array_equal(found.pulses, np.r_[0, np.ones(49), -np.ones(50)][None])


def test_the_best_of_several_arrays_is_named_and_the_others_listed(archive):
    found = read(archive(pulse_G=RAMP, ltp=RAMP[:50], other=RAMP), "pulses")
    assert found.origin.notes[0] == "arrays taken: pulse_G"
    assert "also there: ltp (--columns NAME picks)" in found.origin.notes[1]


@pytest.mark.parametrize("turned", [False, True])
def test_a_matrix_has_its_runs_along_the_smooth_axis(archive, turned):
    matrix = RAMP + 0.5 * GENERATOR.normal(size=(12, 1))
    found = read(archive(conductance=matrix.T if turned else matrix), "pulses")
    np.testing.assert_allclose(found.reading, matrix)  # type: ignore[attr-defined]
    assert any(f"each {'column' if turned else 'row'} was taken as one device" in n for n in found.origin.notes)


def test_arrays_along_the_axes_explain_the_readings(archive):
    readings = 1e-6 * (RAMP + np.arange(3)[:, None, None] + 0.1 * np.arange(2)[:, None])
    sign = np.r_[np.ones(50), -np.ones(50)]
    found = read(archive(G=readings, direction=sign, device=np.array(["a", "b", "c"])), "pulses")
    assert isinstance(found, Pulses) and found.devices == ("a", "b", "c") and found.unit == "S"
    np.testing.assert_allclose(found.reading, readings.reshape(6, 100))
    assert found.cycle.tolist() == [0, 1] * 3
    np.testing.assert_array_equal(found.pulses[:, 1:], np.tile(sign[1:], (6, 1)))
    turned = read(archive(G=readings[:, 0].T, pulse=np.arange(100)), "pulses")
    np.testing.assert_allclose(turned.reading, readings[:, 0])  # type: ignore[attr-defined]
    sweeps = read(archive(current=readings[0], voltage=np.linspace(-1, 1, 100)), "iv")
    assert isinstance(sweeps, IVSweeps) and sweeps.cycle.tolist() == [0, 1]


def test_columns_as_arrays_and_as_a_structured_array(tmp_path: Path):
    names, pulse = np.repeat(["x", "y"], 50), np.tile(np.arange(50), 2)
    values = 1e-6 * np.r_[RAMP[:50], RAMP[:50] + 1]
    np.savez(tmp_path / "a.npz", device=names, pulse=pulse, conductance=values)
    table = np.zeros(100, dtype=[("device", "U1"), ("pulse", "i4"), ("conductance", "f8")])
    table["device"], table["pulse"], table["conductance"] = names, pulse, values
    np.save(tmp_path / "b.npy", table)
    for name in ("a.npz", "b.npy"):
        found = read(tmp_path / name)
        assert isinstance(found, Pulses) and found.devices == ("x", "y") and found.unit == "S"
        np.testing.assert_allclose(found.reading, values.reshape(2, 50))


def test_arrays_are_stated_by_their_role(archive):
    path = archive(a=RAMP + 1, b=np.arange(100), c=RAMP)
    found = read(path, "pulses", columns="conductance=a,pulse=b", units="conductance=uS")
    np.testing.assert_allclose(found.reading, 1e-6 * (RAMP[None] + 1))  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="has no column 'd' for pulse"):
        read(path, "pulses", columns="conductance=a,pulse=d", units="conductance=uS")


def tables(volts: tuple[float, ...] = (1.2, 1.5)) -> dict[str, np.ndarray]:
    """Tables of steps: the distribution shifts with the conductance; set and reset have axes of their own."""
    held: dict[str, np.ndarray] = {}
    for v in volts:
        for way, sign in (("set", 1), ("reset", -1)):
            before, step = np.linspace(1e-6, 2e-6 + sign * 1e-7, 8), np.linspace(-1e-7, 1e-7, 21)
            place = sign * 5e-8 * (1 - before / 3e-6)
            stem = f"lab|run_{v}V_{way}"
            held[f"{stem}_axis_level_G"], held[f"{stem}_axis_level_dG"] = before, step
            held[f"{stem}_cdf"] = 1 / (1 + np.exp(-(step - place[:, None]) / 1e-8))
    return held


def test_tables_of_steps_are_pairs_and_one_is_picked_by_name(archive):
    path = archive(**tables())
    found = read(path, "pulses")
    assert isinstance(found, StepTables) and found.unit == "S"
    assert found.devices == ("lab|run_1.2V",) and found.amplitude.tolist() == [1.2, 1.2]
    assert found.direction.tolist() == [1, -1]
    assert found.before[0, -1] == pytest.approx(2.1e-6) and found.before[1, -1] == pytest.approx(1.9e-6)
    assert any("first of 2 pairs of tables" in note for note in found.origin.notes)
    mean = (found.step[:, 1:] * np.diff(found.cumulative, axis=-1)[:, 3]).sum(axis=-1)
    assert mean[0] > 0 > mean[1]
    other = read(path, "tables", columns="1.5V")
    assert other.devices == ("lab|run_1.5V",)


@pytest.mark.parametrize(
    ("key", "change", "said"),
    [
        (
            "lab|run_1.2V_set_cdf",
            lambda a: a[:, ::-1],
            "'lab|run_1.2V_set_cdf', row 0: a cumulative probability falls",
        ),
        ("lab|run_1.2V_set_cdf", lambda a: a * 2, "must lie between 0 and 1"),
        ("lab|run_1.2V_set_axis_level_G", lambda a: a[::-1], "its axes must rise"),
        ("lab|run_1.2V_set_axis_level_G", lambda a: a[:3], "no axis of length 8 for its before"),
    ],
)
def test_tables_that_are_no_distributions_are_refused(archive, key, change, said):
    held = tables((1.2,))
    with pytest.raises(DataError, match=said.replace("|", r"\|")):
        read(archive(**held | {key: change(held[key])}), "pulses")


def test_objects_are_never_unpickled(archive, tmp_path: Path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    with pytest.raises(DataError, match="Python objects"):
        read(archive(G=np.array([Trap(), 1], dtype=object)), "pulses")
    np.save(tmp_path / "one.npy", np.array([Trap()], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read(tmp_path / "one.npy", "pulses")
    assert not (tmp_path / "sprung").exists()


def test_a_damaged_archive_is_refused(archive):
    path = archive(conductance=RAMP)
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DataError, match="not a readable array file"):
        read(path, "pulses")


def test_an_infinite_reading_is_named_by_its_index(archive):
    values = np.c_[np.arange(100.0), RAMP]
    values[7, 1] = np.inf
    with pytest.raises(DataError, match=r"data.npz, index 7, column 'conductance': infinite"):
        read(archive(pulse_response=values), "pulses")
