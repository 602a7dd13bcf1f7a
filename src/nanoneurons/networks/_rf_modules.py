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
from nanoneurons.layers._receptive_fields import output_size
from nanoneurons.layers.chipwise import EachChip, FlattenInput
from nanoneurons.layers.spin_diode import SpinDiodeLinear
from nanoneurons.layers.spin_diode_conv import SpinDiodeConv2d
from nanoneurons.layers.spin_torque import PowerInput, SpinTorqueActivation, VoltageReadout

from .feedforward import pooled

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
    """Powers, chains and oscillators in turn, and a read-out of the last chains' voltages.

    Convolutions take patch after patch; what is pooled are their voltages, before the oscillators.
    """
    if not isinstance(circuit, RfChain):
        raise StudyError(f"network {spec!r} of resonators needs the circuit 'rf-chain'")
    if convolutional and len(shape) != 3:
        raise StudyError(f"network {spec!r} has an image input, but a sample has shape {tuple(shape)}")
    where = tuple(shape) if convolutional else (math.prod(shape),)
    draw = generator_for(seed, "network", spec, "rf")
    modules: list[nn.Module] = [] if convolutional else [FlattenInput(len(shape))]
    modules.append(PowerInput(circuit.full_power))
    sources, voltages = "generator", False
    for position, token in enumerate(tokens):
        if "pool" in token:
            where = pooled(spec, where, token["pool"])
            modules.append(EachChip(nn.MaxPool2d(token["pool"]), 3))
        else:
            common: dict[str, Any] = {
                "circuit": circuit, "chips": chips, "seed": int(torch.randint(2**31, (), generator=draw)),
                "sources": sources,
            }  # fmt: skip
            where = _chains(spec, token, where, modules, common)
            voltages = True
        following = tokens[position + 1] if position + 1 < len(tokens) else {}
        if voltages and following and "pool" not in following:
            shared = "channels" in following and len(where) == 3
            modules.append(SpinTorqueActivation(where, circuit=circuit, chips=chips, shared=shared))
            sources, voltages = "oscillators", False
    modules.append(VoltageReadout(circuit.readout_scale))
    return modules


def _chains(
    spec: str, token: dict[str, int], where: tuple[int, ...], modules: list[nn.Module], common: dict[str, Any]
) -> tuple[int, ...]:
    """Append the chains of one token, and return the shape of their voltages."""
    if "channels" not in token:
        if len(where) == 3:
            modules.append(FlattenInput(3))
        modules.append(SpinDiodeLinear(math.prod(where), token["dense"], **common))
        return (token["dense"],)
    if len(where) != 3:
        raise StudyError(f"network {spec!r}: a convolution cannot follow a dense layer")
    k, image = token["kernel"], (where[1], where[2])
    modules.append(SpinDiodeConv2d(where[0], token["channels"], k, padding=k // 2, image=image, **common))
    return (token["channels"], *output_size(image, k, 1, k // 2))
