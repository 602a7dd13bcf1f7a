r"""Spiking equations: a population through many steps of held drive, with every spike located inside its step.

Each device takes as many inner steps as its own accuracy needs (Dormand and Prince's method of order 5 with its error
of order 4). A spike is where the first state rises through a threshold; its time is found by repeating the inner step
with other lengths until it ends on the threshold, so it has the accuracy of the method itself, not of an interpolation.
After a reset the rest of the step goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from . import ops
from ._codegen import functions_source, indent
from ._equation import Equation
from ._kernels import module

__all__ = ["MOST", "Spiking", "fire"]

MOST = 1000  # spikes of one device in one step, beyond which its drive is a mistake

_NODES = (  # Dormand and Prince, J. Comput. Appl. Math. 6, 19 (1980)
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
_FOURTH = (5179 / 57600, 0.0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40)


@dataclass(frozen=True, eq=False)
class Spiking:
    """An equation of motion with spikes: where its first state rises through the parameter `peak`.

    Args:
        equation: of one input, the drive; its noise is not used.
        peak: name of the parameter that holds the threshold of the first state.
        reset: ``reset(*states, *parameters) -> (states after a spike)``, or None where the equation itself brings it
            back.
        rearm: without a reset, name of the parameter below which the first state must fall before the next spike.

    Raises:
        TypeError: the functions do not fit the names.
    """

    equation: Equation
    peak: str
    reset: Callable[..., Any] | None = None
    rearm: str | None = None

    def __post_init__(self) -> None:
        equation = self.equation
        if len(equation.inputs) != 1:
            raise TypeError(f"equation {equation.name}: a spiking equation has one input, not {equation.inputs}")
        if (self.reset is None) == (self.rearm is None):
            raise TypeError(f"equation {equation.name}: give either a reset or a rearm")
        for name in (self.peak, self.rearm):
            if name is not None and name not in equation.parameters:
                raise TypeError(f"equation {equation.name} has no parameter {name!r}")
        if self.reset is not None:
            made = self.reset(*([0.5] * (len(equation.states) + len(equation.parameters))))
            if not isinstance(made, tuple) or len(made) != len(equation.states):
                raise TypeError(
                    f"equation {equation.name}: reset must return a tuple of {len(equation.states)} numbers"
                )


def fire(
    model: Spiking,
    y: np.ndarray,
    parameters: Mapping[str, float | np.ndarray],
    drive: np.ndarray,
    dt: float,
    *,
    sizes: tuple[float, ...],
    tolerance: float,
    keys: np.ndarray,
    cells: int,
    noise: float,
    armed: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run a population through steps of held drive; `y` and `armed` are changed in place.

    Args:
        y: states, ``(states, devices)``.
        parameters: a number, or one per device, for each parameter of the equation.
        drive: ``(devices, steps)``, held for `dt` s each.
        sizes: typical size of each state; an inner step is taken if its error is below `tolerance` times these.
        keys: random key of every step, or empty without noise; `cells` devices make a chip.
        noise: standard deviation of what noise adds to the drive for a whole step.
        armed: whether a device may fire, ``(devices,)`` bool; all that have a reset may.

    Returns:
        spikes in each step, ``(devices, steps)`` float32; time in s of the last spike in the last step, 0 if none,
        ``(devices,)``; and (code, device, step) of the first trouble: 1 for a drive that is not finite, 2 for more
        than `MOST` spikes in a step, 3 for a state that leaves the finite numbers; zeros if all went well.
    """
    given = [parameters[name] for name in model.equation.parameters]
    varied = [p for p in given if isinstance(p, np.ndarray)]
    rows = iter(range(len(varied)))
    place = np.array([next(rows) if isinstance(p, np.ndarray) else -1 for p in given], np.int64)
    shared = np.array([0.0 if isinstance(p, np.ndarray) else p for p in given])
    values = np.array(varied) if varied else np.empty((0, 0))
    spikes, moment = np.empty(drive.shape, np.float32), np.empty(drive.shape[0])
    status = np.zeros(3, np.int64)
    _compiled(model)(
        y, armed, values, place, shared, drive, keys, cells, dt, noise, 1 / (tolerance * np.array(sizes)), spikes,
        moment, status,
    )  # fmt: skip
    return spikes, moment, status


@cache
def _compiled(model: Spiking) -> Callable[..., None]:
    return module(source(model)).kernel


def _sum(weights: tuple[float, ...], state: int) -> str:
    return " + ".join(f"{w!r} * k{stage}_{state}" for stage, w in enumerate(weights, 1) if w)


