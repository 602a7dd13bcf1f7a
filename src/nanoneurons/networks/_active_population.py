"""One step of a population: its devices, then who of those that fired may keep the spike."""

from __future__ import annotations

import math

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError, RunawayError
from nanoneurons.devices import NeuronDevice, State

from ._lif_kernel import press_rows
from .populations import LateralInhibition, Neurons, WinnerTakeAll

__all__ = ["ActivePopulation", "not_finite"]


class ActivePopulation:
    """The neurons of a population during a run, with the inhibition among them.

    Attributes:
        state: of the devices, tensors ``(chips, samples, size)``.
        held: steps for which each neuron is still held at rest, int64, or None without a winner-take-all.
        pressed: sum of the low-passed negative drives of all spikes and of each neuron's own, or None.
    """

    def __init__(self, name: str, neurons: Neurons, samples: int, dt: float) -> None:
        self.name, self.dt = name, dt
        self.device: NeuronDevice = neurons.population.neuron
        self.clocked = neurons.population.clocked
        self.inhibition = neurons.population.inhibition
        self.state = neurons.start(samples)
        self.limit = neurons.rate_limit(dt)
        self.calm = self.device.ideal()
        self.first = not isinstance(self.inhibition, WinnerTakeAll) or self.inhibition.winner == "first"
        self.hold = neurons.hold_steps(dt)
        shape = (neurons.chips, samples, neurons.population.size)
        self.held = torch.zeros(shape, dtype=torch.int64) if self.hold else None
        self.pressed = torch.zeros(shape) if isinstance(self.inhibition, LateralInhibition) else None

    def step(self, drive: torch.Tensor, generator: torch.Generator) -> None:
        """Bring the devices one step on; ``state["spikes"]`` are then the spikes that leave the population.

        Raises:
            ParameterError: the drive of a neuron is not finite, named with the population.
        """
        if self.pressed is not None:
            drive = drive - self.pressed
        if not bool(torch.isfinite(drive).all()):
            chip, sample = (int(i) for i in (~torch.isfinite(drive)).nonzero()[0][:2])
            raise not_finite(self.name, sample, chip)
        before = self.state
        try:
            self.state = self.device.step(before, drive, self.dt, generator)
        except ParameterError as error:  # step and drive are checked, so it is too large a drive
            raise RunawayError(f"population '{self.name}' runs away or is driven too hard: {error}") from None
        if self.held is not None:
            self._race(before, drive, generator)
        if self.clocked:
            self._clock()
        if self.pressed is not None:
            self._press()

    def _clock(self) -> None:
        fired = self.state["spikes"] > 0
        if bool(fired.any()):
            counted = {"spikes": fired.float(), "moment": self.dt * fired.to(self.state["moment"].dtype)}
            self.state = {**self.device.silence(self.state, fired), **counted}

    def _race(self, before: State, drive: torch.Tensor, generator: torch.Generator) -> None:
        held = self.held
        assert held is not None
        fired = self.state["spikes"] > 0
        racing = fired & (held == 0)
        losers = fired & ~racing
        won = racing.any(-1, keepdim=True)
        if bool(won.any()):
            behind = self.state["moment"] if self.first else -self.device.beyond(before, drive, self.dt)
            best = torch.where(racing, behind, math.inf).argmin(-1, keepdim=True)
            winner = torch.zeros_like(racing).scatter_(-1, best, won)
            losers |= racing & ~winner
            held[:] = torch.where(won & ~winner, self.hold, held)
        if bool(losers.any()):
            # what a spike leaves behind must not stay: they take the step again, from rest, without a drive
            again = self.calm.step(self.device.silence(before, losers), torch.zeros_like(drive), self.dt, generator)
            self.state = {n: torch.where(_wide(losers, v), again[n], v) for n, v in self.state.items()}
        at_rest = held > 0
        if bool(at_rest.any()):
            self.state = self.device.silence(self.state, at_rest)
            held.sub_(at_rest.long())

    def _press(self) -> None:
        inhibition = self.inhibition
        assert isinstance(inhibition, LateralInhibition) and self.pressed is not None
        kept = math.exp(-self.dt / inhibition.time_constant) if inhibition.time_constant > 0 else 0.0
        size = self.pressed.shape[-1]
        spikes, pressed = (t.contiguous().view(-1, size).numpy() for t in (self.state["spikes"], self.pressed))
        press_rows(spikes, pressed, np.float32(kept), np.float32((1 - kept) * inhibition.strength))


def not_finite(name: str, sample: int, chip: int) -> ParameterError:
    """What to say of a drive that is no number."""
    return ParameterError(
        f"population '{name}': the drive of a neuron (sample {sample}, chip {chip}) is not finite; look at the weights "
        "and inputs that reach it"
    )


def _wide(mask: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return mask.reshape(*mask.shape, *[1] * (value.dim() - mask.dim()))
