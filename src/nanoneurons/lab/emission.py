"""Power that a dozen oscillators emit against their dc current, beside the dc power they take."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from nanoneurons.core.random import generator_for
from nanoneurons.devices import OscillatorDevice

from .drawing import GREY, INK, RED, Picture, is_narrow
from .words import si

__all__ = ["ampere", "draw_emission", "emission", "emission_picture"]

DEVICES, POINTS = 12, 81


def emission(device: OscillatorDevice, seed: int) -> dict[str, Any]:
    """Closed forms of `DEVICES` oscillators with their spread from no current to breakdown, as plain data.

    Returns:
        ``current`` (A), ``values`` (one list in W per device), ``nominal`` (W), ``dc`` (W, None where the device
        declares no resistance), ``operating`` (A).
    """
    current = torch.linspace(0.0, device.current_range()[1], POINTS, dtype=torch.float64)
    made = device.init((DEVICES, 1), generator_for(seed, "response", "neuron"))
    dc = device.dc_power(current)
    return {
        "kind": "emission",
        "title": device.title,
        "current": current.tolist(),
        "values": device.emitted_power(current.expand(DEVICES, -1), made).tolist(),
        "nominal": device.emitted_power(current).tolist(),
        "dc": dc.tolist() if bool(torch.isfinite(dc).all()) else None,
        "operating": device.default_current,
    }


def ampere(largest: float) -> tuple[float, str]:
    """A step of current and its unit for an axis that ends at `largest` A."""
    return (1e-3, "mA") if largest >= 1e-3 else (1e-6, "µA")


def emission_picture(found: dict[str, Any]) -> Picture:
    """Emitted and dc power of the neurons."""

    def draw(figure: Figure) -> None:
        ax = figure.add_subplot()
        step, unit = ampere(found["current"][-1])
        x = np.array(found["current"]) / step
        draw_emission(ax, x, np.array(found["values"]), np.array(found["nominal"]), found["dc"])
        ax.axvline(found["operating"] / step, color=GREY, linewidth=1.0, linestyle=(0, (2, 2)))
        ax.xaxis.set_major_locator(MaxNLocator(5 if is_narrow(figure) else 8))
        ax.set_xlabel(f"dc current ({unit})")
        ax.legend(loc="lower right", fontsize=8 if is_narrow(figure) else 9)

    kept = "" if found["dc"] is None else " The emitted power stays below the dc power, which is what the bill counts."
    return Picture(
        "neuron",
        "The neuron",
        f"Power that {len(found['values'])} fabricated oscillators and the nominal one emit against their dc current, "
        f"before the amplifier; dotted: the operating current.{kept}",
        draw,
        height=3.3,
        narrow_height=3.2,
    )


def draw_emission(ax: Axes, x: np.ndarray, values: np.ndarray, nominal: np.ndarray, dc: Any) -> None:
    """Emitted power of devices (one row each) and of the nominal one, and the dc power, on a logarithmic axis."""
    shown = np.where(values > 0, values, np.nan)
    for i, row in enumerate(shown):
        ax.plot(x, row, color=RED, linewidth=0.8, alpha=0.5, label=None if i else "emitted, fabricated")
    ax.plot(x, np.where(nominal > 0, nominal, np.nan), color=INK, linewidth=1.6, label="emitted, nominal")
    top = nominal.max()
    if dc is not None:
        taken = np.where(np.array(dc) > 0, dc, np.nan)
        ax.plot(x, taken, color=GREY, linewidth=1.8, label="dc power taken")
        top = max(top, np.nanmax(taken))
    ax.set_yscale("log")
    low = 10.0 ** np.floor(np.log10(np.median(nominal[nominal > 0])) - 2)
    ax.set_ylim(low, top * 3)
    decades = range(int(np.log10(low)), int(np.log10(top)) + 1)
    ax.yaxis.set_major_locator(FixedLocator([10.0**k for k in list(decades)[:: max(1, len(decades) // 5)]]))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: si(v, "W")))
    ax.minorticks_off()
    ax.set_ylabel("power")
