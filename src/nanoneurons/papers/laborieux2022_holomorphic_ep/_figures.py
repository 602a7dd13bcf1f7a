"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["accuracies", "curves"]

Results = Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]

_COLOURS = {
    "one-sided-small": "#D55E00", "one-sided-large": "#E69F00", "centred": "#0072B2", "holomorphic": "#009E73",
}  # fmt: skip
_NOISES = {"none": "no noise", "own": "noise", "common": "common noise\nin a mini-batch"}
_CHANCE = 10.0


def _labels(small: float, large: float) -> dict[str, str]:
    return {
        "one-sided-small": rf"one-sided, $\beta$ = {small:g}",
        "one-sided-large": rf"one-sided, $\beta$ = {large:g}",
        "centred": rf"centred, $\beta$ = {large:g}",
        "holomorphic": rf"holomorphic, $|\beta|$ = {large:g}",
    }


def accuracies(found: Results, small: float, large: float) -> Figure:
    """Accuracy of every estimate against the noise it was trained with."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        kinds, labels = list(_COLOURS), _labels(small, large)
        for place, noise in enumerate(found):
            for k, kind in enumerate(kinds):
                values = 100 * np.array([r["accuracy"] for r in found[noise][kind]])
                at = place + 0.17 * (k - 1.5)
                label = labels[kind] if place == 0 else None
                ax.plot([at] * len(values), values, "o", ms=5, color=_COLOURS[kind], label=label, clip_on=False)
                ax.plot(at, values.mean(), "_", ms=12, mew=2, color="#1f2328", zorder=3)
        ax.axhline(_CHANCE, color="#8a8f98", lw=0.8, ls=":")
        ax.text(len(found) - 0.55, _CHANCE + 1, "chance", ha="right", color="#8a8f98", fontsize=8)
        ax.set_xticks(range(len(found)), [_NOISES[n] for n in found])
        ax.set_xlim(-0.5, len(found) - 0.5)
        ax.set_ylim(0, 102)
        ax.set_ylabel("accuracy (%)")
        canvas.legend(loc="outside upper center", ncols=2, handlelength=1.0, columnspacing=1.2)

    caption = (
        "Accuracy on the test images, without noise in the test. Dots are seeds, ticks their means. The noise of a "
        "neuron is drawn anew at every step and for every sample; where it is common, the samples of a mini-batch "
        "share it, as in the authors' program, and the mean over the batch does not reduce what it does to a weight."
    )
    return Figure("accuracies", caption, draw, "Accuracy by estimate and noise", 3.8, 4.2)


def curves(found: Results, small: float, large: float) -> Figure:
    """Error after every epoch."""

    def draw(canvas: Canvas) -> None:
        narrow, labels = canvas.get_figwidth() < 5, _labels(small, large)
        shape = (len(found), 1) if narrow else (1, len(found))
        axes = np.atleast_1d(canvas.subplots(*shape, sharex=True, sharey=True)).ravel()
        for ax, noise in zip(axes, found, strict=True):
            for kind, colour in _COLOURS.items():
                runs = 100 - 100 * np.array([r["curve"] for r in found[noise][kind]])
                epoch = np.arange(1, runs.shape[1] + 1)
                label = labels[kind] if ax is axes[0] else None
                ax.plot(epoch, runs.mean(0), "o-", ms=3.5, color=colour, label=label)
                ax.fill_between(epoch, runs.min(0), runs.max(0), color=colour, alpha=0.15, lw=0)
            ax.set_yscale("log")
            ax.set_yticks([2, 5, 10, 20, 50, 90])
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
            ax.set_title(_NOISES[noise].partition("\n")[0])
            ax.xaxis.get_major_locator().set_params(integer=True)
        for ax in axes if narrow else axes[:1]:
            ax.set_ylabel("error (%)")
        for ax in axes[-1:] if narrow else axes:
            ax.set_xlabel("epoch")
        canvas.legend(loc="outside upper center", ncols=2, handlelength=1.0, columnspacing=1.2)

    caption = "Error on the test images after each epoch; lines are means over seeds, bands go from lowest to highest."
    return Figure("curves", caption, draw, "Learning curves", 3.4, 6.4)
