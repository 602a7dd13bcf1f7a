"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from nanoneurons.papers._paper import Figure
from nanoneurons.physics import error_rates

from ._sampling import METHODS, Point, cell_rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["PUBLISHED_CIFAR", "accuracy_figure", "cifar_figure", "conditions_figure", "error_rate_figure"]

_COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44", "#aa3377", "#66ccee")
_LABELS = {
    "1t1r": "single cell (1T1R)",
    "2t2r": "pair (2T2R)",
    "hamming74": "single cells, Hamming (7,4)",
    "secded84": "single cells, SECDED (8,4)",
}
# accuracy (%) against error probability per device, by the group's published program: bridge architecture at 6 ns
# clock, VGG 385-385-769-769-1537-513, without error-aware training
PUBLISHED_CIFAR = {0.0: 88.36, 1e-3: 88.37, 1e-2: 87.96, 2e-2: 87.56, 3e-2: 86.92, 5e-2: 85.53, 7e-2: 83.67, 0.1: 79.53,
                   0.2: 45.6, 0.3: 15.0}  # fmt: skip


def _curves() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Closed-form error rate of each method over that of a single cell."""
    cells = np.geomspace(1e-6, 0.2, 200)
    pair = error_rates.pair_error(error_rates.window_for_threshold_error(cells, 1.0), 1.0, 1.0)
    codes = {name: error_rates.code_residual(cells, n) for name, n in (("hamming74", 7), ("secded84", 8))}
    return {name: (cells, np.asarray(y)) for name, y in {"1t1r": cells, "2t2r": pair, **codes}.items()}


def error_rate_figure(points: Sequence[Point]) -> Figure:
    """Simulated error rates over the closed forms."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for method, colour, (x, y) in zip(METHODS, _COLOURS, _curves().values(), strict=False):
            ax.plot(x, y, color=colour, lw=1.2, label=_LABELS[method])
            mine = [p for p in points if p.method == method and "circuit" not in p.name and p.errors]
            at = [cell_rate(method, p.expected) for p in mine]
            rate = np.array([p.errors / p.trials for p in mine])
            low, high = np.array([p.interval(0.95) for p in mine]).T if mine else (rate, rate)
            ax.errorbar(at, rate, yerr=[rate - low, high - rate], fmt="o", color=colour, ms=5, capsize=3)
        ax.set(xscale="log", yscale="log", ylim=(3e-7, 0.5), xlim=(5e-7, 0.25))
        ax.set_xlabel("error rate of a single cell (1T1R)")
        ax.set_ylabel("error rate of a stored bit")
        ax.legend(frameon=False)

    caption = (
        "Error rate of a stored bit for four memories made of the same devices. Lines: closed forms; dots: simulated, "
        "with exact 95 % intervals. Pairs and the two codes all store two devices per bit (Hamming 1.75)."
    )
    return Figure("error-rates", caption, draw)


