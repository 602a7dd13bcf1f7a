"""The reproduction in miniature: behaviours, the independent solver, chance, criteria, figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.lab.reproduce import _changed
from nanoneurons.papers import load_published
from nanoneurons.papers.drouhin2022_nbox import _protocols, _reference, experiment

KEY = "drouhin2022-nbox"
TINY = dataclasses.replace(experiment.QUICK, trials=40, devices=8, device_trials=6)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the runner's workers
    found = {
        job: experiment.run(TINY, job, folder, lambda share, text: None)
        for stage in experiment.jobs(TINY)
        for job in stage
    }
    torch.set_num_threads(threads)
    return found


def test_rows(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    published = load_published(KEY)
    assert set(published) <= set(rows)
    short = [name for name, entry in published.items() if entry.verdict(rows[name].measured) == "short"]
    assert short == []  # deterministic at any size: the nominal device and the independent solver
    assert rows["lif-pulses"].measured == 4
    assert 1.455 < rows["stochastic-half"].measured < 1.475


def test_each_behaviour_is_shown_by_the_nominal_device():
    ideal = TINY.device().ideal()
    shown = _protocols.shares(ideal, 1, 3, 0)["shown"]
    assert shown == {"tonic": 1, "stochastic": 0, "lif": 1, "latency": 1, "integration": 1, "burst": 1}
    jittered = TINY.device().only("cycle_to_cycle")
    assert _protocols.shares(jittered, 4, 40, 0)["shown"]["stochastic"] == 4


def test_criteria_reject_what_they_should():
    hard = TINY.device().ideal().replace(activation=0.245)  # a higher barrier: a rheobase above 1.48 V
    shown = _protocols.shares(hard, 1, 3, 0)["shown"]
    assert not shown["latency"] and not shown["integration"]
    quick = TINY.device().ideal().replace(capacitance=2e-10)  # a larger capacitor: 2.6 V lies inside the window
    assert not _protocols.shares(quick, 1, 3, 0)["shown"]["burst"]


def test_chance_follows_the_law_of_the_jitter(results):
    critical = np.array(results["nominal/statics"]["critical"])
    assert (np.diff(critical) > 0).all()
    device = TINY.device()
    counts = np.sum([results[f"stochastic/seed{s}"]["all"] for s in experiment.seeds_of(TINY)], 0)
    total = TINY.trials * TINY.seeds
    for count, energy in zip(counts, critical, strict=True):
        p = float(torch.special.ndtr(torch.tensor((energy - device.activation) / device.activation_jitter)))
        assert abs(count / total - p) < 4 * np.sqrt(p * (1 - p) / total) + 0.02  # and a little for thermal noise
    for seed in experiment.seeds_of(TINY):
        thermal = results[f"stochastic/seed{seed}"]["thermal"]
        assert set(thermal) <= {0, TINY.trials}  # far too weak to matter on this grid of biases


def test_wilson_is_the_root_of_its_equation():
    for successes, trials in ((0, 10), (3, 20), (57, 60), (60, 60)):
        low, high = _protocols.wilson(successes, trials)
        share = successes / trials
        assert 0 <= low <= share <= high <= 1
        for p in (low, high):
            if 1e-12 < p < 1 - 1e-12:
                assert abs(share - p) == pytest.approx(1.959964 * np.sqrt(p * (1 - p) / trials), rel=1e-6)


def test_the_reference_agrees_between_two_of_its_methods():
    switch = TINY.device().ideal().switch()
    radau, bdf = (_reference.spikes(switch, 2.6, 4e-7, method)["times"] for method in ("Radau", "BDF"))
    assert len(radau) == 2
    np.testing.assert_allclose(radau, bdf, rtol=1e-6)


def test_a_job_repeats_exactly(results, tmp_path):
    for job in ("nominal/behaviours", "stochastic/seed1", "all/seed0"):
        assert experiment.run(TINY, job, tmp_path, lambda share, text: None) == results[job]


def test_figures_draw(results):
    for figure in experiment.figures(TINY, results):
        for width in (3.7, 7.4):
            canvas = matplotlib.figure.Figure(figsize=(width, 6), layout="constrained")
            figure.draw(canvas)
            assert figure.caption and any(a.get_xlabel() for a in canvas.axes)
            canvas.draw_without_rendering()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"activation_jitter": 1.0}, r"activation_jitter.* = 1 eV is outside its range"),
        ({"activation_spread": -0.01}, "activation_spread"),
        ({"biases": 14.6}, "setting biases = 14.6 V must lie above 0"),
        ({"window": 0.0}, "setting window = 0 s must be a positive time"),
        ({"trials": 0}, "setting trials = 0 is too small"),
    ],
)
def test_mistyped_settings_are_refused(changes, message):
    with pytest.raises(ParameterError, match=message):
        _changed(experiment.QUICK, changes)
