r"""Crossbar: Ohm's law multiplies, Kirchhoff's current law adds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from nanoneurons.core.energy import Counts, Price
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key

from . import _converters as converters
from ._array import DeviceArray

__all__ = ["Crossbar"]

_OURS = "choice of this project"
_CHOSEN = "ours, chosen on the last 10,000 training digits of MNIST held out (log of 2026-11-25)"
_PERIPHERY = "aihwkit IOParameters (Rasch et al., AICAS 2021, arXiv:2104.02184)"


def _number(default: float, unit: str, doc: str, low: float, high: float, source: str, **more: Any) -> Any:
    return param(default, unit, doc=doc, source=source, low=low, high=high, **more)


@dataclass(frozen=True)
class Crossbar(DeviceArray):
    r"""Devices at the crossings of rows and columns; a column current is a weighted sum of row voltages.

    .. math::
        I_j = \sum_i (G^+_{ij} - G^-_{ij})\,V_i, \qquad
        W_{ij} = \frac{r}{\sqrt{n}}\,\frac{G^+_{ij} - G^-_{ij}}{\Delta G}

    With the mapping ``reference``, :math:`G^-` is one fixed conductance and :math:`\Delta G` half a device's range;
    with ``pair`` it is a second device and :math:`\Delta G` the whole range (devices that go one way only need a
    pair). *n* is the fan-in, *r* the parameter `weight_range`: it sets the layer's digital output scale.

    Each input vector is scaled to its largest entry and converted (`dac_resolution`); the outputs carry read
    noise and amplifier noise and are converted within fixed bounds (`adc_resolution`, `adc_range`). Noise
    that is independent from cell to cell is added to the sums with its exact distribution, sd
    :math:`\sigma (\sum_i x_i^2)^{1/2}`, instead of cell by cell. A resolution is the step as a share of
    the whole span, 0 for an ideal converter; ``1 / (2**bits - 2)`` for a number of bits.

    Wanted changes arrive as stochastic pulse trains (counts drawn per mini-batch, the limit of long trains in
    which coincidences are rare and so Poisson distributed), as one change rounded at random to whole
    pulses, or as pulses. Both devices of a pair that go both ways are pulsed, against each other.

    Not modelled: wire resistance and sneak paths. Their place is between `encode` and `decode`: they change the
    product of the two, which `weights` alone cannot express, and so will need a method of their own.

    Source: Gokmen and Vlasov, Front. Neurosci. 10:333 (2016); Rasch et al., AICAS 2021 (arXiv:2104.02184).
    """

    weight_range: float = _number(8.0, "1", "largest weight in units of 1/sqrt(fan-in)", 1e-3, 1e3, _CHOSEN)
    dac_resolution: float = _number(
        1 / 126, "1", "step of the input converter, share of its span (7 bit: 1/126); 0 is ideal", 0.0, 1.0, _PERIPHERY,
        imperfection="dac_resolution", ideal=0.0,
    )  # fmt: skip
    adc_resolution: float = _number(
        1 / 510, "1", "step of the output converter as a share of its span (9 bit: 1/510); 0 is ideal", 0.0, 1.0,
        _PERIPHERY, imperfection="adc_resolution", ideal=0.0,
    )  # fmt: skip
    adc_range: float = _number(
        12.0, "1", "largest output, in full inputs through full weights", 1e-3, 1e9, _PERIPHERY
    )  # fmt: skip
    output_noise: float = _number(
        0.06, "1", "amplifier noise, in full inputs through full weights", 0.0, 1e3, _PERIPHERY,
        imperfection="output_noise", ideal=0.0,
    )  # fmt: skip

    title: ClassVar[str] = "crossbar"
    layers: ClassVar[str] = "analog"

    def weight_unit(self, shape: tuple[int, ...]) -> float:
        """Largest nominal weight of a matrix or kernel of this shape, ``weight_range / sqrt(fan-in)``.

        An odd number of axes means a leading chip axis.
        """
        return self.weight_range / math.sqrt(math.prod(shape[1 + len(shape) % 2 :]))

    # -- periphery ------------------------------------------------------------------------------------

    def convert_input(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Input vectors (last axis) as the array sees them, the full scale ``(..., 1)`` and sum of squares of each."""
        return converters.convert_input(x, self.dac_resolution)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        """Input vectors (last axis) after digital-to-analog conversion."""
        return self.convert_input(x)[0]

    def decode(
        self,
        y: torch.Tensor,
        sum_of_squares: torch.Tensor,
        generator: torch.Generator | None,
        full: torch.Tensor | None = None,
        unit: float = 1.0,
        bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Outputs (last axis) with read noise, amplifier noise and analog-to-digital conversion, then digital bias.

        Args:
            y: exact products, ``(..., out)``.
            sum_of_squares: sum of squared inputs ``(..., 1)`` in units of the full scale.
            generator: noise stream; None reads without noise.
            full: full scale of the inputs, ``(..., 1)``; 1 when not given.
            unit: full weight, in the units of `y` over those of `full`.
            bias: added after conversion, ``(out,)`` or ``(chips, out)``.
        """
        cell = self.device.read_sigma() * math.sqrt(2 if self.paired else 1) / self._siemens
        noisy = generator is not None and (cell > 0 or self.output_noise > 0)
        if not noisy and self.adc_resolution == 0:
            return y if bias is None else y + bias.unsqueeze(-2)
        full = torch.ones(1) if full is None else full
        spread, key = (0.0, 0.0), 0
        if noisy and generator is not None:
            spread, key = (cell, self.output_noise), draw_key(generator)
        bounds = self.adc_range, self.adc_resolution
        return converters.convert_output(y, full, unit, sum_of_squares, *spread, *bounds, key, bias)

    # -- energy ---------------------------------------------------------------------------------------

    def inference(self, out_features: int, in_features: int) -> Counts:
        """One conversion per input and per output, one read per device."""
        devices = float(out_features * in_features * (2 if self.paired else 1))
        return Counts({"dac": float(in_features), "read": devices, "adc": float(out_features)})

    def prices(self) -> Mapping[str, Price]:
        """Prices of the devices' events and of an output conversion; input conversion has none in a source."""
        low, high = self.device.conductance_range()
        joule = self.read_voltage**2 * 0.5 * (low + high) * self.read_time
        return {
            "read": Price(joule, "V^2 G t at mid-range and full input, an upper bound", "any", False),
            **self.device.prices(),
            "adc": Price(1.5e-12, "8 bit: 1 to 2 pJ per conversion, usual values", "not stated", False),
        }
