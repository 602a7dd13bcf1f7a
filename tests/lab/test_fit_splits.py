"""Readings held out: every one exactly once, never seen by the fit that predicts it, and in whole pieces."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.lab.fit_splits import LEAST_DEVICES, readings, split, subset
from nanoneurons.measurements import Levels, NoiseSeries, Pulses


def pulses(devices: int, runs: int, length: int, cycles: int = 1, seed: int = 0) -> Pulses:
    rng = np.random.default_rng(seed)
    device = np.repeat(np.arange(devices), runs * cycles)
    reading = rng.normal(size=(len(device), length))
    reading[:, length - length // 4 :][rng.random((len(device), length // 4)) < 0.3] = np.nan
    return Pulses(
        device=device,
        devices=tuple(f"d{k}" for k in range(devices)),
        reading=reading,
        pulses=np.where(rng.random(reading.shape) < 0.5, 1.0, -1.0),
        cycle=np.tile(np.repeat(np.arange(cycles), runs), devices),
    )


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9), st.integers(1, 3), st.integers(20, 60), st.integers(1, 6), st.integers(0, 3))
def test_every_reading_is_scored_once_by_a_fit_that_never_saw_it(devices, runs, length, cycles, seed):
    data = pulses(devices, runs, length, cycles, seed)
    found = split(data, seed)
    times = np.zeros(data.reading.shape, int)
    for fold in found.folds:
        scored = np.zeros_like(times, bool)
        scored[fold.rows] = fold.scored
        times += scored
        if found.by == "blocks":
            assert not np.isfinite(fold.seen.reading[scored]).any()
            assert (fold.seen.pulses == data.pulses).all()
            assert np.isfinite(fold.seen.reading).any()
        else:
            attribute = "device" if found.by == "devices" else "cycle"
            assert not set(getattr(fold.seen, attribute)) & set(getattr(fold.predicted, attribute))
    assert (times[np.isfinite(data.reading)] == 1).all()
    assert found.by == ("devices" if devices >= LEAST_DEVICES else "cycles" if cycles >= 4 else "blocks")


def test_blocks_are_unbroken_and_a_twentieth_of_a_run():
    found = split(pulses(1, 2, 200))
    for row in found.unit:
        assert (np.diff(row) >= 0).all()
        _, sizes = np.unique(row, return_counts=True)
        assert len(sizes) <= 20
        assert sizes.max() <= 2 * sizes.min() + 40  # the last one takes the padding
    assert not set(found.unit[0]) & set(found.unit[1])


def test_cycles_are_not_held_out_where_a_direction_would_be_missing():
    data = pulses(1, 1, 30, cycles=5)
    only_up = np.where(data.cycle[:, None] == 2, data.pulses, 1.0)
    assert split(data).by == "cycles"
    assert split(replace(data, pulses=only_up)).by == "blocks"


def test_levels_keep_every_level_in_what_is_seen():
    rng = np.random.default_rng(1)
    level = np.tile(np.arange(3), 8)
    data = Levels(
        device=np.zeros(24, int), devices=("a",), reading=rng.normal(size=(24, 1)), level=level,
        cycle=np.repeat(np.arange(8), 3),
    )  # fmt: skip
    found = split(data)
    assert found.by == "cycles"
    assert all(set(fold.seen.level) == {0, 1, 2} for fold in found.folds)
    one_cycle = split(replace(data, cycle=np.zeros(24, int)))
    assert one_cycle.by == "blocks" and one_cycle.units == 24


@pytest.mark.parametrize("length", [3, 9])
def test_too_few_readings_are_not_held_out(length):
    time = np.arange(float(length))[None]
    data = NoiseSeries(device=np.zeros(1, int), devices=("a",), reading=np.ones((1, length)), time=time)
    assert split(data) is None


def test_the_same_seed_gives_the_same_folds_and_another_one_others():
    data = pulses(12, 1, 20)
    rows = [[fold.rows.tolist() for fold in split(data, seed).folds] for seed in (3, 3, 4)]
    assert rows[0] == rows[1] != rows[2]


def test_large_data_are_compared_on_some_devices(monkeypatch):
    monkeypatch.setattr("nanoneurons.lab.fit_splits.MOST_READINGS", 1000)
    data = pulses(200, 1, 30)
    part = subset(data)
    assert len(np.unique(part.device)) == max(24, -(-1000 // 28), len(np.unique(part.device)))
    assert 1000 <= np.isfinite(readings(part)).sum() < 1100
    assert subset(part.of_devices(np.unique(part.device)[:6])).reading.shape[0] == 6
