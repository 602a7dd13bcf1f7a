"""The four oscillators of the experiment: nominal, or chips with their spread, noise and mutual coupling."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass
from typing import Any

import torch

from nanoneurons.core import random
from nanoneurons.core.random import draw_key
from nanoneurons.devices.spin_torque_oscillator import SpinTorqueOscillator
from nanoneurons.networks.coupled_oscillators import CoupledOscillators
from nanoneurons.physics.locking import injected_force

__all__ = ["COUNT", "Condition", "build", "device_of", "force_of", "nominal", "nominal_closed_forms", "start_currents"]

COUNT = 4
TAU = 2 * math.pi


@dataclass(frozen=True)
class Condition:
    """What the oscillators are like; frequencies in Hz.

    Attributes:
        mutual: half range of mutual locking of two oscillators at the operating current.
        half_range: Adler's half range of locking to a tone at the operating current.
        noise: power of the thermal noise as a multiple of the device's own at its temperature; 0 without.
        mismatch: spread between oscillators as a multiple of the device's own; 0 without.
        tuning: range of natural frequencies that the currents may reach.
    """

    mutual: float
    half_range: float
    noise: float
    mismatch: float
    tuning: float


def device_of(config: Any, condition: Condition) -> SpinTorqueOscillator:
    """The junction of the paper's kind; what is not in the configuration keeps the device's default."""
    device = SpinTorqueOscillator(
        frequency_zero=config.frequency_zero,
        threshold=config.threshold,
        linear_damping=config.linear_damping,
        nonlinear_damping=config.nonlinear_damping,
        shift=config.shift,
        tuning=config.tuning_slope,
        operating_current=config.operating_current,
    )
    spreads = ("frequency_spread", "threshold_spread", "damping_spread")
    changes = {name: min(getattr(device, name) * condition.mismatch, 0.5) for name in spreads}
    if condition.noise:
        return device.replace(**changes, action=device.action / condition.noise)
    return device.replace(**changes, temperature=0.0)


def nominal(config: Any, condition: Condition) -> CoupledOscillators:
    """Four equal oscillators without noise and coupling: what the designer of the linear map knows."""
    network = nominal_closed_forms(config, condition)
    points = torch.linspace(config.lowest_current, config.highest_current, 5, dtype=torch.float64)
    return network.calibrated(points, force_of(config, condition))


def nominal_closed_forms(config: Any, condition: Condition) -> CoupledOscillators:
    """The same with Adler's locking range as it is, without the simulation that measures it."""
    return CoupledOscillators(device_of(config, condition).oscillator(noisy=False), COUNT)


def force_of(config: Any, condition: Condition) -> float:
    """Amplitude of the injected tones in rad/s."""
    own = device_of(config, condition).oscillator(noisy=False)
    current = torch.tensor(config.operating_current, dtype=torch.float64)
    return float(injected_force(TAU * condition.half_range, own.power(current), _nonlinearity(config, condition)))


def _nonlinearity(config: Any, condition: Condition) -> torch.Tensor:
    """nu of the nominal oscillator at the operating current."""
    current = torch.tensor(config.operating_current, dtype=torch.float64)
    return device_of(config, condition).oscillator(noisy=False).nonlinearity(current)


def build(config: Any, condition: Condition, chips: int, generator: torch.Generator) -> CoupledOscillators:
    """Chips as they are made: with spread of the oscillators and of the power that reaches them, noise and coupling."""
    device = device_of(config, condition)
    state = device.init((chips, COUNT), generator)
    # a junction that would not oscillate at the lowest current would not be used: take one that just does
    state = {**state, "threshold": state["threshold"].clamp(max=0.9 * config.lowest_current)}
    own = device.oscillator(state, noisy=condition.noise > 0)
    spread = config.injection_spread * condition.mismatch
    reach = random.normal(draw_key(generator), (chips, COUNT)).double()
    coupling = None
    if condition.mutual:
        nu = float(_nonlinearity(config, condition))
        gain = 2 * abs(math.cos(config.coupling_phase) + nu * math.sin(config.coupling_phase))
        strength = TAU * condition.mutual / gain * cmath.exp(1j * config.coupling_phase)
        coupling = strength * (1 - torch.eye(COUNT, dtype=torch.float64)).to(torch.complex128)
    return CoupledOscillators(own, COUNT, chips, coupling=coupling, injection=(1 + spread * reach).clamp(min=0.1))


def start_currents(limits: tuple[float, float], chips: int, generator: torch.Generator) -> torch.Tensor:
    """Untuned currents: uniform between the limits, A, ``(chips, 4)``."""
    low, high = limits
    return low + (high - low) * torch.rand(chips, COUNT, generator=generator, dtype=torch.float64)
