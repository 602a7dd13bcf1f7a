"""Equilibrium propagation: its changes are gradients of the fixed point; what it cannot train is refused."""

import warnings

import pytest
import torch

from nanoneurons import circuits, devices, learning
from nanoneurons.core.errors import ConvergenceWarning, DivergedError, ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.networks import Dynamics, Relaxation, build_energy
from nanoneurons.networks.energy_network import Edge, EnergyNetwork

LONG = Relaxation(400, 400, "alternating")


def double(network):
    network = network.double()
    network.dtype = torch.float64
    return network


def made(spec="8-7-6-4", relaxation=LONG, activation="sigmoid", **more):
    dynamics = more.pop("dynamics", Dynamics(activation=activation))
    return build_energy(
        spec, shape=(8,), classes=4, seed=1, bias_start="uniform", dynamics=dynamics, relaxation=relaxation, **more
    )


def task(samples=12):
    g = generator_for(0, "task")
    y = torch.arange(samples) % 4
    return torch.rand(samples, 8, generator=g) * 0.5 + 0.5 * (torch.arange(8) % 4 == y[:, None]), y


def changes(network, rule, x, y):
    """What one mini-batch changes, as a gradient: minus change over rate."""
    before = [p.detach().clone() for p in network.parameters()]
    state = rule.start(network, 1, 1)
    state.learn(x, y, generator_for(0, "rule"), torch.arange(len(x)))
    return [(a - b.detach()) / rule.lr for a, b in zip(before, network.parameters(), strict=True)]


def gradients(network, x, y):
    """Of the mean cost at the stationary state, by autograd through the relaxation."""
    with torch.enable_grad():
        states = network.relax(x.double()).states
        loss = network.costs(states, network.targets(y)).mean()
        return torch.autograd.grad(loss, list(network.parameters()))


@pytest.mark.parametrize("cost", ["squared-error", "cross-entropy"])
@pytest.mark.parametrize(("estimator", "beta"), [("centred", 2e-3), ("holomorphic", 0.03)])
def test_changes_are_gradients_of_the_cost_at_the_stationary_state(cost, estimator, beta):
    """Weights, biases and read-out, in one step of plain descent."""
    network = double(made(cost=cost))
    x, y = task()
    wanted = gradients(network, x, y)
    rule = EquilibriumPropagation(estimator=estimator, beta=beta, points=4, lr=0.01, digital_lr=0.01)
    found = changes(network, rule, x.double(), y)
    for a, b in zip(found, wanted, strict=True):
        assert float((a - b).norm() / b.norm()) < 1e-4


def test_the_force_is_that_of_the_cost():
    """A cost twice as large, nudged twice as strongly, has gradients twice as large."""
    x, y = task()
    for force in (1.0, 2.0):
        network = double(made(dynamics=Dynamics(activation="sigmoid", force=force)))
        wanted = gradients(network, x, y)
        rule = EquilibriumPropagation(beta=1e-3, lr=0.01, digital_lr=0.01)
        for a, b in zip(changes(network, rule, x.double(), y), wanted, strict=True):
            assert float((a - b).norm() / b.norm()) < 1e-4


def test_a_left_over_batch_and_rates_of_single_couplings():
    network = made(relaxation=Relaxation(20, 10, "alternating"))
    twin = made(relaxation=Relaxation(20, 10, "alternating"))
    x, y = task(4)
    rule = EquilibriumPropagation(lr=0.1, digital_lr=0.1)
    one, two = rule.start(network, 1, 1), rule.start(twin, 1, 1)
    two.rates[1], two.bias_rates[0] = 0.0, 0.0
    before = [p.detach().clone() for p in network.parameters()]
    for state in (one, two):
        state.learn(x, y, generator_for(0, "rule"), torch.arange(4))
    held = {id(twin.couplings[1].weight), id(twin.biases[0])}
    for p, q, old in zip(network.parameters(), twin.parameters(), before, strict=True):
        assert not torch.equal(p, old)
        assert torch.equal(q, old if id(q) in held else p)


def test_it_learns():
    for estimator in ("one-sided", "random-sign", "centred", "holomorphic"):
        network = made("8-24-4", relaxation=Relaxation(20, 10, "alternating"))
        x, y = task()
        rule = EquilibriumPropagation(estimator=estimator, lr=0.3, digital_lr=0.3)
        learning.fit(network, rule, x, y, epochs=100, batch=6, seed=0)
        assert float(learning.accuracy(network, x, y)) == 1.0, estimator


