"""From what oscillators emit to which of them follows which tone: by phase slip or by spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch

from nanoneurons.core.errors import ParameterError

__all__ = ["Emission", "Readout", "read"]

TAU = 2 * math.pi


@dataclass(frozen=True, eq=False)
class Emission:
    """What the oscillators emit after the transient.

    Attributes:
        signal: complex amplitudes c in the turning frame, shape ``(records, samples, chips, oscillators)``.
        interval: time between records in s.
        frame: frequency of the frame in Hz.
        tones: injected frequencies in Hz, ``(samples, tones)``.
    """

    signal: torch.Tensor
    interval: float
    frame: float
    tones: torch.Tensor


@dataclass(frozen=True, eq=False)
class Readout:
    """Pattern of synchronisation and what was measured for it.

    Attributes:
        pattern: 0 (free) or the number of the tone followed, int64, ``(samples, chips, oscillators)``.
        frequency: frequency of each oscillator in Hz, same shape.
    """

    pattern: torch.Tensor
    frequency: torch.Tensor


def read(emission: Emission, method: Literal["slip", "spectrum"] = "slip", tolerance: float = 1e6) -> Readout:
    """Measure the frequency of each oscillator; it follows the nearest tone if that is within `tolerance` (Hz).

    Args:
        method: ``slip``: mean advance of the phase over the window; ``spectrum``: highest peak of the spectrum.

    Raises:
        ParameterError: an unknown method.
    """
    if method == "slip":
        turned = torch.angle(emission.signal[1:] * emission.signal[:-1].conj()).mean(0)
        frequency = emission.frame - turned / (TAU * emission.interval)
    elif method == "spectrum":
        frequency = emission.frame - _peaks(emission.signal, emission.interval)
    else:
        raise ParameterError(f"synchronisation is read by 'slip' or 'spectrum', not {method!r}")
    distance = (frequency[..., None] - emission.tones[:, None, None, :]).abs()
    pattern = torch.where(distance.amin(-1) < tolerance, distance.argmin(-1) + 1, 0)
    return Readout(pattern, frequency)


def _peaks(signal: torch.Tensor, interval: float) -> torch.Tensor:
    """Frequency in Hz of the highest peak of each signal, axis 0 being time; a parabola through three lines."""
    records = len(signal)
    taper = torch.hann_window(records, periodic=False, dtype=torch.float64).reshape(-1, *[1] * (signal.ndim - 1))
    size = 4 * records
    power = torch.log(torch.fft.fft(signal * taper, n=size, dim=0).abs() + 1e-300)
    top = power.argmax(0, keepdim=True)
    left, middle, right = (power.gather(0, (top + d) % size)[0] for d in (-1, 0, 1))
    line = top[0] + 0.5 * (left - right) / (left - 2 * middle + right)
    line = torch.where(line > size / 2, line - size, line)
    return line / (size * interval)
