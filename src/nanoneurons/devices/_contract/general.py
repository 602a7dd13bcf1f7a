"""What every device must keep, whatever its kind."""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Callable

import numpy as np
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._device import Device
from nanoneurons.devices._kinds import MemoryDevice, NeuronDevice, OscillatorDevice, ResonatorDevice

from ._common import SHAPE, ContractError, fresh, require, same, stepped

__all__ = ["GENERAL"]


def declares_itself(device: Device) -> None:
    """Kind, title, citation, limits and units are stated."""
    kind = getattr(device, "kind", None)
    require(isinstance(kind, str) and bool(kind), device, "needs a kind, one word")
    for base in (MemoryDevice, NeuronDevice, OscillatorDevice, ResonatorDevice):
        fits = isinstance(device, base) == (kind == base.kind)
        require(fits, device, f"kind {kind!r} does not fit: {base.kind!r} is for {base.__name__} and its subclasses")
    require(bool(device.title), device, "needs a title")
    require(device.citation.lstrip().startswith("@"), device, "citation must be BibTeX")
    require(bool(device.not_modelled), device, "must say what is not modelled")
    require(bool(device.drive_unit and device.read_unit), device, "must say the units of drive and reading")
    require(dataclasses.is_dataclass(device) and isinstance(hash(device), int), device, "must be a frozen dataclass")


def has_defaults(device: Device) -> None:
    """The class can be built without an argument."""
    require(isinstance(type(device)(), Device), device, "must have a default for every parameter")


def parameters_are_declared(device: Device) -> None:
    """Every field is a parameter with unit, meaning, source and range, or declared contents with meaning and source."""
    declared, carried = {p.name: p for p in device.parameters()}, device.contents()
    for field in dataclasses.fields(device):
        known = field.name in declared or field.name in carried
        require(known, device, f"field {field.name!r} must be made by param(...) or contents(...)")
        if field.name in carried:
            about = field.metadata["contents"]
            require(bool(about["doc"] and about["source"]), device, f"{field.name} needs a meaning and a source")
            require(carried[field.name].digest() == device.values()[field.name], device, "contents must be in values()")
    for p in declared.values():
        require(bool(p.unit and p.doc and p.source), device, f"{p.name} needs a unit, a meaning and a source")
        ranged = p.choices is not None or (p.low is not None and p.high is not None)
        require(ranged, device, f"{p.name} needs a range or choices")


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
                require(p.name in text, device, f"refusal of {p.name}={value!r} must name the parameter: {text}")
                require(
                    p.choices is not None or p.unit == "1" or p.unit in text,
                    device,
                    f"refusal of {p.name} must name its unit: {text}",
                )
            else:
                raise ContractError(f"{type(device).__name__}: {p.name}={value!r} must be refused")


def state_starts_with_shape(device: Device) -> None:
    """Every tensor of a state begins with the shape that was asked for, with or without chips."""
    for shape in (SHAPE, (2, 3, 4), (5,)):
        state = fresh(device, shape)
        require(len(state) > 0, device, "a state needs at least one tensor")
        for when, held in (
            ("init", state),
            ("step", stepped(device, state, shape=shape)),
        ):
            for name, value in held.items():
                found = tuple(value.shape[: len(shape)])
                require(found == shape, device, f"{name} after {when} has shape {tuple(value.shape)}, not {shape}...")
        value = device.read(state, generator_for(3))
        require(tuple(value.shape) == shape, device, f"read has shape {tuple(value.shape)}, not {shape}")


def reads_are_finite(device: Device) -> None:
    """A reading is a finite real number, the same at each read without a generator."""
    state = fresh(device)
    for held in (state, stepped(device, state)):
        first, second, noisy = device.read(held), device.read(held), device.read(held, generator_for(4))
        require(first.is_floating_point(), device, f"read gives {first.dtype}, no real number")
        finite = bool(torch.isfinite(first).all() and torch.isfinite(noisy).all())
        require(finite, device, "a reading is not finite")
        require(torch.equal(first, second), device, "two reads without a generator differ")


def arguments_are_left_alone(device: Device) -> None:
    """Neither the given state nor the drive is changed."""
    state = fresh(device)
    before = {name: value.clone() for name, value in state.items()}
    drive, dt = device.example_drive(SHAPE)
    kept = drive.clone()
    device.step(state, drive, dt, generator_for(5))
    device.read(state, generator_for(6))
    require(same(state, before), device, "step or read changed the given state")
    require(torch.equal(drive, kept), device, "step changed the given drive")


