"""Signals in time: powers of tones, conservation of power, and the rectified voltage against an integration in time."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import nn
from torch.func import functional_call

from nanoneurons import devices, learning, networks
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.rf_signal import PowerSpectrum, SignalLinear, periodogram
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_torque import SpinTorqueActivation, VoltageReadout
from nanoneurons.learning.physics_aware import PhysicsAware
from nanoneurons.physics.spin_diode import rectified

RATE = 200e6


def chain(**values):
    return RfChain(devices.get("spin-diode", **devices.get("spin-diode").ideal().values() | values), band_high=60e6)


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def tones(frequencies, amplitudes, samples, phases=None, rate=RATE):
    """Sum of sines in V, ``(1, samples)``."""
    t = torch.arange(samples, dtype=torch.float64) / rate
    phases = [0.3 * k for k in range(len(frequencies))] if phases is None else phases
    waves = [a * torch.cos(2 * math.pi * f * t + p) for f, a, p in zip(frequencies, amplitudes, phases, strict=True)]
    return torch.stack(waves).sum(0, keepdim=True)


# -- powers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("window", ["rectangular", "hann"])
def test_power_of_a_tone_is_that_of_its_amplitude_in_the_load(window):
    """A^2 / 2R, whatever its phase and the tones beside it."""
    f, a = [20e6, 21e6, 55e6], [1e-3, 2e-3, 0.5e-3]
    spectrum = PowerSpectrum(RATE, f64(*f, 60e6), 50.0, window)
    found = spectrum(tones(f, a, 800))
    torch.testing.assert_close(found[0], f64(1e-8, 4e-8, 0.25e-8, 0.0), rtol=1e-9, atol=1e-20)


def test_fft_and_projection_agree():
    """A tone moved off its bin by a millionth of one sends all tones the other way."""
    signal = torch.randn(3, 2, 800, dtype=torch.float64, generator=generator_for(0))
    on, off = f64(20e6, 30.25e6, 55e6), f64(20e6 + 0.25, 30.25e6, 55e6)
    by_fft, by_sum = PowerSpectrum(RATE, on), PowerSpectrum(RATE, off)
    one, two = by_fft(signal), by_sum(signal)
    assert one.shape == (3, 2, 3)
    assert by_fft._waves is None
    assert by_sum._waves is not None
    torch.testing.assert_close(one[..., 1:], two[..., 1:], rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(one[..., 0], two[..., 0], rtol=1e-3, atol=1e-6 * float(one.max()))


def test_tones_between_bins_leak_less_through_a_window():
    """A strong tone 10.5 bins away: a rectangle's side lobe there, 1 / (pi 10.5), against what a window leaves."""
    strong = tones([24.625e6], [1.0], 800)  # bins are 0.25 MHz
    rectangle, hann = (float(PowerSpectrum(RATE, f64(22e6), window=w)(strong)) for w in ("rectangular", "hann"))
    assert rectangle / 0.01 == pytest.approx(1 / (math.pi * 10.5) ** 2, rel=0.1)
    assert hann < 1e-3 * rectangle


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 65), st.sampled_from(["rectangular", "hann"]), st.floats(1, 1e3), st.integers(0, 99))
def test_bins_hold_the_power_of_the_signal(samples, window, resistance, seed):
    """Parseval: the mean of s^2 / R, of an even or odd number of samples."""
    signal = torch.randn(4, samples, dtype=torch.float64, generator=generator_for(seed))
    found = periodogram(signal, resistance, window).sum(-1)
    w = (
        torch.ones(samples, dtype=torch.float64)
        if window == "rectangular"
        else torch.hann_window(samples, dtype=torch.float64)
    )
    wanted = (signal * w).square().sum(-1) / (resistance * w.square().sum())
    torch.testing.assert_close(found, wanted, rtol=1e-10, atol=1e-18)


def test_periodogram_and_tones_agree_on_bins():
    signal = torch.randn(2, 800, dtype=torch.float64, generator=generator_for(0))
    spectrum = PowerSpectrum(RATE, f64(20e6, 30.25e6))
    torch.testing.assert_close(spectrum(signal), periodogram(signal)[:, [80, 121]], rtol=1e-12, atol=0)


@pytest.mark.parametrize("offset", [0.0, 1e5])
def test_gradient_of_powers_by_finite_differences(offset):
    spectrum = PowerSpectrum(RATE, f64(20e6 + offset, 60e6), window="hann")
    start = torch.randn(2, 20, dtype=torch.float64, generator=generator_for(0), requires_grad=True)
    assert torch.autograd.gradcheck(spectrum, (start,), eps=1e-6, atol=1e-8, rtol=1e-6)


