"""The figures of a fit that show it beside the data, each drawn from the content of ``rows.json`` alone."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .drawing import BLUE, GREY, INK, ORANGE, RED, TEAL, Picture, axes, is_narrow
from .fit_law_figures import (
    people_picture,
    quantile_picture,
    rank_picture,
    residual_picture,
    spread_picture,
    step_picture,
)
from .words import si

__all__ = ["fit_pictures"]

Result = dict[str, Any]
COLOURS = (BLUE, ORANGE, TEAL, RED, "#CC79A7", "#56B4E9", GREY, INK)


def fit_pictures(result: Result) -> list[Picture]:
    """All figures that this result has data for, in the order a talk would show them."""
    found = [_overlay(result)] if result["series"] else []
    people = result["population"]
    if people is not None:
        found.append(people_picture(result))
        if people["positions"]:
            found.append(quantile_picture(result))
    if result["steps"] is not None:
        found.append(step_picture(result))
    if result["calibration"] is not None and result["calibration"]["inside"] is not None:
        found.append(rank_picture(result))
    if result["residuals"] is not None:
        found.append(residual_picture(result))
    if result["spread"]:
        found.append(spread_picture(result))
    return found


def value_axis(axis: Any, unit: str) -> None:
    """Ticks in the readings' unit, with a prefix where it is an SI unit."""
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}" if unit == "1" else si(v, unit)))


def reading_label(result: Result) -> str:
    """Words for what was measured."""
    if result["data"]["kind"] == "iv":
        return "current"
    return "reading (no unit)" if result["data"]["unit"] == "1" else "conductance"


def reading_unit(result: Result) -> str:
    """Unit of what was measured."""
    data = result["data"]
    return "A" if data["kind"] == "iv" and data["unit"] == "S" else data["unit"]


