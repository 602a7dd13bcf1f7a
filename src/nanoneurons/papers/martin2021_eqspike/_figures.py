"""Figures of the reproduction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.networks.spiking_equilibrium import SpikingNeurons
from nanoneurons.papers._paper import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["curves", "pair_change", "pairs", "sweeps"]

_COLOURS = {"event": "#0072B2", "window": "#E69F00"}
_LABELS = {"event": "events only", "window": "rates in windows"}
_INK, _GREY = "#1f2328", "#8a8f98"
_PUBLISHED = 97.6


def curves(found: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Test accuracy of every epoch."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for form, runs in found.items():
            values = 100 * np.array(runs)
            epoch = np.arange(1, values.shape[1] + 1)
            ax.plot(epoch, values.mean(0), "o-", ms=3, color=_COLOURS[form], label=_LABELS[form])
            ax.fill_between(epoch, values.min(0), values.max(0), color=_COLOURS[form], alpha=0.15, lw=0)
        ax.axhline(_PUBLISHED, color=_GREY, lw=1, ls="--", label="published")
        ax.set_xlabel("epoch")
        ax.set_ylabel("test accuracy (%)")
        ax.xaxis.get_major_locator().set_params(integer=True)
        ax.legend(loc="lower right")

    caption = (
        "Accuracy on the test digits after every epoch, of both forms of the rule; lines are means over seeds, bands "
        "go from the lowest to the highest. No epoch is chosen: what counts is the last."
    )
    return Figure("curves", caption, draw, "Learning curves")


def sweeps(
    found: Mapping[str, Sequence[tuple[float, float]]], ours: Mapping[str, float], example: Mapping[str, Any]
) -> Figure:
    """Error against the strength of nudging, and against the length of nudged phases."""
    axes = {"beta": "strength of nudging, beta", "phase": "length of a nudged phase (ms)"}

    def draw(canvas: Canvas) -> None:
        wide = canvas.get_figwidth() > 5
        grid = np.ravel(canvas.subplots(1, 2, sharey=True) if wide else canvas.subplots(2, 1, sharey=True))
        for ax, (name, label) in zip(grid, axes.items(), strict=True):
            x, y = np.array(found[name]).T
            ax.plot(x, 100 * (1 - y), "o-", ms=4, color=_COLOURS["event"], label="full learning rates")
            if name == "beta":
                error = 100 * (1 - np.array(found["gentle"])[:, 1])
                ax.plot(x, error, "s-", ms=4, color="#009E73", label="a quarter of them")
                ax.legend(loc="center right")
            ax.axvline(ours[name], color=_GREY, lw=1, ls="--")
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_yticks([5, 10, 20, 50, 100], ["5", "10", "20", "50", "100"])
            ax.set_xticks(x, [f"{v:g}" for v in x])
            ax.minorticks_off()
            ax.set_xlabel(label)
            if not wide or name == "beta":
                ax.set_ylabel("held-out error (%)")

    train, test = example["samples"]
    caption = (
        f"Event-driven form, {train:,} training digits, one seed, tested on {test:,} held-out ones; dashed: what the "
        "full trainings use. With a weak nudge estimates are noisy; at the full learning rate they then silence the "
        "outputs, for good."
    )
    return Figure("sweeps", caption, draw, "Nudging and phases", 3.2, 5.6)


def pair_change(neurons: SpikingNeurons, lag: np.ndarray) -> np.ndarray:
    """Closed form of the change by a pair of spikes a time apart, whichever comes first."""
    fast, slow, held = neurons.synapse, neurons.slow, neurons.held * neurons.step
    t = np.abs(lag)
    return held**2 / (slow - fast) * (np.exp(-t / fast) / fast - np.exp(-t / slow) / slow)


def pairs(found: Mapping[str, Sequence[float]], neurons: SpikingNeurons) -> Figure:
    """Change of a weight against the time between the spikes of its two neurons."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        lag = np.array(found["lag"])
        t = np.linspace(-0.25, 0.25, 401)
        ax.axhline(0, color=_GREY, lw=0.8)
        ax.plot(1e3 * lag, found["change"], ".", ms=3, color=_COLOURS["event"], label="simulated")
        ax.plot(1e3 * t, pair_change(neurons, t), color=_INK, lw=1, label="closed form")
        ax.set_xlim(-250, 250)
        ax.set_xlabel("lag of the output spike (ms)")
        ax.set_ylabel("change of the weight (1)")
        ax.legend(loc="upper left")

    caption = (
        "What one spike of each neuron changes during a nudged phase towards the target (before the factor of the rate "
        "over beta): spikes close together strengthen the weight, spikes further apart weaken it, and over a steady "
        "train the two cancel. The sign turns in a phase away from the target."
    )
    return Figure("pairs", caption, draw, "A pair of spikes")
