"""Energy networks: fields are derivatives of Phi, in any topology; phases settle, keep nothing, and refuse nonsense."""

import copy
import gc

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import circuits, devices
from nanoneurons.core.errors import DivergedError, ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.layers.coupling_conv import ConvCoupling
from nanoneurons.networks import Dynamics, Relaxation, build_energy
from nanoneurons.networks._relaxing import _Run
from nanoneurons.networks.energy_network import Edge, EnergyNetwork


def double(network):
    network = network.double()
    network.dtype = torch.float64
    return network


def drawn(network, batch=3, seed=0):
    """Inputs and states of all groups, uniform in 0 to 1."""
    g = generator_for(seed, "drawn")
    lead = (batch,) if network.chips is None else (network.chips, batch)
    x = torch.rand(batch, *network.shapes[0], generator=g, dtype=torch.float64)
    return x, [torch.rand(*lead, *s, generator=g, dtype=torch.float64) for s in network.shapes[1:]]


def check_fields(network, seed=0):
    """Every field against autograd of Phi by the state of its group."""
    double(network)
    x, states = drawn(network, seed=seed)
    leaves = [s.clone().requires_grad_() for s in states]
    wanted = torch.autograd.grad(network.phi(network.clamp(x), leaves).sum(), leaves)
    with torch.no_grad():
        clamped = network.clamp(x)
        run = _Run([clamped.x, *states])
        for n in reversed(range(1, network.last + 1)):
            torch.testing.assert_close(network._field(n, clamped, run), wanted[n - 1], rtol=1e-12, atol=1e-12)


