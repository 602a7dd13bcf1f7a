"""Physics-aware training: backpropagation where devices are ideal; else the chip forward, its twin backward."""

import pytest
import torch
from torch.nn import functional as F

from nanoneurons import devices, learning, networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.backpropagation import Backpropagation
from nanoneurons.learning.physics_aware import PhysicsAware

REAL = RfChain(devices.get("spin-diode"))
IDEAL = RfChain(REAL.device.ideal(), neuron=REAL.neuron.ideal())


def task(samples=40):
    x = torch.rand(samples, 6, generator=generator_for(0, "x"), dtype=torch.float64)
    return x, (x @ torch.randn(6, 3, generator=generator_for(0, "w"), dtype=torch.float64)).argmax(1)


def build(circuit, chips=None, kind="rf", seed=1):
    return networks.build("6-5-3", kind=kind, circuit=circuit, chips=chips, shape=(6,), classes=3, seed=seed)


def chip(circuit, chips=None, kind="rf"):
    net = build(circuit, chips, kind)
    net.program_initial(generator_for(2))
    return net


def numbers(net):
    """Weights and biases in units of their layer."""
    for layer in net.device_layers:
        yield (layer.weight / layer.units[0]).detach().double()
        yield (layer.bias / layer.units[1]).detach().double()


# -- ideal devices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("twin", ["ideal", "calibrated"])
@pytest.mark.parametrize("chips", [None, 2])
def test_with_ideal_devices_it_is_backpropagation(twin, chips):
    """Double precision: the same resonances and biases after ten steps, but for roundings of 1e-16 of 70 MHz."""
    circuit = RfChain(devices.get("spin-diode", tuning=0.4).ideal(), neuron=IDEAL.neuron)
    x, y = task()
    software, fabricated = build(circuit).double(), chip(circuit, chips)
    fabricated.double()
    for one, two in zip(software.device_layers, fabricated.device_layers, strict=True):
        one.resonance.data = (two.resonance if chips is None else two.resonance[0]).detach().clone()
    settings = {"lr": 0.05, "digital_lr": 0.05}
    start = list(numbers(software))
    learning.fit(software, Backpropagation(**settings), x, y, epochs=5, batch=20, seed=1)
    learning.fit(fabricated, PhysicsAware(twin=twin, **settings), x, y, epochs=5, batch=20, seed=1)
    for before, one, two in zip(start, numbers(software), numbers(fabricated), strict=True):
        torch.testing.assert_close(two, one.expand(two.shape), rtol=0, atol=1e-7)
        assert float((one - before).abs().max()) > 0.1


def test_with_an_ideal_crossbar_it_is_backpropagation():
    """Single precision, real numbers of pulses; steps of 0.05 of a weight's unit."""
    circuit = Crossbar(devices.get("ideal").ideal()).only()
    x, y = task()
    software, fabricated = build(circuit, kind="analog"), chip(circuit, kind="analog")
    for one, two in zip(software.device_layers, fabricated.device_layers, strict=True):
        one.weight.data = two.weight.detach().clone()
    settings = {"lr": 0.05, "digital_lr": 0.05}
    learning.fit(software, Backpropagation(**settings), x.float(), y, epochs=5, batch=20, seed=1)
    learning.fit(fabricated, PhysicsAware(twin="ideal", **settings), x.float(), y, epochs=5, batch=20, seed=1)
    for one, two in zip(numbers(software), numbers(fabricated), strict=True):
        torch.testing.assert_close(two, one, rtol=0, atol=1e-3)


# -- real devices -------------------------------------------------------------------------------------


def test_forward_is_the_chips_and_backward_the_twins():
    """Loss of the chip; gradient by the chain rule through nominal devices, each at the chip's own input."""
    net = chip(REAL)
    x, y = task()
    x = x.float()
    state = PhysicsAware(twin="ideal").start(net, 1, 1)
    for layer in net.device_layers:
        layer.noisy_reads = False
    state.begin(generator_for(0))
    out = net(x)
    with torch.no_grad():
        assert torch.equal(out, net(x))
    F.cross_entropy(out, y).backward()

    _, power, first, neuron, second, readout = net
    with torch.no_grad():
        v1 = first(power(x))
        p2 = neuron(v1)
        v2 = second(p2)
    logits = readout(v2).requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(logits, y), logits)
    g2 = g * readout.scale
    p2.requires_grad_()
    twin2 = REAL.device.detected(p2) @ second.ideal_matrix().T
    grad_f2, g_p = torch.autograd.grad((twin2 * g2).sum(), (second.resonance, p2))
    v1.requires_grad_()
    (g1,) = torch.autograd.grad((REAL.neuron_power(v1) * g_p).sum(), v1)
    twin1 = power(x) @ first.ideal_matrix().T
    (grad_f1,) = torch.autograd.grad((twin1 * g1).sum(), first.resonance)
    torch.testing.assert_close(second.resonance.grad, grad_f2, rtol=1e-4, atol=1e-6 * float(grad_f2.abs().max()))
    torch.testing.assert_close(first.resonance.grad, grad_f1, rtol=1e-4, atol=1e-6 * float(grad_f1.abs().max()))
    torch.testing.assert_close(second.bias.grad, g2.sum(0))
    torch.testing.assert_close(first.bias.grad, g1.sum(0))


