import pytest
import torch

from nanoneurons import data
from nanoneurons.core.errors import ParameterError


def test_every_period_is_a_sine_or_a_square():
    series = data.load_series("sine-square", train_periods=30, test_periods=20)
    assert series.sizes == (240, 160)
    periods, targets = series.inputs.reshape(50, 8), series.targets.reshape(50, 8)
    half = 0.5**0.5
    sine = torch.tensor([0, half, 1, half, 0, -half, -1, -half], dtype=torch.float64)
    square = torch.tensor([1.0] * 4 + [-1.0] * 4).double()
    for period, target in zip(periods, targets, strict=True):
        assert len(target.unique()) == 1
        # rounding of sin at multiples of pi / 4
        assert torch.allclose(period, square if target[0] else sine, atol=1e-15, rtol=0)


def test_both_kinds_are_as_frequent():
    share = float(data.load_series("sine-square", train_periods=2000, test_periods=2000).targets.mean())
    assert abs(share - 0.5) < 4 * 0.5 / 4000**0.5  # four standard deviations of a fair coin


def test_more_periods_change_nothing_before():
    short, long = (data.load_series("sine-square", train_periods=n, samples=4) for n in (10, 40))
    assert torch.equal(short.inputs, long.inputs[: len(short.inputs)])


def test_odd_periods_are_refused():
    with pytest.raises(ParameterError, match="must be even"):
        data.load_series("sine-square", samples=7)
