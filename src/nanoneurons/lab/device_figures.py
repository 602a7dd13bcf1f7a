"""The figures of an audit that are about the device itself: its energy and its response to pulses."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from .drawing import BLUE, ORANGE, RED, TEAL, Picture, axes, is_narrow
from .words import si

__all__ = ["energy_picture", "response_picture"]

Result = dict[str, Any]


def energy_picture(result: Result) -> Picture:
    """Energy per inference and per training, a bar per cause."""
    groups = [(phase, result["energy"][phase]["lines"]) for phase in ("inference", "training")]
    shown = [(phase, line) for phase, lines in groups for line in lines if line["joule"]]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        if not shown:
            ax.text(0.5, 0.5, "no priced events", ha="center", transform=ax.transAxes)
            ax.set_axis_off()
            return
        places, names = [], []
        y = 0.0
        for phase, lines in reversed(groups):
            for line in reversed([entry for entry in lines if entry["joule"]]):
                colour = TEAL if phase == "inference" else ORANGE
                ax.barh(
                    y, line["joule"], 0.62, color=colour, alpha=1 if line["verified"] else 0.55,
                    hatch=None if line["verified"] else "///", edgecolor="white", linewidth=0,
                )  # fmt: skip
                text = si(line["joule"], "J") + ("" if line["verified"] else " ?")
                ax.annotate(
                    text, (line["joule"], y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9
                )
                what = line["event"] if phase == "inference" else f"{line['event']} ({line['phase']})"
                names.append(textwrap.fill(f"{phase}: {what}", 24 if is_narrow(figure) else 34))
                places.append(y)
                y += 1
            y += 0.5
        joules = [line["joule"] for _, line in shown]
        ax.set_xscale("log")
        ax.set_xlim(min(joules) / 4, max(joules) * (300 if is_narrow(figure) else 30))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: si(v, "J")))
        ax.xaxis.set_major_locator(_sparse_log(min(joules) / 4, max(joules) * 30, 4 if is_narrow(figure) else 7))
        ax.minorticks_off()
        ax.set_yticks(places, names)
        ax.tick_params(axis="y", length=0, labelsize=7 if is_narrow(figure) else 9)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("energy of one chip")

    return Picture(
        "energy",
        "Energy, split by cause",
        "One inference (one sample) and one training of one chip, logarithmic axis. Hatched and marked “?”: the price "
        "could not be verified in a source.",
        draw,
        height=1.1 + 0.42 * max(len(shown), 1),
        narrow_height=1.1 + 0.56 * max(len(shown), 1),
    )


def _sparse_log(low: float, high: float, most: int) -> FixedLocator:
    """Whole decades, at most `most` of them."""
    first, last = int(np.ceil(np.log10(low))), int(np.floor(np.log10(high)))
    stride = max(1, -(-(last - first + 1) // most))
    return FixedLocator([10.0**k for k in range(first, last + 1, stride)])


def response_picture(result: Result) -> Picture:
    """A dozen devices under repeated pulses."""
    found = result["response"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        values = np.array(found["values"])
        x = np.array(found["pulses"])
        colours = [BLUE, ORANGE, TEAL, RED, "#CC79A7", "#56B4E9"]
        for i, line in enumerate(values):
            ax.plot(x, line, linewidth=1.1, color=colours[i % len(colours)], alpha=0.8)
        positive = values[values > 0]
        if len(positive) == values.size and values.max() / values.min() > 20:
            ax.set_yscale("log")
            ax.yaxis.set_major_locator(_sparse_log(values.min() / 1.5, values.max() * 1.5, 6))
            ax.minorticks_off()
        unit = "S" if found["unit"] == "S" else "Ω"
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: si(v, unit)))
        ax.xaxis.set_major_locator(MaxNLocator(4 if is_narrow(figure) else 8))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        ax.set_xlabel("pulses")
        ax.set_ylabel(found["what"])

    return Picture(
        "response",
        "The device",
        f"{len(found['values'])} devices as they are fabricated and read, under repeated pulses ({found['note']}).",
        draw,
        height=3.3,
        narrow_height=3.0,
    )
