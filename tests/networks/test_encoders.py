"""Encoders against their laws: exponential gaps, Poisson counts, one spike at its latency."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from nanoneurons.core.errors import DataError, ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.networks.encoders import ConstantCurrent, Drive, Latency, Poisson


def test_poisson_counts_have_mean_and_variance_of_the_rate() -> None:
    x = torch.tensor([0.0, 0.1, 0.5, 1.0]).expand(4000, 4)
    counts = Poisson(max_rate=40.0).encode(x, 0.5, generator_for(3)).counts().double()
    mean = x[0].double() * 40.0 * 0.5
    assert counts[:, 0].sum() == 0
    error = (counts.mean(0) - mean) / (mean / 4000).sqrt().clamp(min=1e-12)
    assert float(error[1:].abs().max()) < 4
    # the variance of a Poisson variance estimate: (2 m^2 + m) / n
    spread = (counts.var(0) - mean) / ((2 * mean**2 + mean) / 4000).sqrt().clamp(min=1e-12)
    assert float(spread[1:].abs().max()) < 4


def test_poisson_gaps_of_one_pixel_are_exponential() -> None:
    x = torch.tensor([[0.3, 0.9, 0.05]])
    times, neurons = Poisson(max_rate=100.0).encode(x, 100.0, generator_for(5)).of(0)
    for pixel, share in enumerate((0.3, 0.9, 0.05)):
        gaps = times[neurons == pixel].diff().numpy()
        assert len(gaps) > 300
        assert stats.kstest(gaps, "expon", args=(0, 1 / (100 * share))).pvalue > 1e-3


def test_a_sample_does_not_depend_on_those_after_it() -> None:
    x = torch.rand(5, 20, generator=generator_for(1))
    many = Poisson().encode(x, 0.2, generator_for(2))
    few = Poisson().encode(x[:2], 0.2, generator_for(2))
    assert all(torch.equal(a, b) for k in range(2) for a, b in zip(many.of(k), few.of(k), strict=True))
    other = Poisson().encode(x, 0.2, generator_for(3))
    assert len(other) != len(many) or not torch.equal(other.times, many.times)


def test_a_dark_image_has_no_spikes_and_images_are_flattened() -> None:
    trains = Poisson().encode(torch.zeros(2, 1, 3, 3), 1.0, generator_for(0))
    assert len(trains) == 0 and trains.size == 9 and trains.shape == (2,)


def test_latency_puts_one_spike_at_its_time() -> None:
    x = torch.tensor([[0.0, 0.25, 1.0, 0.009], [0.5, 0.5, 0.5, 0.5]])
    trains = Latency(window=40e-3).encode(x)
    times, neurons = trains.of(0)
    assert neurons.tolist() == [2, 1]
    torch.testing.assert_close(times, torch.tensor([0.0, 30e-3], dtype=torch.float64), atol=1e-12, rtol=0)
    assert trains.counts()[1].tolist() == [1, 1, 1, 1]


def test_constant_current_is_linear() -> None:
    x = torch.rand(3, 7, generator=generator_for(0))
    torch.testing.assert_close(ConstantCurrent(gain=4.0, offset=0.5).encode(x), 0.5 + 4 * x)


@pytest.mark.parametrize("encode", [ConstantCurrent().encode, Latency().encode])
@pytest.mark.parametrize(
    ("value", "names"), [(math.nan, "sample 1 .* NaN at pixel 2"), (1.5, "sample 1 .* 1.5 at pixel 2"), (-0.1, "-0.1")]
)
def test_images_out_of_range_are_refused(encode: object, value: float, names: str) -> None:
    x = torch.full((2, 4), 0.5)
    x[1, 2] = value
    with pytest.raises(DataError, match=names):
        encode(x)  # type: ignore[operator]


def test_bytes_get_the_remedy() -> None:
    with pytest.raises(DataError, match="divide images of bytes by 255"):
        Poisson().encode(torch.full((1, 4), 200), 0.1, generator_for(0))


def test_empty_input_and_bad_times_are_refused() -> None:
    with pytest.raises(DataError, match="no values"):
        Latency().encode(torch.empty(0, 4))
    with pytest.raises(ParameterError, match="duration of -1"):
        Poisson().encode(torch.ones(1, 4), -1.0, generator_for(0))
    with pytest.raises(ParameterError, match="max_rate"):
        Poisson(max_rate=-3.0)
    with pytest.raises(ParameterError, match="interval"):
        Drive(torch.zeros(2, 3), 0.0)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    Poisson().encode(torch.ones(1, 4), 0.1, generator_for(0))
    assert torch.equal(before, torch.get_rng_state())
