"""What neurons made of a switch in its RC circuit share: state, steps, trains, rheobase and energy of a spike."""

from __future__ import annotations

import functools
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import NeuronDevice
from nanoneurons.devices._neurons import silenced
from nanoneurons.physics.hysteretic_switch import HystereticSwitch
from nanoneurons.physics.switch_circuit import SwitchRun
from nanoneurons.physics.threshold_switch import ThresholdSwitch

__all__ = ["SwitchingNeuron", "noise_param"]

_PERIODS = 100  # circuit times after which a device that has not fired is taken as silent


def noise_param() -> Any:
    """Declaration of the thermal noise."""
    return param(
        1.0, "1", doc="thermal noise of temperature and charge, times that of the fluctuation-dissipation theorem",
        source="fluctuation-dissipation theorem", low=0.0, high=1000.0, imperfection="thermal_noise", ideal=0.0,
    )  # fmt: skip


@dataclass(frozen=True)
class SwitchingNeuron(NeuronDevice):
    """A switch that heats itself, behind a load resistor with a capacitor across it, driven by a source voltage in V.

    A subclass declares ``operating_voltage`` and ``breakdown``, and gives the switch, the devices' own values and the
    value that is drawn anew in every cycle. State, all float64 but ``spikes``: those of
    `nanoneurons.physics.switch_circuit.rest`, own values, ``spikes`` and ``moment``.
    """

    drive_unit: ClassVar[str] = "V"
    read_unit: ClassVar[str] = "V"

    @property
    @abstractmethod
    def operating_voltage(self) -> float:
        """Source voltage in V of tonic spiking; a parameter."""

    @property
    @abstractmethod
    def breakdown(self) -> float:
        """Largest source voltage in V that is taken; a parameter."""

    @abstractmethod
    def switch(self) -> ThresholdSwitch | HystereticSwitch:
        """The nominal switch in its circuit, with its noise."""

    @abstractmethod
    def fabricated(self, key: int, shape: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Values of single devices by name, the one that changes from cycle to cycle first."""

    @abstractmethod
    def cycle_sigma(self) -> float:
        """Standard deviation of the value that changes from cycle to cycle."""

    @abstractmethod
    def own(self, state: State) -> dict[str, float | torch.Tensor]:
        """Parameters of the compiled law that `fabricated` gave."""

    @property
    def default_drive(self) -> float:
        """The operating voltage."""
        return self.operating_voltage

    @property
    def default_step(self) -> float:
        """A tenth of the time constant R_L C; any step is allowed, since the solver divides it."""
        return 0.1 * self.switch().circuit_time

    def _load_line(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """What the source at the operating voltage can give through the load."""
        volts = torch.linspace(0.0, self.operating_voltage, 2, dtype=torch.float64)
        return {
            f"load line at {self.operating_voltage:g} V": (volts, (self.operating_voltage - volts) / self.switch().load)
        }

    def threshold_drive(self) -> float:
        """Rheobase in V: the smallest source voltage, stepped on at rest, that makes the nominal device fire.

        Found to a ten-thousandth by simulation over 100 R_L C; below it the device may ring without firing.
        """
        return _rheobase(self.ideal())

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Cold devices without voltage, each in a cycle of its own."""
        key = draw_key(generator)
        own = self.fabricated(key, shape)
        now = next(iter(own.values()))
        if self.cycle_sigma() > 0:
            now = now + self.cycle_sigma() * normal(key, shape, 7).double()
        return {
            **self.switch().at_rest(shape, now),
            **own,
            "spikes": torch.zeros(shape),
            "moment": torch.zeros(shape, dtype=torch.float64),
        }

    def simulate(
        self,
        state: State,
        drive: torch.Tensor,
        dt: float,
        generator: torch.Generator | None,
        *,
        records: int = 0,
        events: int = 0,
    ) -> SwitchRun:
        """Source voltages ``(*shape, steps)`` in V, each held for `dt` s, with records and times of spikes.

        See `nanoneurons.physics.switch_circuit.run_switches`; no noise without a generator.

        Raises:
            ParameterError: a voltage is NaN or beyond breakdown; names it and where it is.
        """
        self._check_drive(drive)
        key = None if generator is None else draw_key(generator)
        return self.switch().run(drive, dt, state=state, own=self.own(state), records=records, events=events, key=key)

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Hold the source at `drive` V for `dt` seconds, however long."""
        self._check_drive(drive)  # names the place without the axis of time that a run adds
        if dt == 0:
            draw_key(generator)
            return dict(state)
        shape = state["voltage"].shape
        run = self.simulate(state, drive.expand(shape).unsqueeze(-1), dt, generator)
        return {**state, **run.state, "spikes": run.spikes[..., 0], "moment": run.moments[..., 0]}

    def respond(
        self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """Spikes in every step of a train of source voltages, and the state at the end, in one run."""
        self.check_step(dt)
        if drive.shape[-1] == 0:
            return drive.clone(), state
        run = self.simulate(state, drive, dt, generator)
        return run.spikes, {**state, **run.state, "spikes": run.spikes[..., -1], "moment": run.moments[..., -1]}

    def silence(self, state: State, where: torch.Tensor) -> State:
        """Discharged and cold, without a spike, where the mask is set; its present cycle goes on."""
        switch = self.switch()
        return silenced(state, where, switch.at_rest(tuple(where.shape), state["now"]))

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Voltage in V of the node between load and device."""
        return state["voltage"].clone()

    def prices(self) -> Mapping[str, Price]:
        """Energy that the source gives per spike at the operating voltage."""
        source = "computed by this model: source voltage times current over a cycle at the operating voltage"
        return {"spike": Price(_spike_energy(self.ideal()), source, "laboratory device", verified=False)}

    def _check_drive(self, drive: torch.Tensor) -> None:
        if bool((drive.abs() <= self.breakdown).all()):  # False for NaN
            return
        index = tuple(int(i) for i in (~(drive.abs() <= self.breakdown)).nonzero()[0])
        value, where, name = float(drive[index]), f" at index {index}" if index else "", type(self).__name__
        if value != value:
            raise ParameterError(f"{name}: the source voltage{where} is NaN; give a number in V")
        raise ParameterError(
            f"{name}: source voltage {value:g} V{where} is beyond breakdown at {self.breakdown:g} V; lower it"
        )


def _fire(device: SwitchingNeuron, low: float, high: float, points: int) -> tuple[float, float]:
    """Neighbours on a grid of voltages, of which the lower is silent and the higher fires."""
    grid = torch.linspace(low, high, points, dtype=torch.float64)
    switch = device.switch()
    fires = switch.run(grid[:, None], _PERIODS * switch.circuit_time).spikes[:, 0] > 0
    if not bool(fires[1:].any()):
        raise ParameterError(
            f"{type(device).__name__}: the operating voltage of {high:g} V makes no spike; raise it, or the capacitance"
        )
    first = max(int(fires.nonzero()[0]), 1)
    return float(grid[first - 1]), float(grid[first])


@functools.cache
def _rheobase(device: SwitchingNeuron) -> float:
    low, high = _fire(device, 0.0, device.operating_voltage, 65)
    return _fire(device, low, high, 65)[1]


@functools.cache
def _spike_energy(device: SwitchingNeuron) -> float:
    switch, volts = device.switch(), device.operating_voltage
    drive = torch.full((1, _PERIODS), volts, dtype=torch.float64)
    run = switch.run(drive, switch.circuit_time, records=100, events=1000)
    times = run.times[0][~run.times[0].isnan()]
    if len(times) < 3:
        return 0.0
    at = torch.linspace(0.0, _PERIODS * switch.circuit_time, 100 * _PERIODS + 1)[1:]
    inside = (at > times[1]) & (at <= times[-1])
    power = volts * (volts - run.voltage[0][inside]).mean() / switch.load
    return float(power * (times[-1] - times[1]) / (len(times) - 2))
