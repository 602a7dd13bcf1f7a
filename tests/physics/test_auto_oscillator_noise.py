"""Thermal noise of simulated auto-oscillators: equipartition, its dependence on the power, linewidths.

Intervals: means over independent blocks with Student's law, variances with the chi-square law, both at 99.9 %; the
seeds are fixed, so a test does not fail by chance. Each test also says how narrow its interval is.
"""

import math

import numpy as np
import pytest
import torch
from scipy import optimize, stats

from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import integrate

THRESHOLD, DAMPING, OMEGA = 4e-3, 1.6e6, 2 * math.pi * 300e6
LEVEL = 0.999


def oscillator(thermal: float, **values) -> AutoOscillator:
    """`thermal` is k_B T / (lambda omega0), the power at rest."""
    given = {"omega0": OMEGA, "shift": 0.0, "damping": DAMPING, "q": 2.0, "sigma": DAMPING / THRESHOLD, **values}
    return AutoOscillator(thermal=thermal * OMEGA, **given)


def start(power: float, chips: int, devices: int, spread: bool, seed: int = 0) -> torch.Tensor:
    """Devices at x = sqrt(power), or Gaussian with this mean power."""
    if not spread:
        y0 = torch.zeros(chips, devices, 2, dtype=torch.float64)
        y0[..., 0] = power**0.5
        return y0
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(chips, devices, 2, generator=generator, dtype=torch.float64) * (power / 2) ** 0.5


def run(osc: AutoOscillator, y0: torch.Tensor, current, time: float, dt: float, records: int, key: int):
    every = math.ceil(time / dt / records)
    found = integrate(
        AUTO_OSCILLATOR, y0, osc.parameters(osc.angular_frequency(current)), dt=time / records / every,
        steps=every * records, every=every, method="stochastic-heun", drive={"current": current}, key=key,
    )  # fmt: skip
    return found.t, found["x"], found["y"]


def mean_interval(blocks: torch.Tensor) -> tuple[float, float]:
    """Mean over independent blocks and half of its confidence interval."""
    n = len(blocks)
    return float(blocks.mean()), float(stats.t.ppf(0.5 + LEVEL / 2, n - 1)) * float(blocks.std()) / math.sqrt(n)


def test_noise_grows_with_the_damping():
    """<|dc|^2> = 2 D dt with D = Gamma_+(p) k_B T / (lambda omega(p)), read off single short steps."""
    osc = oscillator(1e-3, shift=-0.4 * OMEGA, q2=0.5)
    count, dt = 100_000, 1e-6 / DAMPING
    for p in (0.0, 0.2, 0.8):
        y0 = start(p, 1, count, spread=False)
        # the frame turns with the devices of power p, so that noise is all that moves them: drift^2 is dt / D less
        frame = OMEGA + osc.shift * p
        last = integrate(
            AUTO_OSCILLATOR, y0, osc.parameters(frame), dt=dt, steps=1, method="stochastic-heun",
            drive={"current": 0.0}, key=5,
        ).last - y0  # fmt: skip
        found = float((last**2).sum()) / (2 * count * dt)
        expected = DAMPING * (1 + 2 * p + 0.5 * p * p) * osc.thermal / (OMEGA + osc.shift * p)
        assert float(osc.diffusion(p)) == pytest.approx(expected, rel=1e-14)
        # a sum of 2 count squares of normal numbers: relative standard error 1 / sqrt(count) = 0.32 %, four of them
        assert found == pytest.approx(expected, rel=4 / math.sqrt(count))


@pytest.mark.parametrize("shift", [0.0, -0.3 * OMEGA])
def test_equipartition(shift):
    """<p> = k_B T / (lambda omega) without current: every mode has k_B T, half of it in each quadrature."""
    theta, blocks = 1e-3, 20
    osc = oscillator(theta, shift=shift)
    # independent after five time constants 1 / (2 Gamma_G); from the start on, which has another power
    _, x, y = run(osc, start(2 * theta, blocks, 1000, True), 0.0, 60 / DAMPING, 0.02 / DAMPING, 24, key=1)
    late = slice(5, None)  # exp(-2 x 12.5) of the start remains
    power = (x[late] ** 2 + y[late] ** 2).mean((0, 2))
    mean, half = mean_interval(power)
    assert half < 0.01 * theta  # known within 1 %
    # first orders in theta: <p omega(p)> is shared equally, the density is divided by sqrt(D); Heun (dt Gamma_G)^2
    bias = theta * theta * (-2 * shift / OMEGA - 0.5 * (2.0 - shift / OMEGA))
    assert abs(bias) < 0.002 * theta
    assert abs(mean - theta - bias) < half
    quadratures = torch.stack([(x[late] ** 2).mean((0, 2)), (y[late] ** 2).mean((0, 2))])
    for q in quadratures:
        mean, half = mean_interval(q)
        assert abs(mean - theta / 2) < half + abs(bias)


