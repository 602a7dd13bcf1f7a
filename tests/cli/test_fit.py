"""``fit`` from a laboratory's file to files that work, and errors that name the place and leave nothing."""

import json
import subprocess
import sys

import numpy as np
import pytest

from nanoneurons import devices
from nanoneurons.cli._main import run

HEAD = ("device", "pulse", "direction", "G (uS)")


def table(count=8, length=40, seed=0):
    """Device, pulse number and conductance in uS, in long form; half of the pulses up, then down."""
    rng = np.random.default_rng(seed)
    steps = np.where(np.arange(length) < length // 2, 0.5, -0.5)
    rows = []
    for device in range(count):
        change = steps * rng.normal(1, 0.1) + 0.1 * rng.normal(size=length)
        value = 20 + rng.normal() + np.cumsum(change) + 0.2 * rng.normal(size=length)
        rows += [[device, k, "up" if steps[k] > 0 else "down", round(v, 4)] for k, v in enumerate(value)]
    return rows


def text(rows, separator=",", head=HEAD):
    return "\n".join(separator.join(map(str, row)) for row in [head, *rows]) + "\n"


@pytest.fixture
def stubs(sample_module, monkeypatch):
    """A plain fitter in place of the catalogue's."""
    monkeypatch.setattr("nanoneurons.fitting.catalogue", sample_module("fitting", "steps").STUBS)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_from_a_file_to_a_device_that_works(stubs, place, capsys):
    (place / "mine.csv").write_text(text(table()))
    assert run(["fit", "mine.csv", "--device", "pulsed", "--variant", "step", "--json"]) == 0
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert result["files"] == {"device": "mine-device.toml", "report": "mine-fit/report.html"}
    assert {p.name for p in place.iterdir()} == {"mine.csv", "mine-device.toml", "mine-fit"}
    assert result["data"]["unit"] == "S" and result["data"]["devices"] == 8
    made = devices.load_file("mine-device.toml")
    rows = {p["name"]: p["value"] for p in result["parameters"]}
    assert made.device.values() == rows
    assert made.origin[0].file == "mine.csv"
    assert run(["devices", "mine-device.toml", "--json"]) == 0
    capsys.readouterr()

    # The same again, in words; then the report anew.
    assert run(["fit", "mine.csv", "--device", "pulsed"]) == 0
    shown = capsys.readouterr().out
    for words in ("what was read", "conductance in uS", "models compared", "95 % interval", "The data tell", "data"):
        assert words in shown
    assert "next: nanoneurons audit --device mine-device.toml" in shown
    assert run(["report", "mine-fit", "--json"]) == 0


def test_a_fitter_of_the_catalogue_from_file_to_file(place, capsys):
    (place / "mine.csv").write_text(text(table(8, 30)))
    command = ["fit", "mine.csv", "--device", "pulsed", "--variant", "constant", "--no-report", "--json"]
    assert run([*command, "--set", "read_time=2 us"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert {p.name for p in place.iterdir()} == {"mine.csv", "mine-device.toml"}
    made = devices.load_file("mine-device.toml")
    assert made.device.values() == {p["name"]: p["value"] for p in result["parameters"]}
    assert made.device.read_time == 2e-6 and made.kept["read_time"] == "set by the user"
    assert {"pulse_step", "zero_conductance"} <= set(made.known)
    low, high = made.device.conductance_range()
    assert 5e-6 < low < high < 60e-6


def spoiled(change):
    rows = table(2, 12)
    change(rows)
    return rows


def put(row, column, value):
    def change(rows):
        rows[row][column] = value

    return change


def double(rows):
    rows.insert(5, list(rows[4]))


BAD = {
    "wrong delimiter": (text(table(2, 12), "~"), ("~", "column")),
    "text in a number column": (text(spoiled(put(7, 3, "broken"))), ("row 9", "G (uS)", "broken")),
    "a single row": (text(table(1, 1)), ("row",)),
    "constant data": (text([[d, k, "up", 20.0] for d in range(2) for k in range(12)]), ("G (uS)",)),
    "negative conductance": (text(spoiled(put(7, 3, -3.0))), ("row 9", "G (uS)", "-3")),
    "mixed units": (text(spoiled(put(7, 3, "3 nS"))), ("row 9", "G (uS)")),
    "duplicated pulse numbers": (text(spoiled(double)), ("pulse", "row")),
    "not text": (bytes(range(256)) * 8, ("text",)),
    "an empty file": ("", ("empty",)),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_files_are_one_line_that_names_the_place_and_nothing_is_written(name, stubs, place, capsys):
    content, said = BAD[name]
    (place / "bad.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert run(["fit", "bad.csv", "--as", "pulses"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert "bad.csv" in line
    assert all(words in line for words in said), line
    assert [p.name for p in place.iterdir()] == ["bad.csv"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.csv"], "nowhere.csv"),
        (["good.csv", "--as", "pulse"], "did you mean 'pulses'"),
        (["good.csv", "--device", "pulsd"], "did you mean 'pulsed'"),
        (["good.csv", "--device", "lif"], "cannot be fitted"),
        (["good.csv", "--device", "pulsed", "--variant", "stepp"], "did you mean 'step'"),
        (["good.csv", "--device", "pulsed", "--set", "read_tim=1 us"], "did you mean 'read_time'"),
        (["good.csv", "--device", "pulsed", "--set", "read_time=1 uS"], "read_time"),
        (["good.csv", "--variant", "constant"], "--device"),
        (["good.csv", "--out", "device.json"], "device.toml"),
        (["good.csv", "--out", "taken.toml"], "--force"),
        (["good.csv", "--columns", "conductance=Q"], "Q"),
        (["good.csv", "--units", "conductance=kg"], "kg"),
        (["good.csv", "--device", "missing.toml"], "does not exist"),
    ],
)
def test_wrong_options_are_one_line_and_nothing_is_written(arguments, said, stubs, place, capsys):
    (place / "good.csv").write_text(text(table(2, 12)))
    (place / "taken.toml").write_text("# somebody's\n")
    assert run(["fit", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert said in line, line
    assert sorted(p.name for p in place.iterdir()) == ["good.csv", "taken.toml"]
    assert (place / "taken.toml").read_text() == "# somebody's\n"


def test_a_real_process_says_one_line(place):
    done = subprocess.run(
        [sys.executable, "-m", "nanoneurons", "fit", "nowhere.csv"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2 and done.stdout == "" and len(done.stderr.splitlines()) == 1
