"""The one value that travels back up: the change a learning rule wants of a layer's weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch

__all__ = ["Update"]


@dataclass(frozen=True)
class Update:
    r"""A wanted change of weights; a rule returns it, a circuit turns it into pulses.

    Args:
        change: wanted signed change, shape ``(*chips, out, in)``.
        unit: ``"weight"`` (units of the layer's weight) or ``"pulses"`` (whole device pulses).
        activity: for stochastic pulse trains, the sum over the batch of ``|x| |d|`` in the unit of
            `change`: how far the weight is pushed up plus how far it is pushed down. The two
            directions are then ``(activity + change) / 2`` and ``(activity - change) / 2``, and
            the circuit draws the pulse counts. ``None`` asks for one deterministic change.
    """

    change: torch.Tensor
    unit: Literal["weight", "pulses"] = "weight"
    activity: torch.Tensor | None = None
