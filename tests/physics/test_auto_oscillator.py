"""The auto-oscillator, simulated, against the closed forms of Slavin and Tiberkevich: one device without noise."""

import math

import numpy as np
import pytest
import torch

from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import integrate

THRESHOLD = 4e-3
DAMPING = 1.6e6
OMEGA = 2 * math.pi * 300e6


def oscillator(**values) -> AutoOscillator:
    given = {"omega0": OMEGA, "shift": 6e7, "damping": DAMPING, "q": 2.0, "sigma": DAMPING / THRESHOLD, **values}
    return AutoOscillator(**given)


def column(*values: float) -> torch.Tensor:
    """One chip for each value."""
    return torch.tensor(values, dtype=torch.float64).unsqueeze(1)


def row(*values: float) -> torch.Tensor:
    """One device for each value."""
    return torch.tensor(values, dtype=torch.float64).unsqueeze(0)


def run(osc: AutoOscillator, current, power, time: float, dt: float, frame=OMEGA, records: int = 1):
    """Integrate from x = sqrt(power); power and unwrapped phase at each record, ``(records + 1, chips, devices)``."""
    current, power = torch.as_tensor(current), torch.as_tensor(power, dtype=torch.float64)
    shape = torch.broadcast_shapes(current.shape, power.shape, *(getattr(v, "shape", ()) for v in vars(osc).values()))
    x = power.sqrt().expand(shape)
    every = math.ceil(time / dt / records)
    found = integrate(
        AUTO_OSCILLATOR, torch.stack([x, torch.zeros_like(x)], -1), osc.parameters(frame),
        dt=time / records / every, steps=every * records, every=every, drive={"current": current},
    )  # fmt: skip
    x, y = found["x"], found["y"]
    return found.t, x * x + y * y, torch.from_numpy(np.unwrap(torch.atan2(y, x).numpy(), axis=0))


def test_small_amplitudes_grow_above_threshold_and_decay_below():
    """c grows at Gamma_- - Gamma_+ = Gamma_G (I / I_th - 1)."""
    osc, current, time = oscillator(), THRESHOLD * row(0.5, 0.98, 1.02, 1.5), 1 / DAMPING
    _, p, _ = run(osc, current, torch.tensor([[1e-14]]), time, 0.01 / DAMPING)
    rate = 0.5 * torch.log(p[-1] / p[0]) / time
    expected = osc.sigma * current - osc.damping
    # RK4 errs by (rate dt)^4 / 120 of the rate, below 1e-10; p changes the damping by 1e-14; rounding of the log 1e-16
    assert torch.allclose(rate, expected, rtol=0, atol=1e-9 * DAMPING)
    low, high = rate[0, 1], rate[0, 2]
    crossing = current[0, 1] - low * (current[0, 2] - current[0, 1]) / (high - low)
    # the same errors, over a slope of Gamma_G / I_th
    assert float(crossing) == pytest.approx(float(osc.threshold_current()), rel=1e-9)


@pytest.mark.parametrize("q2", [0.0, 0.7, -1.2])
def test_stationary_power(q2):
    """Where Gamma_+(p) = Gamma_-(p); (z - 1) / (z + Q) for Q' = 0."""
    z = row(1.05, 1.3, 1.75, 3.0)
    osc = oscillator(q2=q2)
    # from far below, for 20 times the time constant 1 / (2 Gamma_p) at z = 1.05 and the growth before
    frame = osc.angular_frequency(z * THRESHOLD)
    _, p, _ = run(osc, z * THRESHOLD, torch.tensor([[1e-3]]), 300 / DAMPING, 0.005 / DAMPING, frame)
    power = osc.power(z * THRESHOLD)
    # in this frame it is a fixed point of the equation and so of RK4: only exp(-25) of the transient remains
    assert torch.allclose(p[-1], power, rtol=1e-9)
    balance = osc.damping * (1 + osc.q * power + q2 * power**2) - osc.sigma * z * THRESHOLD * (1 - power)
    assert float(balance.abs().max()) < 1e-12 * DAMPING  # rounding
    if q2 == 0:
        assert torch.allclose(power, (z - 1) / (z + osc.q), rtol=1e-14)


def test_power_of_a_perpendicular_macrospin():
    """Q' = -(Q + 1), as for a perpendicular film, gives p0 = (z - 1) / (Q + 1) up to reversal at p = 1."""
    z, q = torch.linspace(1, 3.5, 11, dtype=torch.float64), 2.0
    power = oscillator(q=q, q2=-(q + 1)).power(z * THRESHOLD)
    assert torch.allclose(power, (z - 1) / (q + 1), rtol=1e-12)  # rounding, a difference of squares included


def test_no_power_where_nothing_is_stationary():
    """At z = 2 the equation Gamma_+ = Gamma_- has no root for Q = 0, Q' = -3: 1 - 3 p^2 = 2 (1 - p)."""
    assert bool(torch.isnan(oscillator(q=0.0, q2=-3.0).power(2 * THRESHOLD)))


