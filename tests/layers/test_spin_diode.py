"""Layers of resonators: plain formula, finite differences, chips one by one, twins, tuning, saved chips, bad input."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.func import functional_call

from nanoneurons import devices, networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import Update
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.physics.spin_diode import rectified


def chain(**values):
    """Ideal diodes and neurons but for `values`; spreads of the neuron with their prefix."""
    neuron = {n: v for n, v in values.items() if n.startswith("neuron_")}
    circuit = RfChain.build(devices.get("spin-diode").ideal(), neuron_frequency_spread=0.0, neuron_voltage_spread=0.0)
    names = {p.name for p in circuit.device.parameters()}
    device = devices.get("spin-diode", **circuit.device.values() | {n: v for n, v in values.items() if n in names})
    neuron = circuit.neuron.values() | {n.removeprefix("neuron_"): v for n, v in neuron.items()}
    own = {n: v for n, v in values.items() if n not in names and not n.startswith("neuron_")}
    return RfChain.build(device, **own, **{"neuron_" + n: v for n, v in neuron.items()})


SPREAD = {"resonance_spread": 0.005, "damping_spread": 0.1, "sensitivity_spread": 0.1}


def powers(*shape, seed=5, dtype=torch.float32):
    return 1e-6 * torch.rand(*shape, generator=generator_for(seed), dtype=dtype)


def made(layer, seed=1):
    layer.fabricate(generator_for(seed))
    return layer


def plain(layer, power):
    """Voltages of a software layer with the whole tensor of tones and resonators."""
    circuit = layer.chain
    f, t = layer.resonance.unsqueeze(-2), layer.tones.unsqueeze(-1)
    sign = 2.0 * (torch.arange(f.shape[-1]) % 2) - 1
    response = rectified(t, f, circuit.device.damping, circuit.device.symmetric)
    weight = circuit.device.nominal_sensitivity * (sign * response).sum(-1)
    return circuit.device.detected(power) @ weight.transpose(-2, -1) + layer.bias.unsqueeze(-2)


# -- what is computed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("plan", ["linear", "geometric"])
@pytest.mark.parametrize(("tones", "symmetric"), [(1, 0.0), (2, 0.5), (7, 0.0), (16, 0.3)])
def test_equals_the_plain_formula(tones, symmetric, plan):
    """One tone, an even and an odd number of resonators."""
    layer = SpinDiodeLinear(tones, 3, circuit=chain(symmetric=symmetric, plan=plan)).double()
    x = powers(5, tones, dtype=torch.float64)
    assert layer(x).shape == (5, 3)
    torch.testing.assert_close(layer(x), plain(layer, x), rtol=1e-10, atol=1e-14)


def test_one_tone_at_the_extremes_gives_the_largest_voltage_of_either_sign():
    layer = SpinDiodeLinear(1, 3, bias=False, circuit=chain()).double()
    f, h = 70e6 if layer.chain.plan == "linear" else math.sqrt(20e6 * 120e6), 0.01
    tone = float(layer.tones)
    with torch.no_grad():
        layer.resonance.copy_(torch.tensor([[tone / (1 + h)], [tone], [tone / (1 - h)]]))
    assert tone == pytest.approx(f, rel=1e-6)
    found = layer(torch.tensor([[2e-6]], dtype=torch.float64))[0] / (2e-6 * layer.chain.device.nominal_sensitivity)
    torch.testing.assert_close(found, torch.tensor([-1.0, 0, 1.0], dtype=torch.float64), rtol=0, atol=1e-9)


def test_a_fabricated_chip_adds_what_its_diodes_rectify():
    """Each with its own resonance, damping and sensitivity, under every tone of its chip."""
    circuit = chain(**SPREAD, neuron_frequency_spread=0.01)
    layer = made(SpinDiodeLinear(5, 3, circuit=circuit, chips=2, sources="oscillators"))
    layer.apply_update(Update(1e5 * torch.randn(2, 3, 5, generator=generator_for(2))), generator_for(3))
    state = {n: v.double() for n, v in layer.state.items()}
    x = powers(2, 4, 5)
    sign = torch.tensor([-1.0, 1, -1, 1, -1], dtype=torch.float64)
    wanted = layer.bias.double().unsqueeze(-2).repeat(1, 4, 1)
    for sample in range(4):
        for i in range(5):
            tone, power = state["tones"][:, None, None, i], x[:, sample, None, None, i].double().expand(2, 3, 5)
            wanted[:, sample] += (sign * circuit.device.rectify(state, power, tone)).sum(-1)
    # single precision of frequencies over a half linewidth of a hundredth: 6e-8 / 0.01 of 8.8 mV each
    torch.testing.assert_close(layer(x).double(), wanted, rtol=0, atol=5 * 4 * 6e-6 * 8.8e-3)


def test_initial_resonances_scatter_around_their_plan():
    layer = SpinDiodeLinear(256, 400)
    shift = (layer.resonance - layer.centres).detach().double()
    assert float(shift.std()) == pytest.approx(1e6 / 16, rel=0.01)  # 1 MHz over the root of 256: Ross et al. 2023
    assert float(layer.bias.detach().std()) == pytest.approx(0.01 / 20, rel=0.15)


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 99))
def test_voltages_of_spectra_add_up(a, b, seed):
    """A square-law detector is linear in power; nothing comes from nothing."""
    layer = SpinDiodeLinear(6, 3, bias=False, circuit=chain(), seed=seed).double()
    x, y = powers(2, 6, dtype=torch.float64), powers(2, 6, seed=6, dtype=torch.float64)
    torch.testing.assert_close(layer(a * x + b * y), a * layer(x) + b * layer(y), rtol=1e-9, atol=1e-15)
    assert float(layer(0 * x).detach().abs().max()) == 0


def test_fewer_resonators_than_tones():
    tones = torch.linspace(25e6, 90e6, 9, dtype=torch.float64)
    layer = SpinDiodeLinear(9, 2, tones=tones, resonators=tones[1::3], circuit=chain()).double()
    assert layer.resonance.shape == (2, 3)
    x = powers(4, 9, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain(layer, x), rtol=1e-10, atol=1e-14)


# -- gradients ----------------------------------------------------------------------------------------

CASES = {
    "software": {},
    "symmetric": {"symmetric": 0.4},
    "detector": {"exponent": 0.8, "compression": 2e5},
    "no crosstalk": {"crosstalk": 0.0},
    "spread": SPREAD,
}


@pytest.mark.parametrize("chips", [None, 2])
@pytest.mark.parametrize("name", CASES)
def test_gradients_by_finite_differences(name, chips):
    """Resonance in MHz, bias in mV, power in uW, voltage in mV; float64."""
    layer = SpinDiodeLinear(5, 2, circuit=chain(**CASES[name]), chips=chips).double()
    if name == "spread":
        made(layer)
        layer.double()
    start = [(layer.resonance / 1e6), layer.bias * 1e3, 0.1 + 1e6 * powers(3, 5, dtype=torch.float64)]
    start = [v.detach().clone().requires_grad_() for v in start]

    def run(resonance, bias, power):
        values = {"resonance": 1e6 * resonance, "bias": 1e-3 * bias}
        return 1e3 * functional_call(layer, values, (1e-6 * power,))

    assert torch.autograd.gradcheck(run, start, eps=1e-6, atol=1e-5, rtol=1e-5)


def test_gradients_of_a_whole_network_by_finite_differences():
    """Chains, oscillators and chains, where no neuron stands at its threshold or clamp."""
    net = networks.build("6-4-3", kind="rf", circuit=chain(), chips=None, shape=(6,), classes=3, seed=2).double()
    net.device_layers[0].bias.data = torch.tensor([-1e-3, -3e-3, -5e-3, -12e-3], dtype=torch.float64)
    x = 0.2 * torch.rand(3, 6, generator=generator_for(0), dtype=torch.float64)
    names = [n for n, _ in net.named_parameters()]
    unit = {n: 1e6 if n.endswith("resonance") else 1e-3 for n in names}
    start = [(p / unit[n]).detach().clone().requires_grad_() for n, p in net.named_parameters()]
    circuit, voltage = net[3].circuit, net[:3](x).detach()
    wanted = (voltage + circuit.bias_voltage) * circuit.transconductance
    inside = (wanted > 10e-6) & (wanted < 40e-6)
    assert 0.3 < float(inside.double().mean()) < 1
    assert float(torch.minimum((wanted - 10e-6).abs(), (wanted - 40e-6).abs()).min()) > 1e-8

    def run(*values):
        return functional_call(net, {n: unit[n] * v for n, v in zip(names, values, strict=True)}, (x,))

    assert torch.autograd.gradcheck(run, start, eps=1e-6, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("exponent", [0.7, 1.3])
def test_silent_tones_give_no_wild_gradient(exponent):
    """Oscillators below threshold emit nothing, where the slope of a power law is infinite or zero."""
    layer = SpinDiodeLinear(3, 2, circuit=chain(exponent=exponent))
    x = torch.tensor([[0.0, 1e-6, 0.0]], requires_grad=True)
    layer(x).sum().backward()
    assert bool(torch.isfinite(x.grad).all())
    assert bool(torch.isfinite(layer.resonance.grad).all())


# -- twins --------------------------------------------------------------------------------------------


def gradients(layer, x, gradient):
    layer.gradient = gradient
    x = x.clone().requires_grad_()
    out = layer(x)
    wanted = torch.randn(out.shape, generator=generator_for(8), dtype=out.dtype)
    return out.detach(), torch.autograd.grad((out * wanted).sum(), (x, layer.resonance, layer.bias))


@pytest.mark.parametrize("chips", [None, 2])
def test_twin_gradients_are_the_own_ones_of_ideal_devices(chips):
    layer = made(SpinDiodeLinear(6, 4, circuit=chain(), chips=chips))
    x = powers(5, 6)
    (out, own), (out_twin, twin) = gradients(layer, x, "own"), gradients(layer, x, "ideal")
    assert torch.equal(out, out_twin)
    for a, b in zip(own, twin, strict=True):
        assert torch.equal(a, b)


def test_twin_gradients_are_those_of_the_nominal_device_at_the_chips_own_input():
    circuit = chain(**SPREAD, neuron_frequency_spread=0.01, temperature=300.0)
    layer = made(SpinDiodeLinear(6, 4, circuit=circuit, sources="oscillators"))
    layer.noisy_reads = False
    nominal = SpinDiodeLinear(6, 4, circuit=circuit)
    nominal.load_state_dict({"resonance": layer.resonance, "bias": layer.bias})
    x = powers(5, 6)
    out, own = gradients(layer, x, "own")
    out_twin, twin = gradients(layer, x, "ideal")
    out_nominal, wanted = gradients(nominal, x, "own")
    assert torch.equal(out, out_twin)
    assert not torch.allclose(out, out_nominal, rtol=1e-2)
    for a, b, c in zip(twin, wanted, own, strict=True):
        assert torch.equal(a, b)
        assert a is twin[2] or not torch.allclose(a, c, rtol=1e-2)


def test_without_gradients_the_chip_is_read_once(monkeypatch):
    layer = made(SpinDiodeLinear(6, 4, circuit=chain(**SPREAD)))
    layer.gradient = "ideal"
    monkeypatch.setattr(layer, "ideal_matrix", lambda: pytest.fail("the twin was computed"))
    with torch.no_grad():
        layer(powers(2, 6))


def test_virtual_chips():
    """`imagine` computes with a chip as `fabricate` would draw it, with its own gradient, and forgets it again."""
    circuit = chain(**SPREAD, neuron_frequency_spread=0.01)
    layer = SpinDiodeLinear(6, 4, circuit=circuit, sources="oscillators")
    x = powers(5, 6)
    ideal = layer(x)
    layer.imagine(1.0, generator_for(4))
    imagined, grads = gradients(layer, x, "own")
    assert not layer.fabricated
    assert not torch.allclose(imagined, ideal, rtol=1e-3)
    real = SpinDiodeLinear(6, 4, circuit=circuit, sources="oscillators")
    start = real.resonance.detach().clone()
    made(real, 4)
    real.resonance.data = start  # as asked for; what fabrication did stays
    found, real_grads = gradients(real, x, "own")
    assert torch.equal(found, imagined)
    for a, b in zip(grads, real_grads, strict=True):
        assert torch.equal(a, b)
    layer.imagine(0.0, generator_for(4))
    assert torch.equal(layer(x), ideal)


def test_virtual_chips_carry_a_share_of_the_spread():
    layer = SpinDiodeLinear(50, 40, circuit=chain(resonance_spread=0.01))
    sizes = []
    for share in (0.5, 1.0, 2.0):
        layer.imagine(share, generator_for(4))
        sizes.append(layer.imagined["deviation"])
    torch.testing.assert_close(sizes[0], sizes[1] / 2, rtol=0, atol=3e-7)  # rounding of 1 + deviation
    torch.testing.assert_close(sizes[2], sizes[1] * 2, rtol=0, atol=3e-7)


# -- chips, noise, tuning, saving ---------------------------------------------------------------------


@pytest.mark.parametrize("lead", [(), (2,)])
def test_a_chip_does_not_depend_on_its_neighbours(lead):
    """Outputs and gradients of chip 1 are the same to the bit beside one or two others, noise and tones included."""
    circuit = chain(**SPREAD, neuron_frequency_spread=0.01, temperature=300.0, tuning_error=0.1)
    x, found = powers(*lead, 5, 6), []
    for chips in (2, 3):
        layer = made(SpinDiodeLinear(6, 4, circuit=circuit, chips=chips, sources="oscillators"))
        layer.apply_update(Update(torch.full((chips, 4, 6), 1e5)), generator_for(2))
        given = x if not lead else torch.cat([x, x[:1]])[:chips]
        out = layer(given)
        out.square().sum().backward()
        found.append((layer.state["tones"][1], out[1], layer.resonance.grad[1], layer.bias.grad[1]))
    for one, two in zip(*found, strict=True):
        assert torch.equal(one, two)


def test_shared_and_own_inputs_agree():
    layer = made(SpinDiodeLinear(6, 4, circuit=chain(**SPREAD), chips=3))
    x = powers(5, 6)
    torch.testing.assert_close(layer(x), layer(x.expand(3, 5, 6)), rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(layer(x), layer(x[None]), rtol=1e-5, atol=1e-8)


def test_noise_of_a_reading():
    """Independent noise of every resonator of a chain: sqrt(n) times that of one; new with each reading."""
    circuit = chain(temperature=300.0)
    layer = made(SpinDiodeLinear(16, 8, bias=False, circuit=circuit, chips=2))
    silent = torch.zeros(1000, 16)
    first, second = layer(silent).detach(), layer(silent).detach()
    assert not torch.equal(first, second)
    sigma = 4 * circuit.device.noise_voltage()
    assert float(first.std()) == pytest.approx(sigma, rel=4 / math.sqrt(2 * 16_000))
    layer.noisy_reads = False
    assert float(layer(silent).detach().abs().max()) == 0
    assert torch.equal(SpinDiodeLinear(16, 8, bias=False, circuit=circuit)(silent), torch.zeros(1000, 8))


@pytest.mark.parametrize("fabricated", [False, True])
def test_resonances_stay_in_their_tuning_range(fabricated):
    layer = SpinDiodeLinear(4, 3, circuit=chain(tuning=0.02))
    if fabricated:
        made(layer)
    shift = layer.apply_update if fabricated else lambda update, _: layer.move(update.change)
    shift(Update(torch.full((3, 4), 1e9)), generator_for(2))
    torch.testing.assert_close(layer.resonance.detach(), (1.02 * layer.centres).expand(3, 4))
    shift(Update(torch.full((3, 4), -3e9)), generator_for(2))
    torch.testing.assert_close(layer.resonance.detach(), (0.98 * layer.centres).expand(3, 4))


def test_a_fabricated_layer_starts_at_its_plan_and_can_be_written():
    layer = SpinDiodeLinear(4, 3, circuit=chain(**SPREAD))
    initial = layer.resonance.detach().clone()
    made(layer)
    assert torch.equal(layer.resonance, layer.centres.expand(3, 4))
    layer.program(initial, generator_for(2))
    limit = 0.05 * layer.centres
    wanted = torch.minimum(torch.maximum(initial, layer.centres - limit), layer.centres + limit)
    torch.testing.assert_close(layer.resonance.detach(), wanted, rtol=1e-6, atol=0)
    assert layer.pulses_applied == 12


@pytest.mark.parametrize("chips", [None, 2])
def test_the_saved_state_is_the_chip(tmp_path, chips):
    """A fabricated network, written with safetensors and loaded into a fresh one, answers to the bit."""
    circuit = RfChain(devices.get("spin-diode"))

    def build(seed):
        return networks.build("6-5-3", kind="rf", circuit=circuit, chips=chips, shape=(6,), classes=3, seed=seed)

    net, other = build(1), build(2)
    net.program_initial(generator_for(1))
    save_file(net.state_dict(), tmp_path / "chip.safetensors")
    other.load_state_dict(load_file(tmp_path / "chip.safetensors"))
    x = torch.rand(4, 6, generator=generator_for(0))
    for each in (net, other):
        for layer in each.device_layers:
            layer.noisy_reads = False
    assert torch.equal(net(x), other(x))
    other.refresh()
    assert torch.equal(net(x), other(x))
    for one, two in zip(net.device_modules, other.device_modules, strict=True):
        assert one.state.keys() == two.state.keys()
    # the chip goes on learning as the first would have
    for each in (net, other):
        each(x).square().sum().backward()
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one.grad, two.grad)


def test_neither_input_nor_global_state_is_touched():
    layer = made(SpinDiodeLinear(6, 4, circuit=RfChain(devices.get("spin-diode"))))
    x = powers(5, 6)
    before, state = x.clone(), torch.get_rng_state()
    layer(x)
    assert torch.equal(x, before)
    assert torch.equal(torch.get_rng_state(), state)


# -- bad input ----------------------------------------------------------------------------------------


def tones(*values):
    return torch.tensor(values, dtype=torch.float64)


LAYER = SpinDiodeLinear(3, 2)
CHIPS = SpinDiodeLinear(3, 2, chips=2)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: LAYER(torch.zeros(2, 4)), ParameterError, r"listens to 3 tones, .* shape \(2, 4\); give \(batch, 3\)"),
        (lambda: LAYER(torch.zeros(3)), ParameterError, r"shape \(3,\); give \(batch, 3\), one power per tone"),
        (lambda: LAYER(torch.tensor([[0.0, -1e-9, 0]])), ParameterError, "power is negative \\(-1e-09 W\\)"),
        (lambda: LAYER(torch.tensor([[0.0, math.nan, 0]])), ParameterError, "power is not finite"),
        (lambda: LAYER(torch.tensor([[0.0, math.inf, 0]])), ParameterError, "power is not finite"),
        (lambda: CHIPS(torch.zeros(3, 5, 3)), ParameterError, "has 2 chips, but the spectra come for 3"),
        (lambda: SpinDiodeLinear(2, 1, tones=tones(2e7, 2e10)), ParameterError, "tone 1 at 2e\\+10 Hz lies outside"),
        (lambda: SpinDiodeLinear(2, 1, tones=tones(2e7, math.nan)), ParameterError, "tone 1 at nan Hz lies outside"),
        (lambda: SpinDiodeLinear(2, 1, tones=tones(2e7, 2e7)), ParameterError, "tones 0 and 1, .* on one frequency"),
        (lambda: SpinDiodeLinear(2, 1, tones=tones(2e7, 3e7), resonators=tones(5e7, 5e7)), ParameterError, "one freq"),
        (lambda: SpinDiodeLinear(3, 1, tones=tones(2e7, 3e7)), ParameterError, r"3 inputs need as many tones, not .*2"),
        (lambda: SpinDiodeLinear(2, 1, sources="antenna"), ParameterError, "'generator' or 'oscillators'"),
        (lambda: SpinDiodeLinear(2, 1, circuit=Crossbar(devices.get("pulsed"))), RefusedError, "needs the circuit 'rf"),
        (lambda: AnalogLinear(2, 1, circuit=RfChain(devices.get("spin-diode"))), RefusedError, "holds resonances"),
        (lambda: LAYER.program(torch.zeros(2, 3), generator_for(0)), RefusedError, "is not fabricated; call fabricate"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(call, error, said):
    with pytest.raises(error, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)
