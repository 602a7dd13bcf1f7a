r"""VO2 neuron: a film of vanadium dioxide with thermal hysteresis behind a load resistor, with a capacitor across it.

.. math::
    C \dot v = \frac{V_0 - v}{R_L} - \frac{v}{R(T)}, \qquad C_{th} \dot T = \frac{v^2}{R(T)} - \frac{T - T_0}{R_{th}}

with the resistance of `nanoneurons.physics.hysteretic_switch`, which follows minor loops and remembers the last
reversal of the temperature. Its ambient temperature lies just below the transition.

Not modelled: percolation of domains, exact wiping-out of nested loops, heat exchanged with neighbouring devices.

Source: constants of Zhang, Qiu and Di Ventra's thermal neuristor, as published with their code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import normal
from nanoneurons.devices._device import State
from nanoneurons.devices._neurons import spread
from nanoneurons.devices._switching import SwitchingNeuron, noise_param
from nanoneurons.physics.hysteretic_switch import HystereticSwitch

__all__ = ["VO2Neuron"]

_ZHANG = "constants published with the code of Zhang et al., collective dynamics of thermal neuristors (2024)"
_CHOICE = "choice of this project"


def _value(default: float, unit: str, doc: str, low: float, high: float) -> Any:
    return param(default, unit, doc=doc, source=_ZHANG, low=low, high=high)


def _choice(default: float, unit: str, doc: str, low: float, high: float) -> Any:
    return param(default, unit, doc=doc, source=_CHOICE, low=low, high=high, verified=False)


@dataclass(frozen=True)
class VO2Neuron(SwitchingNeuron):
    """VO2 thermal neuron.

    State, all float64 but ``spikes``: ``voltage`` (V, of the node), ``temperature`` (K), what tells one switch from the
    next (``mark`` in K, ``armed``), ``now`` (K, transition temperature of this cycle), ``stride`` (s, next step of the
    solver), the branch (``direction``, ``turning`` and ``proximity`` in K), the devices' own ``transition`` (K) and
    ``thermal_resistance`` (K/W), ``spikes`` and ``moment``.
    """

    title: ClassVar[str] = "VO2 thermal neuron"
    citation: ClassVar[str] = """\
@article{zhang2024,
  author = {Zhang, Yuan-Hang and Sipling, Chesson and Qiu, Erbin and Schuller, Ivan K. and Di Ventra, Massimiliano},
  title = {Collective dynamics and long-range order in thermal neuristor networks},
  journal = {Nature Communications}, volume = {15}, pages = {6986}, year = {2024}}"""
    not_modelled: ClassVar[str] = "percolation of domains, exact wiping-out of nested loops, heat between devices"

    arrhenius: float = _value(5.35882879e-3, "ohm", "prefactor R_0 of the insulating resistance", 1e-9, 1e3)
    slope: float = _value(5220.47417, "K", "activation temperature A", 100.0, 20e3)
    metallic: float = _value(1286.316504375, "ohm", "metallic resistance R_m", 1.0, 1e6)
    steepness: float = _value(0.252796285, "1/K", "steepness beta of the transition", 0.01, 10.0)
    width: float = _value(7.19357064, "K", "width w of the hysteresis", 0.01, 50.0)
    transition: float = _value(332.805839, "K", "transition temperature T_c", 250.0, 400.0)
    loop: float = _value(0.956269682, "1", "shape gamma of minor loops", 0.0, 1.0)
    thermal_resistance: float = _value(4864.1136, "K/W", "thermal resistance R_th", 1.0, 1e8)
    thermal_capacitance: float = _value(49.62776831e-12, "J/K", "thermal capacitance C_th", 1e-16, 1e-6)
    ambient: float = _value(325.0, "K", "ambient temperature T_0", 200.0, 390.0)
    load: float = _value(12e3, "ohm", "load resistance R_L", 10.0, 1e7)
    capacitance: float = _value(145.34619293e-12, "F", "capacitance across the device", 1e-15, 1e-6)
    operating_voltage: float = _choice(12.0, "V", "source voltage of tonic spiking", 0.1, 100.0)  # type: ignore[misc]
    breakdown: float = _choice(30.0, "V", "largest source voltage taken", 0.1, 200.0)  # type: ignore[misc]
    switched: float = _choice(340.0, "K", "temperature that a spike passes", 201.0, 500.0)
    swing: float = _choice(5.0, "K", "rise of temperature of the smallest spike", 0.1, 100.0)
    noise: float = noise_param()
    transition_jitter: float = param(
        0.05, "K", doc="standard deviation of T_c from cycle to cycle", source=_CHOICE, low=0.0, high=5.0,
        imperfection="cycle_to_cycle", ideal=0.0, verified=False,
    )  # fmt: skip
    transition_spread: float = param(
        0.1, "K", doc="standard deviation of T_c from device to device", source=_CHOICE, low=0.0, high=5.0,
        imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip
    thermal_spread: float = param(
        0.02, "1", doc="relative spread of R_th from device to device", source=_CHOICE, low=0.0, high=0.5,
        imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip

    def check(self) -> None:
        """The device must switch, and at its operating voltage the load must carry it past its threshold."""
        switch = self.switch()
        voltage, current, _ = switch.turning_points()[0]
        least = voltage + self.load * current
        if not least < self.operating_voltage <= self.breakdown:
            raise ParameterError(
                f"VO2Neuron: operating_voltage = {self.operating_voltage:g} V must lie between {least:.4g} V, where "
                f"the device reaches its threshold, and breakdown = {self.breakdown:g} V"
            )

    def switch(self) -> HystereticSwitch:
        """The nominal switch in its circuit, with its noise."""
        return HystereticSwitch(
            self.arrhenius, self.slope, self.metallic, self.steepness, self.width, self.transition, self.loop,
            self.thermal_resistance, self.thermal_capacitance, self.ambient, self.load, self.capacitance, self.switched,
            self.swing, self.noise, self.transition_jitter,
        )  # fmt: skip

    def static_curves(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The major loop, heated and cooled, and the load line."""
        switch, found = self.switch(), {}
        top = switch.turning_points()[1][2] + switch.width
        temperature = np.linspace(switch.ambient + 1e-3, top, 300)
        for name, direction in (("heating", 1), ("cooling", -1)):
            voltage, current = switch.static(temperature, direction)
            found[name] = (torch.from_numpy(voltage), torch.from_numpy(current))
        return found | self._load_line()

    def fabricated(self, key: int, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Transition temperatures in K and thermal resistances in K/W."""
        transition = self.transition + self.transition_spread * normal(key, shape, 0).double()
        thermal = spread(key, shape, self.thermal_resistance, self.thermal_spread, 1)
        return {"transition": transition, "thermal_resistance": thermal}

    def cycle_sigma(self) -> float:
        """In K."""
        return self.transition_jitter

    def own(self, state: State) -> dict[str, float | torch.Tensor]:
        """Transition temperature and thermal resistance."""
        return {"own": state["transition"], "thermal_resistance": state["thermal_resistance"]}
