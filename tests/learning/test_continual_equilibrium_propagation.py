"""Continual equilibrium propagation: changes that add up, orders of the learning rate, whole pulses at every step."""

import numpy as np
import pytest
import torch

from nanoneurons import circuits, data, devices, learning
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.networks import Dynamics, Relaxation, build_energy, build_resistive

STEPS = 8
Y = torch.arange(6) % 3


def samples():
    return torch.rand(6, 9, generator=generator_for(0, "x"), dtype=torch.float64)


def make(kind="neurons", **more):
    """A network of double precision that settles well."""
    relaxation = Relaxation(300, STEPS, "alternating")
    common = {"shape": (9,), "classes": 3, "seed": 2, "relaxation": relaxation, **more}
    if kind == "resistors":
        network = build_resistive("9-8-6-3", amplification=3.0, **common).double()
    else:
        cost = {"cost": "cross-entropy"} if kind == "read-out" else {}
        network = build_energy("9-8-6-3", dynamics=Dynamics(activation="sigmoid"), **cost, **common).double()
    network.dtype = torch.float64
    with torch.no_grad():  # well above 0, where conductances are clamped
        for e in network.edges:
            if kind == "resistors":
                w = e.coupling.weight
                w.copy_(0.5 + torch.rand(w.shape, generator=generator_for(1, "g"), dtype=torch.float64))
    return network


def values(network):
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def moved(network, name, lr, beta):
    """Change of all parameters by one mini-batch, over the learning rate."""
    rule = learning.get(name, estimator="one-sided", beta=beta, lr=lr, digital_lr=lr)
    before = values(network).clone()
    rule.start(network, 1, 1).learn(samples(), Y, generator_for(0, "noise"), torch.arange(6))
    return (values(network) - before) / lr


def error(kind, lr, beta=0.02):
    """Relative difference from what equilibrium propagation with one nudging makes of the same phases."""
    want = moved(make(kind), "equilibrium-propagation", 1.0, beta)
    return float((moved(make(kind), "continual-equilibrium-propagation", lr, beta) - want).norm() / want.norm())


@pytest.mark.parametrize("kind", ["neurons", "read-out", "resistors"])
def test_small_changes_add_up_to_those_of_equilibrium_propagation(kind):
    """With a relative error of first order in the learning rate over the strength of nudging."""
    assert np.log2(error(kind, 1e-4) / error(kind, 5e-5)) == pytest.approx(1, abs=0.05)
    assert np.log2(error(kind, 1e-4, 0.01) / error(kind, 1e-4, 0.02)) == pytest.approx(1, abs=0.1)
    assert error(kind, 1e-7) == pytest.approx(error(kind, 1e-4) * 1e-3, rel=0.1)


def test_changes_of_all_steps_telescope_while_weights_are_held(monkeypatch):
    """The sum over steps is the difference of the last and the free state, to the last digits."""
    network = make()
    x = samples()
    clamped = network.clamp(x)
    free = network.relax(clamped).states
    last = network.relax(clamped, free, beta=0.3, target=network.targets(Y)).states
    lists = ep.pairs(network, clamped, [(ep.Point(0.3, 1 / 0.3), last), (ep.Point(0.0, -1 / 0.3), free)])
    want = [e.coupling.hebbian(p) for e, p in zip(network.edges, lists, strict=True)]
    sums, steps = [torch.zeros_like(w) for w in want], []

    def follow(k):
        def note(pairs, rate):
            steps.append(k)
            sums[k] += network.edges[k].coupling.hebbian(pairs)

        return note

    for k, e in enumerate(network.edges):
        monkeypatch.setattr(e.coupling, "follow", follow(k))
    rule = learning.get("continual-equilibrium-propagation", estimator="one-sided", beta=0.3, digital_lr=0.0)
    rule.start(network, 1, 1).learn(x, Y, generator_for(0, "noise"), torch.arange(6))
    assert steps == [0, 1, 2] * STEPS
    for found, expected in zip(sums, want, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-13)


