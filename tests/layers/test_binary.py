"""Binary layers: drop-in shapes, straight-through gradients, chips that live in the state dict."""

import pytest
import torch
from safetensors.torch import load, save
from torch import nn
from torch.nn import functional as F

from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.layers.binary import BinaryConv2d, BinaryLinear, SignActivation
from nanoneurons.layers.chipwise import ChipBatchNorm
from nanoneurons.layers.convert import convert

PAIR = DifferentialPair(HfOxWeakReset())


def sample(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def test_software_layer_multiplies_by_signs_and_passes_gradients_straight_through():
    layer = BinaryLinear(7, 3)
    x = sample(5, 7)
    y = layer(x)
    torch.testing.assert_close(y, F.linear(x, torch.where(layer.weight >= 0, 1.0, -1.0), layer.bias))
    y.sum().backward()
    torch.testing.assert_close(layer.weight.grad, x.sum(0).expand(3, 7))


def test_sign_activation_is_plus_one_at_zero_and_saturates_backwards():
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 2.0], requires_grad=True)
    y = SignActivation()(x)
    assert y.tolist() == [-1, -1, 1, 1, 1]
    y.sum().backward()
    assert x.grad.tolist() == [0, 1, 1, 1, 0]


@pytest.mark.parametrize("shared", [True, False])
def test_every_chip_of_a_batched_layer_computes_alone(shared):
    chips = BinaryLinear(6, 4, chips=3)
    with torch.no_grad():
        chips.weight.copy_(sample(3, 4, 6))
        chips.bias.copy_(sample(3, 4))
    x = sample(5, 6) if shared else sample(3, 5, 6)
    y = chips(x)
    for chip in range(3):
        one = BinaryLinear(6, 4)
        one.weight.data, one.bias.data = chips.weight.data[chip], chips.bias.data[chip]
        torch.testing.assert_close(y[chip], one(x if shared else x[chip]))


@pytest.mark.parametrize("shared", [True, False])
def test_every_chip_of_a_batched_convolution_computes_alone(shared):
    chips = BinaryConv2d(2, 4, 3, padding=1, chips=3)
    with torch.no_grad():
        chips.weight.copy_(sample(3, 4, 2, 3, 3))
    x = sample(5, 2, 6, 6) if shared else sample(3, 5, 2, 6, 6)
    y = chips(x)
    assert y.shape == (3, 5, 4, 6, 6)
    for chip in range(3):
        one = BinaryConv2d(2, 4, 3, padding=1)
        one.weight.data = chips.weight.data[chip]
        torch.testing.assert_close(y[chip], one(x if shared else x[chip]))


def test_batch_norm_per_chip_equals_torch():
    x = sample(2, 16, 5)
    mine = ChipBatchNorm(5, chips=2)
    y = mine(x)
    for chip in range(2):
        theirs = nn.BatchNorm1d(5)
        torch.testing.assert_close(y[chip], theirs(x[chip]))
        torch.testing.assert_close(mine.running_mean[chip], theirs.running_mean)
        torch.testing.assert_close(mine.running_var[chip], theirs.running_var)


def test_state_dict_is_the_chip():
    layer = BinaryLinear(8, 5, circuit=PAIR, chips=2)
    layer.fabricate(generator_for(0, "chip"))
    layer.apply_update(Update(torch.full((2, 5, 8), 9, dtype=torch.int32), "pulses"), generator_for(0, "write"))
    saved = save({k: v.contiguous() for k, v in layer.state_dict().items()})
    other = BinaryLinear(8, 5, circuit=PAIR, chips=2)
    other.load_state_dict(load(saved))
    assert other.fabricated
    assert set(layer.state) == set(other.state)
    assert all(torch.equal(value, other.state[name]) for name, value in layer.state.items())
    change = Update(torch.full((2, 5, 8), -14, dtype=torch.int32), "pulses")
    for twin in (layer, other):  # the reloaded chip goes on exactly as the original does
        twin.apply_update(change, generator_for(0, "later"))
    assert torch.equal(layer.weight, other.weight)


def test_layer_without_devices_says_what_to_do():
    with pytest.raises(RefusedError, match="has no circuit"):
        BinaryLinear(2, 2).fabricate(generator_for(0))
    with pytest.raises(RefusedError, match="fabricate"):
        BinaryLinear(2, 2, circuit=PAIR).apply_update(Update(torch.zeros(2, 2)), generator_for(0))


def test_convert_keeps_what_a_binary_model_computes():
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(12, 6, bias=False), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, 3)
    ).eval()
    with torch.no_grad():
        for layer in (model[1], model[4]):
            layer.weight.copy_(torch.where(layer.weight >= 0, 1.0, -1.0))
    quiet = DifferentialPair(HfOxWeakReset().ideal())
    x = sample(4, 3, 2, 2)
    one = convert(model, quiet, generator=generator_for(0, "convert"))
    torch.testing.assert_close(one(x), model(x))
    many = convert(model, quiet, chips=3, generator=generator_for(0, "convert"))
    torch.testing.assert_close(many(x), model(x).expand(3, 4, 3))
    assert isinstance(model[1], nn.Linear)  # the original is left alone


def test_convert_refuses_what_circuits_do_not_have():
    with pytest.raises(RefusedError, match="groups"):
        convert(nn.Conv2d(4, 4, 3, groups=2), PAIR)
