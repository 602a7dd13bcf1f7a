"""Makes two files as a laboratory would measure them: 24 memristors, 4 cycles of 50 pulses up and 50 down.

``pulses.csv`` has one reading after every pulse; in ``rereads.csv`` the same devices are also read five times more at
the end of every train. The devices are simulated, from parameters that are printed, so that what ``nanoneurons fit``
says can be compared with the truth::

    python examples/make_measurements.py
    nanoneurons fit pulses.csv
"""

import csv
from pathlib import Path

import numpy as np

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.fitting import simulate

# A resistive memory whose steps shrink towards its bounds; everything that is random about it is there.
TRUTH = {
    "step_shape": "soft-bounds", "pulse_step": 0.05, "up_down": 0.1, "w_max": 1.0, "w_min": -1.0,
    "step_spread": 0.2, "up_down_spread": 0.05, "w_max_spread": 0.1, "w_min_spread": 0.1,
    "cycle_spread": 0.5, "write_noise": 0.5, "read_noise": 0.02, "initial_mean": -0.8, "initial_spread": 0.1,
    "zero_conductance": 30e-6, "unit_conductance": 20e-6,
}  # fmt: skip
DEVICES, CYCLES, PULSES, REREADS = 24, 4, 50, 5


def make(seed: int = 0) -> None:
    """Write both files into the current folder."""
    device = devices.get("pulsed", **TRUTH)
    for name, rereads in (("pulses.csv", 0), ("rereads.csv", REREADS)):
        train = [[direction] * PULSES + [0] * rereads for direction in (1, -1)]
        applied = np.array([0, *np.ravel(train * CYCLES)])  # the first reading is that of the fresh device
        readings = 1e6 * simulate(device, applied, DEVICES, generator_for(seed, "example"))
        with Path(name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["device", "applied pulses", "conductance (uS)"])
            for number, row in enumerate(readings, 1):
                writer.writerows([f"M{number:02}", n, f"{g:.3f}"] for n, g in zip(applied, row, strict=True))


if __name__ == "__main__":
    make()
    print("pulses.csv and rereads.csv, measured on simulated devices with")
    for name, value in TRUTH.items():
        print(f"  {name} = {value}")
