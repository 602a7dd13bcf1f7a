"""The numbers of the reproduction: means over held-out takes and sets of registers, spread over seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nanoneurons.papers._paper import Quantity

from ._stops import BUDGET, STOPS

__all__ = ["KINDS", "each", "quantities", "seeds_of"]

KINDS = ("own", "pooled", "stranger")
MODES = ("full", "first", "logarithmic")
FLAT_TO = 1e-3  # rate of wrong bits up to which accuracy should be flat
BELOW = 1 / 255  # the smallest likelihood but zero that eight bits hold

_TAKES = {
    "four": "one person; blocks of five takes left out; settings chosen on training takes",
    "ten": "ten digits of one person; blocks of five takes left out; settings chosen on training takes",
}
_PEOPLE = {
    "own": "a machine for each person, trained on 5 to 8 takes of a gesture days before; one axis of a watch",
    "pooled": "one machine for all four people, trained on their first sessions",
    "stranger": "trained on the first sessions of three people, tested on the fourth person",
}


def seeds_of(config: Any) -> range:
    """Numbers of the seeds."""
    return range(config.first_seed, config.first_seed + config.seeds)


def each(config: Any, results: dict[str, dict], kind: str, pick: Callable[[dict], Any]) -> np.ndarray:
    """What `pick` finds in the result of every seed's job of a kind."""
    return np.array([pick(results[f"{kind}/seed{seed}"]) for seed in seeds_of(config)], float)


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """All rows of the table."""
    return [
        *_fabricated(config, results), *_accuracies(config, results, "four"), *_stops(config, results),
        *_robustness(config, results), *_accuracies(config, results, "ten"), *_people(config, results),
        *_powers(config, results), *_energy(config, results), *_small(config, results),
    ]  # fmt: skip


def _row(name: str, values: Sequence[float] | np.ndarray, unit: str, note: str) -> Quantity:
    found = np.round(np.asarray(values, float), 9)  # equal values shall have no spread
    if not np.isfinite(found).all():
        return Quantity(name, None, None, len(found), unit, note + "; nothing to measure in some seed")
    return Quantity(
        name, float(found.mean()), float(found.std(ddof=1)) if len(found) > 1 else None, len(found), unit, note
    )


