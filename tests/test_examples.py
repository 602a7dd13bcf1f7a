"""The example scripts run."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_neurons_of_the_spiking_example_divide_the_images(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "spiking_network.py"))["main"](6)
    shown = capsys.readouterr().out
    assert "and after" in shown and "x read" in shown
    assert int(shown.split("learning took ")[1].split()[0]) > 0
