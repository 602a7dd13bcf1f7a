"""The numbers of the reproduction, from the results of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from nanoneurons.papers._paper import Quantity

from ._oscillator import LAWS, natural_noise, oscillator
from ._statistics import Gain, paired_gain, table

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["gain_over_none", "rights", "rows", "small_mean"]

Results = dict[str, dict[str, Any]]
_OTHER = "free spoken digits, not TI-46: other data set"


def rows(config: Config, results: Results) -> list[Quantity]:
    """All quantities of what was run; TI-46 is listed as not measured without the user's folder."""
    found = _waves(config, results)
    if any(job.startswith("digits/") for job in results):
        found += _recognition(config, results)
    for source, name in (("spoken-digits", "digits"), ("ti46", "ti46")):
        found += _small(config, results, source, name)
    found += _noise(config, results)
    return found


def seeds_of(config: Config) -> range:
    """Seeds of the configuration."""
    return range(config.first_seed, config.first_seed + config.seeds)


def rights(config: Config, results: Results, front: str, nodes: int, condition: str = "quiet") -> np.ndarray:
    """Right answers ``(seeds, utterances)``; one row without an oscillator."""
    seeds = seeds_of(config) if nodes else [config.first_seed]
    return table([results[f"digits/{front}/{nodes}/seed{s}"][condition]["right"] for s in seeds])


def gain_over_none(config: Config, results: Results, front: str, nodes: int, condition: str = "quiet") -> Gain:
    """What the oscillator adds to the read-out of the same frames."""
    return paired_gain(rights(config, results, front, nodes, condition), rights(config, results, front, 0))


def small_mean(config: Config, results: Results, source: str, front: str, condition: str) -> np.ndarray | None:
    """Mean over splits, ``(seeds, 9)`` in percent, for 1 to 9 training utterances; None where it was not run."""
    seeds = seeds_of(config) if condition != "without" else [config.first_seed]
    jobs = [f"small/{source}/{front}/{condition}/seed{s}" for s in seeds]
    if jobs[0] not in results:
        return None
    return np.array([[results[job][str(n)]["mean"] for n in range(1, 10)] for job in jobs])


def _row(name: str, values: np.ndarray, unit: str, note: str = "") -> Quantity:
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def _waves(config: Config, results: Results) -> list[Quantity]:
    runs = [results[f"waves/seed{s}"] for s in seeds_of(config)]
    found = []
    noise = {law: f"thermal noise on, {100 * natural_noise(oscillator(law)):.2g} % of the amplitude" for law in LAWS}
    notes = {
        "fit": "amplitude fit with one time constant",
        "fit-noisy": noise["fit"],
        "auto-oscillator": "amplitude equation: relaxation depends on the amplitude",
        "auto-oscillator-noisy": noise["auto-oscillator"],
        "without": "linear read-out of the samples themselves",
    }
    for condition, note in notes.items():
        for measure in ("periods", "samples", "rms"):
            values = np.array([run[condition][measure] for run in runs])
            found.append(_row(f"sine-square-{measure}-{condition}", values, "%", note))
    return found


def _recognition(config: Config, results: Results) -> list[Quantity]:
    found = []
    for front in config.fronts:
        none = rights(config, results, front, 0)
        note = f"read-out of the front end's frames, {none.shape[1]} test utterances"
        found.append(_row(f"{front}-without", 100 * none.mean(1), "%", note))
        for nodes in config.sizes:
            for condition in ("quiet", "noisy"):
                suffix = "" if condition == "quiet" else "-noisy"
                right = rights(config, results, front, nodes, condition)
                gain = gain_over_none(config, results, front, nodes, condition)
                found.append(_row(f"{front}-{nodes}{suffix}", 100 * right.mean(1), "%", f"spread over masks; {_OTHER}"))
                spread = (100 * (right.mean(1) - none.mean())).std(ddof=1) if len(right) > 1 else None
                note = f"95 % interval over masks and utterances: {gain}"
                found.append(Quantity(f"{front}-{nodes}{suffix}-gain", gain.mean, spread, len(right), "points", note))
    best = max(
        ((front, nodes) for front in config.fronts for nodes in config.sizes),
        key=lambda pair: np.mean(
            [results[f"digits/{pair[0]}/{pair[1]}/seed{s}"]["quiet"]["validation"] for s in seeds_of(config)]
        ),
    )
    chosen = 100 * rights(config, results, *best).mean(1)
    note = f"{best[0]}, {best[1]} nodes: best on validation takes; gain {gain_over_none(config, results, *best)}"
    found.append(_row("best-front-end", chosen, "%", note))
    return found


def _small(config: Config, results: Results, source: str, name: str) -> list[Quantity]:
    found = []
    for front in config.small_fronts:
        for condition in ("without", "quiet", "noisy"):
            means = small_mean(config, results, source, front, condition)
            for n in (1, 9):
                key = f"{name}-{front}-{condition}-n{n}"
                if means is None:
                    if source == "ti46":
                        note = "TI-46 is licensed: --set ti46=PATH of your folder"
                        found.append(Quantity(key, None, None, 0, "%", note))
                    continue
                note = f"{n} of 10 utterances train; {config.splits} splits or all; {config.sizes[0]} nodes"
                note += f"; {_OTHER}" if source != "ti46" else ""
                found.append(_row(key, means[:, n - 1], "%", note))
    return found


def _noise(config: Config, results: Results) -> list[Quantity]:
    jobs = [f"noise/{config.noise_front}/seed{s}" for s in seeds_of(config)]
    if jobs[0] not in results:
        return []
    found = []
    for k, point in enumerate(results[jobs[0]]):
        for n, level in enumerate(config.noise_levels):
            values = np.array([results[job][point][n][0] for job in jobs])
            key = f"{config.noise_front}-noise-{100 * level:g}-percent-point{k + 1}"
            found.append(_row(key, values, "%", f"operating point {point}, {config.sizes[0]} nodes"))
    return found
