"""Groups of neurons of a spiking network: any neuron device, how they compete, and sources of given spikes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import Parameterized, param
from nanoneurons.core.random import generator_for
from nanoneurons.devices import Device, NeuronDevice
from nanoneurons.layers._layer import DeviceModule

__all__ = ["LateralInhibition", "Neurons", "Population", "SpikeSource", "WinnerTakeAll"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class WinnerTakeAll(Parameterized):
    """The first neuron to fire puts all others of its population back to rest and holds them there.

    Of several that fire in one step the first wins, by the moment inside the step (that of the last spike: take steps
    no longer than the refractory time, in which a neuron fires but once), or the one that would be highest above its
    threshold at the end of the step. The time is counted from the step of the spike on, in whole steps; the winner is
    free to fire again. Each sample and chip has its own race.

    Not modelled: the delay of the inhibition.
    """

    winner: str = param(
        "first", doc="first to cross, or highest above its threshold at the end of the step (as where a clock decides)",
        source=_OURS, choices=("first", "highest"),
    )  # fmt: skip
    hold: float = param(10e-3, "s", doc="time for which the others are held at rest", source=_OURS, low=0.0, high=1e6)


@dataclass(frozen=True)
class LateralInhibition(Parameterized):
    r"""Each spike gives every other neuron of its population a negative drive that decays.

    .. math:: d_i \leftarrow a\,d_i + (1 - a)\, s \sum_{j \ne i} s_j, \qquad a = e^{-\Delta t/\tau}

    with the `strength` s and the spikes :math:`s_j` of the step. The cost is that of sums over all
    neurons, less each neuron's own.
    """

    strength: float = param(
        1.0, "drive", doc="negative drive by a spike of another neuron, before the low-pass", source=_OURS,
        low=0.0, high=1e12,
    )  # fmt: skip
    time_constant: float = param(10e-3, "s", doc="low-pass; 0 is none", source=_OURS, low=0.0, high=1e6)


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one kind.

    Attributes:
        size: number of neurons.
        neuron: any device of kind ``neuron``.
        inhibition: how they compete, or None.
        bias: drive that they always have, a number or ``(size,)``.
        max_rate: mean rate in Hz over all neurons beyond which a run stops, measured over up to 50 steps; None is 0.9
            spikes per step.
        clocked: a neuron that has crossed its threshold fires once, at the end of the step, and starts again from rest
            there, as in simulators that only know steps; otherwise the device decides inside the step.
    """

    size: int
    neuron: NeuronDevice
    inhibition: WinnerTakeAll | LateralInhibition | None = None
    bias: float | torch.Tensor = 0.0
    max_rate: float | None = None
    clocked: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ParameterError(f"population: size = {self.size} must be at least 1")
        if not isinstance(self.neuron, NeuronDevice):
            kind = f" (kind {self.neuron.kind!r})" if isinstance(self.neuron, Device) else ""
            raise RefusedError(f"{type(self.neuron).__name__}{kind} does not fire; a population is made of neurons")
        bias = torch.as_tensor(self.bias, dtype=torch.float32)
        if bias.shape not in ((), (self.size,)) or not bool(torch.isfinite(bias).all()):
            raise ParameterError(
                f"population: the bias must be finite, one number or one per neuron ({self.size}), "
                f"not of shape {tuple(bias.shape)}"
            )
        if self.max_rate is not None and not self.max_rate > 0:
            raise ParameterError(f"population: max_rate = {self.max_rate:g} Hz must be positive")


@dataclass(frozen=True)
class SpikeSource:
    """A group whose spikes are given to each run: the output of an encoder, a recording, events of a sensor."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ParameterError(f"source of spikes: size = {self.size} must be at least 1")


class Neurons(DeviceModule):
    """The neurons of a population as fabricated: their states at rest lie in buffers, ``(chips, size)``."""

    bias: torch.Tensor

    def __init__(self, population: Population, chips: int, seed: int, name: str) -> None:
        super().__init__()
        self.population = population
        self.chips = chips
        bias = torch.as_tensor(population.bias, dtype=torch.float32)
        self.register_buffer("bias", bias.expand(population.size).clone())
        self.fabricate(generator_for(seed, "neurons", name))

    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the neurons with their device-to-device spread."""
        self._store(self.population.neuron.init((self.chips, self.population.size), generator))

    def start(self, samples: int) -> dict[str, torch.Tensor]:
        """The neurons at rest, once for every sample: tensors ``(chips, samples, size)``, each its own memory."""
        return {
            name: value.unsqueeze(1).expand(value.shape[0], samples, *value.shape[1:]).clone()
            for name, value in self.state.items()
        }

    def rate_limit(self, dt: float) -> float:
        """Mean rate in Hz that counts as running away."""
        given = self.population.max_rate
        return 0.9 / dt if given is None else given

    def hold_steps(self, dt: float) -> int:
        """Steps for which losers are held, that of the spike included; 0 without a competition."""
        inhibition = self.population.inhibition
        return max(1, math.floor(inhibition.hold / dt + 0.5)) if isinstance(inhibition, WinnerTakeAll) else 0
