"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

from ._rows import ROWS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["flips", "learning_curves"]

_COLOURS = ("#0072B2", "#E69F00", "#1f2328", "#009E73", "#CC79A7", "#8a8f98", "#D55E00", "#56B4E9")


def learning_curves(errors: Mapping[str, np.ndarray]) -> Figure:
    """Test error of every epoch, a line per seed."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for name, found in errors.items():
            for k, values in enumerate(found):
                label = ROWS[name].title if k == 0 else None
                dashed = "--" if not ROWS[name].binary else "-"
                ax.plot(np.arange(1, len(values) + 1), values, dashed, color=colour(name), lw=1.1, label=label)
        ax.set_yscale("log")
        low, high = ax.get_ylim()
        ticks = [t for t in (1, 2, 3, 5, 10, 20, 50, 100) if low <= t <= high]
        ax.set_yticks(ticks, [f"{t:g}" for t in ticks])
        ax.minorticks_off()
        ax.set_xlabel("epoch")
        ax.set_ylabel("test error (%)")
        canvas.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1 if narrow(canvas) else 2,
                      frameon=False, fontsize="small")  # fmt: skip

    caption = "Error on the test images after every epoch, a line for every seed; full-precision weights are dashed."
    return Figure("learning-curves", caption, draw, "Error over training", height=4.2, narrow_height=4.6)


def flips(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Share of the weights of every coupling that flip in an epoch."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        marks = ("o", "s", "^", "D", "v")
        for name, result in found.items():
            total = np.array([e["flips"] for e in result["epochs"]])
            per_epoch = 100 * np.diff(total, axis=0, prepend=0)
            for k, column in enumerate(per_epoch.T):
                label = f"{ROWS[name].title}, coupling {k + 1}"
                every = max(1, len(column) // 8)
                ax.plot(np.arange(1, len(column) + 1), np.where(column > 0, column, np.nan), color=colour(name), lw=1.1,
                        marker=marks[k], ms=4, markevery=every, label=label)  # fmt: skip
        ax.set_yscale("log")
        ax.set_xlabel("epoch")
        ax.set_ylabel("flips (% of the weights per epoch)")
        canvas.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1 if narrow(canvas) else 2,
                      frameon=False, fontsize="small")  # fmt: skip

    caption = "Flips in an epoch as a share of all weights of a coupling (counted from the input); first seeds."
    return Figure("flips", caption, draw, "How often weights flip", height=4.2, narrow_height=4.8)


def colour(name: str) -> str:
    """The colour of a network in all figures."""
    return _COLOURS[list(ROWS).index(name) % len(_COLOURS)]


def narrow(canvas: Canvas) -> bool:
    """Whether this is the figure for a phone."""
    return canvas.get_figwidth() < 5
