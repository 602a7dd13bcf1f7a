"""The one value that travels back up: the change a learning rule wants of a layer's weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import torch

__all__ = ["OuterProducts", "Update"]


@dataclass(frozen=True)
class Update:
    r"""A wanted change of weights; a rule returns it, a circuit turns it into pulses.

    Args:
        change: wanted signed change, shape ``(*chips, out, in)``.
        unit: ``"weight"`` (units of the layer's weight), ``"pulses"`` (whole device pulses) or ``"V"`` (a signal of up
            to 1 V that the array's drivers bring to the voltages of its devices and hold across each for the length of
            a pulse, for devices that answer to the size of a voltage; positive raises the weight).
        activity: for stochastic pulse trains, the sum over the batch of ``|x| |d|`` in the unit of
            `change`: how far the weight is pushed up plus how far it is pushed down. The two
            directions are then ``(activity + change) / 2`` and ``(activity - change) / 2``, and
            the circuit draws the pulse counts. ``None`` asks for one deterministic change.
    """

    change: torch.Tensor
    unit: Literal["weight", "pulses", "V"] = "weight"
    activity: torch.Tensor | None = None


@dataclass(frozen=True)
class OuterProducts:
    r"""A change wanted by stochastic pulse trains, as the vectors that rows and columns send, before any product.

    .. math:: \Delta W = r \sum_b d_b x_b^{\mathsf T}

    A circuit whose devices can draw the meetings of the pulses from the vectors never forms the matrix; any
    other takes `dense`.

    Args:
        errors: d, ``(*chips, batch, out)``.
        inputs: x, ``(*chips, batch, in)``, or ``(batch, in)`` where all chips have the same.
        rate: r, in units of the layer's weight; of either sign.
        shape: shape of the weights, ``(*chips, out, in)`` or that of a convolution's kernel with ``in`` unfolded.
    """

    errors: torch.Tensor
    inputs: torch.Tensor
    rate: float
    shape: tuple[int, ...]

    def dense(self, with_activity: bool = True) -> Update:
        """The same change as matrices."""
        d, x = self.errors.transpose(-2, -1), self.inputs
        change = (d @ x).mul_(self.rate).view(self.shape)
        if not with_activity:
            return Update(change)
        return Update(change, "weight", (d.abs() @ x.abs()).mul_(abs(self.rate)).view(self.shape))

    @cached_property
    def sums(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums of ``|d|`` and of ``|x|`` of each sample, ``(*chips, batch)``."""
        return self.errors.abs().sum(-1), self.inputs.abs().sum(-1)

    def total(self) -> float:
        """Sum of the activity over all cells and chips."""
        return self._total

    def note_total(self, total: float) -> None:
        """Keep the sum of one who has it already, a kernel that has gone through the vectors anyway."""
        self.__dict__["_total"] = total

    @cached_property
    def _total(self) -> float:
        pushed, sent = self.sums
        return abs(self.rate) * float((pushed * sent).sum())
