"""``audit``, ``report`` and ``reproduce`` hand their options to the library and print its answer."""

import json

import numpy as np
import pytest

from nanoneurons.cli._main import run
from nanoneurons.cli._options import assignments
from nanoneurons.core.errors import StudyError

SMALL = ["--chips", "2", "--network", "6-4-2", "--epochs", "1", "--batch", "10", "--workers", "1"]


@pytest.fixture
def task(tmp_path):
    rng = np.random.default_rng(4)
    y = np.arange(60) % 2
    np.savez(tmp_path / "task.npz", x=rng.random((60, 6)) * 0.5 + y[:, None] * 0.5, y=y)
    return f"user:{tmp_path / 'task.npz'}"


def test_audit_then_report(task, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["audit", "--device", "hfox-weak-reset", "--task", task, "--out", str(out), *SMALL, "--quick"]
    assert run([*command, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["study"]["chips"] == 2
    assert {"rows.json", "report.html"} <= {p.name for p in out.iterdir()}

    # The same command again finds every row; without --json it prints tables and the place of the report.
    rows = (out / "rows.json").read_text()
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "full device" in text
    assert "energy per inference" in text
    assert f"report: {out / 'report.html'}" in text
    assert json.loads(rows)["rows"] == json.loads((out / "rows.json").read_text())["rows"]

    (out / "report.html").unlink()
    assert run(["report", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"report": str(out / "report.html")}
    assert (out / "report.html").is_file()


def test_options_override_the_study_file(task, tmp_path, capsys):
    study = tmp_path / "study.toml"
    study.write_text(
        'device = "hfox-weak-reset"\ntask = "digits"\nchips = 5\n'
        '[device_parameters]\nknee = 500\nresistance = "7 kohm"\n'
    )
    command = ["audit", str(study), "--task", task, "--set", "resistance=7.1 kohm", "--out", str(tmp_path / "out")]
    assert run([*command, *SMALL, "--quick", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["study"]["chips"] == 2
    values = {p["name"]: p["value"] for p in found["about"]["device"]["parameters"]}
    assert values["resistance"] == 7100.0
    assert values["knee"] == 500


ROW = {
    "quantity": "accuracy",
    "published": 98.0,
    "verified": False,
    "measured": 97.5,
    "spread": 0.25,
    "seeds": 3,
    "unit": "%",
    "tolerance": "within ± 1",
    "verdict": "pass",
}


@pytest.fixture
def library(monkeypatch):
    """A stand-in for the runs themselves: records the calls, gives the verdicts that it is told."""
    from nanoneurons.lab import reproduce

    calls, verdicts = [], ["pass"]

    def fake(key, **options):
        calls.append((key, options))
        return {"key": key, "config": {}, "seconds": 1.0, "rows": [{**ROW, "verdict": verdicts[-1]}]}

    monkeypatch.setattr(reproduce, "run", fake)
    return calls, verdicts


def test_reproduce_passes_options_on(library, capsys):
    calls, _ = library
    key = "majumdar2021-weak-reset"
    command = ["reproduce", key, "--quick", "--seeds", "2", "--epochs", "1", "--set", "batch=50", "--workers", "1"]
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["key"] == key
    ((called, options),) = calls
    assert called == key
    assert options["overrides"] == {"batch": 50, "epochs": 1}
    assert (options["quick"], options["seeds"], options["workers"]) == (True, 2, 1)
    assert options["progress"] == "plain"


def test_reproduce_prints_a_table(library, capsys):
    assert run(["reproduce", "majumdar2021-weak-reset"]) == 0
    text = capsys.readouterr().out
    assert "97.5 ± 0.25" in text
    assert "98 (unverified)" in text
    assert "report.html" in text


@pytest.mark.parametrize(("verdict", "status"), [("pass", 0), ("info", 0), ("short", 1)])
def test_reproduce_status(library, verdict, status, capsys):
    library[1].append(verdict)
    assert run(["reproduce", "majumdar2021-weak-reset", "--json"]) == status
    json.loads(capsys.readouterr().out)


def test_reproduce_all_is_one_object_and_a_folder_each(library, capsys, tmp_path):
    from nanoneurons import papers

    assert run(["reproduce", "all", "--json", "--out", str(tmp_path)]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [p["key"] for p in found["papers"]] == list(papers.catalogue)
    folders = {str(options["out"]) for _, options in library[0]}
    assert len(folders) == len(papers.catalogue)


def test_assignments():
    found = assignments(["a=1", "b=1e-3", "c=true", "d=7 kohm", "e=[1, 2]", "f = exponential", "g=x=y"])
    assert found == {"a": 1, "b": 1e-3, "c": True, "d": "7 kohm", "e": [1, 2], "f": "exponential", "g": "x=y"}
    for bad in ("a", "=1", "a="):
        with pytest.raises(StudyError, match="NAME=VALUE"):
            assignments([bad])
