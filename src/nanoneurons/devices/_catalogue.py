"""Names of devices: ``hfox-weak-reset``, ``pulsed:reram-es``, or the path of a device file."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import torch

from nanoneurons.core.errors import RefusedError, UnknownNameError, nearest
from nanoneurons.core.registry import Folder

from . import _file_reading
from ._device import Device
from ._file import DeviceFile

__all__ = ["catalogue", "get", "load_file", "presets", "stimulus"]

catalogue = Folder("nanoneurons.devices", "device", "Device")


def presets(name: str) -> dict[str, dict[str, Any]]:
    """Named parameter sets of a device, from ``devices/presets/<module>.toml``.

    A preset is a table of parameter values plus ``source`` and, optionally, ``title``, ``verified``, and for a neuron
    the ``stimulus`` that shows its behaviour: pieces (from s, to s, drive) or (from s, to s, drive at first, at last),
    zero elsewhere, for a ``duration`` in s.
    """
    file = resources.files("nanoneurons.devices").joinpath("presets", name.replace("-", "_") + ".toml")
    if not file.is_file():
        return {}
    return tomllib.loads(file.read_text(encoding="utf-8"))


def get(spec: str, **changes: Any) -> Device:
    """Build the device that `spec` names: ``name``, ``name:preset`` or the path of a ``.toml`` file.

    A device file has ``device = "name"`` and a table ``[parameters]``; `load_file` gives what else it says.

    Raises:
        UnknownNameError: no such device, preset or parameter; the nearest name is suggested.
        DataError: the file is missing or is not a device file.
        ParameterError: a value has a wrong unit or is out of its range.
    """
    if spec.endswith(".toml"):
        device = load_file(spec).device
        return device.replace(**changes) if changes else device
    name, _, preset = spec.partition(":")
    if ":" in spec and name not in catalogue:
        catalogue.module(name)
    try:
        cls = catalogue[name]
    except UnknownNameError as error:
        if Path(spec).is_file():
            raise UnknownNameError(
                f"{spec!r} is no device file; 'nanoneurons fit {spec}' makes one of a file of measurements"
            ) from None
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
        about = ("source", "title", "verified", "notes", "stimulus", "duration")
        values = {k: v for k, v in known[preset].items() if k not in about}
    values.update(changes)
    for key in values:
        cls.parameter(key)
    return cls(**values)


def load_file(path: str | Path) -> DeviceFile:
    """Read a device file with all it says: intervals, errors and their correlation, reasons, origin.

    Raises:
        DataError: the file is missing, is not TOML, or has a table of the wrong shape.
        ParameterError: a value with a wrong unit or out of range, or an interval that does not fit its value.
        UnknownNameError: no such device, parameter or key.
    """
    return _file_reading.load(path, get)


def stimulus(spec: str, dt: float) -> torch.Tensor:
    """Drive in each step of `dt` s, in the device's drive unit, that shows the behaviour a preset is named after.

    Args:
        spec: ``name:preset``.
        dt: length of a step in s.

    Returns:
        float64, ``(steps,)``: the mean over each step, so that a pulse has its charge whatever the step.

    Raises:
        RefusedError: the preset declares none.
        UnknownNameError: no such device or preset.
    """
    get(spec)
    name, _, preset = spec.partition(":")
    about = presets(name).get(preset, {})
    if "stimulus" not in about:
        raise RefusedError(f"{spec!r} declares no stimulus; give its drive yourself")
    steps = round(about["duration"] / dt)
    edges = torch.arange(steps + 1, dtype=torch.float64) * dt
    total = torch.zeros(steps, dtype=torch.float64)
    for start, end, first, *last in about["stimulus"]:
        within = edges.clamp(start, end) - start
        slope = (last[0] - first) / (end - start) if last else 0.0
        total += (first * within + 0.5 * slope * within.square()).diff() / dt
    return total
