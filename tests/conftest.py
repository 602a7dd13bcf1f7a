"""Every test runs without network, data folder or cache of this machine."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

SAMPLES = Path(__file__).parent / "samples"


@pytest.fixture(autouse=True)
def no_local_data(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the user's data folder and cache, so results do not depend on what lies there."""
    monkeypatch.delenv("NANONEURONS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "no-cache"))


@pytest.fixture(scope="session")
def sample_module() -> Callable[[str, str], ModuleType]:
    """Load a module of ``samples/<package>`` without putting it into a catalogue."""

    def load(package: str, name: str) -> ModuleType:
        found = importlib.util.spec_from_file_location(f"samples_{name}", SAMPLES / package / f"{name}.py")
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        sys.modules[module.__name__] = module  # dataclasses look their module up
        found.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def samples(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Catalogues that also hold the files of ``samples``: kinds of devices and rules that the package may not have."""
    from nanoneurons import devices, learning

    packages = (devices, learning)
    for package in packages:
        folder = SAMPLES / package.__name__.rpartition(".")[2]
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
        package.catalogue.__dict__.pop("names", None)
    importlib.invalidate_caches()
    yield
    for package in packages:
        for file in (SAMPLES / package.__name__.rpartition(".")[2]).glob("*.py"):
            sys.modules.pop(f"{package.__name__}.{file.stem}", None)
            if hasattr(package, file.stem):
                delattr(package, file.stem)
        package.catalogue.__dict__.pop("names", None)
