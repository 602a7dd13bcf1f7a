"""Updates of equilibrium propagation against gradients, step by step; orders in beta; gradient of the fixed point."""

import dataclasses

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning._descending import compare, gradients, updates
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy
from nanoneurons.networks.energy_network import Edge, EnergyNetwork

LEAKY = Dynamics("leaky", "tanh", 0.08, "linear", clip=False)
TANH = Dynamics(activation="tanh")
SIGMOID = Dynamics(activation="sigmoid")


def doubled(network):
    network = network.double()
    network.dtype = torch.float64
    return network


def made(dynamics, free=1000, steps=20, spec="10-50-5", **more):
    width = int(spec.split("-")[0])
    return doubled(
        build_energy(
            spec, shape=(width,), classes=int(spec.split("-")[-1]), dynamics=dynamics, seed=3,
            relaxation=Relaxation(free, steps), bias_start="uniform", **more,
        )
    )  # fmt: skip


def samples(network, count=4):
    shape = network.shapes[0]
    x = torch.rand(count, *shape, generator=generator_for(0, "inputs"), dtype=torch.float64)
    return x, torch.arange(count) % network.classes


# -- the theorem -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "beta"),
    [
        pytest.param(lambda: made(LEAKY, 5000, 80), 0.01, id="toy"),
        pytest.param(lambda: made(LEAKY, 1200, 80, "196-64-10"), 0.01, id="leaky, one hidden layer"),
        pytest.param(lambda: made(TANH, 150, 10, "196-64-10"), 0.01, id="prototypical, one hidden layer"),
        pytest.param(
            lambda: made(dataclasses.replace(SIGMOID, nudge="outside"), 150, 10, "196-64-10"), 0.01, id="nudged outside"
        ),
        pytest.param(lambda: made(dataclasses.replace(TANH, step=0.2), 600, 40), 0.01, id="damped"),
        pytest.param(lambda: made(TANH, 300, 20, cost="cross-entropy", spec="10-30-5"), 0.01, id="cross-entropy"),
        pytest.param(lambda: made(LEAKY, 2000, 60, "10-20-20-5", gain=0.5), 0.01, id="two hidden layers"),
    ],
)
def test_updates_descend_the_gradient_in_every_step(network, beta):
    network = network()
    x, y = samples(network)
    found = compare(network, x, y, ep.points("centred", beta))
    assert found.residual < 1e-12
    for block, errors in found.errors.items():
        assert found.mean(block) < 1e-2, block
        moving = ~errors.isnan()
        assert float(moving.double().mean()) > 0.5, f"{block}: hardly an element moves"
        assert float(found.sizes[block][moving].max()) > 1e-4, f"{block}: nothing moves"


