"""Couplings: both fields and the change of weights are derivatives of one primitive function."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import circuits, devices
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import DenseCoupling
from nanoneurons.layers.coupling_conv import ConvCoupling


def random(generator, *shape):
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def check_derivatives(coupling, a, b):
    """Phi, up, down and hebbian against autograd of an independent expression for Phi."""
    coupling.double().prepare(torch.float64)
    weight = coupling.held.clone().requires_grad_()
    a0, b0 = a.clone().requires_grad_(), b.clone().requires_grad_()
    phi = written_out(coupling, weight, a0, b0)
    to_a, to_b, to_w = torch.autograd.grad(phi, (a0, b0, weight))
    with torch.no_grad():
        assert float(coupling.phi(a, b).sum()) == pytest.approx(float(phi.detach()), rel=1e-12)
        up, memory = coupling.up(a)
        torch.testing.assert_close(up.expand_as(b), to_b, rtol=1e-12, atol=1e-12)
        down = coupling.down(b, memory, torch.zeros_like(a))
        torch.testing.assert_close(down, to_a, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(coupling.hebbian([(1.0, a, b)]), to_w, rtol=1e-12, atol=1e-12)


def written_out(coupling, weight, a, b):
    """Phi in plain torch operations."""
    if isinstance(coupling, DenseCoupling):
        flat = a.flatten(1) if a.dim() == 4 else a
        return torch.einsum("nj,ji,ni->", b, weight, flat)
    y = torch.nn.functional.conv2d(a, weight, padding=coupling.padding)
    if coupling.pool > 1:
        pool = torch.nn.functional.max_pool2d if coupling.pooling == "max" else torch.nn.functional.avg_pool2d
        y = pool(y, coupling.pool)
    return (y * b).sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 7), st.integers(1, 7), st.integers(1, 4), st.integers(0, 99))
def test_dense_derivatives(inputs, outputs, batch, seed):
    g = generator_for(seed, "dense")
    coupling = DenseCoupling(inputs, outputs, seed=seed)
    check_derivatives(coupling, random(g, batch, inputs), random(g, batch, outputs))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(0, 2), st.integers(1, 3),
    st.sampled_from(["max", "mean"]), st.integers(6, 9), st.integers(6, 9), st.integers(0, 99),
)  # fmt: skip
def test_convolution_derivatives(inside, outside, kernel, padding, pool, pooling, height, width, seed):
    """Any kernel, padding and pool, with pixels left over by the pool."""
    g = generator_for(seed, "conv")
    coupling = ConvCoupling(inside, outside, kernel, padding, pool, pooling, seed=seed)
    shape = coupling.target_shape((inside, height, width))
    if min(shape) < 1:
        return
    check_derivatives(coupling, random(g, 2, inside, height, width), random(g, 2, *shape))


def test_a_dense_coupling_flattens_images_and_shapes_them_back():
    g = generator_for(0, "image")
    check_derivatives(DenseCoupling(2 * 3 * 5, 4), random(g, 3, 2, 3, 5), random(g, 3, 4))
    check_derivatives(DenseCoupling(5, 4), random(g, 3, 1, 1, 5), random(g, 3, 4))


def test_pairs_add_up_with_their_weights():
    g = generator_for(1, "pairs")
    for coupling, a, b in (
        (DenseCoupling(6, 4), (3, 6), (3, 4)),
        (ConvCoupling(2, 3, 3, 1, 2), (3, 2, 6, 6), (3, 3, 3, 3)),
    ):
        coupling.double().prepare(torch.float64)
        pairs = [(c, random(g, *a), random(g, *b)) for c in (0.5, -2.0, 1.0)]
        with torch.no_grad():
            each = sum(c * coupling.hebbian([(1.0, x, y)]) for c, x, y in pairs)
            torch.testing.assert_close(coupling.hebbian(pairs), each)


def test_fields_are_added_onto_what_is_given_without_changing_it():
    g = generator_for(2, "onto")
    for coupling, a, b in (
        (DenseCoupling(6, 4), (3, 6), (3, 4)),
        (ConvCoupling(2, 3, 3, 0, 2), (3, 2, 7, 7), (3, 3, 2, 2)),
    ):
        coupling.double().prepare(torch.float64)
        x, y, base_up, base_down = (random(g, *shape) for shape in (a, b, b, a))
        kept_up, kept_down = base_up.clone(), base_down.clone()
        with torch.no_grad():
            up, memory = coupling.up(x, base_up)
            torch.testing.assert_close(up, coupling.up(x)[0] + kept_up)
            down = coupling.down(y, memory, base_down)
            torch.testing.assert_close(down, coupling.down(y, memory, torch.zeros_like(base_down)) + kept_down)
        assert torch.equal(base_up, kept_up)
        assert torch.equal(base_down, kept_down)


def test_chips_side_by_side_are_single_couplings():
    g = generator_for(3, "chips")
    chips = DenseCoupling(5, 4, chips=3)
    with torch.no_grad():
        chips.weight.copy_(torch.rand(3, 4, 5, generator=g))
    chips.prepare()
    shared, own, b = torch.rand(2, 5, generator=g), torch.rand(3, 2, 5, generator=g), torch.rand(3, 2, 4, generator=g)
    with torch.no_grad():
        for a in (shared, own):
            up, down, change = chips.up(a)[0], chips.down(b), chips.hebbian([(2.0, a, b), (-1.0, a, b)])
            for k in range(3):
                one = DenseCoupling(5, 4)
                one.weight.copy_(chips.weight[k])
                one.prepare()
                mine = a if a.dim() == 2 else a[k]
                torch.testing.assert_close(up[k], one.up(mine)[0])
                torch.testing.assert_close(down[k], one.down(b[k]))
                torch.testing.assert_close(change[k], one.hebbian([(1.0, mine, b[k])]))


def test_binary_weights_are_signs_times_a_scale_and_its_gradient_is_that_of_phi():
    free = DenseCoupling(30, 20, seed=5)
    binary = DenseCoupling(30, 20, seed=5, binary=True)
    assert torch.equal(binary.weight.detach(), torch.where(free.weight.detach() >= 0, 1.0, -1.0))
    assert float(binary.scale.detach()) == pytest.approx(float(free.weight.detach().abs().mean()))
    g = generator_for(5, "states")
    a, b = random(g, 3, 30), random(g, 3, 20)
    binary.double().prepare(torch.float64)
    phi = torch.einsum("nj,ji,ni->", b, binary.scale * binary.weight.detach(), a)
    (wanted,) = torch.autograd.grad(phi, binary.scale)
    with torch.no_grad():
        torch.testing.assert_close(binary.hebbian_scale([(0.5, a, b), (0.5, a, b)]), wanted)
    with pytest.raises(RefusedError, match="scale"):
        free.hebbian_scale([(1.0, a, b)])


def test_scale_of_every_chip():
    binary = DenseCoupling(6, 4, chips=2, binary=True)
    assert binary.scale.shape == (2,)
    with torch.no_grad():
        binary.scale.copy_(torch.tensor([0.5, 2.0]))
    binary.prepare()
    assert binary.effective[0].abs().unique().tolist() == [0.5]
    assert binary.effective[1].abs().unique().tolist() == [2.0]
    g = generator_for(6, "scale")
    a, b = torch.rand(3, 6, generator=g), torch.rand(2, 3, 4, generator=g)
    with torch.no_grad():
        found = binary.hebbian_scale([(1.0, a, b)])
        for k in range(2):
            torch.testing.assert_close(found[k], (b[k] * (a @ binary.weight[k].T)).sum())


def test_untied_weights_are_others_on_the_way_down_and_have_no_energy():
    coupling = DenseCoupling(6, 4, tied=False)
    coupling.prepare()
    assert not torch.equal(coupling.weight, coupling.feedback.weight)
    b = torch.rand(2, 4, generator=generator_for(7, "b"))
    with torch.no_grad():
        torch.testing.assert_close(coupling.down(b), b @ coupling.feedback.weight)
    with pytest.raises(RefusedError, match="tied=True"):
        coupling.require_symmetric()
    DenseCoupling(6, 4).require_symmetric()


def test_weights_in_devices_are_read_from_both_sides():
    """Fields of an array without noise or converters are those of the weights it holds; with them they are others."""
    g = generator_for(8, "array")
    a, b = torch.rand(3, 12, generator=g), torch.rand(3, 8, generator=g)
    circuit = circuits.catalogue["crossbar"](device=devices.get("ideal"))
    coupling = DenseCoupling(12, 8, circuit=circuit.only())
    coupling.fabricate(generator_for(8, "devices"))
    coupling.program(0.1 * torch.randn(8, 12, generator=g), generator_for(8, "program"))
    coupling.prepare()
    with torch.no_grad():
        torch.testing.assert_close(coupling.up(a)[0], a @ coupling.weight.T)
        torch.testing.assert_close(coupling.down(b), b @ coupling.weight)
        coupling.circuit = circuit
        first, second = coupling.up(a)[0], coupling.up(a)[0]
        assert not torch.equal(first, second)
        coupling.noisy_reads = False
        assert torch.equal(coupling.up(a)[0], coupling.up(a)[0])


def test_what_cannot_work_is_refused():
    with pytest.raises(RefusedError, match=r"call prepare\(\) first"):
        DenseCoupling(3, 2).up(torch.rand(1, 3))
    with pytest.raises(ParameterError, match="glorot"):
        DenseCoupling(3, 2, start="orthogonal")
    with pytest.raises(ParameterError, match="pooling must be"):
        ConvCoupling(1, 2, 3, pooling="median")
    with pytest.raises(RefusedError, match="dense couplings"):
        ConvCoupling(1, 2, 3, chips=2)
    with pytest.raises(ParameterError, match="channels"):
        ConvCoupling(1, 2, 3).target_shape((3, 8, 8))
    pooled = ConvCoupling(1, 2, 3, 1, 2)
    pooled.prepare()
    with pytest.raises(RefusedError, match=r"call up\(\) first"):
        pooled.down(torch.rand(1, 2, 4, 4), None, torch.zeros(1, 1, 8, 8))
