"""One file per nanodevice. Adding a file here adds the device to every catalogue.

Import a device from its own module (``from nanoneurons.devices.hfox_weak_reset import
HfOxWeakReset``); `get` resolves the names used on the command line and in studies.
"""

from __future__ import annotations

from ._catalogue import catalogue, get, load_file, presets, stimulus
from ._contract import ContractError, contract
from ._device import Device, State
from ._file import DeviceFile, Provenance, Uncertainty
from ._kinds import MemoryDevice, NeuronDevice, OscillatorDevice, ResonatorDevice

__all__ = [
    "ContractError",
    "Device",
    "DeviceFile",
    "MemoryDevice",
    "NeuronDevice",
    "OscillatorDevice",
    "Provenance",
    "ResonatorDevice",
    "State",
    "Uncertainty",
    "catalogue",
    "contract",
    "get",
    "load_file",
    "presets",
    "stimulus",
]
