r"""FitzHugh-Nagumo neuron: a relaxation oscillator near its onset, the simplest smooth equation that spikes.

.. math::
    T\dot v = v - v^3/3 - w + I, \qquad T\dot w = (v + a - b w)/\tau

v, w and the drive I are dimensionless, time is in s. A spike is counted and timed where v rises through ``level``, once
until it has fallen through ``rearm``.

Not modelled: a physical scale of voltage and current, a threshold in the strict sense.

Source: FitzHugh, Biophys. J. 1, 445 (1961); Nagumo, Arimoto and Yoshizawa, Proc. IRE 50, 2061 (1962).
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
from nanoneurons.physics.fitzhugh_nagumo import FITZHUGH_NAGUMO, hopf_drives, resting
from nanoneurons.solvers import Spiking

__all__ = ["FitzHughNagumo"]

_1961 = "FitzHugh, Biophys. J. 1, 445 (1961)"
_CHOICE = "choice of this project"


@dataclass(frozen=True)
class FitzHughNagumo(EquationNeuron):
    """FitzHugh-Nagumo neuron with FitzHugh's constants.

    State, float64 unless said: ``v``, ``w``, the devices' own ``excitability`` (a) and ``scale`` (T, s); ``spikes``
    (float32), ``moment`` (s), ``armed`` (bool).
    """

    title: ClassVar[str] = "FitzHugh-Nagumo neuron"
    citation: ClassVar[str] = """\
@article{fitzhugh1961,
  author = {FitzHugh, Richard},
  title = {Impulses and physiological states in theoretical models of nerve membrane},
  journal = {Biophysical Journal}, volume = {1}, pages = {445--466}, year = {1961},
  doi = {10.1016/S0006-3495(61)86902-6}}"""
    not_modelled: ClassVar[str] = "a physical scale of voltage and current, a threshold in the strict sense"
    drive_unit: ClassVar[str] = "1"
    read_unit: ClassVar[str] = "1"
    model: ClassVar[Spiking] = FITZHUGH_NAGUMO

    excitability: float = param(
        0.7, "1", doc="a: where the nullclines cross", source=_1961, low=0.0, high=2.0, verified=False
    )
    recovery: float = param(0.8, "1", doc="b: decay of recovery", source=_1961, low=0.01, high=1.0, verified=False)
    slowness: float = param(
        12.5, "1", doc="tau: slowness of recovery", source=_1961, low=1.01, high=1e6, verified=False
    )
    time_scale: float = param(1e-3, "s", doc="unit of time T", source=_CHOICE, low=1e-12, high=1e3)
    level: float = param(
        1.0, "1", doc="v at which a spike is timed; a full one peaks near 2", source=_CHOICE, low=-2.0, high=2.0
    )
    rearm: float = param(0.0, "1", doc="v below which the next spike may come", source=_CHOICE, low=-2.0, high=2.0)
    operating_drive: float = param(
        0.5, "1", doc="constant drive at which it fires again and again", source=_CHOICE, low=0.0, high=10.0
    )
    tolerance: float = tolerance_param()
    noise: float = noise_param(0.02, "1", "standard deviation of the drive's white noise averaged over T", high=10.0)
    threshold_spread: float = spread_param(0.02, "relative spread of the excitability, and so of the threshold")
    time_constant_spread: float = spread_param(0.05, "relative spread of the unit of time")

    def check(self) -> None:
        """The level above the point where spikes may come again, and a slow recovery."""
        if not self.rearm < self.level:
            raise ParameterError(f"rearm = {self.rearm:g} must lie below level = {self.level:g}")

    @property
    def default_drive(self) -> float:
        """The operating drive."""
        return self.operating_drive

    @property
    def default_step(self) -> float:
        """Half the unit of time."""
        return 0.5 * self.time_scale

    def hopf_drives(self) -> tuple[float, float]:
        """Closed form of the two constant drives between which the nominal device has no stable rest."""
        return hopf_drives(self.excitability, self.recovery, self.slowness)

    def own(self, key: int, shape: tuple[int, ...]) -> State:
        """An excitability and a unit of time for each device."""
        return {
            "excitability": spread(key, shape, self.excitability, self.threshold_spread, 0),
            "scale": spread(key, shape, self.time_scale, self.time_constant_spread, 1),
        }

    def constants(self, state: State) -> Mapping[str, float | torch.Tensor]:
        """Parameters of the equation, excitability and unit of time from the state."""
        return {
            "scale": state["scale"], "a": state["excitability"], "b": self.recovery, "slowness": self.slowness,
            "peak": self.level, "rearm": self.rearm,
        }  # fmt: skip

    def resting(self, state: State) -> tuple[torch.Tensor, ...]:
        """v and w without a drive."""
        return resting(state["excitability"], self.recovery)

    def sizes(self) -> tuple[float, ...]:
        """One and one."""
        return 1.0, 1.0

    def held_noise(self, dt: float) -> float:
        """White noise averaged over the step."""
        return self.noise * math.sqrt(self.time_scale / dt)

    def prices(self) -> Mapping[str, Price]:
        """None: the equation has no scale of energy."""
        return {}
