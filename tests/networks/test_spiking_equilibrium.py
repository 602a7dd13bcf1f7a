"""Spiking networks with symmetric weights: rates, a plain second implementation, steady states, refusals."""

import math

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices
from nanoneurons.core.errors import ConvergenceWarning, DivergedError, ParameterError, RefusedError, StudyError
from nanoneurons.core.random import generator_for, start_of, uniform_at
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.networks.spiking_equilibrium import (
    SpikingEnergyNetwork,
    SpikingNeurons,
    SpikingPhases,
    build_spiking_energy,
)


def build(spec="12-16-8-4", shape=(12,), classes=4, **more):
    return build_spiking_energy(spec, shape=shape, classes=classes, seed=3, **more)


def inputs(batch=5, features=12):
    return torch.rand(batch, features, generator=generator_for(1, "inputs"))


def free_neurons(step, drive, seconds):
    """Rates of neurons that nothing but a constant current drives."""
    network = build_spiking_energy(
        f"1-{len(drive)}-1", shape=(1,), classes=1, gain=0.0, neurons=SpikingNeurons(step=step),
        phases=SpikingPhases(settle=0.1, answer=seconds),
    )  # fmt: skip
    with torch.no_grad():
        network.biases[0].copy_(drive)
        network.biases[1].fill_(2.0)
    steps = round(seconds / step)
    found = network.run(torch.zeros(1, 1), window=network._window(steps + 50, steps))
    return found.rates[0][0][0], network.neurons


# -- neurons -----------------------------------------------------------------------------------------


def test_rates_follow_the_closed_form():
    drive = torch.cat([torch.tensor([0.0, 0.9, 0.999]), torch.linspace(1.05, 4.0, 60)])
    rates, neurons = free_neurons(0.5e-3, drive, 10.0)
    wanted = neurons.rate(drive)
    assert not rates[:3].any() and not wanted[:3].any()
    assert torch.allclose(rates, wanted, rtol=0.01, atol=1e-3)


def test_rates_converge_with_the_step():
    drive = torch.linspace(1.1, 3.0, 40)
    errors = []
    for step in (2e-3, 1e-3, 0.5e-3):
        rates, neurons = free_neurons(step, drive, 20.0)
        errors.append(float((rates / neurons.rate(drive) - 1).abs().mean()))
    assert errors[0] < 0.02
    assert errors[2] < errors[1] < errors[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"membrane": -1e-3}, "membrane must be a positive time in s, not -0.001"),
        ({"step": 0.0}, "step must be a positive time"),
        ({"refractory": math.nan}, "refractory must be a positive time"),
        ({"membrane": 4e-3, "step": 5e-3}, "longer than the shortest time constant, membrane = 0.004 s"),
        ({"refractory": 1e-3}, "longer than the shortest time constant, refractory = 0.001 s"),
        ({"slow": 20e-3}, "slow = 0.02 s must be above synapse = 0.03 s"),
    ],
)
def test_neurons_refuse_times_that_cannot_be(change, message):
    with pytest.raises(ParameterError, match=message):
        SpikingNeurons(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"free": 0.0}, "free must be a positive time"),
        ({"averaged": 0.5}, "averaged = 0.5 s is longer than a nudged phase of 0.1"),
        ({"taper": 1.5}, "taper must be between 0 and 1"),
    ],
)
def test_phases_refuse_times_that_do_not_fit(change, message):
    with pytest.raises(ParameterError, match=message):
        SpikingPhases(**change)


# -- phases, by a plain second implementation --------------------------------------------------------


