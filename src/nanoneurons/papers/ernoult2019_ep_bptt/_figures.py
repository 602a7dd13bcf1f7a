"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["curves", "errors", "learning"]

_COLOURS = ("#0072B2", "#E69F00", "#009E73")
_VARIANTS = {
    "one-sided": ("one-sided", "#0072B2", "o"),
    "centred": ("centred", "#009E73", "s"),
    "published": ("program's dynamics", "#D55E00", "^"),
}
_RULES = {"ep": ("equilibrium propagation", "#0072B2"), "bptt": ("backpropagation through time", "#E69F00")}


def _named(block: str) -> str:
    kind = "state" if block[0] == "s" else "weight"
    return f"{kind} {block[1:]}"


def curves(name: str, found: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Figure:
    """Updates and gradients of a few elements of every block."""
    blocks = list(found)

    def draw(canvas: Canvas) -> None:
        columns = 1 if canvas.get_figwidth() < 5 else 2
        axes = canvas.subplots(-(-len(blocks) // columns), columns, squeeze=False, sharex=True)
        for ax, block in zip(axes.ravel(), blocks, strict=False):
            for colour, update, gradient in zip(
                _COLOURS, found[block]["updates"], found[block]["gradients"], strict=False
            ):
                ax.plot(update, color=colour, lw=1.6)
                ax.plot(gradient, color="#1f2328", lw=1.2, ls=(0, (2, 2)))
            ax.set_title(_named(block))
            ax.set_ylabel("update")
            ax.ticklabel_format(axis="y", scilimits=(-2, 3))
        for ax in axes.ravel()[len(blocks) :]:
            ax.set_axis_off()
        for ax in axes[-1]:
            ax.set_xlabel("step t of the nudged phase")

    caption = (
        f"{name}: updates of equilibrium propagation divided by beta (colours, one-sided) and minus the gradient of "
        "the cost at step T - t (black, dashed), of the three elements of each block that move most; first seed."
    )
    height = 2.1 * -(-len(blocks) // 2) + 0.6
    return Figure(f"curves-{name}", caption, draw, f"Updates and gradients, {name}", height, 2.0 * len(blocks) + 0.6)


def errors(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Relative error of every block, seed by seed."""
    rows = [(name, block) for name, runs in found.items() for block in runs[0]["centred"] if block != "residual"]

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for shift, (variant, (label, colour, marker)) in zip((-0.22, 0.0, 0.22), _VARIANTS.items(), strict=True):
            for place, (name, block) in enumerate(rows):
                values = [run[variant][block]["mean"] for run in found[name]]
                ax.plot(
                    values, [place + shift] * len(values), marker, color=colour, ms=4.5, alpha=0.8,
                    label=label if place == 0 else None,
                )  # fmt: skip
        ax.axvline(1e-2, color="#1f2328", lw=0.8, ls=":")
        ax.set_xscale("log")
        ax.set_yticks(range(len(rows)), [f"{name}, {_named(block)}" for name, block in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
        ax.set_xlabel("relative error of updates")
        canvas.legend(loc="outside upper center", ncols=1 if canvas.get_figwidth() < 5 else 3)

    caption = (
        "Root mean square difference of updates and gradients over the steps, relative to the larger of the two; means "
        "over all units or synapses of a block that move, a mark for each seed. Dotted: 1 %."
    )
    height = 0.32 * len(rows) + 1.3
    return Figure("errors", caption, draw, "Relative error by block", height, height + 0.7)


def learning(found: Mapping[str, Mapping[str, Sequence[Sequence[float]]]]) -> Figure:
    """Test error of every epoch by both rules."""

    def draw(canvas: Canvas) -> None:
        narrow, count = canvas.get_figwidth() < 5, len(found)
        axes = canvas.subplots(count if narrow else 1, 1 if narrow else count, squeeze=False).ravel()
        for ax, (name, rules) in zip(axes, found.items(), strict=True):
            for rule, (label, colour) in _RULES.items():
                runs = np.array(rules[rule])
                epoch = np.arange(1, runs.shape[1] + 1)
                ax.plot(epoch, runs.mean(0), "o-", ms=3, color=colour, label=label)
                ax.fill_between(epoch, runs.min(0), runs.max(0), color=colour, alpha=0.15, lw=0)
            ax.set_yscale("log")
            low, high = ax.get_ylim()
            steps = [s * 10.0**p for p in range(-2, 3) for s in (1, 1.5, 2, 3, 5, 7)]
            ax.set_yticks([s for s in steps if low <= s <= high])
            ax.yaxis.set_major_formatter("{x:g}")
            ax.yaxis.set_minor_formatter("")
            ax.set_xlim(0.5, runs.shape[1] + 0.5)
            ax.xaxis.get_major_locator().set_params(integer=True)
            ax.set_title(name)
            ax.set_xlabel("epoch")
            ax.set_ylabel("test error (%)")
        axes[0].legend()

    caption = "Error after each epoch: means over seeds, bands from the lowest to the highest."
    return Figure("learning", caption, draw, "Learning curves", 3.6, 3.2 * max(len(found), 1))
