r"""Single cell (1T1R): one device read against a fixed threshold holds one binary weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State

from ._circuit import MemoryCircuit

__all__ = ["SingleCell"]

_PAPER = "1T1R reference of Bocquet et al., IEDM 2018 (arXiv 1902.02528)"


@dataclass(frozen=True)
class SingleCell(MemoryCircuit):
    r"""One device per weight; the weight is +1 where it conducts better than a reference.

    .. math:: W = \mathrm{sign}(\ln G - \ln G_{th} + \xi)

    The reference is the conductance where the device says its states are told apart best
    (``read_threshold()``), or else the geometric mean of its conductance range; `threshold_shift` moves it in
    ln G. :math:`\xi` is the amplifier's noise, drawn at every read. An exact tie reads -1.

    Not modelled: spread of the reference from column to column, disturbance of a device by reading.

    Source: Bocquet et al., IEDM 2018; Hirtzlin et al., Front. Neurosci. 2020.
    """

    threshold_shift: float = param(
        0.0, "ln S", doc="shift of the reference from the middle of the conductance window", source=_PAPER,
        low=-10.0, high=10.0, imperfection="threshold_shift", ideal=0.0, verified=False,
    )  # fmt: skip
    sense_noise: float = param(
        0.0, "ln ohm", doc="standard deviation of the amplifier's noise, drawn at every read", source=_PAPER,
        low=0.0, high=5.0, imperfection="sense_noise", ideal=0.0, verified=False,
    )  # fmt: skip
    write_pulses: int = param(
        1000, "pulses", doc="pulses that program() gives a graded device to write one bit", source=_PAPER,
        low=1, high=10_000_000, integer=True, verified=False,
    )  # fmt: skip

    title: ClassVar[str] = "single cell read against a threshold (1T1R)"
    layers: ClassVar[str] = "binary"

    def check(self) -> None:
        """Refuse devices that cannot be written back."""
        if set(self.device.directions) != {-1, 1}:
            raise RefusedError(
                f"{self.device.title}: pulses move it one way only, so a single cell cannot go back; "
                "use the circuit 'differential-pair'"
            )

    @property
    def threshold(self) -> float:
        """Reference conductance in S."""
        low, high = self.device.conductance_range()
        best = getattr(self.device, "read_threshold", None)
        middle = math.sqrt(low * high) if best is None else best()
        return middle * math.exp(self.threshold_shift)

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate the devices of a matrix of `shape` ``(*chips, out, in)``."""
        return {"cell." + name: value for name, value in self.device.init(shape, generator).items()}

    def program(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        """Write the sign of `target` (zero counts as plus)."""
        change = (target >= 0).to(torch.float32).mul_(2).sub_(1)
        return self._pulse(state, change.mul_(self.write_pulses) if self.device.graded else change, generator)

    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Carry out signed whole pulses; a change in units of the weight writes its sign where it is not zero.

        Raises:
            RefusedError: the change is a stochastic pulse train.
            ParameterError: the change is not finite.
        """
        if isinstance(update, OuterProducts) or update.activity is not None:
            raise RefusedError(
                "a single binary cell takes one signed pulse count per weight, no stochastic pulse trains; "
                "use the rule 'straight-through', or the circuit 'crossbar'"
            )
        change = update.change
        if change.is_floating_point() and not torch.isfinite(change).all():
            raise ParameterError(
                "the wanted change of the weights holds NaN or infinite numbers; lower the learning rate"
            )
        if update.unit == "weight" and self.device.graded:
            change = change.sign() * self.write_pulses
        elif not self.device.graded:
            change = change.sign()
        return self._pulse(state, change, generator)

    def pulses_of(self, update: Update | OuterProducts) -> float:
        """Device pulses that an update takes."""
        if isinstance(update, OuterProducts) or (update.unit == "pulses" and self.device.graded):
            return super().pulses_of(update)
        return float((update.change != 0).sum()) * (self.write_pulses if self.device.graded else 1)

    def pulses_to_program(self, state: State, target: torch.Tensor) -> float:
        """Device pulses that writing every bit takes."""
        return float(target.numel()) * (self.write_pulses if self.device.graded else 1)

    def _pulse(self, state: State, change: torch.Tensor, generator: torch.Generator) -> State:
        cells = _cells(state)
        shape = self.device.read(cells).shape
        drive = change if self.device.drive_effect > 0 else -change
        stepped = self.device.step(cells, drive.expand(shape), 0.0, generator)
        return {"cell." + name: value for name, value in stepped.items()}

    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Weights -1 and +1 as sensed, float32, shape ``(*chips, out, in)``."""
        value = self.device.read(_cells(state), generator)
        reference: float | torch.Tensor = self.threshold if self.device.read_unit == "S" else 1 / self.threshold
        if self.sense_noise > 0 and generator is not None:
            noise = normal(draw_key(generator), tuple(value.shape), device=value.device)
            reference = reference * noise.mul_(self.sense_noise).exp_()
        wins = value > reference if self.device.read_unit == "S" else value < reference
        return wins.to(torch.float32).mul_(2).sub_(1)

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One sense operation and one counted bit per weight."""
        bits = float(out_features * in_features)
        return Counts({"sense": bits, "popcount": bits})

    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""
        return Counts({"write": float(pulses)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of the device's events, of one sense operation and of one bit in the popcount tree."""
        return {
            **self.device.prices(),
            "sense": Price(30e-15, "order of magnitude 'tens of fJ per sensed bit'", "130 nm", False),
            "popcount": Price(
                0.1e-12 / 32,
                "one full adder per bit = 1/32 of a 32-bit addition (Horowitz, ISSCC 2014)",
                "45 nm",
                False,
            ),
        }


def _cells(state: State) -> State:
    return {name.removeprefix("cell."): value for name, value in state.items() if name.startswith("cell.")}
