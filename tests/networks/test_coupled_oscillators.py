"""The full solution against Adler's ranges; shapes, chips, noise and refusals."""

import dataclasses
import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.coupled_oscillators import CoupledOscillators
from nanoneurons.networks.locking_readout import Emission
from nanoneurons.physics.auto_oscillator import AutoOscillator
from nanoneurons.physics.locking import injected_force

TAU = 2 * math.pi
DAMPING, THRESHOLD = 5e7, 3e-3
CURRENTS = torch.tensor([[5e-3, 6e-3, 7e-3]], dtype=torch.float64)


def oscillator(**changes):
    """Fast amplitude and small ranges, so that Adler's law is accurate; 10 MHz per mA by the current alone."""
    values = dict(omega0=TAU * 250e6, shift=3e8, damping=DAMPING, q=2.0, sigma=DAMPING / THRESHOLD, tuning=TAU * 10e9)
    return AutoOscillator(**{**values, **changes})


def force_for(half_range):
    own, current = oscillator(), torch.tensor(6e-3, dtype=torch.float64)
    return float(injected_force(TAU * half_range, own.power(current), own.nonlinearity(current)))


NETWORK = CoupledOscillators(oscillator(), 3)
FORCE = force_for(2e6)


def around(network, offsets, currents=CURRENTS, which=1):
    """Tones at `offsets` (Hz) from one oscillator's free frequency, and a second tone far from all."""
    free = network.natural_frequency(currents)[0, which]
    offsets = torch.as_tensor(offsets, dtype=torch.float64)
    return torch.stack([free + offsets, torch.full_like(offsets, float(free) - 60e6)], 1)


def test_closed_forms_invert_each_other():
    free = NETWORK.natural_frequency(CURRENTS)
    assert torch.allclose(NETWORK.currents_for(free, 3.5e-3, 9e-3), CURRENTS, rtol=1e-9)
    step = 1e-8
    slope = (NETWORK.natural_frequency(CURRENTS + step) - free) / step
    assert torch.allclose(NETWORK.slope(CURRENTS), slope, rtol=1e-4)


def test_free_oscillators_run_at_their_natural_frequency():
    """Without a tone nearby: within a tenth of a MHz, the shift by the far tones and by Heun's steps."""
    tones = torch.tensor([[200e6, 210e6]], dtype=torch.float64)
    for method in ("slip", "spectrum"):
        seen = NETWORK.observe(CURRENTS, tones, 1e-3 * FORCE, key=1, method=method)
        assert torch.allclose(seen.frequency[0], NETWORK.natural_frequency(CURRENTS), atol=1e5)
        assert not seen.pattern.any()


@pytest.mark.parametrize("method", ["slip", "spectrum"])
def test_full_solution_locks_where_adler_says(method):
    """At 0.8 and 1.5 of the range, both sides; the pattern names the tone."""
    half = float(NETWORK.locking_range(CURRENTS, FORCE)[0, 1])
    tones = around(NETWORK, [-1.5 * half, -0.8 * half, 0.0, 0.8 * half, 1.5 * half])
    seen = NETWORK.observe(CURRENTS, tones, FORCE, key=2, method=method, tolerance=0.3e6, window=6e-6)
    assert seen.pattern[:, 0, 1].tolist() == [0, 1, 1, 1, 0]
    assert torch.equal(seen.pattern, NETWORK.surrogate(CURRENTS, tones, FORCE))
    assert seen.pattern.shape == (5, 1, 3)
    swapped = NETWORK.observe(CURRENTS, tones.flip(1), FORCE, key=2, tolerance=0.3e6, window=6e-6)
    assert swapped.pattern[:, 0, 1].tolist() == [0, 2, 2, 2, 0]


def test_the_nearer_of_two_tones_wins_in_both():
    half = float(NETWORK.locking_range(CURRENTS, FORCE)[0, 1])
    free = float(NETWORK.natural_frequency(CURRENTS)[0, 1])
    tones = torch.tensor([[free + 0.1 * half, free + 8 * half], [free - 8 * half, free - 0.1 * half]]).double()
    assert NETWORK.surrogate(CURRENTS, tones, FORCE)[:, 0, 1].tolist() == [1, 2]
    assert NETWORK.observe(CURRENTS, tones, FORCE, key=0).pattern[:, 0, 1].tolist() == [1, 2]


def test_soft_surrogate_becomes_the_hard_one_and_sums_to_one():
    generator = torch.Generator().manual_seed(0)
    tones = 300e6 + 60e6 * torch.rand(200, 2, generator=generator, dtype=torch.float64)
    soft = NETWORK.locking_probability(CURRENTS, tones, FORCE, 1e3)
    assert torch.allclose(soft.sum(-1), torch.ones(200, 1, 3, dtype=torch.float64))
    agree = (soft.argmax(-1) == NETWORK.surrogate(CURRENTS, tones, FORCE)).double().mean()
    assert float(agree) > 0.995  # all but points within about 1 kHz of an edge in a plane of 60 MHz


def test_soft_surrogate_has_gradients_for_currents_and_tones():
    currents = CURRENTS.clone().requires_grad_()
    tones = around(NETWORK, [1e6]).requires_grad_()
    NETWORK.locking_probability(currents, tones, FORCE, 1e6)[..., 1].sum().backward()
    assert float(currents.grad.abs().max()) > 0
    assert float(tones.grad.abs().max()) > 0
    assert torch.isfinite(currents.grad).all()


