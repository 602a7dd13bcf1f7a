r"""Izhikevich's simple model of a spiking neuron: two equations, and, by preset, twenty behaviours of cortical cells.

.. math::
    \dot v = k_2 v^2 + k_1 v + k_0 - u + I, \qquad \dot u = a\,[b\,(v - v_b) - \lambda u], \qquad
    v \ge v_p:\ v \to c,\ u \to u + d

in SI units: v in V, u and the drive I (a current over the membrane's capacitance) in V/s;
`nanoneurons.physics.izhikevich` says how the original numbers in ms and mV translate. Every preset has the stimulus
that shows its behaviour. Solved with inner steps of controlled error and spikes located inside a step, so that
behaviours do not depend on a step of 0.1 to 0.5 ms, as some of the original program do; three presets say where they
depart from it for that.

Not modelled: ion channels, the width of spikes, capacitance (the drive is per capacitance), energy other than a
published circuit's.

Source: Izhikevich, IEEE Trans. Neural Netw. 14, 1569 (2003) and 15, 1063 (2004).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.parameter import param
from nanoneurons.core.random import normal
from nanoneurons.devices._device import State
from nanoneurons.devices._neurons import EquationNeuron, noise_param, spread, spread_param, tolerance_param
from nanoneurons.physics.izhikevich import IZHIKEVICH, resting
from nanoneurons.solvers import Spiking

__all__ = ["Izhikevich"]

_2003 = "Izhikevich, IEEE Trans. Neural Netw. 14, 1569 (2003)"
_2004 = "Izhikevich, IEEE Trans. Neural Netw. 15, 1063 (2004)"
_CHOICE = "choice of this project"


@dataclass(frozen=True)
class Izhikevich(EquationNeuron):
    """Izhikevich's simple model; the defaults spike tonically, presets show the other nineteen behaviours.

    State, float64 unless said: ``v`` (V), ``u`` (V/s), the devices' own ``offset`` (V/s, beside the drive) and
    ``speed`` (inverse of their relative time scale); ``spikes`` (float32), ``moment`` (s), ``armed`` (bool).
    """

    title: ClassVar[str] = "Izhikevich neuron"
    citation: ClassVar[str] = """\
@article{izhikevich2004,
  author = {Izhikevich, Eugene M.},
  title = {Which model to use for cortical spiking neurons?},
  journal = {IEEE Transactions on Neural Networks}, volume = {15}, pages = {1063--1070}, year = {2004},
  doi = {10.1109/TNN.2004.832719}}"""
    not_modelled: ClassVar[str] = "ion channels, the width of spikes, the membrane's capacitance"
    drive_unit: ClassVar[str] = "V/s"
    read_unit: ClassVar[str] = "V"
    model: ClassVar[Spiking] = IZHIKEVICH

    quadratic: float = param(4e4, "1/(V s)", doc="k_2", source=_2003, low=1.0, high=1e9)
    linear: float = param(5e3, "1/s", doc="k_1", source=_2003, low=-1e9, high=1e9)
    constant: float = param(140.0, "V/s", doc="k_0", source=_2003, low=-1e9, high=1e9)
    recovery_rate: float = param(20.0, "1/s", doc="a: rate of recovery", source=_2004, low=-1e6, high=1e6)
    sensitivity: float = param(200.0, "1/s", doc="b: sensitivity of recovery to v", source=_2004, low=-1e6, high=1e6)
    pivot: float = param(0.0, "V", doc="v_b: potential that b is counted from", source=_2004, low=-1.0, high=1.0)
    decay: float = param(1.0, "1", doc="lambda: decay of u over a", source=_2004, low=0.0, high=1.0)
    reset: float = param(-65e-3, "V", doc="c: potential after a spike", source=_2004, low=-1.0, high=1.0)
    jump: float = param(6.0, "V/s", doc="d: what a spike adds to u", source=_2004, low=-1e6, high=1e6)
    peak: float = param(30e-3, "V", doc="v_p: potential at which a spike ends", source=_2003, low=-1.0, high=1.0)
    bias: float = param(0.0, "V/s", doc="constant drive beside the signal", source=_2004, low=-1e6, high=1e6)
    operating_drive: float = param(
        14.0, "V/s", doc="constant drive at which it fires again and again; below zero where inhibition does that",
        source=_2004, low=-1e6, high=1e6,
    )  # fmt: skip
    tolerance: float = tolerance_param()
    noise: float = noise_param(0.2, "V/s", "standard deviation of the drive's white noise averaged over 1 ms", high=1e6)
    threshold_spread: float = param(
        0.1, "V/s", doc="spread of a constant drive that each device has beside the signal; it moves its threshold",
        source=_CHOICE, low=0.0, high=1e6, imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip
    time_constant_spread: float = spread_param(0.05, "relative spread of the time scale of both equations")

    @property
    def default_drive(self) -> float:
        """The operating drive."""
        return self.operating_drive

    @property
    def default_step(self) -> float:
        """Half a millisecond."""
        return 0.5e-3

    def own(self, key: int, shape: tuple[int, ...]) -> State:
        """A drive beside the signal and a speed for each device."""
        offset = self.threshold_spread * normal(key, shape, 0).double()
        return {"offset": offset, "speed": spread(key, shape, 1.0, self.time_constant_spread, 1)}

    def constants(self, state: State) -> Mapping[str, float | torch.Tensor]:
        """Parameters of the equation, the speed from the state."""
        return {
            "quadratic": self.quadratic, "linear": self.linear, "constant": self.constant, "a": self.recovery_rate,
            "b": self.sensitivity, "pivot": self.pivot, "decay": self.decay, "c": self.reset, "d": self.jump,
            "peak": self.peak, "speed": state["speed"],
        }  # fmt: skip

    def background(self, state: State) -> torch.Tensor:
        """The bias and each device's offset, V/s."""
        return state["offset"] + self.bias

    def resting(self, state: State) -> tuple[torch.Tensor, ...]:
        """v and u of the stable state."""
        return resting(
            self.quadratic, self.linear, self.constant + self.background(state), self.recovery_rate, self.sensitivity,
            self.pivot, self.decay,
        )  # fmt: skip

    def sizes(self) -> tuple[float, ...]:
        """10 mV and 1 V/s."""
        return 10e-3, 1.0

    def held_noise(self, dt: float) -> float:
        """White noise averaged over the step."""
        return self.noise * math.sqrt(1e-3 / dt)

    def prices(self) -> Mapping[str, Price]:
        """A published circuit that follows this model."""
        source = "silicon neuron after this model: Wijekoon and Dudek, Neural Netw. 21, 524 (2008); from memory"
        return {"spike": Price(9e-12, source, "0.35 um CMOS", verified=False)}
