"""The tables and the JSON of the catalogues come from the declarations, entry by entry."""

import json
import math

import pytest

from nanoneurons import data, devices, learning, papers
from nanoneurons.cli import _describe, _names
from nanoneurons.cli._main import run


def shown(capsys, *arguments):
    assert run(list(arguments)) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("spec", _describe.device_names())
def test_device(spec, capsys):
    found = json.loads(shown(capsys, "devices", spec, "--json"))
    device = devices.get(spec)
    assert found["name"] == spec
    shown_values = {p["name"]: p["value"] for p in found["parameters"]}
    assert shown_values == {name: v for name, v in device.values().items() if name not in device.contents()}
    assert found["tables"] == device.tables()
    for p in found["parameters"]:
        declared = device.parameter(p["name"])
        assert (p["unit"], p["low"], p["high"], p["imperfection"]) == (
            declared.unit,
            declared.low,
            declared.high,
            declared.imperfection,
        )
        assert p["source"]
    assert found["imperfections"] == [i.name for i in device.imperfections()]
    assert {p["event"] for p in found["prices"]} == set(device.prices())


def test_a_preset_s_values_carry_its_own_source(capsys):
    found = json.loads(shown(capsys, "devices", "pulsed:reram-es", "--json"))
    preset = devices.presets("pulsed")["reram-es"]
    for p in found["parameters"]:
        if p["name"] in preset:
            assert p["source"] == preset["source"]


@pytest.mark.parametrize("kind", ["devices", "rules", "tasks", "papers"])
def test_every_entry_is_in_the_table_and_has_its_page(kind, capsys):
    names = {
        "devices": _describe.device_names(),
        "rules": list(learning.catalogue),
        "tasks": list(data.catalogue),
        "papers": list(papers.catalogue),
    }[kind]
    table = shown(capsys, kind)
    for name in names:
        assert name in table
        page = shown(capsys, kind, name)
        assert page.startswith(name)
        assert json.loads(shown(capsys, kind, name, "--json"))["name"].startswith(name)


MEMORY_KEYS = ("directions", "graded", "default_rule", "conductance_range")


def test_memory_devices_keep_their_keys(capsys):
    found = json.loads(shown(capsys, "devices", "hfox-binary", "--json"))
    low, high = devices.get("hfox-binary").conductance_range()
    assert found["kind"] == "memory"
    assert found["conductance_range"] == {"low": low, "high": high, "unit": "S"}
    assert all(found[key] is not None for key in MEMORY_KEYS)
    assert "threshold_current" not in found


def test_an_oscillator_shows_what_it_does_at_its_default_current(samples, capsys):
    found = json.loads(shown(capsys, "devices", "relaxing-oscillator", "--json"))
    assert (found["kind"], found["drive_unit"], found["read_unit"]) == ("oscillator", "A", "V")
    assert all(found[key] is None for key in MEMORY_KEYS)
    assert found["threshold_current"] == {"value": 4e-3, "unit": "A"}
    assert found["current_range"] == {"low": pytest.approx(4.4e-3), "high": 1e-2, "unit": "A"}
    assert found["default_current"] == {"value": 7e-3, "unit": "A"}
    at = found["at_default_current"]
    power = (7 / 4 - 1) / (7 / 4 + 2)  # closed forms of the sample, all in double precision
    assert at["amplitude"] == {"value": pytest.approx(0.01 * power**0.5, rel=1e-12), "unit": "V"}
    assert at["frequency"] == {"value": pytest.approx(3e8 * (1 + 0.1 * power), rel=1e-12), "unit": "Hz"}
    assert at["relaxation_time"] == {"value": pytest.approx(1 / (2e6 * 0.75), rel=1e-12), "unit": "s"}
    assert at["linewidth"] == {"value": None, "unit": "Hz"}, "NaN is no JSON"
    page = shown(capsys, "devices", "relaxing-oscillator")
    for text in ("Driven in A, read in V", "4 mA", "4.4 mA to 10 mA", "7 mA", "306 MHz", "4.47 mV", "667 ns"):
        assert text in page
    assert "default rule" not in page