def test_single_precision_is_kept():
    signal = tones([20e6, 30e6], [1e-3, 1e-4], 800)
    for f in (f64(20e6, 30e6), f64(20e6, 30.01e6)):
        spectrum = PowerSpectrum(RATE, f, window="hann")
        found = spectrum(signal.float())
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), spectrum(signal), rtol=1e-4, atol=1e-13)


# -- rectified voltage --------------------------------------------------------------------------------

FREQUENCIES, AMPLITUDES, PHASES = [17e6, 20e6, 21e6], [2e-3, 1e-3, 3e-3], [0.0, 0.7, 2.0]
RESONANCES = [18.7e6, 20.4e6, 22.5e6]
PERIOD = 1e-6  # of the sum of the tones


@functools.cache
def integrated(damping, symmetric):
    """Time averages of s (Im c + sigma/2 Re c) over a period, times 8 Gamma / F, in V^2, for each resonance.

    c' = -(i omega_r + Gamma) c + F s from rest; after 40 / Gamma nothing is left of the start.
    """
    omega = 2 * np.pi * np.array(RESONANCES)
    gamma = damping * omega
    count = len(omega)

    def signal(t):
        return sum(a * np.cos(2 * np.pi * f * t + p) for f, a, p in zip(FREQUENCIES, AMPLITUDES, PHASES, strict=True))

    def motion(t, y):
        x, v, _ = y.reshape(3, count)
        s = signal(t)
        return np.concatenate(
            [
                -gamma * x + omega * v + gamma * s,  # F = Gamma
                -gamma * v - omega * x,
                s * (v + 0.5 * symmetric * x),
            ]
        )

    settled = math.ceil(40 / gamma.min() / PERIOD) * PERIOD
    options = {"method": "DOP853", "rtol": 1e-9, "atol": 1e-12}
    start = solve_ivp(motion, (0, settled), np.zeros(3 * count), **options).y[:, -1]
    start[2 * count :] = 0
    end = solve_ivp(motion, (settled, settled + PERIOD), start, **options).y[:, -1]
    return torch.from_numpy(8 * end[2 * count :] / PERIOD)


def counter_rotating(damping, symmetric):
    """What the rotating-wave approximation leaves out of the sum of A^2 G / K, exactly."""
    w, r = 2 * math.pi * f64(*FREQUENCIES), 2 * math.pi * f64(*RESONANCES).unsqueeze(-1)
    gamma = damping * r
    left = 2 * gamma * (-(r + w) + 0.5 * symmetric * gamma) / (gamma**2 + (r + w) ** 2)
    return (left * f64(*AMPLITUDES).square()).sum(-1)


def in_a_layer(damping, symmetric, samples=1000):
    """The layer's voltage of each resonance alone, over K / 2R."""
    circuit = chain(damping=damping, symmetric=symmetric)
    layer = SignalLinear(samples, 1, sample_rate=RATE, resonators=f64(*RESONANCES), bias=False, circuit=circuit)
    signal = tones(FREQUENCIES, AMPLITUDES, samples, PHASES)
    with torch.no_grad():
        found = [
            SignalLinear(samples, 1, sample_rate=RATE, resonators=f64(r), bias=False, circuit=circuit).double()
            for r in RESONANCES
        ]
        for one, r in zip(found, RESONANCES, strict=True):
            one.resonance.fill_(r)
        layer = layer.double()
        layer.resonance.copy_(f64(*RESONANCES))
        unit = -circuit.device.nominal_sensitivity / (2 * 50)  # the first resonator of a chain is turned
        alone = torch.stack([one(signal)[0, 0] for one in found]) / unit
        return alone, float(layer(signal)[0, 0]) / unit


@pytest.mark.parametrize(("damping", "symmetric"), [(0.02, 0.0), (0.04, 0.0), (0.03, 0.8)])
def test_rectified_voltage_is_the_time_average_of_signal_and_oscillation(damping, symmetric):
    """To the rotating-wave approximation, alpha for each tone; to a millionth with its counter-rotating part."""
    simulated, (alone, together) = integrated(damping, symmetric), in_a_layer(damping, symmetric)
    power = float(f64(*AMPLITUDES).square().sum())
    # 2 Gamma / (omega_r + omega) <= alpha 2 f_r / (f_r + f), f_r / f <= 1.33; the symmetric part adds alpha of it
    bound = 1.15 * damping * (1 + 0.5 * symmetric * damping) * power
    missed = (simulated - alone).abs()
    assert bool((missed <= bound).all())
    assert bool((missed > 0.5 * damping * power).all())  # and no better than it should be
    rest = simulated - alone - counter_rotating(damping, symmetric)
    assert float(rest.abs().max()) < 1e-6 * power
    sign = f64(1, -1, 1)
    assert together == pytest.approx(float((sign * alone).sum()), abs=1e-9 * power)
    assert abs(float((sign * simulated).sum()) - together) <= 3 * bound