def equal_generators_give_equal_results(device: Device) -> None:
    """Init, step and read depend on nothing but their arguments."""
    first, second = fresh(device), fresh(device)
    require(same(first, second), device, "init differs for equal generators")
    first, second = stepped(device, first), stepped(device, second)
    require(same(first, second), device, "step differs for equal generators")
    readings = [device.read(first, generator_for(7)) for _ in range(2)]
    require(torch.equal(*readings), device, "read differs for equal generators")


def global_random_state_is_untouched(device: Device) -> None:
    """Randomness comes from the given generator only."""
    legacy = np.random.get_state
    before = torch.get_rng_state(), legacy()[1].copy(), random.getstate()  # type: ignore[index]
    device.read(stepped(device, fresh(device)), generator_for(8))
    require(torch.equal(torch.get_rng_state(), before[0]), device, "moved torch's global random state")
    require(bool((legacy()[1] == before[1]).all()), device, "moved NumPy's global random state")  # type: ignore[index]
    require(random.getstate() == before[2], device, "moved Python's global random state")


def ideal_is_deterministic(device: Device) -> None:
    """Without imperfections, steps and readings do not depend on the generator, nor devices on each other."""
    ideal = device.ideal()
    require(ideal.imperfections() == (), device, "ideal() still has imperfections")
    state = fresh(ideal)
    one, two = (ideal.read(stepped(ideal, state, seed), generator_for(seed)) for seed in (1, 2))
    require(torch.equal(one, two), device, "an ideal device behaves differently with another generator")


def imperfections_scale(device: Device) -> None:
    """Scaled to zero, an imperfection is gone; scaled to one, nothing changes."""
    for found in device.imperfections():
        require(device.scaled(found.name, 0.0) == device.without(found.name), device, f"{found.name}: 0 is not without")
        left = [i.name for i in device.without(found.name).imperfections()]
        require(found.name not in left, device, f"{found.name} is still there without it")
        require(device.scaled(found.name, 1.0) == device, device, f"{found.name}: scaling by 1 changes something")
        alone = [i.name for i in device.only(found.name).imperfections()]
        require(alone == [found.name], device, f"only({found.name!r}) leaves {alone}")
        half = device.scaled(found.name, 0.5)
        half.read(stepped(half, fresh(half)), generator_for(10))


def chips_do_not_depend_on_their_neighbours(device: Device) -> None:
    """Chip 1 of two chips is chip 1 of three, from fabrication to reading."""
    results = []
    for chips in (2, 3):
        state = fresh(device, (chips, SHAPE[1]))
        after = stepped(device, state)
        reading = device.read(after, generator_for(11))
        results.append([*(v[1] for v in state.values()), *(v[1] for v in after.values()), reading[1]])
    equal = all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    require(equal, device, "a chip's numbers depend on how many chips are simulated beside it")


def state_survives_storage(device: Device) -> None:
    """Saved as safetensors and loaded, a chip reads and steps as before."""
    from safetensors.torch import load, save

    state = stepped(device, fresh(device))
    for name, value in state.items():
        storable = value.dtype != torch.complex128
        require(storable, device, f"{name} is complex128, which safetensors cannot store; keep two real tensors")
    again = load(save({name: value.contiguous() for name, value in state.items()}))
    require(torch.equal(device.read(state), device.read(again)), device, "reading differs after storage")
    require(same(stepped(device, state), stepped(device, again)), device, "step differs after storage")


def prices_have_sources(device: Device) -> None:
    """Every energy is a number of joule with its source and technology node."""
    for event, price in device.prices().items():
        require(0 <= price.joule < 1, device, f"price of {event}: {price.joule} J is no energy of one event")
        require(bool(price.source and price.node), device, f"price of {event} needs a source and a node")


GENERAL: tuple[Callable[[Device], None], ...] = (
    declares_itself,
    has_defaults,
    parameters_are_declared,
    refuses_bad_values,
    state_starts_with_shape,
    reads_are_finite,
    arguments_are_left_alone,
    equal_generators_give_equal_results,
    global_random_state_is_untouched,
    ideal_is_deterministic,
    imperfections_scale,
    chips_do_not_depend_on_their_neighbours,
    state_survives_storage,
    prices_have_sources,
)
