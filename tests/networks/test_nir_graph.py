"""NIR graphs: what is written, what is read back, what is refused, and the same spikes in snnTorch."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import NanoneuronsError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.lif import LeakyIntegrateAndFire
from nanoneurons.networks.connections import Connection, SparseSynapses
from nanoneurons.networks.encoders import Poisson
from nanoneurons.networks.nir_graph import from_nir, to_nir
from nanoneurons.networks.populations import Population, SpikeSource, WinnerTakeAll
from nanoneurons.networks.spike_trains import SpikeTrains
from nanoneurons.networks.spiking_network import SpikingNetwork

nir: Any = pytest.importorskip("nir")

DT, STEPS = 1e-4, 1000  # snnTorch takes steps of 0.1 ms


def leaky(tau: float, spread: float = 0.0, **more: Any) -> LeakyIntegrateAndFire:
    return dataclasses.replace(
        LeakyIntegrateAndFire(
            time_constant=tau, resistance=1.0, rest=0.0, threshold=1.0, reset=0.0, refractory=0.0, noise=0.0,
            threshold_spread=spread, time_constant_spread=spread,
        ), **more,
    )  # fmt: skip


def network(low_pass: float = 0.0, loop: bool = False, delay: float = 0.0, spread: float = 0.0) -> SpikingNetwork:
    g = generator_for(0)
    gain = 0.4 if low_pass else 1.0
    links = [
        Connection("in", "hidden", torch.rand(20, 30, generator=g), 80 * gain, time_constant=low_pass, delay=delay),
        Connection("hidden", "out", torch.randn(5, 20, generator=g), 120 * gain, time_constant=low_pass, delay=0.0),
    ]
    if loop:
        w = torch.randn(20, 20, generator=g)
        sparse = SparseSynapses.of(torch.where(w.abs() > 0.8, w, 0.0))
        links.append(Connection("hidden", "hidden", sparse, 20.0, time_constant=low_pass))
    groups = {
        "in": SpikeSource(30),
        "hidden": Population(20, leaky(5e-3, spread), clocked=True, bias=0.0 if low_pass else 0.3),
        "out": Population(5, leaky(8e-3, spread), clocked=True),
    }
    return SpikingNetwork(groups, links, dt=DT)


def given() -> SpikeTrains:
    x = torch.rand(1, 30, generator=generator_for(1))
    return Poisson(max_rate=100.0).encode(x, STEPS * DT, generator_for(2))


def spikes(net: SpikingNetwork) -> torch.Tensor:
    """Spikes of the output in each step, ``(5, steps)``."""
    found = net.run({"in": given()}, steps=STEPS, record=["out"]).spikes["out"]
    assert len(found) > 100
    return SpikeTrains.of_events(found.times - DT, found.neurons, 5).dense(DT, STEPS)[0]


@pytest.mark.parametrize("solver", ["exact", "euler"])
@pytest.mark.parametrize("low_pass", [0.0, 2e-3])
@pytest.mark.parametrize("loop", [False, True])
def test_a_graph_read_back_gives_the_same_spikes(solver: Any, low_pass: float, loop: bool, tmp_path: Path) -> None:
    net = network(low_pass, loop, delay=3e-4, spread=0.1)
    nir.write(tmp_path / "graph.nir", to_nir(net, solver=solver, resistance="steps"))
    graph = nir.read(tmp_path / "graph.nir")
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds["in"] == "Input" and kinds["hidden"] == kinds["out"] == ("CubaLIF" if low_pass else "LIF")
    assert kinds["in-hidden"] == ("Linear" if low_pass else "Affine") and kinds["in-hidden_delay"] == "Delay"
    back = from_nir(graph, dt=DT, solver=solver)
    assert back.dt == DT and back.neurons["hidden"].population.clocked
    assert torch.equal(spikes(back), spikes(net))


def test_numbers_of_a_graph_are_those_of_the_equations() -> None:
    net = network(low_pass=2e-3)
    exact, euler = to_nir(net).nodes["hidden"], to_nir(net, solver="euler", resistance=4.0).nodes["hidden"]
    np.testing.assert_allclose(exact.tau_mem, 5e-3)
    np.testing.assert_allclose(exact.tau_syn, 2e-3)
    np.testing.assert_allclose(1 - DT / euler.tau_mem, np.exp(-DT / 5e-3), rtol=1e-14)
    np.testing.assert_allclose(1 - DT / euler.tau_syn, np.exp(-DT / 2e-3), rtol=1e-14)
    np.testing.assert_allclose(euler.r, 4.0)
    ratio = to_nir(net, resistance=4.0).nodes["in-hidden"].weight / to_nir(net).nodes["in-hidden"].weight
    np.testing.assert_allclose(ratio, 0.25)


def stepped(module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Outputs of a module of nirtorch that takes one step at a time."""
    outputs, state = [], None
    with torch.no_grad():
        for column in x.T:
            y, state = module(column[None]) if state is None else module(column[None], state)
            outputs.append(y[0])
    return torch.stack(outputs, -1)


