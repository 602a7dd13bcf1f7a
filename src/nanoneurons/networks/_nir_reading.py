"""A NIR graph as populations and connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from nanoneurons.core.errors import NanoneuronsError, RefusedError
from nanoneurons.devices.lif import LeakyIntegrateAndFire

from .connections import Connection
from .populations import Neurons, Population, SpikeSource
from .spiking_network import SpikingNetwork

__all__ = ["Reader"]

_NEURONS = ("LIF", "CubaLIF")
_KNOWN = (*_NEURONS, "Input", "Output", "Linear", "Affine", "Delay")


@dataclass(frozen=True)
class _Path:
    """A way from one group to another: weights (None for one to one), bias, and delay in s."""

    source: str
    weight: np.ndarray | None
    bias: np.ndarray | None
    delay: float


class Reader:
    """Reads one graph, for steps of `dt` s; `euler` if its time constants are meant for Euler's method."""

    def __init__(self, graph: Any, dt: float, euler: bool, clocked: bool) -> None:
        self.nodes, self.edges = dict(graph.nodes), list(dict.fromkeys(graph.edges))
        self.dt, self.euler, self.clocked = dt, euler, clocked
        for name, node in self.nodes.items():
            kind = type(node).__name__
            if kind not in _KNOWN:
                raise RefusedError(f"NIR node '{name}': {kind} has no counterpart here; known are {', '.join(_KNOWN)}")

    def _kind(self, name: str) -> str:
        return type(self.nodes[name]).__name__

    def _size(self, name: str) -> int:
        shape = tuple(int(n) for n in np.atleast_1d(next(iter(self.nodes[name].output_type.values()))))
        if len(shape) != 1:
            raise RefusedError(f"NIR node '{name}': groups of neurons are one-dimensional here, not of shape {shape}")
        return shape[0]

    def network(self) -> SpikingNetwork:
        """The network; groups have the names of their nodes, dots become underscores."""
        groups = {n: self._group(n) for n in self.nodes if self._kind(n) in ("Input", *_NEURONS)}
        rank = self._ranks(list(groups))
        links: list[Connection] = []
        bias = {n: np.zeros(self._size(n)) for n in groups}
        for target in groups:
            if self._kind(target) == "Input":
                continue
            for path in self._into(target):
                if path.bias is not None:
                    bias[target] = bias[target] + path.bias * np.asarray(self.nodes[target].r, float)
                links.append(self._connection(target, path, rank, len(links)))
        for name, values in bias.items():
            if values.any():
                if self._kind(name) == "CubaLIF":
                    raise RefusedError(
                        f"NIR node '{name}': its bias passes the low-pass of the synapses, ours does not"
                    )
                groups[name] = _with_bias(groups[name], values)
        network = SpikingNetwork({_safe(n): g for n, g in groups.items()}, links, dt=self.dt)
        for name in groups:
            if self._kind(name) in _NEURONS:
                self._fill(network.neurons[_safe(name)], name)  # type: ignore[arg-type]
        return network

    def _tau(self, name: str, values: np.ndarray) -> np.ndarray:
        if not self.euler:
            return values
        if not bool((values > self.dt).all()):
            raise RefusedError(
                f"NIR node '{name}': for Euler's method its shortest time constant, {values.min():g} s, must be longer "
                f"than the step of {self.dt:g} s; take shorter steps"
            )
        return -self.dt / np.log1p(-self.dt / values)

    def _group(self, name: str) -> Population | SpikeSource:
        if self._kind(name) == "Input":
            return SpikeSource(self._size(name))
        node = self.nodes[name]
        alike = {key: np.unique(getattr(node, key)) for key in ("v_leak", "v_reset")}
        for key, values in alike.items():
            if len(values) > 1:
                raise RefusedError(
                    f"NIR node '{name}': {key} differs from neuron to neuron, which populations here do not"
                )
        rest, reset = (float(alike[key][0]) for key in ("v_leak", "v_reset"))
        if self.clocked and rest != reset:
            raise RefusedError(
                f"NIR node '{name}': neurons on a clock restart from v_leak = {rest:g}, not from v_reset = {reset:g}; "
                "read it with clocked=False"
            )
        tau = self._tau(name, np.asarray(node.tau if self._kind(name) == "LIF" else node.tau_mem, float))
        if tau.min() < self.dt:
            raise RefusedError(
                f"NIR node '{name}': a step of {self.dt:g} s is longer than its shortest time constant, {tau.min():g} s"
            )
        try:
            device = LeakyIntegrateAndFire(
                time_constant=float(tau.mean()), resistance=1.0, rest=rest, reset=reset,
                threshold=float(np.mean(node.v_threshold)), refractory=0.0, noise=0.0, threshold_spread=0.0,
                time_constant_spread=0.0,
            )  # fmt: skip
        except NanoneuronsError as error:
            raise RefusedError(f"NIR node '{name}': {error}") from None
        return Population(self._size(name), device, clocked=self.clocked)

    def _fill(self, neurons: Neurons, name: str) -> None:
        """Thresholds and time constants neuron by neuron."""
        node = self.nodes[name]
        tau = self._tau(name, np.asarray(node.tau if self._kind(name) == "LIF" else node.tau_mem, float))
        own = {"threshold": np.asarray(node.v_threshold, float), "time_constant": tau}
        neurons._store({key: torch.from_numpy(np.ascontiguousarray(v))[None] for key, v in own.items()})

    def _ranks(self, groups: list[str]) -> dict[str, int]:
        """Steps from the inputs; a connection that does not lead further from them closes a loop."""
        rank = {n: 0 for n in groups if self._kind(n) == "Input"}
        reached = {n: {p.source for p in self._into(n)} for n in groups if self._kind(n) != "Input"}
        while len(rank) < len(groups):
            ready = [n for n in groups if n not in rank and reached[n] - {n} <= rank.keys()]
            ready = ready or [next(n for n in groups if n not in rank)]  # a loop of several groups: open it here
            for n in ready:
                rank[n] = 1 + max((rank[s] for s in reached[n] if s in rank), default=0)
        return rank

    def _into(self, name: str) -> list[_Path]:
        """Ways that lead to a node from the groups before it."""
        paths = []
        for source in (a for a, b in self.edges if b == name):
            kind, node = self._kind(source), self.nodes[source]
            if kind in ("Input", *_NEURONS):
                paths.append(_Path(source, None, None, 0.0))
                continue
            if kind == "Output":
                raise RefusedError(
                    f"NIR node '{source}': an Output that leads on, to '{name}', has no counterpart here"
                )
            for path in self._into(source):
                paths.append(self._joined(source, kind, node, path))
        return paths

    def _joined(self, name: str, kind: str, node: Any, path: _Path) -> _Path:
        if kind == "Delay":
            delays = np.unique(node.delay)
            if len(delays) > 1:
                raise RefusedError(f"NIR node '{name}': its delays differ; here a connection has one")
            if path.bias is not None and path.bias.any():
                raise RefusedError(f"NIR node '{name}': it delays a bias; here a bias acts from the start")
            return _Path(path.source, path.weight, path.bias, path.delay + float(delays[0]))
        if path.weight is not None:
            raise RefusedError(f"NIR node '{name}': it follows other weights without neurons between; multiply them")
        weight = np.asarray(node.weight, float)
        if weight.ndim != 2:
            raise RefusedError(f"NIR node '{name}': weights are matrices here, not of shape {weight.shape}")
        return _Path(path.source, weight, np.asarray(node.bias, float) if kind == "Affine" else None, path.delay)

    def _connection(self, target: str, path: _Path, rank: dict[str, int], number: int) -> Connection:
        node, kind = self.nodes[target], self._kind(target)
        gain = np.asarray(node.r, float) * (np.asarray(node.w_in, float) if kind == "CubaLIF" else 1.0)
        weight = np.eye(self._size(target)) if path.weight is None else path.weight
        low_pass = 0.0
        if kind == "CubaLIF":
            constants = np.unique(node.tau_syn)
            if len(constants) > 1:
                raise RefusedError(
                    f"NIR node '{target}': tau_syn differs from neuron to neuron, which has no counterpart"
                )
            low_pass = float(self._tau(target, constants)[0])
        loop = path.source == target or (rank[path.source] >= rank[target] and path.delay == 0)
        steps = path.delay / self.dt
        if abs(steps - round(steps)) > 1e-6:
            raise RefusedError(
                f"NIR node '{target}': a delay of {path.delay:g} s is not a whole number of steps of {self.dt:g} s"
            )
        return Connection(
            _safe(path.source), _safe(target), torch.from_numpy(weight * gain[:, None]).float(),
            time_constant=low_pass, delay=(round(steps) + loop) * self.dt, name=f"c{number}",
        )  # fmt: skip


def _safe(name: str) -> str:
    return name.replace(".", "_")


def _with_bias(group: Population | SpikeSource, bias: np.ndarray) -> Population:
    assert isinstance(group, Population)
    return Population(group.size, group.neuron, bias=torch.from_numpy(bias).float(), clocked=group.clocked)
