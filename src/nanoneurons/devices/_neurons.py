"""What neurons share: a population as flat arrays, keys of noise by step, spread, and refusals by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, normal
from nanoneurons.devices._device import State

__all__ = ["cells", "flat", "keys_for", "noise_param", "rows", "silenced", "spread", "spread_param", "trouble"]


def spread(key: int, shape: tuple[int, ...], nominal: float, relative: float, draw: int) -> torch.Tensor:
    """Log-normal values with median `nominal` and standard deviation `relative` of the logarithm, float64."""
    if relative == 0:
        return torch.full(shape, nominal, dtype=torch.float64)
    return nominal * torch.exp(relative * normal(key, shape, draw).double())


def spread_param(default: float, doc: str) -> Any:
    """Declaration of a spread from device to device, relative to what it spreads."""
    return param(
        default, "1", doc=doc, source="choice of this project", low=0.0, high=0.5, imperfection="device_to_device",
        ideal=0.0, verified=False,
    )  # fmt: skip


def noise_param(default: float, unit: str, doc: str, high: float) -> Any:
    """Declaration of the noise of the dynamics."""
    return param(
        default, unit, doc=doc, source="choice of this project", low=0.0, high=high, imperfection="noise", ideal=0.0,
        verified=False,
    )  # fmt: skip


def cells(shape: tuple[int, ...]) -> int:
    """Devices of one chip; noise is drawn by chip and cell."""
    return max(1, chip_shape(shape)[1])


def flat(value: torch.Tensor) -> np.ndarray:
    """A copy as one row of float64 that a kernel may change."""
    return value.detach().to(torch.float64).numpy().flatten()


def rows(drive: torch.Tensor, shape: tuple[int, ...], steps: int) -> np.ndarray:
    """A drive as contiguous ``(devices, steps)`` of float64."""
    wide = drive.detach().to(torch.float64)
    if steps == 1:
        wide = wide.expand(shape)
    return np.ascontiguousarray(wide.reshape(-1, steps).numpy())


def keys_for(noisy: bool, steps: int, generator: torch.Generator) -> np.ndarray:
    """The keys that the steps would draw one by one; none without noise."""
    count = (steps,) if noisy else (0,)
    return torch.randint(0, 2**62, count, generator=generator, dtype=torch.int64).numpy().view(np.uint64)


def silenced(state: State, where: torch.Tensor, rest: dict[str, torch.Tensor | float]) -> State:
    """The state with some tensors at rest, and no spike, where the mask says so."""
    values: dict[str, torch.Tensor | float] = {"spikes": 0.0, "moment": 0.0, **rest}
    changed = {n: torch.where(where, torch.as_tensor(v, dtype=state[n].dtype), state[n]) for n, v in values.items()}
    return {**state, **changed}


def trouble(name: str, status: np.ndarray, shape: tuple[int, ...], unit: str, dt: float, most: int) -> None:
    """Raise what a kernel reports: 1 for a drive that is not finite, 2 for too many spikes in one step.

    Raises:
        ParameterError: names the device, its place and the step.
    """
    if not status[0]:
        return
    place = tuple(int(i) for i in np.unravel_index(int(status[1]), shape or (1,)))
    if status[0] == 1:
        raise ParameterError(
            f"{name}: the drive of device {place} in step {int(status[2])} is not finite; give a number in {unit}"
        )
    raise ParameterError(
        f"{name}: device {place} fires more than {most} times in one step of {dt:g} s; lower its drive, or give it a "
        "refractory time"
    )
