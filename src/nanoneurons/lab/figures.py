"""The figures of an audit, each drawn from the content of ``rows.json`` alone."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from .device_figures import energy_picture, response_picture
from .drawing import BLUE, GREY, INK, ORANGE, RED, TEAL, Picture, axes, is_narrow
from .emission import emission_picture
from .resonances import resonance_picture
from .uncertainty_figure import fit_picture
from .words import number

__all__ = ["audit_pictures"]

Result = dict[str, Any]


def audit_pictures(result: Result) -> list[Picture]:
    """All figures that this result has data for, in the order a talk would show them."""
    found = []
    if result["costs"]:
        found.append(_costs(result))
    found.append(_chips(result))
    if result.get("fit") is not None:
        found.append(fit_picture(result))
    if result["requirement"] is not None:
        found.append(_sensitivity(result))
    if result["study"]["chips"] > 1:
        found.append(_yield(result))
    found.append(energy_picture(result))
    response = result["response"]
    if response is not None:
        found.append(resonance_picture(response) if response.get("kind") == "resonances" else response_picture(result))
    if result.get("neuron") is not None:
        found.append(emission_picture(result["neuron"]))
    return found


def _wrapped(figure: Figure, text: str) -> str:
    return textwrap.fill(text, 16 if is_narrow(figure) else 30)


def _costs(result: Result) -> Picture:
    costs = result["costs"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        order = sorted(costs, key=lambda c: c["removed"]["points"])
        y = np.arange(len(order))
        for which, shift, colour, text in (
            ("removed", 0.19, BLUE, "gained when it is removed"),
            ("alone", -0.19, ORANGE, "lost when it acts alone"),
        ):
            mean = [c[which]["points"] for c in order]
            ax.barh(y + shift, mean, 0.36, color=colour, label=text)
            known = [i for i, c in enumerate(order) if c[which]["low"] is not None]
            if known:
                low = [mean[i] - order[i][which]["low"] for i in known]
                high = [order[i][which]["high"] - mean[i] for i in known]
                ax.errorbar(
                    [mean[i] for i in known], y[known] + shift, xerr=[low, high],
                    fmt="none", ecolor=INK, elinewidth=1.2, capsize=3,
                )  # fmt: skip
        ax.axvline(0, color=INK, linewidth=0.8)
        ax.set_yticks(y, [_wrapped(figure, c["label"]) for c in order])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("cost in points of accuracy")
        figure.legend(loc="outside upper left", ncols=1 if is_narrow(figure) else 2)

    return Picture(
        "costs",
        "What each imperfection costs",
        "Points of test accuracy gained when one imperfection is removed from the full device, and lost when it acts "
        "alone on the ideal one. Bars: 95 % intervals, paired over chips and test samples.",
        draw,
        height=1.3 + 0.62 * len(costs),
        narrow_height=1.6 + 0.72 * len(costs),
    )


def _chips(result: Result) -> Picture:
    rows = [r for r in result["rows"] if not r["condition"].startswith(("scale:", "fit:"))]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        for place, row in enumerate(reversed(rows)):
            accuracy = 100 * np.array(row["accuracy"])
            n = len(accuracy)
            spread = (np.arange(n) - (n - 1) / 2) / max(n, 6) * 0.55
            order = np.random.default_rng(place).permutation(n)  # scatter only; no number depends on it
            colour = _colour(row["condition"])
            ax.plot(accuracy, place + spread[order], "o", markersize=4, color=colour, alpha=0.55, markeredgewidth=0)
            ax.plot([accuracy.mean()], [place], "|", markersize=19, markeredgewidth=2.4, color=colour)
        ax.set_yticks(range(len(rows)), [_wrapped(figure, r["label"]) for r in reversed(rows)])
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="y", visible=False)
        ax.set_ylim(-0.6, len(rows) - 0.4)
        ax.xaxis.set_major_locator(MaxNLocator(5 if is_narrow(figure) else 8))
        ax.set_xlabel("test accuracy (%)")

    return Picture(
        "chips",
        "Accuracy, chip by chip",
        "One dot per chip, a line at the mean. Every condition uses the same chips.",
        draw,
        height=1.0 + 0.42 * len(rows),
        narrow_height=1.0 + 0.5 * len(rows),
    )


def _colour(condition: str) -> str:
    if condition == "full":
        return RED
    if condition in ("ideal", "software"):
        return TEAL
    return ORANGE if condition.startswith("only:") else BLUE


def _sensitivity(result: Result) -> Picture:
    need = result["requirement"]
    axis = need["axis"]
    x = np.array(axis["values"] if axis else need["factors"], float)
    unit = axis["unit"] if axis else "1"
    marks = {f: v for f, v in zip(need["factors"], x, strict=True)}

    def place(factor: float) -> float:
        return float(np.interp(factor, need["factors"], x))

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        cost = np.array(need["cost"])
        ax.axhline(need["limit_points"], color=RED, linewidth=1.2, linestyle=(0, (5, 3)))
        if all(v is not None for v in need["cost_low"]):
            low, high = cost - np.array(need["cost_low"]), np.array(need["cost_high"]) - cost
            ax.errorbar(x, cost, yerr=[low, high], fmt="o-", color=BLUE, capsize=3, elinewidth=1.2, markersize=5)
        else:
            ax.plot(x, cost, "o-", color=BLUE, markersize=5)
        ax.axvline(marks[1.0], color=GREY, linewidth=1.2)
        top = ax.get_ylim()[1]
        ax.annotate(
            "as it is",
            (marks[1.0], top),
            xytext=(4, -2),
            textcoords="offset points",
            va="top",
            color="#5b616b",
            fontsize=9,
        )
        if need["factor"] is not None and not need["open_ended"]:
            at = place(need["factor"])
            if need["factor_low"] is not None:
                ax.axvspan(place(need["factor_low"]), place(need["factor_high"]), color=RED, alpha=0.12, linewidth=0)
            ax.plot([at], [need["limit_points"]], "D", color=RED, markersize=8, zorder=5)
            what = number(at, unit) if axis else f"{need['factor']:.2f} times"
            right = at > 0.6 * x.max()  # keep the words inside the axes
            ax.annotate(
                f"{what}: {need['limit_points']:g} point",
                (at, need["limit_points"]),
                xytext=(-10 if right else 10, 12),
                textcoords="offset points",
                ha="right" if right else "left",
                color=RED,
                fontsize=9,
                weight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5},
                zorder=6,
            )
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, unit)))
        ax.xaxis.set_major_locator(MaxNLocator(5 if is_narrow(figure) else 8))
        label = axis["doc"] if axis else f"size of the {need['label']} (1 = as it is)"
        ax.set_xlabel(textwrap.fill(label, 40 if is_narrow(figure) else 80))
        ax.set_ylabel("cost (points)")
        ax.set_ylim(bottom=min(0, ax.get_ylim()[0]))

    return Picture(
        "sensitivity",
        f"How large the {need['label']} may be",
        "Cost against the same chips without this imperfection, as it is scaled. Bars: 95 % intervals. Dashed: one "
        "point. Shaded: 95 % bootstrap interval over chips of the crossing.",
        draw,
        height=3.7,
        narrow_height=3.3,
    )


def _yield(result: Result) -> Picture:
    found = result["yield"]

    def draw(figure: Figure) -> None:
        ax = axes(figure)
        a = 100 * np.array(found["accuracy"])
        pad = max(0.4, 0.15 * (a[-1] - a[0]))
        x = np.concatenate([[a[0] - pad], a, [a[-1] + pad]])
        chips = found["chips"]

        def steps(values: list[float], end: float) -> np.ndarray:
            return 100 * np.concatenate([[values[0]], values, [end]])

        ax.fill_between(
            x, steps(found["low"], found["next_low"]), steps(found["high"], found["next_high"]),
            step="pre", color=BLUE, alpha=0.16, linewidth=0, label="95 % band",
        )  # fmt: skip
        ax.step(x, steps(found["share"], 0.0), where="pre", color=BLUE, label=f"{chips} chips")
        ax.set_xlim(x[0], x[-1])
        ax.set_ylim(-2, 104)
        ax.set_xlabel("accuracy to be reached (%)")
        ax.set_ylabel("chips that reach it (%)")
        ax.legend(loc="lower left")

    return Picture(
        "yield",
        "Yield",
        "Share of chips with the full device that reach an accuracy. Band: exact binomial (Clopper-Pearson) 95 % "
        "interval.",
        draw,
        height=3.4,
        narrow_height=3.1,
    )