def test_the_rotating_wave_error_is_of_first_order_in_the_damping():
    power = float(f64(*AMPLITUDES).square().sum())
    errors = []
    for damping in (0.02, 0.04):
        errors.append(float((integrated(damping, 0.0) - in_a_layer(damping, 0.0)[0]).abs().max()) / power)
    assert errors[1] / errors[0] == pytest.approx(2, rel=0.02)


def test_a_signal_layer_is_spectrum_and_chain_for_tones_on_bins():
    """The same voltages as powers of the tones alone give, by the closed line."""
    circuit = chain(symmetric=0.2)
    signal = tones(FREQUENCIES, AMPLITUDES, 1000, PHASES)
    layer = SignalLinear(1000, 4, sample_rate=RATE, resonators=6, circuit=circuit).double()
    direct = SpinDiodeLinear(3, 4, tones=f64(*FREQUENCIES), resonators=circuit.tones(6), circuit=circuit).double()
    direct.load_state_dict(layer.state_dict())
    power = PowerSpectrum(RATE, f64(*FREQUENCIES))(signal)
    torch.testing.assert_close(layer(signal), direct(power), rtol=1e-7, atol=1e-14)
    net = nn.Sequential(PowerSpectrum(RATE, f64(*FREQUENCIES)), direct)
    torch.testing.assert_close(net(signal), direct(power))


def test_tones_between_bins_converge_with_the_length_of_the_signal():
    """With a window, the error of the voltage falls at least as the square of the bins' distance over the linewidth."""
    circuit = chain(damping=0.02)
    f, r = 20.123456e6, 20.3e6
    wanted = 1e-6 / 100 * float(rectified(f64(f), f64(r), 0.02))
    errors = []
    for samples in (1000, 2000, 4000, 8000):
        layer = SignalLinear(
            samples, 1, sample_rate=RATE, resonators=f64(r), bias=False, circuit=circuit, window="hann"
        ).double()
        with torch.no_grad():
            layer.resonance.fill_(r)
            found = float(layer(tones([f], [1e-3], samples))) / -circuit.device.nominal_sensitivity
        errors.append(abs(found / wanted - 1))
    assert errors[0] < 0.15
    assert all(b < a / 3 for a, b in itertools.pairwise(errors))


def test_gradients_of_a_signal_layer_by_finite_differences():
    layer = SignalLinear(250, 2, sample_rate=RATE, resonators=f64(85e6, 90e6), circuit=chain(damping=0.02)).double()
    signal = 1e-3 * torch.randn(2, 250, dtype=torch.float64, generator=generator_for(0))
    start = [layer.resonance / 1e6, layer.bias * 1e3, signal[:, :6] * 1e3]
    start = [v.detach().clone().requires_grad_() for v in start]

    def run(resonance, bias, head):
        values = {"resonance": 1e6 * resonance, "bias": 1e-3 * bias}
        return 1e3 * functional_call(layer, values, (torch.cat([1e-3 * head, signal[:, 6:]], 1),))

    assert torch.autograd.gradcheck(run, start, eps=1e-6, atol=1e-7, rtol=1e-5)


def test_chips_side_by_side():
    """Fabricated chips of their own, the same signal or one each; a saved layer is the chip."""
    circuit = RfChain(devices.get("spin-diode", damping=0.05), band_high=60e6)
    make = {"sample_rate": RATE, "resonators": 6, "circuit": circuit}
    two, three = (SignalLinear(400, 3, chips=n, **make) for n in (2, 3))
    x = 1e-3 * torch.randn(5, 400, generator=generator_for(0))
    for layer in (two, three):
        layer.fabricate(generator_for(1))
        layer.noisy_reads = False
    assert two(x).shape == (2, 5, 3)
    assert torch.equal(two(x)[1], three(x)[1])
    assert not torch.equal(two(x)[0], two(x)[1])
    assert torch.equal(two(x.expand(2, 5, 400)), two(x))
    other = SignalLinear(400, 3, chips=2, seed=7, **make)
    other.load_state_dict(two.state_dict())
    other.noisy_reads = False
    assert torch.equal(other(x), two(x))


