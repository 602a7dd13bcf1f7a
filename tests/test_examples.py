"""The example scripts run."""

import runpy
from pathlib import Path

import pytest

from nanoneurons import measurements

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_neurons_of_the_spiking_example_divide_the_images(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "spiking_network.py"))["main"](6)
    shown = capsys.readouterr().out
    assert "and after" in shown and "x read" in shown
    assert int(shown.split("learning took ")[1].split()[0]) > 0


def test_the_classifier_example_compares_and_explains(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLES / "bayesian_classifier.py"))["main"](1, ("tumours", "vowels"))
    shown = capsys.readouterr().out
    logarithmic = next(line for line in shown.splitlines() if "logarithmic, all" in line)
    assert abs(float(logarithmic.split("%")[1].split()[0])) < 3  # points apart from GaussianNB on the same folds
    assert "vowels: left out: " in shown
    assert "decided for" in shown and "read errors of the devices" in shown


def test_the_measurements_example_makes_what_a_fit_can_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLES / "make_measurements.py"), run_name="__main__")
    assert "pulse_step = 0.05" in capsys.readouterr().out
    without, again = (measurements.read(Path(name)) for name in ("pulses.csv", "rereads.csv"))
    assert isinstance(without, measurements.Pulses) and isinstance(again, measurements.Pulses)
    assert without.reading.shape == (24, 401) and again.reading.shape == (24, 441)
    assert without.unit == "S" and 5e-6 < without.reading.min() < without.reading.max() < 6e-5
    assert (again.pulses[:, 1:] == 0).sum() == 24 * 40 and (without.pulses[:, 1:] != 0).all()
