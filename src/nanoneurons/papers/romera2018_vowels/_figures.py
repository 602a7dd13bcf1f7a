"""Figures of the reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

from ._protocol import SWEEPS
from ._quantities import axis_of, by_seed, seeds_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["figures"]

VOWELS = ("ae", "ah", "aw", "er", "ih", "iy", "uw")
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee", "#e07b39")
_NOBODY = "#f2f2f2"


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """The map before and after learning, the learning curve, and the sweeps that were run."""
    drawn = [_map(config, results), _curve(config, results)]
    if any(getattr(config, f"sweep_{q}") for q in SWEEPS):
        drawn.append(_sweeps(config, results))
    return drawn


def _map(config: Any, results: dict[str, dict]) -> Figure:
    plane = results[f"network/ideal/seed{config.first_seed}"]["map"]

    def draw(canvas: Canvas) -> None:
        from matplotlib.lines import Line2D

        wide = canvas.get_figwidth() > 5
        axes = np.ravel(canvas.subplots(*((1, 2) if wide else (2, 1)), sharex=True, sharey=True))
        for ax, which in zip(axes, ("before", "after"), strict=True):
            _draw_plane(ax, plane, which)
            ax.set_title(f"{which} learning", fontsize=10)
            ax.set_ylabel("$f_B$ (MHz)")
        axes[-1].set_xlabel("$f_A$ (MHz)")
        if wide:
            axes[0].set_xlabel("$f_A$ (MHz)")
            axes[1].set_ylabel("")
        marks = [Line2D([], [], ls="", marker="o", color=c, label=v) for v, c in zip(VOWELS, COLOURS, strict=True)]
        columns = 7 if wide else 4
        canvas.legend(handles=marks, loc="outside lower center", ncols=columns, frameon=False, handletextpad=0.1)

    caption = (
        "Synchronisation map of the four oscillators in the plane of the two injected frequencies, ideal oscillators, "
        "full simulation, first fold. Every area between lines is one pattern; its tint is the vowel that owns it "
        "(grey: nobody). Dots: all 259 vowels after the linear map; rings: those held out."
    )
    return Figure("synchronisation-map", caption, draw, "Synchronisation map before and after learning", 4.3, 7.2)


def _draw_plane(ax: Axes, plane: dict[str, Any], which: str) -> None:
    from matplotlib.colors import ListedColormap

    axis = np.array(plane["axis"]) / 1e6
    codes = np.array(plane[which])
    owner = np.array(plane["owner"])[codes]
    tints = ListedColormap([_NOBODY, *COLOURS])
    edge = (axis[0], axis[-1], axis[0], axis[-1])
    ax.imshow(owner, origin="lower", extent=edge, cmap=tints, vmin=-1, vmax=6, alpha=0.3, interpolation="nearest")
    step = axis[1] - axis[0]
    lines = []  # edges between pixels of different patterns
    for r, c in zip(*np.nonzero(codes[:, 1:] != codes[:, :-1]), strict=True):
        x = axis[c] + step / 2
        lines.append([(x, axis[r] - step / 2), (x, axis[r] + step / 2)])
    for r, c in zip(*np.nonzero(codes[1:] != codes[:-1]), strict=True):
        y = axis[r] + step / 2
        lines.append([(axis[c] - step / 2, y), (axis[c] + step / 2, y)])
    from matplotlib.collections import LineCollection

    ax.add_collection(LineCollection(lines, colors="#777777", linewidths=0.4))
    tones, labels, held = np.array(plane["tones"]) / 1e6, np.array(plane["labels"]), np.array(plane["held"])
    for k, colour in enumerate(COLOURS):
        learned, tested = tones[~held & (labels == k)], tones[held & (labels == k)]
        ax.scatter(*learned.T, s=7, color=colour, linewidths=0)
        ax.scatter(*tested.T, s=16, facecolors="white", edgecolors=colour, linewidths=1.2)
    shown = (tones.min() - 5, tones.max() + 5)
    ax.set(xlim=shown, ylim=shown, aspect="equal")
    ax.grid(False)


def _curve(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for name, label, colour in (
            ("ideal", "ideal oscillators", COLOURS[0]),
            ("full", "noise, spread, coupling", COLOURS[1]),
        ):
            runs = np.array([np.mean(results[f"network/{name}/seed{s}"]["curve"], (0, 2)) for s in seeds_of(config)])
            mean, spread = 100 * runs.mean(0), 100 * runs.std(0, ddof=1 if len(runs) > 1 else 0)
            ax.errorbar(config.curve, mean, yerr=spread, color=colour, marker="o", ms=4, capsize=3, label=label)
        mlp = by_seed(config, results, "software/mlp-27").mean()
        best = by_seed(config, results, "software/lda-two-numbers").mean()
        for value, text, shift in ((mlp, "perceptron, 27 parameters", -2), (best, "best of two linear features", 2)):
            ax.axhline(value, color="#666666", lw=1, ls="--")
            ax.text(config.curve[-1], value + shift, text, ha="right", va="bottom" if shift > 0 else "top", fontsize=8)
        ax.set(ylim=(0, 105), xlabel="step of online learning (7 vowels each)", ylabel="held-out vowels recognised (%)")
        ax.legend(frameon=False, loc="lower right")

    caption = (
        "Recognition of held-out vowels while the four currents are learned from random ones; mean over folds and "
        "chips, bars: standard deviation over seeds."
    )
    return Figure("learning-curve", caption, draw, "Learning the four currents")


def _sweeps(config: Any, results: dict[str, dict]) -> Figure:
    present = [q for q in SWEEPS if getattr(config, f"sweep_{q}")]
    used = {"mutual": config.mutual / 1e6, "half_range": config.half_range / 1e6, "tuning": config.tuning / 1e6}

    def draw(canvas: Canvas) -> None:
        from scipy.stats import t

        wide = canvas.get_figwidth() > 5
        columns = min(3 if wide else 2, len(present))
        rows = -(-len(present) // columns)
        axes = np.ravel(canvas.subplots(rows, columns, sharey=True, squeeze=False))
        for ax, quantity in zip(axes, present, strict=False):
            label, at = axis_of(config, quantity)
            runs = np.array([by_seed(config, results, f"sweep/{quantity}/{v:g}") for v in _values(config, quantity)])
            seeds = runs.shape[1]
            half = t.ppf(0.975, seeds - 1) * runs.std(1, ddof=1) / seeds**0.5 if seeds > 1 else 0 * runs[:, 0]
            ax.errorbar(at, runs.mean(1), yerr=half, color=COLOURS[0], marker="o", ms=4, capsize=2)
            values = _values(config, quantity)
            normal = used.get(quantity) or (at[values.index(1.0)] if 1.0 in values else None)
            if normal is not None:
                ax.axvline(normal, color="#666666", lw=1, ls=":")
            if at[0] == 0 and at.max() > 20 * at[at > 0].min():
                least = at[at > 0].min()
                ax.set_xscale("symlog", linthresh=least, linscale=0.5)
                shown = [v for k, v in enumerate(at) if k % 2 == 0 or len(at) < 7]
                ax.set_xticks(shown, [f"{v:g}" for v in shown])
                ax.set_xticks([], minor=True)
                ax.set_xlim(-0.3 * least, 1.4 * at.max())
            ax.set_xlabel(label.replace(" (", "\n("), fontsize=8)
            ax.tick_params(labelsize=8)
        for k, ax in enumerate(axes):
            if k >= len(present):
                ax.axis("off")
            elif k % columns == 0:
                ax.set_ylabel("recognised (%)", fontsize=8)
        axes[0].set_ylim(0, 100)

    caption = (
        "What matters: recognition of held-out vowels, each quantity changed alone around the noisy and variable "
        "network (dotted: its value there). Bars: 95 % intervals of the mean over seeds (new splits and chips, same "
        "259 vowels). The linear map is designed for each locking and tuning range; it does not know the other three."
    )
    return Figure("sweeps", caption, draw, "What is important for it to work", 4.6, 6.4)


def _values(config: Any, quantity: str) -> list[float]:
    return list(getattr(config, f"sweep_{quantity}"))
