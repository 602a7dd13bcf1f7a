"""Hysteretic switch: minor loops against the published law step by step, dynamics against an independent solver."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics._switch_laws import STATES, VANADIUM, rates, turn_round
from nanoneurons.physics.hysteretic_switch import HystereticSwitch

SWITCH = HystereticSwitch()


class Law:
    """Resistance with its memory, written from the equation: g is inverted at a reversal, as its authors do."""

    def __init__(self, switch=SWITCH):
        self.s, self.direction, self.turning, self.proximity = switch, 1, switch.ambient, 0.0

    def share(self, t):
        s, shift = self.s, 0.0
        if self.proximity:
            x = (t - self.turning) / self.proximity
            shift = self.proximity * 0.5 * (1 - math.sin(s.loop * x)) * (1 + math.tanh(math.pi**2 - 2 * math.pi * x))
        return 0.5 + 0.5 * math.tanh(s.steepness * (self.direction * s.width / 2 + s.transition - t - shift))

    def reverse(self, t):
        g = self.share(t)
        self.direction = -self.direction
        s = self.s
        self.proximity = self.direction * s.width / 2 + s.transition - math.atanh(2 * g - 1) / s.steepness - t
        self.turning = t

    def resistance(self, t):
        return self.s.arrhenius * math.exp(self.s.slope / t) * self.share(t) + self.s.metallic


def row():
    p = np.array(list(SWITCH.parameters().values()))
    return p, np.array([float(SWITCH.at_rest(())[name]) for name in STATES])


def resistance(p, y, t):
    """From the rate of a node held at 1 V behind a huge load."""
    return -1 / (rates(VANADIUM, p, y, 1.0, t, 1.0)[0] * SWITCH.capacitance)


def test_nested_minor_loops_are_those_of_the_published_law():
    p, y = row()
    law = Law()
    turns = [325.0, 336.0, 331.0, 335.0, 329.0, 350.0, 332.0]
    for begin, end in itertools.pairwise(turns):
        for t in np.linspace(begin, end, 25):
            assert resistance(p, y, t) == pytest.approx(law.resistance(t), rel=1e-7)
        before = law.resistance(end)
        law.reverse(end)
        turn_round(p, y, end)
        assert law.resistance(end) == pytest.approx(before, rel=1e-7)  # P(0) is 1 - 2.7e-9
        assert resistance(p, y, end) == pytest.approx(before, rel=1e-7)


def test_before_any_reversal_the_major_heating_branch_holds():
    p, y = row()
    for t in (325.0, 333.0, 345.0):
        assert resistance(p, y, t) == pytest.approx(float(SWITCH.major(t, 1)), rel=1e-9)
    shares = [
        (SWITCH.major(t, d) - SWITCH.metallic) / np.exp(SWITCH.slope / t)
        for d, t in ((1, np.linspace(330, 345, 9)), (-1, np.linspace(330, 345, 9) - SWITCH.width))
    ]
    np.testing.assert_allclose(*shares, rtol=1e-9)  # the branches are one width apart


def test_compiled_jacobian_is_the_derivative_of_the_rates():
    p, y = row()
    turn_round(p, y, 336.0)
    for v, t in ((3.0, 333.0), (7.0, 330.0), (1.0, 335.0)):
        found = np.array(rates(VANADIUM, p, y, v, t, 12.0)[2:])

        def f(v, t):
            return np.array(rates(VANADIUM, p, y, v, t, 12.0)[:2])

        by_v, by_t = (f(v + 1e-5, t) - f(v - 1e-5, t)) / 2e-5, (f(v, t + 1e-5) - f(v, t - 1e-5)) / 2e-5
        np.testing.assert_allclose(found, [by_v[0], by_t[0], by_v[1], by_t[1]], rtol=1e-5)


def reference(source, end):
    """Times at which T rises through 340 K, by scipy, stopped at every reversal of the temperature."""
    law, y, now, crossings = Law(), np.array([0.0, SWITCH.ambient]), 0.0, []

    def rhs(_, y):
        v, t = y
        r = law.resistance(t)
        heat = (v * v / r - (t - SWITCH.ambient) / SWITCH.thermal_resistance) / SWITCH.thermal_capacitance
        return ((source - v) / SWITCH.load - v / r) / SWITCH.capacitance, heat

    def reversal(s, y):
        return law.direction * rhs(s, y)[1] + (1.0 if s == now else 0.0)

    def crossing(s, y):
        return y[1] - 340.0

    reversal.terminal, reversal.direction, crossing.direction = True, -1.0, 1.0
    while now < end:
        sol = solve_ivp(rhs, (now, end), y, method="LSODA", rtol=1e-9, atol=1e-10, events=(reversal, crossing))
        crossings += list(sol.t_events[1])
        y, now = sol.y[:, -1], sol.t[-1]
        if sol.status == 1:
            law.reverse(y[1])
    return np.array(crossings)


@pytest.mark.parametrize("source", [10.5, 12.0, 15.0])
def test_switches_are_those_of_an_independent_solver(source):
    expected = reference(source, 10e-6)
    run = SWITCH.run(torch.tensor([[source]], dtype=torch.float64), 10e-6, events=10)
    found = run.times[0][~run.times[0].isnan()].numpy()
    assert len(found) == len(expected) >= 2
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_behaviours_by_source_voltage():
    volts = torch.tensor([9.5, 10.5, 12.0, 15.0, 17.0], dtype=torch.float64)[:, None]
    run = SWITCH.run(volts, 50e-6, events=60)
    count = run.spikes[:, 0].tolist()
    assert count[0] == 0 and count[4] <= 2  # below the threshold, and above the window of oscillation
    assert count[1] > 8 and count[1] < count[2] < count[3]
    assert float(run.times[2][2:12].diff().mean()) == pytest.approx(3.0426e-6, rel=1e-3)


def test_turning_points_bound_the_static_characteristic():
    threshold, hold = SWITCH.turning_points()
    for (v, i, t), direction, sign in ((threshold, 1, 1), (hold, -1, -1)):
        assert v / i == pytest.approx(float(SWITCH.major(t, direction)), rel=1e-12)
        assert v * i == pytest.approx((t - SWITCH.ambient) / SWITCH.thermal_resistance, rel=1e-9)
        for aside in (-0.3, 0.3):
            assert sign * float(SWITCH.static(t + aside, direction)[0]) < sign * v
    with pytest.raises(ParameterError, match="never switches.*lower the ambient temperature"):
        HystereticSwitch(ambient=360.0).turning_points()
