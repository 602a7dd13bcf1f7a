"""Early stop that waits for more than one one: the first row whose counter reaches a number wins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.random import generator_for

from ._takes import choose, floating, held_out, joined, load, registers, settings

__all__ = ["STOPS", "race", "stops"]

STOPS = (1, 2, 3, 4, 8)


def race(logic: BayesianLogic, words: np.ndarray, seen: np.ndarray, ones: int) -> tuple[np.ndarray, np.ndarray]:
    """Winners and cycles of one chip that stops when a row has counted `ones`; else the most ones after all cycles.

    Of rows that get there in the same cycle the lowest wins, as in the machine's mode ``first``, which is `ones` = 1.
    """
    return _race(_history(logic, words, seen), ones)


def _history(logic: BayesianLogic, words: np.ndarray, seen: np.ndarray) -> np.ndarray:
    return np.stack([step.counts for step in logic.trace(words, seen)])  # (cycles, samples, rows)


def _race(counts: np.ndarray, ones: int) -> tuple[np.ndarray, np.ndarray]:
    there = counts >= ones
    stopped = there.any((0, 2))
    cycle = np.where(stopped, there.any(2).argmax(0) + 1, len(counts))
    at_stop = there[cycle - 1, np.arange(len(cycle))].argmax(-1)
    return np.where(stopped, at_stop, counts[-1].argmax(-1)), cycle


def stops(config: Any, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Accuracy (%) and mean cycles for every number in `STOPS`, on the machines of the four gestures."""
    takes = joined(*load(config.task))
    parts = held_out(takes.group, config.folds, generator_for(seed, "takes", config.task))
    accuracy, cycles, exactly = np.zeros(len(STOPS)), np.zeros(len(STOPS)), 0.0
    for number, out in enumerate(parts):
        progress(number / len(parts), f"stops, seed {seed}, part {number + 1} of {len(parts)}")
        key = (seed, config.task, number)
        model = choose(takes.part(~out), config.columns, settings(config), config.inner_folds, key)
        held = takes.part(out)
        seen, words = model.tables.observe(held.x), model.words()
        exactly += 100 * float((floating(model.tables, seen) == held.y).sum()) / len(takes.y)
        draws = registers(seen.shape[1], config.curve_draws, generator_for(seed, "registers", config.task, number))
        for seeds in draws:
            logic = BayesianLogic(seen.shape[1], "full", seeds=seeds)
            counts = _history(logic, words, seen)
            for place, ones in enumerate(STOPS):
                winner, taken = _race(counts, ones)
                accuracy[place] += 100 * float((winner == held.y).sum()) / len(takes.y) / len(draws)
                cycles[place] += float(taken.sum()) / len(takes.y) / len(draws)
    return {"float": exactly, "accuracy": accuracy.tolist(), "cycles": cycles.tolist()}
