"""The audit of a Bayesian machine end to end, small: ranking, what the devices do to bits, energy, figures, wording."""

import re
from pathlib import Path

import numpy as np
import pytest

from nanoneurons.core.errors import StudyError
from nanoneurons.lab import audit
from nanoneurons.lab.study import Study

EXAMPLE = Path(__file__).parents[2] / "examples" / "bayesian.toml"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bayesian")
    study = Study.load(EXAMPLE).with_values(quick=True, chips=3)
    return audit.run(study, folder, workers=1, progress="none"), folder


def test_every_imperfection_is_ranked_and_the_stuck_devices_cost_most(run):
    """2 % of devices that hold the wrong bit half of the time: about 1 % of wrong bits."""
    result, _ = run
    names = {c["imperfection"] for c in result["costs"]}
    assert names == {"device_to_device", "cycle_to_cycle", "stuck", "read_noise", "sense_offset", "upsets"}
    assert result["costliest"]["imperfection"] == "stuck"
    alone = {c["imperfection"]: c["alone"]["points"] for c in result["costs"]}
    assert alone["stuck"] > 3 and alone["upsets"] > 0.5
    assert result["requirement"]["status"] == "must fall"


def test_software_and_ideal_devices_answer_alike(run):
    """No imperfection, no wrong bit: the chips are the software machine."""
    result, _ = run
    rows = {row["condition"]: row["accuracy"] for row in result["rows"]}
    assert set(rows["ideal"]) == set(rows["software"])
    assert np.mean(rows["software"]) > 0.7, "the machine has learnt the digits"


def test_the_bill_is_that_of_the_logarithmic_mode(run):
    """10 hypotheses, 16 observations: one byte of each block, fifteen additions a row, eight shifts."""
    result, _ = run
    bill = result["energy"]["inference"]
    counts = {line["event"]: line["count"] for line in bill["lines"]}
    assert counts == {"sense": 1280, "addition": 150, "shift": 80, "count": 8, "clock": 101 * 8 + 1280}
    assert not bill["unpriced"] and not bill["verified"], "the sense amplifier's price is not verified"
    assert result["energy"]["training"]["lines"][0]["phase"] == "pulses that program the likelihoods"
    assert result["energy"]["training"]["lines"][0]["count"] == 2 * 1280 * 64
    titles = [other["title"] for other in result["beside"]]
    assert "microcontroller, floating point in software" in titles
    assert result["modes"] == [], "of logarithms no stochastic mode can be told"


def test_what_was_measured_is_said(run):
    result, folder = run
    notes = " ".join(result["notes"])
    assert re.search(r"A decision takes 8 cycles on average; [\d.]+ % of the samples are left undecided", notes)
    wrong = float(re.search(r"([\d.]+) % of the stored bits are read otherwise than written", notes)[1])
    assert 0.5 < wrong < 2.0
    assert "address decoders" in notes and "floating point in software" in notes
    assert result["used"]["network"] == "10 hypotheses × 16 observations × 64 bins"
    html = (folder / "report.html").read_text()
    assert "The same by other means" in html and "likelihoods" in html


def test_stochastic_modes_are_compared_in_one_table(tmp_path):
    study = Study(device="hfox-binary", network="bayesian", chips=1, quick=True)
    result = audit.run(study, tmp_path, workers=1, progress="none")
    modes = {found["mode"]: found for found in result["modes"]}
    assert list(modes) == ["full", "first", "logarithmic"]
    assert modes["full"]["joule"] == pytest.approx(result["energy"]["inference"]["joule"])
    for found in modes.values():
        assert sum(found["causes"].values()) == pytest.approx(found["joule"])
        assert found["causes"]["memory"] == pytest.approx(480 * 30e-15)
    assert modes["full"]["joule"] > max(modes["first"]["joule"], modes["logarithmic"]["joule"])
    assert modes["logarithmic"]["causes"]["random numbers"] == 0.0
    html = (tmp_path / "report.html").read_text()
    assert "In each mode" in html and "random numbers" in html


def test_graded_devices_with_too_few_pulses_say_so(tmp_path):
    """A thousand steps of a ten-thousandth of the range, from a start anywhere in it."""
    small = {"columns": 3, "bins": 8}
    study = Study(device="pulsed:idealized", network="bayesian", rule_parameters=small, chips=1, quick=True)
    notes = " ".join(audit.run(study, tmp_path, workers=1, progress="none")["notes"])
    assert "the 1000 pulses that write a bit (write_pulses) may be too few" in notes


def test_sizes_are_refused_before_any_work(tmp_path):
    study = Study(device="hfox-binary", rule="naive-bayes", network="64-10")
    with pytest.raises(StudyError, match="builds the network 'bayesian', not '64-10'"):
        audit.run(study, tmp_path / "out", workers=1, progress="none")
    assert not (tmp_path / "out").exists()


def test_several_things_cost_and_one_costs(run):
    result, _ = run
    assert "stuck devices cost most" in result["headline"]
