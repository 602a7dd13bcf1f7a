"""Analog layers: drop-in modules, exact backward, activity, chips side by side."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons import devices
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import OuterProducts
from nanoneurons.layers.analog import AnalogConv2d, AnalogLinear


def exact():
    """A crossbar that computes exactly."""
    return Crossbar(devices.get("pulsed:idealized")).only()


def real():
    return Crossbar(devices.get("pulsed:reram-es"))


def fabricated(layer):
    layer.fabricate(generator_for(1))
    return layer


def test_software_layer_is_a_linear_layer():
    layer = AnalogLinear(6, 4, seed=3)
    x = torch.randn(5, 6, generator=generator_for(1))
    torch.testing.assert_close(layer(x), F.linear(x, layer.weight, layer.bias))
    layer(x).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("chips", [None, 3])
@pytest.mark.parametrize("shared", [False, True])
def test_exact_array_equals_software_forward_and_backward(chips, shared):
    layer = fabricated(AnalogLinear(6, 4, circuit=exact(), chips=chips))
    lead = () if chips is None or shared else (chips,)
    x = torch.randn(*lead, 5, 6, generator=generator_for(2), requires_grad=True)
    weight = layer.weight.detach().clone().requires_grad_()
    expected = torch.matmul(x, weight.transpose(-2, -1)) + layer.bias.detach().unsqueeze(-2)
    out = layer(x)
    torch.testing.assert_close(out, expected)
    target = torch.randn(out.shape, generator=generator_for(3))
    (grad_expected,) = torch.autograd.grad((expected * target).sum(), x, retain_graph=True)
    (weight_expected,) = torch.autograd.grad((expected * target).sum(), weight)
    (grad,) = torch.autograd.grad((layer(x) * target).sum(), x)
    torch.testing.assert_close(grad, grad_expected)
    (layer(x) * target).sum().backward()
    torch.testing.assert_close(layer.weight.grad, weight_expected)
    torch.testing.assert_close(layer.bias.grad, target.sum(-2))


def test_backward_is_the_ideal_twin():
    """With converters and noise on, the gradient is that of the exact product of the exact input."""
    layer = fabricated(AnalogLinear(6, 4, circuit=real(), bias=False))
    x = torch.randn(5, 6, generator=generator_for(2), requires_grad=True)
    out = layer(x)
    assert (out - x @ layer.weight.T).abs().max().item() > 1e-4
    out.sum().backward()
    torch.testing.assert_close(x.grad, layer.weight.detach().sum(0).expand(5, 6))
    torch.testing.assert_close(layer.weight.grad, x.detach().sum(0).expand(4, 6))


@pytest.mark.parametrize("chips", [None, 2])
def test_kept_factors_make_gradient_and_activity(chips):
    layer = fabricated(AnalogLinear(6, 4, circuit=real(), chips=chips))
    layer.keep_factors = True
    x = torch.randn(5, 6, generator=generator_for(2))
    out = layer(x)
    d = torch.randn(out.shape, generator=generator_for(3))
    (out * d).sum().backward()
    assert layer.weight.grad is None
    ((errors, inputs),) = layer.factors
    update = OuterProducts(errors, inputs, -0.5, tuple(layer.weight.shape))
    dense = update.dense()
    torch.testing.assert_close(dense.change, -0.5 * torch.einsum("...bo,bi->...oi", d, x))
    activity = 0.5 * torch.einsum("...bo,bi->...oi", d.abs(), x.abs())
    torch.testing.assert_close(dense.activity, activity)
    assert update.total() == pytest.approx(activity.sum().item(), rel=1e-5)
    assert update.dense(with_activity=False).activity is None


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 0)])
def test_convolution(chips, stride, padding):
    layer = fabricated(AnalogConv2d(3, 4, 3, stride, padding, circuit=exact(), chips=chips))
    plain = nn.Conv2d(3, 4, 3, stride, padding)
    for lead in ((), (chips,)) if chips else ((),):
        x = torch.randn(*lead, 5, 3, 8, 9, generator=generator_for(2))
        out = layer(x)
        for chip in range(chips or 1):
            with torch.no_grad():
                plain.weight.copy_(layer.weight[chip] if chips else layer.weight)
                plain.bias.zero_()
            one = x[chip] if lead else x
            torch.testing.assert_close(out[chip] if chips else out, plain(one), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("keep", [False, True])
def test_convolution_gradient(keep):
    layer = fabricated(AnalogConv2d(2, 3, 3, padding=1, circuit=exact(), bias=False))
    layer.keep_factors = keep
    x = torch.rand(4, 2, 6, 6, generator=generator_for(2), requires_grad=True)
    out = layer(x)
    d = torch.rand(out.shape, generator=generator_for(3))
    (out * d).sum().backward()
    weight = layer.weight.detach().clone().requires_grad_()
    twin = x.detach().clone().requires_grad_()
    (F.conv2d(twin, weight, padding=1) * d).sum().backward()
    found = layer.weight.grad
    if keep:
        found = OuterProducts(*layer.factors[0], 1.0, tuple(layer.weight.shape)).dense().change
    torch.testing.assert_close(found, weight.grad, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad, twin.grad, rtol=1e-4, atol=1e-5)


def test_a_chip_does_not_depend_on_its_neighbours():
    """Fabrication, noise and training of chip 0 are the same beside one chip or two."""
    x = torch.rand(5, 6, generator=generator_for(2))
    first = [fabricated(AnalogLinear(6, 4, circuit=real(), chips=n)) for n in (2, 3)]
    assert torch.equal(first[0].weight[1], first[1].weight[1])
    assert torch.equal(first[0](x)[1], first[1](x)[1])


def test_reading_noise_can_be_switched_off():
    layer = fabricated(AnalogLinear(6, 4, circuit=real()))
    x = torch.rand(5, 6, generator=generator_for(2))
    assert not torch.equal(layer(x), layer(x))
    layer.noisy_reads = False
    assert torch.equal(layer(x), layer(x))


def test_the_state_dict_is_the_chip():
    layer = fabricated(AnalogLinear(6, 4, circuit=real(), chips=2))
    other = AnalogLinear(6, 4, circuit=real(), chips=2, seed=9)
    other.load_state_dict(layer.state_dict())
    assert torch.equal(other.weight, layer.weight)
    assert other.state.keys() == layer.state.keys()
    other.refresh()
    assert torch.equal(other.weight, layer.weight)


def test_refuses_a_binary_circuit():
    with pytest.raises(RefusedError, match="crossbar"):
        AnalogLinear(6, 4, circuit=DifferentialPair(devices.get("hfox-binary")))
