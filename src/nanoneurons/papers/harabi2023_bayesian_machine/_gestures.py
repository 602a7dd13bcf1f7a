"""The gesture task: one cross-validation that leaves takes out, and everything that is measured on its machines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.random import generator_for
from nanoneurons.learning._likelihoods import encode

from ._takes import Model, Setting, Takes, choose, fit, floating, held_out, joined, load, registers, settings

__all__ = ["cross_validate", "exact", "people", "powers"]

Progress = Callable[[float, str], None]


def cross_validate(config: Any, task: str, seed: int, progress: Progress) -> dict[str, Any]:
    """Accuracy of every mode, and the curves, over one division of the takes into parts; each part is held out once."""
    takes = joined(*load(task))
    parts = held_out(takes.group, config.folds, generator_for(seed, "takes", task))
    tally = _Tally(config, len(takes.y), takes.classes)
    for number, out in enumerate(parts):
        progress(number / len(parts), f"{task}, seed {seed}, part {number + 1} of {len(parts)}")
        model = choose(takes.part(~out), config.columns, settings(config), config.inner_folds, (seed, task, number))
        tally.add(model, takes.part(out), generator_for(seed, "registers", task, number))
    return tally.result()


class _Tally:
    """Right answers, cycles and undecided samples, summed over the held-out parts."""

    def __init__(self, config: Any, total: int, classes: int) -> None:
        self.config, self.total = config, total
        self.right: dict[str, float] = {}
        self.by_block: dict[int, list[float]] = {}
        self.curves = {name: np.zeros(len(config.cycles)) for name in ("full", "first")}
        self.cycles: list[int] = []
        self.confusion = np.zeros((classes, classes))
        self.chosen: list[dict[str, Any]] = []
        self.example: dict[str, Any] = {}

    def add(self, model: Model, held: Takes, generator: torch.Generator) -> None:
        """Test a machine on takes that it has not seen."""
        config, seen = self.config, model.tables.observe(held.x)
        columns, draws = seen.shape[1], registers(seen.shape[1], config.register_draws, generator)
        expected = floating(model.tables, seen)
        self._count("float", expected == held.y)
        for rescale in ("column", "value"):
            words = model.words(rescale=rescale)
            end = "" if rescale == model.setting.rescale else f"-{rescale}"
            self._count(f"words{end}", exact(words, seen) == held.y)
            for seeds in draws:
                for mode in ("full", "first"):
                    found = BayesianLogic(columns, mode, seeds=seeds).decide(words, seen)
                    self._count(mode + end, found.winner == held.y, 1 / len(draws))
                    self._count(f"{mode}-undecided{end}", ~found.decided, 1 / len(draws))
                    self._count(f"{mode}-cycles{end}", found.cycle, 1 / len(draws))
                    self._count(f"{mode}-agrees{end}", found.winner == expected, 1 / len(draws))
                    if mode == "first" and not end:
                        self.cycles += np.where(found.decided, found.cycle, 0).tolist()
                    if mode == "full" and not end:
                        np.add.at(self.confusion, (held.y, found.winner), 1 / len(draws))
        logarithms = model.words(logarithmic=True, decades=config.decades)
        found = BayesianLogic(columns, "logarithmic").decide(logarithms, seen)
        self._count("logarithmic", found.winner == held.y)
        self._count("logarithmic-undecided", ~found.decided)
        self._count("logarithmic-agrees", found.winner == expected)
        self._curves(model, seen, held.y, draws[: config.curve_draws])
        for block in np.unique(held.group):
            own = held.group == block
            self.by_block[int(block)] = [float((expected == held.y)[own].mean()), float(own.sum())]
        setting = model.setting
        names = [held.features[f] if held.features else str(f) for f in model.tables.chosen]
        self.chosen.append({"setting": setting.name, "rescale": setting.rescale, "features": names})
        if not self.example:
            self.example = _example(model, seen, held.y, expected, names, draws[0])

    def result(self) -> dict[str, Any]:
        """Shares in percent, cycles as means."""
        share = {k: v / self.total * (1.0 if "cycles" in k else 100.0) for k, v in self.right.items()}
        return {
            "accuracy": share,
            "curves": {name: (100 * curve / self.total).tolist() for name, curve in self.curves.items()},
            "blocks": {str(block): value for block, value in sorted(self.by_block.items())},
            "first_cycles": np.bincount(self.cycles, minlength=256).tolist(),
            "confusion": self.confusion.tolist(),
            "chosen": self.chosen,
            "example": self.example,
        }

    def _count(self, name: str, values: np.ndarray, weight: float = 1.0) -> None:
        self.right[name] = self.right.get(name, 0.0) + weight * float(values.sum())

    def _curves(self, model: Model, seen: np.ndarray, y: np.ndarray, draws: Sequence[tuple[int, ...]]) -> None:
        words = model.words()
        for place, cycles in enumerate(self.config.cycles):
            for mode in ("full", "first"):
                for seeds in draws:
                    found = BayesianLogic(seen.shape[1], mode, cycles, seeds).decide(words, seen)
                    self.curves[mode][place] += float((found.winner == y).sum()) / len(draws)


def exact(words: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Decisions by the exact product of eight-bit words; what rounding alone costs."""
    product = np.ones((len(words), len(seen)))
    for column in range(seen.shape[1]):
        product *= words[:, column, seen[:, column]] / 255
    return product.argmax(0)


