"""Spikes as events: order, refusals, and what is counted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.core.errors import DataError
from nanoneurons.networks.spike_trains import SpikeTrains

EVENTS = st.lists(
    st.tuples(st.floats(0, 0.099), st.integers(0, 4), st.integers(0, 5)), min_size=0, max_size=40
)  # time, neuron, row


@given(EVENTS)
@settings(max_examples=60, deadline=None)
def test_events_are_kept_and_ordered(events: list[tuple[float, int, int]]) -> None:
    times, neurons, rows = (torch.tensor([e[k] for e in events], dtype=torch.float64) for k in range(3))
    trains = SpikeTrains.of_events(times, neurons.long(), 5, rows.long(), (2, 3))
    found = sorted(zip(trains.rows.tolist(), trains.times.tolist(), trains.neurons.tolist(), strict=True))
    assert found == sorted((r, t, n) for t, n, r in events)
    for chip in range(2):
        for sample in range(3):
            times, _ = trains.of(chip, sample)
            assert bool((times.diff() >= 0).all())
            assert len(times) == sum(r == 3 * chip + sample for _, _, r in events)


@given(EVENTS, st.sampled_from([1e-3, 2.5e-3, 7e-3]))
@settings(max_examples=60, deadline=None)
def test_counts_and_steps_hold_every_spike(events: list[tuple[float, int, int]], dt: float) -> None:
    times, neurons, rows = (torch.tensor([e[k] for e in events], dtype=torch.float64) for k in range(3))
    trains = SpikeTrains.of_events(times, neurons.long(), 5, rows.long(), (6,))
    dense = trains.dense(dt, 200)
    assert dense.shape == (6, 5, 200)
    assert torch.equal(dense.sum(-1), trains.counts())
    assert float(trains.counts().sum()) == len(events)


def test_a_multiple_of_the_step_falls_into_its_own_step() -> None:
    dt = 1e-3
    trains = SpikeTrains.of_events(torch.arange(300) * dt, torch.zeros(300), 1)
    assert torch.equal(trains.dense(dt, 300)[0, 0], torch.ones(300))


@pytest.mark.parametrize(
    ("times", "neurons", "names"),
    [
        ([0.1, float("nan")], [0, 1], "NaN"),
        ([-0.1], [0], "negative"),
        ([0.1], [3], "neuron 3"),
        ([0.1], [-1], "neuron -1"),
        ([0.1, 0.2], [0], "one each"),
    ],
)
def test_refusals_name_the_culprit(times: list[float], neurons: list[int], names: str) -> None:
    with pytest.raises(DataError, match=names) as caught:
        SpikeTrains.of_events(torch.tensor(times), torch.tensor(neurons), 3)
    assert "\n" not in str(caught.value)


def test_rows_out_of_order_are_refused() -> None:
    with pytest.raises(DataError, match="not in order"):
        SpikeTrains(torch.tensor([0.2, 0.1]).double(), torch.tensor([0, 0]), torch.tensor([0, 2]), 1)
    SpikeTrains(torch.tensor([0.2, 0.1]).double(), torch.tensor([0, 0]), torch.tensor([0, 1, 2]), 1, (2,))


def test_a_row_beyond_the_shape_is_refused() -> None:
    with pytest.raises(DataError, match="row 2"):
        SpikeTrains.of_events(torch.tensor([0.1]), torch.tensor([0]), 1, torch.tensor([2]), (2,))
