"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from nanoneurons.networks.phase_network import PhaseNetwork
from nanoneurons.papers._paper import Figure

from . import _targets

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["confusion_figure", "iris_figure", "map_figure", "robustness_figure", "targets_figure"]

_PAIRS = ("#0072B2", "#E69F00", "#009E73")  # one colour per pair of three oscillators
_OTHER, _NONE = "#8a8f98", "#f1f2f4"
_SPECIES = ("setosa", "versicolor", "virginica")
_LABELS = {
    "generalised": "generalised network",
    "original-pca": "original, principal components",
    "original-lda": "original, discriminants",
}


def map_figure(codes: np.ndarray, side: int, reach: float) -> Figure:
    """Every pattern of the original scheme in a colour of its own."""

    def draw(canvas: Canvas) -> None:
        import matplotlib

        ax = canvas.subplots()
        kinds, place, count = np.unique(codes, return_inverse=True, return_counts=True)
        rank = np.argsort(np.argsort(-count))  # the largest region first
        picture = rank[place].reshape(side, side).T
        colours = matplotlib.colormaps["tab20"].resampled(max(len(kinds), 2))
        ax.imshow(picture, origin="lower", extent=(-reach, reach, -reach, reach), cmap=colours, interpolation="nearest")
        for kind, r in zip(kinds, rank, strict=True):
            area = picture == r
            if area.mean() > 0.02:
                deep = np.asarray(distance_transform_edt(np.pad(area, 1)))[1:-1, 1:-1]  # farthest from every border
                row, column = np.unravel_index(deep.argmax(), deep.shape)
                at = [2 * reach * (v + 0.5) / side - reach for v in (column, row)]
                ax.text(*at, _groups(int(kind)), ha="center", va="center", fontsize=7,
                        bbox={"fc": "white", "ec": "none", "pad": 1, "alpha": 0.8})  # fmt: skip
        ax.set_xlabel("frequency of A from the carrier (MHz)")
        ax.set_ylabel("frequency of B from the carrier (MHz)")
        ax.grid(False)

    caption = (
        "Synchronisation patterns of four oscillators of the original scheme (natural frequencies at -3, -1, 1 and "
        "3 MHz) over the frequencies of the two inputs. One colour per set of synchronised pairs; the largest regions "
        "carry their groups, in order of natural frequency: 12·3·4 means that 1 and 2 are synchronised. Only "
        "neighbours ever are."
    )
    return Figure("map", caption, draw, "Map of synchronisation patterns")


def _groups(code: int, core: int = 4) -> str:
    """``12·3·4`` for the pattern in which only oscillators 1 and 2 are synchronised."""
    pairs = PhaseNetwork(2, core, 2).pairs
    text = "1"
    for n in range(1, core):
        linked = (code >> pairs.index((n - 1, n))) & 1
        text += ("" if linked else "·") + str(n + 1)
    return text


def targets_figure(learnt: PhaseNetwork, original: PhaseNetwork) -> Figure:
    """Maps of the trained network and of the best original one, with the regions and what each wants."""

    def draw(canvas: Canvas) -> None:
        from matplotlib.colors import ListedColormap
        from matplotlib.patches import Patch, Rectangle

        narrow = canvas.get_figwidth() < 5
        axes = canvas.subplots(1, 2, sharex=True, sharey=True)
        side, reach = 61, 3.2
        line = torch.linspace(-reach, reach, side, dtype=torch.float64)
        shades = ListedColormap([*_PAIRS, _OTHER, _NONE])
        for ax, network, title in zip(axes, (original, learnt), ("original, best found", "generalised"), strict=True):
            patterns = network.patterns(torch.cartesian_prod(line, line))[0]
            picture = np.where(patterns.sum(1) == 0, 4, 3)
            for n, code in enumerate(_targets.CODES):
                picture[(patterns == code).all(1).numpy()] = n
            extent = (-reach, reach, -reach, reach)
            ax.imshow(picture.reshape(side, side).T, origin="lower", extent=extent, cmap=shades, vmin=0, vmax=4,
                      interpolation="nearest")  # fmt: skip
            for (a, b), colour in zip(_targets.CENTRES, _PAIRS, strict=True):
                half = _targets.HALF
                ax.add_patch(Rectangle((a - half, b - half), 2 * half, 2 * half, fc="none", ec="white", lw=4))
                ax.add_patch(Rectangle((a - half, b - half), 2 * half, 2 * half, fc="none", ec=colour, lw=2, ls="--"))
            ax.set_title(title)
            ax.set_xlabel("input 1 (MHz)")
            ax.grid(False)
        axes[0].set_ylabel("input 2 (MHz)")
        handles = [Patch(fc=c, label=t) for c, t in zip(
            (*_PAIRS, _OTHER, _NONE), ("1, 2", "2, 3", "1, 3", "more than one pair", "none"), strict=True)]  # fmt: skip
        canvas.legend(
            handles=handles,
            loc="outside lower center",
            ncols=3 if narrow else 5,
            title="synchronised oscillators",
            handlelength=1.2,
            columnspacing=1.0,
        )

    caption = (
        "What both networks show over the plane of the two inputs. Each dashed square wants the pattern of its own "
        "colour throughout. In the original scheme one of the three oscillators lies between the others in natural "
        "frequency and cannot be left out, so at least one square stays wrong."
    )
    return Figure("targets", caption, draw, "Target patterns")