def test_one_step_of_the_toy_by_hand():
    """The outputs' first update is the error itself times the step; then hidden neurons hear it through the weights."""
    network = made(LEAKY, 3000, 2)
    x, y = samples(network)
    target = network.targets(y)
    with torch.no_grad():
        clamped = network.clamp(x)
        hidden, out = free = network.relax(clamped).states
        first, second = updates(network, clamped, free, target, ep.points("one-sided", 1e-7), 2)
    error, slope, weight = target - out, 1 - torch.tanh(hidden) ** 2, network.edges[1].coupling.weight.detach()
    torch.testing.assert_close(first["s2"], 0.08 * error, rtol=1e-6, atol=1e-9)
    assert float(first["s1"].abs().max()) < 1e-7
    torch.testing.assert_close(second["s1"], 0.08 * slope * ((0.08 * error) @ weight), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(first["w2"], (0.08 * error).T @ torch.tanh(hidden) / 4, rtol=1e-5, atol=1e-8)


def test_steps_add_up_to_the_gradient_of_the_rule():
    network = made(SIGMOID, 200, 15)
    x, y = samples(network)
    with torch.enable_grad():
        clamped = network.clamp(x)
    with torch.no_grad():
        settled = network.relax(clamped, steps=185).states
        steps = list(gradients(network, clamped, settled, network.targets(y), 15))
    states = network.relax(network.clamp(x), settled, steps=15).states
    weights = [e.coupling.weight for e in network.edges]
    wanted = torch.autograd.grad(network.costs(states, network.targets(y)).mean(), weights)
    for k, g in enumerate(wanted):
        torch.testing.assert_close(-sum(s[f"w{k + 1}"] for s in steps), g, rtol=1e-10, atol=1e-14)


def test_dynamics_of_the_published_program_agree_only_nearly():
    """Hidden neurons that see tanh of an output that moves without its slope: no energy, an error that stays."""
    x, y = samples(made(LEAKY))
    errors = {}
    for output in ("linear", "same"):
        network = made(dataclasses.replace(LEAKY, output=output), 3000, 60)
        errors[output] = [compare(network, x, y, ep.points("centred", b)).mean("w1") for b in (0.02, 0.01)]
    assert errors["linear"][1] < 0.3 * errors["linear"][0] < 1e-3
    assert errors["same"][1] > 0.9 * errors["same"][0] > 5e-3


def test_nudging_outside_descends_the_binary_cross_entropy():
    network = made(dataclasses.replace(SIGMOID, nudge="outside"), 200, 15)
    x, y = samples(network)
    points = ep.points("centred", 0.005)
    assert compare(network, x, y, points).mean("w1") < 1e-3
    assert compare(network, x, y, points, cost="squared-error").mean("w1") > 0.1
    with torch.enable_grad():
        clamped = network.clamp(x)
    with torch.no_grad():
        settled = network.relax(clamped, steps=185).states
        steps = list(gradients(network, clamped, settled, network.targets(y), 15))
    target = network.targets(y)
    out = network.relax(network.clamp(x), settled, steps=15).states[-1]
    entropy = -(target * out.log() + (1 - target) * (1 - out).log()).sum(-1).mean() / 4
    weight = network.edges[0].coupling.weight
    (wanted,) = torch.autograd.grad(entropy, weight)
    torch.testing.assert_close(-sum(s["w1"] for s in steps), wanted, rtol=1e-8, atol=1e-13)


# -- orders in beta ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dynamics", [LEAKY, TANH], ids=["leaky", "prototypical"])
@pytest.mark.parametrize(
    ("estimator", "count", "order", "betas"),
    [
        ("one-sided", 2, 1, (0.001, 0.002, 0.004)),
        ("centred", 2, 2, (0.005, 0.01, 0.02)),
        ("holomorphic", 4, 4, (0.02, 0.03, 0.04)),
        ("holomorphic", 6, 6, (0.06, 0.08, 0.1)),
    ],
)
def test_error_falls_with_beta_at_the_order_of_the_estimator(dynamics, estimator, count, order, betas):
    network = made(dynamics, 1500 if dynamics is LEAKY else 200, 40 if dynamics is LEAKY else 8)
    x, y = samples(network, 2)
    runs = [compare(network, x, y, ep.points(estimator, b, count)) for b in betas]
    for block in runs[0].errors:
        # the root of the mean square weighs elements by their error; a mean of relative errors is ruled by the smallest
        errors = [float((r.errors[block] * r.sizes[block]).nan_to_num().norm() / r.sizes[block].norm()) for r in runs]
        slope = np.polyfit(np.log(betas), np.log(errors), 1)[0]
        assert slope == pytest.approx(order, abs=0.15), (block, errors)


# -- gradient of the fixed point ---------------------------------------------------------------------


def skipping():
    shapes = [(8,), (7,), (6,), (5,)]
    pairs = [(0, 1), (1, 2), (2, 3), (1, 3), (0, 2)]
    edges = [Edge(i, j, DenseCoupling(shapes[i][0], shapes[j][0], seed=k)) for k, (i, j) in enumerate(pairs)]
    return EnergyNetwork(shapes, edges, dynamics=SIGMOID, relaxation=Relaxation(400, 400), bias_start="uniform")


def convolutional(pooling):
    return build_energy(
        "1x12x12-3c3-mp2-4c3-mp2-5", shape=(1, 12, 12), classes=5, pooling=pooling, padding=0, seed=1, gain=1.5,
        dynamics=SIGMOID, relaxation=Relaxation(400, 400, "alternating"), bias_start="uniform",
    )  # fmt: skip


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(lambda: made(SIGMOID, 400, 400, "10-20-20-5"), id="prototypical"),
        pytest.param(lambda: made(dataclasses.replace(LEAKY, step=0.5), 400, 400, "10-20-20-5", gain=0.5), id="leaky"),
        pytest.param(lambda: doubled(skipping()), id="skip connections"),
        pytest.param(lambda: doubled(convolutional("max")), id="max-pooling"),
        pytest.param(lambda: doubled(convolutional("mean")), id="mean-pooling"),
        pytest.param(lambda: made(SIGMOID, 400, 400, "10-20-5", cost="cross-entropy"), id="cross-entropy"),
    ],
)
def test_centred_estimate_is_the_gradient_of_the_fixed_point(network):
    network = network()
    x, y = samples(network)
    target = network.targets(y)
    with torch.no_grad():
        clamped = network.clamp(x)
        free = network.relax(clamped).states
        points = ep.points("centred", 1e-4)
        found = list(zip(points, network.nudge(clamped, free, target, [p.beta for p in points]), strict=True))
        changes = [
            e.coupling.hebbian(wanted)
            for e, wanted in zip(network.edges, ep.pairs(network, clamped, found), strict=True)
        ]
        changes += ep.bias_changes(network, found)
    states = network.relax(network.clamp(x), free, steps=200).states
    parameters = [*(e.coupling.weight for e in network.edges), *network.biases]
    wanted = torch.autograd.grad(network.costs(states, target).sum(), parameters)
    for change, g in zip(changes, wanted, strict=True):
        assert float(g.norm()) > 1e-6
        assert float((change + g).norm() / g.norm()) < 1e-4


