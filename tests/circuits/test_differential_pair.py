"""Differential pair: error rates against the closed form, pulse routing, ties, offsets, refusals."""

import math

import numpy as np
import pytest
import torch

from nanoneurons.circuits.differential_pair import DifferentialPair, _sense
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices import get
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.physics.error_rates import pair_error

WEAK = get("hfox-binary:weak", read_noise=0.0)


def signs(shape, seed=0):
    return torch.randint(0, 2, shape, generator=generator_for(seed, "signs")).float() * 2 - 1


def written(circuit, target, seed=0):
    generator = generator_for(seed, "write")
    state = circuit.init(tuple(target.shape), generator)
    return circuit.program(state, target, generator), generator


@pytest.mark.parametrize("sense", [0.0, 0.5])
def test_errors_of_a_written_matrix_follow_the_closed_form(sense):
    circuit = DifferentialPair(WEAK, sense_offset=sense)
    target = signs((200, 1, 2000))  # a row per chip: each weight its own amplifier, so errors are independent
    state, _ = written(circuit, target)
    rate = float((circuit.weights(state) != target).double().mean())
    p = pair_error(WEAK.log_window, *WEAK.spreads(), sense)
    assert rate == pytest.approx(p, abs=5 * math.sqrt(p / target.numel()))  # five standard errors


def test_sense_noise_is_drawn_at_every_read_and_only_with_a_generator():
    circuit = DifferentialPair(WEAK, sense_noise=0.5)
    target = signs((300, 1000))
    state, generator = written(circuit, target)
    assert torch.equal(circuit.weights(state), circuit.weights(state))
    noisy = [circuit.weights(state, generator) for _ in range(2)]
    assert not torch.equal(*noisy)
    p = pair_error(WEAK.log_window, *WEAK.spreads(), 0.5)
    assert float((noisy[0] != target).double().mean()) == pytest.approx(p, abs=5 * math.sqrt(p / target.numel()))


def test_one_amplifier_per_column():
    circuit = DifferentialPair(WEAK, sense_offset=5.0)
    for shape, amplifiers in (((3, 50, 40), (3, 1, 40)), ((50, 40), (1, 40)), ((2, 4, 3, 3, 3), (2, 1, 3, 3, 3))):
        state = circuit.init(shape, generator_for(0, "columns"))
        assert tuple(state["offset"].shape) == amplifiers
        weights = circuit.weights(state)
        assert tuple(weights.shape) == shape
    # a large offset decides for all outputs of a column alike
    state = circuit.init((1, 200, 40), generator_for(0, "columns"))
    big = state["offset"].abs() > 4
    assert bool((circuit.weights(state) == state["offset"].sign())[big.expand(1, 200, 40)].all())


def test_weak_reset_pulses_go_to_the_branch_that_helps():
    circuit = DifferentialPair(HfOxWeakReset())
    generator = generator_for(0, "pulses")
    state = circuit.init((1, 20, 30), generator)
    change = torch.randint(-14, 15, (1, 20, 30), generator=generator_for(1, "change")).float()
    after = circuit.update(state, Update(change, "pulses"), generator)
    assert torch.equal(after["minus.pulses"], change.clamp(min=0).int())  # a higher minus resistance raises W
    assert torch.equal(after["plus.pulses"], (-change).clamp(min=0).int())
    assert int(state["minus.pulses"].sum()) == 0, "the given state is not changed"
    plus, minus = (HfOxWeakReset().read({k.split(".")[1]: v for k, v in after.items() if k.startswith(b)})
                   for b in ("plus.", "minus."))  # fmt: skip
    assert torch.equal(circuit.weights(after), torch.where(minus > plus, 1.0, -1.0))


def test_enough_pulses_turn_any_weight():
    circuit = DifferentialPair(HfOxWeakReset().ideal())
    for target in (signs((1, 10, 10)), -signs((1, 10, 10))):
        state, generator = written(circuit, target)
        assert torch.equal(circuit.weights(state), target)
        flipped = circuit.update(state, Update(-2 * 1000 * target, "pulses"), generator)
        assert torch.equal(circuit.weights(flipped), -target)


