r"""Differential pair (2T2R): two devices and a pre-charge sense amplifier hold one binary weight."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.errors import ParameterError, RefusedError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal, uniform
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State

from ._circuit import MemoryCircuit

__all__ = ["DifferentialPair"]

_CHIP = "Bocquet et al., IEDM 2018 (arXiv 1902.02528); Hirtzlin et al., Front. Neurosci. 13:1383 (2020)"
_PAIR = "W = sign(R_BL - R_BLb): Majumdar et al., IEEE TED 2021 (arXiv 2107.06064), published code"


@dataclass(frozen=True)
class DifferentialPair(MemoryCircuit):
    r"""Two devices `plus` and `minus`; a pre-charge sense amplifier (PCSA) tells which conducts better.

    .. math:: W = \mathrm{sign}(\ln G_+ - \ln G_- + o_j + \xi)

    Both branches are pre-charged and the better conductor discharges first; four more transistors swap
    the branches with the activation bit, so the amplifier outputs the XNOR of weight and input. The offset
    :math:`o_j` is drawn once per amplifier. An array has one amplifier per column: column *j* carries the
    input *j*, the rows (outputs) are selected one after the other, so all weights of one input share
    one offset (state ``offset``, shape ``(*chips, 1, in)``). :math:`\xi` is drawn at every read.
    An exact tie falls to the side that the cell's latch prefers (state ``preference``, a fair coin per
    cell, drawn at fabrication), since an amplifier always decides.

    To raise a weight, a pair of graded devices that go one way only gets its pulses on the branch where
    they help (weak RESET: on ``minus``); graded devices that go both ways get them on ``plus``; devices
    without intermediate states are written complementarily, both of them.

    Not modelled: amplifiers that do not resolve within the sensing time, the dependence of their offset on the
    resistance level, disturbance of a device by reading.

    Source: Bocquet et al., IEDM 2018; Hirtzlin et al., Front. Neurosci. 2020; Majumdar et al., IEEE TED 2021.
    """

    sense_offset: float = param(
        0.0, "ln ohm", doc="standard deviation of the amplifiers' offset, drawn once per column", source=_CHIP,
        low=0.0, high=5.0, imperfection="sense_offset", ideal=0.0, verified=False,
    )  # fmt: skip
    sense_noise: float = param(
        0.0, "ln ohm", doc="standard deviation of the amplifier's noise, drawn at every read", source=_CHIP,
        low=0.0, high=5.0, imperfection="sense_noise", ideal=0.0, verified=False,
    )  # fmt: skip
    write_pulses: int = param(
        1000, "pulses", doc="pulses that program() gives a graded device to write one bit", source=_PAIR,
        low=1, high=10_000_000, integer=True, verified=False,
    )  # fmt: skip

    title: ClassVar[str] = "differential pair with pre-charge sense amplifier (2T2R)"
    layers: ClassVar[str] = "binary"

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fabricate both branches of a matrix of `shape` ``(*chips, out, in)`` and the amplifiers."""
        state = _named("plus.", self.device.init(shape, generator))
        state |= _named("minus.", self.device.init(shape, generator))
        place = next(iter(state.values())).device
        state["preference"] = uniform(draw_key(generator), shape, device=place) < 0.5
        if self.sense_offset > 0:
            columns = _amplifiers(shape)
            state["offset"] = self.sense_offset * normal(draw_key(generator), columns, device=place)
        return state

    def program(self, state: State, target: torch.Tensor, generator: torch.Generator) -> State:
        """Write the sign of `target` (zero counts as plus).

        Graded devices get `write_pulses` on the branch that helps; nothing is erased first, so a pair that
        already took many pulses the other way may not turn.
        """
        change = _spread(target >= 0, state).to(torch.float32).mul_(2).sub_(1)
        return self._pulse(state, change.mul_(self.write_pulses) if self.device.graded else change, generator)

    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Carry out signed whole pulses; a change in units of the weight writes its sign where it is not zero.

        Raises:
            RefusedError: the change is a stochastic pulse train.
            ParameterError: the change is not finite.
        """
        if isinstance(update, OuterProducts) or update.activity is not None:
            raise RefusedError(
                "a differential pair takes one signed pulse count per weight, no stochastic pulse trains; "
                "use the rule 'pulsed-adam' or 'straight-through', or the circuit 'crossbar'"
            )
        change = _spread(update.change, state)
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
        """Device pulses that an update takes: on one branch of graded devices, on both of others."""
        if isinstance(update, OuterProducts) or (update.unit == "pulses" and self.device.graded):
            return super().pulses_of(update)
        return float((update.change != 0).sum()) * self._pulses_per_bit

    def pulses_to_program(self, state: State, target: torch.Tensor) -> float:
        """Device pulses that writing every bit takes."""
        return float(state["preference"].numel()) * self._pulses_per_bit

    @property
    def _pulses_per_bit(self) -> int:
        return self.write_pulses if self.device.graded else 2

    def _pulse(self, state: State, change: torch.Tensor, generator: torch.Generator) -> State:
        """Apply a signed count of weight-raising pulses (negative lowers): one device step per branch."""
        device, effect = self.device, self.device.drive_effect
        drives: dict[str, torch.Tensor] = {}
        if change.is_floating_point():
            change = change.round().to(torch.int32)
        if device.graded and device.directions == (1,):
            raising, lowering = ("plus.", "minus.") if effect > 0 else ("minus.", "plus.")
            drives[raising] = change.clamp(min=0)
            drives[lowering] = change.neg().clamp_(min=0)
        elif device.graded:
            drives["plus."] = change if effect > 0 else -change
        else:
            opposite = -change
            drives["plus."], drives["minus."] = (change, opposite) if effect > 0 else (opposite, change)
        stepped = dict(state)
        for prefix, drive in drives.items():
            stepped |= _named(prefix, device.step(_branch(prefix, state), drive, 0.0, generator))
        return stepped

    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Weights -1 and +1 as sensed, float32, shape ``(*chips, out, in)``."""
        plus = self.device.read(_branch("plus.", state), generator)
        minus = self.device.read(_branch("minus.", state), generator)
        strong, weak = (plus, minus) if self.device.read_unit == "S" else (minus, plus)
        tilt = state.get("offset")
        if self.sense_noise > 0 and generator is not None:
            noise = self.sense_noise * normal(draw_key(generator), tuple(plus.shape), device=plus.device)
            tilt = noise if tilt is None else noise.add_(tilt)
        if tilt is not None:
            strong = strong * tilt.exp()  # ln strong + tilt > ln weak, without a logarithm per cell
        return _sense(strong, weak, state["preference"])

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One sense operation (which is the XNOR) and one counted bit per weight."""
        bits = float(out_features * in_features)
        return Counts({"sense": bits, "popcount": bits})

    def suspects(self) -> str:
        """Too few pulses to turn a pair of graded devices."""
        if not self.device.graded:
            return ""
        return f"the {self.write_pulses} pulses that write a bit (write_pulses) may be too few"

    def writing(self, pulses: float) -> Counts:
        """Events of applying a number of device pulses."""
        return Counts({"write": float(pulses)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of the device's events, of one sense operation and of one bit in the popcount tree."""
        return {
            **self.device.prices(),
            "sense": Price(
                30e-15, "order of magnitude 'tens of fJ per sensed bit', both branches included", "130 nm", False
            ),
            "popcount": Price(
                0.1e-12 / 32,
                "one full adder per bit = 1/32 of a 32-bit addition (Horowitz, ISSCC 2014)",
                "45 nm",
                False,
            ),
        }


