"""The gradient through the last steps against a sum over single ones; what is stored; devices; refusals."""

import warnings

import pytest
import torch

from nanoneurons import circuits, devices, learning
from nanoneurons.core.errors import ConvergenceWarning, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning import _descending, _unrolled
from nanoneurons.networks import build
from nanoneurons.networks.dynamics import Dynamics, Relaxation
from nanoneurons.networks.energy_build import build_energy

NAME = "backpropagation-through-time"
DENSE = {"spec": "20-15-12-10", "shape": (20,)}
IMAGES = {"spec": "1x14x14-4c3-mp2-6c3-mp2-10", "shape": (1, 14, 14), "padding": 0, "gain": 2.0}
CASES = {
    "prototypical": {**DENSE, "dynamics": Dynamics(activation="sigmoid")},
    "leaky": {**DENSE, "dynamics": Dynamics("leaky", "tanh", 0.2, "linear")},
    "leaky, clipped": {**DENSE, "dynamics": Dynamics("leaky", "hard-sigmoid", 0.5, force=2.0)},
    "damped": {**DENSE, "dynamics": Dynamics(activation="tanh", step=0.2, nudge="outside")},
    "untied": {**DENSE, "tied": False},
    "chips": {**DENSE, "chips": 3, "dynamics": Dynamics(activation="sigmoid")},
    "max-pooling": IMAGES,
    "mean-pooling": {**IMAGES, "pooling": "mean"},
}


def made(case, cost="squared-error", order="synchronous", free=40, back=8):
    settings = dict(CASES[case])
    network = build_energy(
        settings.pop("spec"), classes=10, cost=cost, relaxation=Relaxation(free, back, order), bias_start="uniform",
        **settings,
    ).double()  # fmt: skip
    network.dtype = torch.float64
    return network


def samples(network):
    x = torch.rand(6, *network.shapes[0], generator=generator_for(0, "inputs"), dtype=torch.float64)
    return x, torch.arange(6)


def learn(network, **changes):
    """One step of rate 1; what every parameter moved by."""
    x, y = samples(network)
    rule = learning.get(NAME, lr=1.0, digital_lr=1.0, settled=10.0, **changes)
    before = [p.detach().clone() for p in network.parameters()]
    state = rule.start(network, 1, 1)
    loss = state.learn(x, y, generator_for(0, "rule"), torch.arange(len(x)))
    return loss, [old - p.detach() for old, p in zip(before, network.parameters(), strict=True)]


def test_the_nudged_cost_is_the_one_that_nudging_descends():
    network = build_energy(
        "20-15-10", shape=(20,), classes=10, relaxation=Relaxation(60, 9, "synchronous"), bias_start="uniform",
        dynamics=Dynamics(activation="sigmoid", nudge="outside"),
    ).double()  # fmt: skip
    network.dtype = torch.float64
    x, y = samples(network)
    _, moved = learn(network, cost="nudged")
    for p, change in zip(network.parameters(), moved, strict=True):
        p.data += change  # back to where it began
    with torch.enable_grad():
        clamped = network.clamp(x)
    with torch.no_grad():
        settled = network.relax(clamped, steps=60).states
    steps = list(_descending.gradients(network, clamped, settled, network.targets(y), 10))
    for k, edge in enumerate(network.edges):
        wanted = sum(blocks[f"w{k + 1}"] for blocks in steps)
        found = dict(zip(map(id, network.parameters()), moved, strict=True))[id(edge.coupling.weight)]
        torch.testing.assert_close(found, -wanted, rtol=1e-6, atol=1e-9)


