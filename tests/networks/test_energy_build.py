"""Energy networks from a description: the right groups, couplings and refusals."""

import pytest
import torch

from nanoneurons.core.errors import ParameterError, StudyError
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.layers.coupling_conv import ConvCoupling
from nanoneurons.networks import build_energy
from nanoneurons.networks.dynamics import Dynamics, Relaxation

IMAGE = {"shape": (1, 12, 12), "classes": 10}


def test_a_chain_of_dense_groups():
    network = build_energy("20-15-12-10", shape=(20,), classes=10)
    assert network.shapes == [(20,), (15,), (12,), (10,)]
    assert [(e.source, e.target) for e in network.edges] == [(0, 1), (1, 2), (2, 3)]
    assert all(isinstance(e.coupling, DenseCoupling) for e in network.edges)
    assert network.classes == 10


def test_convolutions_shape_the_groups_and_keep_their_own_pools():
    """Two equal convolutions of which only the second is pooled: each looks at what follows itself."""
    network = build_energy("1x12x12-4c3-4c3-mp2-10", padding=0, **IMAGE)
    first, second, last = (e.coupling for e in network.edges)
    assert isinstance(first, ConvCoupling)
    assert isinstance(second, ConvCoupling)
    assert (first.pool, second.pool) == (1, 2)
    assert network.shapes == [(1, 12, 12), (4, 10, 10), (4, 4, 4), (10,)]
    assert isinstance(last, DenseCoupling)
    assert (last.in_features, last.out_features) == (64, 10)


def test_padding_of_an_unchanged_size_is_the_usual_one():
    network = build_energy("1x12x12-4c5-mp2-6c3-mp2-10", **IMAGE)
    assert [e.coupling.padding for e in network.edges[:2]] == [2, 1]
    assert network.shapes[1:3] == [(4, 6, 6), (6, 3, 3)]


def test_one_padding_for_each_convolution():
    network = build_energy("1x12x12-4c3-6c3-10", padding=(1, 0), **IMAGE)
    assert network.shapes[1:3] == [(4, 12, 12), (6, 10, 10)]
    with pytest.raises(StudyError, match="paddings"):
        build_energy("1x12x12-4c3-6c3-10", padding=(1,), **IMAGE)


def test_replicated_outputs():
    network = build_energy("20-15-10", shape=(20,), classes=10, replicas=3)
    assert network.shapes[-1] == (30,)
    assert network.classes == 10


def test_the_cross_entropy_reads_the_last_hidden_group():
    network = build_energy("20-15-12-10", shape=(20,), classes=10, cost="cross-entropy")
    assert network.shapes == [(20,), (15,), (12,)]
    assert network.readout is not None
    assert network.readout.weight.shape == (10, 12)
    with pytest.raises(StudyError, match="hidden layer must precede"):
        build_energy("20-10", shape=(20,), classes=10, cost="cross-entropy")


def test_the_initial_weights_belong_to_the_seed():
    one, two, other = (build_energy("20-15-10", shape=(20,), classes=10, seed=s) for s in (3, 3, 4))
    for a, b, c in zip(one.couplings, two.couplings, other.couplings, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert not torch.equal(a.weight, c.weight)
    assert not torch.equal(
        *(e.coupling.weight for e in build_energy("20-20-20-10", shape=(20,), classes=10).edges[:2])
    ), "couplings of one shape start alike"


def test_glorot_is_uniform_within_its_bound():
    weight = build_energy("300-200-10", shape=(300,), classes=10, start="glorot").edges[0].coupling.weight
    bound = (6 / 500) ** 0.5
    assert float(weight.detach().abs().max()) <= bound
    assert float(weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.01)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("20-15-9", "10"),
        ("19-15-10", "20"),
        ("20-15c3-10", "conv|image|shape"),
        ("twenty-10", "twenty"),
    ],
)
def test_descriptions_that_do_not_fit(spec, message):
    with pytest.raises(StudyError, match=message):
        build_energy(spec, shape=(20,), classes=10)


def test_an_image_that_the_convolutions_eat_up():
    with pytest.raises(StudyError, match="nothing is left"):
        build_energy("1x12x12-4c5-mp4-4c5-10", padding=0, **IMAGE)


def test_kinds_and_starts():
    with pytest.raises(StudyError, match="'rf'"):
        build_energy("20-10", shape=(20,), classes=10, kind="rf")
    with pytest.raises(ParameterError, match="glorot"):
        build_energy("20-10", shape=(20,), classes=10, start="he")
    binary = build_energy("20-10", shape=(20,), classes=10, kind="binary").edges[0].coupling
    assert binary.binary
    assert set(binary.weight.detach().unique().tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
def test_over_relaxation_settles_sooner_at_the_same_states(cost):
    common = {
        "shape": (1, 10, 10), "classes": 5, "seed": 2, "gain": 4.5, "bias_start": "uniform", "cost": cost,
        "relaxation": Relaxation(400, 400, "alternating"), "pooling": "mean",
    }  # fmt: skip
    spec = "1x10x10-6c3-mp2-8c3-mp2-5"
    usual = build_energy(spec, dynamics=Dynamics(activation="half-hard-sigmoid"), **common).double()
    faster = build_energy(spec, dynamics=Dynamics(activation="half-hard-sigmoid", step=1.5), **common).double()
    x = torch.rand(6, 1, 10, 10, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        for net in (usual, faster):
            net.dtype = torch.float64
        target = usual.targets(torch.arange(6) % 5)
        for beta in (0.0, 0.5):
            first, second = (net.relax(x, beta=beta, target=target).states for net in (usual, faster))
            for a, b in zip(first, second, strict=True):
                assert (a - b).abs().max() < 1e-9
                assert 0 <= b.min() <= b.max() <= 1
        few = [net.relax(x, steps=25, measure=True).residual for net in (usual, faster)]
    assert few[0] is not None and few[1] is not None
    if cost == "squared-error":  # the read-out of the other is not in the loop, which settles soon by itself
        assert few[1] < 0.01 * few[0]


def test_over_relaxation_of_groups_that_move_together_is_refused():
    with pytest.raises(ParameterError, match="alternating"):
        build_energy("4-3-2", shape=(4,), classes=2, dynamics=Dynamics(step=1.5))
    with pytest.raises(ParameterError, match="below 2"):
        Dynamics(step=2.0)
    with pytest.raises(ParameterError, match="prototypical"):
        Dynamics(setting="leaky", step=1.2)
