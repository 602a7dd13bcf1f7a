"""A run whose neurons are all leaky integrate-and-fire, handed to one compiled loop with its numbers side by side."""

# pyright: basic
# (compiled kernels carry no types that a strict check could use)
from __future__ import annotations

import math

import numpy as np
import torch

from nanoneurons.core.errors import RunawayError
from nanoneurons.core.random import draw_key
from nanoneurons.devices.lif import ADAPTS, LeakyIntegrateAndFire

from . import _lif_kernel as kernel
from ._active_population import not_finite
from ._spiking_run import WINDOW, Run
from .encoders import Drive
from .populations import LateralInhibition

__all__ = ["LifRun", "all_leaky"]

_KEPT = {"potential": 0, "adaptation": 1, "waiting": 2, "threshold": 3, "time_constant": 4, "moment": 5}


def all_leaky(run: Run) -> bool:
    """Whether the compiled loop knows all neurons of the run."""
    return bool(run.groups) and all(isinstance(g.device, LeakyIntegrateAndFire) for g in run.groups.values())


class LifRun:
    """Takes the steps of `run` in its place; the states of its neurons and synapses become views of tables here."""

    def __init__(self, run: Run) -> None:
        self.run, self.names = run, list(run.sizes)
        rows, sizes = run.rows, list(run.sizes.values())
        low = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.width = int(low[-1])
        self.group = np.zeros((len(sizes), 4), np.int64)
        self.group[:, 0], self.group[:, 1] = low[:-1], sizes
        self.unit = np.zeros((len(sizes), len(kernel.CONSTANTS)))
        self.kept = [np.ones((rows, self.width)) for _ in _KEPT]
        self.spikes, self.pressed = (np.zeros((rows, self.width), np.float32) for _ in range(2))
        self.held = np.zeros((rows, self.width), np.int64)
        self.totals = np.zeros((rows, self.width), np.float32)
        self.watched = np.zeros((len(sizes), rows), np.float32)
        self._take_neurons()
        self._take_trains()
        self._take_synapses()

    def _view(self, table: np.ndarray, g: int) -> torch.Tensor:
        """Columns of one group, ``(chips, samples, size)``."""
        low, size = self.group[g, :2]
        return torch.from_numpy(table[:, low : low + size].reshape(self.run.layout.chips, self.run.samples, size))

    def _columns(self, table: np.ndarray, g: int) -> np.ndarray:
        low, size = self.group[g, :2]
        return table[:, low : low + size]

    def _take_neurons(self) -> None:
        run = self.run
        for g, name in enumerate(self.names):
            if name not in run.groups:
                self.group[g, 2] = 1
                continue
            own = run.groups[name]
            d, inhibition = own.device, own.inhibition
            assert isinstance(d, LeakyIntegrateAndFire)
            strength, press_kept = 0.0, 0.0
            if isinstance(inhibition, LateralInhibition):
                strength, tau = inhibition.strength, inhibition.time_constant
                press_kept = math.exp(-own.dt / tau) if tau > 0 else 0.0
            jump = 0.0 if d.adaptation == "none" else d.adaptation_step
            self.unit[g] = (
                d.rest, d.resistance, d.noise, d.reset, d.refractory, d.adaptation_time, jump, ADAPTS[d.adaptation],
                d.floor, own.clocked, own.hold, strength, press_kept, own.limit, not own.first,
            )  # fmt: skip
            for key, k in _KEPT.items():
                self._columns(self.kept[k], g)[:] = own.state[key].reshape(run.rows, -1).numpy()
            self._columns(self.spikes, g)[:] = own.state["spikes"].reshape(run.rows, -1).numpy()
            if own.held is not None:
                self._columns(self.held, g)[:] = own.held.reshape(run.rows, -1).numpy()
            if own.pressed is not None:
                self._columns(self.pressed, g)[:] = own.pressed.reshape(run.rows, -1).numpy()

    def give_back(self) -> None:
        """Bring the states of the run up to date."""
        run = self.run
        for g, name in enumerate(self.names):
            run.events[name].total = np.ascontiguousarray(self._columns(self.totals, g))
            if name in run.groups:
                own = run.groups[name]
                values = {key: self._view(self.kept[k], g).clone() for key, k in _KEPT.items()}
                own.state = {**own.state, **values, "spikes": self._view(self.spikes, g).clone()}
                own.held = None if own.held is None else self._view(self.held, g).clone()
                own.pressed = None if own.pressed is None else self._view(self.pressed, g).clone()

    def _take_trains(self) -> None:
        run = self.run
        self.train_row = np.zeros(len(self.names), np.int64)
        self.position = np.zeros((len(self.names), run.rows), np.int64)
        times, fired, ends, before, most = [np.empty(0)], [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0, 1
        for g, name in enumerate(self.names):
            most = max(most, run.sizes[name])
            if name not in run.trains:
                continue
            t, f, begin, end = run.trains[name]
            self.group[g, 3] = len(end)
            self.train_row[g] = sum(len(e) for e in ends)
            self.position[g] = np.resize(begin, run.rows) + before
            most = max(most, int((end - begin).max()))
            times.append(t)
            fired.append(f)
            ends.append(end + before)
            before += len(t)
        self.times, self.fired, self.ends = np.concatenate(times), np.concatenate(fired), np.concatenate(ends)
        self.most = most

    def _take_synapses(self) -> None:
        run, dt = self.run, self.run.layout.dt
        ports = list(run.ports.values())
        number = {key: k for k, key in enumerate(run.ports)}
        self.port = np.zeros((len(ports), 5), np.int64)
        self.port_kept = np.array([p.kept for p in ports], np.float32)
        y, ring = [np.empty(0, np.float32)], [np.empty(0, np.float32)]
        for k, p in enumerate(ports):
            at = self.names.index(p.target), len(p.ring), sum(a.size for a in y), sum(a.size for a in ring), p.delay
            self.port[k] = at
            y.append(p.y.ravel())
            ring.append(p.ring.ravel())
        self.y, self.ring = np.concatenate(y), np.concatenate(ring)
        for p, (_, slots, at, begin, _) in zip(ports, self.port, strict=True):  # from now on they live here
            p.y = self.y[at : at + p.y.size].reshape(p.y.shape)
            p.ring = self.ring[begin : begin + p.ring.size].reshape(slots, *p.y.shape)
        links = run.layout.connections
        self.connection = np.zeros((len(links), 8), np.int64)
        pool, targets, starts = [np.empty(0, np.float32)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
        for k, c in enumerate(links):
            w = run.weights[c.name]
            shared = len(w.table) == 1
            self.connection[k] = (
                self.names.index(c.source), number[c.target, c.time_constant, c.delay_steps(dt)], w.sparse,
                sum(a.size for a in pool), 0 if shared else w.table[0].size, run.sizes[c.target],
                sum(a.size for a in targets), sum(a.size for a in starts),
            )  # fmt: skip
            pool.append(w.table.ravel())
            if w.sparse:
                targets.append(w.targets)
                starts.append(w.starts)
        self.pool, self.targets, self.starts = (np.concatenate(a) for a in (pool, targets, starts))
        self.share = np.array([run.weights[c.name].share for c in links], np.float32)
        self.synapses = np.zeros(len(links), np.int64)

    def advance(self, steps: int, generator: torch.Generator) -> None:
        """Take `steps` steps; errors as of `Run.advance`."""
        while steps > 0:
            now = min(steps, self._until_change())
            self._leap(now, generator)
            steps -= now
        self.give_back()

    def _until_change(self) -> int:
        """Steps for which no input changes."""
        run, dt = self.run, self.run.layout.dt
        left = 2**62
        for given in run.inputs.values():
            if isinstance(given, Drive):
                step = run.done + 1
                index = int(run.done * dt / given.interval + 1e-6)
                while index < len(given.values) - 1 and int(step * dt / given.interval + 1e-6) == index:
                    step += 1
                left = min(left, step - run.done) if index < len(given.values) - 1 else left
        return left

    def _leap(self, steps: int, generator: torch.Generator) -> None:
        run = self.run
        base = np.zeros((run.rows, self.width), np.float32)
        noisy = [g for g, name in enumerate(self.names) if name in run.groups and self.unit[g, 2] > 0]
        for g, name in enumerate(self.names):
            if name in run.groups:
                self._columns(base, g)[:] = run.given_drive(name, run.done).reshape(run.rows, -1).numpy()
        keys = np.zeros((steps if noisy else 1, len(self.names)), np.uint64)
        for s in range(steps if noisy else 0):
            for g in noisy:
                keys[s, g] = draw_key(generator)
        recorded = np.array([name in run.heard for name in self.names])
        v, a, wait, level, tau, moment = self.kept
        status, g, row, who, when = kernel.leap(
            steps, run.step, run.done, run.layout.dt, run.samples, WINDOW, keys, self.group, self.unit, v, a, wait,
            level, tau, self.spikes, moment, self.held, self.pressed, base, self.train_row, self.times, self.fired,
            self.position, self.ends, self.port, self.port_kept, self.y, self.ring, self.connection, self.share,
            self.pool, self.targets, self.starts, self.totals, self.watched, self.most, self.synapses, recorded,
        )  # fmt: skip
        name = self.names[g]
        chip, sample = divmod(int(row), run.samples)
        if status == kernel.NOT_FINITE:
            raise not_finite(name, sample, chip)
        if status == kernel.TOO_MANY:
            raise RunawayError(
                f"population '{name}' runs away: a neuron (sample {sample}, chip {chip}) fires more than {kernel.MOST} "
                f"times in one step of {run.layout.dt:g} s; lower what excites it, or give it a refractory time"
            )
        if status == kernel.RUNAWAY:
            run.watch(name, np.where(np.arange(run.rows) == row, self.watched[g], 0))  # raises
        for k, heard in enumerate(self.names):
            if heard in run.heard:
                mine = who[:, 0] == k
                run.hear(heard, who[mine, 1].astype(np.int64), who[mine, 2].astype(np.int64), who[mine, 3], when[mine])
        for k, c in enumerate(run.layout.connections):
            run.weights[c.name].events = int(self.synapses[k])
        run.step += steps
        run.done += steps
