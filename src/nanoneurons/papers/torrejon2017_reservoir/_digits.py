"""Spoken digits through a front end, with and without the oscillator, on a fixed split and on random small ones."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.networks.readout import NormalEquations, Readout, decide, one_hot_frames
from nanoneurons.networks.reservoir import TimeMultiplexedReservoir

from ._frontends import Corpus
from ._oscillator import oscillator, reservoir, with_noise

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["RIDGES", "classify", "noise_sweep", "small_sets"]

RIDGES = tuple(10.0**n for n in range(-12, -1))
Progress = Callable[[float, str], None]


class _Direct:
    """No oscillator: the read-out sees the frames themselves."""

    def stream(self, sequences: Sequence[torch.Tensor], generator: torch.Generator | None = None):
        """All sequences as one batch."""
        yield list(range(len(sequences))), list(sequences)


Network = TimeMultiplexedReservoir | _Direct


def classify(config: Config, corpus: Corpus, nodes: int, seed: int, progress: Progress) -> dict[str, Any]:
    """Right (1) or wrong (0) for every test utterance, without noise and with it; `nodes` 0 is no oscillator.

    The ridge is the one best on the validation takes; these then join the training frames. Test takes are
    classified once.
    """
    parts = corpus.parts(config)
    answer: dict[str, Any] = {}
    conditions = ("quiet",) if nodes == 0 else ("quiet", "noisy")
    for share, condition in enumerate(conditions):
        progress(share / len(conditions), f"{corpus.front}, {nodes} nodes, {condition}, seed {seed}")
        network = _network(config, corpus, nodes, seed, parts["fit"])
        noise = generator_for(seed, "digits", corpus.front, nodes) if condition == "noisy" else None
        readout, ridge, right = _fit(network, corpus, parts, noise)
        answer[condition] = {
            "right": _bits(_right(network, readout, corpus, parts["test"], noise)),
            "ridge": ridge,
            "validation": 100 * float(right.mean()),
        }
    return answer


def noise_sweep(config: Config, corpus: Corpus, seed: int, progress: Progress) -> dict[str, list[list[float]]]:
    """Test accuracy in percent at every amplitude noise, one list per operating point; with the ridge."""
    parts = corpus.parts(config)
    found: dict[str, list[list[float]]] = {}
    steps = len(config.operating_points) * len(config.noise_levels)
    done = 0
    for law, current, swing in config.operating_points:
        row = []
        for level in config.noise_levels:
            progress(done / steps, f"noise {100 * level:g} % at {1e3 * current:g} mA, {law}, seed {seed}")
            # the level is that at the device's own operating current; its cause stays the same at another current
            network = _network(config, corpus, config.sizes[0], seed, parts["fit"], law, level)
            assert isinstance(network, TimeMultiplexedReservoir)
            network = dataclasses.replace(network, direct_current=current, swing=swing)
            noise = generator_for(seed, "noise-sweep", repr(level))
            readout, ridge, _ = _fit(network, corpus, parts, noise)
            row.append([100 * float(_right(network, readout, corpus, parts["test"], noise).mean()), ridge])
            done += 1
        found[f"{law}, {1e3 * current:g} ± {1e3 * swing:g} mA"] = row
    return found


def small_sets(
    config: Config, corpus: Corpus, condition: str, seed: int, progress: Progress
) -> dict[str, dict[str, float]]:
    """The paper's protocol: N of ten utterances per digit and speaker train, the others test.

    Of the choices of N in ten, ``config.splits`` are drawn per N (all, if there are no more). One S S^T per
    repetition is kept, so a split costs one sum and one decomposition. The ridge is ``config.ridge``, no choice.

    Returns:
        mean and standard deviation over splits in percent, by N.
    """
    chosen, repetition = corpus.ten(config)
    frames, labels = [corpus.frames[i] for i in chosen], corpus.digit[chosen]
    nodes = 0 if condition == "without" else config.sizes[0]
    noise = generator_for(seed, "small-sets", corpus.front) if condition == "noisy" else None
    network = _network(config, corpus, nodes, seed, np.asarray(chosen))
    states: list[torch.Tensor] = [torch.empty(0)] * len(chosen)
    for numbers, found in network.stream(frames, noise):
        for number, part in zip(numbers, found, strict=True):
            states[number] = part.float()
    groups = [np.flatnonzero(repetition == r) for r in range(10)]
    sums = []
    for group in groups:
        equations = NormalEquations(states[0].shape[1], 10)
        lengths = [len(states[i]) for i in group]
        equations.add(torch.cat([states[i] for i in group]), one_hot_frames(labels[group], lengths, 10))
        sums.append(equations)
    joined = [torch.cat([states[i] for i in group]) for group in groups]
    answer = {}
    for n in range(1, 10):
        progress((n - 1) / 9, f"{corpus.front}, {condition}, {n} training utterances, seed {seed}")
        accuracies = []
        for split in _splits(n, config.splits, seed):
            readout = NormalEquations.joined([sums[r] for r in split]).solve(config.ridge)
            right = [
                decide(readout(joined[r]), [len(states[i]) for i in groups[r]]) == labels[groups[r]]
                for r in range(10)
                if r not in split
            ]
            accuracies.append(100 * float(torch.cat(right).double().mean()))
        answer[str(n)] = {"mean": float(np.mean(accuracies)), "deviation": float(np.std(accuracies))}
    return answer


def _splits(n: int, count: int, seed: int) -> list[tuple[int, ...]]:
    """`count` different choices of n in ten, or all of them."""
    every = list(itertools.combinations(range(10), n))
    if len(every) <= count:
        return every
    order = torch.randperm(len(every), generator=generator_for(seed, "splits", n))[:count]
    return [every[i] for i in order.tolist()]


def _network(
    config: Config,
    corpus: Corpus,
    nodes: int,
    seed: int,
    training: np.ndarray,
    law: str = "fit",
    noise: float | None = None,
) -> Network:
    if nodes == 0:
        return _Direct()
    device = oscillator(law) if noise is None else with_noise(oscillator(law), noise)
    network = reservoir(config, corpus.frames[0].shape[1], nodes, seed, device)
    return network.scaled_to([corpus.frames[i] for i in training])


def _fit(
    network: Network, corpus: Corpus, parts: dict[str, np.ndarray], noise: torch.Generator | None
) -> tuple[Readout, float, torch.Tensor]:
    """Read-out with the ridge that is best on the validation part (the largest of equals), then trained on both."""
    equations: NormalEquations | None = None
    for states, lengths, labels in _batches(network, corpus, parts["fit"], noise):
        equations = equations or NormalEquations(states.shape[1], 10)
        equations.add(states, one_hot_frames(labels, lengths, 10))
    assert equations is not None
    held = list(_batches(network, corpus, parts["validation"], noise))
    best, ridge = torch.zeros(1), RIDGES[0]
    for candidate in RIDGES:
        readout = equations.solve(candidate)
        right = torch.cat([decide(readout(s), lengths) == labels for s, lengths, labels in held]).double()
        if right.mean() >= best.mean():
            best, ridge = right, candidate
    for states, lengths, labels in held:
        equations.add(states, one_hot_frames(labels, lengths, 10))
    return equations.solve(ridge), ridge, best


def _right(
    network: Network, readout: Readout, corpus: Corpus, which: np.ndarray, noise: torch.Generator | None
) -> torch.Tensor:
    """1 where the utterance is named rightly, in the order of `which`."""
    right = torch.zeros(len(which))
    place = 0
    order: list[int] = []
    frames = [corpus.frames[i] for i in which]
    for numbers, states in network.stream(frames, noise):
        lengths = [len(s) for s in states]
        named = decide(readout(torch.cat(states)), lengths)
        right[place : place + len(numbers)] = (named == corpus.digit[which[numbers]]).float()
        order += numbers
        place += len(numbers)
    back = torch.empty_like(right)
    back[order] = right
    return back


def _batches(network: Network, corpus: Corpus, which: np.ndarray, noise: torch.Generator | None):
    """States of all frames, lengths and labels, batch by batch."""
    for numbers, states in network.stream([corpus.frames[i] for i in which], noise):
        yield torch.cat(states), [len(s) for s in states], corpus.digit[which[numbers]]


def _bits(right: torch.Tensor) -> str:
    return "".join("1" if r else "0" for r in right.tolist())
