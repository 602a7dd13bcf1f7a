"""``design`` converts units at the door, prints tables or one JSON object, and refuses in one line."""

import json

import pytest

from nanoneurons.cli._main import run


def test_closed_forms_at_once(capsys):
    assert run(["design", "--inputs", "64", "--band-high", "0.12 GHz", "--set", "damping=2 %", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["band"] == [20e6, 120e6]
    assert found["damping"] == 0.02
    assert run(["design", "--inputs", "64"]) == 0
    text = capsys.readouterr().out
    assert "independent weights of 64" in text
    assert "Recommended:" in text


@pytest.fixture
def library(monkeypatch):
    """A stand-in for the trainings: records the design it was asked for."""
    from nanoneurons.lab import rf_design

    calls = []

    def fake(design, out, workers, progress):
        calls.append((design, out, workers, progress))
        return {"headline": "", "rows": []}

    monkeypatch.setattr(rf_design, "measure", fake)
    return calls


def test_options_reach_the_design(library, capsys, tmp_path):
    command = ["design", "--task", "digits", "--tones", "16, 64", "--dampings", "0.01,3 %", "--spreads", "0,0.5 %"]
    command += ["--hidden", "8", "--seeds", "2", "--chips", "3", "--workers", "1", "--out", str(tmp_path), "--json"]
    assert run(command) == 0
    json.loads(capsys.readouterr().out)
    ((design, out, workers, progress),) = library
    assert design.tones == (16, 64)
    assert design.dampings == (0.01, 0.03)
    assert design.spreads == (0.0, 0.005)
    assert (design.hidden, design.seeds, design.chips) == (8, 2, 3)
    assert (out, workers, progress) == (tmp_path, 1, "plain")
    assert not design.quick


def test_quick_is_smaller_and_options_override_it(library, capsys):
    assert run(["design", "--task", "digits", "--quick", "--seeds", "3", "--json"]) == 0
    ((design, *_),) = library
    assert design.quick
    assert design.hidden == 0
    assert design.seeds == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--inputs"),
        (["--inputs", "1"], "at least 2"),
        (["--inputs", "64", "--out", "here"], "--task"),
        (["--inputs", "64", "--band-low", "20"], "MHz"),
        (["--inputs", "64", "--band-low", "200 MHz"], "band_low"),
        (["--inputs", "64", "--band-low", "20 mW"], "Hz"),
        (["--inputs", "64", "--device", "hfox-binary"], "resonator"),
        (["--inputs", "64", "--plan", "lin"], "linear"),
        (["--inputs", "64", "--spacing", "200"], "linewidths"),
        (["--task", "digits", "--tones", "16,many"], "--tones"),
        (["--task", "digits", "--tones", "16.5"], "whole"),
        (["--task", "digits", "--tones", "100"], "64 inputs"),
        (["--task", "digits", "--dampings", ","], "--dampings"),
        (["--task", "digits", "--dampings", "0.9"], "damping"),
        (["--task", "digits", "--spread-dampings", "0.9"], "damping"),
        (["--task", "digits", "--spreads", "0,0.5"], "resonance_spread"),
        (["--task", "digts"], "digits"),
        (["--task", "narma10"], "classification"),
    ],
)
def test_wrong_input_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["design", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    assert said in line
    assert list(tmp_path.iterdir()) == [], "a refused command left files behind"
