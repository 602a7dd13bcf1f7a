"""Spin-diode line: extremes, zero and tail of the weight; tails of a chain that cancel; plans of frequencies."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics.spin_diode import chain_capacity, conversion, leakage, plan_frequencies, rectified

ROUNDING = 1e-12  # a few operations in double precision, x of order 1e3 at most
frequencies = st.floats(1e6, 1e11)
dampings = st.floats(1e-4, 0.3)
shares = st.floats(-5.0, 5.0)


def f64(*values):
    return torch.tensor(values, dtype=torch.float64)


def line(x, resonance=70e6, damping=0.01, symmetric=0.0):
    """Response at a tone x half linewidths above the resonance."""
    x = torch.as_tensor(x, dtype=torch.float64)
    return rectified(resonance * (1 + damping * x), f64(resonance), damping, symmetric)


# -- one resonator ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(frequencies, dampings)
def test_extremes_stand_at_one_half_linewidth(resonance, damping):
    """+1 at f - f_r = alpha f_r and -1 at -alpha f_r, less on either side."""
    x = f64(1 - 1e-3, 1, 1 + 1e-3)
    upper, lower = line(x, resonance, damping), line(-x, resonance, damping)  # -x is not below 0 Hz: alpha < 1
    assert float(upper[1]) == pytest.approx(1, abs=1e-9)
    assert float(lower[1]) == pytest.approx(-1, abs=1e-9)
    # near its extreme the line is 1 - (x - 1)^2 / 2
    torch.testing.assert_close(upper[[0, 2]], f64(1 - 5e-7, 1 - 5e-7), rtol=0, atol=2e-9)
    torch.testing.assert_close(lower[[0, 2]], -f64(1 - 5e-7, 1 - 5e-7), rtol=0, atol=2e-9)


def test_the_extremes_are_the_largest_responses():
    x = torch.linspace(-50, 50, 200_001, dtype=torch.float64)  # steps of 0.0005 meet +-1
    response = line(x)
    assert float(x[response.argmax()]) == pytest.approx(1, abs=1e-3)
    assert float(x[response.argmin()]) == pytest.approx(-1, abs=1e-3)
    assert float(response.abs().max()) <= 1 + ROUNDING


@settings(deadline=None)
@given(frequencies, dampings, st.floats(1e-6, 1e3))
def test_sign_changes_at_resonance(resonance, damping, x):
    assert float(rectified(f64(resonance), f64(resonance), damping)) == 0
    above, below = line(x, resonance, damping), line(-x, resonance, damping)
    assert float(above) > 0 > float(below)
    assert float(above + below) == pytest.approx(0, abs=1e-8)  # odd; rounding of f over the smallest half linewidth


def test_slope_at_resonance():
    """2 / (alpha f_r) per Hz."""
    step = 1e-3
    slope = (line(step) - line(-step)) / (2 * step)
    assert float(slope) == pytest.approx(2, rel=2 * step**2)


@settings(deadline=None)
@given(frequencies, dampings, st.floats(1.0, 1e6))
def test_tail_is_twice_the_half_linewidth_over_the_distance(resonance, damping, x):
    """2 alpha f_r / (f - f_r), but for 2 / x^3."""
    distance = x * damping * resonance
    response = float(rectified(f64(resonance + distance), f64(resonance), damping))
    assert abs(response - 2 * damping * resonance / distance) <= 2 / x**3 + 1e-9


@settings(deadline=None, max_examples=20)
@given(shares)
def test_symmetric_line(share):
    """Height `share` at resonance; the extremes of both lines together are (s +- sqrt(s^2 + 4)) / 2."""
    assert float(line(0.0, symmetric=share)) == pytest.approx(share, abs=1e-9)
    x = torch.linspace(-60, 60, 120_001, dtype=torch.float64)
    response = line(x, symmetric=share)
    root = math.sqrt(share**2 + 4)
    assert float(response.max()) == pytest.approx((share + root) / 2, abs=1e-5)
    assert float(response.min()) == pytest.approx((share - root) / 2, abs=1e-5)
    even, odd = (response + response.flip(0)) / 2, (response - response.flip(0)) / 2
    torch.testing.assert_close(even, share / (1 + x**2), rtol=0, atol=1e-8)
    torch.testing.assert_close(odd, 2 * x / (1 + x**2), rtol=0, atol=1e-8)


@settings(deadline=None)
@given(frequencies, dampings, st.floats(-50, 50), st.floats(0.1, 10))
def test_only_ratios_of_frequencies_matter(resonance, damping, x, factor):
    x = max(x, -0.9 / damping)
    tone = f64(resonance * (1 + damping * x))
    one, two = rectified(tone, f64(resonance), damping), rectified(factor * tone, f64(factor * resonance), damping)
    assert float(one) == pytest.approx(float(two), abs=1e-9)


def test_slope_in_the_resonance_by_finite_differences():
    resonance = f64(60e6, 69e6, 70e6, 71e6).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda f: rectified(f64(70e6), 1e6 * f, 0.01, 0.3), ((resonance.detach() / 1e6).requires_grad_(),)
    )


def test_sensitivity():
    """0.0884 / I_th for full magnetoresistance and torque at 45 degrees: public program of Ross et al. 2023."""
    assert conversion(1.0, 1.0, math.pi / 4, 10e-6) == pytest.approx(0.0884 / 10e-6, rel=1e-3)
    assert conversion(0.5, 0.2, math.pi / 4, 20e-6) == pytest.approx(0.05 * conversion(1, 1, math.pi / 4, 10e-6))


# -- tails that cancel --------------------------------------------------------------------------------


def middle(tones, damping, alternating):
    """Leakage at the tone in the middle, taken as positive whatever the sign of the first resonator."""
    sign = (-1) ** (len(tones) // 2) if alternating else 1
    return sign * float(leakage(tones, damping, alternating)[len(tones) // 2])


def pairs(plan, damping, reach, spacing):
    """2 `reach` + 1 tones, neighbours of the middle one `spacing` full linewidths from it."""
    count = 2 * reach + 1
    if plan == "geometric":
        mu = damping * spacing
        ratio = ((1 + mu) / (1 - mu)) ** (count - 1)
        return plan_frequencies(count, 1e8, 1e8 * ratio, "geometric")
    step = 2 * damping * spacing * 1e9
    return plan_frequencies(count, 1e9 - reach * step, 1e9 + reach * step, "linear")


@pytest.mark.parametrize(("plan", "pair"), [("geometric", -2.0), ("linear", -4.0)])
@pytest.mark.parametrize("reach", [1, 4, 5, 30])
def test_tails_of_neighbours_cancel_in_pairs(plan, pair, reach):
    """The tails of the m-th neighbours on both sides add up to -2 alpha (geometric) or -4 alpha (linear), whatever m.

    So M pairs leave that M times without alternation, and with it nothing (M even) or one pair (M odd). The line lacks
    2 / x (1 + x^2) to its tail 2 / x, with a slope of 6 / x^4 and less. The neighbours' x1 > x2 differ by a x1 x2 with
    a = |pair| / 2, so what a pair lacks is at most 6 a x1 / x2^3.
    """
    damping, spacing = 1e-3, 10.0
    tones = pairs(plan, damping, reach, spacing)
    plain, turned = middle(tones, damping, False), middle(tones, damping, True)
    x = ((tones[reach] - tones) / (damping * tones)).abs()
    one, two = x[:reach].flip(0), x[reach + 1 :]
    lack = 3 * damping * abs(pair) * float((torch.maximum(one, two) / torch.minimum(one, two) ** 3).sum())
    assert abs(plain - pair * damping * reach) <= lack
    assert abs(turned - (-pair * damping if reach % 2 else 0.0)) <= lack
    assert lack < 0.02 * damping * abs(pair)  # so the statement is sharp


def test_tails_at_the_edge_grow_by_a_logarithm_without_alternation_only():
    """First tone of a linear plan: harmonic numbers, by the Euler-Maclaurin formula, against ln 2.

    Tail of the k-th neighbour: -2 alpha (f_0 / k Delta + 1). Its sum is -2 alpha (f_0 / Delta H_M + M); in turn, for
    even M, 2 alpha f_0 / Delta (ln 2 - 1 / 2M + ...).
    """
    damping, low, step = 1e-4, 20e6, 0.4e6
    for count in (41, 257):
        tones = plan_frequencies(count, low, low + (count - 1) * step, "linear")
        m = count - 1
        harmonic = math.log(m) + 0.5772156649015329 + 1 / (2 * m) - 1 / (12 * m**2)
        alternating = math.log(2) - 1 / (2 * m) + 1 / (4 * m**2)
        plain, turned = (float(leakage(tones, damping, a)[0]) for a in (False, True))
        # what the line lacks to its tail: 2 (h / d)^3 of each neighbour, in all less than 1.3 times that of the first
        lack = 1.3 * 2 * (damping * (low + step) / step) ** 3
        tail = 2 * damping * low / step
        assert abs(plain + tail * harmonic + 2 * damping * m) <= lack + 1e-7 * tail
        assert abs(turned - tail * alternating) <= lack + 1e-7 * tail
    assert abs(plain) > 15 * abs(turned)


def test_leakage_is_the_sum_over_the_others():
    tones = plan_frequencies(7, 20e6, 30e6, "geometric")
    for alternating in (True, False):
        found = leakage(tones, 0.02, alternating)
        for i, f in enumerate(tones.tolist()):
            total = 0.0
            for k, r in enumerate(tones.tolist()):
                d, h = f - r, 0.02 * r
                total += ((-1) ** k if alternating else 1) * 2 * h * d / (h * h + d * d)
            assert float(found[i]) == pytest.approx(total, rel=1e-12)


# -- plans --------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(2, 300), st.floats(1e6, 1e9), st.floats(1.01, 20))
def test_plans_fill_the_band(count, low, ratio):
    linear, geometric = (plan_frequencies(count, low, low * ratio, p) for p in ("linear", "geometric"))
    for tones in (linear, geometric):
        assert tones.dtype == torch.float64
        torch.testing.assert_close(tones[[0, -1]], f64(low, low * ratio), rtol=1e-12, atol=0)
        assert bool((tones.diff() > 0).all())
    torch.testing.assert_close(linear.diff(), linear.diff().mean().expand(count - 1), rtol=1e-6, atol=0)
    ratios = geometric[1:] / geometric[:-1]
    torch.testing.assert_close(ratios, ratios.mean().expand(count - 1), rtol=1e-10, atol=0)


def test_geometric_plan_of_the_publication():
    """f_i = f_0 ((1 + mu) / (1 - mu))^i: neighbours are 2 mu of their mean apart."""
    tones = plan_frequencies(128, 20e6, 120e6, "geometric")
    mu = tones.diff() / (tones[1:] + tones[:-1])
    ratio = 6 ** (1 / 127)
    torch.testing.assert_close(mu, torch.full_like(mu, (ratio - 1) / (ratio + 1)), rtol=1e-10, atol=0)


def test_one_tone_stands_in_the_middle():
    assert float(plan_frequencies(1, 20e6, 120e6, "linear")) == 70e6
    assert float(plan_frequencies(1, 20e6, 80e6, "geometric")) == pytest.approx(40e6)


@settings(deadline=None)
@given(st.floats(1e-3, 0.1), st.floats(0.2, 4), st.floats(1.2, 10))
def test_capacity_is_the_largest_number_that_fits(damping, spacing, ratio):
    low, high = 20e6, 20e6 * ratio
    count = chain_capacity(low, high, damping, spacing)
    step = (1 + damping * spacing) / (1 - damping * spacing)
    assert step ** (count - 1) <= ratio * (1 + 1e-6)
    assert step**count > ratio * (1 - 1e-6)
    if count > 1:
        tones = plan_frequencies(count, low, high, "geometric")
        widths = damping * (tones[1:] + tones[:-1])  # full linewidths 2 alpha f at the mean
        assert float((tones.diff() / widths).min()) >= spacing * (1 - 1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plan_frequencies(0, 1e6, 2e6, "linear"), "at least one tone, not 0"),
        (lambda: plan_frequencies(3, 2e6, 1e6, "linear"), "2e\\+06 to 1e\\+06 Hz is not in order"),
        (lambda: plan_frequencies(3, 0.0, 1e6, "linear"), "not in order"),
        (lambda: plan_frequencies(3, 1e6, math.inf, "linear"), "not in order"),
        (lambda: plan_frequencies(3, math.nan, 1e6, "linear"), "not in order"),
        (lambda: plan_frequencies(3, 1e6, 2e6, "cubic"), "'linear' or 'geometric', not 'cubic'"),  # type: ignore[arg-type]
        (lambda: chain_capacity(1e6, 2e6, 0.5, 2.0), "no place for a second tone; lower damping or spacing"),
        (lambda: chain_capacity(2e6, 1e6, 0.01, 1.0), "not in order"),
    ],
)
def test_bad_plans_are_refused(call, said):
    with pytest.raises(ParameterError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_more_spacing_never_fits_more():
    counts = [chain_capacity(20e6, 120e6, 0.01, s) for s in (0.25, 0.5, 1, 2, 4)]
    assert all(a > b for a, b in itertools.pairwise(counts))
