"""Convolutions that work both ways: fields and correlations against autograd, precision, and the work they cost."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.layers.coupling import contrast
from nanoneurons.layers.coupling_conv import ConvCoupling
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy


def made(side=9, pool=2, pooling="max", padding=1, kernel=3, batch=3, gain=1.0):
    coupling = ConvCoupling(2, 4, kernel, padding, pool, pooling, seed=1, gain=gain).double()
    shape = coupling.target_shape((2, side, side))
    draw = torch.Generator().manual_seed(side + pool)
    a = torch.rand(batch, 2, side, side, generator=draw, dtype=torch.float64)
    b = torch.rand(batch, *shape, generator=draw, dtype=torch.float64)
    coupling.prepare()
    return coupling, a, b


@settings(max_examples=40, deadline=None)
@given(
    st.integers(5, 11), st.integers(1, 3), st.sampled_from(["max", "mean", "softmax"]), st.integers(0, 2),
    st.sampled_from([1, 3, 4]),
)  # fmt: skip
def test_fields_and_correlations_are_derivatives(side, pool, pooling, padding, kernel):
    if (side + 2 * padding - kernel + 1) // pool < 1:
        return
    coupling, a, b = made(side, pool, pooling, padding, kernel)
    a.requires_grad_(), b.requires_grad_()
    phi = coupling.phi(a, b).sum()
    to_a, to_b, to_w = torch.autograd.grad(phi, [a, b, coupling.weight])
    with torch.no_grad():
        coupling.prepare()
        onto = torch.rand_like(b)
        field, memory = coupling.up(a, onto)
        assert (field - onto - to_b).abs().max() < 1e-13
        assert (coupling.down(b, memory, torch.zeros_like(a)) - to_a).abs().max() < 1e-13
        assert (coupling.hebbian([(1.0, a, b)]) - to_w).abs().max() < 1e-12


def test_softmax_pooling_is_a_weighted_mean_that_nears_the_largest():
    coupling, a, _ = made(8, 2, "softmax", gain=100.0)
    largest, _, _ = made(8, 2, "max", gain=100.0)
    with torch.no_grad():
        coupling.prepare(), largest.prepare()
        soft, hard = coupling.up(a)[0], largest.up(a)[0]
    assert (soft <= hard + 1e-12).all()
    assert (hard - soft).mean() < 0.05 * hard.abs().mean()


def test_sums_beyond_half_precision_stay_exact():
    """Sum over 40 x 64 x 64 positions of 1 x 1: 163,840, above the largest half-precision number 65,504."""
    coupling = ConvCoupling(1, 1, 1, seed=0)
    coupling.prepare(torch.float16)
    ones = torch.ones(40, 1, 64, 64, dtype=torch.float16)
    assert coupling.hebbian([(1.0, ones, ones)]).item() == 40 * 64 * 64


def test_small_differences_of_phases_survive():
    """In single precision a difference of 1e-5 between two phases loses digits unless it is taken first."""
    coupling, a, b = made(9, batch=64)
    draw = torch.Generator().manual_seed(3)
    shift = 1e-5 * torch.rand(b.shape, generator=draw, dtype=torch.float64)
    a0, b0 = a.float(), b.float()
    a1, b1 = (a - 1e-6).float(), (b + shift).float()
    pairs = [(1e5, a1, b1), (-1e5, a0, b0)]
    with torch.no_grad():
        coupling.prepare()
        truth = coupling.hebbian([(c, x.double(), y.double()) for c, x, y in pairs])
        single = coupling.float()
        single.prepare()
        first = single.hebbian(pairs)
        apart = single.hebbian(pairs[:1]) + single.hebbian(pairs[1:])
    error, naive = ((g - truth).norm() / truth.norm() for g in (first, apart))
    assert error < 3e-6
    assert naive > 10 * error


def test_contrast_is_an_identity():
    draw = torch.Generator().manual_seed(0)
    a1, b1, a0, b0 = torch.rand(4, 5, generator=draw, dtype=torch.float64)
    total = sum(c * a * b for c, a, b in contrast([(2.0, a1, b1), (-2.0, a0, b0)]))
    assert torch.allclose(total, 2 * (a1 * b1 - a0 * b0), atol=1e-15)
    assert len(contrast([(2.0, a1, b1), (-2.0, a1, b0)])) == 1
    assert contrast([(2.0, a1, b1), (1.0, a0, b0)])[1][0] == 1.0


def network(pooling="max", **more):
    settings_ = {"dynamics": Dynamics(activation="sigmoid"), "relaxation": Relaxation(100, 100, "alternating"), **more}
    return build_energy(
        "1x10x10-3c3-mp2-4c3-mp2-5", shape=(1, 10, 10), classes=5, pooling=pooling, bias_start="uniform", seed=2,
        **settings_,
    )  # fmt: skip


def test_an_alternating_iteration_costs_one_convolution_each_way(monkeypatch):
    net = network(relaxation=Relaxation(7, 3, "alternating"))
    calls = {"up": 0, "down": 0}
    for name in calls:
        inner = getattr(ConvCoupling, name)

        def counted(self, *args, inner=inner, name=name, **more):
            calls[name] += 1
            return inner(self, *args, **more)

        monkeypatch.setattr(ConvCoupling, name, counted)
    with torch.no_grad():
        clamped = net.clamp(torch.rand(2, 1, 10, 10))
        assert calls == {"up": 1, "down": 0}  # the static input, once
        states = net.relax(clamped).states
        assert calls == {"up": 1 + (1 + 7), "down": 7}  # once more for the winners at the start
        net.nudge(clamped, states, net.targets(torch.tensor([0, 1])), [0.1, -0.1])
    assert calls == {"up": 1 + (1 + 7) + (1 + 3), "down": 7 + 3}


@pytest.mark.parametrize("pooling", ["mean", "softmax"])
def test_holomorphic_estimates_through_pools_converge_at_their_order(pooling):
    net = network(pooling).double()
    net.dtype = torch.float64
    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(4, 1, 10, 10, generator=draw, dtype=torch.float64), torch.arange(4)
    target = net.targets(y)
    with torch.enable_grad():
        loss = 0.5 * ((target - net.relax(x).states[-1]) ** 2).sum()
        truth = torch.autograd.grad(loss, [e.coupling.weight for e in net.edges])
    errors = []
    with torch.no_grad():
        clamped = net.clamp(x)
        free = net.relax(clamped).states
        for beta in (0.2, 0.1):
            wanted = ep.points("holomorphic", beta, 4)
            nudged = net.nudge(clamped, free, target, [p.beta for p in wanted])
            lists = ep.pairs(net, clamped, list(zip(wanted, nudged, strict=True)))
            found = [e.coupling.hebbian(pairs) for e, pairs in zip(net.edges, lists, strict=True)]
            errors.append([float((f + t).norm() / t.norm()) for f, t in zip(found, truth, strict=True)])
    for large, small in zip(*errors, strict=True):
        assert small < 2e-3
        assert 8 < large / small < 32  # order 4: a factor of 16


def test_max_pools_refuse_complex_states():
    net = network("max")
    clamped = net.clamp(torch.rand(2, 1, 10, 10))
    with torch.no_grad(), pytest.raises(RefusedError, match="softmax or mean"):
        net.relax(clamped, beta=0.1j, target=net.targets(torch.tensor([0, 1])))


def test_products_in_half_precision_keep_states_in_single():
    net, half = network(), network()
    half.products = torch.float16
    x = torch.rand(4, 1, 10, 10, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        exact, rounded = net.relax(x).states, half.relax(x).states
        for a, b in zip(exact, rounded, strict=True):
            assert b.dtype == torch.float32
            assert 0 < (a - b).abs().max() < 2e-3
        clamped = half.clamp(x)
        with pytest.raises(ParameterError, match="float16"):
            half.relax(clamped, beta=0.1j, target=half.targets(torch.arange(4)))


def test_unknown_pooling_is_named():
    with pytest.raises(ParameterError, match="median"):
        ConvCoupling(1, 1, 3, pool=2, pooling="median")  # type: ignore[arg-type]