def test_chips_learn_as_single_networks():
    x, y = task()
    rule = EquilibriumPropagation(lr=0.3, digital_lr=0.3)
    relaxation = Relaxation(20, 10, "alternating")
    chips, one = made(relaxation=relaxation, chips=2), made(relaxation=relaxation)
    with torch.no_grad():
        for p, q in zip(chips.parameters(), one.parameters(), strict=True):
            p[1].copy_(q)
            p[0].mul_(0.5)
    for network in (chips, one):
        learning.fit(network, rule, x, y, epochs=3, batch=5, seed=0)
    for p, q in zip(chips.parameters(), one.parameters(), strict=True):
        torch.testing.assert_close(p[1], q, rtol=1e-4, atol=1e-5)


def test_the_same_seed_gives_the_same_weights_on_devices_too():
    x, y = task()
    circuit = circuits.catalogue["crossbar"](device=devices.get("pulsed:ecram"))
    rule = EquilibriumPropagation(estimator="random-sign")
    weights = []
    state = torch.get_rng_state()
    for seed in (1, 1, 2):
        network = rule.build_network("8-6-4", kind="analog", circuit=circuit, chips=2, shape=(8,), classes=4, seed=1)
        network.program_initial(generator_for(seed, "chips"))
        (record,) = learning.fit(network, rule, x, y, epochs=1, batch=6, seed=seed)
        weights.append((network.couplings[0].weight.detach().clone(), record["loss"]))
    assert torch.equal(weights[0][0], weights[1][0])
    assert weights[0][1] == weights[1][1]
    assert not torch.equal(weights[0][0], weights[2][0])
    assert torch.equal(torch.get_rng_state(), state)


def test_persistent_states_begin_where_the_same_samples_were_left():
    network = made(relaxation=Relaxation(3, 2, "alternating"))
    x, y = task()
    state = EquilibriumPropagation(begin="last", lr=0.0, digital_lr=0.0, settled=10.0).start(network, 1, 1)
    seen = []
    relax = network.relax

    def noting(clamped, states=None, **more):
        found = relax(clamped, states, **more)
        if more.get("target") is None:
            seen.append((None if states is None else [s.clone() for s in states], found.states))
        return found

    network.relax = noting
    for chosen in ([0, 3], [5, 3], [3, 0]):
        rows = torch.tensor(chosen)
        state.learn(x[rows], y[rows], generator_for(0, "rule"), rows)
    assert seen[0][0] is None
    for group in range(3):
        assert not seen[1][0][group][0].any(), "sample 5 was never seen"
        assert torch.equal(seen[1][0][group][1], seen[0][1][group][1])
        assert torch.equal(seen[2][0][group][0], seen[1][1][group][1])
        assert torch.equal(seen[2][0][group][1], seen[0][1][group][0])


# -- what cannot work ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"beta": 0.0}, "beta is 0.*give for example 0.2"),
        ({"estimator": "two-sided"}, "one-sided"),
        ({"points": 1}, "points"),
        ({"pulses": "trains", "optimiser": "adam"}, "optimiser='sgd'"),
        ({"pulses": "trains", "momentum": 0.9}, "momentum=0"),
        ({"pulses": "trains", "estimator": "holomorphic"}, "centred"),
    ],
)
def test_hyper_parameters_that_cannot_work(values, message):
    with pytest.raises(ParameterError, match=message):
        EquilibriumPropagation(**values)


def test_networks_it_cannot_train():
    rule = EquilibriumPropagation()
    with pytest.raises(RefusedError, match="EnergyNetwork.*not a Linear"):
        rule.start(torch.nn.Linear(3, 2), 1, 1)
    with pytest.raises(RefusedError, match="same weights both ways"):
        rule.start(made(tied=False), 1, 1)
    with pytest.raises(RefusedError, match="begin='zero'"):
        EquilibriumPropagation(begin="last").start(made(chips=2), 1, 1)
    with pytest.raises(RefusedError, match="binary"):
        rule.start(made(binary=True), 1, 1)


def test_the_holomorphic_estimator_needs_a_network_without_kinks():
    rule = EquilibriumPropagation(estimator="holomorphic")
    image = {"shape": (1, 8, 8), "classes": 4}
    for network, message in (
        (made(activation="hard-sigmoid"), "'hard-sigmoid' has a kink; take one of sigmoid"),
        (made(dynamics=Dynamics("leaky", "sigmoid")), "clip=False"),
        (made(dynamics=Dynamics(activation="sigmoid", nudge="outside")), "clip=False"),
        (build_energy("1x8x8-3c3-mp2-4", dynamics=Dynamics(activation="sigmoid"), **image), "max-pooling"),
    ):
        with pytest.raises(RefusedError, match=message):
            rule.start(network, 1, 1)
        EquilibriumPropagation(estimator="holomorphic", points=2).start(network, 1, 1)  # real nudgings only
    rule.start(made(), 1, 1)
    rule.start(made(dynamics=Dynamics("leaky", "sigmoid", clip=False)), 1, 1)


