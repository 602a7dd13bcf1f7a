"""The parts of the reproduction against closed forms and independent computation, and a small version end to end."""

import dataclasses
import json

import matplotlib
import numpy as np
import pytest
import torch

from nanoneurons.core.random import generator_for
from nanoneurons.lab.runner import run_jobs
from nanoneurons.papers.leroux2021_rf_mac import _extreme, _mac, _perceptron, _quantities, experiment
from nanoneurons.physics.spin_diode import rectified

CONFIG = experiment.Config()
SMALL = dataclasses.replace(
    experiment.QUICK, seeds=2, mac_chips=5, epochs=20, sweep_seeds=1, sweep_spacing=(0.25, 1.0), sweep_symmetric=(),
    sweep_hidden=(30,), sweep_noise=(0.2,), hidden=60,
)  # fmt: skip


@pytest.mark.parametrize("wiring", _mac.WIRINGS)
@pytest.mark.parametrize("distance", [20.0, 50.0, 100.0])
def test_error_of_the_ideal_pair_is_the_tails(wiring, distance):
    found = _mac.measure(CONFIG, _mac.devices_of(CONFIG)["ideal"], distance, wiring, 0)
    # the tail is the first term in linewidth over distance; at 20 linewidths the next is half a percent
    assert found["designed"] == pytest.approx(_mac.closed_form(CONFIG, distance, wiring), rel=5e-3)
    assert found["calibrated"] < 1e-9, "an ideal diode is linear in power"
    assert found["tuned"] < 1e-3 * found["designed"]


def test_voltage_of_one_pair_by_hand():
    """Two diodes, one pair of weights and powers, from the line alone."""
    config = dataclasses.replace(CONFIG, mac_weights=2, mac_powers=2)
    device = _mac.devices_of(config)["ideal"]
    layer = _mac._layer(config, device, 10.0, "head-to-tail", 0)
    _mac._aim(layer, _mac._weights(config), 0)
    f1, f2 = config.mac_tone, config.mac_tone * 1.2
    w = config.largest_weight
    pair = _mac._weights(config).tolist().index([w, -w])
    # head to tail: the first diode counts negative, so both detunings are below their tones' line by the same x
    x = (1 - (1 - w * w) ** 0.5) / w
    r1, r2 = f1 / (1 - 0.01 * x), f2 / (1 - 0.01 * x)
    total = 0.0
    for tone in (f1, f2):
        lines = [float(rectified(torch.tensor(tone).double(), torch.tensor(r).double(), 0.01)) for r in (r1, r2)]
        total += device.nominal_sensitivity * 1e-6 * (-lines[0] + lines[1])
    voltage = layer.weigh(torch.full((1, 2), 1e-6, dtype=torch.float64)).detach()[0, pair]
    assert float(voltage) == pytest.approx(total, rel=1e-4)  # float32 resonances: 6e-8 over the damping


def test_noise_is_that_of_the_resistance():
    """What is left with measured weights is Johnson noise of two diodes over the full range 4 K P w."""
    device = _mac.devices_of(CONFIG)["noise"]
    found = _mac.measure(CONFIG, device, 50.0, "head-to-tail", 0)
    full = 4 * device.nominal_sensitivity * CONFIG.full_power * CONFIG.largest_weight
    assert found["calibrated"] == pytest.approx(100 * 2**0.5 * device.noise_voltage() / full, rel=0.02)


def test_compression_is_what_calibration_at_full_power_leaves():
    """Tones far apart: e is the sum of w_i K (g(P_i) - P_i g(P)/P), independent for both tones."""
    config = dataclasses.replace(CONFIG, damping=1e-4)
    found = _mac.measure(config, _mac.devices_of(config)["compression"], 1000.0, "head-to-tail", 0)
    p = np.linspace(0, 1, config.mac_powers)
    left = p / (1 + config.compression * p) - p / (1 + config.compression)
    w = np.linspace(-1, 1, config.mac_weights) * config.largest_weight
    # weights are symmetric around zero, so the cross term vanishes
    wanted = 100 * np.sqrt(2 * (w**2).mean() * (left**2).mean()) / (4 * config.largest_weight)
    assert found["calibrated"] == pytest.approx(wanted, rel=5e-3)


def test_spread_is_undone_by_measuring_or_correcting():
    config = dataclasses.replace(CONFIG, mac_chips=20)
    found = _mac.measure(config, _mac.devices_of(config)["spread"], 50.0, "head-to-tail", 0)
    assert found["designed"] > 10
    assert found["calibrated"] < 1e-9
    assert found["tuned"] < 0.5


