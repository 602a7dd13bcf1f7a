"""The Bayesian machine's reproduction: parts keep takes together, errors are counted, curves have their limits."""

import dataclasses
import math

import matplotlib.figure
import numpy as np
import pytest
import torch

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.core.random import generator_for
from nanoneurons.papers import load_published
from nanoneurons.papers.harabi2023_bayesian_machine import (
    _chip,
    _figures,
    _gestures,
    _quantities,
    _robustness,
    _stops,
    _takes,
    experiment,
)

SMALL = dataclasses.replace(
    experiment.QUICK, columns=3, register_draws=2, curve_draws=1, cycles=(1, 16, 255), bit_errors=(1e-4, 0.5),
    upsets=(1e-6, 0.1), error_draws=4, chips=2, powers=(1.0, 0.5), power_columns=(3,), small_products=(1.0, 1e-2, 1e-7),
    small_machines=300,
)  # fmt: skip


def takes(classes=4, people=False, distance=4.0, seed=0):
    """Ten blocks of five takes of every class; features 0 to 2 tell the class, 3 and 4 nothing."""
    draw = generator_for(seed, "takes")
    label = np.repeat(np.arange(classes), 50)
    centres = torch.randn(classes, 5, generator=draw) * torch.tensor([distance, distance, distance, 0, 0])
    x = centres[torch.from_numpy(label)] + torch.randn(len(label), 5, generator=draw)
    group = np.tile(np.repeat(np.arange(10), 5), classes)
    return _takes.Takes(x.double().numpy(), label, group % 4 if people else group, classes, tuple("abcde"))


@pytest.fixture
def made_up(monkeypatch):
    """Made-up takes in place of the recordings."""

    def load(task):
        classes, people = (6, True) if "pebble" in task else (10 if task == "gestures" else 4, False)
        whole = takes(classes, people)
        half = np.arange(len(whole.y)) % 2 == 0
        return whole.part(half), whole.part(~half)

    monkeypatch.setattr(_gestures, "load", load)
    monkeypatch.setattr(_robustness, "load", load)
    monkeypatch.setattr(_stops, "load", load)


def test_parts_hold_every_block_once_and_whole():
    group = np.tile(np.repeat(np.arange(10), 5), 4)
    parts = _takes.held_out(group, 5, generator_for(1, "x"))
    assert np.sum(parts, 0).tolist() == [1] * 200
    for part in parts:
        assert len(np.unique(group[part])) == 2
        assert not set(group[part]) & set(group[~part])
    other = _takes.held_out(group, 5, generator_for(2, "x"))
    assert any((a != b).any() for a, b in zip(parts, other, strict=True))


def test_registers_are_seeds_that_the_machine_takes():
    for own in _takes.registers(6, 50, generator_for(0, "r")):
        assert len(set(own)) == 6
        assert BayesianLogic(6, seeds=own).seeds == own


def test_floating_point_is_bayes_rule():
    whole = takes()
    setting = _takes.Setting("gaussian", 16, "first", "value")
    model = _takes.fit(whole, 2, setting)
    seen = model.tables.observe(whole.x)
    expected = [
        int(np.argmax([math.prod(model.tables.tables[y, c, o] for c, o in enumerate(row)) for y in range(4)]))
        for row in seen
    ]
    assert _takes.floating(model.tables, seen).tolist() == expected


def test_the_choice_sees_training_takes_alone_and_prefers_what_decides():
    among = _takes.settings(dataclasses.replace(experiment.Config(), bins=(64,), selections=("information",)))
    assert [s.rescale for s in among] == ["column", "value"]
    whole = takes()
    # One class is far narrower than the others, so its peak leaves the column's other likelihoods small.
    narrow = whole.x.copy()
    narrow[whole.y == 0] = narrow[whole.y == 0].mean(0) + 0.01 * (narrow[whole.y == 0] - narrow[whole.y == 0].mean(0))
    whole = dataclasses.replace(whole, x=narrow)
    chosen = _takes.choose(whole, 3, among, 5, (0, "test"))
    assert chosen.setting.rescale == "value"
    assert set(chosen.tables.chosen) == {0, 1, 2}
    assert (chosen.tables.tables == _takes.fit(whole, 3, among[1]).tables.tables).all()


