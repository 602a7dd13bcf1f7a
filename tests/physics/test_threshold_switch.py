"""Threshold switch: statics against brute force, dynamics against an independent stiff solver, noise against theory."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import constants
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from nanoneurons.core.errors import DivergedError, ParameterError
from nanoneurons.physics._switch_laws import PARAMETERS, POOLE_FRENKEL, STATES, rates
from nanoneurons.physics.switch_circuit import run_switches
from nanoneurons.physics.threshold_switch import ThresholdSwitch

SWITCH = ThresholdSwitch()
KT = constants.k / constants.e


def current_at(v, t, switch=SWITCH):
    """Current at a node voltage, from the equation of the docstring alone."""
    beta = math.sqrt(constants.e / (math.pi * constants.epsilon_0 * switch.permittivity * switch.thickness))

    def over(i):
        x = v - switch.series * i
        return x / switch.resistance * math.exp(-(switch.activation - beta * math.sqrt(max(x, 0.0))) / (KT * t)) - i

    return brentq(over, 0.0, v / switch.series, xtol=1e-18, rtol=1e-14) if v > 0 else 0.0


def reference(source, end, switch=SWITCH, y0=(0.0, 300.0)):
    """Dense solution of (v, T) by an implicit method of order 5, relative tolerance 1e-9."""

    def rhs(_, y):
        v, t = y
        i = current_at(max(v, 0.0), t, switch)
        heat = (v - switch.series * i) * i - (t - switch.ambient) / switch.thermal_resistance
        return ((source - v) / switch.load - i) / switch.capacitance, heat / switch.thermal_capacitance

    return solve_ivp(rhs, (0, end), y0, method="Radau", rtol=1e-9, atol=(1e-10, 1e-7), dense_output=True).sol


def drive(*volts):
    return torch.tensor(volts, dtype=torch.float64)[:, None]


# -- statics ---------------------------------------------------------------------------------------------------------


def test_threshold_and_hold_are_the_turning_points_of_the_static_characteristic():
    def voltage(t):  # heating balances cooling at this voltage, by bisection
        def balance(x):
            return x * float(SWITCH.core_current(x, t)) - (t - 300) / SWITCH.thermal_resistance

        x = brentq(balance, 0, 5, xtol=1e-15)
        return x + SWITCH.series * float(SWITCH.core_current(x, t))

    for point, sign in zip(SWITCH.turning_points(), (1, -1), strict=True):
        v = voltage(point.temperature)
        assert v == pytest.approx(point.voltage, rel=1e-12)
        assert current_at(v, point.temperature) == pytest.approx(point.current, rel=1e-9)
        for aside in (-2.0, 2.0):
            assert sign * voltage(point.temperature + aside) < sign * v
    threshold, hold = SWITCH.turning_points()
    assert (threshold.voltage, hold.voltage) == pytest.approx((1.139, 1.037), abs=5e-4)
    assert (threshold.current, hold.current) == pytest.approx((97.5e-6, 563e-6), rel=5e-3)
    assert (threshold.temperature, hold.temperature) == pytest.approx((386, 691), abs=0.5)


def test_oscillation_edges_are_where_eigenvalues_cross_the_axis():
    low, high = SWITCH.oscillation_edges()
    assert (low, high) == pytest.approx((1.457, 2.4965), abs=1e-3)
    for edge, inside in ((low, 1e-3), (high, -1e-3)):
        for source, unstable in ((edge + inside, True), (edge - inside, False)):
            (point,) = SWITCH.fixed_points(source)
            assert (np.linalg.eigvals(SWITCH.jacobian(point.temperature)).real.max() > 0) == unstable


def test_jacobian_is_that_of_the_circuit():
    (point,) = SWITCH.fixed_points(2.6)

    def rhs(v, t):
        i = current_at(v, t)
        heat = (v - 300 * i) * i - (t - 300) / SWITCH.thermal_resistance
        return np.array([((2.6 - v) / SWITCH.load - i) / SWITCH.capacitance, heat / SWITCH.thermal_capacitance])

    v, t = point.voltage, point.temperature
    assert np.abs(rhs(v, t) / (1 / 3e-7, 1e9)).max() < 1e-6
    by_v = (rhs(v + 1e-6, t) - rhs(v - 1e-6, t)) / 2e-6
    by_t = (rhs(v, t + 1e-3) - rhs(v, t - 1e-3)) / 2e-3
    np.testing.assert_allclose(SWITCH.jacobian(t), np.stack([by_v, by_t], 1), rtol=1e-6)


def test_nullclines_cross_at_the_fixed_point():
    for source in (1.6, 2.6):
        (point,) = SWITCH.fixed_points(source)
        electrical, thermal = SWITCH.nullclines(source, np.array([point.temperature]))
        assert electrical == pytest.approx(point.voltage, rel=1e-12)
        assert thermal == pytest.approx(point.voltage, rel=1e-12)


@given(
    x=st.floats(0.02, 2.0), t=st.floats(305, 1200), source=st.floats(-3, 3), sign=st.sampled_from([-1.0, 1.0]),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_compiled_jacobian_is_the_derivative_of_the_rates(x, t, source, sign):
    p = np.array(list(SWITCH.parameters().values()))
    y = np.array([float(SWITCH.at_rest(())[name]) for name in STATES])
    x = sign * x

    def f(x, t):
        return np.array(rates(POOLE_FRENKEL, p, y, x, t, source)[:2])

    h, k = 1e-5 * abs(x), 1e-5 * t
    found = np.array(rates(POOLE_FRENKEL, p, y, x, t, source)[2:])
    by_x, by_t = (f(x + h, t) - f(x - h, t)) / (2 * h), (f(x, t + k) - f(x, t - k)) / (2 * k)
    scale = np.abs(found) + 1e-6 * np.abs(np.array(f(x, t))).max()
    assert (np.abs(found - np.array([by_x[0], by_t[0], by_x[1], by_t[1]])) <= 1e-4 * scale).all()


def test_rows_of_parameters_have_the_agreed_order():
    assert tuple(SWITCH.parameters())[: len(PARAMETERS)] == PARAMETERS


# -- dynamics --------------------------------------------------------------------------------------------------------


def test_switches_are_those_of_an_independent_stiff_solver():
    sources, end = (1.48, 2.6), 1.2e-6
    run = SWITCH.run(drive(*sources), end, events=20, records=400)
    at = end * np.arange(1, 401) / 400
    for row, source in enumerate(sources):
        sol = reference(source, end)
        v, t = sol(at)
        times = run.times[row][~run.times[row].isnan()].numpy()
        grid = np.linspace(0, end, 8001)
        level = sol(grid)[1] - 450
        up = np.flatnonzero((level[:-1] < 0) & (level[1:] >= 0))
        crossings = [brentq(lambda s, sol=sol: sol(s)[1] - 450, grid[n], grid[n + 1], xtol=1e-18) for n in up]
        np.testing.assert_allclose(times[: len(crossings)], crossings, rtol=2e-4)
        quiet = np.abs(np.gradient(t, at)) < 1e9  # where a shift in time of 2e-4 moves the temperature by a kelvin
        np.testing.assert_allclose(run.voltage[row].numpy()[quiet], v[quiet], atol=3e-3)
        np.testing.assert_allclose(run.temperature[row].numpy()[quiet], t[quiet], atol=3.0)
        current = [current_at(*pair) for pair in zip(v[:40], t[:40], strict=True)]
        np.testing.assert_allclose(run.current[row].numpy()[:40], current, rtol=2e-3, atol=1e-9)


def test_errors_fall_with_the_tolerance():
    exact = SWITCH.run(drive(1.6), 3e-6, events=8, tolerance=1e-11).times
    errors = [
        float((SWITCH.run(drive(1.6), 3e-6, events=8, tolerance=tol).times - exact).abs().max())
        for tol in (1e-4, 1e-6, 1e-8)
    ]
    assert errors[0] < 1e-3 * 3e-6
    assert errors[1] < errors[0] / 20 and errors[2] < errors[1] / 20


def test_behaviours_by_source_voltage():
    volts = (1.46, 1.48, 1.6, 2.4, 2.5, 2.6, 2.8, 3.0)
    run = SWITCH.run(drive(*volts), 20e-6, events=200)
    count = run.spikes[:, 0].tolist()
    assert count[0] == 0
    assert count[1:4] == pytest.approx([52, 61, 110], abs=1)
    assert count[4] > 100  # a burst that dies away very slowly
    assert count[5:] == [7, 3, 2]
    tonic = run.times[2][:61]
    assert 1e-6 / float(tonic[2:].diff().mean()) == pytest.approx(3.08, rel=0.01)


def test_bursts_with_a_smaller_load_are_those_of_the_calibration():
    switch = ThresholdSwitch(load=2e3)
    run = switch.run(drive(2.0, 2.1, 2.2, 2.3, 2.6, 2.8), 20e-6)
    assert run.spikes[:, 0].tolist() == [29, 5, 3, 2, 2, 1]


def test_power_is_accounted_for():
    n, dt = 4000, 1e-9
    run = SWITCH.run(drive(2.0), n * dt, records=n, tolerance=1e-8)
    v, t, i = (z[0].numpy() for z in (run.voltage, run.temperature, run.current))

    def total(power):
        return float(dt * (power.sum() - 0.5 * (power[0] + power[-1])))

    given = total(2.0 * (2.0 - v) / SWITCH.load)
    lost = total((2.0 - v) ** 2 / SWITCH.load + SWITCH.series * i**2 + (t - 300) / SWITCH.thermal_resistance)
    kept = 0.5 * SWITCH.capacitance * (v[-1] ** 2 - v[0] ** 2) + SWITCH.thermal_capacitance * (t[-1] - t[0])
    assert lost + kept == pytest.approx(given, rel=1e-3)


def test_opposite_sources_give_opposite_voltages():
    run = SWITCH.run(drive(1.8, -1.8), 1e-6, records=50, events=5)
    assert torch.allclose(run.voltage[0], -run.voltage[1], rtol=1e-9)
    assert torch.allclose(run.times[0], run.times[1], equal_nan=True)


@given(parts=st.integers(2, 7), source=st.floats(0.0, 3.0))
@settings(max_examples=10, deadline=None)
def test_an_interval_may_be_divided(parts, source):
    whole = SWITCH.run(drive(source), 1e-6, tolerance=1e-8)
    divided = SWITCH.run(drive(source).expand(1, parts), 1e-6 / parts, tolerance=1e-8)
    assert float(divided.spikes.sum()) == float(whole.spikes.sum())
    assert float(divided.state["voltage"]) == pytest.approx(float(whole.state["voltage"]), abs=1e-4)


def test_moments_are_times_within_intervals():
    dt = 50e-9
    run = SWITCH.run(torch.full((1, 60), 1.8, dtype=torch.float64), dt, events=20)
    fired = run.spikes[0] > 0
    again = dt * torch.arange(60)[fired] + run.moments[0][fired]
    assert torch.allclose(again, run.times[0][: len(again)])
    assert not run.moments[0][~fired].any()


# -- noise -----------------------------------------------------------------------------------------------------------


def test_equipartition_at_rest():
    quiet = ThresholdSwitch(noise=1.0)
    n = 4000
    run = quiet.run(torch.zeros((4, n // 4, 1), dtype=torch.float64), 20 * quiet.circuit_time, key=3)
    for name, variance in (
        ("temperature", constants.k * 300.0**2 / quiet.thermal_capacitance),
        ("voltage", constants.k * 300.0 / quiet.capacitance),
    ):
        value = run.state[name] - (300.0 if name == "temperature" else 0.0)
        interval = 4 * math.sqrt(2 / n)  # of a variance over n independent devices, four standard deviations
        assert float(value.var()) / variance == pytest.approx(1.0, abs=interval)
        assert abs(float(value.mean())) < 4 * math.sqrt(variance / n)


def test_every_cycle_draws_an_activation_energy():
    noisy = ThresholdSwitch(jitter=1e-3)
    run = noisy.run(torch.full((2, 500, 1), 1.8, dtype=torch.float64), 2e-6, key=5, events=8)
    now = run.state["now"].flatten() - noisy.activation
    assert float(now.std()) == pytest.approx(1e-3, rel=4 / math.sqrt(2 * now.numel()))
    assert abs(float(now.mean())) < 4e-3 / math.sqrt(now.numel())
    intervals = run.times.diff(dim=-1)
    assert 0.001 < float(intervals[..., 0].std() / intervals[..., 0].mean()) < 0.1
    without = noisy.run(torch.full((1, 1), 1.8, dtype=torch.float64), 2e-6, events=8)
    assert float(without.state["now"]) == noisy.activation


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SWITCH.run(drive(math.nan), 1e-6), r"drive at index \(0, 0\) is no finite voltage"),
        (lambda: SWITCH.run(drive(1.0), -1e-6), "is not a positive time"),
        (lambda: ThresholdSwitch(series=5e4).turning_points(), "never switches; lower its series resistance"),
        (lambda: ThresholdSwitch(capacitance=1e-14).oscillation_edges(), "does not oscillate.*raise the capacitance"),
    ],
)
def test_mistakes_are_named(call, message):
    with pytest.raises(ParameterError, match=message):
        call()


def test_a_failing_step_names_the_device():
    values = {**SWITCH.parameters(), "resistance": torch.tensor([90.0, math.nan])}
    with pytest.raises(DivergedError, match="row 1"):
        run_switches(POOLE_FRENKEL, values, SWITCH.at_rest((2,)), drive(1.0, 1.0), 1e-6)
