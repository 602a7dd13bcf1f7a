"""An audit of equilibrium propagation on the command line: it learns, is billed for its phases, says what they were."""

import json

import pytest

from nanoneurons.cli._main import run

SMALL = {"network": "64-32-10", "chips": 2, "train_samples": 600, "epochs": 2, "batch": 20}
RULE = {"free_steps": 10, "nudged_steps": 5, "averaged": 2}
VOLATILE = ("seconds", "environment")


def write(folder, **values):
    lines = [f"{k} = {json.dumps(v)}" for k, v in {**SMALL, **values}.items()]
    lines += ["quick = true", "[rule_parameters]", *(f"{k} = {v}" for k, v in RULE.items())]
    path = folder / "study.toml"
    path.write_text("\n".join([*lines, ""]))
    return str(path)


@pytest.fixture(scope="module")
def audited(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audit")
    study = write(folder, device="pulsed:ecram", rule="equilibrium-propagation", task="digits")
    return study, folder / "out"


def launch(study, out, capsys, *more):
    assert run(["audit", study, "--out", str(out), "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)


def test_audit_learns_and_bills_its_phases(audited, tmp_path, capsys):
    study, out = audited
    result = launch(study, out, capsys, "--workers", "1")
    rows = {r["condition"]: r["mean"] for r in result["rows"]}
    assert rows["ideal"] > 0.6 and rows["full"] > 0.5  # chance is 0.1; 60 mini-batches
    assert result["used"]["in_situ"] and result["used"]["rule"] == "equilibrium-propagation"
    assert {c["imperfection"] for c in result["costs"]} >= {"nonlinearity", "output_noise", "cycle_to_cycle"}
    assert result["study"]["rule_parameters"]["averaged"] == 2

    def counts(phase):
        return {(line["phase"], line["event"]): line["count"] for line in result["energy"][phase]["lines"]}

    images, steps = 1200, 10 + 2 * 5
    assert counts("inference")["inference", "read"] == 64 * 32 + 2 * 32 * 10 * 10
    learning = {event: n for (phase, event), n in counts("training").items() if phase == "free and nudged phases"}
    assert learning["read"] == images * (64 * 32 + 2 * 32 * 10 * steps)
    assert learning["dac"] == images * (64 + (32 + 10) * steps)
    assert "free and nudged phases" in result["energy"]["training"]["note"]

    said = " ".join(result["notes"])
    for words in ("after 10 steps", "2 nudged phases of 5 steps", "last 2 steps", "settled: read without noise"):
        assert words in said
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "2 nudged phases of 5 steps" in page and "equilibrium propagation" in page

    # A half-finished folder is completed to equal rows, on two workers.
    for path in sorted((out / "jobs").iterdir())[::4]:
        path.unlink()
    again = launch(study, out, capsys, "--workers", "2")
    assert {k: v for k, v in again.items() if k not in VOLATILE} == {
        k: v for k, v in result.items() if k not in VOLATILE
    }


def test_refusals_give_reasons(tmp_path, capsys):
    cases = [
        (("--device", "spin-diode", "--rule", "equilibrium-propagation"), "analog layers"),
        (("--device", "hfox-binary", "--rule", "equilibrium-propagation"), "no intermediate states"),
    ]
    for arguments, reason in cases:
        assert run(["audit", *arguments, "--task", "digits", "--quick", "--out", str(tmp_path / "out")]) != 0
        (line,) = capsys.readouterr().err.splitlines()
        assert reason in line
    assert not (tmp_path / "out").exists()