@pytest.mark.parametrize("low_pass", [0.0, 2e-3])
@pytest.mark.parametrize("loop", [False, True])
def test_snntorch_gives_the_same_spikes(low_pass: float, loop: bool) -> None:
    """Every spike of 1,000 steps; the loop goes through nirtorch, as snnTorch 1.0 leads the inputs of one astray."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        nirtorch = pytest.importorskip("nirtorch")
        snntorch = pytest.importorskip("snntorch.import_nir")
    graph, net = to_nir(network(low_pass, loop), solver="euler", resistance="steps"), network(low_pass, loop)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if loop:
            kinds = (nir.Affine, nir.Linear, nir.LIF, nir.CubaLIF)
            made = dict.fromkeys(kinds, lambda node: snntorch._nir_to_snntorch_module(node, init_hidden=True))
            module = nirtorch.nir_to_torch(graph, made)
        else:
            module = snntorch.import_from_nir(graph)
        found = stepped(module, given().dense(DT, STEPS)[0])
    assert torch.equal(found, spikes(net))


def test_reading_what_others_write() -> None:
    """A graph with names, shapes and kinds as other programs write them: dots, one-to-one edges, no metadata."""
    ones = np.ones(3)
    nodes = {
        "input": nir.Input(input_type={"input": np.array([3])}),
        "net.0": nir.LIF(tau=5e-3 * ones, r=2 * ones, v_leak=0 * ones, v_threshold=np.array([0.5, 1.0, 2.0])),
        "net.1": nir.Affine(np.array([[1.0, 2.0, 3.0]]), np.array([0.25])),
        "net.2": nir.LIF(tau=np.array([4e-3]), r=np.array([3.0]), v_leak=np.zeros(1), v_threshold=np.ones(1)),
        "output": nir.Output(output_type={"output": np.array([1])}),
    }
    edges = [("input", "net.0"), ("net.0", "net.1"), ("net.1", "net.2"), ("net.2", "output")]
    net = from_nir(nir.NIRGraph(nodes, edges), dt=1e-3)
    assert list(net.neurons) == ["net_0", "net_2"]
    assert net.neurons["net_0"].state["threshold"].tolist() == [[0.5, 1.0, 2.0]]
    weights = {(c.source, c.target): net.synapses[c.name].weight for c in net.connections}
    torch.testing.assert_close(weights["input", "net_0"].data, 2 * torch.eye(3))
    torch.testing.assert_close(weights["net_0", "net_2"].data, torch.tensor([[3.0, 6.0, 9.0]]))
    assert net.neurons["net_2"].bias.tolist() == [0.75]
    assert all(c.delay == 0 for c in net.connections)


def changed(**more: Any) -> SpikingNetwork:
    links = [Connection("in", "out", torch.ones(2, 3), delay=0.0)]
    return SpikingNetwork({"in": SpikeSource(3), "out": Population(2, **{"neuron": leaky(5e-3), **more})}, links, dt=DT)


def graph(**nodes: Any) -> Any:
    two = np.ones(2)
    lif = nir.LIF(tau=5e-3 * two, r=two, v_leak=0 * two, v_threshold=two)
    kept = {"input": nir.Input(input_type={"input": np.array([2])}), "neurons": lif, **nodes}
    names = list(kept)
    chain = ["input", *names[2:], "neurons"]
    return nir.NIRGraph(kept, list(itertools.pairwise(chain)), type_check=False)


REFUSED: dict[str, Callable[[], object]] = {
    "population 'out': its neurons have a refractory time": lambda: to_nir(
        changed(neuron=leaky(5e-3, refractory=1e-3))
    ),
    "population 'out': its neurons have adaptation": lambda: to_nir(changed(neuron=leaky(5e-3, adaptation="current"))),
    "population 'out': its neurons have noise": lambda: to_nir(changed(neuron=leaky(5e-3, noise=0.1))),
    "population 'out': .* an inhibition .WinnerTakeAll": lambda: to_nir(changed(inhibition=WinnerTakeAll())),
    "no population 'aut' .did you mean 'out'": lambda: to_nir(changed(), outputs=("aut",)),
    "resistance 'mine' is neither": lambda: to_nir(changed(), resistance="mine"),  # type: ignore[arg-type]
    "solver 'rk4' is unknown": lambda: to_nir(changed(), solver="rk4"),  # type: ignore[arg-type]
    "the graph does not say its step": lambda: from_nir(graph()),
    "NIR node 'neurons': a step of 0.01 s is longer": lambda: from_nir(graph(), dt=1e-2),
    "NIR node 'conv': Scale has no counterpart here": lambda: from_nir(graph(conv=nir.Scale(np.ones(2))), dt=DT),
    "NIR node 'b': it follows other weights": lambda: from_nir(
        graph(a=nir.Linear(np.eye(2)), b=nir.Linear(np.eye(2))), dt=DT
    ),
    "NIR node 'wait': its delays differ": lambda: from_nir(graph(wait=nir.Delay(np.array([0, DT]))), dt=DT),
    "NIR node 'neurons': a delay of 5e-05 s": lambda: from_nir(graph(wait=nir.Delay(DT / 2 * np.ones(2))), dt=DT),
    "NIR node 'neurons': v_leak differs": lambda: from_nir(
        graph(neurons=nir.LIF(np.ones(2), np.ones(2), np.array([0.0, 0.1]), np.ones(2))), dt=DT
    ),
    "NIR node 'neurons': neurons on a clock restart": lambda: from_nir(
        graph(neurons=nir.LIF(np.ones(2), np.ones(2), np.zeros(2), np.ones(2), -np.ones(2))), dt=DT
    ),
    "NIR node 'neurons': .*threshold = -1": lambda: from_nir(
        graph(neurons=nir.LIF(np.ones(2), np.ones(2), np.zeros(2), -np.ones(2))), dt=DT
    ),
    "NIR node 'neurons': IF has no counterpart here": lambda: from_nir(
        graph(neurons=nir.IF(np.ones(2), np.ones(2))), dt=DT
    ),
}


@pytest.mark.parametrize("names", REFUSED)
def test_what_does_not_map_is_refused_by_name(names: str) -> None:
    with pytest.raises(NanoneuronsError, match=names) as caught:
        REFUSED[names]()
    assert "\n" not in str(caught.value)


def test_without_the_package_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "nir", None)
    with pytest.raises(RefusedError, match=r"pip install 'nanoneurons\[nir\]'"):
        to_nir(changed())
