"""The time-multiplexed reservoir: recursion, memory, chips, noise, refusals, and the independence of batches."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import DataError, ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.networks import reservoir as rv

FIT = devices.get("spin-torque-oscillator:relaxation-fit")
REST = 0.2 * math.sqrt(3e-3)  # V


def make(channels=3, count=8, device=FIT, **changes):
    return rv.TimeMultiplexedReservoir(device, rv.draw_mask(channels, count, generator_for(0, "mask")), **changes)


def inputs(frames, channels=3, seed=0):
    return 2 * torch.rand(frames, channels, generator=generator_for(seed, "input"), dtype=torch.float64) - 1


def test_states_are_the_recursion_written_out():
    network = make(gain=0.3)
    x = inputs(5)
    a, v = math.exp(-100 / 410), REST
    want = []
    for frame in x.numpy():
        for column in network.mask.numpy().T:
            level = min(max(0.3 * float(frame @ column), -1.0), 1.0)
            v = a * v + (1 - a) * 0.2 * math.sqrt(max(7e-3 + 3e-3 * level - 4e-3, 0.0))
            want.append(v)
    np.testing.assert_allclose(network.states(x).numpy().ravel(), want, rtol=1e-12)  # rounding of 40 steps


def test_no_input_leaves_the_oscillator_at_rest():
    states = make().states(torch.zeros(4, 3, dtype=torch.float64))
    np.testing.assert_allclose(states.numpy(), REST, rtol=1e-13)


def test_memory_is_that_of_the_oscillator():
    # two inputs that differ in frame 0 only: the difference decays by exp(-theta/T) per node afterwards
    network = make(count=4, gain=0.2)
    a, b = inputs(3), inputs(3)
    b[0] = -b[0]
    difference = (network.states(a) - network.states(b))[1:].flatten()
    ratio = difference[1:] / difference[:-1]
    np.testing.assert_allclose(ratio.numpy(), math.exp(-100 / 410), rtol=1e-9)  # difference of close numbers
    forgetful = make(count=4, gain=0.2, node_time=1e-3)
    assert (forgetful.states(a) - forgetful.states(b))[1:].abs().max() == 0


def test_a_sequence_does_not_depend_on_those_beside_it(monkeypatch):
    network = make()
    sequences = [inputs(n, seed=n) for n in (7, 2, 5, 5, 1)]
    together = network.states(sequences)
    monkeypatch.setattr(rv, "_BATCH", 64)
    assert len(list(network.stream(sequences))) > 1
    split = network.states(sequences)
    for x, a, b in zip(sequences, together, split, strict=True):
        assert a.shape == (len(x), 8)
        torch.testing.assert_close(a, network.states(x), rtol=1e-14, atol=0)
        torch.testing.assert_close(b, a, rtol=1e-14, atol=0)


def test_scaled_to_fills_the_swing():
    sequences = [inputs(20), inputs(30, seed=1)]
    network = make().scaled_to(sequences)
    masked = torch.cat(sequences) @ network.mask * network.gain
    assert float(masked.abs().max()) == pytest.approx(1.0, rel=1e-14)
    masked = torch.cat(sequences) @ network.mask * make().scaled_to(sequences, share=0.9).gain
    assert float((masked.abs() <= 1).double().mean()) == pytest.approx(0.9, abs=1 / masked.numel())
    with pytest.raises(ParameterError, match="share = 0 "):
        make().scaled_to(sequences, share=0.0)
    with pytest.raises(DataError, match="zero"):
        make().scaled_to([torch.zeros(2, 3, dtype=torch.float64)])


@pytest.mark.parametrize(
    "name", ["spin-torque-oscillator:relaxation-fit", "spin-torque-oscillator", "vortex-oscillator"]
)
def test_chips_are_junctions_with_their_own_parameters(name):
    device = devices.get(name)
    settings = {"gain": 0.3, "direct_current": device.default_current, "swing": 0.1 * device.default_current}
    network = make(count=3, device=device, **settings).fabricated(3, generator_for(0, "junctions"))
    assert network.chips == 3
    sequences = [inputs(2), inputs(3, seed=1)]
    found = network.states(sequences)
    assert [tuple(s.shape) for s in found] == [(3, 2, 3), (3, 3, 3)]
    for chip in range(3):
        own = {n: v[chip : chip + 1] for n, v in network.junctions.items()}
        alone = dataclasses.replace(network, junctions=own).states(sequences)
        for mine, theirs in zip(found, alone, strict=True):
            # chips are integrated with a common step where there is no closed form
            torch.testing.assert_close(mine[chip], theirs[0], rtol=1e-4, atol=0)
    assert not torch.equal(found[0][0], found[0][1])


def test_a_device_without_a_closed_form_is_stepped(sample_module):
    device = sample_module("devices", "relaxing_oscillator").RelaxingOscillator()
    network = make(device=device, gain=0.3, swing=2e-3).fabricated(2, generator_for(0, "junctions"))
    threshold = network.junctions["threshold"].double()
    x = inputs(2)
    found = network.states(x)
    z = 7e-3 / threshold[:, 0]
    power = (z - 1) / (z + 2)
    for n, level in enumerate((x @ network.mask * 0.3).clamp(-1, 1).flatten().tolist()):
        z = (7e-3 + 2e-3 * level) / threshold[:, 0]
        gone = 1 - (-100e-9 * 2e6 * (z - 1).abs()).exp()
        power = power + gone * (((z - 1) / (z + 2)).clamp_min(0) - power)
        # single precision of the sample
        torch.testing.assert_close(found.flatten(1)[:, n], 0.01 * power.sqrt(), rtol=1e-5, atol=0)


def test_noise_follows_the_generator_and_leaves_the_global_one_alone():
    network = make()
    before = torch.random.get_rng_state()
    x = inputs(5)
    first = network.states(x, generator_for(1, "noise"))
    assert torch.equal(first, network.states(x, generator_for(1, "noise")))
    assert not torch.equal(first, network.states(x, generator_for(2, "noise")))
    assert torch.equal(network.states(x), network.states(x))
    assert torch.equal(torch.random.get_rng_state(), before)
    quiet, still = network.states(x), torch.zeros(20_000, 3, dtype=torch.float64)
    assert not torch.equal(first, quiet)
    # 1.6e5 values correlated over 8 intervals, 2e4 independent ones; 4 sigma
    spread = float(network.states(still, generator_for(1, "noise")).std())
    assert spread == pytest.approx(FIT.amplitude_noise * FIT.voltage_scale, rel=0.02)


@pytest.mark.parametrize("kind", rv.MASKS)
def test_masks(kind):
    mask = rv.draw_mask(40, 500, generator_for(0, kind), kind)
    assert mask.shape == (40, 500) and mask.dtype == torch.float64
    assert abs(float(mask.mean())) < 4 / math.sqrt(mask.numel())  # 4 standard errors of values of size 1 at most
    want = {"binary": 1.0, "uniform": 1 / math.sqrt(3), "normal": 1.0}[kind]
    assert float(mask.std()) == pytest.approx(want, rel=0.03)
    if kind == "binary":
        assert set(mask.unique().tolist()) == {-1.0, 1.0}


def test_a_current_beyond_breakdown_is_refused_in_one_line():
    with pytest.raises(RefusedError, match="reaches 13 mA, beyond the breakdown at 12 mA") as error:
        make(swing=6e-3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_time": 0.0}, "node_time"),
        ({"swing": float("nan")}, "swing"),
        ({"gain": -1.0}, "gain"),
        ({"direct_current": float("inf")}, "direct_current"),
        ({"mask": torch.zeros(3)}, "channels, nodes"),
        ({"mask": torch.full((3, 2), float("nan"))}, "not finite"),
    ],
)
def test_bad_settings_are_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        dataclasses.replace(make(), **change)


def test_bad_inputs_are_refused():
    network = make()
    with pytest.raises(ParameterError, match="does not settle at 4 mA"):
        make(device=devices.get("spin-torque-oscillator"), direct_current=4e-3).states(inputs(2))
    bad = inputs(4)
    bad[2, 1] = float("nan")
    for sequences, message in (
        ([inputs(4), bad], "sequence 1 .* frame 2"),
        ([inputs(4, channels=2)], r"takes \(frames, 3\)"),
        ([inputs(4)[:0]], "sequence 0"),
        ([], "no sequence"),
    ):
        with pytest.raises(DataError, match=message):
            network.states(sequences)
    with pytest.raises(ParameterError, match="mask 'gauss'"):
        rv.draw_mask(2, 2, generator_for(0), "gauss")
    with pytest.raises(ParameterError, match="at least one"):
        rv.draw_mask(0, 2, generator_for(0))
