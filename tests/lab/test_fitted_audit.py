"""Audits of fitted devices: draws of the fit as conditions, the parts of the variance, device files wherever named."""

import json
import shutil

import numpy as np
import pytest
import torch

from nanoneurons import data, devices
from nanoneurons.circuits.crossbar import Crossbar
from nanoneurons.core.errors import DataError, NanoneuronsError, StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import DeviceFile, Provenance, Uncertainty
from nanoneurons.lab import audit, chips, export, fit, reproduce, stats, uncertainty
from nanoneurons.lab.runner import fingerprint, run_jobs
from nanoneurons.lab.study import Study
from nanoneurons.layers.convert import convert

SMALL = {
    "task": "digits", "network": "64-10", "chips": 3, "epochs": 1, "batch": 50, "train_samples": 300,
    "test_samples": 150, "quick": True,
    "circuit_parameters": {"dac_resolution": 0.0, "adc_resolution": 0.0, "output_noise": 0.0},
}  # fmt: skip


def fitted(**changes):
    """A device whose step and read noise are known badly, and whose bounds nobody measured."""
    values = {
        "name": "pulsed",
        "device": devices.get("pulsed", pulse_step=0.01, read_noise=0.05, up_down=0.1).only("read_noise", "asymmetry"),
        "known": {
            "pulse_step": Uncertainty(0.004, 0.025, "log", 0.47), "read_noise": Uncertainty(0.0, 0.8),
            "up_down": Uncertainty(0.05, 0.15, "linear", 0.026),
        },
        "correlation": ((1.0, 0.2, 0.0), (0.2, 1.0, 0.0), (0.0, 0.0, 1.0)),
        "fixed": {"step_shape": "the shape that predicts best"},
        "kept": {"w_max_spread": "one device: no device-to-device spread; the default is kept", "read_time": "no data"},
        "notes": ("2 of 24 devices do not move",),
        "origin": (Provenance(file="lab.csv", sha256="ab" * 32, rows=500, used=498, kind="pulses"),),
    }  # fmt: skip
    return DeviceFile(**{**values, **changes})


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return fitted().write(tmp_path_factory.mktemp("device") / "mine.toml")


