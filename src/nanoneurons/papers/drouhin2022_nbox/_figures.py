"""Figures of the reproduction."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.devices.nbox import NbOxNeuron
from nanoneurons.papers._paper import Figure

from . import _protocols

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["behaviours_figure", "chance_figure", "portrait_figure", "shares_figure"]

_BLUE, _ORANGE, _GREEN, _RED, _GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#8a8f98"
_TITLES = {
    "tonic": "tonic spiking",
    "stochastic": "stochastic spiking",
    "lif": "leaky integrate-and-fire",
    "latency": "spike latency",
    "integration": "temporal integration",
    "burst": "phasic bursting",
}
_CONDITIONS = {
    "device_to_device": ("device-to-device spread", _BLUE),
    "cycle_to_cycle": ("cycle-to-cycle jitter", _ORANGE),
    "thermal_noise": ("thermal noise", _GREEN),
    "all": ("all", _GREY),
}


def _narrow(canvas: Canvas) -> bool:
    return canvas.get_figwidth() < 5


def behaviours_figure(traces: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """One panel per behaviour: currents over time, one above the other, each over its source voltage."""

    def draw(canvas: Canvas) -> None:
        columns = 1 if _narrow(canvas) else 2
        axes = np.ravel(canvas.subplots(6 // columns, columns))
        for ax, name in zip(axes, _protocols.BEHAVIOURS, strict=True):
            found = traces[name]
            high = max(max(trace["current"]) for trace in found) * 1e3
            pitch = 1.55 * high
            for place, trace in enumerate(found):
                base = pitch * (len(found) - 1 - place)
                drive = np.array(trace["drive"])
                grid = _protocols.DT * 1e6 * np.arange(len(drive) + 1)
                level = 0.22 * high * np.append(drive, drive[-1]) / max(drive.max(), 1e-9)
                ax.fill_between(grid, base - 0.3 * high, base - 0.3 * high + level, step="post", color="#d5d8dd", lw=0)
                current = 1e3 * np.array(trace["current"])
                time = grid[-1] * np.arange(1, len(current) + 1) / len(current)
                ax.plot(time, base + current, color=_BLUE, lw=1.1)
                spikes = 1e6 * np.array(trace["spikes"])
                ax.plot(spikes, np.full(len(spikes), base + 1.1 * high), "v", ms=4, color=_RED)
                quiet = current[int(0.7 * len(current)) :].max() < 0.6 * high  # room for the label at the end
                place_of = {"x": grid[-1], "ha": "right"} if quiet else {"x": 0.0, "ha": "left"}
                ax.text(y=base + 0.72 * high, s=trace["label"], fontsize=8, color="#3a3f47", **place_of)
            ax.set_yticks([0, 0.5 * math.ceil(high)], ["0", f"{0.5 * math.ceil(high):g}"])
            ax.set_ylim(-0.4 * high, pitch * (len(found) - 1) + 1.2 * high)
            ax.set_title(_TITLES[name], fontsize=10)
            ax.grid(axis="y", visible=False)
            ax.set_ylabel("current (mA)", fontsize=9)
            ax.set_xlabel("time (µs)", fontsize=9)

    caption = (
        "One device, six stimuli. Blue: current through the device, traces of one panel one above the other on the "
        "same scale; grey: source voltage behind the load; marks: spikes, where the temperature passes 450 K. "
        f"Stochastic spiking: trials at the same bias of {_protocols.BIAS:g} V, each in a cycle of its own; near "
        "the onset of oscillation the amplitude grows continuously, so what counts as a spike is a choice."
    )
    return Figure("behaviours", caption, draw, "Six behaviours of one device", height=8.2, narrow_height=13.5)


def portrait_figure(portraits: Sequence[Mapping[str, Any]], edges: Sequence[float]) -> Figure:
    """Nullclines, trajectories and fixed points of tonic spiking and of the burst."""

    def draw(canvas: Canvas) -> None:
        narrow = _narrow(canvas)
        axes = canvas.subplots(2 if narrow else 1, 1 if narrow else 2, sharey=True)
        for ax, found in zip(np.ravel(axes), portraits, strict=True):
            t = found["temperature"]
            ax.plot(t, found["electrical"], color=_ORANGE, lw=1.6, label="$dv/dt = 0$")
            ax.plot(t, found["thermal"], color=_GREEN, lw=1.6, label="$dT/dt = 0$")
            ax.plot(*found["path"], color=_BLUE, lw=0.9, label="trajectory from rest")
            stable = found["growth"] < 0
            ax.plot(*found["point"], "o", ms=7, mfc="#1f2328" if stable else "white", mec="#1f2328", zorder=5,
                    label="fixed point (filled: stable)" if stable else None)  # fmt: skip
            word = "stable focus" if stable else "unstable focus"
            time = 1e9 / abs(found["growth"])
            ax.set_title(f"{found['source']:g} V: {word}, {time:.0f} ns, {found['turn'] / 2e6 / math.pi:.1f} MHz",
                         fontsize=10)  # fmt: skip
            ax.set_ylim(0.6, 1.35)
            ax.set_xlim(280, 1150)
            ax.set_xlabel("temperature (K)")
            ax.set_ylabel("node voltage (V)")
        handles, labels = np.ravel(axes)[-1].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=2)

    caption = (
        "Why a step to a high voltage ends in a burst. The fixed point, where the nullclines cross, is unstable "
        f"between {edges[0]:.3f} V and {edges[1]:.3f} V, and the trajectory goes round it for ever (tonic spiking). "
        "Beyond, it is stable but weakly damped: from rest the trajectory swings around it a few times, each "
        "turn a spike, and stays there, conducting and silent. The titles say in which time a small deviation grows or "
        "dies away by e, and how often it turns."
    )
    return Figure("portrait", caption, draw, "Phase portraits of tonic spiking and phasic bursting", height=4.2,
                  narrow_height=7.6)  # fmt: skip


def chance_figure(
    biases: Sequence[float], counts: Mapping[str, np.ndarray], total: int, critical: Sequence[float], device: NbOxNeuron
) -> Figure:
    """Probability to fire against bias, with intervals and the law of the jitter alone."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        x = np.array(biases)
        for kind, colour, label in (
            ("thermal", _GREEN, "thermal noise alone"),
            ("all", _BLUE, "with jitter"),
        ):
            share = counts[kind] / total
            ends = np.array([_protocols.wilson(int(n), total) for n in counts[kind]])
            bars = np.abs(ends.T - share)
            ax.errorbar(x, 100 * share, yerr=100 * bars, fmt="o", ms=4.5, capsize=3, color=colour, label=label)
        z = (np.array(critical) - device.activation) / max(device.activation_jitter, 1e-12)
        law = [50 * math.erfc(-v / math.sqrt(2)) for v in z]
        ax.plot(x, law, color=_ORANGE, lw=1.4, zorder=1, label="expected of the jitter")
        ax.locator_params(axis="x", nbins=4 if _narrow(canvas) else 8)
        ax.set_xlabel("bias (V)")
        ax.set_ylabel("trials with a spike (%)")
        ax.set_ylim(-4, 104)
        ax.legend(loc="lower right")

    caption = (
        f"Probability that a step to the bias makes the device fire, {total} trials per point, with Wilson's 95 % "
        "intervals. Line: probability that the activation energy of a cycle lies below the critical one of that bias, "
        "which is found without noise."
    )
    return Figure("chance", caption, draw, "Stochastic spiking")


