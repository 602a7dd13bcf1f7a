"""Iris: three species as three patterns of three oscillators, in cross-validation, all folds side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from nanoneurons import data
from nanoneurons.core.random import draw_key, generator_for
from nanoneurons.networks.phase_network import PhaseNetwork

from ._training import Stage, numbers, scatter, train

__all__ = ["CODES", "ORIGINALS", "Folds", "decode", "folds", "learn", "references", "search", "shares"]

# Pattern of each species: oscillators 1 and 2 synchronised; none; 2 and 3. Pairs: (1,2), (1,3), (2,3).
CODES = torch.tensor([[True, False, False], [False, False, False], [False, False, True]])
CORE = 3
ORIGINALS = ("original-pca", "original-lda")
_REACH = 6.0  # MHz; random natural frequencies of the original scheme, three deviations of its inputs
_STRONGEST = (1.0, 3.0)  # MHz; random common coupling, random strengths of A and B
_WIDTHS = {"natural": 0.3, "coupling": 0.1, "injection": 0.2, "input_matrix": 0.05, "input_offset": 0.5}


@dataclass(frozen=True)
class Folds:
    """Standardised features and labels of every fold, ``(folds, samples, features)`` and ``(folds, samples)``.

    Mean and standard deviation are those of the fold's training part.
    """

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor


def folds(seed: int, count: int) -> Folds:
    """The 150 flowers split into `count` stratified folds, shuffled by `seed`."""
    flowers = data.load("iris")
    x = torch.cat([flowers.x_train, flowers.x_test]).double().numpy()
    y = torch.cat([flowers.y_train, flowers.y_test]).numpy()
    parts: list[tuple[np.ndarray, ...]] = []
    for train_rows, test_rows in StratifiedKFold(count, shuffle=True, random_state=seed).split(x, y):
        mean, width = x[train_rows].mean(0), x[train_rows].std(0)
        scaled = (x - mean) / width
        parts.append((scaled[train_rows], y[train_rows], scaled[test_rows], y[test_rows]))
    return Folds(*(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)))


def decode(patterns: torch.Tensor) -> torch.Tensor:
    """Class whose code differs in the fewest pairs, the first of several; shape without the last axis."""
    return (patterns[..., None, :] != CODES).sum(-1).argmin(-1)


def references(split: Folds) -> dict[str, list[int]]:
    """Test samples that logistic regression and linear discriminant analysis get right, by fold."""
    models = {"logistic": LogisticRegression(max_iter=1000), "lda": LinearDiscriminantAnalysis()}
    right: dict[str, list[int]] = {}
    for name, model in models.items():
        right[name] = []
        for x, y, x_test, y_test in zip(split.x_train, split.y_train, split.x_test, split.y_test, strict=True):
            model.fit(x.numpy(), y.numpy())
            right[name].append(int((model.predict(x_test.numpy()) == y_test.numpy()).sum()))
    return right


def learn(
    seed: int,
    count: int,
    restarts: int,
    stages: Sequence[Stage],
    jitter: float,
    linewidths: Sequence[float],
    spreads: Sequence[float],
    chips: int,
    progress: Callable[[float], None],
) -> dict[str, Any]:
    """Train the generalised network on every fold, read its test flowers with the counters, then with imperfections.

    Args:
        jitter: see `train`.
        linewidths: full widths in Hz of the free lines at which the test is repeated with phase noise.
        spreads: standard deviations in Hz of the natural frequencies over `chips` fabricated chips.
    """
    split = folds(seed, count)
    x_train, x_test = _whitened(split)
    draws = generator_for(seed, "iris", "generalised")
    network = PhaseNetwork(x_train.shape[-1], CORE, 2, count * restarts, coupling=0.0)
    with torch.no_grad():
        network.input_matrix.zero_()  # so that the first step of training decides the direction, not chance
        network.injection.copy_(torch.tensor([1.8, 0.6]).expand_as(network.injection))  # A stronger than B
    scatter(network, _WIDTHS, draws)
    best = train(
        network, x_train, split.y_train, CODES, stages, draws, lambda share: progress(0.9 * share), jitter=jitter
    )
    patterns = best.patterns(x_test)
    found = decode(patterns)
    train_right = decode(best.patterns(x_train)) == split.y_train
    answer = {
        **_scored(found, split),
        "exact": (patterns == CODES[split.y_test]).all(-1).sum(1).tolist(),
        "train": train_right.double().mean(1).tolist(),
        "parameters": numbers(best),
        "references": references(split),
        "noise": [_noisy(best, x_test, split.y_test, width, draws) for width in linewidths],
        "spread": [_spread(best, x_test, split.y_test, width, chips, draws) for width in spreads],
    }
    progress(1.0)
    return answer


def search(kind: str, seed: int, count: int, tries: int, progress: Callable[[float], None]) -> dict[str, Any]:
    """The original scheme on every fold: the best of many random choices of f_i, k and the strengths of A and B.

    All candidates are judged on a third of the training flowers, the best tenth on all of them, and the best one is
    tested. A pattern means the species that shows it most often in training (an unseen one: the nearest seen), the
    most favourable naming that there is.

    Args:
        kind: ``original-pca`` or ``original-lda``: the fixed linear map to (f_A, f_B), fitted on the training fold.
    """
    split = folds(seed, count)
    draws = generator_for(seed, "iris", kind)
    x_train, x_test = _mapped(kind, split)
    found = torch.zeros_like(split.y_test)
    train_share: list[float] = []
    for fold in range(count):
        x, y = x_train[fold], split.y_train[fold]
        network = PhaseNetwork(2, CORE, 2, tries)
        with torch.no_grad():
            drawn = torch.rand(tries, CORE + 3, generator=draws, dtype=torch.float64)
            network.natural.copy_(_REACH * (2 * drawn[:, :CORE] - 1))
            network.coupling.copy_(_STRONGEST[0] * drawn[:, CORE, None, None].expand_as(network.coupling))
            network.injection.copy_(_STRONGEST[1] * drawn[:, None, CORE + 1 :].expand_as(network.injection))
        some = torch.randperm(len(x), generator=draws)[: len(x) // 3]
        share = _named_share(network.patterns(x[some]), y[some])
        network = network.select(share.topk(max(tries // 10, 1)).indices)
        patterns = network.patterns(x)
        share = _named_share(patterns, y)
        best = int(share.argmax())
        train_share.append(float(share[best]))
        seen, names = _names(patterns[best], y)
        tested = network.select(torch.tensor([best])).patterns(x_test[fold])[0]
        found[fold] = names[(tested[:, None, :] != seen).sum(-1).argmin(-1)]
        progress((fold + 1) / count)
    return {**_scored(found, split), "train": train_share, "tries": tries}


def _scored(found: torch.Tensor, split: Folds) -> dict[str, Any]:
    y = split.y_test
    return {
        "right": (found == y).sum(1).tolist(),
        "confusion": [[int(((y == a) & (found == b)).sum()) for b in range(3)] for a in range(3)],
        "test_samples": int(y.numel()),
    }


def _names(patterns: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Patterns that occur, ``(kinds, pairs)``, and the class that shows each most often."""
    seen, which = torch.unique(patterns, dim=0, return_inverse=True)
    table = torch.zeros(len(seen), 3, dtype=torch.long)
    table.index_put_((which, y), torch.ones_like(y), accumulate=True)
    return seen, table.argmax(1)


