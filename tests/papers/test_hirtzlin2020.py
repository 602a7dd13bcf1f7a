"""The 2T2R reproduction in miniature: counting, verdict rule, rows, figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch
from scipy.stats import binom

from nanoneurons.core.random import generator_for
from nanoneurons.papers import load_published
from nanoneurons.papers.hirtzlin2020_bnn_2t2r import experiment
from nanoneurons.papers.hirtzlin2020_bnn_2t2r._sampling import METHODS, Point, cell_rate, count, count_through_circuit
from nanoneurons.physics import error_rates

KEY = "hirtzlin2020-bnn-2t2r"
TINY = dataclasses.replace(
    experiment.QUICK, seeds=2, rates=(1e-1, 1e-2, 1e-3), errors_per_point=100, circuit_bits=20_000,
    network="64-64-64-10", epochs=3, trained_rates=(0.0, 0.1), tested_rates=(0.0, 1e-4, 4e-2, 0.1, 0.3), masks=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    seen = []
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runner's workers; on a busy machine two threads wait for each other
    found = {
        job: experiment.run(TINY, job, folder, lambda share, text: seen.append(share))
        for stage in experiment.jobs(TINY)
        for job in stage
    }
    assert seen and all(0 <= share <= 1 for share in seen)
    torch.set_num_threads(threads)
    return found


@pytest.mark.parametrize("method", METHODS)
def test_counted_errors_agree_with_the_closed_form(method):
    for rate, n in ((0.1, 200_000), (1e-4, 5_000_000)):
        errors = count(method, rate, n, generator_for(0, "count", method))
        low, high = binom.ppf([5e-5, 1 - 5e-5], n, rate)  # a fixed seed: does not fail by chance
        assert low <= errors <= high


def test_counting_sees_a_wrong_closed_form():
    # a rate wrong by 20 % must fall outside at the number of errors of the full run (600 over three seeds)
    n = 600 * 1000
    errors = count("2t2r", 1e-3, n, generator_for(1, "power"))
    assert not Point("2t2r", "x", 1.2e-3, errors, n, ()).inside(1 - 0.05 / 26)
    assert Point("2t2r", "x", 1e-3, errors, n, ()).inside(1 - 0.05 / 26)


def test_cell_rates_put_all_methods_on_the_same_devices():
    for method in METHODS:
        assert cell_rate(method, 1e-3) >= 1e-3
    assert cell_rate("2t2r", 5.0e-4) == pytest.approx(1e-2, rel=0.01)  # the table's pair 1e-2, 5.0e-4
    assert error_rates.code_residual(cell_rate("hamming74", 1e-3), 7) == pytest.approx(1e-3)


@pytest.mark.parametrize("method", ["1t1r", "2t2r"])
def test_bits_through_device_and_circuit(method):
    device, n = experiment.circuit_device(), 300_000
    law = error_rates.threshold_error if method == "1t1r" else error_rates.pair_error
    p = float(law(device.log_window, *device.spreads()))
    low, high = binom.ppf([5e-5, 1 - 5e-5], n, p)
    assert low <= count_through_circuit(method, device, n, generator_for(0, "circuit")) <= high


def test_error_rate_rows_and_their_verdict_rule(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    for method in METHODS:
        assert rows[f"ber_{method}_at_1e-3_inside_interval"].measured in (0.0, 1.0)
    points = experiment.points_of(TINY, results)
    assert rows["ber_points_inside_their_own_95_interval"].measured == sum(p.inside(0.95) for p in points)
    assert all(p.inside(1 - 1e-5) for p in points)
    low, high = points[0].interval(0.95)
    assert low < points[0].errors / points[0].trials < high


def test_accuracy_falls_with_errors_and_training_with_errors_helps(results):
    plain, aware = (experiment.table_of(TINY, results, "train", t) for t in TINY.trained_rates)
    assert plain.shape == (2, 5)
    assert plain[:, 0].min() > 85  # a linear classifier reaches about 95 %, three epochs of a small binary network less
    assert np.all(plain[:, 0] > plain[:, -1] + 5)
    assert aware[:, 3].mean() > plain[:, 3].mean()


def test_losses_are_paired_with_the_plain_network_without_errors(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    plain = experiment.table_of(TINY, results, "train", 0.0)
    loss = rows["digits_loss_at_1e-1_error_aware"]
    assert loss.measured == pytest.approx((plain[:, 0] - experiment.table_of(TINY, results, "train", 0.1)[:, 3]).mean())
    assert loss.unit == "points" and loss.seeds == 2
    assert "95 % intervals by seed" in rows["digits_loss_at_1e-4_plain"].note


def test_a_job_repeats_exactly(results, tmp_path):
    for job in ("train/0.1/seed1", "rates/2t2r/seed0"):
        assert experiment.run(TINY, job, tmp_path, lambda share, text: None) == results[job]


def test_measured_conditions(results):
    points = experiment.operating_points()
    assert len(points["1t1r"]) == 17
    assert points["1t1r"].min() == pytest.approx(7.2e-5) and points["1t1r"].max() == pytest.approx(0.078116)
    assert np.all(points["2t2r"] < points["1t1r"])
    losses = experiment.losses_at(TINY, results, 0.0, points["1t1r"])
    assert losses.shape == (2, 17)


def test_figures_draw(results):
    for figure in experiment.figures(TINY, results):
        for width in (4, 10):
            canvas = matplotlib.figure.Figure(figsize=(width, 4))
            figure.draw(canvas)
            ax = canvas.axes[0]
            assert ax.get_xlabel() and ax.get_ylabel() and figure.caption
            canvas.draw_without_rendering()


def test_every_number_of_the_paper_is_measured_or_said_not_to_be():
    config = experiment.Config()
    done = {
        **{f"train/{t:g}/seed{s}": {
            "accuracy": {f"{r:g}": [0.98] for r in config.tested_rates},
            "paired_loss": {f"{r:g}": [0.0, 0.0] for r in config.tested_rates},
            "test_samples": 10_000, "notice": "",
        } for t in config.trained_rates for s in range(config.seeds)},
        **{f"rates/{m}/seed{s}": {
            "points": {f"{r:g}": [200, round(200 / r)] for r in config.rates}, "circuit": [100, 20_000],
        } for m in METHODS for s in range(config.seeds)},
    }  # fmt: skip
    assert set(done) == {job for stage in experiment.jobs(config) for job in stage}
    rows = {q.quantity for q in experiment.quantities(config, done)}
    published = load_published(KEY)
    assert set(published) <= rows
    assert len(experiment.points_of(config, done)) == 26  # as the tolerances in published.toml say


def test_quick_never_meets_a_published_number_of_the_paper_but_error_rates():
    assert experiment.QUICK.task == "digits"
