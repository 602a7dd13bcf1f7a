"""Width of a line between Lorentzian and Gaussian: limits, an independent quadrature, and a simulation."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, optimize, stats

from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.physics.linewidth import phase_linewidth
from nanoneurons.solvers import integrate as solve


def width(diffusion: float, nu: float, rate: float = 1.0) -> float:
    return float(phase_linewidth(*(torch.tensor(v, dtype=torch.float64) for v in (diffusion, nu, rate))))


def test_slow_diffusion_gives_a_lorentzian():
    """(1 + nu^2) Delta; the first correction is nu^2 Delta / (2 Gamma_p) of it."""
    assert width(1e-3, 0.0) == pytest.approx(1e-3 / (2 * math.pi), rel=1e-12)  # exact without nonlinearity
    assert width(2e-8, 10.0) == pytest.approx(101 * 2e-8 / (2 * math.pi), rel=1e-5)


def test_fast_diffusion_gives_a_gaussian():
    """2 nu sqrt(ln 2 2 Gamma_p Delta): as the square root of the temperature."""
    short = [1 - width(2e-3, nu) / (2 * nu * math.sqrt(math.log(2) * 2e-3) / (2 * math.pi)) for nu in (1e3, 1e4)]
    # the first correction is 2 Gamma_p / FWHM, 1.3 % and 0.13 %, times a number of order one
    assert 0 < short[1] < 2e-3
    assert short[0] / short[1] == pytest.approx(10, rel=0.03)


@pytest.mark.parametrize(("diffusion", "nu"), [(2e-3, 10.0), (2e-2, 10.0), (2e-2, 30.0), (0.6, 3.0), (2e-2, 100.0)])
def test_between_them_it_is_the_transform(diffusion, nu):
    """scipy's adaptive quadrature and root search on the same spectrum."""
    a = diffusion / 2
    b = a * nu * nu
    end = (36 + b) / (a + b) * 1.05  # where the exponent is beyond 36

    def spectrum(w):
        def integrand(u):
            return math.cos(w * u) * math.exp(-a * u - b * (u - 1 + math.exp(-u)))

        return integrate.quad(integrand, 0, end, limit=2000, epsabs=1e-12, epsrel=1e-12)[0]

    half = optimize.brentq(lambda w: spectrum(w) - spectrum(0) / 2, 0, a + b, xtol=1e-13)
    assert width(diffusion, nu) == pytest.approx(half / math.pi, rel=1e-9)  # quad is asked for 1e-12


def test_scales_with_the_rate_and_is_zero_without_noise():
    assert width(2e-2 * 3e6, 10.0, 3e6) == pytest.approx(3e6 * width(2e-2, 10.0), rel=1e-12)
    assert width(0.0, 10.0) == 0.0
    many = phase_linewidth(torch.tensor([1e-3, 0.1]), torch.tensor(10.0), torch.tensor(1.0))
    assert float(many[1]) == pytest.approx(width(0.1, 10.0), rel=1e-5)  # single precision; element by element


@pytest.mark.parametrize(("nu", "noise"), [(10.0, 0.02), (30.0, 0.02)])
def test_simulated_line_between_lorentzian_and_gaussian(nu, noise):
    """Width of the ensemble's spectrum, 11 % and 54 % less than (1 + nu^2) Delta; `noise` is D / (p0 Gamma_p)."""
    damping, threshold, z, omega = 1.6e6, 4e-3, 1.75, 1.9e11
    values = {
        "omega0": omega,
        "shift": nu * damping * (2 + z),
        "damping": damping,
        "q": 2.0,
        "sigma": damping / threshold,
    }
    cold, current = AutoOscillator(**values), z * threshold
    p, rate = float(cold.power(current)), 2 * float(cold.amplitude_rate(current))
    diffusion = noise * p * rate / 2
    thermal = diffusion / (damping * (1 + 2 * p)) * (omega + values["shift"] * p)
    osc = AutoOscillator(**values, thermal=thermal)
    expected = float(osc.linewidth(current))
    assert expected == pytest.approx(width(diffusion / p, nu, rate), rel=1e-12)
    lorentzian = (1 + nu * nu) * diffusion / p / (2 * math.pi)
    assert expected < 0.9 * lorentzian
    blocks, devices, lags = 20, 300, 100
    dt = 0.1 / (rate * (1 + nu * 3 * math.sqrt(noise)))  # the frequency wanders by nu times the noise of the power

    def run(y0, time, records, key):
        every = math.ceil(time / dt / records)
        return solve(
            AUTO_OSCILLATOR, y0, osc.parameters(osc.angular_frequency(current)), dt=time / records / every,
            steps=every * records, every=every, method="stochastic-heun", drive={"current": current}, key=key,
        )  # fmt: skip

    y0 = torch.zeros(blocks, devices, 2, dtype=torch.float64)
    y0[..., 0] = p**0.5
    found = run(run(y0, 20 / rate, 1, 1).last, 3 / expected, 2 * lags, 2)
    c = torch.complex(found["x"], found["y"])
    # correlation up to 1.5 / FWHM, where a Lorentzian's is exp(-1.5 pi) = 1 %
    correlation = torch.stack([(c[k : lags + k] * c[:lags].conj()).mean((0, 2)) for k in range(lags + 1)]).numpy()
    lag = found.t[: lags + 1].numpy()
    f = np.linspace(-2, 2, 801) * expected
    spectra = np.trapezoid(correlation[:, :, None] * np.exp(-2j * np.pi * f * lag[:, None, None]), lag, axis=0).real
    widths = []
    for s in spectra:
        top = s.argmax()
        right = top + np.argmax(s[top:] < s[top] / 2)
        left = top - np.argmax(s[top::-1] < s[top] / 2)
        widths.append((f[right] - f[left]) / expected)
    half = float(stats.t.ppf(0.9995, blocks - 1)) * float(np.std(widths, ddof=1)) / math.sqrt(blocks)
    assert half < 0.1
    # The cut at 1 % of the correlation widens a line by about 2 %, the grid by 0.5 %; noise of the power beyond first
    # order is a few times 0.02
    assert abs(float(np.mean(widths)) - 1) < half + 0.05
