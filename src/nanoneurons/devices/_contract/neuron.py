"""What a neuron must keep besides: silence below its threshold, spikes above it, moments inside the step."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import NeuronDevice

from ._common import ContractError, fresh, require, same

__all__ = ["NEURON"]

CELLS = (2, 3)
STEPS = 400


def drives_are_ordered(device: NeuronDevice) -> None:
    """Threshold and default drive are finite and ordered; the usual step is one the device takes."""
    threshold, default = device.threshold_drive(), device.default_drive
    require(math.isfinite(threshold) and math.isfinite(default), device, f"drives {threshold}, {default} not finite")
    ordered = 0 <= threshold < default or default < threshold <= 0
    require(ordered, device, f"the default drive {default} does not exceed the threshold {threshold}")
    device.check_step(device.default_step)


def default_drive_makes_spikes(device: NeuronDevice) -> None:
    """The nominal device fires again and again at its default drive, with moments inside the steps."""
    ideal, dt = device.ideal(), device.default_step
    state, drive = fresh(ideal, CELLS), torch.full(CELLS, ideal.default_drive)
    total = torch.zeros(CELLS)
    for _ in range(STEPS):
        state = ideal.step(state, drive, dt, generator_for(2))
        fired, moment = state["spikes"] > 0, state["moment"]
        total += state["spikes"]
        inside = bool(((moment >= 0) & (moment <= dt * (1 + 1e-6))).all())
        require(inside, device, "the moment of a spike lies outside its step")
        require(bool((moment[~fired] == 0).all()), device, "a neuron that did not fire has a moment")
    require(bool((total >= 2).all()), device, f"at the default drive {STEPS} steps give {float(total.min())} spikes")


def moments_do_not_hang_on_the_step(device: NeuronDevice) -> None:
    """Spikes at the default drive come at the same times, within half a step, in steps a quarter as long."""
    ideal, dt = device.ideal(), device.default_step
    drive, times = torch.full((1,), ideal.default_drive), dict[int, list[float]]()
    for parts in (1, 4):
        state, times[parts] = fresh(ideal, (1,)), []
        for step in range(STEPS // 2 * parts):
            state = ideal.step(state, drive, dt / parts, generator_for(2))
            if state["spikes"]:  # of several in one step, the last is told
                times[parts].append(step * dt / parts + float(state["moment"]))
    for time in times[1]:
        near = min((abs(time - other) for other in times[4]), default=math.inf)
        require(near <= 0.5 * dt, device, f"a spike at {time:g} s is {near:g} s away in steps a quarter as long")


def no_time_no_change(device: NeuronDevice) -> None:
    """A step of no length leaves the state as it is."""
    state = _driven(device, device.default_step)
    drive = torch.full(CELLS, device.default_drive)
    require(same(device.step(state, drive, 0.0, generator_for(5)), state), device, "a step of 0 s changes the state")


def bad_drives_are_refused(device: NeuronDevice) -> None:
    """A drive that is not a number is refused in one line, in a step and in a train."""
    state, drive = fresh(device, CELLS), torch.zeros(CELLS)
    drive[1, 2] = math.nan
    for call in (
        lambda: device.step(state, drive, device.default_step, generator_for(6)),
        lambda: device.respond(state, drive[..., None], device.default_step, generator_for(6)),
    ):
        try:
            call()
        except ParameterError as error:
            require("\n" not in str(error), device, f"the refusal takes more than one line: {error}")
        else:
            raise ContractError(f"{type(device).__name__}: a drive that is NaN must be refused")


def no_drive_no_spikes(device: NeuronDevice) -> None:
    """Without a drive the nominal device, once at rest, stays silent."""
    ideal = device.ideal()
    state, drive = fresh(ideal, CELLS), torch.zeros((*CELLS, STEPS))
    spikes, _ = ideal.respond(state, drive, ideal.default_step, generator_for(2))
    late = spikes[..., STEPS // 2 :].sum()
    require(float(late) == 0, device, f"without a drive it fires {float(late)} times")


def silence_puts_to_rest(device: NeuronDevice) -> None:
    """Chosen devices read what they read at rest; the others are left alone."""
    ideal, dt = device.ideal(), device.default_step
    state = _driven(ideal, dt)
    where = torch.zeros(CELLS, dtype=torch.bool)
    where[:, 1] = True
    before = {name: value.clone() for name, value in state.items()}
    after = ideal.silence(state, where)
    require(same(state, before), device, "silence changed the given state")
    rest = ideal.read(fresh(ideal, CELLS))[0, 0]
    size = float(ideal.read(state).abs().max())
    close = torch.allclose(ideal.read(after)[where], rest.expand(2), rtol=1e-5, atol=1e-6 * size)
    require(close, device, "a silenced neuron does not read what it reads at rest")
    kept = all(torch.equal(after[name][~where], value[~where]) for name, value in before.items())
    require(kept, device, "silence changed neurons outside the mask")


def trains_agree_with_steps(device: NeuronDevice) -> None:
    """`respond` gives the spikes of `step` after `step`, and its state, to the bit of the spikes."""
    ideal, dt = device.ideal(), device.default_step
    ramp = torch.linspace(0.0, 1.5 * ideal.default_drive, STEPS)
    drive = ramp.expand(*CELLS, STEPS).contiguous()
    spikes, end = ideal.respond(fresh(ideal, CELLS), drive, dt, generator_for(3))
    slow, last = NeuronDevice.respond(ideal, fresh(ideal, CELLS), drive, dt, generator_for(3))
    require(torch.equal(spikes, slow), device, "respond and step give other spikes")
    size = float(ideal.read(last).abs().max())
    close = torch.allclose(ideal.read(end), ideal.read(last), rtol=1e-4, atol=1e-6 * size)
    require(close, device, "respond and step end in other states")


def long_steps_are_refused(device: NeuronDevice) -> None:
    """A step that is not positive, or longer than the shortest time constant, is refused by name."""
    known = device.time_constants()
    bad = [0.0, -1.0, math.nan, *([2 * min(known.values())] if known else [])]
    for dt in bad:
        try:
            device.check_step(dt)
        except ParameterError as error:
            named = dt != dt or dt <= 0 or min(known, key=lambda key: known[key]) in str(error)
            require(named, device, f"the refusal must name the time constant: {error}")
        else:
            raise ContractError(f"{type(device).__name__}: a step of {dt} s must be refused")


def _driven(device: NeuronDevice, dt: float) -> State:
    drive = torch.full((*CELLS, 7), device.default_drive)
    return device.respond(fresh(device, CELLS), drive, dt, generator_for(4))[1]


NEURON: tuple[Callable[[NeuronDevice], None], ...] = (
    drives_are_ordered,
    default_drive_makes_spikes,
    moments_do_not_hang_on_the_step,
    no_time_no_change,
    bad_drives_are_refused,
    no_drive_no_spikes,
    silence_puts_to_rest,
    trains_agree_with_steps,
    long_steps_are_refused,
)
