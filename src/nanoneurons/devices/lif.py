r"""Leaky integrate-and-fire neuron: a leaky capacitor that a current charges, with a threshold.

.. math::
    \tau\,\dot v = E - v + R I - a, \qquad \tau_a\,\dot a = -a, \qquad
    v \ge \theta:\ v \to v_r \text{ held for } t_r, \quad a \to a + b

solved exactly for a current held constant during each step, in steps of any length up to its time constants. Spikes are
located inside the step, several in one step if need be, and what is left of the refractory time goes on in the next
step. With ``adaptation = "threshold"`` a is added to the threshold instead of being taken from the drive.

With ``rest = 0``, ``resistance = 1`` and ``threshold = 1`` the numbers are those of the normalised neuron of most
simulators. Not modelled: the shape and width of a spike, conductance-based synapses, noise of the threshold.

Source: Gerstner, Kistler, Naud and Paninski, Neuronal Dynamics (Cambridge, 2014), chapters 1 and 6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key
from nanoneurons.devices._device import State
from nanoneurons.devices._neurons import (
    TrainNeuron,
    cells,
    flat,
    keys_for,
    noise_param,
    rows,
    shown,
    silenced,
    spread,
    spread_param,
    trouble,
)
from nanoneurons.physics import leaky

__all__ = ["ADAPTS", "LeakyIntegrateAndFire"]

_BOOK = "textbook value of a cortical cell: Gerstner et al., Neuronal Dynamics (2014)"
_CHOICE = "choice of this project"
ADAPTS = {"none": leaky.NONE, "current": leaky.CURRENT, "threshold": leaky.THRESHOLD}


@dataclass(frozen=True)
class LeakyIntegrateAndFire(TrainNeuron):
    """Leaky integrate-and-fire neuron, exact in every step.

    State, float64 unless said: ``potential`` (V), ``adaptation`` (V), ``waiting`` (rest of the refractory time, s), the
    devices' own ``threshold`` (V) and ``time_constant`` (s); ``spikes`` (float32) and ``moment`` (s).
    """

    title: ClassVar[str] = "leaky integrate-and-fire neuron"
    citation: ClassVar[str] = """\