def test_zero_pulses_mean_nothing():
    for device in (HfOxBinary(), HfOxWeakReset()):
        circuit = DifferentialPair(device)
        generator = generator_for(0, "zero")
        state = circuit.init((2, 5, 6), generator)
        for unit in ("pulses", "weight"):
            after = circuit.update(state, Update(torch.zeros(2, 5, 6), unit), generator)
            renewed = {f"{branch}.{name}" for branch in ("plus", "minus") for name in device.renewed}
            assert all(torch.equal(after[k], state[k]) for k in state if k not in renewed)


@pytest.mark.parametrize(("unit", "change"), [("weight", 0.3), ("weight", 2.0), ("pulses", 3.0)])
def test_devices_with_two_states_are_written_complementarily(unit, change):
    circuit = DifferentialPair(HfOxBinary().ideal())
    target = signs((1, 8, 9))
    state, generator = written(circuit, target)
    again = circuit.update(state, Update(-change * target, unit), generator)
    assert torch.equal(circuit.weights(again), -target)
    assert torch.all((again["plus.resistance"] < 2e4) != (again["minus.resistance"] < 2e4))


def test_a_target_without_chip_axis_is_written_to_every_chip():
    circuit = DifferentialPair(HfOxBinary().ideal())
    generator = generator_for(0, "broadcast")
    target = signs((7, 5))
    state = circuit.program(circuit.init((3, 7, 5), generator), target, generator)
    assert torch.equal(circuit.weights(state), target.expand(3, 7, 5))


def test_ties_are_settled_by_the_latch_once_and_for_all():
    circuit = DifferentialPair(HfOxWeakReset().ideal())
    state = circuit.init((1, 100, 100), generator_for(0, "tie"))
    weights = circuit.weights(state)
    assert float(weights.mean()) == pytest.approx(0.0, abs=0.05)  # five standard errors of a fair coin
    assert torch.equal(weights, circuit.weights(state))


def test_fused_comparison_equals_the_plain_one():
    generator = generator_for(0, "sense")
    strong, weak = (torch.randint(0, 3, (4, 50), generator=generator).float() for _ in range(2))
    preference = torch.rand(4, 50, generator=generator) < 0.5
    plain = torch.where((strong > weak) | ((strong == weak) & preference), 1.0, -1.0)
    assert torch.equal(_sense(strong, weak, preference), plain)


def test_chips_do_not_depend_on_each_other():
    circuit = DifferentialPair(WEAK, sense_offset=0.3)
    one, two = (written(circuit, signs((1, 10, 10)).expand(n, 10, 10).clone())[0] for n in (1, 2))
    assert torch.equal(circuit.weights(one)[0], circuit.weights(two)[0])


def test_refusals_name_the_reason():
    circuit = DifferentialPair(HfOxBinary())
    generator = generator_for(0, "x")
    state = circuit.init((2, 2), generator)
    with pytest.raises(RefusedError, match="stochastic pulse trains"):
        circuit.update(state, Update(torch.ones(2, 2), "pulses", activity=torch.ones(2, 2)), generator)
    with pytest.raises(ParameterError, match="NaN"):
        circuit.update(state, Update(torch.full((2, 2), float("inf")) * 0, "pulses"), generator)


def test_imperfections_of_device_and_circuit_are_one_list():
    circuit = DifferentialPair(HfOxBinary(), sense_offset=0.1)
    names = {i.name for i in circuit.imperfections()}
    assert {"device_to_device", "cycle_to_cycle", "read_noise", "sense_offset"} == names
    assert circuit.without("sense_offset").sense_offset == 0
    assert circuit.only("sense_offset").device == HfOxBinary().ideal()


def test_counts_and_prices():
    circuit = DifferentialPair(HfOxBinary())
    counts = circuit.inference(10, 784)
    assert counts.events == {"sense": 7840.0, "popcount": 7840.0}
    assert circuit.writing(5).events == {"write": 5.0}
    prices = circuit.prices()
    assert set(counts.events) <= set(prices) and "write" in prices
    assert 1e-14 <= prices["sense"].joule <= 1e-13 and not prices["sense"].verified


def test_global_generator_is_untouched():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    circuit = DifferentialPair(HfOxBinary(), sense_offset=0.1, sense_noise=0.1)
    state, generator = written(circuit, signs((2, 3, 4)))
    circuit.weights(state, generator)
    assert torch.equal(before, torch.get_rng_state())
    assert np.isfinite(state["plus.resistance"].numpy()).all()
