r"""A spiking network of any neurons and any synapses: populations, connections, steps of fixed length.

In each step every neuron feels a drive held constant,

.. math:: I = I_\text{bias} + I_\text{input}(t) + \sum_\text{connections} y - d,

with the synaptic drives y of `connections` and the lateral inhibition d, and is brought on by its own device, which
solves its equation and locates its spikes inside the step. A spike then reaches its targets after the delay of each
connection, one step if none is given. Only the weights of neurons that have fired are touched: the cost of synapses
follows the spikes, that of neurons the steps.

Chips and samples are axes: all samples run on every chip at once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError, RefusedError, UnknownNameError, nearest
from nanoneurons.core.random import generator_for
from nanoneurons.layers._layer import DeviceLayer, DeviceModule
from nanoneurons.layers.synapses import Synapses

from . import _spiking_checks as checks
from ._lif_run import LifRun, all_leaky
from ._spiking_run import Input, Layout, Run
from .connections import Connection
from .plasticity_hook import Change, Plasticity
from .populations import Neurons, Population, SpikeSource
from .spike_trains import SpikeTrains

__all__ = ["Activity", "SpikingNetwork"]

RECORDS = ("spikes", "membrane")
_REPORTS = 100  # times that a run tells how far it is


@dataclass(frozen=True, eq=False)
class Activity:
    """What a run leaves behind. Shapes have no axis of chips where the network has none.

    Attributes:
        counts: number of spikes of every neuron by group, ``(*chips, samples, size)``.
        spikes: spikes as events, of the groups recorded.
        membranes: readings of the neurons, ``(*chips, samples, size, times)``, of the populations recorded.
        duration: s.
        energy: spikes, synapses passed by spikes, reads of devices; mean over samples and chips.
        state: the network as it is at the end, to go on from.
    """

    counts: dict[str, torch.Tensor]
    spikes: dict[str, SpikeTrains]
    membranes: dict[str, torch.Tensor]
    duration: float
    energy: Counts
    state: Run

    def rates(self, name: str) -> torch.Tensor:
        """Mean rate in Hz of every neuron of a group, ``(*chips, samples, size)``."""
        if name not in self.counts:
            raise UnknownNameError(f"the run has no group {name!r}{nearest(name, self.counts)}")
        return self.counts[name] / self.duration


class SpikingNetwork(nn.Module):
    """Populations of neurons, sources of spikes, and connections; ``state_dict()`` is the chip.

    Args:
        populations: neurons and sources by name (letters, digits, ``_`` and ``-``).
        connections: any topology, loops included.
        dt: length of a step in s.
        chips: networks side by side, each with its own devices; None for one without an axis.
        seed: of the neurons drawn here (`fabricate` draws others) and of the noise of a run without a generator.

    Raises:
        ParameterError: a step longer than the shortest time constant, sizes that do not fit, a weight not finite.
        UnknownNameError: a connection names a group that does not exist.
        RefusedError: what cannot be built (a source as a target, a loop without delay).
    """

    def __init__(
        self,
        populations: Mapping[str, Population | SpikeSource],
        connections: Sequence[Connection] = (),
        *,
        dt: float,
        chips: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if chips is not None and chips < 1:
            raise ParameterError(f"spiking network: chips = {chips} must be at least 1")
        for name in [*populations, *(c.name for c in connections)]:
            if not re.fullmatch(r"[\w-]+", name):
                raise ParameterError(f"spiking network: name {name!r} may hold letters, digits, '_' and '-' only")
        names = [c.name for c in connections]
        twice = next((n for n in names if names.count(n) > 1), None)
        if twice is not None:
            raise ParameterError(f"spiking network: two connections are called '{twice}'; give them names")
        checks.check_step(populations, connections, dt)
        self.groups, self.connections = dict(populations), tuple(connections)
        self.dt, self.chips, self.seed = dt, chips, seed
        modules = {c.name: c.module() for c in connections}
        for c in connections:
            checks.check_connection(c, modules[c.name], populations, chips)
        self.order = checks.ordered(populations, connections, dt)
        self.neurons = nn.ModuleDict(
            {n: Neurons(p, chips or 1, seed, n) for n, p in populations.items() if isinstance(p, Population)}
        )
        self.synapses = nn.ModuleDict(modules)

    @torch.no_grad()
    def fabricate(self, generator: torch.Generator) -> None:
        """Draw the neurons and the devices of all synapses that have some."""
        for module in [*self.neurons.values(), *self.synapses.values()]:
            if isinstance(module, DeviceModule) and getattr(module, "circuit", True) is not None:
                module.fabricate(generator)

    @torch.no_grad()
    def program_initial(self, generator: torch.Generator) -> None:
        """Fabricate, then write the software weights of layers with devices into them."""
        layers = [m for m in self.synapses.values() if isinstance(m, DeviceLayer) and m.circuit is not None]
        wanted = [layer.weight.detach().clone() for layer in layers]
        self.fabricate(generator)
        for layer, weight in zip(layers, wanted, strict=True):
            layer.program(weight, generator)

    def change(self, change: Change, generator: torch.Generator) -> None:
        """Carry out a wanted change of synapses: by their devices where there are some."""
        name = change.connection
        if name not in self.synapses:
            raise UnknownNameError(f"plasticity: there is no connection {name!r}{nearest(name, self.synapses)}")
        module = self.synapses[name]
        if isinstance(module, Synapses):
            module.apply_at(change.where, change.update, generator)
        elif isinstance(module, DeviceLayer) and module.fabricated:
            raise RefusedError(
                f"connection '{name}': devices of {type(module).__name__} do not change one by one; use "
                "layers.synapses.Synapses over the circuit 'synapse-array'"
            )
        elif change.update.unit != "weight" or change.update.activity is not None:
            raise RefusedError(f"connection '{name}': software weights take changes in units of the weight")
        else:
            with torch.no_grad():
                module.weight[change.where] += change.update.change.to(module.weight.dtype)  # type: ignore[index, operator]

    @torch.no_grad()
    def run(
        self,
        inputs: Mapping[str, Input] | None = None,
        duration: float | None = None,
        *,
        steps: int | None = None,
        record: Mapping[str, str | Sequence[str]] | Sequence[str] = (),
        every: int = 1,
        state: Run | None = None,
        generator: torch.Generator | None = None,
        plasticity: Plasticity | None = None,
        progress: Callable[[float], None] | None = None,
        stepwise: bool = False,
    ) -> Activity:
        """Run from rest, or on from the `state` of an earlier run, which is used up.

        Args:
            inputs: spike trains of every source; drives of populations, held (a tensor) or in intervals (`Drive`).
            duration: s; or a number of `steps`.
            record: groups whose spikes are wanted as events; or, by name, ``"spikes"``, ``"membrane"`` or both.
            every: steps from one reading of the membranes to the next.
            generator: noise of neurons and of changing synapses.
            plasticity: a rule that changes synapses on the way.
            progress: told the share that is done, now and then.
            stepwise: take the general path also where the compiled one for leaky integrate-and-fire neurons would do
                (without plasticity, all neurons `LeakyIntegrateAndFire`); the spikes are the same.

        Raises:
            RunawayError: a population fires faster than its `max_rate`; named.
            DivergedError: a reading is not a number.
            DataError, ParameterError, RefusedError, UnknownNameError: of the inputs, named.
        """
        if every < 1:
            raise ParameterError(f"record: every = {every} must be at least 1 step")
        inputs, steps = dict(inputs or {}), checks.steps_of(duration, steps, self.dt)
        wanted = self._wanted(record)
        samples = checks.check_inputs(inputs, self.groups, self.chips or 1, None if state is None else state.samples)
        generator = generator or generator_for(self.seed, "run")
        run = Run(self._layout(), samples) if state is None else state
        run.begin(inputs, tuple(n for n, what in wanted.items() if "spikes" in what))
        membranes: dict[str, list[torch.Tensor]] = {n: [] for n, what in wanted.items() if "membrane" in what}
        chunk = every if membranes else max(1, -(-steps // _REPORTS)) if progress else steps
        fast = LifRun(run) if plasticity is None and all_leaky(run) and not stepwise else None
        while run.done < steps:
            now = min(chunk, steps - run.done)
            if fast is not None:
                fast.advance(now, generator)
            else:
                run.advance(now, generator, plasticity, lambda change: self.change(change, generator))
            if run.done % every == 0:
                for name, kept in membranes.items():
                    kept.append(run.groups[name].device.read(run.groups[name].state).clone())
            if progress is not None:
                progress(run.done / steps)
        run.check_finite()
        return self._activity(run, membranes)

    def _layout(self) -> Layout:
        groups = {n: self.neurons[n] if n in self.neurons else self.groups[n] for n in self.order}
        return Layout(groups, self.connections, dict(self.synapses.items()), self.chips or 1, self.dt)  # type: ignore[arg-type]

    def _wanted(self, record: Mapping[str, str | Sequence[str]] | Sequence[str]) -> dict[str, tuple[str, ...]]:
        given = (
            record
            if isinstance(record, Mapping)
            else dict.fromkeys([record] if isinstance(record, str) else record, "spikes")
        )
        wanted = {n: (what,) if isinstance(what, str) else tuple(what) for n, what in given.items()}
        for name, what in wanted.items():
            if name not in self.groups:
                raise UnknownNameError(f"record: the network has no {name!r}{nearest(name, self.groups)}")
            for kind in what:
                if kind not in RECORDS:
                    raise UnknownNameError(f"record: {kind!r} of '{name}' is unknown; use {' or '.join(RECORDS)}")
                if kind == "membrane" and name not in self.neurons:
                    raise RefusedError(f"record: '{name}' is a source of spikes and has no membranes")
        return wanted

    def _shaped(self, value: torch.Tensor) -> torch.Tensor:
        return value if self.chips is not None else value.squeeze(0)

    def _activity(self, run: Run, membranes: dict[str, list[torch.Tensor]]) -> Activity:
        lead = (run.samples,) if self.chips is None else (self.chips, run.samples)
        counts = {n: torch.from_numpy(run.events[n].total).view(*lead, size) for n, size in run.sizes.items()}
        spikes: dict[str, SpikeTrains] = {}
        for name, parts in run.heard.items():
            rows, neurons, times = (
                torch.cat([torch.from_numpy(p[k]) for p in parts] or [torch.empty(0)]) for k in range(3)
            )
            spikes[name] = SpikeTrains.of_events(times, neurons, run.sizes[name], rows, lead)
        traces = {n: self._shaped(torch.stack(kept, -1)) for n, kept in membranes.items()}
        fired = sum(float(counts[n].sum()) for n in self.neurons)
        events = {"spike": fired, "synaptic_event": float(sum(w.events for w in run.weights.values()))}
        reads = 0.0
        for c in self.connections:
            module = self.synapses[c.name]
            if isinstance(module, DeviceLayer) and module.fabricated:
                out, fan_in = module.weight.shape[-2:]
                per = module.counts().events.get("read", 0.0) / (out * fan_in)
                reads += per * run.weights[c.name].events
        if reads:
            events["read"] = reads
        return Activity(counts, spikes, traces, run.done * self.dt, Counts(events) * (1 / run.rows), run)

    def extra_repr(self) -> str:
        return f"dt={self.dt:g} s, chips={self.chips}"
