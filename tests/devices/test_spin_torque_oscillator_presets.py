"""Spin-torque oscillator: parameter sets against their sources and against the macrospin they stand for."""

import math

import numpy as np
import pytest
import torch
from scipy import constants as si

from nanoneurons import devices
from nanoneurons.core.random import generator_for
from nanoneurons.physics.macrospin import MACROSPIN, Macrospin
from nanoneurons.solvers import integrate as solve

NAME = "spin-torque-oscillator"
DEFAULT = devices.get(NAME)
UNIFORM = devices.get(f"{NAME}:uniform")
FIT = devices.get(f"{NAME}:relaxation-fit")


def amperes(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_default_has_the_operating_point_of_the_fit():
    """11 mV and 410 ns at 7 mA, threshold 4 mA; 200 to 500 MHz; a locking range of ten times a phase oscillator's."""
    current = amperes(7e-3)
    assert DEFAULT.threshold_current() == 4e-3
    # the fit 0.2 sqrt(I - 4 mA) gives 10.95 mV; voltage_scale is given to three digits, and so is Gamma_G
    assert float(DEFAULT.amplitude(current)) == pytest.approx(0.2 * math.sqrt(3e-3), rel=5e-3)
    assert float(DEFAULT.amplitude(current)) == pytest.approx(11e-3, rel=0.01)
    assert float(DEFAULT.relaxation_time(current)) == pytest.approx(410e-9, rel=5e-3)
    assert 200e6 < float(DEFAULT.frequency(current)) < 500e6
    nu = float(DEFAULT.oscillator().nonlinearity(7e-3))
    assert math.sqrt(1 + nu * nu) == pytest.approx(10, rel=0.05)  # "about ten"


def test_uniform_is_the_perpendicular_junction_of_its_source():
    """Relaxation 6.3 ns at 2.5 mA and a threshold of 1.6 to 1.8 mA; the rest follows from size and fields."""
    assert 1.6e-3 <= UNIFORM.threshold_current() <= 1.8e-3
    assert UNIFORM.operating_current == 2.5e-3
    assert float(UNIFORM.relaxation_time(amperes(2.5e-3))) == pytest.approx(6.3e-9, rel=0.01)
    gamma, field = 1.764e7, 18616.0 - 4 * math.pi * 1448.3  # rad/(s Oe), Oe
    # three digits are given
    assert UNIFORM.frequency_zero == pytest.approx(gamma * (2000 + field) / (2 * math.pi), rel=5e-3)
    assert UNIFORM.shift == pytest.approx(-2 * gamma * field, rel=5e-3)
    volume = math.pi * 60e-9**2 * 2e-9
    assert UNIFORM.action == pytest.approx(2 * volume * 1448.3e3 / 1.764e11, rel=5e-3)


def test_uniform_has_the_thermal_tilt_of_a_macrospin():
    """At rest p = (1 - m_z) / 2 has the mean of Langevin's function in the field omega0 / gamma."""
    moment = math.pi * 60e-9**2 * 2e-9 * 1448.3e3
    ratio = moment * 2 * math.pi * UNIFORM.frequency_zero / 1.764e11 / (si.k * 300)
    langevin = 1 / math.tanh(ratio) - 1 / ratio
    osc = UNIFORM.oscillator()
    # 1 % for the three digits of the preset; the next order in 1 / ratio is 1e-3
    assert osc.thermal / osc.omega0 == pytest.approx((1 - langevin) / 2, rel=0.01)
    state = UNIFORM.only("thermal_noise").init((1, 100_000), generator_for(1))
    power = float((state["x"] ** 2 + state["y"] ** 2).mean())
    assert power == pytest.approx((1 - langevin) / 2, rel=0.01 + 4 / math.sqrt(100_000))  # four standard errors


def perpendicular(**values) -> Macrospin:
    """The junction of the preset as one vector; 1 Oe is 1000 / (4 pi) A/m."""
    given = {
        "ms": 1448.3e3, "volume": math.pi * 60e-9**2 * 2e-9, "thickness": 2e-9, "hk": 18616e3 / (4 * math.pi),
        "gamma0": 1.764e11 * si.mu_0, **values,
    }  # fmt: skip
    return Macrospin(**given)


FIELD = {"hz": 2000e3 / (4 * math.pi)}


def test_uniform_turns_as_the_macrospin_does():
    """Frequency and shift against the Landau-Lifshitz equation at p = (1 - m_z) / 2, without damping."""
    p = amperes(0.0025, 0.05, 0.2)
    m = torch.stack([2 * torch.sqrt(p * (1 - p)), torch.zeros(3, dtype=torch.float64), 1 - 2 * p], -1).unsqueeze(0)
    spin, omega = perpendicular(alpha=0.0), 2 * math.pi * UNIFORM.frequency_zero
    found = solve(MACROSPIN, m, spin.parameters(), dt=0.02 / omega, steps=4000, every=40, drive=FIELD)
    phase = np.unwrap(torch.atan2(found["my"], found["mx"])[:, 0].numpy(), axis=0)
    turned = torch.from_numpy(np.abs(phase[-1] - phase[0])) / found.t[-1]
    osc = UNIFORM.oscillator()
    # three digits of the preset; RK4 is 1e-9 off
    assert torch.allclose(turned, osc.omega0 + osc.shift * p, rtol=5e-3)
    assert float((turned[2] - turned[0]) / (p[2] - p[0])) == pytest.approx(osc.shift, rel=5e-3)


def test_uniform_is_as_hot_as_the_macrospin():
    """Mean of p = (1 - m_z) / 2 under the thermal field of 300 K; damping 0.1, not 0.005, only comes there sooner."""
    spin, omega = perpendicular(alpha=0.1, temperature=300.0), 2 * math.pi * UNIFORM.frequency_zero
    start = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64).expand(1, 4000, 3).clone()
    run = solve(
        MACROSPIN, start, spin.parameters(), dt=0.02 / omega, steps=2000, method="stochastic-heun", drive=FIELD, key=1
    )  # exp(-2 x 0.1 x 40) of the start remains
    osc = UNIFORM.oscillator()
    found = float((1 - run.last[..., 2]).mean() / 2)
    # exponential law: four standard errors, 6 %, and three digits of the preset
    assert found == pytest.approx(osc.thermal / osc.omega0, rel=4 / math.sqrt(4000) + 0.01)


