r"""Spiking networks as graphs of the Neuromorphic Intermediate Representation (NIR), which other simulators read.

A population of leaky integrate-and-fire neurons is a node ``LIF``, or ``CubaLIF`` where its synapses low-pass,

.. math:: \tau_s \dot I = -I + S, \qquad \tau \dot v = v_\text{leak} - v + R I, \qquad v > \theta:\ v \to v_\text{reset}

a connection is ``Linear`` (``Affine`` where it brings a bias along), preceded by a ``Delay`` if it has one; a source of
spikes is an ``Input``. A spike is worth 1 for one step, as the simulators that read such graphs take it.

*Steps.* The equations are the same on both sides; their solutions in steps are not. This package solves them exactly
in each step, :math:`v \leftarrow a v + (1 - a)(\ldots)` with :math:`a = e^{-\Delta t/\tau}`; most simulators take one
of Euler's method, :math:`a = 1 - \Delta t/\tau`. With ``solver="euler"`` the graph is written with

.. math:: \tau_E = \frac{\Delta t}{1 - e^{-\Delta t/\tau}}

for each time constant, with which steps of Euler's method are our exact ones; reading turns it round. What remains is
where a spike restarts its neuron: populations that are to agree spike for spike are ``clocked``. Those simulators let a
step pass around a loop, so a self-connection with a delay of one step is written without one.

Source: Pedersen et al., Nat. Commun. 15, 8122 (2024), and the documentation of the package ``nir``.
"""

from __future__ import annotations

import importlib
from typing import Any, Literal

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError, RefusedError, UnknownNameError, nearest
from nanoneurons.devices.lif import LeakyIntegrateAndFire

from ._nir_reading import Reader
from .connections import Connection, SparseSynapses
from .populations import Neurons, SpikeSource
from .spiking_network import SpikingNetwork

__all__ = ["from_nir", "to_nir"]

Solver = Literal["exact", "euler"]


def _nir() -> Any:
    try:
        return importlib.import_module("nir")
    except ImportError:
        raise RefusedError("NIR graphs need the package 'nir': pip install 'nanoneurons[nir]'") from None


def to_nir(
    network: SpikingNetwork,
    *,
    outputs: tuple[str, ...] = (),
    solver: Solver = "exact",
    resistance: float | Literal["own", "steps"] = "own",
    chip: int = 0,
) -> Any:
    """The network as a graph of the package `nir`.

    Args:
        outputs: populations that lead to an ``Output``; those without connections to others if none are named.
        solver: how the reading simulator takes its steps of ``network.dt``, see the module.
        resistance: R of the nodes; weights take up what is left of the neurons' own. ``"steps"`` is tau/dt, which
            snnTorch asks for; norse asks for 1.
        chip: which chip of several; each neuron keeps its own threshold and time constant.

    Raises:
        RefusedError: a population or connection that NIR cannot say exactly, by its name; or `nir` is not installed.
    """
    nir = _nir()
    _check_solver(solver)
    if resistance not in ("own", "steps") and not (isinstance(resistance, int | float) and resistance > 0):
        raise ParameterError(f"to_nir: resistance {resistance!r} is neither 'own', 'steps' nor a positive number")
    nodes, edges = {}, []
    for name in outputs:
        if name not in network.neurons:
            raise UnknownNameError(f"to_nir: there is no population {name!r}{nearest(name, network.neurons)}")
    for name, group in network.groups.items():
        if isinstance(group, SpikeSource):
            nodes[name] = nir.Input(input_type={"input": np.array([group.size])})
    gains: dict[str, np.ndarray] = {}
    for name, neurons in network.neurons.items():
        assert isinstance(neurons, Neurons)
        nodes[name], gains[name] = _node(nir, network, name, neurons, solver, resistance, chip)
    brought = set()
    for c in network.connections:
        weight = _matrix(network, c, chip) * c.share(network.dt) * gains[c.target][:, None]
        bias = _value(network.neurons[c.target].bias)  # type: ignore[arg-type]
        last = c.source
        steps = c.delay_steps(network.dt) - (c.source == c.target)
        if steps < 0:
            raise RefusedError(f"connection '{c.name}': a loop without delay cannot be said in NIR")
        if steps:
            nodes[f"{c.name}_delay"] = nir.Delay(np.full(weight.shape[1], steps * network.dt))
            edges.append((last, f"{c.name}_delay"))
            last = f"{c.name}_delay"
        if bias.any() and c.target not in brought and c.source != c.target:
            nodes[c.name] = nir.Affine(weight, bias * gains[c.target])
            brought.add(c.target)
        else:
            nodes[c.name] = nir.Linear(weight)
        edges += [(last, c.name), (c.name, c.target)]
    for name, neurons in network.neurons.items():
        if _value(neurons.bias).any() and name not in brought:  # type: ignore[arg-type]
            raise RefusedError(f"population '{name}': NIR has a bias only where a connection brings it along")
    feeding = {c.source for c in network.connections if c.source != c.target}
    for name in outputs or tuple(n for n in network.neurons if n not in feeding):
        size = network.groups[name].size
        nodes[f"{name}_output"] = nir.Output(output_type={"output": np.array([size])})
        edges.append((name, f"{name}_output"))
    return nir.NIRGraph(nodes, edges, metadata={"dt": network.dt, "solver": solver, "program": "nanoneurons"})


