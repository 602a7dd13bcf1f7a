"""Simulated hardware against the Python machine, bit for bit, and what Yosys makes of it."""

import re
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from nanoneurons.circuits._bayesian_logic import MODES, BayesianLogic
from nanoneurons.circuits._lfsr import PERIOD
from nanoneurons.core.errors import ParameterError, RefusedError, StoreError, UnknownNameError
from nanoneurons.machines import export
from nanoneurons.machines.export import _tools
from nanoneurons.machines.export._verilog_design import BENCH, BLOCKS, MACHINE, MEMORY, Design
from nanoneurons.machines.export.verilog import VerilogFolder
from nanoneurons.networks.bayesian_machine import BayesianMachine

simulated = pytest.mark.skipif(
    not all(map(_tools.installed, _tools.SIMULATION)), reason="Icarus Verilog (iverilog, vvp) is not installed"
)
synthesised = pytest.mark.skipif(
    not all(map(_tools.installed, _tools.SYNTHESIS)), reason="Yosys (yosys) is not installed"
)
verilog = export.get("verilog")
MACHINES = 200  # of every mode


def machine_of(rng, mode, rows, columns, bins, *, cycles=PERIOD, prior=False, ones=1):
    """A random machine; likelihoods range from all large to all small, so that some decide nothing."""
    seeds = tuple(int(s) for s in rng.permutation(PERIOD)[: columns + prior] + 1)
    words = (256 * rng.random((rows, columns + prior, bins)) ** rng.uniform(0.1, 4)).astype(np.uint8)
    if mode == "logarithmic":
        words //= int(rng.integers(1, 9))
    logic = BayesianLogic(columns + prior, mode, cycles, seeds, ones)
    machine = BayesianMachine(columns, rows, columns, bins, logic=logic, prior=prior)
    machine.memory.write(words)
    return machine


def random_sizes(rng):
    return {
        "rows": int(rng.integers(1, 7)),
        "columns": int(rng.integers(1, 7)),
        "bins": int(rng.integers(2, 20)),
        "cycles": int(rng.integers(1, PERIOD)) if rng.random() < 0.7 else PERIOD,
        "prior": bool(rng.random() < 0.3),
    }


@simulated
@pytest.mark.parametrize("mode", MODES)
def test_hardware_equals_python_on_random_machines(mode, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)  # thousands of small files, for whose content alone we ask
    rng = np.random.default_rng(MODES.index(mode))
    undecided = vectors = 0
    for trial in range(MACHINES):
        machine = machine_of(rng, mode, **random_sizes(rng))
        written = verilog.export(machine, tmp_path / str(trial), vectors=2 if mode == "full" else 4, seed=trial)
        assert written.simulate().message == (
            f"PASS: {written.about['vectors']} decisions, {written.about['traced']} of them compared in every cycle"
        )
        highest = int(re.search(r"WIDTH = (\d+),", (written.folder / BENCH).read_text())[1]) - 1  # the bit "decided"
        lines = (written.folder / "vectors.hex").read_text().split()
        vectors += len(lines)
        undecided += sum(not int(line, 16) >> highest for line in lines)
    assert vectors >= 2 * MACHINES
    assert 0.02 < undecided / vectors < 0.7


@simulated
def test_hardware_that_waits_for_several_ones_equals_python(tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda file: None)
    rng, early = np.random.default_rng(7), 0
    for trial in range(40):
        sizes = random_sizes(rng)
        machine = machine_of(rng, "first", **sizes, ones=int(rng.integers(2, 7)))
        written = verilog.export(machine, tmp_path / str(trial), vectors=4, seed=trial)
        assert written.simulate().passed, written.simulate().message
        assert (written.about["mode"], written.about["ones"]) == ("first", machine.logic.ones)
        observed = rng.integers(-1, sizes["bins"], (20, machine.logic.columns))
        early += int((machine.decide_observed(observed).cycle < sizes["cycles"]).sum())
    assert 40 < early < 40 * 20


