"""Shows samples to competing neurons whose synapses see the potentials of the inputs at every output spike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from nanoneurons.core.update import Update
from nanoneurons.physics.voltage_switching import NO_ROWS

from ._competing_neurons import numbers_of
from ._competition_kernel import Constants, State, advance
from ._plasticity import BY_VOLTAGE, NO_LAW
from .competition import Inputs, Presentation, decay

if TYPE_CHECKING:
    from .competitive import CompetitiveNetwork

__all__ = ["Plasticity", "present_by_voltage"]

_PIECE = 500  # samples between two reports of progress


class Plasticity(Protocol):
    """How synapses change at an output spike; a learning rule brings it along.

    Attributes:
        law: compiled law for software synapses, see `_plasticity`; `NO_LAW` where `wanted` is asked at every spike.
        values: numbers of that law.
        by_potential: true where synapses in devices are given the potentials of the inputs as voltages, so that an
            array which has a compiled form is written without a stop; a rule that does not may leave it out.
    """

    law: int
    values: tuple[float, ...]

    def wanted(self, before: torch.Tensor, weights: torch.Tensor, quiet: torch.Tensor) -> Update:
        """Change of rows ``(events, in)`` from potentials of the inputs, weights read, and seconds since the inputs'
        last spikes, all of that shape; called at every output spike of synapses in devices."""
        ...


def _weights(network: CompetitiveNetwork) -> torch.Tensor:
    """Weights ``(chips, out, in)``."""
    weights = network.synapses.weight.detach()
    return (weights if network.chips is not None else weights.unsqueeze(0)).contiguous()


def _state(network: CompetitiveNetwork) -> State:
    v = network.v_in
    visits = {"base": v.clone(), "wait": torch.zeros_like(v), "since": torch.zeros_like(network.last)}
    visits["when"] = torch.zeros_like(v)
    return State(**{name: visits.get(name, getattr(network, name, v)).numpy() for name in State._fields})


def _constants(cells: Inputs, shown: Presentation) -> Constants:
    return Constants(
        cells.time_constant, cells.threshold, cells.reset, cells.refractory, float(shown.prompt),
        decay(shown.pause, cells.time_constant),
    )  # fmt: skip


def _learn(
    network: CompetitiveNetwork,
    at: tuple[torch.Tensor, ...],
    now: torch.Tensor,
    plasticity: Plasticity,
    generator: torch.Generator,
) -> None:
    chip, _ = at
    where = at if network.chips is not None else at[1:]
    quiet = (now - network.last).double() * network.presentation.step
    wanted = plasticity.wanted(network.v_in[chip], network.synapses.weight[where], quiet[chip])
    network.synapses.apply_at(where, wanted, generator)


def present_by_voltage(
    network: CompetitiveNetwork,
    x: torch.Tensor,
    plasticity: Plasticity | None,
    generator: torch.Generator | None,
    progress: Callable[[float, str], None] | None = None,
) -> torch.Tensor:
    """See `CompetitiveNetwork.present`; samples have been checked."""
    cells, shown, synapses = network.cells, network.presentation, network.synapses
    assert isinstance(cells, Inputs)
    lead = network.chips or 1
    drives = cells.drive(x.flatten(1).double()).numpy()
    columns = _weights(network).transpose(1, 2).contiguous().numpy()
    law = NO_LAW if plasticity is None or synapses.fabricated else plasticity.law
    devices = None
    if plasticity is not None and generator is not None and getattr(plasticity, "by_potential", False):
        devices = synapses.rows(generator)
        law = NO_LAW if devices is None else BY_VOLTAGE
    written = NO_ROWS if devices is None else devices
    pauses = plasticity is not None and law == NO_LAW
    cursor = torch.zeros(lead, 4, dtype=torch.int64)
    cursor[:, 3] = network.clock
    events = torch.zeros(lead, synapses.out_features, dtype=torch.bool)
    counts = torch.zeros(lead, len(x), synapses.out_features, dtype=torch.int32)
    sent = torch.zeros(lead, len(x), dtype=torch.int64)
    state = _state(network)
    constants, neurons = _constants(cells, shown), numbers_of(network.competitors, shown, plasticity is not None)
    values = np.array(plasticity.values if plasticity and law not in (NO_LAW, BY_VOLTAGE) else (0.0,), np.float64)
    for start in range(0, len(x), _PIECE):
        until = min(start + _PIECE, len(x))
        while not advance(
            drives, _weights(network).numpy(), columns, state, cursor.numpy(), until, events.numpy(), counts.numpy(),
            sent.numpy(), shown.steps, constants, neurons, law, values, written, pauses,
        ):  # fmt: skip
            assert plasticity is not None and generator is not None
            stopped = events & (cursor[:, 2:3] > 0)
            _learn(network, stopped.nonzero(as_tuple=True), cursor[:, 3:], plasticity, generator)
        if plasticity is not None:
            network.check_calm(counts[:, start:until])
        if progress is not None:
            progress(until / len(x), f"sample {until} of {len(x)}")
    network.clock.copy_(cursor[:, 3])
    network.input_spikes.copy_(sent.double().mean())
    if devices is not None:
        synapses.pulses_applied += float(devices.written.sum()) * synapses.in_features
    return counts