def plain(network, x, target, betas, signs, key):
    """The same phases written down step by step: traces decay everywhere in every step, changes are per pair."""
    n, times = network.neurons, network.relaxation
    f = np.float32
    sizes = [s for (s,) in network.shapes[1:]]
    groups = np.repeat(np.arange(len(sizes)), sizes)
    weights = [e.coupling.weight.detach().numpy() for e in network.edges]
    size = len(groups)
    full = np.zeros((size, size), f)  # from neuron j to neuron i
    at = np.concatenate([[0], np.cumsum(sizes)])
    for k, w in enumerate(weights[1:]):
        full[at[k + 1] : at[k + 2], at[k] : at[k + 1]] = w
        full[at[k] : at[k + 1], at[k + 1] : at[k + 2]] = w.T
    field = np.concatenate([b.detach().numpy() for b in network.biases]).astype(f)
    leak, held = f(1 - math.exp(-n.step / n.membrane)), n.held
    keep, keep_slow = f(math.exp(-n.step / n.synapse)), f(math.exp(-n.step / n.slow))
    gain, gain_slow = f(held * (1 - keep) / keep), f(held * (1 - keep_slow) / keep_slow)
    band = f(held * n.step / (n.slow - n.synapse))
    outputs = groups == groups[-1]
    changes = np.zeros((size, size))
    ends, counts = [], np.zeros(2)
    for b, sample in enumerate(x.numpy()):
        drive = field.copy()
        drive[: sizes[0]] += weights[0] @ sample
        stream = start_of(np.uint64(key), 0, b)
        state = {
            "v": np.array([uniform_at(np.uint64(stream), i) for i in range(size)], f),
            "until": np.zeros(size, int),
        }
        state |= {name: np.zeros(size, f) for name in ("fast", "slow")}
        free = None
        for k, beta in enumerate((0.0, *betas)):
            s = {key: v.copy() for key, v in (state if free is None else free).items()}
            window = network._window(times.nudged_steps if k else times.steps, network.counted)
            rates = np.zeros(size, f)
            for step, weight in enumerate(window, start=1):
                s["fast"] *= keep
                s["slow"] *= keep_slow
                current = drive + full @ s["fast"]
                if k:
                    current[outputs] += f(beta) * (target[b].numpy() - s["fast"][outputs])
                moved = s["v"] + leak * (current - s["v"])
                s["v"] = np.where(s["until"] < step, moved, s["v"])
                for i in np.flatnonzero(s["v"] >= 1):  # a group's neurons do not reach each other
                    before = (s["v"][i] - leak * current[i]) / (1 - leak)
                    s["v"][i] = min(leak * current[i] * (s["v"][i] - 1) / (s["v"][i] - before), f(0.999))
                    s["until"][i] = step + held
                    if k:
                        near = np.abs(groups - groups[i]) == 1
                        pairs = signs[k - 1] * band * (s["fast"] - s["slow"]) * near
                        changes[i] += pairs
                    s["fast"][i] += gain
                    s["slow"][i] += gain_slow
                    rates[i] += weight
                    counts[min(k, 1)] += 1
            s["until"] -= len(window)
            if k == 0:
                free = s
            ends.append((rates, s["slow"] + (s["slow"] - s["fast"]) * n.synapse / (n.slow - n.synapse)))
    symmetric = changes + changes.T
    inner = [symmetric[at[k + 1] : at[k + 2], at[k] : at[k + 1]] for k in range(len(sizes) - 1)]
    return ends, inner, counts


def test_the_kernel_does_what_a_plain_loop_does():
    network = build(phases=SpikingPhases(free=0.06, nudged=0.05, averaged=0.04), gain=1.5)
    x, target = inputs(3), network.targets(torch.tensor([0, 2, 3]))
    betas, signs = (1.0, -1.0), (0.5, -0.5)
    found = network.run(x, target, betas, signs, key=77)
    ends, inner, counts = plain(network, x, target, betas, signs, 77)
    for k in range(3):
        for b in range(3):
            rates, slow = ends[3 * b + k]
            assert np.allclose(torch.cat([r[b] for r in found.rates[k]]), rates, atol=1e-4)
            assert np.allclose(torch.cat([r[b] for r in found.filtered[k]]), slow, atol=1e-4)
    for mine, theirs in zip(found.changes, inner, strict=True):
        assert np.allclose(mine, theirs, atol=1e-4)
        assert np.abs(theirs).max() > 0.01
    assert np.allclose([sum(s) * 3 for s in found.spikes], counts)


def test_long_phases_keep_their_precision():
    """Common factors of traces are renewed in time: 10 s are 333 time constants of the trace."""
    network = build()
    steps = round(10 / network.neurons.step)
    long = network.run(inputs(), window=network._window(steps, 500))
    short = network.run(inputs(), window=network._window(1000, 500))
    for a, b in zip(long.rates[0], short.rates[0], strict=True):
        assert torch.isfinite(a).all()
        assert float((a - b).abs().mean()) < 0.02


def test_steady_rates_are_those_of_the_rate_network():
    network = build("12-400-4", gain=0.7)
    x = inputs()
    found = network.run(x, window=network._window(3000, 2500)).rates[0]
    first, second = (e.coupling.weight.detach() for e in network.edges)
    hidden, outputs = found[0].clone(), found[1].clone()  # there may be more than one steady state
    for _ in range(2000):
        hidden += 0.05 * (network.neurons.rate(1 + x @ first.T + outputs @ second) - hidden)
        outputs += 0.05 * (network.neurons.rate(1 + hidden @ second.T) - outputs)
    assert float((found[0] - hidden).abs().mean()) < 0.03
    assert float((found[1] - outputs).abs().mean()) < 0.05
    assert float(outputs.std()) > 0.1


