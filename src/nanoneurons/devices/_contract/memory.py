"""What a memory device must keep besides: a conductance in its range that pulses move the declared way."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import MemoryDevice

from ._common import SHAPE, fresh, require, stepped

__all__ = ["MEMORY"]

PULSES = 5.0


def declares_its_pulses(device: MemoryDevice) -> None:
    """Unit of reading, directions and effect of the drive are stated."""
    require(device.read_unit in ("S", "ohm"), device, f"read_unit {device.read_unit!r} is neither S nor ohm")
    require(set(device.directions) <= {-1, 1} and bool(device.directions), device, "directions are signs")
    require(device.drive_effect in (-1, 1), device, "drive_effect is the sign of the conductance change")
    require(bool(device.default_rule), device, "needs a default rule")


def conductances_are_physical(device: MemoryDevice) -> None:
    """Conductances are finite, and not negative but for noise, before and after pulses."""
    state = fresh(device)
    for held in (state, stepped(device, state)):
        value, noisy = device.conductance(held), device.conductance(held, generator_for(4))
        require(value.dtype == torch.float32, device, f"conductance is {value.dtype}, not float32")
        require(bool((torch.isfinite(value) & (value >= 0)).all()), device, "a conductance is negative or not finite")
        require(bool(torch.isfinite(noisy).all()), device, "a noisy conductance is not finite")


def no_drive_no_change(device: MemoryDevice) -> None:
    """A zero drive leaves a state as it was, but for noise declared as renewed; that of the ideal device wholly."""
    for version, renewed in ((device, device.renewed), (device.ideal(), ())):
        state = stepped(version, fresh(version))
        after = version.step(state, torch.zeros(SHAPE), 0.0, generator_for(9))
        changed = [name for name in state if name not in renewed and not torch.equal(state[name], after[name])]
        require(not changed, device, f"a zero drive changed {', '.join(changed)}")


def range_is_ordered(device: MemoryDevice) -> None:
    """The mapped conductances are ordered and not negative; a pulse moves the conductance by a positive amount."""
    for made in (device, device.ideal()):
        low, high = made.conductance_range()
        require(0 <= low < high < math.inf, device, f"conductance range ({low}, {high}) is not ordered")
        step = made.conductance_step()
        require(0 < step < math.inf, device, f"conductance step {step} is not positive")


def drive_has_its_effect(device: MemoryDevice) -> None:
    """Pulses move the conductance in the declared direction, never in the other."""
    ideal = device.ideal()
    state = fresh(ideal)
    start = ideal.conductance(state)
    moved = False
    for direction in device.directions:
        drive = torch.full(SHAPE, PULSES * direction)
        change = ideal.conductance(ideal.step(state, drive, 0.0, generator_for(12))) - start
        towards = change * direction * device.drive_effect
        tolerance = 1e-6 * float(start.abs().max())  # rounding of float32 conductances
        wrong = bool((towards < -tolerance).any())
        require(not wrong, device, f"drive {direction:+d} moves the conductance the wrong way")
        moved = moved or bool((towards > tolerance).any())
    require(moved, device, "no drive moves the conductance")


MEMORY: tuple[Callable[[MemoryDevice], None], ...] = (
    declares_its_pulses,
    conductances_are_physical,
    no_drive_no_change,
    range_is_ordered,
    drive_has_its_effect,
)
