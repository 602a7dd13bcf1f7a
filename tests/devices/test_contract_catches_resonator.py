"""The contract of resonators is worth its name: each check refuses a device that breaks just that promise."""

import math

import pytest
import torch

from nanoneurons.devices import ContractError, contract
from nanoneurons.devices.spin_diode import SpinDiode


def mutant(name, **changes):
    """A class called `name` that differs from the spin diode by the given methods or attributes."""
    return type(name, (SpinDiode,), changes)()


def unnamed_damping(self, shape, generator):
    state = SpinDiode.init(self, shape, generator)
    del state["damping"]
    return state


def negative_sensitivity(self, shape, generator):
    state = SpinDiode.init(self, shape, generator)
    return {**state, "sensitivity": -state["sensitivity"]}


def wide(self, state, power, tone, generator=None):
    return SpinDiode.rectify(self, {**state, "damping": 1.01 * state["damping"]}, power, tone, generator)


def unbounded(self, state, drive, dt, generator):
    checked = SpinDiode.step(self, state, drive, dt, generator)
    return {**checked, "shift": state["shift"] + drive}


def frozen(self, state, drive, dt, generator):
    SpinDiode.step(self, state, drive, dt, generator)
    return dict(state)


def restless(self, state, drive, dt, generator):
    after = SpinDiode.step(self, state, drive, dt, generator)
    return {**after, "shift": after["shift"] + 1.0}


def offset(self, power):
    return power + 1e-12


def blinded(self, power):
    return power.clamp(max=5e-6)


def careless(self, state, drive, dt, generator):
    return SpinDiode.step(self, state, drive.nan_to_num(posinf=0.0), dt, generator)


def late(self, state, drive, dt, generator):
    torch.rand(1, generator=generator)
    return SpinDiode.step(self, state, drive, dt, generator)


BROKEN = [
    ("InVolts", {"read_unit": "V"}, "declares_its_band"),
    ("NoBand", {"frequency_range": lambda self: (1e9, math.inf)}, "declares_its_band"),
    ("Endless", {"tuning_range": 1.5}, "declares_its_band"),
    ("NoLine", {"nominal_damping": 0.0}, "declares_its_band"),
    ("Deaf", {"nominal_sensitivity": 0.0}, "declares_its_band"),
    ("Forgets", {"init": unnamed_damping}, "state_has_what_circuits_need"),
    ("Reversed", {"init": negative_sensitivity}, "state_has_what_circuits_need"),
    ("Wide", {"rectify": wide}, "line_has_its_shape"),
    ("Unbounded", {"step": unbounded}, "tuning_stays_in_range"),
    ("Frozen", {"step": frozen}, "tuning_stays_in_range"),
    ("Restless", {"step": restless}, "tuning_stays_in_range"),
    ("SeesInTheDark", {"detected": offset}, "detector_is_monotonic"),
    ("Blinded", {"detected": blinded}, "detector_is_monotonic"),
    ("Careless", {"step": careless}, "bad_drives_are_refused"),
    ("RefusesLate", {"step": late}, "bad_drives_are_refused"),
]


def test_the_good_resonator_passes():
    for check in contract(SpinDiode()):
        check(SpinDiode())


@pytest.mark.parametrize(("name", "changes", "check"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_promise_is_caught(name, changes, check):
    broken = mutant(name, **changes)
    (found,) = [c for c in contract(broken) if c.__name__ == check]
    with pytest.raises(ContractError, match=name):
        found(broken)


def test_every_resonator_check_has_a_mutant():
    specific = {c.__name__ for c in contract(SpinDiode()) if c.__module__.endswith("resonator")}
    assert {check for _, _, check in BROKEN} == specific
