"""What is lost on the way from densities to a Bayesian machine, step by step."""

# pyright: basic
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from nanoneurons.learning._likelihoods import LikelihoodTables, summed
from nanoneurons.networks.bayesian_machine import BayesianMachine

__all__ = ["Loss", "Losses", "losses_of"]


@dataclass(frozen=True)
class Loss:
    """Accuracy after one step.

    Attributes:
        step: what was done last.
        accuracy: share of correct answers; mean over chips.
        lost: accuracy of the step before less this one's.
        undecided: share of samples left to the prior; mean over chips.
    """

    step: str
    accuracy: float
    lost: float
    undecided: float


@dataclass(frozen=True)
class Losses:
    """Steps in order, on the same samples; prints as a table.

    Attributes:
        steps: the steps.
        samples: how many samples were looked at.
    """

    steps: tuple[Loss, ...]
    samples: int

    def __iter__(self) -> Iterator[Loss]:
        return iter(self.steps)

    def __str__(self) -> str:
        width = max(len(loss.step) for loss in self.steps)
        head = f"{'step':{width}}  accuracy    lost  undecided   ({self.samples} samples)"
        rows = [
            f"{loss.step:{width}}  {loss.accuracy:7.2%}  {100 * loss.lost:+6.2f}  {loss.undecided:8.2%}"
            for loss in self.steps
        ]
        return "\n".join([head, *rows])


def losses_of(
    x: np.ndarray, y: np.ndarray, tables: LikelihoodTables, prior: np.ndarray, words: np.ndarray,
    machine: BayesianMachine, chips: BayesianMachine | None,
) -> Losses:  # fmt: skip
    """Accuracy on samples `x` ``(samples, features)`` of class numbers `y` after each step.

    Args:
        tables: what was estimated.
        prior: p(y), ``(rows,)``.
        words: content of the machine.
        machine: the machine in software.
        chips: the machine in devices, if there is one.
    """
    seen = machine.observe(torch.from_numpy(x))
    own = seen[:, 1:] if machine.prior else seen
    values = x[:, tables.chosen]
    steps: list[tuple[str, np.ndarray, np.ndarray]] = []
    if tables.densities:
        logs = [sum(d.log(v) for d, v in zip(row, values.T, strict=True)) for row in tables.densities]
        steps.append(("densities", *_best(np.stack(logs, 1) + np.log(prior), prior)))
    steps.append((f"{tables.tables.shape[2]} bins", *_best(summed(np.log(tables.tables), own) + np.log(prior), prior)))
    if machine.logic.mode == "logarithmic":
        held, name = -words.astype(float), "8-bit logarithms"
    else:
        with np.errstate(divide="ignore"):
            held, name = np.log(words / 255), "8-bit likelihoods"
    steps.append((name, *_best(summed(held, seen), prior)))
    mode = f"machine, mode {machine.logic.mode}"
    if machine.logic.mode != "logarithmic":
        mode += f", {machine.logic.cycles} cycles" + f", {machine.logic.ones} ones" * (machine.logic.ones > 1)
    for network, what in ((machine, mode), (chips, "read errors of the devices")):
        if network is not None:
            decision = network.decide_observed(seen)
            steps.append((what, np.where(decision.decided, decision.winner, prior.argmax()), ~decision.decided))
    found, before = [], None
    for step, winner, undecided in steps:
        accuracy = float((winner == y).mean())
        found.append(Loss(step, accuracy, 0.0 if before is None else before - accuracy, float(undecided.mean())))
        before = accuracy
    return Losses(tuple(found), len(y))


def _best(scores: np.ndarray, prior: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row of the highest score, the prior's where all are minus infinity, and where that is so."""
    undecided = np.asarray(np.isneginf(scores).all(1))
    return np.where(undecided, prior.argmax(), scores.argmax(1)), undecided
