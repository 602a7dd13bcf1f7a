"""Neurons that turn the voltage of a chain into the power of a tone, and what stands before and behind them."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import nn

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.energy import Counts
from nanoneurons.core.errors import ParameterError
from nanoneurons.devices.spin_diode import SpinDiode

from ._layer import DeviceModule
from ._twin import overwrite

__all__ = ["PowerInput", "SpinTorqueActivation", "VoltageReadout"]


class SpinTorqueActivation(DeviceModule):
    r"""Layer of spin-torque oscillators: the voltage of a chain becomes the power of a tone.

    .. math:: I = \mathrm{clip}\bigl(g_m (V + V_b), I_{th}, I_{max}\bigr), \qquad
        P = A\,\epsilon\,\frac{\xi - 1}{\xi + Q}\,R I^2, \quad \xi = I/I_{th}

    V in V, ``(*chips or none, batch, features)``, or images ``(*chips or none, batch, channels, h, w)``; P in W, the
    same shape. The oscillators' own frequencies are those of the next layer's tones (``sources="oscillators"``).

    Args:
        features: oscillators; for images ``(channels, h, w)``.
        circuit: neuron, bias, transconductance and gain; the defaults of `RfChain` when not given.
        chips: chips side by side.
        shared: whether one oscillator serves all pixels of a channel in turn, as when a convolution takes patch after
            patch.

    Raises:
        ParameterError: a shared oscillator without images.

    Attributes:
        gradient: of fabricated oscillators: ``"own"``, or ``"ideal"``, that of the nominal one.
        imagined: state of the virtual oscillators that a software layer computes with, or None.
    """

    def __init__(
        self,
        features: int | tuple[int, ...],
        *,
        circuit: RfChain | None = None,
        chips: int | None = None,
        shared: bool = False,
    ) -> None:
        super().__init__()
        self.shape = (features,) if isinstance(features, int) else tuple(features)
        if shared and len(self.shape) != 3:
            raise ParameterError(f"only images share oscillators; give (channels, h, w), not {self.shape}")
        self.chips, self.shared = chips, shared
        self.circuit = RfChain(SpinDiode()) if circuit is None else circuit
        self.gradient: Literal["own", "ideal"] = "own"
        self.imagined: dict[str, torch.Tensor] | None = None

    @torch.no_grad()
    def fabricate(self, generator: torch.Generator) -> None:
        """Draw thresholds and gains of the oscillators."""
        self._store(self.circuit.neuron.init(self._population, generator))

    @property
    def features(self) -> int:
        """Voltages taken at once."""
        return math.prod(self.shape)

    @property
    def _population(self) -> tuple[int, ...]:
        lead = () if self.chips is None else (self.chips,)
        return (*lead, self.shape[0], 1, 1) if self.shared else (*lead, *self.shape)

    @torch.no_grad()
    def imagine(self, share: float, generator: torch.Generator | None) -> None:
        """Compute with virtual oscillators that carry `share` of the declared spreads; with 0, as designed again."""
        self.imagined = None
        if share and generator is not None:
            neuron = self.circuit.neuron
            for found in neuron.imperfections():
                neuron = neuron.scaled(found.name, share)
            self.imagined = neuron.init(self._population, generator)

    def forward(self, voltage: torch.Tensor) -> torch.Tensor:
        """Power in W of voltages in V."""
        axes = len(self.shape)
        if tuple(voltage.shape[-axes:]) != self.shape:
            count = " x ".join(map(str, self.shape))
            raise ParameterError(f"{count} oscillators cannot take voltages of shape {tuple(voltage.shape)}")
        held = self.state if self.fabricated else self.imagined
        if held is None:
            return self.circuit.neuron_power(voltage)
        state = {name: value.unsqueeze(-1 - axes) for name, value in held.items()}  # one batch axis
        if self.gradient == "own" or not torch.is_grad_enabled():
            return self.circuit.neuron_power(voltage, state)
        with torch.no_grad():
            physical = self.circuit.neuron_power(voltage, state)
        return overwrite(self.circuit.neuron_power(voltage), physical)

    def counts(self) -> Counts:
        """Events of one reading of all oscillators, one chip."""
        return self.circuit.neuron_counts(self.features)

    def counts_of(self, x: torch.Tensor) -> Counts:
        """Events of one reading of all oscillators under voltages like `x` in V."""
        return self.circuit.neuron_counts(self.features, x)

    def extra_repr(self) -> str:
        return f"{self.shape}, shared={self.shared}, chips={self.chips}"


class PowerInput(nn.Module):
    """Numbers from 0 up become powers: 1 is the circuit's full power.

    Args:
        full_power: W.
    """

    def __init__(self, full_power: float) -> None:
        super().__init__()
        self.full_power = full_power

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Power in W, the same shape."""
        return x * self.full_power

    def extra_repr(self) -> str:
        return f"{self.full_power:g} W"


class VoltageReadout(nn.Module):
    """Voltages in V become numbers for a decision.

    Args:
        scale: 1/V.
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, voltage: torch.Tensor) -> torch.Tensor:
        """Numbers, the same shape."""
        return voltage * self.scale

    def extra_repr(self) -> str:
        return f"{self.scale:g} / V"
