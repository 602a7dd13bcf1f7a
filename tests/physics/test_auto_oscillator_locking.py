"""Injection and mutual locking of simulated auto-oscillators against Adler's equation with sqrt(1 + nu^2).

The closed forms hold for weak signals, to first order in eps = (half of the locking range) / Gamma_p: the power
must follow the phase. Each test says its eps; tolerances are a few times that.
"""

import math

import numpy as np
import pytest
import torch

from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import Tones, integrate

THRESHOLD, DAMPING, OMEGA = 4e-3, 1.6e6, 2 * math.pi * 300e6
CURRENT = 1.75 * THRESHOLD
NU = 4.0


def oscillator(nu: float | torch.Tensor, detuning: float | torch.Tensor = 0.0) -> AutoOscillator:
    """Auto-oscillators of a given nu; Gamma_p = 0.75 Gamma_G = 1.2e6 1/s, p0 = 0.2."""
    z, q = CURRENT / THRESHOLD, 2.0
    return AutoOscillator(OMEGA + detuning, nu * DAMPING * (q + z), DAMPING, q, DAMPING / THRESHOLD)


GAMMA_P = float(oscillator(NU).amplitude_rate(CURRENT))
ROOT_P = float(oscillator(NU).power(CURRENT)) ** 0.5
DT = 0.05 / GAMMA_P  # slow beside Gamma_p: RK4's error is that of the fastest rate here, 2 Gamma_p dt = 0.1


def forced(nu, detuning, force, time, records):
    """Free oscillators of `nu` (chips) under a tone at `detuning` (devices): power and psi = phase + detuning t.

    In the frame of the free oscillator, so a tone at the detuning d drives with F exp(-i d t). The start is at the
    phase psi = -pi/2 - arctan nu, away from both fixed points of Adler's equation where there are any.
    """
    nu = torch.as_tensor(nu, dtype=torch.float64).reshape(-1, 1)
    force = torch.as_tensor(force, dtype=torch.float64).reshape(-1, 1, 1)
    detuning = torch.as_tensor(detuning).reshape(1, -1)
    osc = oscillator(nu)
    chips, devices = max(nu.shape[0], detuning.shape[0]), max(nu.shape[1], detuning.shape[1])
    start = -math.pi / 2 - torch.atan(nu).expand(chips, devices)
    every = math.ceil(time / DT / records)
    found = integrate(
        AUTO_OSCILLATOR, ROOT_P * torch.stack([torch.cos(start), torch.sin(start)], -1),
        osc.parameters(osc.angular_frequency(CURRENT)), dt=DT, steps=every * records, every=every,
        drive={"current": CURRENT, ("fx", "fy"): Tones(force, detuning.unsqueeze(-1))},
    )  # fmt: skip
    x, y = found["x"], found["y"]
    phase = torch.from_numpy(np.unwrap(torch.atan2(y, x).numpy(), axis=0))
    return found.t, x * x + y * y, phase + detuning * found.t.reshape(-1, 1, 1)


def test_locking_range_is_adlers_with_the_factor():
    """A sweep of the tone's frequency locks over +- (F / sqrt p0) sqrt(1 + nu^2), for both signs of N and for N = 0."""
    nu = torch.tensor([NU, -NU, 0.0], dtype=torch.float64)
    eps = 0.02
    force = eps * GAMMA_P * ROOT_P / torch.sqrt(1 + nu * nu)
    half = oscillator(nu).locking_range(CURRENT, force)
    assert torch.allclose(half, torch.full_like(half, eps * GAMMA_P), rtol=1e-12)
    grid = torch.tensor([0.9, 0.95, 0.97, 0.98, 0.99, 1.01, 1.02, 1.03, 1.05, 1.1, 1.5], dtype=torch.float64)
    sweep = torch.cat([-grid.flip(0), torch.zeros(1, dtype=torch.float64), grid])
    # from 1.01 of the range on it slips every 2 pi / (D sqrt(1.01^2 - 1)) = 45 / D or faster: 150 / D hold three
    time = 300 / (eps * GAMMA_P)
    _, _, psi = forced(nu, sweep * eps * GAMMA_P, force, time, 1000)
    slipped = (psi[-1] - psi[500]).abs()
    locked = slipped < math.pi  # half a turn: locked, it only settles by less than that
    for chip in range(3):
        inside = sweep[locked[chip]]
        # Locked without gaps, to an edge between two points of the sweep (1 % apart) and first order in eps (2 %)
        assert int(locked[chip].sum()) == int((sweep.abs() <= inside.abs().max()).sum())
        assert float(-inside[0]) == pytest.approx(1, abs=0.03)
        assert float(inside[-1]) == pytest.approx(1, abs=0.03)
        measured = 0.5 * (inside[-1] - inside[0]) * eps * GAMMA_P
        without = force[chip] / ROOT_P
        # the same 3 %: without the factor the range would be wrong by sqrt(17) = 4.1 for the first two
        assert float(measured / without) == pytest.approx(math.sqrt(1 + float(nu[chip]) ** 2), rel=0.03)


