"""The online rule: what it asks for, and that it finds currents on Adler's surrogate."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.learning.synchronisation import Synchronisation
from nanoneurons.networks.coupled_oscillators import CoupledOscillators
from nanoneurons.networks.locking_patterns import Assignment, code, decode
from nanoneurons.networks.locking_readout import Readout
from nanoneurons.physics.auto_oscillator import AutoOscillator
from nanoneurons.physics.locking import injected_force

TAU, MHZ = 2 * math.pi, 1e6
DEVICE = AutoOscillator(omega0=TAU * 215e6, shift=3e8, damping=1.6e7, q=2.0, sigma=1.6e7 / 3.5e-3, tuning=TAU * 15e9)
NETWORK = CoupledOscillators(DEVICE, 2)
LIMITS = (5e-3, 9e-3)


def owned(**classes):
    """Assignment of two oscillators: class number -> patterns."""
    owner, target = torch.full((9,), -1), torch.zeros(9, dtype=torch.bool)
    for name, patterns in classes.items():
        numbers = code(torch.tensor(patterns))
        owner[numbers], target[numbers] = int(name[1:]), True
    return Assignment(owner, target, 2)


def seen(pattern, frequency):
    return Readout(torch.tensor([[pattern]]), torch.tensor([[frequency]], dtype=torch.float64))


TONES = torch.tensor([[340e6, 360e6]], dtype=torch.float64)
LABEL = torch.tensor([0])


def test_oscillators_that_missed_their_tone_are_pulled_to_it():
    """Target (A, B); the first is free at 335 MHz, the second follows B: only the first moves, by f_A - f."""
    shift, right = Synchronisation().wanted_shift(
        seen([0, 2], [335e6, 360e6]), TONES, LABEL, owned(c0=[[1, 2]], c1=[[0, 0]])
    )
    assert shift.tolist() == [[5e6, 0.0]]
    assert not right.any()


def test_nothing_moves_when_the_pattern_is_owned():
    shift, right = Synchronisation().wanted_shift(
        seen([1, 2], [340e6, 360e6]), TONES, LABEL, owned(c0=[[1, 2], [1, 1]], c1=[[0, 0]])
    )
    assert not shift.any()
    assert right.all()


def test_the_nearest_owned_pattern_is_the_target():
    """(A, A) is one oscillator away, (B, A) two; between equals the smaller shift wins."""
    rule = Synchronisation()
    shift, _ = rule.wanted_shift(seen([0, 1], [335e6, 340e6]), TONES, LABEL, owned(c0=[[1, 1], [2, 0]], c1=[[0, 0]]))
    assert shift.tolist() == [[5e6, 0.0]]
    shift, _ = rule.wanted_shift(seen([0, 0], [335e6, 358e6]), TONES, LABEL, owned(c0=[[1, 0], [0, 2]], c1=[[0, 0]]))
    assert shift.tolist() == [[0.0, 2e6]]


def test_shifts_of_all_classes_add_up_and_chips_are_apart():
    pattern = torch.tensor([[[0, 0], [1, 2]], [[0, 0], [0, 0]]])  # two samples, two chips
    frequency = torch.tensor([[[335e6, 350e6]] * 2] * 2, dtype=torch.float64)
    tones, labels = TONES.repeat(2, 1), torch.tensor([0, 1])
    shift, right = Synchronisation().wanted_shift(
        Readout(pattern, frequency), tones, labels, owned(c0=[[1, 2]], c1=[[2, 0]])
    )
    assert shift.tolist() == [[5e6 + 25e6, 10e6], [25e6, 0.0]]
    assert right.tolist() == [[False, True], [False, False]]


def task():
    """Three classes of tones around three points; patterns of a network with oscillators at 335 and 355 MHz."""
    current = torch.tensor(7e-3, dtype=torch.float64)
    force = float(injected_force(TAU * 6 * MHZ, DEVICE.power(current), DEVICE.nonlinearity(current)))
    centres = torch.tensor([[335.0, 355.0], [355.0, 335.0], [335.0, 375.0]], dtype=torch.float64) * MHZ
    labels = torch.arange(60) % 3
    tones = centres[labels] + MHZ * torch.randn(60, 2, generator=generator_for(0, "task"), dtype=torch.float64)
    return force, tones, labels, owned(c0=[[1, 2]], c1=[[2, 1]], c2=[[1, 0]])


def learn(rule, seed=0, start=(7.4e-3, 7.5e-3)):
    force, tones, labels, assignment = task()
    keys = []

    def observe(currents, some, key):
        keys.append(key)
        pattern = NETWORK.surrogate(currents, some, force)
        free = NETWORK.natural_frequency(currents).expand(pattern.shape)
        follows = some[:, None, :].gather(-1, (pattern - 1).clamp(min=0))
        return Readout(pattern, torch.where(pattern > 0, follows, free))

    begin = torch.tensor([start], dtype=torch.float64)
    slope = NETWORK.slope(torch.full((1, 2), 7e-3, dtype=torch.float64))
    currents, shown = rule.train(
        observe, begin, tones, labels, assignment, slope, LIMITS, generator_for(seed, "online")
    )
    right = assignment.classify(observe(currents, tones, 0).pattern[:, 0]) == labels
    before = assignment.classify(observe(begin, tones, 0).pattern[:, 0]) == labels
    return currents, shown, float(before.double().mean()), float(right.double().mean())


def test_learns_currents_from_untuned_ones():
    currents, shown, before, after = learn(Synchronisation())
    assert before < 0.4
    assert after > 0.95, "clusters of 1 MHz in ranges of +-4.5 MHz are all inside once the currents are right"
    assert shown.shape == (50, 1)
    assert float(shown[-10:].mean()) > float(shown[:5].mean())
    free = NETWORK.natural_frequency(currents)[0] / MHZ
    assert torch.allclose(free, torch.tensor([335.0, 355.0], dtype=torch.float64), atol=6.0)  # the locking range


def test_same_generator_same_currents_and_global_state_untouched():
    state = torch.random.get_rng_state()
    first, second, other = (learn(Synchronisation(steps=10), seed)[0] for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(state, torch.random.get_rng_state())


def test_currents_stay_within_their_limits():
    currents, *_ = learn(Synchronisation(rate=2.0, steps=5), start=(5.01e-3, 8.99e-3))
    assert float(currents.min()) >= LIMITS[0]
    assert float(currents.max()) <= LIMITS[1]


def test_no_steps_change_nothing():
    currents, shown, *_ = learn(Synchronisation(steps=0))
    assert currents.tolist() == [[7.4e-3, 7.5e-3]]
    assert shown.shape == (0, 1)


def test_what_cannot_be_learned_is_refused_before_any_observation():
    def never(currents, tones, key):
        raise AssertionError("nothing should be observed")

    def attempt(labels, assignment, limits=LIMITS):
        tones = TONES.repeat(len(labels), 1)
        begin, slope = torch.full((1, 2), 7e-3), torch.ones(1)
        Synchronisation().train(never, begin, tones, torch.tensor(labels), assignment, slope, limits, generator_for(0))

    good = owned(c0=[[1, 2]], c1=[[2, 1]])
    with pytest.raises(ParameterError, match="class 1 has no training sample"):
        attempt([0, 2], owned(c0=[[1, 2]], c1=[[2, 1]], c2=[[0, 1]]))
    with pytest.raises(ParameterError, match="class 1 owns no pattern"):
        attempt([0, 1], owned(c0=[[1, 2]]))
    with pytest.raises(ParameterError, match="not in order"):
        attempt([0, 1], good, (9e-3, 5e-3))


def test_targets_are_decoded_in_the_order_of_code():
    assignment = owned(c0=[[2, 1]], c1=[[0, 0]])
    assert assignment.targets(0).tolist() == decode(code(torch.tensor([[2, 1]])), 2).tolist()
