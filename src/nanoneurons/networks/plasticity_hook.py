"""How a rule changes synapses while a spiking network runs: what it sees of a step, and what it answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from nanoneurons.core.update import Update
from nanoneurons.devices import State

if TYPE_CHECKING:
    from ._spiking_run import Run

__all__ = ["Change", "Moment", "Plasticity"]


@dataclass(frozen=True, eq=False)
class Change:
    """A wanted change of chosen synapses.

    Attributes:
        connection: its name.
        where: index tensors: ``(out,)`` for whole rows, ``(out, in)`` for cells, with ``chip`` in front where the
            weights have an axis of chips; of sparse synapses their place, ``(synapse,)``.
        update: the change, of the shape that the weights have at `where`.
    """

    connection: str
    where: tuple[torch.Tensor, ...]
    update: Update


@dataclass(frozen=True, eq=False)
class Moment:
    """What a rule sees of a step: after all neurons have taken it, before its spikes are sent on.

    Attributes:
        step: number of the step in this run, from 0.
        dt: its length in s.
    """

    step: int
    dt: float
    _run: Run

    def spikes(self, name: str) -> torch.Tensor:
        """Number of spikes of every neuron of a group in this step, ``(chips, samples, size)``."""
        return self._run.spikes_of(name)

    def read(self, name: str) -> torch.Tensor:
        """What the neurons of a population read (membrane potentials), ``(chips, samples, size)``."""
        group = self._run.groups[name]
        return group.device.read(group.state)

    def state(self, name: str) -> State:
        """State of the devices of a population, not to be changed."""
        return self._run.groups[name].state

    def weight(self, connection: str) -> torch.Tensor:
        """Weights of a connection as last read, not to be changed."""
        return self._run.layout.modules[connection].weight.detach()


class Plasticity(Protocol):
    """A rule asked for changes at each step in which one of the groups it listens to fires.

    Attributes:
        listens: names of groups; none means every step.
    """

    listens: tuple[str, ...]

    def __call__(self, moment: Moment) -> Iterable[Change]:
        """The wanted changes."""
        ...
