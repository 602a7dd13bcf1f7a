"""``devices NAME --plot``."""

import json

import pytest

from nanoneurons.cli._main import run


@pytest.mark.parametrize(
    "spec",
    ["spin-torque-oscillator:relaxation-fit", "pulsed:ecram", "hfox-binary", "spin-diode", "lif", "izhikevich"],
)
def test_a_device_is_drawn(spec, tmp_path, capsys):
    target = tmp_path / "device.png"
    assert run(["devices", spec, "--plot", "--out", str(target), "--count", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["plot"] == str(target) and found["caption"]
    assert target.read_bytes().startswith(b"\x89PNG")


def test_the_file_is_named_after_the_device(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["devices", "pulsed:ecram", "--plot"]) == 0
    assert "plot: pulsed-ecram.png" in capsys.readouterr().out
    assert [p.name for p in tmp_path.iterdir()] == ["pulsed-ecram.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot"], "needs the name of a device"),
        (["spin-torque-osilator", "--plot"], "did you mean 'spin-torque-oscillator'"),
        (["spin-torque-oscillator", "--plot", "--out", "a.gif"], "must end in .png"),
        (["spin-torque-oscillator", "--plot", "--out", "no/a.png"], "the folder no does not exist"),
    ],
)
def test_mistakes_are_one_line(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["devices", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
