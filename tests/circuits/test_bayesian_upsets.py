"""Upsets in the registers of a Bayesian machine: how many flip, and the kernel against a plain restatement."""

import math

import numpy as np
import pytest

from nanoneurons.circuits._bayesian_kernels import _gap
from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.circuits._lfsr import comparator, shifted


@pytest.mark.parametrize("rate", [0.002, 0.05, 0.5])
def test_bits_of_a_sum_flip_as_often_as_eight_chances_say(rate):
    """A bit with eight chances to flip ends up flipped with probability (1 - (1 - 2 r)^8) / 2."""
    samples, rows = 4000, 5
    logic = BayesianLogic(2, "logarithmic")
    found = logic.decide(np.zeros((rows, 2, 3), np.uint8), np.zeros((samples, 2), int), rate, key=7)
    bits = found.counts[..., None] >> np.arange(8) & 1
    expected = (1 - (1 - 2 * rate) ** 8) / 2
    error = math.sqrt(expected * (1 - expected) / bits.size)
    assert abs(bits.mean() - expected) < 4 * error
    each = bits.mean((0, 1))  # every bit alike
    assert (abs(each - expected) < 4.5 * error * math.sqrt(8)).all()


def test_gaps_between_upsets_are_geometric():
    rate, number = 0.03, 40_000
    gaps = np.array([_gap(np.uint64(5), n, 0, rate) for n in range(number)])
    mean, spread = (1 - rate) / rate, math.sqrt(1 - rate) / rate
    assert abs(gaps.mean() - mean) < 4 * spread / math.sqrt(number)
    none = (1 - rate) ** 10  # no upset among the first ten bits
    assert abs((gaps >= 10).mean() - none) < 4 * math.sqrt(none * (1 - none) / number)


def restated(logic, words, observed, rate, key, sample):
    """One sample, registers as one list of bits: counters or sums, words, shift registers."""
    rows, columns = words.shape[:2]
    mode = logic.mode
    missing = observed == -1
    held = words[:, np.arange(columns), np.where(missing, 0, observed)].astype(int, order="C")
    held[:, missing] = 0 if mode == "logarithmic" else 255
    value, state = np.zeros(rows, int), np.array(logic.seeds)
    sizes = (rows * (mode != "first"), rows * columns, columns * (mode != "logarithmic"))
    drawn, ahead = 1, _gap(np.uint64(key), sample, 0, rate)
    for cycle in range(1, logic.length + 1):
        if mode == "logarithmic":
            value = np.minimum(held.sum(1), 255) if cycle == 1 else value
        else:
            ones = (comparator(held, state) | missing).all(1)
            state = np.asarray(shifted(state))
            value = (value + ones) % 256
            if mode == "first" and ones.any():
                return value, cycle
        bits = 8 * sum(sizes)
        while ahead < bits:
            register, flip = divmod(int(ahead), 8)
            if register < sizes[0]:
                value[register] ^= 1 << flip
            elif register < sizes[0] + sizes[1]:
                held.reshape(-1)[register - sizes[0]] ^= 1 << flip
            else:
                state[register - sizes[0] - sizes[1]] ^= 1 << flip
            ahead += 1 + _gap(np.uint64(key), sample, drawn, rate)
            drawn += 1
        ahead -= bits
    return value, logic.length


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rate", [1e-4, 1e-2])
def test_the_kernel_is_the_plain_restatement(mode, rate):
    rng = np.random.default_rng(3)
    for _ in range(3):
        rows, columns, bins = (int(n) for n in rng.integers(2, 6, 3))
        words = (256 * rng.random((rows, columns, bins)) ** 0.5).astype(np.uint8)
        observed = rng.integers(-1, bins, (6, columns))
        logic = BayesianLogic(columns, mode, int(rng.integers(20, 256)))
        found = logic.decide(words, observed, rate, key=11)
        for sample in range(len(observed)):
            value, cycle = restated(logic, words, observed[sample], rate, 11, sample)
            assert (found.counts[sample] == value).all()
            assert found.cycle[sample] == cycle
            assert found.winner[sample] == (value.argmin() if mode == "logarithmic" else value.argmax())
            assert found.decided[sample] == (value.min() < 255 if mode == "logarithmic" else value.max() > 0)


def test_chips_and_keys_have_upsets_of_their_own():
    words = np.full((2, 3, 2, 4), 200, np.uint8)
    observed = np.zeros((50, 2), int)
    logic = BayesianLogic(2)
    found = logic.decide(words, observed, 1e-3, key=1)
    assert (found.counts[0] != found.counts[1]).any()
    assert (found.counts == logic.decide(words, observed, 1e-3, key=1).counts).all()
    assert (found.counts != logic.decide(words, observed, 1e-3, key=2).counts).any()
