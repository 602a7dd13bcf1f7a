"""The contract is worth its name: each check refuses a device that breaks just that promise."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices import ContractError, MemoryDevice, contract


@dataclass(frozen=True)
class Good(MemoryDevice):
    """Conductance in siemens, a noisy step per pulse."""

    title: ClassVar[str] = "good"
    citation: ClassVar[str] = "@misc{good}"
    not_modelled: ClassVar[str] = "Everything else."
    read_unit: ClassVar = "S"
    directions: ClassVar = (-1, 1)
    drive_effect: ClassVar[int] = 1
    graded: ClassVar[bool] = True
    default_rule: ClassVar[str] = "analog-sgd"

    spread: float = param(
        0.1, "1", doc="spread", source="here", low=0.0, high=1.0, imperfection="device_to_device", ideal=0.0
    )
    noise: float = param(
        0.1, "1", doc="noise", source="here", low=0.0, high=1.0, imperfection="cycle_to_cycle", ideal=0.0
    )

    def init(self, shape, generator):
        return {"g": 1 + self.spread * 0.1 * normal(draw_key(generator), shape)}

    def step(self, state, drive, dt, generator):
        size = 0.01 * (1 + self.noise * normal(draw_key(generator), tuple(state["g"].shape)))
        return {"g": state["g"] + drive * size}

    def read(self, state, generator=None):
        return state["g"]

    def conductance_range(self):
        return 0.5, 1.5

    def conductance_step(self):
        return 0.01

    def prices(self):
        return {"write": Price(1e-12, "here", "130 nm")}


def parameter(**changes):
    given = {"unit": "1", "doc": "extra", "source": "here", "low": 0.0, "high": 1.0}
    return param(0.5, **{**given, **changes})


@dataclass(frozen=True)
class Undeclared(Good):
    plain: float = 0.0


@dataclass(frozen=True)
class NoRange(Good):
    extra: float = parameter(high=None)


@dataclass(frozen=True)
class NoSource(Good):
    extra: float = parameter(source="")


@dataclass(frozen=True)
class NoDefault(Good):
    def __init__(self, spread):
        object.__setattr__(self, "spread", spread)
        object.__setattr__(self, "noise", 0.1)


class AcceptsAnything(Good):
    def __post_init__(self):
        pass


class Shapeless(Good):
    def init(self, shape, generator):
        return {**super().init(shape, generator), "register": torch.zeros(8)}

    def step(self, state, drive, dt, generator):
        return {**state, **super().step(state, drive, dt, generator)}


class Negative(Good):
    def read(self, state, generator=None):
        return state["g"] - 2


class NotANumber(Good):
    def read(self, state, generator=None):
        return state["g"] / 0.0


class Restless(Good):
    count: ClassVar[list] = [0]

    def read(self, state, generator=None):
        self.count[0] += 1
        return state["g"] + 0.001 * self.count[0]


class Wordless(Good):
    kind: ClassVar[str] = ""


class Sideways(Good):
    directions: ClassVar = (2,)


class InPlace(Good):
    def step(self, state, drive, dt, generator):
        state["g"] += drive * 0.01
        return {"g": state["g"].clone()}


class EatsItsDrive(Good):
    def step(self, state, drive, dt, generator):
        after = super().step(state, drive, dt, generator)
        drive.zero_()
        return after


class OwnGenerator(Good):
    count: ClassVar[list] = [0]

    def init(self, shape, generator):
        self.count[0] += 1
        return {"g": torch.full(shape, 1 + 0.001 * self.count[0])}


class GlobalRandomness(Good):
    def read(self, state, generator=None):
        torch.rand(1)
        return state["g"]


class Drifts(Good):
    def step(self, state, drive, dt, generator):
        return {"g": super().step(state, drive, dt, generator)["g"] * 0.999}


class HiddenNoise(Good):
    def step(self, state, drive, dt, generator):
        noise = normal(draw_key(generator), tuple(state["g"].shape))
        return {"g": state["g"] + drive * 0.01 * (1 + 0.1 * noise)}


class NeighbourDependent(Good):
    def init(self, shape, generator):
        torch.randn(shape, generator=generator)  # as many numbers as there are chips, then more from the same sequence
        return {"g": 1 + 0.01 * torch.randn(shape, generator=generator)}


class HiddenState(Good):
    def step(self, state, drive, dt, generator):
        after = super().step(state, drive, dt, generator)
        self.__dict__.setdefault("written", []).append(after)
        return after

    def read(self, state, generator=None):
        known = any(state is kept for kept in self.__dict__.get("written", []))
        return state["g"] * (1.0 if known else 1.1)


class TooComplex(Good):
    def step(self, state, drive, dt, generator):
        return {**super().step(state, drive, dt, generator), "c": torch.zeros(state["g"].shape, dtype=torch.complex128)}


class Inverted(Good):
    def step(self, state, drive, dt, generator):
        return super().step(state, -drive, dt, generator)


class Stuck(Good):
    def step(self, state, drive, dt, generator):
        return state


class Unordered(Good):
    def conductance_range(self):
        return 1.5, 0.5


class Unpriced(Good):
    def prices(self):
        return {"write": Price(1e-12, "", "130 nm")}


class Unlimited(Good):
    not_modelled: ClassVar[str] = ""


class StubbornImperfection(Good):
    def scaled(self, imperfection, factor):
        return dataclasses.replace(self)


@pytest.mark.parametrize("check", contract(Good()), ids=lambda check: check.__name__)
def test_a_good_device_passes(check):
    check(Good())


@pytest.mark.parametrize(
    ("device", "check"),
    [
        (Unlimited, "declares_itself"),
        (Undeclared, "parameters_are_declared"),
        (NoRange, "parameters_are_declared"),
        (NoSource, "parameters_are_declared"),
        (AcceptsAnything, "refuses_bad_values"),
        (Shapeless, "state_starts_with_shape"),
        (Wordless, "declares_itself"),
        (Sideways, "declares_its_pulses"),
        (Negative, "conductances_are_physical"),
        (NotANumber, "reads_are_finite"),
        (Restless, "reads_are_finite"),
        (InPlace, "arguments_are_left_alone"),
        (EatsItsDrive, "arguments_are_left_alone"),
        (OwnGenerator, "equal_generators_give_equal_results"),
        (GlobalRandomness, "global_random_state_is_untouched"),
        (Drifts, "no_drive_no_change"),
        (HiddenNoise, "ideal_is_deterministic"),
        (StubbornImperfection, "imperfections_scale"),
        (NeighbourDependent, "chips_do_not_depend_on_their_neighbours"),
        (HiddenState, "state_survives_storage"),
        (TooComplex, "state_survives_storage"),
        (Unordered, "range_is_ordered"),
        (Inverted, "drive_has_its_effect"),
        (Stuck, "drive_has_its_effect"),
        (Unpriced, "prices_have_sources"),
    ],
)
def test_a_broken_promise_is_caught(device, check):
    (found,) = [c for c in contract(Good()) if c.__name__ == check]
    with pytest.raises(ContractError, match=device.__name__):
        found(device())


def test_every_check_has_a_mutant(request):
    (mark,) = request.node.parent.obj.test_a_broken_promise_is_caught.pytestmark
    covered = {check for _, check in mark.args[1]} | {"has_defaults"}
    assert covered == {check.__name__ for check in contract(Good())}


def test_a_device_without_defaults_is_caught():
    (found,) = [c for c in contract(Good()) if c.__name__ == "has_defaults"]
    with pytest.raises(TypeError):
        found(NoDefault(0.1))
