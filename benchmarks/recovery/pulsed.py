"""Simulated measurement campaigns on pulsed devices, one for every step shape.

24 to 40 devices, two cycles of 100 to 200 up and as many down pulses with a reading after each, every tenth read
again. Truths are drawn around the released presets' orders of magnitude, with a cycle-to-cycle spread of 0.1 to 3
steps (1.5 for exponential and power steps); a device crosses its range in about 60 to 100 pulses, so that most show
both bounds. Readings are in S but for soft bounds, whose readings are the normalised weights, with unequal bounds.
Where the noise is relative to the pulse and where to the step is drawn at random, and so is the law of the step's
spread.
"""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting import simulate
from nanoneurons.measurements import Pulses

VARIANTS = ("constant", "linear", "soft-bounds", "exponential", "power")


def _sequence(draw: np.random.Generator) -> np.ndarray:
    pulses = [0]
    for _ in range(2):
        length = int(draw.integers(100, 201))
        pulses += [1] * length + [-1] * length
    every = 10
    return np.array([p for k, n in enumerate(pulses) for p in ([n, 0] if k % every == every - 1 else [n])])


def _truth(draw: np.random.Generator, variant: str) -> Pulsed:
    def between(low: float, high: float) -> float:
        return float(draw.uniform(low, high))

    crossing = between(60, 100)
    values: dict = {
        "step_shape": variant, "w_max": 1.0, "w_min": -1.0, "pulse_step": 2 / crossing,
        "up_down": between(0.05, 0.25) * draw.choice([-1, 1]), "up_down_spread": between(0.03, 0.08),
        "step_spread": between(0.1, 0.3), "w_max_spread": between(0.08, 0.25), "w_min_spread": between(0.08, 0.25),
        "cycle_spread": float(np.exp(draw.uniform(np.log(0.1), np.log(3.0)))), "write_noise": between(0.5, 3.0),
        "read_noise": between(0.005, 0.02), "initial_mean": between(-0.5, 0.2), "initial_spread": between(0.1, 0.25),
        "zero_conductance": 25e-6, "unit_conductance": between(4e-6, 10e-6),
        "noise": str(draw.choice(["step", "pulse"])), "step_law": str(draw.choice(["normal", "log-normal"])),
        "stuck_share": between(0.02, 0.1),
    }  # fmt: skip
    if variant == "linear":
        values |= {"gamma_up": between(0.2, 0.6), "gamma_down": between(0.3, 0.8), "gamma_spread": between(0.03, 0.1)}
    elif variant == "soft-bounds":
        values |= {"pulse_step": 2.2 / crossing, "w_max": between(0.8, 1.3), "w_min": between(-1.1, -0.6)}
    elif variant == "exponential":
        values |= {"exp_a": -0.5, "exp_b": -0.5, "gamma_up": between(2.5, 5.0), "gamma_down": between(2.5, 5.0)}
        values |= {"exp_up": between(-1.6, -0.8), "exp_down": between(-0.4, -0.1), "pulse_step": 1.5 / crossing}
    elif variant == "power":
        values |= {"gamma_up": between(0.5, 1.5), "gamma_down": between(0.5, 1.5), "pulse_step": 4 / crossing}
        values["write_noise"] /= 2  # as large as elsewhere beside a step in mid-range
    if variant in ("exponential", "power"):
        values["cycle_spread"] = min(values["cycle_spread"], 1.5)
    return Pulsed(**values)


def campaign(seed: int, variant: str) -> tuple[Pulsed, Pulses, Pulsed, str]:
    """Truth, its measurements, the device a fit starts from, and the variant to fit."""
    draw = np.random.default_rng([seed, VARIANTS.index(variant)])
    truth = _truth(draw, variant)
    devices, pulses = int(draw.integers(24, 41)), _sequence(draw)
    reading = simulate(truth, pulses, devices, generator_for(seed, "recovery", variant))
    unit = "1" if variant == "soft-bounds" else "S"
    if unit == "1":
        reading = (reading - truth.zero_conductance) / truth.unit_conductance
    missing = draw.random(reading.shape) < 0.01
    missing[:, 0] = False
    data = Pulses(
        np.arange(devices), tuple(f"device {i}" for i in range(devices)), unit,
        reading=np.where(missing, np.nan, reading), pulses=np.tile(pulses, (devices, 1)),
        cycle=np.zeros(devices, dtype=np.int64),
    )  # fmt: skip
    base = Pulsed(exp_a=-0.5, exp_b=-0.5)
    return truth, data, base, variant


if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in VARIANTS:
        print(campaign(0, name)[0])
