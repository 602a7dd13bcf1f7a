"""What neurons share: a population as flat arrays, noise by step, spread, refusals, and neurons made of an equation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, generator_for, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import NeuronDevice
from nanoneurons.solvers import MOST_SPIKES, Spiking, fire

__all__ = [
    "EquationNeuron",
    "TrainNeuron",
    "cells",
    "flat",
    "keys_for",
    "noise_param",
    "rows",
    "shown",
    "silenced",
    "spread",
    "spread_param",
    "tolerance_param",
    "trouble",
]


_NO_KEYS = np.empty(0, np.uint64)


def spread(key: int, shape: tuple[int, ...], nominal: float, relative: float, draw: int) -> torch.Tensor:
    """Log-normal values with median `nominal` and standard deviation `relative` of the logarithm, float64."""
    if relative == 0:
        return torch.full(shape, nominal, dtype=torch.float64)
    return nominal * torch.exp(relative * normal(key, shape, draw).double())


def spread_param(default: float, doc: str) -> Any:
    """Declaration of a spread from device to device, relative to what it spreads."""
    return param(
        default, "1", doc=doc, source="choice of this project", low=0.0, high=0.5, imperfection="device_to_device",
        ideal=0.0, verified=False,
    )  # fmt: skip


def noise_param(default: float, unit: str, doc: str, high: float) -> Any:
    """Declaration of the noise of the dynamics."""
    return param(
        default, unit, doc=doc, source="choice of this project", low=0.0, high=high, imperfection="noise", ideal=0.0,
        verified=False,
    )  # fmt: skip


def tolerance_param() -> Any:
    """Declaration of the accuracy of the solver."""
    return param(
        1e-6, "1", doc="error allowed in an inner step, over the typical size of each variable",
        source="choice of this project", low=1e-12, high=1e9,
    )  # fmt: skip


def cells(shape: tuple[int, ...]) -> int:
    """Devices of one chip; noise is drawn by chip and cell."""
    return max(1, chip_shape(shape)[1])


def flat(value: torch.Tensor) -> np.ndarray:
    """A copy as one row of float64 that a kernel may change."""
    return np.array(shown(value))


def shown(value: torch.Tensor) -> np.ndarray:
    """One row of float64 that a kernel only reads; no copy where the tensor is that already."""
    if value.dtype is not torch.float64 or value.requires_grad:
        value = value.detach().to(torch.float64)
    return value.numpy().ravel()


def rows(drive: torch.Tensor, steps: int) -> np.ndarray:
    """A drive as contiguous ``(devices, steps)`` of float64."""
    return np.ascontiguousarray(shown(drive).reshape(-1, steps))


def keys_for(noisy: bool, steps: int, generator: torch.Generator) -> np.ndarray:
    """The keys that the steps would draw one by one; none without noise."""
    if not noisy:
        return _NO_KEYS
    return torch.randint(0, 2**62, (steps,), generator=generator, dtype=torch.int64).numpy().view(np.uint64)


def silenced(state: State, where: torch.Tensor, rest: Mapping[str, torch.Tensor | float]) -> State:
    """The state with some tensors at rest, and no spike, where the mask says so."""
    values: dict[str, torch.Tensor | float] = {"spikes": 0.0, "moment": 0.0, **rest}
    changed = {n: torch.where(where, torch.as_tensor(v, dtype=state[n].dtype), state[n]) for n, v in values.items()}
    return {**state, **changed}


@dataclass(frozen=True)
class TrainNeuron(NeuronDevice, ABC):
    """A neuron whose compiled loop takes whole trains of drives; a step is a train of one."""

    @abstractmethod
    def _run(
        self, state: State, drive: np.ndarray, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """Drives ``(devices, steps)``: spikes of that shape, and the state at the end but for its ``spikes``."""

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Hold the drive for `dt` seconds."""
        if dt == 0:
            return dict(state)
        shape = tuple(state["spikes"].shape)
        spikes, after = self._run(state, rows(drive.expand(shape), 1), dt, generator)
        return {**after, "spikes": spikes.reshape(shape)}

    def respond(
        self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """All steps of a train in one compiled loop; the same numbers as step by step."""
        shape, steps = tuple(state["spikes"].shape), drive.shape[-1]
        if steps == 0:
            return super().respond(state, drive, dt, generator)
        spikes, after = self._run(state, rows(drive.expand(*shape, steps), steps), dt, generator)
        spikes = spikes.reshape(*shape, steps)
        return spikes, {**after, "spikes": spikes[..., -1].clone()}


@dataclass(frozen=True)
class EquationNeuron(TrainNeuron, ABC):
    """A neuron that is an equation with spikes, solved with as many inner steps as its accuracy needs.

    A step may be of any length; the drive and the noise are held for it. State, float64: the variables of the equation,
    what `own` draws, ``moment``; float32: ``spikes``; bool: ``armed``, false from a spike of an equation without reset
    until its potential has come down.

    Attributes:
        model: the equation; its first variable is the potential.
    """

    model: ClassVar[Spiking]

    @abstractmethod
    def own(self, key: int, shape: tuple[int, ...]) -> State:
        """What differs from device to device, float64."""

    @abstractmethod
    def constants(self, state: State) -> Mapping[str, float | torch.Tensor]:
        """Every parameter of the equation in SI: a number, or a tensor of `state`."""

    @abstractmethod
    def resting(self, state: State) -> tuple[torch.Tensor, ...]:
        """Every variable at rest without a drive, of the devices whose own values `state` holds."""

    @abstractmethod
    def sizes(self) -> tuple[float, ...]:
        """Typical size of each variable, that `tolerance` is relative to."""

    @abstractmethod
    def held_noise(self, dt: float) -> float:
        """Standard deviation of the drive's noise over a step of `dt` s; 0 without noise."""

    def background(self, state: State) -> float | torch.Tensor:
        """What acts beside the drive, in its unit; none unless overridden."""
        return 0.0

    def threshold_drive(self) -> float:
        """By bisection: the smallest drive towards the default that fires from rest within 2000 usual steps.

        Raises:
            ParameterError: the default drive itself does not.
        """
        return _rheobase(self.ideal())

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Devices at rest, each with its own values."""
        own = self.own(draw_key(generator), shape)
        at_rest = dict(zip(self.model.equation.states, self.resting(own), strict=True))
        return {
            **{n: v.expand(shape).clone() for n, v in at_rest.items()},
            **own,
            "armed": torch.ones(shape, dtype=torch.bool),
            "spikes": torch.zeros(shape),
            "moment": torch.zeros(shape, dtype=torch.float64),
        }

    def _run(
        self, state: State, drive: np.ndarray, dt: float, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        self.check_step(dt)
        shape = tuple(state["spikes"].shape)
        names = self.model.equation.states
        y = np.array([shown(state[name]) for name in names])
        armed = state["armed"].numpy().flatten()
        background = self.background(state)
        if isinstance(background, torch.Tensor):
            drive = drive + shown(background)[:, None]
        elif background:
            drive = drive + background
        noise = self.held_noise(dt)
        values = {n: shown(v) if isinstance(v, torch.Tensor) else v for n, v in self.constants(state).items()}
        spikes, moment, status = fire(
            self.model, y, values, drive, dt, sizes=self.sizes(), tolerance=self.__dict__["tolerance"],
            keys=keys_for(noise > 0, drive.shape[1], generator), cells=cells(shape), noise=noise, armed=armed,
        )  # fmt: skip
        trouble(type(self).__name__, status, shape, self.drive_unit, dt, MOST_SPIKES)
        found = {**dict(zip(names, y, strict=True)), "armed": armed, "moment": moment}
        return torch.from_numpy(spikes), {**state, **{n: torch.from_numpy(x.reshape(shape)) for n, x in found.items()}}

    def silence(self, state: State, where: torch.Tensor) -> State:
        """Potentials at rest; slow variables go on."""
        return silenced(state, where, {self.model.equation.states[0]: self.resting(state)[0]})

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """The potential, in `read_unit`."""
        return state[self.model.equation.states[0]].clone()


@lru_cache(maxsize=256)
def _rheobase(device: EquationNeuron) -> float:
    low, high = 0.0, device.default_drive
    for _ in range(5):
        drives = torch.linspace(low, high, 33, dtype=torch.float64)
        state = device.init((33,), generator_for(0))
        trains = drives[:, None].expand(-1, 2000)
        fires = device.respond(state, trains, device.default_step, generator_for(0))[0].sum(-1) > 0
        if not bool(fires[-1]):
            raise ParameterError(
                f"{type(device).__name__}: a drive of {device.default_drive:g} {device.drive_unit} makes no spike from "
                "rest; raise operating_drive"
            )
        first = int(fires.int().argmax())
        if first == 0:
            return low
        low, high = float(drives[first - 1]), float(drives[first])
    return high


def trouble(name: str, status: np.ndarray, shape: tuple[int, ...], unit: str, dt: float, most: int) -> None:
    """Raise what a kernel reports: 1 for a drive that is not finite, 2 for too many spikes, 3 for an explosion.

    Raises:
        ParameterError: names the device, its place and the step.
    """
    if not status[0]:
        return
    place = tuple(int(i) for i in np.unravel_index(int(status[1]), shape or (1,)))
    if status[0] == 1:
        raise ParameterError(
            f"{name}: the drive of device {place} in step {int(status[2])} is not finite; give a number in {unit}"
        )
    if status[0] == 3:
        raise ParameterError(
            f"{name}: device {place} leaves the finite numbers in step {int(status[2])}; its parameters or its drive "
            "let it grow without limit"
        )
    raise ParameterError(
        f"{name}: device {place} fires more than {most} times in one step of {dt:g} s; lower its drive, or give it a "
        "refractory time"
    )
