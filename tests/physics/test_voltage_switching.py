"""Voltage switching: the law in tensors and compiled, its thresholds, and the amplitudes that give a wanted step."""

import numpy as np
import pytest
import torch

from nanoneurons.physics.voltage_switching import Law, amplitude, change, change_at

LAW = Law(1.4, 1.6, 0.7, 0.9, 1.7, 1.5, 1.0, 0.8, 1.0)


def test_nothing_happens_between_the_thresholds():
    volts = torch.tensor([-1.4, -0.5, 0.0, 0.5, 1.6])
    assert (change(torch.full((5,), 0.3), volts, LAW) == 0).all()


@pytest.mark.parametrize("share", [1.0, 0.4, 0.0])
def test_tensors_and_compiled_loops_agree_with_the_formula(share):
    law = LAW._replace(share=share)
    w, v = (a.ravel() for a in np.meshgrid(np.linspace(0, 1, 11), np.linspace(-2.2, 2.2, 23)))
    up, down = (0.5**e + share * (s**e - 0.5**e) for e, s in ((1.7, 1 - w), (1.5, w)))
    expected = np.where(v < -1.4, up * np.expm1(0.7 * (-v - 1.4)), 0) - np.where(
        v > 1.6, 0.8 * down * np.expm1(0.9 * (v - 1.6)), 0
    )
    found = change(torch.from_numpy(w), torch.from_numpy(v), law).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-15)
    single = [change_at(a, b, law, 1.0) for a, b in zip(w, v, strict=True)]
    np.testing.assert_allclose(single, expected, rtol=1e-12, atol=1e-15)


def test_a_factor_moves_both_thresholds():
    w, v = torch.full((4,), 0.5, dtype=torch.float64), torch.tensor([-1.5, -2.0, 1.7, 2.0], dtype=torch.float64)
    assert (change(w, v, LAW, 1.5) == 0).all()
    moved = LAW._replace(threshold_up=1.4 * 1.1, threshold_down=1.6 * 1.1)
    torch.testing.assert_close(change(w, v, LAW, 1.1), change(w, v, moved))


def test_standard_amplitudes_give_the_wanted_step_in_both_directions():
    w = torch.tensor([0.5], dtype=torch.float64)
    below, above = amplitude(0.01, LAW)
    assert float(change(w, torch.tensor([below], dtype=torch.float64), LAW)) == pytest.approx(0.01, rel=1e-9)
    assert float(change(w, torch.tensor([above], dtype=torch.float64), LAW)) == pytest.approx(-0.01, rel=1e-9)


def test_any_voltage_gives_a_finite_change():
    volts = torch.tensor([-1e9, 1e9])
    assert torch.isfinite(change(torch.tensor([0.0, 1.0]), volts, LAW)).all()
    assert np.isfinite(change_at(0.0, -1e9, LAW, 1.0))
