"""The model to keep, and in words how clearly it wins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nanoneurons.measurements import Measurements

from .fit_compare import Score, common, densities, paired
from .fit_splits import Split
from .fit_words import listed

__all__ = ["Choice", "choose"]

WITHIN = 1.0  # standard errors within which a simpler model is preferred


@dataclass(frozen=True)
class Choice:
    """The model to keep.

    Attributes:
        score: of the chosen candidate.
        rows: one per candidate, best first: ``label, name, variant, parameters, log_density, behind, error, state``;
            densities in natural logarithms per reading, differences to the best with their standard errors.
        words: how clearly it wins.
        readings: held-out readings that were compared.
    """

    score: Score
    rows: list[dict[str, Any]]
    words: str
    readings: int


def choose(scores: Sequence[Score], data: Measurements, split: Split) -> Choice:
    """Keep the candidate of the highest held-out likelihood, or a simpler one within one standard error of it.

    A model with parameters is simpler than the table of steps; of two such,
    the one with fewer estimates, then the likelier.
    """
    whole = [score for score in scores if not score.trouble]
    counted = common(whole, data)
    found = densities(whole, data, counted)
    unit = split.unit[counted]
    order = sorted(range(len(whole)), key=lambda i: -float(found[i].sum()))
    best = order[0]
    behind = {i: paired(found[best] - found[i], unit) for i in order}
    near = [i for i in order if i == best or _within(behind[i], WITHIN)]
    kept = min(near, key=lambda i: _complexity(whole[i]))  # of equally simple ones the likelier
    rows = []
    for i in order:
        gap, error = behind[i]
        rows.append(
            _row(whole[i], "kept" if i == kept else "compared")
            | {
                "log_density": float(found[i].mean()) if len(found[i]) else None,
                "behind": gap,
                "error": None if i == best else error,
            }
        )
    rows += [_row(score, score.trouble) for score in scores if score.trouble]
    fallen = sum(score.lost is not None for score in scores)
    lost = "" if not fallen else f"{fallen} other model{'s' * (fallen > 1)}"
    return Choice(whole[kept], rows, _words(whole, found, unit, order, kept, lost), int(counted.sum()))


def _complexity(score: Score) -> tuple[bool, int, bool]:
    """A table is the least simple; among equals the generic family, which claims no material, comes first."""
    return score.candidate.name == "table", score.parameters, score.candidate.name != "pulsed"


def _within(found: tuple[float, float | None], limit: float) -> bool:
    gap, error = found
    return error is not None and gap <= limit * error


def _row(score: Score, state: str) -> dict[str, Any]:
    candidate = score.candidate
    behind, error = score.lost or (None, None)
    return {
        "label": candidate.label,
        "name": candidate.name,
        "variant": candidate.variant,
        "parameters": score.parameters,
        "log_density": None,
        "behind": behind,
        "error": error,
        "state": state,
        "seconds": score.seconds,
    }


def _words(
    whole: list[Score], found: list[np.ndarray], unit: np.ndarray, order: list[int], kept: int, lost: str
) -> str:
    own = whole[kept].candidate
    if len(whole) == 1:
        return f"{own.label} is clearly better than {lost} that fell far behind at once" if lost else ""
    said = []
    best = order[0]
    same = [i for i in order if i != kept and not np.any(found[i] - found[kept])]
    if same:
        names = listed([whole[i].candidate.label for i in same])
        said.append(
            f"{own.label} says of every reading what {names} {'say' if len(same) > 1 else 'says'} too: such data "
            "cannot choose between them; name yours with --device"
        )
    if kept != best and best not in same:
        said.append(
            f"{own.label} predicts held-out readings as well as {whole[best].candidate.label} within a standard error, "
            "and is simpler"
        )
    family = [i for i in order if i not in (kept, best, *same) and whole[i].candidate.name != own.name]
    variant = [i for i in order if i not in (kept, best, *same) and whole[i].candidate.name == own.name]
    for others, kind in ((family, "the next family"), (variant, "its next variant")):
        if others:
            gap, error = paired(found[kept] - found[others[0]], unit)
            said.append(f"{_degree(gap, error)} {kind}, {whole[others[0]].candidate.label}{_gap(gap, error)}")
    text = "; ".join(said)
    return text if kept != best or same else f"{own.label}: {text}"


def _degree(gap: float, error: float | None) -> str:
    if error is None or abs(gap) < error:
        return "not told apart from"
    if gap < 0:
        return "somewhat worse than"
    times = gap / error if error else np.inf
    return "clearly better than" if times >= 3 else "probably better than" if times >= 2 else "slightly better than"


def _gap(gap: float, error: float | None) -> str:
    spread = "" if error is None else f" ± {error:.2g}"
    return f" ({gap:.2g}{spread} nats per reading)".replace("-", "−")