def test_splits_are_stratified_disjoint_and_differ_between_seeds():
    x, y, x_held, y_held = _perceptron.split(0)
    assert len(y) + len(y_held) == 1797
    joined = torch.cat([x, x_held])
    assert len(torch.unique(joined, dim=0)) == 1797, "an image stands on both sides"
    share = torch.bincount(y_held) / torch.bincount(torch.cat([y, y_held]))
    assert float((share - 0.2).abs().max()) < 0.005
    assert not torch.equal(_perceptron.split(1)[2], x_held)


def test_spacing_by_damping_is_that_of_the_plan():
    """Neighbours of the geometric plan, in full linewidths of their mean frequency."""
    for spacing in (0.25, 1.0, 4.0):
        circuit = _perceptron._circuit(CONFIG, "spacing", spacing)
        tones = circuit.tones(64)
        width = 2 * circuit.device.nominal_damping * 0.5 * (tones[1:] + tones[:-1])
        np.testing.assert_allclose((tones.diff() / width).numpy(), spacing, rtol=1e-9)
        band = _perceptron._circuit(CONFIG, "band", spacing)
        width = 0.02 * 0.5 * (band.tones(64)[1:] + band.tones(64)[:-1])
        np.testing.assert_allclose((band.tones(64).diff() / width).numpy(), spacing, rtol=1e-9)


def test_roughness_of_unrelated_weights_is_two_in_any_order():
    circuit = dataclasses.replace(_perceptron._circuit(CONFIG, "without", 0.0), initial_shift=0.03)
    network = _perceptron._network(circuit, None, 0)
    order = torch.randperm(64, generator=generator_for(0, "order"))
    found = [_perceptron._roughness(network, tone) for tone in (torch.arange(64), order)]
    assert found[0] != found[1]
    # 560 differences of 640 independent weights: 2 with a relative standard error of about 5 %
    assert found == pytest.approx([2.0, 2.0], rel=0.2)


def test_noisy_images_stay_what_can_be_sent():
    x = _perceptron.split(0)[0]
    seen = _extreme.noisy(x, 0.2, generator_for(0))
    assert float(seen.min()) >= 0 and float(seen.max()) <= 1
    inside = (x > 0.45) & (x < 0.55)  # hardly ever clipped
    assert float((seen - x)[inside].std()) == pytest.approx(0.2, rel=0.05)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    done = run_jobs(experiment.jobs(SMALL), experiment.run, SMALL, tmp_path_factory.mktemp("leroux"), workers=1)
    return {job: entry["result"] for job, entry in done.items()}


def test_a_small_version_learns(results):
    found = {q.quantity: q for q in experiment.quantities(SMALL, results)}
    for name in ("with", "without"):
        assert found[f"perceptron-{name}-crosstalk-train"].measured > 97
        assert found[f"perceptron-{name}-crosstalk-held-out"].measured > 92
    assert found["logistic-penalty-held-out"].measured > 94
    gain = [results[f"perceptron/{k}/seed{s}"]["held_out"][0] for k in ("with", "without") for s in (0, 1)]
    assert found["perceptron-crosstalk-gain"].measured == pytest.approx((gain[0] + gain[1] - gain[2] - gain[3]) / 2)
    assert found["sweep-spread-plain-0.01"].measured < found["sweep-spread-twin-calibrated-0.01"].measured
    assert found["extreme-devices"].measured > 75
    assert len(results["extreme/0.2/60/seed0"]["devices"]["held_out"]) == SMALL.chips


def test_every_published_quantity_is_measured(results):
    from nanoneurons.papers import load_published

    found = {q.quantity for q in experiment.quantities(SMALL, results)}
    assert set(load_published("leroux2021-rf-mac")) <= found


def test_jobs_give_the_same_rows_alone(results, tmp_path):
    for job in ("mac/seed0", "perceptron/spread/twin-ideal/0.01/seed0", "extreme/0.2/30/seed0"):
        again = experiment.run(SMALL, job, tmp_path, lambda share, text: None)
        assert json.loads(json.dumps(again)) == json.loads(json.dumps(results[job]))


def test_intervals_are_students():
    row = _quantities._difference("a", np.array([1.0, 2.0, 3.0]), "x")
    assert row.measured == 2 and row.spread == 1
    assert row.note.endswith("95 % interval -0.48 to +4.48")  # 2 -+ 4.303/sqrt(3)


@pytest.mark.parametrize("width", [3.7, 7.4])
def test_figures_draw(results, width):
    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    for figure in experiment.figures(SMALL, json.loads(json.dumps(results))):
        canvas = plt.figure(figsize=(width, figure.height), layout="constrained")
        figure.draw(canvas)
        canvas.canvas.draw()
        assert all(ax.get_xlabel() or ax.get_ylabel() for ax in canvas.axes) and figure.caption
        plt.close(canvas)
