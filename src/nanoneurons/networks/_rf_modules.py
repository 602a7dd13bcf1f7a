"""Modules of a feed-forward network of resonators and oscillators."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from nanoneurons.circuits import Circuit
from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.errors import StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.chipwise import FlattenInput
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation, VoltageReadout

__all__ = ["rf_modules"]


def rf_modules(
    spec: str,
    tokens: list[dict[str, int]],
    circuit: Circuit | None,
    chips: int | None,
    shape: tuple[int, ...],
    convolutional: bool,
    seed: int,
) -> list[nn.Module]:
    """Powers, chains and oscillators in turn, and a read-out of the last chains' voltages."""
    if not isinstance(circuit, RfChain):
        raise StudyError(f"network {spec!r} of resonators needs the circuit 'rf-chain'")
    if convolutional or not all("dense" in token for token in tokens):
        raise StudyError(f"network {spec!r}: resonators are wired as dense layers here; give sizes, as in 256-128-10")
    draw = generator_for(seed, "network", spec, "rf")
    modules: list[nn.Module] = [FlattenInput(len(shape)), PowerInput(circuit.full_power)]
    width = math.prod(shape)
    for position, token in enumerate(tokens):
        common: dict[str, Any] = {
            "circuit": circuit, "chips": chips, "seed": int(torch.randint(2**31, (), generator=draw)),
            "sources": "oscillators" if position else "generator",
        }  # fmt: skip
        modules.append(SpinDiodeLinear(width, token["dense"], **common))
        width = token["dense"]
        if position < len(tokens) - 1:
            modules.append(SpinTorqueActivation(width, circuit=circuit, chips=chips))
    modules.append(VoltageReadout(circuit.readout_scale))
    return modules
