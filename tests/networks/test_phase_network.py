"""The phase network against closed forms: counters, soft read-out, order of frequencies, noise, chips, bad input."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.phase_network import PhaseNetwork, PhaseSettings
from nanoneurons.physics.phase_oscillators import slip

PLANE = torch.cartesian_prod(*[torch.linspace(-5, 5, 21, dtype=torch.float64)] * 2)


def isolated(natural, coupling=0.0, injection=0.0, **keywords):
    """A network with the given natural frequencies (MHz) and uniform strengths."""
    network = PhaseNetwork(2, len(natural), 2, coupling=coupling, injection=injection, **keywords)
    with torch.no_grad():
        network.natural.copy_(torch.tensor([natural], dtype=torch.float64))
    return network


def test_counters_count_cycles():
    network = isolated([-3.0, 0.5, 2.0])
    counts = network.counts(torch.zeros(1, 2))[0, 0]
    window, carrier = network.settings.window, network.settings.carrier
    for n, f in zip(counts.tolist(), (-3.0, 0.5, 2.0), strict=True):
        assert abs(n - (carrier + f * 1e6) * window) <= 1  # a cycle cut at either end


def test_a_pair_locks_below_twice_the_coupling():
    # couplings are strengths over 2 pi in MHz, so the pair's edge is a difference of 2 x 0.5 MHz
    for difference, locked in ((0.9, True), (1.5, False)):
        network = isolated([0.0, difference], coupling=0.5)
        assert bool(network.patterns(torch.zeros(1, 2))[0, 0, 0]) is locked


def test_soft_read_out_is_adlers():
    # one input, resonant with oscillator 1; the far second oscillator only gives a pair to read
    network = PhaseNetwork(1, 2, 1, coupling=0.0)
    with torch.no_grad():
        network.natural.copy_(torch.tensor([[0.0, 3.0]]))
        network.injection.copy_(torch.tensor([[[1.0], [0.0]]]))
    found = network(torch.tensor([[0.5], [1.5]]), window=16e-6)
    # oscillator 1 follows the tone inside its range and slips behind it outside
    rates = [0.5, 1.5 - float(slip(1.5, 1.0))]
    expected = [(rate - 3.0) * 6.4 for rate in rates]
    assert found.cycles[0, :, 0].tolist() == pytest.approx(expected, abs=0.4)  # one cut slip: 6.4 / 16 of a cycle


def test_soft_read_out_of_a_locked_pair():
    network = isolated([-0.25, 0.25], coupling=0.5)
    with torch.no_grad():
        found = network(torch.zeros(1, 2))
    assert float(found.order) == pytest.approx(1.0, abs=1e-3)  # settled within exp(-2 pi x 1.6)
    assert float(found.cycles) == pytest.approx(0.0, abs=0.01)
    assert float(found.aligned) == pytest.approx(math.sqrt(1 - 0.5**2), abs=1e-3)  # sin(phi) = 0.5 / (2 x 0.5)


def test_soft_and_hard_read_outs_agree():
    network = PhaseNetwork(2, 4, 2)
    with torch.no_grad():
        soft = network(PLANE).cycles.abs()
    hard = network.counts(PLANE)
    i, j = torch.tensor(network.pairs).T
    apart = (hard[..., i] - hard[..., j]).abs()
    assert float((soft - apart).abs().max()) < 2  # each of the two counts is off by less than a cycle


def test_patterns_of_the_original_scheme_are_contiguous():
    patterns = PhaseNetwork(2, 4, 2).patterns(PLANE)[0]
    pairs = PhaseNetwork(2, 4, 2).pairs
    for n, (i, j) in enumerate(pairs):
        for m in range(i + 1, j):
            inside = patterns[:, pairs.index((i, m))] & patterns[:, pairs.index((m, j))]
            assert (~patterns[:, n] | inside).all()


def test_patterns_do_not_depend_on_the_time_step():
    coarse, fine = (PhaseNetwork(2, 4, 2, settings=PhaseSettings(dt=dt)).patterns(PLANE) for dt in (32e-9, 8e-9))
    # points on a border may change sides
    assert (coarse == fine).all(-1).double().mean() > 0.99


def test_copies_are_independent():
    generator = torch.Generator().manual_seed(0)
    network = PhaseNetwork(2, 3, 2, copies=3)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.3 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    x = PLANE[::20]
    together = network.counts(x)
    for n in range(3):
        assert torch.equal(network.select(torch.tensor([n])).counts(x)[0], together[n])
    own = torch.stack([x, x + 0.5, x - 0.5])
    assert torch.equal(network.counts(own)[1], network.select(torch.tensor([1])).counts(x + 0.5)[0])


def test_state_dict_is_the_network():
    network = PhaseNetwork(2, 3, 2)
    assert set(network.state_dict()) == {"natural", "coupling", "injection", "input_matrix", "input_offset"}
    with torch.no_grad():
        network.natural += 0.7
    other = PhaseNetwork(2, 3, 2)
    other.load_state_dict(network.state_dict())
    assert torch.equal(other.counts(PLANE[:9]), network.counts(PLANE[:9]))


def test_noise_belongs_to_its_key_and_unlocks():
    network = isolated([-0.2, 0.2], coupling=0.5, diffusion=2e7)  # a linewidth of 6 MHz against a range of 1 MHz
    x = torch.zeros(50, 2)
    state = torch.get_rng_state()
    assert torch.equal(network.counts(x, key=3), network.counts(x, key=3))
    assert not torch.equal(network.counts(x, key=3), network.counts(x, key=4))
    assert torch.equal(torch.get_rng_state(), state)
    assert network.patterns(x, key=3).double().mean() < 0.5
    network.diffusion = 1e4  # 3 kHz
    assert network.patterns(x, key=3).all()


def test_fabricated_chips_spread():
    network = PhaseNetwork(2, 4, 2, copies=2)
    made = network.fabricated(2e5, 500, torch.Generator().manual_seed(1))
    assert made.copies == 1000
    error = made.natural.detach() - network.natural.detach().repeat_interleave(500, 0)
    # 4000 draws: relative standard error of a deviation 1 / sqrt(8000); four of them
    assert float(error.std()) == pytest.approx(0.2, rel=4 / math.sqrt(8000))
    assert torch.equal(made.injection, network.injection.repeat_interleave(500, 0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n: n.counts(torch.zeros(3, 5)), r"expected \(samples, 2\)"),
        (lambda n: n.counts(torch.zeros(2, 3, 2)), r"expected \(samples, 2\)"),
        (lambda n: n.counts(torch.tensor([[0.0, math.nan]])), r"index \[0, 1\] is not finite"),
        (lambda n: n.fabricated(-1.0, 3, torch.Generator()), "spread"),
        (lambda n: PhaseNetwork(2, 1), "core is too small"),
        (lambda n: PhaseNetwork(2, 3, diffusion=-1.0), "diffusion"),
        (lambda n: PhaseSettings(window=1e-9), "less than two steps"),
        (lambda n: PhaseSettings(threshold=0), "threshold"),
    ],
)
def test_bad_input_is_told(call, message):
    with pytest.raises(ParameterError, match=message):
        call(PhaseNetwork(2, 3))