def shares_figure(shown: Mapping[str, np.ndarray], devices: int) -> Figure:
    """Share of devices that show each behaviour, one bar per imperfection."""

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        names = list(shown)
        for n, name in enumerate(names):
            label, colour = _CONDITIONS[name]
            place = np.arange(len(_protocols.BEHAVIOURS)) + 0.2 * (n - 1.5)
            ax.barh(place, shown[name].mean(0), height=0.18, color=colour, label=label)
            for seed in shown[name]:
                ax.plot(seed, place, "|", ms=6, color="#1f2328")
        ax.set_yticks(range(len(_protocols.BEHAVIOURS)), [
            _TITLES[b].replace(" ", "\n", 1) if _narrow(canvas) else _TITLES[b] for b in _protocols.BEHAVIOURS
        ])  # fmt: skip
        ax.invert_yaxis()
        ax.set_xlim(0, 102)
        ax.set_xlabel("devices that show it (%)")
        ax.grid(axis="y", visible=False)
        canvas.legend(loc="outside lower center", ncols=2)

    caption = (
        f"Share of {devices} devices that show each behaviour under stimuli fixed for the nominal device, with one "
        "imperfection at a time and with all. Ticks: seeds. Chance needs jitter: without it a device at a given bias "
        "fires always or never."
    )
    return Figure("shares", caption, draw, "What spread and noise leave of the six behaviours", height=4.6,
                  narrow_height=5.2)  # fmt: skip
