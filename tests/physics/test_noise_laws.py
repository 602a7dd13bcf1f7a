"""Truncated laws and 1/f noise against scipy and closed forms."""

import numpy as np
import pytest
import torch
from scipy import signal, stats

from nanoneurons.core.random import uniform, words
from nanoneurons.physics import truncated
from nanoneurons.physics.flicker import coefficients, flicker, flicker_plain

U = uniform(4, (200_000,))


@pytest.mark.parametrize(
    ("mine", "law", "low", "high"),
    [
        (lambda u: truncated.normal(u, 6988.0, 381.7, 6252.0, 7897.0), stats.norm(6988.0, 381.7), 6252.0, 7897.0),
        (
            lambda u: truncated.lognormal(u, 542.539, 0.80338, 41.0, 2000.0),
            stats.lognorm(0.80338, 0, 542.539),
            41.0,
            2000.0,
        ),
        (
            lambda u: truncated.exponential(u, 3.7e-5, 6.6e-4, 3.74e-5, 7.6e-3),
            stats.expon(3.7e-5, 6.6e-4),
            3.74e-5,
            7.6e-3,
        ),
    ],
)
def test_truncated_quantiles_equal_scipys(mine, law, low, high):
    u = U.double().numpy()
    exact = law.ppf(law.cdf(low) + (law.cdf(high) - law.cdf(low)) * u)
    got = mine(U).double().numpy()
    assert got.min() >= low * (1 - 1e-6) and got.max() <= high * (1 + 1e-6)
    # u has 23 bits, so 1 - u, on which the exponential's tail depends, is known to 1e-7 / (1 - u); the
    # table of the normal law has 65536 cells: four significant digits everywhere, six nearly everywhere
    assert np.max(np.abs(got / exact - 1)) < 1e-4
    assert np.quantile(np.abs(got / exact - 1), 0.99) < 5e-6


def test_flicker_coefficients_are_the_published_ones():
    b = coefficients(126)
    assert b[:5] == pytest.approx([1, 0.5, 0.375, 0.3125, 0.2734375])
    assert b[125] == pytest.approx(0.05041107, rel=1e-4)  # last of the 126 entries in the authors' program


@pytest.mark.parametrize("length", [1, 2, 5, 15, 126])
def test_compiled_flicker_equals_the_plain_sum(length):
    seed = words(8, (4000,))
    pulses = (uniform(8, (4000,)) * 1000).int()
    difference = (flicker(seed, pulses, length) - flicker_plain(seed, pulses, length)).abs().max()
    assert float(difference) < 2e-5  # float32 sums of up to 126 terms in another order


def test_flicker_moves_by_one_register_place_per_pulse():
    seed = words(2, (1,)).expand(300)
    series = flicker(seed, torch.arange(300, dtype=torch.int32), 15).double().numpy()
    # a moving average of independent numbers: no correlation left after the register's length
    many = flicker(words(3, (20_000,)), torch.zeros(20_000, dtype=torch.int32), 15).double()
    later = flicker(words(3, (20_000,)), torch.full((20_000,), 15, dtype=torch.int32), 15).double()
    assert abs(float(torch.corrcoef(torch.stack([many, later]))[0, 1])) < 4 / np.sqrt(20_000)
    b = coefficients(15).astype(float)
    assert float(many.mean()) == pytest.approx(0.5 * b.sum(), abs=4 * float(many.std()) / np.sqrt(20_000))
    assert float(many.std()) == pytest.approx(np.sqrt((b**2).sum() / 12), rel=0.02)  # two per cent: 4 standard errors
    assert len(set(np.round(series, 7))) > 290  # and every pulse brings a new number


def test_flicker_spectrum_falls_as_one_over_f():
    series = flicker(words(5, (64, 1)).expand(64, 4096), torch.arange(4096, dtype=torch.int32).expand(64, 4096), 126)
    f, power = signal.welch(series.double().numpy(), nperseg=1024)
    inside = (f > 1.5 / 126) & (f < 0.2)  # between the register's length and the sampling limit
    slope = np.polyfit(np.log(f[inside]), np.log(power.mean(0)[inside]), 1)[0]
    assert slope == pytest.approx(-1, abs=0.15)  # the finite register bends the ends of the band