def test_calibration_finds_adlers_range_for_weak_tones_and_less_for_strong_ones():
    points = torch.tensor([5e-3, 7e-3], dtype=torch.float64)
    weak = NETWORK.calibrated(points, FORCE).range_factor
    assert weak == pytest.approx(1.0, abs=0.15)  # the window adds slips slower than 1 MHz, half the range here
    slow = dataclasses.replace(NETWORK, oscillator=oscillator(damping=5e6, sigma=5e6 / THRESHOLD, shift=3e7))
    assert slow.calibrated(points, force_for(8e6)).range_factor < 0.95


def test_mutual_coupling_locks_oscillators_to_each_other():
    """Two oscillators 0.4 MHz apart follow one frequency once the coupling's range is 2 MHz."""
    pair = torch.tensor([[6e-3, 6.03e-3]], dtype=torch.float64)
    tones = torch.tensor([[200e6, 200e6]], dtype=torch.float64)
    alone = CoupledOscillators(oscillator(), 2)
    nu = float(oscillator().nonlinearity(pair)[0, 0])
    k = 1j * TAU * 2e6 / (2 * nu) * (1 - torch.eye(2, dtype=torch.float64)).to(torch.complex128)
    coupled = dataclasses.replace(alone, coupling=k)

    def apart(net):
        frequency = net.observe(pair, tones, 0.0, key=0, transient=4e-6, window=6e-6).frequency[0, 0]
        return abs(float(frequency[1] - frequency[0]))

    assert apart(alone) > 0.3e6
    assert apart(coupled) < 1e4


def test_samples_chips_and_batches_do_not_change_each_other():
    """With noise: each sample and chip has its own stream, however the samples are split."""
    spread = TAU * 1e6 * torch.tensor([[0.0, 0.5, 1.0], [2.0, -1.0, 0.3]], dtype=torch.float64)
    noisy = oscillator(omega0=TAU * 250e6 + spread, thermal=1e5)
    network = CoupledOscillators(noisy, 3, chips=2)
    tones = around(NETWORK, [-2e6, 0.0, 1e6, 3e6])
    whole = network.simulate(CURRENTS, tones, FORCE, key=7)
    assert whole.signal.shape[1:] == (4, 2, 3)
    late = network.simulate(CURRENTS, tones[2:], FORCE, key=7, first_sample=2)
    records = min(len(whole.signal), len(late.signal))
    seen, part = network.synchronisation(whole), network.synchronisation(late)
    assert records > 10
    assert torch.allclose(seen.frequency[2:], part.frequency, atol=1e4)  # another frame, so other rounding of steps
    other = network.observe(CURRENTS, tones, FORCE, key=8).frequency
    assert not torch.allclose(other, seen.frequency, atol=1.0)


def test_the_spectrum_of_a_pure_tone_is_its_frequency():
    interval, f = 5e-9, torch.tensor([3.21e6, -17.3e6], dtype=torch.float64)
    t = interval * torch.arange(401)
    signal = torch.polar(torch.ones(401, 2, dtype=torch.float64), -TAU * t[:, None] * f)
    emission = Emission(signal.reshape(401, 1, 1, 2), interval, 350e6, torch.tensor([[400e6]]).double())
    seen = NETWORK.synchronisation(emission, "spectrum")
    # a parabola through a Hann line is right to a few per cent of a line of 0.5 MHz
    assert torch.allclose(seen.frequency.flatten() - 350e6, f, atol=2e4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(oscillator=oscillator(omega0=math.nan)), "omega0 is NaN"),
        (dict(injection=torch.ones(4)), r"injection has shape \(4,\)"),
        (dict(injection=torch.ones(5, 3)), "for 5 chips, not 1"),
        (dict(coupling=torch.zeros(2, 2, dtype=torch.complex128)), "coupling has shape"),
        (dict(coupling=torch.full((3, 3), math.nan, dtype=torch.complex128)), "coupling is NaN"),
    ],
)
def test_wrong_networks_are_refused(change, message):
    with pytest.raises(ParameterError, match=message):
        dataclasses.replace(NETWORK, **change)


@pytest.mark.parametrize(
    ("currents", "tones", "message"),
    [
        (torch.ones(1, 2), torch.ones(1, 2), "currents have shape"),
        (CURRENTS, torch.ones(3), "tones have shape"),
        (CURRENTS, torch.full((2, 2), math.nan), r"tones: nan at index \[0, 0\]"),
        (CURRENTS * math.inf, torch.ones(1, 2), "currents: inf"),
        (0.4 * CURRENTS, torch.ones(1, 2), "at or below its threshold"),
    ],
)
def test_wrong_inputs_are_refused_before_any_work(currents, tones, message):
    with pytest.raises(ParameterError, match=message):
        NETWORK.simulate(currents, tones, FORCE, key=0)


def test_unknown_readout_is_refused():
    emission = NETWORK.simulate(CURRENTS, around(NETWORK, [0.0]), FORCE, key=0)
    with pytest.raises(ParameterError, match="'slip' or 'spectrum'"):
        NETWORK.synchronisation(emission, "ear")
