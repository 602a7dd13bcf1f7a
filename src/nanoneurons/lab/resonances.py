"""The line of a dozen resonators, and their voltage against power: for the report and for ``devices NAME --plot``."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import ResonatorDevice

from .drawing import BLUE, GREY, INK, ORANGE, RED, Picture, is_narrow
from .words import si

__all__ = ["resonance_lines", "resonance_picture"]

REACH, POINTS = 6.0, 241  # half linewidths to either side; frequencies
DECADES, PER_DECADE = (-12, -4), 8  # powers of ten of W


def resonance_lines(device: ResonatorDevice, devices: int, seed: int) -> dict[str, Any]:
    """Rectified voltage per power in V/W of `devices` fabricated and untuned resonators over frequency, as plain data.

    Two sweeps: of the tone at the device's reference power, and of the power at one half linewidth above resonance.

    Returns:
        ``frequency`` (Hz), ``values`` (one list in V/W per device), ``nominal`` (V/W), ``resonance`` and
        ``half_linewidth`` (Hz, of the nominal device), ``power`` (W), ``voltages`` and ``voltage`` (V, devices
        and nominal), ``noise`` (V, of one reading).

    Raises:
        ParameterError: no device.
    """
    if devices < 1:
        raise ParameterError(f"a plot of resonances needs at least 1 device, not {devices}")
    made = {n: v.double() for n, v in device.init((1, devices), generator_for(seed, "response")).items()}
    ideal = {n: v.double() for n, v in device.ideal().init((1, 1), generator_for(seed, "response")).items()}
    centre = float(device.ideal().resonance(ideal))
    half = float(ideal["damping"]) * centre
    found = device.resonance(made)
    low = min(centre - REACH * half, float(found.min()) - 2 * half)
    high = max(centre + REACH * half, float(found.max()) + 2 * half)
    tone = torch.linspace(low, high, POINTS, dtype=torch.float64)
    one = torch.tensor(_reference(device), dtype=torch.float64)
    lowest, highest = DECADES
    power = torch.logspace(lowest, highest, (highest - lowest) * PER_DECADE + 1, dtype=torch.float64)

    def line(state: dict[str, torch.Tensor]) -> torch.Tensor:
        spread = {n: v[0, :, None] for n, v in state.items()}
        return device.rectify(spread, one, tone) / one

    def law(state: dict[str, torch.Tensor]) -> torch.Tensor:
        spread = {n: v[0, :, None] for n, v in state.items()}
        above = device.resonance(spread) + spread["damping"] * device.resonance(spread)
        return device.rectify(spread, power, above).abs()

    return {
        "kind": "resonances",
        "title": device.title,
        "frequency": tone.tolist(),
        "values": line(made).tolist(),
        "nominal": line(ideal)[0].tolist(),
        "resonance": centre,
        "half_linewidth": half,
        "reference_power": float(one),
        "power": power.tolist(),
        "voltages": law(made).tolist(),
        "voltage": law(ideal)[0].tolist(),
        "noise": device.noise_voltage(),
    }


def _reference(device: ResonatorDevice) -> float:
    """Power in W at which lines are drawn: the device's reference power, a microwatt where it has none."""
    return float(getattr(device, "reference_power", 1e-6))


def resonance_picture(found: dict[str, Any], name: str = "") -> Picture:
    """Two panels: the line of every device and of the nominal one, and the voltage against power."""
    count = len(found["values"])

    def draw(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
        _line(upper, found, is_narrow(figure))
        _law(lower, found, is_narrow(figure))

    noise, full = found["noise"], 2 * found["half_linewidth"]
    return Picture(
        "resonances",
        f"{name or 'The device'}: {count} resonator{'s' if count > 1 else ''} and the nominal one",
        f"Above: rectified voltage per power of {count} resonators as fabricated, before tuning, at "
        f"{si(found['reference_power'], 'W')}; shaded: the full linewidth of the nominal device, {si(full, 'Hz')}. "
        "Below: voltage at one half linewidth above resonance against power; "
        + (f"dashed: noise of one reading of one device, {si(noise, 'V')}." if noise else "the device has no noise."),
        draw,
        height=6.0,
        narrow_height=6.0,
    )


def _line(ax: Axes, found: dict[str, Any], narrow: bool) -> None:
    step, unit = (1e9, "GHz") if found["resonance"] >= 1e9 else (1e6, "MHz")
    x = np.array(found["frequency"]) / step
    centre, half = found["resonance"] / step, found["half_linewidth"] / step
    peak = max(np.abs(found["nominal"]).max(), np.abs(found["values"]).max())
    scale, label = (1e3, "kV/W") if peak >= 1e3 else (1.0, "V/W")
    ax.axvspan(centre - half, centre + half, color=GREY, alpha=0.18, linewidth=0, label="full linewidth")
    for i, values in enumerate(found["values"]):
        ax.plot(x, np.array(values) / scale, color=BLUE, linewidth=0.8, alpha=0.55, label=None if i else "fabricated")
    ax.plot(x, np.array(found["nominal"]) / scale, color=INK, linewidth=1.8, label="nominal")
    ax.axhline(0, color=INK, linewidth=0.6)
    ax.xaxis.set_major_locator(MaxNLocator(5 if narrow else 8))
    ax.set_xlim(x[0], x[-1])
    ax.set_xlabel(f"frequency of the tone ({unit})")
    ax.set_ylabel(f"voltage per power ({label})")
    ax.legend(loc="lower right", fontsize=8 if narrow else 9)


def _law(ax: Axes, found: dict[str, Any], narrow: bool) -> None:
    power = np.array(found["power"])
    for values in found["voltages"]:
        ax.plot(power, values, color=ORANGE, linewidth=0.8, alpha=0.55)
    ax.plot(power, found["voltage"], color=INK, linewidth=1.8)
    if found["noise"]:
        ax.axhline(found["noise"], color=RED, linewidth=1.2, linestyle=(0, (5, 3)))
        where = {"xytext": (-4, 4), "textcoords": "offset points", "ha": "right", "fontsize": 9}
        ax.annotate("noise of one reading", (power[-1], found["noise"]), color=RED, **where)
    ax.set_xscale("log")
    ax.set_yscale("log")
    low, high = np.log10(power[[0, -1]]).round().astype(int)
    ax.xaxis.set_major_locator(FixedLocator([10.0**k for k in range(low, high + 1, 3 if narrow else 2)]))
    floor = min(found["noise"] or np.inf, float(np.min(found["voltages"])))
    span = np.log10([floor, float(np.max(found["voltages"]))])
    ends = range(int(np.floor(span[0])), int(np.ceil(span[1])) + 1, 3)
    ax.yaxis.set_major_locator(FixedLocator([10.0**k for k in ends]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: si(v, "W")))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: si(v, "V")))
    ax.minorticks_off()
    ax.set_xlim(power[0], power[-1])
    ax.set_xlabel("power of the tone")
    ax.set_ylabel("rectified voltage")
