"""Scellier and Bengio 2017: the published networks, the protocol of the test, and the check of the tolerance."""

from dataclasses import replace

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.papers.scellier2017_ep import _networks, experiment
from nanoneurons.papers.scellier2017_ep._networks import LAYOUTS, WAYS, Digits, build, rates_of


def test_the_networks_are_those_of_the_authors_program():
    assert [LAYOUTS[n].sizes[1:-1] for n in (1, 2, 3)] == [(500,), (500, 500), (500, 500, 500)]
    assert [(LAYOUTS[n].steps, LAYOUTS[n].nudged_steps) for n in (1, 2, 3)] == [(20, 4), (150, 6), (500, 8)]
    network = build(LAYOUTS[2], WAYS["published"], seed=0)
    assert network.dynamics.setting == "leaky"
    assert network.dynamics.step == 0.5
    assert network.dynamics.force == 2.0, "its cost has no factor of a half"
    assert (network.relaxation.steps, network.relaxation.order) == (150, "synchronous")
    for coupling, (inside, outside) in zip(network.couplings, [(784, 500), (500, 500), (500, 10)], strict=True):
        bound = (6 / (inside + outside)) ** 0.5
        assert 0.98 * bound < float(coupling.weight.detach().abs().max()) <= bound
    assert not any(b.detach().any() for b in network.biases)


def test_biases_learn_at_the_rate_of_the_coupling_below():
    rule = _networks.EquilibriumPropagation(begin="last")
    state = rule.start(build(LAYOUTS[3], WAYS["ours"], seed=0), 1, 1)
    rates_of(LAYOUTS[3], 2.0)(state)
    assert state.rates == pytest.approx([0.256, 0.064, 0.016, 0.004])
    assert state.bias_rates == state.rates


def test_training_validation_and_test_digits_are_apart():
    digits = Digits.of(0, 0, torch.device("cpu"))
    whole = len(digits.x) + len(digits.x_valid)
    assert len(digits.x_valid) == whole // 6
    few = Digits.of(50, 30, torch.device("cpu"))
    assert (len(few.x), len(few.x_valid), len(few.x_test)) == (50, 30, 30)
    assert len(few.y.unique()) > 5
    rows = {tuple(r) for r in digits.x[:, 200:500].tolist()}
    assert sum(tuple(r) in rows for r in digits.x_valid[:, 200:500].tolist()) < 5


def test_the_test_begins_at_zero_settles_and_leaves_the_network_as_it_was():
    digits = Digits.of(20, 30, torch.device("cpu"))
    network = build(LAYOUTS[1], WAYS["published"], seed=0)
    kept = network.relaxation, network.dynamics
    error, residual = _networks.test_error(network, digits.x_test, digits.y_test, 1e-4)
    assert residual < 1e-4
    assert (network.relaxation, network.dynamics) == kept
    with torch.no_grad():  # the same state by many small steps of the published motion
        answers = network.outputs(network.relax(digits.x_test, steps=400).states).argmax(-1)
    assert error == pytest.approx(float((answers != digits.y_test).double().mean()))


def test_a_tolerance_saves_steps_and_hardly_changes_the_weights():
    """A few mini-batches of two hidden layers, with persistent states."""
    digits, ends = Digits.of(60, 30, torch.device("cpu")), []
    for tolerance in (0.0, 0.01):
        found = _networks.train(
            LAYOUTS[2], WAYS["ours"], digits, seed=0, epochs=2, batch=20, factor=1.0, tolerance=tolerance,
            progress=lambda share, text: None,
        )  # fmt: skip
        ends.append(torch.tensor(found["kernels"]))
    start = build(LAYOUTS[2], WAYS["ours"], seed=0).couplings[0].weight.detach()[:20]
    assert float((ends[0] - ends[1]).norm()) < 0.1 * float((ends[0] - start).norm())


def test_settings_that_cannot_work():
    for values, message in (
        ({"ways": ("fast",)}, "ways = 'fast' must be among published"),
        ({"tolerance": 1.0}, "tolerance"),
        ({"deep_factor": 0.0}, "above 0"),
        ({"torch_device": "tpu"}, "'auto', 'cpu' or 'cuda'"),
    ):
        with pytest.raises(ParameterError, match=message):
            replace(experiment.QUICK, **values)
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="no GPU"):
            replace(experiment.QUICK, torch_device="cuda").place(3)


def test_jobs_and_quantities_fit_together():
    """Made-up results: every job is named in a quantity, and every published quantity is there."""
    config = replace(experiment.Config(), seeds=2)
    result = {
        "test": 0.02, "last": 0.03, "train": 0.0, "valid": [0.05, 0.02], "loss": [1.0, 0.5], "residual": 1e-4,
        "seconds": 10.0, "best": 2, "samples": [50000, 10000, 10000], "notice": "", "device": "cpu",
        "kernels": torch.zeros(20, 784).tolist(),
    }  # fmt: skip
    results = {job: dict(result) for job in experiment.jobs(config)[0]}
    results["tolerance/seed0"] = {"all": result, "stopped": {**result, "seconds": 2.0}}
    rows = {q.quantity: q for q in experiment.quantities(config, results)}
    assert set(experiment_published()) <= set(rows)
    assert rows["net1-ours-test-error"].measured == pytest.approx(2.0)
    assert rows["net1-ours-test-error"].seeds == 2
    assert rows["net3-ours-test-error"].seeds == 1
    assert rows["tolerance-saves"].measured == pytest.approx(5.0)
    assert len(experiment.figures(config, results)) == 4


def experiment_published():
    from nanoneurons.papers import load_published

    return load_published("scellier2017-ep")
