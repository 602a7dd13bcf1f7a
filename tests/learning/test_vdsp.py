"""Voltage-dependent plasticity: the change of one synapse in closed form, and what learning makes of digits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import data, learning
from nanoneurons.core.errors import RefusedError
from nanoneurons.learning.vdsp import VDSP
from nanoneurons.networks import _plasticity
from nanoneurons.networks.competitive import build_competitive

RATE = 0.01


def changed(w, v, up=RATE, down=RATE):
    """Weights after an output spike, from the compiled law."""
    row = np.array(w, dtype=np.float64)
    v = np.broadcast_to(np.asarray(v, dtype=np.float64), row.shape).copy()
    _plasticity.change(_plasticity.VDSP, np.array([up, down]), row, v, np.zeros(len(row), np.int64))
    return row


def state(**settings):
    network = build_competitive("6-3", shape=(6,), classes=2)
    return VDSP(rate=RATE, **settings).start(network, 1, 1)


@given(st.floats(0, 1), st.floats(-30, 30), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=200, deadline=None)
def test_the_change_is_the_published_closed_form(w, v, up, down):
    expected = up * (1 - w) * math.expm1(-v) if v < 0 else -down * w * math.expm1(v)
    assert changed([w], v, up, down)[0] == pytest.approx(min(max(w + expected, 0), 1), rel=1e-12, abs=1e-15)


def test_an_input_that_has_just_fired_gains_and_one_about_to_fire_loses():
    assert changed([0.5], -1.0)[0] - 0.5 == pytest.approx(RATE * 0.5 * (math.e - 1), rel=1e-12)
    assert changed([0.5], 1.0)[0] - 0.5 == pytest.approx(-RATE * 0.5 * (math.e - 1), rel=1e-12)
    assert changed([0.5], 0.0)[0] == 0.5
    sizes = [changed([0.5], v)[0] - 0.5 for v in np.linspace(-1, 1, 21)]
    assert (np.diff(sizes) < 0).all()


def test_weights_stay_between_their_bounds_and_stop_there():
    w = np.linspace(0, 1, 11)
    for v in (-5.0, 5.0):
        after = changed(w, v, 1.0, 1.0)
        assert ((after >= 0) & (after <= 1)).all()
    assert changed([1.0], -1.0)[0] == 1.0
    assert changed([0.0], 1.0)[0] == 0.0
    many = w
    for _ in range(2000):
        many = changed(many, -1.0)
    assert (many > 0.999).all()


def test_devices_are_asked_for_the_same_change():
    rule = state()
    v = torch.tensor([[-1.0, -0.3, 0.0, 0.4, 0.9, 1.0]], dtype=torch.float64)
    w = torch.tensor([[0.1, 0.9, 0.4, 0.6, 0.2, 1.0]], dtype=torch.float64)
    asked = rule.wanted(v, w, torch.zeros_like(v))
    assert asked.unit == "weight"
    np.testing.assert_allclose(w[0].numpy() + asked.change[0].numpy(), changed(w[0].numpy(), v[0].numpy()), rtol=1e-12)


def test_compiled_and_device_paths_learn_the_same():
    """A law that the kernel does not know is asked for at every output spike; the weights must come out equal."""
    networks = [build_competitive("6-3", shape=(6,), classes=2, seed=3).double() for _ in range(2)]
    x = torch.rand(30, 6, generator=torch.Generator().manual_seed(0))
    for network, law in zip(networks, (_plasticity.VDSP, _plasticity.NO_LAW), strict=True):
        rule = VDSP(rate=RATE).start(network, 1, 1)
        rule.law = law
        assert network.present(x, rule, torch.Generator()).sum() > 30
    one, two = (network.synapses.weight for network in networks)
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    assert not torch.equal(one, build_competitive("6-3", shape=(6,), classes=2, seed=3).double().synapses.weight)


def test_default_settings_learn_the_embedded_digits():
    digits = data.load("digits")
    rule = VDSP()
    network = rule.build_network("auto", shape=digits.shape, classes=10)
    before = network.synapses.weight.clone()
    told = []
    learning.fit(
        network, rule, digits.x_train, digits.y_train, epochs=3, batch=100, seed=0,
        progress=lambda share, text: told.append((share, text)),
    )  # fmt: skip
    assert told[-1] == (1.0, f"last look: sample {len(digits.x_train)} of {len(digits.x_train)}")  # labelling
    learnt = float(learning.accuracy(network, digits.x_test, digits.y_test)[0])
    network.synapses.weight.data.copy_(before)
    network.label(digits.x_train, digits.y_train)
    unlearnt = float(learning.accuracy(network, digits.x_test, digits.y_test)[0])
    assert learnt > 0.75  # chance is 0.1; 0.84 on held-out training digits when the rate was chosen
    assert learnt > unlearnt + 0.1


def test_the_rate_falls_geometrically():
    network = build_competitive("6-3", shape=(6,), classes=2)
    rule = VDSP(rate=RATE, final=0.01).start(network, 5, 1)
    x, rates = torch.rand(2, 6, generator=torch.Generator().manual_seed(0)), []
    for _ in range(5):
        rule.learn(x, torch.zeros(2), torch.Generator(), torch.arange(2))
        rates.append(rule.values[0])
    np.testing.assert_allclose(rates, RATE * np.logspace(0, -2, 5), rtol=1e-12)


def test_there_are_no_gradients():
    with pytest.raises(RefusedError, match="knows no gradients"):
        state().step(torch.Generator())
