"""Phases of dense networks: the fast steps move as the general ones do."""

import math

import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.layers.activation import ACTIVATIONS, activation, logistic, softmax
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.networks._dense_phase import DensePhase, parted, parted_product, suits
from nanoneurons.networks._phases import Clamped, Phase
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import Edge, EnergyNetwork

BATCH = 5


def chain(spec="12-9-7-4", **more):
    net = build_energy(spec, shape=(12,), classes=4, bias_start="uniform", seed=3, **more).double()
    net.dtype = torch.float64
    return net


def begun(net, *, imaginary=False):
    draw = generator_for(0, "phases")
    x = torch.rand(BATCH, 12, generator=draw, dtype=torch.float64)
    clamped = net.clamp(x)
    states = [torch.rand(s.shape, generator=draw, dtype=torch.float64) for s in net.start(clamped)]
    if imaginary:
        states = [torch.complex(s, 0.1 * s.flip(-1)) for s in states]
    return clamped, states, net.targets(torch.arange(BATCH) % 4)


@torch.no_grad()
def both_ways(net, beta=None, steps=6, imaginary=False):
    """States after some steps, the fast way and the general way."""
    clamped, states, target = begun(net, imaginary=imaginary)
    assert suits(net, states)
    given = [s.clone() for s in states]
    ends = []
    for kind in (DensePhase, Phase):
        phase = kind(net, clamped, states, beta, None if beta is None else target)
        for _ in range(steps):
            phase.step()
        ends.append((phase.states, float(phase.moved())))
    for s, before in zip(states, given, strict=True):
        assert torch.equal(s, before), "the states given stay as they are"
    return ends


def same(ends):
    (fast, moved), (slow, also_moved) = ends
    assert moved == pytest.approx(also_moved, rel=1e-9)
    for a, b in zip(fast, slow, strict=True):
        assert a.dtype == b.dtype
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("order", ["synchronous", "alternating"])
@pytest.mark.parametrize("setting", ["prototypical", "leaky"])
def test_free_phases_are_the_same(name, order, setting):
    dynamics = Dynamics(setting=setting, activation=name, step=0.3 if setting == "leaky" else 1.0)
    same(both_ways(chain(dynamics=dynamics, relaxation=Relaxation(order=order))))


@pytest.mark.parametrize("name", ["hard-sigmoid", "half-hard-sigmoid", "sigmoid"])
@pytest.mark.parametrize("nudge", ["inside", "outside"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"step": 0.4},
        {"output": "linear", "force": 2.0},
        {"clip": False},
        {"setting": "leaky", "step": 0.5},
        {"setting": "leaky", "step": 0.5, "clip": False},
    ],
)
def test_nudged_phases_are_the_same(name, nudge, more):
    net = chain(dynamics=Dynamics(activation=name, nudge=nudge, **more))
    same(both_ways(net, beta=0.7))
    same(both_ways(net, beta=torch.linspace(-1, 1, BATCH, dtype=torch.float64).unsqueeze(-1)))


@pytest.mark.parametrize("name", [a.name for a in ACTIVATIONS.values() if a.holomorphic])
@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
def test_complex_phases_are_the_same(name, cost):
    net = chain(dynamics=Dynamics(activation=name), cost=cost)
    turns = torch.exp(2j * math.pi * torch.arange(BATCH) / BATCH).to(torch.complex128)
    same(both_ways(net, beta=0.3 * turns.unsqueeze(-1), imaginary=True))
    same(both_ways(net, beta=0.2 + 0.1j, imaginary=True))


@pytest.mark.parametrize(
    "more", [{"cost": "cross-entropy"}, {"tied": False}, {"binary": True}, {"replicas": 3}, {"spec": "12-4"}]
)
def test_every_kind_of_network_moves_the_same(more):
    same(both_ways(chain(**more), beta=0.5))
    same(both_ways(chain(**more)))


def test_chips_and_skips_move_the_same():
    same(both_ways(chain(chips=3), beta=0.5))
    shapes = [(12,), (8,), (6,), (4,)]
    joined = [(0, 1), (1, 2), (2, 3), (1, 3), (0, 2)]
    edges = [Edge(i, j, DenseCoupling(shapes[i][0], shapes[j][0], seed=k)) for k, (i, j) in enumerate(joined)]
    for order in ("synchronous", "alternating"):
        net = EnergyNetwork(shapes, edges, relaxation=Relaxation(order=order)).double()
        net.dtype = torch.float64
        same(both_ways(net, beta=0.5))