def test_an_output_that_is_off_for_every_input_learns_only_by_the_nudged_cost():
    moved = {}
    for cost in ("squared", "nudged"):
        network = build_energy(
            "20-15-10", shape=(20,), classes=10, relaxation=Relaxation(20, 5), bias_start="uniform",
            dynamics=Dynamics(activation="hard-sigmoid", nudge="outside"),
        ).double()  # fmt: skip
        network.dtype = torch.float64
        network.biases[-1].data[2] = -5.0
        _, changes = learn(network, cost=cost)
        moved[cost] = dict(zip(map(id, network.parameters()), changes, strict=True))[id(network.biases[-1])][2]
    assert moved["squared"] == 0
    assert moved["nudged"] < 0  # gradient below zero: the bias rises


def summed(network, x, y):
    """The gradient of every parameter as a sum over single steps, each with a graph of its own."""
    free, back = network.relaxation.steps, network.relaxation.nudged_steps
    with torch.enable_grad():
        clamped = network.clamp(x)
    with torch.no_grad():
        settled = network.relax(clamped, steps=free - back).states
    unrolled = _unrolled.unroll(network, clamped, settled, back)
    end = [s.clone().requires_grad_() for s in unrolled.states]
    loss = network.costs(end, network.targets(y)).mean(-1).sum()
    loss.backward()
    first = [torch.zeros_like(s) if s.grad is None else s.grad for s in end]
    total = {id(p): torch.zeros_like(p) for p in network.parameters()}
    with torch.no_grad():
        for passed in unrolled.back(first):
            for bias, g in zip(network.biases, passed.fields, strict=True):
                axes = [0, 2, 3] if g.dim() == 4 else [g.dim() - 2]
                total[id(bias)] += g.sum(axes)
            for k, edge in enumerate(network.edges):
                by_weight = passed.weights.get(k)
                if by_weight is None:
                    by_weight = edge.coupling.hebbian([(1.0, clamped.x, passed.fields[edge.target - 1])])
                total[id(edge.coupling.weight)] += by_weight
                if k in passed.feedback:
                    total[id(edge.coupling.feedback.weight)] += passed.feedback[k]
        if network.readout is not None:
            for p in (network.readout.weight, network.readout_bias):
                total[id(p)] += p.grad
    return loss.detach(), list(total.values())


@pytest.mark.parametrize("order", ["synchronous", "alternating"])
@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
@pytest.mark.parametrize("case", CASES)
def test_gradient_is_the_sum_over_single_steps(case, cost, order):
    network = made(case, cost, order)
    wanted_loss, wanted = summed(network, *samples(network))
    found_loss, moved = learn(network)
    torch.testing.assert_close(found_loss, wanted_loss, rtol=1e-13, atol=0)
    assert sum(float(g.abs().max()) > 1e-6 for g in wanted) >= 5
    for g, change in zip(wanted, moved, strict=True):
        torch.testing.assert_close(change, g, rtol=0, atol=1e-11 * float(g.abs().max()) + 1e-15)


def test_gradient_through_all_steps_equals_finite_differences():
    network = made("prototypical", free=12, back=12)
    x, y = samples(network)
    _, moved = learn(made("prototypical", free=12, back=12))
    weight = network.edges[1].coupling.weight

    def loss():
        with torch.no_grad():
            return float(network.costs(network.relax(x).states, network.targets(y)).mean())

    for i, j in ((0, 0), (3, 7), (11, 14)):
        with torch.no_grad():
            weight[i, j] += 1e-5
            above = loss()
            weight[i, j] -= 2e-5
            below = loss()
            weight[i, j] += 1e-5
        place = next(k for k, p in enumerate(network.parameters()) if p is weight)
        assert float(moved[place][i, j]) == pytest.approx((above - below) / 2e-5, rel=1e-6)


def test_what_is_stored_grows_with_the_steps_back_not_with_the_free_phase():
    def stored(free, back):
        network = made("prototypical", free=free, back=back)
        kept = []

        def keep(tensor):
            kept.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            learn(network)
        return sum(kept)

    assert stored(40, 8) == stored(400, 8)
    assert 1.7 < stored(40, 16) / stored(40, 8) < 2.1


