"""What a spiking network refuses before any work, each in one line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from nanoneurons.core.errors import DataError, ParameterError, RefusedError, UnknownNameError, nearest

from ._spiking_run import Input
from .connections import Connection, SparseSynapses
from .encoders import Drive
from .populations import LateralInhibition, Population, SpikeSource
from .spike_trains import SpikeTrains

__all__ = ["check_connection", "check_inputs", "check_step", "ordered", "steps_of"]


def check_step(populations: Mapping[str, Population | SpikeSource], connections: Any, dt: float) -> None:
    """Refuse a step longer than the shortest time constant of neurons, synapses or inhibition; it is named."""
    if not 0 < dt < math.inf:
        raise ParameterError(f"spiking network: a step of {dt:g} s is not a positive time")
    for name, population in populations.items():
        if isinstance(population, SpikeSource):
            continue
        try:
            population.neuron.check_step(dt)
        except ParameterError as error:
            raise ParameterError(f"population '{name}': {error}") from None
        inhibition = population.inhibition
        if isinstance(inhibition, LateralInhibition) and 0 < inhibition.time_constant < dt:
            raise ParameterError(
                f"population '{name}': a step of {dt:g} s is longer than the time constant of its lateral inhibition, "
                f"{inhibition.time_constant:g} s; take shorter steps"
            )
    for c in connections:
        if 0 < c.time_constant < dt:
            raise ParameterError(
                f"connection '{c.name}': a step of {dt:g} s is longer than its time constant of {c.time_constant:g} s; "
                "take shorter steps, or 0 for no low-pass"
            )


def check_connection(
    c: Connection, module: Any, populations: Mapping[str, Population | SpikeSource], chips: int | None
) -> None:
    """Refuse ends that do not exist and weights that do not fit them."""
    for end in (c.source, c.target):
        if end not in populations:
            raise UnknownNameError(f"connection '{c.name}': there is no {end!r}{nearest(end, populations)}")
    target = populations[c.target]
    if isinstance(target, SpikeSource):
        raise RefusedError(f"connection '{c.name}': its target '{c.target}' is a source of spikes and takes none")
    shape = tuple(module.weight.shape)
    wanted = (target.size, populations[c.source].size)
    if isinstance(module, SparseSynapses):
        found, own = module.shape, shape[:-1]
    else:
        found, own = shape[-2:], shape[:-2]
    if found != wanted:
        raise ParameterError(
            f"connection '{c.name}': weights of shape {found} do not lead from {wanted[1]} neurons of '{c.source}' to "
            f"{wanted[0]} of '{c.target}'; give (out, in) = {wanted}"
        )
    if own not in ((), (chips,)):
        raise ParameterError(f"connection '{c.name}': weights for {own[0]} chips in a network of {chips or 'one'}")


def ordered(populations: Mapping[str, Any], connections: Any, dt: float) -> tuple[str, ...]:
    """Groups in an order in which spikes without delay reach neurons that have not yet taken the step."""
    direct = {(c.source, c.target) for c in connections if c.delay_steps(dt) == 0}
    left, order = list(populations), []
    while left:
        free = [n for n in left if not any(source in left for source, target in direct if target == n)]
        if not free:
            raise RefusedError(
                f"connections without delay form a loop among {', '.join(repr(n) for n in left)}; give one of them a "
                f"delay of at least a step of {dt:g} s"
            )
        order += free
        left = [n for n in left if n not in free]
    return tuple(order)


def steps_of(duration: float | None, steps: int | None, dt: float) -> int:
    """Number of steps of a run."""
    if (duration is None) == (steps is None):
        raise ParameterError("spiking network: give either duration (s) or steps")
    if steps is None:
        assert duration is not None
        if not 0 < duration < math.inf:
            raise ParameterError(f"spiking network: a duration of {duration:g} s is not a positive time")
        steps = max(1, math.floor(duration / dt + 0.5))
    if steps < 1:
        raise ParameterError(f"spiking network: steps = {steps} must be at least 1")
    return steps


def check_inputs(
    inputs: Mapping[str, Input], populations: Mapping[str, Population | SpikeSource], chips: int, samples: int | None
) -> int:
    """Refuse inputs that are empty, not finite, or do not fit; answers the number of samples."""
    found = {} if samples is None else {"the state to go on from": samples}
    for name, given in inputs.items():
        if name not in populations:
            raise UnknownNameError(f"inputs: the network has no {name!r}{nearest(name, populations)}")
        size, source = populations[name].size, isinstance(populations[name], SpikeSource)
        if isinstance(given, SpikeTrains) != source:
            takes = "spike trains" if source else "a drive (a tensor or Drive)"
            raise RefusedError(f"input '{name}': it takes {takes}, not {type(given).__name__}")
        if isinstance(given, SpikeTrains):
            if not len(given):
                raise DataError(f"input '{name}': the spike trains are empty; raise the rate, or drive the neurons")
            shape, width = (*given.shape, given.size), given.size
        else:
            values = given.values[0] if isinstance(given, Drive) else given
            if not bool(torch.isfinite(given.values if isinstance(given, Drive) else given).all()):
                raise DataError(f"input '{name}': a value of the drive is NaN or infinite; repair the data")
            shape, width = tuple(values.shape), values.shape[-1] if values.dim() else -1
        if width != size or len(shape) > 3 or (len(shape) == 3 and shape[0] != chips):
            raise ParameterError(
                f"input '{name}': shape {shape} does not fit; give ({size},), (samples, {size}) or "
                f"({chips}, samples, {size})"
            )
        if len(shape) > 1:
            found[f"input '{name}'"] = shape[-2]
    for name, population in populations.items():
        if isinstance(population, SpikeSource) and name not in inputs:
            raise DataError(f"source '{name}' is given no spikes; add it to the inputs of the run")
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{what} {count}" for what, count in found.items())
        raise ParameterError(f"inputs differ in their numbers of samples: {listed}")
    return next(iter(found.values()), 1)
