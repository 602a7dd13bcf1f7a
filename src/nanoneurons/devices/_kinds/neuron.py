"""What a neuron adds to the contract: a threshold, spikes and rest."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.devices._device import Device, State

__all__ = ["NeuronDevice"]


@dataclass(frozen=True)
class NeuronDevice(Device):
    """A device that fires: a drive charges it, and beyond a threshold it sends a spike and falls back.

    The drive of `step`, in `drive_unit` (V, A, or 1 for a normalised neuron), is held for `dt` seconds; at ``dt = 0``
    nothing changes. `read` gives the quantity that carries the threshold (a membrane potential, the voltage of a node),
    in `read_unit`. A state has at least these tensors, all about the last step:

    - ``spikes``: number of spikes fired in it, float32,
    - ``moment``: time in s from its start to its last spike, located inside the step; 0 where there was none.
    """

    kind: ClassVar[str] = "neuron"

    @property
    @abstractmethod
    def default_drive(self) -> float:
        """A constant drive that makes a nominal device fire again and again; for plots and checks."""

    @property
    @abstractmethod
    def default_step(self) -> float:
        """Usual length in s of a step of networks of these devices."""

    @abstractmethod
    def threshold_drive(self) -> float:
        """Constant drive of smallest size that makes a nominal device fire from rest (the rheobase).

        Below zero for a device that fires when it is inhibited.
        """

    def time_constants(self) -> Mapping[str, float]:
        """Time constants in s, by the name of the parameter, that a step must not exceed; none unless overridden.

        A device that divides a step as its equation needs has none.
        """
        return {}

    def beyond(self, state: State, drive: torch.Tensor, dt: float) -> torch.Tensor:
        """How far beyond its threshold a device would be at the end of a step, in `read_unit`, if it did not fire.

        Raises:
            RefusedError: the device does not say; none does unless overridden.
        """
        raise RefusedError(
            f"{type(self).__name__} does not say how far beyond its threshold it comes; let the first to cross win"
        )

    def static_curves(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """By name, voltages in V and currents in A that can last in a nominal device; none unless overridden."""
        return {}

    @abstractmethod
    def silence(self, state: State, where: torch.Tensor) -> State:
        """The state with the devices of a mask put back to rest without a spike, as lateral inhibition does."""

    def respond(
        self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """Spikes in every step of a train of drives, each held for `dt` s; step by step unless overridden.

        Args:
            state: devices of any shape.
            drive: in `drive_unit`, ``(*shape, steps)``.

        Returns:
            numbers of spikes ``(*shape, steps)``, and the state at the end. An override agrees with the steps.
        """
        self.check_step(dt)
        found = []
        for held in drive.unbind(-1):
            state = self.step(state, held, dt, generator)
            found.append(state["spikes"])
        return torch.stack(found, -1) if found else drive.clone(), state

    def check_step(self, dt: float) -> None:
        """Refuse a step that is not positive, or longer than the shortest time constant.

        Raises:
            ParameterError: names the time constant and its value.
        """
        name = type(self).__name__
        if not 0 < dt < math.inf:
            raise ParameterError(f"{name}: a step of {dt:g} s is not a positive time")
        known = self.time_constants()
        shortest = min(known, key=lambda key: known[key], default=None)
        if shortest is not None and dt > known[shortest]:
            raise ParameterError(
                f"{name}: a step of {dt:g} s is longer than its shortest time constant, {shortest} = "
                f"{known[shortest]:g} s; take shorter steps"
            )

    def example_drive(self, shape: tuple[int, ...]) -> tuple[torch.Tensor, float]:
        """The default drive for the usual step."""
        return torch.full(shape, self.default_drive), self.default_step
