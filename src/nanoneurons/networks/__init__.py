"""How layers run together: feed-forward networks and their bit-packed inference."""

from __future__ import annotations

from .dynamics import Dynamics, Relaxation
from .energy_build import build_energy
from .energy_network import EnergyNetwork
from .feedforward import FeedForward, build
from .resistive_network import ResistiveNetwork, build_resistive

__all__ = [
    "Dynamics",
    "EnergyNetwork",
    "FeedForward",
    "Relaxation",
    "ResistiveNetwork",
    "build",
    "build_energy",
    "build_resistive",
]
