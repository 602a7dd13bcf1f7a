"""Amplitude relaxation: laws, exact update, trains compiled and as matrices, the amplitude equation with noise."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nanoneurons.physics import relaxation as rx

Z = torch.linspace(-0.5, 3.0, 57, dtype=torch.float64)


@pytest.mark.parametrize(("saturation", "damping"), [(0.0, 1.0), (1.0, 2.0), (0.0, 2.2)])
def test_amplitude_is_zero_below_threshold_and_grows_above(saturation, damping):
    root = rx.settled(Z, saturation, damping)
    assert (root[Z <= 1] == 0).all()
    assert (root[Z > 1].diff() > 0).all()


def test_values_of_the_laws():
    # the fit at 7 mA over 4 mA, c' = 0.2 and currents in mA: 0.2 sqrt(3), with c = 0.2 sqrt(4)
    fit = 0.2 * 2 * rx.settled(torch.tensor(7 / 4, dtype=torch.float64), 0.0, 1.0)
    assert float(fit) == pytest.approx(0.2 * math.sqrt(3), rel=1e-15)
    # the auto-oscillator's (z - 1)/(z + Q) at z = 2, Q = 2, where its total damping vanishes
    z, q = 2.0, 2.0
    p = float(rx.settled(torch.tensor(z, dtype=torch.float64), 1.0, q)) ** 2
    assert p == pytest.approx(0.25, rel=1e-15)
    assert 1 + q * p - z * (1 - p) == pytest.approx(0.0, abs=1e-15)


def test_exact_update():
    target, start = torch.tensor([0.3, 0.0], dtype=torch.float64), torch.tensor([0.1, 0.2], dtype=torch.float64)
    whole = rx.relax(start, target, math.exp(-100 / 410))
    half = rx.relax(rx.relax(start, target, math.exp(-50 / 410)), target, math.exp(-50 / 410))
    torch.testing.assert_close(half, whole, rtol=1e-15, atol=0)  # rounding only
    torch.testing.assert_close(rx.relax(start, target, 1.0), start, rtol=1e-15, atol=0)
    steps = 100_000
    euler = start.clone()
    for _ in range(steps):  # Euler's error is dt/(2 T) of the whole, 1e-6 here
        euler += (target - euler) * (100 / steps) / 410
    torch.testing.assert_close(euler, whole, rtol=1e-5, atol=0)


def _by_hand(start, target, decay, kick):
    v, out = start, []
    for n in range(target.shape[-1]):
        v = rx.relax(v, target[..., n], decay) + kick[..., n]
        out.append(v)
    return torch.stack(out, -1)


@pytest.mark.parametrize("steps", [1, 63, 64, 200])
def test_a_train_is_the_step_repeated_in_both_forms(steps):
    draw = torch.Generator().manual_seed(1)
    target = torch.rand(2, 3, steps, generator=draw, dtype=torch.float64)
    kick = 0.01 * torch.randn(2, 3, steps, generator=draw, dtype=torch.float64)
    start = torch.rand(2, 1, generator=draw, dtype=torch.float64)
    decay = torch.tensor([[0.5], [0.9]], dtype=torch.float64)
    want = _by_hand(start.expand(2, 3), target, decay.expand(2, 3), kick)
    before = target.clone()
    torch.testing.assert_close(rx.follow(start, target, decay, kick), want, rtol=1e-12, atol=0)
    assert torch.equal(target, before)
    leaf = target.clone().requires_grad_()
    torch.testing.assert_close(rx.follow(start, leaf, decay, kick).detach(), want, rtol=1e-12, atol=0)


@pytest.mark.parametrize("law", [(0.0, 1.0), (0.0, 2.2), (1.0, 2.0)])
def test_a_train_with_its_law_is_that_of_the_settled_amplitudes(law):
    z = Z.expand(2, -1)
    want = rx.follow(0.3, rx.settled(z, *law), 0.78)
    torch.testing.assert_close(rx.follow(0.3, z, 0.78, law=law), want, rtol=1e-13, atol=0)
    leaf = z.clone().requires_grad_()
    torch.testing.assert_close(rx.follow(0.3, leaf, 0.78, law=law).detach(), want, rtol=1e-13, atol=0)
    assert rx.follow(0.3, z.float(), 0.78, law=law).dtype == torch.float32


def test_a_train_is_differentiable():
    target = torch.rand(2, 70, dtype=torch.float64, requires_grad=True)
    decay = torch.tensor([0.6, 0.9], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x, a: rx.follow(0.1, x, a), (target, decay))
    z = torch.tensor([1.2, 1.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: rx.settled(x, 1.0, 2.0), (z,))


RATE = 0.163  # Gamma_G times an interval of 100 ns


def test_amplitude_equation_against_an_integrator():
    z = 1 + 1.5 * torch.rand(1, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    z[0, 5:10] = 0.6  # dying out, then coming back
    found = rx.follow_power(0.2, z, 2.0, RATE)[0]
    p = 0.2
    for n, now in enumerate(z[0].tolist()):
        p = solve_ivp(
            lambda t, p, now=now: 2 * RATE * p * (now - 1 - (now + 2) * p), (0, 1), [p], rtol=1e-10, atol=1e-14
        ).y[0, -1]
        assert float(found[n]) == pytest.approx(math.sqrt(p), rel=1e-8)  # thirty intervals at 1e-10


def test_growth_is_continuous_at_threshold_and_splits_into_steps():
    z = torch.tensor([1 - 1e-6, 1 - 1e-8, 1.0, 1 + 1e-8, 1 + 1e-6, 0.5, 2.0], dtype=torch.float64)
    p = torch.full_like(z, 0.3)
    whole = rx.grow(p, z, 2.0, 10 * RATE)
    half = rx.grow(rx.grow(p, z, 2.0, 5 * RATE), z, 2.0, 5 * RATE)
    torch.testing.assert_close(half, whole, rtol=1e-9, atol=0)  # expm1(x)/(z - 1) loses eps/1e-7 next to threshold
    at = 0.3 / (1 + 0.3 * 3 * 2 * 10 * RATE)  # the hyperbola at z = 1
    torch.testing.assert_close(whole[:5], torch.full((5,), at, dtype=torch.float64), rtol=1e-5, atol=0)
    torch.testing.assert_close(rx.follow_power(0.3, z[:, None], 2.0, 10 * RATE)[:, 0] ** 2, whole, rtol=1e-9, atol=0)


def test_thermal_power_below_threshold_is_that_of_equilibrium():
    # without torque <p> = k_B T/(lambda omega) for small p; exponential law, so its mean is known to 1/sqrt(n)
    still = torch.zeros(1, 400_000, dtype=torch.float64)
    for rate in (0.02, 0.5):  # one interval far below the splitting time, and one far above it
        power = rx.follow_power(0.0, still, 2.0, rate, 1e-4, 0.0, key=5)[0][1000:] ** 2
        independent = power.numel() * math.tanh(rate)  # correlation exp(-2 rate) from interval to interval
        # (1 + Q p) changes <p> by 1e-4; the splitting by less than 4e-3
        assert float(power.mean()) == pytest.approx(1e-4, rel=4 / math.sqrt(independent) + 4e-3)


def test_thermal_noise_above_threshold_is_that_of_the_linear_theory():
    z, q, thermal = 1.75, 2.0, 1e-5
    power = 0.75 / 3.75
    root = rx.follow_power(power, torch.full((1, 400_000), z, dtype=torch.float64), q, RATE, thermal, 0.0, key=1)[0]
    # var(root) = D/(4 Gamma_p), D = Gamma_G (1 + Q p) thermal, Gamma_p = Gamma_G (z - 1)
    want = math.sqrt((1 + q * power) * thermal / (4 * (z - 1)))
    independent = root.numel() * math.tanh(RATE * (z - 1))
    assert float(root.std()) == pytest.approx(want, rel=3 / math.sqrt(2 * independent) + 5e-3)


def test_noise_of_a_chip_belongs_to_its_key_chip_and_row():
    z = torch.full((3, 2, 8), 1.75, dtype=torch.float64)
    a = rx.follow_power(0.2, z, 2.0, RATE, 1e-4, key=3)
    assert torch.equal(a[:1], rx.follow_power(0.2, z[:1], 2.0, RATE, 1e-4, key=3))
    assert not torch.equal(a, rx.follow_power(0.2, z, 2.0, RATE, 1e-4, key=4))
    assert len(np.unique(a.numpy())) == a.numel()
