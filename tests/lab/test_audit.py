"""The audit end to end on the embedded digits, small: two workers, resumption, energy, report, honesty."""

import json
import re
import shutil
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from nanoneurons.core.errors import RefusedError, StoreError, StudyError, UnknownNameError
from nanoneurons.lab import audit, report, summary
from nanoneurons.lab.store import read_rows
from nanoneurons.lab.study import Study

SMALL = {"task": "digits", "network": "64-16-10", "chips": 3, "epochs": 1, "batch": 100, "train_samples": 400}
STUDY = Study(device="hfox-weak-reset", test_samples=120, circuit_parameters={"sense_offset": 0.02}, **SMALL)
VOLATILE = ("seconds", "environment")


def steady(result):
    return {k: v for k, v in result.items() if k not in VOLATILE}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    return audit.run(STUDY, folder, workers=1, progress="none"), folder


def test_conditions_cover_alone_removed_and_the_curve(run):
    result, _ = run
    names = [r["condition"] for r in result["rows"]]
    imperfections = ["device_to_device", "telegraph_noise", "flicker_noise", "sense_offset"]
    assert names[:2] == ["ideal", "full"]
    assert names[2:10] == [f"only:{i}" for i in imperfections] + [f"without:{i}" for i in imperfections]
    assert all(n.startswith(f"scale:{result['costliest']['imperfection']}@") for n in names[10:])
    assert all(len(r["accuracy"]) == 3 for r in result["rows"])


def test_costs_are_paired_differences_of_the_rows(run):
    result, _ = run
    rows = {r["condition"]: np.array(r["accuracy"]) for r in result["rows"]}
    for cost in result["costs"]:
        gain = 100 * (rows[f"without:{cost['imperfection']}"] - rows["full"])
        assert cost["removed"]["per_chip"] == pytest.approx(gain.tolist(), abs=1e-9)
        assert cost["removed"]["points"] == pytest.approx(gain.mean(), abs=1e-9)
        assert cost["removed"]["low"] < cost["removed"]["points"] < cost["removed"]["high"]
        assert cost["removed"]["se_test"] > 0
    best = max(result["costs"], key=lambda c: c["removed"]["points"])
    if result["costliest"]["by"] == "removed":
        assert best["imperfection"] == result["costliest"]["imperfection"]


def test_curve_starts_at_no_cost_and_ends_beyond_the_present(run):
    need = run[0]["requirement"]
    assert need["factors"][0] == 0.0 and need["cost"][0] == 0.0
    assert 1.0 in need["factors"]
    assert need["status"] in ("must fall", "already below", "not reached")


def test_energy_is_split_and_adds_up(run):
    bill = run[0]["energy"]
    for phase in ("inference", "training"):
        lines = bill[phase]["lines"]
        assert bill[phase]["joule"] == pytest.approx(sum(line["joule"] or 0 for line in lines))
        assert all(line["joule"] is None or (line["source"] and line["node"]) for line in lines)
        assert bill[phase]["verified"] is False, "some prices of this device could not be verified"
    pulses = [line for line in bill["training"]["lines"] if line["event"] == "write"]
    assert pulses[0]["count"] > 0, "training in the devices takes pulses"


def test_rows_json_is_what_was_returned(run):
    result, folder = run
    assert read_rows(folder) == json.loads(json.dumps(result))


def test_two_workers_and_a_resumed_run_give_equal_rows(run, tmp_path):
    result, folder = run
    shutil.copytree(folder, tmp_path / "half")
    for path in sorted((tmp_path / "half" / "jobs").iterdir())[::3]:
        path.unlink()
    (tmp_path / "half" / "rows.json").unlink()
    resumed = audit.run(STUDY, tmp_path / "half", workers=2, progress="none")
    assert json.dumps(steady(resumed)) == json.dumps(steady(result))


def test_a_folder_of_another_study_is_refused(run):
    _, folder = run
    other = STUDY.with_values(seed=1)
    with pytest.raises(StoreError, match="choose another folder"):
        audit.run(other, folder, workers=1, progress="none")


def test_report_is_self_contained_and_says_the_answer(run):
    result, folder = run
    first = (folder / "report.html").read_bytes()
    (folder / "report.html").unlink()
    page = report.write(folder).read_text(encoding="utf-8")
    assert page.encode() == first, "the same rows give the same page"
    body = re.sub(r"\s+", " ", page)
    for word in (
        "What each imperfection costs",
        "Yield",
        "Energy, split by cause",
        "unverified",
        "study.toml",
        "Licence",
    ):
        assert word in body
    assert page.count("<svg") >= 10 and "<script" not in page
    assert not re.search(r'(src|href)="(?!#|data:)', page), "nothing is loaded from anywhere"
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids)), "identifiers of all figures are distinct"
    used = set(re.findall(r'href="#([^"]+)"', page)) | set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(ids)
    assert result["headline"].startswith("3 chips of")
    for path in (folder / "figures").iterdir():
        ElementTree.parse(path)


