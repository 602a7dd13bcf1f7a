"""An equation of motion, written once and run by every engine."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import ops

__all__ = ["Equation", "globals_used", "on_tensors"]


@dataclass(frozen=True, eq=False)
class Equation:
    """A system of ordinary (stochastic) differential equations of one device, autonomous but for its inputs.

    dy/dt = rhs(y, parameters, u),   u = constant + drive(t) + incoming coupling + amplitude(y, parameters) xi(t)

    with xi(t) white noise of unit spectral density, <xi(t) xi(t')> = delta(t - t'), read in the sense of Stratonovich;
    rhs must be affine in inputs that carry noise. All functions are plain arithmetic on scalars, with the functions of
    `nanoneurons.solvers.ops`; they may call other such functions and use float constants of their module.

    Args:
        name: for messages.
        states: names of the components of y, in the order of arguments and results of `rhs`.
        parameters: names of the per-device parameters, in the order of arguments.
        inputs: names of the inputs u, in the order of arguments.
        rhs: ``rhs(*states, *parameters, *inputs) -> (derivative of each state)``; a tuple also for one state.
        noise: ``noise(*states, *parameters) -> (amplitude per input)``, or None without noise; the amplitude is in
            units of the input times the square root of a second. Inputs without noise get 0.
        noisy: the inputs that carry noise; all of them if not said.
        emits: ``emits(*states, *parameters) -> (real, imaginary)``: the signal that couples to other devices.
        incoming: the two inputs that receive real and imaginary part of the coupled signals.
        norm: names of states whose squares must sum to one (a unit vector); the engines restore the norm after
            every step.

    Raises:
        TypeError: the functions do not fit the names.
    """

    name: str
    states: tuple[str, ...]
    parameters: tuple[str, ...]
    inputs: tuple[str, ...]
    rhs: Callable[..., Any]
    noise: Callable[..., Any] | None = None
    noisy: tuple[str, ...] | None = None
    emits: Callable[..., Any] | None = None
    incoming: tuple[str, str] | None = None
    norm: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (*self.states, *self.parameters, *self.inputs)
        if len(set(names)) != len(names):
            raise TypeError(f"equation {self.name}: a name stands twice among states, parameters and inputs")
        self._fits("rhs", self.rhs, names, len(self.states))
        if self.noise is not None:
            noisy = self.inputs if self.noisy is None else self.noisy
            if not set(noisy) <= set(self.inputs):
                raise TypeError(f"equation {self.name}: noisy names inputs that are not there")
            object.__setattr__(self, "noisy", tuple(n for n in self.inputs if n in noisy))
            self._fits("noise", self.noise, names[: -len(self.inputs)], len(self.noisy or ()))
        else:
            object.__setattr__(self, "noisy", ())
        if (self.emits is None) != (self.incoming is None):
            raise TypeError(f"equation {self.name}: give both emits and incoming, or neither")
        if self.emits is not None:
            self._fits("emits", self.emits, names[: -len(self.inputs)], 2)
            if not set(self.incoming or ()) <= set(self.inputs):
                raise TypeError(f"equation {self.name}: incoming names inputs that are not there")
        if not set(self.norm) <= set(self.states):
            raise TypeError(f"equation {self.name}: norm names states that are not there")

    def _fits(self, kind: str, function: Callable[..., Any], arguments: tuple[str, ...], results: int) -> None:
        found = tuple(inspect.signature(function).parameters)
        if found != arguments:
            raise TypeError(f"equation {self.name}: {kind} takes {found}, expected {arguments}")
        made = function(*([0.5] * len(arguments)))
        if not isinstance(made, tuple) or len(made) != results:
            raise TypeError(f"equation {self.name}: {kind} must return a tuple of {results} numbers")


def globals_used(function: Callable[..., Any]) -> dict[str, Any]:
    """Names that a function takes from its module: functions of its own kind and float constants.

    Raises:
        TypeError: it uses something that cannot be compiled on its own; says what.
    """
    assert isinstance(function, types.FunctionType)
    used: dict[str, Any] = {}
    for name in function.__code__.co_names:
        if name not in function.__globals__:
            continue
        value = function.__globals__[name]
        if getattr(ops, name, None) is value:
            continue
        if isinstance(value, types.FunctionType) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
            used[name] = value
        else:
            raise TypeError(
                f"{function.__name__} uses {name!r}, a {type(value).__name__}; an equation may use functions of "
                "nanoneurons.solvers.ops, plain functions and numbers"
            )
    if function.__closure__:
        raise TypeError(f"{function.__name__} uses variables of an enclosing function; move it to the top level")
    return used


def on_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same code with the tensor versions of the functions it uses."""
    assert isinstance(function, types.FunctionType)
    names: dict[str, Any] = {"__builtins__": __builtins__}
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if value is None:
            continue
        if getattr(ops, name, None) is value:
            names[name] = ops.TENSOR[name]
        elif isinstance(value, types.FunctionType):
            names[name] = on_tensors(value)
        else:
            names[name] = value
    return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__)
