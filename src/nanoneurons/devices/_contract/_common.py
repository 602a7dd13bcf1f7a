"""Shared by the checks: how a broken promise is raised, and fresh and driven devices to look at."""

from __future__ import annotations

import torch

from nanoneurons.core.random import generator_for
from nanoneurons.devices._device import Device, State

__all__ = ["SHAPE", "ContractError", "fresh", "require", "same", "stepped"]

SHAPE = (3, 40)  # chips, cells


class ContractError(AssertionError):
    """A device does not keep the contract."""


def require(condition: bool, device: Device, message: str) -> None:
    """Raise `ContractError` with the name of the device's class unless `condition` holds."""
    if not condition:
        raise ContractError(f"{type(device).__name__}: {message}")


def fresh(device: Device, shape: tuple[int, ...] = SHAPE, seed: int = 1) -> State:
    """Devices as fabricated, the same for equal seeds."""
    return device.init(shape, generator_for(seed, "contract", "init"))


def stepped(device: Device, state: State, seed: int = 1, shape: tuple[int, ...] | None = None) -> State:
    """The devices after their example drive; `shape` is that of the state, by default as long as SHAPE."""
    if shape is None:
        shape = tuple(next(iter(state.values())).shape[: len(SHAPE)])
    drive, dt = device.example_drive(shape)
    return device.step(state, drive, dt, generator_for(seed, "contract", "step"))


def same(a: State, b: State) -> bool:
    """Whether two states have the same tensors, bit by bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