def test_noise_is_the_same_and_as_strong_as_told():
    """In the last group alone, from a linear neuron without inputs, the noise itself is seen."""
    for common in (False, True):
        dynamics = Dynamics(activation="linear", noise=0.3, common_noise=common, clip=False)
        net = chain("12-4", dynamics=dynamics)
        ends = []
        for kind in (DensePhase, Phase):
            net.generator, net.streams = generator_for(1, "noise"), {}
            with torch.no_grad():
                clamped, states, _ = begun(net)
                phase = kind(net, clamped, states, None, None)
                phase.step()
                ends.append(phase.states[0] - clamped.fields[1])
        torch.testing.assert_close(*ends)
        assert torch.allclose(ends[0], ends[0][:1]) == common
    wide = chain("12-4", dynamics=Dynamics(activation="linear", noise=0.3))
    with torch.no_grad():
        noise = torch.stack([wide.neuron_noise(1, Clamped(torch.zeros(1000, 12), [], 1000)) for _ in range(10)])
    assert float(noise.std()) == pytest.approx(1, abs=4 / math.sqrt(2 * noise.numel()))


def test_common_noise_differs_between_phases_side_by_side():
    """Noise common to a mini-batch must not be common to its two nudgings, or it would cancel in their difference."""
    net = chain(dynamics=Dynamics(noise=0.1, common_noise=True))
    side_by_side = Clamped(torch.zeros(3 * BATCH, 12), [], 3 * BATCH, copies=3)
    noise = net.neuron_noise(2, side_by_side).view(3, BATCH, -1)
    assert (noise == noise[:, :1]).all()
    assert not torch.isclose(noise[0], noise[1]).any()


@torch.no_grad()
@pytest.mark.parametrize("chips", [None, 2])
def test_real_and_complex_nudgings_side_by_side_are_those_alone(chips):
    net = chain(dynamics=Dynamics(activation="sigmoid"), chips=chips)
    clamped, states, target = begun(net)
    betas = [0.4, 0.2 + 0.3j, -0.4, 0.1j]
    together = net.nudge(clamped, states, target, betas)
    for beta, found in zip(betas, together, strict=True):
        alone = net.relax(clamped, states, beta=beta, target=target).states
        for a, b in zip(found, alone, strict=True):
            assert a.is_complex() == isinstance(beta, complex)
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_what_the_fast_steps_leave_to_the_general_ones():
    image = build_energy("1x8x8-2c3-mp2-4", shape=(1, 8, 8), classes=4)
    with torch.no_grad():
        assert not suits(image, [])
        assert suits(chain(), [])
    assert not suits(chain(), []), "with gradients wanted"


def test_gradients_still_flow_through_a_phase():
    net = chain(dynamics=Dynamics(activation="sigmoid"))
    clamped, states, _ = begun(net)
    net.relax(clamped, states, steps=3).states[-1].sum().backward()
    assert all(float(e.coupling.weight.grad.abs().sum()) > 0 for e in net.edges)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_base_scale_and_shift_are_the_function(name):
    rho = activation(name)
    x = torch.linspace(-3, 3, 61, dtype=torch.float64)
    torch.testing.assert_close(rho.base(rho.scale * x + rho.shift), rho.function(x.clone()))


def test_complex_logistic_and_softmax():
    z = torch.complex(torch.linspace(-30, 30, 61).double().repeat(5), torch.linspace(-4, 4, 305).double())
    torch.testing.assert_close(logistic(z), 1 / (1 + torch.exp(-z)))
    torch.testing.assert_close(logistic(z.real), torch.sigmoid(z.real))
    far = logistic(torch.tensor([-1e4 + 1j, 1e4 + 1j], dtype=torch.complex64))
    torch.testing.assert_close(far.abs(), torch.tensor([0.0, 1.0]))
    powers = torch.exp(z[:6].view(2, 3))
    torch.testing.assert_close(softmax(z[:6].view(2, 3)), powers / powers.sum(-1, keepdim=True))
    torch.testing.assert_close(softmax(z.real.view(-1, 5)), torch.softmax(z.real.view(-1, 5), -1))


def test_products_in_parts_are_the_whole_product():
    draw = generator_for(0, "parts")
    x = torch.rand(3, BATCH, 1024, generator=draw, dtype=torch.float64)
    w = torch.rand(3, 6, 1024, generator=draw, dtype=torch.float64)
    parts = parted(w.transpose(-2, -1))
    assert parts.shape == (3, 4, 256, 6)
    torch.testing.assert_close(parted_product(x, parts), x @ w.transpose(-2, -1), rtol=1e-13, atol=1e-12)


def test_a_phase_with_products_in_parts_moves_as_without(monkeypatch):
    """The choice is for accelerators; forced here, with rows that are cut into parts of 256."""
    from nanoneurons.networks import _dense_phase

    net = build_energy("12-512-4", shape=(12,), classes=4, chips=2, bias_start="uniform").double()
    net.dtype = torch.float64
    plain, _ = both_ways(net, beta=0.3)
    monkeypatch.setattr(_dense_phase, "_arranged", lambda m: parted(m) if m.shape[-2] == 512 else m)
    cut, general = both_ways(net, beta=0.3)
    for a, b, c in zip(plain[0], cut[0], general[0], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(b, c, rtol=1e-12, atol=1e-13)
