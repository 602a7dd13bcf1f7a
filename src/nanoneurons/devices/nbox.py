r"""NbOx neuron: a threshold switch of niobium oxide behind a load resistor, with a capacitor across it.

.. math::
    C \dot v = \frac{V_0 - v}{R_L} - I, \qquad C_{th} \dot T = V_c I - \frac{T - T_0}{R_{th}}, \qquad
    I = \frac{V_c}{R_0} \exp\!\left(-\frac{E_a - \beta \sqrt{V_c}}{k T}\right), \quad v = V_c + R_s I

The source voltage charges the capacitor; above the threshold voltage conduction and heating run away, the capacitor
discharges through the hot device, and below the hold voltage it cools. Depending on the stimulus the same device spikes
without end, by chance, after a latency, on coincidence, or in a burst that dies away.

Not modelled: the electronic transition of NbO2, filaments, profiles of temperature, slow heating of the surroundings.

The parameters are calibrated by this project to give these behaviours; the numbers of the published device could not be
read. Source of the behaviours: Drouhin et al., Neuromorph. Comput. Eng. 2, 044008 (2022).
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
from nanoneurons.physics.threshold_switch import ThresholdSwitch

__all__ = ["NbOxNeuron"]

_OURS = "calibrated by this project to show the behaviours of Drouhin et al. (2022)"
_CHOICE = "choice of this project"


def _value(default: float, unit: str, doc: str, low: float, high: float, source: str = _OURS) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, verified=False)


@dataclass(frozen=True)
class NbOxNeuron(SwitchingNeuron):
    """NbOx threshold-switch neuron.

    State, all float64 but ``spikes``: ``voltage`` (V, of the node), ``temperature`` (K), what tells one switch from the
    next (``mark`` in K, ``armed``), ``now`` (eV, activation energy of this cycle), ``stride`` (s, next step of the
    solver), the devices' own ``activation`` (eV) and ``thermal_resistance`` (K/W), ``spikes``, ``moment``; and
    ``direction``, ``turning``, ``proximity``, which a hysteretic switch would use.
    """

    title: ClassVar[str] = "NbOx threshold-switch neuron"
    citation: ClassVar[str] = """\
@article{drouhin2022,
  author = {Drouhin, Marie and Li, Shuai and Grelier, Matthieu and Collin, Sophie and Godel, Florian and
    Elliman, Robert G. and Dlubak, Bruno and Trastoy, Juan and Querlioz, Damien and Grollier, Julie},
  title = {Characterization and modeling of spiking and bursting in experimental {NbOx} neuron},
  journal = {Neuromorphic Computing and Engineering}, volume = {2}, pages = {044008}, year = {2022}}"""
    not_modelled: ClassVar[str] = "the transition of NbO2, filaments, profiles of temperature, slow heating around"

    activation: float = _value(0.23, "eV", "activation energy E_a", 0.05, 1.0)
    resistance: float = _value(90.0, "ohm", "prefactor R_0", 1.0, 1e5)
    permittivity: float = _value(45.0, "1", "relative permittivity, of the field lowering", 2.0, 200.0)
    thickness: float = _value(30e-9, "m", "thickness d", 2e-9, 500e-9)
    thermal_resistance: float = _value(8e5, "K/W", "thermal resistance R_th", 1e3, 1e8)
    thermal_capacitance: float = _value(1e-14, "J/K", "thermal capacitance C_th", 1e-17, 1e-9)
    ambient: float = _value(300.0, "K", "ambient temperature T_0", 100.0, 600.0)
    series: float = _value(300.0, "ohm", "series resistance R_s", 0.0, 1e5)
    load: float = _value(3e3, "ohm", "load resistance R_L", 10.0, 1e7)
    capacitance: float = _value(100e-12, "F", "capacitance across the device", 1e-15, 1e-6)
    operating_voltage: float = _value(1.6, "V", "source voltage of tonic spiking", 0.1, 20.0)  # type: ignore[misc]
    breakdown: float = _value(5.0, "V", "largest source voltage taken", 0.1, 50.0, _CHOICE)  # type: ignore[misc]
    switched: float = _value(450.0, "K", "temperature that a spike passes", 301.0, 2000.0, _CHOICE)
    swing: float = _value(40.0, "K", "rise of temperature of the smallest spike", 1.0, 1000.0, _CHOICE)
    noise: float = noise_param()
    activation_jitter: float = param(
        1e-3, "eV", doc="standard deviation of E_a from cycle to cycle", source=_CHOICE, low=0.0, high=0.05,
        imperfection="cycle_to_cycle", ideal=0.0, verified=False,
    )  # fmt: skip
    activation_spread: float = param(
        2e-3, "eV", doc="standard deviation of E_a from device to device", source=_CHOICE, low=0.0, high=0.05,
        imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip
    thermal_spread: float = param(
        0.02, "1", doc="relative spread of R_th from device to device", source=_CHOICE, low=0.0, high=0.5,
        imperfection="device_to_device", ideal=0.0, verified=False,
    )  # fmt: skip

    def check(self) -> None:
        """The device must switch, and oscillate at its operating voltage."""
        switch = self.switch()
        switch.turning_points()
        low, high = switch.oscillation_edges()
        if not low < self.operating_voltage < high:
            raise ParameterError(
                f"NbOxNeuron: operating_voltage = {self.operating_voltage:g} V must lie between {low:.4g} V and "
                f"{high:.4g} V, where this circuit oscillates"
            )
        if not self.operating_voltage <= self.breakdown:
            raise ParameterError(
                f"NbOxNeuron: operating_voltage = {self.operating_voltage:g} V exceeds breakdown = {self.breakdown:g} V"
            )

    def switch(self) -> ThresholdSwitch:
        """The nominal switch in its circuit, with its noise."""
        return ThresholdSwitch(
            self.activation, self.resistance, self.permittivity, self.thickness, self.thermal_resistance,
            self.thermal_capacitance, self.ambient, self.series, self.load, self.capacitance, self.switched, self.swing,
            self.noise, self.activation_jitter,
        )  # fmt: skip

    def static_curves(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """The S-shaped characteristic up to twice the hold current, and the load line."""
        switch = self.switch()
        hold = switch.turning_points()[1]
        temperature = switch.ambient + np.geomspace(1e-3, 1.6 * (hold.temperature - switch.ambient), 300)
        voltage, current = switch.static(temperature)
        return {"device": (torch.from_numpy(voltage), torch.from_numpy(current)), **self._load_line()}

    def fabricated(self, key: int, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Activation energies in eV and thermal resistances in K/W."""
        activation = self.activation + self.activation_spread * normal(key, shape, 0).double()
        thermal = spread(key, shape, self.thermal_resistance, self.thermal_spread, 1)
        return {"activation": activation, "thermal_resistance": thermal}

    def cycle_sigma(self) -> float:
        """In eV."""
        return self.activation_jitter

    def own(self, state: State) -> dict[str, float | torch.Tensor]:
        """Activation energy and thermal resistance."""
        return {"own": state["activation"], "thermal_resistance": state["thermal_resistance"]}
