r"""Populations of switches that heat themselves, each behind a load resistor with a capacitor across it.

.. math::
    C \dot v = \frac{V_0 - v}{R_L} - I(v, T), \qquad C_{th} \dot T = V_c I - \frac{T - T_0}{R_{th}}

with the source voltage :math:`V_0` held over intervals. A *switch* is a rise of the temperature through ``switched``,
and by at least ``swing`` above its last minimum; it ends when the temperature has fallen by ``swing`` from its maximum.
So small oscillations below the threshold are none, and the rings of a damped burst are switches while they are large.
With ``jitter``, a device draws its activation energy (or transition temperature) anew when a switch ends.

Thermal noise is that of the fluctuation-dissipation theorem, times ``noise``: fluctuations of the temperature, of
variance :math:`k T^2 / C_{th}` at rest, and Johnson noise of load and device, :math:`k T / C`. It is added at the end
of every step with the variance of the linearised equation, which is exact at rest.

Errors: the local error of a step is held below ``tolerance`` of the voltage and of the heating above ambient.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from nanoneurons.core.errors import DivergedError, ParameterError
from nanoneurons.core.random import chip_shape

from ._switch_kernel import run_population
from ._switch_laws import STATES

__all__ = ["SelfHeating", "SwitchRun", "TOLERANCE", "rest", "run_switches"]

TOLERANCE = 1e-5
Value = float | torch.Tensor


@dataclass(frozen=True)
class SwitchRun:
    """What a population did.

    Attributes:
        state: at the end, by name, each ``(*shape,)``.
        spikes: switches in every interval, float32, ``(*shape, intervals)``.
        moments: time in s from the start of each interval to its last switch, 0 where there was none.
        times: times in s from the start of the first switches, ``(*shape, events)``, NaN where there were fewer.
        voltage, temperature, current: at the recorded moments, ``(*shape, intervals * records)``, in V, K, A.
        steps: steps that each device took, ``(*shape,)``.
    """

    state: dict[str, torch.Tensor]
    spikes: torch.Tensor
    moments: torch.Tensor
    times: torch.Tensor
    voltage: torch.Tensor
    temperature: torch.Tensor
    current: torch.Tensor
    steps: torch.Tensor


def rest(shape: tuple[int, ...], ambient: Value, now: Value, stride: float) -> dict[str, torch.Tensor]:
    """State of devices without voltage at ambient temperature, never switched.

    Args:
        now: activation energy in eV, or transition temperature in K, that holds until the first switch ends.
        stride: first step tried, in s.
    """

    def full(value: Value) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value.to(torch.float64).expand(shape).clone()
        return torch.full(shape, value, dtype=torch.float64)

    return {
        "voltage": full(0.0), "temperature": full(ambient), "mark": full(ambient), "armed": full(1.0), "now": full(now),
        "stride": full(stride), "direction": full(1.0), "turning": full(ambient), "proximity": full(0.0),
    }  # fmt: skip


def run_switches(
    law: int,
    parameters: Mapping[str, Value],
    state: Mapping[str, torch.Tensor],
    drive: torch.Tensor,
    dt: float,
    *,
    records: int = 0,
    events: int = 0,
    key: int | None = None,
    tolerance: float = TOLERANCE,
) -> SwitchRun:
    """Run devices of any shape through intervals of constant source voltage.

    Args:
        law: `POOLE_FRENKEL` or `VANADIUM` of the compiled laws.
        parameters: in the order of the law's row; numbers, or tensors that broadcast to the shape.
        state: as `rest` gives it; not changed.
        drive: source voltages in V, ``(*shape, intervals)``.
        dt: length of an interval in s.
        records: moments of every interval at which voltage, temperature and current are recorded.
        events: how many switches per device are recorded with their times.
        key: of the noise; without it there is none, nor jitter.

    Raises:
        ParameterError: drive or time is no finite number, or the time is not positive.
        DivergedError: a step fell to nothing; names the device.
    """
    if not 0 < dt < math.inf:
        raise ParameterError(f"switches: an interval of {dt:g} s is not a positive time")
    shape, intervals = tuple(drive.shape[:-1]), drive.shape[-1]
    if not bool(torch.isfinite(drive).all()):
        where = tuple(int(i) for i in (~torch.isfinite(drive)).nonzero()[0])
        raise ParameterError(f"switches: the drive at index {where} is no finite voltage; give volts")
    chips, cells = chip_shape(shape)
    n = chips * cells

    values = dict(parameters)
    if key is None:
        values["noise"] = values["jitter"] = 0.0
    p, y = np.empty((n, len(values))), np.empty((n, len(STATES)))
    for i, value in enumerate(values.values()):
        p[:, i] = value.expand(shape).reshape(n).numpy() if isinstance(value, torch.Tensor) else value
    for i, name in enumerate(STATES):
        y[:, i] = state[name].expand(shape).reshape(n).numpy()
    held = drive.detach().to(torch.float64).reshape(n, intervals).contiguous().numpy()
    spikes, moments = np.zeros((n, intervals), np.float32), np.zeros((n, intervals))
    times = np.full((n, events), np.nan)
    trace, taken = np.empty((n, records * intervals, 3)), np.zeros(n, np.int64)
    failed = run_population(
        law, p, y, held, dt, tolerance, np.uint64(key or 0), cells, spikes, moments, times, trace, records, taken
    )
    if failed >= 0:
        raise DivergedError(
            f"the switch in row {failed} needs steps shorter than 1e-12 of its thermal time; look at its parameters"
        )

    def shaped(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(array.reshape(*shape, *array.shape[1:]))

    end = {name: shaped(y[:, i].copy()) for i, name in enumerate(STATES)}
    v, t, i = (shaped(trace[..., m].copy()) for m in range(3))
    return SwitchRun(end, shaped(spikes), shaped(moments), shaped(times), v, t, i, shaped(taken))


class SelfHeating(ABC):
    """A switch in its circuit, run in time; a subclass is a dataclass of the circuit's values below and its law's own.

    Attributes:
        law: of the compiled laws.
    """

    law: ClassVar[int]
    load: float
    capacitance: float
    thermal_resistance: float
    thermal_capacitance: float
    ambient: float
    switched: float
    swing: float
    noise: float
    jitter: float

    @property
    @abstractmethod
    def nominal(self) -> float:
        """The value that changes from cycle to cycle, of the nominal device."""

    @abstractmethod
    def material(self) -> dict[str, Value]:
        """What the law takes after the values of the circuit, in the order of its row."""

    @property
    def thermal_time(self) -> float:
        """R_th C_th in s."""
        return self.thermal_resistance * self.thermal_capacitance

    @property
    def circuit_time(self) -> float:
        """R_L C in s."""
        return self.load * self.capacitance

    def parameters(self, **own: Value) -> dict[str, Value]:
        """Row of the compiled law; `own` replaces values by tensors of a population."""
        values: dict[str, Value] = {
            "load": self.load, "capacitance": self.capacitance, "thermal_resistance": self.thermal_resistance,
            "thermal_capacitance": self.thermal_capacitance, "ambient": self.ambient, "switched": self.switched,
            "swing": self.swing, "noise": self.noise, "jitter": self.jitter, "own": self.nominal,
        }  # fmt: skip
        return values | self.material() | own

    def at_rest(self, shape: tuple[int, ...], now: Value | None = None) -> dict[str, torch.Tensor]:
        """State of cold devices without voltage; `now` is their own value until their first switch ends."""
        return rest(shape, self.ambient, self.nominal if now is None else now, 0.1 * self.thermal_time)

    def run(
        self,
        drive: torch.Tensor,
        dt: float,
        *,
        state: dict[str, torch.Tensor] | None = None,
        own: dict[str, Value] | None = None,
        records: int = 0,
        events: int = 0,
        key: int | None = None,
        tolerance: float = TOLERANCE,
    ) -> SwitchRun:
        """Source voltages ``(*shape, intervals)`` in V, each held for `dt` s, from rest or a given state."""
        begin = self.at_rest(tuple(drive.shape[:-1])) if state is None else state
        return run_switches(
            self.law, self.parameters(**(own or {})), begin, drive, dt, records=records, events=events, key=key,
            tolerance=tolerance,
        )  # fmt: skip
