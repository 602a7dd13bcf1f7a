"""The reproduction in miniature: noises, estimates, jobs, rows and figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.papers import load_published
from nanoneurons.papers.laborieux2022_holomorphic_ep import experiment

KEY = "laborieux2022-holomorphic-ep"
TINY = dataclasses.replace(
    experiment.QUICK, seeds=1, hidden=(16, 8), free_steps=6, nudged_steps=3, epochs=1, train_samples=200,
    test_samples=100,
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, seen = tmp_path_factory.mktemp("run"), []
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("NANONEURONS_DATA", raising=False)
        found = {
            job: experiment.run(TINY, job, folder, lambda share, text: seen.append(share))
            for stage in experiment.jobs(TINY)
            for job in stage
        }
    assert seen and all(0 <= share <= 1 for share in seen)
    return found


def test_every_row_has_a_published_entry_and_back(results):
    rows = experiment.quantities(TINY, results)
    assert {r.quantity for r in rows} == set(load_published(KEY))
    for row in rows:
        assert 0 <= row.measured <= 100
        assert row.seeds == 1 and row.spread is None


def test_figures_are_drawn(results):
    for figure in experiment.figures(TINY, results):
        for width in (4.0, 9.0):
            canvas = matplotlib.figure.Figure((width, figure.height), layout="constrained")
            figure.draw(canvas)
            assert canvas.axes


def test_a_job_gives_the_same_result_again(results, tmp_path):
    for job in ("own/holomorphic/seed0", "common/one-sided-small/seed0"):
        again = experiment.run(TINY, job, tmp_path, lambda share, text: None)
        assert {k: v for k, v in again.items() if k != "seconds"} == {
            k: v for k, v in results[job].items() if k != "seconds"
        }


def test_noise_is_what_the_job_says(results):
    assert experiment.network_of(TINY, "none", 0).dynamics.noise == 0
    own, common = (experiment.network_of(TINY, noise, 0).dynamics for noise in ("own", "common"))
    assert own.noise == common.noise == 0.04
    assert common.common_noise and not own.common_noise
    first = {noise: results[f"{noise}/centred/seed0"]["loss"][0] for noise in experiment.NOISES}
    assert len(set(first.values())) == 3


def test_initial_weights_have_the_variance_of_the_program():
    network = experiment.network_of(experiment.Config(), "none", 0)
    for edge in network.edges:
        fan_in = edge.coupling.weight.shape[1]
        assert float(edge.coupling.weight.detach().var()) * fan_in == pytest.approx(1, rel=0.03)


def test_noise_of_the_estimates_falls_with_beta():
    """Spread of the estimated change of a weight under noise: in proportion to one over beta, less when centred."""
    config = dataclasses.replace(TINY, hidden=(16, 8), free_steps=30, nudged_steps=30)
    draw = torch.Generator().manual_seed(0)
    x, y = torch.rand(20, 784, generator=draw), torch.arange(20) % 10
    spread = {}
    for kind in ("one-sided-small", "one-sided-large", "centred"):
        network = experiment.network_of(config, "own", 0)
        state = experiment.rule_of(dataclasses.replace(config, lr=1.0, final=1.0), kind).start(network, 1, 1)
        begun = [p.detach().clone() for p in network.parameters()]
        weight = network.edges[1].coupling.weight
        before = weight.detach().clone()
        changes = []
        for _ in range(60):
            state.learn(x, y, draw, torch.arange(20))
            changes.append((weight.detach() - before).numpy().copy())
            with torch.no_grad():
                for p, q in zip(network.parameters(), begun, strict=True):
                    p.copy_(q)
        spread[kind] = np.sqrt(np.var(changes, axis=0).mean())
    ratio = config.large / config.small
    assert spread["one-sided-small"] / spread["one-sided-large"] == pytest.approx(ratio, rel=0.1)
    assert spread["one-sided-large"] / spread["centred"] == pytest.approx(2, rel=0.1)


def test_settings_that_contradict_each_other_are_refused(tmp_path):
    with pytest.raises(ParameterError, match=r"common_seeds = 4 is more than seeds = 3"):
        experiment.Config(common_seeds=4)
    with pytest.raises(ParameterError, match=r"small = 0.0 must be above 0"):
        experiment.Config(small=0.0)
    wide = dataclasses.replace(TINY, held_out=10**6)
    with pytest.raises(ParameterError, match="held_out = 1000000 leaves no image"):
        experiment.run(wide, "none/centred/seed0", tmp_path, lambda share, text: None)