def test_relaxation_fit_is_the_published_law():
    """V = 0.2 sqrt(I - 4 mA) with T = 410 ns, over 7 mA +- 3 mA."""
    current = torch.linspace(0, 10e-3, 41, dtype=torch.float64)
    expected = 0.2 * torch.sqrt(torch.clamp(current - 4e-3, min=0))
    # sixteen digits of 0.2 sqrt(4 mA), and rounding of I / I_th - 1, which near threshold is 1e-16 of sqrt(1e-16)
    assert torch.allclose(FIT.amplitude(current), expected, rtol=1e-12, atol=1e-10)
    assert torch.equal(FIT.relaxation_time(current), torch.full_like(current, 410e-9))
    assert FIT.operating_current == 7e-3
    assert not FIT.simulates_phase
    assert bool(torch.isnan(FIT.linewidth(current)).all())


def test_relaxation_uniform_has_the_amplitude_of_uniform():
    """V = c sqrt((z - 1) / (z + Q)) and T = 1 / [2 Gamma_G (z_dc - 1)] at its operating point."""
    device = devices.get(f"{NAME}:relaxation-uniform")
    current = torch.linspace(0, 5e-3, 21, dtype=torch.float64)
    assert torch.allclose(device.amplitude(current), UNIFORM.amplitude(current), rtol=1e-12)
    z = device.operating_current / device.threshold
    assert device.time_constant == pytest.approx(1 / (2 * device.linear_damping * (z - 1)), rel=0.01)  # two digits


@pytest.mark.parametrize("preset", ["", *(f":{name}" for name in devices.presets(NAME))])
def test_price_is_ohmic(preset):
    device = devices.get(NAME + preset)
    price = device.prices()["oscillator second"]
    assert price.joule == pytest.approx(device.resistance * device.operating_current**2)
