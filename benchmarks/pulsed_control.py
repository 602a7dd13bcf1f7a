"""What the draws of the campaigns alone do to coverage: the mean step as somebody knows it who sees every device's own.

The campaigns of `fit_recovery.py pulsed` draw 24 to 40 devices each. A t interval from the true steps of those that
move holds the mean step in 95 % of all campaigns, but in the 200 that are looked at in a few per cent more or less; a
fit of the same campaigns goes with it.

    python benchmarks/pulsed_control.py --campaigns 200
"""

from __future__ import annotations

import argparse

import numpy as np
from fit_recovery import share_interval
from recovery.pulsed import VARIANTS, campaign
from scipy import stats

from nanoneurons.core.random import generator_for


def deviation(seed: int, variant: str) -> tuple[float, float]:
    """Error of the mean step of the moving devices in standard errors, and the t quantile to judge it by."""
    truth, data, _, _ = campaign(seed, variant)
    state = truth.init((len(data.reading),), generator_for(seed, "recovery", variant))
    up, down = (state[way].numpy().astype(float) for way in ("up", "down"))
    moving = np.maximum(up, down) > 0
    steps = 0.5 * (up + down)[moving]
    offset = 0.5 * abs(truth.up_down) * truth.pulse_step  # both steps are at most the mean of the larger one
    if truth.step_law == "log-normal":
        steps, mean = np.log(steps + offset), np.log(truth.pulse_step)
    else:
        mean = truth.pulse_step - offset
    error = steps.std(ddof=1) / np.sqrt(len(steps))
    return float((steps.mean() - mean) / error), float(stats.t.ppf(0.975, len(steps) - 1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--campaigns", type=int, default=200)
    given = parser.parse_args()
    for variant in VARIANTS:
        z, limit = np.array([deviation(seed, variant) for seed in range(given.campaigns)]).T
        inside = int((np.abs(z) < limit).sum())
        low, high = share_interval(inside, len(z))
        print(
            f"{variant:12} pulse_step held in {100 * inside / len(z):.1f} % [{100 * low:.1f}, {100 * high:.1f}] of "
            f"{len(z)} campaigns; mean error {z.mean():+.2f}, spread {z.std():.2f} standard errors"
        )


if __name__ == "__main__":
    main()
