"""What a neuron does: its potential under a drive, its frequency against drive, and the behaviours of its presets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import NeuronDevice

from .drawing import BLUE, GREY, INK, ORANGE, RED, Picture, is_narrow
from .words import number

__all__ = ["behaviours", "behaviours_picture", "firing_rates", "neuron_picture", "neuron_traces", "trace"]

SPIKES, LONGEST = 8, 4000  # wanted in a trace; steps of a trace
DRIVES, STEPS = 25, 800  # of frequency against drive; the second half of the steps is counted
PER_STEP = 4  # points of a trace in a usual step

_PREFIXES = (("", 1.0), ("m", 1e-3), ("µ", 1e-6), ("n", 1e-9), ("p", 1e-12), ("f", 1e-15))


def trace(device: NeuronDevice, drive: torch.Tensor, dt: float) -> dict[str, Any]:
    """Readings of one nominal device after every step of a train of drives, and its spike times in s, as plain data."""
    ideal, wide = device.ideal(), drive.double()
    state, generator = ideal.init((1,), generator_for(0)), generator_for(0)
    reading, spikes = [float(ideal.read(state))], list[float]()
    for n, value in enumerate(wide):
        state = ideal.step(state, value.reshape(1), dt, generator)
        reading.append(float(ideal.read(state)))
        if state["spikes"]:
            spikes.append(n * dt + float(state["moment"]))
    return {"dt": dt, "drive": wide.tolist(), "reading": reading, "spikes": spikes}


def firing_rates(device: NeuronDevice, drives: torch.Tensor, count: int, seed: int) -> torch.Tensor:
    """Rate in Hz of `count` devices at each constant drive, from rest, ``(drives, count)``.

    From the spikes in the second half of 800 usual steps: between the first and the last of them if they come regularly
    and fill it; else, as in bursts or after a last spike, their number over that time.
    """
    dt, late = device.default_step, STEPS // 2
    made = device.init((1, count), generator_for(seed, "rates", "devices"))
    state = {n: v.expand(len(drives), *v.shape[1:]).clone() for n, v in made.items()}
    trains = drives.double()[:, None, None].expand(-1, count, STEPS)
    spikes, _ = device.respond(state, trains, dt, generator_for(seed, "rates", "noise"))
    counted = spikes[..., late:].double()
    fired = counted > 0
    total = counted.sum(-1)
    first = fired.int().argmax(-1)
    last = late - 1 - fired.flip(-1).int().argmax(-1)
    between = total - torch.gather(counted, -1, first.unsqueeze(-1)).squeeze(-1)
    place = torch.arange(late)
    seen = torch.where(fired, place, -1).cummax(-1).values
    before = torch.nn.functional.pad(seen[..., :-1], (1, 0), value=-1)
    gaps = torch.where(fired & (before >= 0), place - before, 0)
    longest, shortest = gaps.amax(-1), torch.where(gaps > 0, gaps, late).amin(-1)
    ends = torch.maximum(first, late - 1 - last)
    regular = (longest <= 2 * shortest + 1) & (ends <= longest + 1)
    apart = ((last - first).double() * dt).clamp(min=dt)
    return torch.where(regular & (last > first), between / apart, total / (late * dt))


def neuron_traces(spec: str, count: int, seed: int) -> dict[str, Any]:
    """One nominal device under its preset's stimulus, or its default drive, and the rates of `count` devices.

    Raises:
        ParameterError: no device.
    """
    if count < 1:
        raise ParameterError(f"a plot of neurons needs at least 1 device, not {count}")
    device = devices.get(spec)
    if not isinstance(device, NeuronDevice):
        raise ParameterError(f"{spec!r} is a device of kind {device.kind!r}, not a neuron")
    drives = torch.linspace(0, 1.5 * device.default_drive, DRIVES, dtype=torch.float64)
    nominal = firing_rates(device.ideal(), drives, 1, seed)[:, 0]
    return {
        "title": device.title,
        "drive_unit": device.drive_unit,
        "read_unit": device.read_unit,
        "trace": trace(device, *_shown(spec, device)),
        "drives": drives.tolist(),
        "rates": firing_rates(device, drives, count, seed).tolist(),
        "nominal": nominal.tolist(),
        "threshold": device.threshold_drive(),
        "static": {n: [v.tolist(), i.tolist()] for n, (v, i) in device.ideal().static_curves().items()},
    }


def _shown(spec: str, device: NeuronDevice) -> tuple[torch.Tensor, float]:
    """Drive and step of the trace: the preset's stimulus, or the default drive for about `SPIKES` spikes."""
    if "stimulus" in devices.presets(spec.partition(":")[0]).get(spec.partition(":")[2], {}):
        dt = _length(spec) / 2000
        return devices.stimulus(spec, dt), dt
    ideal, dt = device.ideal(), device.default_step
    drive = torch.full((1, STEPS), ideal.default_drive, dtype=torch.float64)
    spikes, _ = ideal.respond(ideal.init((1,), generator_for(0)), drive, dt, generator_for(0))
    enough = (spikes[0].cumsum(0) >= SPIKES).nonzero()
    steps = min(LONGEST, PER_STEP * (int(enough[0]) + 1 if len(enough) else STEPS))
    wait = steps // 10
    held = torch.cat([torch.zeros(wait), torch.ones(steps)]).double()
    return held * ideal.default_drive, dt / PER_STEP