def test_weights_that_change_steer_the_steps_that_follow():
    """At a large learning rate the sum is no longer that of equilibrium propagation."""
    assert error("neurons", 0.3, 0.3) > 0.01


def crossbar(spec):
    return circuits.catalogue["crossbar"].build(devices.get(spec))


@pytest.mark.parametrize("network", ["neurons", "resistors"])
def test_devices_get_whole_pulses_at_every_step(network, monkeypatch):
    rule = learning.get(
        "continual-equilibrium-propagation", network=network, amplification=50.0, nudged_steps=STEPS, settled=10.0,
        lr=0.05,
    )  # fmt: skip
    circuit = crossbar("pulsed:ecram")
    rule.accept(circuit)
    net = rule.build_network("9-8-3", shape=(9,), classes=3, circuit=circuit, seed=1)
    net.program_initial(generator_for(1, "chip"))
    layers = net.device_layers
    driven, kind = [], type(circuit.device)
    step = kind.apply_counts

    def count(self, state, up, down, generator):
        assert torch.equal(up, up.round())
        driven.append(float(up.sum() + down.sum()))
        return step(self, state, up, down, generator)

    monkeypatch.setattr(kind, "apply_counts", count)
    before = [layer.weight.detach().clone() for layer in layers]
    written = sum(layer.pulses_applied for layer in layers)
    state = rule.start(net, 1, 1)
    for _ in range(5):
        state.learn(samples().float(), Y, generator_for(0, "noise"), torch.arange(6))
    assert len(driven) == 5 * STEPS * len(layers)
    assert sum(layer.pulses_applied for layer in layers) > written
    assert sum(driven) > 0
    assert all(not torch.equal(a, layer.weight) for a, layer in zip(before, layers, strict=True))


def test_the_bill_counts_every_step():
    """The input's devices once for the free phase and the first step, then at every step; all others in every step."""
    rule = learning.get("continual-equilibrium-propagation", nudged_steps=STEPS, free_steps=10)
    net = rule.build_network("9-8-3", shape=(9,), classes=3, circuit=crossbar("pulsed:ecram"))
    reads = rule.learning_counts(net).events["read"]
    assert reads == 72 * STEPS + 2 * 24 * (10 + STEPS)
    resistors = learning.get("continual-equilibrium-propagation", nudged_steps=STEPS, network="resistors")
    net = resistors.build_network("9-8-3", shape=(9,), classes=3, circuit=crossbar("pulsed:ecram"))
    events = resistors.learning_counts(net).events
    assert events["adc"] == 11 * (1 + STEPS)
    assert events["dac"] == 18 + 3 * STEPS


def test_digits_are_learnt():
    task = data.load("digits")
    x, x_test = task.x_train.flatten(1), task.x_test.flatten(1)
    rule = learning.get("continual-equilibrium-propagation", lr=0.02, digital_lr=0.02, beta=0.5, estimator="one-sided")
    network = rule.build_network("64-32-10", shape=(64,), classes=10, seed=1)
    history = learning.fit(network, rule, x, task.y_train, epochs=3, batch=10, seed=1)
    assert history[-1]["loss"] < history[0]["loss"]
    assert float(learning.accuracy(network, x_test, task.y_test)) > 0.5  # five times chance


def test_what_does_not_fit_is_refused():
    rule = "continual-equilibrium-propagation"
    with pytest.raises(ParameterError, match="estimator"):
        learning.get(rule, estimator="centred")
    with pytest.raises(ParameterError, match="beta is 0"):
        learning.get(rule, beta=0.0)
    with pytest.raises(RefusedError, match="same weights both ways"):
        learning.get(rule).start(make(tied=False), 1, 1)
    with pytest.raises(RefusedError, match="no intermediate states"):
        learning.get(rule).accept(crossbar("hfox-binary"))
    with pytest.raises(RefusedError, match="one seed at a time"):
        learning.get(rule).start(make(chips=2), 1, 1).together([torch.Generator(), torch.Generator()])
