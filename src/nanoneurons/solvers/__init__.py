"""Run an equation over a population of devices: one right-hand side, a compiled engine and a differentiable one."""

from __future__ import annotations

from ._drives import Drive, Held, Sampled, Tones
from ._equation import Equation
from ._integrate import Trajectory, UnstableError, integrate, step_advice
from ._problem import METHODS
from ._spiking import MOST as MOST_SPIKES
from ._spiking import Spiking, fire

__all__ = [
    "METHODS",
    "MOST_SPIKES",
    "Drive",
    "Equation",
    "Held",
    "Sampled",
    "Spiking",
    "Tones",
    "Trajectory",
    "UnstableError",
    "fire",
    "integrate",
    "step_advice",
]
