"""Backpropagation in software: Adam in units of layers, virtual chips, one writing, what is refused."""

import copy

import pytest
import torch
from torch import nn

from nanoneurons import devices, learning, networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.learning._gradient import AdamState
from nanoneurons.learning.backpropagation import Backpropagation

CHAIN = RfChain(devices.get("spin-diode"))


class Plain(AdamState):
    """Adam on software weights, nothing else."""

    def step(self, generator):
        self.advance(lambda _, layer, change: layer.weight.add_(change))


def task(samples=40):
    x = torch.rand(samples, 6, generator=generator_for(0, "x"))
    return x, (x @ torch.randn(6, 3, generator=generator_for(0, "w"))).argmax(1)


def rf(chips=None, circuit=CHAIN, seed=1):
    return networks.build("6-5-3", kind="rf", circuit=circuit, chips=chips, shape=(6,), classes=3, seed=seed)


def gradients(parameters, step):
    """The same made-up gradients for whoever asks, in their dtype."""
    for index, p in enumerate(parameters):
        p.grad = torch.randn(p.shape, generator=generator_for(step, index)).to(p.dtype) * 10.0 ** (index - 2)


# -- Adam ---------------------------------------------------------------------------------------------


def test_adam_is_that_of_torch_where_units_are_one():
    """A fan-in of one has the unit one; every step of a hundred."""
    layer = AnalogLinear(1, 7)
    assert layer.units == (1.0, 1.0)
    twin = copy.deepcopy(layer)
    ours, theirs = Plain(layer, 0.01, 0.01, 1.0, 100), torch.optim.Adam(twin.parameters(), lr=0.01)
    for step in range(100):
        gradients(layer.parameters(), step)
        gradients(twin.parameters(), step)
        ours.step(generator_for(0))
        theirs.step()
        for a, b in zip(layer.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)  # the order of a few roundings


@pytest.mark.parametrize("scale", [1e-12, 1.0])
def test_adam_in_units_is_adam_of_the_numbers_in_those_units(scale):
    """Of resonances in half linewidths and biases in millivolts, tiny gradients included: epsilon counts in units."""
    layer = SpinDiodeLinear(5, 3, circuit=CHAIN).double()
    unit, small = layer.units
    assert (unit, small) == (pytest.approx(0.01 * 70e6), 1e-3)
    numbers = [nn.Parameter(layer.resonance.detach() / unit), nn.Parameter(layer.bias.detach() / small)]
    ours = Plain(layer, 0.01, 0.02, 1.0, 50)
    theirs = torch.optim.Adam([{"params": numbers[:1], "lr": 0.01}, {"params": numbers[1:], "lr": 0.02}])
    for step in range(50):
        gradients(numbers, step)
        for p, n, u in zip((layer.resonance, layer.bias), numbers, (unit, small), strict=True):
            n.grad *= scale
            p.grad = n.grad / u  # dL/dtheta = dL/dn / u
        ours.step(generator_for(0))
        theirs.step()
    torch.testing.assert_close(layer.resonance / unit, numbers[0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(layer.bias / small, numbers[1], rtol=1e-12, atol=1e-12)


def test_the_learning_rate_falls_along_half_a_cosine():
    state = Plain(AnalogLinear(1, 2), 1.0, 1.0, 0.1, 10)
    factors = []
    for _ in range(12):
        state.taken += 1
        factors.append(state.factor)
    assert factors[0] == 1.0
    assert factors[5] == pytest.approx(0.55)
    assert factors[10:] == [pytest.approx(0.1)] * 2
    assert factors == sorted(factors, reverse=True)


# -- the rule -----------------------------------------------------------------------------------------


def test_learns():
    x, y = task(200)
    net = rf()
    before = float(learning.accuracy(net, x, y))
    learning.fit(net, Backpropagation(lr=0.1, digital_lr=0.1), x, y, epochs=30, batch=20, seed=1)
    assert float(learning.accuracy(net, x, y)) > max(0.8, before + 0.2)  # chance is about a third


def test_virtual_chips_change_with_every_batch_and_leave_nothing():
    x, y = task()
    net, seen = rf(), []
    rule = Backpropagation(injected=1.0)
    state, noise = rule.start(net, 4, 1), generator_for(3)
    for _ in range(3):
        state.begin(noise)
        seen.append([layer.imagined["deviation"].clone() for layer in net.device_layers])
        torch.nn.functional.cross_entropy(net(x), y).backward()
        state.step(noise)
    assert not torch.equal(seen[0][0], seen[1][0])
    assert all(module.imagined is not None for module in net.device_modules)
    state.finish()
    assert all(module.imagined is None and not module.fabricated for module in net.device_modules)


def test_virtual_chips_come_from_the_seed_and_count():
    x, y = task()
    found = []
    for injected, seed in ((1.0, 1), (1.0, 1), (1.0, 2), (0.0, 1)):
        net = rf()
        learning.fit(net, Backpropagation(injected=injected), x, y, epochs=2, batch=10, seed=seed)
        found.append(net.device_layers[0].resonance.detach())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[3])


def test_without_spread_virtual_chips_are_the_nominal_one():
    """To the rounding of single precision, in which their states are."""
    x, y = task()
    ideal = RfChain(CHAIN.device.ideal(), neuron=CHAIN.neuron.ideal())
    found = []
    for injected in (0.0, 1.0):
        net = rf(circuit=ideal)
        learning.fit(net, Backpropagation(injected=injected), x, y, epochs=2, batch=10, seed=1)
        found.append(net.device_layers[0].resonance.detach() / 0.7e6)
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-3)  # steps are 0.0094


def test_written_to_chips_within_their_tuning():
    x, y = task()
    net, chips = rf(), rf(chips=3)
    learning.fit(net, Backpropagation(), x, y, epochs=2, batch=10, seed=1)
    chips.fabricate(generator_for(2))
    chips.program(net, generator_for(3))
    for mine, theirs in zip(chips.device_layers, net.device_layers, strict=True):
        asked = theirs.resonance - mine.centres
        error = (mine.resonance - mine.centres - asked) / asked
        assert float(error.detach().std()) == pytest.approx(0.05, rel=0.3)  # tuning error of 5 %
        assert torch.equal(mine.bias, theirs.bias.expand(mine.bias.shape))


def test_refusals():
    with pytest.raises(RefusedError, match="use 'straight-through'"):
        Backpropagation().accept(DifferentialPair(devices.get("hfox-binary")))
    with pytest.raises(RefusedError, match="virtual chips of resonators only; leave out injected"):
        Backpropagation(injected=0.5).accept(Crossbar(devices.get("pulsed")))
    Backpropagation().accept(Crossbar(devices.get("pulsed")))
    Backpropagation(injected=0.5).accept(CHAIN)
    net = rf()
    net.fabricate(generator_for(1))
    with pytest.raises(RefusedError, match="before the devices are fabricated"):
        Backpropagation().start(net, 1, 1)
