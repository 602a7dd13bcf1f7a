"""Gradient descent of networks that relax: steps taken at once are those of torch's optimiser."""

import pytest
import torch

from nanoneurons import learning
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.layers.coupling_conv import ConvCoupling
from nanoneurons.learning._descent import DescentState
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy


def pairs_of(coupling, lead, a, b):
    draw = generator_for(0, "pairs")

    def random(shape):
        return torch.rand((*lead, *shape), generator=draw)

    held = random(a)
    return [(0.5, held, random(b)), (-0.3, held, random(b))], [(0.5, random(a), random(b)), (-2.0, held, random(b))]


@pytest.mark.parametrize("chips", [None, 2])
def test_following_is_adding_the_sum_of_outer_products(chips):
    coupling = DenseCoupling(6, 4, chips=chips)
    lead = (3,) if chips is None else (chips, 3)
    for pairs in pairs_of(coupling, lead, (6,), (4,)):
        before = coupling.weight.detach().clone()
        wanted = sum(c * torch.einsum("...bo,...bi->...oi", b, a) for c, a, b in pairs)
        torch.testing.assert_close(coupling.hebbian(pairs), wanted)
        with torch.no_grad():
            coupling.follow(pairs, 0.1)
        torch.testing.assert_close(coupling.weight.detach(), before + 0.1 * wanted)
        assert coupling.weight.requires_grad


def test_inputs_common_to_all_chips_are_followed_too():
    coupling = DenseCoupling(6, 4, chips=2)
    draw = generator_for(1, "pairs")
    x, b = torch.rand(3, 6, generator=draw), torch.rand(2, 3, 4, generator=draw)
    before = coupling.weight.detach().clone()
    with torch.no_grad():
        coupling.follow([(2.0, x, b), (-1.0, x, b.flip(-1))], 0.1)
    wanted = torch.einsum("cbo,bi->coi", 2 * b - b.flip(-1), x)
    torch.testing.assert_close(coupling.weight.detach(), before + 0.1 * wanted)


def test_a_convolution_and_other_precisions_follow_the_same():
    conv = ConvCoupling(2, 3, 3)
    conv.prepare()
    for pairs in pairs_of(conv, (3,), (2, 5, 5), (3, 3, 3)):
        before = conv.weight.detach().clone()
        with torch.no_grad():
            conv.follow(pairs, 0.1)
        torch.testing.assert_close(conv.weight.detach(), before + 0.1 * conv.hebbian(pairs))
    dense = DenseCoupling(6, 4)
    doubled = [(c, a.double(), b.double()) for c, a, b in pairs_of(dense, (3,), (6,), (4,))[1]]
    before = dense.weight.detach().clone()
    with torch.no_grad():
        dense.follow(doubled, 0.1)
    assert dense.weight.dtype == torch.float32
    torch.testing.assert_close(dense.weight.detach(), before + 0.1 * dense.hebbian(doubled).float())


@pytest.mark.parametrize("estimator", ["one-sided", "centred", "holomorphic"])
@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
@pytest.mark.parametrize("chips", [None, 2])
def test_plain_steps_are_those_of_the_optimiser(monkeypatch, estimator, cost, chips):
    draw = generator_for(0, "samples")
    x, y = torch.rand(60, 12, generator=draw), torch.randint(4, (60,), generator=draw)
    rule = EquilibriumPropagation(estimator=estimator, lr=0.3, digital_lr=0.2, final=0.5)

    def trained():
        network = build_energy(
            "12-9-7-4", shape=(12,), classes=4, chips=chips, cost=cost, dynamics=Dynamics(activation="sigmoid"),
            relaxation=Relaxation(20, 10),
        )  # fmt: skip
        history = learning.fit(network, rule, x, y, epochs=2, batch=10, seed=0)
        return [p.detach().clone() for p in network.parameters()], history

    at_once, losses = trained()
    monkeypatch.setattr(DescentState, "plain", property(lambda self: False))
    by_optimiser, losses_too = trained()
    assert [h["loss"] for h in losses] == pytest.approx([h["loss"] for h in losses_too], rel=1e-4)
    for p, q in zip(at_once, by_optimiser, strict=True):
        torch.testing.assert_close(p, q, rtol=1e-4, atol=1e-5)


def test_momentum_and_decay_are_left_to_the_optimiser():
    for more, plain in (({}, True), ({"momentum": 0.9}, False), ({"weight_decay": 1e-3}, False),
                        ({"optimiser": "adam"}, False)):  # fmt: skip
        network = build_energy("12-9-4", shape=(12,), classes=4)
        state = EquilibriumPropagation(**more).start(network, 1, 1)
        assert state.plain == plain
