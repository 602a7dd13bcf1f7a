"""The time-multiplexed reservoir: recursion, memory, chips, noise, refusals, and the independence of batches."""

import dataclasses
import math
from functools import partial

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import DataError, ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.networks import nodes
from nanoneurons.networks import reservoir as rv
from nanoneurons.physics import relaxation

LAW = partial(relaxation.amplitude_fit, threshold=4e-3, scale=0.2)
NODE = nodes.RelaxingNode(LAW, 410e-9)


def make(channels=3, count=8, node=NODE, **changes):
    return rv.TimeMultiplexedReservoir(node, rv.draw_mask(channels, count, generator_for(0, "mask")), **changes)


def inputs(frames, channels=3, seed=0):
    return 2 * torch.rand(frames, channels, generator=generator_for(seed, "input"), dtype=torch.float64) - 1


def test_states_are_the_recursion_written_out():
    network = make(gain=0.3)
    x = inputs(5)
    a, v = math.exp(-100 / 410), 0.2 * math.sqrt(3e-3)
    want = []
    for frame in x.numpy():
        for column in network.mask.numpy().T:
            level = min(max(0.3 * float(frame @ column), -1.0), 1.0)
            v = a * v + (1 - a) * 0.2 * math.sqrt(max(7e-3 + 3e-3 * level - 4e-3, 0.0))
            want.append(v)
    np.testing.assert_allclose(network.states(x).numpy().ravel(), want, rtol=1e-13)  # rounding of 40 steps


def test_no_input_leaves_the_oscillator_at_rest():
    states = make().states(torch.zeros(4, 3, dtype=torch.float64))
    np.testing.assert_allclose(states.numpy(), 0.2 * math.sqrt(3e-3), rtol=1e-14)


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
    with pytest.raises(DataError, match="zero"):
        make().scaled_to([torch.zeros(2, 3, dtype=torch.float64)])


def test_chips_are_junctions_with_their_own_parameters():
    threshold = torch.tensor([[3.8e-3], [4.0e-3], [4.2e-3]], dtype=torch.float64)
    time = torch.tensor([[300e-9], [410e-9], [500e-9]], dtype=torch.float64)
    node = nodes.RelaxingNode(partial(relaxation.amplitude_fit, threshold=threshold, scale=0.2), time, chips=3)
    sequences = [inputs(4), inputs(6, seed=1)]
    found = make(node=node, gain=0.3).states(sequences)
    assert [tuple(s.shape) for s in found] == [(3, 4, 8), (3, 6, 8)]
    for chip in range(3):
        law = partial(relaxation.amplitude_fit, threshold=float(threshold[chip]), scale=0.2)
        alone = make(node=nodes.RelaxingNode(law, float(time[chip])), gain=0.3).states(sequences)
        for mine, theirs in zip(found, alone, strict=True):
            torch.testing.assert_close(mine[chip], theirs, rtol=1e-13, atol=0)


def test_noise_has_the_size_and_the_memory_it_declares():
    node = dataclasses.replace(NODE, noise=2e-4)
    still = torch.zeros(20_000, 1, dtype=torch.float64)
    network = make(channels=1, count=10, node=node)
    quiet = network.states(still)
    noise = (network.states(still, generator_for(3, "noise")) - quiet).flatten()[100:]
    # 2e5 samples correlated over 4 steps: 4e4 independent ones, so the s.d. is known to 0.35 %; 4 sigma
    assert float(noise.std()) == pytest.approx(2e-4, rel=0.015)
    lag = float((noise[1:] * noise[:-1]).mean() / noise.var())
    assert lag == pytest.approx(math.exp(-100 / 410), abs=0.01)
    read = make(channels=1, count=10, read_noise=2e-4)
    white = (read.states(still, generator_for(3, "noise")) - quiet).flatten()
    assert float(white.std()) == pytest.approx(2e-4, rel=0.007)
    assert abs(float((white[1:] * white[:-1]).mean() / white.var())) < 0.01


def test_noise_repeats_with_its_generator_and_leaves_the_global_one_alone():
    network = make(read_noise=1e-4)
    before = torch.random.get_rng_state()
    x = inputs(5)
    first = network.states(x, generator_for(1, "noise"))
    assert torch.equal(first, network.states(x, generator_for(1, "noise")))
    assert not torch.equal(first, network.states(x, generator_for(2, "noise")))
    assert torch.equal(network.states(x), network.states(x))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_noise_of_a_chip_does_not_depend_on_the_number_of_chips():
    law = NODE.law
    few, many = (nodes.RelaxingNode(law, 410e-9, noise=1e-4, chips=n) for n in (1, 3))
    x = inputs(5)
    a = make(node=few, read_noise=1e-4).states(x, generator_for(1, "noise"))
    b = make(node=many, read_noise=1e-4).states(x, generator_for(1, "noise"))
    torch.testing.assert_close(b[:1], a, rtol=1e-14, atol=0)


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
    node = dataclasses.replace(NODE, breakdown=9e-3)
    with pytest.raises(RefusedError, match="reaches 10 mA, beyond the breakdown at 9 mA") as error:
        make(node=node)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"node_time": 0.0}, "node_time"),
        ({"swing": float("nan")}, "swing"),
        ({"gain": -1.0}, "gain"),
        ({"read_noise": -1e-3}, "read_noise"),
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
