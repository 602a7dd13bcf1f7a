"""How neurons of an energy network move: both settings against their equations, step by step."""

import pytest
import torch

from nanoneurons.core.errors import ParameterError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.networks import Dynamics, Relaxation, build_energy


def network(dynamics, relaxation=Relaxation(1, 1), spec="9-7-5-3", seed=2):  # noqa: B008 - frozen
    made = build_energy(
        spec, shape=(9,), classes=3, dynamics=dynamics, relaxation=relaxation, seed=seed, bias_start="uniform", gain=2.0
    ).double()
    made.dtype = torch.float64
    return made


def begin(made, batch=4, seed=0):
    g = generator_for(seed, "states")
    x = torch.rand(batch, *made.shapes[0], generator=g, dtype=torch.float64)
    return x, [torch.rand(batch, *s, generator=g, dtype=torch.float64) for s in made.shapes[1:]]


def fields(made, x, shown):
    """Sum of what neighbours send, written out for the chain 9-7-5-3."""
    w1, w2, w3 = (e.coupling.weight for e in made.edges)
    b1, b2, b3 = made.biases
    s1, s2, s3 = shown
    return [x @ w1.T + b1 + s2 @ w2, s1 @ w2.T + b2 + s3 @ w3, s2 @ w3.T + b3]


@pytest.mark.parametrize("name", ["hard-sigmoid", "sigmoid", "tanh", "half-hard-sigmoid"])
@pytest.mark.parametrize("nudge", ["inside", "outside"])
@pytest.mark.parametrize("beta", [0.0, 0.3])
@torch.no_grad()
def test_one_prototypical_step(name, nudge, beta):
    made = network(Dynamics(activation=name, nudge=nudge, step=0.7, force=2.0, clip=False))
    x, s = begin(made)
    target = made.targets(torch.tensor([0, 1, 2, 0])).double()
    sigma = made.functions[0].function
    h = fields(made, x, s)
    push = 2 * beta * (target - s[2])
    wanted = [sigma(h[0].clone()), sigma(h[1].clone())]
    wanted.append(sigma(h[2] + push) if nudge == "inside" else sigma(h[2].clone()) + push)
    wanted = [a + 0.7 * (b - a) for a, b in zip(s, wanted, strict=True)]
    found = made.relax(x, s, beta=beta, target=target, steps=1).states
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["hard-sigmoid", "sigmoid", "tanh"])
@pytest.mark.parametrize("clip", [True, False])
@torch.no_grad()
def test_one_leaky_step(name, clip):
    """Neighbours see rho(s), a neuron feels rho'(s) h - s; outputs move without rho'."""
    made = network(Dynamics(setting="leaky", activation=name, step=0.3, clip=clip))
    x, s = begin(made)
    target = made.targets(torch.tensor([0, 1, 2, 0])).double()
    rho = made.functions[0]
    h = fields(made, x, [rho.function(a.clone()) for a in s])
    drive = [rho.slope(s[0]) * h[0] - s[0], rho.slope(s[1]) * h[1] - s[1], h[2] - s[2] + 0.5 * (target - s[2])]
    wanted = [a + 0.3 * d for a, d in zip(s, drive, strict=True)]
    if clip:
        wanted = [a.clamp(*rho.bounds) for a in wanted]
    found = made.relax(x, s, beta=0.5, target=target, steps=1).states
    for a, b in zip(found, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("setting", "name"), [("prototypical", "hard-sigmoid"), ("leaky", "hard-sigmoid")])
@torch.no_grad()
def test_a_small_leaky_step_lowers_the_energy_of_every_sample(setting, name):
    made = network(Dynamics(setting=setting, activation=name, step=0.02))
    x, s = begin(made, batch=6)
    clamped = made.clamp(x)

    def energy(states):
        return 0.5 * sum((a**2).sum(-1) for a in states) - made.phi(clamped, states)

    before = energy(s)
    for _ in range(60):
        s = made.relax(clamped, s, steps=1).states
        after = energy(s)
        assert (after <= before + 1e-12).all()
        before = after


@torch.no_grad()
def test_a_small_leaky_step_with_a_smooth_function_lowers_the_energy():
    """With clamped outputs, since those move without rho'."""
    made = network(Dynamics(setting="leaky", activation="sigmoid", output="linear", step=0.02, clip=False))
    x, s = begin(made, batch=6)
    clamped = made.clamp(x)
    before = None
    for _ in range(60):
        energy = 0.5 * sum((a**2).sum(-1) for a in s) - made.phi(clamped, s)
        assert before is None or (energy <= before + 1e-12).all()
        before, s = energy, made.relax(clamped, s, steps=1).states


@torch.no_grad()
def test_states_stay_within_bounds_however_they_are_pushed():
    for setting, nudge in (("leaky", "inside"), ("prototypical", "outside"), ("prototypical", "inside")):
        made = network(Dynamics(setting=setting, nudge=nudge))
        x, s = begin(made)
        target = made.targets(torch.tensor([0, 1, 2, 0]))
        for state in made.relax(x, s, beta=-50.0, target=target, steps=5).states:
            assert 0 <= float(state.min()) <= float(state.max()) <= 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"setting": "discrete"}, "setting must be"),
        ({"nudge": "beside"}, "nudge must be"),
        ({"step": 0.0}, "step must be"),
        ({"step": 2.0}, "step must be"),
        ({"step": 1.5, "setting": "leaky"}, "step must be"),
        ({"step": float("nan")}, "step must be"),
        ({"force": 0.0}, "force must be"),
        ({"noise": -1.0}, "noise must be"),
        ({"noise": float("nan")}, "noise must be"),
    ],
)
def test_dynamics_out_of_range(values, message):
    with pytest.raises(ParameterError, match=message):
        Dynamics(**values)


def test_unknown_functions():
    with pytest.raises(UnknownNameError, match="sigmoid"):
        Dynamics(activation="sigmoyd")
    with pytest.raises(UnknownNameError, match="linear"):
        Dynamics(output="linaer")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 0}, "at least one step"),
        ({"nudged_steps": 0}, "at least one step"),
        ({"order": "random"}, "order must be"),
        ({"tolerance": -1e-3}, "tolerance must be"),
        ({"tolerance": 1.0}, "tolerance must be"),
    ],
)
def test_phases_out_of_range(values, message):
    with pytest.raises(ParameterError, match=message):
        Relaxation(**values)
