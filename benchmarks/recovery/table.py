"""Simulated campaigns of `table`: sweeps up and down with every tenth reading repeated, on 24 to 50 devices.

Truths are drawn around the default: slope and scatter of the steps, their size and ratio, spreads of the gains, read
noise, dead devices. A sweep has twice as many pulses as half the range has steps, so that it reaches both ends of the
range without staying there; the fitted range, and with it the level at which `step_up` and `step_down` are defined, is
then that of the truth to about 1 % of it. In sweeps twice as long devices lie at their hard bounds for much of the
time, where a step's law is not normal, and read noise is covered in about 80 % of the campaigns only.
"""

from __future__ import annotations

import numpy as np

from nanoneurons.core.random import generator_for
from nanoneurons.devices.table import StepQuantiles, Table
from nanoneurons.fitting import simulate
from nanoneurons.measurements import Pulses

VARIANTS = ("",)


def truth_of(rng: np.random.Generator) -> Table:
    """A device with levels from 20 to 30 uS."""
    from nanoneurons.devices._table_law import soft_bounded

    law = soft_bounded(slope=rng.uniform(0.7, 0.95), scatter=rng.uniform(0.2, 0.5), floor=rng.uniform(0.05, 0.2))
    levels = tuple(round(25 + 5 * x, 6) for x in law.levels)
    step = 5 * rng.uniform(0.02, 0.04)
    return Table(
        law=StepQuantiles(levels, law.probabilities, law.up, law.down),
        step_up=step,
        step_down=step * rng.uniform(0.8, 1.25),
        gain_spread=rng.uniform(0.1, 0.3),
        tilt_spread=rng.uniform(0.05, 0.15),
        read_noise=5 * rng.uniform(0.005, 0.02),
        stuck_share=rng.uniform(0.05, 0.2),
        initial_mean=rng.uniform(24.0, 26.0),
        initial_spread=rng.uniform(0.5, 1.2),
        zero_conductance=0.0,
        unit_conductance=1e-6,
    )


def campaign(seed: int, variant: str = "") -> tuple[Table, Pulses, Table, str]:
    """Truth, data, the device the fit starts from, variant."""
    rng = np.random.default_rng(seed)
    truth = truth_of(rng)
    devices, readings = int(rng.integers(24, 51)), int(rng.integers(400, 1001))
    sweep = int(2 * 5 / min(truth.step_up, truth.step_down))
    pulses = np.resize(np.r_[np.ones(sweep), -np.ones(sweep)], readings)
    pulses[::10] = 0
    reading = simulate(truth, pulses, devices, generator_for(seed, "campaign"))
    data = Pulses(
        np.arange(devices), tuple(f"cell {k + 1}" for k in range(devices)), reading=reading,
        pulses=np.tile(pulses, (devices, 1)), cycle=np.zeros(devices, int),
    )  # fmt: skip
    return truth, data, Table(), variant
