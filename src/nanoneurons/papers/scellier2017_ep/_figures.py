"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["curves", "depths", "errors", "kernels"]

_INK = "#1f2328"
_COLOURS = {
    "published": "#8a8f98", "decay": "#E69F00", "centred": "#009E73", "settled": "#CC79A7", "ours": "#0072B2",
}  # fmt: skip
_LABELS = {
    "published": "published",
    "decay": "rates fall to zero",
    "centred": "centred estimator",
    "settled": "phases settle",
    "ours": "all three",
}
_DEPTHS = {"net1-ours": ("#0072B2", "one"), "net2-ours": ("#E69F00", "two"), "net3-ours": ("#009E73", "three")}

Results = Mapping[str, Sequence[Mapping[str, Any]]]


def errors(found: Results) -> Figure:
    """Test error of one hidden layer by way of training, seed by seed."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        ways = [w for w in _LABELS if f"net1-{w}" in found]
        for place, way in enumerate(ways):
            values = 100 * np.array([r["test"] for r in found[f"net1-{way}"]])
            ax.plot(values, [place] * len(values), "o", color=_COLOURS[way], ms=6, zorder=3)
            ax.plot(values.mean(), place, "|", color=_INK, ms=18, mew=2, zorder=4)
        ax.set_yticks(range(len(ways)), [_LABELS[w] for w in ways])
        ax.set_ylim(len(ways) - 0.5, -0.5)
        ax.set_xlabel("test error (%)")

    caption = (
        "One hidden layer, trained in the published way, with one change at a time, and with all three. Dots are "
        "seeds, ticks their means."
    )
    return Figure("errors", caption, draw, "What each change gains")


def curves(found: Results) -> Figure:
    """Validation error of every epoch, one hidden layer."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for way in (w for w in _LABELS if f"net1-{w}" in found):
            _curve(ax, found[f"net1-{way}"], _COLOURS[way], _LABELS[way])
        _epochs(ax)

    caption = (
        "Validation error of one hidden layer; lines are means over seeds, bands go from the lowest to the highest."
    )
    return Figure("curves", caption, draw, "Learning curves")


def depths(found: Results) -> Figure:
    """Validation error of one, two and three hidden layers."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for kind, (colour, label) in _DEPTHS.items():
            if kind in found:
                _curve(ax, found[kind], colour, f"{label} hidden")
        _epochs(ax)

    caption = "Validation error of networks of one, two and three hidden layers, all trained with the three changes."
    return Figure("depths", caption, draw, "Depth")


def _curve(ax: Any, runs: Sequence[Mapping[str, Any]], colour: str, label: str) -> None:
    values = 100 * np.array([r["valid"] for r in runs])
    epoch = np.arange(1, values.shape[1] + 1)
    ax.plot(epoch, values.mean(0), "o-", ms=3, color=colour, label=label)
    ax.fill_between(epoch, values.min(0), values.max(0), color=colour, alpha=0.15, lw=0)


def _epochs(ax: Any) -> None:
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.set_yticks([t for t in (1, 1.5, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50, 100) if low <= t <= high])
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    ax.set_ylabel("validation error (%)")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set_xlabel("epoch")
    ax.legend()


def kernels(weights: Sequence[Sequence[float]]) -> Figure:
    """What the first hidden neurons look at."""

    def draw(canvas: Canvas) -> None:
        across = 10 if canvas.get_figwidth() > 5 else 5
        rows = -(-len(weights) // across)
        grid = canvas.subplots(rows, across, squeeze=False)
        most = float(np.quantile(np.abs(weights), 0.995))
        for k, ax in enumerate(grid.flat):
            ax.set_axis_off()
            if k < len(weights):
                ax.imshow(np.reshape(weights[k], (28, 28)), cmap="RdBu_r", vmin=-most, vmax=most)

    caption = f"Weights of the first {len(weights)} hidden neurons, one seed; red is positive, blue negative."
    return Figure("kernels", caption, draw, "What hidden neurons look at", 2.2, 3.6)
