"""An audit of spiking equilibrium propagation on the command line: devices learn, bills count spikes and reads."""

import json

from nanoneurons.cli._main import run

STUDY = """device = "pulsed:ecram"
rule = "spiking-equilibrium-propagation"
task = "digits"
network = "64-16-10"
chips = 1
train_samples = 240
epochs = 2
batch = 8
quick = true
[rule_parameters]
answer = 0.1
"""


def test_audit_learns_and_counts_spikes(tmp_path, capsys):
    study = tmp_path / "study.toml"
    study.write_text(STUDY)
    assert run(["audit", str(study), "--out", str(tmp_path / "out"), "--json", "--workers", "1"]) == 0
    result = json.loads(capsys.readouterr().out)
    rows = {r["condition"]: r["mean"] for r in result["rows"]}
    assert rows["ideal"] > 0.4 and rows["full"] > 0.4  # chance is 0.1; 60 mini-batches
    assert result["used"]["in_situ"] and result["used"]["rule"] == "spiking-equilibrium-propagation"

    def counts(phase):
        return {(line["phase"], line["event"]): line["count"] for line in result["energy"][phase]["lines"]}

    inference = counts("inference")
    spikes = inference["inference", "spike"]
    assert 0 < spikes < 26 * 0.16 / 0.01, "no neuron can fire more often than once in a refractory period"
    between = inference["inference", "read"] - 64 * 16
    assert 10 * spikes <= between <= 16 * spikes, "a hidden spike reads 10 devices, an output spike 16"
    learning = {e: n for (phase, e), n in counts("training").items() if phase == "free and nudged phases"}
    assert learning["spike"] > 480 * spikes
    said = " ".join(result["notes"])
    assert "100 ms after 60 ms of settling" in said
    assert "2 nudged phases of 120 ms (centred estimator, beta 3, event form)" in said
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "spiking equilibrium propagation" in page


def test_devices_without_intermediate_states_are_refused_with_the_reason(tmp_path, capsys):
    arguments = ["--device", "hfox-binary", "--rule", "spiking-equilibrium-propagation", "--task", "digits", "--quick"]
    assert run(["audit", *arguments, "--out", str(tmp_path / "out")]) != 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "no intermediate states" in line or "reads -1 or" in line