def _length(spec: str) -> float:
    name, _, preset = spec.partition(":")
    return float(devices.presets(name)[preset]["duration"])


def behaviours(name: str) -> dict[str, dict[str, Any]]:
    """The trace of every preset of a neuron that declares a stimulus, by preset."""
    found: dict[str, dict[str, Any]] = {}
    for preset, about in devices.presets(name).items():
        device = devices.get(f"{name}:{preset}")
        if "stimulus" in about and isinstance(device, NeuronDevice):
            dt = about["duration"] / 2000
            units = {"read_unit": device.read_unit, "drive_unit": device.drive_unit}
            found[preset] = units | trace(device, devices.stimulus(f"{name}:{preset}", dt), dt)
    return found


def scaled(values: Any, unit: str) -> tuple[np.ndarray, str]:
    """Values and their unit with the prefix that suits the largest."""
    array = np.asarray(values, dtype=float)
    top = float(np.abs(array).max(initial=0.0))
    if unit == "1" or top == 0 or top >= 1:
        return array, "" if unit == "1" else unit
    prefix, size = next(((p, s) for p, s in _PREFIXES if top >= s), _PREFIXES[-1])
    return array / size, prefix + unit


def _label(what: str, unit: str) -> str:
    return f"{what} ({unit or 1})"


def neuron_picture(found: dict[str, Any], name: str = "") -> Picture:
    """Panels: potential with its spikes, the drive, frequency against drive, and static curves if there are any."""
    count, static = len(found["rates"][0]), found.get("static")

    def draw(figure: Figure) -> None:
        upper, middle, lower, *rest = figure.subplots(
            3 + bool(static), 1, height_ratios=(5, 2, 5, 5)[: 3 + bool(static)]
        )
        _trace(upper, middle, found, is_narrow(figure))
        _rates(lower, found)
        for ax in rest:
            _static(ax, found["static"])

    threshold, fired = number(found["threshold"], found["drive_unit"]), len(found["trace"]["spikes"])
    return Picture(
        "neuron",
        f"{name or 'The device'}: a trace, and frequency against drive of {count} device{'s' if count > 1 else ''}",
        f"Above: reading of one nominal device without noise, marks at its {fired} spikes, and its drive. Below: "
        f"frequency at constant drives, from rest, of {count} devices with spread and noise and of the nominal one; "
        f"dashed: the threshold at which that one fires from rest, once or more, {threshold}."
        + (" At the bottom: voltages and currents that can last, and what the source gives." if static else ""),
        draw,
        height=9.2 if static else 6.6,
        narrow_height=9.2 if static else 6.6,
    )


def _trace(upper: Axes, middle: Axes, found: dict[str, Any], narrow: bool) -> None:
    shown = found["trace"]
    reading, unit = scaled(shown["reading"], found["read_unit"])
    drive, drive_unit = scaled(shown["drive"], found["drive_unit"])
    edges = shown["dt"] * np.arange(len(reading))
    time, time_unit = scaled(edges, "s")
    scale = time[-1] / edges[-1]
    upper.plot(time, reading, color=BLUE, linewidth=1.3)
    _marks(upper, scale * np.array(shown["spikes"]), reading)
    upper.set_ylabel(_label("reading", unit))
    upper.tick_params(labelbottom=False)
    middle.stairs(drive, time, color=ORANGE, linewidth=1.5, baseline=None)
    middle.set_ylabel(_label("drive", drive_unit))
    middle.set_xlabel(f"time ({time_unit})")
    for ax in (upper, middle):
        ax.set_xlim(0, time[-1])
        ax.xaxis.set_major_locator(MaxNLocator(5 if narrow else 8))
    middle.yaxis.set_major_locator(MaxNLocator(3))


