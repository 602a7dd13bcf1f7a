"""Kinds of devices: what each adds to the contract of `nanoneurons.devices._device`."""

from __future__ import annotations

from .memory import MemoryDevice
from .neuron import NeuronDevice
from .oscillator import OscillatorDevice
from .resonator import ResonatorDevice

__all__ = ["MemoryDevice", "NeuronDevice", "OscillatorDevice", "ResonatorDevice"]