def test_patience_is_the_most_ones_within_the_cycles_allowed():
    draw = generator_for(0, "patience")
    words = torch.randint(20, 160, (4, 3, 5), generator=draw).numpy().astype(np.uint8)
    seen = torch.randint(0, 5, (200, 3), generator=draw).numpy()
    draws = [(1, 80, 160), (7, 90, 200)]

    def cycles(ones):
        return np.mean([BayesianLogic(3, "first", seeds=s, ones=ones).decide(words, seen).cycle for s in draws])

    found = _stops.patience(words, seen, draws)
    assert 1 < found < 16
    assert cycles(found) <= _stops.BUDGET < cycles(found + 1)
    assert _stops.patience(np.zeros_like(words), seen, draws) == 1


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.5])
def test_stored_bits_err_at_their_rate(rate):
    words = np.arange(240, dtype=np.uint8).reshape(4, 6, 10)
    wrong = _robustness.with_errors(words, rate, 200, generator_for(0, "errors"))
    assert wrong.shape == (200, 4, 6, 10)
    flips = np.bitwise_count(wrong ^ words)
    total = flips.size * 8
    spread = math.sqrt(rate * (1 - rate) * total)
    assert abs(int(flips.sum()) - rate * total) <= 4 * spread
    if rate:  # every bit of a word alike
        each = np.unpackbits((wrong ^ words)[..., None], axis=-1).reshape(-1, 8).mean(0)
        assert np.abs(each - rate).max() < 5 * math.sqrt(rate * (1 - rate) * 8 / total)


def test_the_fabricated_machine_is_exact_where_it_reads_right():
    config = dataclasses.replace(SMALL, chips=4)
    found = _chip.fabricated(config, 0, lambda share, text: None)
    strong, weak = (found[name] for name in config.devices)
    for own in (strong, weak):
        assert own["memristors"] == 2048
        assert own["trace"] == own["counts_equal_where_read_right"] == 100
        assert own["bits"] == 4 * 1024
    assert 0 < weak["wrong_bits"] / weak["bits"] < 0.02  # 0.6 % in closed form
    assert strong["wrong_bits"] <= 2  # 3e-5 of 4,096
    assert 50 < weak["decisions_equal"] < 100


def test_small_products_are_left_undecided_and_logarithms_decide_them():
    found = _chip.small(SMALL, 0, lambda share, text: None)
    assert found["logarithmic"] == [100, 100, 100]
    assert found["undecided"][0] == 0
    assert found["undecided"][2] == 100
    assert found["full"][2] == found["first"][2] == 0
    assert found["full"][0] == 100  # a product of 1 gives a one in every cycle
    assert found["first"][1] <= found["full"][1]


def test_everything_runs_and_every_published_number_is_measured(made_up):
    results = {}
    for stage in experiment.jobs(SMALL):
        for job in stage:
            if job.endswith("seed0") or not job.startswith("powers"):
                results[job] = experiment.run(SMALL, job, None, lambda share, text: None)
    results["powers/seed1"] = results["powers/seed0"]
    rows = {row.quantity: row for row in experiment.quantities(SMALL, results)}
    assert set(load_published("harabi2023-bayesian-machine")) <= set(rows)
    assert rows["four-float-accuracy"].measured > 90  # classes four deviations apart
    assert rows["four-logarithmic-agrees"].measured > 97
    assert abs(rows["four-full-loss"].measured) < 5
    assert rows["bits-full-loss-at-0.0001"].measured < 1
    assert rows["bits-full-loss-at-0.5"].measured > 50  # random words: chance
    assert rows["upsets-full-loss-at-1e-06"].measured < 2
    assert max(rows["energy-logarithmic"].measured, rows["energy-first"].measured) < rows["energy-full"].measured
    curve = results["four/seed0"]["curves"]["full"]
    assert curve[0] < curve[-1]
    assert sum(map(sum, results["four/seed0"]["confusion"])) == pytest.approx(200)
    for figure in experiment.figures(SMALL, results):
        for width in (7, 3.5):
            canvas = matplotlib.figure.Figure(figsize=(width, figure.height), layout="constrained")
            figure.draw(canvas)
            assert all(ax.get_xlabel() or ax.get_ylabel() for ax in canvas.axes if ax.axison)


def test_a_row_without_a_value_says_so():
    row = _quantities._row("x", [1.0, float("nan")], "%", "note")
    assert row.measured is None
    assert "nothing to measure" in row.note
    assert _figures._spread(np.ones((1, 3))).tolist() == [0, 0, 0]