@simulated
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("rows", "columns", "bins"), [(1, 1, 1), (1, 3, 2), (17, 1, 5), (3, 9, 1), (4, 4, 8)])
def test_odd_sizes(mode, rows, columns, bins, tmp_path):
    rng = np.random.default_rng(rows + columns)
    words = rng.integers(0, 256, (rows, columns, bins), np.uint8)
    design = Design(BayesianLogic(columns, mode, 31), words)
    observed = rng.integers(-1, bins, (12, columns))
    assert simulate(design, observed, tmp_path).passed


@simulated
@pytest.mark.parametrize("mode", MODES)
def test_decisions_that_cannot_be_made(mode, tmp_path):
    word = 255 if mode == "logarithmic" else 0
    logic = BayesianLogic(2, mode, 20)
    design = Design(logic, np.full((3, 2, 4), word, np.uint8))
    observed = np.array([[0, 1], [-1, -1], [-1, 3]])
    assert logic.decide(design.words, observed).decided.tolist() == [False, True, False]
    assert simulate(design, observed, tmp_path).passed


@simulated
@pytest.mark.parametrize(
    ("mode", "part"),
    [
        *((mode, part) for mode in ("full", "first") for part in ("word", "value", "seed", "cycles")),
        *(("logarithmic", part) for part in ("word", "value")),
    ],
)
def test_a_difference_is_found_and_named(mode, part, tmp_path):
    """The bench of one machine with the hardware of another that differs in one place."""
    rng = np.random.default_rng(5)
    words = rng.integers(20, 90, (3, 3, 4), np.uint8)
    logic = BayesianLogic(3, mode, 60, (1, 77, 200))
    observed = rng.integers(0, 4, (6, 3))
    other = Design(logic, words)
    if part == "word":
        changed = words.copy()
        changed[1, 2] ^= 0x20
        other = Design(logic, changed)
    elif part == "seed":
        other = Design(replace(logic, seeds=(1, 78, 200)), words)
    elif part == "value":
        observed[:, 0] = 1 + observed[:, 0] % 3
        other = Design(logic, words[:, :, [1, 0, 2, 3]])
    else:
        words[:] = 0
        other = Design(replace(logic, cycles=59), words)
    found = simulate(Design(logic, words), observed, tmp_path, hardware=other)
    assert not found.passed
    assert re.match(r"FAIL: vector \d+, cycle \d+: ", found.message), found.message


def simulate(design, observed, folder, traced=100, hardware=None):
    files = {**(hardware or design).sources(), **design.bench(observed, traced)}
    for name, text in files.items():
        (folder / name).write_text(text)
    return VerilogFolder(folder, list(files), {}).simulate()


@synthesised
@pytest.mark.parametrize("mode", MODES)
def test_cells_of_every_block(mode, tmp_path):
    machine = machine_of(np.random.default_rng(1), mode, 4, 6, 16)
    found = verilog.export(machine, tmp_path / "out").synthesise()
    blocks = {block.name: block for block in found.blocks}
    assert found.memory_bits == 4 * 6 * 16 * 8
    assert blocks["word register"].flip_flops * blocks["word register"].instances >= 8 * 24
    assert blocks["control"].flip_flops == 10  # busy, done, eight of the cycle counter
    assert "Yosys" in found.tool
    if mode == "logarithmic":
        assert blocks["adder"].instances == 4 * 5
        assert "lfsr" not in blocks
        return
    assert (blocks["lfsr"].instances, blocks["lfsr"].gates, blocks["lfsr"].flip_flops) == (6, 3, 8)
    assert blocks["comparator"].instances == 24
    assert blocks["comparator"].flip_flops == 0
    assert blocks["row"].gates == 6 + 5  # a missing observation multiplies by 1: an OR per column; then the ANDs
    assert ("counter" in blocks) == (mode == "full")
    assert found.flip_flops == round(sum(b.instances * b.flip_flops for b in found.blocks))


