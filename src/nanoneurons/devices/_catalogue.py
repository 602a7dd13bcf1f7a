"""Names of devices: ``hfox-weak-reset``, ``pulsed:reram-es``, or the path of a device file."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from nanoneurons.core.errors import DataError, ParameterError, UnknownNameError, nearest
from nanoneurons.core.registry import Folder

from ._device import Device

__all__ = ["catalogue", "get", "presets"]

catalogue = Folder("nanoneurons.devices", "device", "Device")


def presets(name: str) -> dict[str, dict[str, Any]]:
    """Named parameter sets of a device, from ``devices/presets/<module>.toml``.

    A preset is a table of parameter values plus ``source`` and, optionally, ``title`` and ``verified``.
    """
    file = resources.files("nanoneurons.devices").joinpath("presets", name.replace("-", "_") + ".toml")
    if not file.is_file():
        return {}
    return tomllib.loads(file.read_text(encoding="utf-8"))


def get(spec: str, **changes: Any) -> Device:
    """Build the device that `spec` names: ``name``, ``name:preset`` or the path of a ``.toml`` file.

    A device file has ``device = "name"`` and a table ``[parameters]`` in SI units.

    Raises:
        UnknownNameError: no such device or preset; the nearest name is suggested.
        DataError: the file is missing or is not a device file.
        ParameterError: a value is out of its range.
    """
    if spec.endswith(".toml"):
        return _from_file(Path(spec), changes)
    name, _, preset = spec.partition(":")
    if ":" in spec and name not in catalogue:
        catalogue.module(name)
    try:
        cls = catalogue[name]
    except UnknownNameError as error:
        every = [*catalogue.names, *(f"{n}:{p}" for n in catalogue for p in presets(n))]
        raise UnknownNameError(
            f"unknown device {spec!r}{nearest(spec, every)}; 'nanoneurons devices' lists them"
        ) from error
    values: dict[str, Any] = {}
    if preset:
        known = presets(name)
        if preset not in known:
            raise UnknownNameError(
                f"device {name!r} has no preset {preset!r}{nearest(preset, known)}; it has {', '.join(known) or 'none'}"
            )
        about = ("source", "title", "verified", "notes")
        values = {k: v for k, v in known[preset].items() if k not in about}
    values.update(changes)
    for key in values:
        cls.parameter(key)
    return cls(**values)


def _from_file(path: Path, changes: dict[str, Any]) -> Device:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"device file {path} does not exist; check the path") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"device file {path} cannot be read: {error}") from error
    if not isinstance(content.get("device"), str):
        raise DataError(f'device file {path} must say which family it is: device = "pulsed"')
    parameters = content.get("parameters", {})
    if not isinstance(parameters, dict):
        raise ParameterError(f"device file {path}: [parameters] must be a table of values in SI units")
    return get(content["device"], **{**parameters, **changes})
