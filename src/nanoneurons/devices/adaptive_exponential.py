r"""Adaptive exponential integrate-and-fire neuron (AdEx): a leaky membrane with an exponential upstroke and adaptation.

.. math::
    C\dot v = -g_L(v - E_L) + g_L\Delta_T\,e^{(v - V_T)/\Delta_T} - w + I, \qquad
    \tau_w\dot w = a(v - E_L) - w, \qquad v \ge v_p:\ v \to V_r,\ w \to w + b

solved with inner steps of controlled error that follow the explosion of v to its peak. The defaults are the fit of
Brette and Gerstner to a detailed model of a regular-spiking pyramidal cell.

Not modelled: the downstroke of a spike, a refractory time, conductance-based synapses.

Source: Brette and Gerstner, J. Neurophysiol. 94, 3637 (2005); presets: Gerstner et al., Neuronal Dynamics (2014).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.devices._device import State
from nanoneurons.devices._neurons import EquationNeuron, noise_param, spread, spread_param, tolerance_param
from nanoneurons.physics.adaptive_exponential import ADAPTIVE_EXPONENTIAL, bifurcation_current, resting
from nanoneurons.solvers import Spiking

__all__ = ["AdaptiveExponential"]

_FIT = "Brette and Gerstner, J. Neurophysiol. 94, 3637 (2005)"
_CHOICE = "choice of this project"


@dataclass(frozen=True)
class AdaptiveExponential(EquationNeuron):
    """Adaptive exponential integrate-and-fire neuron; presets show patterns of firing.

    State, float64 unless said: ``v`` (V), ``w`` (A), the devices' own ``threshold`` (V) and ``capacitance`` (F);
    ``spikes`` (float32), ``moment`` (s), ``armed`` (bool).
    """

    title: ClassVar[str] = "adaptive exponential neuron"
    citation: ClassVar[str] = """\
@article{brette2005,
  author = {Brette, Romain and Gerstner, Wulfram},
  title = {Adaptive exponential integrate-and-fire model as an effective description of neuronal activity},
  journal = {Journal of Neurophysiology}, volume = {94}, pages = {3637--3642}, year = {2005},
  doi = {10.1152/jn.00686.2005}}"""
    not_modelled: ClassVar[str] = "the downstroke of a spike, a refractory time, conductance-based synapses"
    drive_unit: ClassVar[str] = "A"
    read_unit: ClassVar[str] = "V"
    model: ClassVar[Spiking] = ADAPTIVE_EXPONENTIAL

    capacitance: float = param(281e-12, "F", doc="membrane capacitance C", source=_FIT, low=1e-18, high=1e-3)
    leak: float = param(30e-9, "S", doc="leak conductance g_L", source=_FIT, low=1e-15, high=1.0)
    rest: float = param(-70.6e-3, "V", doc="reversal potential of the leak, E_L", source=_FIT, low=-10.0, high=10.0)
    threshold: float = param(-50.4e-3, "V", doc="V_T: where the upstroke begins", source=_FIT, low=-10.0, high=10.0)
    slope: float = param(2e-3, "V", doc="Delta_T: sharpness of the upstroke", source=_FIT, low=1e-6, high=1.0)
    peak: float = param(20e-3, "V", doc="v_p: potential at which a spike ends", source=_FIT, low=-10.0, high=10.0)
    reset: float = param(-70.6e-3, "V", doc="V_r: potential after a spike", source=_FIT, low=-10.0, high=10.0)
    adaptation_time: float = param(144e-3, "s", doc="tau_w", source=_FIT, low=1e-9, high=1e3)
    adaptation_coupling: float = param(4e-9, "S", doc="a: adaptation to the potential", source=_FIT, low=-1.0, high=1.0)
    adaptation_step: float = param(
        80.5e-12, "A", doc="b: adaptation current of a spike", source=_FIT, low=0.0, high=1.0
    )
    operating_drive: float = param(
        1e-9, "A", doc="constant current at which it fires again and again", source=_CHOICE, low=0.0, high=10.0
    )
    tolerance: float = tolerance_param()
    noise: float = noise_param(1e-3, "V", "standard deviation of the passive membrane's potential", high=10.0)
    threshold_spread: float = spread_param(0.05, "relative spread of the height of V_T above E_L")
    time_constant_spread: float = spread_param(0.05, "relative spread of the capacitance, and so of the time constant")

    def check(self) -> None:
        """Rest, threshold and peak in order, and a membrane that leaks."""
        if not self.rest < self.threshold < self.peak:
            raise ParameterError(
                f"threshold = {self.threshold:g} V must lie between rest = {self.rest:g} V and peak = {self.peak:g} V"
            )
        if not self.reset < self.peak:
            raise ParameterError(f"reset = {self.reset:g} V must lie below peak = {self.peak:g} V")
        if not self.leak + self.adaptation_coupling > 0:
            raise ParameterError(
                f"adaptation_coupling = {self.adaptation_coupling:g} S must exceed minus leak = {-self.leak:g} S, or "
                "nothing holds the membrane"
            )

    @property
    def default_drive(self) -> float:
        """The operating drive."""
        return self.operating_drive

    @property
    def default_step(self) -> float:
        """A tenth of the membrane's time constant."""
        return 0.1 * self.capacitance / self.leak

    def bifurcation_current(self) -> float:
        """Closed form of the current in A, approached slowly, at which the nominal device leaves rest.

        From rest a step of a smaller current may fire it, as `threshold_drive` finds.
        """
        return bifurcation_current(
            self.capacitance, self.leak, self.rest, self.slope, self.threshold, self.adaptation_time,
            self.adaptation_coupling,
        )  # fmt: skip

    def own(self, key: int, shape: tuple[int, ...]) -> State:
        """A threshold and a capacitance for each device."""
        height = spread(key, shape, self.threshold - self.rest, self.threshold_spread, 0)
        return {
            "threshold": self.rest + height,
            "capacitance": spread(key, shape, self.capacitance, self.time_constant_spread, 1),
        }

    def constants(self, state: State) -> Mapping[str, float | torch.Tensor]:
        """Parameters of the equation, threshold and capacitance from the state."""
        return {
            "capacitance": state["capacitance"], "leak": self.leak, "rest": self.rest, "slope": self.slope,
            "threshold": state["threshold"], "time": self.adaptation_time, "a": self.adaptation_coupling,
            "reset": self.reset, "b": self.adaptation_step, "peak": self.peak,
        }  # fmt: skip

    def resting(self, state: State) -> tuple[torch.Tensor, ...]:
        """v and w without a current."""
        return resting(self.leak, self.rest, self.slope, state["threshold"], self.adaptation_coupling)

    def sizes(self) -> tuple[float, ...]:
        """The height of the threshold above rest, and the current that reaches it."""
        height = self.threshold - self.rest
        return height, height * self.leak

    def held_noise(self, dt: float) -> float:
        """A current held for the step that gives the passive membrane the declared deviation at any step."""
        decay = math.exp(-dt * self.leak / self.capacitance)
        return self.leak * self.noise * math.sqrt((1 + decay) / (1 - decay))

    def prices(self) -> Mapping[str, Price]:
        """Charge of the membrane capacitor from reset to peak, once per spike: a lower bound."""
        energy = self.capacitance * (self.peak - self.reset) ** 2
        source = "C (v_p - V_r)^2, drawn to charge the membrane capacitor; a circuit that fires takes more"
        return {"spike": Price(min(energy, 0.99), source, "the device's own capacitance", verified=False)}