def _example(
    model: Model, seen: np.ndarray, y: np.ndarray, expected: np.ndarray, names: list[str], seeds: tuple[int, ...]
) -> dict[str, Any]:
    """Counters of every row over the cycles, and what each observation says, for a take that was not easy.

    Of the takes that are recognised it is the one at the lower quartile of the distance to the next hypothesis.
    """
    logs = np.log2(model.tables.tables)
    total = np.sort(sum(logs[:, c, seen[:, c]] for c in range(seen.shape[1])), axis=0)  # type: ignore[arg-type]
    right = np.flatnonzero(expected == y)
    order = right[np.argsort((total[-1] - total[-2])[right], kind="stable")]
    sample = int(order[len(order) // 4]) if len(order) else 0
    own = np.stack([logs[:, c, seen[sample, c]] for c in range(seen.shape[1])], 1)
    logic = BayesianLogic(seen.shape[1], "full", seeds=seeds)
    counts = [step.counts[0].tolist() for step in logic.trace(model.words(), seen[sample : sample + 1])]
    return {"class": int(y[sample]), "features": names, "bits": (own - own.mean(0)).tolist(), "counts": counts}


def people(config: Any, seed: int, progress: Progress) -> dict[str, Any]:
    """The watch: a machine for each person, from a first session to a second, and for people it has never seen."""
    first, second = load("gestures:pebble")
    setting = Setting("gaussian", min(config.bins), "accuracy", "value")
    persons = np.unique(first.group)
    found: dict[str, dict[str, float]] = {}
    for kind in ("own", "pooled", "stranger"):
        right: dict[str, float] = {}
        for number, person in enumerate(persons):
            progress(number / len(persons), f"{kind}, person {number}")
            inside = {"own": first.group == person, "pooled": first.group >= 0, "stranger": first.group != person}[kind]
            model = fit(first.part(inside), config.columns, setting)
            held = second.part(second.group == person)
            seen = model.tables.observe(held.x)
            columns, words = seen.shape[1], model.words()
            draws = registers(columns, config.register_draws, generator_for(seed, kind, number))
            values = {"float": (floating(model.tables, seen) == held.y).astype(float)}
            for mode in ("full", "first"):
                runs = [BayesianLogic(columns, mode, seeds=s).decide(words, seen).winner == held.y for s in draws]
                values[mode] = np.mean(runs, 0)
            logarithms = model.words(logarithmic=True, decades=config.decades)
            values["logarithmic"] = BayesianLogic(columns, "logarithmic").decide(logarithms, seen).winner == held.y
            for name, value in values.items():
                right[name] = right.get(name, 0.0) + 100 * float(value.sum()) / len(second.y)
                right[f"{name}-person-{number}"] = 100 * float(value.mean())
        found[kind] = right
    return found


def powers(config: Any, seed: int, progress: Progress) -> dict[str, Any]:
    """Machines that store a power of every likelihood: exact products would decide as before, random bits do not.

    The last entry of every list is for the power that `encode` finds on the training takes, one for each mode.
    """
    whole = {name: joined(*load(task)) for name, task in (("four", config.task), ("ten", "gestures"))}
    setting = Setting("gaussian", min(config.bins), "information", "value")
    found: dict[str, dict[str, list[float]]] = {}
    for name, takes in whole.items():
        for columns in config.power_columns:
            own = {k: np.zeros(len(config.powers) + 1) for k in ("full", "first", "undecided", "cycles", "power")}
            parts, exactly = held_out(takes.group, config.folds, generator_for(seed, "takes", name)), 0.0
            for number, out in enumerate(parts):
                progress(number / len(parts), f"powers of likelihoods, {name}, {columns} features, seed {seed}")
                inside, held = takes.part(~out), takes.part(out)
                tables = fit(inside, columns, setting).tables
                seen, draw = tables.observe(held.x), generator_for(seed, "powers", name, columns, number)
                exactly += 100 * float((floating(tables, seen) == held.y).sum()) / len(takes.y)
                draws = registers(columns, config.curve_draws, draw)
                share = 1 / (len(draws) * len(takes.y))
                for place, power in enumerate((*config.powers, None)):
                    for mode in ("full", "first"):
                        made = encode(tables, None, inside.x, mode, power=power, per_value=True)
                        for seeds in draws:
                            decision = BayesianLogic(columns, mode, seeds=seeds).decide(made.words, seen)
                            own[mode][place] += 100 * share * float((decision.winner == held.y).sum())
                            if mode == "first":
                                own["cycles"][place] += share * float(decision.cycle.sum())
                            else:
                                own["undecided"][place] += 100 * share * float((~decision.decided).sum())
                                own["power"][place] += share * len(held.y) * made.power
            found[f"{name}-{columns}"] = {k: v.tolist() for k, v in own.items()} | {"float": [exactly]}
    return found
