"""A measurement campaign on simulated devices: the catalogue's own model, drawn many times."""

from __future__ import annotations

import numpy as np
import torch

from nanoneurons.devices import MemoryDevice

__all__ = ["simulate"]


def simulate(device: MemoryDevice, pulses: np.ndarray, copies: int, generator: torch.Generator) -> np.ndarray:
    """Conductances that fresh copies of a device show after given pulses, read noise included.

    Args:
        pulses: signed whole pulses before each reading, ``(readings,)``, positive to raise the
            conductance; 0 reads again.
        copies: number of devices.

    Returns:
        S, float64, ``(copies, readings)``.
    """
    state = device.init((copies,), generator)
    found = np.empty((copies, len(pulses)))
    for k, count in enumerate(np.asarray(pulses, dtype=np.int64)):
        if count:
            drive = torch.full((copies,), int(count) * device.drive_effect, dtype=torch.int32)
            state = device.step(state, drive, 0.0, generator)
        found[:, k] = device.conductance(state, generator).double().numpy()
    return found
