"""SystemVerilog of a Bayesian machine with a bench that compares it with the Python machine, cycle by cycle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn

from nanoneurons.circuits._bayesian_logic import MISSING
from nanoneurons.core.errors import ParameterError, RefusedError, StoreError
from nanoneurons.core.files import write_atomic
from nanoneurons.core.random import generator_for
from nanoneurons.networks.bayesian_machine import BayesianMachine

from . import _tools
from ._exporter import Exported, Exporter, Simulation, Synthesis
from ._verilog_design import BENCH, BLOCKS, MACHINE, MEMORY, Design
from ._verilog_readme import readme

__all__ = ["Verilog", "VerilogFolder"]

TRACED = 10  # vectors compared in every cycle
ABSENT = 0.1  # share of missing observations among random inputs
MOST = 100_000


@dataclass(frozen=True)
class VerilogFolder(Exported):
    """A machine in SystemVerilog."""

    folder: Path
    files: list[str]
    about: dict[str, Any]

    def simulate(self) -> Simulation:
        """Compile and run the bench in Icarus Verilog."""
        return _tools.simulate(self.folder, [MACHINE, BLOCKS, MEMORY, BENCH], "bayesian_machine_tb")

    def synthesise(self) -> Synthesis:
        """Cells of the logic by Yosys; the memory is left out and counted in bits."""
        bits = 8 * self.about["rows"] * self.about["columns"] * self.about["bins"]
        return _tools.synthesise(self.folder, [MACHINE, BLOCKS, MEMORY], "bayesian_machine", "likelihoods", bits)


class Verilog(Exporter):
    """Synthesizable SystemVerilog: logic, memory, self-checking bench.

    Inputs are the observed values (bins) and a bit per column that says that nothing was observed; features become
    values outside, by the limits in ``edges.csv``.

    Not described: the devices, upsets, the clock's speed.
    """

    name: ClassVar[str] = "verilog"
    title: ClassVar[str] = "SystemVerilog of a Bayesian machine, with a bench that compares it with Python"

    def accept(self, network: nn.Module) -> None:
        """Refuse all but Bayesian machines."""
        if not isinstance(network, BayesianMachine):
            raise RefusedError(
                f"the format 'verilog' describes Bayesian machines, not a {type(network).__name__}; audit or train one "
                'with network = "bayesian"'
            )

    def require(
        self, folder: str | Path, *, vectors: int = 100, simulate: bool = False, synthesise: bool = False
    ) -> None:
        """Refuse a folder with other files, and tools that are wanted and missing; see `Exporter.require`."""
        if not 1 <= vectors <= MOST:
            raise ParameterError(f"the bench takes 1 to {MOST} vectors, not {vectors}")
        place = Path(folder)
        if place.exists() and not place.is_dir():
            raise StoreError(f"{place} is a file; choose a folder with --out")
        if place.is_dir() and any(place.iterdir()) and not (place / MACHINE).exists():
            raise StoreError(f"{place} holds other files; choose an empty folder with --out")
        _tools.require(*(_tools.SIMULATION if simulate else ()), *(_tools.SYNTHESIS if synthesise else ()))

    def export(
        self, network: nn.Module, folder: str | Path, *, chip: int | None = None, vectors: int = 100, seed: int = 0,
        observed: np.ndarray | None = None,
    ) -> VerilogFolder:  # fmt: skip
        """Write a machine; see `Exporter.export`."""
        self.accept(network)
        assert isinstance(network, BayesianMachine)
        self.require(folder, vectors=vectors)
        machine = network.one_chip(chip)
        design = Design(machine.logic, machine.memory.words(), machine.prior)
        place = Path(folder)
        inputs = _inputs(machine, vectors, seed, observed)
        written = {
            **design.sources(),
            **design.bench(inputs, TRACED),
            "edges.csv": _edges(machine),
            "README.md": readme(design, chip, len(inputs), min(TRACED, len(inputs))),
        }
        for name, text in written.items():
            write_atomic(place / name, text)
        machine.save(place / "machine.safetensors")
        layout = f"{machine.layout}, mode {machine.logic.mode}, {machine.logic.length} cycles"
        about = {
            "layout": layout if chip is None else f"{layout}, chip {chip}",
            **{key: design.sizes[key] for key in ("rows", "columns", "bins", "prior", "ones")},
            "mode": machine.logic.mode,
            "cycles": machine.logic.length, "seeds": list(machine.logic.seeds), "chip": chip, "vectors": len(inputs),
            "traced": min(TRACED, len(inputs)),
        }  # fmt: skip
        return VerilogFolder(place, [*written, "machine.safetensors"], about)


def _inputs(machine: BayesianMachine, vectors: int, seed: int, observed: np.ndarray | None) -> np.ndarray:
    """Observations of the bench: those given, half of all at most, then random ones with gaps."""
    columns, bins = machine.logic.columns, machine.memory.bins
    first = np.empty((0, columns), np.int64) if observed is None else np.asarray(observed)[: vectors // 2]
    numbers = generator_for(seed, "export")
    more = torch.randint(bins, (vectors - len(first), columns), generator=numbers)
    more[torch.rand(more.shape, generator=numbers) < ABSENT] = MISSING
    if machine.prior:
        more[:, 0] = 0
    return np.concatenate([first, more.numpy()])


def _edges(machine: BayesianMachine) -> str:
    """A line per input: its column, the feature behind it, and the limits between values, ascending."""
    lines = ["column,feature," + ",".join(f"limit_{k}" for k in range(1, machine.memory.bins))]
    for column, (feature, limits) in enumerate(zip(machine.chosen.tolist(), machine.edges.tolist(), strict=True)):
        lines.append(",".join([str(column + machine.prior), str(feature), *map(repr, limits)]))
    return "\n".join(lines) + "\n"
