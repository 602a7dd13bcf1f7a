"""The reproduction in miniature: sizes, layouts, jobs, rows and figures."""

import dataclasses

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.lab.runner import one_thread
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.layers.spin_torque import SpinTorqueActivation
from nanoneurons.papers import load_published
from nanoneurons.papers.leroux2022_rf_cnn import _network, experiment

KEY = "leroux2022-rf-cnn"
TINY = dataclasses.replace(
    experiment.QUICK, channels=(2, 3), epochs=1, train_samples=200, test_samples=100, dampings=(1e-4, 1e-3),
    spreads=(0.1,), chips=2, batch=20,
)  # fmt: skip


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
    assert len(list((folder / "networks").iterdir())) == 3 * TINY.seeds
    return found


def images(count):
    return experiment._Images.of(dataclasses.replace(TINY, train_samples=count)).x


def test_sizes_and_devices_of_the_full_network():
    design = experiment.Config().design
    assert design.sizes() == [(28, 28), (12, 12), (4, 4)]
    one, other = design.channels
    found = {
        layout: _network.counts(_network.assemble(design, layout, [5e-3] * 3, 0), layout) for layout in _network.LAYOUTS
    }
    last = 16 * other * 10
    assert found["sequential"]["resonators"] == 25 * one + 25 * one * other + last
    assert found["sequential"]["oscillators"] == one + 16 * other  # a dense layer takes all its tones at once
    assert found["sequential"]["turns"] == 24 * 24 + 8 * 8 + 1
    for layout in experiment.PARALLEL:
        assert found[layout]["resonators"] == 25 * one * 576 + 25 * one * other * 64 + last
        assert found[layout]["oscillators"] == 144 * one + 16 * other
        assert found[layout]["turns"] == 3
        assert found[layout]["most tones"] == max(784, 144 * one, 16 * other)
    assert len({f["readings"] for f in found.values()}) == 1  # the same work, in turn or at once


def test_oscillators_start_in_their_range():
    design = TINY.design
    scales = _network.scales_of(design, lambda known: _network.assemble(design, "sequential", known, 3), images(50))
    network, x = _network.assemble(design, "sequential", scales, 3).eval(), images(50)
    place = 0
    with torch.no_grad():
        for module in network:
            before, x = x, module(x)
            if isinstance(module, SpinTorqueActivation):
                assert float(before.std()) == pytest.approx(scales[place], rel=1e-4)
                current, clamp = module.circuit.neuron_current(before), module.circuit.neuron.current_range()[1]
                at_zero = module.circuit.neuron_current(torch.zeros(1))
                assert float(at_zero) == pytest.approx(module.circuit.neuron.threshold_current())
                assert 0.001 < float((current > at_zero).float().mean()) < 0.9
                assert float((current >= clamp).float().mean()) < 0.2
                place += 1
        assert float(x.std()) == pytest.approx(1.0, rel=1e-4)  # what the read-out turns into logits


def test_layouts_share_their_kernels():
    def distance(layout, damping):
        design = dataclasses.replace(TINY.design, damping=damping)
        one = _network.assemble(design, "sequential", [5e-3] * 3, 1).eval()
        other = _network.assemble(design, layout, [5e-3] * 3, 2).eval()
        other.load_state_dict(one.state_dict())
        with torch.no_grad():
            return float((other(images(20)) - one(images(20))).std() / one(images(20)).std())

    for layout in experiment.PARALLEL:
        far, near = distance(layout, 1e-3), distance(layout, 1e-4)
        assert near < far / 3 and near < 0.3, layout  # what is left is crosstalk


def test_images_move_in_training_only():
    shift, x = _network.RandomShift(2, 0), images(40)
    assert torch.equal(shift.eval()(x), x)
    moved = shift.train()(x)
    assert moved.shape == x.shape and not torch.equal(moved, x)
    places = set()
    for before, after in zip(x[:, 0], moved[:, 0], strict=True):
        found = [
            (dy, dx)
            for dy in range(-2, 3)
            for dx in range(-2, 3)
            if torch.equal(after[2:-2, 2:-2], before[2 + dy : 26 + dy, 2 + dx : 26 + dx])
        ]
        assert found
        places.add(found[0])
    assert len(places) > 10
    assert torch.equal(_network.RandomShift(0, 0)(x), x)


