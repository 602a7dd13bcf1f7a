"""Mixed precision: whole pulses leave the accumulator, the remainder stays, and it learns."""

import pytest
import torch
from sklearn.datasets import load_digits

from nanoneurons import devices, learning, networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.learning.mixed_precision import MixedPrecision


def test_nothing_is_lost_between_accumulator_and_device():
    """Wanted change = change of the devices + remainder, and the remainder is less than one pulse."""
    circuit = Crossbar(devices.get("pulsed:gokmen-vlasov")).only()
    layer = AnalogLinear(8, 3, circuit=circuit, bias=False)
    layer.fabricate(generator_for(1))
    pulse = circuit.pulse_weight((3, 8))
    start, wanted = layer.weight.detach().clone(), torch.zeros(3, 8)
    state = MixedPrecision(lr=1.0, final=1.0).start(layer, 20, 1)
    for k in range(20):
        state.begin(generator_for(2))
        gradient = torch.randn(3, 8, generator=generator_for(3, k)) * 0.4 * pulse
        layer.weight.grad = gradient.clone()
        wanted -= gradient
        state.step(generator_for(4))
    (remainder,) = state.state()
    assert bool((remainder.abs() < pulse).all())
    assert float(layer.pulses_applied) > 0
    torch.testing.assert_close(layer.weight - start + remainder, wanted, rtol=0, atol=1e-2 * pulse)


@pytest.mark.parametrize("spec", ["pulsed:reram-es", "pulsed:pcm", "hfox-weak-reset"])
def test_learns_digits(spec):
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=generator_for(0, "digits"))
    x, y = torch.tensor(x, dtype=torch.float32)[order] / 16, torch.tensor(y)[order]
    circuit = Crossbar(devices.get(spec))
    network = networks.build("auto", kind="analog", circuit=circuit, chips=2, shape=(64,), classes=10, seed=1)
    network.program_initial(generator_for(2))  # as an audit does
    learning.fit(network, MixedPrecision(), x[:1200], y[:1200], epochs=3, batch=10, seed=3)
    # chance is 0.1; devices that go one way only saturate, and are not asked for as much
    bound = 0.75 if len(circuit.device.directions) == 2 else 0.5
    assert learning.accuracy(network, x[1200:], y[1200:]).mean().item() > bound


def test_refusals():
    rule = MixedPrecision()
    with pytest.raises(RefusedError, match="crossbar"):
        rule.accept(DifferentialPair(devices.get("hfox-weak-reset")))
    with pytest.raises(RefusedError, match="intermediate"):
        rule.accept(Crossbar(devices.get("hfox-binary"), mapping="pair"))