@st.composite
def topologies(draw):
    """Sizes of groups, and couplings: to every group one from an earlier group, and any others."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=2, max_size=6))
    pairs = [(i, j) for j in range(1, len(sizes)) for i in range(j)]
    needed = {(draw(st.integers(0, j - 1)), j) for j in range(1, len(sizes))}
    return sizes, sorted(needed | set(draw(st.lists(st.sampled_from(pairs), max_size=8))))


def joined(sizes, pairs, **more):
    chips = more.get("chips")
    edges = [
        Edge(i, j, DenseCoupling(sizes[i], sizes[j], seed=k, chips=chips, gain=0.5)) for k, (i, j) in enumerate(pairs)
    ]
    return EnergyNetwork([(n,) for n in sizes], edges, bias_start="uniform", **more)


@settings(max_examples=40, deadline=None)
@given(topologies(), st.sampled_from([None, 2]), st.integers(0, 99))
def test_fields_are_derivatives_of_phi_in_any_topology(topology, chips, seed):
    check_fields(joined(*topology, chips=chips), seed)


@settings(max_examples=25, deadline=None)
@given(topologies())
def test_groups_that_move_together_share_no_coupling(topology):
    network = joined(*topology)
    assert sorted(n for group in network.groups for n in group) == list(range(1, network.last + 1))
    for group in network.groups:
        for e in network.edges:
            assert not (e.source in group and e.target in group)


@settings(max_examples=15, deadline=None)
@given(topologies(), st.sampled_from(["hard-sigmoid", "sigmoid"]), st.integers(0, 99))
def test_both_orders_reach_the_same_stationary_state(topology, name, seed):
    """With weights small enough for a single one."""
    ends = []
    for order in ("synchronous", "alternating"):
        made = double(
            joined(*topology, dynamics=Dynamics(activation=name), relaxation=Relaxation(2000, 1, order, 1e-13))
        )
        with torch.no_grad():
            for coupling in made.couplings:
                coupling.weight.mul_(0.1)
        x, _ = drawn(made, seed=seed)
        with torch.no_grad():
            ends.append(made.relax(x).states)
    for a, b in zip(*ends, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)


@pytest.mark.parametrize("pooling", ["max", "mean", "softmax"])
@pytest.mark.parametrize("spec", ["1x10x10-3c3-mp2-4c3-mp2-7", "1x9x9-3c3-mp2-7", "1x9x9-3c3-4c3-mp2-5-7"])
def test_fields_of_convolutional_networks(spec, pooling):
    side = int(spec.split("x")[1])
    check_fields(build_energy(spec, shape=(1, side, side), classes=7, pooling=pooling, bias_start="uniform", padding=1))


def test_fields_with_a_skip_past_a_convolution():
    couplings = [ConvCoupling(1, 2, 3, 1, 2, seed=1), DenseCoupling(2 * 4 * 4, 6, seed=2), DenseCoupling(6, 5, seed=3)]
    couplings += [DenseCoupling(2 * 4 * 4, 5, seed=4), DenseCoupling(64, 6, seed=5)]
    ends = [(0, 1), (1, 2), (2, 3), (1, 3), (0, 2)]
    edges = [Edge(i, j, c) for (i, j), c in zip(ends, couplings, strict=True)]
    check_fields(EnergyNetwork([(1, 8, 8), (2, 4, 4), (6,), (5,)], edges, bias_start="uniform"))


@torch.no_grad()
def test_complex_fields_are_those_of_the_parts():
    network = double(build_energy("8-6-5-4", shape=(8,), classes=4, bias_start="uniform"))
    x, real = drawn(network)
    _, imaginary = drawn(network, seed=1)
    clamped = network.clamp(x)
    whole = _Run([clamped.x, *(torch.complex(a, b) for a, b in zip(real, imaginary, strict=True))])
    parts = [_Run([clamped.x, *part]) for part in (real, imaginary)]
    for n in range(1, 4):
        field = network._field(n, clamped, whole)
        a, b = (network._field(n, clamped, part) for part in parts)
        torch.testing.assert_close(field.real, a)
        torch.testing.assert_close(field.imag, b - clamped.fields[n])  # what is held enters once


@torch.no_grad()
def test_a_complex_nudging_of_a_linear_network_is_linear_in_it():
    """Real part as nudged by the real part alone: outputs of linear neurons are affine in a small beta."""
    network = double(build_energy("8-6-4", shape=(8,), classes=4, dynamics=Dynamics(activation="linear", step=0.3)))
    x, _ = drawn(network)
    target = network.targets(torch.tensor([0, 1, 2]))
    clamped = network.clamp(x)
    free = network.relax(clamped, steps=400).states
    small = 1e-4
    turned = network.relax(clamped, free, beta=small * 1j, target=target, steps=50).states[-1]
    straight = network.relax(clamped, free, beta=small, target=target, steps=50).states[-1]
    torch.testing.assert_close(turned.imag, straight - free[-1], rtol=1e-3, atol=1e-12)


@torch.no_grad()
def test_chips_side_by_side_are_single_networks():
    network = joined([7, 5, 4, 3], [(0, 1), (1, 2), (2, 3), (1, 3)], chips=3, relaxation=Relaxation(9, 5))
    g = generator_for(3, "chips")
    for p in network.parameters():
        p.copy_(torch.rand(p.shape, generator=g) - 0.5)
    x, target = torch.rand(4, 7, generator=g), network.targets(torch.tensor([0, 1, 2, 0]))
    clamped = network.clamp(x)
    free = network.relax(clamped)
    nudged = network.nudge(clamped, free.states, target, [0.5, -0.5])
    for k in range(3):
        one = joined([7, 5, 4, 3], [(0, 1), (1, 2), (2, 3), (1, 3)], relaxation=Relaxation(9, 5))
        for p, q in zip(one.parameters(), network.parameters(), strict=True):
            p.copy_(q[k])
        mine = one.relax(x)
        for a, b in zip(mine.states, free.states, strict=True):
            torch.testing.assert_close(a, b[k])
        for p, q in zip(one.nudge(one.clamp(x), mine.states, target, [0.5, -0.5]), nudged, strict=True):
            for a, b in zip(p, q, strict=True):
                torch.testing.assert_close(a, b[k])
        torch.testing.assert_close(one.outputs(mine.states), network.outputs(free.states)[k])
        torch.testing.assert_close(one.phi(one.clamp(x), mine.states), network.phi(clamped, free.states)[k])


@torch.no_grad()
@pytest.mark.parametrize("spec", ["8-6-5-4", "1x8x8-3c3-mp2-4"])
@pytest.mark.parametrize("batch", [1, 3])
def test_nudgings_side_by_side_are_single_phases(spec, batch):
    shape = (8,) if spec[0] == "8" else (1, 8, 8)
    network = double(build_energy(spec, shape=shape, classes=4, dynamics=Dynamics(activation="sigmoid")))
    x, _ = drawn(network, batch)
    target = network.targets(torch.arange(batch) % 4)
    clamped = network.clamp(x)
    free = network.relax(clamped).states
    kept = [s.clone() for s in free]
    betas = [0.3, -0.2, 0.1 + 0.2j] if spec[0] == "8" else [0.3, -0.2]
    for states, beta in zip(network.nudge(clamped, free, target, betas), betas, strict=True):
        alone = network.relax(clamped, free, beta=beta, target=target).states
        for a, b in zip(states, alone, strict=True):
            torch.testing.assert_close(a, b.to(a.dtype))
    assert all(torch.equal(a, b) for a, b in zip(free, kept, strict=True))


@torch.no_grad()
def test_the_input_is_projected_once():
    network = build_energy("8-6-4", shape=(8,), classes=4)
    calls = []
    first = network.edges[0].coupling
    up = first.up
    first.up = lambda a, onto=None: calls.append(1) or up(a, onto)
    clamped = network.clamp(torch.rand(3, 8, generator=generator_for(0, "x")))
    target = network.targets(torch.tensor([0, 1, 2]))
    free = network.relax(clamped, steps=30).states
    network.nudge(clamped, free, target, [0.5, -0.5], steps=20)
    assert len(calls) == 1


def test_no_graph_is_kept_so_memory_does_not_grow_with_the_steps():
    network = build_energy("8-6-4", shape=(8,), classes=4)
    x = torch.rand(3, 8, generator=generator_for(0, "x"))

    def tensors():
        gc.collect()
        return sum(issubclass(type(o), torch.Tensor) for o in gc.get_objects())

    with torch.no_grad():
        counts = []
        for steps in (3, 300):
            states = network.relax(x, steps=steps).states
            assert all(s.grad_fn is None for s in states)
            counts.append(tensors())
    assert counts[0] == counts[1]
    assert network.relax(x, steps=3).states[-1].grad_fn is not None, "with gradients wanted, they flow through a phase"


@torch.no_grad()
def test_a_tolerance_stops_a_phase_once_nothing_moves_by_more():
    network = double(build_energy("8-6-4", shape=(8,), classes=4, gain=1.5, dynamics=Dynamics("leaky", step=0.3)))
    x, _ = drawn(network)
    stopped = network.relax(x, steps=5000, tolerance=1e-9)
    assert stopped.residual < 1e-9
    assert 10 < stopped.steps < 5000
    full = network.relax(x, steps=stopped.steps, measure=True)
    assert (full.residual, full.steps) == (stopped.residual, stopped.steps)
    assert all(torch.equal(a, b) for a, b in zip(full.states, stopped.states, strict=True))
    assert network.relax(x, steps=stopped.steps - 1, measure=True).residual >= 1e-9
    assert network.relax(x, steps=5).residual is None


@torch.no_grad()
def test_targets_and_outputs_of_replicated_outputs():
    network = build_energy("8-6-4", shape=(8,), classes=4, replicas=3)
    labels = torch.tensor([2, 0])
    target = network.targets(labels)
    assert target.shape == (2, 12)
    assert target[0].tolist() == [0] * 6 + [1] * 3 + [0] * 3
    assert torch.equal(network.outputs([torch.zeros(2, 6), target]), network.targets(labels).view(2, 4, 3).mean(-1))
    assert network.outputs([torch.zeros(2, 6), target]).argmax(-1).tolist() == [2, 0]
    with pytest.raises(ParameterError, match="cannot code"):
        EnergyNetwork([(3,), (10,)], [Edge(0, 1, DenseCoupling(3, 10))], classes=4)


def test_untied_couplings_have_no_energy():
    network = build_energy("8-6-4", shape=(8,), classes=4, tied=False)
    with pytest.raises(RefusedError, match="same weights both ways"):
        network.require_symmetric()


def test_weights_and_biases_go_to_devices():
    circuit = circuits.catalogue["crossbar"](device=devices.get("ideal")).only()
    software = build_energy("8-6-4", shape=(8,), classes=4, seed=1, bias_start="uniform")
    chips = build_energy("8-6-4", shape=(8,), classes=4, seed=2, circuit=circuit, chips=2)
    chips.fabricate(generator_for(0, "chips"))
    chips.program(software, generator_for(0, "program"))
    for a, b in zip(chips.couplings, software.couplings, strict=True):
        torch.testing.assert_close(a.weight.detach(), b.weight.detach().expand(2, -1, -1), atol=2e-3, rtol=0)
    for a, b in zip(chips.biases, software.biases, strict=True):
        assert torch.equal(a.detach(), b.detach().expand_as(a))
    initial = [c.weight.detach().clone() for c in build_energy("8-6-4", shape=(8,), classes=4, seed=2).couplings]
    fresh = build_energy("8-6-4", shape=(8,), classes=4, seed=2, circuit=circuit, chips=2)
    fresh.program_initial(generator_for(0, "chips"))
    for a, b in zip(fresh.couplings, initial, strict=True):
        torch.testing.assert_close(a.weight.detach(), b.expand(2, -1, -1), atol=2e-3, rtol=0)


@torch.no_grad()
def test_a_copy_of_a_network_answers_alike():
    network = build_energy("8-6-4", shape=(8,), classes=4, seed=1)
    x = torch.rand(3, 8, generator=generator_for(0, "x"))
    assert torch.equal(network(x), copy.deepcopy(network)(x))
    other = build_energy("8-6-4", shape=(8,), classes=4, seed=2)
    other.load_state_dict(network.state_dict())
    assert torch.equal(network(x), other(x))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.full((2, 8), float("nan")), "NaN"),
        (torch.full((2, 8), float("inf")), "NaN or infinite"),
        (torch.full((2, 8), 255.0), "255"),
        (torch.zeros(2, 9), "8 input neurons"),
        (torch.zeros(8), "shape"),
    ],
)
def test_inputs_that_cannot_be(x, message):
    network = build_energy("8-6-4", shape=(8,), classes=4)
    with pytest.raises(ParameterError, match=message):
        network.check_input(x)


@torch.no_grad()
def test_answers_are_refused_for_inputs_that_are_no_numbers():
    with pytest.raises(ParameterError, match="NaN"):
        build_energy("8-6-4", shape=(8,), classes=4)(torch.full((2, 8), float("nan")))


@torch.no_grad()
def test_divergence_names_group_and_step():
    network = build_energy("8-6-4", shape=(8,), classes=4, dynamics=Dynamics(activation="linear"), gain=1e15)
    x = torch.rand(2, 8, generator=generator_for(0, "x"))
    with pytest.raises(DivergedError, match=r"group [12] diverged at step \d+ of the free phase"):
        network.relax(x, steps=40)
    with pytest.raises(DivergedError, match="nudged phase"):
        network.relax(x, beta=0.5, target=network.targets(torch.tensor([0, 1])), steps=40)
    with pytest.raises(ParameterError, match="needs a target"):
        network.relax(x, beta=0.5)


def test_networks_that_cannot_be():
    dense = DenseCoupling(8, 6)
    for shapes, edges, message in (
        ([(8,)], [], "at least one group"),
        ([(8,), (6,)], [Edge(1, 0, dense)], "earlier group to a later"),
        ([(8,), (6,)], [Edge(1, 1, dense)], "earlier group to a later"),
        ([(8,), (7,)], [Edge(0, 1, dense)], "does not fit"),
        ([(8,), (6,), (4,)], [Edge(0, 1, dense)], "group 2 has no coupling"),
        ([(8,), (6,)], [Edge(0, 1, DenseCoupling(8, 6, chips=2))], "chips=2"),
        ([(1, 8, 8), (2, 8, 8)], [Edge(0, 1, ConvCoupling(1, 2, 3))], "gives"),
        ([(8,), (2, 6, 6)], [Edge(0, 1, ConvCoupling(1, 2, 3))], "does not fit"),
    ):
        with pytest.raises(ParameterError, match=message):
            EnergyNetwork(shapes, edges)
    with pytest.raises(ParameterError, match="number of classes"):
        EnergyNetwork([(8,), (6,)], [Edge(0, 1, dense)], cost="cross-entropy")
    with pytest.raises(ParameterError, match="cost must be"):
        EnergyNetwork([(8,), (6,)], [Edge(0, 1, dense)], cost="hinge")