def test_implicit_gradient_of_the_fixed_point_agrees():
    """The unrolled reference itself, against the implicit function theorem on a network of one hidden layer."""
    network = made(SIGMOID, 400, 400, "6-8-5")
    x, y = samples(network, 1)
    target = network.targets(y)
    weight, bias = network.edges[1].coupling.weight, network.biases[0]
    hidden, out = network.relax(x).states

    def step(s, b):
        h, o = s[:8], s[8:]
        first = network.edges[0].coupling.weight.detach() @ x[0] + b + weight.detach().T @ o
        second = weight.detach() @ h + network.biases[1].detach()
        return torch.sigmoid(4 * (torch.cat([first, second]) - 0.5))

    s = torch.cat([hidden[0], out[0]]).detach()
    by_state, by_bias = torch.autograd.functional.jacobian(step, (s, bias.detach()))
    cost_by_state = torch.cat([torch.zeros(8, dtype=s.dtype), s[8:] - target[0]])
    implicit = torch.linalg.solve(torch.eye(13, dtype=s.dtype) - by_state.T, cost_by_state) @ by_bias
    states = network.relax(network.clamp(x), [hidden.detach(), out.detach()], steps=200).states
    (unrolled,) = torch.autograd.grad(network.costs(states, target).sum(), bias)
    torch.testing.assert_close(unrolled, implicit, rtol=1e-9, atol=1e-14)


# -- refusals ----------------------------------------------------------------------------------------


def test_what_the_theorem_does_not_cover_is_refused():
    network = made(SIGMOID, 20, 10)
    x, y = samples(network)
    points = ep.points("centred", 0.01)
    network.relaxation = Relaxation(20, 10, "alternating")
    with pytest.raises(ParameterError, match="use order='synchronous'"):
        compare(network, x, y, points)
    network.relaxation = Relaxation(10, 10)
    with pytest.raises(ParameterError, match="longer than the 10 steps compared, not 10"):
        compare(network, x, y, points)
    with pytest.raises(RefusedError, match="untied"):
        compare(made(SIGMOID, 20, 10, tied=False), x, y, points)


def test_elements_asked_for_are_kept_step_by_step():
    network = made(TANH, 100, 7)
    x, y = samples(network)
    keep = {"s2": torch.tensor([0, 3]), "w1": torch.tensor([11])}
    found = compare(network, x, y, ep.points("centred", 0.01), keep=keep)
    assert set(found.updates) == {"s2", "w1"}
    assert found.updates["s2"].shape == found.gradients["s2"].shape == (7, 2)
    torch.testing.assert_close(found.gradients["s2"].norm(dim=0), found.sizes["s2"].flatten()[keep["s2"]])