def test_chips_learn_as_they_would_alone():
    network, alone = made("chips"), made("prototypical")
    with torch.no_grad():
        for p, q in zip(alone.parameters(), network.parameters(), strict=True):
            q.add_(0.05 * torch.rand(q.shape, generator=generator_for(0, "chips"), dtype=q.dtype))
            p.copy_(q[1])
    _, moved = learn(network)
    _, single = learn(alone)
    for change, g in zip(single, moved, strict=True):
        torch.testing.assert_close(g[1], change, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("seed", [0, 1])
def test_seeds_side_by_side_learn_as_each_alone(seed):
    x = torch.rand(40, 12, generator=generator_for(0, "inputs"))
    y = torch.arange(40) % 3
    networks = [build_energy("12-8-3", shape=(12,), classes=3, chips=chips, seed=5) for chips in (None, 2)]
    rule = learning.get(NAME, settled=10.0)
    learning.fit(networks[0], rule, x, y, epochs=2, batch=10, seed=seed)
    learning.fit(networks[1], rule, x, y, epochs=2, batch=10, seed=[0, 1])
    for alone, beside in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        torch.testing.assert_close(beside[seed], alone, rtol=1e-4, atol=1e-6)


def test_persistent_states_start_the_next_phase():
    network = made("prototypical", free=10, back=4)
    x, y = samples(network)
    rule = learning.get(NAME, lr=0.0, digital_lr=0.0, begin="last", settled=10.0)
    state = rule.start(network, 3, 1)
    losses = [float(state.learn(x, y, generator_for(0, "rule"), torch.arange(6))) for _ in range(3)]
    with torch.no_grad():
        longer = network.relax(x, steps=30).states
        assert losses[2] == pytest.approx(float(network.costs(longer, network.targets(y)).mean()))


def test_an_unsettled_free_phase_warns_once():
    network = made("prototypical", free=4, back=2)
    x, y = samples(network)
    state = learning.get(NAME, settled=1e-9).start(network, 2, 1)
    with pytest.warns(ConvergenceWarning, match="has not settled: after 2 steps"):
        state.learn(x, y, generator_for(0, "rule"), torch.arange(6))
    state.learn(x, y, generator_for(0, "rule"), torch.arange(6))


def test_devices_learn_side_by_side():
    circuit = circuits.catalogue["crossbar"](device=devices.get("pulsed:ecram"))
    rule = learning.get(NAME, lr=0.3, digital_lr=0.3)
    network = rule.build_network(
        "12-16-3", kind="analog", circuit=circuit, chips=2, shape=(12,), classes=3, seed=1
    )  # fmt: skip
    network.program_initial(generator_for(1, "chips"))
    y = torch.arange(90) % 3
    x = 0.3 * torch.rand(90, 12, generator=generator_for(1, "inputs"))
    x[torch.arange(90), y] += 0.6
    before = learning.accuracy(network, x, y)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        history = learning.fit(network, rule, x, y, epochs=20, batch=10, seed=1)
    after = learning.accuracy(network, x, y)
    assert history[-1]["loss"] < 0.5 * history[0]["loss"]
    assert (after > 0.9).all() and (after > before).all()
    assert all(layer.pulses_applied > 0 for layer in network.device_layers)


def test_what_cannot_be_trained_is_refused():
    rule = learning.get(NAME)
    with pytest.raises(RefusedError, match="trains networks of the kind EnergyNetwork, not a FeedForward"):
        rule.start(build("12-6-3", kind="analog", circuit=None, chips=None, shape=(12,), classes=3), 1, 1)
    binary = build_energy("12-6-3", shape=(12,), classes=3, binary=True)
    with pytest.raises(RefusedError, match="coupling 1 is binary"):
        rule.start(binary, 1, 1)
    state = rule.start(build_energy("12-6-3", shape=(12,), classes=3), 1, 1)
    with pytest.raises(RefusedError, match=r"use learn\(\)"):
        state.step(generator_for(0, "rule"))
