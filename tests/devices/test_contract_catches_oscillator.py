"""The contract of oscillators is worth its name: each check refuses a device that breaks just that promise."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import ContractError, OscillatorDevice, contract


@pytest.fixture(scope="module")
def good(sample_module):
    return sample_module("devices", "relaxing_oscillator").RelaxingOscillator


def mutant(name, good, **changes):
    """A class called `name` that differs from the good one by the given methods or attributes."""
    return type(name, (good,), changes)()


def unordered(self):
    return 1e-2, 4e-3


def no_breakdown(self):
    return 4.4e-3, math.inf


def infinite_frequency(self, current):
    return torch.where(current > 5e-3, math.inf, 3e8).to(current.dtype)


def amplitude_of_the_first(self, current):
    return super(type(self), self).amplitude(current) * (1 + 0.1 * current.flatten()[0] / current.flatten()[-1])


def single_precision(self, current):
    return super(type(self), self).amplitude(current).float()


def lasting_amplitude(self, current):
    return super(type(self), self).amplitude(current) + 1e-6


def saturated_amplitude(self, current):
    return super(type(self), self).amplitude(current).clamp(max=4e-3)


def signed_time(self, current):
    self.check_current(current)
    return 1 / (2e6 * (current / self.threshold - 1))


def negative_width(self, current):
    self.check_current(current)
    return -torch.ones_like(current)


def silent(self, current):
    """Refuse nothing."""


def vague(self, current):
    if not (current.abs() <= self.current_range()[1]).all():
        raise ParameterError("a current is wrong")


def only_nan(self, current):
    if current.isnan().any():
        super(type(self), self).check_current(current)


def late(self, state, drive, dt, generator):
    torch.rand(1, generator=generator)
    return super(type(self), self).step(state, drive, dt, generator)


def fixed_step(self, state, drive, dt, generator):
    return super(type(self), self).step(state, drive, 1e-7 if dt else 0.0, generator)


def decaying(self, state, drive, dt, generator):
    after = super(type(self), self).step(state, drive, dt, generator)
    return {**after, "power": after["power"] * 0.99}


def too_few(self, state, drive, dt, n, generator):
    return self.step(state, drive, dt * (n - 1), generator)


def forgetful(self, state, drive, dt, generator):
    return torch.stack([self.read(self.step(state, now, dt, generator)) for now in drive.unbind(-1)], -1).to(
        drive.dtype
    )


def perpetual(self, current, state=None):
    return torch.where(current > self.threshold_current(), 1.01, 0.0) * self.dc_power(current)


def leaky(self, current, state=None):
    return 1e-6 + super(type(self), self).emitted_power(current, state)


def lucky_devices(self, current, state=None):
    return (1e-6 if state is None else 2.0) * perpetual(self, current)


def ohmic(self, current):
    return 100.0 * current.square()


def quarter(self, state, generator=None):
    return 0.01 * state["power"].abs() ** 0.25


BROKEN = [
    ("InVolts", {"drive_unit": "V"}, "currents_are_ordered"),
    ("Unordered", {"current_range": unordered}, "currents_are_ordered"),
    ("NoBreakdown", {"current_range": no_breakdown}, "currents_are_ordered"),
    ("BelowThreshold", {"threshold_current": lambda self: 8e-3}, "currents_are_ordered"),
    ("InfiniteFrequency", {"frequency": infinite_frequency}, "closed_forms_hold_up_to_breakdown"),
    ("NotElementwise", {"amplitude": amplitude_of_the_first}, "closed_forms_hold_up_to_breakdown"),
    ("SinglePrecision", {"amplitude": single_precision}, "closed_forms_hold_up_to_breakdown"),
    ("NegativeWidth", {"linewidth": negative_width}, "closed_forms_hold_up_to_breakdown"),
    ("NoThreshold", {"amplitude": lasting_amplitude}, "amplitude_starts_at_threshold"),
    ("Saturates", {"amplitude": saturated_amplitude}, "amplitude_starts_at_threshold"),
    ("RunsBackwards", {"relaxation_time": signed_time}, "relaxation_time_is_positive"),
    ("Perpetual", {"dc_power": ohmic, "emitted_power": perpetual}, "emits_no_more_than_it_takes"),
    ("LuckyDevices", {"dc_power": ohmic, "emitted_power": lucky_devices}, "emits_no_more_than_it_takes"),
    ("Leaky", {"emitted_power": leaky}, "emits_no_more_than_it_takes"),
    ("TakesAnything", {"check_current": silent}, "bad_currents_are_refused"),
    ("Vague", {"check_current": vague}, "bad_currents_are_refused"),
    ("BurnsThrough", {"check_current": only_nan}, "bad_currents_are_refused"),
    ("RefusesLate", {"step": late}, "bad_currents_are_refused"),
    ("Decays", {"step": decaying}, "no_time_no_change"),
    ("FixedStep", {"step": fixed_step}, "two_half_steps_are_one"),
    ("TooFew", {"advance": too_few}, "advance_agrees_with_steps"),
    ("Forgets", {"respond": forgetful}, "trains_agree_with_steps"),
    ("OtherAmplitude", {"read": quarter}, "steps_lead_to_the_amplitude"),
]


def test_the_good_oscillator_passes(good):
    checks = contract(good())
    assert len(checks) == len({check.__name__ for check in checks})
    for check in checks:
        check(good())


@pytest.mark.parametrize(("name", "changes", "check"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_promise_is_caught(good, name, changes, check):
    broken = mutant(name, good, **changes)
    (found,) = [c for c in contract(broken) if c.__name__ == check]
    with pytest.raises(ContractError, match=name):
        found(broken)


def test_every_oscillator_check_has_a_mutant(good):
    specific = {c.__name__ for c in contract(good()) if c.__module__.endswith("oscillator")}
    assert {check for _, _, check in BROKEN} == specific


def test_an_euler_step_passes_as_a_solver_of_first_order(good):
    def euler(self, state, drive, dt, generator):
        self.check_current(drive)
        z = drive.float() / state["threshold"]
        inner = max(1, math.ceil(dt / 2e-8))
        power = state["power"]
        for _ in range(inner):
            power = power + dt / inner * 2e6 * (z - 1).abs() * (((z - 1) / (z + 2)).clamp(min=0) - power)
        return {**state, "power": power}

    solved = mutant("Euler", good, step=euler)
    for check in contract(solved.ideal()):
        check(solved)


@pytest.mark.parametrize(
    ("current", "said"),
    [
        (torch.tensor(math.nan), "current is NaN"),
        (torch.tensor(0.02), r"0\.02 A is beyond breakdown at 0\.01 A"),
        (torch.tensor([0.001, -0.02]), r"-0\.02 A at index \(1,\) is beyond breakdown at 0\.01 A"),
        (torch.tensor([[0.0, math.inf]]), r"inf A at index \(0, 1\)"),
        (torch.tensor([[0.0], [math.nan]]), r"current at index \(1, 0\) is NaN"),
    ],
)
def test_check_current_names_the_culprit(good, current, said):
    with pytest.raises(ParameterError, match=said):
        good().check_current(current)


def test_advance_is_that_many_steps_unless_overridden(good):
    device = good()
    state, drive = device.init((2, 3), generator_for(0)), torch.full((2, 3), 7e-3)
    stepwise, generator = state, generator_for(1)
    for _ in range(4):
        stepwise = device.step(stepwise, drive, 1e-8, generator)
    advanced = device.advance(state, drive, 1e-8, 4, generator_for(1))
    assert torch.equal(stepwise["power"], advanced["power"])


def test_the_class_says_its_kind(good):
    assert issubclass(good, OscillatorDevice)
    assert (good.kind, good.drive_unit, good.read_unit) == ("oscillator", "A", "V")


def test_a_kind_that_does_not_fit_its_class_is_caught(good):
    broken = mutant("CallsItselfMemory", good, kind="memory")
    (found,) = [c for c in contract(broken) if c.__name__ == "declares_itself"]
    with pytest.raises(ContractError, match="CallsItselfMemory.*kind"):
        found(broken)
