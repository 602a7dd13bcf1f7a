"""What a format has to do: accept or refuse a network, write its files, and, where tools exist, check them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import nn

from nanoneurons.core.errors import RefusedError

__all__ = ["Block", "Exported", "Exporter", "Simulation", "Synthesis"]


@dataclass(frozen=True)
class Simulation:
    """What a self-checking bench said.

    Attributes:
        passed: whether the hardware equals the Python machine.
        message: the bench's PASS or FAIL line.
    """

    passed: bool
    message: str


@dataclass(frozen=True)
class Block:
    """Cells of one kind of block.

    Attributes:
        name: what it is.
        instances: how often it stands in the design.
        gates: gates of one instance with one or two inputs; the mean where instances differ.
        flip_flops: flip-flops of one instance; enable and synchronous reset belong to them.
    """

    name: str
    instances: int
    gates: float
    flip_flops: float


@dataclass(frozen=True)
class Synthesis:
    """What a synthesis tool made of the logic.

    Attributes:
        blocks: every kind of block; what stands between blocks is the last.
        memory_bits: content of the memory, which is left out of the blocks.
        tool: name and version.
    """

    blocks: tuple[Block, ...]
    memory_bits: int
    tool: str

    @property
    def gates(self) -> int:
        """All gates."""
        return round(sum(block.instances * block.gates for block in self.blocks))

    @property
    def flip_flops(self) -> int:
        """All flip-flops."""
        return round(sum(block.instances * block.flip_flops for block in self.blocks))


class Exported(ABC):
    """A network that was written to a folder.

    Attributes:
        folder: where.
        files: names of what was written.
        about: sizes and settings, plain JSON values; ``layout`` says in words what was written.
    """

    folder: Path
    files: list[str]
    about: dict[str, Any]

    def simulate(self) -> Simulation:
        """Run the bench that was written along; refused unless overridden, as a format may have none."""
        raise RefusedError(f"{', '.join(self.files)}: nothing to simulate was written; leave the simulation out")

    def synthesise(self) -> Synthesis:
        """Count the cells of the logic; refused unless overridden, as a format may describe none."""
        raise RefusedError(f"{', '.join(self.files)}: no logic to synthesise was written; leave the synthesis out")


class Exporter(ABC):
    """A format. Classes are abstract or final; a file of this folder defines one final class.

    Attributes:
        name: as in the catalogue.
        title: name for people.
    """

    name: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def accept(self, network: nn.Module) -> None:
        """Refuse a network that the format cannot describe.

        Raises:
            RefusedError: says what it describes instead.
        """

    @abstractmethod
    def export(
        self, network: nn.Module, folder: str | Path, *, chip: int | None = None, vectors: int = 100, seed: int = 0,
        observed: np.ndarray | None = None,
    ) -> Exported:  # fmt: skip
        """Write a network.

        Args:
            folder: made when missing; what an earlier export left there is replaced.
            chip: which of the chips side by side; None where there is one.
            vectors: inputs with the answers expected, for the bench.
            seed: seed of random inputs.
            observed: inputs to begin with (half of `vectors` at most), as the network's logic sees them.

        Raises:
            RefusedError: not a network of the format, or no such chip.
            StoreError: the folder cannot be written or holds something else.
        """

    @abstractmethod
    def require(
        self, folder: str | Path, *, vectors: int = 100, simulate: bool = False, synthesise: bool = False
    ) -> None:
        """Refuse, before any work, what cannot be done on this machine.

        Raises:
            ParameterError: an impossible number of vectors.
            RefusedError: the format has no such check, or its tool is not installed.
            StoreError: the folder holds something else.
        """