def _marks(ax: Axes, times: np.ndarray, reading: np.ndarray) -> None:
    """A short red line over the trace at every spike."""
    low, high = float(reading.min()), float(reading.max())
    span = (high - low) or 1.0
    ax.set_ylim(low - 0.06 * span, high + 0.22 * span)
    ax.vlines(times, high + 0.08 * span, high + 0.17 * span, color=RED, linewidth=1.2)


def _rates(ax: Axes, found: dict[str, Any]) -> None:
    drives, unit = scaled(found["drives"], found["drive_unit"])
    per = drives[-1] / found["drives"][-1]
    top = max(np.max(found["rates"]), np.max(found["nominal"]))
    size, prefix = (1e6, "M") if top >= 1e6 else (1e3, "k") if top >= 1e4 else (1.0, "")
    for i, rates in enumerate(np.array(found["rates"]).T):
        ax.plot(drives, rates / size, color=BLUE, linewidth=0.8, alpha=0.4, label=None if i else "devices")
    ax.plot(drives, np.array(found["nominal"]) / size, color=INK, linewidth=1.8, label="nominal")
    ax.axvline(per * found["threshold"], color=GREY, linewidth=1.2, linestyle=(0, (5, 3)), label="threshold")
    ax.set_xlabel(_label("constant drive", unit))
    ax.set_ylabel(f"frequency ({prefix}Hz)")
    ax.set_ylim(bottom=0)
    ax.legend(loc="best", fontsize=8)


def _static(ax: Axes, curves: dict[str, list[list[float]]]) -> None:
    """Current against voltage."""
    _, unit = scaled([i for _, current in curves.values() for i in current], "A")
    size = dict(_PREFIXES)[unit.removesuffix("A")]
    for (name, (voltage, current)), colour in zip(curves.items(), (BLUE, ORANGE, GREY), strict=False):
        line = (0, (5, 3)) if name.startswith("load line") else "-"
        ax.plot(voltage, np.array(current) / size, color=GREY if line != "-" else colour, linestyle=line, label=name)
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("static voltage (V)")
    ax.set_ylabel(_label("current", unit))
    ax.legend(loc="best", fontsize=8)


def behaviours_picture(found: dict[str, dict[str, Any]], name: str) -> Picture:
    """A panel for every behaviour: the reading in time with marks at spikes, and the stimulus below it."""
    first = next(iter(found.values()))
    rows = {wide: math.ceil(len(found) / columns) for wide, columns in ((True, 4 if len(found) > 9 else 3), (False, 2))}

    def draw(figure: Figure) -> None:
        narrow = is_narrow(figure)
        height = rows[not narrow]
        width = math.ceil(len(found) / height)
        panels = np.atleast_1d(figure.subplots(height, width, squeeze=False)).ravel()
        _, unit = scaled(first["reading"], first["read_unit"])
        for ax, (preset, shown) in zip(panels, found.items(), strict=False):
            _panel(ax, preset.replace("-", " "), shown)
        for ax in panels[len(found) :]:
            ax.set_visible(False)
        figure.supylabel(_label("reading", unit), fontsize=9)
        figure.supxlabel(f"time ({scaled([first['dt'] * len(first['drive'])], 's')[1]}); orange: stimulus", fontsize=9)

    return Picture(
        "behaviours",
        f"{name}: {len(found)} behaviours",
        f"Every preset of {name} under the stimulus that it declares (orange, own scale; without the device's bias), "
        "one nominal device without noise; red marks: spikes.",
        draw,
        height=1.75 * rows[True] + 0.6,
        narrow_height=1.75 * rows[False] + 0.6,
    )


def _panel(ax: Axes, title: str, shown: dict[str, Any]) -> None:
    reading, _ = scaled(shown["reading"], shown["read_unit"])
    time, _ = scaled(shown["dt"] * np.arange(len(reading)), "s")
    low, high = float(reading.min()), float(reading.max())
    span = (high - low) or 1.0
    drive = np.array(shown["drive"])
    size = float(np.abs(drive).max()) or 1.0
    ax.plot(time, reading, color=BLUE, linewidth=0.9)
    ax.stairs(low + span * (0.15 * drive / size - 0.3), time, color=ORANGE, linewidth=1.1, baseline=None)
    scale = time[-1] / (shown["dt"] * (len(reading) - 1))
    ax.vlines(scale * np.array(shown["spikes"]), high + 0.08 * span, high + 0.2 * span, color=RED, linewidth=0.8)
    ax.set_ylim(low - 0.52 * span, high + 0.28 * span)
    ax.set_xlim(0, time[-1])
    ax.set_title(title, fontsize=7.5)
    ax.tick_params(labelsize=6.5, length=2)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_locator(MaxNLocator(4))
