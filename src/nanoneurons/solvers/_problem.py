"""What is to be integrated, checked and brought to common shapes before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from nanoneurons.core.errors import ParameterError, UnknownNameError, nearest

from ._drives import Drive, Held, Sampled, Tones
from ._equation import Equation

__all__ = ["METHODS", "Problem", "prepare"]

METHODS = ("euler", "heun", "rk4", "stochastic-heun")
Number = float | torch.Tensor


@dataclass(eq=False)
class Problem:
    """A checked initial-value problem; tensors are float64 on one torch device.

    Attributes:
        y0: shape ``(chips, devices, states)``.
        parameters: one tensor per parameter that broadcasts to ``(chips, devices)``.
        constants: one per input, the constant part.
        sampled: held and sampled drives by input, with the number of steps in an interval.
        tones: tones by the pair of inputs they act on.
        coupling: complex, shape ``(devices, devices)`` or ``(chips, devices, devices)``, or None.
    """

    equation: Equation
    y0: torch.Tensor
    parameters: tuple[torch.Tensor, ...]
    constants: tuple[torch.Tensor, ...]
    sampled: dict[str, tuple[Held | Sampled, int]]
    tones: dict[tuple[str, str], Tones]
    coupling: torch.Tensor | None
    dt: float
    steps: int
    method: str
    every: int
    key: int | None
    first_chip: int
    first_step: int

    @property
    def shape(self) -> tuple[int, int]:
        """``(chips, devices)``."""
        return self.y0.shape[0], self.y0.shape[1]


def prepare(
    equation: Equation,
    y0: torch.Tensor,
    parameters: Mapping[str, Number],
    *,
    dt: float,
    steps: int,
    method: str,
    every: int,
    drive: Mapping[str | tuple[str, str], Drive | Number],
    coupling: torch.Tensor | None,
    key: int | None,
    first_chip: int,
    first_step: int,
) -> Problem:
    """Check everything a user can get wrong; see `integrate` for the arguments and errors."""
    where = f"equation {equation.name}"
    if method not in METHODS:
        raise UnknownNameError(f"unknown method {method!r}{nearest(method, METHODS)}; there are {', '.join(METHODS)}")
    if not 0 < dt < float("inf"):
        raise ParameterError(f"{where}: time step {dt} s must be positive")
    if steps < 0 or every < 1:
        raise ParameterError(f"{where}: steps = {steps} must not be negative and every = {every} must be at least 1")
    y0 = torch.as_tensor(y0)
    if y0.ndim != 3 or y0.shape[2] != len(equation.states):
        raise ParameterError(
            f"{where}: initial state has shape {tuple(y0.shape)}, expected (chips, devices, {len(equation.states)})"
        )
    y0 = y0.double()
    _finite(y0, f"{where}: initial state")
    shape = (y0.shape[0], y0.shape[1])
    stray = [n for n in parameters if n not in equation.parameters]
    if stray:
        raise UnknownNameError(f"{where} has no parameter {stray[0]!r}{nearest(stray[0], equation.parameters)}")
    absent = [n for n in equation.parameters if n not in parameters]
    if absent:
        raise ParameterError(f"{where}: parameter {absent[0]!r} is not given")
    values = tuple(_broadcast(parameters[n], shape, y0, f"{where}: parameter {n!r}") for n in equation.parameters)
    constants = {n: torch.zeros((1, 1), dtype=y0.dtype, device=y0.device) for n in equation.inputs}
    sampled: dict[str, tuple[Held | Sampled, int]] = {}
    tones: dict[tuple[str, str], Tones] = {}
    for target, given in drive.items():
        _known_input(equation, target)
        if isinstance(given, Tones):
            if not isinstance(target, tuple):
                raise ParameterError(f"{where}: tones act on a pair of inputs (real, imaginary), not on {target!r}")
            tones[target] = _fit_tones(given, shape, y0, where)
            continue
        if isinstance(target, tuple):
            raise ParameterError(f"{where}: the pair {target} takes Tones; drive single inputs with anything else")
        if isinstance(given, (Held, Sampled)):
            per = round(given.interval / dt)
            if per < 1 or abs(given.interval - per * dt) > 1e-6 * given.interval:
                raise ParameterError(
                    f"{where}: the drive's interval {given.interval:g} s is not a whole number of steps of {dt:g} s"
                )
            _fits(given.values.shape[1:], shape, f"{where}: drive of {target!r}")
            kind = type(given)
            sampled[target] = (kind(given.values.to(y0.device), given.interval), per)
        else:
            constants[target] = _broadcast(given, shape, y0, f"{where}: input {target!r}")
    if coupling is not None:
        coupling = _fit_coupling(equation, torch.as_tensor(coupling), shape, y0)
    if key is not None:
        if equation.noise is None:
            raise ParameterError(f"{where} has no noise; leave the key out")
        if method != "stochastic-heun":
            raise ParameterError(f"{where}: noise needs method 'stochastic-heun' (Stratonovich), not {method!r}")
    problem = Problem(
        equation, y0, values, tuple(constants.values()), sampled, tones, coupling,
        dt, steps, method, every, key, first_chip, first_step,
    )  # fmt: skip
    return problem


def _finite(tensor: torch.Tensor, what: str) -> None:
    bad = ~torch.isfinite(tensor.detach())
    if bool(bad.any()):
        index = [int(i) for i in bad.nonzero()[0]]
        raise ParameterError(f"{what}: {float(tensor.detach()[tuple(index)])} at index {index}; give finite numbers")


def _fits(given: torch.Size, shape: tuple[int, int], what: str) -> None:
    if any(g not in (1, s) for g, s in zip(given, shape, strict=True)):
        raise ParameterError(f"{what} has shape {tuple(given)} over (chips, devices), which does not fit {shape}")


def _broadcast(value: Number, shape: tuple[int, int], like: torch.Tensor, what: str) -> torch.Tensor:
    tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device)  # a float must not pass through float32
    while tensor.ndim < 2:
        tensor = tensor.unsqueeze(0)
    if tensor.ndim != 2:
        raise ParameterError(f"{what} has {tensor.ndim} axes; it takes (chips, devices)")
    _fits(tensor.shape, shape, what)
    _finite(tensor, what)
    return tensor


def _known_input(equation: Equation, target: str | tuple[str, str]) -> None:
    for name in target if isinstance(target, tuple) else (target,):
        if name not in equation.inputs:
            raise UnknownNameError(
                f"equation {equation.name} has no input {name!r}{nearest(name, equation.inputs)}; "
                f"it has {', '.join(equation.inputs)}"
            )


def _fit_tones(tones: Tones, shape: tuple[int, int], like: torch.Tensor, where: str) -> Tones:
    values = [
        torch.as_tensor(v, dtype=like.dtype, device=like.device) for v in (tones.amplitude, tones.omega, tones.phase)
    ]
    common = torch.broadcast_shapes(*(v.shape for v in values))
    _fits(torch.Size(common[:2]), shape, f"{where}: tones")
    return Tones(*(v.expand(common) for v in values))


def _fit_coupling(
    equation: Equation, coupling: torch.Tensor, shape: tuple[int, int], like: torch.Tensor
) -> torch.Tensor:
    where = f"equation {equation.name}"
    if equation.emits is None:
        raise ParameterError(f"{where} declares no signal to couple; leave the coupling out")
    chips, devices = shape
    expected = ((devices, devices), (chips, devices, devices), (1, devices, devices))
    if tuple(coupling.shape) not in expected:
        raise ParameterError(
            f"{where}: coupling has shape {tuple(coupling.shape)}, expected {expected[0]} or {expected[1]}"
        )
    coupling = coupling.to(dtype=torch.complex128, device=like.device)
    if not bool(torch.isfinite(torch.view_as_real(coupling.detach().resolve_conj())).all()):
        raise ParameterError(f"{where}: coupling has a value that is NaN or infinite")
    return coupling
