"""Settings of a layer of competing neurons: its inputs, its neurons, and how a sample is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch

from nanoneurons.core.errors import ParameterError

__all__ = ["Competitors", "Inputs", "PoissonInputs", "Presentation", "by_voltage", "decay"]


def _require(owner: object, positive: tuple[str, ...], not_negative: tuple[str, ...] = ()) -> None:
    for field in fields(owner):  # type: ignore[arg-type]
        value = getattr(owner, field.name)
        if field.type in ("str", "bool"):
            continue
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ParameterError(f"{type(owner).__name__}: {field.name} = {value!r} is not a finite number")
        if (field.name in positive and value <= 0) or (field.name in not_negative and value < 0):
            wanted = "above 0" if field.name in positive else "0 or more"
            raise ParameterError(f"{type(owner).__name__}: {field.name} = {value:g} must be {wanted}")


@dataclass(frozen=True)
class Inputs:
    """Leaky integrate-and-fire neurons, one per pixel *x*, under the constant drive ``gain x + bias``; times in s.

    Defaults are those of Garg et al., Front. Neurosci. 16:983950 (2022).

    Attributes:
        cut: with a value above 0, pixels brighter than that are driven by ``gain x`` alone, all others by the bias.
    """

    time_constant: float = 0.03
    threshold: float = 1.0
    reset: float = -1.0
    refractory: float = 0.005
    gain: float = 4.0
    bias: float = 0.5
    cut: float = 0.0

    def __post_init__(self) -> None:
        _require(self, ("time_constant", "threshold"), ("refractory", "cut"))

    def drive(self, x: torch.Tensor) -> torch.Tensor:
        """Drive of pixels between 0 and 1."""
        return torch.where(x > self.cut, self.gain * x, self.bias) if self.cut else self.gain * x + self.bias


@dataclass(frozen=True)
class PoissonInputs:
    """Inputs that fire at random, a pixel *x* on average ``rate x`` times a second.

    Default: Diehl and Cook, Front. Comput. Neurosci. 9:99 (2015).
    """

    rate: float = 63.75

    def __post_init__(self) -> None:
        _require(self, ("rate",))


@dataclass(frozen=True)
class Competitors:
    """Adaptive leaky integrate-and-fire neurons of which the one with the highest potential may fire; times in s.

    A spike sets all others to zero and holds them there for `inhibition`; it raises the neuron's adaptation by
    ``adaptation_step / adaptation_time``, which falls with `adaptation_time`.

    Attributes:
        gain: drive per unit of filtered input.
        adapts: what adaptation does: lower the ``"drive"`` or raise the ``"threshold"``; then the neuron farthest above
            its own threshold fires.
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
    adapts: str = "drive"

    def __post_init__(self) -> None:
        if self.adapts not in ("drive", "threshold"):
            raise ParameterError(f"Competitors: adapts must be 'drive' or 'threshold', not {self.adapts!r}")
        _require(
            self, ("time_constant", "threshold", "adaptation_time"), ("refractory", "adaptation_step", "inhibition")
        )


@dataclass(frozen=True)
class Presentation:
    """How a sample is shown: length, step, what a spike weighs and how synapses filter it; times in s.

    Attributes:
        amplitude: input of one spike through a synapse of weight 1, before the filter.
        filter_time: 0 for synapses that do not filter.
        read_gain: factor of the amplitude while nothing is learnt (labelling and testing).
        pause: time after a sample without input, in which potentials and adaptation decay.
        prompt: whether synapses compare an output spike with the potentials of the inputs in the step whose input
            spikes caused it, before the inputs move on; otherwise after they have moved by one more step.
        fresh: every sample begins with neurons and traces at rest; only adaptation goes on.
        together: samples shown side by side to the same synapses while they learn (a mini-batch, whose changes add up
            step by step), each of them fresh; rules of spike timing only.
    """

    step: float = 0.005
    duration: float = 0.35
    amplitude: float = 0.05
    filter_time: float = 0.005
    read_gain: float = 1.0
    pause: float = 0.0
    prompt: bool = False
    fresh: bool = False
    together: int = 1

    def __post_init__(self) -> None:
        _require(self, ("step", "duration", "amplitude", "read_gain", "together"), ("filter_time", "pause"))
        if self.duration < self.step:
            raise ParameterError(f"Presentation: duration {self.duration:g} s is shorter than a step, {self.step:g} s")

    @property
    def steps(self) -> int:
        """Steps per sample."""
        return round(self.duration / self.step)


def decay(time: float, constant: float) -> float:
    """What is left after a time; nothing where there is no time constant."""
    return math.exp(-time / constant) if constant else 0.0


def by_voltage(inhibition: float = 0.02, read_gain: float = 1.0) -> tuple[Inputs, Competitors, Presentation]:
    """Settings for synapses that the potentials of the inputs write beyond two thresholds.

    A volley of input spikes makes an output fire at once; only inputs at their reset then strengthen their synapses,
    and those of dark pixels, near their threshold by the end of a sample, weaken theirs. Constants are those of the
    public program to Garg et al., arXiv:2510.25787 (2025), without the noise of its inputs; the threshold of the
    competitors (8.2 there) and the inhibition (12 ms) were chosen on held-out digits.
    """
    step, tau_in, tau_out, tau_threshold = 1e-3, 0.029, 0.01151, 0.115
    per_step = 1 / -math.expm1(-step / tau_in)  # a drive that adds 1 to a potential in every step
    return (
        Inputs(
            time_constant=tau_in, refractory=step, gain=0.2 * per_step, bias=1.28 * step / tau_in * per_step, cut=0.1
        ),
        Competitors(
            time_constant=tau_out, threshold=30.0, refractory=0.002, gain=1 / -math.expm1(-step / tau_out),
            adaptation_step=1.1 * tau_threshold, adaptation_time=tau_threshold, inhibition=inhibition,
            adapts="threshold",
        ),
        Presentation(
            step=step, duration=0.041, amplitude=1.0, filter_time=0.0, read_gain=read_gain, pause=0.1, prompt=True
        ),
    )  # fmt: skip
