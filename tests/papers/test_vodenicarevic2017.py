"""The reproduction in miniature: the theorem, decoding, jobs, rows and figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.networks.phase_network import PhaseNetwork
from nanoneurons.papers import load_published
from nanoneurons.papers.vodenicarevic2017_oscillators import _iris, _targets, experiment
from nanoneurons.papers.vodenicarevic2017_oscillators._training import numbers, restored

KEY = "vodenicarevic2017-oscillators"
TINY = dataclasses.replace(
    experiment.QUICK, first_seed=0, map_side=21, target_epochs=1, target_side=2, target_test_side=3, population=8,
    generations=2, iris_epochs=(1, 1, 1), tries=10, chips=1,
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    seen = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runner's workers
    found = {
        job: experiment.run(TINY, job, folder, lambda share, text: seen.append(share))
        for stage in experiment.jobs(TINY)
        for job in stage
    }
    torch.set_num_threads(threads)
    assert seen and all(0 <= share <= 1 for share in seen)
    return found


def test_no_order_of_three_allows_all_three_targets():
    # what is synchronised is contiguous: a pair alone is possible only if the one left out is not in the middle
    pairs = PhaseNetwork(2, 3, 2).pairs
    for middle in range(3):
        possible = [middle in pairs[int(code.nonzero())] for code in _targets.CODES]
        assert sum(possible) / 3 == pytest.approx(_targets.BOUND)


def test_random_originals_stay_within_the_bound():
    draws = generator_for(0, "originals")
    low_high = [(-5.0, 5.0)] * 3 + [(0.0, 2.0)] + [(0.0, 4.0)] * 2 + [(-2.0, 2.0)] * 4 + [(-3.0, 3.0)] * 2
    network = _targets.uniform(_targets._starts(low_high, 100, draws))
    patterns = network.patterns(_targets.points(2))
    order = network.natural.argsort(1)
    skipped = {(0, 1): 2, (0, 2): 1, (1, 2): 0}
    for n, pair in enumerate(network.pairs):  # a pair alone never leaves out the middle oscillator
        alone = patterns[..., n] & (patterns.sum(-1) == 1)
        middle = order[:, 1] == skipped[pair]
        assert not alone[middle].any()


def test_regions_and_codes_fit():
    x = _targets.points(3)
    assert x.shape == (27, 2)
    centres = torch.tensor(_targets.CENTRES, dtype=torch.float64)[_targets.regions(3)]
    assert (x - centres).abs().max() == _targets.HALF
    assert _targets.CODES.sum(1).tolist() == [1, 1, 1]


def test_folds_are_scaled_on_their_training_part():
    split = _iris.folds(3, 5)
    assert split.x_train.shape == (5, 120, 4) and split.x_test.shape == (5, 30, 4)
    assert torch.allclose(split.x_train.mean(1), torch.zeros(5, 4, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(split.x_train.std(1, correction=0), torch.ones(5, 4, dtype=torch.float64))
    for y in split.y_test:
        assert torch.bincount(y).tolist() == [10, 10, 10]
    assert not torch.equal(split.x_test, _iris.folds(4, 5).x_test)


def test_decoding():
    patterns = torch.tensor([[1, 0, 0], [0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]).bool()
    assert _iris.decode(patterns).tolist() == [0, 1, 2, 0, 0]  # the last is as near to the third: the first counts
    y = torch.tensor([2, 2, 1, 0, 0])
    seen, names = _iris._names(patterns[[0, 0, 0, 1, 1]], y)
    assert seen.tolist() == [[False, False, False], [True, False, False]]
    assert names.tolist() == [0, 2]
    assert float(_iris._named_share(patterns[[0, 0, 0, 1, 1]][None], y)) == pytest.approx(4 / 5)


def test_references_reach_what_is_known():
    right = _iris.references(_iris.folds(0, 10))
    assert sum(right["lda"]) / 150 == pytest.approx(0.98, abs=0.01)  # Fisher's own method: three or so of 150 wrong
    assert sum(right["logistic"]) / 150 > 0.93


def test_rows(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    assert set(load_published(KEY)) <= set(rows)
    assert rows["map-patterns-out-of-order"].measured == 0
    assert 2 <= rows["map-patterns"].measured <= 8  # four oscillators in order have 2^3 contiguous groupings
    assert rows["targets-original-best"].measured <= 100 * _targets.BOUND + 1e-9
    assert rows["iris-generalised"].seeds == 2
    for name in ("iris-generalised", "iris-original-pca", "iris-lda", "targets-generalised-unseen"):
        assert 0 <= rows[name].measured <= 100
    assert "48 networks" in rows["targets-original-best"].note  # 2 seeds, 8 candidates, 3 generations


def test_confusions_add_up(results):
    for kind in ("generalised", *_iris.ORIGINALS):
        found = results[f"iris/{kind}/seed0"]
        assert np.trace(found["confusion"]) == sum(found["right"])
        assert np.sum(found["confusion"]) == found["test_samples"] == 150


def test_stored_networks_come_back(results):
    network = _targets.network_of(results["targets/generalised/seed0"]["parameters"])
    again = restored(PhaseNetwork(2, 3, 2), numbers(network))
    assert torch.equal(network.counts(_targets.points(2)), again.counts(_targets.points(2)))


def test_a_job_repeats_exactly(results, tmp_path):
    for job in ("targets/original/seed1", "iris/original-pca/seed0", "iris/generalised/seed1"):
        assert experiment.run(TINY, job, tmp_path, lambda share, text: None) == results[job]


def test_figures_draw(results):
    for figure in experiment.figures(TINY, results):
        for width in (3.7, 7.4):
            canvas = matplotlib.figure.Figure(figsize=(width, 4), layout="constrained")
            figure.draw(canvas)
            ax = canvas.axes[0]
            assert (
                figure.caption
                and any(a.get_xlabel() for a in canvas.axes)
                and (ax.get_ylabel() or ax.get_yticks().size)
            )
            canvas.draw_without_rendering()
