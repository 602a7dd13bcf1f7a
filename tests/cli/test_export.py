"""``export`` hands its options on, prints text or one JSON object, and tells by its status whether hardware agrees."""

import json

import numpy as np
import pytest

from nanoneurons.circuits._bayesian_logic import BayesianLogic
from nanoneurons.cli import _names
from nanoneurons.cli._main import run
from nanoneurons.machines import export as formats
from nanoneurons.machines.export import _tools
from nanoneurons.networks.bayesian_machine import BayesianMachine

tools = all(map(_tools.installed, (*_tools.SIMULATION, *_tools.SYNTHESIS)))


@pytest.fixture
def machine(tmp_path):
    made = BayesianMachine(3, 2, 3, 4, logic=BayesianLogic(3, "first", 40))
    made.memory.write(np.random.default_rng(0).integers(0, 256, (2, 3, 4), np.uint8))
    return str(made.save(tmp_path / "machine.safetensors"))


def test_files_alone(machine, tmp_path, capsys):
    assert run(["export", machine, "--format", "verilog", "--out", str(tmp_path / "rtl"), "--vectors", "7"]) == 0
    text = capsys.readouterr().out
    assert "2 hypotheses × 3 observations × 4 bins, mode first, 40 cycles\n" in text
    assert "bayesian_machine.sv" in text
    assert (tmp_path / "rtl" / "README.md").is_file()


@pytest.mark.skipif(not tools, reason="Icarus Verilog (iverilog, vvp) or Yosys is not installed")
def test_with_the_tools(machine, tmp_path, capsys):
    command = ["export", machine, "--format", "verilog", "--out", str(tmp_path / "rtl"), "--simulate", "--synthesise"]
    assert run([*command, "--json"]) == 0
    shown = capsys.readouterr()
    found = json.loads(shown.out)
    assert found["simulation"]["passed"]
    assert found["synthesis"]["flip_flops"] == sum(
        b["instances"] * b["flip_flops"] for b in found["synthesis"]["blocks"]
    )
    assert found["synthesis"]["memory_bits"] == 2 * 3 * 4 * 8
    assert "4/4 synthesis" in shown.err
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "PASS: 100 decisions, 10 of them compared in every cycle" in text
    assert "comparator" in text


def test_a_difference_is_status_1(machine, tmp_path, capsys, monkeypatch):
    from nanoneurons.lab import export as lab

    def fake(source, format, out, **options):
        about = {"layout": f"a machine, chip {options['chip']}"}
        said = {"passed": False, "message": "FAIL: vector 0"}
        return {"folder": "rtl", "files": [], "machine": about, "simulation": said, "synthesis": None}

    monkeypatch.setattr(lab, "run", fake)
    command = ["export", machine, "--format", "verilog", "--out", str(tmp_path), "--chip", "4", "--simulate"]
    assert run(command) == 1
    text = capsys.readouterr().out
    assert "chip 4" in text
    assert "simulation: FAIL: vector 0" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "source"),
        (["machine.safetensors"], "--format"),
        (["machine.safetensors", "--format", "verilog"], "--out"),
        (["none.safetensors", "--format", "verilog", "--out", "rtl"], "does not exist"),
        (["none.toml", "--format", "verilog", "--out", "rtl"], "does not exist"),
        (["none", "--format", "verilog", "--out", "rtl"], "nothing to export"),
        (["machine.safetensors", "--format", "vhdl", "--out", "rtl"], "available: verilog"),
        (["machine.safetensors", "--format", "verilog", "--out", "rtl", "--chip", "0"], "in software"),
        (["machine.safetensors", "--format", "verilog", "--out", "rtl", "--vectors", "0"], "--vectors"),
        (["machine.safetensors", "--format", "verilog", "--out", "rtl", "--vectors", "200000"], "100000 vectors"),
        (["machine.safetensors", "--format", "verilog", "--out", "."], "holds other files"),
    ],
)
def test_wrong_input_is_one_line(arguments, said, machine, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["export", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert said in line
    assert [p.name for p in tmp_path.iterdir()] == ["machine.safetensors"], "a refused command left files behind"


def test_names_of_formats():
    assert list(formats.catalogue) == _names.formats()
    for name in formats.catalogue:
        exporter = formats.get(name)
        assert exporter.name == name
        assert exporter.title
