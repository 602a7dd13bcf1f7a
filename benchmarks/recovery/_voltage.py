"""Simulated campaigns of the voltage memristors: both ends of the range, programmed and read several times."""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.measurements import Levels

VARIANTS = ("levels",)
DEVICES = 30


def truth_of(name: str, seed: int):
    """A device whose parameters lie around the defaults, every imperfection above zero."""
    u = torch.rand(20, generator=generator_for(seed, "truth"), dtype=torch.float64).numpy()

    def factor(k: int, width: float) -> float:
        return float(width ** (2 * u[k] - 1))

    base = devices.get(name)
    bend = ("exponent_up", "exponent_down", "steepness_up", "steepness_down")
    changes = {key: getattr(base, key) * factor(k, 1.2) for k, key in enumerate(bend)}
    changes |= {
        key: getattr(base, key) * factor(4 + k, 1.03) for k, key in enumerate(("threshold_up", "threshold_down"))
    }
    changes |= {
        "conductance_high": base.conductance_high * factor(6, 1.5),
        "on_off_ratio": 1 + (base.on_off_ratio - 1) * factor(7, 1.4),
        "change_spread": 0.1 * factor(8, 1.5),
        "threshold_spread": 0.02 * factor(9, 1.5),
        "cycle_spread": 0.15 * factor(10, 1.5),
        "read_noise": 0.005 * factor(11, 1.5),
        "stuck_low": 0.02 + 0.06 * float(u[12]),
        "stuck_high": 0.02 + 0.06 * float(u[13]),
    }
    return base.replace(**changes)


def levels_of(truth, generator: torch.Generator) -> Levels:
    """Devices driven to both ends, from one side and from the other, each state read three times, five times over."""
    state = truth.init((DEVICES,), generator)
    reading, level = [], []
    for _ in range(5):
        for which, way, threshold in ((1, -1, truth.threshold_up), (0, 1, truth.threshold_down)):
            for _ in range(400):
                state = truth.apply_voltage(state, torch.full((DEVICES,), way * 2.5 * threshold), generator)
            reads = [truth.conductance(state, generator).double().numpy() for _ in range(3)]
            reading.append(np.stack(reads, 1))
            level.append(np.full(DEVICES, which))
    names = tuple(f"cell {k + 1}" for k in range(DEVICES))
    return Levels(
        np.tile(np.arange(DEVICES), 10), names, reading=np.concatenate(reading), level=np.concatenate(level),
        cycle=np.repeat(np.arange(5), 2 * DEVICES),
    )  # fmt: skip


def campaign_of(name: str, seed: int, variant: str = VARIANTS[0]):
    """Truth, data, the device the fit starts from, variant of the fit."""
    truth, base = truth_of(name, seed), devices.get(name)
    generator = generator_for(seed, "campaign")
    return truth, levels_of(truth, generator), base, ""
