"""The figures of a fit about distributions: fresh devices, quantiles, ranks, residuals, the spread of constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from scipy import stats

from .drawing import BLUE, GREY, INK, ORANGE, RED, TEAL, Picture, axes, is_narrow
from .words import si

__all__ = ["people_picture", "quantile_picture", "rank_picture", "residual_picture", "spread_picture", "step_picture"]

Result = dict[str, Any]
COLOURS = (BLUE, ORANGE, TEAL, RED, "#CC79A7")


def _floats(values: Any) -> np.ndarray:
    return np.array([[math.nan if v is None else v for v in row] for row in values])


def _values(axis: Any, unit: str) -> None:
    """Numbers of an axis with their unit; zero needs none."""

    def text(value: float, _: object) -> str:
        return (f"{value:g}" if unit == "1" or value == 0 else si(value, unit)).replace("-", "−")

    axis.set_major_formatter(FuncFormatter(text))


def _what(result: Result) -> str:
    return "reading (no unit)" if result["data"]["unit"] == "1" else "conductance"


def people_picture(result: Result) -> Picture:
    """Simulated fresh devices under the measured pulses, and the devices that were measured."""
    found = result["population"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        x, predicted = np.array(found["at"]) + 1, np.array(found["predicted"])
        ax.fill_between(x, predicted[0], predicted[4], color=BLUE, alpha=0.16, linewidth=0, label="simulated, 90 %")
        ax.fill_between(x, predicted[1], predicted[3], color=BLUE, alpha=0.24, linewidth=0, label="simulated, half")
        ax.plot(x, predicted[2], color=BLUE, label="simulated, median")
        if found["measured"] is not None:
            measured = _floats(found["measured"])
            for row, style in zip(measured, (":", "--", "-", "--", ":"), strict=True):
                ax.plot(x, row, style, color=RED, linewidth=1.2)
            for style, text in (("-", "median"), ("--", "half"), (":", "90 %")):
                ax.plot([], [], style, color=RED, linewidth=1.2, label=f"measured, {text}")
        else:
            for k, curve in enumerate(_floats(found["curves"])):
                ax.plot(x, curve, "o", color=RED, markersize=2.2, markeredgewidth=0, label=None if k else "measured")
        ax.set_xlabel("reading")
        ax.set_ylabel(_what(result))
        ax.xaxis.set_major_locator(MaxNLocator(5))
        _values(ax.yaxis, result["data"]["unit"])
        figure.legend(loc="outside upper left", ncols=2 if is_narrow(figure) else 3)

    words = {"stuck_devices": "stuck devices", "device_to_device": "device-to-device spread"}
    less = " without " + " and ".join(words[name] for name in found["without"])
    note = (
        f" The band holds {100 * found['inside']:.1f} % of the readings (95 %: {100 * found['low']:.1f} to "
        f"{100 * found['high']:.1f})."
    )
    return Picture(
        "population",
        "Fresh devices of the fit, and the measured ones",
        f"{found['copies']} simulated devices{less}, from the first pulse to the last without looking at a reading, "
        f"against {found['devices']} measured.{note}",
        draw,
        height=4.0,
        narrow_height=4.0,
    )


def quantile_picture(result: Result) -> Picture:
    """Measured against predicted quantiles over devices, at a few places of the train."""
    positions = result["population"]["positions"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        ends = [f(p[key]) for p in positions for key in ("measured", "predicted") for f in (min, max)]
        ax.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, linewidth=1.0)
        for p, colour in zip(positions, COLOURS, strict=False):
            ax.plot(
                p["predicted"], p["measured"], "o", color=colour, markersize=3.4, alpha=0.75, markeredgewidth=0,
                label=f"reading {p['reading'] + 1:,}",
            )  # fmt: skip
        ax.set_xlabel(f"predicted {_what(result)}")
        ax.set_ylabel(f"measured {_what(result)}")
        ax.xaxis.set_major_locator(MaxNLocator(4 if is_narrow(figure) else 7))
        _values(ax.xaxis, result["data"]["unit"])
        _values(ax.yaxis, result["data"]["unit"])
        figure.legend(loc="outside upper left", ncols=2 if is_narrow(figure) else 5, markerscale=1.6)

    return Picture(
        "quantiles",
        "Predicted against measured distributions",
        "Quantile plot: each dot is one measured device beside the quantile of the simulated devices of the same rank. "
        "On the line the distributions agree.",
        draw,
        height=4.2,
        narrow_height=3.8,
    )


def step_picture(result: Result) -> Picture:
    """What one pulse does, against the reading before it."""
    found = result["steps"]
    tables = result["data"]["kind"] == "tables"
    source = "file" if tables else "measured"

    def draw(figure: Figure) -> None:
        shape = (len(found), 1) if is_narrow(figure) else (1, len(found))
        for ax, (way, entry) in zip(figure.subplots(*shape, squeeze=False).flat, found.items(), strict=True):
            drawn = entry["simulated"]
            low, middle, high = drawn["quantiles"] or ([], [], [])
            ax.fill_between(drawn["at"], low, high, color=BLUE, alpha=0.2, linewidth=0, label="simulated, 90 %")
            ax.plot(drawn["at"], middle, color=BLUE, label="simulated, median")
            for k, table in enumerate(entry["measured"]):
                for row, style in zip(table["quantiles"], (":", "-", ":"), strict=False):
                    text = {"-": f"{source}, median", ":": f"{source}, 90 %"}[style]
                    ax.plot(table["at"], row, style, color=RED, linewidth=1.2, label="_" * (k > 0) + text)
            ax.axhline(0, color=GREY, linewidth=0.8)
            ax.set_title(f"pulses {way}", loc="left", fontsize=9)
            ax.set_xlabel(f"{_what(result)} before")
            ax.set_ylabel("step of one pulse")
            ax.xaxis.set_major_locator(MaxNLocator(4))
            _values(ax.xaxis, result["data"]["unit"])
            _values(ax.yaxis, result["data"]["unit"])
        handles = {text: handle for handle, text in zip(*ax.get_legend_handles_labels(), strict=True)}
        figure.legend(handles.values(), handles.keys(), loc="outside upper left", ncols=2 if is_narrow(figure) else 4)

    return Picture(
        "steps",
        "Steps of one pulse",
        ("The tables of the file" if tables else "Differences of neighbouring readings, noise included")
        + ", and the same of simulated fresh devices of the fit: median and 90 %."
        + " A simulated step ends at the bounds of the table, which are hard." * tables,
        draw,
        height=3.4,
        narrow_height=0.8 + 2.6 * len(found),
    )


def rank_picture(result: Result) -> Picture:
    """Ranks of held-out readings in their predicted distributions: uniform when the model is right."""
    found = result["calibration"]

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(2, 1) if is_narrow(figure) else figure.subplots(1, 2)
        share = np.array(found["ranks"])
        count = found["readings"]
        together = next(k for k in (1, 2, 4) if count >= 200 // k or k == 4)  # few readings, wide bins
        share = share.reshape(-1, together).sum(1)
        bins = len(share)
        edges = np.linspace(0, 1, bins + 1)
        low, high = stats.binom.ppf([0.025, 0.975], count, 1 / bins) / count * bins
        left.axhspan(low, high, color=GREY, alpha=0.3, linewidth=0)
        left.axhline(1, color=GREY, linewidth=1.0)
        left.stairs(share * bins, edges, color=BLUE, fill=True, alpha=0.55)
        left.set_xlabel("rank of a held-out reading")
        left.set_ylabel("density")
        right.fill_between([0, 1], [-0.1, 0.9], [0.1, 1.1], color=GREY, alpha=0.25, linewidth=0)
        right.plot([0, 1], [0, 1], color=GREY, linewidth=1.0)
        right.plot(np.linspace(0, 1, len(found["ranks"]) + 1), np.cumsum([0.0, *found["ranks"]]), color=BLUE)
        right.set_xlim(0, 1)
        right.set_ylim(0, 1)
        right.set_xlabel("rank")
        right.set_ylabel("share at or below")

    return Picture(
        "ranks",
        "Held-out readings in their predicted distributions",
        "The rank is the predicted share below the reading; ranks of a right model are uniform. Left: grey is where "
        "95 % of the bars would lie for independent readings. Right: cumulative; within the shade a model may fit. "
        f"Farthest from the diagonal: {found['distance']:.3f}.",
        draw,
        height=3.2,
        narrow_height=5.2,
    )


def residual_picture(result: Result) -> Picture:
    """Normal scores of held-out readings against the place in the run and the expected value."""
    found = result["residuals"]
    names = {"x": result["x"], "median": f"expected {'current' if result['data']['kind'] == 'iv' else _what(result)}"}

    def draw(figure: Figure) -> None:
        panels = found["against"]
        shape = (len(panels), 1) if is_narrow(figure) else (1, len(panels))
        grid = figure.subplots(*shape, squeeze=False, sharey=True)
        for k, (ax, (name, panel)) in enumerate(zip(grid.flat, panels.items(), strict=True)):
            for at in (-1.645, 0.0, 1.645):
                ax.axhline(at, color=GREY, linewidth=1.0, linestyle="-" if at == 0 else (0, (5, 3)))
            (x,) = _floats([panel["points"]])
            ax.plot(x, found["score"], "o", color=INK, markersize=2.0, alpha=0.35, markeredgewidth=0)
            centres = np.array(panel["centres"])
            gaps = np.flatnonzero(np.diff(centres) > 0.15 * np.ptp(x)) + 1 if len(centres) else []
            for row, width in zip(panel["quantiles"], (1.2, 1.8, 1.2), strict=False):
                line = np.insert(centres, gaps, np.nan), np.insert(row, gaps, np.nan)
                ax.plot(*line, color=BLUE, linewidth=width, marker="_" if len(gaps) else None, markersize=12)
            ax.set_xlabel(names[name])
            ax.xaxis.set_major_locator(MaxNLocator(4))
            if name == "median":
                unit = (
                    "A" if result["data"]["kind"] == "iv" and result["data"]["unit"] == "S" else result["data"]["unit"]
                )
                _values(ax.xaxis, unit)
            else:
                ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
            ax.set_ylim(-4.2, 4.2)
            if k == 0 or is_narrow(figure):
                ax.set_ylabel("residual (normal score)")

    return Picture(
        "residuals",
        "Residuals",
        "Held-out readings on the scale on which the model says they are standard normal. Blue: 5, 50 and 95 % of "
        "neighbouring readings; a right model has them on the grey lines.",
        draw,
        height=3.2,
        narrow_height=2.9 * len(found["against"]),
    )


def spread_picture(result: Result) -> Picture:
    """Constants of the devices, one by one, with the fitted law."""
    found = result["spread"][:6]

    def draw(figure: Figure) -> None:
        wide = 1 if is_narrow(figure) else min(len(found), 3)
        grid = figure.subplots(-(-len(found) // wide), wide, squeeze=False)
        for ax in grid.flat[len(found) :]:
            ax.set_axis_off()
        for k, (ax, entry) in enumerate(zip(grid.flat, found, strict=False)):
            values = np.array(entry["values"])
            bins = int(np.clip(round(1.5 * math.sqrt(len(values))), 5, 40))
            ax.hist(values, bins, density=True, color=ORANGE, alpha=0.6, label=None if k else "measured devices")
            if entry["law"] is not None:
                law = np.array(entry["law"])
                if np.ptp(law) > 0:
                    x = np.linspace(law[0], law[-1], 200)
                    density = stats.gaussian_kde(law)(x)
                    ax.plot(x, density, color=BLUE, label=None if k else "fitted law")
            ax.set_yticks([])
            ax.xaxis.set_major_locator(MaxNLocator(3))
            name, unit = entry["name"].replace("_", " "), entry.get("unit", "1")
            prefixed = unit in ("S", "A", "ohm")
            ax.set_xlabel(name if prefixed or unit == "1" else f"{name} ({unit})")
            if prefixed:
                _values(ax.xaxis, unit)
            if k % wide == 0:
                ax.set_ylabel("density")
        figure.legend(loc="outside upper left", ncols=2)

    return Picture(
        "spread",
        "Spread of the devices' constants",
        "Constants of single devices as the fit knows them, and the law that fresh devices are drawn from. Those of "
        "single devices scatter less than the law where few readings tell them.",
        draw,
        height=0.7 + 2.0 * -(-len(found) // 3),
        narrow_height=0.7 + 1.8 * len(found),
    )
