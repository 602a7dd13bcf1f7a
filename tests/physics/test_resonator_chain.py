"""Weights of chains: closed sums against a plain formula, their gradient by finite differences, chips one by one."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.core.random import generator_for
from nanoneurons.physics import resonator_chain
from nanoneurons.physics.resonator_chain import chain_matrix
from nanoneurons.physics.spin_diode import plan_frequencies, rectified

SINGLE = 2.0**-24  # relative rounding of single precision


def case(chips=(), chains=3, resonators=8, tones=8, seed=0, damping=0.01, own_tones=False):
    """Resonances scattered around a plan, dampings and coefficients of their own; float64, Hz."""
    draw = generator_for(seed, "chains")

    def noise(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=draw)

    at = plan_frequencies(resonators, 20e6, 120e6, "geometric")
    heard = plan_frequencies(tones, 20e6, 120e6, "linear")
    if own_tones:
        heard = heard * (1 + 0.02 * noise(*chips, tones))
    shape = (*chips, chains, resonators)
    return {
        "resonance": at * (1 + damping * noise(*shape)),
        "tones": heard,
        "damping": damping * (1 + 0.1 * noise(*shape)).clamp(min=0.5),
        "coefficient": 1e4 * noise(*shape),
    }


def plain(resonance, tones, damping, coefficient, symmetric=0.0):
    """The sum over resonators, written down: tones x resonators in full."""
    f, t = resonance.unsqueeze(-2), tones.unsqueeze(-2).unsqueeze(-1)
    a, c = (
        torch.as_tensor(v, dtype=torch.float64).expand(resonance.shape).unsqueeze(-2) for v in (damping, coefficient)
    )
    return (c * rectified(t, f, a, symmetric)).sum(-1)


CASES = [
    {},
    {"resonators": 7, "tones": 7},
    {"resonators": 1, "tones": 1},
    {"resonators": 1, "tones": 5},
    {"resonators": 6, "tones": 1},
    {"resonators": 5, "tones": 33},
    {"chips": (2,), "resonators": 9},
    {"chips": (2,), "own_tones": True},
    {"chips": (2, 3), "own_tones": True, "resonators": 5},
]


@pytest.mark.parametrize("shape", CASES, ids=str)
@pytest.mark.parametrize("symmetric", [0.0, 0.7])
def test_equals_the_plain_formula_and_its_autograd(shape, symmetric):
    values = case(**shape)
    values["resonance"].requires_grad_()
    found, wanted = chain_matrix(**values, symmetric=symmetric), plain(**values, symmetric=symmetric)
    assert found.shape == wanted.shape == (*values["resonance"].shape[:-1], values["tones"].shape[-1])
    scale = float(wanted.detach().abs().max())
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12 * scale)
    weight = torch.randn(found.shape, dtype=torch.float64, generator=generator_for(1))
    (slope,) = torch.autograd.grad((found * weight).sum(), values["resonance"])
    (wanted_slope,) = torch.autograd.grad((wanted * weight).sum(), values["resonance"])
    torch.testing.assert_close(slope, wanted_slope, rtol=0, atol=1e-12 * float(wanted_slope.abs().max()))


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.floats(3e-4, 0.3), st.floats(-3, 3), st.integers(0, 999)
)
def test_equals_the_plain_formula_for_any_chain(resonators, tones, chains, damping, symmetric, seed):
    values = case(resonators=resonators, tones=tones, chains=chains, damping=min(damping, 0.1), seed=seed)
    values["damping"] = values["damping"] * damping / min(damping, 0.1)
    found, wanted = chain_matrix(**values, symmetric=symmetric), plain(**values, symmetric=symmetric)
    scale = float(values["coefficient"].abs().sum(-1).max()) * (1 + abs(symmetric))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-11 * scale)


@pytest.mark.parametrize("symmetric", [0.0, -0.4])
@pytest.mark.parametrize("resonators", [1, 2, 5])
def test_gradient_by_finite_differences(resonators, symmetric):
    """In MHz, where a step of 1e-6 is small against a linewidth."""
    values = case(chips=(2,), resonators=resonators, tones=4, own_tones=True)
    start = (values.pop("resonance") / 1e6).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: chain_matrix(1e6 * f, **values, symmetric=symmetric) / 1e4, (start,), eps=1e-6, atol=1e-6, rtol=1e-5
    )


def test_numbers_do_for_tensors():
    values = case()
    values |= {"damping": 0.01, "coefficient": 2e3}
    torch.testing.assert_close(chain_matrix(**values), plain(**values), rtol=1e-11, atol=1e-8)


@pytest.mark.parametrize("block", [1, 100, 1 << 26])
def test_compiled_loops_and_tensor_blocks_agree(monkeypatch, block):
    """What runs on other torch devices, called here: all chains at once, a few, one by one."""
    monkeypatch.setattr(resonator_chain, "_BLOCK", block)
    values = case(chips=(2,), chains=4, resonators=7, tones=9, own_tones=True)
    unit = 1e-8
    f, tone = values["resonance"] * unit, values["tones"] * unit
    alpha, c = values["damping"], values["coefficient"]
    wanted = torch.randn(2, 4, 9, dtype=torch.float64, generator=generator_for(1))
    blocks = list(resonator_chain._blocks(f, tone, alpha, c))
    assert len(blocks) == {1: 4, 100: 4, 1 << 26: 1}[block]
    with monkeypatch.context() as patch:  # a torch device that is not the CPU takes the other path
        compiled = (
            resonator_chain._sums(f, tone, alpha, c, 0.3),
            resonator_chain._slopes(f, tone, alpha, c, 0.3, wanted),
        )
        patch.setattr(resonator_chain, "_on_cpu", lambda t: False)
        tensors = resonator_chain._sums(f, tone, alpha, c, 0.3), resonator_chain._slopes(f, tone, alpha, c, 0.3, wanted)
    for one, two in zip(compiled, tensors, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12 * float(two.abs().max()))


@pytest.mark.parametrize("damping", [1e-3, 0.01, 0.1])
@pytest.mark.parametrize("count", [16, 256])
def test_single_precision_is_as_good_as_its_inputs(damping, count):
    """Frequencies rounded to 24 bits move a response by 2 eps |f dG/df|; sum and response add a few roundings each."""
    values = case(chains=4, resonators=count, tones=count, damping=damping)
    values["resonance"] = values["resonance"].clone().requires_grad_()
    exact = chain_matrix(**values)
    single = {name: value.detach().float() for name, value in values.items()}
    single["resonance"].requires_grad_()
    found = chain_matrix(**single)
    assert found.dtype == torch.float32
    f, t = values["resonance"].detach().unsqueeze(-2), values["tones"].unsqueeze(-1)
    a, c = values["damping"].unsqueeze(-2), values["coefficient"].abs().unsqueeze(-2)
    x = (t - f) / (a * f)
    moved = 2 * (1 - x * x).abs() / (1 + x * x) ** 2 * (t / (a * f)) * 2  # |f dG/df| + |t dG/dt|, which are equal
    response = 2 * x.abs() / (1 + x * x)
    bound = SINGLE * (c * (moved + 8 * response)).sum(-1) + count * SINGLE * (c * response).sum(-1)
    assert bool(((found.double() - exact).abs() <= bound).all())
    (exact * 1e-4).sum().backward()
    (found * 1e-4).sum().backward()
    error = (single["resonance"].grad.double() - values["resonance"].grad).norm() / values["resonance"].grad.norm()
    assert float(error) < 8 * SINGLE / damping * 2  # the same roundings over the same linewidth, slope of the slope 4


def test_chips_do_not_depend_on_their_neighbours():
    """To the bit, also where the tones of the others are others."""
    values = {k: v.float() for k, v in case(chips=(3,), chains=5, resonators=13, tones=11, own_tones=True).items()}
    values["resonance"].requires_grad_()
    together = chain_matrix(**values, symmetric=0.2)
    (slopes,) = torch.autograd.grad(together.square().sum(), values["resonance"])
    for chip in range(3):
        own = {k: v[chip].detach().clone() for k, v in values.items()}
        own["resonance"].requires_grad_()
        alone = chain_matrix(**own, symmetric=0.2)
        (slope,) = torch.autograd.grad(alone.square().sum(), own["resonance"])
        assert torch.equal(together[chip], alone)
        assert torch.equal(slopes[chip], slope)


def test_shared_tones_are_the_tones_of_every_chip():
    values = case(chips=(2,))
    shared = chain_matrix(**values)
    own = chain_matrix(**values | {"tones": values["tones"].expand(2, 8)})
    assert torch.equal(shared, own)


def test_weights_scale_with_the_band():
    """A thousand times the frequencies, the same weights, a thousandth of the slopes; no overflow at 100 GHz."""
    low = {k: v.float() for k, v in case().items()}
    high = low | {"resonance": low["resonance"] * 1024, "tones": low["tones"] * 1024}
    slopes = []
    for values in (low, high):
        values["resonance"].requires_grad_()
        (slope,) = torch.autograd.grad(chain_matrix(**values).sum(), values["resonance"])
        slopes.append(slope)
    assert torch.equal(chain_matrix(**low), chain_matrix(**high))
    assert torch.equal(slopes[0], slopes[1] * 1024)


def test_narrow_lines_keep_in_range_in_single_precision():
    """Half linewidths of 1e-5 f: squares of 1e-11 and their products stay far from the smallest number."""
    tones = plan_frequencies(4, 20e6, 120e6, "linear").float()
    resonance = (tones * (1 + 1e-5)).expand(2, 4).clone().requires_grad_()
    found = chain_matrix(resonance, tones, 1e-5, 1.0)
    found.sum().backward()
    assert bool(torch.isfinite(found).all())
    assert bool(torch.isfinite(resonance.grad).all())
    # the tone stands one half linewidth below; f is rounded by 6e-8 / 1e-5 of it, which is second order at an extreme
    torch.testing.assert_close(found.diagonal(dim1=0, dim2=1), -torch.ones(2), rtol=0, atol=1e-3)


def test_there_is_no_second_derivative():
    """Better an error than a silent zero."""
    values = case()
    values["resonance"].requires_grad_()
    (slope,) = torch.autograd.grad(chain_matrix(**values).square().sum(), values["resonance"], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        slope.sum().backward()


def test_neither_arguments_nor_global_state_are_touched():
    values = case()
    before = {k: v.clone() for k, v in values.items()}
    state = torch.get_rng_state()
    chain_matrix(**values)
    assert all(torch.equal(values[k], before[k]) for k in values)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_tone_at_every_resonance_hears_only_the_others():
    """Head to tail, one resonator per tone, all untuned: what is left is the leakage alone."""
    tones = plan_frequencies(21, 20e6, 120e6, "geometric")
    sign = torch.ones(21, dtype=torch.float64)
    sign[1::2] = -1
    found = chain_matrix(tones.expand(1, 21).contiguous(), tones, 0.01, sign)
    others = sum((-1) ** k * rectified(tones, tones[k], 0.01) * (torch.arange(21) != k) for k in range(21))
    torch.testing.assert_close(found[0], others, rtol=0, atol=1e-13)
    assert math.isclose(float(rectified(tones[3], tones[3], 0.01)), 0.0, abs_tol=0.0)
