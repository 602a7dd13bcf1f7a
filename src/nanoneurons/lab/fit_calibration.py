"""Whether a fit's probabilities are true: the share of held-out readings in their band, and the law of their ranks."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import stats

from nanoneurons.fitting import Prediction

from .fit_compare import paired
from .stats import clopper_pearson

__all__ = ["BAND", "DISTANCE", "RULE", "calibration", "share_inside"]

BAND = (0.85, 0.95)  # what a 90 % band must hold of the readings it did not see
DISTANCE = 0.10  # largest distance of the ranks' cumulative share from the diagonal
ASIDE = 0.05  # largest share of readings that a fit may set aside as outliers
BINS = 20
RULE = (
    f"A model fits when its 90 % band holds {100 * BAND[0]:.0f} to {100 * BAND[1]:.0f} % of the held-out readings and "
    f"the cumulative share of their ranks stays within {DISTANCE:.2f} of the diagonal; it may set aside no more than "
    f"{100 * ASIDE:.0f} % of the readings."
)


def calibration(
    prediction: Prediction, measured: np.ndarray, counted: np.ndarray, unit: np.ndarray, aside: float = 0.0
) -> dict[str, Any]:
    """Judge predictions by the readings they did not see.

    Args:
        measured: readings, of the predictions' shape.
        counted: which of them were held out and predicted.
        unit: number of the piece that errs independently, the same shape.
        aside: share of the readings that the fit took for outliers; they count here as all others do.

    Returns:
        ``readings``, ``inside`` with its 95 % interval ``low``, ``high``; ``ranks``, the share of readings in
        twenty bins of rank; ``distance`` from uniform ranks, with the ``noise`` that so many readings leave in
        it at 95 %; ``verdict``: fits, does not fit well enough, or too few readings to tell.
    """
    chosen = counted & np.isfinite(prediction.low) & np.isfinite(measured)
    value, low, high = measured[chosen], prediction.low[chosen], prediction.high[chosen]
    found = share_inside((value >= low) & (value <= high), unit[chosen])
    rank = prediction.rank[chosen]
    rank = np.sort(rank[np.isfinite(rank)])
    count = len(rank)
    steps = np.arange(count + 1) / max(count, 1)
    distance = float(max(np.abs(rank - steps[1:]).max(), np.abs(rank - steps[:-1]).max())) if count else 0.0
    noise = float(stats.kstwo.ppf(0.95, count)) if count else 1.0
    bins = np.histogram(rank, BINS, (0.0, 1.0))[0] / max(count, 1)
    return found | {
        "ranks": bins.tolist(),
        "distance": distance,
        "noise": noise,
        "aside": aside,
        "verdict": _verdict(found, distance, noise) if aside <= ASIDE else "does not fit well enough",
        "rule": RULE,
    }


def _verdict(found: dict[str, Any], distance: float, noise: float) -> str:
    if found["inside"] is None:
        return "too few readings to tell"
    if BAND[0] <= found["inside"] <= BAND[1] and distance <= DISTANCE:
        return "fits"
    possible = found["low"] <= BAND[1] and found["high"] >= BAND[0] and distance <= DISTANCE + noise
    # With enough readings a share outside its limits is told, however near it is.
    return "too few readings to tell" if possible and found["readings"] < 300 else "does not fit well enough"


def share_inside(inside: np.ndarray, unit: np.ndarray) -> dict[str, Any]:
    """Share of true values with a 95 % interval over the pieces that err independently.

    The wider of Student's interval over the pieces and the exact binomial one of independent readings.
    """
    count = len(inside)
    if not count:
        return {"readings": 0, "inside": None, "low": None, "high": None}
    share = float(inside.mean())
    low, high = clopper_pearson(int(inside.sum()), count)
    _, error = paired(inside.astype(float), unit)
    if error is not None:
        half = float(stats.t.ppf(0.975, len(np.unique(unit)) - 1)) * error
        low, high = min(low, share - half), max(high, share + half)
    return {"readings": count, "inside": share, "low": max(low, 0.0), "high": min(high, 1.0)}
