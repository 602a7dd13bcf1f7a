"""Run an equation over a population of devices: one right-hand side, a compiled engine and a differentiable one."""

from __future__ import annotations

from ._drives import Drive, Held, Sampled, Tones
from ._equation import Equation
from ._integrate import Trajectory, UnstableError, integrate, step_advice
from ._problem import METHODS

__all__ = [
    "METHODS",
    "Drive",
    "Equation",
    "Held",
    "Sampled",
    "Tones",
    "Trajectory",
    "UnstableError",
    "integrate",
    "step_advice",
]
