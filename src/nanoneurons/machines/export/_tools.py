"""Running Icarus Verilog and Yosys on an exported folder."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nanoneurons.core.errors import RefusedError, StoreError

from ._exporter import Block, Simulation, Synthesis

__all__ = ["SIMULATION", "SYNTHESIS", "installed", "require", "simulate", "synthesise"]

_PACKAGES = {
    "iverilog": ("Icarus Verilog", "apt-get install iverilog"),
    "vvp": ("Icarus Verilog", "apt-get install iverilog"),
    "yosys": ("Yosys", "apt-get install yosys"),
}
SIMULATION = ("iverilog", "vvp")
SYNTHESIS = ("yosys",)
_FLIP_FLOP = re.compile(r"\$_(S|A)?DFF")


def installed(tool: str) -> bool:
    """Whether a program can be called."""
    return shutil.which(tool) is not None


def simulate(folder: Path, sources: Sequence[str], top: str) -> Simulation:
    """Compile and run the bench `top` in `folder`.

    Raises:
        RefusedError: Icarus Verilog is not installed; says how to get it.
        StoreError: the sources cannot be compiled.
    """
    require(*SIMULATION)
    with tempfile.TemporaryDirectory() as place:
        program = Path(place) / "simulation"
        made = _call(["iverilog", "-g2012", "-s", top, "-o", str(program), *sources], folder)
        if made.returncode:
            raise StoreError(f"Icarus Verilog cannot compile {folder}: {_first(made)}; export the machine again")
        ran = _call(["vvp", "-n", str(program)], folder)
    lines = ran.stdout.splitlines()
    said = next((line for line in lines if line.startswith(("PASS", "FAIL"))), _first(ran))
    return Simulation(ran.returncode == 0 and said.startswith("PASS"), said)


def synthesise(folder: Path, sources: Sequence[str], top: str, memory: str, memory_bits: int) -> Synthesis:
    """Synthesise the logic of `top` without its `memory` and count cells, block by block.

    Raises:
        RefusedError: Yosys is not installed; says how to get it.
        StoreError: the sources cannot be synthesised.
    """
    require(*SYNTHESIS)
    with tempfile.TemporaryDirectory() as place:
        found = Path(place) / "stat.json"
        script = (
            f"read_verilog -sv {' '.join(sources)}; hierarchy -top {top}; blackbox {memory}; synth -top {top}; "
            f"abc -g gates; opt_clean; tee -q -o {found} stat -json"
        )
        made = _call(["yosys", "-q", "-p", script], folder)
        if made.returncode or not found.exists():
            raise StoreError(f"Yosys cannot synthesise {folder}: {_first(made)}; export the machine again")
        modules = json.loads(found.read_text(encoding="utf-8"))["modules"]
    cells = {name.lstrip("\\"): module["num_cells_by_type"] for name, module in modules.items()}
    version = _call(["yosys", "-V"], folder).stdout.split("(")[0].strip()
    return Synthesis(_blocks(cells, top, memory), memory_bits, version)


def _blocks(cells: dict[str, dict[str, int]], top: str, memory: str) -> tuple[Block, ...]:
    """Cells by kind of block; instances whose parameters differ (seeds) are one kind."""
    instances: Counter[str] = Counter()
    gates: Counter[str] = Counter()
    flip_flops: Counter[str] = Counter()

    def add(kind: str, own: dict[str, int], times: int) -> None:
        instances[kind] += times
        for cell, number in own.items():
            if cell.startswith("$_"):
                (flip_flops if _FLIP_FLOP.match(cell) else gates)[kind] += times * number

    for name, number in cells[top].items():
        inner = name.lstrip("\\")
        if inner in cells and inner != memory:
            add(_kind(inner), cells[inner], number)
    add("between blocks", cells[top], 1)
    return tuple(Block(kind, n, gates[kind] / n, flip_flops[kind] / n) for kind, n in instances.items())


def _kind(module: str) -> str:
    """Name of a module without its parameters: ``$paramod\\bayesian_lfsr\\SEED=...``."""
    found = re.search(r"bayesian_(\w+)", module)
    return found[1].replace("_", " ") if found else module


def require(*tools: str) -> None:
    """Refuse when a program is missing; says how to install it."""
    for tool in tools:
        if not installed(tool):
            name, how = _PACKAGES[tool]
            raise RefusedError(f"{name} ({tool}) is not installed; on Debian and Ubuntu: {how}")


def _call(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def _first(ran: subprocess.CompletedProcess[Any]) -> str:
    lines = [line for line in (ran.stderr + ran.stdout).splitlines() if line.strip()]
    return lines[0].strip() if lines else f"status {ran.returncode}"