def accuracy_figure(
    task: str, tested: Sequence[float], tables: Mapping[float, np.ndarray], operating: Mapping[str, np.ndarray]
) -> Figure:
    """Accuracy against the error rate of the weights."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        x = np.array([r if r else 3e-6 for r in tested])  # the error-free point stands at the left edge
        for (trained, table), colour in zip(tables.items(), _COLOURS, strict=False):
            ax.plot(x, table.mean(0), "o-", ms=4, color=colour, label=_training(trained))
            ax.fill_between(x, table.min(0), table.max(0), color=colour, alpha=0.2, lw=0)
        bottom, top = ax.get_ylim()
        for (where, rates), height, shade in zip(operating.items(), (0.0, 0.05), ("#222222", "#888888"), strict=True):
            at = np.full(len(rates), bottom + height * (top - bottom))
            ax.plot(rates, at, "|", ms=10, color=shade, label=f"measured, {where.upper()}")
        ax.set_xscale("log")
        ax.set_xlim(2.5e-6, 0.4)
        ax.set_xlabel("share of wrong weights (left edge: none)")
        ax.set_ylabel(f"test accuracy, {task} (%)")
        ax.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 0.08))

    caption = (
        "Test accuracy against the share of weights read wrongly. Lines: mean over seeds and error patterns; bands: "
        "lowest to highest seed. Ticks: 17 measured programming conditions, as single devices and as pairs by the "
        "closed form."
    )
    return Figure("accuracy", caption, draw)


def conditions_figure(operating: Mapping[str, np.ndarray], losses: Mapping[str, Mapping[float, np.ndarray]]) -> Figure:
    """Loss of accuracy at each measured condition."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        order = np.argsort(operating["1t1r"])
        narrow = canvas.get_figwidth() < 5
        aside = 0.8 / sum(map(len, losses.values()))  # beside each other, so that none hides another
        place = -0.4 - aside / 2
        for (where, by_rate), marker in zip(losses.items(), ("s", "o"), strict=True):
            for (trained, table), colour in zip(by_rate.items(), _COLOURS, strict=False):
                place += aside
                spread = table.std(0, ddof=1) if len(table) > 1 else np.zeros(table.shape[1])
                ax.errorbar(
                    np.arange(len(order)) + place, table.mean(0)[order], yerr=spread[order], fmt=marker,
                    ms=2 if narrow else 4, color=colour, mfc="white" if where == "1t1r" else colour, lw=0.8,
                    label=f"{where.upper()}, {_training(trained)}",
                )  # fmt: skip
        ax.axhline(0, color="#222222", lw=0.8)
        ax.axhline(1, color="#222222", lw=0.8, ls=":")
        ax.set_yscale("symlog", linthresh=0.1)
        labels = [f"{100 * r:.2g}" for r in operating["1t1r"][order]]
        ax.set_xticks(range(len(order)), labels, rotation=90 if narrow else 60)
        ax.set_xticks(np.arange(len(order) + 1) - 0.5, minor=True)
        ax.grid(False, axis="x")
        ax.grid(True, axis="x", which="minor")
        ax.tick_params(axis="x", which="minor", length=0)
        ax.set_xlabel("measured error rate of single devices (%)")
        ax.set_ylabel("loss of test accuracy (points)")
        ax.legend(
            frameon=False, fontsize="small", ncols=2 if narrow else 3, loc="lower center", bbox_to_anchor=(0.5, 1.0)
        )

    caption = (
        "Accuracy lost at the 17 measured programming conditions, read as single cells (open squares) or as pairs "
        "(dots), against the plainly trained network without errors. Whiskers: standard deviation over seeds. Dotted: "
        "one point."
    )
    return Figure("conditions", caption, draw)


def cifar_figure(tested: Sequence[float], small: Mapping[float, np.ndarray]) -> Figure:
    """Published CIFAR-10 curve, and beside it a small network where it was run."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        rates = np.array(list(PUBLISHED_CIFAR))
        left = 5e-4
        label = "published: VGG, bridge circuit"
        ax.plot(np.maximum(rates, left), list(PUBLISHED_CIFAR.values()), "k^-", label=label)
        x = np.maximum(tested, left)
        for (trained, table), colour in zip(small.items(), _COLOURS, strict=False):
            ax.plot(x, table.mean(0), "o-", ms=4, color=colour, label=f"ours, small network, {_training(trained)}")
            ax.fill_between(x, table.min(0), table.max(0), color=colour, alpha=0.2, lw=0)
        ax.set_xscale("log")
        ax.set_xlim(left * 0.8, 0.4)
        ax.set_xlabel("error rate (left edge: none)")
        ax.set_ylabel("test accuracy, CIFAR-10 (%)")
        ax.legend(frameon=False, loc="lower left")

    caption = "CIFAR-10: the circuit-level curve of the group's published program (larger network, another circuit)"
    if small:
        caption += ", and a small network trained on part of the images, for its shape only"
    return Figure("cifar10", caption + ".", draw)


def _training(rate: float) -> str:
    return "plain training" if not rate else f"trained at {rate:g}"
