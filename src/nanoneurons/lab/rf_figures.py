"""The figures of a design study, each drawn from the content of ``rows.json`` alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from .drawing import BLUE, GREY, INK, ORANGE, RED, TEAL, Picture, axes, is_narrow
from .rf_limits import largest_damping

__all__ = ["design_pictures"]

Result = dict[str, Any]
COLOURS = (BLUE, ORANGE, TEAL, "#CC79A7", INK)
MARKS = "osD^v"


def design_pictures(result: Result) -> list[Picture]:
    """All figures, in the order a talk would show them."""
    return [_accuracy(result), _cost(result), _spread(result), _chart(result)]


def _rows(result: Result, **wanted: Any) -> list[dict[str, Any]]:
    return [r for r in result["rows"] if all(r[k] == v for k, v in wanted.items())]


def _plain_ticks(axis: Any, values: list[float], scale: float = 1.0) -> None:
    """Ticks of a logarithmic axis at the values that were measured."""
    axis.set_ticks(values)
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{scale * v:.3g}"))
    axis.set_minor_formatter(NullFormatter())
    axis.set_ticks([], minor=True)


def _thinned(values: list[float], figure: Figure) -> list[float]:
    """Values far enough apart on a logarithmic axis for their labels not to touch."""
    least = (np.log(max(values)) - np.log(min(values))) / (6 if is_narrow(figure) else 16)
    kept: list[float] = []
    for v in sorted(values):
        if not kept or np.log(v / kept[-1]) >= least:
            kept.append(v)
    return kept


def _points(ax: Axes, rows: list[dict[str, Any]], x: list[float], y: str, factor: float, **look: Any) -> None:
    value = factor * np.array([r[y] for r in rows])
    low, high = ("cost_low", "cost_high") if y == "cost" else ("low", "high")
    if all(r[low] is not None for r in rows):
        most = np.inf if y == "cost" else factor  # an accuracy ends at 1
        top = np.minimum(factor * np.array([r[high] for r in rows]), most)
        error = [value - factor * np.array([r[low] for r in rows]), top - value]
        ax.errorbar(x, value, yerr=error, capsize=2.5, elinewidth=1.0, markersize=4.5, **look)
    else:
        ax.plot(x, value, markersize=4.5, **look)


def _accuracy(result: Result) -> Picture:
    design = result["design"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        for n, colour, mark in zip(design["tones"], COLOURS, MARKS, strict=False):
            for crosstalk, style in ((True, "-"), (False, ":")):
                rows = _rows(result, tones=n, crosstalk=crosstalk, spread=None)
                x = [r["damping"] for r in rows]
                if crosstalk:
                    _points(ax, rows, x, "mean", 100, color=colour, marker=mark, label=f"{n} tones")
                else:
                    ax.plot(x, [100 * r["mean"] for r in rows], style, color=colour, linewidth=1.4)
        ax.plot([], [], ":", color=GREY, label="without crosstalk")
        ax.set_xscale("log")
        _plain_ticks(ax.xaxis, _thinned(design["dampings"], figure))
        ax.set_xlabel("damping (half linewidth over resonance)")
        ax.set_ylabel("test accuracy (%)")
        figure.legend(loc="outside upper left", ncols=2 if is_narrow(figure) else 4)

    return Picture(
        "accuracy",
        "Accuracy against damping and number of tones",
        "Mean over seeds, 95 % intervals for new seeds and new test samples. Dotted: the same networks when every "
        "resonator sees only its own tone.",
        draw,
        height=3.8,
        narrow_height=3.6,
    )


def _cost(result: Result) -> Picture:
    design, found = result["design"], result["thresholds"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        apart: list[float] = []
        for n, colour, mark in zip(design["tones"], COLOURS, MARKS, strict=False):
            rows = _rows(result, tones=n, crosstalk=True, spread=None)
            x = [r["spacing"] for r in rows]
            apart += x
            _points(ax, rows, x, "cost", 1, color=colour, marker=mark, label=f"{n} tones")
        ax.axhline(found["limit_points"], color=RED, linewidth=1.2, linestyle=(0, (5, 3)))
        densest = found["crowding"][-1]
        if densest["spacing"] is not None and not densest["open_ended"]:
            ax.axvspan(densest["spacing_low"], densest["spacing_high"], color=RED, alpha=0.12, linewidth=0)
            ax.axvline(densest["spacing"], color=RED, linewidth=1.2)
        ax.set_xscale("log")
        ticks = [v for v in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300) if min(apart) / 1.5 < v < max(apart) * 1.5]
        _plain_ticks(ax.xaxis, ticks)
        ax.set_xlabel("spacing of neighbouring tones (linewidths)")
        ax.set_ylabel("cost of crosstalk (points)")
        figure.legend(loc="outside upper left", ncols=2 if is_narrow(figure) else 4)

    return Picture(
        "crosstalk",
        "What crosstalk costs as tones move together",
        "Accuracy without crosstalk minus accuracy with it, paired over seeds and test samples, 95 % intervals. "
        "Dashed: one point. Shaded: 95 % bootstrap interval of the spacing at which the cost with most tones "
        "reaches it.",
        draw,
        height=3.8,
        narrow_height=3.6,
    )


def _spread(result: Result) -> Picture:
    design = result["design"]
    most = max(design["tones"])

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        for twin, style in zip(design["twins"], ("--", "-"), strict=False):
            for a, colour, mark in zip(design["spread_dampings"], COLOURS, MARKS, strict=False):
                rows = _rows(result, tones=most, damping=a, twin=twin)
                _points(
                    ax, rows, [100 * r["spread"] for r in rows], "mean", 100,
                    color=colour, marker=mark, linestyle=style, label=f"damping {a:g}, {twin} twin",
                )  # fmt: skip
        chance = 100 / result["used"]["classes"]
        ax.axhline(chance, color=GREY, linewidth=1.0, linestyle=":", label="chance")
        ax.set_ylim(0, 102)
        ax.set_xlabel("resonance spread, standard deviation (%)")
        ax.set_ylabel("test accuracy (%)")
        figure.legend(loc="outside upper left", ncols=1 if is_narrow(figure) else 2, handlelength=3.2)

    return Picture(
        "spread",
        "Accuracy against the spread of resonances",
        f"{most} tones, mean over chips trained by physics-aware training, 95 % intervals for new chips and new test "
        "samples. The digital twin that gives the gradient is the nominal device (ideal) or the chip as measured "
        "(calibrated). Broad resonances forgive more.",
        draw,
        height=3.6,
        narrow_height=4.0,
    )


def _chart(result: Result) -> Picture:
    limits, found = result["limits"], result["thresholds"]
    low, high = limits["band"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        marks = [c for c in found["crowding"] if c["damping"] is not None]
        largest = max([limits["inputs"], *(c["tones"] for c in marks)])
        smallest = min([limits["inputs"], *(c["tones"] for c in marks), largest // 8])
        n = np.unique(np.geomspace(max(2, smallest / 1.3), 2 * largest, 80).astype(int))
        for plan, style in (("geometric", "-"), ("linear", "--")):
            y = [largest_damping(int(k), low, high, plan, limits["least_gain"]) for k in n]
            ax.plot(n, y, style, color=BLUE, label=f"all weights independent, {plan} plan")
        first = True
        for c in marks:
            error = None
            if not c["open_ended"]:
                error = [[c["damping"] - c["damping_low"]], [c["damping_high"] - c["damping"]]]
            ax.errorbar(
                [c["tones"]], [c["damping"]], yerr=0.25 * c["damping"] if c["open_ended"] else error, fmt="D",
                color=RED, markersize=6, capsize=3, label="measured: crosstalk costs one point" if first else None,
                lolims=c["open_ended"],
            )  # fmt: skip
            first = False
        if found["damping_for_spread"]:
            ax.axhline(
                found["damping_for_spread"], color=ORANGE, linewidth=1.4, linestyle=(0, (5, 3)),
                label=f"least damping for a spread of {100 * found['device_spread']:g} %",
            )  # fmt: skip
        ax.set_xscale("log")
        ax.set_yscale("log")
        _plain_ticks(ax.xaxis, [v for v in (4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048) if n[0] <= v <= n[-1]])
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_xlabel("tones in the band")
        ax.set_ylabel("damping")
        figure.legend(loc="outside upper left", ncols=1 if is_narrow(figure) else 2)

    return Picture(
        "chart",
        "Which damping for how many synapses",
        f"Band {low / 1e6:g} to {high / 1e6:g} MHz. Below the solid line every weight of a chain can be set by itself "
        f"(gain at least {limits['least_gain']:g} of the best, closed form). An arrow marks a bound: the cost did not "
        "reach one point. Above the orange line training undoes the spread of the resonances.",
        draw,
        height=4.2,
        narrow_height=4.4,
    )
