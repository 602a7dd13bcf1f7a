"""How devices are wired to hold weights: one file per circuit."""

from __future__ import annotations

from nanoneurons.core.registry import Folder

from ._circuit import Circuit, MemoryCircuit

__all__ = ["Circuit", "MemoryCircuit", "catalogue"]

catalogue = Folder("nanoneurons.circuits", "circuit", "Circuit")
