"""Run an equation over a population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

from nanoneurons.core.errors import NanoneuronsError, ParameterError

from . import _numba_engine, _torch_engine
from ._drives import Drive
from ._equation import Equation
from ._problem import Number, Problem, prepare

__all__ = ["Trajectory", "UnstableError", "integrate", "step_advice"]

# |lambda| dt up to which a method damps what the equation damps (real axis), and the size at which the error of one
# step is about 1e-6 of the state: (1e-6)^(1 / (order + 1)), a little rounded.
_STABLE = {"euler": 2.0, "heun": 2.0, "stochastic-heun": 2.0, "rk4": 2.78}
_ACCURATE = {"euler": 1e-3, "heun": 1e-2, "stochastic-heun": 1e-2, "rk4": 6e-2}


class UnstableError(NanoneuronsError, ArithmeticError):
    """A time step is too large for the equation, or its solution leaves the finite numbers."""


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A solution.

    Attributes:
        t: times of the records in s, shape ``(records,)``; the first is the start.
        y: states at these times, shape ``(records, chips, devices, states)``.
        last: state after the last step, shape ``(chips, devices, states)``.
    """

    equation: Equation
    t: torch.Tensor
    y: torch.Tensor
    last: torch.Tensor

    def __getitem__(self, state: str) -> torch.Tensor:
        """One state by name, shape ``(records, chips, devices)``."""
        return self.y[..., self.equation.states.index(state)]


def integrate(
    equation: Equation,
    y0: torch.Tensor,
    parameters: Mapping[str, Number],
    *,
    dt: float,
    steps: int,
    method: str = "rk4",
    every: int = 1,
    drive: Mapping[str | tuple[str, str], Drive | Number] | None = None,
    coupling: torch.Tensor | None = None,
    key: int | None = None,
    first_chip: int = 0,
    first_step: int = 0,
    engine: Literal["numba", "torch"] = "numba",
    checkpoint: int = 0,
    normals: torch.Tensor | None = None,
) -> Trajectory:
    """Integrate an equation for all devices of all chips at once.

    Both engines take the same steps: they agree to rounding. The noise of a device depends on `key`, its chip
    number, its number on the chip and the step, not on how the population is split into calls (on the CPU; another
    torch device draws its own numbers).

    Args:
        y0: shape ``(chips, devices, states)``.
        parameters: a number or tensor of shape ``(chips | 1, devices | 1)`` for each parameter, SI.
        dt: time step in s.
        steps: number of steps.
        method: ``euler`` (order 1), ``heun`` (2), ``rk4`` (4), or ``stochastic-heun`` (Stratonovich; needs `key`).
        every: record every so many steps; the start is recorded too.
        drive: for an input, `Held`, `Sampled` or a constant; for a pair of inputs, `Tones`.
        coupling: complex K of shape ``(devices, devices)`` or ``(chips, devices, devices)``; device i receives
            sum_j K_ij (emitted signal of j).
        key: noise on, with this random key.
        first_chip: number of the first chip, when a population is split.
        first_step: number of the first step, when a run is continued (phase of tones, noise).
        engine: ``numba`` (fast, CPU) or ``torch`` (differentiable with respect to y0, parameters, drive, coupling).
        checkpoint: torch only: keep the graph of so many steps at a time and recompute the others (0: keep all).
        normals: torch only: unit normals ``(steps, noisy inputs, chips, devices)`` instead of the key's.

    Raises:
        UnstableError: the step is too large (before the run), or a solution blows up (device and time are named).
        ParameterError, UnknownNameError: a shape, name or value is wrong.
    """
    problem = prepare(
        equation, y0, parameters, dt=dt, steps=steps, method=method, every=every, drive=drive or {},
        coupling=coupling, key=key, first_chip=first_chip, first_step=first_step,
    )  # fmt: skip
    if normals is not None:
        expected = (steps, len(equation.noisy or ()), *problem.shape)
        if engine != "torch" or tuple(normals.shape) != expected:
            raise ParameterError(f"equation {equation.name}: normals need engine 'torch' and the shape {expected}")
        if method != "stochastic-heun":
            raise ParameterError(f"equation {equation.name}: noise needs method 'stochastic-heun', not {method!r}")
    rate, chip, device = _fastest(problem)
    if rate * dt > _STABLE[method]:
        raise UnstableError(
            f"equation {equation.name}: a step of {dt:.3g} s is too large for {method}: chip {chip}, device {device} "
            f"moves at a rate of {rate:.3g}/s at the start; use {_ACCURATE[method] / rate:.2g} s or less"
        )
    if engine == "numba":
        if problem.y0.device.type != "cpu":
            raise ParameterError("engine 'numba' runs on the CPU; move the tensors there or use engine 'torch'")
        y, last, bad = _numba_engine.run(problem)
    elif engine == "torch":
        y, last, bad = _torch_engine.run(problem, checkpoint, normals)
    else:
        raise ParameterError(f"unknown engine {engine!r}; there are 'numba' and 'torch'")
    if bad[0]:
        enough = _ACCURATE[method] / rate if rate else dt / 10
        raise UnstableError(
            f"equation {equation.name}: chip {bad[1]}, device {bad[2]} left the finite numbers by "
            f"{(first_step + bad[0]) * dt:.4g} s; the step of {dt:.3g} s is too large for {method} (at the start "
            f"{enough:.2g} s would do), or its parameters let it grow without limit"
        )
    times = (first_step + torch.arange(y.shape[0], dtype=torch.float64) * every) * dt
    return Trajectory(equation, times, y, last)


