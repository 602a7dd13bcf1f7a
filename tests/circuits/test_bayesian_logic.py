"""Random bits and logic of the Bayesian machine, against closed forms and against itself cycle by cycle."""

from dataclasses import replace

import numpy as np
import pytest

from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.circuits._lfsr import PERIOD, check_seeds, comparator, sequence, spread_seeds, streams
from nanoneurons.core.errors import ParameterError


def test_the_register_visits_every_state_but_zero_once():
    assert sorted(sequence(1).tolist()) == list(range(1, 256))
    assert sequence(0b10000000, 2)[1] == 0b00000001  # the highest bit is fed back


@pytest.mark.parametrize("seed", [1, 77, 255])
def test_ones_of_every_likelihood_over_the_period(seed):
    ones = comparator(np.arange(256)[:, None], sequence(seed)[None, :]).sum(1)
    assert (ones == np.arange(256)).all()


@pytest.mark.parametrize("cycles", [1, 63, 64, 255])
def test_packed_streams_are_the_comparators_bits(cycles):
    packed = np.unpackbits(streams(200, cycles).view(np.uint8), axis=1, bitorder="little")
    assert (packed[:, :cycles] == comparator(np.arange(256)[:, None], sequence(200, cycles)[None, :])).all()
    assert not packed[:, cycles:].any()


def random_machine(rng, mode, cycles):
    rows, columns, bins = (int(n) for n in (rng.integers(1, 9), rng.integers(1, 9), rng.integers(1, 70)))
    seeds = tuple(int(s) for s in rng.permutation(PERIOD)[:columns] + 1)
    words = (256 * rng.random((rows, columns, bins)) ** rng.uniform(0.1, 2)).astype(np.uint8)
    if mode == "logarithmic":
        words //= int(rng.integers(1, 9))
    return BayesianLogic(columns, mode, cycles, seeds), words, rng.integers(-1, bins, (40, columns))


@pytest.mark.parametrize("mode", MODES)
def test_decisions_are_those_of_the_machine_cycle_by_cycle(mode):
    rng = np.random.default_rng(1)
    for trial in range(60):
        logic, words, observed = random_machine(rng, mode, int(rng.integers(1, 256)) if trial % 2 else PERIOD)
        trace = list(logic.trace(words, observed))
        found = logic.decide(words, observed)
        samples = np.arange(len(observed))
        if mode == "first":
            bits = np.stack([cycle.bits for cycle in trace])
            some = bits.any(2)
            at = np.where(some.any(0), some.argmax(0), logic.cycles - 1)
            assert (found.decided == some.any(0)).all()
            assert (found.cycle == at + 1).all()
            assert (found.counts == bits[at, samples]).all()
            assert (found.winner == bits[at, samples].argmax(1)).all()
            continue
        counts = trace[-1].counts
        assert (found.counts == counts).all()
        assert (found.winner == (counts.argmin(1) if mode == "logarithmic" else counts.argmax(1))).all()
        assert (found.cycle == len(trace)).all()


@pytest.mark.parametrize("ones", [1, 2, 3, 17])
def test_the_first_row_with_a_number_of_ones_ends_the_decision(ones):
    rng = np.random.default_rng(ones)
    for trial in range(40):
        logic, words, observed = random_machine(rng, "first", int(rng.integers(1, 256)) if trial % 2 else PERIOD)
        logic = replace(logic, ones=ones)
        counts = np.stack([cycle.counts for cycle in logic.trace(words, observed)])  # (cycles, samples, rows)
        there = (counts >= ones).any(2)
        at = np.where(there.any(0), there.argmax(0), logic.cycles - 1)
        wanted = counts[at, np.arange(len(observed))]
        for found in (logic.decide(words, observed), logic.decide(words, observed, upset_rate=1e-12)):
            assert (found.cycle == at + 1).all()
            assert (found.counts == wanted).all()
            assert (found.winner == wanted.argmax(1)).all()
            assert (found.decided == wanted.any(1)).all()


def test_only_an_early_stop_counts_to_a_number():
    with pytest.raises(ParameterError, match="only mode 'first'"):
        BayesianLogic(2, "full", ones=2)
    with pytest.raises(ParameterError, match="ones must be a whole number from 1 to 255, not 0"):
        BayesianLogic(2, "first", ones=0)