def test_a_calibrated_twin_is_the_chip():
    net = chip(REAL)
    for layer in net.device_layers:
        layer.noisy_reads = False
    x, y = task()
    PhysicsAware(twin="calibrated").start(net, 1, 1)
    F.cross_entropy(net(x.float()), y).backward()
    found = [p.grad.clone() for p in net.parameters()]
    for p in net.parameters():
        p.grad = None
    for module in net.modules():
        if hasattr(module, "gradient"):
            assert module.gradient == "own"
    F.cross_entropy(net(x.float()), y).backward()
    assert all(torch.equal(a, p.grad) for a, p in zip(found, net.parameters(), strict=True))


def test_devices_are_corrected_towards_the_wanted_values():
    """After each step what was asked of the devices is what is wanted, but for the tuning error of the last shift."""
    circuit = RfChain(devices.get("spin-diode", tuning_error=0.1), neuron=REAL.neuron)
    net, (x, y) = chip(circuit), task()
    state, noise = PhysicsAware(lr=0.1, twin="ideal").start(net, 10, 1), generator_for(0)
    for _ in range(5):
        before = [layer.resonance.detach().clone() for layer in net.device_layers]
        state.begin(noise)
        F.cross_entropy(net(x.float()), y).backward()
        state.step(noise)
    for layer, wanted, old in zip(net.device_layers, state.wanted, before, strict=True):
        inside = (wanted - layer.centres).abs() < 0.05 * layer.centres
        miss, asked = (wanted - layer.resonance.detach()).abs(), (wanted - old).abs()
        assert bool((miss <= 0.5 * asked + 16)[inside].all())  # five deviations of 10 %; 70 MHz are stored to 8 Hz


def test_the_network_is_as_before_afterwards():
    net = chip(REAL)
    state = PhysicsAware(twin="ideal").start(net, 1, 1)
    assert all(m.gradient == "ideal" for m in net.modules() if hasattr(m, "gradient"))
    assert all(layer.twin is wanted for layer, wanted in zip(net.device_layers, state.wanted, strict=True))
    state.finish()
    assert all(m.gradient == "own" for m in net.modules() if hasattr(m, "gradient"))
    assert all(layer.twin is None for layer in net.device_layers)


def test_crossbar_errors_pass_through_the_wanted_weights():
    """The gradient of a hidden layer flows through the twin's weights of the next, the activations are the chip's."""
    net, (x, y) = chip(Crossbar(devices.get("pulsed:reram-es")), kind="analog"), task()
    x = x.float()
    state = PhysicsAware(twin="ideal").start(net, 1, 1)
    first, second = net.device_layers
    second.twin = state.wanted[1] = second.weight.detach() + 0.3  # as if devices had missed it
    for layer in (first, second):
        layer.noisy_reads = False
    out = net(x)
    F.cross_entropy(out, y).backward()
    logits = out.detach().requires_grad_()
    (g,) = torch.autograd.grad(F.cross_entropy(logits, y), logits)
    with torch.no_grad():
        hidden = first(x)
    wanted = ((g @ second.twin) * (hidden > 0)).T @ x
    torch.testing.assert_close(first.weight.grad, wanted, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(second.weight.grad, g.T @ hidden.relu(), rtol=1e-4, atol=1e-7)


def test_learns_where_software_weights_fail():
    """Resonances spread by two half linewidths: written weights are lost, chips in the loop learn around it."""
    device = devices.get("spin-diode", resonance_spread=0.02)
    circuit = RfChain(device, neuron=REAL.neuron)
    x, y = task(200)
    x = x.float()
    settings = {"lr": 0.1, "digital_lr": 0.1}
    software, written = build(circuit), build(circuit, 4)
    learning.fit(software, Backpropagation(**settings), x, y, epochs=30, batch=20, seed=1)
    written.fabricate(generator_for(2))
    written.program(software, generator_for(3))
    trained = chip(circuit, 4)
    learning.fit(trained, PhysicsAware(twin="calibrated", **settings), x, y, epochs=30, batch=20, seed=1)
    plain, aware = (learning.accuracy(net, x, y) for net in (written, trained))
    assert float(aware.mean()) > float(plain.mean()) + 0.1
    assert float(aware.min()) > 0.7


def test_refusals():
    with pytest.raises(RefusedError, match="no intermediate states"):
        PhysicsAware().accept(Crossbar(devices.get("hfox-binary"), mapping="pair"))
    PhysicsAware().accept(DifferentialPair(devices.get("hfox-binary")))
    PhysicsAware().accept(REAL)
    with pytest.raises(RefusedError, match="needs chips; call network.fabricate"):
        PhysicsAware(twin="ideal").start(build(REAL), 1, 1)


def test_trimmed_chips_start_as_designed_and_need_no_more():
    """Deviations are tuned out before the first step; what is wanted is then what the devices hold."""
    circuit = RfChain(devices.get("spin-diode", tuning_error=0.0, damping_spread=0.0, sensitivity_spread=0.0))
    net = networks.build("6-4-3", kind="rf", circuit=circuit, chips=2, shape=(6,), classes=3, seed=1)
    net.program_initial(generator_for(0, "chips"))
    first = net.device_layers[0]
    before = circuit.device.resonance(first.state) - first.state["nominal"]
    designed = first.weight.detach().clone()
    state, noise = PhysicsAware(preparation="trimmed").start(net, 1, 1), generator_for(1)
    state.begin(noise)
    found = circuit.device.resonance(first.state)
    assert float(before.abs().max()) > 1e5
    assert torch.allclose(found, designed, rtol=1e-6), "every resonance stands where it was designed"
    assert torch.equal(state.wanted[0], first.weight)
    again = first.weight.detach().clone()
    state.begin(noise)
    assert torch.equal(first.weight, again), "once"
