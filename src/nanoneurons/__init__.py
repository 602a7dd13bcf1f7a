"""nanoneurons: what can a neural network made of a nanodevice learn, at what cost, with what energy?

The names listed here are conveniences, imported when first used, so that ``import nanoneurons`` is quick; every one
is an ordinary import from the module named beside it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data import load as load_data
    from .devices import get as load_device
    from .lab.study import Study
    from .layers.convert import convert
    from .networks import build

__version__ = "0.1.0"

_LAZY = {
    "Study": ("nanoneurons.lab.study", "Study"),
    "build": ("nanoneurons.networks", "build"),
    "convert": ("nanoneurons.layers.convert", "convert"),
    "load_data": ("nanoneurons.data", "load"),
    "load_device": ("nanoneurons.devices", "get"),
}

__all__ = ["Study", "__version__", "build", "convert", "load_data", "load_device"]


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    value = getattr(importlib.import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
