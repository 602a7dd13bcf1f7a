"""Early stop that waits for more ones than one, and how many it waits for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.random import generator_for

from ._takes import choose, floating, held_out, joined, load, registers, settings

__all__ = ["BUDGET", "STOPS", "patience", "stops"]

STOPS = (1, 2, 3, 4, 8)
BUDGET = 40.0  # mean cycles on training takes: a sixth of the period, so that held-out takes stay below a fifth
_MOST = 16


def patience(words: np.ndarray, seen: np.ndarray, draws: Sequence[tuple[int, ...]]) -> int:
    """Most ones to wait for with at most `BUDGET` mean cycles on the observations given; classes are not looked at."""
    for ones in range(2, _MOST + 1):
        cycles = [BayesianLogic(seen.shape[1], "first", seeds=s, ones=ones).decide(words, seen).cycle for s in draws]
        if float(np.mean(cycles)) > BUDGET:
            return ones - 1
    return _MOST


def stops(config: Any, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Accuracy (%) and mean cycles for every number in `STOPS`, and for the one that `patience` finds in each part."""
    takes = joined(*load(config.task))
    parts = held_out(takes.group, config.folds, generator_for(seed, "takes", config.task))
    accuracy, cycles, exactly = np.zeros(len(STOPS) + 1), np.zeros(len(STOPS) + 1), 0.0
    found: list[int] = []
    for number, out in enumerate(parts):
        progress(number / len(parts), f"stops, seed {seed}, part {number + 1} of {len(parts)}")
        key, inside, held = (seed, config.task, number), takes.part(~out), takes.part(out)
        model = choose(inside, config.columns, settings(config), config.inner_folds, key)
        seen, words = model.tables.observe(held.x), model.words()
        exactly += 100 * float((floating(model.tables, seen) == held.y).sum()) / len(takes.y)
        draws = registers(seen.shape[1], config.curve_draws, generator_for(seed, "registers", config.task, number))
        found.append(patience(words, model.tables.observe(inside.x), draws))
        share = 1 / (len(takes.y) * len(draws))
        for place, ones in enumerate((*STOPS, found[-1])):
            for seeds in draws:
                decision = BayesianLogic(seen.shape[1], "first", seeds=seeds, ones=ones).decide(words, seen)
                accuracy[place] += 100 * share * float((decision.winner == held.y).sum())
                cycles[place] += share * float(decision.cycle.sum())
    return {
        "float": exactly, "accuracy": accuracy[:-1].tolist(), "cycles": cycles[:-1].tolist(),
        "chosen": {"ones": found, "accuracy": float(accuracy[-1]), "cycles": float(cycles[-1])},
    }  # fmt: skip
