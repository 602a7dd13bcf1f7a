"""A look at the devices themselves, for the report: memories under pulses, resonators over frequency, neurons."""

from __future__ import annotations

from typing import Any

import torch

from nanoneurons.circuits import Circuit
from nanoneurons.core.random import generator_for
from nanoneurons.devices import Device, MemoryDevice, OscillatorDevice, ResonatorDevice

from .emission import emission
from .resonances import resonance_lines

__all__ = ["neuron", "response"]

DEVICES, POINTS = 12, 40


def response(device: Device, seed: int) -> dict[str, Any] | None:
    """What `DEVICES` devices read while pulses come in, or how they rectify; None for a device of another kind.

    Graded devices that go both ways get pulses up and then as many down; those that go one way get them in
    that direction; devices without intermediate states are written back and forth.

    Returns:
        ``pulses`` (cumulative), ``values`` (one list per device), ``unit``, ``what``; of resonators what
        `resonance_lines` returns.
    """
    if isinstance(device, ResonatorDevice):
        return resonance_lines(device, DEVICES, seed)
    if not isinstance(device, MemoryDevice) or not device.drive_unit.startswith("pulse"):
        return None
    generator = generator_for(seed, "response")
    state = device.init((DEVICES, 1), generator)
    drives = _drives(device)
    at, values = [0.0], [_read(device, state, generator)]
    for drive in drives:
        state = device.step(state, torch.full((DEVICES, 1), drive, dtype=torch.int32), 0.0, generator)
        at.append(at[-1] + abs(drive))
        values.append(_read(device, state, generator))
    return {
        "pulses": at,
        "values": torch.stack(values, 1).double().tolist(),
        "unit": device.read_unit,
        "what": "conductance" if device.read_unit == "S" else "resistance",
        "note": _note(device, drives),
    }


def neuron(circuit: Circuit, seed: int) -> dict[str, Any] | None:
    """What the oscillators emit that a circuit uses as neurons; None for a circuit without."""
    found = [part for part in circuit.parts().values() if isinstance(part, OscillatorDevice)]
    return emission(found[0], seed) if found else None


def _read(device: MemoryDevice, state: dict[str, torch.Tensor], generator: torch.Generator) -> torch.Tensor:
    return device.read(state, generator).reshape(DEVICES).detach().cpu()


def _drives(device: MemoryDevice) -> list[int]:
    both = len(device.directions) > 1
    if not device.graded:
        return [1, -1] * 10 if both else [device.directions[0]] * 10
    low, high = device.conductance_range()
    across = max(1.0, (high - low) / max(device.conductance_step(), 1e-30))
    each = max(1, min(round(across / POINTS), 1_000_000))
    up = max(device.directions)
    return [up * each] * POINTS + ([-up * each] * POINTS if both else [])


def _note(device: MemoryDevice, drives: list[int]) -> str:
    if not device.graded:
        return "written back and forth, one pulse at a time"
    each = f"{abs(drives[0]):,} pulse{'s' if abs(drives[0]) > 1 else ''} per point"
    return each + (", first one way, then the other" if len(device.directions) > 1 else ", one way")
