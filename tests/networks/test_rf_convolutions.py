"""Networks of resonators and oscillators from a description with convolutions."""

import dataclasses

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.layers.spin_torque import SpinTorqueActivation
from nanoneurons.learning import fit
from nanoneurons.learning.backpropagation import Backpropagation
from nanoneurons.networks import build

CHAIN = RfChain(SpinDiode(damping=1e-3), band_low=1e9, band_high=9e9, initial_shift=1.4e-3)
SPEC = "1x8x8-4c3-mp2-6c3-mp2-8-3"


def network(spec=SPEC, chips=None, circuit=CHAIN):
    return build(spec, kind="rf", circuit=circuit, chips=chips, shape=(1, 8, 8), classes=3, seed=5)


def test_modules_of_a_convolutional_network():
    kinds = [type(m).__name__ for m in network()]
    neurons = [m for m in network() if isinstance(m, SpinTorqueActivation)]
    assert kinds == [
        "PowerInput", "SpinDiodeConv2d", "EachChip", "SpinTorqueActivation", "SpinDiodeConv2d", "EachChip",
        "SpinTorqueActivation", "FlattenInput", "SpinDiodeLinear", "SpinTorqueActivation", "SpinDiodeLinear",
        "VoltageReadout",
    ]  # fmt: skip
    assert [n.shape for n in neurons] == [(4, 4, 4), (6, 2, 2), (8,)]
    assert [n.shared for n in neurons] == [True, False, False]  # patches come in turn, a dense layer takes all at once
    sources = [m.sources for m in network() if isinstance(m, SpinDiodeLinear | SpinDiodeConv2d)]
    assert sources == ["generator", "oscillators", "oscillators", "oscillators"]


def test_pooled_inputs_are_still_powers():
    kinds = [type(m).__name__ for m in network("1x8x8-mp2-3")]
    assert kinds == ["PowerInput", "EachChip", "FlattenInput", "SpinDiodeLinear", "VoltageReadout"]


@pytest.mark.parametrize("chips", [None, 2])
def test_it_computes_what_its_modules_say(chips):
    net = network(chips=chips)
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    lead = () if chips is None else (2,)
    with torch.no_grad():
        assert net(x).shape == (*lead, 3, 3)
        net.fabricate(generator_for(0))
        assert net(x).shape == (*lead, 3, 3)
    first = net[1]
    with torch.no_grad():
        voltage = first(1e-6 * x) if chips is None else first(1e-6 * x)[1]
        pooled = F.max_pool2d(voltage, 2)
        whole = net[2](first(1e-6 * x))
    # with the noise of reading, voltages of two calls differ by some microvolts
    torch.testing.assert_close(whole if chips is None else whole[1], pooled, rtol=0, atol=1e-4)


def test_shared_oscillators_are_one_per_channel():
    shared = SpinTorqueActivation((4, 6, 6), circuit=CHAIN, chips=2, shared=True)
    own = SpinTorqueActivation((4, 6, 6), circuit=CHAIN, chips=2)
    voltage = torch.zeros(2, 3, 4, 6, 6)
    for module, different in ((shared, 8), (own, 2 * 4 * 36)):
        module.fabricate(generator_for(0))
        power = module(voltage)
        assert power.shape == voltage.shape
        assert torch.equal(power[:, 0], power[:, 2])
        assert len(power[:, 0].unique()) == pytest.approx(different, rel=0.02)  # single precision may repeat some
        assert module.counts().events["transconductance amplifier"] == 4 * 36
    with pytest.raises(ParameterError, match=r"4 x 6 x 6 oscillators cannot take voltages of shape \(3, 4, 6\)"):
        own(torch.zeros(3, 4, 6))
    with pytest.raises(ParameterError, match="only images share oscillators"):
        SpinTorqueActivation(4, shared=True)


def test_counts_are_those_of_all_positions():
    readings = 4 * 9 * 64 + 6 * 36 * 16 + 24 * 8 + 8 * 3
    counts = network().inference_counts().events
    assert counts["holding a tuned resonance"] == readings
    assert counts["transconductance amplifier"] == 4 * 16 + 6 * 4 + 8
    dark, bright = (network().inference_counts(torch.full((2, 1, 8, 8), v)).events for v in (0.0, 1.0))
    assert dark["holding a tuned resonance"] == bright["holding a tuned resonance"] == readings
    assert bright["resonator, per full tone"] > dark["resonator, per full tone"]
    lone = build("1x8x8-4c3-3", kind="rf", circuit=CHAIN, chips=None, shape=(1, 8, 8), classes=3)[1]
    assert lone.counts_of(torch.full((2, 1, 8, 8), CHAIN.full_power)).events[
        "resonator, per full tone"
    ] == pytest.approx(
        4 * 22 * 22  # per side, three rows of the kernel at each of 8 positions but for one at either end
    )


def test_a_kernel_is_not_compared_as_a_dense_layer():
    assert [layer.products for layer in network().device_layers][:2] == [None, None]
    assert [layer.products for layer in network("1x8x8-mp2-8-3").device_layers] == [(8, 16), (3, 8)]


def test_it_learns_which_edge_is_bright():
    generator = torch.Generator().manual_seed(2)
    y = torch.randint(3, (240,), generator=generator)
    x = 0.2 * torch.rand(240, 1, 8, 8, generator=generator)
    for label in range(3):
        x[y == label, :, :, 3 * label : 3 * label + 2] += 0.8
    net = network("1x8x8-4c3-mp2-3")
    fit(net, Backpropagation(lr=0.05, digital_lr=0.2), x, y, epochs=8, batch=40, seed=0)
    with torch.no_grad():
        assert (net(x).argmax(1) == y).float().mean() > 0.95


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("1x8x8-8-4c3-3", "a convolution cannot follow a dense layer"),
        ("1x8x8-4c3-mp9-3", "mp9 does not fit"),
        ("64-4c3-3", "a convolution cannot follow a dense layer"),
    ],
)
def test_descriptions_that_do_not_fit(spec, message):
    with pytest.raises(StudyError, match=message):
        network(spec)


def test_a_sample_that_is_no_image():
    with pytest.raises(StudyError, match="a sample has shape"):
        build("4x16-4c3-3", kind="rf", circuit=CHAIN, chips=None, shape=(4, 16), classes=3)


def test_chips_program_what_software_learnt():
    ideal = dataclasses.replace(CHAIN, device=CHAIN.device.ideal(), neuron=CHAIN.neuron.ideal())
    software, chips = network(circuit=ideal), network(circuit=ideal, chips=2)
    chips.fabricate(generator_for(1))
    chips.program(software, generator_for(2))
    x = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = software(x)
        torch.testing.assert_close(chips(x), wanted.expand(2, 3, 3), rtol=0, atol=0.02)
    assert isinstance(chips[0], nn.Module)
