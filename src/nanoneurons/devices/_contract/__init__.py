"""What a device must satisfy, as checks that can be run on any device: shipped ones, a preset, your own.

    >>> from nanoneurons import devices
    >>> for check in devices.contract(my_device): check(my_device)

What every device must keep is in `general`; what each kind promises besides is in the module of that kind. The
test-suite runs each check on each device and preset of the catalogue, so a new device file is held to the
contract without writing a line.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nanoneurons.devices._device import Device
from nanoneurons.devices._kinds import MemoryDevice, NeuronDevice, OscillatorDevice, ResonatorDevice

from ._common import ContractError
from .general import GENERAL
from .memory import MEMORY
from .neuron import NEURON
from .oscillator import OSCILLATOR
from .resonator import RESONATOR

__all__ = ["ContractError", "contract"]

_KINDS: dict[type[Device], tuple[Callable[[Any], None], ...]] = {
    MemoryDevice: MEMORY,
    NeuronDevice: NEURON,
    OscillatorDevice: OSCILLATOR,
    ResonatorDevice: RESONATOR,
}


def contract(device: Device) -> tuple[Callable[[Any], None], ...]:
    """Checks that apply to a device: those for every device, then those of its kind.

    Each takes the device and raises `ContractError` on the first broken promise. A device of a kind that has no
    checks of its own is held to the general ones.
    """
    return GENERAL + sum((checks for kind, checks in _KINDS.items() if isinstance(device, kind)), start=())