def source(model: Spiking) -> str:
    """Python source of a module with the function ``kernel``."""
    equation = model.equation
    count, parameters = len(equation.states), [f"p_{name}" for name in equation.parameters]
    each = range(count)

    def names(prefix: str) -> str:
        return "".join(f"{prefix}{n}, " for n in each)

    p = "".join(f"{name}, " for name in parameters)
    trial = []
    for stage, weights in enumerate(_NODES, 2):
        trial += [f"z{n} = y{n} + h * ({_sum(weights, n)})" for n in each]
        trial.append(f"{names(f'k{stage}_')}= rhs({names('z')}{p}u)")
    fifth = _NODES[-1]
    difference = tuple(a - b for a, b in zip((*fifth, 0.0), _FOURTH, strict=True))
    trial += [f"e{n} = h * ({_sum(difference, n)})" for n in each]
    trial.append(f"return {names('z')}{names('e')}{names('k7_')}")
    peak = f"p_{model.peak}"
    locate = [
        "low, high, t = 0.0, h, h",
        "for _ in range(100):",
        f"    {names('z')}{names('e')}{names('k7_')}= trial({names('y')}{p}u, t, {names('k1_')})",
        f"    ahead = z0 - {peak}",
        "    if ahead >= 0:",
        "        high = t",
        "    else:",
        "        low = t",
        "    after = t - ahead / k7_0 if k7_0 > 0 else -1.0",
        "    if not low <= after <= high:",
        "        after = 0.5 * (low + high)",
        "    if abs(after - t) <= 1e-13 * h:",
        "        break",
        "    t = after",
        f"return t, {names('z')}",
    ]
    error = [f"error = larger(error, abs(e{n}) * per_size[{n}])" for n in each]
    load = [
        *(f"y{n} = y[{n}, i]" for n in each),
        *(f"{name} = values[place[{k}], i] if place[{k}] >= 0 else shared[{k}]" for k, name in enumerate(parameters)),
    ]
    jump: list[str] = []
    if model.reset is not None:
        jump = [
            "last = now",
            "total += 1",
            f"{names('y')}= reset({names('y')}{p})",
            f"{names('k1_')}= rhs({names('y')}{p}u)",
            "h = dt",
            "if total > MOST:",
            "    status[0], status[1], status[2] = 2, i, s",
            "    return",
            "continue",
        ]
        fired = [f"t, {names('y')}= locate({names('y')}{p}u, h, {names('k1_')})", "now += t", *jump]
    else:
        located = f"locate({names('y')}{p}u, h, {names('k1_')})[0]"
        fired = [f"last = now + {located}", "total += 1", "ready = False"]
    # an explosion leaves no time to step through: its last 1e-10 of a step are not resolved
    ended = [f"if k1_0 > 0 and {peak} - y0 <= 1e-10 * dt * k1_0:", *indent(jump)] if jump else []
    rearmed = [f"if not ready and z0 < p_{model.rearm}:", "    ready = True"] if model.rearm else []
    inner = [
        "left = dt - now",
        *ended,
        "whole = h >= left",
        "if whole:",
        "    h = left",
        f"{names('z')}{names('e')}{names('k7_')}= trial({names('y')}{p}u, h, {names('k1_')})",
        "error = 0.0",
        *error,
        "if not error <= 1:",  # also where a trial overflows
        "    h *= max(0.2, 0.9 * error**-0.2) if error < 1e10 else 0.1",
        "    if h < 1e-13 * dt:",
        "        status[0], status[1], status[2] = 3, i, s",
        "        return",
        "    continue",
        f"if ready and z0 >= {peak}:",
        *indent(fired),
        *rearmed,
        *(f"y{n}, k1_{n} = z{n}, k7_{n}" for n in each),
        "now += h",
        "if whole:",
        "    break",
        "h *= min(5.0, 0.9 * error**-0.2) if error > 1e-8 else 5.0",
    ]
    step = [
        "u = drive[i, s]",
        "if not abs(u) < np.inf:",
        "    status[0], status[1], status[2] = 1, i, s",
        "    return",
        "if keys.size > 0:",
        "    u += noise * normal_at(start_of(keys[s], i // cells, 0), i % cells)",
        "now, last, total = 0.0, 0.0, 0",
        f"{names('k1_')}= rhs({names('y')}{p}u)",
        "h = dt",
        "while True:",
        *indent(inner),
        "spikes[i, s] = total",
    ]
    body = [
        "for i in range(drive.shape[0]):",
        *indent(load),
        "    ready, last = armed[i], 0.0",
        "    for s in range(drive.shape[1]):",
        *indent(step, 2),
        *indent([f"y[{n}, i] = y{n}" for n in each]),
        "    armed[i], moment[i] = ready, last",
    ]
    functions: dict[str, Callable[..., Any]] = {"rhs": equation.rhs}
    if model.reset is not None:
        functions["reset"] = model.reset
    jit = '@njit(error_model="numpy", fastmath={"contract", "nsz"}'
    return "\n".join(
        [
            f'"""Generated from the spiking equation {equation.name!r}."""',
            "import numpy as np",
            "from numba import njit",
            "from nanoneurons.core.random import normal_at, start_of",
            f"\nMOST = {MOST}",
            ops.SCALAR_SOURCE,
            '\n\n@njit(inline="always", error_model="numpy")\ndef larger(a, b):  # NaN if one of them is\n'
            "    return a if b <= a or a != a else b\n",
            *functions_source(functions, jit + ")"),
            f"\n{jit})\ndef trial({names('y')}{p}u, h, {names('k1_')}):",
            *indent(trial),
            f"\n{jit})\ndef locate({names('y')}{p}u, h, {names('k1_')}):",
            *indent(locate),
            f"\n{jit}, nogil=True, cache=True, boundscheck=False)",
            "def kernel(",
            "    y, armed, values, place, shared, drive, keys, cells, dt, noise, per_size, spikes, moment, status",
            "):",
            *indent(body),
            "",
        ]
    )