def test_a_neuron_shows_its_threshold_and_its_rate(capsys):
    found = json.loads(shown(capsys, "devices", "lif", "--json"))
    assert (found["kind"], found["drive_unit"], found["read_unit"]) == ("neuron", "A", "V")
    assert found["threshold_drive"] == {"value": pytest.approx(150e-12), "unit": "A"}
    assert found["default_drive"] == {"value": pytest.approx(300e-12), "unit": "A"}
    assert found["rate_at_default_drive"]["value"] == pytest.approx(1 / (2e-3 + 20e-3 * math.log(2)), rel=0.01)
    assert found["longest_step"] == {"value": 20e-3, "unit": "s", "parameter": "time_constant"}
    page = shown(capsys, "devices", "lif")
    for text in ("150 pA", "300 pA", "63", "400 µs", "20 ms (time_constant)"):
        assert text in page
    assert "any: it divides a step" in shown(capsys, "devices", "fitzhugh-nagumo")


def test_a_resonator_shows_its_line_and_its_noise(capsys):
    found = json.loads(shown(capsys, "devices", "spin-diode", "--json"))
    assert (found["kind"], found["drive_unit"], found["default_rule"]) == ("resonator", "Hz", "physics-aware")
    assert found["resonance"]["value"] == pytest.approx(70e6)
    assert found["frequency_range"] == {"low": 1e7, "high": 1e10, "unit": "Hz"}
    assert found["tuning_range"] == {"value": 0.05, "unit": "1"}
    at = found["at_resonance"]
    assert at["linewidth"] == {"value": pytest.approx(1.4e6), "unit": "Hz"}, "2 alpha f"
    assert at["settling_time"]["value"] == pytest.approx(1 / (2 * 3.14159265 * 0.7e6))
    assert at["sensitivity"]["value"] == pytest.approx(8838.83, rel=1e-5)
    noise = at["noise_of_a_reading"]["value"]
    assert at["power_as_large_as_noise"]["value"] == pytest.approx(noise / 8838.83, rel=0.012), "steps of 1.2 %"
    page = shown(capsys, "devices", "spin-diode")
    for text in (
        "70 MHz",
        "10 MHz to 10 GHz",
        "5 % of the resonance",
        "default rule physics-aware",
        "its circuit prices",
    ):
        assert text in page


def test_a_device_of_another_kind_shows_the_general_columns(samples, capsys):
    found = json.loads(shown(capsys, "devices", "switching-junction", "--json"))
    assert found["kind"] == "junction"
    assert all(found[key] is None for key in MEMORY_KEYS)
    page = shown(capsys, "devices", "switching-junction")
    assert "Driven in V, read in S" in page
    assert "default rule" not in page


def test_tables_have_a_dash_where_a_kind_has_no_such_thing(samples, capsys):
    lines = shown(capsys, "devices").splitlines()
    for name, kind in (("relaxing-oscillator", "oscillator"), ("switching-junction", "junction")):
        (line,) = [line for line in lines if line.split()[:1] == [name]]
        assert kind in line
        assert line.rstrip().endswith("-")
    (line,) = [line for line in shown(capsys, "rules").splitlines() if "frequency-shift" in line]
    assert line.split()[-4:] == ["oscillators", "-", "-", "-"]


def test_a_rule_for_oscillators_has_its_page(samples, capsys):
    found = json.loads(shown(capsys, "rules", "frequency-shift", "--json"))
    assert (found["trains"], found["layers"], found["default_epochs"]) == ("oscillators", None, None)
    page = shown(capsys, "rules", "frequency-shift")
    assert "For oscillators. Local: The frequency of one oscillator." in page
    assert "Defaults" not in page


def test_unverified_sources_are_marked(capsys):
    page = shown(capsys, "devices", "hfox-binary")
    assert "unverified" in page


def test_completion_knows_every_name():
    assert set(_describe.device_names()) == set(_names.devices())
    assert list(learning.catalogue) == _names.rules()
    assert list(data.catalogue) == _names.tasks()
    assert [*papers.catalogue, "all"] == _names.papers()
