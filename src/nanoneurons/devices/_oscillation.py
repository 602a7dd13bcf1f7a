"""What oscillators that integrate an equation share: states over (chips, cells), inner steps, spread of parameters."""

from __future__ import annotations

import math
from typing import Any

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, normal
from nanoneurons.solvers import Equation, integrate

__all__ = ["SEED", "noisy", "ohmic", "run", "spread", "spread_param"]

SEED = 1e-6  # amplitude, in units of the final one, from which an oscillator without noise starts
_STEP = {"rk4": 0.06, "stochastic-heun": 0.03}  # inner step in units of 1/rate: errors of 1e-6 and 1e-7 per step
_LONGEST = 2_000_000_000  # inner steps times devices of one call, beyond which something is wrong


def spread(key: int, shape: tuple[int, ...], nominal: float, relative: float, draw: int) -> torch.Tensor:
    """Log-normal values with median `nominal` and standard deviation `relative` of the logarithm, float64."""
    if relative == 0:
        return torch.full(shape, nominal, dtype=torch.float64)
    return nominal * torch.exp(relative * normal(key, shape, draw).double())


def spread_param(default: float, doc: str) -> Any:
    """Declaration of a relative spread from device to device."""
    return param(
        default, "1", doc=doc, source="choice of this project: a few per cent between junctions of one wafer",
        low=0.0, high=0.5, imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip


def noisy(voltage: torch.Tensor, sigma: float, generator: torch.Generator | None) -> torch.Tensor:
    """A reading with noise of standard deviation `sigma` in V; as it is without a generator."""
    if generator is None or not sigma:
        return voltage
    return voltage + sigma * normal(draw_key(generator), tuple(voltage.shape)).to(voltage.dtype)


def ohmic(resistance: float, current: float) -> dict[str, Price]:
    """Ohmic power at an operating point, as energy per second of oscillation."""
    source = "R I^2 with the device's own resistance and operating current"
    return {"oscillator second": Price(resistance * current**2, source, "laboratory device", verified=False)}


def run(
    equation: Equation,
    c: tuple[torch.Tensor, torch.Tensor],
    parameters: dict[str, torch.Tensor],
    current: torch.Tensor,
    dt: float,
    rate: torch.Tensor,
    nominal: torch.Tensor,
    turn: torch.Tensor,
    key: int | None,
    records: int = 1,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Integrate x and y of every device at constant current; both after each of `records` intervals of `dt` s.

    Args:
        c: x and y, of any common shape; the first axis is chips.
        parameters: tensors that broadcast to that shape.
        rate: fastest rate of each device's motion in 1/s in the frame of `parameters`.
        nominal: fastest rate of the nominal device at any current it takes. It sets the inner step, so that the steps
            of a device, and with them its noise, do not depend on those beside it, unless one is twice as fast.
        turn: angular frequency in rad/s at which x + i y turns in the frame of the answer, beyond that of `parameters`.
        key: noise on, with this key.
    """
    shape = c[0].shape
    flat = chip_shape(tuple(shape))

    def grid(value: torch.Tensor) -> torch.Tensor:
        return value.double().expand(shape).reshape(flat)

    method = "rk4" if key is None else "stochastic-heun"
    bound, fastest = float(nominal), float(rate.max())
    inner = max(1, math.ceil(dt * (bound if fastest <= 2 * bound else fastest) / _STEP[method]))
    if inner * records * c[0].numel() > _LONGEST:
        raise ParameterError(
            f"{records * dt:g} s are {inner * records:.2g} inner steps of {c[0].numel()} devices; "
            "take a shorter time or fewer devices"
        )
    found = integrate(
        equation, torch.stack([grid(v) for v in c], -1), {n: grid(v) for n, v in parameters.items()},
        dt=dt / inner, steps=inner * records, every=inner, method=method, drive={"current": grid(current)}, key=key,
    ).y[1:]  # fmt: skip
    x, y = (found[..., n].reshape(records, *shape) for n in (0, 1))
    passed = dt * torch.arange(1, records + 1, dtype=torch.float64).reshape(-1, *(1,) * len(shape))
    cosine, sine = torch.cos(turn * passed), torch.sin(turn * passed)
    return cosine * x - sine * y, sine * x + cosine * y
