"""The read-out against an independent least squares, chip by chip; every kind of hidden layer; refusals."""

import numpy as np
import pytest
import torch

from nanoneurons import circuits, devices, learning, networks
from nanoneurons.core.errors import DataError, ParameterError, RefusedError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.chipwise import ChipBatchNorm, DigitalReadout
from nanoneurons.learning.extreme_learning import ExtremeLearning

CHIPS, CLASSES, FEATURES, SAMPLES = 2, 3, 3, 300
KINDS = {"rf": ("rf-chain", "spin-diode"), "analog": ("crossbar", "ideal"), "binary": ("differential-pair", "ideal")}


def task(seed=0):
    """Three classes on a ring around the centre: no linear map of two of the inputs separates the first class."""
    generator = generator_for(seed, "rings")
    y = torch.arange(SAMPLES) % CLASSES
    x = torch.rand(SAMPLES, FEATURES, generator=generator)
    radius, angle = 0.05 + 0.2 * y, 6.3 * torch.rand(SAMPLES, generator=generator)
    x[:, 0], x[:, 1] = 0.5 + radius * torch.cos(angle), 0.5 + radius * torch.sin(angle)
    return x, y


def clusters():
    """Three noisy patterns of 12 inputs."""
    generator = generator_for(0, "clusters")
    y = torch.arange(SAMPLES) % CLASSES
    patterns = torch.rand(CLASSES, 12, generator=generator)
    return 0.5 * patterns[y] + 0.5 * torch.rand(SAMPLES, 12, generator=generator), y


def build(kind="rf", chips=CHIPS, spec="3-40-3", **values):
    name, device = KINDS[kind]
    circuit = circuits.catalogue[name].build(devices.get(device), **values)
    network = networks.build(
        spec, kind=kind, circuit=circuit, chips=chips, shape=(int(spec.split("-")[0]),), classes=CLASSES, seed=1
    )
    network.fabricate(generator_for(1, "chips"))
    return network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chips", [None, CHIPS])
def test_trains_a_read_out_and_nothing_else(kind, chips):
    x, y = clusters()
    network = build(kind, chips, "12-40-3")
    layer, *_ = network.device_layers
    before = {name: value.clone() for name, value in network.state_dict().items() if "running" not in name}
    trained = ExtremeLearning().train(network, x, y, CLASSES, seed=0)
    assert isinstance(trained[-1], DigitalReadout)
    assert trained.device_layers == [layer]
    for name, value in before.items():
        if "num_batches" not in name:
            assert torch.equal(network.state_dict()[name], value), name
    lead = () if chips is None else (chips,)
    assert trained(x).shape == (*lead, SAMPLES, CLASSES)
    assert (learning.accuracy(trained, x, y) > 0.8).all(), "a third is chance"
    again = ExtremeLearning().train(build(kind, chips, "12-40-3"), x, y, CLASSES, seed=0)
    assert torch.equal(again[-1].weight, trained[-1].weight)


def test_is_the_ridge_regression_of_each_chips_own_features():
    """Against solve() on the design matrix, with the one ridge that is offered; no noise, so features repeat."""
    x, y = task()
    network = build("rf", CHIPS)
    for layer in network.device_layers:
        layer.noisy_reads = False
    rule = ExtremeLearning(lowest_ridge=1e-4, highest_ridge=1e-4, steps=1)
    trained = rule.train(network, x, y, CLASSES, seed=0)
    features = rule.hidden(network)(x).detach().double().numpy()
    targets = np.eye(CLASSES)[y.numpy()]
    assert not np.allclose(features[0], features[1]), "chips are alike"
    for chip in range(CHIPS):
        unit = np.sqrt((features[chip] ** 2).mean())
        design = np.concatenate([np.ones((SAMPLES, 1)), features[chip] / unit], 1)
        gram = design.T @ design
        ridge = 1e-4 * np.trace(gram) / len(gram)
        wanted = np.linalg.solve(gram + ridge * np.eye(len(gram)), design.T @ targets)
        np.testing.assert_allclose(trained[-1].weight[chip] * unit, wanted[1:], rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(trained[-1].offset[chip], wanted[0], rtol=1e-6, atol=1e-8)


def test_a_chip_learns_the_same_alone_or_among_others():
    x, y = task()
    rule = ExtremeLearning()
    many, few = (rule.train(build("analog", chips), x, y, CLASSES, seed=0) for chips in (3, 1))
    torch.testing.assert_close(many[-1].weight[:1], few[-1].weight)


def test_hidden_layer_beats_the_inputs_alone_on_rings():
    x, y = task()
    x_test, y_test = task(1)
    flat = torch.cat([torch.ones(SAMPLES, 1), x], 1).double()
    best = torch.linalg.lstsq(flat, torch.eye(CLASSES).double()[y]).solution
    ones = torch.cat([torch.ones(SAMPLES, 1), x_test], 1).double()
    linear = float(((ones @ best).argmax(1) == y_test).double().mean())
    network = build("rf", 4, "3-200-3", full_power=0.5e-6)
    trained = ExtremeLearning().train(network, x, y, CLASSES, seed=0)
    assert float(learning.accuracy(trained, x_test, y_test).mean()) > linear + 0.1


def test_noise_is_met_by_choosing_the_ridge_on_held_back_samples():
    """As many features as samples: the pseudo-inverse fits the noise, a chosen ridge does not."""
    x, y = task()
    x_test, y_test = task(1)
    network = build("rf", 4, "3-240-3")
    tiny = ExtremeLearning(lowest_ridge=1e-14, highest_ridge=1e-14, steps=1)
    chosen = ExtremeLearning()
    accuracy = [
        float(learning.accuracy(rule.train(network, x, y, CLASSES, seed=0), x_test, y_test).mean())
        for rule in (tiny, chosen)
    ]
    assert accuracy[1] > accuracy[0] + 0.02


def test_batch_normalisation_takes_the_statistics_of_the_samples():
    x, y = clusters()
    trained = ExtremeLearning().train(build("binary", spec="12-40-3"), x, y, CLASSES, seed=0)
    (norm,) = [m for m in trained if isinstance(m, ChipBatchNorm)]
    seen = trained[: list(trained).index(norm) + 1](x)
    assert float(seen.detach().mean(1).abs().max()) < 1e-3
    assert norm.momentum == pytest.approx(0.1)


def test_refusals():
    x, y = task()
    rule = ExtremeLearning()
    with pytest.raises(RefusedError, match=r"1 device layer\(s\); give two or more"):
        rule.train(build(spec="3-3"), x, y, CLASSES, seed=0)
    with pytest.raises(DataError, match="300 inputs and 299 labels"):
        rule.train(build(), x, y[1:], CLASSES, seed=0)
    with pytest.raises(DataError, match="labels from 0 to 2 do not fit 2 classes"):
        rule.train(build(), x, y, 2, seed=0)
    with pytest.raises(ParameterError, match="must not lie above highest_ridge"):
        ExtremeLearning(lowest_ridge=0.5)


def test_ridges_span_their_range():
    ridges = ExtremeLearning().ridges()
    assert ridges[0] == pytest.approx(1e-10) and ridges[-1] == pytest.approx(1e-1)
    np.testing.assert_allclose(np.diff(np.log10(ridges)), 1.0)