def test_rows_of_another_version_are_refused_in_one_line(run, tmp_path):
    result, _ = run
    (tmp_path / "rows.json").write_text(json.dumps({k: v for k, v in result.items() if k != "used"}))
    with pytest.raises(StoreError, match="another version wrote it"):
        report.write(tmp_path)


def test_programmed_chips_share_one_software_network(tmp_path):
    """Binary devices are programmed after training; without imperfections every chip is the software network."""
    study = Study(device="hfox-binary", device_parameters={"cycles": 1e10, "stuck_share": 0.02}, **SMALL)
    result = audit.run(study, tmp_path, workers=1, progress="none")
    rows = {r["condition"]: r["accuracy"] for r in result["rows"]}
    assert set(rows["ideal"]) == set(rows["software"]), "an ideal device changes no weight"
    assert rows["full"] != rows["ideal"]
    (tmp_path / "software.safetensors").write_bytes(b"lost")
    (tmp_path / "jobs" / "full.json").unlink()
    again = audit.run(study, tmp_path, workers=1, progress="none")
    assert steady(again) == steady(result), "damaged weights are trained again, to the same values"


def test_impossible_studies_are_refused_before_any_work(tmp_path):
    cases = [
        (Study(device="hfox-binary", rule="pulsed-adam", **SMALL), RefusedError),
        (Study(device="hfox-weak-reset", **{**SMALL, "network": "65-16-10"}), StudyError),
        (Study(device="hfox-weak-reset", **{**SMALL, "task": "digitz"}), UnknownNameError),
    ]
    for study, error in cases:
        with pytest.raises(error):
            audit.run(study, tmp_path / "out", workers=1, progress="none")
    assert not (tmp_path / "out").exists()


def test_one_chip_has_no_yield_and_says_so(tmp_path):
    study = Study(device="hfox-weak-reset", **{**SMALL, "chips": 1, "train_samples": 100}, quick=True)
    result = audit.run(study, tmp_path, workers=1, progress="none")
    assert all(r["std"] is None for r in result["rows"])
    notes = " ".join(result["notes"])
    assert "One chip" in notes and "Quick run" in notes
    assert "<h2>Yield" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_conditions_with_equal_circuits_are_computed_once():
    circuit = Study(device="hfox-weak-reset").setup().circuit.only("telegraph_noise")
    names = ["ideal", "full", "only:telegraph_noise", "without:telegraph_noise", "scale:telegraph_noise@0.5"]
    jobs = summary.distinct(circuit, names)
    assert jobs["only:telegraph_noise"] == "full" and jobs["without:telegraph_noise"] == "ideal"
    assert jobs["scale:telegraph_noise@0.5"] == "scale:telegraph_noise@0.5"


def test_curve_stays_inside_the_range():
    circuit = Study(device="hfox-weak-reset", device_parameters={"telegraph_amplitude": 4.0}).setup().circuit
    assert summary.curve_factors(circuit, "telegraph_noise", (0.0, 0.5, 1.0, 1.5)) == [0.0, 0.5, 1.0]


def table(*shares, images=400):
    """Answers of chips that get the first images right."""
    return np.array([np.arange(images) < share * images for share in shares])


def test_ties_are_said():
    circuit = Study(device="hfox-weak-reset").setup().circuit.only("telegraph_noise", "flicker_noise")
    tables = {
        "full": table(0.80, 0.82, 0.81),
        "without:telegraph_noise": table(0.90, 0.91, 0.92),
        "without:flicker_noise": table(0.91, 0.92, 0.90),
    }
    found = summary.costliest(circuit, tables)
    assert found["by"] == "removed" and len(found["ties"]) == 1
    tables["without:flicker_noise"] = table(0.81, 0.83, 0.82)
    assert summary.costliest(circuit, tables) == {"imperfection": "telegraph_noise", "by": "removed", "ties": []}


def test_what_hides_behind_another_is_found_alone():
    circuit = Study(device="hfox-weak-reset").setup().circuit.only("telegraph_noise", "flicker_noise")
    tables = {
        "ideal": table(0.95, 0.96, 0.95),
        "full": table(0.80, 0.82, 0.81),
        "without:telegraph_noise": table(0.80, 0.82, 0.81),
        "without:flicker_noise": table(0.79, 0.82, 0.81),
        "only:telegraph_noise": table(0.80, 0.82, 0.81),
        "only:flicker_noise": table(0.90, 0.91, 0.90),
    }
    assert summary.costliest(circuit, tables) == {"imperfection": "telegraph_noise", "by": "alone", "ties": []}