@simulated
@synthesised
@pytest.mark.parametrize("mode", MODES)
def test_the_synthesised_machine_decides_alike(mode, tmp_path):
    """Gates and flip-flops of the whole machine, memory included, in the same bench."""
    rng = np.random.default_rng(8)
    written = verilog.export(machine_of(rng, mode, 3, 3, 5, cycles=90, prior=True), tmp_path / "out", vectors=12)
    (written.folder / "rtl").mkdir()
    script = (
        f"read_verilog -sv {MACHINE} {BLOCKS} {MEMORY}; synth -flatten -top bayesian_machine; check -assert; "
        f"write_verilog -noattr rtl/gates.v"
    )
    subprocess.run(["yosys", "-q", "-p", script], cwd=written.folder, check=True, capture_output=True)
    bench = (written.folder / BENCH).read_text()
    (written.folder / "rtl" / BENCH).write_text(
        re.sub(r"TRACED = \d+;", "TRACED = 0;", bench).replace("machine.", "//")
    )
    top = re.sub(r"\n *if \(//.*", "", (written.folder / "rtl" / BENCH).read_text())  # nothing inside has a name now
    (written.folder / "rtl" / BENCH).write_text(top)
    assert "reg [7:0] state" not in (written.folder / "rtl" / "gates.v").read_text()
    found = _tools.simulate(written.folder, ["rtl/gates.v", f"rtl/{BENCH}"], "bayesian_machine_tb")
    assert found.message == "PASS: 12 decisions, 0 of them compared in every cycle"


def test_the_folder_is_complete_and_says_what_it_holds(tmp_path):
    machine = machine_of(np.random.default_rng(2), "first", 4, 3, 6, prior=True)
    machine.edges.copy_(torch.arange(15.0).reshape(3, 5))
    written = verilog.export(machine, tmp_path / "out", vectors=20)
    assert sorted(p.name for p in written.folder.iterdir()) == sorted(written.files)
    page = (written.folder / "README.md").read_text()
    for name in written.files:
        assert f"`{name}`" in page or name == "README.md"
    assert "Column 0 is the prior" in page
    assert written.about["cycles"] == PERIOD
    assert written.about["traced"] == 10
    edges = (written.folder / "edges.csv").read_text().splitlines()
    assert edges[1] == "1,0,0.0,1.0,2.0,3.0,4.0"
    again = BayesianMachine.load(written.folder / "machine.safetensors")
    assert (again.memory.words() == machine.memory.words()).all()
    same = verilog.export(machine, tmp_path / "again", vectors=20)
    for name in written.files:
        assert (written.folder / name).read_bytes() == (same.folder / name).read_bytes(), name
    verilog.export(machine, tmp_path / "again", vectors=3)  # an earlier export is replaced


def test_one_of_several_chips(tmp_path):
    rng = np.random.default_rng(3)
    words = rng.integers(0, 256, (3, 2, 2, 4), np.uint8)
    machine = BayesianMachine(2, 2, 2, 4, logic=BayesianLogic(2), chips=3)
    machine.memory.write(words)
    written = verilog.export(machine, tmp_path / "out", chip=2)
    assert (BayesianMachine.load(written.folder / "machine.safetensors").memory.words() == words[2]).all()
    with pytest.raises(ParameterError, match=r"3 chips; say which \(0 to 2\)"):
        verilog.export(machine, tmp_path / "none")
    with pytest.raises(ParameterError, match="no chip 3"):
        verilog.export(machine, tmp_path / "none", chip=3)
    assert not (tmp_path / "none").exists()


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(RefusedError, match="not a Linear"):
        verilog.export(nn.Linear(2, 2), tmp_path)
    machine = machine_of(np.random.default_rng(4), "full", 2, 2, 4)
    with pytest.raises(ParameterError, match="1 to 100000 vectors, not 0"):
        verilog.export(machine, tmp_path / "out", vectors=0)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match="holds other files"):
        verilog.export(machine, tmp_path)
    with pytest.raises(StoreError, match="is a file"):
        verilog.export(machine, tmp_path / "notes.txt")
    with pytest.raises(UnknownNameError, match="did you mean 'verilog'"):
        export.get("verilgo")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RefusedError, match="apt-get install iverilog"):
        verilog.require(tmp_path / "out", simulate=True)
    with pytest.raises(RefusedError, match="apt-get install yosys"):
        verilog.require(tmp_path / "out", synthesise=True)
    verilog.require(tmp_path / "out")