def density(osc: AutoOscillator, current: float, grid: np.ndarray) -> np.ndarray:
    """Stationary density of the power: exp(-(lambda / k_B T) int omega (1 - Gamma_- / Gamma_+) dp) / sqrt(D(p))."""
    positive = osc.damping * (1 + osc.q * grid + osc.q2 * grid**2)
    negative = osc.sigma * current * (1 - grid)
    force = (osc.omega0 + osc.shift * grid) / osc.thermal * (1 - negative / positive)
    exponent = -np.concatenate([[0.0], np.cumsum(0.5 * (force[1:] + force[:-1]) * np.diff(grid))])
    weight = np.exp(exponent - exponent.max()) / np.sqrt(osc.diffusion(torch.from_numpy(grid)).numpy())
    return weight / np.trapezoid(weight, grid)


@pytest.mark.parametrize("z", [0.0, 0.9, 1.0, 1.5])
def test_stationary_density_of_the_power(z):
    """Hot oscillators, from rest through threshold to oscillation, against the stationary Fokker-Planck equation.

    Hot enough (<p> = 0.05 at rest) that details show: with a constant D the mean would be 6 to 8 % less, and without
    the factor of Stratonovich noise, 1 / sqrt(D), 3 to 4 % more.
    """
    omega = 10 * DAMPING  # so slow that the turn by N p, which does not touch the power, costs no steps
    osc = AutoOscillator(omega, 0.5 * omega, DAMPING, 2.0, DAMPING / THRESHOLD, thermal=0.05 * omega)
    current = z * THRESHOLD
    blocks = 20
    _, x, y = run(osc, start(0.1, blocks, 400, True), current, 120 / DAMPING, 0.01 / DAMPING, 12, key=2)
    p = x[4:] ** 2 + y[4:] ** 2  # after 40 / Gamma_G; the slowest decay, at threshold, is at about 0.5 Gamma_G
    grid = np.linspace(0, 6, 60_001)
    expected = density(osc, current, grid)
    # the power decays at up to 10 Gamma_G in the tail, p = 2: Heun's error of (0.01 x 10)^2 / 6 there is 0.2 %
    mean, half = mean_interval(p.mean((0, 2)))
    exact = float(np.trapezoid(grid * expected, grid))
    assert half < 0.02 * exact
    assert abs(mean - exact) < half
    edges = np.interp(np.arange(1, 20) / 20, np.concatenate([[0.0], np.cumsum(expected[1:] * np.diff(grid))]), grid)
    sample = p[[0, 4, 7]].numpy().ravel()  # times further apart than any memory
    counts = np.bincount(np.searchsorted(edges, sample), minlength=20)
    assert stats.chisquare(counts).pvalue > 1 - LEVEL  # 24,000 numbers in 20 equally likely bins


@pytest.mark.parametrize("z", [0.0, 0.6])
def test_linewidth_below_threshold(z):
    """(Gamma_+ - Gamma_-) / pi: the correlation <c(t) c*(0)> falls as exp(-Gamma_G (1 - z) t)."""
    osc, current = oscillator(1e-4, shift=0.1 * OMEGA), z * THRESHOLD
    rate = DAMPING * (1 - z)
    blocks, time = 20, 0.7 / rate
    warm = 10 / rate
    y0 = start(1e-4 / (1 - z), blocks, 2000, True, seed=3)
    _, x, y = run(osc, y0, current, warm, 0.02 / DAMPING, 1, key=3)
    y0 = torch.stack([x[-1], y[-1]], -1)
    _, x, y = run(osc, y0, current, time, 0.02 / DAMPING, 1, key=4)
    c = torch.complex(x, y)
    ratio = ((c[1] * c[0].conj()).sum(1) / (c[0].abs() ** 2).sum(1)).real
    mean, half = mean_interval(ratio)
    width = float(osc.linewidth(current))
    assert width == pytest.approx(rate / math.pi, rel=1e-12)
    found = -math.log(mean) / (math.pi * time)
    half = half / mean / (math.pi * time)
    assert half < 0.05 * width
    # nonlinear damping adds (Q + z) 2 <p> / (1 - z) of the rate, at most 0.3 %
    assert abs(found - width) < half + 0.003 * width


