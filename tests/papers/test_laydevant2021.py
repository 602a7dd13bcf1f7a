"""Laydevant et al. 2021: settings in the right order, seeds side by side as alone, twins, refusals."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.papers._shifts import Shifts
from nanoneurons.papers.laydevant2021_binary_ep import experiment
from nanoneurons.papers.laydevant2021_binary_ep._images import Images
from nanoneurons.papers.laydevant2021_binary_ep._rows import ROWS, network_of, prepare, rule_of, side_by_side

TINY = dataclasses.replace(
    experiment.QUICK, rows=("binary", "twin"), hidden=24, wide=24, epochs=2, train_samples=400, held_out=100,
    test_samples=100, seeds_together=1, rates=(0.2, 0.4),
)  # fmt: skip


def quiet(share, text):
    pass


def test_settings_are_listed_from_the_output_and_used_from_the_input():
    network = network_of(ROWS["binary"], "784-24-10", (784,), 0)
    state = rule_of(ROWS["binary"]).start(network, 1, 1)
    prepare(ROWS["binary"], state, 0.0)
    assert state.gammas == [1e-4, 1e-5]
    assert state.bias_rates == [0.05, 0.025]
    scales = [float(e.coupling.scale.detach()) for e in network.edges]
    bounds = [1 / 784**0.5, 1 / 24**0.5]  # the mean magnitude of uniform weights is half of it; four standard errors
    for scale, bound, count in zip(scales, bounds, (784 * 24, 240), strict=True):
        assert scale == pytest.approx(bound / 2, abs=4 * bound / (12 * count) ** 0.5 + 5e-5)
    assert all(round(s, 4) == pytest.approx(s, abs=1e-8) for s in scales)


def test_a_twin_has_the_same_phases_and_the_proportions_of_the_bias_rates():
    twin = network_of(ROWS["conv-twin"], ROWS["conv-twin"].layers, (1, 28, 28), 0)
    binary = network_of(ROWS["conv"], ROWS["conv"].layers, (1, 28, 28), 0)
    assert twin.shapes == binary.shapes == [(1, 28, 28), (32, 14, 14), (64, 7, 7), (10,)]
    assert twin.relaxation == binary.relaxation
    assert twin.dynamics == binary.dynamics
    assert torch.equal(twin.edges[0].coupling.weight.sign(), binary.edges[0].coupling.weight)
    state = rule_of(ROWS["conv-twin"]).start(twin, 1, 1)
    prepare(ROWS["conv-twin"], state, 0.4)
    assert state.rates == state.bias_rates == pytest.approx([0.4, 0.2, 0.1])


def test_binary_neurons_have_ten_outputs_per_class_and_start_at_one():
    network = network_of(ROWS["neurons"], "784-24-10", (784,), 0)
    assert network.shapes[-1] == (100,)
    assert network.outputs(network.start(network.clamp(torch.zeros(2, 784)))).tolist() == [[1.0] * 10] * 2


@pytest.mark.parametrize("name", ["binary", "twin", "neurons"])
def test_seeds_side_by_side_begin_as_alone(name):
    row = ROWS[name]
    together = side_by_side(row, "784-24-10", (784,), [3, 4])
    for k, seed in enumerate((3, 4)):
        alone = network_of(row, "784-24-10", (784,), seed)
        for p, q in zip(together.parameters(), alone.parameters(), strict=True):
            assert torch.equal(p[k], q)


def test_rows_of_seeds_side_by_side_equal_those_alone(tmp_path):
    """Up to rounding: a test image on the border may change sides, so errors may differ by a few images."""
    results = []
    for together in (1, 2):
        config = dataclasses.replace(TINY, seeds_together=together)
        found = {}
        for job in [job for stage in experiment.jobs(config) for job in stage]:
            found[job] = experiment.run(config, job, tmp_path / str(together), quiet)
        json.dumps(found)  # what a job returns can be stored
        results.append([experiment.curves(config, found, name) for name in config.rows])
        quantities = {q.quantity: q for q in experiment.quantities(config, found)}
        gaps = results[-1][0][:, -1] - results[-1][1][:, -1]
        assert quantities["binary-gap"].measured == pytest.approx(gaps.mean())
        assert quantities["neurons-gap"].measured is None
        assert len(experiment.figures(config, found)) == 2
    for alone, together in zip(*results, strict=True):
        assert alone.shape == (2, 2)
        np.testing.assert_allclose(alone, together, atol=2.1)  # two of 100 images


def test_jobs_are_those_of_the_settings():
    config = dataclasses.replace(experiment.Config(), seeds=5, seeds_together=2, conv=True, cifar="small")
    first, second = experiment.jobs(config)
    assert "rate/twin/0.1" in first and "rate/conv-twin/0.8" in first and "rate/cifar-twin/0.2" in first
    assert not any("wide-twin" in job for job in first)  # it takes the rate of the other twin
    assert [j for j in second if j.startswith("binary/")] == ["binary/seeds0-1", "binary/seeds2-3", "binary/seed4"]
    assert [j for j in second if j.startswith("conv/")] == [f"conv/seed{s}" for s in range(5)]
    assert [j for j in second if j.startswith("cifar-learnt")] == []


def test_a_small_cifar_keeps_the_settings_of_the_last_couplings():
    small = experiment.row_of(dataclasses.replace(experiment.QUICK, cifar="small"), "cifar")
    assert small.bias_rates == (0.025, 0.05, 0.1)
    network = network_of(small, small.layers, (3, 32, 32), 0)
    assert len(network.edges) == len(small.gammas) == len(small.taus) == 3
    paper = experiment.row_of(dataclasses.replace(experiment.QUICK, cifar="paper"), "cifar")
    assert paper is ROWS["cifar"]
    assert len(network_of(paper, paper.layers, (3, 32, 32), 0).edges) == len(paper.gammas) == 5


def test_wrong_settings_are_refused():
    with pytest.raises(ParameterError, match="rows = 'conv' must be of binary"):
        dataclasses.replace(TINY, rows=("conv",))
    with pytest.raises(ParameterError, match="cifar = 'all' must be one of none, small, paper"):
        dataclasses.replace(TINY, cifar="all")
    with pytest.raises(ParameterError, match="positive learning rates"):
        dataclasses.replace(TINY, rates=())
    with pytest.raises(ParameterError, match="held_out = 400 leaves no image of 400"):
        Images.of("mnist", True, 400, 0, 400, torch.device("cpu"))


def test_shifts_move_and_mirror_images_but_invent_no_pixel():
    x = torch.arange(2 * 3 * 8 * 8, dtype=torch.float32).view(2, 3, 8, 8)
    moved = Shifts(4, True, 0)(x)
    assert moved.shape == x.shape
    assert not torch.equal(moved, x)
    for sample in range(2):
        for channel in range(3):
            assert set(moved[sample, channel].flatten().tolist()) <= set(x[sample, channel].flatten().tolist())
    assert torch.equal(moved[:, 1] - moved[:, 0], torch.full((2, 8, 8), 64.0))  # channels move together
