"""The figure of what the uncertainty of a fitted device makes of its accuracy."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .drawing import BLUE, ORANGE, RED, Picture, axes, is_narrow

__all__ = ["fit_picture"]


def fit_picture(result: dict[str, Any]) -> Picture:
    """Accuracy of every draw of the fitted parameters, and both intervals of the mean."""
    rows = [r for r in result["rows"] if r["condition"] == "full" or r["condition"].startswith("fit:")]
    fit = result["fit"]
    intervals = [
        ("mean, parameters as fitted", fit["without"], RED),
        ("mean, with the fit's uncertainty", fit, ORANGE),
    ]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        names = []
        for place, row in enumerate(rows):
            accuracy, colour = 100 * np.array(row["accuracy"]), RED if row["condition"] == "full" else BLUE
            ax.plot(accuracy, np.full(len(accuracy), place), "o", markersize=4, color=colour, alpha=0.4)
            ax.plot([accuracy.mean()], [place], "|", markersize=14, markeredgewidth=2.4, color=colour)
            names.append("parameters as fitted" if row["condition"] == "full" else row["label"])
        for place, (name, found, colour) in enumerate(intervals, len(rows)):
            names.append(name)
            if found["low"] is not None:
                low, high = 100 * max(found["low"], 0.0), 100 * min(found["high"], 1.0)
                ax.plot([low, high], [place, place], color=colour, linewidth=4, solid_capstyle="butt")
            ax.plot([100 * found["mean"]], [place], "D", color=colour, markersize=6)
        ax.axhline(len(rows) - 0.5, color="#c9cdd4", linewidth=1)
        wrapped = [name.replace(", ", ",\n", 1) for name in names] if is_narrow(figure) else names
        ax.set_yticks(range(len(names)), wrapped)
        ax.invert_yaxis()
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.xaxis.set_major_locator(MaxNLocator(4 if is_narrow(figure) else 8))
        ax.set_xlabel("test accuracy (%)")

    return Picture(
        "fit",
        "How well the fit tells the accuracy",
        "One row per draw of the fitted parameters within their intervals: a dot per chip, a line at the mean. Bars: "
        "95 % intervals of the mean for new chips and test samples, without the uncertainty of the fit, and with it "
        "(mean over all draws).",
        draw,
        height=1.0 + 0.32 * (len(rows) + 2),
        narrow_height=1.2 + 0.36 * (len(rows) + 2),
    )
