"""The oscillator of the reproduction and the reservoir made of it, from the configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from scipy import constants as si

from nanoneurons import devices
from nanoneurons.core.errors import StudyError, nearest
from nanoneurons.core.random import generator_for
from nanoneurons.devices.spin_torque_oscillator import SpinTorqueOscillator
from nanoneurons.networks.reservoir import TimeMultiplexedReservoir, draw_mask

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["LAWS", "natural_noise", "oscillator", "reservoir", "with_noise"]

# One time constant, fitted to measured junctions, or the amplitude equation with the same threshold, time and voltage.
LAWS = {"fit": "spin-torque-oscillator:relaxation-fit", "auto-oscillator": "spin-torque-oscillator"}


def oscillator(law: str = "fit") -> SpinTorqueOscillator:
    """The nominal junction with its thermal noise; junctions differ in none of the experiments here."""
    if law not in LAWS:
        raise StudyError(f"law {law!r} is unknown{nearest(law, LAWS)}; use one of {', '.join(LAWS)}")
    device = devices.get(LAWS[law]).only("thermal_noise")
    assert isinstance(device, SpinTorqueOscillator)
    return device


def natural_noise(device: SpinTorqueOscillator) -> float:
    """Standard deviation of the amplitude over the amplitude, at the operating current, as the device declares it."""
    current = torch.tensor(device.operating_current, dtype=torch.float64)
    root = device.amplitude(current) / device.voltage_scale
    if device.model == "relaxation":
        return float(device.amplitude_noise / root)
    own = device.oscillator()
    p, omega = root**2, own.omega0 + own.shift * root**2
    diffusion = own.damping * (1 + own.q * p) * si.k * device.temperature / device.action / omega
    return float((diffusion / (4 * own.amplitude_rate(current) * p)).sqrt())


def with_noise(device: SpinTorqueOscillator, level: float) -> SpinTorqueOscillator:
    """Copy whose amplitude noise at the operating current is `level` of the amplitude."""
    factor = level / natural_noise(device)
    if device.model == "relaxation":
        return device.replace(amplitude_noise=device.amplitude_noise * factor)
    return device.replace(temperature=device.temperature * factor**2)


def reservoir(
    config: Config, channels: int, nodes: int, seed: int, device: SpinTorqueOscillator
) -> TimeMultiplexedReservoir:
    """The reservoir with the mask of a seed."""
    mask = draw_mask(channels, nodes, generator_for(seed, "mask", channels, nodes))
    return TimeMultiplexedReservoir(device, mask, config.node_time, config.direct_current, config.swing)