def _fabricated(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    note = f"{config.chips} chips with random tables, all 4,096 observations, 255 cycles"
    for device in config.devices:
        name = device.partition(":")[2] or "strong"

        def of(key: str, device: str = device) -> np.ndarray:
            return each(config, results, "fabricated", lambda r: r[device][key])

        if device == config.devices[0]:
            rows.append(_row("memristors", of("memristors"), "1", "devices in the memory of one simulated chip"))
            text = "counts of the compiled machine against the cycle-by-cycle model, all observations"
            rows.append(_row("fabricated-trace-equal", of("trace"), "%", text))
        where = f"{device}; {note}"
        rows.append(_row(f"fabricated-{name}-bits-misread", 100 * of("wrong_bits") / of("bits"), "%", where))
        rows.append(_row(f"fabricated-{name}-decisions-equal", of("decisions_equal"), "%", f"as in software; {where}"))
        text = f"all four counts as in software, where every word in use was read right; {where}"
        rows.append(_row(f"fabricated-{name}-counts-exact", of("counts_equal_where_read_right"), "%", text))
        misread = of("decisions_equal_where_misread")
        if np.isfinite(misread).all():
            share = of("decisions_with_misread_word").mean()
            text = f"winner as in software where a word in use was misread, {share:.3g} % of decisions"
            rows.append(_row(f"fabricated-{name}-equal-where-misread", misread, "%", f"{text}; {where}"))
    return rows


def _accuracies(config: Any, results: dict[str, dict], kind: str) -> list[Quantity]:
    def of(key: str) -> np.ndarray:
        return each(config, results, kind, lambda r: r["accuracy"][key])

    note, exact = _TAKES[kind], of("float")
    draws = f"{config.register_draws} sets of register seeds for each part"
    rows = [_row(f"{kind}-float-accuracy", exact, "%", f"naive Bayes in floating point on the same bins; {note}")]
    for mode, text in (("full", f"255 cycles; {draws}"), ("first", f"stop at the first one; {draws}")):
        rows.append(_row(f"{kind}-{mode}-accuracy", of(mode), "%", f"{text}; {note}"))
        rows.append(_row(f"{kind}-{mode}-loss", exact - of(mode), "points", "floating point less the machine"))
        rows.append(_row(f"{kind}-{mode}-undecided", of(f"{mode}-undecided"), "%", "no row gave a 1; answers row 0"))
        rows.append(_row(f"{kind}-{mode}-agrees", of(f"{mode}-agrees"), "%", "same answer as floating point"))
    cycles = of("first-cycles")
    rows.append(_row(f"{kind}-first-cycles", cycles, "1", "mean cycles of a decision, undecided ones with all 255"))
    rows.append(_row(f"{kind}-first-speed", 255 / cycles, "1", "255 over the mean cycles"))
    rows.append(_row(f"{kind}-first-below-full", of("full") - of("first"), "points", "255 cycles less early stop"))
    difference = exact - of("logarithmic")
    text = f"{config.decades:g} decades on 255 steps; {note}"
    rows.append(_row(f"{kind}-logarithmic-accuracy", of("logarithmic"), "%", text))
    text = f"absolute difference of the two; signed {difference.mean():+.2f}"
    rows.append(_row(f"{kind}-logarithmic-difference", np.abs(difference), "points", text))
    rows.append(_row(f"{kind}-logarithmic-agrees", of("logarithmic-agrees"), "%", "same answer as floating point"))
    rows.append(_row(f"{kind}-words-loss", exact - of("words"), "points", "exact product of the rounded words"))
    rows += _rescaled(config, results, kind)
    blocks = np.array([[b[0] for b in results[f"{kind}/seed{s}"]["blocks"].values()] for s in seeds_of(config)])
    last = blocks.shape[1] - max(1, blocks.shape[1] // 5)
    rows.append(_row(f"{kind}-float-first-takes", 100 * blocks[:, :last].mean(1), "%", "the first 40 takes of 50"))
    rows.append(_row(f"{kind}-float-last-takes", 100 * blocks[:, last:].mean(1), "%", "the last 10 takes of 50"))
    return rows


def _rescaled(config: Any, results: dict[str, dict], kind: str) -> list[Quantity]:
    """What the other rescaling would do, where one was chosen in every part; and how often each was chosen."""
    chosen = [c["rescale"] for s in seeds_of(config) for c in results[f"{kind}/seed{s}"]["chosen"]]
    share = 100 * sum(c == "value" for c in chosen) / len(chosen)
    note = f"of {len(chosen)} parts; the others take the column's largest likelihood"
    rows = [Quantity(f"{kind}-rescaled-by-value", share, None, config.seeds, "%", note)]
    if all(c == "value" for c in chosen):
        for key, unit in (("full", "%"), ("full-undecided", "%"), ("first", "%"), ("first-cycles", "1")):
            values = each(config, results, kind, lambda r, key=key: r["accuracy"][f"{key}-column"])
            rows.append(_row(f"{kind}-{key}-rescaled-by-column", values, unit, "same tables, rescaled as published"))
    return rows


def _stops(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """Early stop at more ones than one, on the same machines."""
    rows = []
    exact = each(config, results, "stops", lambda r: r["float"])
    for place, ones in enumerate(STOPS[1:], 1):
        found = {k: each(config, results, "stops", lambda r, k=k, i=place: r[k][i]) for k in ("accuracy", "cycles")}
        text = f"the first row with {ones} ones wins; {config.curve_draws} sets of register seeds for each part"
        rows.append(
            _row(f"four-stop-at-{ones}-loss", exact - found["accuracy"], "points", f"floating point less {text}")
        )
        rows.append(_row(f"four-stop-at-{ones}-cycles", found["cycles"], "1", f"mean cycles; {text}"))
        rows.append(_row(f"four-stop-at-{ones}-speed", 255 / found["cycles"], "1", f"255 over the mean cycles; {text}"))
    found = {k: each(config, results, "stops", lambda r, k=k: r["chosen"][k]) for k in ("accuracy", "cycles")}
    numbers = [n for seed in seeds_of(config) for n in results[f"stops/seed{seed}"]["chosen"]["ones"]]
    text = f"ones waited for: {min(numbers)} to {max(numbers)}, the most with {BUDGET:g} mean cycles on training takes"
    rows.append(_row("four-stop-loss", exact - found["accuracy"], "points", f"floating point less early stop; {text}"))
    rows.append(_row("four-stop-speed", 255 / found["cycles"], "1", f"255 over the mean cycles; {text}"))
    return rows


def _robustness(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    patterns = f"{config.error_draws} random patterns of each part, the same registers without errors"
    for mode in (*MODES, "full-column"):
        losses = each(config, results, "robustness", lambda r, m=mode: r["base"][m] - np.array(r["stored"][m]))
        flat = np.array(config.bit_errors) <= FLAT_TO
        if mode in MODES and flat.any():
            worst = losses[:, flat][:, losses[:, flat].mean(0).argmax()]
            text = f"largest mean loss at rates up to {FLAT_TO:g}; {patterns}"
            rows.append(_row(f"bits-{mode}-loss-flat", worst, "points", text))
        name = "full-rescaled-by-column" if mode == "full-column" else mode
        for rate, values in zip(config.bit_errors, losses.T, strict=True):
            rows.append(_row(f"bits-{name}-loss-at-{rate:g}", values, "points", patterns))
    for mode in MODES:
        losses = each(config, results, "robustness", lambda r, m=mode: r["base"][m] - np.array(r["upset"][m]))
        for rate, values in zip(config.upsets, losses.T, strict=True):
            text = f"{config.upset_draws} runs of each part; rate per register bit and cycle"
            rows.append(_row(f"upsets-{mode}-loss-at-{rate:g}", values, "points", text))
    return rows


def _people(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    for kind in KINDS:
        for mode in ("float", *MODES):
            values = each(config, results, "people", lambda r, k=kind, m=mode: r[k][m])
            each_own = [
                float(np.mean([results[f"people/seed{s}"][kind][f"{mode}-person-{p}"] for s in seeds_of(config)]))
                for p in range(4)
            ]
            text = f"{_PEOPLE[kind]}; people: {', '.join(f'{a:.0f}' for a in each_own)} %"
            rows.append(_row(f"watch-{kind}-{mode}-accuracy", values, "%", text))
    return rows


def _powers(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """The best power for 255 cycles beside none, by task and number of features."""
    rows = []
    for name in results[f"powers/seed{config.first_seed}"]:
        found = {k: each(config, results, "powers", lambda r, n=name, k=k: r[n][k]) for k in ("float", "full", "first")}
        digits, _, columns = name.partition("-")
        note = f"{digits} digits, {columns} features by information, {config.curve_draws} sets of registers a part"
        rows.append(_row(f"powers-{name}-float", found["float"][:, 0], "%", f"floating point; {note}"))
        chosen = each(config, results, "powers", lambda r, n=name: r[n]["power"][-1]).mean()
        for mode in ("full", "first"):
            text = "power found on training takes for this mode" + (f", {chosen:.2f}" if mode == "full" else "")
            rows.append(_row(f"powers-{name}-{mode}-chosen", found[mode][:, -1], "%", f"{text}; {note}"))
            lost = found["float"][:, 0] - found[mode][:, -1]
            rows.append(_row(f"powers-{name}-{mode}-chosen-loss", lost, "points", f"floating point less it; {text}"))
        for mode in ("full", "first"):
            for place, power in enumerate(config.powers):
                text = f"likelihoods to the power {power:g}; {note}"
                rows.append(_row(f"powers-{name}-{mode}-at-{power:g}", found[mode][:, place], "%", text))
    return rows


def _energy(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows, others = [], results[f"robustness/seed{config.first_seed}"]["others"]
    total = {m: each(config, results, "robustness", lambda r, m=m: sum(r["energy"][m].values())) for m in MODES}
    for mode, values in total.items():
        parts = results[f"robustness/seed{config.first_seed}"]["energy"][mode]
        text = ", ".join(f"{cause} {1e12 * joule:.3g} pJ" for cause, joule in parts.items())
        rows.append(_row(f"energy-{mode}", 1e9 * values, "nJ", f"130 nm, prices of gates simulated; {text}"))
    for number, other in enumerate(others):
        text = f"{other['title']}: {other['source']}" + ("" if other["verified"] else "; unverified price")
        rows.append(Quantity(f"energy-other-{number}", 1e9 * other["joule"], None, 1, "nJ", text))
        for mode, values in total.items():
            ratio = other["joule"] / values
            rows.append(_row(f"energy-ratio-{mode}-other-{number}", ratio, "1", f"{other['title']}, over mode {mode}"))
    return rows


def _small(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    products = np.array(config.small_products)
    text = (
        f"{config.small_machines} random machines, next hypothesis at least {config.small_margin:g} times less likely"
    )
    below = np.flatnonzero(products < BELOW)
    if len(below):
        values = each(config, results, "small", lambda r: min(r["logarithmic"][i] for i in below))
        rows.append(_row("small-logarithmic-below-1-in-255", values, "%", f"fewest right at any product; {text}"))
    for name in ("undecided", "full", "first", "logarithmic"):
        for place, product in enumerate(products):
            values = each(config, results, "small", lambda r, n=name, i=place: r[n][i])
            meaning = "nothing decided in 255 cycles" if name == "undecided" else "decided, and as floating point"
            rows.append(_row(f"small-{name}-at-{product:g}", values, "%", f"{meaning}; {text}"))
    return rows
