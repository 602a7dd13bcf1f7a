"""The macrospin against closed solutions: precession, damping, norm, energy, equilibrium, switching."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import constants, stats

from nanoneurons.physics.macrospin import (
    GAMMA0,
    MACROSPIN,
    Macrospin,
    precessional_probability,
    precessional_time,
    thermal_probability,
)
from nanoneurons.solvers import integrate

# A perpendicular layer of 40 nm: H_k - Ms = 2e5 A/m, Delta = 38 at 300 K
VOLUME = math.pi / 4 * 40e-9**2 * 1e-9
PERPENDICULAR = Macrospin(1e6, VOLUME, 1e-9, 0.02, hk=1.2e6, polarisation=0.6)
IN_PLANE = Macrospin(8e5, VOLUME, 1e-9, 0.02, hk=5e4, axis=(1, 0, 0), polarisation=0.4, reference=(1, 0, 0))
FREE = Macrospin(1e6, VOLUME, 1e-9, 0.0, demagnetisation=(0, 0, 0))


def directions(count, seed=0):
    """Random directions, shape ``(1, count, 3)``."""
    v = torch.randn(1, count, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return v / v.norm(dim=-1, keepdim=True)


def tilted(towards, angle, devices=1):
    """A direction at a small angle from `towards`, shape ``(1, devices, 3)``."""
    towards = torch.tensor(towards, dtype=torch.float64)
    aside = torch.linalg.cross(towards, torch.tensor([0.6, 0.64, 0.48], dtype=torch.float64))
    m = math.cos(angle) * towards + math.sin(angle) * aside / aside.norm()
    return m.expand(1, devices, 3)


def run(layer, y0, time, dt=5e-13, method="rk4", **keywords):
    return integrate(MACROSPIN, y0, layer.parameters(), dt=dt, steps=round(time / dt), method=method, **keywords)


def prony(series):
    """(Angular frequency, decay rate) per sample of one damped oscillation, from its linear recursion."""
    a, b = np.linalg.lstsq(np.stack([series[1:-1], series[:-2]], 1), series[2:], rcond=None)[0]
    root = np.log(np.roots([1, -a, -b])[0])
    return abs(root.imag), -root.real


# -- motion about a field -----------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_larmor_precession_and_damping_are_exact(alpha):
    """About a constant field, phi = g H t and tan(theta/2) falls as exp(-alpha g H t), g = gamma0 / (1 + alpha^2)."""
    layer, field, dt = dataclasses.replace(FREE, alpha=alpha), 8e4, 5e-13
    done = run(layer, tilted((0, 0, 1), 1.0), 1e-9, dt=dt, every=100, drive={"hz": field})
    m = done.y[:, 0, 0].numpy()
    g = GAMMA0 / (1 + alpha**2)
    phase = np.unwrap(np.arctan2(m[:, 1], m[:, 0]))
    half = np.tan(0.5) * np.exp(-alpha * g * field * done.t.numpy())
    # RK4 loses (w dt)^5 / 120 = 4e-13 a step: 1e-9 in 2000
    assert np.abs(phase - phase[0] - g * field * done.t.numpy()).max() < 2e-9
    assert np.abs(np.sqrt((1 - m[:, 2]) / (1 + m[:, 2])) - half).max() < 2e-9
    expected = g * field / (2 * math.pi)
    assert float(layer.stiffness_fields((0, 0, 1), (0, 0, field))[1]) == pytest.approx(field)
    assert float(layer.resonance((0, 0, 1), (0, 0, field))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("layer", "m", "field", "h1", "h2"),
    [
        (IN_PLANE, (1, 0, 0), (3e4, 0, 0), 8e4, 8.8e5),  # Kittel: H + H_k in the plane, H + H_k + Ms out of it
        (PERPENDICULAR, (0, 0, 1), (0, 0, 1e4), 2.1e5, 2.1e5),
        (PERPENDICULAR, (0, 1, 0), (0, 3e5, 0), 1e5, 3e5),  # held across its easy axis
    ],
)
def test_kittel_frequency_and_damping_time(layer, m, field, h1, h2):
    found = [float(h) for h in layer.stiffness_fields(m, field)]
    assert found == pytest.approx([h1, h2])
    drive = dict(zip(("hx", "hy", "hz"), field, strict=True))
    done = run(layer, tilted(m, 1e-4), 2e-9, every=20, drive=drive)
    series = (
        done.y[:, 0, 0] @ torch.linalg.cross(torch.tensor(m).double(), torch.tensor([0.6, 0.64, 0.48]).double())
    ).numpy()
    omega, rate = prony(series)
    # terms of higher order are the angle squared, 1e-8; 2e-13 of rounding in a series of 1e-4 gives 1e-6
    assert omega / 1e-11 == pytest.approx(2 * math.pi * float(layer.resonance(m, field)), rel=1e-5)
    assert rate / 1e-11 == pytest.approx(1 / float(layer.damping_time(m, field)), rel=1e-5)
    # the usual formula leaves out damping: alpha^2 (H1 + H2)^2 / (8 H1 H2) of the frequency
    usual = GAMMA0 / (2 * math.pi) * math.sqrt(h1 * h2)
    change = layer.alpha**2 * (0.5 + (h1 + h2) ** 2 / (8 * h1 * h2))
    assert float(layer.resonance(m, field)) == pytest.approx(usual, rel=1.1 * change)


# -- the norm and the energy --------------------------------------------------------------------------


@pytest.mark.parametrize(("method", "size", "power"), [("rk4", -1 / 144, 6), ("heun", 1 / 8, 4)])
def test_norm_drift_per_step_without_restoring_it(method, size, power):
    """About a field at right angles a step changes \\|m\\| by size (w dt)^power: the amplification of the method."""
    bare = dataclasses.replace(MACROSPIN, norm=())
    y0 = torch.tensor([[[1.0, 0.0, 0.0]]], dtype=torch.float64)
    field, dt = 1e5, 5e-12
    z = GAMMA0 * field * dt  # 0.11
    done = integrate(bare, y0, FREE.parameters(), dt=dt, steps=10, method=method, engine="torch", drive={"hz": field})
    drift = float(done.last.norm() - 1) / 10
    assert drift == pytest.approx(size * z**power, rel=2 * z * z)  # the next order is z^2 smaller


@pytest.mark.parametrize("engine", ["numba", "torch"])
def test_norm_is_kept_to_rounding_per_step(engine):
    hot = dataclasses.replace(PERPENDICULAR, temperature=300.0)
    done = run(hot, directions(8), 1e-10, method="stochastic-heun", key=1, engine=engine, drive={"current": 1e-5})
    assert float((done.y.norm(dim=-1) - 1).abs().max()) < 5e-16  # two roundings of numbers near one
    bare = dataclasses.replace(MACROSPIN, norm=())
    parameters = dataclasses.replace(hot, temperature=0.0).parameters()
    # without restoring: (w dt)^6 / 144 and a share of alpha (w dt)^5; at w dt = 0.02 below 1e-12 a step
    free = integrate(bare, directions(400), parameters, dt=0.02 / (GAMMA0 * 2e5), steps=1, engine="torch")
    assert float((free.last.norm(dim=-1) - 1).abs().max()) < 1e-12


def test_energy_never_rises_without_drive_and_noise():
    layer = Macrospin(8e5, VOLUME, 1e-9, 0.05, hk=2e5, axis=(1, 2, -1), demagnetisation=(0.1, 0.2, 0.7))
    field = (3e4, -2e4, 5e4)
    drive = dict(zip(("hx", "hy", "hz"), field, strict=True))
    done = run(layer, directions(64), 3e-9, every=2, drive=drive)
    energy = layer.energy(done.y, field) / (constants.mu_0 * layer.ms**2 * VOLUME)
    # in units of mu0 Ms^2 V energies are known to some 1e-16; RK4's error is 1e-5 of what damping takes in a step
    assert float(energy.diff(dim=0).max()) < 2e-15
    assert float((energy[0] - energy[-1]).min()) > 0
    still = dataclasses.replace(layer, alpha=0.0)
    kept = still.energy(run(still, directions(64), 1e-9, dt=2e-13, every=100, drive=drive).y, field)
    # without damping it is kept: (w dt)^5 / 120 with w = gamma0 6e5 A/m is 1.1e-10 a step, 5000 steps in phase
    assert float((kept - kept[0]).abs().max()) / (constants.mu_0 * layer.ms**2 * VOLUME) < 5000 * 1.1e-10


def test_dissipation_sign():
    """Damping turns m towards the field; a negative one away from it."""
    y0 = directions(32)
    done = run(dataclasses.replace(FREE, alpha=0.1), y0, 2e-11, drive={"hx": 1e5})
    assert bool((done.y[..., 0].diff(dim=0) > 0).all())
    negative = run(dataclasses.replace(FREE, alpha=-0.1), y0, 2e-11, drive={"hx": 1e5})
    assert bool((negative.y[..., 0].diff(dim=0) < 0).all())


def test_energy_gives_the_field():
    """H_eff = -dE/dm / (mu0 Ms V), so that torque and energy belong together."""
    layer = Macrospin(8e5, VOLUME, 1e-9, 0.0, hk=2e5, axis=(1, 2, -1), demagnetisation=(0.1, 0.2, 0.7), vcma=6e-14)
    field, voltage = (3e4, -2e4, 5e4), 0.7
    m = directions(5)[0].requires_grad_()
    (slope,) = torch.autograd.grad(layer.energy(m, field, voltage).sum(), m)
    h = -slope / (constants.mu_0 * layer.ms * VOLUME)
    expected = -GAMMA0 * torch.linalg.cross(m, h)
    values = [float(layer.parameters()[name]) for name in MACROSPIN.parameters]
    rows = [MACROSPIN.rhs(*row.tolist(), *values, 0.0, 0.0, voltage, *field) for row in m.detach()]
    assert torch.allclose(torch.tensor(rows, dtype=torch.float64), expected, rtol=1e-10)  # rounding


# -- equilibrium --------------------------------------------------------------------------------------


def law(layer, direction, field, edges):
    """Boltzmann probabilities of m.direction between edges, by summation over the sphere."""
    u = (torch.arange(2000, dtype=torch.float64) + 0.5) / 1000 - 1
    phi = torch.arange(200, dtype=torch.float64) * (2 * math.pi / 200)
    s = torch.sqrt(1 - u * u)[:, None]
    a, b, c = (torch.tensor(v, dtype=torch.float64) for v in np.roll(np.eye(3), -int(np.argmax(direction)), 0))
    m = u[:, None, None] * a + s[..., None] * (torch.cos(phi)[:, None] * b + torch.sin(phi)[:, None] * c)
    energy = layer.energy(m, field) / (constants.k * 300.0)
    weight = torch.exp(energy.min() - energy).sum(1).numpy()
    cumulative = np.concatenate([[0], np.cumsum(weight)]) / weight.sum()
    return np.diff(np.interp(edges, np.linspace(-1, 1, 2001), cumulative))


@pytest.mark.parametrize(
    ("layer", "direction", "field"),
    [
        (Macrospin(1e6, 1e-25, 1e-9, 0.1, hk=1.2e6, temperature=300.0), (0, 0, 1), (0.0, 0.0, 1.5e4)),
        (
            Macrospin(8e5, 1.5e-25, 1e-9, 0.1, hk=1e5, axis=(1, 0, 0), temperature=300.0),
            (1, 0, 0),
            (5e3, 0.0, 0.0),
        ),
    ],
)
def test_boltzmann_histogram_at_300_kelvin(layer, direction, field):
    """4000 independent layers over a barrier of 2 to 3 k_B T after many crossings, chi-square over 20 bins."""
    drive = dict(zip(("hx", "hy", "hz"), field, strict=True))
    done = run(layer, directions(4000, 3), 2e-8, dt=1e-12, method="stochastic-heun", key=2, every=20_000, drive=drive)
    along = (done.last[0] @ torch.tensor(direction, dtype=torch.float64)).numpy()
    edges = np.linspace(-1, 1, 21)
    expected = 4000 * law(layer, direction, field, edges)
    counts = np.histogram(along, edges)[0]
    assert expected.min() > 5
    # a true law falls below p = 1e-3 once in a thousand seeds; (w dt)^2 = 2e-3 biases it by less than the counts show
    assert stats.chisquare(counts, expected).pvalue > 1e-3


# -- current, voltage, spin-orbit torque --------------------------------------------------------------


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("layer", [PERPENDICULAR, IN_PLANE], ids=["perpendicular", "in-plane"])
def test_critical_current_at_zero_temperature(layer, parallel):
    """The growth rate of a small deviation changes sign at I_c0, found between two currents on either side."""
    layer = dataclasses.replace(layer, field_like=0.2)
    state = tuple(v if parallel else -v for v in layer.reference)
    critical = float(layer.critical_current(parallel))
    assert math.copysign(1, critical) == (-1 if parallel else 1)  # a positive current favours parallel
    currents = critical * torch.tensor([[0.95, 1.05]], dtype=torch.float64)
    done = run(layer, tilted(state, 1e-4, 2), 4e-9, every=10, drive={"current": currents})
    away = done.y[:, 0] - torch.tensor(state, dtype=torch.float64)
    size = (away * away).sum(-1).log().numpy() / 2
    rates = [np.polyfit(done.t.numpy(), size[:, n], 1)[0] for n in (0, 1)]
    assert rates[0] < 0 < rates[1]
    crossing = 0.95 + 0.1 * rates[0] / (rates[0] - rates[1])
    # the slope through 25 and more periods misses by 1/(2 pi 25) of a wobble of order one over 4 ns: below 1 %
    assert crossing == pytest.approx(1.0, abs=0.01)


def test_critical_current_is_that_of_the_thermal_stability():
    """I_c0 = 4 e alpha Delta k_B T / (hbar eta), eta = P / (1 +- P^2)."""
    delta = float(PERPENDICULAR.thermal_stability(300.0))
    assert delta == pytest.approx(constants.mu_0 * 1e6 * VOLUME * 2e5 / 2 / (constants.k * 300), rel=1e-9)
    for parallel, eta in ((True, 0.6 / 1.36), (False, 0.6 / 0.64)):
        expected = 4 * constants.e * 0.02 * delta * constants.k * 300 / (constants.hbar * eta)
        assert abs(float(PERPENDICULAR.critical_current(parallel))) == pytest.approx(expected, rel=1e-9)


def test_precessional_switching_time():
    layer = dataclasses.replace(PERPENDICULAR, asymmetry=0.0)
    current = 3 * float(layer.critical_current(False))
    dt = 5e-13
    done = run(layer, tilted((0, 0, -1), 0.05), 4e-9, dt=dt, drive={"current": current})
    mz = done.y[:, 0, 0, 2].numpy()
    n = int(np.argmax(mz > 0))
    crossed = dt * (n - mz[n] / (mz[n] - mz[n - 1]))
    rate = 1 / float(layer.damping_time((0, 0, 1)))
    expected = float(precessional_time(0.05, rate, 3.0))
    assert crossed == pytest.approx(expected, rel=1e-5)  # linear between two steps: (rate dt)^2 and RK4's error
    usual = math.log(math.pi / (2 * 0.05)) / (rate * 2)
    assert expected == pytest.approx(usual, rel=0.15)  # differs by a constant of order 0.3 in a logarithm of 3.4
    assert mz[-1] > 0.99


@pytest.mark.parametrize("overdrive", [2.0, 4.0])
def test_precessional_probability_with_noise(overdrive):
    layer = dataclasses.replace(PERPENDICULAR, asymmetry=0.0, temperature=300.0)
    delta, rate = float(layer.thermal_stability()), 1 / float(layer.damping_time((0, 0, 1)))
    count, noisy = 2000, {"method": "stochastic-heun"}
    start = run(layer, tilted((0, 0, -1), 0.01, count), 6e-9, dt=1e-12, key=1, every=6000, **noisy).last
    current = overdrive * float(layer.critical_current(False))
    done = run(layer, start, 3e-9, key=2, every=200, drive={"current": current}, **noisy)
    switched = (done.y[:, 0, :, 2] > 0).double().mean(-1)
    expected = precessional_probability(done.t, rate, overdrive, delta)
    between = (expected > 0.05) & (expected < 0.95)
    assert int(between.sum()) > 5
    # four standard errors of 2000 junctions are 0.045; terms of order 1/Delta are left out
    assert float((switched - expected)[between].abs().max()) < 0.045 + 1 / delta


def test_probabilities_of_thermal_activation():
    long = thermal_probability(1e-9 * math.exp(20.0), 0.5, 40.0)
    assert float(long) == pytest.approx(1 - math.exp(-1))
    squared = thermal_probability(1e-9 * math.exp(10.0), 0.5, 40.0, exponent=2.0)
    assert float(squared) == pytest.approx(1 - math.exp(-1))


def test_spin_orbit_switching_of_an_in_plane_layer():
    """Spins along the easy axis: critical at o J = alpha (H1 + H2) / 2; a positive density pulls m towards sigma."""
    layer = dataclasses.replace(IN_PLANE, axis=(0, 1, 0), polarisation=0.0, spin_hall=0.3, alpha=0.05)
    h1, h2 = layer.stiffness_fields((0, -1, 0))
    critical = float(layer.alpha * (h1 + h2) / 2) / float(layer.parameters()["orbit"])
    assert 1e11 < critical < 1e13
    density = critical * torch.tensor([[0.9, 1.2, -1.2]], dtype=torch.float64)
    done = run(layer, tilted((0, -1, 0), 0.02, 3), 2e-8, every=40_000, drive={"density": density})
    after = done.last[0, :, 1].tolist()
    assert after[0] < -0.99 and after[1] > 0.99 and after[2] < -0.99


def test_spin_orbit_switching_of_a_perpendicular_layer_needs_a_field():
    """Spins across the easy axis with a field along the current: the sign of their product chooses the state."""
    layer = dataclasses.replace(PERPENDICULAR, polarisation=0.0, spin_hall=0.3, alpha=0.2)
    density = 0.6 * 2e5 / float(layer.parameters()["orbit"])  # o J above H_k / 2
    field = torch.tensor([[3e4, -3e4]], dtype=torch.float64)
    states = []
    for sign in (1, -1):
        on = run(layer, tilted((0, 0, 1), 0.01, 2), 4e-9, every=8000, drive={"density": sign * density, "hx": field})
        off = run(layer, on.last, 4e-9, every=8000, drive={"hx": field})
        states.append(torch.sign(off.last[0, :, 2]).tolist())
    assert states[0] == [-v for v in states[1]] and sorted(states[0]) == [-1, 1]


def test_voltage_changes_the_anisotropy():
    """H_k falls by 2 xi V / (mu0 Ms t t_MgO), and the frequency of a perpendicular layer with it."""
    layer = dataclasses.replace(PERPENDICULAR, vcma=60e-15, barrier=1.2e-9)
    change = 2 * 60e-15 * 0.5 / (constants.mu_0 * 1e6 * 1e-9 * 1.2e-9)
    assert change == pytest.approx(3.98e4, rel=1e-3)
    voltage = torch.tensor([[-0.5, 0.0, 0.5]], dtype=torch.float64)
    done = run(layer, tilted((0, 0, 1), 1e-3, 3), 2e-9, every=20, drive={"voltage": voltage})
    g = GAMMA0 / (1 + layer.alpha**2)
    for n, expected in enumerate((2e5 + change, 2e5, 2e5 - change)):
        omega, _ = prony(done.y[:, 0, n, 0].numpy())
        assert omega / 1e-11 == pytest.approx(g * expected, rel=1e-5)  # the angle squared is 1e-6


def test_thermal_field_is_browns():
    hot = dataclasses.replace(PERPENDICULAR, temperature=300.0)
    power = 2 * 0.02 * constants.k * 300 / (constants.mu_0 * GAMMA0 * 1e6 * VOLUME)
    assert hot.thermal_field() == pytest.approx(math.sqrt(power))
    assert PERPENDICULAR.thermal_field() == 0.0


def test_gradients_pass_the_parameters():
    hk = torch.tensor(1.2e6, dtype=torch.float64, requires_grad=True)
    layer = dataclasses.replace(PERPENDICULAR, hk=hk)
    done = run(layer, tilted((0, 0, 1), 0.3), 2e-11, engine="torch")
    done.last[0, 0, 0].backward()
    numbers = [
        float(run(dataclasses.replace(PERPENDICULAR, hk=1.2e6 + d), tilted((0, 0, 1), 0.3), 2e-11).last[0, 0, 0])
        for d in (100.0, -100.0)
    ]
    assert float(hk.grad) == pytest.approx((numbers[0] - numbers[1]) / 200.0, rel=1e-5)  # central differences
