"""Networks of resistors and diodes against independent solvers, conservation laws and differences of the loss."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.optimize import lsq_linear

from nanoneurons.core.errors import ParameterError, RefusedError, StudyError
from nanoneurons.layers.resistive import ResistiveCoupling
from nanoneurons.learning import _equilibrium as ep
from nanoneurons.networks import Relaxation, ResistiveNetwork, build_resistive
from nanoneurons.networks._wiring import Edge

LABELS = torch.tensor([0, 1, 2, 1])
X = torch.rand(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
BOTH = pytest.mark.parametrize("outputs", ["plain", "pairs"])


def make(outputs="plain", rounds=400, spec="6-8-10-3", **more):
    """A network of double precision with wild conductances and currents."""
    network = build_resistive(
        spec, shape=(6,), classes=3, outputs=outputs, amplification=5.0,
        relaxation=Relaxation(rounds, rounds, "alternating"), **more,
    ).double()  # fmt: skip
    network.dtype = torch.float64
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for e in network.edges:
            w = e.coupling.weight
            w.copy_(torch.rand(w.shape, generator=draw, dtype=torch.float64))
        for b in network.biases:
            b.copy_(0.3 * torch.randn(b.shape, generator=draw, dtype=torch.float64))
    return network


def hamiltonian(network, row, beta=0.0, wanted=None):
    """H and f of E = v H v / 2 - f v of all free nodes for one sample, by Kirchhoff's laws, and the groups' slices."""
    ends = np.cumsum([0] + [s[0] for s in network.shapes])
    parts = [slice(a, b) for a, b in pairwise(ends)]
    h = np.zeros((ends[-1], ends[-1]))
    for e in network.edges:
        g, a, b = e.coupling.weight.detach().numpy(), parts[e.source], parts[e.target]
        h[a, a] += np.diag(g.sum(0))
        h[b, b] += np.diag(g.sum(1))
        h[b, a] -= g
        h[a, b] -= g.T
    held = parts[0].stop  # the sources, of known voltages
    f = np.concatenate([b.detach().numpy() for b in network.biases])
    f -= h[held:, :held] @ (network.amplification * np.concatenate([row, -row]))
    h, parts = h[held:, held:], [slice(p.start - held, p.stop - held) for p in parts[1:]]
    if beta:
        read = np.zeros((3, len(f)))
        first = parts[-1].start
        read[np.arange(3), first + np.arange(3)] = 1
        if network.pairs:
            read[np.arange(3), first + 3 + np.arange(3)] = -1
        h, f = h + beta * read.T @ read, f + beta * read.T @ wanted
    return h, f, parts


def solve(network, x, beta=0.0, target=None):
    """Constrained minima by bounded least squares, sample by sample: an active-set method, nothing like ours."""
    found = []
    for k, row in enumerate(x.numpy()):
        h, f, parts = hamiltonian(network, row, beta, None if target is None else target[k].numpy())
        low, high = np.full(len(f), -np.inf), np.full(len(f), np.inf)
        for part in parts[:-1]:
            half = (part.start + part.stop) // 2
            low[part.start : half], high[half : part.stop] = 0, 0
        root = np.linalg.cholesky(h).T
        found.append(lsq_linear(root, np.linalg.solve(root.T, f), (low, high), method="bvls", tol=1e-14).x)
    return np.array(found)


def together(states):
    return torch.cat(states, -1).numpy()


@BOTH
@pytest.mark.parametrize("beta", [0.0, 0.5, -0.3])
def test_voltages_are_the_constrained_minimum(outputs, beta):
    check_minimum(make(outputs), beta)


def check_minimum(network, beta):
    target = network.targets(LABELS)
    v = together(network.relax(X, beta=beta, target=target).states)
    np.testing.assert_allclose(v, solve(network, X, beta, target), rtol=0, atol=1e-12)
    assert 0.1 < (v == 0).mean() < 0.9  # diodes of both states


@pytest.mark.parametrize("beta", [0.0, 0.5])
def test_so_they_are_with_resistors_past_a_layer(beta):
    """Sources tied to the outputs and the second hidden group too: three sets of groups, not two."""
    sizes, ends = [12, 8, 6, 3], [(0, 1), (1, 2), (2, 3), (0, 2), (0, 3), (1, 3)]
    edges = [Edge(a, b, ResistiveCoupling(sizes[a], sizes[b], seed=k)) for k, (a, b) in enumerate(ends)]
    rounds = Relaxation(400, 400, "alternating")
    network = ResistiveNetwork([(n,) for n in sizes], edges, amplification=5.0, relaxation=rounds).double()
    network.dtype = torch.float64
    assert len(network.groups) == 3
    check_minimum(network, beta)


def test_without_diodes_voltages_solve_kirchhoffs_equations(monkeypatch):
    network = make()
    monkeypatch.setattr("nanoneurons.networks.resistive_network.clip_halves", lambda v: v)
    v = together(network.relax(X).states)
    for k, row in enumerate(X.numpy()):
        h, f, _ = hamiltonian(network, row)
        np.testing.assert_allclose(v[k], np.linalg.solve(h, f), rtol=0, atol=1e-12)


@BOTH
def test_the_power_falls_at_every_round_and_each_round_is_a_minimum_along_its_groups(outputs):
    network = make(outputs)
    clamped = network.clamp(X)
    draw = torch.Generator().manual_seed(1)
    states = [torch.randn(4, *s, generator=draw, dtype=torch.float64) for s in network.shapes[1:]]
    for s in states[:-1]:  # within what the diodes allow
        s[:, : s.shape[1] // 2].abs_()
        s[:, s.shape[1] // 2 :].abs_().neg_()
    last, fell = network.phi(clamped, states).detach(), []
    for _ in range(12):
        states = network.relax(clamped, states, steps=1).states
        now = network.phi(clamped, states).detach()
        assert (now >= last - 1e-12 * now.abs()).all()
        fell.append(float((now - last).min()))
        last = now
    assert fell[0] > 1e-3
    # the last set to move holds group 2: no change of its voltages that its diodes allow does better
    for sign in (1e-4, -1e-4):
        moved = [s.clone() for s in states]
        half = moved[1].shape[1] // 2
        moved[1] = moved[1] + sign
        moved[1][:, :half].clamp_(min=0)
        moved[1][:, half:].clamp_(max=0)
        assert (network.phi(clamped, moved) <= last).all()


def test_sources_give_what_resistors_take():
    network = make()
    clamped = network.clamp(X)
    states = network.relax(clamped).states
    g = network.edges[0].coupling.weight.detach()
    into = (clamped.x.unsqueeze(1) - states[0].unsqueeze(2)) * g  # currents out of the voltage sources
    given = (clamped.x * into.sum(1)).sum(-1)
    given += sum((b.detach() * s).sum(-1) for b, s in zip(network.biases, states, strict=True))
    torch.testing.assert_close(network.power(clamped, states), given, rtol=1e-12, atol=0)


def test_power_counts_in_watt():
    """A chain of 50 and 150 uS: nothing flows once it has settled; before, V^2 G of both by hand."""
    network = build_resistive("1-2-1", shape=(1,), classes=1, siemens=1e-6, amplification=2.0).double()
    network.dtype = torch.float64
    with torch.no_grad():
        network.edges[0].coupling.weight.copy_(torch.tensor([[50.0, 0.0], [0.0, 0.0]]))
        network.edges[1].coupling.weight.copy_(torch.tensor([[150.0, 0.0]]))
    clamped = network.clamp(torch.ones(1, 1))
    states = network.relax(clamped, steps=200).states
    assert float(states[-1]) == pytest.approx(2.0)
    assert float(network.power(clamped, states, volts=0.05)) == pytest.approx(0, abs=1e-18)
    states = [torch.tensor([[1.5, 0.0]]), torch.tensor([[0.0]])]
    want = 50e-6 * (0.5 * 0.05) ** 2 + 150e-6 * (1.5 * 0.05) ** 2
    assert float(network.power(clamped, states, volts=0.05)) == pytest.approx(want, rel=1e-12)


def gradients(network, target, estimator, beta):
    clamped = network.clamp(X)
    free = network.relax(clamped).states
    wanted = ep.points(estimator, beta)
    nudged = network.nudge(clamped, free, target, [p.beta for p in wanted if p.beta])
    found = list(zip([p for p in wanted if p.beta], nudged, strict=True)) + [(p, free) for p in wanted if not p.beta]
    lists = ep.pairs(network, clamped, found)
    changes = [e.coupling.hebbian(pairs) for e, pairs in zip(network.edges, lists, strict=True)]
    return torch.cat([c.flatten() for c in (*changes, *ep.bias_changes(network, found))])


def finite_differences(network, target, chosen):
    """Of the summed loss by the chosen conductances and currents, in the order of `gradients`."""
    values = [*(e.coupling.weight.data for e in network.edges), *(b.data for b in network.biases)]
    found, at = [], 0
    for value in values:
        flat = value.view(-1)
        for k in [k - at for k in chosen if at <= k < at + flat.numel()]:
            before, losses = flat[k].item(), []
            for h in (1e-5, -1e-5):
                flat[k] = before + h
                losses.append(float(network.costs(network.relax(X).states, target).sum().detach()))
            flat[k] = before
            found.append((losses[0] - losses[1]) / 2e-5)
        at += flat.numel()
    return torch.tensor(found, dtype=torch.float64)


@BOTH
def test_phases_tell_the_gradient_of_the_loss(outputs):
    """Of order 2 for the centred and 1 for the one-sided estimator, and right."""
    network = make(outputs, rounds=200)
    target = network.targets(LABELS)
    size = gradients(network, target, "centred", 0.1).numel()
    chosen = list(range(0, size, 11))
    slope = finite_differences(network, target, chosen)

    def error(estimator, beta):
        return float((gradients(network, target, estimator, beta)[chosen] + slope).norm() / slope.norm())

    assert error("centred", 0.002) < 1e-5
    assert np.log2(error("centred", 0.1) / error("centred", 0.05)) == pytest.approx(2, abs=0.1)
    assert np.log2(error("one-sided", 0.02) / error("one-sided", 0.01)) == pytest.approx(1, abs=0.1)


@BOTH
def test_voltages_do_not_know_the_scale_of_conductances(outputs):
    network, twin = make(outputs), make(outputs)
    with torch.no_grad():
        for p in twin.parameters():
            p.mul_(7.0)
    target = network.targets(LABELS)
    for beta in (0.0, 0.3):
        one = network.relax(X, beta=beta, target=target).states
        two = twin.relax(X, beta=7 * beta, target=target).states
        np.testing.assert_allclose(together(one), together(two), rtol=0, atol=1e-12)


def test_all_voltages_scale_together():
    network, twin = make(), make()
    with torch.no_grad():
        for b in twin.biases:
            b.mul_(3.0)
    twin.amplification *= 3
    target = network.targets(LABELS)
    one = network.relax(X, beta=0.3, target=target).states
    two = twin.relax(X, beta=0.3, target=3 * target).states
    np.testing.assert_allclose(3 * together(one), together(two), rtol=0, atol=1e-12)


def test_reciprocity(monkeypatch):
    """Without diodes, the voltage at k by a current into j is the voltage at j by the same current into k."""
    network = make()
    monkeypatch.setattr("nanoneurons.networks.resistive_network.clip_halves", lambda v: v)
    responses = {}
    for group, node, other, seen in ((0, 2, 2, 1), (2, 1, 0, 2)):
        with torch.no_grad():
            for b in network.biases:
                b.zero_()
            network.biases[group][node] = 1.0
        responses[group] = float(network.relax(torch.zeros(1, 6)).states[other][0, seen])
    assert responses[0] == pytest.approx(responses[2], rel=1e-10)
    assert responses[0] > 1e-3


def test_chips_side_by_side_are_networks_alone():
    network = make(chips=2)
    with torch.no_grad():
        network.edges[0].coupling.weight[1].mul_(0.5)
    target = network.targets(LABELS)
    both = network.relax(X, beta=0.2, target=target).states
    changes = gradients(network, target, "centred", 0.2)
    singles = []
    for chip in range(2):
        alone = make()
        with torch.no_grad():
            for mine, theirs in zip(alone.parameters(), network.parameters(), strict=True):
                mine.copy_(theirs[chip])
        found = alone.relax(X, beta=0.2, target=target).states
        np.testing.assert_allclose(together([s[chip] for s in both]), together(found), rtol=0, atol=1e-13)
        singles.append(gradients(alone, target, "centred", 0.2))
    sizes = [p.numel() for p in make().parameters()]
    parts = zip(changes.split([2 * s for s in _order(sizes)]), *(s.split(_order(sizes)) for s in singles), strict=True)
    for two, first, second in parts:
        torch.testing.assert_close(two, torch.cat([first, second]), rtol=1e-10, atol=1e-12)


def test_chips_may_see_samples_of_their_own():
    network = make(chips=2)
    own = torch.stack([X, X.flip(0)])
    found, first = network.relax(own).states, network.relax(X).states
    for mine, same in zip(found, first, strict=True):
        torch.testing.assert_close(mine[0], same[0], rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(mine[1], same[1].flip(0), rtol=1e-12, atol=1e-13)
    phases = network.nudge(network.clamp(own), found, network.targets(torch.stack([LABELS, LABELS])), [0.2, -0.2])
    assert phases[0][0].shape == (2, 4, 8)


def _order(sizes):
    """Sizes of weights, then of currents, as `gradients` lists them; `parameters` may list currents first."""
    weights = [w.numel() for w in (e.coupling.weight for e in make().edges)]
    return [*weights, *(b.numel() for b in make().biases)]


def test_many_rounds_are_reported_as_settled():
    found = make(rounds=60).relax(X, measure=True)
    assert found.residual is not None
    assert found.residual < 1e-10


def test_bad_input_is_refused_in_one_line():
    network = make()
    with pytest.raises(ParameterError, match="outweighs the conductance"):
        network.relax(X, beta=-50.0, target=network.targets(LABELS))
    with pytest.raises(ParameterError, match="outweighs the conductance"):
        make("pairs").nudge(network.clamp(X), network.relax(X).states, network.targets(LABELS), [50.0, -50.0])
    with pytest.raises(RefusedError, match="centred"):
        network.relax(X, beta=0.1 + 0.1j, target=network.targets(LABELS))
    with pytest.raises(ParameterError, match="6 input neurons"):
        network.check_input(torch.zeros(3, 12))
    with pytest.raises(ParameterError, match="alternating"):
        build_resistive("6-4-3", shape=(6,), classes=3, relaxation=Relaxation(4, 4, "synchronous"))
    with pytest.raises(ParameterError, match="even number"):
        build_resistive("6-5-3", shape=(6,), classes=3)
    with pytest.raises(StudyError, match="dense"):
        build_resistive("1x4x4-4c3-3", shape=(1, 4, 4), classes=3)
    with pytest.raises(StudyError, match="binary"):
        build_resistive("6-4-3", shape=(6,), classes=3, kind="binary")
    edges = [Edge(0, 1, ResistiveCoupling(4, 2)), Edge(1, 2, ResistiveCoupling(2, 2, siemens=1e-6))]
    with pytest.raises(ParameterError, match="siemens"):
        ResistiveNetwork([(4,), (2,), (2,)], edges)


def test_counts_no_conversion_between_groups():
    assert make().inference_counts().events == {"dac": 12.0, "read": 12.0 * 8 + 80 + 30, "adc": 3.0}
