"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["by_frequency", "by_size", "fields"]

_BLUE, _ORANGE, _TEAL, _GREY, _INK = "#0072B2", "#E69F00", "#009E73", "#8a8f98", "#1f2328"
_COLOURS = {"released": _BLUE, "doubled": _TEAL, "training": _ORANGE}
_DRIVES = {"released": "drive x 200, as released", "doubled": "drive x 2", "training": "drive of the training"}
_LINES = {"sum": ("-", "o", "sum"), "likelihood": ("--", "s", "likelihood")}
_PUBLISHED = {100: (85.01, 0.76), 400: (89.93, 0.41), 500: (90.56, 0.27)}  # as in published.toml


def _narrow(canvas: Canvas) -> bool:
    return canvas.get_figwidth() < 5


def by_size(neurons: Sequence[int], found: Mapping[str, Mapping[str, list[np.ndarray]]]) -> Figure:
    """Test accuracy against the number of neurons, every drive with two read-outs, and the published points."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for drive, colour in _COLOURS.items():
            for decoder, (line, mark, text) in _LINES.items():
                values = found[drive][decoder]
                means, spreads = np.array([v.mean() for v in values]), np.array([v.std() for v in values])
                ax.errorbar(neurons, means, spreads, color=colour, ls=line, marker=mark, ms=5, lw=1.3, capsize=3,
                            label=f"{_DRIVES[drive]}, {text}")  # fmt: skip
        shown = [n for n in neurons if n in _PUBLISHED]
        if shown:
            values, errors = zip(*(_PUBLISHED[n] for n in shown), strict=True)
            ax.errorbar(shown, values, errors, fmt="D", mfc="white", color=_INK, ms=6, capsize=3, label="published")
        ax.set_xlabel("competing neurons")
        ax.set_ylabel("test accuracy (%)")
        ax.set_xlim(0, 1.1 * max(neurons))
        canvas.legend(*ax.get_legend_handles_labels(), loc="outside upper left", ncols=1 if _narrow(canvas) else 2,
                      frameon=False, fontsize="small")  # fmt: skip

    caption = (
        "Accuracy on the test digits: means over seeds, whiskers one standard deviation. Same weights for every drive; "
        "solid lines add up the spikes of all neurons with a label, dashed ones ask under which class all counts are "
        "most probable."
    )
    return Figure("accuracy", caption, draw, "Accuracy by size, drive and read-out", height=4.4, narrow_height=5.2)


def fields(weights: np.ndarray, labels: Sequence[int], neurons: int) -> Figure:
    """Weights of neurons as images, with the label each was given."""
    side = round(weights.shape[1] ** 0.5)

    def draw(canvas: Canvas) -> None:
        columns, rows = (4, 5) if _narrow(canvas) else (9, 4)
        axes = canvas.subplots(rows, columns, squeeze=False)
        image = None
        for k, ax in enumerate(axes.flat):
            ax.set_axis_off()
            if k < len(weights):
                image = ax.imshow(weights[k].reshape(side, side) / 100, cmap="gray_r", vmin=0, vmax=1)
                ax.set_title(str(labels[k]) if labels[k] >= 0 else "silent", fontsize=8, pad=2)
        if image is not None:
            canvas.colorbar(image, ax=axes, label="weight", shrink=0.7, pad=0.02, aspect=25)

    caption = (
        f"What neurons have learnt to see: weights from {side} x {side} pixels to the first of {neurons} neurons, "
        "first seed. Above each: the label it was given afterwards."
    )
    return Figure("receptive-fields", caption, draw, "Receptive fields", height=3.6, narrow_height=4.2)


def by_frequency(hertz: Sequence[float], found: Mapping[str, np.ndarray]) -> Figure:
    """Test accuracy of each rule against the frequency of the inputs."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for (rule, values), colour, mark in zip(found.items(), (_BLUE, _ORANGE), ("o", "s"), strict=True):
            ax.plot(hertz, values, mark, color=colour, ms=4, alpha=0.6)
            ax.plot(hertz, values.mean(1), color=colour, marker=mark, ms=6, mfc="white", lw=1.5, label=rule)
        ax.set_xscale("log")
        ax.set_xticks(hertz, [f"{h:.0f}" for h in hertz])
        ax.minorticks_off()
        ax.set_xlabel("frequency of full pixels (Hz)")
        ax.set_ylabel("test accuracy (%)")
        ax.legend(frameon=False)

    caption = (
        "Accuracy after learning and testing at each frequency of the inputs, with the constants that suit each rule "
        "at the published 54 Hz, and the same mean current. Small dots are seeds, open marks their means."
    )
    return Figure("frequency", caption, draw, "When the frequency changes")
