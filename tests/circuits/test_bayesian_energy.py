"""Energy of the Bayesian machine: events against those seen cycle by cycle, causes that add up, what is beside it."""

import numpy as np
import pytest
import torch

from nanoneurons import devices
from nanoneurons.circuits._bayesian_energy import CAUSES, PRICES, decision_counts
from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.circuits.bayesian_array import BayesianArray
from nanoneurons.core.energy import Counts, bill
from nanoneurons.networks.bayesian_machine import BayesianMachine

CIRCUIT = BayesianArray(devices.get("hfox-binary"))
ROWS, COLUMNS, BINS = 4, 6, 8


def machine(mode="full", prior=False, cycles=255):
    logic = BayesianLogic(COLUMNS + prior, mode, cycles)
    made = BayesianMachine(COLUMNS, ROWS, COLUMNS, BINS, logic=logic, prior=prior, circuit=CIRCUIT)
    rng = np.random.default_rng(1)
    words = (255 * rng.random((ROWS, COLUMNS + prior, BINS)) ** 0.3).astype(np.uint8)
    made.store(np.arange(COLUMNS), np.tile(np.arange(1, BINS) / BINS, (COLUMNS, 1)), words)
    return made


def samples(count=50):
    return torch.rand(count, COLUMNS, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mode", MODES)
def test_events_are_those_of_the_machine_cycle_by_cycle(mode):
    """Counted here from the registers and bits that a trace shows."""
    made, x = machine(mode), samples()
    trace = list(made.logic.trace(made.memory.words(), made.observe(x)))
    total = dict.fromkeys(PRICES, 0.0)
    for sample in range(len(x)):
        for cycle in trace:
            if mode == "logarithmic":
                total["shift"] += ROWS
                total["count"] += 1
                total["clock"] += 8 * ROWS + ROWS + 1 + 10
                continue
            total["random number"] += len(cycle.registers)
            total["comparison"] += ROWS * COLUMNS
            total["and"] += ROWS * COLUMNS
            total["count"] += 1 + (cycle.bits[sample].sum() if mode == "full" else 0)
            total["clock"] += 8 * COLUMNS + (8 * ROWS if mode == "full" else 0) + 10
            if mode == "first" and cycle.bits[sample].any():
                break
        total["clock"] += 8 * ROWS * COLUMNS
        total["addition"] += ROWS * (COLUMNS - 1) if mode == "logarithmic" else 0
        total["selection"] += ROWS - 1 if mode == "full" else 0
    expected = {"sense": 8 * ROWS * COLUMNS} | {event: n / len(x) for event, n in total.items() if n}
    assert made.inference_counts(x).events == pytest.approx(expected)


def test_without_samples_the_most_is_counted():
    most, found = machine().inference_counts().events, machine().inference_counts(samples()).events
    assert most["count"] == 255 * (ROWS + 1) > found["count"]
    assert all(most[event] >= found[event] for event in found)
    assert machine("first", cycles=40).inference_counts().events["random number"] == 40 * COLUMNS


def test_a_prior_is_a_column_like_any_other():
    with_prior = machine(prior=True).inference_counts().events
    assert with_prior["sense"] == 8 * ROWS * (COLUMNS + 1)
    assert with_prior["comparison"] == 255 * ROWS * (COLUMNS + 1)


def test_modes_are_counted_from_the_same_words_and_the_early_stop_takes_least_of_the_stochastic():
    made, x = machine(), samples()
    found = made.counts_by_mode(x)
    assert list(found) == list(MODES)
    assert found["full"].events == made.inference_counts(x).events
    assert found["first"].events == machine("first").inference_counts(x).events
    joules = {mode: bill(counts, CIRCUIT.prices()).joule for mode, counts in found.items()}
    assert joules["first"] < joules["full"]
    assert list(machine("logarithmic").counts_by_mode(x)) == ["logarithmic"]


def test_causes_add_up_to_the_bill_and_leave_nothing_over():
    for counts in machine().counts_by_mode(samples()).values():
        found = bill(counts, CIRCUIT.prices())
        causes = found.split(CAUSES)
        assert set(causes) == set(CAUSES), "no event is of an unknown cause"
        assert sum(causes.values()) == pytest.approx(found.joule, rel=1e-12)
        assert not found.unpriced
    assert bill(Counts({"write": 1}), CIRCUIT.prices()).split(CAUSES)["other"] > 0


def test_every_price_names_source_and_node():
    for event, price in CIRCUIT.prices().items():
        assert price.source and price.node and price.joule > 0, event
    assert not CIRCUIT.prices()["sense"].verified


def test_a_full_period_by_hand():
    """4 x 6, 255 cycles, no ones: 6 registers, 24 blocks, 48 + 32 + 10 flip-flops a cycle."""
    found = bill(decision_counts("full", 4, 6, 255, 0.0), PRICES).joule
    each = 6 * 141.6 + 24 * (40.9 + 3.5) + 119.2 + 90 * 31.0
    assert found == pytest.approx((255 * each + 3 * 131.9 + 192 * 31.0) * 1e-15)


def test_a_microcontroller_by_hand_stays_outside_the_bill():
    """4 x 6: 24 likelihoods and 6 observations to load, 20 products, 3 comparisons; 279 and 300 pJ a cycle."""
    found = {c.title: c for c in CIRCUIT.comparisons([(4, 6)])}
    software = found["microcontroller, floating point in software"]
    assert software.joule == pytest.approx((60 + 20 * 166 + 9) * 279e-12)
    assert found["microcontroller, 8-bit logarithms"].joule == pytest.approx((60 + 20 + 9) * 279e-12)
    assert found["microcontroller, floating point in hardware"].joule == pytest.approx((60 + 20 + 9) * 300e-12)
    assert all(c.source and not c.projection for c in found.values())
    assert not set(found) & set(CIRCUIT.prices())
    assert CIRCUIT.comparisons([]) == ()