def test_a_network_learns_from_signals():
    """Which of two tones is the stronger one, told from signals of random phase and noise."""
    circuit = RfChain(devices.get("spin-diode", damping=0.05), band_low=20e6, band_high=60e6, full_power=1e-6)
    draw = generator_for(0)
    y = torch.randint(2, (200,), generator=draw)
    strong, weak, phase = (torch.rand(200, 1, generator=draw) for _ in range(3))
    t = torch.arange(400) / RATE
    first, second = (torch.cos(2 * math.pi * (f * t + k * phase)) for f, k in ((25e6, 1), (50e6, 3)))
    one, two = (10e-3 * torch.where(y[:, None] == k, 0.6 + 0.4 * strong, 0.5 * weak) for k in (0, 1))
    x = one * first + two * second + 1e-3 * torch.randn(200, 400, generator=draw)
    net = networks.FeedForward(
        SignalLinear(400, 6, sample_rate=RATE, resonators=4, circuit=circuit),
        SpinTorqueActivation(6, circuit=circuit),
        SpinDiodeLinear(6, 2, circuit=circuit, sources="oscillators"),
        VoltageReadout(circuit.readout_scale),
    )
    net.program_initial(generator_for(1))
    learning.fit(net, PhysicsAware(lr=0.1, digital_lr=0.1), x[:150], y[:150], epochs=30, batch=15, seed=1)
    assert float(learning.accuracy(net, x[150:], y[150:])) > 0.9  # chance is a half


# -- bad input ----------------------------------------------------------------------------------------


def layer(samples=1000, resonators=None, circuit=None, **values):
    plan = f64(20e6, 30e6) if resonators is None else resonators
    return SignalLinear(samples, 1, sample_rate=RATE, resonators=plan, circuit=circuit, **values)


SPECTRUM = PowerSpectrum(RATE, f64(20e6, 21e6))


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: PowerSpectrum(RATE, f64(20e6, 110e6)), ParameterError, "tone 1 at 1.1e\\+08 Hz .* half of the sample"),
        (lambda: PowerSpectrum(RATE, f64(math.nan)), ParameterError, "tone 0 at nan Hz"),
        (lambda: PowerSpectrum(RATE, f64(0.0)), ParameterError, "tone 0 at 0 Hz"),
        (lambda: PowerSpectrum(RATE, f64(20e6, 20e6)), ParameterError, "two tones have one frequency"),
        (lambda: PowerSpectrum(RATE, f64()), ParameterError, "must be a list of tones"),
        (lambda: PowerSpectrum(-1.0, f64(20e6)), ParameterError, "sample_rate = -1 Hz must be positive"),
        (lambda: PowerSpectrum(RATE, f64(20e6), 0.0), ParameterError, "resistance = 0 ohm must be positive"),
        (lambda: PowerSpectrum(RATE, f64(20e6), window="kaiser"), ParameterError, "'rectangular' or 'hann'"),
        (lambda: SPECTRUM(torch.zeros(1, 199)), ParameterError, "199 samples are too short .* give 200 samples"),
        (lambda: SPECTRUM(torch.zeros(200)), ParameterError, r"\(batch, samples\) of real numbers"),
        (lambda: SPECTRUM(torch.zeros(1, 200, dtype=torch.complex64)), ParameterError, "real numbers in V"),
        (lambda: SPECTRUM(torch.full((1, 200), math.nan)), ParameterError, "holds NaN or infinite samples"),
        (lambda: layer()(torch.zeros(1, 999)), ParameterError, r"takes 1000 samples, .* shape \(1, 999\)"),
        (lambda: layer()(torch.full((1, 1000), math.inf)), ParameterError, "NaN or infinite"),
        (lambda: layer(samples=999), ParameterError, "999 samples last .* half linewidth of 200000 Hz .* give 1000"),
        (lambda: layer(resonators=f64(20e6, 99.5e6)), ParameterError, "needs a sample rate above 2.0099e\\+08 Hz"),
        (lambda: layer(resonators=f64(30e6, 30e6)), ParameterError, "on one frequency"),
        (lambda: layer(samples=3000, resonators=f64(9e6, 30e6)), ParameterError, "outside the tuning range"),
        (lambda: layer(line=(20.01e6, 20.1e6)), ParameterError, "no bin of the signal lies between"),
        (lambda: layer(circuit=chain(exponent=0.9)), RefusedError, "follows a square law; give a device without"),
        (lambda: layer(circuit=chain(compression=1e3)), RefusedError, "follows a square law"),
        (lambda: layer(circuit=RfChain(devices.get("spin-diode"), crosstalk=0.5)), RefusedError, "leave crosstalk at"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_least_samples_tell_tones_and_mirror_images_apart():
    assert PowerSpectrum(RATE, f64(20e6, 21e6)).least_samples == 200
    assert PowerSpectrum(RATE, f64(20e6, 21e6), window="hann").least_samples == 400
    assert PowerSpectrum(RATE, f64(1e6)).least_samples == 100  # 2 MHz from its mirror image
    assert PowerSpectrum(RATE, f64(99e6)).least_samples == 100
