"""A small neuron for tests of the contract: a capacitor without a leak, exact, that fires when it is full.

charge' = current; at the capacity the charge is taken off, and a spike is sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices import NeuronDevice, State

_TEST = "this test"


@dataclass(frozen=True)
class ChargingNeuron(NeuronDevice):
    """Charging neuron; state: ``charge`` (C), ``capacity`` (C), ``spikes``, ``moment`` (s)."""

    title: ClassVar[str] = "charging neuron"
    citation: ClassVar[str] = "@misc{test, title = {test}}"
    not_modelled: ClassVar[str] = "a leak"
    drive_unit: ClassVar[str] = "A"
    read_unit: ClassVar[str] = "C"

    capacity: float = param(1e-12, "C", doc="charge of a spike", source=_TEST, low=1e-15, high=1e-9)
    leakage: float = param(1e-10, "A", doc="current lost", source=_TEST, low=0.0, high=1e-6)
    slowest: float = param(1e-2, "s", doc="longest step", source=_TEST, low=1e-6, high=1.0)
    spread: float = param(
        0.1, "1", doc="relative spread of the capacity", source=_TEST, low=0.0, high=0.5,
        imperfection="device_to_device", ideal=0.0,
    )  # fmt: skip

    @property
    def default_drive(self) -> float:
        return 1e-9

    @property
    def default_step(self) -> float:
        return 3e-4

    def threshold_drive(self) -> float:
        return self.leakage

    def time_constants(self) -> Mapping[str, float]:
        return {"slowest": self.slowest}

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        capacity = self.capacity * torch.exp(self.spread * normal(draw_key(generator), shape).double())
        return {
            "charge": torch.zeros(shape, dtype=torch.float64),
            "capacity": capacity,
            "spikes": torch.zeros(shape),
            "moment": torch.zeros(shape, dtype=torch.float64),
        }

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        if dt == 0:
            return dict(state)
        self.check_step(dt)
        if not bool(torch.isfinite(drive).all()):
            raise ParameterError("ChargingNeuron: a drive is not finite; give a number in A")
        rate = drive.double() - self.leakage
        full = state["charge"] + rate * dt
        spikes = (full / state["capacity"]).floor().clamp(min=0)
        moment = torch.where(spikes > 0, (spikes * state["capacity"] - state["charge"]) / rate, 0.0)
        charge = (full - spikes * state["capacity"]).clamp(min=0)
        return {**state, "charge": charge, "spikes": spikes.float(), "moment": moment}

    def silence(self, state: State, where: torch.Tensor) -> State:
        return {**state, **{n: torch.where(where, 0.0, state[n]) for n in ("charge", "spikes", "moment")}}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        return state["charge"].clone()

    def prices(self) -> Mapping[str, Price]:
        return {}
