"""The tables and the JSON of the catalogues come from the declarations, entry by entry."""

import json

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
    assert {p["name"]: p["value"] for p in found["parameters"]} == device.values()
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


def test_unverified_sources_are_marked(capsys):
    page = shown(capsys, "devices", "hfox-binary")
    assert "unverified" in page


def test_completion_knows_every_name():
    assert set(_describe.device_names()) == set(_names.devices())
    assert list(learning.catalogue) == _names.rules()
    assert list(data.catalogue) == _names.tasks()
    assert [*papers.catalogue, "all"] == _names.papers()
