"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["accuracies", "crosstalk", "curves", "damping", "kernels", "spread"]

_COLOURS = {
    "sequential": "#0072B2", "parallel-line": "#E69F00", "parallel-field": "#009E73", "software": "#8a8f98",
    "free-weights": "#1f2328",
}  # fmt: skip
_LABELS = {
    "sequential": "sequential", "parallel-line": "parallel, one line", "parallel-field": "parallel, field lines",
    "software": "software, ReLU",
    "free-weights": "software, oscillators",
}  # fmt: skip
_INK = "#1f2328"

Results = Mapping[str, Sequence[Mapping[str, Any]]]


def accuracies(found: Results) -> Figure:
    """Error of every network, seed by seed."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        kinds = [k for k in _LABELS if k in found]
        for place, kind in enumerate(kinds):
            values = 100 - 100 * np.array([r["accuracy"] for r in found[kind]])
            ax.plot(values, [place] * len(values), "o", color=_COLOURS[kind], ms=6, zorder=3, clip_on=False)
            ax.plot(values.mean(), place, "|", color=_INK, ms=18, mew=2, zorder=4)
            before = [100 - 100 * r["before"] for r in found[kind] if "before" in r]
            if before:
                ax.plot(before, [place] * len(before), "o", mfc="white", color=_COLOURS[kind], ms=6, zorder=2)
        ax.set_yticks(range(len(kinds)), [_LABELS[k].replace(", ", ",\n") for k in kinds])
        ax.set_ylim(len(kinds) - 0.5, -0.5)
        ax.set_xscale("log")
        ax.set_xticks(_ticks(ax.get_xlim()))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_formatter("")
        ax.set_xlabel("error (%)")

    caption = (
        "Error after training: dots are seeds, ticks their means. Open dots: kernels of the sequential network used "
        "in the parallel ones without training on."
    )
    return Figure("accuracies", caption, draw, "Error by layout")


def curves(found: Results) -> Figure:
    """Error of every epoch."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for kind in (k for k in _LABELS if k in found):
            runs = 100 - 100 * np.array([r["curve"] for r in found[kind]])
            before = [r["before"] for r in found[kind] if "before" in r]
            epoch = np.arange(1, runs.shape[1] + 1)
            if before:
                runs, epoch = np.column_stack([100 - 100 * np.array(before), runs]), np.arange(runs.shape[1] + 1)
            ax.plot(epoch, runs.mean(0), "o-", ms=3.5, color=_COLOURS[kind], label=_LABELS[kind])
            ax.fill_between(epoch, runs.min(0), runs.max(0), color=_COLOURS[kind], alpha=0.15, lw=0)
        _log_errors(ax)
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.set_xlabel("epoch")
        ax.legend()

    caption = (
        "Error after each epoch; lines are means over seeds, bands go from the lowest to the highest. The parallel "
        "networks start, at epoch 0, from the kernels of the trained sequential one."
    )
    return Figure("curves", caption, draw, "Learning curves")


def _log_errors(ax: Any) -> None:
    ax.set_yscale("log")
    ax.set_yticks(_ticks(ax.get_ylim()))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    ax.set_ylabel("error (%)")


def _ticks(limits: tuple[float, float]) -> list[float]:
    steps = [s * 10.0**p for p in range(-2, 3) for s in (1, 2, 5)]
    return [s for s in steps if limits[0] <= s <= limits[1]]


