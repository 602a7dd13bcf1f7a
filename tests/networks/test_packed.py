"""Packed inference against the plain product of -1 and +1, bit for bit."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.binary import BinaryConv2d, BinaryLinear, SignActivation, sign
from nanoneurons.layers.chipwise import ChipBatchNorm, FlattenInput
from nanoneurons.networks._bitslice import LARGEST_FAN_IN
from nanoneurons.networks.packed import PackedNetwork, fold_thresholds, pack_signs


def network(sizes, chips=None, seed=0, bias=False, integer=False):
    """Network with random batch-norm constants: signs of gamma mixed; whole means make exact ties."""
    g = generator_for(seed, "packed")
    modules: list[nn.Module] = [FlattenInput(1)]
    for i, (fan_in, out) in enumerate(itertools.pairwise(sizes)):
        modules.append(BinaryLinear(fan_in, out, bias=bias, chips=chips, seed=seed + i))
        bn = ChipBatchNorm(out, chips)
        with torch.no_grad():
            if bias:
                modules[-1].bias.copy_(torch.randn(modules[-1].bias.shape, generator=g).round())
            shape = bn.weight.shape
            bn.weight.copy_(torch.randn(shape, generator=g).sign() if integer else torch.randn(shape, generator=g))
            bn.bias.copy_(torch.zeros(shape) if integer else torch.randn(shape, generator=g))
            mean = torch.randn(shape, generator=g) * fan_in**0.5
            bn.running_mean.copy_(mean.round() if integer else mean)
            bn.running_var.copy_(torch.ones(shape) if integer else torch.rand(shape, generator=g) * fan_in)
        modules.append(bn)
        if i < len(sizes) - 2:
            modules.append(SignActivation())
    return nn.Sequential(*modules).eval()


def inputs(*shape, seed=0):
    return sign(torch.randn(*shape, generator=generator_for(seed, "x")))


@settings(max_examples=20, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 150), min_size=2, max_size=4),
    batch=st.integers(1, 300),
    chips=st.one_of(st.none(), st.integers(1, 3)),
    seed=st.integers(0, 1000),
    integer=st.booleans(),
)
def test_any_size_is_exact(sizes, batch, chips, seed, integer):
    net = network(sizes, chips, seed, integer=integer)
    x = inputs(batch, sizes[0], seed=seed)
    with torch.no_grad():
        assert torch.equal(PackedNetwork.from_network(net, binary_input=True)(x), net(x))


def test_real_inputs_keep_a_float_first_layer():
    net = network([64, 96, 33, 10], chips=2)
    x = torch.rand(130, 64, generator=generator_for(0, "real"))
    with torch.no_grad():
        assert torch.equal(PackedNetwork.from_network(net)(x), net(x))
        own = torch.rand(2, 130, 64, generator=generator_for(1, "real"))  # every chip its own samples
        assert torch.equal(PackedNetwork.from_network(net)(own), net(own))


def test_biases_are_folded_too():
    net = network([60, 70, 10], chips=2, bias=True)
    x = inputs(50, 60)
    with torch.no_grad():
        assert torch.equal(PackedNetwork.from_network(net, binary_input=True)(x), net(x))


def test_wide_layers_use_the_wide_counter():
    net = network([4000, 20, 3])
    x = inputs(20, 4000)
    with torch.no_grad():
        assert torch.equal(PackedNetwork.from_network(net, binary_input=True)(x), net(x))


def test_injected_errors_and_a_later_change_of_the_network():
    net = network([64, 64, 10])
    layer = net[1]
    layer.errors = inputs(64, 64, seed=5)
    x = inputs(40, 64)
    with torch.no_grad():
        packed = PackedNetwork.from_network(net, binary_input=True)
        expected = net(x)
        assert torch.equal(packed(x), expected)
        layer.errors = None
        assert torch.equal(packed(x), expected), "a packed network is a snapshot"


def test_plain_tensors_with_thresholds_that_tie():
    g = generator_for(0, "plain")
    for fan_in in (63, 64, 65):
        w = [inputs(50, fan_in, seed=1), inputs(7, 50, seed=2)]
        threshold = torch.randint(-9, 10, (50,), generator=g)  # of either parity: exact ties among them
        flip = torch.rand(50, generator=g) < 0.5
        scale, shift = torch.randn(7, generator=g), torch.randn(7, generator=g)
        x = inputs(90, fan_in, seed=3)
        dot = x @ w[0].T
        h = torch.where(torch.where(flip, dot <= threshold, dot >= threshold), 1.0, -1.0)
        packed = PackedNetwork.from_tensors([(w[0], threshold, flip)], w[1], scale, shift)
        assert torch.equal(packed(x), (h @ w[1].T) * scale + shift)


def test_thresholds_of_constant_neurons():
    gamma = torch.tensor([0.0, 0.0, 1e-20, -1e-20])
    beta = torch.tensor([1.0, -1.0, 5.0, 5.0])
    threshold, flip = fold_thresholds(lambda x: x * gamma + beta >= 0, 10)
    assert not bool(flip.any())
    assert threshold[0] <= -10 and threshold[2] <= -10 and threshold[3] <= -10  # always
    assert threshold[1] > 10  # never


def test_packing_puts_samples_into_bits():
    x = -torch.ones(300, 2)
    x[257, 1] = 1
    x[3, 0] = 0.0  # the sign of zero is plus, as in the layers
    packed = pack_signs(x)
    assert packed.shape == (2, 49, 4)
    assert packed[0, 0, 0] == 1 << 3 and packed[1, 1, 0] == 2
    assert packed.sum() == (1 << 3) + 2


def test_what_cannot_be_packed_is_refused():
    with pytest.raises(RefusedError, match="dense binary layers only"):
        PackedNetwork.from_network(nn.Sequential(BinaryConv2d(1, 1, 3), SignActivation(), BinaryLinear(4, 2)))
    with pytest.raises(RefusedError, match="one BinaryLinear before each sign"):
        PackedNetwork.from_network(nn.Sequential(SignActivation(), BinaryLinear(4, 2)))
    with pytest.raises(RefusedError, match="nothing to pack"):
        PackedNetwork.from_network(nn.Sequential(BinaryLinear(4, 2)))
    with pytest.raises(RefusedError, match="at most"):
        PackedNetwork.from_tensors([], torch.ones(1, LARGEST_FAN_IN + 1))
