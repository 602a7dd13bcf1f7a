"""Wrong stored bits, upsets of registers, and energy, on the machines of the four gestures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.core.random import draw_key, generator_for

from . import _energy
from ._takes import choose, held_out, joined, load, registers, settings

__all__ = ["robustness", "with_errors"]


def robustness(config: Any, seed: int, progress: Callable[[float, str], None]) -> dict[str, Any]:
    """Accuracy in percent with wrong stored bits and with upsets of registers; joule per decision."""
    takes = joined(*load(config.task))
    parts = held_out(takes.group, config.folds, generator_for(seed, "takes", config.task))
    stored = {name: np.zeros(len(config.bit_errors)) for name in (*MODES, "full-column")}
    upset = {name: np.zeros(len(config.upsets)) for name in MODES}
    base = dict.fromkeys(stored, 0.0)
    spent = []
    steps = len(parts) * (len(config.bit_errors) + len(config.upsets))
    done = 0
    for number, out in enumerate(parts):
        model = choose(
            takes.part(~out), config.columns, settings(config), config.inner_folds, (seed, config.task, number)
        )
        held, generator = takes.part(out), generator_for(seed, "robustness", number)
        seen, columns = model.tables.observe(held.x), config.columns
        words = {name: model.words(name == "logarithmic", decades=config.decades) for name in MODES}
        words["full-column"] = model.words(rescale="column")
        seeds = registers(columns, 1, generator)[0]
        logics = {name: BayesianLogic(columns, name.partition("-")[0], seeds=seeds) for name in stored}  # type: ignore[arg-type]
        for name, logic in logics.items():
            base[name] += 100 * float((logic.decide(words[name], seen).winner == held.y).sum()) / len(takes.y)
        spent.append((len(held.y), _energy.joule(config, model, held, generator_for(seed, "energy", number))))
        for place, rate in enumerate(config.bit_errors):
            for name, logic in logics.items():
                wrong = with_errors(words[name], rate, config.error_draws, generator)
                winner = logic.decide(wrong, seen).winner
                stored[name][place] += 100 * float((winner == held.y).mean(0).sum()) / len(takes.y)
            done += 1
            progress(done / steps, f"stored bits, seed {seed}, part {number + 1}")
        for place, rate in enumerate(config.upsets):
            for name in MODES:
                for _ in range(config.upset_draws):
                    found = logics[name].decide(words[name], seen, rate, draw_key(generator))
                    share = float((found.winner == held.y).sum()) / len(takes.y) / config.upset_draws
                    upset[name][place] += 100 * share
            done += 1
            progress(done / steps, f"upsets, seed {seed}, part {number + 1}")
    energy = {
        mode: {cause: sum(n * e[mode][cause] for n, e in spent) / len(takes.y) for cause in parts_of}
        for mode, parts_of in spent[0][1].items()
    }
    return {
        "base": base,
        "energy": energy,
        "others": _energy.comparison(config, takes.classes, config.columns),
        "stored": {name: values.tolist() for name, values in stored.items()},
        "upset": {name: values.tolist() for name, values in upset.items()},
    }


def with_errors(words: np.ndarray, rate: float, draws: int, generator: torch.Generator) -> np.ndarray:
    """Copies of words in which every bit is wrong with probability `rate`, uint8, ``(draws, *words.shape)``."""
    bits = 8 * words.size
    out = np.repeat(words.reshape(1, -1), draws, 0)
    count = torch.binomial(torch.full((draws,), float(bits)), torch.tensor(rate), generator=generator).int().tolist()
    for draw, number in enumerate(count):
        which = torch.randperm(bits, generator=generator)[:number].numpy() if number else np.empty(0, np.int64)
        np.bitwise_xor.at(out[draw], which // 8, (1 << (which % 8)).astype(np.uint8))
    return out.reshape(draws, *words.shape)