def kernels(weights: Sequence[Sequence[float]], size: int) -> Figure:
    """Weights of the first layer's chains."""

    def draw(canvas: Canvas) -> None:
        narrow, count = canvas.get_figwidth() < 5, len(weights)
        columns = min(count, 4 if narrow else 8)
        axes = np.atleast_1d(canvas.subplots(-(-count // columns), columns, squeeze=False)).ravel()
        pictures = 1e-3 * np.array(weights).reshape(count, size, size)
        limit = np.abs(pictures).max()
        image: Any = None
        for ax, picture in zip(axes, pictures, strict=False):
            image = ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for ax in axes:
            ax.set_axis_off()
        canvas.colorbar(image, ax=axes.tolist(), label="weight (kV/W)", location="bottom", shrink=0.6, aspect=30)

    caption = "Kernels of the first layer of a trained sequential network, crosstalk within the patch included."
    return Figure("kernels", caption, draw, "Kernels", 1.9, 2.9)


def crosstalk(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """What one chain of the first layer answers to every pixel."""

    def draw(canvas: Canvas) -> None:
        from matplotlib.colors import LogNorm

        narrow = canvas.get_figwidth() < 5
        kinds = list(found)
        axes = canvas.subplots(len(kinds) if narrow else 1, 1 if narrow else len(kinds), squeeze=False).ravel()
        pictures = [np.abs(np.array(found[kind]["chain"])) for kind in kinds]
        top = max(p.max() for p in pictures)
        image: Any = None
        for ax, kind, picture in zip(axes, kinds, pictures, strict=True):
            side = round(len(picture) ** 0.5)
            shown = np.ma.masked_equal(picture, 0).reshape(side, side)
            image = ax.imshow(shown, cmap="viridis", norm=LogNorm(1e-4 * top, top))
            ax.set_facecolor("#f1f2f4")
            ax.set_title(_LABELS[kind])
            ax.set_xlabel("column")
            ax.set_ylabel("row")
            ax.grid(False)
        canvas.colorbar(image, ax=axes.tolist(), label="size of the weight (V/W)")

    caption = (
        "Size of the weights of one chain of the first layer, in the middle of the image. On one line a chain answers "
        "to every pixel a little: tones follow the rows, so crosstalk runs along them. On field lines it hears its own "
        "field only."
    )
    return Figure("crosstalk", caption, draw, "Crosstalk of a parallel chain", 3.4, 6.0)


def damping(values: Sequence[float], trained: float, found: Sequence[Mapping[str, Sequence[float]]]) -> Figure:
    """Error of the sequential kernels against damping."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for kind in (k for k in _LABELS if found and k in found[0]):
            table = 100 - 100 * np.array([r[kind] for r in found])
            ax.plot(values, table.mean(0), "o-", ms=4, color=_COLOURS[kind], label=_LABELS[kind])
            ax.fill_between(values, table.min(0), table.max(0), color=_COLOURS[kind], alpha=0.15, lw=0)
        ax.axvline(trained, color=_INK, lw=0.8, ls=":")
        ax.set_xscale("log")
        _log_errors(ax)
        ax.set_xlabel("damping (half linewidth over resonance)")
        ax.legend()

    caption = (
        "Error without training on, when the detunings learnt by the sequential network (in half linewidths) are "
        "used at another damping, so that crosstalk alone changes. Dotted: the damping trained at."
    )
    return Figure("damping", caption, draw, "Crosstalk against damping")


def spread(values: Sequence[float], chips: Mapping[str, np.ndarray], trained: float, after: np.ndarray) -> Figure:
    """Error of chips against the spread of their frequencies, and after training at the spread `trained`."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for kind, table in chips.items():
            flat = 100 - table.reshape(len(values), -1)
            ax.plot(values, flat.mean(1), "o-", ms=4, color=_COLOURS[kind], label=_LABELS[kind])
            ax.fill_between(values, flat.min(1), flat.max(1), color=_COLOURS[kind], alpha=0.2, lw=0)
        ax.set_xscale("log")
        if after.size:
            ax.plot([trained] * after.size, 100 - after.ravel(), "o", ms=4, color=_INK, mfc="white",
                    label="sequential, physics-aware")  # fmt: skip
        _log_errors(ax)
        ax.set_xlabel("spread (half linewidths)")
        narrow = canvas.get_figwidth() < 5
        canvas.legend(loc="outside upper center", ncols=2 if narrow else 3, handlelength=1.2, columnspacing=1.0)

    caption = (
        "Error of chips whose resonances and tones deviate, after writing the trained network to them once. Lines are "
        "means, bands go from the worst to the best chip of all seeds. Open dots: chips after physics-aware training."
    )
    return Figure("spread", caption, draw, "Chips with spread")
