"""State functions: their slopes, bounds and continuation to complex states."""

import pytest
import torch

from nanoneurons.core.errors import UnknownNameError
from nanoneurons.layers.activation import ACTIVATIONS, activation

X = torch.linspace(-3.017, 3.021, 401, dtype=torch.float64)


@pytest.mark.parametrize("name", [n for n in ACTIVATIONS if n != "step"])
def test_slope_is_the_derivative(name):
    found = activation(name)
    x = X.clone().requires_grad_()
    (slope,) = torch.autograd.grad(found.function(x).sum(), x)
    torch.testing.assert_close(found.slope(X.clone()), slope.expand_as(X), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_same_value_with_and_without_a_graph(name):
    """The fast way may overwrite its argument; its value must not differ."""
    found = activation(name)
    with_graph = found.function(X.clone().requires_grad_()).detach()
    torch.testing.assert_close(found.function(X.clone()), with_graph, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_bounds_hold_and_idle_means_identity_within_them(name):
    found = activation(name)
    y = found.function(X.clone())
    if found.bounds is not None:
        low, high = found.bounds
        assert low <= float(y.min()) <= float(y.max()) <= high
    else:
        assert float(y.abs().max()) > 1
    if found.idle:
        low, high = found.bounds or (-3.0, 3.0)
        inside = X[(low <= X) & (high >= X)]
        assert torch.equal(found.function(inside.clone()), inside)


@pytest.mark.parametrize("name", [n for n, a in ACTIVATIONS.items() if a.holomorphic])
def test_holomorphic_functions_obey_cauchy_and_riemann(name):
    """The derivative along the imaginary axis is i times that along the real one."""
    found, h = activation(name), 1e-5
    z = torch.complex(X[::20] / 3, 0.2 * torch.sin(X[::20]))

    def f(w):
        return found.function(w.clone())

    real = (f(z + h) - f(z - h)) / (2 * h)
    imaginary = (f(z + 1j * h) - f(z - 1j * h)) / (2j * h)
    torch.testing.assert_close(real, imaginary, rtol=1e-8, atol=1e-8)


def test_published_forms():
    x = torch.tensor([-1.0, 0.0, 0.25, 0.5, 1.0, 3.0], dtype=torch.float64)
    assert activation("hard-sigmoid").function(x.clone()).tolist() == [0, 0, 0.25, 0.5, 1, 1]
    assert activation("half-hard-sigmoid").function(x.clone()).tolist() == [0, 0, 0.125, 0.25, 0.5, 1]
    assert activation("step").function(x.clone()).tolist() == [0, 0, 0, 1, 1, 1]
    sigmoid = activation("sigmoid").function(x.clone())
    torch.testing.assert_close(sigmoid, 1 / (1 + torch.exp(-4 * x + 2)))
    assert float(activation("sigmoid").slope(torch.tensor(0.5))) == pytest.approx(1.0)


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(UnknownNameError, match="hard-sigmoid"):
        activation("hard-sigmoidd")
