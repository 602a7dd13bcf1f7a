"""Convolutions by chains of resonators: kernels, layouts, gradients, chips, refusals."""

import dataclasses
import math

import pytest
import torch
from torch.nn import functional as F

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.learning.backpropagation import Backpropagation
from nanoneurons.physics.spin_diode import rectified

CHAIN = RfChain(SpinDiode(damping=1e-3), band_low=1e9, band_high=9e9, initial_shift=1.4e-3)
IMAGE = (6, 5)
LAYOUTS = [("sequential", "all"), ("parallel", "all"), ("parallel", "field")]


def conv(circuit=CHAIN, padding=0, stride=1, chips=None, **more):
    layer = SpinDiodeConv2d(2, 3, 3, stride, padding, circuit=circuit, chips=chips, image=IMAGE, seed=4, **more)
    layer.double()  # and frequencies to all digits
    wired, count = layer.chain, layer.tones.shape[-1]
    layer.tones, layer.centres = wired.tones(count), wired.tones(18)
    return layer


def powers(*lead):
    return torch.rand(*lead, 2, *IMAGE, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 1e-6


def with_kernel_of(layer, other):
    """Give `layer` the relative detunings of `other`."""
    with torch.no_grad():
        layer.resonance.copy_(other.resonance / other.centres * layer.centres)
        layer.bias.copy_(other.bias)
    return layer


def by_hand(layer, x, position):
    """Voltages of all channels at one position, resonator by resonator, from the definition."""
    device, fields = layer.chain.device, layer.fields
    total = torch.zeros(layer.out_channels, dtype=torch.float64)
    heard = torch.arange(fields.count)
    if layer.listening == "field":
        heard = fields.pixels[position][fields.present[position]]
    for channel in range(layer.out_channels):
        for k, (pixel, there) in enumerate(zip(fields.pixels[position], fields.present[position], strict=True)):
            if not there:
                continue
            sign = -1 if k % 2 == 0 else 1
            own = layer.resonance[channel, k] / layer.centres[k] * layer.tones[pixel]
            response = rectified(layer.tones[heard], own, device.damping)
            total[channel] += sign * device.nominal_sensitivity * (response @ x.flatten()[heard])
    return total + layer.bias


@pytest.mark.parametrize("listening", ["all", "field"])
@pytest.mark.parametrize(("plan", "padding", "stride"), [("geometric", 0, 2), ("linear", 0, 1), ("geometric", 1, 1)])
def test_parallel_chains_are_what_the_definition_says(listening, plan, padding, stride):
    layer = conv(dataclasses.replace(CHAIN, plan=plan), padding, stride, layout="parallel", listening=listening)
    x = powers(1)
    with torch.no_grad():
        found = layer(x)[0].flatten(-2)
        for position in (0, found.shape[-1] // 2, found.shape[-1] - 1):
            torch.testing.assert_close(found[:, position], by_hand(layer, x, position), rtol=1e-9, atol=1e-12)


def test_sequential_is_a_convolution_with_its_kernel():
    layer, x = conv(padding=1, stride=2), powers(4)
    kernel = layer.matrix().unflatten(-1, (2, 3, 3))
    torch.testing.assert_close(layer(x), F.conv2d(x, kernel, layer.bias, 2, 1))
    dense = SpinDiodeLinear(18, 3, circuit=CHAIN).double()  # the kernel is that of a dense layer over one patch
    dense.tones, dense.resonance.data, dense.bias.data = layer.tones, layer.resonance.data, layer.bias.data
    torch.testing.assert_close(layer(x)[:, :, 1, 1], dense(x[:, :, 1:4, 1:4].flatten(1)))


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("plan", ["geometric", "linear"])
@pytest.mark.parametrize("listening", ["all", "field"])
def test_parallel_without_crosstalk_is_sequential(listening, plan, padding, chips):
    alone = dataclasses.replace(CHAIN, crosstalk=0.0, plan=plan)
    one = conv(alone, padding, chips=chips)
    all_at_once = with_kernel_of(conv(alone, padding, chips=chips, layout="parallel", listening=listening), one)
    torch.testing.assert_close(all_at_once(powers(4)), one(powers(4)), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("listening", ["all", "field"])
def test_crosstalk_fades_with_damping(listening):
    def distance(damping):
        circuit = RfChain(SpinDiode(damping=damping), band_low=1e9, band_high=9e9, initial_shift=1.4 * damping)
        one = conv(circuit)
        other = with_kernel_of(conv(circuit, layout="parallel", listening=listening), one)
        with torch.no_grad():
            return float((other(powers(8)) - one(powers(8))).std() / one(powers(8)).std())

    wide, narrow = distance(1e-3), distance(1e-4)
    assert narrow < wide / 5  # tails are proportional to the linewidth
    assert distance(1e-5) < 0.01


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize(("plan", "padding"), [("geometric", 0), ("geometric", 1), ("linear", 0)])
@pytest.mark.parametrize("listening", ["all", "field"])
def test_voltages_are_those_of_the_matrix(listening, plan, padding, chips):
    layer = conv(dataclasses.replace(CHAIN, plan=plan), padding, chips=chips, layout="parallel", listening=listening)
    for x in (powers(4), powers(2, 4)) if chips else (powers(4),):
        by_matrix = (x.flatten(-3) @ layer.matrix().transpose(-2, -1)).unflatten(-1, (3, *layer.fields.size))
        by_matrix = by_matrix + layer.bias[..., None, :, None, None]
        assert layer(x).shape == (*((2,) if chips else ()), 4, 3, *layer.fields.size)
        torch.testing.assert_close(layer(x), by_matrix, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("fabricated", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize(("layout", "listening"), LAYOUTS)
def test_gradients_are_those_of_finite_differences(layout, listening, padding, fabricated):
    layer = conv(padding=padding, chips=2, layout=layout, listening=listening)
    if fabricated:
        layer.fabricate(generator_for(0))
        layer.noisy_reads = False
        for name, value in layer.state.items():
            layer._buffers["device_" + name] = value.double()
    unit, start = layer.units[0].double(), layer.resonance.detach().clone()

    def voltage(steps, power, bias):  # in half linewidths and microwatts
        layer._parameters["resonance"] = start + steps * unit
        layer._parameters["bias"] = bias
        if fabricated:  # a change of the wanted resonance moves all resonators that share it
            shift = (steps * unit / layer.centres).detach()
            state = layer.state
            shift = shift if layer.fields is None else shift.unsqueeze(-2)
            layer._buffers["device_shift"] = state["nominal"] * shift.expand(state["nominal"].shape)
        return layer(power * 1e-6) * 1e3

    steps = torch.zeros_like(start, requires_grad=True)
    x = (powers(1) * 1e6).requires_grad_()
    bias = layer.bias.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(voltage, (steps, x, bias), eps=1e-5, atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(("layout", "listening"), LAYOUTS)
def test_a_chip_takes_its_gradient_from_itself_or_from_the_nominal_device(layout, listening):
    device = dataclasses.replace(SpinDiode(damping=1e-3, resonance_spread=2e-4), temperature=0.0)
    circuit = dataclasses.replace(CHAIN, device=device)
    layer, software = (conv(circuit, chips=2, layout=layout, listening=listening) for _ in range(2))
    target, x = layer.resonance.detach().clone(), powers(2, 4)
    layer.fabricate(generator_for(1))
    layer.program(target, generator_for(2))
    software.resonance.data, software.bias.data = layer.resonance.data.clone(), layer.bias.data.clone()

    def both(module):
        module.resonance.grad = None
        y = module(x)
        y.pow(2).sum().backward()
        return y.detach(), module.resonance.grad.clone()

    own, slope = both(layer)
    assert not torch.allclose(own, software(x), rtol=1e-3, atol=1e-6)
    layer.gradient = "ideal"
    same, twin = both(layer)
    torch.testing.assert_close(same, own)
    assert not torch.allclose(twin, slope, rtol=1e-2, atol=0)
    y = software(x)
    y.backward(2 * own)  # the error that the chip's own voltages give, through the nominal device
    torch.testing.assert_close(twin, software.resonance.grad, rtol=1e-4, atol=0)


@pytest.mark.parametrize(("layout", "listening"), LAYOUTS)
def test_tuning_moves_every_resonator_that_shares_a_weight(layout, listening):
    ideal = dataclasses.replace(CHAIN, device=CHAIN.device.ideal())
    layer = conv(ideal, padding=1, layout=layout, listening=listening)
    target, x = layer.resonance.detach().clone(), powers(4)
    before = layer(x).detach()
    layer.fabricate(generator_for(0))
    layer.program(target, generator_for(0))
    torch.testing.assert_close(layer.resonance.detach(), target, rtol=1e-6, atol=0)
    torch.testing.assert_close(layer(x).detach(), before, rtol=0, atol=1e-5)  # states are single precision
    layer.apply_update(Update(-0.5 * layer.units[0].expand(layer.resonance.shape)), generator_for(1))
    torch.testing.assert_close(layer.resonance.detach(), target - 0.5 * layer.units[0], rtol=1e-6, atol=0)
    resonators = 18 * 3 if layout == "sequential" else 3 * int(layer.fields.present.sum())
    assert layer.pulses_applied >= resonators


def test_tuning_errors_of_the_parallel_layout_are_those_of_single_resonators():
    device = dataclasses.replace(CHAIN.device.ideal(), tuning_error=0.1)
    layer = conv(dataclasses.replace(CHAIN, device=device), layout="parallel")
    target = layer.centres * (1 + 2e-3) * torch.ones_like(layer.resonance)
    layer.fabricate(generator_for(0))
    layer.program(target, generator_for(3))
    share = layer.state["shift"] / layer.state["nominal"]
    assert float(share.std()) == pytest.approx(2e-4, rel=0.1)
    assert float((layer.resonance.detach() / layer.centres - 1).mean()) == pytest.approx(2e-3, rel=0.02)


def test_noise_is_that_of_the_resonators_in_series():
    layer = conv(padding=1, layout="parallel")
    layer.fabricate(generator_for(0))
    dark = torch.zeros(4000, 2, *IMAGE, dtype=torch.float64)
    with torch.no_grad():
        noise = (layer(dark) - layer.bias[:, None, None]).std(0)
    sigma = layer.chain.device.noise_voltage()
    assert float(noise[:, 2, 2].mean()) == pytest.approx(sigma * math.sqrt(18), rel=0.05)
    assert float(noise[:, 0, 0].mean()) == pytest.approx(sigma * math.sqrt(8), rel=0.05)


def test_virtual_chips_come_and_go():
    layer, x = conv(layout="parallel", listening="field", sources="oscillators"), powers(2)
    before = layer(x).detach()
    layer.imagine(1.0, generator_for(0))
    assert not torch.allclose(layer(x), before, rtol=1e-2, atol=1e-6)
    layer.imagine(0.0, None)
    torch.testing.assert_close(layer(x).detach(), before)


def test_one_more_half_linewidth_is_the_unit_of_every_resonator():
    layer = conv()
    torch.testing.assert_close(layer.units[0] / layer.centres, torch.full((18,), 1e-3, dtype=torch.float64))
    y = torch.tensor([0, 1])
    before, state = layer.resonance.detach().clone(), Backpropagation(lr=0.5).start(layer, 1, 1)
    state.begin(generator_for(0))
    F.cross_entropy(layer(powers(2)).flatten(1), y).backward()
    state.step(generator_for(0))
    moved = ((layer.resonance.detach() - before) / layer.units[0]).abs()
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5), rtol=1e-2, atol=0)  # the first step of Adam


def test_counts_are_readings_of_every_chain_at_every_position():
    def held(layer):
        return layer.counts().events["holding a tuned resonance"]

    assert held(conv()) == held(conv(layout="parallel")) == 3 * 18 * 12
    edge = held(conv(padding=1, layout="parallel"))
    assert edge == 3 * 2 * (IMAGE[0] * 3 - 2) * (IMAGE[1] * 3 - 2)  # no resonator where there is no pixel
    assert held(conv(padding=1)) == 3 * 18 * 30
    standing = "line amplifier, standing by"  # one line, for as many readings as there are
    assert conv().counts().events[standing] == 12 and conv(layout="parallel").counts().events[standing] == 1
    with pytest.raises(RefusedError, match="give image="):
        SpinDiodeConv2d(2, 3, 3, circuit=CHAIN).counts()


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("layout", ["sequential", "parallel"])
def test_what_is_absorbed_goes_with_the_power_of_the_image(layout, padding):
    layer, event = conv(padding=padding, layout=layout), "resonator, per full tone"
    known = layer.counts().events[event]  # without images: half of the full power everywhere
    if padding and layout == "sequential":  # beyond the edges of an image there is none
        known *= (IMAGE[0] * 3 - 2) * (IMAGE[1] * 3 - 2) / (9 * IMAGE[0] * IMAGE[1])
    for share in (0.0, 0.25, 0.5, 1.0):
        x = torch.full((5, 2, *IMAGE), share * CHAIN.full_power)
        assert layer.counts_of(x).events[event] == pytest.approx(2 * share * known)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "serial"}, "layout must be 'sequential' or 'parallel', not 'serial'"),
        ({"listening": "own"}, "listening must be 'all' or 'field', not 'own'"),
        ({"layout": "parallel", "image": None}, "give image="),
        ({"image": (2, 5)}, "a kernel of 3 x 3 does not fit an image of 2 x 5 pixels"),
        ({"circuit": dataclasses.replace(CHAIN, band_low=1e9, band_high=9e9), "sources": "line"}, "sources must be"),
        ({"chips": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_refused_in_one_line(change, message):
    with pytest.raises((ParameterError, ValueError), match=message) as caught:
        SpinDiodeConv2d(2, 3, 3, **{"circuit": CHAIN, "image": IMAGE, **change})
    assert "\n" not in str(caught.value)


def test_tones_outside_the_tuning_range_are_refused():
    device = SpinDiode(highest_frequency=5e9)
    with pytest.raises(ParameterError, match="outside the tuning range"):
        SpinDiodeConv2d(2, 3, 3, circuit=RfChain(device, band_low=1e9, band_high=9e9))


@pytest.mark.parametrize(
    ("power", "message"),
    [
        (torch.zeros(4, 2, 5, 6), r"takes images \(batch, 2, 6, 5\), not shape \(4, 2, 5, 6\)"),
        (torch.zeros(4, 3, *IMAGE), r"takes images"),
        (torch.zeros(2, *IMAGE), r"takes images"),
        (torch.full((4, 2, *IMAGE), -1e-9), r"negative \(-1e-09 W\)"),
        (torch.full((4, 2, *IMAGE), math.nan), "not finite"),
    ],
)
@pytest.mark.parametrize("layout", ["sequential", "parallel"])
def test_bad_images_are_refused_in_one_line(layout, power, message):
    layer = SpinDiodeConv2d(2, 3, 3, circuit=CHAIN, layout=layout, image=IMAGE)
    with pytest.raises(ParameterError, match=message) as caught:
        layer(power)
    assert "\n" not in str(caught.value)


def test_a_saved_chip_computes_the_same():
    layer = conv(layout="parallel", sources="oscillators").float()
    layer.fabricate(generator_for(0))
    layer.noisy_reads = False
    other = conv(layout="parallel", sources="oscillators").float()
    other.load_state_dict(layer.state_dict())
    other.noisy_reads = False
    torch.testing.assert_close(other(powers(2).float()), layer(powers(2).float()))