@pytest.mark.parametrize("nu", [NU, -NU])
def test_slips_outside_the_range(nu):
    """Mean rate sqrt(d^2 - D^2) outside the locking range D, with the sign of the detuning d."""
    eps = 0.02
    half = eps * GAMMA_P
    ratio = torch.tensor([-3.0, -1.5, -1.2, 1.2, 1.5, 3.0], dtype=torch.float64)
    force = half * ROOT_P / math.sqrt(1 + nu * nu)
    t, _, psi = forced(nu, ratio * half, force, 400 / half, 40_000)
    psi = psi[:, 0].numpy()
    for device, d in enumerate(ratio.tolist()):
        turned = (psi[:, device] - psi[2000, device]) * math.copysign(1, d)  # after 20 / D the start is forgotten
        count = int(turned[-1] // (2 * math.pi))
        assert count >= 20
        # whole turns only, so that nothing depends on where in a slip the run ends
        ends = np.interp([2 * math.pi, 2 * math.pi * count], turned[2000:], t.numpy()[2000:])
        rate = math.copysign(2 * math.pi * (count - 1) / (ends[1] - ends[0]), d) / half
        expected = math.copysign(math.sqrt(d * d - 1), d)
        # D itself is known to first order in eps, 2 %: an error of 2 % D^2 / sqrt(d^2 - D^2) at most
        assert rate == pytest.approx(expected, abs=eps / abs(expected))


@pytest.mark.parametrize("nu", [NU, -NU, 0.0])
def test_lag_and_gain_of_the_locked_state(nu):
    """psi = arcsin(d / D) - arctan nu, and the power rises by p0 F cos(psi) / (sqrt(p0) Gamma_p)."""
    ratio = torch.tensor([-0.8, -0.4, 0.0, 0.4, 0.8], dtype=torch.float64)
    errors = []
    for eps in (0.02, 0.01):
        half = eps * GAMMA_P
        force = half * ROOT_P / math.sqrt(1 + nu * nu)
        _, p, psi = forced(nu, ratio * half, force, 60 / half, 1)  # settles at D sqrt(1 - 0.8^2): exp(-36)
        expected = torch.asin(ratio) - math.atan(nu)
        lag = torch.remainder(psi[-1, 0] - expected + math.pi, 2 * math.pi) - math.pi
        assert float(lag.abs().max()) < 2 * eps  # first order in eps, twice where arcsin is steep (5/3 at 0.8)
        gain = (p[-1, 0] / ROOT_P**2 - 1) * GAMMA_P * ROOT_P / force - torch.cos(expected)
        assert float(gain.abs().max()) < 2 * eps
        errors.append(max(float(lag.abs().max()), float(gain.abs().max())))
    # and they vanish with eps as first order says, to a half; the next order is a fraction eps beside it
    assert errors[1] == pytest.approx(errors[0] / 2, rel=0.1)


def test_the_nearer_of_two_tones_wins():
    """A tone within the range locks the oscillator although another one of equal force lies ten ranges away."""
    eps = 0.02
    half = eps * GAMMA_P
    force = half * ROOT_P / math.sqrt(1 + NU * NU)
    osc = oscillator(NU)
    tones = Tones(torch.full((2,), force, dtype=torch.float64), torch.tensor([0.5, 10.0], dtype=torch.float64) * half)
    found = integrate(
        AUTO_OSCILLATOR, torch.tensor([[[ROOT_P, 0.0]]], dtype=torch.float64),
        osc.parameters(osc.angular_frequency(CURRENT)), dt=DT, steps=math.ceil(200 / half / DT), every=20,
        drive={"current": CURRENT, ("fx", "fy"): tones},
    )  # fmt: skip
    psi = np.unwrap(torch.atan2(found["y"], found["x"]).numpy().ravel()) + 0.5 * half * found.t.numpy()
    late = psi[len(psi) // 2 :]
    # the far tone shakes the phase by about D / (10 D) = 0.1 rad around the locked value and pulls it by D / 20 d
    assert np.ptp(late) < 0.3
    expected = math.asin(0.5) - math.atan(NU)
    assert math.remainder(late.mean() - expected, 2 * math.pi) == pytest.approx(0, abs=0.1)


def coupled(nu, coupling, phase, detuning, time, records):
    """Two oscillators `detuning` apart (chips) that receive K exp(i phase) of each other; unwrapped phases."""
    detuning = torch.as_tensor(detuning)
    apart = torch.stack([0.5 * detuning, -0.5 * detuning], -1)
    osc = oscillator(nu, apart)
    swap = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.complex128)
    matrix = torch.as_tensor(coupling * np.exp(1j * np.asarray(phase))).reshape(-1, 1, 1) * swap
    # a quarter of a turn apart, between the two fixed points that there are without detuning
    start = ROOT_P * torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64).expand(len(detuning), 2, 2)
    every = math.ceil(time / DT / records)
    found = integrate(
        AUTO_OSCILLATOR, start.clone(), osc.parameters(oscillator(nu).angular_frequency(CURRENT)), dt=DT,
        steps=every * records, every=every, drive={"current": CURRENT},
        coupling=matrix.expand(len(detuning), 2, 2),
    )  # fmt: skip
    return found.t, torch.from_numpy(np.unwrap(torch.atan2(found["y"], found["x"]).numpy(), axis=0))


