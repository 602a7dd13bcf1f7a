"""Figures of the reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

from . import _drone, _quantities

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

__all__ = ["figures"]

_NETWORK, _SOFTWARE = "#4477aa", "#666666"
_STYLES = {
    "software": ("plain, written blind", "#bb5566", "o", "-"),
    "injected": ("virtual chips, written blind", "#aa3377", "v", "-"),
    "tuned": ("plain, measured and tuned", "#ccbb44", "s", "-"),
    "ideal-twin": ("ideal twin (the paper's)", "#ee7733", "D", "-"),
    "calibrated-twin": ("twin as measured", "#66ccee", "^", "--"),
    "calibrated-tuned": ("tuned, then twin as measured", "#228833", "P", "-"),
}
_TITLES = {
    "all": "all three", _drone.SHARED: "all three, one resonance\nper position", "emission": "emission frequency alone",
    "resonance": "resonance alone", "gain": "gain alone",
}  # fmt: skip
_TERMS = {
    "oscillators": "#4477aa", "neurons": "#4477aa", "synapses of layer 1": "#66ccee", "synapses": "#66ccee",
    "synapses of layer 2": "#228833", "amplifiers": "#ee7733", "conversion": "#ccbb44", "transform": "#aa3377",
    "arithmetic": "#bb5566", "weights from memory": "#bbbbbb", "receiver": "#ccbb44", "processor": "#bb5566",
}  # fmt: skip


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """Learning curves, accuracy against spread, the plane, energy."""
    return [_curves(config, results), _spread(config, results), _plane(config, results), _energy(config, results)]


def _curves(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        epochs = np.arange(1, config.epochs + 1)
        for kind, label, colour in (("software", "perceptron", _SOFTWARE), ("ideal", "RF network", _NETWORK)):
            runs = _quantities.curves(config, results, kind)
            mean, spread = runs.mean(0), runs.std(0, ddof=1 if len(runs) > 1 else 0)
            ax.plot(epochs, mean, color=colour, label=label)
            ax.fill_between(epochs, mean - spread, np.minimum(mean + spread, 100), color=colour, alpha=0.25, lw=0)
        ax.set(xlabel="epoch", ylabel="test accuracy (%)", ylim=(80, 100.3), xlim=(1, config.epochs))
        ax.legend(frameon=False, loc="lower right")

    caption = (
        "Test accuracy on drone spectra after every epoch: the network of resonators and oscillators without "
        "non-idealities, and a perceptron of the same size. Lines: mean over seeds, bands: standard deviation."
    )
    return Figure("learning-curves", caption, draw, "Learning the drones")


def _spread(config: Any, results: dict[str, dict]) -> Figure:
    kinds = [k for k in _TITLES if _quantities.levels_of(config, k)]
    ideal = _quantities.curves(config, results, "ideal")[:, -config.averaged :].mean()

    def draw(canvas: Canvas) -> None:
        from matplotlib.lines import Line2D

        wide = canvas.get_figwidth() > 5
        columns = 3 if wide else 2
        axes = np.ravel(canvas.subplots(-(-len(kinds) // columns), columns, sharey=True, squeeze=False))
        for n, (ax, kind) in enumerate(zip(axes, kinds, strict=False)):
            _draw_spread(ax, config, results, kind, ideal)
            if n % columns == 0:
                ax.set_ylabel("test accuracy (%)", fontsize=8)
            if n >= len(kinds) - columns:
                ax.set_xlabel("spread (%)", fontsize=8)
        for ax in axes[len(kinds) :]:
            ax.axis("off")
        lines = [Line2D([], [], color=c, marker=m, ls=s, ms=4, label=t) for t, c, m, s in _STYLES.values()]
        lines.append(Line2D([], [], color="#666666", lw=1, ls=":", label="no spread"))
        canvas.legend(handles=lines, loc="outside lower center", ncols=3 if wide else 1, frameon=False, fontsize=8)

    caption = (
        "Test accuracy against the spread of emission frequencies, resonances and gains, by training: mean over "
        f"{config.chips} chips of each of {len(_quantities.seeds_of(config, True))} seeds; bars: 95 % intervals of the "
        "mean over seeds. Every junction has a deviation of its own, except where one per position is said, the "
        "convention of the authors' program."
    )
    return Figure("spread", caption, draw, "What non-idealities cost", 5.6, 8.4)


def _draw_spread(ax: Axes, config: Any, results: dict[str, dict], kind: str, ideal: float) -> None:
    from scipy.stats import t

    levels = _quantities.levels_of(config, kind)
    for method in _drone.methods_of(kind):
        _, colour, mark, line = _STYLES[method]
        runs = np.array([_quantities.accuracies(config, results, kind, v, method).mean(1) for v in levels])
        seeds = runs.shape[1]
        half = t.ppf(0.975, seeds - 1) * runs.std(1, ddof=1) / seeds**0.5 if seeds > 1 else 0 * runs[:, 0]
        ax.errorbar([100 * v for v in levels], runs.mean(1), yerr=half, color=colour, marker=mark, ms=4, ls=line,
                    lw=1.2, capsize=2)  # fmt: skip
    ax.axhline(ideal, color="#666666", lw=1, ls=":")
    ax.set_xscale("log")
    ax.set_xticks([100 * v for v in levels], [f"{100 * v:g}" for v in levels])
    ax.set_xticks([], minor=True)
    ax.set(ylim=(0, 103), xlim=(70 * min(levels), 140 * max(levels)))
    ax.set_title(_TITLES[kind], fontsize=9)
    ax.tick_params(labelsize=8)


def _plane(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        narrow = canvas.get_figwidth() < 5
        axes = canvas.subplots(*((2, 1) if narrow else (1, 2)), sharex=True, sharey=True)
        shown = None
        for ax, (kind, title) in zip(
            axes,
            (("two-layers", "nine junctions, two layers"), ("one-layer", "three junctions, one layer")),
            strict=True,
        ):
            run = results[f"plane/{kind}/seed0"]
            shown = ax.imshow(
                run["map"], origin="lower", extent=(0, 1, 0, 1), cmap="PuOr", vmin=0, vmax=1, aspect="equal"
            )
            points = np.array(run["points"])
            for label, face in ((1, "black"), (0, "white")):
                p = points[points[:, 2] == label]
                ax.scatter(p[:, 0], p[:, 1], s=9, c=face, edgecolors="black", linewidths=0.5)
            w = config.plane_half_width
            for a, b in (((0, w), (1 - w, 1)), ((w, 0), (1, 1 - w))):
                ax.plot((a[0], b[0]), (a[1], b[1]), color="black", lw=0.8, ls="--")
            ax.set(xlim=(0, 1), ylim=(0, 1), ylabel="power of tone 2 (µW)")
            ax.set_title(f"{title}: {100 * run['test'][0]:.1f} %", fontsize=9)
            ax.grid(False)
        axes[-1].set_xlabel("power of tone 1 (µW)")
        if not narrow:
            axes[0].set_xlabel("power of tone 1 (µW)")
            axes[1].set_ylabel("")
        assert shown is not None
        canvas.colorbar(shown, ax=list(axes), shrink=0.7, label="power of the last oscillator / largest")

    caption = (
        "What the first chip of seed 0 answers over the plane of the two powers after its training, with noise and "
        "spread of its devices; it says inside where the last oscillator emits more than half. Dashed: the edges of "
        "the wanted band. Dots: 200 of the test points, black where inside is right."
    )
    return Figure("plane", caption, draw, "Nine junctions in the plane of two powers", 3.6, 6.2)


def _energy(config: Any, results: dict[str, dict]) -> Figure:
    systems = _quantities.energy_systems(config, results)

    def draw(canvas: Canvas) -> None:
        wide = canvas.get_figwidth() > 5
        ax = canvas.subplots()
        for n, system in enumerate(systems):
            height = 0.8 / len(system.terms)
            for k, term in enumerate(system.terms):
                at, size = n - 0.4 + (k + 0.5) * height, 1e9 * term.joule
                ax.barh(at, size, height, color=_TERMS[term.name])
                if wide:
                    ax.text(1.25 * size, at, term.name, va="center", fontsize=6.5)
        names = [f"{s.name}: {_amount(s.joule)}" for s in systems]
        if not wide:
            names = [
                n.replace(" + ", " +\n").replace(" (", "\n(").replace(", ", ",\n").replace(": ", ":\n") for n in names
            ]
        ax.set_yticks(range(len(systems)), names, fontsize=8)
        ax.set_xscale("log")
        ax.set(xlabel="energy of one spectrum (nJ)", xlim=(1e-3, 2e7 if wide else 2e6))
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        if not wide:
            from matplotlib.patches import Patch

            used = dict.fromkeys(t.name for s in systems for t in s.terms)
            handles = [Patch(fc=_TERMS[name], label=name) for name in used]
            canvas.legend(handles=handles, loc="outside lower center", ncols=2, fontsize=7, frameon=False)

    caption = (
        "Energy to classify one spectrum by cause, beside the names the sum. The two lines of this network differ "
        "only in the time of a reading. Scaled junctions are the authors' projection for 20 nm, without amplifiers; "
        "such junctions do not resonate at the 20 to 120 MHz simulated here. The boards work through a frame of 2.56 "
        "µs at full power."
    )
    return Figure("energy", caption, draw, "Energy beside digital receivers", 5.2, 7.4)


def _amount(joule: float) -> str:
    return (
        f"{1e9 * joule:.2g} nJ"
        if joule < 1e-7
        else f"{1e6 * joule:.2f} µJ"
        if joule < 1e-6
        else f"{1e6 * joule:.0f} µJ"
    )