def test_a_circuit_of_binary_weights_is_refused():
    circuit = circuits.catalogue["differential-pair"](device=devices.get("hfox-binary"))
    with pytest.raises(RefusedError, match="crossbar|graded"):
        EquilibriumPropagation().accept(circuit)


@pytest.mark.parametrize(("value", "message"), [(float("nan"), "NaN"), (255.0, "255")])
def test_inputs_are_checked_before_training(value, message):
    x, y = task()
    x[3, 2] = value
    network = made()
    before = [p.detach().clone() for p in network.parameters()]
    with pytest.raises(ParameterError, match=message):
        learning.fit(network, EquilibriumPropagation(), x, y, epochs=1, batch=4, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters(), strict=True))


def test_divergence_stops_the_training_and_names_group_and_step():
    x, y = task()
    network = made(dynamics=Dynamics(activation="linear"), relaxation=Relaxation(200, 20))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        with pytest.raises(DivergedError, match=r"group \d diverged at step \d+ of the (free|nudged) phase"):
            learning.fit(network, EquilibriumPropagation(lr=500.0), x, y, epochs=20, batch=4, seed=0)


# -- settling ------------------------------------------------------------------------------------------


def test_a_free_phase_that_has_not_settled_is_told_with_the_steps_that_would_do():
    """Once, and the number of steps that it names is enough."""
    x, y = task()
    slow = Dynamics("leaky", step=0.05)
    with pytest.warns(ConvergenceWarning, match=r"after 5 steps .* \d+ steps would do") as caught:
        learning.fit(
            made(dynamics=slow, relaxation=Relaxation(5, 5)), EquilibriumPropagation(), x, y, epochs=3, batch=4, seed=0
        )
    assert len(caught) == 1
    steps = int(str(caught[0].message).split("; ")[1].split()[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rule = EquilibriumPropagation(lr=0.0, digital_lr=0.0)
        relaxation = Relaxation(steps, 5)
        learning.fit(made(dynamics=slow, relaxation=relaxation), rule, x, y, epochs=1, batch=4, seed=0)


def test_a_phase_that_oscillates_is_told_so():
    """Two neurons that inhibit each other, moving at once: both on, both off, for ever."""
    edges = [Edge(0, 1, DenseCoupling(1, 1)), Edge(1, 2, DenseCoupling(1, 1))]
    network = EnergyNetwork([(1,), (1,), (1,)], edges, relaxation=Relaxation(20, 2))
    with torch.no_grad():
        edges[1].coupling.weight.fill_(-10.0)
        for bias in network.biases:
            bias.fill_(5.0)
    x, y, still = torch.zeros(4, 1), torch.zeros(4, dtype=torch.int64), EquilibriumPropagation(lr=0.0, digital_lr=0.0)
    with pytest.warns(ConvergenceWarning, match=r"move by 1 a step .* nor has it after 1020 steps"):
        learning.fit(network, still, x, y, epochs=1, batch=4, seed=0)
    network.relaxation = Relaxation(20, 2, "alternating")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learning.fit(network, still, x, y, epochs=1, batch=4, seed=0)


def test_settling_is_looked_at_while_weights_grow_too():
    """A training that begins settled and ends unsettled warns."""
    x, y = task()
    network = made(activation="hard-sigmoid", relaxation=Relaxation(12, 5))
    state = EquilibriumPropagation(lr=0.0, digital_lr=0.0).start(network, 1, 1)
    g, rows = generator_for(0, "rule"), torch.arange(12)
    state.learn(x, y, g, rows)
    with torch.no_grad():
        for coupling in network.couplings:
            coupling.weight.mul_(40)
    with pytest.warns(ConvergenceWarning):
        for _ in range(60):
            state.learn(x, y, g, rows)


def test_noise_is_no_movement():
    """Neurons and devices that jitter more than the tolerance, around a state that is settled."""
    x, y = task()
    rule = EquilibriumPropagation(lr=0.0, digital_lr=0.0)
    noisy = made(dynamics=Dynamics(activation="sigmoid", noise=0.3), relaxation=Relaxation(40, 5, "alternating"))
    circuit = circuits.catalogue["crossbar"](device=devices.get("ideal"), output_noise=0.5)
    held = made("8-6-4", circuit=circuit, chips=2, relaxation=Relaxation(40, 5, "alternating"))
    held.program_initial(generator_for(0, "chips"))
    for network in (noisy, held):
        with torch.no_grad():
            assert network.relax(x, measure=True).residual > rule.settled
        assert ep.is_noisy(network)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learning.fit(network, rule, x, y, epochs=1, batch=4, seed=0)
    assert noisy.dynamics.noise == 0.3
    assert all(layer.noisy_reads for layer in held.device_layers)
