"""A run of a spiking network, step by step: what is under way, what is recorded, when to stop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import DivergedError, RunawayError

from ._active_population import ActivePopulation
from ._spike_delivery import Port, Weights, collect, due
from .connections import Connection
from .encoders import Drive
from .plasticity_hook import Change, Moment, Plasticity
from .populations import Neurons, SpikeSource
from .spike_trains import SpikeTrains

__all__ = ["WINDOW", "Input", "Layout", "Run"]

WINDOW = 50  # steps over which the rate of a population is watched

Input = torch.Tensor | Drive | SpikeTrains


@dataclass(frozen=True, eq=False)
class Layout:
    """The network as a run sees it: groups in the order in which they take a step, and what connects them."""

    groups: dict[str, Neurons | SpikeSource]
    connections: tuple[Connection, ...]
    modules: dict[str, Any]
    chips: int
    dt: float


@dataclass(eq=False)
class Events:
    """Events of one group in one step, room for the most there can be, and the totals of the run.

    Attributes:
        found: events of the step.
        total: spikes of each neuron since the run began, ``(rows, size)``.
        watched: spikes of all neurons since the rate was last looked at, ``(rows,)``.
    """

    rows: np.ndarray
    neurons: np.ndarray
    counts: np.ndarray
    total: np.ndarray
    watched: np.ndarray
    found: int = 0

    @classmethod
    def room(cls, most: int, rows: int, size: int) -> Events:
        """Nothing yet."""
        return cls(
            np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.float32),
            np.zeros((rows, size), np.float32), np.zeros(rows, np.float32),
        )  # fmt: skip

    def now(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Row, neuron and number of spikes of each event of the step."""
        return self.rows[: self.found], self.neurons[: self.found], self.counts[: self.found]