@pytest.mark.parametrize(("shift", "z"), [(0.0, 1.75), (6e7, 1.75), (-6e7, 3.0), (-0.4 * OMEGA, 3.0)])
def test_linewidth_far_above_threshold(shift, z):
    """(1 + nu^2) D / (2 pi p0) from the diffusion of the phase of 20,000 devices, short times included."""
    current = z * THRESHOLD
    power = float(oscillator(0.0, shift=shift).power(current))
    nu = float(oscillator(0.0, shift=shift).nonlinearity(current))
    # So cold that the power stays within 1 % of p0 and the phase diffuses slowly against Gamma_p
    osc = oscillator(1e-5 * power / (1 + abs(nu) / 10), shift=shift)
    gamma_p = float(osc.amplitude_rate(current))
    relax = 1 / (2 * gamma_p)
    count = 20_000
    rate = max(2 * gamma_p, 2 * abs(nu) * 0.01 * gamma_p)
    y0 = start(power, 1, count, spread=False)
    _, x, y = run(osc, y0, current, 12 * relax, 0.02 / rate, 1, key=5)
    y0 = torch.stack([x[-1], y[-1]], -1)
    t, x, y = run(osc, y0, current, 30 * relax, 0.02 / rate, 30, key=6)
    phase = np.unwrap(torch.atan2(y, x)[:, 0].numpy(), axis=0)
    gained = phase - phase[0]
    low, high = stats.chi2.ppf([0.5 - LEVEL / 2, 0.5 + LEVEL / 2], count - 1) / (count - 1)
    assert high - low < 0.07  # known within 3.3 % either way
    for record in (1, 3, 10, 30):
        found = gained[record].var(ddof=1)
        expected = float(osc.phase_variance(current, t[record]))
        # Heun's (0.02)^2 and the noise of the power, 1 % of it squared, are far below the interval
        assert expected * low < found < expected * high
    # between 10 and 30 relaxation times the variance grows at 2 pi times the linewidth
    slope = (gained[30].var(ddof=1) - gained[10].var(ddof=1)) / float(t[30] - t[10])
    width = float(osc.linewidth(current))
    exact = (1 + nu * nu) * DAMPING * (1 + 2 * power) * osc.thermal / (OMEGA + shift * power) / power / (2 * math.pi)
    # between Lorentzian and Gaussian it is narrower, by about nu^2 D / (p0 Gamma_p): 1e-4 in these cold oscillators
    assert width == pytest.approx(exact, rel=1e-3)
    later = stats.chi2.ppf([0.5 - LEVEL / 2, 0.5 + LEVEL / 2], count - 1) / (count - 1)
    # the difference of two variances, of which the second shares a third of its increments with the first
    assert slope / (2 * math.pi) == pytest.approx(width, rel=1.5 * float(later[1] - later[0]) / 2)


def test_the_line_far_above_threshold_is_a_lorentzian():
    """Spectrum of one record per device, averaged over devices, fitted with a Lorentzian."""
    current = 3 * THRESHOLD
    base = oscillator(0.0, shift=6e7)
    power, nu = float(base.power(current)), float(base.nonlinearity(current))
    gamma_p = float(base.amplitude_rate(current))
    target = 0.02 * gamma_p / math.pi  # linewidth in Hz, far below Gamma_p / pi
    theta = target * 2 * math.pi * power / (1 + nu * nu) / (DAMPING * (1 + 2 * power))
    osc = oscillator(theta * (1 + base.shift * power / OMEGA), shift=6e7)
    width = float(osc.linewidth(current))
    assert width == pytest.approx(target, rel=0.01)  # half of nu^2 D / (p0 Gamma_p) less
    blocks, devices, records = 20, 4, 2048
    time = 100 / width
    y0 = start(power, blocks, devices, spread=False)
    t, x, y = run(osc, y0, current, time, 0.05 / (2 * gamma_p), records, key=7)
    c = torch.complex(x, y)[1:].numpy()
    step = float(t[2] - t[1])
    spectrum = (np.abs(np.fft.fft(c, axis=0)) ** 2).mean(2)
    frequency = np.fft.fftfreq(records, step)
    near = np.abs(frequency) < 3 * width
    found = [fitted_width(frequency[near] / width, spectrum[near, block], step * width) for block in range(blocks)]
    mean, half = mean_interval(torch.tensor(found, dtype=torch.float64))
    assert half < 0.1
    # leakage of the finite record widens the line by 2 / (pi 100), 0.6 %, and the noise of the power adds to the wings
    # nu^2 pi width / (2 Gamma_p), 1 %
    assert abs(mean - 1) < half + 0.02


def fitted_width(f: np.ndarray, s: np.ndarray, step: float) -> float:
    """Full width of a sampled Lorentzian, aliases included, by maximum likelihood of a periodogram."""

    def cost(v):
        height, centre, full = np.exp(v[0]), v[1], np.exp(v[2])
        a = math.pi * full * step  # the correlation falls by exp(-a) per sample
        line = height * (math.cosh(a) - 1) / (math.cosh(a) - np.cos(2 * math.pi * (f - centre) * step))
        return float((np.log(line) + s / s.max() / line).mean())

    found = optimize.minimize(cost, [-1.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-9})
    return float(np.exp(found.x[2]))
