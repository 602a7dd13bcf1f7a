"""Spin-torque oscillator: spread and noise, and its motion against independent solutions."""

import math

import numpy as np
import pytest
import torch
from scipy import constants as si
from scipy import integrate, stats

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

NAME = "spin-torque-oscillator"
DEFAULT = devices.get(NAME)
UNIFORM = devices.get(f"{NAME}:uniform")
FIT = devices.get(f"{NAME}:relaxation-fit")


def amperes(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


# -- spread and noise ---------------------------------------------------------------------------------


def test_spread_of_new_devices():
    """Log-normal around the nominal values with the stated relative spreads, independent of each other."""
    count = 20_000
    state = DEFAULT.init((4, count // 4), generator_for(3))
    pairs = (
        ("frequency", DEFAULT.frequency_zero, DEFAULT.frequency_spread),
        ("threshold", DEFAULT.threshold, DEFAULT.threshold_spread),
        ("damping", DEFAULT.linear_damping, DEFAULT.damping_spread),
        ("voltage", DEFAULT.voltage_scale, DEFAULT.voltage_spread),
    )
    logs = []
    for name, nominal, spread in pairs:
        log = torch.log(state[name] / nominal).flatten() / spread
        assert abs(float(log.mean())) < 4 / math.sqrt(count)  # four standard errors each
        assert float(log.std()) == pytest.approx(1, abs=4 / math.sqrt(2 * count))
        assert stats.kstest(log.numpy(), "norm").pvalue > 1e-3
        logs.append(log)
    correlation = torch.corrcoef(torch.stack(logs)) - torch.eye(4, dtype=torch.float64)
    assert float(correlation.abs().max()) < 4 / math.sqrt(count)
    same = DEFAULT.without("device_to_device").init((2, 3), generator_for(3))
    assert all(bool((same[name] == nominal).all()) for name, nominal, _ in pairs)


def test_spread_moves_the_closed_forms_of_a_device():
    """A device settles at the amplitude of its own threshold and voltage scale."""
    device = DEFAULT.only("device_to_device")
    state = device.init((1, 5), generator_for(4))
    current = torch.full((1, 5), 7e-3, dtype=torch.float64)
    settled = device.step(state, current, 40 * 410e-9, generator_for(4))
    z = 7e-3 / state["threshold"]
    expected = state["voltage"] * torch.sqrt((z - 1) / (z + 2))
    # from 1e-6 of the amplitude it takes 2 x 13.8 time constants to grow; exp(-12) of the deviation is left
    assert torch.allclose(device.read(settled), expected, rtol=1e-4)


def test_thermal_noise_keeps_its_equilibrium():
    """New devices have the power k_B T / (lambda omega) already, and keep it at rest."""
    device = DEFAULT.only("thermal_noise")
    shape, expected = (10, 2000), si.k * 300 / DEFAULT.action / (2 * math.pi * DEFAULT.frequency_zero)
    state = device.init(shape, generator_for(5))
    later = device.step(state, torch.zeros(shape, dtype=torch.float64), 2e-6, generator_for(6))  # exp(-6.5) forgotten
    for s in (state, later):
        power = s["x"] ** 2 + s["y"] ** 2
        # exponential law: relative standard error 1 / sqrt(20,000), four of them; the model's own bias is 5e-4
        assert float(power.mean()) == pytest.approx(expected, rel=4 / math.sqrt(20_000) + 1e-3)
    cold = DEFAULT.ideal().init((1, 1000), generator_for(5))
    assert float((cold["x"] ** 2 + cold["y"] ** 2).max().sqrt()) < 1e-5  # a seed of 1e-6 where there is no noise


def test_linewidth_of_the_signal():
    """The phase of the emitted signal diffuses as the closed form says, at 10 mA."""
    device = DEFAULT.only("thermal_noise")
    current = amperes(10e-3)
    width, time = float(device.linewidth(current)), float(device.relaxation_time(current))
    count = 5000
    drive = current.expand(1, count)
    ideal = device.ideal()
    start = ideal.step(ideal.init((1, count), generator_for(7)), drive, 40 * time, generator_for(7))
    warm = device.step(start, drive, 10 * time, generator_for(8))
    signal, _ = device.trace(warm, drive, time, 30, generator_for(9))
    # the records lie a few radians apart at most: the clock is that of 7 mA, 10 mA is 15 to 20 MHz beside it
    turn = torch.exp(-2j * math.pi * (device.frequency(current) - device.frequency(amperes(7e-3))) * time)
    steady = signal[:, 0] * turn ** torch.arange(30, dtype=torch.float64).unsqueeze(1)
    phase = np.unwrap(steady.angle().numpy(), axis=0)
    gained = phase[29] - phase[0]
    expected = float(device.oscillator().phase_variance(10e-3, 29 * time))
    low, high = stats.chi2.ppf([5e-4, 1 - 5e-4], count - 1) / (count - 1)
    assert expected * low < gained.var(ddof=1) < expected * high  # 99.9 % interval, 6.7 % either way
    assert expected == pytest.approx(2 * math.pi * width * 29 * time, rel=1 / 29)  # late by one time constant


def test_read_noise():
    device = devices.get(NAME, read_noise=1e-3)
    state = device.ideal().init((1, 20_000), generator_for(1))
    first, second = (device.read(state, generator_for(seed)) - device.read(state) for seed in (2, 3))
    for noise in (first, second):
        assert float(noise.std()) == pytest.approx(1e-3, rel=4 / math.sqrt(40_000))  # four standard errors
        assert abs(float(noise.mean())) < 4e-3 / math.sqrt(20_000)
    assert not torch.equal(first, second)
    assert torch.equal(device.read(state), device.read(state))  # none without a generator


# -- motion -------------------------------------------------------------------------------------------


def test_agrees_with_an_independent_solution():
    """The complex equation in the laboratory frame by scipy, phase included, over two currents, with spread."""
    device = DEFAULT.only("device_to_device")
    state = device.init((1, 2), generator_for(11))
    state = {**state, "x": amperes(0.05, 0.6).reshape(1, 2), "y": amperes(0.1, -0.3).reshape(1, 2)}
    own = {name: state[name][0].numpy() for name in ("frequency", "threshold", "damping")}
    q, n, k = device.nonlinear_damping, device.shift, 2 * math.pi * device.tuning

    def field(current):
        def derivative(_, c):
            p = np.abs(c) ** 2
            omega = 2 * math.pi * own["frequency"] + k * current + n * p
            loss = own["damping"] * (1 + q * p)
            gain = own["damping"] * current / own["threshold"] * (1 - p)
            return (-1j * omega - loss + gain) * c

        return derivative

    clock = 2 * math.pi * float(device.frequency(amperes(7e-3)))
    reference = (state["x"] + 1j * state["y"])[0].numpy()
    found, elapsed = state, 0.0
    for current, time in ((6e-3, 200e-9), (9e-3, 300e-9)):
        solved = integrate.solve_ivp(field(current), (0, time), reference, "DOP853", rtol=1e-11, atol=1e-13)
        reference, elapsed = solved.y[:, -1], elapsed + time
        drive = torch.full((1, 2), current, dtype=torch.float64)
        signal, traced = device.trace(found, drive, time / 10, 10, generator_for(12))
        found = device.step(found, drive, time, generator_for(13))
        expected = torch.from_numpy(reference * np.exp(1j * clock * elapsed))
        # The device's inner steps err by 1e-7 per radian of 0.06; 15 rad in all. scipy's 1e-11 per step over 1e3 rad
        for got in (found, traced):
            assert torch.allclose(torch.complex(got["x"], got["y"])[0], expected, rtol=0, atol=1e-5)
        assert torch.allclose(signal[-1, 0], state["voltage"][0] * expected.conj(), rtol=0, atol=1e-5 * 0.0245)


def test_phase_runs_forward_at_the_frequency():
    """The argument of the signal grows by 2 pi (f(I) - f(7 mA)) per second."""
    device = UNIFORM.ideal()
    state = device.init((1, 1), generator_for(1))
    drive = torch.full((1, 1), 3e-3, dtype=torch.float64)
    settled = device.step(state, drive, 500e-9, generator_for(1))
    dt = 1e-10
    signal, _ = device.trace(settled, drive, dt, 50, generator_for(1))
    phase = np.unwrap(signal[:, 0, 0].angle().numpy())
    expected = 2 * math.pi * float(device.frequency(amperes(3e-3)) - device.frequency(amperes(2.5e-3)))
    # settled to rounding after 500 ns / 4 ns, and the frame turns with it
    assert (phase[-1] - phase[0]) / (49 * dt) == pytest.approx(expected, rel=1e-6)


def test_relaxation_model_is_exact_in_any_step():
    """V_i = V_inf (1 - exp(-dt / T)) + V_{i-1} exp(-dt / T), and two half steps are one to rounding."""
    device = FIT.ideal()
    inputs = torch.randn(12, 1, 4, generator=generator_for(2), dtype=torch.float64).clamp(-1, 1) * 3e-3 + 7e-3
    state = device.init((1, 4), generator_for(2))
    voltage = torch.zeros(1, 4, dtype=torch.float64)
    decay = math.exp(-20e-9 / 410e-9)
    for current in inputs.repeat_interleave(5, 0):  # masked values of 100 ns in steps of 20 ns, as published
        voltage = 0.2 * torch.sqrt(torch.clamp(current - 4e-3, min=0)) * (1 - decay) + voltage * decay
        whole = device.step(state, current, 20e-9, generator_for(3))
        half = device.step(state, current, 10e-9, generator_for(3))
        half = device.step(half, current, 10e-9, generator_for(4))
        assert torch.allclose(half["x"], whole["x"], rtol=1e-14, atol=1e-16)
        state = whole
        assert torch.allclose(device.read(state), voltage, rtol=1e-12)
    held = device.init((1, 4), generator_for(2))
    for current in inputs:  # and at once over each masked value
        held = device.step(held, current, 100e-9, generator_for(3))
    assert torch.allclose(held["x"], state["x"], rtol=1e-13)


def test_noise_of_the_relaxation_model():
    """Gaussian, 2 % of V_1 whatever the step, forgotten with T: an Ornstein-Uhlenbeck process stepped exactly."""
    device = FIT.only("thermal_noise")
    shape = (1, 20_000)
    drive, quiet = torch.full(shape, 7e-3, dtype=torch.float64), FIT.ideal()
    target = float(quiet.amplitude(amperes(7e-3))) / quiet.voltage_scale
    state = {**quiet.init(shape, generator_for(1)), "x": torch.full(shape, target, dtype=torch.float64)}
    long = device.step(state, drive, 20 * 410e-9, generator_for(2))
    short = state
    for n in range(60):
        short = device.step(short, drive, 410e-9 / 6, generator_for(3, n))
    for s in (long, short):
        deviation = s["x"] - target
        assert float(deviation.std()) == pytest.approx(0.02, rel=4 / math.sqrt(40_000))  # four standard errors
        assert stats.kstest(deviation.flatten().numpy() / 0.02, "norm").pvalue > 1e-3
    later = device.step(long, drive, 410e-9, generator_for(5))
    pair = torch.stack([long["x"].flatten(), later["x"].flatten()])
    assert float(torch.corrcoef(pair)[0, 1]) == pytest.approx(math.exp(-1), abs=4 / math.sqrt(20_000))


def test_without_noise_nothing_is_random():
    """Zero noise: another generator gives the same motion, from the same start."""
    device = DEFAULT.ideal()
    state = device.init((2, 3), generator_for(1))
    drive = torch.full((2, 3), 7e-3)
    one, two = (device.step(state, drive, 1e-6, generator_for(seed)) for seed in (2, 3))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_noise_of_a_device_does_not_depend_on_the_others():
    """Chip 1 of two moves as it does among three."""
    few, many = (DEFAULT.init((chips, 4), generator_for(1)) for chips in (2, 3))
    one, two = (
        DEFAULT.step(s, torch.full(tuple(s["x"].shape), 7e-3, dtype=torch.float64), 1e-6, generator_for(2))
        for s in (few, many)
    )
    assert torch.equal(one["x"], two["x"][:2])


# -- bad input ----------------------------------------------------------------------------------------


def test_operating_point_must_oscillate():
    with pytest.raises(ParameterError, match="operating_current"):
        devices.get(NAME, operating_current=1e-3)


@pytest.mark.parametrize(("value", "message"), [(13e-3, "beyond breakdown"), (-13e-3, "beyond"), (math.nan, "NaN")])
def test_bad_currents_are_refused(value, message):
    state = DEFAULT.init((1, 2), generator_for(1))
    with pytest.raises(ParameterError, match=message):
        DEFAULT.trace(state, amperes(7e-3, value).reshape(1, 2), 1e-9, 3, generator_for(1))


def test_reverse_current_damps():
    """Down to the breakdown of the other direction, z = -3: damping 4 Gamma_G, no amplitude, a real frequency."""
    device = DEFAULT.ideal()
    current = torch.full((1, 1), -12e-3, dtype=torch.float64)
    state = {**device.init((1, 1), generator_for(1)), "x": torch.full((1, 1), 1e-3, dtype=torch.float64)}
    after = device.step(state, current, 200e-9, generator_for(1))
    expected = device.voltage_scale * 1e-3 * math.exp(-4 * 1.63e6 * 200e-9)
    assert float(device.read(after)) == pytest.approx(expected, rel=1e-5)  # p = 1e-6 adds a millionth to the damping
    assert float(device.amplitude(current)) == 0
    assert float(device.frequency(current)) == pytest.approx(300e6 - 12e-3 * 5e9)
    assert float(device.relaxation_time(current)) == pytest.approx(1 / (8 * 1.63e6))


def test_saturation_is_for_the_relaxation_model():
    with pytest.raises(ParameterError, match="saturation"):
        devices.get(NAME, saturation=0.0)
