"""Amplitude relaxation: laws, exact update, the recursion compiled and as matrices."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics import relaxation as rx

CURRENT = torch.linspace(-2e-3, 12e-3, 57, dtype=torch.float64)


@pytest.mark.parametrize(
    "law",
    [
        lambda i: rx.amplitude_fit(i, 4e-3, 0.2),
        lambda i: rx.amplitude_uniform(i, 4e-3, 2.0, 0.011),
        lambda i: rx.amplitude_vortex(i, 4e-3, 2.2, 0.011),
    ],
)
def test_amplitude_is_zero_below_threshold_and_grows_above(law):
    amplitude = law(CURRENT)
    assert (amplitude[CURRENT <= 4e-3] == 0).all()
    assert (amplitude[CURRENT > 4e-3].diff() > 0).all()


def test_values_of_the_three_laws():
    current = torch.tensor([7e-3, 8e-3], dtype=torch.float64)
    # model (a) of Abreu Araujo et al. 2020 at the direct current, c = 0.2, in mA: 0.2 sqrt(3)
    assert rx.amplitude_fit(1e3 * current, 4.0, 0.2)[0] == pytest.approx(0.2 * math.sqrt(3), rel=1e-15)
    # p0 = (z - 1)/(z + Q) at z = 2, Q = 2
    assert rx.amplitude_uniform(current, 4e-3, 2.0, 1.0)[1] ** 2 == pytest.approx(0.25, rel=1e-15)
    # s0^2 = (z - 1)/(zeta + xi)
    assert rx.amplitude_vortex(current, 4e-3, 2.5, 1.0)[1] ** 2 == pytest.approx(0.4, rel=1e-15)
    assert rx.load_divider(50.0, 100.0) == pytest.approx(1 / 3)


def test_laws_are_differentiable():
    current = torch.tensor([5.0, 7.0, 9.0], dtype=torch.float64, requires_grad=True)
    threshold = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)
    for law in (
        lambda i, th: rx.amplitude_fit(i, th, 0.2),
        lambda i, th: rx.amplitude_uniform(i, th, 2.0, 1.0),
        lambda i, th: rx.amplitude_vortex(i, th, 2.0, 1.0),
    ):
        assert torch.autograd.gradcheck(law, (current, threshold))


def test_uniform_law_is_the_stationary_power_of_the_auto_oscillator():
    # total damping Gamma_G (1 + Q p) - sigma I (1 - p) vanishes at the amplitude squared
    gamma, q, z = 1.6e6, 1.5, 1.75
    p = float(rx.amplitude_uniform(torch.tensor([z * 4e-3], dtype=torch.float64), 4e-3, q, 1.0)) ** 2
    assert gamma * (1 + q * p) - gamma * z * (1 - p) == pytest.approx(0.0, abs=1e-9 * gamma)


def test_damping_rate_of_the_fit():
    # 410 ns at 7 mA over 4 mA means 1.63e6 1/s
    rate = rx.damping_rate(410e-9, 7 / 4)
    assert rate == pytest.approx(1.63e6, rel=3e-3)
    assert rx.relaxation_time(rate, 7 / 4) == pytest.approx(410e-9, rel=1e-15)


def test_relaxation_time_needs_an_oscillation():
    with pytest.raises(ParameterError, match="above threshold"):
        rx.relaxation_time(1.6e6, 1.0)


def test_exact_update():
    target, start = torch.tensor([0.3, 0.0], dtype=torch.float64), torch.tensor([0.1, 0.2], dtype=torch.float64)
    whole = rx.relax(start, target, 100e-9, 410e-9)
    half = rx.relax(rx.relax(start, target, 50e-9, 410e-9), target, 50e-9, 410e-9)
    torch.testing.assert_close(half, whole, rtol=1e-15, atol=0)  # rounding only
    torch.testing.assert_close(rx.relax(start, target, 0.0, 410e-9), start, rtol=1e-15, atol=0)
    torch.testing.assert_close(rx.relax(start, target, 1.0, 410e-9), target, rtol=1e-15, atol=0)
    # Euler with n substeps tends to it with error dt/(2 T) per unit time
    steps = 100_000
    euler = start.clone()
    for _ in range(steps):
        euler += (target - euler) * (100e-9 / steps) / 410e-9
    torch.testing.assert_close(euler, whole, rtol=1e-5, atol=0)


def _follow_by_hand(start, target, decay, kick):
    v, out = start, []
    for n in range(target.shape[-1]):
        v = rx.relax(v, target[..., n], -math.log(decay), 1.0) + kick[..., n]
        out.append(v)
    return torch.stack(out, -1)


@pytest.mark.parametrize("steps", [1, 63, 64, 200])
def test_follow_is_the_step_repeated_in_both_forms(steps):
    draw = torch.Generator().manual_seed(1)
    target = torch.rand(2, 3, steps, generator=draw, dtype=torch.float64)
    kick = 0.01 * torch.randn(2, 3, steps, generator=draw, dtype=torch.float64)
    start = torch.rand(2, 1, generator=draw, dtype=torch.float64)
    want = _follow_by_hand(start.expand(2, 3), target, 0.78, kick)
    before = target.clone()
    torch.testing.assert_close(rx.follow(start, target, 0.78, kick), want, rtol=1e-13, atol=0)
    assert torch.equal(target, before)
    leaf = target.clone().requires_grad_()
    torch.testing.assert_close(rx.follow(start, leaf, 0.78, kick).detach(), want, rtol=1e-13, atol=0)


def test_follow_takes_a_decay_of_its_own_per_row():
    target = torch.ones(2, 1, 5, dtype=torch.float64)
    decay = torch.tensor([[0.5], [0.9]], dtype=torch.float64)
    found = rx.follow(0.0, target, decay)
    power = torch.arange(1, 6, dtype=torch.float64)
    torch.testing.assert_close(found, 1 - decay[..., None] ** power, rtol=1e-14, atol=0)


def test_follow_is_differentiable():
    target = torch.rand(2, 70, dtype=torch.float64, requires_grad=True)
    decay = torch.tensor([0.6, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, a: rx.follow(0.1, x, a), (target, decay))


def test_follow_refuses_a_decay_that_no_time_constant_gives():
    with pytest.raises(ParameterError, match="decay"):
        rx.follow(0.0, torch.ones(4), 1.2)
    with pytest.raises(ParameterError, match="decay"):
        rx.follow(0.0, torch.ones(4), float("nan"))
