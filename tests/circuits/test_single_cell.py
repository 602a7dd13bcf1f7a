"""Single cell: error rate against the closed form, refusals, polarity."""

import math

import pytest
import torch

from nanoneurons.circuits.single_cell import SingleCell
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices import get
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.physics.error_rates import best_threshold, threshold_error

WEAK = get("hfox-binary:weak", read_noise=0.0)


def written(circuit, target, seed=0):
    generator = generator_for(seed, "write")
    state = circuit.init(tuple(target.shape), generator)
    return circuit.program(state, target, generator), generator


def signs(shape):
    return torch.randint(0, 2, shape, generator=generator_for(0, "signs")).float() * 2 - 1


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_errors_of_a_written_matrix_follow_the_closed_form(shift):
    circuit = SingleCell(WEAK, threshold_shift=shift)
    target = signs((4, 200, 500))
    state, _ = written(circuit, target)
    rate = float((circuit.weights(state) != target).double().mean())
    at = best_threshold(WEAK.log_window, *WEAK.spreads()) - shift  # a higher conductance is a lower resistance
    p = threshold_error(WEAK.log_window, *WEAK.spreads(), at)
    assert rate == pytest.approx(p, abs=5 * math.sqrt(p / target.numel()))  # five standard errors


def test_weights_can_be_turned_and_zero_means_nothing():
    circuit = SingleCell(HfOxBinary().ideal())
    target = signs((2, 6, 7))
    state, generator = written(circuit, target)
    assert torch.equal(circuit.weights(state), target)
    change = torch.zeros(2, 6, 7)
    change[:, 0] = -2 * target[:, 0]
    after = circuit.weights(circuit.update(state, Update(change, "weight"), generator))
    assert torch.equal(after[:, 0], -target[:, 0]) and torch.equal(after[:, 1:], target[:, 1:])


def test_sense_noise_needs_a_generator():
    circuit = SingleCell(WEAK, sense_noise=1.0)
    state, generator = written(circuit, signs((1, 50, 50)))
    assert torch.equal(circuit.weights(state), circuit.weights(state))
    assert not torch.equal(circuit.weights(state, generator), circuit.weights(state, generator))


def test_refusals_name_the_reason():
    with pytest.raises(RefusedError, match="one way only"):
        SingleCell(HfOxWeakReset()).init((2, 2), generator_for(0, "x"))
    circuit = SingleCell(HfOxBinary())
    state = circuit.init((2, 2), generator_for(0, "x"))
    with pytest.raises(RefusedError, match="stochastic"):
        circuit.update(state, Update(torch.ones(2, 2), activity=torch.ones(2, 2)), generator_for(0, "x"))


def test_counts_and_prices():
    circuit = SingleCell(HfOxBinary())
    assert set(circuit.inference(3, 4).events) <= set(circuit.prices())
    assert circuit.writing(2).events == {"write": 2.0}
