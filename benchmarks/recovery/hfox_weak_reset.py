"""Campaigns on simulated `hfox-weak-reset` devices whose laws differ from one campaign to the next.

24 to 50 devices, read every 5, 10 or 20 pulses up to 1,500 or 2,000 pulses (75 to 400 readings a device). Every
identifiable number is drawn around its default. The offset is 0 without spread: a reading shows the fresh resistance
and the offset as one number, and the fit calls the sum `resistance`.
"""

from __future__ import annotations

import numpy as np

from nanoneurons.core.random import generator_for
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.fitting import simulate
from nanoneurons.measurements import Pulses

VARIANTS = ("",)


def campaign(seed: int, variant: str = "") -> tuple[HfOxWeakReset, Pulses, HfOxWeakReset, str]:
    """Truth, measurements, the device the fit starts from, and the variant."""
    rng = np.random.default_rng([seed, 20])
    base = HfOxWeakReset()

    def about(name: str, log_range: float) -> float:
        return getattr(base, name) * float(np.exp(rng.uniform(-log_range, log_range)))

    truth = HfOxWeakReset(
        offset=0.0,
        offset_sd=0.0,
        resistance=float(rng.uniform(6800, 7200)),
        resistance_sd=about("resistance_sd", 0.25),
        fast_slope_scale=about("fast_slope_scale", 0.35),
        knee=about("knee", 0.25),
        knee_log_sd=about("knee_log_sd", 0.25),
        slow_slope_scale=about("slow_slope_scale", 0.25),
        telegraph_amplitude=about("telegraph_amplitude", 0.4),
        telegraph_up=about("telegraph_up", 0.4),
        telegraph_down=about("telegraph_down", 0.4),
        flicker_amplitude=about("flicker_amplitude", 0.4),
    )
    devices = int(rng.integers(24, 51))
    gap, last = int(rng.choice([5, 10, 20])), int(rng.choice([1500, 2000]))
    pulses = np.r_[0, np.full(last // gap, -gap)]
    reading = simulate(truth, pulses, devices, generator_for(seed, "hfox-weak-reset", "recovery"))
    data = Pulses(
        np.arange(devices),
        tuple(f"device {i + 1}" for i in range(devices)),
        reading=reading,
        pulses=np.tile(pulses, (devices, 1)),
        cycle=np.zeros(devices, int),
    )
    return truth, data, base, variant
