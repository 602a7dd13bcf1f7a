"""Gradients through the dynamics equal finite differences; training does what it says, copy by copy."""

import math

import pytest
import torch
from torch.func import functional_call

from nanoneurons import learning
from nanoneurons.core.errors import ParameterError
from nanoneurons.learning.ode_gradient import OdeGradient, pattern_distance
from nanoneurons.networks.phase_network import PhaseNetwork, PhaseSettings, Synchrony

X = torch.tensor([[0.3, -0.8], [1.1, 0.4]], dtype=torch.float64)
SHORT = {"settle": 0.32e-6, "window": 0.96e-6}
WANTED = torch.tensor([[True, False, False], [False, True, True]])


def network(copies=1, seed=0):
    made = PhaseNetwork(2, 3, 2, copies)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in made.parameters():
            p += 0.2 * torch.randn(p.shape, generator=generator, dtype=torch.float64)
    return made


def distance(net, parameters, checkpoint=0):
    found = functional_call(net, parameters, (X,), {**SHORT, "checkpoint": checkpoint})
    return pattern_distance(found, WANTED)


def test_gradient_equals_finite_differences():
    net = network()
    names = list(dict(net.named_parameters()))
    values = tuple(p.detach().clone().requires_grad_() for p in net.parameters())
    # central differences of 1e-6 in float64: relative error about 1e-9 from rounding, 1e-12 from the third derivative
    assert torch.autograd.gradcheck(
        lambda *given: distance(net, dict(zip(names, given, strict=True))), values, eps=1e-6, atol=1e-6, rtol=1e-5
    )


def test_recomputing_gives_the_same_gradient():
    gradients = []
    for checkpoint in (0, 7):
        net = network()
        distance(net, dict(net.named_parameters()), checkpoint).sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    for one, two in zip(*gradients, strict=True):
        assert torch.equal(one, two)


def test_distance_of_known_cases():
    wanted = torch.tensor([[True], [False]])

    def of(cycles, order, aligned):
        one = [torch.tensor([[[v]]], dtype=torch.float64) for v in (cycles, order, aligned)]
        return pattern_distance(Synchrony(*one), wanted).flatten().tolist()

    assert of(0.0, 1.0, 1.0) == pytest.approx([0.0, 2.0])  # locked in phase
    assert of(-2.0, 0.0, 0.0) == pytest.approx([math.log(2) + 1, 0.5])
    assert of(9.0, 0.0, -0.1) == pytest.approx([math.log1p(4.5**2) + 1, 0.0])  # safely apart


def pair(copies=1):
    """Two weakly coupled oscillators 1 MHz apart, of which the frequencies are trained; slow, so large steps do."""
    settings = PhaseSettings(dt=1e-7)
    made = PhaseNetwork(2, 2, 2, copies, settings, spacing=1.0, coupling=0.2, injection=0.0)
    for name, p in made.named_parameters():
        p.requires_grad_(name == "natural")
    return made


def fit(net, wanted, epochs=20):
    codes, x = torch.tensor([[wanted]]), torch.zeros(1, 2)

    def loss(chosen):
        return pattern_distance(net(x, window=3.2e-6, checkpoint=0), codes).mean((1, 2))

    draws = torch.Generator().manual_seed(0)
    return OdeGradient(lr=0.1).fit(net, loss, 1, epochs=epochs, batch=1, generator=draws)


def test_training_locks_a_pair_and_unlocks_it_again():
    net = pair()
    assert not net.patterns(torch.zeros(1, 2)).any()
    history = fit(net, True)
    assert history.shape == (20, 1)
    assert history[-1] < history[0] / 2
    assert net.patterns(torch.zeros(1, 2)).all()
    fit(net, False)  # from inside the locking range, where the slip has no gradient
    assert not net.patterns(torch.zeros(1, 2)).any()


def test_copies_learn_as_they_would_alone():
    together = pair(2)
    with torch.no_grad():
        together.natural[1] *= 1.3
    alone = together.select(torch.tensor([1]))
    for name, p in alone.named_parameters():
        p.requires_grad_(name == "natural")
    fit(together, True, 2)
    fit(alone, True, 2)
    assert torch.allclose(together.natural[1], alone.natural[0], rtol=1e-12)  # batched products round differently


def test_what_cannot_be_trained_is_refused():
    net = pair()
    with pytest.raises(ParameterError, match="batch"):
        OdeGradient().fit(net, lambda c: None, 3, epochs=1, batch=4, generator=torch.Generator())
    net.natural.requires_grad_(False)
    with pytest.raises(ParameterError, match="requires a gradient"):
        OdeGradient().fit(net, lambda c: None, 3, epochs=1, batch=1, generator=torch.Generator())
    net = pair()
    with pytest.raises(learning.DivergedError, match="epoch 1"):
        OdeGradient().fit(
            net, lambda c: net.natural.sum(1) * math.nan, 3, epochs=1, batch=1, generator=torch.Generator()
        )


def test_it_is_in_the_catalogue():
    assert learning.get("ode-gradient", lr=0.1).trains == "oscillators"
