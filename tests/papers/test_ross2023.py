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

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.lab.runner import run_jobs
from nanoneurons.papers.ross2023_rf_network import _drone, _energy, _junctions, _network, experiment
from nanoneurons.papers.ross2023_rf_network._network import IDEAL, Spreads, build, rf_layers, tune_to_plan

DATA = os.environ.get("NANONEURONS_DATA", "")  # read here, since every test runs without it
needs_data = pytest.mark.skipif(not (Path(DATA) / "drone_rf").is_dir(), reason="needs drone_rf in NANONEURONS_DATA")
CONFIG = experiment.Config()


def program(x, resonances, biases):
    """The equations of the authors' program in its own units: GHz, uW, uA; tones times resonators, float64."""
    first, second = (r.double() / 1e9 for r in resonances)

    def chains(power, tones, f):
        d = tones[:, None, None] - f  # tone, chain, resonator
        h = 0.01 * f
        sign = (-1.0) ** (torch.arange(f.shape[-1]) + 1)
        gain = math.tan(math.pi / 4) / (8 * math.sqrt(2)) / 10 * 2 * h * d / (h * h + d * d)  # V/uW
        return power @ (gain * sign).sum(-1)

    tones = torch.linspace(0.02, 0.12, 256, dtype=torch.float64)
    voltage = chains(x.double(), tones, first) + biases[0].double()
    current = ((voltage + 0.011084586710145186) * 1e3 * 3.388370758630916).clamp(10, 40)
    xi = current / 10
    power = 1.25 * (xi - 1) / (xi + 2) * 1000 * current**2 * 1e-6
    ratio = 6 ** (1 / 127)
    tones = 0.02 * ratio ** torch.arange(128, dtype=torch.float64)
    return (chains(power, tones, second) + biases[1].double()) * 1e3


def test_the_network_obeys_the_equations_of_the_program():
    network = build(IDEAL, CONFIG.tuning, 0)
    x = torch.rand(4, 256, generator=generator_for(0, "x")) ** 4  # few strong tones, as in the spectra
    layers = rf_layers(network)
    expected = program(x, [m.resonance.detach() for m in layers], [m.bias.detach() for m in layers])
    assert float((network(x).detach().double() - expected).abs().max()) < 2e-3 * float(expected.abs().max())


def test_steps_are_those_of_the_program():
    """6.6e-6 GHz and 6.6e-6 V whatever the units of the layers; the initial shifts have 1e-3 GHz over root 256."""
    rates = _drone._published(CONFIG)
    layer = rf_layers(build(IDEAL, CONFIG.tuning, 0))[0]
    assert rates["lr"] * layer.units[0] == pytest.approx(6.6093212492233285e3)
    assert rates["digital_lr"] * layer.units[1] == pytest.approx(6.6093212492233285e-6)
    shift = (layer.resonance - layer.centres).detach()
    assert float(shift.std()) == pytest.approx(1e6 / 16, rel=0.02)  # 32768 values: 5 sigma


def test_the_three_spreads_and_nothing_else():
    network = build(Spreads(0.02, 0.03, 0.04), CONFIG.tuning, 0, 20)
    network.fabricate(generator_for(0))
    first, second = rf_layers(network)
    assert float(first.state["deviation"].std()) == pytest.approx(0.03, rel=0.01)
    assert torch.equal(first.state["tones"], first.tones.expand(20, -1))  # the input is clean
    emitted = (second.state["tones"] / second.tones).log()
    gain = (network[2].state["voltage"] / network[2].circuit.neuron.voltage_scale).square().log()
    assert float(emitted.std()) == pytest.approx(0.02, rel=0.07)  # 2560 values: 5 sigma
    assert float(gain.std()) == pytest.approx(0.04, rel=0.07)
    for layer in (first, second):
        for name in ("damping", "sensitivity"):
            assert float(layer.state[name].min()) == float(layer.state[name].max())
        assert layer.chain.device.noise_voltage() == 0
    assert Spreads.of("all", 0.1) == Spreads(0.1, 0.1, 0.1)
    assert Spreads.of("gain", 0.1) == Spreads(gain=0.1)


def test_one_deviation_per_position_when_shared():
    network = build(Spreads(resonance=0.03), CONFIG.tuning, 0, 2)
    network.fabricate(generator_for(0))
    _network.share_positions(network)
    for layer in rf_layers(network):
        deviation = layer.state["deviation"]
        assert float(deviation.std(-2).max()) == 0
        assert not torch.equal(deviation[0], deviation[1])
        assert float(deviation[:, 0].std()) == pytest.approx(0.03, rel=0.25)


def test_chips_tuned_to_plan_are_the_software_network_where_only_resonances_deviate():
    software = build(IDEAL, CONFIG.tuning, 0)
    chips = build(Spreads(resonance=0.01), CONFIG.tuning, 0, 2)
    generator = generator_for(0)
    chips.fabricate(generator)
    x = torch.rand(5, 256, generator=generator_for(0, "x")) ** 4
    tune_to_plan(chips, software, generator)
    with torch.no_grad():
        same, blind = software(x), chips(x)
        assert float((blind - same).abs().max()) < 1e-3 * float(same.abs().max())
        chips.program(software, generator)
        assert float((chips(x) - same).abs().max()) > 0.1 * float(same.abs().max())


