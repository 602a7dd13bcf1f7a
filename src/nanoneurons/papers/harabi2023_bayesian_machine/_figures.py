"""Figures of the reproduction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Figure

from ._layout import layout_figure
from ._quantities import KINDS, MODES, each, seeds_of
from ._stops import STOPS

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

__all__ = ["figures"]

_COLOURS = {"float": "#222222", "full": "#4477aa", "first": "#ee6677", "logarithmic": "#228833", "column": "#aa3377"}
_NAMES = {
    "float": "floating point", "full": "255 cycles", "first": "early stop", "logarithmic": "logarithmic",
    "full-column": "255 cycles, rescaled by column",
}  # fmt: skip
_TASKS = {
    "four": "four\ndigits", "ten": "ten\ndigits", "own": "watch,\nown", "pooled": "watch,\npooled",
    "stranger": "watch,\nstranger",
}  # fmt: skip


def figures(config: Any, results: dict[str, dict]) -> list[Figure]:
    """All figures."""
    return [
        layout_figure(), _overview(config, results), _cycles(config, results), _errors(config, results, "stored"),
        _errors(config, results, "upset"), _decision(config, results), _confusion(config, results),
        _small(config, results), _powers(config, results), _energy(config, results),
    ]  # fmt: skip


def _spread(values: np.ndarray) -> np.ndarray:
    return values.std(0, ddof=1) if len(values) > 1 else np.zeros(values.shape[1:])


def _overview(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for number, mode in enumerate(("float", *MODES)):
            own = [each(config, results, k, lambda r, m=mode: r["accuracy"][m]) for k in ("four", "ten")]
            own += [each(config, results, "people", lambda r, k=k, m=mode: r[k][m]) for k in KINDS]
            found = np.array(own).T
            ax.errorbar(
                np.arange(len(own)) + 0.16 * (number - 1.5), found.mean(0), _spread(found), fmt="o", ms=5, capsize=2,
                color=_COLOURS[mode], label=_NAMES[mode],
            )  # fmt: skip
        ax.set_xticks(range(len(_TASKS)), list(_TASKS.values()))
        ax.set(ylabel="gestures recognised (%)", ylim=(40, 102))
        ax.grid(False, axis="x")
        ax.legend(frameon=False, ncols=2, loc="lower left")

    return Figure(
        "gestures",
        "Recognition of held-out gestures: digits drawn in the air by one person (takes left out), and six gestures of "
        "four people with a watch, from one session to another: a machine for each person (own), one for all (pooled), "
        "and one that has never seen the person (stranger). Bars: standard deviation over seeds (divisions of the "
        "takes and register seeds; for the watch registers only). The authors' recordings are not public.",
        draw, "Gestures", 3.8,
    )  # fmt: skip


def _cycles(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        upper, lower = canvas.subplots(2, 1, sharex=True, height_ratios=(2, 1))
        for mode in ("full", "first"):
            found = each(config, results, "four", lambda r, m=mode: r["curves"][m])
            upper.errorbar(
                config.cycles, found.mean(0), _spread(found), fmt="o-", ms=3, lw=1.2, color=_COLOURS[mode],
                label={"full": "counts compared at the end", "first": "stopped at the first one"}[mode],
            )  # fmt: skip
        exact = each(config, results, "four", lambda r: r["accuracy"]["float"]).mean()
        upper.axhline(exact, color=_COLOURS["float"], lw=1, ls="--", label="floating point")
        stopped = [each(config, results, "stops", lambda r, k=k: r[k]).mean(0) for k in ("cycles", "accuracy")]
        upper.plot(*stopped, "s", ms=5, color="#ccbb44", label=f"stopped at {', '.join(map(str, STOPS))} ones (mean)")
        upper.set(ylabel="recognised (%)", xscale="log")
        upper.legend(frameon=False, loc="lower right")
        counts = each(config, results, "four", lambda r: r["first_cycles"]).sum(0)
        share = 100 * np.cumsum(counts[1:]) / counts.sum()
        lower.step(np.arange(1, 256), share, where="post", color=_COLOURS["first"])
        lower.set(xlabel="cycles", ylabel="decided (%)", ylim=(0, 103))

    return Figure(
        "cycles",
        "Four digits. Upper: recognition against the length of a run (squares: against the mean cycles of a "
        "run that stops when a row has counted so many ones); bars: standard deviation over seeds. Lower: "
        "share of decisions made by early stop up to a cycle, all seeds and registers together.",
        draw, "Accuracy against cycles", 4.6,
    )  # fmt: skip


def _errors(config: Any, results: dict[str, dict], kind: str) -> Figure:
    rates = config.bit_errors if kind == "stored" else config.upsets

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for mode in MODES + (("full-column",) if kind == "stored" else ()):
            found = each(config, results, "robustness", lambda r, m=mode: r[kind][m])
            colour = _COLOURS["column" if mode == "full-column" else mode]
            base = each(config, results, "robustness", lambda r, m=mode: r["base"][m]).mean()
            ax.axhline(base, color=colour, lw=0.8, ls=":")
            ax.errorbar(rates, found.mean(0), _spread(found), fmt="o-", ms=4, lw=1.2, color=colour, label=_NAMES[mode])
        if kind == "stored":
            ax.axvline(1e-3, color="#888888", lw=0.8)
            ax.set_xlabel("share of wrong stored bits")
        else:
            bits = 8 * (config.columns + 4)
            ax.axvline(1 / (255 * bits), color="#888888", lw=0.8, ls="--")
            ax.set_xlabel("upsets per register bit and cycle")
        ax.set(xscale="log", ylabel="recognised (%)")
        canvas.legend(frameon=False, loc="outside lower center", ncols=2)

    what = (
        "wrong bits in the memory. Grey line: 1e-3, up to which accuracy should be flat. The same tables rescaled by "
        "column, as published, leave most samples undecided here, whatever the errors"
        if kind == "stored"
        else "upsets of registers (random numbers and counters, or sums). Dashed: one upset in a decision of 255 cycles"
    )
    caption = f"Four digits: recognition against {what}. Dotted: without errors; bars: standard deviation over seeds."
    title = "Wrong stored bits" if kind == "stored" else "Upsets of registers"
    return Figure(f"errors-{kind}", caption, draw, title, 3.8)


def _decision(config: Any, results: dict[str, dict]) -> Figure:
    example = results[f"four/seed{config.first_seed}"]["example"]

    def draw(canvas: Canvas) -> None:
        narrow = canvas.get_figwidth() < 5
        left, right = canvas.subplots(2, 1) if narrow else canvas.subplots(1, 2)
        bits, colours = np.array(example["bits"]), ("#4477aa", "#ee6677", "#228833", "#ccbb44")
        place = np.arange(bits.shape[1])[::-1]
        for row, own in enumerate(bits):
            left.plot(own, place, "o", color=colours[row % 4], ms=6, label=f"digit {row + 1}")
        left.axvline(0, color="#222222", lw=0.8)
        left.set_yticks(place, [_folded(name) for name in example["features"]], fontsize=7)
        left.set_xlabel("evidence (bits over the mean)")
        left.set_ylim(-0.6, bits.shape[1] - 0.4)
        for row, own in enumerate(np.array(example["counts"]).T):
            right.plot(np.arange(1, len(own) + 1), own, color=colours[row % 4], label=f"digit {row + 1}")
        right.set(xlabel="cycle", ylabel="ones counted")
        right.legend(frameon=False)

    return Figure(
        "decision",
        f"One decision on a held-out take of digit {example['class'] + 1}. Left: logarithm (base 2) of the likelihood "
        "of each observation under each hypothesis, less the mean over hypotheses. Right: the four counters over 255 "
        "cycles.",
        draw, "Why a digit was recognised", 3.6, 6.4,
    )  # fmt: skip


def _folded(name: str) -> str:
    return name.replace(" of ", "\nof ")


def _confusion(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        table = each(config, results, "ten", lambda r: r["confusion"]).mean(0)
        share = 100 * table / table.sum(1, keepdims=True)
        image = ax.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for row, column in np.argwhere(share >= 0.5):
            dark = share[row, column] > 50
            text = f"{share[row, column]:.0f}"
            ax.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "#222222")
        ax.set(xlabel="digit decided for", ylabel="digit drawn")
        ax.set_xticks(range(len(share)))
        ax.set_yticks(range(len(share)))
        ax.grid(False)
        canvas.colorbar(image, ax=ax, fraction=0.046, label="% of the takes of a digit")

    seeds = len(seeds_of(config))
    return Figure(
        "confusion",
        f"Ten digits, 255 cycles: what was decided for each digit, in % of its held-out takes (mean over {seeds} "
        "seeds; shares below 0.5 % are left empty). Undecided samples count as digit 0.",
        draw, "Confusion of ten digits", 4.6,
    )  # fmt: skip


def _small(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        for name in MODES:
            found = each(config, results, "small", lambda r, n=name: r[n])
            ax.errorbar(
                config.small_products, found.mean(0), _spread(found), fmt="o-", ms=4, lw=1.2, color=_COLOURS[name],
                label=f"{_NAMES[name]}, right",
            )  # fmt: skip
        found = each(config, results, "small", lambda r: r["undecided"])
        ax.plot(config.small_products, found.mean(0), "s:", ms=4, color="#888888", label="undecided after 255 cycles")
        ax.axvline(1 / 255, color="#888888", lw=0.8, ls="--")
        ax.set(xscale="log", xlabel="largest product of likelihoods", ylabel="machines (%)")
        ax.invert_xaxis()
        canvas.legend(frameon=False, loc="outside lower center", ncols=2)

    return Figure(
        "small-probabilities",
        "Constructed machines whose best hypothesis has the given product, the next one a third of it or less: share "
        "that decides as floating point does. Early stop takes the first row with a one (of several the lowest), so "
        "that a hypothesis three times less likely often wins. Dashed: 1/255. Bars: standard deviation over seeds.",
        draw, "Small probabilities", 3.8,
    )  # fmt: skip


def _powers(config: Any, results: dict[str, dict]) -> Figure:
    def draw(canvas: Canvas) -> None:
        names = list(results[f"powers/seed{config.first_seed}"])
        narrow = canvas.get_figwidth() < 5
        axes = canvas.subplots(2, 1) if narrow else canvas.subplots(1, 2, sharey=True)
        for ax, digits in zip(axes, ("four", "ten"), strict=True):
            for name, style in zip([n for n in names if n.startswith(digits)], ("-", "--"), strict=False):
                features = f"{name.partition('-')[2]} features"
                for mode in ("float", "full", "first"):
                    found = each(config, results, "powers", lambda r, n=name, m=mode: r[n][m]).mean(0)
                    label = f"{_NAMES[mode]}, {features}" if digits == "four" else None
                    colour = _COLOURS[mode]
                    if mode == "float":
                        ax.axhline(found[0], color=colour, lw=1.2, ls=style, label=label)
                    else:
                        ax.plot(config.powers, found[:-1], f"o{style}", ms=3, lw=1.2, color=colour, label=label)
            ax.set(title=f"{digits} digits", ylabel="recognised (%)" if narrow or digits == "four" else "")
            if digits == "ten" or not narrow:
                ax.set_xlabel("power of the likelihoods")
        canvas.legend(frameon=False, loc="outside lower center", ncols=1 if narrow else 2)

    return Figure(
        "powers",
        "Recognition when a power of every likelihood is stored. Exact products would decide as before (black); with "
        "random bits larger products are rarely all zero, so the run of 255 cycles comes close to floating point with "
        "many features as well, while early stop mistakes more. Means over seeds; not in the publications.",
        draw, "A root of the likelihoods", 4.4, 7.5,
    )  # fmt: skip


def _energy(config: Any, results: dict[str, dict]) -> Figure:
    first = results[f"robustness/seed{config.first_seed}"]

    def draw(canvas: Canvas) -> None:
        ax = canvas.subplots()
        runs = {m: each(config, results, "robustness", lambda r, m=m: sum(r["energy"][m].values())) for m in MODES}
        totals = {_NAMES[m]: float(run.mean()) for m, run in runs.items()}
        names = [*totals, *(o["title"].replace(", ", ",\n") for o in first["others"])]
        joule = [*totals.values(), *(o["joule"] for o in first["others"])]
        colours = [_COLOURS[m] for m in MODES] + ["#888888"] * len(first["others"])
        ax.barh(np.arange(len(names)), 1e9 * np.array(joule), color=colours, height=0.6)
        for row, value in enumerate(joule):
            ax.text(1.15e9 * value, row, f"{1e9 * value:.3g}", va="center", fontsize=8)
        ax.set_yticks(range(len(names)), names, fontsize=8)
        ax.invert_yaxis()
        ax.set(xscale="log", xlabel="energy of a decision (nJ)", xlim=(5e-3, 5e3))
        ax.grid(False, axis="y")

    return Figure(
        "energy",
        "Energy of one decision on four digits. Machine: 130 nm at 1.2 V, cells of an open library, memory unverified; "
        "the others as the table says. Finding the bin of a feature is left out everywhere.",
        draw, "Energy", 3.8,
    )  # fmt: skip