def iris_figure(results: Mapping[str, Sequence[Mapping[str, Any]]], folds: int) -> Figure:
    """Accuracy of every network: dots are folds, bars means over folds and seeds."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        references = [r["references"] for r in results["generalised"]]
        size = results["generalised"][0]["test_samples"] / folds
        rows = {_LABELS[kind]: np.array([r["right"] for r in found]) for kind, found in results.items()}
        rows["logistic regression"] = np.array([r["logistic"] for r in references])
        rows["discriminant analysis"] = np.array([r["lda"] for r in references])
        for place, (_, right) in enumerate(rows.items()):
            share = 100 * right / size
            colour = _PAIRS[0] if place == 0 else _OTHER
            ax.barh(place, share.mean(), height=0.6, color=colour, alpha=0.35)
            values, count = np.unique(share, return_counts=True)  # folds with the same number right become one dot
            ax.scatter(values, np.full(len(values), place), s=8 + 60 * count / share.size, color=colour, zorder=3)
            ax.plot(share.mean(1), np.full(len(share), place), "|", ms=14, color="#1f2328", zorder=4)
        ax.set_yticks(range(len(rows)), [t.replace(", ", ",\n") for t in rows])
        ax.invert_yaxis()
        ax.set_xlim(max(0.0, min(100 * r.min() / size for r in rows.values()) - 5), 101)
        ax.set_xlabel("held-out accuracy on Iris (%)")

    caption = (
        "Held-out accuracy on Iris. Bars: mean over seeds; ticks: seeds; dots: single folds, larger where several "
        "folds agree."
    )
    return Figure("iris", caption, draw, "Iris in cross-validation")


def confusion_figure(confusion: np.ndarray, seeds: int) -> Figure:
    """Which species the generalised network takes for which."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        share = 100 * confusion / confusion.sum(1, keepdims=True)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for a in range(3):
            for b in range(3):
                ax.text(
                    b, a, f"{share[a, b]:.1f}", ha="center", va="center", color="white" if share[a, b] > 60 else "black"
                )
        ax.set_xticks(range(3), _SPECIES)
        ax.set_yticks(range(3), _SPECIES)
        ax.set_xlabel("read as")
        ax.set_ylabel("species")
        ax.grid(False)

    caption = f"Held-out flowers of each species (%) by what the generalised network reads, {seeds} cross-validations."
    return Figure("confusion", caption, draw, "Iris: confusions")


def robustness_figure(
    linewidths: Sequence[float], noise: np.ndarray, spreads: Sequence[float], chips: Sequence[np.ndarray]
) -> Figure:
    """Accuracy against phase noise and against the spread of fabricated chips."""

    def draw(canvas: Canvas) -> None:
        narrow = canvas.get_figwidth() < 5
        left, right = canvas.subplots(2 if narrow else 1, 1 if narrow else 2, sharey=True)
        x = np.array(linewidths) / 1e3
        left.errorbar(x, noise.mean(0), yerr=noise.std(0, ddof=1) if len(noise) > 1 else None, fmt="o-", ms=4,
                      color=_PAIRS[0], capsize=3)  # fmt: skip
        left.set_xscale("symlog", linthresh=max(min(v for v in x if v > 0), 1e-3))
        left.set_xlabel("linewidth of the free oscillators (kHz)")
        left.set_ylabel("accuracy (%)")
        x = np.array(spreads) / 1e3
        middle, low, high = (np.array([np.quantile(c, q) for c in chips]) for q in (0.5, 0.05, 0.95))
        right.plot(x, middle, "o-", ms=4, color=_PAIRS[1])
        right.fill_between(x, low, high, color=_PAIRS[1], alpha=0.25, lw=0)
        right.set_xlabel("frequency spread of chips (kHz)")
        if narrow:
            right.set_ylabel("accuracy (%)")

    caption = (
        "Held-out accuracy of the trained networks, not retrained. First: with phase noise, mean and standard "
        "deviation over seeds. Second: natural frequencies off by a normal error; median and 5 to 95 % of chips, each "
        "through all folds."
    )
    return Figure("robustness", caption, draw, "Noise and spread")
