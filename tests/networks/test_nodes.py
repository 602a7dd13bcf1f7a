"""Closed-form nodes: the amplitude equation against its limits and an independent integration."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.networks.nodes import AmplitudeNode, DeviceNode, RelaxingNode
from nanoneurons.networks.reservoir import TimeMultiplexedReservoir, draw_mask
from nanoneurons.physics import relaxation

RATE = relaxation.damping_rate(410e-9, 7 / 4)
NODE = AmplitudeNode(4e-3, 2.0, RATE, 0.02)


def currents(steps=30, rows=2):
    return 7e-3 + 3e-3 * (2 * torch.rand(rows, steps, generator=generator_for(0, "drive"), dtype=torch.float64) - 1)


def test_amplitude_equation_against_an_integrator():
    drive = currents(rows=1)
    found = NODE.respond(drive, 100e-9, 7e-3, None)[0]
    p = 0.75 / 3.75
    for n, current in enumerate(drive[0].tolist()):
        z = current / 4e-3
        p = solve_ivp(
            lambda t, p, z=z: 2 * RATE * p * (z - 1 - (z + 2) * p), (0, 100e-9), [p], rtol=1e-10, atol=1e-14
        ).y[0, -1]
        assert float(found[n]) == pytest.approx(0.02 * math.sqrt(p), rel=1e-8)  # thirty steps at 1e-10


def test_rest_stays_at_rest():
    found = NODE.respond(torch.full((1, 50), 7e-3, dtype=torch.float64), 100e-9, 7e-3, None)
    np.testing.assert_allclose(found, 0.02 * math.sqrt(0.75 / 3.75), rtol=1e-13)


def test_small_deviations_relax_as_the_one_with_a_time_constant():
    drive = torch.full((1, 20), 7e-3, dtype=torch.float64)
    drive[0, 0] = 7.001e-3
    deviation = (NODE.respond(drive, 100e-9, 7e-3, None)[0] - 0.02 * math.sqrt(0.75 / 3.75)).numpy()
    # quadratic terms are 1e-4 of the linear ones at this deviation
    np.testing.assert_allclose(deviation[1:] / deviation[:-1], math.exp(-100 / 410), rtol=1e-3)


def test_growth_is_continuous_at_threshold_and_splits_into_steps():
    z = torch.tensor([1 - 1e-6, 1 - 1e-8, 1.0, 1 + 1e-8, 1 + 1e-6, 0.5, 2.0], dtype=torch.float64)
    p = torch.full_like(z, 0.3)
    whole = relaxation.grow(p, z, 2.0, RATE, 1e-6)
    half = relaxation.grow(relaxation.grow(p, z, 2.0, RATE, 5e-7), z, 2.0, RATE, 5e-7)
    torch.testing.assert_close(half, whole, rtol=1e-9, atol=0)  # expm1(x)/(z - 1) loses eps/1e-7 next to threshold
    at = 0.3 / (1 + 0.3 * 3 * 2 * RATE * 1e-6)  # the hyperbola at z = 1
    torch.testing.assert_close(whole[:5], torch.full((5,), at, dtype=torch.float64), rtol=1e-5, atol=0)
    found = relaxation.follow_power(0.3, z[:, None], 2.0, RATE * 1e-6)[:, 0]
    torch.testing.assert_close(found**2, whole, rtol=1e-9, atol=0)


def test_an_oscillation_dies_below_threshold():
    p = torch.tensor([0.3], dtype=torch.float64)
    late = relaxation.grow(p, torch.tensor([0.5], dtype=torch.float64), 2.0, RATE, 1e-5)
    assert 0 < float(late) < 0.3 * math.exp(-2 * RATE * 0.5 * 1e-5)


def test_chips_and_noise_of_the_amplitude_equation():
    threshold = torch.tensor([[3.8e-3], [4.2e-3]], dtype=torch.float64)
    node = AmplitudeNode(threshold, 2.0, RATE, 0.02, chips=2)
    drive = currents()[None]
    found = node.respond(drive, 100e-9, 7e-3, None)
    for chip in range(2):
        alone = AmplitudeNode(float(threshold[chip]), 2.0, RATE, 0.02).respond(drive[0], 100e-9, 7e-3, None)
        torch.testing.assert_close(found[chip], alone, rtol=1e-13, atol=0)
    still = torch.full((1, 200_000), 7e-3, dtype=torch.float64)
    noisy = AmplitudeNode(4e-3, 2.0, RATE, 0.02, noise=1e-4).respond(still, 100e-9, 7e-3, generator_for(1))
    # the relaxation is that of small deviations at 1 % of noise; 4e4 independent values, 4 sigma
    assert float(noisy.std()) == pytest.approx(1e-4, rel=0.02)


def test_a_resting_current_below_threshold_is_refused():
    with pytest.raises(ParameterError, match="not above the threshold"):
        NODE.respond(currents(), 100e-9, 3e-3, None)


def test_single_precision_is_kept():
    drive = currents().float()
    law = RelaxingNode(lambda i: relaxation.amplitude_fit(i, 4e-3, 0.2), 410e-9)
    for node in (NODE, law):
        assert node.respond(drive, 100e-9, 7e-3, None).dtype == torch.float32


@pytest.fixture
def device(sample_module):
    return sample_module("devices", "relaxing_oscillator").RelaxingOscillator()


def test_a_device_of_the_catalogue_is_stepped_interval_by_interval(device):
    node = DeviceNode.fabricate(device, 3, generator_for(0, "junctions"))
    threshold = node.junctions["threshold"].double()
    assert node.chips == 3 and threshold.unique().numel() == 3
    drive = currents(steps=6).float()[None]
    found = node.respond(drive, 100e-9, 7e-3, None)
    assert found.shape == (3, 2, 6)
    z = 7e-3 / threshold
    power = ((z - 1) / (z + 2)).expand(3, 2)
    for n in range(6):
        z = drive[..., n].double() / threshold
        gone = 1 - (-100e-9 * 2e6 * (z - 1).abs()).exp()
        power = power + gone * (((z - 1) / (z + 2)).clamp_min(0) - power)
        # single precision of the sample; rest to e^-20
        torch.testing.assert_close(found[..., n].double(), 0.01 * power.sqrt(), rtol=1e-5, atol=0)


def test_noise_of_a_device_follows_the_generator(device):
    node = DeviceNode.fabricate(device, 2, generator_for(0, "junctions"))
    drive = currents(steps=6).float()[None]
    first = node.respond(drive, 100e-9, 7e-3, generator_for(1))
    assert torch.equal(first, node.respond(drive, 100e-9, 7e-3, generator_for(1)))
    assert not torch.equal(first, node.respond(drive, 100e-9, 7e-3, None))
    assert not torch.equal(first[0, 0], first[0, 1])  # sequences are other times of the same junction


def test_a_device_that_answers_whole_trains_is_asked_for_them(device):
    class Whole(type(device)):
        def respond(self, state, drive, dt, generator):
            return drive * 2

    node = DeviceNode.fabricate(Whole(), 2, generator_for(0))
    drive = currents(steps=6).float()[None]
    assert torch.equal(node.respond(drive, 100e-9, 7e-3, None), (2 * drive).expand(2, 2, 6))


def test_the_reservoir_takes_a_device_and_refuses_its_breakdown(device):
    node = DeviceNode.fabricate(device, 2, generator_for(0))
    mask = draw_mask(3, 5, generator_for(0))
    frames = torch.rand(4, 3, generator=generator_for(1))
    states = TimeMultiplexedReservoir(node, mask, gain=0.3).states([frames, frames[:2]])
    assert [tuple(s.shape) for s in states] == [(2, 4, 5), (2, 2, 5)]
    with pytest.raises(RefusedError, match="breakdown at 10 mA"):
        TimeMultiplexedReservoir(node, mask, swing=3.5e-3)
    with pytest.raises(ParameterError, match="does not settle"):
        node.respond(currents().float()[None], 100e-9, 4e-3, None)