def test_currents_of_the_other_direction_only_damp():
    """Also beyond -Q I_th, where (z - 1) / (z + Q) is positive again."""
    current = THRESHOLD * torch.tensor([-3.0, -2.0, -1.0, 0.0], dtype=torch.float64)
    osc = oscillator()
    assert torch.equal(osc.power(current), torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(osc.relaxation_time(current), 1 / (2 * DAMPING * (1 - current / THRESHOLD)), rtol=1e-14)
    _, p, _ = run(osc, current.unsqueeze(0), torch.tensor([[0.5]]), 20 / DAMPING, 0.01 / DAMPING)
    # without torque the rate is 2 Gamma_G (1 + Q p), at least 2 Gamma_G: exp(-40) remains
    assert float(p[-1].max()) < 1e-16


@pytest.mark.parametrize("q2", [0.0, 0.7])
def test_relaxation_of_a_small_deviation(q2):
    """dp decays as exp(-2 Gamma_p t); for Q' = 0 that is exp(-2 Gamma_G (z - 1) t)."""
    z, osc = row(1.2, 1.75, 3.0), oscillator(q2=q2)
    current = z * THRESHOLD
    p0 = osc.power(current)
    time = 0.5 / DAMPING
    size = column(1e-4, -1e-4)
    _, p, _ = run(osc, current, p0 * (1 + size), time, 0.005 / DAMPING, osc.angular_frequency(current))
    # the mean over both signs has no first-order term in the size: what is left is its square, 1e-8, the difference
    # of nearby powers (1e-16 / 1e-4) and RK4's (rate dt)^4 / 120
    odd = (p[-1, 0] - p[-1, 1]) / (p[0, 0] - p[0, 1])
    rate = -torch.log(odd) / time
    assert torch.allclose(rate, 1 / osc.relaxation_time(current)[0], rtol=1e-6)
    assert torch.allclose(rate, 2 * osc.amplitude_rate(current)[0], rtol=1e-6)
    if q2 == 0:
        assert torch.allclose(rate, 2 * DAMPING * (z[0] - 1), rtol=1e-6)


@pytest.mark.parametrize("q2", [0.0, -0.5])
def test_frequency_shifts_with_the_power_and_with_the_current(q2):
    """omega0 + k I + N p0 from the unwrapped phase, for both signs of N."""
    osc = oscillator(shift=column(6e7, -9e7), tuning=2 * math.pi * 5e9, q2=q2)
    current = THRESHOLD * row(0.7, 1.3, 1.75, 2.5)
    time, rate = 2e-6, 4e8  # rate: the turn in this frame is at most 2 pi 5e9 Hz/A x 10 mA + 9e7 = 4e8 rad/s
    p0 = osc.power(current)
    power = torch.where(p0 > 0, p0, 1e-16).expand(2, 4)
    _, p, phase = run(osc, current, power, time, 0.05 / rate, records=500)
    expected = osc.angular_frequency(current)
    found = OMEGA - (phase[-1] - phase[0]) / time
    # RK4 turns too slowly by (rate dt)^4 / 120 = 5e-8 of the rate in this frame
    assert torch.allclose(found, expected.expand(2, 4), rtol=0, atol=1e-7 * rate)
    # nothing but a turn happens at the stationary power: RK4 shrinks it by (rate dt)^6 / 72 per step against Gamma_p dt
    assert torch.allclose(p[-1, :, 1:], power[:, 1:], rtol=1e-6)


def test_the_frame_changes_no_physics():
    """The same path in the frame of the laboratory and in one that turns."""
    osc = oscillator()
    time, dt = 50e-9, 0.01 / OMEGA
    _, p, phase = run(osc, row(7e-3), row(0.05), time, dt, frame=0.0, records=200)
    _, q, slow = run(osc, row(7e-3), row(0.05), time, dt, frame=OMEGA, records=200)
    # (omega dt)^4 / 120 of 94 rad in the laboratory frame: 1e-8 rad, and (omega dt)^5 / 72 per step of the power
    assert float((phase[-1] - slow[-1] + OMEGA * time).abs()) < 1e-7
    assert float((p[-1] / q[-1] - 1).abs()) < 1e-7


def test_nonlinearity_is_the_slope_of_frequency_over_the_amplitude_rate():
    """nu = N p0 / Gamma_p, finite at threshold."""
    osc, current = oscillator(q2=0.3), THRESHOLD * row(1.1, 1.75, 3.0)
    expected = osc.shift * osc.power(current) / osc.amplitude_rate(current)
    assert torch.allclose(osc.nonlinearity(current), expected, rtol=1e-12)  # rounding
    at_threshold = oscillator().nonlinearity(THRESHOLD)
    assert float(at_threshold) == pytest.approx(6e7 / (DAMPING * 3.0))


def test_power_is_differentiable_everywhere():
    """Gradients below, at and above threshold are finite: training passes through them."""
    current = torch.tensor([-12e-3, 1e-3, 4e-3, 7e-3], dtype=torch.float64, requires_grad=True)
    oscillator().angular_frequency(current).sum().backward()
    assert current.grad is not None and bool(torch.isfinite(current.grad).all())


def test_closed_forms_of_plain_numbers_are_double_precision():
    """A current given as a float does not round the result to single precision, 100 rad/s of 300 MHz."""
    osc = oscillator(tuning=2 * math.pi * 5e9)
    exact = OMEGA + osc.tuning * 7e-3 + osc.shift * (0.75 / 3.75)
    assert float(osc.angular_frequency(7e-3)) == pytest.approx(exact, rel=1e-14)
    assert all(
        getattr(osc, name)(7e-3).dtype == torch.float64
        for name in ("power", "amplitude_rate", "relaxation_time", "angular_frequency", "nonlinearity", "linewidth")
    )
