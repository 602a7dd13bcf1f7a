"""Gestures in parts that keep takes together, and the choice of a machine's settings on training takes alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch

from nanoneurons import data
from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.random import generator_for
from nanoneurons.learning._likelihoods import LikelihoodTables, estimate, summed, words_of

__all__ = ["Model", "Setting", "Takes", "choose", "floating", "held_out", "load", "registers", "settings"]

_SMOOTHING = 1.0  # samples spread evenly over the bins of a class
_INNER_DRAWS = 3  # sets of registers when settings are compared


@dataclass(frozen=True)
class Takes:
    """Recordings of one task: features, classes, and the block or person of each."""

    x: np.ndarray
    y: np.ndarray
    group: np.ndarray
    classes: int
    features: tuple[str, ...]

    def part(self, chosen: np.ndarray) -> Takes:
        """Some of the recordings."""
        return Takes(self.x[chosen], self.y[chosen], self.group[chosen], self.classes, self.features)


@dataclass(frozen=True)
class Setting:
    """What is chosen on training takes: estimate of likelihoods, number of bins, choice of features, rescaling."""

    method: str
    bins: int
    select: str
    rescale: str

    @property
    def name(self) -> str:
        """For notes."""
        return f"{self.method}, {self.bins} bins, features by {self.select}, rescaled by {self.rescale}"


@dataclass(frozen=True, eq=False)
class Model:
    """A trained machine: its tables, and the setting that made them."""

    tables: LikelihoodTables
    setting: Setting

    def words(self, logarithmic: bool = False, rescale: str = "", decades: float = 8.0) -> np.ndarray:
        """Eight-bit words, uint8, ``(rows, columns, bins)``."""
        by_value = (rescale or self.setting.rescale) == "value"
        return words_of(self.tables.tables, None, logarithmic=logarithmic, decades=decades, per_value=by_value)


def load(task: str) -> tuple[Takes, Takes]:
    """Training and test part of a task."""
    found = data.load(task)
    names = found.scale.features if found.scale else ()
    parts = []
    for x, y, group in (
        (found.x_train, found.y_train, found.group_train),
        (found.x_test, found.y_test, found.group_test),
    ):
        assert group is not None
        parts.append(Takes(x.double().numpy(), y.numpy(), group.numpy(), found.classes, names))
    return parts[0], parts[1]


def joined(a: Takes, b: Takes) -> Takes:
    """Two parts as one."""
    both = [np.concatenate(pair) for pair in ((a.x, b.x), (a.y, b.y), (a.group, b.group))]
    return Takes(both[0], both[1], both[2], a.classes, a.features)


def held_out(group: np.ndarray, folds: int, generator: torch.Generator) -> list[np.ndarray]:
    """Masks of held-out recordings: the groups in random order, dealt to `folds` parts as equal as possible."""
    present = np.unique(group)
    order = present[torch.randperm(len(present), generator=generator).numpy()]
    return [np.isin(group, part) for part in np.array_split(order, min(folds, len(present)))]


def registers(columns: int, count: int, generator: torch.Generator) -> list[tuple[int, ...]]:
    """Random different seeds of the columns' registers, `count` sets."""
    return [tuple(1 + torch.randperm(255, generator=generator)[:columns].numpy()) for _ in range(count)]


def settings(config: Any) -> list[Setting]:
    """All settings to choose from; the published ones come first and win ties."""
    return [Setting(*s) for s in product(config.estimates, config.bins, config.selections, config.rescales)]


def floating(tables: LikelihoodTables, observed: np.ndarray) -> np.ndarray:
    """Decisions of naive Bayes in floating point on the same bins, ``(samples,)``."""
    return summed(np.log(tables.tables), observed).argmax(1)


def fit(takes: Takes, columns: int, setting: Setting) -> Model:
    """Estimate the likelihoods."""
    found = estimate(
        takes.x, takes.y, classes=takes.classes, columns=min(columns, takes.x.shape[1]), bins=setting.bins,
        method=setting.method, select=setting.select, smoothing=_SMOOTHING,
    )  # fmt: skip
    return Model(found, setting)


def choose(takes: Takes, columns: int, among: Sequence[Setting], folds: int, seed: tuple[Any, ...]) -> Model:
    """The setting whose machine (all cycles) decides best on held-out blocks of the training takes, fitted to all.

    Features are chosen anew in every part, so that nothing of a held-out block is used.
    """
    if len(among) == 1:
        return fit(takes, columns, among[0])
    right = np.zeros(len(among))
    parts = held_out(takes.group, folds, generator_for(*seed, "inner"))
    for number, out in enumerate(parts):
        inside, outside = takes.part(~out), takes.part(out)
        seeds = registers(columns, _INNER_DRAWS, generator_for(*seed, "inner", number))
        logics = [BayesianLogic(columns, "full", seeds=own) for own in seeds]
        made: dict[tuple[Any, ...], Model] = {}
        for place, setting in enumerate(among):
            key = (setting.method, setting.bins, setting.select)
            if key not in made:
                made[key] = fit(inside, columns, setting)
            words = Model(made[key].tables, setting).words()
            seen = made[key].tables.observe(outside.x)
            right[place] += sum(float((logic.decide(words, seen).winner == outside.y).sum()) for logic in logics)
    return fit(takes, columns, among[int(right.argmax())])
