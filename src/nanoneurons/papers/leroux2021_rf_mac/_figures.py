"""Figures of the reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure
from nanoneurons.physics.spin_diode import leakage, plan_frequencies

from ._extreme import KINDS
from ._mac import WIRINGS, closed_form, devices_of
from ._perceptron import SPREAD_RULES
from ._quantities import by_seed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["figures"]

_BLUE, _ORANGE, _TEAL, _RED, _GREY, _INK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a8f98", "#1f2328"
_RULES = {
    "plain": ("plain", _ORANGE),
    "injected": ("virtual chips", _RED),
    "twin-ideal": ("ideal twin", _TEAL),
    "twin-calibrated": ("calibrated twin", _BLUE),
}
_EXTREME = {
    "devices": ("diodes and oscillators", _BLUE), "relu": ("software, rectifier", _ORANGE),
    "tanh": ("software, tanh", _TEAL), "linear": ("pixels, no hidden layer", _GREY),
}  # fmt: skip
Results = dict[str, dict[str, Any]]


def figures(config: Any, results: Results) -> list[Figure]:
    """All figures of what was run."""
    drawn = [_sums(config, results), _distance(config, results), _cancellation(config), _imperfect(config, results)]
    if config.sweep_spacing or config.sweep_band or config.sweep_symmetric or config.sweep_spread:
        drawn.append(_sweeps(config, results))
    if config.sweep_hidden or config.sweep_noise:
        drawn.append(_extreme(config, results))
    return drawn


def _sums(config: Any, results: Results) -> Figure:
    points = results[f"mac/seed{config.first_seed}"]["points"]

    def draw(canvas: Canvas) -> None:
        axes = np.ravel(canvas.subplots(*((1, 2) if _wide(canvas) else (2, 1)), sharex=True, sharey=True))
        for ax, name, distance in zip(axes, ("far", "near"), (config.mac_distance, config.near_distance), strict=True):
            ideal, voltage = points[name]
            ax.plot(ideal, ideal, color=_GREY, lw=1)
            ax.plot(ideal, voltage, ".", ms=3, color=_BLUE)
            ax.set_title(f"tones {distance:g} linewidths apart", fontsize=10)
            ax.set_ylabel("voltage (mV)")
        axes[-1].set_xlabel("ideal sum (mV)")
        if _wide(canvas):
            axes[0].set_xlabel("ideal sum (mV)")
            axes[1].set_ylabel("")

    caption = (
        "Voltage of two ideal diodes in series against the sum that their weights as designed would give, for powers "
        f"from 0 to {1e6 * config.full_power:g} µW and weights from -{config.largest_weight:g} to "
        f"{config.largest_weight:g} of the largest. A full linewidth is twice damping times frequency."
    )
    return Figure("sums", caption, draw, "Multiply and accumulate", 3.4, 5.8)


def _distance(config: Any, results: Results) -> Figure:
    run = results[f"mac/seed{config.first_seed}"]

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        x = np.array(config.mac_distances)
        fine = np.geomspace(x.min(), x.max(), 100)
        for wiring, colour in zip(WIRINGS, (_BLUE, _RED), strict=True):
            found = run[f"distance/{wiring}"]
            words = wiring.replace("-", " ")
            ax.plot(x, found["designed"], "o", ms=4, color=colour, label=f"as designed, {words}")
            ax.plot(fine, [closed_form(config, d, wiring) for d in fine], color=colour, lw=1)
            tuned = np.array(found["tuned"])
            ax.plot(x[tuned > 1e-3], tuned[tuned > 1e-3], "s--", ms=4, lw=1, mfc="white", color=colour,
                    label=f"resonances corrected, {words}")  # fmt: skip
        ax.axhline(1, color=_GREY, lw=1, ls=":")
        ax.set(xscale="log", yscale="log", ylim=(0.05, 50),
               xlabel="distance of the tones (full linewidths)", ylabel="r.m.s. error (% of full range)")  # fmt: skip
        _plain_log(ax, x)
        canvas.legend(loc="outside upper left", ncols=2 if _wide(canvas) else 1, frameon=False, fontsize=8)

    caption = (
        "Error of the two-diode multiply-and-accumulate against the distance of its tones, ideal devices. Lines: tails "
        "2αf/Δf alone. Dotted: 1 %. Corrected: resonances are changed until weights measured tone by tone are the "
        "wanted ones; where that succeeds the error is below the plot, where it does not the wanted weight lies beyond "
        "what the pair can reach."
    )
    return Figure("distance", caption, draw, "Error against the distance of the tones", 4.2, 5.0)


def _cancellation(config: Any) -> Figure:
    def draw(canvas: Canvas) -> None:
        left, right = np.ravel(canvas.subplots(*((1, 2) if _wide(canvas) else (2, 1))))
        tones = plan_frequencies(64, config.band_low, config.band_high, "geometric")
        for alternating, text, colour in ((True, "head to tail", _BLUE), (False, "head to head", _RED)):
            found = leakage(tones, config.damping, alternating)
            left.plot(1e-6 * tones, found, ".-", ms=3, lw=0.8, color=colour, label=text)
            counts = [2, 4, 8, 16, 32, 64, 128]
            ratio = (config.band_high / config.band_low) ** (1 / 63)
            edge = []
            for n in counts:
                plan = config.band_low * ratio ** np.arange(n)
                edge.append(float(leakage(tones.new_tensor(plan), config.damping, alternating).abs().max()))
            right.plot(counts, edge, "o-", ms=4, color=colour)
        left.axhline(0, color=_INK, lw=0.6)
        left.set(xlabel="tone (MHz)", ylabel="response of the other diodes / K")
        left.legend(frameon=False, fontsize=8)
        right.set(xscale="log", xlabel="diodes in the chain", ylabel="largest response / K", ylim=(0, None))
        _plain_log(right, np.array([2, 8, 32, 128]))

    caption = (
        "Cancellation of tails. Summed response, over the sensitivity K, of all other diodes to each tone when every "
        "diode stands on its own tone. Left, or above: 64 tones of the perceptron. Right, or below: largest over a "
        "chain of so many tones at the same ratio: bounded head to tail, growing head to head."
    )
    return Figure("cancellation", caption, draw, "Head to tail: tails cancel", 3.4, 5.8)


def _imperfect(config: Any, results: Results) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        names = list(devices_of(config))
        noisy = devices_of(config)["noise"]
        titles = {
            "ideal": "ideal", "noise": f"noise, {noisy.temperature:g} K, {1e6 * noisy.read_time:.2g} µs",
            "noise-passive": f"noise at {config.passive_sensitivity:g} V/W",
            "compression": f"compression, {config.compression:g} at full power",
            "power-law": f"power law {config.exponent:g}",
            "spread": f"spread, {100 * config.resonance_spread:g} % of resonance",
        }  # fmt: skip
        kinds = (("designed", "weights as designed", _GREY), ("tuned", "resonances corrected", _ORANGE),
                 ("calibrated", "weights as measured", _BLUE))  # fmt: skip
        for k, (kind, text, colour) in enumerate(kinds):
            values = [by_seed(config, results, "mac", f"{n}/{WIRINGS[0]}", kind).mean() for n in names]
            shown = np.maximum(values, 1e-3)
            ax.barh(np.arange(len(names)) + 0.27 * (k - 1), shown, 0.25, left=0, color=colour, label=text)
        wrap = " " if _wide(canvas) else "\n"
        ax.set_yticks(range(len(names)), [titles[n].replace(", ", "," + wrap, 1) for n in names])
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        ax.set(xscale="log", xlim=(1e-3, 60), xlabel="r.m.s. error (% of full range)")
        canvas.legend(loc="outside upper left", ncols=3 if _wide(canvas) else 1, frameon=False, fontsize=8)

    caption = (
        f"What else goes wrong, one thing at a time, tones {config.mac_distance:g} linewidths apart, head to tail. "
        "Bars that do not show are below 0.001 %. Corrected: resonances changed until weights measured tone by tone "
        "are the wanted ones. Measured: the product with the weights as they are."
    )
    return Figure("imperfections", caption, draw, "Imperfect diodes", 3.8, 5.4)


def _sweeps(config: Any, results: Results) -> Figure:
    def draw(canvas: Canvas) -> None:
        axes = np.ravel(canvas.subplots(*((1, 3) if _wide(canvas) else (3, 1))))
        # of the seeds that the sweeps take
        ideal, none = (
            by_seed(config, results, f"perceptron/{name}", "held_out")[: config.sweep_seeds].mean()
            for name in ("with", "without")
        )
        for sweep, text, colour in (("spacing", "by damping", _BLUE), ("band", "by band", _RED)):
            for part, style in (("held_out", "o-"), ("train", "o:")):
                label = text if part == "held_out" else None
                _curve(axes[0], config, results, sweep, "", part, style, colour, label)
        axes[0].axhline(none, color=_GREY, lw=1, ls="--", label="no crosstalk")
        axes[0].set_xlabel("distance of tones\n(full linewidths)")
        for rule in SPREAD_RULES:
            for part, style in (("held_out", "o-"), ("train", "o:")):
                text, colour = _RULES[rule]
                _curve(
                    axes[1], config, results, "spread", rule, part, style, colour, text if style == "o-" else None, 100
                )
        axes[1].axhline(ideal, color=_GREY, lw=1, ls="--", label="no spread")
        axes[1].set_xlabel("spread of resonances\n(% of frequency)")
        for part, style in (("held_out", "o-"), ("train", "o:")):
            _curve(axes[2], config, results, "symmetric", "", part, style, _BLUE, None)
        axes[2].axhline(ideal, color=_GREY, lw=1, ls="--", label="no symmetric part")
        axes[2].set_xlabel("symmetric / dispersive\nline (1)")
        for ax in axes:
            ax.set(ylim=(0, 102) if ax is axes[1] else (90, 100.4))
            ax.legend(frameon=False, fontsize=8, loc="lower right" if ax is not axes[1] else "lower left")
        for ax in axes if not _wide(canvas) else axes[:1]:
            ax.set_ylabel("images recognised (%)")

    caption = (
        "Perceptron of 64 tones: held-out images (lines) and training images (dotted), mean over "
        f"{config.sweep_seeds} seeds. Distance of tones by the damping at the full band, or by the band at a damping "
        f"of {config.damping:g}. Spread: a network trained on ideal diodes (plain) or on virtual chips and written "
        f"to {config.chips} chips, or chips in the loop with the gradient of the ideal diode or of "
        "the chip itself. Dashed: ideal perceptron. The middle "
        "axis starts at zero."
    )
    return Figure("perceptron", caption, draw, "What the perceptron needs", 3.8, 8.4)


def _curve(
    ax: Axes, config: Any, results: Results, sweep: str, rule: str, part: str, style: str, colour: str,
    label: str | None, unit: float = 1,
) -> None:  # fmt: skip
    values = list(getattr(config, f"sweep_{sweep}"))
    if not values:
        return
    jobs = ["/".join(p for p in ("perceptron", sweep, rule, f"{v:g}") if p) for v in values]
    found = [by_seed(config, results, job, part) for job in jobs]
    mean = [v.mean() for v in found]
    spread = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in found]
    x = unit * np.array(values)
    ax.errorbar(x, mean, yerr=spread if part == "held_out" else None, fmt=style, ms=3, lw=1, capsize=2, color=colour,
                label=label)  # fmt: skip
    ax.set_xscale("log")
    _plain_log(ax, x)


def _extreme(config: Any, results: Results) -> Figure:
    def draw(canvas: Canvas) -> None:
        axes = np.ravel(canvas.subplots(*((1, 2) if _wide(canvas) else (2, 1)), sharey=True))
        sweeps = (("hidden neurons", config.sweep_hidden), ("noise on a pixel (1: full scale)", config.sweep_noise))
        for ax, (label, values) in zip(axes, sweeps, strict=True):
            sizes = values is config.sweep_hidden
            cases = [f"{config.image_noise:g}/{v}" if sizes else f"{v:g}/{config.hidden}" for v in values]
            for kind in KINDS:
                text, colour = _EXTREME[kind]
                found = [by_seed(config, results, f"extreme/{case}", kind, "held_out") for case in cases]
                spread = [v.std(ddof=1) if len(v) > 1 else 0.0 for v in found]
                mean = [v.mean() for v in found]
                ax.errorbar(values, mean, yerr=spread, fmt="o-", ms=4, lw=1, capsize=3, color=colour, label=text)
            if sizes:
                ax.set_xscale("log")
                _plain_log(ax, np.array(values))
            ax.set_xlabel(label)
        for ax in axes if not _wide(canvas) else axes[:1]:
            ax.set_ylabel("held-out images\nrecognised (%)")
        axes[0].legend(frameon=False, fontsize=8, loc="lower right")

    caption = (
        "Extreme learning of noisy 8x8 digits sent as 64 tones: hidden chains with the spread of fabrication as "
        f"weights and oscillators as neurons, read-out in closed form. Left, or above: noise {config.image_noise:g}; "
        f"right, or below: {config.hidden} hidden neurons. Bars: standard deviation over seeds."
    )
    return Figure("extreme-learning", caption, draw, "Extreme learning", 3.6, 6.2)


def _wide(canvas: Canvas) -> bool:
    return canvas.get_figwidth() > 5


def _plain_log(ax: Axes, values: np.ndarray) -> None:
    """Ticks at some of the values themselves instead of powers of ten."""
    step = max(1, len(values) // 5)
    shown = values[::step]
    ax.set_xticks(shown, [f"{v:g}" for v in shown])
    ax.set_xticks([], minor=True)
