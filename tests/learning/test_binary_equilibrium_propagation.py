"""Binary equilibrium propagation: the flip rule, the whole algorithm against autograd, devices, seeds side by side."""

import pytest
import torch
from torch.nn import functional as F

from nanoneurons import data, devices, learning
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.circuits.single_cell import SingleCell
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.binary_equilibrium_propagation import BinaryEquilibriumPropagation, Flipping, flip
from nanoneurons.learning.equilibrium_propagation import EquilibriumPropagation
from nanoneurons.networks import Dynamics, Relaxation, build_energy

STEPS = Dynamics(setting="leaky", activation="step", step=0.5, begin=1.0)
RULE = BinaryEquilibriumPropagation(settled=10.0, gamma=1e-3, tau=1e-5)  # whether phases settle is not tested here


def net(spec="12-16-3", shape=(12,), classes=3, seed=3, **more):
    more = {"dynamics": Dynamics(nudge="outside"), "relaxation": Relaxation(8, 4), "binary": True} | more
    return build_energy(spec, shape=shape, classes=classes, bias_start="uniform", seed=seed, **more)


def task(samples=48, shape=(12,), classes=3):
    generator = generator_for(0, "task")
    y = torch.arange(samples) % classes
    return (torch.rand(samples, *shape, generator=generator) + y.view(-1, *[1] * len(shape))) / classes, y


def weights(network):
    return [e.coupling.weight.detach().clone() for e in network.edges]


def test_a_weight_flips_when_its_momentum_has_stood_against_it_long_enough_and_momentum_stays():
    w = torch.tensor([1.0, 1.0, -1.0, -1.0, 1.0])
    m = torch.tensor([-0.3, 0.3, 0.3, -0.3, -0.1])
    before = m.clone()
    assert flip(w, m, 0.2) == 2
    assert w.tolist() == [-1.0, 1.0, 1.0, -1.0, 1.0]
    assert torch.equal(m, before)
    assert flip(w, m, 0.2) == 0  # the new signs agree with the momentum


def test_compiled_and_plain_flips_agree():
    g = generator_for(0, "flips")
    w = torch.where(torch.rand(40, 30, generator=g) < 0.5, 1.0, -1.0)
    m = torch.randn(40, 30, generator=g)
    expected = torch.where(-w.sign() * m > 0.3, -w, w)
    count = int((expected != w).sum())
    plain = w.t().contiguous().t()  # not contiguous: the path without the kernel
    assert 0 < count < w.numel()
    assert flip(w, m, 0.3) == int(flip(plain, m, 0.3)) == count
    assert torch.equal(w, expected)
    assert torch.equal(plain, expected)


