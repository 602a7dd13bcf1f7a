"""The map from detunings to weights: its derivative, its closed forms, its limit."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics.chain_map import (
    contrast,
    independent,
    independent_limit,
    linewidths_apart,
    pattern_limit,
    weight_map,
)
from nanoneurons.physics.resonator_chain import chain_matrix
from nanoneurons.physics.spin_diode import chain_capacity, plan_frequencies

LOW, HIGH = 20e6, 120e6


@pytest.mark.parametrize("symmetric", [0.0, 0.4])
@pytest.mark.parametrize("plan", ["geometric", "linear"])
def test_the_map_is_the_derivative_of_the_weights(plan, symmetric):
    damping, tones = 0.02, plan_frequencies(12, LOW, HIGH, plan)
    resonance = tones.clone().requires_grad_()
    rows = []
    for i in range(12):
        weights = chain_matrix(resonance[None], tones, damping, 1.0, symmetric)[0]
        rows.append(torch.autograd.grad(weights[i], resonance)[0])
    wanted = torch.stack(rows) * (damping * tones)[None, :]
    torch.testing.assert_close(weight_map(tones, damping, symmetric), wanted, rtol=1e-9, atol=1e-12)


def test_signs_of_the_resonators_leave_the_number_of_weights_alone():
    tones = plan_frequencies(40, LOW, HIGH, "geometric")
    sign = torch.ones(40, dtype=torch.float64)
    sign[::2] = -1
    plain = torch.linalg.svdvals(weight_map(tones, 0.03))
    turned = torch.linalg.svdvals(weight_map(tones, 0.03) * sign)
    torch.testing.assert_close(plain, turned)


def test_far_apart_every_weight_is_its_own():
    count, condition = independent(plan_frequencies(16, LOW, HIGH, "geometric"), 1e-4)
    assert count == 16
    assert condition == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("damping", [0.02, 0.05])
def test_a_crowded_band_holds_what_the_closed_form_says(damping):
    limit = independent_limit(LOW, HIGH, damping)
    counts = [independent(plan_frequencies(n, LOW, HIGH, "geometric"), damping)[0] for n in (200, 300)]
    # The patterns are those of a band of finite length; a few at its edges are off the closed form.
    assert counts == pytest.approx([limit, limit], abs=3)


@pytest.mark.parametrize("spacing", [0.2, 0.35, 0.7, 1.5, 10.0])
def test_contrast_is_the_gain_of_an_alternating_pattern(spacing):
    x = 2 * spacing * torch.arange(-20000, 20001, dtype=torch.float64)  # half linewidths
    gain = 2 * (x * x - 1) / (1 + x * x).square()
    gain[1::2] *= -1  # index 0 is an even distance from the middle
    assert contrast(spacing) == pytest.approx(abs(float(gain.sum())) / 2, rel=1e-3)


def test_contrast_far_apart_and_close():
    assert contrast(50.0) == pytest.approx(1.0, abs=1e-3)
    assert contrast(0.1) < 1e-4
    assert contrast(1e-4) == 0.0


def test_pattern_limit_solves_its_equation():
    for least in (0.5, 0.1, 0.01):
        k = pattern_limit(least)
        assert k > 1
        assert k * math.exp(1 - k) == pytest.approx(least)
    for wrong in (0.0, 1.0, math.nan):
        with pytest.raises(ParameterError, match="between 0 and 1"):
            pattern_limit(wrong)


def test_spacing_of_a_plan():
    low, high = linewidths_apart(plan_frequencies(64, LOW, HIGH, "geometric"), 0.01)
    assert low == pytest.approx(high)
    assert chain_capacity(LOW, HIGH, 0.01, low) == 64
    low, high = linewidths_apart(plan_frequencies(64, LOW, HIGH, "linear"), 0.01)
    step = 100e6 / 63
    assert low == pytest.approx(step / (0.02 * (HIGH - step / 2)))
    assert high == pytest.approx(step / (0.02 * (LOW + step / 2)))
    assert linewidths_apart(torch.tensor([5e7]), 0.01) == (math.inf, math.inf)
