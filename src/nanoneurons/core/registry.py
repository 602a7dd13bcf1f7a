"""The folder is the registry: a file in a package's folder is an entry of its catalogue.

``devices/hfox_weak_reset.py`` is the device ``hfox-weak-reset``. Names come from the file
listing alone, so listing a catalogue imports nothing. Files that start with an underscore are
machinery, not entries, and so are classes that are abstract or start with an underscore.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cached_property

from .errors import UnknownNameError, nearest

__all__ = ["Folder"]


class Folder:
    """Catalogue of the modules of one package, each holding one final class derived from `base_name`."""

    def __init__(self, package: str, kind: str, base_name: str) -> None:
        self.package = package
        self.kind = kind
        self.base_name = base_name

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of all entries, sorted."""
        path = importlib.import_module(self.package).__path__
        found = (m.name for m in pkgutil.iter_modules(path) if not m.name.startswith("_"))
        return tuple(sorted(name.replace("_", "-") for name in found))

    def module(self, name: str):
        """Import the module of an entry, or raise `UnknownNameError` with the nearest name."""
        if name not in self.names:
            raise UnknownNameError(
                f"unknown {self.kind} {name!r}{nearest(name, self.names)}; available: {', '.join(self.names)}"
            )
        return importlib.import_module(f"{self.package}.{name.replace('-', '_')}")

    def __getitem__(self, name: str) -> type:
        """The class that an entry's module defines."""
        module = self.module(name)
        for name, cls in inspect.getmembers(module, inspect.isclass):
            if name.startswith("_"):
                continue
            bases = {b.__name__ for b in cls.__mro__[1:]}
            if cls.__module__ == module.__name__ and self.base_name in bases and not inspect.isabstract(cls):
                return cls
        raise TypeError(f"{module.__name__} defines no final {self.base_name}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.names
