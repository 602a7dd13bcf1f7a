"""Closed forms of locking against the amplitude-phase equations they come from."""

import math

import pytest
import torch

from nanoneurons.physics import locking
from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import Tones, integrate

TAU = 2 * math.pi


def test_slip_and_phase_solve_adlers_equation():
    """dpsi/dt = d - D sin(psi + arctan nu), integrated with small steps, against both closed forms."""
    nu, half = 3.0, 1.0
    detuning = torch.tensor([0.0, 0.5, -0.9, 1.1, -1.5, 4.0], dtype=torch.float64)
    psi, dt, steps = torch.zeros(6, dtype=torch.float64), 1e-2, 20_000
    for step in range(steps):
        if step == steps // 2:
            start = psi.clone()
        middle = psi + 0.5 * dt * (detuning - half * torch.sin(psi + math.atan(nu)))
        psi = psi + dt * (detuning - half * torch.sin(middle + math.atan(nu)))
    slip = (psi - start) / (dt * steps / 2)
    # a window of 100 units holds whole slips only to one turn: 2 pi / 100
    assert torch.allclose(slip, locking.slip_frequency(detuning, half), atol=TAU / 100)
    expected = locking.locked_phase(detuning, half, nu)
    assert torch.isfinite(expected).tolist() == [True, True, True, False, False, False]
    assert torch.allclose(psi[:3], expected[:3], atol=1e-6)


def test_slip_is_zero_when_locked_and_approaches_the_detuning():
    assert float(locking.slip_frequency(0.99, 1.0)) == 0
    assert float(locking.slip_frequency(-100.0, 1.0)) == pytest.approx(-100.0, rel=1e-4)


def test_force_is_the_inverse_of_the_locking_range():
    device = AutoOscillator(omega0=1e9, shift=4e8, damping=1e7, q=2.0, sigma=1e7 / 3e-3)
    current = torch.tensor(5e-3, dtype=torch.float64)
    force = locking.injected_force(2e6, device.power(current), device.nonlinearity(current))
    assert float(device.locking_range(current, force)) == pytest.approx(2e6, rel=1e-12)


@pytest.mark.parametrize(("phase", "shift"), [(0.0, 2e7), (math.pi / 2, 2e7), (1.0, 2e7), (math.pi / 2, -2e7)])
def test_mutual_locking_range_of_the_full_equation(phase, shift):
    """Two oscillators, weakly coupled, solved in full at 0.8 and 1.25 of the closed form's range.

    Coupling is a hundredth of the amplitude's rate, so the closed form (first order in it) holds within the margins.
    """
    damping, current = 1e7, 6e-3
    one = AutoOscillator(omega0=0.0, shift=shift, damping=damping, q=2.0, sigma=damping / 3e-3)
    operating = torch.tensor(current, dtype=torch.float64)
    coupling = 0.01 * damping
    half = locking.mutual_half_range(coupling, phase, one.nonlinearity(operating))
    difference = half * torch.tensor([0.8, 1.25], dtype=torch.float64)  # one chip inside, one outside
    base = -float(one.angular_frequency(operating))
    omega0 = base + torch.stack([-difference / 2, difference / 2], 1)
    device = AutoOscillator(omega0=omega0, shift=shift, damping=damping, q=2.0, sigma=damping / 3e-3)
    root = float(one.power(operating)) ** 0.5
    y0 = torch.zeros(2, 2, 2, dtype=torch.float64)
    y0[..., 0], y0[:, 1, 1], y0[:, 1, 0] = root, root, 0.0  # a quarter turn apart
    k = coupling * complex(math.cos(phase), math.sin(phase))
    matrix = torch.tensor([[0, k], [k, 0]], dtype=torch.complex128)
    run = integrate(
        AUTO_OSCILLATOR, y0, device.parameters(), dt=2e-9, steps=100_000, every=100,
        drive={"current": current}, coupling=matrix,
    )  # fmt: skip
    signal = torch.view_as_complex(run.y[500:].contiguous())
    turned = torch.angle(signal[1:] * signal[:-1].conj()).sum(0)
    apart = (turned[:, 1] - turned[:, 0]).abs()
    assert float(apart[0]) < 0.1, "locked: the phase difference stands"
    assert float(apart[1]) > TAU, "free: at least one whole slip in the window"


@pytest.mark.parametrize("shift", [3e7, -3e7])
def test_injection_locks_within_adlers_range_and_slips_outside(shift):
    """The full equation's mean slip against sqrt(d^2 - D^2); the force is a thousandth of the amplitude's rate."""
    damping, current = 1e7, 6e-3
    device = AutoOscillator(omega0=0.0, shift=shift, damping=damping, q=2.0, sigma=damping / 3e-3)
    operating = torch.tensor(current, dtype=torch.float64)
    power, nu = device.power(operating), device.nonlinearity(operating)
    half = 0.01 * damping
    force = float(locking.injected_force(half, power, nu))
    free = float(device.angular_frequency(operating))
    detuning = half * torch.tensor([-1.5, -0.95, 0.0, 0.95, 1.5], dtype=torch.float64)
    y0 = torch.zeros(5, 1, 2, dtype=torch.float64)
    y0[..., 0] = float(power) ** 0.5
    tones = Tones(torch.tensor([force]), detuning[:, None, None])
    run = integrate(
        AUTO_OSCILLATOR, y0, device.parameters(frame=free), dt=4e-9, steps=150_000, every=100,
        drive={"current": current, ("fx", "fy"): tones},
    )  # fmt: skip
    signal = torch.view_as_complex(run.y[300:].contiguous())[:, :, 0]
    turned = torch.angle(signal[1:] * signal[:-1].conj()).sum(0)
    window = 100 * 4e-9 * (len(signal) - 1)
    slip = detuning + turned / window  # of the tone against the oscillator
    # one turn of uncertainty in the window, and 2 % for the force being finite
    expected = locking.slip_frequency(detuning, half)
    assert torch.allclose(slip, expected, atol=TAU / window, rtol=0.02)
