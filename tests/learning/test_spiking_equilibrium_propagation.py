"""Spiking equilibrium propagation: its changes against autograd, form against form, what it learns, refusals."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from nanoneurons import circuits, data, devices, learning
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.spiking_equilibrium_propagation import SpikingEquilibriumPropagation
from nanoneurons.networks import build
from nanoneurons.networks.spiking_equilibrium import SpikingNeurons, build_spiking_energy

LONG = {"free": 0.3, "nudged": 1.2, "averaged": 0.9}


def network(rule, spec="12-40-4", gain=0.7, **more):
    return rule.build_network(spec, shape=(12,), classes=4, seed=2, gain=gain, **more)


def task(batch=6):
    generator = generator_for(1, "task")
    return torch.rand(batch, 12, generator=generator), torch.randint(0, 4, (batch,), generator=generator)


def change(rule, net, x, y, times=1):
    """Mean over random voltages of what the rule adds to weights and biases at a rate of 1; the network stays."""
    before = [p.detach().clone() for p in net.parameters()]
    total = [torch.zeros_like(p) for p in before]
    one = rule.replace(lr=1.0, inner_lr=1.0, digital_lr=1.0)
    for k in range(times):
        one.start(net, 1, 1).learn(x, y, generator_for(k, "rule"), torch.arange(len(x)))
        with torch.no_grad():
            for p, b, t in zip(net.parameters(), before, total, strict=True):
                t += (p - b) / times
                p.copy_(b)
    return {name: t for (name, _), t in zip(net.named_parameters(), total, strict=True)}


def gradients(net, x, y):
    """Minus the gradient of the squared error of the rate network at its steady state, found by autograd.

    The steady state is that next to the rates of the spiking network; it is followed back through enough of its own
    relaxation for the gradient to be that of the fixed point.
    """
    f = net.neurons.rate
    steps = 4000
    rates = net.run(x, window=net._window(steps, 3000)).rates[0]
    (first, second), (below, above) = [c.weight for c in net.couplings], net.biases
    hidden, outputs = rates
    for step in range(3000):
        with torch.set_grad_enabled(step >= 2700):
            hidden = hidden + 0.1 * (f(below + x @ first.T + outputs @ second) - hidden)
            outputs = outputs + 0.1 * (f(above + hidden @ second.T) - outputs)
    loss = 0.5 * (net.targets(y) - outputs).square().sum(-1).mean()
    found = torch.autograd.grad(loss, list(net.parameters()))
    return {name: -g for (name, _), g in zip(net.named_parameters(), found, strict=True)}


def alike(a, b):
    """Cosine of the angle between two changes of one parameter."""
    return float((a * b).sum() / (a.norm() * b.norm()))


@pytest.mark.parametrize("form", ["event", "window"])
def test_changes_point_along_the_gradient_of_the_rate_network(form):
    rule = SpikingEquilibriumPropagation(form=form, beta=0.5, **LONG)
    net = network(rule, bias_start=1.7, gain=0.5)  # well above threshold, where rates are smooth functions of currents
    x, y = task()
    found, wanted = change(rule, net, x, y, times=20), gradients(net, x, y)
    for name, value in wanted.items():
        assert alike(found[name], value) > {"event": 0.85, "window": 0.97}[form], name  # regular trains lock a little


@pytest.mark.parametrize("estimator", ["one-sided", "random-sign"])
def test_other_estimators_point_the_same_way(estimator):
    rule = SpikingEquilibriumPropagation(form="window", beta=0.7, **LONG)
    net = network(rule, bias_start=1.7, gain=0.5)
    x, y = task()
    centred = change(rule, net, x, y, times=8)
    other = change(rule.replace(estimator=estimator), net, x, y, times=24)
    for name, value in centred.items():
        assert alike(other[name], value) > 0.7, name


def test_events_alone_tend_to_differences_of_rates():
    """In long phases with a slow filter both forms are one rule, in direction and in size."""
    x, y = task()
    errors = []
    for scale in (1, 8):
        times = {"free": 0.1 * scale, "nudged": 0.12 * scale, "averaged": 0.04 * scale, "slow": 0.05 * (1 + scale)}
        rule = SpikingEquilibriumPropagation(form="window", step=1e-3, synapse=0.02, **times)
        net = network(rule)
        window, event = change(rule, net, x, y, 4), change(rule.replace(form="event"), net, x, y, 4)
        errors.append([float((event[k] - window[k]).norm() / window[k].norm()) for k in window])
        cosines = [alike(event[k], window[k]) for k in window]
    assert min(cosines) > 0.97
    assert max(errors[1]) < 0.3
    assert np.mean(errors[1]) < np.mean(errors[0])


def test_the_derivative_of_the_trace_itself_is_biased_and_the_band_is_not():
    """Two steady trains: nothing changes, so no weight should. The slope of the trace says it falls all the time."""
    neurons = SpikingNeurons(step=1e-3)
    net = build_spiking_energy("1-30-1", shape=(1,), classes=1, gain=0.0, neurons=neurons)
    with torch.no_grad():
        net.biases[0].copy_(torch.linspace(1.1, 2.0, 30))
        net.biases[1].fill_(1.5)
    seconds = 4.0
    steady, ramp = net._window(1000, 800), net._window(round(seconds / neurons.step), 1000)
    x, target = torch.zeros(1, 1), torch.zeros(1, 1)
    found = net.run(x, target, (0.0,), (1.0,), window=steady, nudged_window=ramp)
    below, above = (r[0] for r in found.rates[1])
    turnover = below * above * seconds / neurons.slow  # products of rates that pass by
    assert float((found.changes[0][0].abs() / turnover).max()) < 0.1

    packed, lag = net._constants()
    slope = neurons.held * neurons.step / neurons.synapse  # sampled slope -s / tau_s, in the place of the band

    def only_trace():
        return (*packed[:5], np.float32(0), np.float32(-slope)), lag  # no slow trace at all

    net._constants = only_trace
    raw = net.run(x, target, (0.0,), (1.0,), window=steady, nudged_window=ramp).changes[0][0]
    expected = -2 * below * above * seconds / neurons.synapse
    assert torch.allclose(raw, expected, rtol=0.15)


@pytest.mark.parametrize("form", ["event", "window"])
def test_learns_digits_and_keeps_one_weight_for_both_ways(form):
    found = data.load("digits")
    x, y = found.x_train.flatten(1), found.y_train
    rule = SpikingEquilibriumPropagation(form=form)
    net = rule.build_network("64-60-10", shape=(64,), classes=10, seed=0)
    history = learning.fit(net, rule, x[:1000], y[:1000], epochs=3, batch=10, seed=0)
    assert history[-1]["loss"] < history[0]["loss"]
    assert float(learning.accuracy(net, found.x_test.flatten(1), found.y_test)) > 0.85
    up, down = net._weights(1)
    assert np.array_equal(up.reshape(60, 10), down.reshape(10, 60).T)
    with torch.no_grad():
        assert torch.equal(net(x[:20]), net(x[:20])), "an answer is the same every time"


@pytest.mark.parametrize("form", ["event", "window"])
def test_devices_take_changes_as_updates(form):
    circuit = circuits.catalogue["crossbar"](device=devices.get("ideal"))
    rule = SpikingEquilibriumPropagation(form=form, final=1.0)
    software, hardware = network(rule), network(rule, circuit=circuit.only(), chips=2)
    hardware.fabricate(generator_for(0, "chips"))
    hardware.program(software, generator_for(0, "program"))
    x, y = task()
    for net in (software, hardware):
        rule.start(net, 1, 1).learn(x, y, generator_for(5, "rule"), torch.arange(len(x)))
    for a, b in zip(software.couplings, hardware.couplings, strict=True):
        assert b.pulses_applied > 0
        for chip in range(2):
            assert torch.allclose(a.weight, b.weight[chip], atol=2e-3 * float(a.weight.detach().abs().max()))


def test_remarks_and_counts_tell_what_a_sample_takes():
    rule = SpikingEquilibriumPropagation()
    circuit = circuits.catalogue["crossbar"](device=devices.get("pulsed:ecram"))
    net = network(rule, circuit=circuit, chips=2)
    net.program_initial(generator_for(0, "chips"))
    (record,) = learning.fit(net, rule, *task(12), epochs=1, batch=6, seed=0)
    assert math.isfinite(record["loss"])
    said = " ".join(rule.remarks(net, [record]))
    assert "80 ms of free motion and 2 nudged phases of 120 ms (centred estimator, beta 3, event form)" in said
    counts = rule.learning_counts(net).events
    hidden, outputs = net.learning_spikes
    assert counts["spike"] == pytest.approx(hidden + outputs)
    assert counts["read"] == pytest.approx(12 * 40 + 4 * hidden + 40 * outputs)


def test_what_cannot_work_is_refused_in_a_line():
    with pytest.raises(ParameterError, match="beta is 0"):
        SpikingEquilibriumPropagation(beta=0.0)
    with pytest.raises(ParameterError, match="form.*event, window"):
        SpikingEquilibriumPropagation(form="derivative")
    with pytest.raises(ParameterError, match="longer than the shortest time constant, membrane"):
        SpikingEquilibriumPropagation(step=0.02, refractory=0.03)
    with pytest.raises(ParameterError, match="averaged = 0.08 s is longer than a nudged phase"):
        SpikingEquilibriumPropagation(nudged=0.05)
    rule = SpikingEquilibriumPropagation()
    plain = build("12-6-4", kind="analog", circuit=None, chips=None, shape=(12,), classes=4)
    with pytest.raises(RefusedError, match="networks of spiking neurons"):
        rule.start(plain, 1, 1)
    with pytest.raises(RefusedError, match="reads -1 or"):
        rule.accept(circuits.catalogue["differential-pair"](device=devices.get("hfox-binary")))
    with pytest.raises(RefusedError, match="use learn"):
        rule.start(network(rule), 1, 1).step(generator_for(0, "rule"))
    with pytest.raises(ParameterError, match="outside of -1 to 1"):
        learning.fit(network(rule), rule, 3 * task()[0], task()[1], epochs=1, batch=3, seed=0)
    assert replace(rule, beta=-1.0).beta == -1.0
