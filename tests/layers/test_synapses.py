"""Synapses: initial weights, changes of chosen ones in software and in devices, and what is counted."""

import pytest
import torch

from nanoneurons import circuits, devices
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.layers.synapses import Synapses


def made(spec=None, chips=2, **more):
    circuit = None if spec is None else circuits.catalogue["synapse-array"].build(devices.get(spec), **more)
    layer = Synapses(30, 4, circuit=circuit, chips=chips, seed=3)
    if circuit is not None:
        layer.fabricate(generator_for(1))
        layer.refresh()
    return layer


def test_initial_weights_are_uniform_and_the_same_on_every_chip():
    layer = Synapses(1000, 10, chips=2)
    assert torch.equal(layer.weight[0], layer.weight[1])
    assert float(layer.weight.mean()) == pytest.approx(0.5, abs=0.012)
    assert float(layer.weight.std()) == pytest.approx(12**-0.5, rel=0.02)
    assert layer.bias is None


def test_software_synapses_stay_between_zero_and_one():
    layer = made()
    before = layer.weight.clone()
    change = torch.full((2, 30), 5.0)
    change[1] = -5.0
    layer.apply_at((torch.tensor([0, 1]), torch.tensor([2, 3])), Update(change), generator_for(1))
    assert (layer.weight[0, 2] == 1).all()
    assert (layer.weight[1, 3] == 0).all()
    kept = torch.ones(2, 4, dtype=torch.bool)
    kept[0, 2] = kept[1, 3] = False
    assert torch.equal(layer.weight[kept], before[kept])


@pytest.mark.parametrize("spec", ["tio2", "pulsed:ecram", "ideal"])
def test_weights_shown_are_those_read_from_the_devices(spec):
    layer = made(spec)
    layer.apply_at((torch.tensor([1]), torch.tensor([2])), Update(torch.full((1, 30), 0.2)), generator_for(1))
    shown = layer.weight.clone()
    layer.refresh()
    torch.testing.assert_close(layer.weight, shown, rtol=0, atol=1e-6)


def test_pulses_and_voltages_are_counted():
    layer = made("ideal")
    layer.apply_at((torch.tensor([0]), torch.tensor([0])), Update(torch.full((1, 30), 3.0), "pulses"), generator_for(1))
    assert layer.pulses_applied == 90
    layer = made("tio2")
    signal = torch.zeros(1, 30)
    signal[0, :7] = 0.3
    layer.apply_at((torch.tensor([0]), torch.tensor([0])), Update(signal, "V"), generator_for(1))
    assert layer.pulses_applied == 7


def test_only_devices_under_voltages_have_a_compiled_form():
    assert made().rows is not None
    assert made("tio2").rows(generator_for(1)) is not None
    assert made("tio2", mapping="pair").rows(generator_for(1)) is None
    assert made("pulsed:ecram").rows(generator_for(1)) is None


def test_other_circuits_are_refused():
    with pytest.raises(RefusedError, match="use the circuit 'synapse-array'"):
        Synapses(3, 2, circuit=circuits.catalogue["crossbar"].build(devices.get("tio2")))
