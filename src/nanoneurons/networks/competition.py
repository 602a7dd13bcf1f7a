"""Settings of a layer of competing neurons: its inputs, its neurons, and how a sample is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from nanoneurons.core.errors import ParameterError

__all__ = ["Competitors", "Inputs", "Presentation"]


def _require(owner: object, positive: tuple[str, ...], not_negative: tuple[str, ...] = ()) -> None:
    for field in fields(owner):  # type: ignore[arg-type]
        value = getattr(owner, field.name)
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ParameterError(f"{type(owner).__name__}: {field.name} = {value!r} is not a finite number")
        if (field.name in positive and value <= 0) or (field.name in not_negative and value < 0):
            wanted = "above 0" if field.name in positive else "0 or more"
            raise ParameterError(f"{type(owner).__name__}: {field.name} = {value:g} must be {wanted}")


@dataclass(frozen=True)
class Inputs:
    """Leaky integrate-and-fire neurons, one per pixel *x*, under the constant drive ``gain x + bias``; times in s.

    Defaults are those of Garg et al., Front. Neurosci. 16:983950 (2022).
    """

    time_constant: float = 0.03
    threshold: float = 1.0
    reset: float = -1.0
    refractory: float = 0.005
    gain: float = 4.0
    bias: float = 0.5

    def __post_init__(self) -> None:
        _require(self, ("time_constant", "threshold"), ("refractory",))


@dataclass(frozen=True)
class Competitors:
    """Adaptive leaky integrate-and-fire neurons of which the one with the highest potential may fire; times in s.

    A spike sets all others to zero and holds them there for `inhibition`; it raises the neuron's adaptation by
    `adaptation_step`, which falls with `adaptation_time`.

    Attributes:
        gain: drive per unit of filtered input.
    """

    time_constant: float = 0.03
    threshold: float = 1.0
    reset: float = 0.0
    refractory: float = 0.005
    gain: float = 2.0
    bias: float = 0.0
    adaptation_step: float = 0.01
    adaptation_time: float = 1.0
    inhibition: float = 0.01

    def __post_init__(self) -> None:
        _require(
            self, ("time_constant", "threshold", "adaptation_time"), ("refractory", "adaptation_step", "inhibition")
        )


@dataclass(frozen=True)
class Presentation:
    """How a sample is shown: length, step, what a spike weighs and how synapses filter it; times in s.

    Attributes:
        amplitude: input of one spike through a synapse of weight 1, before the filter.
        read_gain: factor of the amplitude while nothing is learnt (labelling and testing).
    """

    step: float = 0.005
    duration: float = 0.35
    amplitude: float = 0.05
    filter_time: float = 0.005
    read_gain: float = 1.0

    def __post_init__(self) -> None:
        _require(self, ("step", "duration", "amplitude", "filter_time", "read_gain"))
        if self.duration < self.step:
            raise ParameterError(f"Presentation: duration {self.duration:g} s is shorter than a step, {self.step:g} s")

    @property
    def steps(self) -> int:
        """Steps per sample."""
        return round(self.duration / self.step)
