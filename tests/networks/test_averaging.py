"""Averaging the last steps of a phase: the mean of where the network was, and less noise of reading."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.networks import Relaxation, build_energy

SHAPE = (12,)


def network(averaged, *, circuit=None, steps=12, seed=3, order="alternating"):
    made = build_energy(
        "12-8-3", shape=SHAPE, classes=3, circuit=circuit, chips=None if circuit is None else 2, seed=seed,
        relaxation=Relaxation(steps, 6, order, averaged=averaged), bias_start="uniform", gain=2.0,
    )  # fmt: skip
    if circuit is not None:
        made.program_initial(generator_for(0, "chips"))
    return made


def inputs(batch=64):
    return torch.rand(batch, *SHAPE, generator=generator_for(1, "inputs"))


@pytest.mark.parametrize("order", ["synchronous", "alternating"])
@pytest.mark.parametrize("beta", [0.0, 0.4])
@torch.no_grad()
def test_result_is_the_mean_of_single_steps(order, beta):
    made, x = network(4, order=order), inputs(5)
    target = made.targets(torch.arange(5) % 3)
    clamped = made.clamp(x)
    found = made.relax(clamped, beta=beta, target=target, steps=9).states
    one, visited = network(1, order=order), []
    clamped = one.clamp(x)
    states = one.start(clamped)
    for _ in range(9):
        states = one.relax(clamped, states, beta=beta, target=target, steps=1).states
        visited.append([s.clone() for s in states])
    for n, s in enumerate(found):
        torch.testing.assert_close(s, torch.stack([v[n] for v in visited[-4:]]).mean(0), rtol=1e-6, atol=1e-7)


@torch.no_grad()
def test_a_phase_that_stops_early_averages_what_it_took():
    made, x = network(6), inputs(5)
    settled = network(1).relax(x, steps=200).states
    stopped = made.relax(x, tolerance=0.9)
    assert 1 <= stopped.steps < 6
    visited = [network(1).relax(x, steps=n).states for n in range(1, stopped.steps + 1)]
    for n, s in enumerate(stopped.states):
        torch.testing.assert_close(s, torch.stack([v[n] for v in visited]).mean(0))
    late = made.relax(x, steps=200, tolerance=1e-7)
    assert late.steps < 200
    torch.testing.assert_close(late.states, settled, rtol=0, atol=1e-4)


@torch.no_grad()
def test_reading_noise_falls_with_the_root_of_the_readings():
    """Small weights send little noise around the loop, so that readings are nearly independent."""
    circuit = Crossbar(devices.get("ideal"), output_noise=0.05, dac_resolution=0.0, adc_resolution=0.0, adc_range=1e9)
    spread = {}
    for averaged in (1, 4):
        made = network(averaged, circuit=circuit)
        for coupling in made.couplings:
            coupling.weight.data.mul_(0.25)
        clamped = made.clamp(inputs())
        runs = torch.stack([made.relax(clamped).states[-1] for _ in range(40)])
        middle = (runs.mean(0) > 0.15) & (runs.mean(0) < 0.85)  # away from the ends of the state function
        assert int(middle.sum()) > 30
        spread[averaged] = float(runs.var(0)[middle].mean().sqrt())
    full = 0.05 * circuit.weight_unit((3, 8))  # in units of the largest input, which is at most 1
    assert spread[1] <= 1.1 * full
    ratio = spread[1] / spread[4]
    assert math.isclose(ratio, 2.0, rel_tol=0.15), ratio


def test_refusals():
    with pytest.raises(ParameterError, match="averaged must be at least 1"):
        Relaxation(10, 5, averaged=0)
    with pytest.raises(ParameterError, match="at most the steps of a phase"):
        Relaxation(10, 5, averaged=6)
