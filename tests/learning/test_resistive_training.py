"""Equilibrium propagation on resistors: what changes every conductance, in software and in a crossbar's devices."""

import dataclasses

import pytest
import torch

from nanoneurons import circuits, data, devices, learning
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning import _equilibrium as ep

RULE = {"network": "resistors", "free_steps": 6, "nudged_steps": 6, "settled": 10.0}


def digits():
    task = data.load("digits")
    return task.x_train.flatten(1), task.y_train, task.x_test.flatten(1), task.y_test


def crossbar(spec, **values):
    return circuits.catalogue["crossbar"].build(dataclasses.replace(devices.get(spec), **values))


def test_one_step_changes_each_conductance_by_the_difference_of_its_squared_voltages():
    rule = learning.get("equilibrium-propagation", lr=0.05, digital_lr=0.02, beta=0.3, amplification=4.0, **RULE)
    network = rule.build_network("6-8-3", shape=(6,), classes=3, seed=1).double()
    network.dtype = torch.float64
    x, y = torch.rand(5, 6, generator=generator_for(0, "x"), dtype=torch.float64), torch.arange(5) % 3
    clamped = network.clamp(x)
    free = network.relax(clamped).states
    phases = network.nudge(clamped, free, network.targets(y), [0.3, -0.3])
    want = []
    for e in network.edges:
        g = e.coupling.weight.detach().clone()
        change = torch.zeros_like(g)
        for sign, states in ((1, phases[0]), (-1, phases[1])):
            v = [clamped.x, *states]
            drops = v[e.source].unsqueeze(1) - v[e.target].unsqueeze(2)
            change -= sign * 0.05 / (2 * 0.3) * (0.5 * drops**2).mean(0)
        want.append((g + change).clamp(min=0))
    currents = [0.02 / (2 * 0.3) * (p - m).mean(0) for p, m in zip(*phases, strict=True)]
    state = rule.start(network, 1, 1)
    state.learn(x, y, generator_for(0, "noise"), torch.arange(5))
    for e, g in zip(network.edges, want, strict=True):
        torch.testing.assert_close(e.coupling.weight.detach(), g, rtol=1e-10, atol=1e-13)
    for bias, i in zip(network.biases, currents, strict=True):
        torch.testing.assert_close(bias.detach(), i, rtol=1e-10, atol=1e-13)


def test_resistors_learn_digits():
    x, y, x_test, y_test = digits()
    rule = learning.get("equilibrium-propagation", lr=0.01, digital_lr=0.01, beta=0.5, amplification=50.0, **RULE)
    network = rule.build_network("64-64-10", shape=(64,), classes=10, seed=1)
    history = learning.fit(network, rule, x, y, epochs=2, batch=4, seed=1)
    assert history[1]["loss"] < history[0]["loss"]
    assert float(learning.accuracy(network, x_test, y_test)) > 0.9
    assert all(float(e.coupling.weight.detach().min()) == 0 for e in network.edges)  # some were clamped, none beyond


def test_a_crossbar_of_memristors_learns_digits():
    """Devices of 2 to 58 uS: the pulses of one pass lift it from about chance to five times that."""
    x, y, x_test, y_test = digits()
    circuit = crossbar("pulsed:ecram", unit_conductance=28e-6)
    rule = learning.get("equilibrium-propagation", lr=0.01, digital_lr=0.01, beta=0.5, amplification=100.0, **RULE)
    rule.accept(circuit)
    network = rule.build_network("64-64-10", shape=(64,), classes=10, circuit=circuit, seed=1)
    network.program_initial(generator_for(1, "chip"))
    before = float(learning.accuracy(network, x_test, y_test))
    written = sum(layer.pulses_applied for layer in network.device_layers)
    learning.fit(network, rule, x, y, epochs=1, batch=4, seed=1)
    assert before < 0.3
    assert float(learning.accuracy(network, x_test, y_test)) > 0.5
    assert sum(layer.pulses_applied for layer in network.device_layers) > written
    for layer in network.device_layers:
        cells = {k.removeprefix("cell."): v for k, v in layer.state.items()}
        held = circuit.device.conductance(cells).clamp(min=0) / layer.siemens
        torch.testing.assert_close(layer.weight.detach(), held, rtol=1e-5, atol=1e-7)


def test_circuits_that_hold_no_resistors_are_refused_before_any_work():
    rule = learning.get("equilibrium-propagation", **RULE)
    for circuit, reason in (
        (crossbar("hfox-weak-reset"), "one way only"),
        (circuits.catalogue["crossbar"].build(devices.get("pulsed:ecram"), mapping="pair"), "mapping is 'pair'"),
        (circuits.catalogue["differential-pair"].build(devices.get("hfox-binary")), "graded"),
    ):
        with pytest.raises(RefusedError, match=reason):
            rule.accept(circuit)
    learning.get("equilibrium-propagation").accept(crossbar("hfox-weak-reset"))  # neurons have no such trouble


def test_estimators_and_trains_that_do_not_fit_are_refused():
    x, y = torch.rand(4, 6, generator=generator_for(0, "x")), torch.arange(4) % 3
    holomorphic = learning.get("equilibrium-propagation", estimator="holomorphic", **RULE)
    network = holomorphic.build_network("6-8-3", shape=(6,), classes=3)
    with pytest.raises(RefusedError, match="centred"):
        holomorphic.start(network, 1, 1).learn(x, y, generator_for(0, "n"), torch.arange(4))
    trains = learning.get("equilibrium-propagation", pulses="trains", **RULE)
    network = trains.build_network("6-8-3", shape=(6,), classes=3, circuit=crossbar("pulsed:ecram"))
    network.fabricate(generator_for(1, "chip"))
    with pytest.raises(RefusedError, match="trains"):
        trains.start(network, 1, 1).learn(x, y, generator_for(0, "n"), torch.arange(4))


def test_the_estimate_is_exact_at_any_voltage_scale():
    """Amplified a thousandfold, single precision still tells the gradient that double precision tells."""
    rule = learning.get("equilibrium-propagation", amplification=1000.0, **RULE)
    found = []
    for kind in (torch.float32, torch.float64):
        network = rule.build_network("6-8-3", shape=(6,), classes=3, seed=1).to(kind)
        network.dtype = kind
        x = torch.rand(5, 6, generator=generator_for(0, "x")).to(kind)
        clamped = network.clamp(x)
        free = network.relax(clamped).states
        nudged = network.nudge(clamped, free, network.targets(torch.arange(5) % 3), [0.2, -0.2])
        lists = ep.pairs(network, clamped, list(zip(ep.points("centred", 0.2), nudged, strict=True)))
        found.append(network.edges[0].coupling.hebbian(lists[0]).double())
    assert float((found[0] - found[1]).norm() / found[1].norm()) < 1e-3
