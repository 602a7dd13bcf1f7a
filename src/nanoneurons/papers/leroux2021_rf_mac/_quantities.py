"""The numbers of the reproduction: means over seeds, and differences on the same images with their intervals."""

from __future__ import annotations

from typing import Any

import numpy as np

from nanoneurons.papers._paper import Quantity

from ._extreme import KINDS, cases
from ._mac import WIRINGS, closed_form, devices_of
from ._perceptron import SPREAD_RULES, SWEEPS

__all__ = ["by_seed", "quantities", "seeds_with"]

Results = dict[str, dict[str, Any]]
_TITLES = {
    "plain": "plain training",
    "injected": "trained on virtual chips",
    "twin-ideal": "chips in the loop, ideal twin",
    "twin-calibrated": "calibrated twin",
}


def seeds_with(config: Any, results: Results, job: str) -> list[int]:
    """Seeds for which a job was run."""
    every = range(config.first_seed, config.first_seed + config.seeds)
    return [s for s in every if f"{job}/seed{s}" in results]


def by_seed(config: Any, results: Results, job: str, *path: str) -> np.ndarray:
    """One number per seed, mean over chips."""
    found = []
    for s in seeds_with(config, results, job):
        value: Any = results[f"{job}/seed{s}"]
        for name in path:
            value = value[name]
        found.append(float(np.mean(value)))
    return np.array(found)


def quantities(config: Any, results: Results) -> list[Quantity]:
    """Multiply-and-accumulate, perceptron, extreme learning."""
    return [
        *_mac(config, results),
        *_perceptron(config, results),
        *_sweeps(config, results),
        *_extreme(config, results),
    ]


def _mac(config: Any, results: Results) -> list[Quantity]:
    where = f"tones {config.mac_distance:g} full linewidths apart, head to tail, r.m.s. in % of the full range"
    rows = []
    texts = {"designed": "weights as designed", "calibrated": "measured weights", "tuned": "corrected resonances"}
    for name in devices_of(config):
        for kind, text in texts.items():
            found = by_seed(config, results, "mac", f"{name}/{WIRINGS[0]}", kind)
            note = f"{text}; {where}" + (f"; {config.mac_chips} chips per seed" if name == "spread" else "")
            rows.append(_row(f"mac-{name}-{kind}", found, "%", note))
    found = by_seed(config, results, "mac", f"ideal/{WIRINGS[1]}", "designed")
    rows.append(_row("mac-ideal-designed-head-to-head", found, "%", "the two tails subtract; two diodes only"))
    theory = [closed_form(config, d, WIRINGS[0]) for d in config.mac_distances]
    seeds = seeds_with(config, results, "mac")
    curve = np.array(results[f"mac/seed{seeds[0]}"][f"distance/{WIRINGS[0]}"]["designed"])
    far = np.array(config.mac_distances) >= 10
    if far.any():
        worst = 100 * float(np.abs(curve[far] / np.array(theory)[far] - 1).max())
        rows.append(
            Quantity("mac-tail-deviation", worst, None, 1, "%", "from 2 alpha f/df alone, at 10 linewidths and more")
        )
    return rows


