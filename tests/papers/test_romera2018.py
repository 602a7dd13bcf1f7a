"""The parts of the reproduction, and a small version from end to end."""

import dataclasses
import json
import math
import os
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.lab.runner import run_jobs
from nanoneurons.papers.romera2018_vowels import _network, _protocol, _quantities, experiment
from nanoneurons.papers.romera2018_vowels._linear_map import LinearMap, Settings, fit

DATA = os.environ.get("NANONEURONS_DATA", "")  # read here, since every test runs without it
needs_data = pytest.mark.skipif(not (Path(DATA) / "vowels").is_dir(), reason="needs the vowels in NANONEURONS_DATA")
CONFIG = experiment.Config()
IDEAL, FULL = (_protocol.condition_of(CONFIG, name) for name in ("ideal", "full"))
OPERATING = torch.full((1, 4), CONFIG.operating_current, dtype=torch.float64)


def test_the_oscillators_are_those_of_the_description():
    """350 MHz at 7 mA, 320 to 380 MHz within 5.5 to 8.5 mA, nu of 10, a linewidth of 0.1 to 1 MHz."""
    network = _network.nominal_closed_forms(CONFIG, IDEAL)
    assert float(network.natural_frequency(OPERATING)[0, 0]) == pytest.approx(350e6, rel=1e-3)
    low, high = _protocol.limits_of(CONFIG, IDEAL)
    assert CONFIG.lowest_current * 0.99 < low < high < CONFIG.highest_current * 1.02
    assert float(network.oscillator.nonlinearity(OPERATING)[0, 0]) == pytest.approx(10.0, rel=1e-3)
    device = _network.device_of(CONFIG, FULL)
    assert 0.1e6 < float(device.linewidth(OPERATING[0, 0])) < 1e6
    half = network.locking_range(OPERATING, _network.force_of(CONFIG, IDEAL))
    assert float(half[0, 0]) == pytest.approx(CONFIG.half_range, rel=1e-9)


def test_conditions_change_one_thing_alone():
    for name in _protocol.SWEEPS:
        changed = dataclasses.asdict(_protocol.condition_of(CONFIG, name, 3.0))
        assert {k for k, v in dataclasses.asdict(FULL).items() if v != changed[k]} == {name}
    assert (IDEAL.mutual, IDEAL.noise, IDEAL.mismatch) == (0, 0, 0)


def test_ideal_chips_are_all_alike_and_full_ones_are_not():
    ideal = _network.build(CONFIG, IDEAL, 2, generator_for(0))
    assert ideal.coupling is None
    assert float(ideal.natural_frequency(OPERATING).std()) == 0
    full = _network.build(CONFIG, FULL, 50, generator_for(0))
    spread = float(full.natural_frequency(OPERATING).std())
    # 1 % of 223 MHz, and 3 % of the threshold acting on the power: about 2.5 MHz together; 200 oscillators, 5 sigma
    assert spread == pytest.approx(2.5e6, rel=0.25)
    again = _network.build(CONFIG, FULL, 50, generator_for(0))
    assert torch.equal(full.natural_frequency(OPERATING), again.natural_frequency(OPERATING))


def test_mutual_coupling_has_the_declared_range():
    from nanoneurons.physics.locking import mutual_half_range

    network = _network.build(CONFIG, FULL, 1, generator_for(0))
    k = complex(network.coupling[0, 1])
    nu = float(_network.nominal_closed_forms(CONFIG, IDEAL).oscillator.nonlinearity(OPERATING)[0, 0])
    half = float(mutual_half_range(abs(k), math.atan2(k.imag, k.real), nu)) / (2 * math.pi)
    assert half == pytest.approx(CONFIG.mutual, rel=1e-9)
    assert float(network.coupling.diagonal().abs().max()) == 0


def clusters():
    """Three classes of points in 12 dimensions, 20 each, well apart."""
    generator = generator_for(0, "clusters")
    labels = torch.arange(60) % 3
    centres = 4 * torch.randn(3, 12, generator=generator, dtype=torch.float64)
    return centres[labels] + torch.randn(60, 12, generator=generator, dtype=torch.float64), labels