class Run:
    """The network under way: with everything that a later run needs to go on from here.

    Attributes:
        rows: pairs of chip and sample, ``row = chip * samples + sample``.
        step: steps since the network was at rest.
        done: steps of this run.
        heard: spikes of recorded populations so far, by name: parts of (rows, neurons, times).
    """

    def __init__(self, layout: Layout, samples: int) -> None:
        self.layout, self.samples, self.step, self.done = layout, samples, 0, 0
        self.rows = layout.chips * samples
        self.sizes = {n: g.size if isinstance(g, SpikeSource) else g.population.size for n, g in layout.groups.items()}
        self.groups = {
            name: ActivePopulation(name, group, samples, layout.dt)
            for name, group in layout.groups.items()
            if isinstance(group, Neurons)
        }
        self.ports: dict[tuple[str, float, int], Port] = {}
        for c in layout.connections:
            key = (c.target, c.time_constant, c.delay_steps(layout.dt))
            if key not in self.ports:
                self.ports[key] = Port(*key, layout.dt)
                self.ports[key].start(self.rows, self.sizes[c.target])

    def begin(self, inputs: Mapping[str, Input], recorded: tuple[str, ...]) -> None:
        """Take the inputs of the steps to come, and the weights as they are now."""
        layout = self.layout
        self.done, self.inputs = 0, dict(inputs)
        self.weights = {c.name: Weights(layout.modules[c.name], c.share(layout.dt)) for c in layout.connections}
        self.heard: dict[str, list[tuple[np.ndarray, ...]]] = {name: [] for name in recorded if name in self.groups}
        self.trains: dict[str, tuple[np.ndarray, ...]] = {}
        self.events: dict[str, Events] = {}
        for name, size in self.sizes.items():
            most, given = self.rows * size, inputs.get(name)
            if isinstance(given, SpikeTrains):
                ends = given.starts.numpy()
                self.trains[name] = given.times.numpy(), given.neurons.numpy(), ends[:-1].copy(), ends[1:]
                most = len(given) * (self.rows // (len(ends) - 1))
            elif name not in self.groups:
                most = 0
            self.events[name] = Events.room(most, self.rows, size)

    def advance(
        self, steps: int, generator: torch.Generator, plasticity: Plasticity | None, carry_out: Callable[[Change], None]
    ) -> None:
        """Take `steps` steps, one after the other.

        Raises:
            RunawayError: a population fires faster than it may; its name.
        """
        at_once = [c for c in self.layout.connections if c.delay_steps(self.layout.dt) == 0]
        later = [c for c in self.layout.connections if c.delay_steps(self.layout.dt) > 0]
        for _ in range(steps):
            for name in self.layout.groups:
                if name in self.groups:
                    self.groups[name].step(self._drive(name), generator)
                self._find(name)
                self._send(c for c in at_once if c.source == name)
            if plasticity is not None and self._concerns(plasticity):
                for change in plasticity(Moment(self.done, self.layout.dt, self)):
                    carry_out(change)
                    self.weights[change.connection].refresh_at(change.where)
            self._send(later)
            self.step += 1
            self.done += 1
            for name in self.groups:
                self.watch(name, self.events[name].watched)

    def _drive(self, name: str) -> torch.Tensor:
        total = self.given_drive(name, self.done)
        for port in self.ports.values():
            if port.target == name:
                port.advance(self.step)
                total = total + torch.from_numpy(port.y).view(total.shape)
        return total

    def given_drive(self, name: str, step: int) -> torch.Tensor:
        """Bias and input of a population in a step of this run, ``(chips, samples, size)``."""
        given, neurons = self.inputs.get(name), self.layout.groups[name]
        assert isinstance(neurons, Neurons) and not isinstance(given, SpikeTrains)
        if isinstance(given, Drive):
            given = given.values[min(int(step * self.layout.dt / given.interval + 1e-6), len(given.values) - 1)]
        total = neurons.bias if given is None else neurons.bias + given.to(neurons.bias.dtype)
        return total.expand(self.layout.chips, self.samples, self.sizes[name])

    def _find(self, name: str) -> None:
        events, dt = self.events[name], self.layout.dt
        if name in self.groups:
            state = self.groups[name].state
            spikes = state["spikes"].contiguous().numpy().reshape(self.rows, -1)
            events.found = collect(spikes, events.rows, events.neurons, events.counts, events.watched, events.total)
            if events.found and name in self.heard:
                rows, neurons, counts = events.now()
                times = self.done * dt + state["moment"].numpy().reshape(self.rows, -1)[rows, neurons]
                self.hear(name, rows, neurons, counts, times)
        elif name in self.trains:
            times, fired, position, ends = self.trains[name]
            events.found = due(
                times, fired, position, ends, self.rows // len(position), (self.done + 1) * dt, dt,
                events.rows, events.neurons, events.counts,
            )  # fmt: skip
            np.add.at(events.total, events.now()[:2], np.float32(1.0))

    def hear(self, name: str, rows: np.ndarray, neurons: np.ndarray, counts: np.ndarray, times: np.ndarray) -> None:
        """Record events; a neuron that fired several times in a step gives as many, at its last moment."""
        several = counts.astype(np.int64)
        self.heard[name].append(tuple(np.repeat(part, several) for part in (rows, neurons, times)))

    def _send(self, connections: Any) -> None:
        for c in connections:
            events = self.events[c.source]
            if events.found:
                into = self.ports[c.target, c.time_constant, c.delay_steps(self.layout.dt)].entry(self.step)
                self.weights[c.name].deliver(*events.now(), self.samples, into)

    def _concerns(self, plasticity: Plasticity) -> bool:
        return not plasticity.listens or any(self.events[name].found for name in plasticity.listens)

    def spikes_of(self, name: str) -> torch.Tensor:
        """Spikes of this step, ``(chips, samples, size)``."""
        rows, neurons, counts = self.events[name].now()
        dense = np.zeros((self.rows, self.sizes[name]), np.float32)
        np.add.at(dense, (rows, neurons), counts)
        return torch.from_numpy(dense).view(self.layout.chips, self.samples, -1)

    def watch(self, name: str, spikes: np.ndarray) -> None:
        """Refuse to go on where a population has fired more often since the window began than a whole one allows."""
        worst = int(spikes.argmax())
        allowed = self.groups[name].limit * self.sizes[name] * WINDOW * self.layout.dt
        if spikes[worst] > allowed:
            chip, sample = divmod(worst, self.samples)
            raise RunawayError(
                f"population '{name}' runs away: {spikes[worst]:g} spikes within {WINDOW * self.layout.dt:g} s (sample "
                f"{sample}, chip {chip}) are more than {self.groups[name].limit:g} Hz for each of its "
                f"{self.sizes[name]} neurons; lower what excites it, or raise its max_rate"
            )
        if self.done % WINDOW == 0:
            spikes[:] = 0

    def check_finite(self) -> None:
        """Refuse neurons that have left the numbers."""
        for name, group in self.groups.items():
            if not bool(torch.isfinite(group.device.read(group.state)).all()):
                raise DivergedError(
                    f"population '{name}': the reading of a neuron is not a number after {self.done} steps; take "
                    "shorter steps or look at its drive"
                )