def test_windows_weigh_all_spikes_of_a_steady_train_alike():
    """A regular train is seen to have its rate, much more exactly with a tapered window than with a plain one."""
    errors = {}
    for taper in (0.0, 0.5, 1.0):
        network = build(phases=SpikingPhases(taper=taper))
        window = network._window(100, 60)
        assert window[:40].sum() == 0
        assert window.sum() == pytest.approx(network.neurons.held, rel=1e-5)
        seen = [window[start::7].sum() * 7 / network.neurons.held for start in range(7)]
        errors[taper] = np.std(seen)
        assert np.mean(seen) == pytest.approx(1, abs=1e-5)
    assert errors[0.5] < 0.2 * errors[0.0]


# -- chips, devices, counts --------------------------------------------------------------------------


def test_chips_with_equal_weights_do_the_same_however_many_there_are():
    one, many = build(), build(chips=3)
    x, target = inputs(), one.targets(torch.arange(5) % 4)
    alone = one.run(x, target, (2.0,), (0.5,))
    beside = many.run(x, target, (2.0,), (0.5,))
    for chip in range(3):
        for a, b in zip(alone.rates[1], beside.rates[1], strict=True):
            assert torch.equal(a, b[chip])
        for a, b in zip(alone.changes, beside.changes, strict=True):
            assert torch.equal(a, b[chip])
    assert many(x).shape == (3, 5, 4)
    assert torch.equal(many(x)[1], one(x)), "answers come with the same voltages every time"


def test_weights_are_the_same_both_ways_also_in_devices():
    circuit = circuits.catalogue["crossbar"](device=devices.get("pulsed:ecram"))
    network = build(circuit=circuit, chips=2)
    network.program_initial(generator_for(0, "chips"))
    up, down = network._weights(2)
    at = 0
    for e in network.edges[1:]:
        out, inside = e.coupling.weight.shape[-2:]
        part = slice(at, at + out * inside)
        assert np.array_equal(
            up[:, part].reshape(2, inside, out), down[:, part].reshape(2, out, inside).transpose(0, 2, 1)
        )
        at += out * inside


def test_counts_are_spikes_and_the_devices_they_read():
    circuit = circuits.catalogue["crossbar"](device=devices.get("pulsed:ecram"))
    network = build(circuit=circuit)
    network.program_initial(generator_for(0, "chips"))
    network(inputs())
    first, second, third = network.spikes
    events = network.inference_counts().events
    assert events["spike"] == pytest.approx(first + second + third)
    assert events["read"] == pytest.approx(12 * 16 + 8 * first + (16 + 4) * second + 8 * third)
    assert f"{first + second + third:.0f} spikes" in network.reading
    assert network.inference_counts(torch.zeros(2, 12)).events["spike"] != events["spike"]


# -- refusals ----------------------------------------------------------------------------------------


def test_bad_inputs_and_networks_are_refused_in_a_line():
    network = build(input_range=(0.0, 1.0))
    for x, message in (
        (torch.full((2, 12), 1.5), "inputs run from 1.5 to 1.5, outside of 0 to 1"),
        (torch.full((2, 12), -0.1), "outside of 0 to 1"),
        (torch.full((2, 12), math.nan), "NaN"),
        (torch.zeros(2, 11), "do not fit 12 input neurons"),
    ):
        with pytest.raises(ParameterError, match=message):
            network.check_input(x)
    with pytest.raises(ParameterError, match="needs a target"):
        network.run(inputs(), None, (1.0,))
    for spec, error, message in (
        ("12-6c3-4", StudyError, "dense layers only"),
        ("11-6-4", StudyError, "expects input 11"),
    ):
        with pytest.raises(error, match=message):
            build(spec)
    with pytest.raises(StudyError, match="analog couplings, not 'binary'"):
        build(kind="binary")
    with pytest.raises(RefusedError, match="same weights both ways"):
        SpikingEnergyNetwork([3, 2], [DenseCoupling(3, 2, tied=False)])
    with pytest.raises(RefusedError, match="binary=False"):
        SpikingEnergyNetwork([3, 2], [DenseCoupling(3, 2, binary=True)])
    with pytest.raises(ParameterError, match="need 2 couplings, not 1"):
        SpikingEnergyNetwork([3, 2, 2], [DenseCoupling(3, 2)])


def test_runaway_firing_stops_with_the_name_of_the_population():
    network = build()
    with torch.no_grad():
        network.biases[1].fill_(1000.0)
    with pytest.raises(DivergedError, match=r"hidden group 2: runaway firing, .* of the highest rate"):
        network(inputs())
    with torch.no_grad():
        network.biases[1].fill_(math.nan)
    with pytest.raises(DivergedError, match="no longer numbers"):
        network(inputs())


def test_a_silent_population_is_named_once():
    network = build()
    with torch.no_grad():
        network.biases[2].fill_(-5.0)
    with pytest.warns(ConvergenceWarning, match="outputs: no neuron has fired"):
        network(inputs())
    network(inputs())  # a second warning would be an error