def from_nir(
    graph: Any, *, dt: float | None = None, solver: Solver | None = None, clocked: bool = True
) -> SpikingNetwork:
    """The network that a graph of the package `nir` describes.

    Args:
        dt: length of a step in s; that of the metadata if the graph has one.
        solver: with which the graph's numbers are meant to be taken in steps: with ``"euler"`` the network does in its
            exact steps what Euler's method would do. That of the metadata, or exact.
        clocked: neurons start again at the end of the step in which they fire, as the simulators of such graphs do;
            otherwise at their moment inside it, which is nearer to the equations.

    Raises:
        RefusedError: a node that has no counterpart, by its name; or `nir` is not installed.
        ParameterError: no step is given.
    """
    _nir()
    known = graph.metadata if isinstance(graph.metadata, dict) else {}
    dt = dt if dt is not None else known.get("dt")
    if dt is None:
        raise ParameterError("from_nir: the graph does not say its step; give dt in s")
    solver = solver or known.get("solver", "exact")
    _check_solver(solver)
    return Reader(graph, float(dt), solver == "euler", clocked).network()


def _check_solver(solver: str) -> None:
    if solver not in ("exact", "euler"):
        raise ParameterError(f"NIR: solver {solver!r} is unknown; use exact or euler")


def _value(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def _matrix(network: SpikingNetwork, c: Connection, chip: int) -> np.ndarray:
    module = network.synapses[c.name]
    weight = module.dense() if isinstance(module, SparseSynapses) else module.weight
    assert isinstance(weight, torch.Tensor)
    return _value(weight if weight.dim() == 2 else weight[chip])


def _node(
    nir: Any, network: SpikingNetwork, name: str, neurons: Neurons, solver: str, resistance: float | str, chip: int
) -> tuple[Any, np.ndarray]:
    """The node of a population, and what its incoming weights are multiplied with."""
    device, population = neurons.population.neuron, neurons.population
    where = f"population '{name}'"
    if not isinstance(device, LeakyIntegrateAndFire):
        raise RefusedError(f"{where}: NIR knows leaky integrate-and-fire neurons, not {type(device).__name__}")
    extra = {
        "a refractory time": device.refractory > 0,
        "adaptation": device.adaptation != "none",
        "noise": device.noise > 0,
        "a floor within reach": device.floor > -1e3,
        f"an inhibition ({type(population.inhibition).__name__})": population.inhibition is not None,
    }
    for what, there in extra.items():
        if there:
            raise RefusedError(f"{where}: its neurons have {what}, which no node of NIR has")
    incoming = [c for c in network.connections if c.target == name]
    filters = sorted({c.time_constant for c in incoming})
    if len(filters) > 1:
        raise RefusedError(f"{where}: NIR has one synaptic time constant per population, not {filters} s")
    low_pass = filters[0] if filters else 0.0
    if low_pass and _value(neurons.bias).any():
        raise RefusedError(f"{where}: in NIR its bias would pass the low-pass of its synapses; give it none of the two")
    dt = network.dt

    def written(tau: np.ndarray) -> np.ndarray:
        return tau if solver == "exact" else -dt / np.expm1(-dt / tau)

    tau = written(_value(neurons.state["time_constant"][chip]))
    ones = np.ones_like(tau)
    r = (
        device.resistance * ones
        if resistance == "own"
        else tau / dt
        if resistance == "steps"
        else float(resistance) * ones
    )
    common = {
        "r": r, "v_leak": device.rest * ones, "v_threshold": _value(neurons.state["threshold"][chip]),
        "v_reset": (device.rest if population.clocked else device.reset) * ones,
    }  # fmt: skip
    gain = device.resistance / r
    if not low_pass:
        return nir.LIF(tau=tau, **common), gain
    return nir.CubaLIF(tau_syn=written(low_pass * ones), tau_mem=tau, w_in=ones, **common), gain