def test_tuning_follows_what_oscillators_emit_and_stays_in_range():
    software = build(IDEAL, 0.05, 0)
    chips = build(Spreads.of("all", 0.03), 0.05, 0, 2)
    generator = generator_for(0)
    chips.fabricate(generator)
    tune_to_plan(chips, software, generator)
    state, wanted = rf_layers(chips)[1].state, rf_layers(software)[1]
    assert float((state["shift"] / state["nominal"]).abs().max()) <= 0.05 * (1 + 1e-6)
    own = state["nominal"] * (1 + state["deviation"]) + state["shift"]
    off = own / state["tones"].unsqueeze(-2) - wanted.resonance.detach() / wanted.tones
    reached = state["shift"].abs() < 0.0499 * state["nominal"]
    assert 0.5 < float(reached.double().mean()) < 1
    assert float(off[reached].abs().max()) < 1e-5


# -- nine junctions ----------------------------------------------------------------------------------


def test_nine_junctions_and_three():
    assert _junctions.junctions(_junctions.build(CONFIG, True, 0, 2)) == 9
    assert _junctions.junctions(_junctions.build(CONFIG, False, 0, 2)) == 3


def test_no_straight_line_sorts_the_band():
    corners = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    assert _junctions.best_half_plane(corners, torch.tensor([0, 0, 1, 1])) == 1
    assert _junctions.best_half_plane(corners, torch.tensor([0, 1, 1, 0])) == 0.75
    line = (torch.arange(100) + 0.5) / 100
    grid = torch.cartesian_prod(line, line)
    y = _junctions.wanted(grid, 0.3)
    assert float(y.double().mean()) == pytest.approx(1 - 0.7**2, abs=0.01)
    assert _junctions.best_half_plane(grid, y, 8) == pytest.approx(1 - 0.7**2 / 2, abs=0.01)  # all but a corner


def test_hidden_neurons_are_needed():
    config = dataclasses.replace(CONFIG, plane_chips=1, plane_starts=48, plane_epochs=25, plane_samples=200,
                                 plane_test_samples=500, plane_grid=5)  # fmt: skip
    two, one = (_junctions.run(config, hidden, 0, lambda *_: None) for hidden in (True, False))
    assert min(two["test"]) > 0.94
    assert max(one["test"]) <= one["half_plane"] + 0.02 < 0.82
    assert np.mean(two["test"]) > np.mean(two["written"])
    assert np.array(two["map"]).shape == (5, 5)


# -- energy ------------------------------------------------------------------------------------------


def test_energy_by_hand():
    assert _energy.projection() == pytest.approx(34048 * 10e-15 + 128 * 100e-15)
    assert _energy.reading_time(20e6, 0.01, 1) == pytest.approx(0.796e-6, rel=1e-3)
    powers = {"line_power": 8e-6, "emitted_power": 0.5e-6, "oscillator_power": 1e-6}
    split = _energy.network_power(powers, 0.5)
    assert split["oscillators"] == pytest.approx(128e-6)
    assert split["synapses of layer 1"] == pytest.approx(128 * 8e-6)
    assert split["synapses of layer 2"] == pytest.approx(10 * 128 * 0.5e-6)
    assert split["amplifiers"] == pytest.approx(split["synapses of layer 1"] + split["synapses of layer 2"])
    found = {s.name: s for s in _energy.systems(powers, CONFIG, 20e6, 0.01)}
    terms = {t.name: t.joule for t in found["float32 circuit"].terms}
    assert terms["transform"] == pytest.approx(20.7e-9, rel=1e-2)
    assert terms["arithmetic"] == pytest.approx(156.6e-9, rel=1e-2)
    assert found["software radio + Jetson Nano"].joule == pytest.approx(14.5 * 2.56e-6)


# -- end to end --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("change", "message"), [({"early": 3}, "early = 3"), ({"epochs": 10}, "epochs = 10")])
def test_averages_need_enough_epochs(change, message):
    with pytest.raises(ParameterError, match=message):
        experiment.Config(**change)


@needs_data
def test_small_version_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("NANONEURONS_DATA", DATA)
    config = dataclasses.replace(
        experiment.QUICK, epochs=3, early=2, averaged=1, levels=(0.01,), single_levels=(0.01,),
        shared_levels=(0.01,), limited_levels=(0.01,),
        plane_starts=4, plane_epochs=2, plane_samples=100, plane_test_samples=100, plane_grid=3,
    )  # fmt: skip
    done = run_jobs(experiment.jobs(config), experiment.run, config, tmp_path)
    results = {job: json.loads(json.dumps(entry["result"])) for job, entry in done.items()}
    rows = {q.quantity: q for q in experiment.quantities(config, results)}
    assert 0 < rows["drone-network"].measured <= 100
    assert 1 < rows["power"].measured < 5
    assert 0 < rows["seconds-per-seed"].measured < 60
    assert 0.25e2 < rows["oscillator-current"].measured < 0.28e2  # independent trial: 26.6 uA
    assert set(results["spread/all/0.01/seed0"]["test"]) == set(_drone.METHODS)
    assert set(results["spread/all-limited/0.01/seed0"]["test"]) == {"calibrated-tuned"}
    again = experiment.run(config, "spread/gain/0.01/seed0", tmp_path, lambda *_: None)
    assert again == results["spread/gain/0.01/seed0"]
    matplotlib.use("Agg")
    from matplotlib.figure import Figure as Canvas

    for figure in experiment.figures(config, results):
        for width in (8.0, 4.0):
            canvas = Canvas(figsize=(width, figure.height), layout="constrained")
            figure.draw(canvas)
            assert canvas.axes and figure.caption and figure.title