def _named(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def _branch(prefix: str, state: State) -> State:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def _spread(change: torch.Tensor, state: State) -> torch.Tensor:
    """Give every chip the same wanted change when it comes without a chip axis."""
    shape = state["preference"].shape
    return change if change.shape == shape else change.expand(shape)


def _amplifiers(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of the sense amplifiers: like the weights, with the output axis shared.

    Weights are matrices or convolution kernels, so an odd number of axes means a leading chip axis.
    """
    out_axis = len(shape) % 2
    return tuple(1 if axis == out_axis else size for axis, size in enumerate(shape))


def _sense(strong: torch.Tensor, weak: torch.Tensor, preference: torch.Tensor) -> torch.Tensor:
    """+1 where `strong` wins, -1 where `weak` wins, and the cell's preference at an exact tie."""
    if strong.device.type != "cpu":
        wins = (strong > weak) | ((strong == weak) & preference)
        return wins.to(torch.float32).mul_(2).sub_(1)
    out = np.empty(math.prod(strong.shape), np.float32)
    _compare(*(t.reshape(-1).numpy() for t in (strong, weak, preference)), out)
    return torch.from_numpy(out.reshape(strong.shape))


@numba.njit(cache=True)
def _compare(strong, weak, preference, out):  # pragma: no cover - compiled
    for i in range(out.size):
        wins = (strong[i] > weak[i]) | ((strong[i] == weak[i]) & preference[i])
        out[i] = np.float32(1) if wins else np.float32(-1)
