"""Simulated campaigns of `hfox-binary`: devices set and reset, each state read a few times."""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.measurements import Levels

VARIANTS = ("",)
DEVICES, CYCLES, READS = 40, 8, 3


def truth_of(seed: int) -> HfOxBinary:
    """A device whose parameters lie around the defaults, every imperfection above zero."""
    u = torch.rand(10, generator=generator_for(seed, "truth"), dtype=torch.float64).numpy()

    def factor(k: int, width: float = 1.6) -> float:
        return float(width ** (2 * u[k] - 1))

    plain = HfOxBinary()
    return plain.replace(
        resistance_low=plain.resistance_low * factor(0),
        resistance_high=plain.resistance_high * factor(1),
        low_spread_device=plain.low_spread_device * factor(2),
        high_spread_device=plain.high_spread_device * factor(3),
        low_spread_cycle=plain.low_spread_cycle * factor(4),
        high_spread_cycle=0.4 * factor(5),
        read_noise=plain.read_noise * factor(6),
        stuck_share=0.05 + 0.2 * float(u[7]),
        stuck_low=0.2 + 0.6 * float(u[8]),
    )


def campaign(seed: int, variant: str = "") -> tuple[HfOxBinary, Levels, HfOxBinary, str]:
    """Truth, data, the device the fit starts from, variant."""
    truth = truth_of(seed)
    generator = generator_for(seed, "campaign")
    state = truth.init((DEVICES,), generator)
    reading, device, level, cycle = [], [], [], []
    for turn in range(CYCLES):
        for which, drive in ((0, -1), (1, 1)):
            state = truth.step(state, torch.full((DEVICES,), drive), 0.0, generator)
            reads = [truth.conductance(state, generator).double().numpy() for _ in range(READS)]
            reading.append(np.stack(reads, 1))
            device.append(np.arange(DEVICES))
            level.append(np.full(DEVICES, which))
            cycle.append(np.full(DEVICES, turn))
    data = Levels(
        np.concatenate(device), tuple(f"cell {k + 1}" for k in range(DEVICES)), reading=np.concatenate(reading),
        level=np.concatenate(level), cycle=np.concatenate(cycle),
    )  # fmt: skip
    return truth, data, devices.get("hfox-binary"), variant
