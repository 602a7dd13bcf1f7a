"""One pulse and one reading of a weight between hard bounds, against numerical integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from nanoneurons.fitting import _bounded_weight as bounded
from nanoneurons.fitting._state_space import CONSTANTS


def law(**values):
    base = {name: 0.0 for name in CONSTANTS} | {"low": -1.0, "high": 1.0, "up": 0.1, "down": 0.1, "sigma": 0.8}
    base |= values
    return np.array([base[name] for name in CONSTANTS])


def exact(parts, c, rising, y, s2):
    """Density of y, atoms and the part between the bounds after a pulse of constant size, by a fine grid."""
    w = np.linspace(-1, 1, 20_001)
    width = w[1] - w[0]
    step = c[0] if rising else -c[4]
    sd = c[10] * abs(step)
    density, below, above = np.zeros(len(w)), 0.0, 0.0
    for mass, place in parts:
        density += mass * stats.norm.pdf(w, place + step, sd)
        below += mass * stats.norm.cdf(-1, place + step, sd)
        above += mass * stats.norm.sf(1, place + step, sd)
    inside = density * stats.norm.pdf(y, w, np.sqrt(s2)) * width
    low, high = below * stats.norm.pdf(y, -1, np.sqrt(s2)), above * stats.norm.pdf(y, 1, np.sqrt(s2))
    total = inside.sum() + low + high
    mean = (inside * w).sum() / inside.sum()
    var = (inside * (w - mean) ** 2).sum() / inside.sum()
    return np.log(total), mean, var, low / total, high / total


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("y", [0.7, 0.95, 1.1])
@pytest.mark.parametrize("atom", [0.0, 0.3, 1.0])
def test_a_pulse_and_a_reading_are_exact_but_for_the_normal_part_between(rising, y, atom):
    c, m, v, s2 = law(), 0.9, 1e-4, 0.05**2
    places = m + 0.01 * stats.norm.ppf((np.arange(200) + 0.5) / 200)
    parts = [((1 - atom) / 200, place) for place in places] + [(atom, 1.0)]
    expected = exact(parts, c, rising, y, s2)
    found = bounded.advanced(bounded.CONSTANT, m, v, 0.0, atom, rising, c, True, y, s2)
    assert found[0] == pytest.approx(expected[0], abs=3e-3)
    assert found[1] == pytest.approx(expected[1], abs=2e-3)
    assert found[2] == pytest.approx(expected[2], rel=2e-2)
    assert found[3:5] == pytest.approx(expected[3:], abs=2e-3)


@pytest.mark.parametrize("kind", [bounded.CONSTANT, bounded.LINEAR, bounded.EXPONENTIAL, bounded.POWER])
def test_no_mass_is_lost_on_the_way(kind):
    c = law(up_p=-0.5, up_q=0.5, up_e=0.7, down_p=0.5, down_q=0.5, down_e=1.3, sigma=1.5)
    m, v, pl, ph = 0.5, 0.01, 0.0, 0.0
    for k in range(60):
        _, m, v, pl, ph, mean, var, _, _ = bounded.advanced(kind, m, v, pl, ph, k % 40 < 20, c, False, 0.0, 1.0)
        assert -1 <= m <= 1 and pl >= 0 and ph >= 0 and pl + ph <= 1 + 1e-9 and v > 0
        assert -1 <= mean <= 1 and var <= 1.0


def test_a_reading_far_from_everything_does_not_break_the_state():
    found = bounded.advanced(bounded.CONSTANT, 0.95, 1e-4, 0.0, 0.5, True, law(), True, 40.0, 1e-4)
    assert np.isfinite(found).all() and found[0] < -1e3 and -1 <= found[1] <= 1
