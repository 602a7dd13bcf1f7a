"""Resistors and diodes: power against a sum over resistors, closed minima against linear equations and neighbours."""

import numpy as np
import pytest
import torch

from nanoneurons.physics import resistive as rs


def draw(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("lead", [(), (2,)])
def test_half_power_is_the_sum_over_resistors(lead):
    a, b, g = draw(*lead, 5, 4) - 0.5, draw(*lead, 5, 3, seed=1) - 0.5, draw(*lead, 3, 4, seed=2)
    each = g.unsqueeze(-3) * (a.unsqueeze(-2) - b.unsqueeze(-1)) ** 2
    torch.testing.assert_close(rs.half_power(a, b, g), 0.5 * each.sum((-2, -1)), rtol=1e-13, atol=1e-14)


def test_a_node_balances_its_currents_and_one_without_resistors_stays_at_zero():
    v, g = draw(6, 4) - 0.5, draw(3, 4, seed=1)
    g[1] = 0
    node = rs.node_voltages(v @ g.T, g.sum(1))
    inflow = (g * (v.unsqueeze(1) - node.unsqueeze(2))).sum(-1)
    assert float(inflow.abs().max()) < 1e-15
    assert (node[:, 1] == 0).all()


def test_a_voltage_divider():
    assert float(rs.node_voltages(torch.tensor([3.0 * 2.0]), torch.tensor([3.0 + 1.0]))) == 1.5  # 2 V, 3 S over 1 S


def test_diodes_bound_each_half_on_its_side():
    v = draw(7, 6) - 0.5
    clipped = rs.clip_halves(v.clone())
    assert torch.equal(clipped[:, :3], v[:, :3].clamp(min=0))
    assert torch.equal(clipped[:, 3:], v[:, 3:].clamp(max=0))


@pytest.mark.parametrize("beta", [0.0, 0.7, -0.2])
def test_a_nudged_pair_solves_its_two_equations(beta):
    current, conductance, wanted = draw(5, 6) - 0.5, draw(6, seed=1) + 1, draw(5, 3, seed=2)
    v = rs.nudged_pair(current, conductance, beta, wanted).numpy()
    for k in range(5):
        for p in range(3):
            matrix = np.diag(conductance[[p, p + 3]].numpy()) + beta * np.array([[1, -1], [-1, 1]])
            right = current[k, [p, p + 3]].numpy() + beta * float(wanted[k, p]) * np.array([1, -1])
            np.testing.assert_allclose(v[k, [p, p + 3]], np.linalg.solve(matrix, right), rtol=1e-12)
