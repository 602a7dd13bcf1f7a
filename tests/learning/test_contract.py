"""Every rule declares itself; one for layers runs on every device that holds weights, or is refused with the reason."""

import warnings

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices, learning
from nanoneurons.core.errors import ConvergenceWarning, RefusedError, UnknownNameError
from nanoneurons.core.random import generator_for

HOLDERS = [name for name in devices.catalogue if devices.get(name).kind in ("memory", "resonator")]
SPECS = [spec for name in HOLDERS for spec in (name, *(f"{name}:{p}" for p in devices.presets(name)))]
CIRCUITS = list(circuits.catalogue)
RULES = [name for name in learning.catalogue if issubclass(learning.catalogue[name], learning.LayerRule)]
# Every such device under every rule in every circuit; presets share their device's code: under the default rule.
CASES = [(r, c, d) for r in RULES for c in CIRCUITS for d in HOLDERS]
CASES += [(devices.get(s).default_rule, c, s) for c in CIRCUITS for s in SPECS if ":" in s]
CHIPS, CLASSES, SHAPE = 2, 3, (12,)


def task():
    """Sixteen samples of three classes: two mini-batches of eight."""
    generator = generator_for(0, "task")
    y = torch.arange(16) % CLASSES
    return (torch.rand(16, *SHAPE, generator=generator) + y[:, None]) / CLASSES, y


def build(rule, circuit, chips):
    return rule.build_network(
        rule.networks[0] if rule.networks else "12-6-3",
        kind=circuit.layers,
        circuit=circuit,
        chips=chips,
        shape=SHAPE,
        classes=CLASSES,
        seed=1,
    )


def train(rule, circuit):
    """Two mini-batches as an audit does them; returns the chips and the record of the one epoch."""
    x, y = task()
    chips = build(rule, circuit, CHIPS)
    chips.fabricate(generator_for(1, "chips"))
    before = [layer.weight.detach().clone() for layer in chips.device_layers]
    network = chips if rule.in_situ else build(rule, circuit, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # these inputs are wild on purpose
        (record,) = learning.fit(network, rule, x, y, epochs=1, batch=8, seed=1)
    if not rule.in_situ:
        chips.program(network, generator_for(1, "program"))
    return chips, before, record


def check_declarations(rule):
    """What every rule says of itself, whatever it trains."""
    assert rule.title
    assert rule.local
    assert rule.citation.lstrip().startswith("@")
    assert rule.trains in ("layers", "oscillators", "read-outs")
    assert isinstance(rule, learning.LayerRule) == (rule.trains == "layers")
    for p in rule.parameters():
        assert p.unit
        assert p.doc
        assert p.source
        assert p.choices is not None or (p.low is not None and p.high is not None), f"{p.name} needs a range"


@pytest.mark.parametrize("name", list(learning.catalogue))
def test_declares_itself(name):
    check_declarations(learning.get(name))


@pytest.mark.parametrize("name", RULES)
def test_a_layer_rule_declares_its_defaults(name):
    rule = learning.get(name)
    assert rule.layers
    assert set(rule.layers) <= {"binary", "analog", "rf", "spiking", "likelihood"}
    assert rule.default_epochs >= 1
    assert rule.default_batch >= 1
    assert rule.default_updates >= 1


def test_a_rule_for_oscillators_is_a_rule(samples):
    assert "frequency-shift" in learning.catalogue
    rule = learning.get("frequency-shift", rate=0.5)
    assert not isinstance(rule, learning.LayerRule)
    check_declarations(rule)
    with pytest.raises(UnknownNameError, match="rate"):
        learning.get("frequency-shift", rat=0.5)


@pytest.mark.parametrize(("name", "circuit_name", "spec"), CASES)
def test_runs_or_is_refused_with_a_reason(name, circuit_name, spec):
    rule = learning.get(name)
    legacy = np.random.get_state  # the global state is what must not move
    numpy_before = legacy()[1].copy()
    state = torch.get_rng_state()
    try:  # nothing is fabricated before circuit and rule have agreed
        circuit = circuits.catalogue[circuit_name](device=devices.get(spec))
        rule.accept(circuit)
    except RefusedError as error:
        reason = str(error)
        assert "\n" not in reason
        assert len(reason.split()) >= 6, f"not a reason: {reason}"
        return
    chips, before, record = train(rule, circuit)
    assert np.isfinite(record["loss"])
    x, y = task()
    accuracy = learning.accuracy(chips, x, y)
    assert accuracy.shape == (CHIPS,)
    assert ((accuracy >= 0) & (accuracy <= 1)).all()
    for layer in chips.device_layers:
        assert torch.isfinite(layer.weight).all()
    if rule.in_situ:
        assert sum(layer.pulses_applied for layer in chips.device_layers) > 0, "no device pulse was counted"
    changed = any(not torch.equal(a, layer.weight) for a, layer in zip(before, chips.device_layers, strict=True))
    assert changed, "no weight changed"
    assert torch.equal(torch.get_rng_state(), state), "moved the global random state"
    assert (legacy()[1] == numpy_before).all()

    again, _, _ = train(rule, circuit)
    for one, two in zip(chips.device_layers, again.device_layers, strict=True):
        assert torch.equal(one.weight, two.weight), "the same seed gave other weights"


@pytest.mark.parametrize("spec", SPECS)
def test_default_rule_accepts_the_device_in_some_circuit(spec):
    device = devices.get(spec)
    rule = learning.get(device.default_rule)
    reasons = []
    for circuit_name in CIRCUITS:
        try:
            rule.accept(circuits.catalogue[circuit_name](device=device))
        except RefusedError as error:
            reasons.append(str(error))
        else:
            return
    pytest.fail("; ".join(reasons))