@pytest.mark.parametrize("mode", MODES)
def test_rare_upsets_change_nothing_and_frequent_ones_do(mode):
    logic, words, observed = random_machine(np.random.default_rng(2), mode, PERIOD)
    calm = logic.decide(words, observed)
    rare = logic.decide(words, observed, upset_rate=1e-12, key=5)
    often = logic.decide(words, observed, upset_rate=0.05, key=5)
    for name in ("counts", "winner", "cycle", "decided"):
        assert (getattr(calm, name) == getattr(rare, name)).all(), name
    assert (calm.counts != often.counts).any()


def test_chips_are_independent_of_each_other():
    logic, words, observed = random_machine(np.random.default_rng(3), "full", PERIOD)
    both = logic.decide(np.stack([words, 255 - words]), observed)
    assert (both.counts[1] == logic.decide(255 - words, observed).counts).all()


def test_spread_seeds_are_far_apart():
    seeds = spread_seeds(6)
    place = {int(state): cycle for cycle, state in enumerate(sequence(1))}
    at = sorted(place[seed] for seed in seeds)
    assert min(b - a for a, b in zip(at, [*at[1:], at[0] + PERIOD], strict=True)) >= PERIOD // 6


def test_bad_seeds_are_refused_or_warned_of():
    with pytest.raises(ParameterError, match="column 1 is 0"):
        check_seeds((3, 0), 2)
    with pytest.raises(ParameterError, match="3 seeds for 2 columns"):
        check_seeds((1, 2, 3), 2)
    with pytest.raises(ParameterError, match="300"):
        check_seeds((1, 300), 2)
    with pytest.warns(UserWarning, match="columns 0 and 2 have the same seed 9"):
        check_seeds((9, 4, 9), 3)


def test_bad_observations_and_words_are_refused():
    logic = BayesianLogic(2)
    words = np.zeros((3, 2, 4), np.uint8)
    with pytest.raises(ParameterError, match=r"observation 4 \(sample 0, column 1\).*0 to 3"):
        logic.decide(words, np.array([[0, 4]]))
    with pytest.raises(ParameterError, match="uint8"):
        logic.decide(words.astype(float), np.array([[0, 1]]))
    with pytest.raises(ParameterError, match="modes full, first, logarithmic"):
        BayesianLogic(2, "ful")  # type: ignore[arg-type]
    with pytest.raises(ParameterError, match="from 1 to 255"):
        BayesianLogic(2, cycles=256)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("rows", "columns", "bins"), [(100, 3, 5), (2, 254, 3), (1, 1, 1), (3, 7, 600)])
def test_unusual_sizes_are_decided_as_cycle_by_cycle(mode, rows, columns, bins):
    rng = np.random.default_rng(rows)
    words = (255 * rng.random((rows, columns, bins)) ** (1 / columns)).astype(np.uint8)  # rows still give ones
    logic = BayesianLogic(columns, mode)
    observed = rng.integers(-1, bins, (10, columns))
    found, trace = logic.decide(words, observed), list(logic.trace(words, observed))
    if mode == "first":
        bits = np.stack([cycle.bits for cycle in trace])
        some = bits.any(2)
        assert (found.decided == some.any(0)).all()
        assert (found.cycle == np.where(some.any(0), some.argmax(0), PERIOD - 1) + 1).all()
    else:
        assert (found.counts == trace[-1].counts).all()


@pytest.mark.parametrize(("mode", "counts", "cycle"), [("full", 255, 255), ("first", 1, 1), ("logarithmic", 0, 8)])
def test_with_nothing_observed_all_rows_are_equal_and_the_lowest_wins(mode, counts, cycle):
    words = np.zeros((5, 3, 4), np.uint8)
    found = BayesianLogic(3, mode).decide(words, np.full((2, 3), -1))
    assert (found.counts == counts).all() and (found.winner == 0).all() and (found.cycle == cycle).all()
    assert found.decided.all()


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint64])
def test_observations_of_every_size_and_order_are_taken(kind):
    logic, words, observed = random_machine(np.random.default_rng(4), "full", PERIOD)
    observed = np.abs(observed)
    expected = logic.decide(words, observed).counts
    for given in (observed.astype(kind), np.asfortranarray(observed.astype(kind)), np.repeat(observed, 2, 0)[::2]):
        assert (logic.decide(words, given).counts == expected).all()
    too_large = np.full((1, logic.columns), np.iinfo(kind).max, kind)
    with pytest.raises(ParameterError, match="sample 0, column 0"):
        logic.decide(words[..., :5], too_large)
