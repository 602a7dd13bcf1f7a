"""Every device and every preset keeps the contract; the list is computed, never typed."""

from pathlib import Path

import pytest

from nanoneurons import devices, learning

SPECS = [spec for name in devices.catalogue for spec in (name, *(f"{name}:{p}" for p in devices.presets(name)))]
CASES = [(spec, check) for spec in SPECS for check in devices.contract(devices.get(spec))]
MEMORIES = [spec for spec in SPECS if devices.get(spec).kind == "memory"]


@pytest.mark.parametrize(("spec", "check"), CASES, ids=[f"{spec}-{check.__name__}" for spec, check in CASES])
def test_contract(spec, check):
    check(devices.get(spec))


@pytest.mark.parametrize("name", list(devices.catalogue))
def test_every_device_has_its_own_tests(name):
    file = Path(__file__).parent / f"test_{name.replace('-', '_')}.py"
    assert file.is_file(), f"write {file.name} with at least one value from the device's source"
    assert "def test_" in file.read_text(encoding="utf-8")


@pytest.mark.parametrize("spec", MEMORIES)
def test_default_rule_exists_and_accepts_the_device(spec):
    assert devices.get(spec).default_rule in learning.catalogue


@pytest.mark.parametrize("name", list(devices.catalogue))
def test_presets_say_where_they_come_from(name):
    for preset, values in devices.presets(name).items():
        assert values.get("source"), f"{name}:{preset} has no source"
        devices.get(f"{name}:{preset}")
