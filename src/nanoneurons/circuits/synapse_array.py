r"""Synapse array: every crossing is a synapse between 0 and 1, and a spike on a row reads its conductances at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.parameter import param
from nanoneurons.core.update import OuterProducts, Update
from nanoneurons.devices import State
from nanoneurons.physics.voltage_switching import Rows

from ._array import DeviceArray

__all__ = ["SynapseArray"]

_OURS = "choice of this project"


@dataclass(frozen=True)
class SynapseArray(DeviceArray):
    r"""Devices as synapses of spiking neurons: the current of a spike is the conductance, over its range.

    .. math:: w = (1 - m)\,\frac{G - G_{low}}{G_{high} - G_{low}} + m, \qquad
        m = \frac{b\, G_{low}}{G_{high} - (1 - b)\, G_{low}}

    *b* is the share of the current of the low state that no reference takes away (`background`); with ``b = 1``
    w is :math:`G / G_{high}`. Devices that go one way only come in pairs, :math:`w = (1 - m) (1 + (G^+ - G^-) /
    (G_{high} - G_{low})) / 2 + m`.

    Not modelled: read noise, wire resistance, sneak paths, disturbance by reading, the shape of the pulses.

    Source: Querlioz et al., IEEE Trans. Nanotechnol. 12, 288 (2013), for the arrangement.
    """

    background: float = param(
        0.0, doc="share of the current of the low state that is not subtracted", source=_OURS, low=0.0, high=1.0,
        imperfection="background", ideal=0.0,
    )  # fmt: skip

    title: ClassVar[str] = "synapse array"
    layers: ClassVar[str] = "spiking"

    def weight_unit(self, shape: tuple[int, ...] = ()) -> float:
        """Half the range of weights: they go from the background to 1."""
        return 0.5 * (1 - self._floor)

    @property
    def _floor(self) -> float:
        """Weight of a device in its low state."""
        low, high = self.device.conductance_range()
        return self.background * low / (high - (1 - self.background) * low)

    @property
    def _zero(self) -> float:
        """Weight where the array's signed reading is zero."""
        if self.paired:
            return self._floor + self.weight_unit()
        low, high = self.device.conductance_range()
        return self._floor + (1 - self._floor) * (self.device.conductance_reference() - low) / (high - low)

    def weights(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Weights as read, nominally from the background to 1; spread and noise may lead beyond."""
        return super().weights(state, generator).add_(self._zero)

    def update(self, state: State, update: Update | OuterProducts, generator: torch.Generator) -> State:
        """Carry out a wanted change; see `DeviceArray` for how it becomes pulses."""
        return super().update(state, update, generator)

    def rows(self, state: State, generator: torch.Generator) -> Rows | None:
        """The array as compiled loops take it that write whole rows by the potentials of their inputs, in place.

        None where the devices do not answer to the size of a voltage, or have no such form.
        """
        made = getattr(self.device, "rows", None)
        if made is None or self.paired:
            return None
        cells = {name.removeprefix("cell."): value for name, value in state.items()}
        if cells["weight"].dim() == 2:
            cells = {name: value.unsqueeze(0) for name, value in cells.items()}
        device: Any = self.device
        gains = tuple(self.write_gain * scale for scale in device.write_scale())
        return made(cells, generator, gains, (self._floor, 1 - self._floor))

    def remarks(self) -> tuple[str, ...]:
        """That spikes read without noise."""
        if not any("read" in found.name for found in self.device.imperfections()):
            return ()
        return ("Spikes read the synapses without noise here, so the devices' read noise cannot cost anything.",)

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One spike on every row: one read per device."""
        return Counts({"read": float(out_features * in_features * (2 if self.paired else 1))})

    def prices(self) -> Mapping[str, Price]:
        """Prices of the devices' events; reading takes the current of mid-range for the length of a read."""
        low, high = self.device.conductance_range()
        joule = self.read_voltage**2 * 0.5 * (low + high) * self.read_time
        return {"read": Price(joule, "V^2 G t at mid-range", "any", False), **self.device.prices()}