def _perceptron(config: Any, results: Results) -> list[Quantity]:
    rows, held = [], {}
    note = "all 1797 images, a fifth of every class held out, split by seed"
    conditions = (
        ("with", "crosstalk of all diodes, pixels to tones row by row"),
        ("without", "every diode hears its own tone only"),
        ("shuffled", "crosstalk of all diodes, pixels to tones at random"),
    )
    for name, text in conditions:
        job = f"perceptron/{name}"
        held[name] = by_seed(config, results, job, "held_out")
        name = f"{name}-crosstalk" if name != "shuffled" else name
        rows.append(_row(f"perceptron-{name}-train", by_seed(config, results, job, "train"), "%", text))
        rows.append(
            _row(f"perceptron-{name}-held-out", by_seed(config, results, job, "held_out"), "%", f"{text}; {note}")
        )
        rough = by_seed(config, results, job, "roughness")
        rows.append(_row(f"perceptron-{name}-roughness", rough, "1", f"{text}; of neighbours' weights, 2: unrelated"))
    for name, text in (("penalty", "with its usual penalty"), ("no-penalty", "without a penalty")):
        held[name] = by_seed(config, results, "software", name, "held_out")
        train = by_seed(config, results, "software", name, "train")
        rows.append(_row(f"logistic-{name}-train", train, "%", f"logistic regression {text}; same splits"))
        rows.append(_row(f"logistic-{name}-held-out", held[name], "%", f"logistic regression {text}; same splits"))
    differences = (
        ("crosstalk-gain", "with", "without"),
        ("shuffled-crosstalk-gain", "shuffled", "without"),
        ("over-logistic-no-penalty", "with", "no-penalty"),
        ("over-logistic", "with", "penalty"),
    )
    for name, one, other in differences:
        rows.append(_difference(f"perceptron-{name}", held[one] - held[other], "same splits, held-out images"))
    return rows


def _sweeps(config: Any, results: Results) -> list[Quantity]:
    texts = {
        "spacing": "full linewidths between tones, by the damping",
        "band": "full linewidths between tones, by the band",
        "symmetric": "symmetric over dispersive line", "spread": "relative spread of resonances",
    }  # fmt: skip
    rows = []
    for sweep in SWEEPS:
        for value in getattr(config, f"sweep_{sweep}"):
            for rule in SPREAD_RULES if sweep == "spread" else ("",):
                job = "/".join(part for part in ("perceptron", sweep, rule, f"{value:g}") if part)
                note = f"{texts[sweep]}: {value:g}" + (
                    f"; {_TITLES[rule]}, {config.chips} chips per seed" if rule else ""
                )
                train = by_seed(config, results, job, "train").mean()
                name = "-".join(part for part in (sweep, rule, f"{value:g}") if part)
                held = by_seed(config, results, job, "held_out")
                none = by_seed(config, results, "perceptron/without", "held_out")[: len(held)]
                against = _difference("", held - none, "").note
                note += (
                    f"; training images {train:.1f} %; against no crosstalk and no spread {(held - none).mean():+.2f}"
                )
                rows.append(_row(f"sweep-{name}", held, "%", note + against))
    return rows


def _extreme(config: Any, results: Results) -> list[Quantity]:
    rows = []
    texts = {
        "devices": f"diodes and oscillators as fabricated, {config.chips} chips per seed",
        "relu": f"Gaussian weights, rectifier, {config.chips} networks per seed",
        "tanh": f"Gaussian weights, tanh, {config.chips} networks per seed", "linear": "read-out of the pixels",
    }  # fmt: skip
    for position, case in enumerate(cases(config)):
        noise, size = case.split("/")
        name = "extreme" if position == 0 else f"extreme-{noise}-{size}"
        held = {kind: by_seed(config, results, f"extreme/{case}", kind, "held_out") for kind in KINDS}
        for kind in KINDS:
            note = f"{texts[kind]}; {size} hidden, noise {noise} on pixels of 0 to 1, held-out images"
            rows.append(_row(f"{name}-{kind}", held[kind], "%", note))
        for kind in ("relu", "tanh"):
            rows.append(_difference(f"{name}-over-{kind}", held["devices"] - held[kind], "same noisy images"))
    return rows


def _row(name: str, values: np.ndarray, unit: str, note: str) -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def _difference(name: str, values: np.ndarray, note: str) -> Quantity:
    """A paired difference, with Student's 95 % interval over seeds in the note."""
    if len(values) > 1:
        from scipy.stats import t

        half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
        note += f"; 95 % interval {values.mean() - half:+.2f} to {values.mean() + half:+.2f}"
    return _row(name, values, "points", note)
