"""The machine as fabricated, 4 x 4 blocks with 2,048 memristors, and the case that needs logarithms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from nanoneurons import devices
from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.circuits.bayesian_array import BayesianArray
from nanoneurons.core.random import generator_for
from nanoneurons.learning._likelihoods import words_of
from nanoneurons.networks.bayesian_machine import BayesianMachine

from ._takes import registers

__all__ = ["BINS", "COLUMNS", "ROWS", "build", "fabricated", "small"]

ROWS, COLUMNS, BINS = 4, 4, 8
Progress = Callable[[float, str], None]


def build(device: str | None, chips: int | None) -> BayesianMachine:
    """Chips of the fabricated layout, or the same machine in software."""
    circuit = BayesianArray(devices.get(device)) if device else None  # type: ignore[arg-type]
    return BayesianMachine(
        COLUMNS, ROWS, COLUMNS, BINS, logic=BayesianLogic(COLUMNS), circuit=circuit, chips=chips
    )  # fmt: skip


def fabricated(config: Any, seed: int, progress: Progress) -> dict[str, Any]:
    """Random tables written to chips and read; every observation there can be, decided by chips and by software."""
    generator = generator_for(seed, "fabricated")
    observed = np.stack(np.meshgrid(*[np.arange(BINS)] * COLUMNS, indexing="ij"), -1).reshape(-1, COLUMNS)
    answer: dict[str, Any] = {}
    for number, device in enumerate(config.devices):
        progress(number / len(config.devices), f"{config.chips} chips of {device}")
        software, chip = build(None, None), build(device, config.chips)
        table = np.exp(torch.randn(ROWS, COLUMNS, BINS, generator=generator).double().numpy())
        words = words_of(table / table.sum(-1, keepdims=True), None, logarithmic=False, per_value=True)
        software.store(np.arange(COLUMNS), np.tile(np.arange(1.0, BINS), (COLUMNS, 1)), words)
        chip.fabricate(generator)
        chip.program(software, generator)
        chip.refresh(generator)
        answer[device] = _compare(chip, words, observed)
        *_, last = software.logic.trace(words, observed)
        expected = software.logic.decide(words, observed).counts
        answer[device]["trace"] = 100 * float((last.counts == expected).all(-1).mean())
    return answer


def _compare(chip: BayesianMachine, words: np.ndarray, observed: np.ndarray) -> dict[str, float | None]:
    """Chips against software, over all chips and observations."""
    read, state = chip.memory.words(), chip.memory.state
    expected, found = chip.logic.decide(words, observed), chip.logic.decide(read, observed)
    wrong = (read != words)[:, :, np.arange(COLUMNS), observed].any((1, 3))  # (chips, samples): a word in use misread
    same = (found.counts == expected.counts).all(-1)
    equal = found.winner == expected.winner
    bits = np.bitwise_count(read ^ words)
    return {
        "memristors": float(sum(v[0].numel() for name, v in state.items() if name.endswith(".resistance"))),
        "wrong_bits": float(bits.sum()),
        "bits": float(8 * bits.size),
        "error_free_chips": 100 * float((bits.reshape(len(bits), -1).sum(1) == 0).mean()),
        "decisions_equal": 100 * float(equal.mean()),
        "decisions_with_misread_word": 100 * float(wrong.mean()),
        "counts_equal_where_read_right": 100 * float(same[~wrong].mean()) if (~wrong).any() else None,
        "decisions_equal_where_misread": 100 * float(equal[wrong].mean()) if wrong.any() else None,
    }


def small(config: Any, seed: int, progress: Progress) -> dict[str, Any]:
    """Machines whose products are small: who still decides, and as floating point does.

    The best hypothesis of each random machine has the product `P`, the next one `P` over `config.small_margin`, others
    less; each is a random division of its logarithm among the columns. Floating point decides for the first.
    """
    rows, columns, count = 4, config.columns, config.small_machines
    found: dict[str, list[float]] = {name: [] for name in ("undecided", "full", "first", "logarithmic", "words")}
    seen = np.zeros((1, columns), np.int64)
    for number, product in enumerate(config.small_products):
        progress(number / len(config.small_products), f"products of {product:g}")
        generator = generator_for(seed, "small", f"{product:g}")
        further = torch.rand(count, rows, generator=generator).double().numpy()
        logs = np.log10(product) - np.log10(config.small_margin) * (np.arange(rows) > 0) * (1 + further)
        shares = -torch.rand(count, rows, columns, generator=generator).double().log().numpy() + 1.0
        likelihoods = 10 ** (logs[..., None] * shares / shares.sum(-1, keepdims=True))
        order = torch.rand(count, rows, generator=generator).argsort(-1).numpy()  # so that ties favour nobody
        likelihoods = np.take_along_axis(likelihoods, order[..., None], 1)
        best = likelihoods.prod(-1).argmax(1)
        linear = np.rint(255 * likelihoods).astype(np.uint8)[..., None]
        logarithms = np.rint(np.minimum(-255 / config.decades * np.log10(likelihoods), 255)).astype(np.uint8)[..., None]
        seeds = registers(columns, 1, generator)[0]
        for mode in ("full", "first", "logarithmic"):
            words = logarithms if mode == "logarithmic" else linear
            decision = BayesianLogic(columns, mode, seeds=seeds).decide(words, seen)  # type: ignore[arg-type]
            good = decision.decided[:, 0] & (decision.winner[:, 0] == best)
            found[mode].append(100 * float(good.mean()))
            if mode == "full":
                found["undecided"].append(100 * float((~decision.decided).mean()))
        rounded = (linear[..., 0] / 255.0).prod(-1)
        found["words"].append(100 * float((rounded.argmax(1) == best).mean()))
    return found