def autograd_run(network, x, y, batch, gammas, taus, rates, scale_rate, signs, convolutional):
    """The same algorithm from Phi alone: autograd at every step, for every parameter; float64."""
    w = [e.coupling.weight.detach().double().clone() for e in network.edges]
    alpha = [float(e.coupling.scale.detach()) for e in network.edges]
    b = [p.detach().double().clone() for p in network.biases]
    momenta = [torch.zeros_like(v) for v in w]
    d, last = network.dynamics, len(w) - 1
    rho = (lambda u: (u >= 0.5).double()) if d.activation == "step" else (lambda u: u)

    def phi(weights, biases, x, seen):
        total = torch.zeros((), dtype=torch.float64)
        below = x
        for k, (v, c, s) in enumerate(zip(weights, biases, seen, strict=True)):
            if v.dim() == 4:
                pre = F.max_pool2d(F.conv2d(below, v, padding=v.shape[-1] // 2), 2) + c.view(-1, 1, 1)
            else:
                pre = F.linear(below.flatten(1), v, c)
            total = total + (pre * s).sum()
            below = seen[k]
        return total

    def step(states, x, beta, target):
        seen = [rho(s).requires_grad_() for s in states]
        fields = torch.autograd.grad(phi([a * v for a, v in zip(alpha, w, strict=True)], b, x, seen), seen)
        new = []
        for k, (s, h) in enumerate(zip(states, fields, strict=True)):
            force = beta * (target - s) if k == last and beta else 0.0
            if d.setting == "leaky":
                new.append(((1 - d.step) * s + d.step * (h + force)).clamp(0, 1))
            else:
                new.append((h.clamp(0, 1) + force).clamp(0, 1))
        return [s.detach() for s in new]

    order = torch.randperm(len(x), generator=generator_for(0, "order", 1))
    hot = F.one_hot(y, network.classes).double().repeat_interleave(b[-1].numel() // network.classes, 1)
    for n, sign in enumerate(signs):
        chosen = order[n * batch : (n + 1) * batch]
        xs, target, beta = x[chosen].double(), hot[chosen], 0.3 * sign
        states = [torch.full((len(chosen), *s), d.begin, dtype=torch.float64) for s in network.shapes[1:]]
        for _ in range(network.relaxation.steps):
            states = step(states, xs, 0.0, target)
        nudged = states
        for _ in range(network.relaxation.nudged_steps):
            nudged = step(nudged, xs, beta, target)
        scaled = [(a * v).requires_grad_() for a, v in zip(alpha, w, strict=True)]
        biases = [c.clone().requires_grad_() for c in b]
        contrast = phi(scaled, biases, xs, [rho(s) for s in nudged]) - phi(scaled, biases, xs, [rho(s) for s in states])
        grads = torch.autograd.grad(contrast / (beta * len(chosen)), [*scaled, *biases])
        for k in range(len(w)):
            term = float((grads[k] * scaled[k].detach()).sum())  # Phi is linear in every weight
            momenta[k] = (1 - gammas[k]) * momenta[k] + gammas[k] * grads[k]
            w[k] = torch.where(-w[k] * momenta[k] > taus[k], -w[k], w[k])
            alpha[k] += scale_rate * (1.0 if convolutional and w[k].dim() == 4 else 0.5) * term
            b[k] += rates[k] * grads[len(w) + k]
    return w, momenta, alpha, b


@pytest.mark.parametrize("kind", ["dense", "two hidden", "convolution", "binary activations"])
def test_the_whole_algorithm_equals_autograd_of_phi(kind):
    more, spec, shape, classes = {}, "12-16-3", (12,), 3
    if kind == "two hidden":
        spec = "12-16-14-3"
    elif kind == "convolution":
        spec, shape = "1x8x8-4c3-mp2-3", (1, 8, 8)
    elif kind == "binary activations":
        more = {"dynamics": STEPS, "replicas": 4}
    network = net(spec, shape, classes, **more).double()
    network.dtype = torch.float64
    x, y = task(40, shape)
    count = len(network.edges)
    gammas, taus, rates = [1e-2, 5e-3, 2e-3][:count], [2e-5, 1e-5, 1e-5][:count], [0.1, 0.05, 0.02][:count]
    stream, batch, made = generator_for(0, "rule"), 8, len(x) // 8
    signs = [1.0 if float(torch.rand((), generator=stream)) < 0.5 else -1.0 for _ in range(made)]
    assert len(set(signs)) == 2
    expected = autograd_run(network, x, y, batch, gammas, taus, rates, 0.01, signs, kind == "convolution")
    before, kept = weights(network), []

    def prepare(state):
        state.gammas, state.taus, state.bias_rates = gammas, taus, rates
        kept.append(state)

    learning.fit(
        network, BinaryEquilibriumPropagation(settled=10.0, scale_lr=0.01), x, y, epochs=1, batch=batch, seed=0,
        prepare=prepare,
    )  # fmt: skip
    (state,) = kept
    for k, e in enumerate(network.edges):
        torch.testing.assert_close(state.momenta[k], expected[1][k], rtol=1e-9, atol=1e-14)
        assert torch.equal(e.coupling.weight, expected[0][k])
        assert float(e.coupling.scale.detach()) == pytest.approx(expected[2][k], rel=1e-12)
        torch.testing.assert_close(network.biases[k].detach(), expected[3][k], rtol=1e-9, atol=1e-14)
    assert any(not torch.equal(a, b) for a, b in zip(before, weights(network), strict=True)), "nothing flipped"
    assert sum(float(f) for f in state.flipped) > 0


def test_learns_digits_and_weights_stay_binary():
    digits = data.load("digits")
    network = net("64-256-10", digits.shape, 10, relaxation=Relaxation(20, 10))
    rule = BinaryEquilibriumPropagation(gamma=1e-3, tau=5e-5, settled=10.0)
    learning.fit(network, rule, digits.x_train, digits.y_train, epochs=8, batch=50, seed=0)
    assert float(learning.accuracy(network, digits.x_test, digits.y_test)[0]) > 0.8  # chance is 0.1
    assert all(torch.equal(w.abs(), torch.ones_like(w)) for w in weights(network))


def test_binary_neurons_start_at_one_and_follow_their_equation():
    network = net(dynamics=STEPS, replicas=2, relaxation=Relaxation(1, 1))
    x, y = task(6)
    one = network.relax(x).states
    w = [e.coupling.weight * e.coupling.scale for e in network.edges]
    hidden = 0.5 * 1 + 0.5 * (x @ w[0].t() + network.biases[0] + torch.ones(6, 6) @ w[1])
    torch.testing.assert_close(one[0], hidden.clamp(0, 1))
    seen = [(s >= 0.5).float() for s in one]
    target = network.targets(y)
    two = network.relax(x, one, beta=2.0, target=target).states
    output = 0.5 * one[1] + 0.5 * (seen[0] @ w[1].t() + network.biases[1] + 2.0 * (target - one[1]))
    torch.testing.assert_close(two[1], output.clamp(0, 1))
    assert torch.equal(network.outputs(one), seen[1].view(6, 3, 2).mean(-1))


@pytest.mark.parametrize(
    "rule",
    [
        RULE,
        BinaryEquilibriumPropagation(settled=10.0, gamma=1e-3, tau=1e-5, scale_lr=0.1),
        EquilibriumPropagation(estimator="random-sign", settled=10.0),
    ],
)
@pytest.mark.parametrize("dynamics", [Dynamics(nudge="outside"), STEPS])
def test_seeds_side_by_side_learn_as_they_do_alone(rule, dynamics):
    x, y = task(60)
    more = {"dynamics": dynamics, "binary": isinstance(rule, BinaryEquilibriumPropagation)}
    seeds = [5, 6, 9]
    alone = [net(seed=s, **more) for s in seeds]
    together = net(chips=3, **more)
    together.gather(alone)
    for s, network in zip(seeds, alone, strict=True):
        learning.fit(network, rule, x, y, epochs=2, batch=10, seed=s)
    learning.fit(together, rule, x, y, epochs=2, batch=10, seed=seeds)
    for p, *singles in zip(together.parameters(), *(n.parameters() for n in alone), strict=True):
        torch.testing.assert_close(p, torch.stack(singles), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(together.biases[0][0], together.biases[0][1])


def test_seeds_side_by_side_are_refused_where_they_would_not_be_the_same_as_alone():
    x, y = task()
    with pytest.raises(RefusedError, match="2 seeds side by side need as many chips"):
        learning.fit(net(chips=3), RULE, x, y, epochs=1, batch=8, seed=[1, 2])
    with pytest.raises(RefusedError, match="without tolerance"):
        slow = net(chips=2, relaxation=Relaxation(8, 4, tolerance=1e-3))
        learning.fit(slow, RULE, x, y, epochs=1, batch=8, seed=[1, 2])
    with pytest.raises(RefusedError, match="one seed at a time"):
        software = learning.get("backpropagation")
        network = software.build_network("12-8-3", kind="analog", circuit=None, chips=2, shape=(12,), classes=3)
        learning.fit(network, software, x, y, epochs=1, batch=8, seed=[1, 2])
    with pytest.raises(ParameterError, match="3 networks do not fill 2 chips"):
        net(chips=2).gather([net()] * 3)


def test_pairs_of_perfect_devices_flip_as_software_does():
    x, y = task()
    perfect = devices.get("hfox-binary").ideal()
    held = net(circuit=DifferentialPair(perfect))
    held.fabricate(generator_for(0, "chip"))
    software = net()
    with torch.no_grad():
        for mine, theirs in zip(software.edges, held.edges, strict=True):
            mine.coupling.weight.copy_(theirs.coupling.weight)
    before, kept = weights(software), []
    rule = BinaryEquilibriumPropagation(estimator="centred", gamma=1e-3, tau=1e-5, settled=10.0)
    for network in (held, software):  # writing draws numbers too, so random signs of beta would differ
        learning.fit(network, rule, x, y, epochs=3, batch=8, seed=0, prepare=kept.append)
    assert any(not torch.equal(a, b) for a, b in zip(before, weights(software), strict=True))
    for a, b in zip(weights(held), weights(software), strict=True):
        assert torch.equal(a, b)
    flips = [[float(f) for f in state.flipped] for state in kept]
    assert flips[0] == flips[1]
    assert sum(c.pulses_applied for c in held.device_layers) == 2 * sum(flips[0])  # both devices of a pair are written


def test_weak_reset_pairs_resist_being_written_back():
    """A pair that only ever moves towards higher resistance cannot follow every flip: fewer weights turn than asked."""
    x, y = task()
    held = net(circuit=DifferentialPair(devices.get("hfox-weak-reset"), write_pulses=10))
    held.fabricate(generator_for(0, "chip"))
    kept: list[Flipping] = []
    before = weights(held)
    learning.fit(held, RULE, x, y, epochs=3, batch=8, seed=0, prepare=kept.append)
    asked = sum(float(f) for f in kept[0].flipped)
    turned = sum(int((a != b).sum()) for a, b in zip(before, weights(held), strict=True))
    assert 0 < turned < asked
    assert sum(c.pulses_applied for c in held.device_layers) == 10 * asked


def test_what_cannot_work_is_refused():
    x, y = task()
    with pytest.raises(RefusedError, match="coupling 0 is graded"):
        learning.fit(net(binary=False), RULE, x, y, epochs=1, batch=8, seed=0)
    with pytest.raises(RefusedError, match="squared-error"):
        learning.fit(net("12-16-8-3", cost="cross-entropy"), RULE, x, y, epochs=1, batch=8, seed=0)
    with pytest.raises(RefusedError, match="same weights both ways"):
        learning.fit(net(tied=False), RULE, x, y, epochs=1, batch=8, seed=0)
    with pytest.raises(RefusedError, match="analogue"):
        RULE.accept(Crossbar(devices.get("ideal")))


def test_devices_that_all_read_the_same_are_first_written_with_random_signs():
    x, y = task()
    held = net(circuit=SingleCell(devices.get("hfox-binary").ideal()))
    held.fabricate(generator_for(0, "chip"))
    assert all(len(w.unique()) == 1 for w in weights(held))
    learning.fit(held, RULE, x, y, epochs=1, batch=8, seed=0)
    assert all(0.2 < float((w > 0).double().mean()) < 0.8 for w in weights(held))
