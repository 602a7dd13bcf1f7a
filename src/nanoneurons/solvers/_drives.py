"""Time-dependent inputs: piecewise constant, sampled, and sums of tones."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from nanoneurons.core.errors import ParameterError

__all__ = ["Drive", "Held", "Sampled", "Tones"]


def _checked(name: str, values: torch.Tensor | float, least: int) -> torch.Tensor:
    tensor = torch.as_tensor(values, dtype=torch.float64) if not isinstance(values, torch.Tensor) else values.double()
    if tensor.ndim > 3:
        raise ParameterError(f"{name}: {tensor.ndim} axes; give at most three")
    while tensor.ndim < 3:  # (steps,) -> (steps, 1, 1); trailing axes are chips and devices
        tensor = tensor.unsqueeze(-1)
    if tensor.shape[0] < least:
        raise ParameterError(f"{name}: needs at least {least} values in time, not {tensor.shape[0]}")
    bad = ~torch.isfinite(tensor.detach())
    if bool(bad.any()):
        index = [int(i) for i in bad.nonzero()[0]]
        raise ParameterError(
            f"{name}: {float(tensor[tuple(index)])} at time index {index[0]}, chip {index[1]}, device {index[2]}; "
            "remove or replace it"
        )
    return tensor


@dataclass(frozen=True, eq=False)
class Held:
    """Piecewise constant input: ``values[k]`` acts from k to k + 1 intervals; the last one goes on.

    Args:
        values: shape ``(intervals,)``, ``(intervals, chips)`` or ``(intervals, chips, devices)``; axes may be 1.
        interval: length of one interval in s; a whole number of time steps.

    Raises:
        ParameterError: a value is NaN or infinite (says where), or the interval is not positive.
    """

    values: torch.Tensor
    interval: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _checked("held drive", self.values, 1))
        _positive("held drive", self.interval)


@dataclass(frozen=True, eq=False)
class Sampled:
    """Input known at equal times, linear between them: ``values[k]`` at k intervals; the last one goes on.

    Shapes, units and errors as `Held`.
    """

    values: torch.Tensor
    interval: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", _checked("sampled drive", self.values, 2))
        _positive("sampled drive", self.interval)


@dataclass(frozen=True, eq=False)
class Tones:
    """Sum of tones, sum_X F_X exp(-i (omega_X t + phase_X)), for a pair of inputs (real, imaginary part).

    Args:
        amplitude: F_X, in units of the inputs, shape ``(sources,)`` or ``(chips | 1, devices | 1, sources)``.
        omega: angular frequencies in rad/s, same shapes.
        phase: rad, same shapes.

    Raises:
        ParameterError: a value is NaN or infinite, or there is no source.
    """

    amplitude: torch.Tensor
    omega: torch.Tensor
    phase: torch.Tensor | float = 0.0

    def __post_init__(self) -> None:
        for name in ("amplitude", "omega", "phase"):
            value = getattr(self, name)
            tensor = value.double() if isinstance(value, torch.Tensor) else torch.as_tensor(value, dtype=torch.float64)
            if not bool(torch.isfinite(tensor.detach()).all()):
                raise ParameterError(f"tones: {name} has a value that is NaN or infinite; remove or replace it")
            while tensor.ndim < 3:
                tensor = tensor.unsqueeze(0)
            object.__setattr__(self, name, tensor)
        shape = torch.broadcast_shapes(self.amplitude.shape, self.omega.shape, self.phase.shape)  # type: ignore[union-attr]
        if shape[-1] == 0:
            raise ParameterError("tones: there is no source; give at least one")


Drive = Held | Sampled | Tones


def _positive(name: str, interval: float) -> None:
    if not 0 < interval < float("inf"):
        raise ParameterError(f"{name}: interval {interval} s must be positive")
