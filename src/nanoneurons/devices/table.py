r"""Table device: steps drawn from conditional distributions of the conductance step given the conductance.

.. math::
    w \leftarrow w + s\,g_d\,\Delta_d\,Q_d(u \mid x), \qquad x = c + (w - c)/s, \qquad G = G_0 + w\,G_1

:math:`Q_d(u \mid x)` is the quantile function of a step up or down from the level x, given by a table of
quantiles at levels and linear between its numbers; u is a uniform number for each pulse. :math:`\Delta_d` scales
the table (`step_up`, `step_down`), :math:`g_d` is the device's own gain and *s* the width of its own range about the
middle *c* of the table. The bounds, first and last level of the table, are hard.

The share `nonlinearity` blends the mean step from its value at the reference level (0) to the table's (1);
`asymmetry` blends the directions from equal mean steps at the reference level to the table's; `cycle_scatter` is the
share of the table's scatter about the mean step. The reference is the middle of the range, or the nearest level to it
from which both directions go their own way on average. All three are thereby imperfections with an ideal value.

Not modelled: any memory of a device beyond its conductance (steps are independent given the conductance), drift,
pulse amplitude and width, temperature.

Source: definition of this project, in the manner of the conductance-update tables of the xbtorch toolkit (BSD-3); the
default table is a closed form, `_table_law.soft_bounded`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import Imperfection, contents, param
from nanoneurons.core.random import draw_key, normal, uniform
from nanoneurons.devices import _table_steps as steps
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice
from nanoneurons.devices._table_law import StepQuantiles, soft_bounded

__all__ = ["Table"]

_DEFAULT = soft_bounded()
_OURS = "definition of this project"
_EXAMPLE = "choice of this project for its example table; measured devices bring their own"


def _number(
    default: float, doc: str, low: float, high: float, source: str = _OURS, unit: str = "1", **more: Any
) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, **more)


def _spread(default: float, doc: str) -> Any:
    return _number(
        default, doc, 0.0, 3.0, _EXAMPLE, imperfection="device_to_device", ideal=0.0, verified=False
    )  # fmt: skip


@dataclass(frozen=True)
class Table(MemoryDevice):
    """Conductance whose steps are drawn from measured distributions; the drive is signed whole pulses."""

    title: ClassVar[str] = "table of conductance steps"
    citation: ClassVar[str] = (
        "@misc{nanoneurons_table, title={Conditional quantiles of the conductance step given the conductance}, "
        "note={definition of this project; a device file names the measurement behind its tables}}"
    )
    not_modelled: ClassVar[str] = "Memory beyond the conductance, drift, pulse amplitude and width, temperature."
    read_unit: ClassVar = "S"
    directions: ClassVar[tuple[int, ...]] = (-1, 1)
    drive_effect: ClassVar[int] = 1
    graded: ClassVar[bool] = True
    default_rule: ClassVar[str] = "analog-sgd"
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pulses": (
            "step_up", "step_down", "gain_spread", "tilt_spread", "read_noise", "stuck_share", "initial_mean",
            "initial_spread",
        ),
        "levels": ("zero_conductance", "unit_conductance", "read_noise", "stuck_share"),
        "retention": ("read_noise",),
        "noise": ("read_noise",),
    }  # fmt: skip

    law: StepQuantiles = contents(
        _DEFAULT, doc="quantiles of the step at levels of the conductance, times step_up and step_down",
        source=_EXAMPLE,
    )  # fmt: skip
    step_up: float = _number(0.01, "factor of the table's up steps, level", 1e-12, 1e12, _EXAMPLE, verified=False)
    step_down: float = _number(0.01, "factor of the table's down steps, level", 1e-12, 1e12, _EXAMPLE, verified=False)
    asymmetry: float = _number(
        1.0, "share of the asymmetry at the reference level", 0.0, 4.0, imperfection="asymmetry", ideal=0.0
    )
    nonlinearity: float = _number(
        1.0, "share of the mean step's dependence on the level", 0.0, 4.0, imperfection="nonlinearity", ideal=0.0
    )
    cycle_scatter: float = _number(
        1.0, "share of the scatter of a step about its mean", 0.0, 4.0, imperfection="cycle_to_cycle", ideal=0.0
    )
    gain_spread: float = _spread(0.2, "spread of ln of a device's own gain, both directions; its mean gain is 1")
    tilt_spread: float = _spread(0.05, "spread of ln of a device's own gain up, opposite down")
    range_spread: float = _spread(0.0, "spread of ln of the width of a device's own range about the middle")
    read_noise: float = _number(
        0.01, "spread from read to read, level", 0.0, 1e12, _EXAMPLE, imperfection="read_noise", ideal=0.0,
        verified=False,
    )  # fmt: skip
    stuck_share: float = _number(
        0.0, "share of devices that no pulse moves; they lie evenly between the bounds", 0.0, 1.0,
        imperfection="stuck_devices", ideal=0.0,
    )  # fmt: skip
    initial_mean: float = _number(0.0, "mean level of a fresh device", -1e12, 1e12, _EXAMPLE, verified=False)
    initial_spread: float = _number(0.2, "spread of the level of fresh devices", 0.0, 1e12, _EXAMPLE, verified=False)
    zero_conductance: float = _number(25e-6, "conductance at level 0", 0.0, 1.0, _EXAMPLE, "S", verified=False)
    unit_conductance: float = _number(5e-6, "conductance per level", 1e-15, 1.0, _EXAMPLE, "S", verified=False)
    write_energy: float = _number(
        3e-12, "energy of one pulse", 0.0, 1.0, "upper end of 0.1 to 3 pJ of oxide memristors (ITRS 2011 table)", "J",
        verified=False,
    )  # fmt: skip
    read_voltage: float = _number(0.1, "read voltage", 0.0, 10.0, "usual value", "V", verified=False)
    read_time: float = _number(10e-9, "length of a read", 0.0, 1.0, "usual value", "s", verified=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (self.law.up and self.law.down):  # an instance that goes one way declares its own direction
            object.__setattr__(self, "directions", (1,))
            object.__setattr__(self, "drive_effect", 1 if self.law.up else -1)

    def check(self) -> None:
        """Check that pulses move some level their way, and that no conductance is negative."""
        _ = self.law.reference
        if self.zero_conductance + self.unit_conductance * self.law.levels[0] < -1e-9 * self.unit_conductance:
            raise ParameterError(
                f"Table: the conductance at the lowest level, {self.law.levels[0]:g}, is negative; raise "
                "zero_conductance"
            )

    @classmethod
    def from_tables(cls, tables: Mapping[str, Any], **parameters: Any) -> Self:
        """Build from the tables of a device file; see `with_tables`."""
        return cls().with_tables(tables, **parameters)

    def with_tables(self, tables: Mapping[str, Any], **changes: Any) -> Self:
        """Copy with other tables: ``levels``, ``probabilities``, ``up`` and ``down``, as a device file holds them.

        Tables that come without `step_up` or `step_down` hold the steps themselves, in units of `unit_conductance`.

        Raises:
            ParameterError: numbers that are no quantiles, named with their row, or a parameter out of its range.
        """
        return self.replace(law=StepQuantiles.of(tables), **{"step_up": 1.0, "step_down": 1.0, **changes})

    def tables(self) -> dict[str, list[Any]]:
        """The tables as nested lists, exact, as a device file holds them."""
        return self.law.lists()

    def imperfections(self) -> tuple[Imperfection, ...]:
        """Imperfections with an effect: constant mean steps have no nonlinearity, equal ones no asymmetry."""
        idle = set()
        if all(np.ptp(self.law.means(up)) == 0 for up in self._ways):
            idle.add("nonlinearity")
        if all(np.ptp(row) == 0 for up in self._ways for row in self.law.quantiles(up)):
            idle.add("cycle_to_cycle")
        sizes = [self._reference_step(up) for up in self._ways]
        if math.isclose(sizes[0], sizes[-1], rel_tol=1e-9):
            idle.add("asymmetry")
        return tuple(found for found in super().imperfections() if found.name not in idle)

    # -- contract -------------------------------------------------------------------------------------

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices.

        State, all of `shape`: ``weight`` (the level), ``scale`` (width of the own range), ``up`` and ``down`` (own
        gains, 0 for a stuck device).
        """
        key, place = draw_key(generator), generator.device

        def drawn(draw: int, sd: float) -> torch.Tensor:
            return sd * normal(key, shape, draw, place) if sd else torch.zeros(shape, device=place)

        gain, tilt = drawn(0, self.gain_spread), drawn(1, self.tilt_spread)
        mean = 0.5 * (self.gain_spread**2 + self.tilt_spread**2)  # so that the mean gain is 1
        scale = drawn(2, self.range_spread).exp()
        low, high = self._bounds(scale)
        level = (self.initial_mean + drawn(3, self.initial_spread)).maximum(low).minimum(high)
        up, down = (gain + tilt - mean).exp(), (gain - tilt - mean).exp()
        if self.stuck_share:
            stuck = uniform(key, shape, 4, place) < self.stuck_share
            level = torch.where(stuck, low + (high - low) * uniform(key, shape, 5, place), level)
            up, down = (torch.where(stuck, 0.0, value) for value in (up, down))
        return {"weight": level.contiguous(), "scale": scale, "up": up, "down": down}

    def step(
        self, state: State, drive: torch.Tensor, dt: float = 0.0, generator: torch.Generator | None = None
    ) -> State:
        """Apply `drive` signed whole pulses to each device, one after the other (`dt` is not used)."""
        pulses = self._whole(drive, state) * self.drive_effect
        return {**state, "weight": steps.pulse_by_pulse(self._law, state, pulses, self._key(generator))}

    def apply_counts(
        self, state: State, up: torch.Tensor, down: torch.Tensor, generator: torch.Generator | None = None
    ) -> State:
        """Apply whole pulses of positive (`up`) and negative drive (`down`) in random order; long trains are summed."""
        up, down = self._whole(up, state), self._whole(down, state)
        if self.drive_effect < 0:
            up, down = down, up
        if (not self.law.up and bool(up.any())) or (not self.law.down and bool(down.any())):
            raise ParameterError("Table: this device goes one way only; use a pair of them")
        return {**state, "weight": steps.train(self._law, state, up, down, self._key(generator))}

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Conductance in S."""
        w = state["weight"]
        if self.read_noise and generator is not None:
            w = w + self.read_noise * normal(draw_key(generator), tuple(w.shape), 0, w.device)
        return torch.add(self.zero_conductance, w, alpha=self.unit_conductance)

    def linear(self, state: State) -> tuple[torch.Tensor, float, float] | None:
        """The level."""
        return state["weight"], self.zero_conductance, self.unit_conductance

    def read_sigma(self) -> float:
        """Standard deviation in S of one read; independent from cell to cell and from read to read."""
        return self.read_noise * self.unit_conductance

    def conductance_range(self) -> tuple[float, float]:
        """Conductance in S at the first and the last level."""
        low, high = (
            self.zero_conductance + x * self.unit_conductance for x in (self.law.levels[0], self.law.levels[-1])
        )
        return max(low, 0.0), high

    def conductance_step(self) -> float:
        """Mean of the mean steps up and down at the reference level, in S."""
        sizes = [self._reference_step(up) for up in self._ways]
        return sum(sizes) / len(sizes) * self.unit_conductance

    def prices(self) -> Mapping[str, Price]:
        """Energy of one pulse and of reading one device in the middle of its range."""
        joule = self.read_voltage**2 * self.conductance_reference() * self.read_time
        return {
            "write": Price(self.write_energy, self.parameter("write_energy").source, "not stated", False),
            "read": Price(joule, "V^2 G t with read_voltage, read_time and the middle conductance", "any", False),
        }

    # -- the law --------------------------------------------------------------------------------------

    @property
    def _ways(self) -> tuple[bool, ...]:
        return tuple(up for up in (True, False) if (self.law.up if up else self.law.down))

    def _reference_step(self, up: bool) -> float:
        """Size of the mean step at the reference level, towards its direction."""
        mean = self.law.mean_at(self.law.reference, up)
        return self.step_up * mean if up else -self.step_down * mean

    def effective_steps(self, up: bool) -> np.ndarray:
        """Quantiles of a step of a device of gain 1, imperfections as set, float64 ``(levels, quantiles)``."""
        table, mean = self.law.quantiles(up), self.law.means(up)[:, None]
        middle = self.law.mean_at(self.law.reference, up)
        blended = middle + self.nonlinearity * (mean - middle)
        blended = np.where(blended * mean < 0, 0.0, blended)  # more nonlinearity does not turn a step round
        sizes = [self._reference_step(way) for way in self._ways]
        level, own = sum(sizes) / len(sizes), self._reference_step(up)
        factor = (self.step_up if up else self.step_down) * max(level + self.asymmetry * (own - level), 0.0) / own
        return factor * (blended + self.cycle_scatter * (table - mean))

    @cached_property
    def _law(self) -> steps.Law:
        levels, chances = np.array(self.law.levels), np.array(self.law.probabilities)
        empty = np.zeros((len(levels), len(chances)))
        tables = np.stack([self.effective_steps(up) if up in self._ways else empty for up in (True, False)])
        return steps.law(levels, chances, tables, -self.zero_conductance / self.unit_conductance)

    def _bounds(self, scale: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        middle, least = self.law.middle, -self.zero_conductance / self.unit_conductance
        low, high = (middle + scale * (x - middle) for x in (self.law.levels[0], self.law.levels[-1]))
        return low.clamp(min=least), high

    def _whole(self, pulses: torch.Tensor, state: State) -> torch.Tensor:
        if pulses.is_floating_point():
            if not torch.isfinite(pulses).all():
                raise ParameterError("Table: the drive must be finite numbers of pulses; lower the learning rate")
            pulses = pulses.round()
        if len(self.directions) == 1 and pulses.numel() and float(pulses.min()) < 0:
            raise ParameterError(
                "Table: this device goes one way only and takes no negative pulses; use a pair of them"
            )
        return pulses.to(torch.int32).expand(state["weight"].shape)

    def _key(self, generator: torch.Generator | None) -> int:
        if generator is not None:
            return draw_key(generator)
        if any(found.name == "cycle_to_cycle" for found in self.imperfections()):
            raise ParameterError("Table: a noisy device needs a generator to draw its noise from")
        return 0