def _overlay(result: Result) -> Picture:
    kind = result["data"]["kind"]
    draw = {"levels": _levels, "iv": _sweeps}.get(kind, _panels)
    runs = result["series"]
    every = result["data"]["runs"]
    what = f"{len(runs)} of {every} runs{', a part of each' * (kind == 'pulses')}" if every > 1 else "A part of the run"
    if kind == "levels":
        what = "Every reading"
    aside = kind == "levels" and any(run["aside"] for run in runs)
    before = ", from the readings before it and from estimates that never saw it" if kind == "pulses" else ""
    shape = "Diamonds with bars" if kind == "iv" else "Line and shade"
    rows = -(-len(runs) // 2)
    tall = draw is _panels
    return Picture(
        "overlay",
        "Data over model",
        f"{what}. Dots: readings{', red where they do not count' if aside else ''}. {shape}: the median and the "
        f"90 % band that the model gave each reading before it was read{before}.",
        lambda figure: draw(figure, result),
        height=1.0 + 2.4 * rows if tall and len(runs) > 1 else 3.8,
        narrow_height=0.8 + 2.2 * len(runs) if tall and len(runs) > 1 else 3.4,
    )


def _panels(figure: Figure, result: Result) -> None:
    runs = result["series"]
    wide = 1 if is_narrow(figure) or len(runs) == 1 else 2
    high = -(-len(runs) // wide)
    grid = figure.subplots(high, wide, squeeze=False, sharey=result["data"]["kind"] == "pulses")
    for place, ax in enumerate(grid.flat):
        if place >= len(runs):
            ax.set_axis_off()
            continue
        _one(ax, runs[place], BLUE)
        if runs[place]["label"]:
            ax.set_title(runs[place]["label"], loc="left", fontsize=9)
        if not _spans_decades(ax, runs[place], result):
            ax.xaxis.set_major_locator(MaxNLocator(4))
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
        ax.yaxis.set_major_locator(MaxNLocator(5))
        value_axis(ax.yaxis, reading_unit(result))
        if place >= len(runs) - wide:
            ax.set_xlabel(result["x"])
        if place % wide == 0:
            ax.set_ylabel(reading_label(result))


def _one(ax: Axes, run: dict[str, Any], colour: str, label: str | None = None) -> None:
    x, y = _floats(run["x"]), _floats(run["reading"])
    order = np.argsort(x, kind="stable")
    ax.fill_between(
        x[order], _floats(run["low"])[order], _floats(run["high"])[order], color=colour, alpha=0.2, linewidth=0
    )
    ax.plot(x[order], _floats(run["median"])[order], color=colour, linewidth=1.1)
    ax.plot(
        x, y, "o", color=INK if label is None else colour, markersize=2.2, alpha=0.6, markeredgewidth=0, label=label
    )


def _floats(values: list[float | None]) -> np.ndarray:
    return np.array([math.nan if v is None else v for v in values])


def _spans_decades(ax: Axes, run: dict[str, Any], result: Result) -> bool:
    """Make the axis of times logarithmic where they span more than two decades."""
    x = _floats(run["x"])
    positive = x[x > 0]
    if not result["x"].startswith("time") or not len(positive) or positive.max() < 300 * positive.min():
        return False
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    ax.minorticks_off()
    return True


def _sweeps(figure: Figure, result: Result) -> None:
    ax = axes(figure)
    colours: dict[str, str] = {}
    for run in result["series"]:
        x, y = _floats(run["x"]), _floats(run["reading"])
        name = run["label"] or "measured"
        label = None if name in colours else name
        colour = colours.setdefault(name, COLOURS[len(colours) % len(COLOURS)])
        ax.plot(x, y, "o", color=colour, markersize=2.4, alpha=0.6, markeredgewidth=0, label=label)
        middle, low, high = (_floats(run[name]) for name in ("median", "low", "high"))
        known = np.isfinite(middle)
        around = [(middle - low)[known], (high - middle)[known]]
        ax.errorbar(
            x[known], middle[known], around, fmt="D", color=INK, markersize=3, capsize=3, elinewidth=1.0, alpha=0.7
        )
    ax.set_xlabel("voltage (V)")
    ax.set_ylabel("current" if reading_unit(result) == "A" else "current (no unit)")
    value_axis(ax.yaxis, reading_unit(result))
    figure.legend(loc="outside upper left", ncols=2 if is_narrow(figure) else 4, markerscale=2)


def _levels(figure: Figure, result: Result) -> None:
    ax = axes(figure)
    runs = result["series"]
    for place, run in enumerate(runs):
        scatter = np.random.default_rng(place)  # for looking only; no number depends on it
        for name, look in (("reading", {"color": INK, "alpha": 0.45}), ("aside", {"color": RED, "alpha": 0.8})):
            y = np.array(run[name])
            shift = scatter.uniform(-0.28, 0.28, len(y))
            ax.plot(place + shift, y, "o", markersize=2.2, markeredgewidth=0, **look)
        if run["low"] is not None:
            ax.fill_between([place - 0.34, place + 0.34], run["low"], run["high"], color=BLUE, alpha=0.2, linewidth=0)
            ax.plot([place - 0.34, place + 0.34], [run["median"]] * 2, color=BLUE)
        if run["target"] is not None:
            ax.plot([place - 0.42, place + 0.42], [run["target"]] * 2, color=RED, linewidth=1.0, linestyle=(0, (4, 3)))
    ax.set_xticks(
        range(len(runs)), [textwrap.fill(run["label"], 8) for run in runs] if len(runs) < 9 else [""] * len(runs)
    )
    if any(run["target"] is not None for run in runs):
        ax.plot([], [], color=RED, linewidth=1.0, linestyle=(0, (4, 3)), label="aimed at")
        figure.legend(loc="outside upper left")
    ax.grid(axis="x", visible=False)
    ax.set_ylabel(reading_label(result))
    value_axis(ax.yaxis, reading_unit(result))
