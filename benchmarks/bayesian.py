"""Decisions per second of a Bayesian machine, one thread, against vectorised NumPy simulations of the same machine.

    python benchmarks/bayesian.py [--json] [--quick]

Four hypotheses, six observations of 64 bins, 255 cycles. Ours goes through `decide()`, checks included. The NumPy
simulations see the same bits of every cycle, in batches that fit the cache: one applies the comparators' masks of each
cycle to the words of all samples, one gathers streams of bits that were worked out before; the faster is the peer. A
third, shown for what packing alone brings, gathers streams of 64 cycles a word and counts their ones (NumPy 2). In the
same run all are compared with the machine cycle by cycle (`BayesianLogic.trace`), count by count.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from _bench import Result, arguments, compare, one_thread, report

from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.circuits._lfsr import HIGHEST, PERIOD, comparator, sequence, spread_seeds, streams

ROWS, COLUMNS, BINS = 4, 6, 64
BATCHES = {"masks of every cycle": 4096, "streams of bytes": 256, "streams of 64-bit words": 2048}
ASKED, GOAL = 2e6, 10e6  # decisions per second
FASTER = 5.0


def machine() -> np.ndarray:
    """Words whose products are neither always 0 nor always 1."""
    rng = np.random.default_rng(0)
    return (256 * rng.random((ROWS, COLUMNS, BINS)) ** 0.5).astype(np.uint8)


def batches(observed: np.ndarray, size: int, decide: Callable) -> Callable[[], np.ndarray]:
    """Counts of all samples, computed batch by batch: ones of every row, ``(samples, rows)``."""

    def run() -> np.ndarray:
        counts = np.empty((len(observed), ROWS), np.int16)
        for start in range(0, len(observed), size):
            counts[start : start + size] = decide(observed[start : start + size])
        counts.argmax(1)
        return counts

    return run


def by_masks(words: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Cycle by cycle: the words of every sample against one mask per column."""
    masks = HIGHEST[np.stack([sequence(seed) for seed in spread_seeds(COLUMNS)], 1)]  # (cycles, columns)
    by_column = np.ascontiguousarray(words.transpose(1, 2, 0))  # (columns, bins, rows)
    columns = np.arange(COLUMNS)

    def decide(observed: np.ndarray) -> np.ndarray:
        held = np.ascontiguousarray(by_column[columns, observed].transpose(1, 0, 2))  # (columns, samples, rows)
        counts = np.zeros(held.shape[1:], np.uint8)
        for mask in masks:
            ones = held[0] & mask[0] != 0
            for column in range(1, COLUMNS):
                ones &= held[column] & mask[column] != 0
            counts += ones
        return counts

    return decide


def by_streams(words: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Bits of all cycles from a table of streams, a byte each."""
    tables = [
        comparator(words[:, c].T[..., None], sequence(seed)[None, None]).view(np.uint8)
        for c, seed in enumerate(spread_seeds(COLUMNS))
    ]  # (bins, rows, cycles)

    def decide(observed: np.ndarray) -> np.ndarray:
        ones = tables[0][observed[:, 0]]
        for column in range(1, COLUMNS):
            np.bitwise_and(ones, tables[column][observed[:, column]], out=ones)
        return ones.sum(-1, dtype=np.uint8)

    return decide


def by_packed_streams(words: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The same with 64 cycles a word, ones counted by NumPy 2."""
    tables = [streams(seed)[words[:, c].T] for c, seed in enumerate(spread_seeds(COLUMNS))]  # (bins, rows, 4)

    def decide(observed: np.ndarray) -> np.ndarray:
        ones = tables[0][observed[:, 0]]
        for column in range(1, COLUMNS):
            np.bitwise_and(ones, tables[column][observed[:, column]], out=ones)
        return np.bitwise_count(ones).sum(-1, dtype=np.int16)

    return decide


def exact(logic: BayesianLogic, words: np.ndarray, observed: np.ndarray) -> None:
    """Stop unless the decisions are those of the machine cycle by cycle."""
    found, trace = logic.decide(words, observed), list(logic.trace(words, observed))
    if logic.mode == "first":
        bits = np.stack([cycle.bits for cycle in trace])
        some = bits.any(2)
        at = np.where(some.any(0), some.argmax(0), PERIOD - 1)
        same = (found.cycle == at + 1).all() and (found.counts == bits[at, np.arange(len(observed))]).all()
    else:
        same = (found.counts == trace[-1].counts).all()
    if not same:
        raise SystemExit(f"mode {logic.mode}: decisions differ from the machine cycle by cycle")


def main() -> None:
    options = arguments(__doc__.splitlines()[0])
    one_thread()
    words = machine()
    samples, peers, rounds = (50_000, 2_000, 2) if options.quick else (1_000_000, 20_000, 5)
    observed = np.random.default_rng(1).integers(0, BINS, (samples, COLUMNS)).astype(np.int16)
    logics = {mode: BayesianLogic(COLUMNS, mode) for mode in MODES}
    for logic in logics.values():
        exact(logic, words, observed[:2000])
    full = logics["full"]
    simulations = {"masks of every cycle": by_masks(words), "streams of bytes": by_streams(words)}
    if hasattr(np, "bitwise_count"):
        simulations["streams of 64-bit words"] = by_packed_streams(words)
    rates = {}
    for name, decide in simulations.items():
        run = batches(observed[:peers], BATCHES[name], decide)
        if not (run() == full.decide(words, observed[:peers]).counts).all():
            raise SystemExit(f"NumPy, {name}: counts differ")
        ours, peer = compare(lambda: full.decide(words, observed), run, rounds=rounds)
        rates[name] = (samples / ours, peers / peer)
    bits = {name: rate for name, rate in rates.items() if "64" not in name}
    best = max(bits, key=lambda name: bits[name][1])
    results = [
        _result(f"full, NumPy by {best}", *rates[best], FASTER, "counts equal to the machine cycle by cycle"),
        *(_result(f"full, NumPy by {name}", *rates[name]) for name in rates if name != best),
        Result(
            "full, asked 2, goal 10 M/s", rates[best][0] / 1e6, ASKED / 1e6, rates[best][0] / ASKED, 1.0, False,
            "the number asked", f"goal of 10 M/s {'met' if rates[best][0] >= GOAL else 'missed'}", "M/s",
        ),
    ]  # fmt: skip
    for mode, upsets in (("first", 0.0), ("logarithmic", 0.0), ("full", 1e-4)):
        logic, few = logics[mode], observed if not upsets else observed[: samples // 50]
        calm, other = compare(
            lambda: full.decide(words, observed),
            lambda logic=logic, few=few, upsets=upsets: logic.decide(words, few, upsets, 1),
            rounds=rounds,
        )
        name = f"{mode} with upsets of {upsets:g}" if upsets else mode
        pair = (len(few) / other / 1e6, samples / calm / 1e6)
        results.append(Result(f"{name} against full", *pair, pair[0] / pair[1], None, False, "ours, full", unit="M/s"))
    report(results, options.json)


def _result(name: str, ours: float, peer: float, target: float | None = None, note: str = "") -> Result:
    return Result(name, ours / 1e6, peer / 1e6, ours / peer, target, False, "NumPy", note, "M/s")


if __name__ == "__main__":
    main()
