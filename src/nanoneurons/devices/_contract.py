"""What every device must satisfy, as checks that can be run on any device: shipped ones, a preset, your own.

    >>> from nanoneurons import devices
    >>> for check in devices.CONTRACT: check(my_device)

The test-suite runs each check on each device and preset of the catalogue, so a new device file is held to the
contract without writing a line.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

from ._device import Device, State

__all__ = ["CONTRACT", "ContractError"]

SHAPE = (3, 40)  # chips, cells
PULSES = 5.0


class ContractError(AssertionError):
    """A device does not keep the contract."""


def _require(condition: bool, device: Device, message: str) -> None:
    if not condition:
        raise ContractError(f"{type(device).__name__}: {message}")


def _pulses(device: Device, shape: tuple[int, ...] = SHAPE, size: float = PULSES) -> torch.Tensor:
    """A drive that uses every direction the device takes, cell by cell."""
    cells = torch.arange(math.prod(shape[1:])) % len(device.directions)
    signs = torch.tensor(device.directions, dtype=torch.float32)[cells].reshape(shape[1:])
    return (signs * size).expand(shape).clone()


def _fresh(device: Device, shape: tuple[int, ...] = SHAPE, seed: int = 1) -> State:
    return device.init(shape, generator_for(seed, "contract", "init"))


def _stepped(device: Device, state: State, seed: int = 1) -> State:
    shape = next(iter(state.values())).shape[: len(SHAPE)]
    return device.step(state, _pulses(device, tuple(shape)), 0.0, generator_for(seed, "contract", "step"))


def _same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def declares_itself(device: Device) -> None:
    """Title, citation, limits, units and directions are stated."""
    _require(bool(device.title), device, "needs a title")
    _require(device.citation.lstrip().startswith("@"), device, "citation must be BibTeX")
    _require(bool(device.not_modelled), device, "must say what is not modelled")
    _require(device.read_unit in ("S", "ohm"), device, f"read_unit {device.read_unit!r} is neither S nor ohm")
    _require(set(device.directions) <= {-1, 1} and device.directions, device, "directions are signs")  # type: ignore[arg-type]
    _require(device.drive_effect in (-1, 1), device, "drive_effect is the sign of the conductance change")
    _require(dataclasses.is_dataclass(device) and isinstance(hash(device), int), device, "must be a frozen dataclass")


def has_defaults(device: Device) -> None:
    """The class can be built without an argument."""
    _require(isinstance(type(device)(), Device), device, "must have a default for every parameter")


def parameters_are_declared(device: Device) -> None:
    """Every field is a parameter with unit, meaning, source and range."""
    declared = {p.name: p for p in device.parameters()}
    for field in dataclasses.fields(device):
        _require(field.name in declared, device, f"field {field.name!r} must be made by param(...)")
    for p in declared.values():
        _require(bool(p.unit and p.doc and p.source), device, f"{p.name} needs a unit, a meaning and a source")
        ranged = p.choices is not None or (p.low is not None and p.high is not None)
        _require(ranged, device, f"{p.name} needs a range or choices")


def refuses_bad_values(device: Device) -> None:
    """Values outside the range and NaN are refused, naming parameter and unit."""
    for p in device.parameters():
        if p.choices is not None:
            bad: list[object] = ["no such choice"]
        else:
            assert p.low is not None and p.high is not None
            bad = [p.low - 1 - abs(p.low), p.high + 1 + abs(p.high), math.nan, "text", True]
        for value in bad:
            try:
                device.replace(**{p.name: value})
            except ParameterError as error:
                text = str(error)
                _require(p.name in text, device, f"refusal of {p.name}={value!r} must name the parameter: {text}")
                _require(
                    p.choices is not None or p.unit in text, device, f"refusal of {p.name} must name its unit: {text}"
                )
            else:
                raise ContractError(f"{type(device).__name__}: {p.name}={value!r} must be refused")


def state_starts_with_shape(device: Device) -> None:
    """Every tensor of a state begins with the shape that was asked for, with or without chips."""
    for shape in (SHAPE, (2, 3, 4), (5,)):
        state = _fresh(device, shape)
        _require(len(state) > 0, device, "a state needs at least one tensor")
        for when, held in (
            ("init", state),
            ("step", device.step(state, _pulses(device, shape), 0.0, generator_for(2))),
        ):
            for name, value in held.items():
                found = tuple(value.shape[: len(shape)])
                _require(found == shape, device, f"{name} after {when} has shape {tuple(value.shape)}, not {shape}...")
        value = device.read(state, generator_for(3))
        _require(tuple(value.shape) == shape, device, f"read has shape {tuple(value.shape)}, not {shape}")


def reads_are_physical(device: Device) -> None:
    """Conductances are finite, and not negative but for noise, before and after pulses."""
    state = _fresh(device)
    for held in (state, _stepped(device, state)):
        value, noisy = device.conductance(held), device.conductance(held, generator_for(4))
        _require(value.dtype == torch.float32, device, f"conductance is {value.dtype}, not float32")
        _require(bool((torch.isfinite(value) & (value >= 0)).all()), device, "a conductance is negative or not finite")
        _require(bool(torch.isfinite(noisy).all()), device, "a noisy conductance is not finite")


def arguments_are_left_alone(device: Device) -> None:
    """Neither the given state nor the drive is changed."""
    state = _fresh(device)
    before = {name: value.clone() for name, value in state.items()}
    drive = _pulses(device)
    kept = drive.clone()
    device.step(state, drive, 0.0, generator_for(5))
    device.read(state, generator_for(6))
    _require(_same(state, before), device, "step or read changed the given state")
    _require(torch.equal(drive, kept), device, "step changed the given drive")


def equal_generators_give_equal_results(device: Device) -> None:
    """Init, step and read depend on nothing but their arguments."""
    first, second = _fresh(device), _fresh(device)
    _require(_same(first, second), device, "init differs for equal generators")
    first, second = _stepped(device, first), _stepped(device, second)
    _require(_same(first, second), device, "step differs for equal generators")
    readings = [device.read(first, generator_for(7)) for _ in range(2)]
    _require(torch.equal(*readings), device, "read differs for equal generators")


def global_random_state_is_untouched(device: Device) -> None:
    """Randomness comes from the given generator only."""
    legacy = np.random.get_state
    before = torch.get_rng_state(), legacy()[1].copy(), random.getstate()  # type: ignore[index]
    device.read(_stepped(device, _fresh(device)), generator_for(8))
    _require(torch.equal(torch.get_rng_state(), before[0]), device, "moved torch's global random state")
    _require(bool((legacy()[1] == before[1]).all()), device, "moved NumPy's global random state")  # type: ignore[index]
    _require(random.getstate() == before[2], device, "moved Python's global random state")


def no_drive_no_change(device: Device) -> None:
    """A zero drive leaves a state as it was, but for noise declared as renewed; that of the ideal device wholly."""
    for version, renewed in ((device, device.renewed), (device.ideal(), ())):
        state = _stepped(version, _fresh(version))
        after = version.step(state, torch.zeros(SHAPE), 0.0, generator_for(9))
        changed = [name for name in state if name not in renewed and not torch.equal(state[name], after[name])]
        _require(not changed, device, f"a zero drive changed {', '.join(changed)}")


def ideal_is_deterministic(device: Device) -> None:
    """Without imperfections, pulses and readings do not depend on the generator, nor devices on each other."""
    ideal = device.ideal()
    _require(ideal.imperfections() == (), device, "ideal() still has imperfections")
    state = _fresh(ideal)
    one, two = (ideal.read(_stepped(ideal, state, seed), generator_for(seed)) for seed in (1, 2))
    _require(torch.equal(one, two), device, "an ideal device behaves differently with another generator")


def imperfections_scale(device: Device) -> None:
    """Scaled to zero, an imperfection is gone; scaled to one, nothing changes."""
    for found in device.imperfections():
        _require(
            device.scaled(found.name, 0.0) == device.without(found.name), device, f"{found.name}: 0 is not without"
        )
        left = [i.name for i in device.without(found.name).imperfections()]
        _require(found.name not in left, device, f"{found.name} is still there without it")
        _require(device.scaled(found.name, 1.0) == device, device, f"{found.name}: scaling by 1 changes something")
        alone = [i.name for i in device.only(found.name).imperfections()]
        _require(alone == [found.name], device, f"only({found.name!r}) leaves {alone}")
        half = device.scaled(found.name, 0.5)
        half.read(_stepped(half, _fresh(half)), generator_for(10))


def chips_do_not_depend_on_their_neighbours(device: Device) -> None:
    """Chip 1 of two chips is chip 1 of three, from fabrication to reading."""
    results = []
    for chips in (2, 3):
        state = _fresh(device, (chips, SHAPE[1]))
        stepped = _stepped(device, state)
        reading = device.read(stepped, generator_for(11))
        results.append([*(v[1] for v in state.values()), *(v[1] for v in stepped.values()), reading[1]])
    same = all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    _require(same, device, "a chip's numbers depend on how many chips are simulated beside it")


def state_survives_storage(device: Device) -> None:
    """Saved as safetensors and loaded, a chip reads and steps as before."""
    from safetensors.torch import load, save

    state = _stepped(device, _fresh(device))
    again = load(save({name: value.contiguous() for name, value in state.items()}))
    _require(torch.equal(device.read(state), device.read(again)), device, "reading differs after storage")
    _require(_same(_stepped(device, state), _stepped(device, again)), device, "step differs after storage")


def range_is_ordered(device: Device) -> None:
    """The mapped conductances are ordered and not negative; a pulse moves the conductance by a positive amount."""
    for made in (device, device.ideal()):
        low, high = made.conductance_range()
        _require(0 <= low < high < math.inf, device, f"conductance range ({low}, {high}) is not ordered")
        step = made.conductance_step()
        _require(0 < step < math.inf, device, f"conductance step {step} is not positive")


def drive_has_its_effect(device: Device) -> None:
    """Pulses move the conductance in the declared direction, never in the other."""
    ideal = device.ideal()
    state = _fresh(ideal)
    start = ideal.conductance(state)
    moved = False
    for direction in device.directions:
        drive = torch.full(SHAPE, PULSES * direction)
        change = ideal.conductance(ideal.step(state, drive, 0.0, generator_for(12))) - start
        towards = change * direction * device.drive_effect
        tolerance = 1e-6 * float(start.abs().max())  # rounding of float32 conductances
        _require(
            bool((towards >= -tolerance).all()), device, f"drive {direction:+d} moves the conductance the wrong way"
        )
        moved = moved or bool((towards > tolerance).any())
    _require(moved, device, "no drive moves the conductance")


def prices_have_sources(device: Device) -> None:
    """Every energy is a number of joule with its source and technology node."""
    for event, price in device.prices().items():
        _require(0 <= price.joule < 1, device, f"price of {event}: {price.joule} J is no energy of one event")
        _require(bool(price.source and price.node), device, f"price of {event} needs a source and a node")


CONTRACT: tuple[Callable[[Device], None], ...] = (
    declares_itself,
    has_defaults,
    parameters_are_declared,
    refuses_bad_values,
    state_starts_with_shape,
    reads_are_physical,
    arguments_are_left_alone,
    equal_generators_give_equal_results,
    global_random_state_is_untouched,
    no_drive_no_change,
    ideal_is_deterministic,
    imperfections_scale,
    chips_do_not_depend_on_their_neighbours,
    state_survives_storage,
    range_is_ordered,
    drive_has_its_effect,
    prices_have_sources,
)
