"""What the catalogue says of measurements, and of a fitted device."""

import json

import pytest

from nanoneurons import devices
from nanoneurons.cli._main import run
from nanoneurons.devices import DeviceFile, Provenance, Uncertainty

ORIGIN = Provenance(
    file="lab.csv", rows=1200, used=1150, devices=24, kind="levels", sha256="0123456789abcdef" * 4,
    columns={"R": "resistance in ohm"},
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    made = DeviceFile(
        "hfox-binary",
        devices.get("hfox-binary", resistance_low=7100.0, set_energy=1e-12),
        {"resistance_low": Uncertainty(6900.0, 7310.0, "log", 0.015), "read_noise": Uncertainty(0.0, 0.02)},
        ((1.0, 0.25), (0.25, 1.0)),
        fixed={"stuck_low": "no device is stuck"},
        kept={"low_spread_device": "one device: no device-to-device spread"},
        notes=("3 outliers",),
        origin=(ORIGIN,),
    )
    return made.write(tmp_path / "mine.toml")


def shown(capsys, *arguments):
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


def test_a_fitted_device_is_shown_with_interval_and_origin(file, capsys):
    page = shown(capsys, "devices", str(file))
    rows = {line.split()[0]: " ".join(line.split()) for line in page.splitlines() if line.strip()}
    assert "resistance_low 7100 ohm 6900 to 7310 fitted: lab.csv" in rows["resistance_low"]
    assert "kept: one device: no device-to-device spread" in rows["low_spread_device"]
    assert "set: no device is stuck" in rows["stuck_low"] and "1e-12 J file" in rows["set_energy"]
    assert "From lab.csv: levels, 24 devices, 1,150 of 1,200 rows used, SHA-256 0123456789ab" in page
    assert "R: resistance in ohm" in page and "3 outliers" in page
    assert "At their defaults, not mentioned in the file: resistance_high" in page


def test_its_json_has_the_same(file, capsys):
    found = json.loads(shown(capsys, "devices", str(file), "--json"))
    of = {p["name"]: p for p in found["parameters"]}
    assert (of["resistance_low"]["low_95"], of["resistance_low"]["high_95"]) == (6900.0, 7310.0)
    assert of["resistance_low"]["origin"] == "fitted" and of["resistance_low"]["source"] == "lab.csv"
    assert of["resistance_high"]["origin"] == "default" and of["resistance_high"]["low_95"] is None
    assert found["file"]["correlation"] == {"resistance_low": [1.0, 0.25], "read_noise": [0.25, 1.0]}
    assert found["file"]["origin"][0]["file"] == "lab.csv" and found["presets"] == []


def test_a_small_file_shows_what_it_sets(tmp_path, capsys):
    (tmp_path / "hand.toml").write_text('device = "pulsed"\n[parameters]\npulse_step = 0.004\n')
    page = shown(capsys, "devices", str(tmp_path / "hand.toml"))
    assert "pulse_step" in page and " file " in page and "At their defaults" in page


def test_what_measurements_tell_is_shown(capsys):
    declared = devices.catalogue["hfox-binary"].identified
    found = json.loads(shown(capsys, "devices", "hfox-binary", "--json"))
    assert found["identified"] == {kind: list(names) for kind, names in declared.items()}
    page = " ".join(shown(capsys, "devices", "hfox-binary").split())
    assert "levels (programmed levels, read again and again)" in page and "resistance_low, resistance_high" in page
    assert json.loads(shown(capsys, "devices", "lif", "--json"))["identified"] is None


def test_a_wrong_file_ends_with_status_2_and_one_line(tmp_path, capsys):
    (tmp_path / "bad.toml").write_text('device = "pulsed"\n[parameters]\npuls_step = 0.004\n')
    for command in (["devices"], ["audit", "--device"]):
        assert run([*command, str(tmp_path / "bad.toml")]) == 2
        said = capsys.readouterr().err
        assert "[parameters] Pulsed has no parameter 'puls_step' (did you mean 'pulse_step'?)" in said
        assert said.count("\n") == 1 and "bad.toml" in said