@pytest.mark.parametrize("nu", [NU, -NU])
@pytest.mark.parametrize("beta", [0.0, 0.5, math.atan(NU), -1.0, 2.5])
def test_mutual_locking_is_that_of_kuramoto_and_sakaguchi(nu, beta):
    """Gain G = K sqrt(1 + nu^2) and lag a = arctan nu: two lock where |w1 - w2| < 2 G |cos(beta - a)|.

    Locked, phi_2 - phi_1 = arcsin((w1 - w2) / range) or its complement, whichever is stable, and both turn at the mean
    frequency - G cos(phi_2 - phi_1) sin(beta - a).
    """
    eps = 0.01
    gain = eps * GAMMA_P  # K sqrt(1 + nu^2), against which power must be fast
    coupling = gain / math.sqrt(1 + nu * nu)
    offset = beta - math.atan(nu)
    half = 2 * gain * abs(math.cos(offset))
    ratio = torch.tensor([-1.1, -0.9, -0.5, 0.5, 0.9, 1.1], dtype=torch.float64)
    time = (
        150 / half
    )  # settles at half sqrt(1 - 0.9^2) = 0.44 half; slips every 2 pi / (half sqrt(1.1^2 - 1)) = 14 / half
    t, phase = coupled(nu, coupling, beta, ratio * half, time, 1500)
    between = phase[..., 1] - phase[..., 0]
    slipped = (between[-1] - between[750]).abs()
    # first order in eps = 1 % times gain / half (at most 5 here) is below the 10 % between the points
    assert (slipped < math.pi).tolist() == [False, True, True, True, True, False]
    inside = [1, 2, 3, 4]
    stable = torch.asin(ratio[inside])
    if math.cos(offset) < 0:
        stable = math.pi + stable
    error = torch.remainder(between[-1, inside] - stable + math.pi, 2 * math.pi) - math.pi
    share = eps * gain / half  # relative error of the range, to first order
    # times the slope of arcsin, at most 2.3
    assert float(error.abs().max()) < 5 * share
    rate = (phase[-1, inside] - phase[750, inside]) / float(t[-1] - t[750])
    expected = gain * torch.cos(stable) * math.sin(offset)
    # both at the same rate, to what is left of settling; and at the rate expected, to first order in eps
    assert torch.allclose(rate[:, 0], rate[:, 1], rtol=0, atol=1e-6 * gain)
    assert float((rate[:, 0] - expected).abs().max()) < 10 * eps * gain