def _named_share(patterns: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Share right of each copy when every pattern means the class that shows it most often."""
    number = (patterns.long() << torch.arange(patterns.shape[-1])).sum(-1)
    hits = torch.zeros(len(patterns), 2 ** patterns.shape[-1], 3, dtype=torch.long)
    for label in range(3):
        mine = number[:, y == label]
        hits[..., label].scatter_add_(1, mine, torch.ones_like(mine))
    return hits.amax(-1).sum(1).double() / len(y)


def _whitened(split: Folds) -> tuple[torch.Tensor, torch.Tensor]:
    """All four features times W^(-1/2), W the covariance within the species of the training part.

    The input matrix absorbs this linear map, so the network is the same. But sizes of petals and sepals go together,
    and along directions of equal spread the gradient finds the borders in far fewer steps; the training noise is then
    a share of the natural spread of a species.
    """
    first, second = [], []
    for x, y, x_test in zip(split.x_train, split.y_train, split.x_test, strict=True):
        means = torch.stack([x[y == c].mean(0) for c in range(3)])
        rest = x - means[y]
        size, axes = torch.linalg.eigh(rest.T @ rest / (len(x) - 3))
        root = axes / size.sqrt() @ axes.T
        first.append(x @ root)
        second.append(x_test @ root)
    return torch.stack(first), torch.stack(second)


def _mapped(kind: str, split: Folds) -> tuple[torch.Tensor, torch.Tensor]:
    """Two fixed linear features per fold, scaled to a standard deviation of 2 MHz over the training part."""
    parts: list[tuple[np.ndarray, np.ndarray]] = []
    for x, y, x_test in zip(split.x_train.numpy(), split.y_train.numpy(), split.x_test.numpy(), strict=True):
        maker = PCA(2) if kind == "original-pca" else LinearDiscriminantAnalysis(n_components=2)
        low = maker.fit(x, y).transform(x)
        scale = 2.0 / low.std(0)
        parts.append((low * scale, maker.transform(x_test) * scale))
    first, second = zip(*parts, strict=True)
    return torch.from_numpy(np.stack(first)), torch.from_numpy(np.stack(second))


def _noisy(network: PhaseNetwork, x: torch.Tensor, y: torch.Tensor, linewidth: float, draws: torch.Generator) -> float:
    """Share right with lines of the given full width in Hz: D = pi times the width."""
    network.diffusion = np.pi * linewidth
    share = (decode(network.patterns(x, key=draw_key(draws))) == y).double().mean()
    network.diffusion = 0.0
    return float(share)


def _spread(
    network: PhaseNetwork, x: torch.Tensor, y: torch.Tensor, spread: float, chips: int, draws: torch.Generator
) -> list[float]:
    """Share right over all folds for each fabricated chip."""
    made = network.fabricated(spread, chips, draws)
    found = decode(made.patterns(x.repeat_interleave(chips, 0)))
    return (found == y.repeat_interleave(chips, 0)).reshape(len(x), chips, -1).double().mean((0, 2)).tolist()


def shares(results: Sequence[Mapping[str, Any]], key: str) -> np.ndarray:
    """Test accuracy in percent of each result, one per seed."""
    return np.array([100 * sum(r[key]) / r["test_samples"] for r in results])