@book{gerstner2014,
  author = {Gerstner, Wulfram and Kistler, Werner M. and Naud, Richard and Paninski, Liam},
  title = {Neuronal Dynamics: From Single Neurons to Networks and Models of Cognition},
  publisher = {Cambridge University Press}, year = {2014}, doi = {10.1017/CBO9781107447615}}"""
    not_modelled: ClassVar[str] = "shape and width of spikes, conductance-based synapses, noise of the threshold"
    drive_unit: ClassVar[str] = "A"
    read_unit: ClassVar[str] = "V"

    time_constant: float = param(
        20e-3, "s", doc="membrane time constant tau", source=_BOOK, low=1e-12, high=1e3, verified=False
    )
    resistance: float = param(
        100e6, "ohm", doc="membrane resistance R", source=_BOOK, low=1e-6, high=1e18, verified=False
    )
    rest: float = param(
        -65e-3, "V", doc="potential E without a drive", source=_BOOK, low=-1e3, high=1e3, verified=False
    )
    threshold: float = param(-50e-3, "V", doc="threshold theta", source=_BOOK, low=-1e3, high=1e3, verified=False)
    reset: float = param(
        -65e-3, "V", doc="potential after a spike, v_r", source=_BOOK, low=-1e3, high=1e3, verified=False
    )
    floor: float = param(
        -1e3, "V", doc="lowest potential, at the ends of steps; the default is out of reach", source=_CHOICE,
        low=-1e3, high=1e3,
    )  # fmt: skip
    refractory: float = param(
        2e-3,
        "s",
        doc="time t_r for which the potential stays at reset",
        source=_BOOK,
        low=0.0,
        high=1e3,
        verified=False,
    )
    adaptation: str = param("none", doc="what a spike adapts", source=_CHOICE, choices=("none", "current", "threshold"))
    adaptation_step: float = param(
        2e-3, "V", doc="b: rise of the threshold, or of R times the adaptation current, at a spike", source=_CHOICE,
        low=0.0, high=1e3,
    )  # fmt: skip
    adaptation_time: float = param(
        100e-3, "s", doc="time constant tau_a of the adaptation", source=_CHOICE, low=1e-12, high=1e9
    )
    noise: float = noise_param(
        1e-3, "V", "standard deviation of the potential under a white noise current alone", high=1e3
    )
    threshold_spread: float = spread_param(0.05, "relative spread of the threshold's height above reset")
    time_constant_spread: float = spread_param(0.05, "relative spread of the time constant")

    def check(self) -> None:
        """Threshold above rest and reset, floor below them."""
        if not self.threshold > max(self.rest, self.reset):
            raise ParameterError(
                f"threshold = {self.threshold:g} V must lie above rest = {self.rest:g} V and reset = {self.reset:g} V"
            )
        if self.floor > min(self.rest, self.reset):
            raise ParameterError(
                f"floor = {self.floor:g} V must not lie above rest = {self.rest:g} V or reset = {self.reset:g} V"
            )

    @property
    def default_drive(self) -> float:
        """Twice the rheobase."""
        return 2 * self.threshold_drive()

    @property
    def default_step(self) -> float:
        """A fiftieth of the shortest time constant."""
        return min(self.time_constants().values()) / 50

    def threshold_drive(self) -> float:
        """(theta - E)/R in A."""
        return (self.threshold - self.rest) / self.resistance

    def time_constants(self) -> Mapping[str, float]:
        """That of the membrane, and that of the adaptation if there is one."""
        own = {"time_constant": self.time_constant}
        return own if self.adaptation == "none" else {**own, "adaptation_time": self.adaptation_time}

    def firing_rate(self, current: float) -> float:
        """Closed form of the rate in Hz of the nominal device at a constant current in A, without adaptation."""
        target = self.rest + self.resistance * current
        return leaky.firing_rate(target, self.time_constant, self.threshold, self.reset, self.refractory)

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Devices at rest, each with its own threshold and time constant."""
        key = draw_key(generator)
        zero = torch.zeros(shape, dtype=torch.float64)
        height = spread(key, shape, self.threshold - self.reset, self.threshold_spread, 0)
        return {
            "potential": torch.full(shape, self.rest, dtype=torch.float64),
            "adaptation": zero,
            "waiting": zero.clone(),
            "threshold": self.reset + height,
            "time_constant": spread(key, shape, self.time_constant, self.time_constant_spread, 1),
            "spikes": torch.zeros(shape),
            "moment": zero.clone(),
        }

    def _run(
        self, state: State, drive: np.ndarray, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        self.check_step(dt)
        shape = tuple(state["potential"].shape)
        v, a, wait = (flat(state[name]) for name in ("potential", "adaptation", "waiting"))
        spikes, moment, status = np.empty(drive.shape, np.float32), np.empty(len(drive)), np.zeros(3, np.int64)
        leaky.run(
            v, a, wait, shown(state["threshold"]), shown(state["time_constant"]), drive,
            keys_for(self.noise > 0, drive.shape[1], generator), cells(shape), dt,
            self.rest, self.resistance, self.noise, self.reset, self.refractory, self.adaptation_time,
            0.0 if self.adaptation == "none" else self.adaptation_step, ADAPTS[self.adaptation], self.floor,
            spikes, moment, status,
        )  # fmt: skip
        trouble(type(self).__name__, status, shape, self.drive_unit, dt, leaky.MOST)
        found = {"potential": v, "adaptation": a, "waiting": wait, "moment": moment}
        return torch.from_numpy(spikes), {**state, **{n: torch.from_numpy(x.reshape(shape)) for n, x in found.items()}}

    def beyond(self, state: State, drive: torch.Tensor, dt: float) -> torch.Tensor:
        """Potential minus threshold in V at the end of a step in which the device does not fire, without noise."""
        shape = tuple(state["potential"].shape)
        out = np.empty(state["potential"].numel())
        leaky.beyond_all(
            *(flat(state[name]) for name in ("potential", "adaptation", "waiting")), rows(drive.expand(shape), 1)[:, 0],
            shown(state["threshold"]), shown(state["time_constant"]), dt, self.rest, self.resistance,
            self.adaptation_time, ADAPTS[self.adaptation], out,
        )  # fmt: skip
        return torch.from_numpy(out.reshape(shape))

    def silence(self, state: State, where: torch.Tensor) -> State:
        """Membranes at rest; adaptation and refractory time go on."""
        return silenced(state, where, {"potential": self.rest})

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Membrane potential in V."""
        return state["potential"].clone()

    def prices(self) -> Mapping[str, Price]:
        """Charge of the membrane capacitor at the height of the threshold, once per spike: a lower bound."""
        energy = self.time_constant / self.resistance * (self.threshold - self.reset) ** 2
        source = "tau/R (theta - v_r)^2, drawn to charge the membrane capacitor; a circuit that fires takes more"
        return {"spike": Price(min(energy, 0.99), source, "the device's own capacitance", verified=False)}
