"""Figures of the reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nanoneurons.networks.reservoir import TimeMultiplexedReservoir
from nanoneurons.papers._paper import Figure

from ._oscillator import natural_noise, oscillator
from ._quantities import gain_over_none, rights, seeds_of, small_mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

    from .experiment import Config

__all__ = ["EXPERIMENT_SPECTROGRAM", "TWIN", "figures"]

_BLUE, _ORANGE, _TEAL, _RED, _GREY, _INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a8f98", "#1f2328"
_COLOUR = {"without": _GREY, "quiet": _BLUE, "noisy": _ORANGE}
_LABEL = {"without": "no oscillator", "quiet": "oscillator, no noise", "noisy": "oscillator, noise"}
# Recognition (%) of TI-46 against training utterances 1 to 9: result files of the group's published program
# (github.com/Xing-CHEN18/NeuralODEs_for_physics); the experiment, and its simulated twin with noise.
EXPERIMENT_SPECTROGRAM = (67.6, 74.0, 76.2, 77.3, 78.1, 78.4, 78.9, 79.0, 80.0)
TWIN = {
    "spectrogram": (69.4, 76.0, 78.1, 79.0, 79.7, 80.0, 80.1, 79.8, 80.2),
    "cochleagram": (96.8, 99.1, 99.5, 99.7, 99.8, 99.9, 99.9, 100.0, 100.0),
}

Results = dict[str, dict[str, Any]]


def figures(config: Config, results: Results) -> list[Figure]:
    """All figures of what was run."""
    found = [_response(config), _trace(config, results)]
    if any(job.startswith("digits/") for job in results):
        found.append(_bars(config, results))
    for front in config.small_fronts:
        if small_mean(config, results, "spoken-digits", front, "quiet") is not None:
            found.append(_against_utterances(config, results, front))
    if f"noise/{config.noise_front}/seed{config.first_seed}" in results:
        found.append(_against_noise(config, results))
    return found


def _response(config: Config) -> Figure:
    def draw(canvas: Canvas) -> None:
        left, right = canvas.subplots(1, 2) if canvas.get_figwidth() > 5 else canvas.subplots(2, 1)
        laws = (("fit", _BLUE, "-"), ("auto-oscillator", _RED, "--"))
        current = torch.linspace(0.0, oscillator().breakdown, 400, dtype=torch.float64)
        for law, colour, style in laws:
            left.plot(1e3 * current, 1e3 * oscillator(law).amplitude(current), style, color=colour, label=law)
        low, high = config.direct_current - config.swing, config.direct_current + config.swing
        left.axvspan(1e3 * low, 1e3 * high, color=_BLUE, alpha=0.1, lw=0)
        left.axvline(1e3 * config.direct_current, color=_INK, lw=0.8, ls=":")
        left.set(xlabel="current (mA)", ylabel="amplitude (mV)")
        left.legend(frameon=False)
        steps = 40
        drive = torch.tensor([[high] * (steps // 2) + [low] * (steps // 2)], dtype=torch.float64)[:, :, None]
        time = 1e6 * config.node_time * np.arange(1, steps + 1)
        for law, colour, style in laws:
            # a mask of one node and a gain that maps the two currents onto the swing
            network = TimeMultiplexedReservoir(
                oscillator(law),
                torch.ones(1, 1, dtype=torch.float64),
                config.node_time,
                config.direct_current,
                config.swing,
            )
            found = network.states((drive[0] - config.direct_current) / config.swing)
            assert isinstance(found, torch.Tensor)
            right.plot(time, 1e3 * found[:, 0], style, marker="o", ms=2, color=colour)
        right.axvline(1e6 * config.node_time * steps / 2, color=_INK, lw=0.8, ls=":")
        right.set(xlabel="time (us)", ylabel="amplitude (mV)")

    caption = (
        "The oscillator. Left, or above: amplitude that it settles at against current; shaded: the currents used. "
        f"Right, or below: its answer to {1e3 * (config.direct_current + config.swing):g} mA, then "
        f"{1e3 * (config.direct_current - config.swing):g} mA; dots: one virtual node each."
    )
    return Figure("response", caption, draw, "Amplitude response", 3.2, 5.2)


def _trace(config: Config, results: Results) -> Figure:
    run = results[f"waves/seed{config.first_seed}"]

    def draw(canvas: Canvas) -> None:
        top, middle, bottom = canvas.subplots(3, 1, sharex=True)
        shown = slice(0, 64 if canvas.get_figwidth() < 5 else 96)
        sample = np.arange(len(run["fit"]["target"]))[shown]
        top.step(sample, run["fit"]["input"][shown], where="mid", color=_INK)
        top.set(ylabel="input")
        for axes, law, colour in ((middle, "fit", _BLUE), (bottom, "auto-oscillator", _RED)):
            axes.step(sample, run[law]["target"][shown], where="mid", color=_GREY, lw=1, label="target")
            axes.plot(sample, run[law]["output"][shown], ".-", ms=4, lw=0.8, color=colour, label=law)
            axes.set(ylabel="read-out", ylim=(-0.6, 1.6))
            axes.legend(frameon=False, loc="upper right", ncols=2, fontsize="small")
        bottom.set(xlabel="sample")

    caption = (
        "Sine or square: input (8 samples per period), target (0 sine, 1 square) and linear read-out of "
        f"{config.sine_nodes} nodes on test periods without noise. With one time constant (middle) single samples at "
        "±1 stay ambiguous and the mean over a period decides; with the amplitude equation (bottom) each "
        "sample is right."
    )
    return Figure("waveforms", caption, draw, "Sine or square", 4.4, 4.4)


def _bars(config: Config, results: Results) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        groups = [("without", 0)] + [(c, n) for n in config.sizes for c in ("quiet", "noisy")]
        height = 0.8 / len(groups)
        for g, (condition, nodes) in enumerate(groups):
            place = np.arange(len(config.fronts)) - 0.4 + height * (g + 0.5)
            values = [
                100 * rights(config, results, f, nodes, "quiet" if not nodes else condition) for f in config.fronts
            ]
            mean = np.array([v.mean() for v in values])
            spread = np.zeros((2, len(mean)))
            if nodes:
                gains = [gain_over_none(config, results, f, nodes, condition) for f in config.fronts]
                spread = np.array([[x.mean - x.low, x.high - x.mean] for x in gains]).T
            shade = 0.55 if nodes and nodes == min(config.sizes) and len(config.sizes) > 1 else 1.0
            label = _LABEL[condition] + (f", {nodes} nodes" if nodes else "")
            ax.barh(
                place, mean, height * 0.92, xerr=spread if nodes else None, color=_COLOUR[condition], alpha=shade,
                ecolor=_INK, capsize=2, label=label,
            )  # fmt: skip
        ax.set_yticks(
            range(len(config.fronts)), [f.replace("-context", ",\n±1 frame").replace("-", "\n") for f in config.fronts]
        )
        ax.invert_yaxis()
        ax.set_xlim(0, 102)
        ax.set_xlabel("test utterances recognised (%)")
        ax.legend(frameon=False, fontsize="small", ncols=1 if canvas.get_figwidth() < 5 else 3,
                  loc="lower center", bbox_to_anchor=(0.4, 1.0))  # fmt: skip

    caption = (
        "Spoken digits, official test takes, by front end. Bars: mean over masks. Whiskers: 95 % interval of the "
        "gain over no oscillator (masks and utterances drawn anew, in pairs). Noise: "
        f"{100 * natural_noise(oscillator()):.2g} % of the amplitude, correlated over its relaxation."
    )
    return Figure("front-ends", caption, draw, "With and without the oscillator", 5.6, 6.4)


def _columns(canvas: Canvas) -> int:
    return 1 if canvas.get_figwidth() < 5 else 3


def _against_utterances(config: Config, results: Results, front: str) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        n = np.arange(1, 10)
        for condition in ("without", "quiet", "noisy"):
            for source, style, name in (("spoken-digits", "-", ""), ("ti46", "-.", "TI-46, ")):
                means = small_mean(config, results, source, front, condition)
                if means is not None:
                    ax.plot(
                        n, means.mean(0), "o" + style, ms=4, color=_COLOUR[condition], label=name + _LABEL[condition]
                    )
                    ax.fill_between(n, means.min(0), means.max(0), color=_COLOUR[condition], alpha=0.2, lw=0)
        if front == "spectrogram":
            ax.plot(n, EXPERIMENT_SPECTROGRAM, "k^:", ms=5, lw=1, label="published experiment (TI-46)")
        if front in TWIN:
            ax.plot(n, TWIN[front], "v:", color=_TEAL, ms=4, lw=1, label="published twin with noise (TI-46)")
        ax.set(xlabel="training utterances per digit and speaker", ylabel="other utterances recognised (%)")
        ax.legend(
            frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=_columns(canvas)
        )

    caption = (
        f"Recognition against training utterances, {front}, {config.sizes[0]} nodes, the paper's protocol on the free "
        f"spoken digits (six speakers, ten takes, at most {config.splits} random splits per number). Bands: lowest "
        "to highest mask. Dotted: published, another data set, so levels cannot be compared."
    )
    return Figure(f"utterances-{front}", caption, draw, f"Training utterances, {front}", 4.0, 4.6)


def _against_noise(config: Config, results: Results) -> Figure:
    runs = [results[f"noise/{config.noise_front}/seed{s}"] for s in seeds_of(config)]

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for point, colour in zip(runs[0], (_BLUE, _RED, _TEAL, _ORANGE), strict=False):
            values = np.array([[level[0] for level in run[point]] for run in runs])
            x = 100 * np.array(config.noise_levels)
            ax.plot(x, values.mean(0), "o-", ms=4, color=colour, label=point)
            ax.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, lw=0)
        if config.noise_front in config.fronts:
            none = 100 * rights(config, results, config.noise_front, 0).mean()
            ax.axhline(none, color=_GREY, ls="--", label="no oscillator")
        ax.set(xscale="log", xlabel="amplitude noise at the operating current (%)", ylabel="recognised (%)")
        ax.legend(
            frameon=False, fontsize="small", loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=_columns(canvas)
        )

    caption = (
        f"Test recognition against amplitude noise, {config.noise_front}, {config.sizes[0]} nodes; law of the "
        "amplitude, direct current ± swing. Bands: lowest to highest mask."
    )
    return Figure("noise", caption, draw, "Noise", 4.0, 4.6)
