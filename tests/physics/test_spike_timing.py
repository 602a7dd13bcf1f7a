"""Spike timing: windows in closed form, traces against sums over all pairs and triplets, published signs."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics.spike_timing import SimplifiedLaw, TimingLaw, change_by_pairs, change_by_traces, window

PAIR = TimingLaw(up=0.01, down=0.012, tau_up=0.017, tau_down=0.034)
# Pfister and Gerstner 2006, visual cortex, all spikes (values as commonly quoted, not read in the paper).
CORTEX = TimingLaw(5e-10, 7e-3, 0.0168, 0.0337, triplet_up=6.2e-3, triplet_down=2.3e-4, tau_x=0.101, tau_y=0.125)


def rising(steps):
    return [n / 1000 for n in sorted(steps)]


trains = st.lists(st.integers(0, 300), min_size=1, max_size=12, unique=True).map(rising)
pairing = st.sampled_from(["all", "nearest"])


@pytest.mark.parametrize("delay", [1e-3, 0.02, 0.1, -1e-3, -0.02, -0.1])
def test_one_pair_makes_the_exponential_window(delay):
    change = change_by_traces(PAIR, [0.5], [0.5 + delay]) - 0.5
    expected = 0.01 * math.exp(-delay / 0.017) if delay > 0 else -0.012 * math.exp(delay / 0.034)
    assert change == pytest.approx(expected, rel=1e-10)
    assert window(PAIR, delay) == pytest.approx(expected, rel=1e-12)


def test_spikes_at_the_same_time_strengthen():
    assert change_by_traces(PAIR, [0.1], [0.1]) == pytest.approx(0.5 + 0.01)


@settings(max_examples=50, deadline=None)
@given(trains, trains, pairing, st.sampled_from([PAIR, CORTEX]), st.sampled_from([0.0, 0.3]))
def test_traces_sum_over_all_pairs_and_triplets(before, after, pairing, law, offset):
    law = replace(law, pairing=pairing, offset=offset)
    assert change_by_traces(law, before, after) - 0.5 == pytest.approx(change_by_pairs(law, before, after), abs=1e-12)


def pairings(law, frequency, delay, pairs=60):
    before = [1.0 + n / frequency for n in range(pairs)]
    return change_by_pairs(law, before, [t + delay for t in before])


def test_triplets_depend_on_the_frequency_of_pairings_as_measured_in_cortex():
    """Sjöström et al. 2001: after-before weakens at low and strengthens at high frequency, before-after only rises."""
    changes = {f: (pairings(CORTEX, f, 0.01), pairings(CORTEX, f, -0.01)) for f in (0.1, 10, 20, 40, 50)}
    assert abs(changes[0.1][0]) < 0.01
    assert changes[0.1][1] < -0.2
    assert changes[10][1] < 0
    assert changes[50][0] > 0.3
    assert changes[50][1] > 0
    strengthening = [changes[f][0] for f in (0.1, 10, 20, 40, 50)]
    assert strengthening == sorted(strengthening)


def test_pairs_alone_cannot_change_their_sign_with_frequency_that_way():
    pair = replace(CORTEX, up=6.2e-3, triplet_up=0.0, triplet_down=0.0)
    assert pairings(pair, 0.1, 0.01) > 0 > pairings(pair, 0.1, -0.01)
    assert pairings(pair, 50, 0.01) < pairings(pair, 0.1, 0.01)


@pytest.mark.parametrize("mu", [0.3, 1.0])
def test_weights_settle_where_strengthening_and_weakening_balance(mu):
    law = TimingLaw(0.01, 0.02, 0.02, 0.02, bound_up=mu, bound_down=mu, pairing="nearest")
    before = [0.1 * n for n in range(4000)]
    after = [t + 0.05 for t in before]
    both = math.exp(-0.05 / 0.02)  # both gaps are 50 ms
    weight = change_by_traces(law, before, after, 0.9)
    ratio = (0.01 * both) / (0.02 * both)  # (w / (1 - w)) ** mu
    settled = ratio ** (1 / mu) / (1 + ratio ** (1 / mu))
    assert weight == pytest.approx(settled, abs=2e-3)


def test_simplified_law_looks_only_at_the_last_spike():
    law = SimplifiedLaw(0.01, 0.005, 0.02, 3.0, 2.0)
    assert law.change(0.02, 0.5) == pytest.approx(0.01 * math.exp(-1.5))
    assert law.change(0.021, 0.5) == pytest.approx(-0.005 * math.exp(-1.0))
    assert law.change(math.inf, 1.0) == pytest.approx(-0.005)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: replace(PAIR, tau_up=-0.02), "tau_up = -0.02 must be above 0"),
        (lambda: replace(PAIR, down=float("nan")), "down"),
        (lambda: replace(PAIR, bound_up=-1.0), "bound_up"),
        (lambda: replace(PAIR, pairing="most"), "'all' or 'nearest'"),
        (lambda: SimplifiedLaw(0.01, 0.01, 0.0), "window"),
        (lambda: change_by_traces(PAIR, [], []), "empty"),
        (lambda: change_by_traces(PAIR, [0.2, 0.1], [0.3]), "rise"),
        (lambda: change_by_traces(PAIR, [0.2], [float("inf")]), "finite"),
        (lambda: change_by_pairs(replace(PAIR, bound_up=1.0), [0.1], [0.2]), "bounds"),
    ],
)
def test_bad_constants_and_trains_are_refused(make, said):
    with pytest.raises(ParameterError, match=said):
        make()