def step_advice(
    equation: Equation,
    y0: torch.Tensor,
    parameters: Mapping[str, Number],
    *,
    method: str = "rk4",
    drive: Mapping[str | tuple[str, str], Drive | Number] | None = None,
) -> float:
    """A time step in s whose error per step is about 1e-6 of the state: c / max |eigenvalue of d rhs/d y| at `y0`.

    c is 1e-3 (Euler), 1e-2 (Heun) and 6e-2 (RK4). Infinite where nothing moves. A drive that is faster than the
    device must be resolved beside it.
    """
    problem = prepare(
        equation, y0, parameters, dt=1e-30, steps=0, method=method, every=1,
        drive={k: v for k, v in (drive or {}).items() if not isinstance(v, Drive)},
        coupling=None, key=None, first_chip=0, first_step=0,
    )  # fmt: skip
    rate, _, _ = _fastest(problem)
    return _ACCURATE[method] / rate if rate else float("inf")


def _fastest(problem: Problem) -> tuple[float, int, int]:
    """Largest |eigenvalue| of the Jacobian at the start over a sample of devices, with the chip and device it is from.

    The Jacobian is taken by central differences of the equation on floats: microseconds, whatever the engine.
    """
    chips, devices = problem.shape
    lanes = np.unique(np.linspace(0, chips * devices - 1, 12).astype(int)) if chips * devices else np.empty(0, int)
    best = (0.0, 0, 0)
    count = len(problem.equation.states)
    for lane in lanes:
        chip, device = divmod(int(lane), devices)

        def one(tensor: torch.Tensor, chip: int = chip, device: int = device) -> float:
            return float(tensor.detach()[chip % tensor.shape[0], device % tensor.shape[1]])

        y = [float(v) for v in problem.y0.detach()[chip, device]]
        rest = [one(v) for v in (*problem.parameters, *problem.constants)]
        for name, (given, _) in problem.sampled.items():
            place = len(problem.parameters) + problem.equation.inputs.index(name)
            rest[place] += one(given.values[0])
        rates = []
        for relative in (1e-6, 1e-4):  # a jump of the right-hand side looks ever steeper on closer view; it is no rate
            jacobian = np.zeros((count, count))
            for column in range(count):
                size = relative * max(abs(y[column]), 1e-3)
                values = []
                for sign in (1, -1):
                    moved = list(y)
                    moved[column] += sign * size
                    values.append(np.array(problem.equation.rhs(*moved, *rest), dtype=float))
                jacobian[:, column] = (values[0] - values[1]) / (2 * size)
            if np.isfinite(jacobian).all():
                rates.append(float(np.abs(np.linalg.eigvals(jacobian)).max()))
        if rates and max(rates) < 3 * min(rates) and rates[0] > best[0]:
            best = (rates[0], chip, device)
    return best
