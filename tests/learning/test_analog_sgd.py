"""SGD by stochastic pulse trains: the wanted mean, the law of the counts, and that it learns."""

import math

import pytest
import torch
from sklearn.datasets import load_digits

from nanoneurons import devices, learning, networks
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.circuits.differential_pair import DifferentialPair
from nanoneurons.core.errors import RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.devices.ideal import Ideal
from nanoneurons.layers.analog import AnalogLinear
from nanoneurons.learning.analog_sgd import AnalogSgd
from nanoneurons.physics.pulse_trains import draw_counts


def digits():
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=generator_for(0, "digits"))
    return torch.tensor(x, dtype=torch.float32)[order] / 16, torch.tensor(y)[order]


def train(rule, circuit, epochs=3, chips=2):
    x, y = digits()
    network = networks.build("64-32-10", kind="analog", circuit=circuit, chips=chips, shape=(64,), classes=10, seed=1)
    network.fabricate(generator_for(2))
    before = learning.accuracy(network, x[1200:], y[1200:])
    history = learning.fit(network, rule, x[:1200], y[:1200], epochs=epochs, batch=10, seed=3)
    return before, learning.accuracy(network, x[1200:], y[1200:]), history


def test_ideal_device_is_plain_sgd():
    """With a device that follows every change exactly, the rule is SGD: weights agree to single precision."""
    layer = AnalogLinear(8, 3, circuit=Crossbar(Ideal()).only(), seed=1)
    layer.fabricate(generator_for(1))
    twin = torch.nn.Linear(8, 3)
    with torch.no_grad():
        twin.weight.copy_(layer.weight)
        twin.bias.copy_(layer.bias)
    rule = AnalogSgd(lr=0.3, digital_lr=0.3, final=1.0)
    state = rule.start(layer, 10, 1)
    sgd = torch.optim.SGD(twin.parameters(), lr=0.3)
    noise = generator_for(2)
    for k in range(10):
        x = torch.randn(16, 8, generator=generator_for(3, k))
        y = torch.randint(3, (16,), generator=generator_for(4, k))
        state.begin(noise)
        torch.nn.functional.cross_entropy(layer(x), y).backward()
        state.step(noise)
        sgd.zero_grad()
        torch.nn.functional.cross_entropy(twin(x), y).backward()
        sgd.step()
    torch.testing.assert_close(layer.weight, twin.weight, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(layer.bias, twin.bias, rtol=1e-4, atol=1e-5)


def test_counts_agree_with_the_streams_played_out():
    """Bit streams of 200 slots for every sample, against counts drawn once: mean and variance of up and down.

    2,000 repetitions of 6 cells: the standard error of a mean is sd/45, of a variance about 3.5 %; four and five
    of them are allowed. The streams' variance is below Poisson by the chance of a meeting per slot (here at
    most 1.3 %).
    """
    repeats, slots, samples = 2000, 200, 8
    x = torch.rand(samples, 3, generator=generator_for(1)) - 0.4
    d = torch.rand(samples, 2, generator=generator_for(2)) - 0.5
    per_unit = 4.0  # expected meetings of |x||d| = 1
    chance = math.sqrt(per_unit / slots)  # of a pulse per slot and unit, on either side
    up, down = torch.zeros(repeats, 2, 3), torch.zeros(repeats, 2, 3)
    noise = generator_for(3)
    for b in range(samples):
        rows = torch.rand(repeats, slots, 2, generator=noise) < d[b].abs() * chance
        columns = torch.rand(repeats, slots, 3, generator=noise) < x[b].abs() * chance
        met = torch.einsum("rso,rsi->roi", rows.float(), columns.float())
        rising = (d[b, :, None] * x[b]) > 0
        up += met * rising
        down += met * ~rising
    change, activity = d.T @ x, d.abs().T @ x.abs()
    drawn = draw_counts(change.expand(repeats, 2, 3), activity.expand(repeats, 2, 3), per_unit, 11)
    for played, counts in zip((up, down), drawn, strict=True):
        counts = counts.float()
        error = counts.std(0) / math.sqrt(repeats)
        assert bool(((played.mean(0) - counts.mean(0)).abs() <= 4 * math.sqrt(2) * error + 1e-9).all())
        big = counts.var(0) > 0.5  # the variance of rare counts is known too badly to compare
        ratio = played.var(0)[big] / counts.var(0)[big]
        assert bool(((ratio - 1).abs() < 0.25).all())
        assert ratio.mean().item() == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("spec", ["pulsed:idealized", "pulsed:ecram", "pulsed:reram-es"])
def test_learns_digits(spec):
    """From chance (10 %) far up in three epochs; the accuracies differ by device and are not compared here."""
    before, after, history = train(AnalogSgd(), Crossbar(devices.get(spec)))
    assert before.mean().item() < 0.35
    assert after.mean().item() > (0.5 if spec == "pulsed:reram-es" else 0.8)
    assert history[-1]["loss"] < history[0]["loss"]


def test_one_way_devices_learn_in_a_pair():
    """Weak RESET only ever loses conductance and saturates, so it learns badly; but it does learn."""
    before, after, _ = train(AnalogSgd(), Crossbar(devices.get("hfox-weak-reset")), epochs=2)
    # ten points are four standard errors of the difference on some 600 held-out digits, and two chips
    assert after.mean().item() > before.mean().item() + 0.1


def test_is_reproducible():
    results = [train(AnalogSgd(), Crossbar(devices.get("pulsed:reram-es")), epochs=1)[1] for _ in range(2)]
    assert torch.equal(*results)


def test_chips_train_alone():
    """Two chips trained together: the first is the one that a single chip would be."""
    results = [train(AnalogSgd(), Crossbar(devices.get("pulsed:ecram")), epochs=1, chips=n)[1] for n in (1, 2)]
    assert results[0][0].item() == pytest.approx(results[1][0].item(), abs=0.01)  # sums may round differently


def test_refusals():
    rule = AnalogSgd()
    with pytest.raises(RefusedError, match="crossbar"):
        rule.accept(DifferentialPair(devices.get("hfox-weak-reset")))
    with pytest.raises(RefusedError, match="intermediate"):
        rule.accept(Crossbar(devices.get("hfox-binary"), mapping="pair"))
    rule.accept(Crossbar(devices.get("pulsed:reram-es")))
    with pytest.raises(RefusedError, match="fabricate"):
        rule.start(AnalogLinear(3, 2, circuit=Crossbar(devices.get("pulsed:reram-es"))), 1, 1)
