"""Weights that work one way each: against the tied rule, autograd of the vector field, and alignment in training."""

from __future__ import annotations

import pytest
import torch

from nanoneurons import data, learning
from nanoneurons.core.errors import RefusedError
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.learning.unidirectional_equilibrium_propagation import (
    UnidirectionalEquilibriumPropagation,
    VectorField,
    angles,
)
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy

SPECS = {"dense": ("12-10-8-5", (12,)), "convolutional": ("1x10x10-3c3-mp2-4c3-mp2-5", (1, 10, 10))}


def network(kind, tied, same=True, **more):
    spec, shape = SPECS[kind]
    net = build_energy(
        spec, shape=shape, classes=5, tied=tied, seed=3, bias_start="uniform",
        dynamics=Dynamics(activation="sigmoid"), relaxation=Relaxation(150, 150, "alternating"), **more,
    ).double()  # fmt: skip
    net.dtype = torch.float64
    if not tied and same:
        for edge in net.edges:
            with torch.no_grad():
                edge.coupling.feedback.weight.copy_(edge.coupling.weight)
    return net


def task(kind):
    draw = torch.Generator().manual_seed(0)
    return torch.rand(6, *SPECS[kind][1], generator=draw, dtype=torch.float64), torch.arange(6) % 5


def changes(net, rule, kind):
    """Wanted changes of forward and feedback weights after one mini-batch of plain steps."""
    before = [e.coupling.weight.detach().clone() for e in net.edges]
    back = [None if f is None else f.weight.detach().clone() for f in (e.coupling.feedback for e in net.edges)]
    state = rule.start(net, 1, 1)
    x, y = task(kind)
    state.learn(x, y, torch.Generator().manual_seed(0), torch.arange(6))
    up = [e.coupling.weight.detach() - w for e, w in zip(net.edges, before, strict=True)]
    down = [
        None if w is None else e.coupling.feedback.weight.detach() - w for e, w in zip(net.edges, back, strict=True)
    ]
    return up, down


def unidirectional(**more):
    return UnidirectionalEquilibriumPropagation(lr=1.0, digital_lr=0.0, weight_decay=0.0, **more)


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("estimator", ["centred", "one-sided"])
def test_the_sum_of_both_is_the_tied_change_to_the_order_of_the_estimate(kind, estimator):
    errors = []
    for beta in (0.04, 0.02):
        usual = EquilibriumPropagation(lr=1.0, digital_lr=0.0, estimator=estimator, beta=beta)
        wanted, _ = changes(network(kind, True), usual, kind)
        up, down = changes(network(kind, False), unidirectional(estimator=estimator, beta=beta), kind)
        assert torch.equal(up[1], down[1])
        errors.append([float((u - w).norm() / w.norm()) for u, w in zip(up, wanted, strict=True)])
    assert errors[0][0] < 1e-9  # the input is the same in all phases
    order = {"centred": 2, "one-sided": 1}[estimator]
    for large, small in zip(errors[0][1:], errors[1][1:], strict=True):
        assert small < 0.1
        assert large / small == pytest.approx(2**order, rel=0.15)


@pytest.mark.parametrize("kind", SPECS)
def test_own_changes_add_up_to_the_sum(kind):
    up, down = changes(network(kind, False), unidirectional(update="own", beta=0.05), kind)
    both, _ = changes(network(kind, False), unidirectional(update="same", beta=0.05), kind)
    for k in range(1, len(up)):
        assert torch.allclose(up[k] + down[k], both[k], atol=1e-12)
    assert torch.allclose(up[0], both[0], atol=1e-12)


def test_complex_points_give_the_same_response():
    up, _ = changes(network("dense", False, same=False), unidirectional(update="own", beta=0.02), "dense")
    points = unidirectional(update="own", beta=0.2, estimator="holomorphic", points=6)
    exact, _ = changes(network("dense", False, same=False), points, "dense")
    for a, b in zip(up, exact, strict=True):
        assert (a - b).norm() < 5e-3 * b.norm()


def test_directions_align_in_training():
    found = data.load("digits")
    net = build_energy(
        "64-32-32-10", shape=found.shape, classes=10, tied=False, seed=1, bias_start="uniform",
        relaxation=Relaxation(25, 8, "alternating"),
    )  # fmt: skip
    rule = UnidirectionalEquilibriumPropagation(
        lr=0.1,
        digital_lr=0.1,
        beta=0.3,
        weight_decay=5e-3,
        momentum=0.9,
        final=1.0,
        settled=1.0,  # without an energy, states of some samples go on moving for long; that is not what is tested
    )
    before = angles(net)
    assert all(80 < a < 100 for a in before)  # drawn independently
    learning.fit(net, rule, found.x_train, found.y_train, epochs=10, batch=50, seed=0)
    assert all(a < 45 for a in angles(net))
    assert float(learning.accuracy(net, found.x_test, found.y_test)) > 0.8


def test_tied_and_binary_couplings_are_refused():
    rule = unidirectional()
    with pytest.raises(RefusedError, match="coupling 2 has the same both ways"):
        rule.start(network("dense", True), 1, 1)
    with pytest.raises(RefusedError, match="is binary"):
        rule.start(network("dense", False, same=False, binary=True), 1, 1)
    with pytest.raises(RefusedError, match="untied"):
        EquilibriumPropagation().start(network("dense", False), 1, 1)
    assert isinstance(rule.start(rule.build_network("12-8-5", shape=(12,), classes=5), 1, 1), VectorField)
