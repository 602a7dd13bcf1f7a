"""Names for shell completion, from file listings alone: a TAB must not import torch."""

from __future__ import annotations

import tomllib
from importlib import resources

__all__ = ["devices", "formats", "papers", "rules", "tasks"]


def _entries(package: str) -> list[str]:
    found = []
    for entry in resources.files("nanoneurons").joinpath(package).iterdir():
        name = entry.name.removesuffix(".py")
        if not name.startswith("_") and (entry.name.endswith(".py") or entry.joinpath("__init__.py").is_file()):
            found.append(name.replace("_", "-"))
    return sorted(found)


def devices() -> list[str]:
    """Devices and presets."""
    folder = resources.files("nanoneurons").joinpath("devices", "presets")
    names = _entries("devices")
    for name in list(names):
        file = folder.joinpath(name.replace("-", "_") + ".toml")
        if file.is_file():
            names += [f"{name}:{preset}" for preset in tomllib.loads(file.read_text(encoding="utf-8"))]
    return sorted(names)


def rules() -> list[str]:
    """Learning rules."""
    return _entries("learning")


def tasks() -> list[str]:
    """Data sets."""
    return _entries("data")


def papers() -> list[str]:
    """Published works."""
    return [*_entries("papers"), "all"]


def formats() -> list[str]:
    """Formats of exported networks."""
    return _entries("machines/export")