def test_the_map_separates_classes_that_can_be_separated():
    x, labels = clusters()
    network = _network.nominal_closed_forms(CONFIG, IDEAL)
    force, limits = _network.force_of(CONFIG, IDEAL), _protocol.limits_of(CONFIG, IDEAL)
    settings = Settings(low=320e6, high=380e6, span=48e6, steps=80, restarts=2)
    made = fit(network, x, labels, force, limits, settings, generator_for(0, "map"))
    seen = network.surrogate(made.currents[None], made.tones(x), force)[:, 0]
    assert float((made.assignment.classify(seen) == labels).double().mean()) > 0.95
    free = network.natural_frequency(made.currents[None])
    assert 319e6 < float(free.min()) <= float(free.max()) < 381e6
    assert made.coefficients.numel() + made.currents.numel() == 30
    back = LinearMap.restored(json.loads(json.dumps(made.plain())))
    assert torch.allclose(back.tones(x), made.tones(x), rtol=1e-12)
    assert torch.equal(back.assignment.owner, made.assignment.owner)


def test_folds_are_stratified_disjoint_and_differ_between_seeds():
    labels = torch.arange(259) % 7
    parts = _protocol.folds(CONFIG, 0, labels)
    assert len(parts) == 5
    assert sorted(torch.cat([held for _, held in parts]).tolist()) == list(range(259))
    for learn, held in parts:
        assert not set(learn.tolist()) & set(held.tolist())
        assert set(torch.bincount(labels[held]).tolist()) <= {7, 8}
    other = _protocol.folds(CONFIG, 1, labels)
    assert any(not torch.equal(a[1], b[1]) for a, b in zip(parts, other, strict=True))


SMALL = dataclasses.replace(
    experiment.QUICK, seeds=1, folds=3, restarts=1, map_steps=60, steps=10, curve=(0, 10), grid=9,
    sweep_mutual=(1e6,), window=1e-6,
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("romera")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NANONEURONS_DATA", DATA)
        patch.setattr(_protocol, "STARTS", 2)
        done = run_jobs(experiment.jobs(SMALL), experiment.run, SMALL, folder, workers=1)
    return {job: entry["result"] for job, entry in done.items()}


@needs_data
def test_a_small_version_learns(results):
    found = {q.quantity: q for q in experiment.quantities(SMALL, results)}
    for name in ("ideal", "full"):
        assert found[f"{name}-accuracy"].measured > 30, "ten steps only; chance is 14 %"
        assert found[f"{name}-accuracy"].measured > found[f"{name}-accuracy-before-learning"].measured
    assert found["lda-two-numbers-accuracy"].measured > 85  # independent trial: 93.8 %
    assert 60 < found["mlp-27-accuracy"].measured < 85  # independent trial: 73.3 %
    assert found["trained-parameters"].measured == 30
    assert "sweep-mutual-1e+06" in found


@needs_data
def test_jobs_give_the_same_rows_alone(results, tmp_path, monkeypatch):
    """A job that finds no map of the first stage makes it anew and ends up at the same numbers."""
    monkeypatch.setenv("NANONEURONS_DATA", DATA)
    job = "sweep/mutual/1e+06/seed0"
    assert experiment.run(SMALL, job, tmp_path, lambda share, text: None) == results[job]


@needs_data
@pytest.mark.parametrize("width", [3.7, 7.4])
def test_figures_draw(results, width):
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    for figure in experiment.figures(SMALL, json.loads(json.dumps(results))):
        canvas = plt.figure(figsize=(width, 3.6), layout="constrained")
        figure.draw(canvas)
        canvas.canvas.draw()
        labels = [ax.get_xlabel() for ax in canvas.axes if ax.get_visible() and ax.axison]
        assert labels and figure.caption
        plt.close(canvas)


def test_swept_axes_have_units_and_rise():
    for quantity in _protocol.SWEEPS:
        label, at = _quantities.axis_of(CONFIG, quantity)
        assert label.endswith("(MHz)") or quantity == "noise"
        assert (np.diff(at) > 0).all()
