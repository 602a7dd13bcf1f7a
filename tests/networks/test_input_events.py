"""Input spikes of Poisson sources: how often every input fires, independently of the others and of other steps."""

import numpy as np
import pytest

from nanoneurons.networks._input_events import poisson_events

STEPS, SAMPLES = 400, 50


def fired(rates, chips=1, key=3, shown=0, samples=SAMPLES):
    """``(chips, samples, steps, in)``, true where an input fires."""
    offsets = np.zeros((chips, samples, STEPS + 1), np.int64)
    x = np.tile(np.asarray(rates, np.float32), (samples, 1))
    which = poisson_events(x, STEPS, key, shown, offsets)
    assert offsets[0, 0, 0] == 0 and offsets[-1, -1, -1] == len(which)
    spikes = np.zeros((chips, samples, STEPS, len(rates)), int)
    for chip, sample, step in np.ndindex(chips, samples, STEPS):
        np.add.at(spikes[chip, sample, step], which[offsets[chip, sample, step] : offsets[chip, sample, step + 1]], 1)
    assert spikes.max() <= 1
    return spikes.astype(bool)


@pytest.mark.parametrize("rates", [[0.02, 0.0, 0.3, 1e-4, 1.5, 0.3], [0.1], [3.0] * 40, np.linspace(0.0, 0.2, 100)])
def test_every_input_fires_with_the_probability_of_its_rate(rates):
    spikes = fired(rates)[0]
    p, n = -np.expm1(-np.float64(np.asarray(rates, np.float32))), SAMPLES * STEPS
    assert np.all(np.abs(spikes.sum((0, 1)) - n * p) <= 5 * np.sqrt(n * p * (1 - p)))
    first = spikes.sum((0, 2))  # of one step, over samples
    spread = np.sqrt(SAMPLES * (p * (1 - p)).sum())
    assert np.all(np.abs(first - SAMPLES * p.sum()) <= 5.5 * spread)


def test_inputs_and_steps_are_independent():
    spikes = fired([0.4, 0.05, 0.7, 0.4])[0].reshape(-1, 4).astype(float)
    both = np.hstack([spikes[:-1], spikes[1:]])  # and the step after
    noise = np.corrcoef(both.T) - np.eye(8)
    assert np.abs(noise).max() < 5 / np.sqrt(len(both))


def test_counts_of_a_step_spread_as_they_should():
    rates = np.full(200, 0.06)
    counts = fired(rates)[0].sum(-1).ravel()
    p = -np.expm1(-0.06)
    assert counts.mean() == pytest.approx(200 * p, rel=0.01)
    assert counts.var() == pytest.approx(200 * p * (1 - p), rel=0.05)


def test_rates_without_bound_and_no_rate_at_all():
    spikes = fired([1e6, 0.0, 30.0])
    assert spikes[..., 0].all() and spikes[..., 2].all() and not spikes[..., 1].any()
    assert not fired([0.0, 0.0]).any()


def test_samples_and_chips_have_numbers_of_their_own():
    rates = np.full(30, 0.1)
    whole = fired(rates, chips=2, samples=6)
    assert np.array_equal(whole[:, 2:], fired(rates, chips=2, samples=4, shown=2))
    assert np.array_equal(whole[:1], fired(rates, samples=6))
    assert not np.array_equal(whole[0], whole[1]) and not np.array_equal(whole[0, 0], whole[0, 1])
