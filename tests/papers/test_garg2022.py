"""Garg et al. 2022: parts of the reproduction on few images."""

import dataclasses

import matplotlib.pyplot as plt
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.networks.competition import Presentation
from nanoneurons.networks.competitive import CompetitiveNetwork
from nanoneurons.papers import load_published
from nanoneurons.papers.garg2022_vdsp import _frequency, _memristors, _sizes, experiment

SMALL = dataclasses.replace(
    experiment.QUICK, neurons=(5, 8), rates=(4e-3, 4e-3), finals=(1.0, 0.1), epochs=(1, 1), train_samples=150,
    label_samples=60, test_samples=40,
)  # fmt: skip


@pytest.fixture(scope="module")
def results():
    found = {}
    for neurons in SMALL.neurons:
        told = []
        found[f"size/{neurons}/seed0"] = _sizes.run(
            SMALL, [str(neurons)], 0, lambda share, _, told=told: told.append(share)
        )
        assert told == sorted(told) and told[0] > 0 and told[-1] <= 1
    return found


def test_the_released_drive_makes_a_neuron_fire_at_almost_every_step(results):
    for found in results.values():
        assert found["released"]["spikes"] > 60 > 2 * found["training"]["spikes"]
        assert found["released"]["silent"] == 0
        assert found["released"]["labels"] == 150 and found["training"]["labels"] == 60


def test_sizes_become_quantities_and_figures(results):
    rows = _sizes.quantities(SMALL, results)
    names = [row.quantity for row in rows]
    assert len(set(names)) == len(names) == 2 * 10
    first = next(row for row in rows if row.quantity == "neurons-5")
    assert first.measured == 100 * results["size/5/seed0"]["released"]["sum"]
    for figure in _sizes.figures(SMALL, results):
        for width in (7.4, 3.7):
            canvas = plt.figure(figsize=(width, 4), layout="constrained")
            figure.draw(canvas)
            assert canvas.axes
            plt.close(canvas)


def test_frequency_of_a_full_pixel_is_that_of_its_spikes():
    net = CompetitiveNetwork(1, 1, 2, cells=_frequency.inputs(0.5), presentation=Presentation(duration=10.0))
    net.present(torch.ones(1, 1))
    assert float(net.input_spikes) == pytest.approx(10 * _frequency.frequency(0.5), abs=1)  # the first is early or late
    assert _frequency.frequency(0.5) == pytest.approx(_frequency.frequency(1.0) / 2)


def test_frequencies_become_quantities_and_a_figure():
    few = dataclasses.replace(SMALL, frequency_samples=40, frequency_neurons=4, frequency_scales=(0.5, 1.0))
    results = {}
    for job in _frequency.jobs(few):
        rule, scale = job.split("/")
        results[f"frequency/{job}/seed0"] = _frequency.run(few, [rule, scale], 0, lambda share, _: None)
    rows = {row.quantity: row for row in _frequency.quantities(few, results)}
    assert len(rows) == 4 + 2 + 2
    assert rows["advantage-above-the-lowest-frequency"].measured == 0  # one frequency is left
    at_54 = rows["stdp-at-54-hz"]
    assert at_54.measured == 100 * results["frequency/stdp/1/seed0"]["accuracy"]
    losses = [rows[f"{rule}-loss-over-frequencies"].measured for rule in ("stdp", "vdsp")]
    assert rows["advantage-over-frequencies"].measured == pytest.approx(losses[0] - losses[1])
    (figure,) = _frequency.figures(few, results)
    canvas = plt.figure()
    figure.draw(canvas)
    assert canvas.axes[0].get_ylabel() == "test accuracy (%)"
    plt.close(canvas)


def test_every_published_size_is_run_with_the_defaults():
    jobs = experiment.jobs(experiment.Config())[0]
    for name in load_published("garg2022-vdsp"):
        if name.startswith("neurons-"):
            assert f"size/{name.split('-')[1]}/seed2" in jobs


def test_the_smallest_size_has_more_seeds():
    config = dataclasses.replace(SMALL, seeds=2, extra_seeds=3, first_seed=1)
    jobs = experiment.jobs(config)[0]
    assert len(set(jobs)) == len(jobs)
    wanted = {5: [1, 2, 3, 4, 5], 8: [1, 2]}
    for neurons, seeds in wanted.items():
        assert [job for job in jobs if job.startswith(f"size/{neurons}/")] == [f"size/{neurons}/seed{s}" for s in seeds]
        assert list(_sizes.seeds_of(config, neurons)) == seeds
    assert sum(job.startswith("memristor/tio2/nominal/") for job in jobs) == 2
    with pytest.raises(ParameterError, match="extra_seeds"):
        dataclasses.replace(SMALL, extra_seeds=-1)


def test_sizes_without_a_rate_are_refused():
    with pytest.raises(ParameterError, match="as many values each, not 2, 1, 1, 1"):
        dataclasses.replace(experiment.QUICK, neurons=(5, 8))


def test_memristors_learn_and_become_quantities():
    small = dataclasses.replace(SMALL, memristor_neurons=8)
    found = {
        f"memristor/{job}/seed0": _memristors.run(small, job.split("/"), 0, lambda share, text: None)
        for job in _memristors.jobs(small)
    }
    rows = {row.quantity: row for row in _memristors.quantities(small, found)}
    assert len(rows) == 3 * 2 * 3 * 3
    published = {name for name in load_published("garg2022-vdsp") if name.startswith("memristor-")}
    goals = {f"memristor-{name}" for name in ("tio2", "hfo2-analog", "hzo-ftj")}
    assert published == goals | {f"{name}-nominal-program-sum" for name in goals} <= set(rows)
    for result in found.values():
        assert result["spikes"] > 1
        assert set(result) == {"spikes", *_memristors.READS}
    tio2 = found["memristor/tio2/nominal/seed0"]
    assert rows["memristor-tio2"].measured == 100 * tio2["free"]["likelihood"]
    assert rows["memristor-tio2-nominal-held-sum"].measured == 100 * tio2["held"]["sum"]


def test_memristors_are_read_with_and_without_inhibition(monkeypatch):
    seen = []
    shown = CompetitiveNetwork.present

    def present(self, x, plasticity=None, *more, **named):
        seen.append((plasticity is not None, len(x), round(1e3 * self.competitors.inhibition)))
        return shown(self, x, plasticity, *more, **named)

    monkeypatch.setattr(CompetitiveNetwork, "present", present)
    _memristors.run(dataclasses.replace(SMALL, memristor_neurons=4), ["tio2", "nominal"], 0, lambda share, _: None)
    free, program, held = [(False, 150, 0), (False, 40, 0)], [(False, 40, 20)], [(False, 150, 20), (False, 40, 20)]
    assert seen == [(True, 150, 20), *free, *program, *held]
