"""The reproduction in miniature: networks, the theorem, the table, figures."""

import dataclasses

import matplotlib.figure
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.lab.runner import one_thread
from nanoneurons.papers import load_published
from nanoneurons.papers.ernoult2019_ep_bptt import _networks, experiment

KEY = "ernoult2019-ep-bptt"
TINY = dataclasses.replace(experiment.QUICK, compared=("P-1h",), train_samples=600, test_samples=200, samples=3)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    seen = []
    # on one thread, as the runner's workers, and with the embedded images, as every test
    with one_thread(), pytest.MonkeyPatch.context() as patch:
        patch.delenv("NANONEURONS_DATA", raising=False)
        patch.setenv("XDG_CACHE_HOME", str(folder))
        found = {
            job: experiment.run(TINY, job, folder, lambda share, text: seen.append(share))
            for stage in experiment.jobs(TINY)
            for job in stage
        }
    assert seen and all(0 <= share <= 1 for share in seen)
    return found


@pytest.mark.parametrize("name", _networks.TRAINED)
def test_every_coupling_trained_has_a_rate(name):
    network, trained = _networks.trained_network(name, 0), _networks.TRAINED[name]
    assert len(trained.rates) == len(network.edges)
    assert network.relaxation == trained.relaxation
    assert network.shapes[0] in ((784,), (1, 28, 28)) and network.classes == 10


def test_shapes_of_the_convolutional_network():
    network = _networks.trained_network("P-conv", 0)
    assert network.shapes == [(1, 28, 28), (32, 12, 12), (64, 4, 4), (10,)]
    assert all(float(b.detach().abs().max()) > 0 for b in network.biases)


@pytest.mark.parametrize("published", [False, True])
def test_dynamics_compared(published):
    leaky = _networks.compared_network("toy", 0, published)
    assert leaky.dtype == torch.float64
    assert leaky.dynamics.output == ("same" if published else "linear")
    prototypical = _networks.compared_network("P-1h", 0, published)
    assert prototypical.dynamics.nudge == ("outside" if published else "inside")
    x = torch.rand(2, 784)
    assert torch.equal(_networks.shown_input(prototypical, x), x)
    torch.testing.assert_close(_networks.shown_input(leaky, x), torch.tanh(x))


def test_both_rules_start_from_the_same_weights():
    one, other = (_networks.trained_network("P-1h", 4) for _ in range(2))
    assert all(torch.equal(p, q) for p, q in zip(one.parameters(), other.parameters(), strict=True))


def test_theorem_and_table(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    for block in ("s1", "s2", "w1", "w2"):
        assert 0 < rows[f"p-1h-centred-{block}"].measured < 1e-2
    assert rows["p-1h-one-sided-worst"].measured > 10 * rows["p-1h-centred-w1"].measured
    assert rows["p-1h-published-worst"].measured > rows["p-1h-one-sided-worst"].measured
    for rule in experiment.RULES:
        result = results[f"train/P-1h/{rule}/seed0"]
        assert rows[f"p-1h-{rule}-test-error"].measured == result["error"] == result["curve"][-1]
        assert result["error"] < 75  # of ten classes, after 30 mini-batches
        assert result["train_samples"] == 600 and result["test_samples"] == 200
        assert "embedded" in rows[f"p-1h-{rule}-test-error"].note
    difference = rows["p-1h-ep-test-error"].measured - rows["p-1h-bptt-test-error"].measured
    assert rows["p-1h-ep-minus-bptt"].measured == pytest.approx(difference)


def test_curves_lie_on_each_other(results):
    for block, found in results["theorem/P-1h/seed0"]["curves"].items():
        update, gradient = (torch.tensor(found[side]) for side in ("updates", "gradients"))
        assert update.shape == gradient.shape == (3, 10)
        assert float((update - gradient).norm() / gradient.norm()) < 0.05, block


def test_every_published_number_is_measured_by_default():
    config = experiment.Config()
    blocks = {block: {"mean": 0.001} for block in ("s1", "s2", "w1", "w2")}
    theorem = {variant: {**blocks, "residual": 0.0} for variant in experiment.VARIANTS}
    training = {"error": 2.0, "train_error": 1.0, "cpu_seconds": 1.0, "train_samples": 1, "test_samples": 1}
    training |= {"notice": "", "place": "cpu", "residual": 1e-7}
    results = {
        job: theorem if job.startswith("theorem") else training for stage in experiment.jobs(config) for job in stage
    }
    assert set(load_published(KEY)) <= {q.quantity for q in experiment.quantities(config, results)}


def test_the_slow_reference_is_trained_with_fewer_seeds():
    (found,) = experiment.jobs(experiment.Config())
    assert [j for j in found if j.startswith("train/P-conv/bptt")] == ["train/P-conv/bptt/seed0"]
    assert (
        sum(j.startswith("train/P-conv/ep") for j in found) == sum(j.startswith("train/P-1h/bptt") for j in found) == 3
    )
    (found,) = experiment.jobs(experiment.Config(first_seed=5, conv_bptt_seeds=2))
    assert [j[-5:] for j in found if j.startswith("train/P-conv/bptt")] == ["seed5", "seed6"]


def test_figures_draw_wide_and_narrow(results):
    for figure in experiment.figures(TINY, results):
        for width in (9.0, 4.0):
            canvas = matplotlib.figure.Figure(figsize=(width, figure.height), layout="constrained")
            figure.draw(canvas)
            assert canvas.axes
        assert figure.caption.endswith(".")


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ParameterError, match="setting trained: no network 'P-4h'"):
        experiment.Config(trained=("P-4h",))
    with pytest.raises(ParameterError, match="setting compared: no network 'tiny'"):
        experiment.Config(compared=("tiny",))
    with pytest.raises(ParameterError, match="torch_device = 'gpu' must be"):
        experiment.Config(torch_device="gpu")
    if not torch.cuda.is_available():
        config = dataclasses.replace(TINY, torch_device="cuda")
        with pytest.raises(ParameterError, match="finds no GPU here"):
            experiment.run(config, "train/P-1h/ep/seed0", None, lambda share, text: None)