@pytest.fixture(scope="module")
def run(file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted") / "out"
    study = Study(device=str(file), fit_draws=3, **SMALL)
    return audit.run(study, folder, workers=1, progress="none"), folder, study


def test_every_draw_is_a_condition_with_the_same_chips(run):
    result, _, study = run
    rows = {r["condition"]: r for r in result["rows"]}
    drawn = [n for n in rows if n.startswith("fit:")]
    assert drawn == ["fit:0", "fit:1", "fit:2"] and all(len(rows[n]["accuracy"]) == 3 for n in drawn)
    assert len({tuple(rows[n]["accuracy"]) for n in drawn}) == 3
    circuits = study.setup().drawn
    assert [c.device for c in circuits] == fitted().draws(3, generator_for(0, "fit"))
    same = Study(**{**study.model_dump(), "fit_draws": 5}).setup().drawn
    assert same[:3] == circuits, "more draws leave the first ones as they are"


def test_the_parts_of_the_variance(run):
    result, _, _ = run
    part, rows = result["fit"], {r["condition"]: r for r in result["rows"]}
    assert part["draws"] == 3
    assert part["mean"] == pytest.approx(np.mean([rows[f"fit:{k}"]["mean"] for k in range(3)]))
    assert part["without"]["low"] == rows["full"]["low"]
    assert part["errors"]["fit"] > 0.02 and part["shares"]["fit"] > 0.5, "read noise of 0 to 0.8 is worth points"
    assert sum(part["shares"].values()) == pytest.approx(1)
    assert part["high"] - part["low"] > part["without"]["high"] - part["without"]["low"]
    assert [p["name"] for p in part["parameters"]] == ["pulse_step", "read_noise", "up_down"]
    assert part["parameters"][0]["file"] == "lab.csv" and len(part["parameters"][0]["drawn"]) == 3
    notes = " ".join(result["notes"])
    assert "2 parameters were told by no measurement and kept their values" in notes and "w_max_spread" in notes
    assert "more measurements would tell more than more chips" in uncertainty.sentence(part)
    assert "% with the uncertainty of the fit" in result["headline"]


def test_sources_are_those_of_the_file(run):
    declared = {p["name"]: p for p in run[0]["about"]["device"]["parameters"]}
    assert declared["pulse_step"]["source"].startswith("fitted, lab.csv: 0.004 to 0.025")
    assert declared["step_shape"]["source"] == "set by the fit: the shape that predicts best"
    assert declared["w_max_spread"]["source"].startswith("kept (one device: no device-to-device spread")
    (noise,) = [c["parameters"][0] for c in run[0]["costs"] if c["imperfection"] == "read_noise"]
    assert noise["source"].startswith("fitted, lab.csv") and noise["verified"]


def test_the_report_shows_the_fit(run):
    page = (run[1] / "report.html").read_text(encoding="utf-8")
    for words in ("How well the fit tells the accuracy", "fit of the parameters", "lab.csv",
                  "498 of 500 rows used", "one device: no device-to-device spread"):  # fmt: skip
        assert words in page
    assert "draw 1 of the fit</td>" not in page, "draws are in the figure, not among the conditions"
    assert (run[1] / "figures" / "fit.svg").is_file()


def test_two_workers_give_the_rows_of_one_and_a_stored_draw_is_not_computed_again(run, tmp_path):
    _, folder, study = run
    shutil.copytree(folder / "jobs", tmp_path / "jobs")
    stored = {job: json.loads((tmp_path / "jobs" / f"{job}.json").read_text()) for job in ("fit-0", "fit-1", "full")}
    for job in ("fit-1", "full"):
        (tmp_path / "jobs" / f"{job}.json").unlink()
    config = chips.Config(study, data.load("digits").sizes)
    again = run_jobs([["full", "fit:0", "fit:1"]], chips.run, config, tmp_path, workers=2)
    for job, found in again.items():
        assert found["result"] == stored[job.replace(":", "-")]["result"]
    assert again["fit:0"] == stored["fit-0"] and again["fit:1"]["seconds"] != stored["fit-1"]["seconds"]


def test_the_folder_keeps_the_device_file(run):
    """So that a folder can be moved, or its study run again, without the file it came from."""
    _, folder, study = run
    assert devices.load_file(folder / "device.toml") == fitted()
    kept = Study.load(folder / "config.toml")
    assert kept.device == str(folder / "device.toml") and kept.key() == study.key()


def test_the_key_is_about_the_content_of_the_file(file, tmp_path):
    study = Study(device=str(file), **SMALL)
    same = tmp_path / "other name.toml"
    same.write_text("# a comment\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    assert Study(device=str(same), **SMALL).key() == study.key()
    wider = fitted(known={**fitted().known, "up_down": Uncertainty(0.04, 0.15)}).write(tmp_path / "wider.toml")
    keys = {
        study.key(),
        Study(device=str(wider), **SMALL).key(),
        Study(device=str(file), fit_draws=0, **SMALL).key(),
        Study(device=str(file), fit_draws=2, **SMALL).key(),
        Study(device=str(fitted(correlation=()).write(tmp_path / "x.toml")), **SMALL).key(),
    }
    assert len(keys) == 5
    table = devices.get("table")
    other = table.with_tables({**table.tables(), "levels": [2 * x for x in table.tables()["levels"]]})
    tables = [DeviceFile("table", d).write(tmp_path / f"{k}.toml") for k, d in enumerate((table, other))]
    assert len({Study(device=str(path), **SMALL).key() for path in tables}) == 2
    assert Study(device=str(wider), fit_draws=0, **SMALL).key() == Study(device=str(file), fit_draws=0, **SMALL).key()


def test_without_draws_the_fit_has_no_part(file, tmp_path):
    study = Study(device=str(file), fit_draws=0, **{**SMALL, "chips": 1, "train_samples": 60})
    result = audit.run(study, tmp_path, workers=1, progress="none")
    assert result["fit"] is None and not any(r["condition"].startswith("fit:") for r in result["rows"])
    assert "uncertainty of the fit" not in result["headline"]
    assert "How well the fit" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_impossible_numbers_of_draws_are_refused(file):
    with pytest.raises(StudyError, match="fit_draws = 1 has no spread; give at least 2, or 0 for none"):
        Study(device=str(file), fit_draws=1)
    with pytest.raises(StudyError, match="'pulsed' has none; leave fit_draws out, or give a device file"):
        Study(device="pulsed", fit_draws=4)
    assert not Study(device="pulsed").setup().drawn and Study(device="pulsed", fit_draws=0)
    assert "fit" not in Study(device="pulsed").canonical()


def test_a_parameter_set_in_the_study_is_not_drawn(file):
    study = Study(device=str(file), device_parameters={"read_noise": "1 %"})
    setup = study.setup()
    assert setup.circuit.device.read_noise == 0.01
    assert {c.device.read_noise for c in setup.drawn} == {0.01}
    assert len({c.device.pulse_step for c in setup.drawn}) == 8
    every = dict.fromkeys(fitted().known, 0.01)
    assert not Study(device=str(file), device_parameters=every).setup().drawn
    assert uncertainty.attributed(setup, "read_noise", "x", False) == ("set in the study", True)


def test_the_interval_with_the_fit_covers_the_truth():
    """600 simulated audits of fits with an error of their own, 8 draws each: binomial sd 0.9 %."""
    rng = np.random.default_rng(5)
    hits, trials, truth = 0, 600, 0.7
    for _ in range(trials):
        found = rng.normal(0, 0.02)
        draws = found + rng.normal(0, 0.02, (8, 1, 1))
        chip, image = rng.normal(0, 0.03, (1, 8, 1)), rng.uniform(-0.15, 0.15, (1, 1, 200))
        answer = stats.with_fit(rng.random((8, 8, 200)) < truth + draws + chip + image)
        hits += answer.low <= truth <= answer.high
    assert 0.915 <= hits / trials <= 0.985


def test_equal_draws_add_nothing_and_luck_of_single_chips_is_not_the_fits():
    rng = np.random.default_rng(0)
    table = rng.random((6, 100)) < 0.8
    equal, plain = stats.with_fit(np.stack([table] * 4)), stats.crossed_mean(table)
    assert equal.se_fit == 0
    assert (equal.low, equal.high) == pytest.approx((plain.low, plain.high), rel=1e-12)
    shares = []
    for _ in range(200):  # training that ends elsewhere on every chip, whatever the draw
        chaos = rng.normal(0, 0.05, (8, 6, 1))
        found = stats.with_fit(rng.random((8, 6, 300)) < 0.7 + chaos)
        shares.append(found.se_fit**2)
    assert np.median(shares) < 0.25 * 0.05**2 / 6, "only a part of what the chips' own luck makes"
    with pytest.raises(ValueError, match="at least two"):
        stats.with_fit(table[None])


def test_layers_of_a_fitted_device(file):
    device = devices.get(str(file))
    model = torch.nn.Sequential(torch.nn.Linear(6, 3))
    made = convert(model, Crossbar(device=device), chips=2, generator=generator_for(0))
    assert made(torch.zeros(4, 6)).shape == (2, 4, 3)


def test_a_device_file_is_found_beside_its_study_from_any_folder(file, tmp_path, monkeypatch):
    shutil.copy(file, tmp_path / "mine.toml")
    (tmp_path / "study.toml").write_text('device = "mine.toml"\nfit_draws = 2\nnetwork = "64-10"\n')
    monkeypatch.chdir("/")
    assert len(Study.load(tmp_path / "study.toml").setup().drawn) == 2
    monkeypatch.chdir(tmp_path)
    assert Study(device="mine.toml").key() == Study(device=str(file)).key()


def test_what_is_no_study_is_told_apart(file, tmp_path):
    with pytest.raises(StudyError, match=r"mine\.toml is a device file, not a study; give it as --device .*mine\.toml"):
        Study.load(file)
    (tmp_path / "lab.csv").write_text("n,G (uS)\n1,2\n")
    with pytest.raises(StudyError, match=r"lab\.csv is no study \(\.toml\); 'nanoneurons fit .*lab\.csv' makes a dev"):
        Study.load(tmp_path / "lab.csv")
    with pytest.raises(DataError, match="is a device file or a study, not a file of measurements"):
        fit.run(file)


BINARY = DeviceFile(
    "hfox-binary", devices.get("hfox-binary"), {"read_noise": Uncertainty(0.0, 1.0)},
    origin=(Provenance(file="cells.csv"),),
)  # fmt: skip


def test_an_audit_of_a_binary_device_file_is_exported(tmp_path):
    path = BINARY.write(tmp_path / "cells.toml")
    study = Study(device=str(path), network="bayesian", chips=2, task="iris", fit_draws=2)
    audit.run(study, tmp_path / "out", workers=1, progress="none")
    path.unlink()
    made = export.run(tmp_path / "out", "verilog", tmp_path / "verilog", chip=1, vectors=2)
    assert made["files"]


def test_a_reproduction_takes_a_device_file_and_sees_it_change(tmp_path):
    path = BINARY.write(tmp_path / "cells.toml")
    overrides = {"devices": str(path)}
    before = reproduce.folder_name("harabi2023-bayesian-machine", True, None, overrides)
    DeviceFile("hfox-binary", devices.get("hfox-binary:weak")).write(path)
    assert reproduce.folder_name("harabi2023-bayesian-machine", True, None, overrides) != before
    path.write_text('device = "hfox-binari"\n')
    assert fingerprint({"a": [str(path)]}) != fingerprint({"a": [str(BINARY.write(path))]})
    with pytest.raises(NanoneuronsError, match=r"none\.toml does not exist"):
        out = tmp_path / "out"
        reproduce.run("harabi2023-bayesian-machine", True, out=out, overrides={"devices": str(tmp_path / "none.toml")})