def test_detunings_follow_the_damping(tmp_path):
    config = dataclasses.replace(TINY, train_samples=40)
    found = {a: experiment._trained(config, "sequential", 0, tmp_path, "sequential", a) for a in (1e-3, 1e-4)}
    kernels = {a: next(m for m in network if isinstance(m, SpinDiodeConv2d)) for a, network in found.items()}
    shift = {a: ((k.resonance - k.centres) / k.units[0]).detach() for a, k in kernels.items()}
    torch.testing.assert_close(shift[1e-4], shift[1e-3], rtol=0, atol=2e-3)  # single precision of frequencies
    assert float(shift[1e-3].abs().mean()) > 0.05


def test_rows(results):
    rows = {q.quantity: q for q in experiment.quantities(TINY, results)}
    assert set(load_published(KEY)) <= set(rows)
    for name, row in rows.items():
        if row.unit == "%":
            assert 0 <= row.measured <= 100 and row.seeds == 2, name
    gap = rows["sequential-accuracy"].measured - rows["software-accuracy"].measured
    assert rows["sequential-minus-software"].measured == pytest.approx(gap)
    assert "200 training images, 100 test images" in rows["sequential-accuracy"].note
    assert rows["parallel-line-time-per-image"].measured == pytest.approx(3.0)
    assert rows["sequential-time-per-image"].measured == pytest.approx(641.0)


def test_a_job_gives_the_same_when_its_network_must_be_trained_anew(results, tmp_path):
    with one_thread():
        again = experiment.run(TINY, "damping/seed0", tmp_path, lambda share, text: None)
    assert again == results["damping/seed0"]
    at_trained = again["sequential"][TINY.dampings.index(TINY.damping)]
    assert at_trained == pytest.approx(results["sequential/seed0"]["accuracy"])
    assert again["parallel-line"][1] == pytest.approx(results["parallel-line/seed0"]["before"])


def test_a_parallel_chain_hears_its_line_or_its_field(results):
    heard = {k: np.array(results[f"{k}/seed0"]["chain"]) for k in experiment.PARALLEL}
    field = results["parallel-line/seed0"]["field"]
    assert len(field) == 25
    outside = np.setdiff1d(np.arange(784), field)
    assert (heard["parallel-field"][outside] == 0).all() and (heard["parallel-field"][field] != 0).all()
    assert (heard["parallel-line"][outside] != 0).all()


def test_held_out_images_are_none_of_those_trained_on():
    whole = experiment._Images.of(experiment.Config())
    split = experiment._Images.of(experiment.Config(held_out=1000))
    assert len(split.x) == len(whole.x) - 1000
    assert torch.equal(split.x_test, whole.x[-1000:]) and torch.equal(split.x, whole.x[:-1000])
    with pytest.raises(ParameterError, match="leaves no image"):
        experiment._Images.of(experiment.Config(held_out=len(whole.x)))


def test_pooling_is_the_largest_or_the_mean():
    with pytest.raises(ParameterError, match="must be 'largest' or 'mean'"):
        experiment.Config(pool="max")
    x = images(4)
    for pool, wanted in (("largest", torch.nn.functional.max_pool2d), ("mean", torch.nn.functional.avg_pool2d)):
        assert torch.equal(experiment.Config(pool=pool).design.pooling()(x), wanted(x, 2))


@pytest.mark.parametrize("width", [7.0, 3.6])
def test_figures(results, width):
    found = experiment.figures(TINY, results)
    assert [f.name for f in found] == ["accuracies", "curves", "kernels", "crosstalk", "damping", "spread"]
    for figure in found:
        canvas = matplotlib.figure.Figure(figsize=(width, figure.height), layout="constrained")
        figure.draw(canvas)
        canvas.draw_without_rendering()
        assert all(ax.get_xlabel() or not ax.axison or not ax.get_xticks().size for ax in canvas.axes[:1])
