r"""Which features a Bayesian machine looks at: the first, the most informative, or those that classify best together.

.. math:: f^* = \arg\max_f \Big( I(f; y) - \frac{1}{|S|} \sum_{s \in S} I(f; s) \Big)

is added to the chosen set *S* until there are enough (``"information"``: relevance less redundancy, Peng et al., IEEE
TPAMI 27, 1226 (2005)). ``"accuracy"`` adds the feature with which naive Bayes errs least in cross-validation.
"""

# pyright: basic
from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["SELECTIONS", "by_accuracy", "by_information", "folds_of"]

SELECTIONS = ("first", "information", "accuracy")
LEVELS, FOLDS, MOST_SAMPLES = 10, 5, 2000


def folds_of(y: np.ndarray, folds: int = FOLDS) -> np.ndarray:
    """Fold of every sample, ``(samples,)``: the samples of a class are dealt out in turn."""
    fold = np.empty(len(y), np.int64)
    start = 0
    for own in np.unique(y):
        at = np.flatnonzero(y == own)
        fold[at] = (start + np.arange(len(at))) % folds
        start += len(at)
    return fold


def thinned(y: np.ndarray, most: int = MOST_SAMPLES) -> np.ndarray:
    """Numbers of at most `most` samples, every class with its share, in order."""
    if len(y) <= most:
        return np.arange(len(y))
    order = np.argsort(y, kind="stable")
    return np.sort(order[np.linspace(0, len(y) - 1, most).round().astype(np.int64)])


def by_information(x: np.ndarray, y: np.ndarray, columns: int) -> np.ndarray:
    """Features of ``(samples, features)`` chosen by relevance less redundancy, ``(columns,)``."""
    levels = np.stack([_level(x[:, f]) for f in range(x.shape[1])], 1)
    relevance = _information(levels, y, int(y.max()) + 1)
    redundancy = np.zeros(len(relevance))
    chosen: list[int] = []
    while len(chosen) < columns:
        score = relevance - (redundancy / len(chosen) if chosen else 0)
        score[chosen] = -np.inf
        chosen.append(int(score.argmax()))
        redundancy += _information(levels, levels[:, chosen[-1]], LEVELS)
    return np.array(chosen)


def by_accuracy(
    x: np.ndarray, y: np.ndarray, columns: int, log_tables: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Features of ``(samples, features)`` chosen by cross-validated errors of naive Bayes, ``(columns,)``.

    Args:
        log_tables: ``log_tables(x_train, y_train, x_test)`` gives log likelihoods ``(features, test, rows)``.
    """
    fold = folds_of(y)
    order = np.concatenate([np.flatnonzero(fold == k) for k in range(FOLDS)])
    parts = [log_tables(x[fold != k], y[fold != k], x[fold == k]) for k in range(FOLDS) if (fold == k).any()]
    logs = np.concatenate(parts, 1).astype(np.float32)
    truth = y[order]
    total = np.zeros(logs.shape[1:], np.float32)
    chosen: list[int] = []
    while len(chosen) < columns:
        scores = [(-1.0, -np.inf) if f in chosen else _quality(total + logs[f], truth) for f in range(len(logs))]
        chosen.append(max(range(len(scores)), key=scores.__getitem__))
        total += logs[chosen[-1]]
    return np.array(chosen)


def _quality(total: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """Share of correct answers and, where equal, the mean log probability of the truth."""
    top = total.max(1)
    own = total[np.arange(len(truth)), truth]
    spread = np.log(np.exp(total - top[:, None]).sum(1))
    return float((total.argmax(1) == truth).mean()), float((own - top - spread).mean())


def _level(values: np.ndarray) -> np.ndarray:
    """Values as tenths of their distribution, 0 ... 9; -1 where NaN."""
    seen = ~np.isnan(values)
    if not seen.any():
        return np.full(len(values), -1)
    edges = np.unique(np.quantile(values[seen], np.linspace(0, 1, LEVELS + 1)[1:-1]))
    return np.where(seen, np.searchsorted(edges, values, side="left"), -1)


def _information(levels: np.ndarray, other: np.ndarray, size: int) -> np.ndarray:
    """Mutual information in nats of every column with `other`, less its bias, where both are there."""
    found = np.zeros(levels.shape[1])
    for f in range(levels.shape[1]):
        own = levels[:, f]
        both = (own >= 0) & (other >= 0)
        n = int(both.sum())
        if not n:
            continue
        joint = np.bincount(own[both] * size + other[both], minlength=LEVELS * size).reshape(LEVELS, size) / n
        product = joint.sum(1, keepdims=True) * joint.sum(0)
        there = joint > 0
        raw = float((joint[there] * np.log(joint[there] / product[there])).sum())
        cells = (np.count_nonzero(joint.sum(1)) - 1) * (np.count_nonzero(joint.sum(0)) - 1)
        found[f] = (raw - cells / (2 * n)) * n / len(own)  # Miller and Madow's correction
    return found
