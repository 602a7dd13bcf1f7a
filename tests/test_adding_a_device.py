"""docs/adding-a-device.md does what it says: its code is taken from the page, registered and run."""

import importlib
import re
import sys
from pathlib import Path

import pytest

from nanoneurons import circuits, devices, learning

PAGE = Path(__file__).parents[1] / "docs" / "adding-a-device.md"
BLOCK = re.compile(r'```python title="([^"]+)"\n(.*?)```', re.DOTALL)
FILES = dict(BLOCK.findall(PAGE.read_text(encoding="utf-8")))


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """Put the page's device file into the catalogue's folder, as seen by Python, and nothing else."""
    (source,) = [text for name, text in FILES.items() if name.startswith("src/")]
    (tmp_path / "ferroelectric.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(devices, "__path__", [*devices.__path__, str(tmp_path)])
    devices.catalogue.__dict__.pop("names", None)
    importlib.invalidate_caches()
    yield "ferroelectric"
    sys.modules.pop("nanoneurons.devices.ferroelectric", None)
    if hasattr(devices, "ferroelectric"):
        del devices.ferroelectric
    devices.catalogue.__dict__.pop("names", None)


def test_one_file_and_one_test():
    assert [Path(name).parts[0] for name in FILES] == ["src", "tests"]


def test_the_shown_device_keeps_the_contract(registered):
    device = devices.get(registered)
    checks = devices.contract(device)
    assert any(check.__name__ == "drive_has_its_effect" for check in checks), "checks of memory devices are missing"
    for check in checks:
        check(device)


def test_the_shown_test_passes(registered):
    (source,) = [text for name, text in FILES.items() if name.startswith("tests/")]
    namespace: dict[str, object] = {}
    exec(compile(source, str(PAGE), "exec"), namespace)
    tests = [f for name, f in namespace.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_it_appears_everywhere(registered, capsys):
    from nanoneurons.cli._main import run

    assert registered in devices.catalogue
    assert run(["devices", registered, "--json"]) == 0
    assert '"ferroelectric tunnel memristor"' in capsys.readouterr().out
    device = devices.get(registered)
    assert [i.name for i in device.imperfections()] == ["device_to_device", "cycle_to_cycle", "read_noise"]
    rule = learning.get(device.default_rule)
    rule.accept(circuits.catalogue["crossbar"](device=device))


def test_it_is_gone_afterwards():
    assert "ferroelectric" not in devices.catalogue


def test_the_shown_device_file_loads(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "mydevice.toml").write_text(text, encoding="utf-8")
    device = devices.get(str(tmp_path / "mydevice.toml"))
    assert device.values()["pulse_step"] == 0.002
