"""Closed-form read-outs against scikit-learn and the pseudo-inverse, and the decision over frames."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.networks.readout import NormalEquations, decide, one_hot_frames, pseudo_inverse

DRAW = generator_for(0, "readout")
STATES = 0.01 + 0.003 * torch.randn(300, 12, generator=DRAW, dtype=torch.float64)
TARGETS = torch.randn(300, 3, generator=DRAW, dtype=torch.float64)


def accumulated(states=STATES, targets=TARGETS, pieces=(100, 1, 199)):
    equations = NormalEquations(states.shape[1], targets.shape[1])
    for s, t in zip(states.split(list(pieces)), targets.split(list(pieces)), strict=True):
        equations.add(s, t)
    return equations


def test_pseudo_inverse_in_both_forms():
    design = np.concatenate([np.ones((300, 1)), STATES.numpy()], 1)
    want = np.linalg.pinv(design) @ TARGETS.numpy()
    np.testing.assert_allclose(pseudo_inverse(STATES, TARGETS).weights.numpy(), want, rtol=1e-9)
    # condition number about 10, squared in the products: far from rounding
    np.testing.assert_allclose(accumulated().solve().weights.numpy(), want, rtol=1e-9)


def test_ridge_is_that_of_scikit_learn():
    unit = float(STATES.pow(2).mean().sqrt())
    design = np.concatenate([np.ones((300, 1)), STATES.numpy() / unit], 1)
    strength = 1e-3 * np.linalg.eigvalsh(design.T @ design).mean()
    peer = Ridge(alpha=strength, fit_intercept=False).fit(design, TARGETS.numpy())
    readout = accumulated().solve(1e-3)
    np.testing.assert_allclose(readout(STATES).numpy(), peer.predict(design), rtol=1e-9)


def test_the_unit_of_the_states_does_not_matter():
    a, b = accumulated(), accumulated(1e3 * STATES)
    for ridge in (0.0, 1e-6, 1e-2):
        np.testing.assert_allclose(a.solve(ridge)(STATES), b.solve(ridge)(1e3 * STATES), rtol=1e-8)


def test_fewer_frames_than_features_give_the_smallest_weights():
    states, targets = STATES[:6], TARGETS[:6]
    readout = accumulated(states, targets, (6,)).solve()
    np.testing.assert_allclose(readout(states).numpy(), targets.numpy(), atol=1e-6)


def test_single_precision_states_are_added_in_double():
    a, b = accumulated(), accumulated(STATES.float())
    np.testing.assert_allclose(a.solve(1e-9)(STATES), b.solve(1e-9)(STATES), rtol=1e-3, atol=1e-5)


def test_adding_after_solving_counts():
    equations = accumulated(STATES[:100], TARGETS[:100], (100,))
    equations.solve()
    equations.add(STATES[100:], TARGETS[100:])
    np.testing.assert_allclose(equations.solve().weights, accumulated().solve().weights, rtol=1e-9)


def test_joined_parts_are_the_whole():
    a, b = (accumulated(STATES[part], TARGETS[part], (150,)) for part in (slice(0, 150), slice(150, 300)))
    whole = NormalEquations.joined([a, b])
    np.testing.assert_allclose(whole.solve().weights, accumulated().solve().weights, rtol=1e-9)
    assert (a.frames, whole.frames) == (150, 300)


def test_readout_of_chips():
    readout = pseudo_inverse(STATES, TARGETS)
    outputs = readout(STATES.reshape(2, 150, 12))
    assert outputs.shape == (2, 150, 3)
    torch.testing.assert_close(outputs.reshape(300, 3), readout(STATES))


def test_decision_is_the_largest_sum_over_frames():
    outputs = torch.tensor([[0.0, 1.0], [0.9, 0.0], [0.9, 0.0], [0.0, 1.0]])
    assert decide(outputs, [3, 1]).tolist() == [0, 1]
    targets = one_hot_frames(torch.tensor([1, 0]), [2, 1], 3)
    assert targets.tolist() == [[0, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_misuse_is_refused():
    equations = NormalEquations(12, 3)
    with pytest.raises(DataError, match="no frame"):
        equations.solve()
    with pytest.raises(DataError, match="do not fit"):
        equations.add(STATES[:, :5], TARGETS)
    with pytest.raises(DataError, match="do not fit"):
        equations.add(STATES, TARGETS[:10])
    with pytest.raises(DataError, match="not finite"):
        equations.add(torch.full((2, 12), float("nan")), TARGETS[:2])
    equations.add(STATES, TARGETS)
    with pytest.raises(ParameterError, match="ridge"):
        equations.solve(-1.0)
