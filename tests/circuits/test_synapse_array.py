"""Synapse arrays: weights from 0 to 1, background, pairs, changes of chosen cells, and drivers of voltages."""

import pytest
import torch

from nanoneurons import devices
from nanoneurons.circuits.synapse_array import SynapseArray
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update

VOLTAGE = ("tio2", "hfo2-analog", "hzo-ftj")


def array(spec="tio2", ideal=False, **values):
    device = devices.get(spec)
    return SynapseArray.build(device.ideal() if ideal else device, **values)


def at(circuit, weights):
    """Fresh devices of a voltage memristor at given positions in their range."""
    state = circuit.init(tuple(weights.shape), generator_for(1))
    return {**state, "cell.weight": weights.clone()}


@pytest.mark.parametrize("spec", VOLTAGE)
def test_weights_go_from_zero_to_one(spec):
    circuit = array(spec)
    ends = torch.tensor([[0.0, 0.25, 1.0]])
    torch.testing.assert_close(circuit.weights(at(circuit, ends)), ends, rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", VOLTAGE)
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_the_background_is_the_current_that_no_reference_takes_away(spec, share):
    """Currents are G - (1 - b) G_low, and a weight of 1 is the largest of them."""
    circuit = array(spec, background=share)
    w = torch.rand(1, 20, generator=generator_for(2))
    low, high = circuit.device.conductance_range()
    current = low + w * (high - low) - (1 - share) * low
    torch.testing.assert_close(circuit.weights(at(circuit, w)), current / (high - (1 - share) * low))


def test_the_background_is_an_imperfection_of_the_circuit():
    circuit = array(background=1.0)
    assert "background" in [i.name for i in circuit.imperfections()]
    assert circuit.without("background").background == 0.0


def test_pairs_hold_weights_from_zero_to_one():
    circuit = array("pulsed:pcm")
    assert circuit.paired
    state = circuit.init((2, 3), generator_for(1))
    low, high = circuit.device.conductance_range()
    unit = circuit.device.unit_conductance
    for plus, minus, expected in ((high, low, 1.0), (low, high, 0.0), (low, low, 0.5), (high, high, 0.5)):
        held = {k: v.clone() for k, v in state.items()}
        held["plus.visible"].fill_((plus - low) / unit)
        held["minus.visible"].fill_((minus - low) / unit)
        torch.testing.assert_close(circuit.weights(held), torch.full((2, 3), expected), rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", ["ideal", "tio2", "pulsed:ecram"])
def test_programmed_weights_are_read_back(spec):
    circuit = array(spec, ideal=spec != "ideal", verify_rounds=100)
    target = torch.rand(4, 50, generator=generator_for(3)) * 0.8 + 0.1
    state = circuit.program(circuit.init((4, 50), generator_for(1)), target, generator_for(2))
    assert float((circuit.weights(state) - target).abs().max()) < 0.03


@pytest.mark.parametrize("spec", ["ideal", "tio2", "hzo-ftj", "pulsed:ecram", "pulsed:reram-es"])
def test_changing_rows_is_changing_them_alone(spec):
    """Equal in law: without noise equal to the update of the whole array with zeros elsewhere."""
    circuit = array(spec, ideal=spec != "ideal")
    state = circuit.init((2, 5, 40), generator_for(1))
    chip, row = torch.tensor([0, 1, 1]), torch.tensor([3, 0, 4])
    pulses = torch.randint(-4, 5, (3, 40), generator=generator_for(2)).float()
    whole = torch.zeros(2, 5, 40)
    whole[chip, row] = pulses
    expected = circuit.weights(circuit.update(state, Update(whole, "pulses"), generator_for(3)))
    kept = {name: value.clone() for name, value in state.items()}
    changed = circuit.update_at(state, (chip, row), Update(pulses, "pulses"), generator_for(3))
    assert changed is state
    torch.testing.assert_close(circuit.weights(state), expected, rtol=0, atol=1e-7)
    others = torch.ones(2, 5, dtype=torch.bool)
    others[chip, row] = False
    for name, value in state.items():
        assert torch.equal(value[others], kept[name][others]), name


def test_noisy_rows_change_as_much_as_a_whole_array_does():
    """Mean and spread over 20,000 cells of noisy pulses; each within 4 standard errors (1 % and 2 %)."""
    circuit = array("pulsed:ecram")
    pulses = torch.full((20, 1000), 8.0)
    found = []
    for path in ("whole", "rows"):
        state = circuit.init((40, 1000), generator_for(1))
        before = circuit.weights(state)[:20]
        if path == "whole":
            after = circuit.update(state, Update(torch.cat([pulses, 0 * pulses]), "pulses"), generator_for(2))
        else:
            after = circuit.update_at(state, (torch.arange(20),), Update(pulses, "pulses"), generator_for(5))
        found.append(circuit.weights(after)[:20] - before)
    assert float(found[1].mean() / found[0].mean()) == pytest.approx(1, abs=0.01)
    assert float(found[1].std() / found[0].std()) == pytest.approx(1, abs=0.02)


def test_single_cells_can_be_changed():
    circuit = array("ideal")
    state = circuit.init((3, 4), generator_for(1))
    before = circuit.weights(state)
    circuit.update_at(state, (torch.tensor([0, 2]), torch.tensor([1, 3])), Update(torch.tensor([0.1, -0.1])), None)
    moved = circuit.weights(state) - before
    expected = torch.zeros(3, 4)
    expected[0, 1], expected[2, 3] = 0.1, -0.1
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("spec", VOLTAGE)
def test_a_full_signal_reaches_the_voltages_that_the_device_declares(spec):
    circuit = array(spec, ideal=True, write_gain=1.1)
    device = circuit.device
    state = at(circuit, torch.full((1, 4), 0.5))
    signal = torch.tensor([[1.0, 0.5, -0.5, -1.0]])
    after = circuit.update(state, Update(signal, "V"), generator_for(1))["cell.weight"]
    rise, fall = device.write_scale()
    volts = torch.tensor([[-1.1 * rise, -0.55 * rise, 0.55 * fall, 1.1 * fall]])
    direct = device.apply_voltage({k.removeprefix("cell."): v for k, v in state.items()}, volts)["weight"]
    torch.testing.assert_close(after, direct)
    assert after[0, 0] > 0.5 > after[0, 3]
    assert torch.equal(after[0, 1:3], torch.full((2,), 0.5))


@pytest.mark.parametrize("spec", ["pulsed:ecram", "hfox-weak-reset", "ideal"])
def test_devices_of_pulses_take_no_voltages(spec):
    circuit = array(spec)
    assert not circuit.takes_voltages
    assert circuit.rows(circuit.init((2, 2), generator_for(1)), generator_for(2)) is None
    with pytest.raises(RefusedError, match="pulses of a standard waveform"):
        circuit.update(circuit.init((2, 2), generator_for(1)), Update(torch.zeros(2, 2), "V"), generator_for(2))


def test_a_pair_takes_no_voltages():
    circuit = array("tio2", mapping="pair")
    with pytest.raises(RefusedError, match="one per weight"):
        circuit.update(circuit.init((2, 2), generator_for(1)), Update(torch.zeros(2, 2), "V"), generator_for(2))


def test_a_spike_on_every_row_reads_every_device():
    circuit = array()
    assert circuit.inference(10, 784).events == {"read": 7840.0}
    assert array("tio2", mapping="pair").inference(10, 784).events == {"read": 15680.0}
    assert circuit.prices()["read"].joule > 0
