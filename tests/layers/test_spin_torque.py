"""Oscillator neurons as a layer: the closed form, its gradient, spread of chips, twins, ends of a network."""

import math

import pytest
import torch
from safetensors.torch import load_file, save_file

from nanoneurons import devices
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation, VoltageReadout


def chain(**neuron):
    return RfChain.build(devices.get("spin-diode"), **{f"neuron_{n}": v for n, v in neuron.items()})


SPREAD = {"threshold_spread": 0.05, "voltage_spread": 0.05}


def made(layer, seed=1):
    layer.fabricate(generator_for(seed))
    return layer


def millivolts(*shape):
    """Around the operating point; threshold lies at -8.1 mV, the clamp at 0.7 mV."""
    return 1e-3 * (-12 + 15 * torch.rand(*shape, generator=generator_for(0), dtype=torch.float64))


def test_closed_form():
    circuit = chain()
    voltage = millivolts(4, 3)
    current = ((voltage + circuit.bias_voltage) * circuit.transconductance).clamp(10e-6, 40e-6)
    ratio = current / 10e-6
    wanted = circuit.amplifier_gain * (ratio - 1) / (ratio + 2) * 1e3 * current**2
    torch.testing.assert_close(SpinTorqueActivation(3, circuit=circuit)(voltage), wanted, rtol=1e-9, atol=1e-18)


def test_power_never_exceeds_what_supply_and_amplifier_give():
    circuit = chain(voltage_spread=0.5)
    layer = made(SpinTorqueActivation(50, circuit=circuit, chips=20))
    voltage = millivolts(20, 8, 50)
    dc = circuit.neuron.dc_power(circuit.neuron_current(voltage))
    assert bool((layer(voltage) <= circuit.amplifier_gain * dc * (1 + 1e-12)).all())
    assert bool((layer(voltage) >= 0).all())


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("fabricated", [False, True])
def test_gradient_by_finite_differences(chips, fabricated):
    """Of voltages in mV above threshold and below the clamp, and 0 beyond both."""
    layer = SpinTorqueActivation(4, circuit=chain(**SPREAD), chips=chips)
    if fabricated:
        made(layer)
    lead = () if chips is None else (chips,)
    start = -6 + 6 * torch.rand(*lead, 3, 4, generator=generator_for(0), dtype=torch.float64)
    start.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: 1e6 * layer(1e-3 * v), (start,), eps=1e-6, atol=1e-7, rtol=1e-6)
    outside = torch.tensor([[-20e-3, -9e-3, 2e-3, 1.0]], dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(outside).sum(), outside)
    assert torch.equal(slope, torch.zeros(1, 4, dtype=torch.float64))


def test_chips_have_their_own_oscillators_whatever_stands_beside_them():
    circuit = chain(**SPREAD)
    two, three = (made(SpinTorqueActivation(6, circuit=circuit, chips=n)) for n in (2, 3))
    x = millivolts(5, 6)
    assert torch.equal(two(x)[1], three(x)[1])
    assert not torch.equal(two(x)[0], two(x)[1])
    state = two.state
    for i in range(2):  # each as the device alone
        own = {n: v[i] for n, v in state.items()}
        assert torch.equal(two(x)[i], circuit.neuron_power(x, own))


def test_twin_gradients_are_the_own_ones_of_ideal_oscillators():
    ideal = RfChain(devices.get("spin-diode"), neuron=chain().neuron.without("device_to_device"))
    layer = made(SpinTorqueActivation(6, circuit=ideal, chips=2))
    found = []
    for layer.gradient in ("own", "ideal"):
        x = millivolts(2, 5, 6).requires_grad_()
        out = layer(x)
        (slope,) = torch.autograd.grad(out.sum(), x)
        found.append((out, slope))
    assert torch.equal(found[0][0], found[1][0])
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-12, atol=0)


def test_twin_gradients_are_those_of_the_nominal_oscillator():
    circuit = chain(**SPREAD)
    layer = made(SpinTorqueActivation(6, circuit=circuit))
    x = millivolts(5, 6).requires_grad_()
    own = layer(x)
    layer.gradient = "ideal"
    out = layer(x)
    assert torch.equal(out, own)
    (slope,) = torch.autograd.grad(out.sum(), x)
    (wanted,) = torch.autograd.grad(circuit.neuron_power(x).sum(), x)
    assert torch.equal(slope, wanted)


def test_virtual_oscillators():
    layer = SpinTorqueActivation(6, circuit=chain(**SPREAD))
    x = millivolts(5, 6)
    ideal = layer(x)
    layer.imagine(1.0, generator_for(4))
    assert torch.equal(layer(x), made(SpinTorqueActivation(6, circuit=chain(**SPREAD)), 4)(x))
    assert not layer.fabricated
    layer.imagine(0.0, None)
    assert torch.equal(layer(x), ideal)


def test_the_saved_state_is_the_chip(tmp_path):
    layer = made(SpinTorqueActivation(6, circuit=chain(**SPREAD), chips=2))
    save_file(layer.state_dict(), tmp_path / "chip.safetensors")
    other = SpinTorqueActivation(6, circuit=chain(**SPREAD), chips=2)
    other.load_state_dict(load_file(tmp_path / "chip.safetensors"))
    x = millivolts(5, 6)
    assert torch.equal(layer(x), other(x))


def test_single_precision_is_kept():
    layer = made(SpinTorqueActivation(6, circuit=chain(**SPREAD)))
    x = millivolts(5, 6)
    found = layer(x.float())
    assert found.dtype == torch.float32
    # threshold and voltage in float32: (xi - 1) loses digits near threshold, so relative to the full power
    torch.testing.assert_close(found.double(), layer(x), rtol=0, atol=1e-6 * 1e-6 * 10)


def test_ends_of_a_network():
    x = torch.rand(3, 4, generator=generator_for(0))
    assert torch.equal(PowerInput(2e-6)(x), x * 2e-6)
    assert torch.equal(VoltageReadout(1e3)(x), x * 1e3)


@pytest.mark.parametrize(
    ("voltage", "said"),
    [
        (torch.zeros(2, 4), r"cannot take voltages of shape \(2, 4\)"),
        (torch.tensor([[0.0, math.nan, 0.0]]), r"current at index \(0, 1\) is NaN; give a number in A"),
    ],
)
def test_bad_input_is_one_clear_line(voltage, said):
    with pytest.raises(ParameterError, match=said) as caught:
        SpinTorqueActivation(3)(voltage)
    assert "\n" not in str(caught.value)
