"""Simulated campaigns of `hfox-binary`: devices set and reset and read, swept in voltage, or read again and again."""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.measurements import IVSweeps, Levels, Measurements, NoiseSeries

VARIANTS = ("levels", "iv", "noise")
DEVICES, CYCLES, READS = 40, 8, 3
NAMES = tuple(f"cell {k + 1}" for k in range(DEVICES))


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


def campaign(seed: int, variant: str = "levels") -> tuple[HfOxBinary, Measurements, HfOxBinary, str]:
    """Truth, data, the device the fit starts from, variant of the fit."""
    truth = truth_of(seed)
    base = devices.get("hfox-binary")
    generator = generator_for(seed, "campaign")
    if variant == "noise":
        return truth, _noise(truth, generator), base, ""
    if variant == "iv":  # a sweep reads each state once: the fit takes the read noise as known
        truth = truth.replace(read_noise=base.read_noise)
    state = truth.init((DEVICES,), generator)
    reading, device, level, cycle = [], [], [], []
    for turn in range(CYCLES):
        for which, drive in ((1, 1), (0, -1)):
            state = truth.step(state, torch.full((DEVICES,), drive), 0.0, generator)
            reads = [truth.conductance(state, generator).double().numpy() for _ in range(READS)]
            reading.append(np.stack(reads, 1))
            device.append(np.arange(DEVICES))
            level.append(np.full(DEVICES, which))
            cycle.append(np.full(DEVICES, turn))
    data = Levels(
        np.concatenate(device), NAMES, reading=np.concatenate(reading), level=np.concatenate(level),
        cycle=np.concatenate(cycle),
    )  # fmt: skip
    return truth, _swept(data) if variant == "iv" else data, base, ""


def _noise(truth: HfOxBinary, generator: torch.Generator) -> NoiseSeries:
    state = truth.init((12,), generator)
    reads = [truth.conductance(state, generator).double().numpy() for _ in range(200)]
    time = np.tile(np.arange(200.0), (12, 1))
    return NoiseSeries(np.arange(12), NAMES[:12], reading=np.stack(reads, 1), time=time)


def _swept(data: Levels) -> IVSweeps:
    """RESET sweeps to 1 V: ohmic, LRS on the way out until 0.7 V, HRS on the way back."""
    low, high = (data.reading[data.level == which, 0] for which in (1, 0))
    out = np.linspace(0, 1, 41)
    volts = np.concatenate([out, out[::-1]])
    is_low = np.arange(82) < 29
    current = np.where(is_low, low[:, None], high[:, None]) * volts
    at = data.level == 1
    return IVSweeps(
        data.device[at], NAMES, voltage=np.tile(volts, (at.sum(), 1)), current=current, cycle=data.cycle[at]
    )
