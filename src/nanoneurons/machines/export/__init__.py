"""Descriptions of networks for other tools, one file per format: the folder is the registry."""

from __future__ import annotations

from nanoneurons.core.registry import Folder

from ._exporter import Block, Exported, Exporter, Simulation, Synthesis

__all__ = ["Block", "Exported", "Exporter", "Simulation", "Synthesis", "catalogue", "get"]

catalogue = Folder("nanoneurons.machines.export", "format", "Exporter")


def get(name: str) -> Exporter:
    """The exporter of a format.

    Raises:
        UnknownNameError: no such format; the nearest is suggested.
    """
    return catalogue[name]()
