"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

from ._bias import NETWORKS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["bias", "curves"]

_COLOURS = {"one-sided": "#E69F00", "random-sign": "#8a8f98", "centred": "#0072B2"}
_LABELS = {"one-sided": "one-sided", "random-sign": "random sign", "centred": "centred"}


def bias(betas: Sequence[float], found: Sequence[Mapping[str, Any]]) -> Figure:
    """Relative error and cosine of the estimates."""

    def draw(canvas: Canvas) -> None:
        narrow = canvas.get_figwidth() < 5
        axes = canvas.subplots(4 if narrow else 2, 1 if narrow else 2, squeeze=False).ravel()
        for place, network in enumerate(NETWORKS):
            pair = axes[2 * place : 2 * place + 2] if narrow else axes[place::2]
            for ax, key in zip(pair, ("error", "cosine"), strict=True):
                for name, colour in _COLOURS.items():
                    table = np.array([r[network][name][key] for r in found])
                    ax.plot(betas, table.mean(0), "o-", ms=3.5, color=colour, label=_LABELS[name])
                    ax.fill_between(betas, table.min(0), table.max(0), color=colour, alpha=0.15, lw=0)
                ax.set_xscale("log")
                ax.set_xlabel("strength of nudging, beta")
                ax.set_title(f"{network} network")
            pair[0].set_yscale("log")
            pair[0].set_ylabel("relative error")
            pair[1].set_ylabel("cosine")
        axes[0].legend()

    caption = (
        "Estimates of the gradient by all weights against backpropagation through time, in double precision. Lines are "
        "means over seeds, bands go from the lowest to the highest; of a random sign the mean over both signs. Dense: "
        "784-128-128-10, smooth neurons, squared error. Convolutional: two convolutions with max-pooling, clipped "
        "neurons, cross-entropy; clipping and pools make steps in the curves."
    )
    return Figure("bias", caption, draw, "Bias of the estimates", 6.0, 11.0)


def curves(found: Mapping[str, Sequence[Sequence[Mapping[str, float]]]]) -> Figure:
    """Test error and loss of every epoch."""

    def draw(canvas: Canvas) -> None:
        narrow = canvas.get_figwidth() < 5
        error, loss = canvas.subplots(2 if narrow else 1, 1 if narrow else 2, squeeze=False).ravel()
        for name, runs in found.items():
            for number, rows in enumerate(runs):
                label = _LABELS[name] if number == 0 else None
                tested = [(r["epoch"], r["test_error"]) for r in rows if "test_error" in r]
                error.plot(*zip(*tested, strict=True), "o-", ms=3, color=_COLOURS[name], label=label)
                loss.plot([r["epoch"] for r in rows], [r["loss"] for r in rows], "o-", ms=3, color=_COLOURS[name])
        for ax, text in ((error, "test error (%)"), (loss, "cross-entropy in training")):
            ax.set_xlabel("epoch")
            ax.set_ylabel(text)
            ax.set_ylim(bottom=0)
            ax.xaxis.get_major_locator().set_params(integer=True)
        error.legend()

    caption = "Test error after each epoch, and mean cross-entropy of the free phases in training, shifts included."
    return Figure("curves", caption, draw, "Learning curves", 3.6, 6.4)
